#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/arena.h"
#include "core/http/header_id.h"
#include "core/http/message.h"
#include "lib/mapping/header_rules.h"

/// Which header fields pass between client and backend of a proxy, and how (rest-api.md §6.7,
/// §8.4). Where those tables let a hop-by-hop field pass, it is dropped all the same: such fields
/// are the codecs' to write, and never pass a proxy (RFC 9110 §7.6.1).
namespace postern {

/// Whether a client's field is kept from an HTTP_PROXY backend (§6.7), or written anew (§6.9).
bool IsDroppedTowardsHttpProxy(HeaderId id);

/// Whether a client's field is kept out of a Lambda event (§6.7, §9.2), or written anew.
bool IsDroppedTowardsLambda(HeaderId id);

/// Whether the value of an Authorization field is a SigV4 signature, which is never passed on
/// (§6.7).
bool IsSigV4(std::string_view authorization);

/// What happens to a field on its way from an HTTP_PROXY backend, or out of a function's result, to
/// the client (§8.4, column 2).
ResponseHeaderAction ProxyResponseAction(HeaderId id);

/// "x-amzn-Remapped-{name}", static for the usual names.
std::string_view RemappedName(std::string_view name, Arena* arena);

/// Makes of a head that an HTTP_PROXY backend sent the one that the client gets: drops and renames
/// in place, and shows the Connection and Content-Length that the codec took away.
void RemapProxyResponse(ResponseHead* head, Arena* arena);

}  // namespace postern
