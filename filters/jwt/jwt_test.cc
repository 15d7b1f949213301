#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/sdk/testing/fake_host.h"
#include "lib/jose/signer_for_test.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using jose::Algorithm;
using jose::SignerForTest;
using testing::CalloutAnswer;
using testing::CalloutRequest;
using testing::FakeHost;
using testing::FakeStream;

constexpr std::string_view kIssuer = "https://id.example/tenant";
constexpr std::string_view kDiscovery = "/tenant/.well-known/openid-configuration";
constexpr std::string_view kKeys = "/keys";
// FakeHost's, when it starts.
constexpr int64_t kNow = 1700001000;

constexpr std::string_view kJwt = R"({"type":"jwt","audiences":["client"],
    "providers":[{"issuer":"https://id.example/tenant","upstream":"id"}]})";
constexpr std::string_view kPool =
    "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEfGhI";
constexpr std::string_view kCognito = R"({"type":"cognito_user_pools",
    "identitySource":"method.request.header.Authorization",
    "providers":[{"issuer":"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEfGhI",
                  "upstream":"id"}]})";

const SignerForTest& Signer(const std::string& id) {
  static auto* const signers = new std::map<std::string, std::unique_ptr<SignerForTest>>();
  std::unique_ptr<SignerForTest>& signer = (*signers)[id];
  if (signer == nullptr) signer = std::make_unique<SignerForTest>(Algorithm::kRs256, id);
  return *signer;
}

// A provider of tokens that answers as a test wants it to.
class JwtTest : public ::testing::Test {
 protected:
  JwtTest() {
    host_.SetInstance("auth", /*authorizer=*/true);
    host_.AddUpstream("id", [this](const CalloutRequest& request) { return Serve(request); });
    host_.AddUpstream("keys", [this](const CalloutRequest& request) { return Serve(request); });
    answers_[std::string(kDiscovery)] = CalloutAnswer{
        .body = R"({"issuer":"https://id.example/tenant","jwks_uri":"https://id.example/keys"})"};
    answers_[std::string(kKeys)] = CalloutAnswer{.body = Signer("k1").JwkSet()};
    answers_["/us-east-1_AbCdEfGhI/.well-known/jwks.json"] =
        CalloutAnswer{.body = Signer("k1").JwkSet()};
  }

  std::optional<CalloutAnswer> Serve(const CalloutRequest& request) {
    asked_.push_back(request.upstream + request.path);
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.timeout_ms, 1500u);
    const auto found = answers_.find(request.path);
    if (found == answers_.end()) return CalloutAnswer{.status = 404};
    return found->second;
  }

  void Configure(std::string_view json, const std::vector<FakeHost::Scope>& scopes = {}) {
    ASSERT_TRUE(host_.Configure(json, scopes)) << host_.ErrorText();
  }

  int64_t Now() const { return kNow + static_cast<int64_t>(host_.now_ms() - 1000000) / 1000; }

  // A token of a key, which lives for an hour; `members` come besides.
  std::string Token(std::string_view members = "", const std::string& key = "k1") const {
    return Signer(key).Sign(
        Concat(R"({"iss":")", kIssuer, R"(","aud":"client","exp":)", Now() + 3600, members, "}"));
  }
  std::string PoolToken(std::string_view members) const {
    return Signer("k1").Sign(
        Concat(R"({"iss":")", kPool, R"(","exp":)", Now() + 3600, members, "}"));
  }

  FakeStream& Send(const std::string& authorization, std::string_view scope = "") {
    FakeStream& stream = host_.NewStream(scope);
    stream.Request({{"Authorization", authorization}});
    return stream;
  }
  bool Passes(const std::string& token, std::string_view scope = "") {
    return Send("Bearer " + token, scope).upstream().started;
  }
  void ExpectRefused(FakeStream& stream, uint32_t kind, std::string_view message,
                     std::string_view challenge) {
    EXPECT_FALSE(stream.upstream().started);
    ASSERT_TRUE(stream.reply().has_value());
    EXPECT_EQ(stream.reply()->kind, kind);
    EXPECT_EQ(stream.reply()->message, message);
    EXPECT_EQ(stream.client().Get("www-authenticate"), challenge);
  }
  size_t Asked(std::string_view what) const {
    return static_cast<size_t>(std::count(asked_.begin(), asked_.end(), what));
  }
  CalloutAnswer& KeysAnswer() { return *answers_[std::string(kKeys)]; }

  std::map<std::string, std::optional<CalloutAnswer>> answers_;
  std::vector<std::string> asked_;
  FakeHost host_;
};

