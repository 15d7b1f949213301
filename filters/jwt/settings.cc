#include "filters/jwt/settings.h"

#include <utility>

#include "lib/text/concat.h"
#include "lib/text/uri.h"

namespace postern::jwt {
namespace {

constexpr size_t kMaxProviders = 20;
constexpr size_t kMaxAudiences = 50;  // authorization.md §7, limits
constexpr size_t kMaxScopes = 10;
constexpr int64_t kMaxSkewSeconds = 60;

std::optional<IdentitySource> ParseSource(std::string_view text) {
  constexpr std::pair<std::string_view, bool> kPrefixes[] = {
      {"$request.header.", false},
      {"method.request.header.", false},
      {"$request.querystring.", true},
      {"method.request.querystring.", true},
  };
  for (const auto& [prefix, query] : kPrefixes) {
    if (text.size() > prefix.size() && text.starts_with(prefix)) {
      return IdentitySource{query, std::string(text.substr(prefix.size()))};
    }
  }
  return std::nullopt;
}

Provider ParseProvider(const ConfigReader& in, const Rules& rules,
                       const std::vector<std::string>& audiences) {
  Provider provider;
  provider.issuer = in.String("issuer", ConfigReader::kNotEmpty);
  provider.upstream_name = in.String("upstream", ConfigReader::kNotEmpty);
  if (!provider.upstream_name.empty()) provider.upstream = in.UpstreamId("upstream");
  provider.keys_uri = in.OptionalString("jwksUri", "");
  provider.keys_origin = in.OptionalString("jwksOrigin", "");
  provider.keys_upstream_name = in.OptionalString("jwksUpstream", "");
  provider.allow_http = in.OptionalBool("allowHttp", false);
  if (!provider.keys_upstream_name.empty()) provider.keys_upstream = in.UpstreamId("jwksUpstream");
  if (provider.keys_origin.empty() != provider.keys_upstream_name.empty()) {
    in.Error("jwksOrigin", "must stand together with jwksUpstream");
  }
  const auto check = [&](std::string_view field, std::string_view uri) {
    std::optional<SplitUri> split = SplitHttpUri(uri);
    if (!split || (!split->https && !provider.allow_http)) {
      in.Error(field, "must be an https URI");
    }
    return split;
  };
  const std::optional<SplitUri> issuer = check("issuer", provider.issuer);
  if (!provider.keys_origin.empty()) {
    const std::optional<SplitUri> origin = check("jwksOrigin", provider.keys_origin);
    if (origin && origin->origin != provider.keys_origin) {
      in.Error("jwksOrigin", "must be scheme and host alone");
    }
  }
  if (rules.profile == Profile::kCognito && provider.keys_uri.empty()) {
    provider.keys_uri = Concat(provider.issuer, "/.well-known/jwks.json");
  }
  if (!provider.keys_uri.empty()) {
    const std::optional<SplitUri> keys = check("jwksUri", provider.keys_uri);
    if (keys && issuer && keys->origin != issuer->origin && keys->origin != provider.keys_origin) {
      in.Error("jwksUri", "must have the host of the issuer, or that of jwksOrigin");
    }
  }
  for (jose::ClaimRules& claims : provider.rules) {
    claims.issuer = provider.issuer;
    claims.audiences = audiences;
    claims.clock_skew_ms = rules.clock_skew_ms;
  }
  if (rules.profile == Profile::kCognito) {
    provider.rules[0].token_use = "id";
    provider.rules[1].token_use = "access";
  }
  return provider;
}

std::shared_ptr<const Rules> ParseRules(const ConfigReader& in) {
  auto rules = std::make_shared<Rules>();
  const bool cognito = in.OneOf("type", {"jwt", "cognito_user_pools"}) == "cognito_user_pools";
  rules->profile = cognito ? Profile::kCognito : Profile::kJwt;
  const std::string source = in.OptionalString("identitySource", "$request.header.Authorization");
  if (std::optional<IdentitySource> parsed = ParseSource(source)) {
    rules->source = *std::move(parsed);
  } else {
    in.Error("identitySource", "must be $request.header.<name> or $request.querystring.<name>");
  }
  rules->clock_skew_ms = 1000 * in.OptionalInt("clockSkewSeconds", 0, 0, kMaxSkewSeconds);
  rules->require_keys = in.OptionalBool("requireKeys", false);
  rules->cache_tokens = static_cast<size_t>(in.OptionalInt("cacheTokens", 10000, 0, 1000000));
  rules->cache_bytes =
      static_cast<size_t>(in.OptionalInt("cacheBytes", 16 << 20, 0, int64_t{1} << 30));
  const std::vector<std::string> fallback =
      cognito ? std::vector<std::string>{"RS256"}
              : std::vector<std::string>{"RS256", "RS384", "RS512"};
  for (const std::string& name : in.OptionalStrings("algorithms", fallback)) {
    const std::optional<jose::Algorithm> algorithm = jose::ParseAlgorithm(name);
    if (!algorithm || name.starts_with("HS")) {
      in.Error("algorithms", Concat("\"", name, "\" is not an algorithm with public keys"));
    } else {
      rules->algorithms.Add(*algorithm);
    }
  }
  if (rules->algorithms.empty()) in.Error("algorithms", "must not be empty");
  const std::vector<std::string> audiences = in.OptionalStrings("audiences");
  if (audiences.size() > kMaxAudiences) in.Error("audiences", "may have 50 entries at most");
  if (!cognito && audiences.empty()) in.Error("audiences", "must not be empty");
  if (const std::string text = in.OptionalString("identityValidationExpression", "");
      !text.empty()) {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    auto expression = std::make_unique<RE2>(text, options);
    if (!cognito) in.Error("identityValidationExpression", "is for cognito_user_pools alone");
    if (!expression->ok()) {
      in.Error("identityValidationExpression", expression->error());
    }
    rules->audience_expression = std::move(expression);
  }
  for (const ConfigReader& provider : in.Objects("providers")) {
    rules->providers.push_back(ParseProvider(provider, *rules, audiences));
  }
  if (rules->providers.empty()) in.Error("providers", "must not be empty");
  if (rules->providers.size() > kMaxProviders) in.Error("providers", "may have 20 entries at most");
  for (size_t i = 1; i < rules->providers.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (rules->providers[i].issuer == rules->providers[j].issuer) {
        in.Error("providers", Concat("\"", rules->providers[i].issuer, "\" stands twice"));
      }
    }
  }
  return rules;
}

}  // namespace

