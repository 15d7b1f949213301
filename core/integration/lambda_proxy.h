#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/integration/header_mapping.h"
#include "core/integration/integration.h"
#include "core/upstream/cluster_set.h"
#include "core/upstream/function_pool.h"
#include "lib/text/media_type.h"

namespace postern {

/// A function that can be invoked (management-and-import.md §5). Shared by the integrations of a
/// snapshot.
struct LambdaFunction {
  enum class Mode : uint8_t {
    kRuntimeInterface,  ///< a Runtime Interface Emulator: one invocation at a time
    kInvokeApi,
  };
  std::string name;
  ClusterRef cluster;
  std::shared_ptr<FunctionPool> pool;
  Mode mode = Mode::kInvokeApi;
  std::string target;     ///< origin-form, with the qualifier
  std::string authority;  ///< value of Host
  bool https = false;
  uint32_t max_result_bytes = 6291556;
};

/// AWS_PROXY with a function (rest-api.md §9): the request becomes an event, the function's result
/// the response. Content is collected in both directions.
class LambdaProxyIntegration final : public Integration {
 public:
  struct Spec {
    std::shared_ptr<const LambdaFunction> function;
    std::vector<NamedSource> headers;                      ///< only to fail where §6.8 says so
    const BinaryMediaTypes* binary_media_types = nullptr;  ///< outlives the integration
    uint32_t timeout_ms = 29000;
    std::string api_id;
    std::string source_arn;  ///< X-Amz-Source-Arn (§6.9)
    /// Of an HTTP API: the payload format's major version (http-api.md §5 to §8). 0: a REST API.
    uint8_t http_api_payload = 0;
  };

  explicit LambdaProxyIntegration(Spec spec);

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return "AWS_PROXY"; }

 private:
  class LambdaExchange;

  std::shared_ptr<const LambdaFunction> function_;
  HeaderMapping headers_;
  const BinaryMediaTypes& binary_;
  uint32_t timeout_ms_;
  std::string api_id_;
  std::string user_agent_;
  std::string source_arn_;
  uint8_t http_api_payload_;
};

}  // namespace postern
