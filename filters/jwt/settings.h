#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

#include "api/sdk/sdk.h"
#include "lib/jose/algorithm.h"
#include "lib/jose/claims.h"

namespace postern::jwt {

/// Whose rules hold: of JWT authorizers of HTTP APIs, or of Cognito ones of REST APIs
/// (authorization.md §7, §6).
enum class Profile : uint8_t { kJwt, kCognito };

/// Somebody who issues tokens, and where the keys are.
struct Provider {
  std::string issuer;
  std::string upstream_name;  ///< of the issuer's host
  Upstream upstream;
  std::string keys_uri;  ///< empty: what the issuer's discovery document says
  /// Another host that keys may come from, "https://host", and its upstream. Empty: none.
  std::string keys_origin;
  std::string keys_upstream_name;
  Upstream keys_upstream;
  bool allow_http = false;

  /// For tokens of routes without scopes, and with.
  jose::ClaimRules rules[2];

  /// What makes two providers the same, from one snapshot to the next.
  std::string Identity() const;
};

/// Where the token stands.
struct IdentitySource {
  bool query = false;
  std::string name;
};

/// All of a configuration but for what a route says; shared by the scopes of an API.
struct Rules {
  Profile profile = Profile::kJwt;
  IdentitySource source;
  std::vector<Provider> providers;
  jose::AlgorithmSet algorithms;
  std::unique_ptr<RE2> audience_expression;  ///< of Cognito; may be absent
  int64_t clock_skew_ms = 0;
  bool require_keys = false;
  size_t cache_tokens = 0;
  size_t cache_bytes = 0;
};

struct Metrics {
  Counter tokens;
  Counter fetches;
  Gauge stale;
  Gauge cached;
};

/// The configuration of the API or of one route; see README.md.
struct Settings {
  std::shared_ptr<const Rules> rules;
  std::vector<std::string> scopes;
  std::string scopes_text;  ///< separated by spaces
  Metrics metrics;

  static std::unique_ptr<Settings> Parse(ConfigReader& in, const Settings* parent);
};

/// "https://host:port" of an absolute URI as it is written, and what stands behind it, with query;
/// nullopt for what is no http or https URI.
struct SplitUri {
  bool https;
  std::string_view origin;
  std::string path;
};
std::optional<SplitUri> SplitHttpUri(std::string_view uri);

}  // namespace postern::jwt