std::string Challenge(std::string_view description, std::string_view scope = "",
                      std::string_view error = "invalid_token") {
  return Concat("Bearer scope=\"", scope, "\" error=\"", error, "\" error_description=\"",
                description, "\"");
}

constexpr uint32_t kUnauthorized = POSTERN_REPLY_UNAUTHORIZED;

// authorization.md §7, steps 1 to 9.

TEST_F(JwtTest, AGoodTokenPasses) {
  Configure(kJwt);
  EXPECT_TRUE(host_.ready());
  EXPECT_EQ(asked_,
            (std::vector<std::string>{"id/tenant/.well-known/openid-configuration", "id/keys"}));
  FakeStream& stream = Send("Bearer " + Token(R"(,"sub":"me","n":7,"ok":true,"groups":["a","b"],
      "none":null,"address":{"city":"x"},"scope":"read write","custom:role":"r")"));
  EXPECT_TRUE(stream.upstream().started);
  const auto claim = [&stream](std::string_view name) {
    return stream.Variable("authorizer.claims." + std::string(name));
  };
  EXPECT_EQ(claim("sub"), "me");
  EXPECT_EQ(claim("n"), "7");
  EXPECT_EQ(claim("ok"), "true");
  EXPECT_EQ(claim("groups"), "[a b]");
  EXPECT_EQ(claim("none"), std::nullopt);
  EXPECT_EQ(claim("address"), R"({"city":"x"})");
  EXPECT_EQ(claim("custom:role"), "r");
  EXPECT_EQ(claim("iss"), kIssuer);
  EXPECT_EQ(stream.Variable("authorizer.scopes"), "null");
  EXPECT_EQ(host_.MetricValue("tokens_total", {"verified"}), 1);
  EXPECT_EQ(host_.MetricValue("fetches_total", {std::string(kIssuer), "ok"}), 1);
}

TEST_F(JwtTest, WhereTheTokenStands) {
  Configure(kJwt);
  const std::string token = Token();
  for (const std::string& value :
       {token, "Bearer " + token, "bearer  " + token, " " + token + " "}) {
    EXPECT_TRUE(Send(value).upstream().started) << value.substr(0, 10);
  }
  FakeStream& none = host_.NewStream();
  none.Request();
  ExpectRefused(none, kUnauthorized, "Unauthorized", "Bearer");
  for (const char* empty : {"", " ", "Bearer", "Bearer "}) {
    ExpectRefused(Send(empty), kUnauthorized, "Unauthorized", "Bearer");
  }
  FakeStream& twice = host_.NewStream();
  twice.Request({{"authorization", token}, {"authorization", token}});
  EXPECT_EQ(twice.client().status(), 401);
  // Hazard 31: the configured source and no other.
  FakeStream& elsewhere = host_.NewStream();
  elsewhere.Request({{":path", "/?Authorization=" + token}});
  EXPECT_EQ(elsewhere.client().status(), 401);
}

TEST_F(JwtTest, ATokenInTheQuery) {
  Configure(R"({"type":"jwt","audiences":["client"],"identitySource":"$request.querystring.t",
      "providers":[{"issuer":"https://id.example/tenant","upstream":"id"}]})");
  FakeStream& stream = host_.NewStream();
  stream.Request({{":path", "/a?x=1&t=" + Token() + "&y"}});
  EXPECT_TRUE(stream.upstream().started);
  FakeStream& bearer = host_.NewStream();
  bearer.Request({{":path", "/a?t=Bearer%20" + Token()}});
  EXPECT_TRUE(bearer.upstream().started);
  EXPECT_EQ(Send(Token()).client().status(), 401);
}

