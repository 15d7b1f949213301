#pragma once

#include <string_view>

#include "core/base/arena.h"
#include "core/http/message.h"

namespace postern {

/// What API Gateway says of an Authorization field that is no SigV4 where SigV4 is what it looks
/// for: on a method with IAM authorization, or where no method matches (rest-api.md §1.3, §3.4,
/// authorization.md §1.12). The reply's type is ResponseType::kIncompleteSignature. Empty if the
/// request has no Authorization field, or one that looks like SigV4.
std::string_view IncompleteSignatureMessage(const RequestHead& head, Arena* arena);

}  // namespace postern
