#include "core/integration/upstream_failures.h"

namespace postern {
namespace {

constexpr std::string_view kInternal = "Internal server error";
constexpr std::string_view kTimedOut = "Execution failed due to a timeout error";
constexpr std::string_view kNetwork =
    "Execution failed due to a network error communicating with endpoint";

void SetDetail(UpstreamFailure failure, std::string_view detail, RequestContext* context,
               Arena* arena) {
  context->error_detail =
      arena->Concat("upstream:", detail.empty() ? UpstreamFailureName(failure) : detail);
}

}  // namespace

FailureReply DescribeHttpFailure(UpstreamFailure failure, std::string_view detail,
                                 RequestContext* context, Arena* arena) {
  SetDetail(failure, detail, context, arena);
  switch (failure) {
    case UpstreamFailure::kTimeout:
      context->integration_error = kTimedOut;
      return {ResponseType::kIntegrationTimeout, 0};
    case UpstreamFailure::kMalformed:
      context->integration_error =
          "Execution failed due to a malformed or truncated endpoint response";
      context->error_message = kInternal;
      return {ResponseType::kIntegrationFailure, 502};
    case UpstreamFailure::kRequestAborted:
      return {ResponseType::kDefault4xx, 0};
    default:
      context->integration_error = kNetwork;
      return {ResponseType::kIntegrationFailure, 0};
  }
}

FailureReply DescribeLambdaFailure(UpstreamFailure failure, std::string_view detail,
                                   RequestContext* context, Arena* arena) {
  SetDetail(failure, detail, context, arena);
  if (failure == UpstreamFailure::kTimeout) {
    context->integration_error = kTimedOut;
    return {ResponseType::kIntegrationTimeout, 0};
  }
  context->integration_error = kNetwork;
  context->error_message = kInternal;
  return {ResponseType::kIntegrationFailure, 500};
}

}  // namespace postern