TEST_F(JwtTest, Refusals) {
  Configure(kJwt, {{"GET /a", R"({"authorizationScopes":["api/admin"]})"}});
  const auto refused = [this](const std::string& token, std::string_view description) {
    ExpectRefused(Send("Bearer " + token), kUnauthorized, "Unauthorized", Challenge(description));
  };
  refused("abc", "token contains an invalid number of segments");
  refused("a.b.c.d.e", "token contains an invalid number of segments");
  refused(Token(R"(,"x":1)").substr(1), "the token is malformed");
  refused(std::string(8193, 'a'), "the token is malformed");
  const auto claims = [](std::string_view members) {
    return Signer("k1").Sign(Concat("{", members, "}"));
  };
  const std::string good = Concat(R"("iss":")", kIssuer, R"(","exp":1999999999)");
  refused(claims(Concat(good, R"(,"aud":"other")")), "the token does not have a valid audience");
  refused(claims(good), "the token does not have a valid audience");
  refused(claims(Concat(R"("aud":"client","exp":1700000999,"iss":")", kIssuer, "\"")),
          "the token has expired");
  refused(claims(Concat(R"("aud":"client","iss":")", kIssuer, "\"")), "the token is malformed");
  refused(claims(Concat(good, R"(,"aud":"client","nbf":1700001001)")),
          "the token is not valid yet");
  refused(claims(Concat(good, R"(,"aud":"client","iat":1700001001)")),
          "the token is not valid yet");
  refused(claims(R"("iss":"https://id.example/tenant/","exp":1999999999,"aud":"client")"),
          "the token does not have a valid issuer");
  refused(Token("", "k2"), "the token does not have a valid kid");
  const std::string no_kid =
      Signer("k1").SignWithHeader(R"({"alg":"RS256"})", Concat("{", good, R"(,"aud":"client"})"));
  refused(no_kid, "the token does not have a valid kid");
  const std::string none = Signer("k1").SignWithHeader(R"({"alg":"none","kid":"k1"})",
                                                       Concat("{", good, R"(,"aud":"client"})"));
  refused(none, "the token does not have a valid algorithm");
  const std::string pss = Signer("k1").SignWithHeader(R"({"alg":"PS256","kid":"k1"})",
                                                      Concat("{", good, R"(,"aud":"client"})"));
  refused(pss, "the token does not have a valid algorithm");
  // Signed by another key of the same name.
  const SignerForTest impostor(Algorithm::kRs256, "k1");
  refused(impostor.Sign(Concat("{", good, R"(,"aud":"client"})")),
          "the token has an invalid signature");
  // The scope that a route needs is told, whatever is wrong (§7 [C]).
  ExpectRefused(Send("Bearer abc", "GET /a"), kUnauthorized, "Unauthorized",
                Challenge("token contains an invalid number of segments", "api/admin"));
  EXPECT_EQ(host_.MetricValue("tokens_total", {"audience"}), 2);
  EXPECT_EQ(host_.MetricValue("tokens_total", {"signature"}), 1);
}

TEST_F(JwtTest, Scopes) {
  Configure(kJwt, {{"GET /a", R"({"authorizationScopes":["read","write"]})"}});
  FakeStream& stream = Send("Bearer " + Token(R"(,"scope":"openid write")"), "GET /a");
  EXPECT_TRUE(stream.upstream().started);
  // All that the token has, not what the route asked for.
  EXPECT_EQ(stream.Variable("authorizer.scopes"), R"(["openid","write"])");
  EXPECT_TRUE(Passes(Token(R"(,"scp":["read"])"), "GET /a"));
  const std::string poor = Token(R"(,"scope":"openid")");
  for (int i = 0; i < 2; ++i) {  // The second time from the cache.
    FakeStream& refused = Send("Bearer " + poor, "GET /a");
    ExpectRefused(
        refused, POSTERN_REPLY_ACCESS_DENIED, "Forbidden",
        Challenge("the token does not have a required scope", "read write", "insufficient_scope"));
    EXPECT_EQ(refused.client().status(), 403);
    EXPECT_EQ(refused.Variable("authorizer.claims.aud"), std::nullopt);
  }
  EXPECT_TRUE(Passes(poor));
}

TEST_F(JwtTest, ClockSkew) {
  Configure(R"({"type":"jwt","audiences":["client"],"clockSkewSeconds":30,
      "providers":[{"issuer":"https://id.example/tenant","upstream":"id"}]})");
  const std::string token = Signer("k1").Sign(Concat(
      R"({"iss":")", kIssuer, R"(","aud":"client","exp":)", kNow, R"(,"nbf":)", kNow + 30, "}"));
  EXPECT_TRUE(Passes(token));
  host_.AdvanceTime(29999);
  EXPECT_TRUE(Passes(token));
  host_.AdvanceTime(1);
  EXPECT_FALSE(Passes(token)) << "also from the cache";
}

// §6.

