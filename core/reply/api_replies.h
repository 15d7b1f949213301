#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/context/response_type.h"
#include "core/context/value_source.h"
#include "core/http/message.h"
#include "core/reply/reply_template.h"

namespace postern {

/// What the owner of an API has put for one gateway response type (rest-api.md §4.4).
struct ReplySpec {
  struct Header {
    std::string name;
    ValueSource value;
  };
  struct Template {
    std::string content_type;
    std::string body;
  };

  ResponseType type = ResponseType::kNone;
  std::optional<uint16_t> status;
  std::vector<Header> headers;
  std::vector<Template> templates;  ///< empty: the default one
};

/// A response that the gateway makes itself, ready to be sent.
struct Reply {
  ResponseHead* head;     ///< in the arena; content_length and body are set
  std::string_view body;  ///< in the arena, the snapshot, or static memory
};

/// The gateway responses of one deployment: defaults, and what its owner changed (rest-api.md §4).
/// Immutable and shared by all workers.
class ApiReplies {
 public:
  /// `put`: each type at most once.
  explicit ApiReplies(std::vector<ReplySpec> put);
  ~ApiReplies();
  ApiReplies(const ApiReplies&) = delete;
  ApiReplies& operator=(const ApiReplies&) = delete;

  /// Every type by its default; for requests that reach no API.
  static const ApiReplies& Default();
  /// Those of HTTP APIs, which their owners cannot change (http-api.md §18).
  static std::unique_ptr<const ApiReplies> MakeHttpApi();
  static const ApiReplies& HttpApi();

  /// Makes the response of `type`, which may not be kNone. `status` is what the failure itself
  /// names (an AWS_PROXY failure: 500 or 502, rest-api.md §4.3); 0 leaves it to the type. A status
  /// code that the owner has put wins over both. Message and details are read from `context`, whose
  /// error_type and status are set here. Adds x-amzn-ErrorType, Content-Type and mapped fields;
  /// what every response carries is AddStandardHeaders()'s.
  Reply Render(ResponseType type, uint16_t status, RequestContext* context, Arena* arena) const;

 private:
  struct Definition;

  const Definition* Resolve(ResponseType type) const;
  static Reply RenderHttpApi(ResponseType type, uint16_t status, RequestContext* context,
                             Arena* arena);

  bool http_api_ = false;
  std::vector<std::unique_ptr<const Definition>> definitions_;
  std::array<const Definition*, static_cast<size_t>(ResponseType::kCount)> by_type_{};
};

}  // namespace postern
