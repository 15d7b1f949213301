// Rows of spec/http-api.md section 13.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "api/sdk/testing/fake_host.h"

namespace {

using postern::testing::FakeHost;
using postern::testing::FakeStream;
using postern::testing::Headers;
using postern::testing::Message;

constexpr std::string_view kFull = R"({
  "allowOrigins": ["https://shop.example", "https://admin.example:8443"],
  "allowMethods": ["GET", "PUT"], "allowHeaders": ["content-type", "x-api-key"],
  "exposeHeaders": ["x-total", "date"], "allowCredentials": true, "maxAge": 300})";

Headers Preflight(std::string origin) {
  return {{":method", "OPTIONS"},
          {"origin", std::move(origin)},
          {"access-control-request-method", "PUT"}};
}

Message Answer(std::string_view config, Headers request, Headers response = {}) {
  FakeHost host;
  EXPECT_TRUE(host.Configure(config)) << host.ErrorText();
  FakeStream& stream = host.NewStream();
  stream.Request(std::move(request));
  if (!stream.reply()) stream.Respond(200, std::move(response), {"body"});
  stream.Finish();
  return stream.client();
}

std::vector<std::string> ErrorsOf(std::string_view config) {
  FakeHost host;
  EXPECT_FALSE(host.Configure(config));
  return host.errors();
}

TEST(Cors, AnswersAPreflightItself) {
  const Message answer = Answer(kFull, Preflight("https://shop.example"));
  EXPECT_EQ(answer.status(), 204);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(answer.Get("access-control-allow-origin"), "https://shop.example");
  EXPECT_EQ(answer.Get("vary"), "origin");
  EXPECT_EQ(answer.Get("access-control-allow-methods"), "GET,PUT");
  EXPECT_EQ(answer.Get("access-control-allow-headers"), "content-type,x-api-key");
  EXPECT_EQ(answer.Get("access-control-max-age"), "300");
  EXPECT_EQ(answer.Get("access-control-allow-credentials"), "true");
  EXPECT_FALSE(answer.Has("access-control-expose-headers"));
}

TEST(Cors, AnswersAPreflightOfAnotherOriginWithoutHeaders) {
  for (const char* origin : {"https://evil.example", "http://shop.example", "null", "",
                             "https://shop.example:443", "https://shop.example.evil"}) {
    FakeHost host;
    ASSERT_TRUE(host.Configure(kFull));
    FakeStream& stream = host.NewStream();
    stream.Request(Preflight(origin));
    EXPECT_EQ(stream.client().status(), 204) << origin;
    EXPECT_EQ(stream.client().headers.size(), 1u) << origin;
    EXPECT_EQ(stream.reply()->detail, "cors:origin_refused");
    EXPECT_EQ(host.MetricValue("preflights_total", {"refused"}), 1);
  }
}

TEST(Cors, AnOptionsRequestThatIsNoPreflightIsRouted) {
  EXPECT_EQ(Answer(kFull, {{":method", "OPTIONS"}, {"origin", "https://shop.example"}}).body,
            "body");
  EXPECT_EQ(Answer(kFull, {{":method", "OPTIONS"}, {"access-control-request-method", "PUT"}}).body,
            "body");
  EXPECT_EQ(Answer(kFull, {{":method", "GET"},
                           {"origin", "https://shop.example"},
                           {"access-control-request-method", "PUT"}})
                .body,
            "body");
}

TEST(Cors, AddsHeadersToTheResponseAndDropsTheIntegrations) {
  const Message answer = Answer(kFull, {{"origin", "https://admin.example:8443"}},
                                {{"access-control-allow-origin", "*"},
                                 {"access-control-allow-methods", "DELETE"},
                                 {"Access-Control-Max-Age", "1"},
                                 {"access-control-allow-private-network", "true"},
                                 {"vary", "accept"}});
  EXPECT_EQ(answer.Get("access-control-allow-origin"), "https://admin.example:8443");
  EXPECT_EQ(answer.Get("access-control-allow-credentials"), "true");
  EXPECT_EQ(answer.Get("access-control-expose-headers"), "x-total,date");
  EXPECT_EQ(answer.Get("vary"), "accept, origin");
  EXPECT_FALSE(answer.Has("access-control-allow-methods"));
  EXPECT_FALSE(answer.Has("access-control-max-age"));
  EXPECT_FALSE(answer.Has("access-control-allow-private-network"));
  EXPECT_EQ(answer.body, "body");
}

