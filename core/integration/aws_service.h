#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/integration/http_api_value.h"
#include "core/integration/integration.h"
#include "core/upstream/cluster_set.h"
#include "lib/aws/service_call.h"

namespace postern {

/// A call of an AWS service other than a function (rest-api.md §9.1, http-api.md §10). Without a
/// subtype the request is sent as the filters in front made it: method, target, fields and content;
/// with one it is made here of the subtype's parameters. The host is the service's in any case. The
/// cluster signs it; an answer that refuses the signature because of the clock, or of keys that
/// have ended, is followed by one more try. Content is collected in both directions, up to
/// kMaxCollectedBody.
class AwsServiceIntegration final : public Integration {
 public:
  struct Parameter {
    std::string name;
    HttpApiValue value;
  };

  struct Spec {
    ClusterRef cluster;
    std::string authority;
    std::string path_prefix;  ///< "/base", or empty
    bool https = true;
    uint32_t timeout_ms = 29000;
    std::string api_id;
    std::string credentials;  ///< role, for the log; empty: none
    /// Of an action of a service that has JSON for its protocol; put into X-Amz-Target, and the
    /// content is declared as its JSON where no mapping says otherwise.
    std::optional<aws::JsonAction> action;
    const aws::Subtype* subtype = nullptr;
    std::vector<Parameter> parameters;
  };

  explicit AwsServiceIntegration(Spec spec);

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override {
    return spec_.subtype != nullptr ? "AWS_PROXY" : "AWS";
  }

 private:
  class CallExchange;

  const Spec spec_;
  const std::string_view scheme_;
  const std::string user_agent_;
};

}  // namespace postern
