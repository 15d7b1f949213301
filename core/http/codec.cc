#include "core/http/codec.h"

namespace postern {

std::string_view ResetReasonName(ResetReason reason) {
  switch (reason) {
    case ResetReason::kCancelled:
      return "cancelled";
    case ResetReason::kPeerReset:
      return "peer_reset";
    case ResetReason::kConnectionLost:
      return "connection_lost";
    case ResetReason::kStaleConnection:
      return "stale_connection";
    case ResetReason::kRefused:
      return "refused";
    case ResetReason::kProtocolError:
      return "protocol_error";
    case ResetReason::kLimit:
      return "limit";
    case ResetReason::kTimeout:
      return "timeout";
    case ResetReason::kInternal:
      return "internal";
  }
  return "unknown";
}

}  // namespace postern
