#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/integration/integration.h"

namespace postern {

/// Stands behind a method that cannot be executed: the definition asks for something that this
/// gateway does not do (Method.unavailable_reason), its endpoint has no usable address
/// (rest-api.md §6.5), or its function is not known. Every request fails; the reason goes to the
/// log.
class UnavailableIntegration final : public Integration {
 public:
  /// `type_name` is static, `reason` is shown as $context.integration.error.
  UnavailableIntegration(std::string_view type_name, std::string reason,
                         ResponseType reply = ResponseType::kApiConfigurationError)
      : type_name_(type_name), reason_(std::move(reason)), reply_(reply) {}

  Exchange* NewExchange(const ExchangeEnv& env) const override;
  std::string_view type_name() const override { return type_name_; }

 private:
  std::string_view type_name_;
  std::string reason_;
  ResponseType reply_;
};

}  // namespace postern
