#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/arena.h"
#include "core/http/header_id.h"
#include "core/http/message.h"

/// Which header fields pass between client and backend, and how (rest-api.md §6.7, §6.8, §8.4).
/// Where those tables let a hop-by-hop field pass, it is dropped all the same: such fields are the
/// codecs' to write, and never pass a proxy (RFC 9110 §7.6.1).
namespace postern {

/// Whether a client's field is kept from an HTTP_PROXY backend (§6.7), or written anew (§6.9).
bool IsDroppedTowardsHttpProxy(HeaderId id);

/// Whether a client's field is kept out of a Lambda event (§6.7, §9.2), or written anew.
bool IsDroppedTowardsLambda(HeaderId id);

/// Whether the value of an Authorization field is a SigV4 signature, which is never passed on
/// (§6.7).
bool IsSigV4(std::string_view authorization);

/// What a mapping onto `integration.request.header.X` does (§6.8).
enum class MappedHeaderAction : uint8_t {
  kSend,
  kDrop,  ///< silently
  kFail,  ///< the request: 500
};
MappedHeaderAction HttpMappingAction(HeaderId id);    ///< HTTP and HTTP_PROXY
MappedHeaderAction LambdaMappingAction(HeaderId id);  ///< AWS_PROXY; kSend stands for "ignored"

/// What happens to a field on its way to the client (§8.4).
enum class ResponseHeaderAction : uint8_t {
  kPass,
  kDrop,
  kRemap,  ///< renamed to x-amzn-Remapped-{name}
};
ResponseHeaderAction ProxyResponseAction(HeaderId id);   ///< column 2: HTTP_PROXY, AWS_PROXY
ResponseHeaderAction MappedResponseAction(HeaderId id);  ///< column 1: a mapping of HTTP, AWS, MOCK

/// "x-amzn-Remapped-{name}", static for the usual names.
std::string_view RemappedName(std::string_view name, Arena* arena);

/// Makes of a head that an HTTP_PROXY backend sent the one that the client gets: drops and renames
/// in place, and shows the Connection and Content-Length that the codec took away.
void RemapProxyResponse(ResponseHead* head, Arena* arena);

}  // namespace postern
