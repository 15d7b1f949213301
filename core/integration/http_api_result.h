#pragma once

#include <cstddef>
#include <string_view>

#include "core/base/arena.h"
#include "core/http/message.h"

namespace postern {

/// What a function's result means for the client of an HTTP API (http-api.md §8).
struct HttpApiResult {
  enum class Kind : uint8_t {
    kResponse,       ///< head and body
    kMalformed,      ///< 500
    kFunctionError,  ///< the function threw: 500
  };
  Kind kind = Kind::kMalformed;
  ResponseHead* head = nullptr;
  std::string_view body;
  std::string_view error_message;  ///< of kFunctionError
};

/// Reads the result `text`, which lies in `arena`. In payload format 2.0 a result without a
/// statusCode is the content itself; in 1.0 it is malformed. Head and fields are made in `arena`;
/// the body may view `text`.
HttpApiResult ReadHttpApiResult(std::string_view text, bool version2, Arena* arena);

}  // namespace postern