TEST_F(JwtTest, CognitoIdTokens) {
  Configure(kCognito);
  EXPECT_EQ(asked_, (std::vector<std::string>{"id/us-east-1_AbCdEfGhI/.well-known/jwks.json"}));
  FakeStream& stream = Send(PoolToken(
      R"(,"token_use":"id","aud":"app","cognito:groups":["a","b"],"auth_time":1700000000,
         "iat":1700000000,"email_verified":true)"));
  EXPECT_TRUE(stream.upstream().started);
  EXPECT_EQ(stream.Variable("authorizer.claims.cognito:groups"), "a,b");
  EXPECT_EQ(stream.Variable("authorizer.claims.iat"), "Tue Nov 14 22:13:20 UTC 2023");
  EXPECT_EQ(stream.Variable("authorizer.claims.auth_time"), "1700000000");
  EXPECT_EQ(stream.Variable("authorizer.claims.email_verified"), "true");
  EXPECT_EQ(stream.Variable("authorizer.scopes"), std::nullopt);
  EXPECT_FALSE(Passes(PoolToken(R"(,"token_use":"access","client_id":"app")")));
  EXPECT_FALSE(Passes(Token(R"(,"token_use":"id")"))) << "of another issuer";
}

TEST_F(JwtTest, CognitoAccessTokensForScopes) {
  Configure(kCognito, {{"GET /a", R"({"authorizationScopes":["r/read"]})"}});
  const auto access = [this](std::string_view scope) {
    return PoolToken(Concat(R"(,"token_use":"access","client_id":"app","scope":")", scope, "\""));
  };
  EXPECT_TRUE(Passes(access("openid r/read"), "GET /a"));
  EXPECT_FALSE(Passes(access("openid r/read")));
  EXPECT_FALSE(Passes(PoolToken(R"(,"token_use":"id","aud":"app","scope":"r/read")"), "GET /a"));
  // 401 here, where HTTP APIs say 403.
  ExpectRefused(Send(access("openid"), "GET /a"), kUnauthorized, "Unauthorized", "");
}

TEST_F(JwtTest, CognitoRefusals) {
  Configure(kCognito);
  FakeStream& none = host_.NewStream();
  none.Request();
  ExpectRefused(none, kUnauthorized, "Unauthorized", "");
  ExpectRefused(Send("abc"), kUnauthorized, "Unauthorized", "");
  ExpectRefused(
      Send("AWS4-HMAC-SHA256 Credential=AKIA/20260720/us-east-1/execute-api/aws4_request, "
           "SignedHeaders=host, Signature=00"),
      kUnauthorized, "Unauthorized", "");
  const std::string old = Signer("k1").Sign(
      Concat(R"({"iss":")", kPool, R"(","token_use":"id","aud":"app","exp":1700000999})"));
  FakeStream& expired = Send(old);
  ExpectRefused(expired, kUnauthorized, "The incoming token has expired", "");
  EXPECT_EQ(expired.client().status(), 401);
  EXPECT_EQ(expired.reply()->detail, "jwt:expired");
}

TEST_F(JwtTest, CognitoAudienceExpression) {
  Configure(R"({"type":"cognito_user_pools","identityValidationExpression":"app-[0-9]+",
      "providers":[{"issuer":"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEfGhI",
                    "upstream":"id"}]})",
            {{"GET /a", R"({"authorizationScopes":["s"]})"}});
  EXPECT_TRUE(Passes(PoolToken(R"(,"token_use":"id","aud":"app-12")")));
  EXPECT_FALSE(Passes(PoolToken(R"(,"token_use":"id","aud":"my-app-12")")));
  EXPECT_FALSE(Passes(PoolToken(R"(,"token_use":"id")")));
  // Access tokens have no `aud`, and so never pass.
  EXPECT_FALSE(
      Passes(PoolToken(R"(,"token_use":"access","client_id":"app-12","scope":"s")"), "GET /a"));
}

TEST_F(JwtTest, APoolThatIsGone) {
  answers_.clear();
  Configure(kCognito);
  EXPECT_TRUE(host_.ready());
  FakeStream& stream = Send(PoolToken(R"(,"token_use":"id","aud":"app")"));
  EXPECT_EQ(stream.reply()->kind, uint32_t{POSTERN_REPLY_AUTHORIZER_CONFIGURATION_ERROR});
}

// §8, Keys: what the filter remembers of tokens.

TEST_F(JwtTest, RemembersTokensUntilTheyExpire) {
  Configure(kJwt);
  const std::string token = Signer("k1").Sign(
      Concat(R"({"iss":")", kIssuer, R"(","aud":"client","exp":)", kNow + 100, "}"));
  EXPECT_TRUE(Passes(token));
  EXPECT_TRUE(Passes(token));
  EXPECT_EQ(host_.MetricValue("tokens_total", {"verified"}), 1);
  EXPECT_EQ(host_.MetricValue("tokens_total", {"cached"}), 1);
  EXPECT_EQ(host_.MetricValue("cached_tokens"), 1);
  host_.AdvanceTime(99999);
  EXPECT_TRUE(Passes(token));
  host_.AdvanceTime(1);
  ExpectRefused(Send(token), kUnauthorized, "Unauthorized", Challenge("the token has expired"));
}

