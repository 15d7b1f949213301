#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/byte_sink.h"
#include "core/http/message.h"

/// The seam between bytes and exchanges. A codec turns the bytes of one connection into events and
/// messages into bytes; it owns no socket, no clock and no thread. Limits, framing and the rules
/// against request smuggling live in codecs and nowhere else.
///
/// Four small interfaces: what a codec offers for one exchange (ServerStream, ClientStream) and
/// what hears of it (RequestReceiver, ResponseReceiver). The rules of one exchange:
///
///  - Received parts come in order: head, body chunks, end (with or without trailers); each once.
///  - Parts are sent in the same order. After a head sent with `end`, nothing more is sent.
///  - The tie between the two objects is cut by the first of: OnReset(), Reset(), or both
///  directions
///    having ended. On the server side it is cut by the response's end alone: what is left of the
///    request is then the codec's to discard. After the cut neither object may use the other.
///  - A receiver may call any sending method from inside any of its events. It is never destroyed
///    by the codec, and must not be destroyed while one of its events is on the stack.
///  - Views passed in either direction are borrowed until the call returns, except heads and
///    trailers received, which live in the arena of the receiver's head.
namespace postern {

/// Why an exchange was cut off.
enum class ResetReason : uint8_t {
  kCancelled,        ///< the other side of the gateway lost interest
  kPeerReset,        ///< the peer ended this exchange (RST_STREAM, or closed the connection)
  kConnectionLost,   ///< the connection broke or was closed under the exchange
  kStaleConnection,  ///< a reused connection turned out closed before any byte of an answer
  kRefused,          ///< the peer says it has not begun to process it; may be sent again safely
  kProtocolError,    ///< the peer broke the protocol's rules, or sent a malformed message
  kLimit,            ///< a limit of ours was passed
  kTimeout,          ///< a time limit of ours was passed
  kInternal,         ///< our own fault
};

/// A short stable name for logs and metrics, such as "peer_reset".
std::string_view ResetReasonName(ResetReason reason);

/// Hears of one request and answers it. Implemented by session::Stream.
class RequestReceiver {
 public:
  /// Where the codec writes the head; its arena also takes the trailers.
  virtual RequestHead* request_head() = 0;

  /// The head is complete and valid. With `end`, the request has no content and no trailers.
  virtual void OnHead(bool end) = 0;
  /// The next bytes of content, never empty. Whoever is done with them gives credit back by
  /// ServerStream::Consume(), sooner or later.
  virtual void OnBody(std::string_view data) = 0;
  /// The request is complete. `trailers` is null when there are none.
  virtual void OnEnd(const HeaderMap* trailers) = 0;
  /// The exchange is over; may come before OnHead(), for a head that is refused. Not called for
  /// what the receiver cut itself.
  virtual void OnReset(ResetReason reason) = 0;
  /// buffered() is zero again after it was not.
  virtual void OnWritable() = 0;

 protected:
  ~RequestReceiver() = default;
};

/// The sending half of one exchange on a server connection. Owned by its codec.
class ServerStream {
 public:
  /// An interim response: 100, 102, 103. Ignored towards HTTP/1.0.
  virtual void SendInformational(uint16_t status, const HeaderMap* headers) = 0;
  /// The final response's head, once. With `end` it is the whole response. Framing fields are the
  /// codec's: they are derived from `head.body`, `head.content_length`, the request's method and
  /// the status. Status 101 (HTTP/1.1 only) turns the connection into a tunnel: bodies then carry
  /// its bytes in both directions.
  virtual void SendHead(const ResponseHead& head, bool end) = 0;
  /// Content. With kLength, the sum must come to content_length: more is cut off with a reset, less
  /// at the end as well, so that a short answer never looks complete.
  virtual void SendBody(std::string_view data) = 0;
  /// Ends the response. Trailers are sent where the version and framing allow, else dropped.
  virtual void SendEnd(const HeaderMap* trailers) = 0;
  /// Cuts the exchange: RST_STREAM, or the connection is closed without a proper end.
  virtual void Reset(ResetReason reason) = 0;
  /// `size` bytes of received content are done with; lets the peer send as many more.
  virtual void Consume(size_t size) = 0;
  /// Bytes of this response that the peer (its socket or its flow-control window) has refused so
  /// far. While it is not zero, the source should pause; OnWritable() tells when it is again.
  virtual size_t buffered() const = 0;
  /// Number of this stream on its connection: 1, 2, 3… (HTTP/1) or the HTTP/2 stream identifier.
  virtual uint64_t id() const = 0;

 protected:
  ~ServerStream() = default;
};

/// What a server codec asks of its session.
class ServerCodecEvents {
 public:
  /// A request begins. Returns who will hear of it, or null to refuse it (HTTP/2: REFUSED_STREAM;
  /// HTTP/1: 503 and close). The head follows by request_head() and OnHead().
  virtual RequestReceiver* OnNewStream(ServerStream* stream) = 0;
  /// A request was refused before it reached a receiver: the codec has answered `status` itself
  /// (0: it could only close). `detail` is a short stable token for metrics and logs.
  virtual void OnRejected(uint16_t status, std::string_view detail) = 0;

