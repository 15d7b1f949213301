#pragma once

#include <string_view>

#include "core/context/request_context.h"
#include "core/http/message.h"

namespace postern {

/// Adds what the gateway writes into every integration request that was mapped (rest-api.md §6.9):
/// Accept and User-Agent where there are none, X-Amzn-Apigateway-Api-Id, X-Amzn-Trace-Id. The texts
/// outlive the map.
inline void AddGatewayFields(const RequestContext& context, std::string_view api_id,
                             std::string_view user_agent, HeaderMap* headers) {
  if (headers->Find(HeaderId::kAccept) == nullptr) {
    headers->Add(HeaderId::kAccept, "Accept", "application/json");
  }
  if (headers->Find(HeaderId::kUserAgent) == nullptr) {
    headers->Add(HeaderId::kUserAgent, "User-Agent", user_agent);
  }
  headers->Add(HeaderId::kXAmznApigatewayApiId, "X-Amzn-Apigateway-Api-Id", api_id);
  headers->Add(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id", context.trace_id);
}

}  // namespace postern
