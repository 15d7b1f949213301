#pragma once

#include <cstddef>
#include <string_view>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/http/message.h"
#include "lib/text/media_type.h"

namespace postern {

/// What a function's result means for the client (rest-api.md §9.5, §9.6).
struct LambdaResult {
  enum class Kind : uint8_t {
    kResponse,       ///< head and body
    kMalformed,      ///< 502
    kFunctionError,  ///< the function threw: 502
    kUndecodable,    ///< base64 that does not decode: 500
  };
  Kind kind = Kind::kMalformed;
  ResponseHead* head = nullptr;
  std::string_view body;
  std::string_view error_message;  ///< of kFunctionError
};

/// Reads the result `text`, which lies in `arena` and is changed. `request` is the client's: by the
/// first media type of its Accept the content is decoded (§10.1). Head and fields are made in
/// `arena`; the body may view `text`.
LambdaResult ReadLambdaResult(char* text, size_t size, const RequestHead& request,
                              const BinaryMediaTypes& binary_media_types, Arena* arena);

}  // namespace postern
