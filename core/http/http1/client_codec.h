#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/codec.h"
#include "core/http/http1/chunked_decoder.h"
#include "core/http/http1/head_scanner.h"
#include "core/http/http1/writer.h"

namespace postern {

/// The client side of HTTP/1.1 (RFC 9112): one exchange at a time on a kept connection. A response
/// that breaks the rules ends the exchange with kProtocolError, one that stops short with
/// kPeerReset; neither ever looks complete.
class Http1ClientCodec final : public ClientCodec, private ClientStream {
 public:
  /// `sink`, `events` and `limits` outlive the codec. Of the limits, those on heads, fields and
  /// trailers apply to responses.
  Http1ClientCodec(ByteSink* sink, ClientCodecEvents* events, const Http1Limits* limits);

  ClientStream* NewStream(ResponseReceiver* receiver) override;
  size_t capacity() const override { return phase_ == Phase::kIdle && !closing_ ? 1 : 0; }
  size_t active_streams() const override { return receiver_ != nullptr ? 1 : 0; }

  void OnData(std::string_view data, uint64_t now_ms) override;
  void OnPeerClosed() override;
  void OnConnectionLost() override;
  void OnSinkWritable() override;
  bool ReadWanted() const override { return !closing_ && unconsumed_ < limits_->body_window; }
  bool Done() const override { return closing_ && receiver_ == nullptr; }

 private:
  enum class Phase : uint8_t {
    kIdle,      // no exchange
    kHead,      // waiting for, or inside, a response head
    kBody,      // content with a length
    kChunked,   // content in chunks
    kUntilEnd,  // content until the connection ends
    kReceived,  // the response is complete, the request is not
    kTunnel,    // after 101
  };

  // ClientStream.
  void SendHead(const RequestHead& head, bool end) override;
  void SendBody(std::string_view data) override;
  void SendEnd(const HeaderMap* trailers) override;
  void Reset(ResetReason reason) override;
  void Consume(size_t size) override;
  size_t buffered() const override { return sink_->buffered(); }

  bool Step(std::string_view* data);
  bool ReadHead(std::string_view* data);
  bool StartResponse(std::string_view head);
  std::string_view ParseStatusLine(std::string_view line, ResponseHead* head);
  void Deliver(std::string_view content);
  void ResponseComplete(const HeaderMap* trailers);
  void ExchangeComplete();
  void Fail(ResetReason reason);

  ByteSink* sink_;
  ClientCodecEvents* events_;
  const Http1Limits* limits_;
  ResponseReceiver* receiver_ = nullptr;
  std::string held_;
  HeadScanner scanner_;
  ChunkedDecoder chunks_;
  Phase phase_ = Phase::kIdle;
  ContentWriter request_content_;
  Method method_ = Method::kGet;
  bool upgrade_asked_ = false;
  bool request_done_ = false;
  bool keep_alive_ = true;
  bool closing_ = false;
  bool reused_ = false;    // an exchange has ended well on this connection before
  bool answered_ = false;  // a byte of the response under way has arrived
  bool surplus_ = false;   // bytes follow the part being handled
  uint8_t interim_ = 0;
  uint64_t response_left_ = 0;
  uint64_t unconsumed_ = 0;
};

}  // namespace postern
