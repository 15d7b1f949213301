#pragma once

#include <cstdint>
#include <string_view>

#include "core/http/codec.h"

namespace postern {

/// Why an upstream gave no (whole) answer. Ordered by where it went wrong.
enum class UpstreamFailure : uint8_t {
  kNone,
  kOverflow,         ///< a circuit limit of the cluster is reached
  kNoEndpoint,       ///< the name does not resolve, or nothing is left to try
  kConnectFailed,    ///< refused, unreachable
  kConnectTimeout,
  kTlsFailed,        ///< handshake or certificate verification
  kTimeout,          ///< the answer's head did not come in time
  kReset,            ///< the connection broke before the answer's head
  kMalformed,        ///< the answer breaks HTTP's rules or a limit
  kRequestAborted,   ///< the request cannot be sent on (its own side ended it, or it is malformed)
};

/// Short stable name for logs and metrics, such as "connect_failed".
std::string_view UpstreamFailureName(UpstreamFailure failure);

/// Hears of one upstream exchange, retries included: what is heard is final. Nothing is called from
/// inside Start(), SendBody(), SendEnd() or Consume(): all events come from the loop.
class UpstreamEvents {
 public:
  /// The final head; `head` may be changed and lives until the exchange's arena does. With `end` it
  /// is the whole answer.
  virtual void OnUpstreamHead(ResponseHead* head, bool end) = 0;
  /// Borrowed until return; give credit back by Consume().
  virtual void OnUpstreamBody(std::string_view data) = 0;
  virtual void OnUpstreamEnd(const HeaderMap* trailers) = 0;
  /// No head was delivered: the exchange failed. `detail` is static text.
  virtual void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) = 0;
  /// A head was delivered and the rest will not come: what was sent on must not look complete.
  virtual void OnUpstreamAborted(ResetReason reason) = 0;
  /// `size` bytes of the request's content have been taken; the source may be credited.
  virtual void OnUpstreamConsumed(size_t size) = 0;

 protected:
  ~UpstreamEvents() = default;
};

}  // namespace postern
