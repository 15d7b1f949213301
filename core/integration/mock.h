#pragma once

#include <string_view>

#include "core/integration/integration.h"

namespace postern {

/// MOCK (rest-api.md §7.9): no backend. The content of the integration request says a status, which
/// this answers with, with neither fields nor content; the filter postern.transform makes a
/// response of it. Without content the answer is 200.
class MockIntegration final : public Integration {
 public:
  /// `reads_status`: false where the method has no request template, so that content says nothing.
  explicit MockIntegration(bool reads_status = true) : reads_status_(reads_status) {}

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return "MOCK"; }

 private:
  class MockExchange;

  const bool reads_status_;
};

}  // namespace postern
