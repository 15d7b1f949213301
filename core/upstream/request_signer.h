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
};

}  // namespace postern
