#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"
#include "core/integration/header_mapping.h"
#include "core/integration/integration.h"
#include "core/integration/integration_responses.h"
#include "core/integration/request_templates.h"
#include "core/integration/target_template.h"
#include "core/upstream/cluster_set.h"

namespace postern {

/// HTTP (rest-api.md §6, §8): a request of its own goes to the backend, made of the mapped
/// parameters and the content; the answer is chosen by the backend's status and made anew. Content
/// is collected in both directions, up to kMaxCollectedBody.
class HttpMappedIntegration final : public Integration {
 public:
  struct Spec {
    ClusterRef cluster;
    std::string authority;
    bool https = false;
    std::string method;  ///< "GET", …; empty: the client's
    TargetTemplate::Spec target;
    std::vector<NamedSource> headers;
    std::vector<BodyTemplate> request_templates;
    Passthrough passthrough = Passthrough::kWhenNoMatch;
    ContentHandling handling = ContentHandling::kNone;
    std::vector<IntegrationResponseSpec> responses;
    const BinaryMediaTypes* binary_media_types = nullptr;  ///< outlives the integration
    uint32_t timeout_ms = 29000;
    std::string api_id;
  };

  explicit HttpMappedIntegration(Spec spec);

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return "HTTP"; }

 private:
  class MappedExchange;

  ClusterRef cluster_;
  std::string authority_;
  std::string_view scheme_;
  Method method_;
  std::string method_text_;
  TargetTemplate target_;
  HeaderMapping headers_;
  RequestTemplates templates_;
  ContentHandling handling_;
  IntegrationResponses responses_;
  const BinaryMediaTypes& binary_;
  uint32_t timeout_ms_;
  std::string api_id_;
  std::string user_agent_;
};

}  // namespace postern
