#include "core/reply/standard_headers.h"

#include <algorithm>

#include "core/context/trace_id.h"

namespace postern {
namespace {

constexpr std::string_view kDate = "Date";
constexpr std::string_view kRequestId = "x-amzn-RequestId";
constexpr std::string_view kExtendedRequestId = "x-amz-apigw-id";
constexpr std::string_view kHttpApiRequestId = "apigw-requestid";

/// Place in a gateway response.
int Rank(HeaderId id) {
  switch (id) {
    case HeaderId::kDate:
      return 0;
    case HeaderId::kContentType:
      return 1;
    case HeaderId::kXAmznRequestId:
      return 2;
    case HeaderId::kXAmznErrorType:
      return 3;
    case HeaderId::kXAmzApigwId:
      return 4;
    default:
      return 5;
  }
}

}  // namespace

void AddStandardHeaders(ResponseHead* head, const RequestContext& context, std::string_view date) {
  HeaderMap& headers = head->headers;
  if (context.http_api) {
    // http-api.md §8, §18.
    if (!date.empty()) headers.Add(HeaderId::kDate, kDate, date);
    headers.Add(HeaderId::kOther, kHttpApiRequestId, context.request_id);
    return;
  }
  if (!date.empty()) headers.Add(HeaderId::kDate, kDate, date);
  headers.Add(HeaderId::kXAmznRequestId, kRequestId, context.request_id);
  headers.Add(HeaderId::kXAmzApigwId, kExtendedRequestId, context.extended_request_id);
  if (context.error_type != ResponseType::kNone) {
    // A handful of fields: insertion is the fastest stable sort, and allocates nothing.
    for (HeaderField* at = headers.begin(); at != headers.end(); ++at) {
      HeaderField* to = at;
      while (to != headers.begin() && Rank(at->id) < Rank(to[-1].id)) --to;
      std::rotate(to, at, at + 1);
    }
  } else if (context.response_trace_id && headers.Find(HeaderId::kXAmznTraceId) == nullptr) {
    headers.Add(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id",
                ResponseTraceId(context, headers.arena()));
  }
}

}  // namespace postern
