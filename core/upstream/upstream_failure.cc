#include "core/upstream/upstream_failure.h"

namespace postern {

std::string_view UpstreamFailureName(UpstreamFailure failure) {
  switch (failure) {
    case UpstreamFailure::kNone:
      return "none";
    case UpstreamFailure::kOverflow:
      return "overflow";
    case UpstreamFailure::kNoEndpoint:
      return "no_endpoint";
    case UpstreamFailure::kConnectFailed:
      return "connect_failed";
    case UpstreamFailure::kConnectTimeout:
      return "connect_timeout";
    case UpstreamFailure::kTlsFailed:
      return "tls_failed";
    case UpstreamFailure::kTimeout:
      return "timeout";
    case UpstreamFailure::kReset:
      return "reset";
    case UpstreamFailure::kMalformed:
      return "malformed";
    case UpstreamFailure::kRequestAborted:
      return "request_aborted";
  }
  return "unknown";
}

}  // namespace postern
