#pragma once

#include <string>
#include <string_view>

#include "core/integration/integration.h"
#include "core/integration/lambda_invocation.h"

namespace postern {

/// AWS with a function (rest-api.md §9.7): the function gets the content that the chain has made of
/// the request, and its result is the integration response: status 200, or an error object where it
/// threw. With `X-Amz-Invocation-Type: Event` nobody waits for the result: 200 and no content. The
/// filter postern.transform maps both.
class LambdaCustomIntegration final : public Integration {
 public:
  explicit LambdaCustomIntegration(LambdaCaller caller);

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return "AWS"; }

 private:
  class CustomInvocation;

  LambdaCaller caller_;
  std::string user_agent_;
};

}  // namespace postern
