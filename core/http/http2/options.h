#pragma once

#include <cstddef>
#include <cstdint>

namespace postern {

/// Limits of one HTTP/2 connection. Those that count frames defend against floods: a peer within
/// the protocol's letter that makes us work for nothing is ended with GOAWAY ENHANCE_YOUR_CALM (RFC
/// 9113 §10.5).
struct Http2Options {
  /// SETTINGS_MAX_CONCURRENT_STREAMS sent by a server; a client keeps within it beside the peer's.
  uint32_t max_concurrent_streams = 100;

  /// SETTINGS_INITIAL_WINDOW_SIZE: bytes of content of one stream that are received and not yet
  /// consumed, at first.
  uint32_t initial_stream_window = 65536;
  /// What a stream's window may grow to, by doubling, while its reader keeps up. At most 2^31-1.
  uint32_t max_stream_window = 65536;
  /// Bytes of content of all streams that are received and not yet consumed: what one connection
  /// can make us hold. At least 65535.
  uint32_t connection_window = 1024 * 1024;

  size_t max_target = 10240;       ///< bytes of :path; 414 (rest-api.md §10.5)
  size_t max_head_fields = 10240;  ///< bytes of names, values, separators; 431 (rest-api.md §10.5)
  size_t max_field_count = 200;    ///< fields of a head; 431
  size_t max_trailer_bytes = 8192;    ///< bytes of a trailer section; the stream is reset
  size_t max_interim_responses = 16;  ///< 1xx before a final response
  /// Bytes of a decoded field section, name and value and 32 each as in RFC 9113 §6.5.2, beyond
  /// which the connection ends. Until then a section over the limits above is decoded but not kept.
  size_t max_decoded_section = 128 * 1024;
  size_t max_continuations = 16;       ///< CONTINUATION frames of one field block
  size_t max_field_block = 96 * 1024;  ///< bytes of one field block on the wire

  /// Streams that the peer may reset, or break by its fault, before they are answered; each
  /// answered one allows one more, and so does every 1/resets_per_second.
  uint32_t max_resets = 100;
  uint32_t resets_per_second = 33;
  /// Frames that carry nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, frames on
  /// closed streams, unknown frames, refused heads) at a time; useful frames in either direction
  /// allow more.
  uint32_t max_idle_frames = 400;
  uint32_t idle_frames_per_second = 50;
  /// Bytes that the peer's socket refuses at which nothing more is read from it, for every frame
  /// read could be one more to answer.
  size_t max_unread_output = 65536;
};

/// Limits of a connection to an upstream: windows start small and grow with their readers, so that
/// many responses that nobody reads stay small together, and one that is read goes fast.
inline Http2Options Http2ClientOptions() {
  Http2Options options;
  options.initial_stream_window = 16384;
  options.max_stream_window = 256 * 1024;
  options.connection_window = 1792 * 1024;
  return options;
}

}  // namespace postern
