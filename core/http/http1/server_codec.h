#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/codec.h"
#include "core/http/http1/chunked_decoder.h"
#include "core/http/http1/head_scanner.h"
#include "core/http/http1/writer.h"

namespace postern {

/// The server side of HTTP/1.0 and HTTP/1.1 (RFC 9112). One exchange at a time; pipelined requests
/// wait, unread beyond one read, until their turn comes. Whatever two parsers could read
/// differently is answered 400 and ends the connection.
class Http1ServerCodec final : public ServerCodec, private ServerStream {
 public:
  /// `sink`, `events` and `limits` outlive the codec.
  Http1ServerCodec(ByteSink* sink, ServerCodecEvents* events, const Http1Limits* limits);

  void OnData(std::string_view data, uint64_t now_ms) override;
  void OnPeerClosed() override;
  void OnConnectionLost() override;
  void OnSinkWritable() override;
  void Drain() override { draining_ = true; }
  bool ReadWanted() const override;
  bool Done() const override;
  bool Aborted() const override { return aborted_; }
  size_t active_streams() const override { return receiver_ != nullptr ? 1 : 0; }
  bool head_pending() const override { return phase_ == Phase::kHead && !held_.empty(); }

 private:
  // Where the connection stands in reading. Writing has its own state: response_.
  enum class Phase : uint8_t {
    kHead,      // between requests, or inside a head
    kBody,      // content with a length
    kChunked,   // content in chunks
    kReceived,  // the request is complete; the next one waits for the response's end
    kTunnel,    // after 101: bytes, not messages
    kBroken,    // nothing more is understood
  };
  enum class Response : uint8_t { kNone, kHeadSent, kEnded };

  // ServerStream.
  void SendInformational(uint16_t status, const HeaderMap* headers) override;
  void SendHead(const ResponseHead& head, bool end) override;
  void SendBody(std::string_view data) override;
  void SendEnd(const HeaderMap* trailers) override;
  void Reset(ResetReason reason) override;
  void Consume(size_t size) override;
  size_t buffered() const override { return sink_->buffered(); }
  uint64_t id() const override { return stream_id_; }

  // Each consumes from the front of `*data`; false when more bytes, or the response's end, are
  // needed.
  bool Step(std::string_view* data);
  bool ReadHead(std::string_view* data);
  bool ReadBody(std::string_view* data);
  bool ReadChunked(std::string_view* data);

  void StartRequest(std::string_view head);
  std::string_view ParseRequestLine(std::string_view line, RequestHead* head);
  std::string_view ParseTarget(std::string_view target, std::string_view host, RequestHead* head);
  void Deliver(std::string_view content);
  void RequestComplete(const HeaderMap* trailers);
  void FinishResponse();
  void Reject(uint16_t status, std::string_view detail);

  ByteSink* sink_;
  ServerCodecEvents* events_;
  const Http1Limits* limits_;
  RequestReceiver* receiver_ = nullptr;
  std::string held_;  // bytes received but not yet used
  HeadScanner scanner_;
  ChunkedDecoder chunks_;
  Phase phase_ = Phase::kHead;
  Response response_ = Response::kNone;
  ContentWriter response_content_;
  Method method_ = Method::kGet;
  uint8_t version_ = 11;
  bool keep_alive_ = true;
  bool draining_ = false;
  bool peer_closed_ = false;
  bool closing_ = false;  // nothing more is read; the connection ends when written
  bool aborted_ = false;  // the response was cut: the connection must not end in order
  bool in_data_ = false;  // OnData() is on the stack
  bool expect_continue_ = false;
  bool te_trailers_ = false;
  uint64_t stream_id_ = 0;
  uint64_t request_left_ = 0;  // content still to come (kBody)
  uint64_t discarded_ = 0;     // content read after the response's end
  uint64_t unconsumed_ = 0;    // content delivered and not yet given back
};

}  // namespace postern
