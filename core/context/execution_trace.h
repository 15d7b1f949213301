#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/arena.h"
#include "core/http/message.h"

namespace postern {

/// What goes into the execution log of a method (rest-api.md §13.6).
enum class ExecutionLevel : uint8_t { kOff, kError, kInfo };

/// What is remembered of one exchange for its execution log (rest-api.md §13.6), which is written
/// when the exchange has ended, so that its lines come in API Gateway's order whatever overlapped;
/// and for its X-Ray segment (§13.9). In the exchange's arena; exchanges that nobody wants to hear
/// of have none. Trivially
/// destructible. What it keeps is bounded: kMaxText bytes of each thing, kMaxNotes notes.
///
/// Headers are kept as they are shown: Authorization, X-Api-Key and X-Amz-Security-Token with
/// asterisks but for their last six characters.
class ExecutionTrace {
 public:
  static constexpr size_t kMaxText = 1024;  ///< no line shows more (rest-api.md §13.6)
  static constexpr size_t kMaxNotes = 32;

  /// Text that may have been cut.
  struct Text {
    std::string_view text;
    bool cut = false;
  };
  /// A line that somebody on the way has to say.
  struct Note {
    std::string_view text;
    Note* next;
  };

  /// With `data` (data trace) headers and bodies are kept too.
  ExecutionTrace(Arena* arena, ExecutionLevel level, bool data)
      : arena_(arena), level_(level), data_(data) {}

  ExecutionLevel level() const { return level_; }
  bool data() const { return data_; }

  /// The client's request as it came.
  void SetMethodRequest(const RequestHead& head);
  void AddMethodRequestBody(std::string_view data) { Add(data, &method_request_body_); }
  /// A request to a backend, with what was added on the way to it; of several attempts the last
  /// counts.
  void SetEndpointRequest(const RequestHead& head);
  void AddEndpointRequestBody(std::string_view data) { Add(data, &endpoint_request_body_); }
  void SetEndpointResponse(const ResponseHead& head);
  void AddEndpointResponseBody(std::string_view data) { Add(data, &endpoint_response_body_); }
  /// The answer to the client.
  void SetMethodResponse(const ResponseHead& head);
  void AddMethodResponseBody(std::string_view data) { Add(data, &method_response_body_); }
  /// A line between the request of the method and that to the backend, of requests that validators
  /// have let pass. Copied.
  void AddNote(std::string_view text);

  Text method_request_query() const { return query_; }
  Text method_request_headers() const { return method_request_headers_; }
  Text method_request_body() const { return method_request_body_.text(); }
  /// Empty: no backend was called.
  std::string_view endpoint_uri() const { return endpoint_uri_; }
  std::string_view endpoint_method() const { return endpoint_method_; }
  Text endpoint_request_headers() const { return endpoint_request_headers_; }
  Text endpoint_request_body() const { return endpoint_request_body_.text(); }
  /// 0: it has not answered.
  uint16_t endpoint_status() const { return endpoint_status_; }
  Text endpoint_response_headers() const { return endpoint_response_headers_; }
  Text endpoint_response_body() const { return endpoint_response_body_.text(); }
  Text method_response_headers() const { return method_response_headers_; }
  Text method_response_body() const { return method_response_body_.text(); }
  const Note* notes() const { return notes_; }

 private:
  struct Body {
    char* data = nullptr;
    size_t size = 0;
    bool cut = false;
    Text text() const { return {{data, size}, cut}; }
  };

  void Add(std::string_view data, Body* body);
  Text Show(std::string_view authority, const HeaderMap& headers);

  Arena* arena_;
  ExecutionLevel level_;
  bool data_;
  uint16_t endpoint_status_ = 0;
  size_t note_count_ = 0;
  std::string_view endpoint_uri_;
  std::string_view endpoint_method_;
  Text query_;
  Text method_request_headers_;
  Text endpoint_request_headers_;
  Text endpoint_response_headers_;
  Text method_response_headers_;
  Body method_request_body_;
  Body endpoint_request_body_;
  Body endpoint_response_body_;
  Body method_response_body_;
  Note* notes_ = nullptr;
  Note** notes_end_ = &notes_;
};

/// `secret` with asterisks in place of all but its last six characters (rest-api.md §13.6); of one
/// that has no more than six, of all.
std::string_view MaskSecret(std::string_view secret, Arena* arena);

}  // namespace postern