TEST_F(JwtTest, RemembersTokensForFiveMinutesAtMost) {
  Configure(kJwt);
  const std::string token = Token();
  EXPECT_TRUE(Passes(token));
  host_.AdvanceTime(299999);
  EXPECT_TRUE(Passes(token));
  EXPECT_EQ(host_.MetricValue("tokens_total", {"verified"}), 1);
  host_.AdvanceTime(1);
  EXPECT_TRUE(Passes(token));
  EXPECT_EQ(host_.MetricValue("tokens_total", {"verified"}), 2);
}

TEST_F(JwtTest, NeverRemembersWhatWasRefused) {
  Configure(kJwt);
  const std::string later = Token(Concat(R"(,"nbf":)", kNow + 10));
  EXPECT_FALSE(Passes(later));
  host_.AdvanceTime(10000);
  EXPECT_TRUE(Passes(later));
}

TEST_F(JwtTest, RotationEndsTokens) {
  Configure(kJwt);
  const std::string token = Token();
  EXPECT_TRUE(Passes(token));
  // The key is gone with the next refresh, and not before.
  KeysAnswer().body = Signer("k2").JwkSet();
  EXPECT_TRUE(Passes(token));
  host_.AdvanceTime(2 * 3600 * 1000);
  asked_.clear();
  const std::string late = Token();
  EXPECT_FALSE(Passes(late));
  EXPECT_TRUE(Passes(Token("", "k2")));
}

TEST_F(JwtTest, ANewKeyIsFetchedWhenATokenNamesIt) {
  Configure(kJwt);
  const std::string old = Token();
  EXPECT_TRUE(Passes(old));
  KeysAnswer().body = Signer("k2").JwkSet();
  EXPECT_TRUE(Passes(Token("", "k2")));
  EXPECT_EQ(Asked("id/keys"), 2u);
  ExpectRefused(Send(old), kUnauthorized, "Unauthorized",
                Challenge("the token does not have a valid kid"));
}