TEST(Cors, DoesNotRepeatVary) {
  for (const char* vary : {"Origin", "accept, ORIGIN ,x", "*"}) {
    EXPECT_EQ(Answer(kFull, {{"origin", "https://shop.example"}}, {{"vary", vary}}).Get("vary"),
              vary);
  }
}

TEST(Cors, ARequestWithoutOriginGetsNoHeaders) {
  const Message answer = Answer(kFull, {}, {{"access-control-allow-origin", "*"}});
  EXPECT_FALSE(answer.Has("access-control-allow-origin"));
  EXPECT_FALSE(answer.Has("vary"));
}

TEST(Cors, AnOriginThatIsNotAllowedGetsNoHeaders) {
  const Message answer = Answer(kFull, {{"origin", "https://evil.example"}},
                                {{"access-control-allow-origin", "https://evil.example"},
                                 {"access-control-allow-credentials", "true"}});
  EXPECT_FALSE(answer.Has("access-control-allow-origin"));
  EXPECT_FALSE(answer.Has("access-control-allow-credentials"));
  EXPECT_EQ(answer.body, "body");
}

TEST(Cors, WildcardsAreSentAsTheyAre) {
  const std::string_view config =
      R"({"allowOrigins":["*"],"allowMethods":["*"],"allowHeaders":["*"],"exposeHeaders":["*"]})";
  const Message preflight = Answer(config, Preflight("https://any.example"));
  EXPECT_EQ(preflight.Get("access-control-allow-origin"), "*");
  EXPECT_EQ(preflight.Get("access-control-allow-methods"), "*");
  EXPECT_EQ(preflight.Get("access-control-allow-headers"), "*");
  EXPECT_FALSE(preflight.Has("vary"));
  EXPECT_FALSE(preflight.Has("access-control-max-age"));
  const Message answer = Answer(config, {{"origin", "null"}});
  EXPECT_EQ(answer.Get("access-control-allow-origin"), "*");
  EXPECT_EQ(answer.Get("access-control-expose-headers"), "*");
  EXPECT_FALSE(answer.Has("vary"));
}

TEST(Cors, WildcardsOfASchemeEchoTheOrigin) {
  const std::string_view config = R"({"allowOrigins":["https://*"],"allowCredentials":true})";
  const std::string origin = "https://a-name-that-does-not-fit-in-a-short-string.example";
  EXPECT_EQ(Answer(config, {{"origin", origin}}).Get("access-control-allow-origin"), origin);
  EXPECT_EQ(Answer(config, Preflight(origin)).Get("access-control-allow-origin"), origin);
  EXPECT_EQ(Answer(config, Preflight(origin)).Get("vary"), "origin");
  for (const char* other : {"http://a.example", "https://a.example, https://b.example",
                            "https://a.example/path", "https://", "HTTPS://a.example"}) {
    EXPECT_FALSE(Answer(config, {{"origin", other}}).Has("access-control-allow-origin")) << other;
  }
}

TEST(Cors, MaxAgeMayBeMinusOne) {
  const Message answer =
      Answer(R"({"allowOrigins":["*"],"maxAge":-1})", Preflight("https://a.example"));
  EXPECT_EQ(answer.Get("access-control-max-age"), "-1");
}

TEST(Cors, RejectsWhatCannotWork) {
  EXPECT_EQ(ErrorsOf(R"({"allowOrigins":["*"],"allowCredentials":true})"),
            (std::vector<std::string>{
                "allowCredentials: allow-credentials is not supported if 'allow-origin' is *"}));
  EXPECT_EQ(ErrorsOf(R"({"maxAge":86401})"),
            (std::vector<std::string>{"maxAge: must be -1 to 86400, but is 86401"}));
  EXPECT_EQ(ErrorsOf(R"({"allowMethods":["GET, PUT"]})"),
            (std::vector<std::string>{"allowMethods: \"GET, PUT\" is not a name"}));
  EXPECT_EQ(ErrorsOf(R"({"allowOrigin":["*"]})"),
            (std::vector<std::string>{"allowOrigin: is not known"}));
  for (const char* origin : {"example.com", "https://*.example", "https://a.example/", "https://",
                             "https://a b", "://x"}) {
    const auto errors = ErrorsOf("{\"allowOrigins\":[\"" + std::string(origin) + "\"]}");
    ASSERT_EQ(errors.size(), 1u) << origin;
    EXPECT_TRUE(errors[0].starts_with("allowOrigins: ")) << errors[0];
  }
}

}  // namespace
