#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postern {

/// Why an upstream gave no (whole) answer. Ordered by where it went wrong.
enum class UpstreamFailure : uint8_t {
  kNone,
  kOverflow,       ///< a circuit limit of the cluster is reached
  kNoEndpoint,     ///< the name does not resolve, or nothing is left to try
  kConnectFailed,  ///< refused, unreachable
  kConnectTimeout,
  kTlsFailed,       ///< handshake or certificate verification
  kTimeout,         ///< the answer's head did not come in time
  kReset,           ///< the connection broke before the answer's head
  kMalformed,       ///< the answer breaks HTTP's rules or a limit
  kRequestAborted,  ///< the request cannot be sent on (its own side ended it, or it is malformed)
};
inline constexpr size_t kUpstreamFailureCount = 10;

/// Short stable name for logs and metrics, such as "connect_failed".
std::string_view UpstreamFailureName(UpstreamFailure failure);

}  // namespace postern