 protected:
  ~ServerCodecEvents() = default;
};

/// One connection's server side. The session feeds it and, after every call into the codec or into
/// one of its streams, looks at ReadWanted() and Done().
class ServerCodec {
 public:
  virtual ~ServerCodec() = default;

  /// Takes all of `data`; what cannot be used yet is copied, within limits. Empty data goes on with
  /// what was held back: the session calls so after an exchange has ended outside of OnData().
  /// `now_ms` is a monotonic clock, for rate limits. Answers go to the ByteSink the codec was made
  /// with.
  virtual void OnData(std::string_view data, uint64_t now_ms) = 0;
  /// The peer will send nothing more (FIN). Exchanges whose request is complete go on.
  virtual void OnPeerClosed() = 0;
  /// The connection is gone: every open exchange hears OnReset(kConnectionLost).
  virtual void OnConnectionLost() = 0;
  /// The sink's buffered() is zero again.
  virtual void OnSinkWritable() = 0;
  /// Begins an orderly end. HTTP/2: GOAWAY, first of two steps; calling again takes the second, and
  /// Done() follows once all exchanges ended. HTTP/1: `Connection: close` with the next response;
  /// an idle connection is left to the session, for its client may just be sending a request.
  virtual void Drain() = 0;
  /// False while nothing more should be read from the peer.
  virtual bool ReadWanted() const = 0;
  /// The connection should be closed once the sink's bytes are written.
  virtual bool Done() const = 0;
  /// With Done(): close with a reset instead, because a response was cut off that could otherwise
  /// be taken for complete.
  virtual bool Aborted() const = 0;
  /// Exchanges that are under way.
  virtual size_t active_streams() const = 0;
  /// True while a head is being received: the head timeout applies, not the idle timeout.
  virtual bool head_pending() const = 0;
};

/// Hears of the response to one request. Implemented by upstream attempts.
class ResponseReceiver {
 public:
  /// Where the codec writes the response head; its arena also takes the trailers.
  virtual ResponseHead* response_head() = 0;

  /// An interim response other than 100; may be ignored. Headers live until the call returns.
  virtual void OnInformational(uint16_t status, const HeaderMap& headers) = 0;
  /// The final head is complete. With `end`, the response has no content and no trailers.
  virtual void OnHead(bool end) = 0;
  virtual void OnBody(std::string_view data) = 0;
  virtual void OnEnd(const HeaderMap* trailers) = 0;
  /// The exchange is over before the response's end.
  virtual void OnReset(ResetReason reason) = 0;
  virtual void OnWritable() = 0;

 protected:
  ~ResponseReceiver() = default;
};

/// The sending half of one exchange on a client connection. Owned by its codec.
class ClientStream {
 public:
  /// The request's head, once. Framing and hop-by-hop fields are the codec's.
  virtual void SendHead(const RequestHead& head, bool end) = 0;
  virtual void SendBody(std::string_view data) = 0;
  virtual void SendEnd(const HeaderMap* trailers) = 0;
  virtual void Reset(ResetReason reason) = 0;
  virtual void Consume(size_t size) = 0;
  virtual size_t buffered() const = 0;

 protected:
  ~ClientStream() = default;
};

/// What a client codec asks of its session.
class ClientCodecEvents {
 public:
  /// An exchange ended, or the peer changed its limits: capacity() or Done() may have changed.
  virtual void OnCapacityChanged() = 0;

 protected:
  ~ClientCodecEvents() = default;
};

/// One connection's client side.
class ClientCodec {
 public:
  virtual ~ClientCodec() = default;

  /// Begins an exchange; its events go to `receiver`. Null when capacity() is zero.
  virtual ClientStream* NewStream(ResponseReceiver* receiver) = 0;
  /// Exchanges that could be begun now: 0 or 1 for HTTP/1, up to the peer's limit for HTTP/2.
  virtual size_t capacity() const = 0;
  virtual size_t active_streams() const = 0;

  virtual void OnData(std::string_view data, uint64_t now_ms) = 0;
  virtual void OnPeerClosed() = 0;
  virtual void OnConnectionLost() = 0;
  virtual void OnSinkWritable() = 0;
  virtual bool ReadWanted() const = 0;
  /// The connection can serve no further exchange and none is under way: close it.
  virtual bool Done() const = 0;
};

/// Limits of HTTP/1 messages. Passing one answers the status named and closes the connection.
struct Http1Limits {
  size_t max_target = 10240;  ///< bytes of the request target; 414 (rest-api.md §10.5)
  size_t max_head_fields =
      10240;  ///< bytes of all names, values, separators; 431 (rest-api.md §10.5)
  size_t max_field_count = 200;       ///< fields of a head; 431
  size_t max_trailer_bytes = 8192;    ///< bytes of a trailer section; 431 or a reset
  size_t max_interim_responses = 16;  ///< 1xx before a final response
  size_t max_unread_body = 65536;  ///< content left unread after the answer that is still drained
  /// Received content that is not consumed yet at which reading stops. One read (32 KiB) may have
  /// come on top: together they are what an exchange can make us hold in one direction.
  size_t body_window = 4096;
};

}  // namespace postern
