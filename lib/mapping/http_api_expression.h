#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace postern {

/// A piece of a value in a parameter mapping of an HTTP API (http-api.md §9).
struct HttpApiValuePart {
  enum class Kind : uint8_t {
    kText,           ///< as it is
    kHeader,         ///< request.header.NAME, case-insensitive
    kQuery,          ///< request.querystring.NAME, case-sensitive
    kBody,           ///< request.body, or a JSONPath into it
    kPath,           ///< request.path: without stage
    kPathParameter,  ///< request.path.NAME
    kContext,        ///< context.NAME
    kStageVariable,  ///< stageVariables.NAME
  };
  Kind kind = Kind::kText;
  std::string text;  ///< text, name, or JSONPath ("$.a.b"; empty: the whole body)

  bool operator==(const HttpApiValuePart&) const = default;
};

/// Takes apart the right side of a mapping of requests: one variable by itself, `$request.body.a`;
/// several and text between them, each in braces, `${request.path.id}-${context.requestId}`; or
/// text, which stands for itself. InvalidArgument for a variable that there is not, and for a
/// JSONPath with `..` or `?()`.
absl::StatusOr<std::vector<HttpApiValuePart>> ParseHttpApiValue(std::string_view text);

}  // namespace postern
