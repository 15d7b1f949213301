#pragma once

#include <string_view>

#include "core/base/arena.h"
#include "core/context/request_context.h"

namespace postern {

/// The event that an AWS_PROXY integration of a REST API hands to its function (rest-api.md §9.2 to
/// §9.4): compact JSON, members in the order of §9.2. `body` is the whole content, empty where
/// there is none; with `binary` it goes as base64 (§10.1), else as text, in which bytes that are no
/// UTF-8 become U+FFFD. Made in `arena`.
std::string_view MakeLambdaEvent(const RequestContext& context, std::string_view body, bool binary,
                                 Arena* arena);

}  // namespace postern
