#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/integration/integration.h"
#include "core/upstream/cluster_set.h"

namespace postern {

/// HTTP (rest-api.md §6, §8): sends the request that the chain has made of the client's, and hands
/// back the backend's answer; mapping is done by the filter postern.transform.
class HttpIntegration final : public Integration {
 public:
  struct Spec {
    ClusterRef cluster;
    bool https = false;
    uint32_t timeout_ms = 29000;
    std::string api_id;
  };

  explicit HttpIntegration(Spec spec);

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return "HTTP"; }

 private:
  class HttpCall;

  Spec spec_;
  std::string user_agent_;
};

}  // namespace postern
