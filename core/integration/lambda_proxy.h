#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/integration/header_mapping.h"
#include "core/integration/integration.h"
#include "core/integration/lambda_invocation.h"
#include "lib/text/media_type.h"

namespace postern {

/// AWS_PROXY with a function (rest-api.md §9): the request becomes an event, the function's result
/// the response. Content is collected in both directions.
class LambdaProxyIntegration final : public Integration {
 public:
  struct Spec {
    LambdaCaller caller;
    std::vector<NamedSource> headers;                      ///< only to fail where §6.8 says so
    const BinaryMediaTypes* binary_media_types = nullptr;  ///< outlives the integration
    /// Of an HTTP API: the payload format's major version (http-api.md §5 to §8). 0: a REST API.
    uint8_t http_api_payload = 0;
  };

  explicit LambdaProxyIntegration(Spec spec);

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return "AWS_PROXY"; }

 private:
  class ProxyInvocation;

  LambdaCaller caller_;
  HeaderMapping headers_;
  const BinaryMediaTypes& binary_;
  std::string user_agent_;
  uint8_t http_api_payload_;
};

}  // namespace postern