TEST_F(JwtTest, UnknownKeysAreAskedForOnceIn30Seconds) {
  Configure(kJwt);
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(Passes(Token("", i % 2 == 0 ? "k2" : "k3")));
    EXPECT_FALSE(Passes(Signer("k1").SignWithHeader(
        Concat(R"({"alg":"RS256","kid":"r)", i, "\"}"),
        Concat(R"({"iss":")", kIssuer, R"(","aud":"client","exp":1999999999})"))));
  }
  EXPECT_EQ(Asked("id/keys"), 2u);  // The first of all, and one.
  host_.AdvanceTime(30000);
  EXPECT_FALSE(Passes(Token("", "k2")));
  EXPECT_EQ(Asked("id/keys"), 3u);
  // An issuer that nobody configured is never asked.
  EXPECT_FALSE(Passes(Signer("k1").Sign(R"({"iss":"https://evil.example","exp":1999999999})")));
  for (const std::string& asked : asked_) EXPECT_EQ(asked.find("evil"), std::string::npos);
}

TEST_F(JwtTest, OneFetchForAllThatWait) {
  Configure(kJwt);
  KeysAnswer().body = Signer("k2").JwkSet();
  KeysAnswer().delay_ms = 500;
  std::vector<FakeStream*> streams;
  for (int i = 0; i < 10; ++i) streams.push_back(&Send(Token("", "k2")));
  for (FakeStream* stream : streams) EXPECT_TRUE(stream->paused(POSTERN_REQUEST));
  streams[3]->Cut();  // Somebody does not wait.
  host_.AdvanceTime(500);
  EXPECT_EQ(Asked("id/keys"), 2u);
  for (size_t i = 0; i < streams.size(); ++i) {
    EXPECT_EQ(streams[i]->upstream().started, i != 3) << i;
  }
}

// Readiness, and hosts that are slow, dead, or lie.

TEST_F(JwtTest, IsReadyAfterTheFirstFetch) {
  KeysAnswer().delay_ms = 400;
  answers_[std::string(kDiscovery)]->delay_ms = 400;
  Configure(kJwt);
  EXPECT_FALSE(host_.ready());
  host_.AdvanceTime(799);
  EXPECT_FALSE(host_.ready());
  host_.AdvanceTime(1);
  EXPECT_TRUE(host_.ready());
  EXPECT_TRUE(Passes(Token()));
}

TEST_F(JwtTest, ADeadHostRefusesTokensAndIsAskedAgain) {
  answers_[std::string(kDiscovery)] = std::nullopt;  // It never answers.
  Configure(kJwt);
  EXPECT_FALSE(host_.ready());
  host_.AdvanceTime(1500);
  EXPECT_TRUE(host_.ready());
  ExpectRefused(Send(Token()), kUnauthorized, "Unauthorized",
                Challenge("OIDC discovery endpoint communication error"));
  EXPECT_EQ(asked_.size(), 1u) << "it was asked just now";
  host_.AdvanceTime(1000);
  EXPECT_EQ(asked_.size(), 2u);
  // A request that comes meanwhile waits for the answer, not longer than the fetch may take.
  FakeStream& waits = Send(Token());
  EXPECT_TRUE(waits.paused(POSTERN_REQUEST));
  host_.AdvanceTime(1500);
  EXPECT_EQ(waits.client().status(), 401);
  // It comes back.
  answers_[std::string(kDiscovery)] = CalloutAnswer{
      .body = R"({"issuer":"https://id.example/tenant","jwks_uri":"https://id.example/keys"})"};
  host_.AdvanceTime(60000);
  EXPECT_TRUE(Passes(Token()));
}

TEST_F(JwtTest, MayRequireKeys) {
  constexpr std::string_view kStrict = R"({"type":"jwt","audiences":["client"],"requireKeys":true,
      "providers":[{"issuer":"https://id.example/tenant","upstream":"id"}]})";
  KeysAnswer().outcome = POSTERN_CALLOUT_CONNECT;
  EXPECT_TRUE(host_.Configure(kStrict));  // Pending at first.
  EXPECT_EQ(host_.snapshots(), 0u);
  EXPECT_EQ(host_.ErrorText(), "worker: there are no keys of https://id.example/tenant\n");
  KeysAnswer().outcome = POSTERN_CALLOUT_OK;
  EXPECT_TRUE(host_.Configure(kStrict));
  EXPECT_EQ(host_.snapshots(), 1u);
}

TEST_F(JwtTest, LyingHosts) {
  const auto keys = [](CalloutAnswer answer) { return answer; };
  const std::string good = Signer("k1").JwkSet();
  const CalloutAnswer lies[] = {
      keys({.status = 500, .body = good}),
      keys({.status = 404}),
      keys({.status = 301, .headers = {{"location", "https://evil.example/keys"}}}),
      keys({.status = 204}),
      keys({.body = ""}),
      keys({.body = "<html>sign in</html>"}),
      keys({.body = R"({"keys":[]})"}),
      keys(
          {.body =
               R"({"keys":[{"kty":"oct","kid":"k1","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]})"}),
      keys({.body = Concat(R"({"keys":[)", Signer("k1").Jwk(), ",", Signer("k1").Jwk(), "]}")}),
      keys({.body = good + "x"}),
      keys({.body = std::string(150001, ' ')}),
      keys({.body = std::string(140000, '[')}),
      keys({.outcome = POSTERN_CALLOUT_RESET}),
      keys({.outcome = POSTERN_CALLOUT_CONNECT}),
      keys({.outcome = POSTERN_CALLOUT_TOO_LARGE}),
  };
  for (const CalloutAnswer& lie : lies) {
    KeysAnswer() = lie;
    Configure(kJwt);
    EXPECT_TRUE(host_.ready());
    FakeStream& stream = Send(Token());
    EXPECT_EQ(stream.client().status(), 401) << lie.body.substr(0, 60);
    EXPECT_EQ(stream.client().Get("www-authenticate"), Challenge("JWKS communication error"));
  }
  KeysAnswer() = CalloutAnswer{.body = good};
  for (
      const char* body :
      {"", "[]", "{}", R"({"issuer":"https://id.example/tenant"})",
       R"({"issuer":"https://evil.example","jwks_uri":"https://id.example/keys"})",
       R"({"issuer":"https://id.example/tenant","jwks_uri":7})",
       R"({"issuer":"https://id.example/tenant","issuer":"x","jwks_uri":"https://id.example/keys"})",
       R"({"issuer":"https://id.example/tenant","jwks_uri":"https://evil.example/keys"})",
       R"({"issuer":"https://id.example/tenant","jwks_uri":"http://id.example/keys"})",
       R"({"issuer":"https://id.example/tenant","jwks_uri":"/keys"})",
       R"({"issuer":"https://id.example/tenant","jwks_uri":"https://id.example@evil.example/"})"}) {
    answers_[std::string(kDiscovery)] = CalloutAnswer{.body = body};
    asked_.clear();
    Configure(kJwt);
    EXPECT_EQ(asked_.size(), 1u) << body;
    EXPECT_FALSE(Passes(Token())) << body;
  }
}

TEST_F(JwtTest, KeysOnAnotherHostThatIsConfigured) {
  answers_[std::string(kDiscovery)] = CalloutAnswer{
      .body =
          R"({"issuer":"https://id.example/tenant","jwks_uri":"https://www.example/v3/certs"})"};
  answers_["/v3/certs"] = CalloutAnswer{.body = Signer("k1").JwkSet()};
  Configure(R"({"type":"jwt","audiences":["client"],"providers":[{
      "issuer":"https://id.example/tenant","upstream":"id",
      "jwksOrigin":"https://www.example","jwksUpstream":"keys"}]})");
  EXPECT_EQ(Asked("keys/v3/certs"), 1u);
  EXPECT_TRUE(Passes(Token()));
}

