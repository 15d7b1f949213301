// JWT authorizers of HTTP APIs and Cognito authorizers of REST APIs. See README.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "api/sdk/sdk.h"
#include "filters/jwt/claim_text.h"
#include "filters/jwt/key_source.h"
#include "filters/jwt/settings.h"
#include "filters/jwt/token_cache.h"
#include "filters/jwt/worker.h"
#include "lib/crypto/digest.h"
#include "lib/jose/claims.h"
#include "lib/jose/failure.h"
#include "lib/jose/jws.h"
#include "lib/text/ascii.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"
#include "lib/text/query_string.h"

namespace postern::jwt {
namespace {

// A result is not kept longer (authorization.md §8).
constexpr int64_t kLongestMs = 300000;

constexpr Map kRequest = Map::kRequestHeaders;

// What `www-authenticate` says of a token that is refused (§7). The first three were seen in
// answers of API Gateway; the others are (unverified).
std::string_view Description(jose::Failure failure) {
  switch (failure) {
    case jose::Failure::kSegments:
      return "token contains an invalid number of segments";
    case jose::Failure::kAudience:
      return "the token does not have a valid audience";
    case jose::Failure::kExpired:
      return "the token has expired";
    case jose::Failure::kIssuer:
      return "the token does not have a valid issuer";
    case jose::Failure::kSignature:
      return "the token has an invalid signature";
    case jose::Failure::kUnknownKey:
      return "the token does not have a valid kid";
    case jose::Failure::kAlgorithm:
    case jose::Failure::kKeyMismatch:
      return "the token does not have a valid algorithm";
    case jose::Failure::kNotYet:
    case jose::Failure::kIssuedLater:
      return "the token is not valid yet";
    case jose::Failure::kScope:
      return "the token does not have a required scope";
    default:
      return "the token is malformed";
  }
}

class Jwt {
 public:
  using Config = Settings;
  using Worker = JwtWorker;

  Jwt(const Settings& settings, JwtWorker& worker)
      : settings_(settings), rules_(*settings.rules), worker_(worker) {}

  Verdict OnRequestHeaders(Stream s, Flags) { return ToVerdict(Decide(s)); }

  // The fetch that the stream waits for has ended.
  void OnEvent(Stream s, const Event& event) {
    if (!event.is_wake() || !waiting_) return;
    waiting_ = false;
    waited_ = true;
    switch (Decide(s)) {
      case Step::kPass:
        s.Resume(Direction::kRequest);
        return;
      case Step::kFail:
        s.Send({.kind = ReplyKind::kAuthorizerFailure, .detail = "jwt:internal"});
        return;
      case Step::kWait:
      case Step::kAnswered:
        return;
    }
  }

 private:
  enum class Step { kPass, kWait, kAnswered, kFail };

  static Verdict ToVerdict(Step step) {
    switch (step) {
      case Step::kPass:
        return Verdict::kDetach;
      case Step::kWait:
        return Verdict::kPause;
      case Step::kAnswered:
        return Verdict::kContinue;
      case Step::kFail:
        break;
    }
    return Verdict::kFail;
  }

  bool cognito() const { return rules_.profile == Profile::kCognito; }

  Step Decide(Stream s) {
    std::string room;
    const std::optional<std::string_view> token = Token(s, &room);
    if (!token) return RefuseMissing(s);
    if (token->size() > jose::JwsReader::kMaxTokenBytes) {
      return Refuse(s, jose::Failure::kTooLarge);
    }
    const TokenCache::Key key{Sha256(*token), &rules_, !settings_.scopes.empty()};
    if (const Verified* known = worker_.cache.Find(key)) {
      if (Fresh(*known)) return Admit(s, *known, "cached");
      worker_.cache.Remove(key);
    }
    Verified verified;
    const std::optional<Step> step = Verify(s, *token, &verified);
    if (step) return *step;
    const Verified* kept = worker_.cache.Put(key, &verified);
    settings_.metrics.cached.Set(static_cast<int64_t>(worker_.cache.size()));
    return Admit(s, kept != nullptr ? *kept : verified, "verified");
  }

