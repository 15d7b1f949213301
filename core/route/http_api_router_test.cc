#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/context/test_request.h"
#include "core/route/router.h"
#include "core/route/test_api.h"

namespace postern {
namespace {

constexpr std::string_view kHost = "a1b2c3.execute-api.eu-west-1.amazonaws.com";

/// An HTTP API "a1b2c3" with the stages `$default` and "dev", and a domain "shop.example" that maps
/// `orders` to "dev" and everything else to `$default`.
class HttpApiRouterTest : public testing::Test {
 protected:
  void Build(const TestResources& resources,
             std::vector<std::string> stages = {"$default", "dev"}) {
    auto deployment = MakeTestHttpDeployment(resources);
    auto api = MakeTestApi("a1b2c3", stages, deployment);
    api->http_api = true;
    std::vector<Router::Domain> domains(1);
    domains[0].name = "shop.example";
    for (const auto& stage : api->stages) {
      domains[0].mappings.push_back({stage->name == "$default" ? "" : "orders", stage.get()});
    }
    std::vector<std::unique_ptr<const Api>> apis;
    apis.push_back(std::move(api));
    router_ = std::make_unique<Router>(Router::Gateway{"1", "r", "aws", true, true},
                                       std::move(apis), std::move(domains));
  }
  /// The route key, or the status and body of the refusal.
  std::string Where(std::string_view method, std::string_view target,
                    std::string_view host = kHost) {
    request_ = std::make_unique<TestRequest>(method, target, Fields{}, host);
    return Match();
  }
  std::string Match() {
    request_->context.extended_request_id = "AyD6KEwwPHcEKxg=";
    match_ = router_->Match(request_->head, {}, &request_->context, &request_->arena);
    if (match_.route == nullptr) {
      const Reply reply =
          match_.replies().Render(match_.refusal, 0, &request_->context, &request_->arena);
      return std::to_string(reply.head->status) + " " + std::string(reply.body);
    }
    return std::string(request_->context.resource_id);
  }
  const RequestContext& context() const { return request_->context; }
  std::string Param(std::string_view name) {
    return std::string(PathParameter(request_->context, name));
  }