TEST_F(JwtTest, TheLastGoodKeysHoldForADay) {
  Configure(kJwt);
  EXPECT_TRUE(Passes(Token()));
  KeysAnswer() = CalloutAnswer{.status = 503};
  host_.AdvanceTime(uint64_t{23} * 3600 * 1000);
  EXPECT_TRUE(Passes(Token()));
  EXPECT_GT(host_.MetricValue("jwks_stale_seconds", {std::string(kIssuer)}), 22 * 3600);
  EXPECT_GT(host_.MetricValue("fetches_total", {std::string(kIssuer), "failed"}), 10);
  host_.AdvanceTime(uint64_t{3} * 3600 * 1000);
  EXPECT_FALSE(Passes(Token()));
  KeysAnswer() = CalloutAnswer{.body = Signer("k1").JwkSet()};
  host_.AdvanceTime(60000);
  EXPECT_TRUE(Passes(Token()));
  EXPECT_EQ(host_.MetricValue("jwks_stale_seconds", {std::string(kIssuer)}), 0);
}

TEST_F(JwtTest, RefreshesAsCacheControlSays) {
  KeysAnswer().headers = {{"cache-control", "public, Max-Age=600, must-revalidate"}};
  Configure(kJwt);
  host_.AdvanceTime(530000);
  EXPECT_EQ(Asked("id/keys"), 1u);
  host_.AdvanceTime(70000);
  EXPECT_EQ(Asked("id/keys"), 2u);
  // Not more often than each minute, whatever it says.
  KeysAnswer().headers = {{"cache-control", "no-store"}};
  host_.AdvanceTime(600000);
  const size_t before = Asked("id/keys");
  host_.AdvanceTime(600000);
  EXPECT_LE(Asked("id/keys") - before, 12u);
  EXPECT_GE(Asked("id/keys") - before, 9u);
}

TEST_F(JwtTest, ANewSnapshotGoesOnWithTheKeys) {
  Configure(kJwt);
  asked_.clear();
  answers_.clear();
  Configure(kJwt);
  EXPECT_TRUE(host_.ready());
  EXPECT_TRUE(asked_.empty());
  EXPECT_TRUE(Passes(Token()));
}

TEST_F(JwtTest, SeveralProviders) {
  answers_["/other/keys"] = CalloutAnswer{.body = Signer("k2").JwkSet()};
  Configure(R"({"type":"jwt","audiences":["client"],"providers":[
      {"issuer":"https://id.example/tenant","upstream":"id"},
      {"issuer":"https://id.example/other","upstream":"id",
       "jwksUri":"https://id.example/other/keys"}]})");
  EXPECT_TRUE(Passes(Token()));
  const auto other = [](const std::string& key) {
    return Signer(key).Sign(
        R"({"iss":"https://id.example/other","aud":"client","exp":1999999999})");
  };
  EXPECT_TRUE(Passes(other("k2")));
  // The key of one issuer does not sign for another.
  EXPECT_FALSE(Passes(other("k1")));
  EXPECT_FALSE(Passes(Token("", "k2")));
}

