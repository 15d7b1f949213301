#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/integration/body_conversion.h"
#include "core/integration/integration.h"
#include "core/integration/integration_responses.h"
#include "core/integration/request_templates.h"

namespace postern {

/// MOCK (rest-api.md §7.9): the request template yields a number that selects the response. No
/// backend, and for templates without references nothing to compute but that choice.
class MockIntegration final : public Integration {
 public:
  struct Spec {
    std::vector<BodyTemplate> request_templates;
    Passthrough passthrough = Passthrough::kWhenNoMatch;
    ContentHandling handling = ContentHandling::kNone;
    std::vector<IntegrationResponseSpec> responses;
    const BinaryMediaTypes* binary_media_types = nullptr;  ///< outlives the integration
  };

  explicit MockIntegration(Spec spec);

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return "MOCK"; }

 private:
  class MockExchange;

  /// What the request template at each position leads to; kUnparsable where it yields no status.
  static constexpr size_t kUnparsable = IntegrationResponses::kNone - 1;

  RequestTemplates templates_;
  ContentHandling handling_;
  IntegrationResponses responses_;
  std::vector<size_t> selected_;
  const BinaryMediaTypes& binary_;
};

}  // namespace postern
