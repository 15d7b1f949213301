#pragma once

#include <string_view>

#include "core/base/arena.h"
#include "core/context/request_context.h"

namespace postern {

/// Whether content of this type goes into an event as base64 (http-api.md §7). Empty: there is no
/// Content-Type.
bool IsBinaryForHttpApi(std::string_view content_type);

/// The event of an HTTP API in payload format 2.0 (http-api.md §5): compact JSON, nothing that is
/// empty but rawQueryString. `body` is the whole content. Made in `arena`.
std::string_view MakeHttpApiEvent(const RequestContext& context, std::string_view body,
                                  Arena* arena);

/// The same in payload format 1.0 (http-api.md §6).
std::string_view MakeHttpApiEventV1(const RequestContext& context, std::string_view body,
                                    Arena* arena);

}  // namespace postern
