#pragma once

#include "core/integration/integration.h"

namespace postern {

/// Answers preflights of an HTTP API with 204 (http-api.md §13); CorsPolicy adds the fields.
class CorsPreflightIntegration final : public Integration {
 public:
  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return "CORS"; }
};

}  // namespace postern