  // The token, where the source says; nullopt where there is none. Several fields are no token:
  // nobody can say which of them counts.
  std::optional<std::string_view> Token(Stream s, std::string* room) const {
    std::optional<std::string_view> value;
    if (!rules_.source.query) {
      value = s.Header(kRequest, rules_.source.name);
      if (value && s.Header(kRequest, rules_.source.name, 1)) return std::string_view("");
    } else {
      const std::string_view path = s.Header(kRequest, ":path").value_or("");
      const size_t mark = path.find('?');
      QueryParameters query;
      if (mark != path.npos && query.Parse(path.substr(mark + 1)).ok()) {
        if (const auto found = query.Last(rules_.source.name)) {
          *room = std::string(*found);
          value = *room;
        }
      }
    }
    if (!value) return std::nullopt;
    std::string_view token = TrimOws(*value);
    constexpr std::string_view kBearer = "Bearer";
    if (EqualsIgnoreCase(token.substr(0, kBearer.size()), kBearer)) {
      const std::string_view rest = token.substr(kBearer.size());
      if (rest.empty() || rest.front() == ' ') token = TrimOws(rest);
    }
    if (token.empty()) return std::nullopt;
    return token;
  }

  bool Fresh(const Verified& known) {
    if (known.expires_ms <= static_cast<int64_t>(WallMs())) return false;
    const Provider& provider = rules_.providers[known.provider];
    const KeySource& source = worker_.SourceOf(provider, rules_.profile);
    return source.loaded() && source.state()->generation == known.generation;
  }

  // Checks a token that is not known yet; nullopt when it is good, and `verified` is what to keep.
  std::optional<Step> Verify(Stream s, std::string_view token, Verified* verified) {
    jose::JwsReader& jws = worker_.jws;
    jose::Claims& claims = worker_.claims;
    jose::Failure failure = jws.Parse(token);
    if (failure != jose::Failure::kNone) return Refuse(s, failure);
    if (!rules_.algorithms.Has(jws.algorithm())) return Refuse(s, jose::Failure::kAlgorithm);
    if (!jws.key_id()) return Refuse(s, jose::Failure::kUnknownKey);
    failure = claims.Parse(jws.payload());
    if (failure != jose::Failure::kNone) return Refuse(s, failure);
    // Not trusted yet: it only chooses among the issuers of the configuration, whose key then has
    // to fit.
    const std::optional<std::string_view> issuer = claims.Find("iss").AsString();
    const auto provider = std::find_if(rules_.providers.begin(), rules_.providers.end(),
                                       [&issuer](const Provider& p) { return issuer == p.issuer; });
    if (provider == rules_.providers.end()) return Refuse(s, jose::Failure::kIssuer);

    KeySource& source = worker_.SourceOf(*provider, rules_.profile);
    jose::Key* key = nullptr;
    switch (source.Find(*jws.key_id(), waited_, &key)) {
      case KeySource::Answer::kFound:
        break;
      case KeySource::Answer::kWait:
        waiting_ = source.AddWaiter(s.NewWaker());
        if (waiting_) return Step::kWait;
        return RefuseUnavailable(s, source);
      case KeySource::Answer::kUnknown:
        return Refuse(s, jose::Failure::kUnknownKey);
      case KeySource::Answer::kUnavailable:
        return RefuseUnavailable(s, source);
    }
    const int64_t now = static_cast<int64_t>(WallMs());
    failure = jws.Verify(*key, rules_.algorithms);
    if (failure == jose::Failure::kNone) {
      failure = claims.Check(provider->rules[settings_.scopes.empty() ? 0 : 1], now);
    }
    if (failure == jose::Failure::kNone && !MatchesAudienceExpression(claims)) {
      failure = jose::Failure::kAudience;
    }
    if (failure != jose::Failure::kNone) return Refuse(s, failure);
    verified->provider = static_cast<size_t>(provider - rules_.providers.begin());
    verified->generation = source.state()->generation;
    verified->expires_ms = std::min(claims.expires_ms() + rules_.clock_skew_ms, now + kLongestMs);
    Keep(claims, verified);
    return std::nullopt;
  }

  // §6: the expression stands for `aud`, which access tokens do not have.
  bool MatchesAudienceExpression(const jose::Claims& claims) const {
    if (rules_.audience_expression == nullptr) return true;
    const std::optional<std::string_view> audience = claims.Find("aud").AsString();
    return audience &&
           RE2::FullMatch({audience->data(), audience->size()}, *rules_.audience_expression);
  }

  void Keep(const jose::Claims& claims, Verified* verified) const {
    const JsonValue root = claims.root();
    for (size_t i = 0; i < root.size(); ++i) {
      const std::string_view name = root.NameAt(i);
      if (std::optional<std::string> text = ClaimText(rules_.profile, name, root.At(i))) {
        verified->variables.emplace_back(Concat("authorizer.claims.", name), *std::move(text));
      }
    }
    StringSink sink(&verified->scopes_json);
    JsonWriter writer(&sink);
    writer.BeginArray();
    for (const std::string_view scope : claims.Scopes()) {
      verified->scopes.emplace_back(scope);
      writer.String(scope);
    }
    writer.EndArray();
  }