std::optional<SplitUri> SplitHttpUri(std::string_view uri) {
  const absl::StatusOr<HttpUri> parsed = ParseHttpUri(uri);
  if (!parsed.ok()) return std::nullopt;
  const size_t end =
      static_cast<size_t>(parsed->authority.data() - uri.data()) + parsed->authority.size();
  std::string path(uri.substr(end));
  if (!path.starts_with('/')) path.insert(path.begin(), '/');
  return SplitUri{parsed->https, uri.substr(0, end), std::move(path)};
}

std::string Provider::Identity() const {
  return Concat(issuer, "\n", upstream_name, "\n", keys_uri, "\n", keys_origin, "\n",
                keys_upstream_name);
}

std::unique_ptr<Settings> Settings::Parse(ConfigReader& in, const Settings* parent) {
  auto settings = std::make_unique<Settings>();
  // A route under the API's own configuration says its scopes and nothing else.
  const bool inherits = parent != nullptr && !in.Has("type");
  settings->rules = inherits ? parent->rules : ParseRules(in);
  settings->scopes = in.OptionalStrings("authorizationScopes");
  if (settings->scopes.size() > kMaxScopes) {
    in.Error("authorizationScopes", "may have 10 entries at most");
  }
  for (const std::string& scope : settings->scopes) {
    // RFC 6749 §3.3; they are quoted in a header.
    for (const char c : scope) {
      if (c <= ' ' || c > '~' || c == '"' || c == '\\') {
        in.Error("authorizationScopes", "\"" + scope + "\" is not a scope");
        break;
      }
    }
    if (!settings->scopes_text.empty()) settings->scopes_text += ' ';
    settings->scopes_text += scope;
  }
  settings->metrics.tokens = in.DefineCounter("tokens_total", {"result"});
  settings->metrics.fetches = in.DefineCounter("fetches_total", {"issuer", "result"});
  settings->metrics.stale = in.DefineGauge("jwks_stale_seconds", {"issuer"});
  settings->metrics.cached = in.DefineGauge("cached_tokens");
  return settings;
}

}  // namespace postern::jwt