  using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  std::unique_ptr<Router> router_;
  std::unique_ptr<TestRequest> request_;
  RouteMatch match_;
};

const std::string kNotFound = "404 {\"message\":\"Not Found\"}";

// The documented example of http-api.md 3.
TEST_F(HttpApiRouterTest, Priorities_HttpApi3) {
  Build({{"/pets/dog/1", {"GET"}},
         {"/pets/dog/{id}", {"GET"}},
         {"/pets/{proxy+}", {"GET"}},
         {"/{proxy+}", {"ANY"}},
         {"$default", {"ANY"}}});
  EXPECT_EQ(Where("GET", "/pets/dog/1"), "GET /pets/dog/1");
  EXPECT_EQ(Where("GET", "/pets/dog/2"), "GET /pets/dog/{id}");
  EXPECT_EQ(Param("id"), "2");
  EXPECT_EQ(Where("GET", "/pets/cat/1"), "GET /pets/{proxy+}");
  EXPECT_EQ(Param("proxy"), "cat/1");
  EXPECT_EQ(Where("POST", "/test/5"), "ANY /{proxy+}");
  EXPECT_EQ(Where("GET", "/"), "ANY /{proxy+}");
  EXPECT_EQ(Param("proxy"), "");
}

TEST_F(HttpApiRouterTest, TieBreaks_HttpApi3) {
  Build({{"/a", {"ANY", "GET"}},
         {"/{x}/{y}", {"GET"}},
         {"/pets/{proxy+}", {"GET"}},
         {"/b/{id}", {"POST"}},
         {"/b/{proxy+}", {"ANY"}}});
  EXPECT_EQ(Where("GET", "/a"), "GET /a") << "a: an exact method beats ANY";
  EXPECT_EQ(Where("PUT", "/a"), "ANY /a");
  EXPECT_EQ(Where("GET", "/pets/1"), "GET /{x}/{y}") << "a full match beats a greedy one";
  EXPECT_EQ(Where("GET", "/pets/1/2"), "GET /pets/{proxy+}");
  EXPECT_EQ(Where("PUT", "/b/1"), "ANY /b/{proxy+}") << "d: another method does not block";
  EXPECT_EQ(Where("PUT", "/c"), kNotFound) << "never a 405";
}

// http-api.md 2: a greedy variable needs its slash, but may be empty; slashes at the end count.
TEST_F(HttpApiRouterTest, GreedyAndSlashes_HttpApi2) {
  Build({{"/handler/{proxy+}", {"ANY"}}, {"/pets", {"GET"}}, {"/", {"GET"}}});
  EXPECT_EQ(Where("GET", "/handler/"), "ANY /handler/{proxy+}");
  EXPECT_EQ(Param("proxy"), "");
  EXPECT_EQ(Where("GET", "/handler/b/c"), "ANY /handler/{proxy+}");
  EXPECT_EQ(Param("proxy"), "b/c");
  EXPECT_EQ(Where("GET", "/handler/b/"), "ANY /handler/{proxy+}");
  EXPECT_EQ(Param("proxy"), "b/");
  EXPECT_EQ(Where("GET", "/handler"), kNotFound);
  EXPECT_EQ(Where("GET", "/pets"), "GET /pets");
  EXPECT_EQ(Where("GET", "/pets/"), kNotFound);
  EXPECT_EQ(Where("GET", "/"), "GET /");
}

TEST_F(HttpApiRouterTest, DefaultRoute_HttpApi2) {
  Build({{"/pets", {"GET"}}, {"$default", {"ANY"}}});
  for (const char* method : {"POST", "OPTIONS", "PROPFIND"}) {
    EXPECT_EQ(Where(method, "/pets"), "$default") << method;
  }
  EXPECT_EQ(Where("GET", "/x/y/"), "$default");
  EXPECT_EQ(Param("proxy"), "x/y/");
  EXPECT_EQ(context().resource_path, "$default");
  // The field that REST APIs take for the method is nothing here.
  request_ = std::make_unique<TestRequest>("GET", "/pets",
                                           Fields{{"X-HTTP-Method-Override", "POST"}}, kHost);
  EXPECT_EQ(Match(), "GET /pets");
}

// http-api.md 3: what carries the stage's name.
TEST_F(HttpApiRouterTest, Stages_HttpApi3) {
  Build({{"/pets/{id}", {"GET"}}, {"/dev/x", {"GET"}}});
  EXPECT_EQ(Where("GET", "/dev/pets/6"), "GET /pets/{id}");
  EXPECT_EQ(context().stage, "dev");
  EXPECT_EQ(context().path, "/dev/pets/6");
  EXPECT_EQ(context().method_path, "/pets/6");
  EXPECT_EQ(Where("GET", "/pets/6"), "GET /pets/{id}");
  EXPECT_EQ(context().stage, "$default");
  EXPECT_EQ(context().path, "/pets/6");
  EXPECT_EQ(Where("GET", "/dev/x"), kNotFound) << "a named stage wins over $default";
  EXPECT_EQ(Where("GET", "/orders/pets/6", "shop.example"), "GET /pets/{id}");
  EXPECT_EQ(context().path, "/dev/pets/6") << "the stage is in, the mapping's key is not";
  EXPECT_EQ(context().base_path_matched, "orders");
  EXPECT_EQ(Where("GET", "/pets/6", "shop.example"), "GET /pets/{id}");
  EXPECT_EQ(context().path, "/pets/6");
  EXPECT_TRUE(context().by_domain);
}

TEST_F(HttpApiRouterTest, NoStage_HttpApi3) {
  Build({{"$default", {"ANY"}}}, {"dev"});
  EXPECT_EQ(Where("GET", "/pets"), kNotFound);
  EXPECT_EQ(Where("GET", "/dev"), "$default");
  EXPECT_EQ(Where("GET", "/", "zzz.execute-api.local"), "403 {\"message\":\"Forbidden\"}")
      << "no API: as for REST APIs";
}

// http-api.md 5, 15: one id.
TEST_F(HttpApiRouterTest, RequestIdIsTheShortOne_HttpApi5) {
  Build({{"$default", {"ANY"}}});
  Where("GET", "/");
  EXPECT_EQ(context().request_id, "AyD6KEwwPHcEKxg=");
  EXPECT_TRUE(context().http_api);
}

// What answers preflights is a filter: the router knows nothing of them.
TEST_F(HttpApiRouterTest, PreflightsAreRoutedLikeOthers_HttpApi13) {
  Build({{"/pets", {"OPTIONS"}}}, {"$default"});
  const Fields preflight{{"Origin", "https://a"}, {"Access-Control-Request-Method", "PUT"}};
  request_ = std::make_unique<TestRequest>("OPTIONS", "/nowhere", preflight, kHost);
  Match();
  EXPECT_EQ(match_.route, nullptr);
  EXPECT_NE(match_.variant, nullptr) << "filters of the API as a whole are asked";
  request_ = std::make_unique<TestRequest>("OPTIONS", "/pets", preflight, kHost);
  EXPECT_EQ(Match(), "OPTIONS /pets");
}

}  // namespace
}  // namespace postern
