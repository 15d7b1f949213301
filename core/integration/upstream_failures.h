#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/context/response_type.h"
#include "core/upstream/upstream_failure.h"

namespace postern {

/// The gateway response of a backend that gave no answer.
struct FailureReply {
  ResponseType type;
  uint16_t status;  ///< 0: the type's own
};

/// Towards an HTTP backend (rest-api.md §4.1, §6.6): 504 for a timeout and for a backend that
/// cannot be reached, 502 for an answer that is malformed or breaks off before its content. Fills
/// what `context` knows of errors.
FailureReply DescribeHttpFailure(UpstreamFailure failure, std::string_view detail,
                                 RequestContext* context, Arena* arena);

/// Towards a function (§4.3, §9.6): 504 for a timeout, else 500.
FailureReply DescribeLambdaFailure(UpstreamFailure failure, std::string_view detail,
                                   RequestContext* context, Arena* arena);

}  // namespace postern