// A route may have a configuration of its own, whose keys are fetched when they are needed.
TEST_F(JwtTest, ARouteWithItsOwnProvider) {
  answers_["/other/keys"] = CalloutAnswer{.body = Signer("k2").JwkSet()};
  Configure(kJwt, {{"GET /o", R"({"type":"jwt","audiences":["c"],"providers":[
      {"issuer":"https://id.example/other","upstream":"id",
       "jwksUri":"https://id.example/other/keys"}]})"}});
  EXPECT_EQ(Asked("id/other/keys"), 0u);
  const std::string token =
      Signer("k2").Sign(R"({"iss":"https://id.example/other","aud":"c","exp":1999999999})");
  EXPECT_TRUE(Passes(token, "GET /o"));
  EXPECT_TRUE(Passes(token, "GET /o"));
  EXPECT_EQ(Asked("id/other/keys"), 1u);
  EXPECT_FALSE(Passes(token));
}

TEST_F(JwtTest, OtherAlgorithmsOnlyWhereTheyAreAskedFor) {
  const SignerForTest ec(Algorithm::kEs256, "ec");
  KeysAnswer().body = ec.JwkSet();
  const std::string token =
      ec.Sign(Concat(R"({"iss":")", kIssuer, R"(","aud":"client","exp":1999999999})"));
  Configure(kJwt);
  EXPECT_FALSE(Passes(token));
  Configure(R"({"type":"jwt","audiences":["client"],"algorithms":["ES256","EdDSA"],
      "providers":[{"issuer":"https://id.example/tenant","upstream":"id"}]})");
  EXPECT_TRUE(Passes(token));
}

TEST_F(JwtTest, SmallCaches) {
  Configure(R"({"type":"jwt","audiences":["client"],"cacheTokens":0,
      "providers":[{"issuer":"https://id.example/tenant","upstream":"id"}]})");
  const std::string token = Token();
  EXPECT_TRUE(Passes(token));
  EXPECT_TRUE(Passes(token));
  EXPECT_EQ(host_.MetricValue("tokens_total", {"verified"}), 2);
}

TEST_F(JwtTest, RefusesConfigurationsThatCannotWork) {
  const auto error = [this](std::string_view json) {
    EXPECT_FALSE(host_.Configure(json)) << json;
    return host_.ErrorText();
  };
  const auto with = [&error](std::string_view members) {
    return error(Concat(R"({"type":"jwt","audiences":["c"],)", members,
                        R"("providers":[{"issuer":"https://i","upstream":"id"}]})"));
  };
  EXPECT_EQ(error("{}"),
            "type: is required\naudiences: must not be empty\nproviders: must not be empty\n");
  EXPECT_EQ(
      error(
          R"({"type":"jwt","audiences":["c"],"providers":[{"issuer":"https://i","upstream":"x"}]})"),
      "providers[0].upstream: there is no upstream \"x\"\n");
  EXPECT_EQ(
      error(
          R"({"type":"jwt","audiences":["c"],"providers":[{"issuer":"http://i","upstream":"id"}]})"),
      "providers[0].issuer: must be an https URI\n");
  EXPECT_EQ(
      error(R"({"type":"jwt","audiences":["c"],"providers":[{"issuer":"https://i","upstream":"id",
                "jwksUri":"https://j/keys"}]})"),
      "providers[0].jwksUri: must have the host of the issuer, or that of jwksOrigin\n");
  EXPECT_EQ(
      error(R"({"type":"jwt","audiences":["c"],"providers":[{"issuer":"https://i","upstream":"id",
                "jwksOrigin":"https://j"}]})"),
      "providers[0].jwksOrigin: must stand together with jwksUpstream\n");
  EXPECT_EQ(
      error(R"({"type":"jwt","audiences":["c"],"providers":[{"issuer":"https://i","upstream":"id"},
                {"issuer":"https://i","upstream":"id"}]})"),
      "providers: \"https://i\" stands twice\n");
  EXPECT_EQ(with(R"("algorithms":["HS256"],)"),
            "algorithms: \"HS256\" is not an algorithm with public keys\n"
            "algorithms: must not be empty\n");
  EXPECT_EQ(with(R"("identitySource":"$request.body",)"),
            "identitySource: must be $request.header.<name> or $request.querystring.<name>\n");
  EXPECT_EQ(with(R"("clockSkewSeconds":61,)"), "clockSkewSeconds: must be 0 to 60, but is 61\n");
  EXPECT_EQ(with(R"("authorizationScopes":["a b"],)"),
            "authorizationScopes: \"a b\" is not a scope\n");
  EXPECT_EQ(with(R"("identityValidationExpression":"a",)"),
            "identityValidationExpression: is for cognito_user_pools alone\n");
  EXPECT_EQ(with(R"("secret":"s",)"), "secret: is not known\n");
}

}  // namespace
}  // namespace postern
