// What an HTTP API's CORS configuration allows, decided once when it is loaded.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/sdk/sdk.h"

namespace postern {

// The six properties of `corsConfiguration` (docs: HTTP APIs, CORS), as header values. Immutable.
class CorsPolicy {
 public:
  // Reads and checks them. Mistakes are reported to `in`.
  explicit CorsPolicy(const ConfigReader& in);

  // The value of access-control-allow-origin for a request's Origin: "*", the origin as configured,
  // or the origin itself where only its scheme is. nullopt for an origin that is not allowed. Lives
  // as long as this and `origin`.
  std::optional<std::string_view> Allow(std::string_view origin) const;

  // Whether the answer depends on the Origin, so that caches must be told (vary: origin).
  bool any_origin() const { return any_origin_; }

  bool allow_credentials() const { return allow_credentials_; }

  // Header values; empty where the header is not sent.
  const std::string& allow_methods() const { return allow_methods_; }
  const std::string& allow_headers() const { return allow_headers_; }
  const std::string& expose_headers() const { return expose_headers_; }
  const std::string& max_age() const { return max_age_; }

 private:
  void ReadOrigins(const ConfigReader& in);

  bool any_origin_ = false;
  bool any_https_ = false;
  bool any_http_ = false;
  std::vector<std::string> origins_;  // Sorted.
  bool allow_credentials_ = false;
  std::string allow_methods_;
  std::string allow_headers_;
  std::string expose_headers_;
  std::string max_age_;
};

}  // namespace postern
