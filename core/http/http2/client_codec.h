#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/http/codec.h"
#include "core/http/http2/connection.h"
#include "core/http/http2/options.h"
#include "core/http/http2/stream.h"

namespace postern {

/// The client side of HTTP/2 (RFC 9113, RFC 7541): many exchanges on one connection, as many as the
/// peer allows. Push is off. A malformed response ends its exchange with kProtocolError; GOAWAY and
/// REFUSED_STREAM tell exchanges that were not begun (kRefused) from those that may have been.
class Http2ClientCodec final : public ClientCodec, private Http2Connection {
 public:
  /// `sink`, `events` and `options` outlive the codec; Http2ClientOptions() are the usual ones.
  /// Writes the client's preface.
  Http2ClientCodec(ByteSink* sink, ClientCodecEvents* events, const Http2Options& options);

  ClientStream* NewStream(ResponseReceiver* receiver) override;
  size_t capacity() const override;
  size_t active_streams() const override { return tied_streams(); }
  /// Exchanges that the peer allows at once, within our own limit; ours, until its SETTINGS have
  /// come.
  size_t stream_limit() const {
    return std::min<size_t>(PeerLimit(), options().max_concurrent_streams);
  }

  /// Sends a PING (RFC 9113 §6.7). Its answer shows in received(), like whatever else comes.
  void Ping();
  /// Bytes that have come from the peer.
  uint64_t received() const { return bytes_received(); }

  void OnData(std::string_view data, uint64_t now_ms) override { Receive(data, now_ms); }
  void OnPeerClosed() override { Lost(); }
  void OnConnectionLost() override { Lost(); }
  void OnSinkWritable() override { SinkWritable(); }
  bool ReadWanted() const override { return ReadWantedNow(); }
  bool Done() const override { return !open() || (open_streams() == 0 && !RequestsAllowed()); }

 private:
  class Stream;

  void OnSection(uint32_t id, Http2Stream* stream, bool end) override;
  void OnGone(Http2Stream* stream) override;
  void OnSent(Http2Stream* stream) override;
  void OnTerminated(std::string_view) override { capacity_changed_ = true; }
  void OnPeerChanged() override { capacity_changed_ = true; }
  void OnSettled() override;
  ResetReason LossReason(const Http2Stream* stream) const override;

  bool RequestsAllowed() const;
  uint32_t PeerLimit() const;
  void SendHead(Stream* stream, const RequestHead& head, bool end);
  void ReceivedHead(Stream* stream, bool end);

  ClientCodecEvents* events_;
  size_t wired_streams_ = 0;  // requests that nghttp2 has
  bool reused_ = false;       // an exchange has ended well on this connection before
  bool capacity_changed_ = false;
};

}  // namespace postern
