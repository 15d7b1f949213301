#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "core/http/message.h"

namespace postern {

/// Adds what proves who sends a request. Called for each attempt, just before it is encoded.
/// Thread-safe: one is shared by all workers.
class RequestSigner {
 public:
  virtual ~RequestSigner() = default;

  /// Adds fields to `head`, whose strings are allocated in the arena of its headers. `content` is
  /// the whole content. On an error the request is not sent.
  virtual absl::Status Sign(RequestHead* head, std::string_view content,
                            int64_t unix_seconds) const = 0;

  /// What may help after an answer that refuses the proof.
  enum class Remedy : uint8_t {
    kNone,   ///< it was refused for another reason, or nothing can be done
    kAgain,  ///< the same request, signed anew, may pass now
    kLater,  ///< it may once version() has changed
  };

  /// Looks at a complete answer to a request that it signed at `unix_seconds`.
  virtual Remedy OnRefused(const ResponseHead& head, std::string_view content,
                           int64_t unix_seconds) const {
    (void)head, (void)content, (void)unix_seconds;
    return Remedy::kNone;
  }

  /// Changes when there is something else to sign with.
  virtual uint64_t version() const { return 0; }
};

}  // namespace postern
