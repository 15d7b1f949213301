#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/http/codec.h"
#include "core/http/http2/budget.h"
#include "core/http/http2/connection.h"
#include "core/http/http2/options.h"
#include "core/http/http2/stream.h"

namespace postern {

/// The server side of HTTP/2 (RFC 9113, RFC 7541), over TLS or by prior knowledge alike.
///
/// Receivers hear of valid requests only: what is malformed, or could not be carried by HTTP/1.1,
/// ends its stream with PROTOCOL_ERROR (§8.1.1); what passes a limit is answered 414, 417 or 431
/// and the connection goes on. Peers that break the protocol, or flood, are sent GOAWAY.
///
/// A response whose length is known ends with its last byte: it has no trailers.
class Http2ServerCodec final : public ServerCodec, private Http2Connection {
 public:
  /// `sink`, `events` and `options` outlive the codec. Writes the server's preface.
  Http2ServerCodec(ByteSink* sink, ServerCodecEvents* events, const Http2Options& options);

  void OnData(std::string_view data, uint64_t now_ms) override { Receive(data, now_ms); }
  void OnPeerClosed() override;
  void OnConnectionLost() override { Lost(); }
  void OnSinkWritable() override { SinkWritable(); }
  void Drain() override;
  bool ReadWanted() const override { return !peer_closed_ && ReadWantedNow(); }
  bool Done() const override;
  bool Aborted() const override { return false; }  // a stream that was cut shows it by itself
  size_t active_streams() const override { return tied_streams(); }
  bool head_pending() const override { return SectionPending(); }

 private:
  class Stream;

  void OnSection(uint32_t id, Http2Stream* stream, bool end) override;
  void OnBroken() override;
  void OnGone(Http2Stream* stream) override;
  void OnSent(Http2Stream* stream) override;
  void OnTerminated(std::string_view detail) override { events_->OnRejected(0, detail); }
  ResetReason LossReason(const Http2Stream*) const override { return ResetReason::kConnectionLost; }

  void StartRequest(uint32_t id, bool end);
  void Reject(uint32_t id, bool end, const FieldSection::Problem& problem);
  void Refuse(uint32_t id);
  Stream* MakeStream(uint32_t id, bool end);
  void SendHead(Stream* stream, const ResponseHead& head, bool end);

  ServerCodecEvents* events_;
  Budget resets_;
  bool peer_closed_ = false;
  uint8_t drain_step_ = 0;
};

}  // namespace postern