  // The token is good; the route may still want a scope that it does not have.
  Step Admit(Stream s, const Verified& verified, std::string_view result) {
    const auto has = [&verified](const std::string& scope) {
      return std::find(verified.scopes.begin(), verified.scopes.end(), scope) !=
             verified.scopes.end();
    };
    if (!settings_.scopes.empty() &&
        std::none_of(settings_.scopes.begin(), settings_.scopes.end(), has)) {
      return Refuse(s, jose::Failure::kScope);
    }
    for (const auto& [name, text] : verified.variables) {
      if (s.SetText(name, text) != Status::kOk) return FailToSet();
    }
    if (!cognito()) {
      const std::string_view scopes =
          settings_.scopes.empty() ? std::string_view("null") : verified.scopes_json;
      if (s.SetJson("authorizer.scopes", scopes) != Status::kOk) return FailToSet();
    }
    settings_.metrics.tokens.Add(1, {result});
    return Step::kPass;
  }

  // What the integration relies on would be missing.
  Step FailToSet() const {
    Log(LogLevel::kWarn, "the claims of a token do not fit in $context.authorizer");
    return Step::kFail;
  }

  Step RefuseMissing(Stream s) {
    settings_.metrics.tokens.Add(1, {"missing"});
    s.SetText("authorizer.error", "missing");
    const postern_header challenge[] = {Field("www-authenticate", "Bearer")};
    return Answer(s, {.kind = ReplyKind::kUnauthorized,
                      .message = "Unauthorized",
                      .detail = "jwt:missing",
                      .headers = Challenge(challenge)});
  }

  Step Refuse(Stream s, jose::Failure failure) {
    const std::string_view name = jose::FailureName(failure);
    settings_.metrics.tokens.Add(1, {name});
    s.SetText("authorizer.error", name);
    const bool scope = failure == jose::Failure::kScope;
    const std::string text =
        ChallengeText(scope ? "insufficient_scope" : "invalid_token", Description(failure));
    const postern_header challenge[] = {Field("www-authenticate", text)};
    const std::string detail = Concat("jwt:", name);
    if (scope && !cognito()) {
      return Answer(s, {.kind = ReplyKind::kAccessDenied,
                        .status = 403,
                        .message = "Forbidden",
                        .detail = detail,
                        .headers = challenge});
    }
    const bool expired = cognito() && failure == jose::Failure::kExpired;
    return Answer(s, {.kind = ReplyKind::kUnauthorized,
                      .message = expired ? "The incoming token has expired" : "Unauthorized",
                      .detail = detail,
                      .headers = Challenge(challenge)});
  }

  Step RefuseUnavailable(Stream s, const KeySource& source) {
    settings_.metrics.tokens.Add(1, {"unavailable"});
    s.SetText("authorizer.error", "unavailable");
    if (cognito() && source.trouble() == KeySource::Trouble::kRefused) {
      return Answer(
          s, {.kind = ReplyKind::kAuthorizerConfigurationError, .detail = "jwt:provider_refuses"});
    }
    const std::string text =
        ChallengeText("invalid_token", source.trouble() == KeySource::Trouble::kDiscovery
                                           ? "OIDC discovery endpoint communication error"
                                           : "JWKS communication error");
    const postern_header challenge[] = {Field("www-authenticate", text)};
    return Answer(s, {.kind = ReplyKind::kUnauthorized,
                      .message = "Unauthorized",
                      .detail = "jwt:unavailable",
                      .headers = Challenge(challenge)});
  }

  // Cognito authorizers send none.
  std::span<const postern_header> Challenge(std::span<const postern_header> fields) const {
    return cognito() ? std::span<const postern_header>() : fields;
  }

  // §7: no commas between parameters.
  std::string ChallengeText(std::string_view error, std::string_view description) const {
    return Concat("Bearer scope=\"", settings_.scopes_text, "\" error=\"", error,
                  "\" error_description=\"", description, "\"");
  }

  static Step Answer(Stream s, Reply reply) {
    return s.Send(std::move(reply)) == Verdict::kContinue ? Step::kAnswered : Step::kFail;
  }

  const Settings& settings_;
  const Rules& rules_;
  JwtWorker& worker_;
  bool waiting_ = false;  // For keys, paused.
  bool waited_ = false;
};

}  // namespace
}  // namespace postern::jwt

POSTERN_MODULE(postern::jwt::Jwt, "postern.jwt", "1.0.0", POSTERN_CAP_CALLOUT);
