#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/byte_sink.h"
#include "core/http/message.h"

namespace postern {

/// How a message's content is delimited on the wire (RFC 9112 §6).
enum class Framing : uint8_t {
  kNone,    ///< no content and no framing field (1xx, 204, 304, a request without content)
  kLength,  ///< Content-Length
  kChunked,
  kClose,  ///< until the connection ends (responses to HTTP/1.0)
};

/// What stands in the Connection field.
enum class ConnectionOption : uint8_t { kNone, kKeepAlive, kClose, kUpgrade };

/// Writes a status line and the fields, in API Gateway's order: Date, Content-Type, framing,
/// Connection, then the rest as they stand (rest-api.md §4.5). Fields are trusted to be valid.
void WriteResponseHead(ByteSink* sink, const ResponseHead& head, Framing framing,
                       uint64_t content_length, ConnectionOption connection);

/// Writes a request line, Host and the fields.
void WriteRequestHead(ByteSink* sink, const RequestHead& head, Framing framing,
                      uint64_t content_length);

/// Writes one chunk with its size line and end; `data` is not empty.
void WriteChunk(ByteSink* sink, std::string_view data);

/// Writes the last chunk and the trailer section; `trailers` may be null.
void WriteLastChunk(ByteSink* sink, const HeaderMap* trailers);

/// Writes the content of one message as its head has announced it.
class ContentWriter {
 public:
  /// `length`: of the content, where `framing` is kLength.
  void Begin(Framing framing, uint64_t length) {
    framing_ = framing;
    left_ = framing == Framing::kLength ? length : 0;
  }

  /// Writes a piece; where there is no content (HEAD, 204, 304) it is dropped. False, and nothing
  /// written, if the content would become longer than announced.
  bool Write(ByteSink* sink, std::string_view data);
  /// Writes what ends the content; `trailers` may be null and stand only behind chunks. False if
  /// content is missing: the message must not look complete.
  bool End(ByteSink* sink, const HeaderMap* trailers);

 private:
  Framing framing_ = Framing::kNone;
  uint64_t left_ = 0;
};

}  // namespace postern
