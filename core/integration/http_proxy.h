#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"
#include "core/integration/header_mapping.h"
#include "core/integration/integration.h"
#include "core/integration/target_template.h"
#include "core/upstream/cluster_set.h"

namespace postern {

/// HTTP_PROXY (rest-api.md §6, §8.4): the request goes on to an HTTP backend and its answer comes
/// back, both as streams; fields are dropped, renamed and added as the tables say.
class HttpProxyIntegration final : public Integration {
 public:
  struct Spec {
    ClusterRef cluster;
    std::string authority;  ///< value of Host
    bool https = false;
    std::string method;  ///< "GET", …; empty: the client's
    TargetTemplate::Spec target;
    std::vector<NamedSource> headers;
    uint32_t timeout_ms = 29000;
    bool streamed = false;        ///< responseTransferMode STREAM
    bool iam_authorized = false;  ///< the method's Authorization field is the gateway's own
    std::string api_id;
    bool http_api = false;  ///< fields pass as http-api.md §9 says
  };

  explicit HttpProxyIntegration(Spec spec);

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return "HTTP_PROXY"; }

 private:
  class ProxyExchange;

  ClusterRef cluster_;
  std::string authority_;
  std::string_view scheme_;
  Method method_;
  std::string method_text_;
  TargetTemplate target_;
  HeaderMapping headers_;
  uint32_t timeout_ms_;
  bool streamed_;
  bool iam_authorized_;
  std::string api_id_;
  bool http_api_;
};

}  // namespace postern
