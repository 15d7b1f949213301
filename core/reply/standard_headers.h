#pragma once

#include <string_view>

#include "core/context/request_context.h"
#include "core/http/message.h"

namespace postern {

/// Adds what every response carries (rest-api.md §4.5): Date, x-amzn-RequestId and x-amz-apigw-id,
/// once, when the response is about to be sent. `date` is an IMF-fixdate that outlives the head;
/// empty: the codec or someone before has written it.
///
/// Gateway responses get the order of regional APIs: Date, Content-Type, x-amzn-RequestId,
/// x-amzn-ErrorType, x-amz-apigw-id, then what their owner mapped. Elsewhere the fields go behind
/// those of the integration, and X-Amzn-Trace-Id at the end, where
/// RequestContext::response_trace_id asks for it and there is none. Content-Length and Connection
/// are the codec's to write.
///
/// HTTP APIs have Date and apigw-requestid (http-api.md §8).
void AddStandardHeaders(ResponseHead* head, const RequestContext& context, std::string_view date);

}  // namespace postern
