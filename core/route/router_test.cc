#include "core/route/router.h"

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/context/test_request.h"
#include "core/route/test_api.h"

namespace postern {
namespace {

using Headers = std::initializer_list<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view kHost = "a1b2c3.execute-api.eu-west-1.amazonaws.com";

const TestResources kPets = {{"/", {"GET"}},
                             {"/pets", {"GET", "POST"}},
                             {"/pets/{petId}", {"GET"}},
                             {"/x", {"GET"}},
                             {"/files/{proxy+}", {"ANY"}}};

/// One API "a1b2c3" with stages "stage" and "dev", and what a test adds.
class RouterTest : public testing::Test {
 protected:
  void Build(const TestResources& resources = kPets) {
    auto api = MakeTestApi("a1b2c3", {"stage", "dev"}, MakeTestDeployment(resources));
    if (change_api_) change_api_(api.get());
    stage_ = api->stages[0].get();
    std::vector<std::unique_ptr<const Api>> apis;
    apis.push_back(std::move(api));
    auto other = MakeTestApi("zzz", {"prod"}, MakeTestDeployment({{"/{proxy+}", {"ANY"}}}));
    other_stage_ = other->stages[0].get();
    apis.push_back(std::move(other));
    std::vector<Router::Domain> domains;
    if (add_domains_) domains = add_domains_();
    router_ = std::make_unique<Router>(gateway_, std::move(apis), std::move(domains));
  }

  const RequestContext& Route(std::string_view method, std::string_view target,
                              std::string_view authority = kHost, Headers headers = {}) {
    if (router_ == nullptr) Build();
    request_ = std::make_unique<TestRequest>(method, target, headers, authority);
    match_ = router_->Match(request_->head, input_, &request_->context, &request_->arena);
    return request_->context;
  }

  /// "METHOD /template" of the route, or the refusal's name.
  std::string Where(std::string_view method, std::string_view target,
                    std::string_view authority = kHost, Headers headers = {}) {
    Route(method, target, authority, headers);
    if (match_.route == nullptr) return std::string(InfoOf(match_.refusal).name);
    EXPECT_EQ(match_.refusal, ResponseType::kNone);
    return std::string(match_.route->facts->method()) + " " +
           std::string(match_.route->facts->resource_path);
  }

  std::string Param(std::string_view name) {
    return std::string(PathParameter(request_->context, name));
  }

  Router::Gateway gateway_{"111122223333", "eu-west-1", "aws", true, true};
  RouteInput input_;
  std::function<void(Api*)> change_api_;
  std::function<std::vector<Router::Domain>()> add_domains_;
  std::unique_ptr<Router> router_;
  const Stage* stage_ = nullptr;
  const Stage* other_stage_ = nullptr;
  std::unique_ptr<TestRequest> request_;
  RouteMatch match_;
};

// ---- §2.3, the table row by row. p is method_path, cp is path.

struct PathRow {
  std::string_view target;
  std::string_view p;
  std::string_view cp;
  std::string_view proxy;
};

class PathTableTest : public RouterTest, public testing::WithParamInterface<PathRow> {};

TEST_P(PathTableTest, PathHandling_RestApi2_3) {
  Build({{"/{proxy+}", {"ANY"}}});
  const PathRow& row = GetParam();
  const RequestContext& context = Route("GET", row.target);
  ASSERT_NE(match_.route, nullptr);
  EXPECT_EQ(context.method_path, row.p);
  EXPECT_EQ(context.path, row.cp);
  EXPECT_EQ(Param("proxy"), row.proxy);
}

INSTANTIATE_TEST_SUITE_P(
    RestApi2_3, PathTableTest,
    testing::Values(
        PathRow{"/stage/proxy-value", "/proxy-value", "/stage/proxy-value", "proxy-value"},
        PathRow{"/stage/proxy-value/", "/proxy-value/", "/stage/proxy-value/", "proxy-value"},
        PathRow{"/stage/proxy-value//double-slash", "/proxy-value//double-slash",
                "/stage/proxy-value//double-slash", "proxy-value//double-slash"},
        PathRow{"/stage//x", "/x", "/stage//x", "x"},
        PathRow{"/stage////x", "/x", "/stage////x", "x"},
        PathRow{"//stage/x", "/x", "/stage/x", "x"},
        PathRow{"////stage/x?a=//b", "/x", "/stage/x", "x"},
        PathRow{"/stage/test%2Balias@gmail.com", "/test%2Balias@gmail.com",
                "/stage/test%2Balias@gmail.com", "test%2Balias@gmail.com"}));

TEST_F(RouterTest, StaticBehindDoubledSlash_RestApi2_3) {
  EXPECT_EQ(Where("GET", "/stage//x"), "GET /x");
}

TEST_F(RouterTest, StageWithAndWithoutSlashIsTheRoot_RestApi2_1) {
  EXPECT_EQ(Where("GET", "/stage"), "GET /");
  EXPECT_EQ(request_->context.method_path, "/");
  EXPECT_EQ(request_->context.path, "/stage");
  EXPECT_EQ(Where("GET", "/stage/"), "GET /");
  EXPECT_EQ(request_->context.method_path, "/");
  EXPECT_EQ(request_->context.path, "/stage/");
  EXPECT_EQ(Where("GET", "/stage?x=/y"), "GET /");
}

TEST_F(RouterTest, GreedyDoesNotMatchTheStage_RestApi3_2) {
  Build({{"/{proxy+}", {"ANY"}}});
  EXPECT_EQ(Where("GET", "/stage"), "MISSING_AUTHENTICATION_TOKEN");
  EXPECT_EQ(Where("GET", "/stage/"), "MISSING_AUTHENTICATION_TOKEN");
}

TEST_F(RouterTest, FillsTheContext) {
  const RequestContext& context = Route("GET", "/stage/pets/7");
  EXPECT_EQ(context.account_id, "111122223333");
  EXPECT_EQ(context.region, "eu-west-1");
  EXPECT_EQ(context.partition, "aws");
  EXPECT_EQ(context.api_id, "a1b2c3");
  EXPECT_EQ(context.api_name, "a1b2c3-name");
  EXPECT_EQ(context.endpoint_type, "REGIONAL");
  EXPECT_EQ(context.stage, "stage");
  EXPECT_EQ(context.deployment_id, "dep001");
  EXPECT_EQ(context.domain_name, kHost);
  EXPECT_EQ(context.domain_prefix, "a1b2c3");
  EXPECT_EQ(context.resource_path, "/pets/{petId}");
  EXPECT_EQ(context.route_method, "GET");
  EXPECT_EQ(context.is_canary, -1);
  ASSERT_EQ(context.path_param_count, 1u);
  EXPECT_EQ(context.path_params[0].name, "petId");
  EXPECT_EQ(context.path_params[0].value, "7");
  EXPECT_EQ(match_.variant->stage->name, "stage");
}

// ---- §2.1 hosts

TEST_F(RouterTest, HostMatchesWhateverItsCaseAndPort_RestApi2_1) {
  EXPECT_EQ(Where("GET", "/stage/pets", "a1b2c3.EXECUTE-API.localhost:8080"), "GET /pets");
  EXPECT_EQ(request_->context.domain_name, "a1b2c3.EXECUTE-API.localhost");
  EXPECT_EQ(Where("GET", "/stage/pets", "a1b2c3.execute-api"), "GET /pets");
  EXPECT_EQ(Where("GET", "/stage/pets", "a1b2c3.execute-apix.local"), "FORBIDDEN");
}

TEST_F(RouterTest, StagesAndPathsAreCaseSensitive_RestApi2_1) {
  EXPECT_EQ(Where("GET", "/Stage/pets"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/stage/Pets"), "MISSING_AUTHENTICATION_TOKEN");
}

TEST_F(RouterTest, UnknownApiStageOrHostIsForbidden_RestApi1_1) {
  EXPECT_EQ(Where("GET", "/stage/pets", "nope.execute-api.local"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/nostage/pets"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/stage/pets", "example.com"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/stage/pets", "[::1]:80"), "FORBIDDEN");
  EXPECT_EQ(match_.variant, nullptr);
  EXPECT_EQ(&match_.replies(), &ApiReplies::Default());
}

TEST_F(RouterTest, AsteriskAndConnectFormReachNothing) {
  EXPECT_EQ(Where("OPTIONS", "*"), "FORBIDDEN");
  EXPECT_EQ(Where("CONNECT", ""), "FORBIDDEN");
}

TEST_F(RouterTest, PathStyle) {
  EXPECT_EQ(Where("GET", "/_aws/execute-api/a1b2c3/stage/pets/7", "localhost:8080"),
            "GET /pets/{petId}");
  EXPECT_EQ(request_->context.path, "/stage/pets/7");
  EXPECT_EQ(request_->context.method_path, "/pets/7");
  EXPECT_EQ(Where("GET", "//_aws/execute-api/a1b2c3/stage//x", "localhost"), "GET /x");
  EXPECT_EQ(Where("GET", "/_aws/execute-api/a1b2c3/stage", "localhost"), "GET /");
  EXPECT_EQ(Where("GET", "/_aws/execute-api/a1b2c3/none/x", "localhost"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/_aws/execute-api/none/stage/x", "localhost"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/_aws/execute-api/", "localhost"), "FORBIDDEN");
}

TEST_F(RouterTest, UserRequestStyle) {
  EXPECT_EQ(Where("GET", "/restapis/a1b2c3/stage/_user_request_/pets/7?a=b", "localhost:4566"),
            "GET /pets/{petId}");
  EXPECT_EQ(request_->context.path, "/stage/pets/7");
  EXPECT_EQ(request_->context.method_path, "/pets/7");
  EXPECT_EQ(Where("GET", "/restapis/a1b2c3/stage/_user_request_", "localhost"), "GET /");
  EXPECT_EQ(Where("GET", "/restapis/a1b2c3/stage/_user_request_/", "localhost"), "GET /");
  EXPECT_EQ(Where("GET", "/restapis/a1b2c3/stage/other", "localhost"), "FORBIDDEN");
}

TEST_F(RouterTest, UrlShapesCanBeTurnedOff) {
  gateway_.path_style_urls = false;
  gateway_.execute_api_hosts = false;
  EXPECT_EQ(Where("GET", "/_aws/execute-api/a1b2c3/stage/pets", "localhost"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/restapis/a1b2c3/stage/_user_request_/pets", "localhost"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/stage/pets"), "FORBIDDEN");
}

TEST_F(RouterTest, DisabledExecuteApiEndpoint_RestApi2_1) {
  add_domains_ = [this] {
    return std::vector<Router::Domain>{{"api.example.com", false, {}, {{"", stage_}}}};
  };
  change_api_ = [](Api* api) {
    auto deployment = MakeTestDeployment(kPets);
    deployment->execute_api_endpoint_disabled = true;
    auto* stage = const_cast<Stage*>(api->stages[0].get());
    auto variant = MakeTestVariant(deployment);
    variant->stage = stage;
    stage->main = std::move(variant);
  };
  EXPECT_EQ(Where("GET", "/stage/pets"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/_aws/execute-api/a1b2c3/stage/pets", "localhost"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/pets", "api.example.com"), "GET /pets");
}

TEST_F(RouterTest, PrivateApisNeedAPrivateListener_RestApi2_1) {
  change_api_ = [](Api* api) {
    api->is_private = true;
    api->vpc_endpoint_ids = {"vpce-0abc"};
  };
  EXPECT_EQ(Where("GET", "/stage/pets"), "FORBIDDEN");
  input_.private_endpoint = true;
  input_.vpce_id = "vpce-other";
  EXPECT_EQ(Where("GET", "/stage/pets"), "FORBIDDEN");
  input_.vpce_id = "vpce-0abc";
  EXPECT_EQ(Where("GET", "/stage/pets"), "GET /pets");
  EXPECT_EQ(Where("GET", "/stage/pets", "a1b2c3-vpce-0abc.execute-api.eu-west-1.amazonaws.com"),
            "GET /pets");
  EXPECT_EQ(Where("GET", "/stage/pets", "vpce-0abc-xyz.execute-api.eu-west-1.vpce.amazonaws.com",
                  {{"x-apigw-api-id", "a1b2c3"}}),
            "GET /pets");
}

TEST_F(RouterTest, ApiIdFieldIsNotBelievedOnPublicListeners_RestApi2_1) {
  EXPECT_EQ(Where("GET", "/stage/pets", "vpce-0abc.execute-api.eu-west-1.vpce.amazonaws.com",
                  {{"x-apigw-api-id", "a1b2c3"}}),
            "FORBIDDEN");
}

// ---- §2.2 custom domains

TEST_F(RouterTest, LongestWholeSegmentPrefixWins_RestApi2_2) {
  add_domains_ = [this] {
    return std::vector<Router::Domain>{
        {"api.example.com",
         false,
         {},
         {{"", other_stage_}, {"shop", stage_}, {"shop/v2", other_stage_}, {"a/b/c", stage_}}}};
  };
  Where("GET", "/shop/pets", "api.example.com");
  EXPECT_EQ(request_->context.api_id, "a1b2c3");
  EXPECT_EQ(request_->context.base_path_matched, "shop");
  EXPECT_EQ(request_->context.path, "/shop/pets");
  EXPECT_EQ(request_->context.method_path, "/pets");
  EXPECT_EQ(request_->context.domain_name, "api.example.com");
  EXPECT_EQ(request_->context.domain_prefix, "api");

  Where("GET", "/shop/v2/pets", "API.example.com:443");
  EXPECT_EQ(request_->context.api_id, "zzz");
  EXPECT_EQ(request_->context.base_path_matched, "shop/v2");
  EXPECT_EQ(request_->context.method_path, "/pets");

  Where("GET", "/shop/v20/pets", "api.example.com");
  EXPECT_EQ(request_->context.base_path_matched, "shop");
  EXPECT_EQ(request_->context.method_path, "/v20/pets");

  Where("GET", "/shopping", "api.example.com");
  EXPECT_EQ(request_->context.base_path_matched, "");
  EXPECT_EQ(request_->context.method_path, "/shopping");

  EXPECT_EQ(Where("GET", "/a/b/c/x", "api.example.com"), "GET /x");
  EXPECT_EQ(Where("GET", "/a/b/c//x", "api.example.com"), "GET /x");
  EXPECT_EQ(Where("GET", "/a/b/c", "api.example.com"), "GET /");
  EXPECT_EQ(Where("GET", "/a/b/c/", "api.example.com"), "GET /");
  EXPECT_EQ(Where("GET", "//a/b/c/x", "api.example.com"), "GET /x");
  EXPECT_EQ(request_->context.path, "/a/b/c/x");
  Where("GET", "/a/b/x", "api.example.com");
  EXPECT_EQ(request_->context.api_id, "zzz");
}

TEST_F(RouterTest, WithoutCatchAllTheRestIsForbidden_RestApi2_2) {
  add_domains_ = [this] {
    return std::vector<Router::Domain>{{"api.example.com", false, {}, {{"v1", stage_}}}};
  };
  EXPECT_EQ(Where("GET", "/v1/pets", "api.example.com"), "GET /pets");
  EXPECT_EQ(Where("GET", "/v2/pets", "api.example.com"), "FORBIDDEN");
  EXPECT_EQ(Where("GET", "/", "api.example.com"), "FORBIDDEN");
}

TEST_F(RouterTest, ExactDomainBeatsWildcardBeatsStar_RestApi2_2) {
  add_domains_ = [this] {
    return std::vector<Router::Domain>{{"*", false, {}, {{"", other_stage_}}},
                                       {"*.example.com", false, {}, {{"w", other_stage_}}},
                                       {"api.example.com", false, {}, {{"", stage_}}}};
  };
  EXPECT_EQ(Where("GET", "/pets", "api.example.com"), "GET /pets");
  EXPECT_EQ(Where("GET", "/w/x", "other.EXAMPLE.com"), "ANY /{proxy+}");
  EXPECT_EQ(request_->context.base_path_matched, "w");
  // The wildcard stands for one label.
  Where("GET", "/pets", "a.b.example.com");
  EXPECT_EQ(request_->context.api_id, "zzz");
  EXPECT_EQ(request_->context.base_path_matched, "");
  Where("GET", "/pets", "localhost:8080");
  EXPECT_EQ(request_->context.api_id, "zzz");
  Where("GET", "/pets", "[::1]:8080");
  EXPECT_EQ(request_->context.api_id, "zzz");
  EXPECT_EQ(request_->context.domain_name, "[::1]");
  Where("GET", "/pets", std::string(1000, 'h'));
  EXPECT_EQ(request_->context.api_id, "zzz");
  // Hosts that name an API are looked at before any domain.
  EXPECT_EQ(Where("GET", "/stage/pets"), "GET /pets");
  EXPECT_EQ(Where("GET", "/pets", "unknown.execute-api.local"), "FORBIDDEN");
  // A host cannot name the pseudo domains.
  Where("GET", "/w/pets", "*");
  EXPECT_EQ(request_->context.base_path_matched, "");
}

TEST_F(RouterTest, DomainThatNeedsAClientCertificate_RestApi15_3) {
  add_domains_ = [this] {
    return std::vector<Router::Domain>{{"api.example.com", true, {}, {{"", stage_}}}};
  };
  EXPECT_EQ(Where("GET", "/pets", "api.example.com"), "FORBIDDEN");
  input_.client_certificate_verified = true;
  EXPECT_EQ(Where("GET", "/pets", "api.example.com"), "GET /pets");
}

TEST_F(RouterTest, RoutingRulesByHeaderAndBasePath_RestApi2_2) {
  add_domains_ = [this] {
    Router::Domain domain{"api.example.com", false, {}, {{"", stage_}}};
    domain.rules.push_back(
        {{{"X-Version", "beta*"}, {"accept", "*json*"}}, "shop", true, "r1", other_stage_});
    domain.rules.push_back({{}, "shop", false, "r2", other_stage_});
    return std::vector<Router::Domain>{domain};
  };
  Route("GET", "/shop/a", "api.example.com",
        {{"x-version", "beta-2"}, {"Accept", "application/json"}});
  EXPECT_EQ(request_->context.routing_rule_id_matched, "r1");
  EXPECT_EQ(request_->context.method_path, "/a");
  EXPECT_EQ(request_->context.path, "/shop/a");
  Route("GET", "/shop/a", "api.example.com", {{"x-version", "beta-2"}});
  EXPECT_EQ(request_->context.routing_rule_id_matched, "r2");
  EXPECT_EQ(request_->context.method_path, "/shop/a");
  EXPECT_EQ(Where("GET", "/pets", "api.example.com"), "GET /pets");
  EXPECT_EQ(request_->context.routing_rule_id_matched, "");
  // Base paths are whole segments, by case.
  Route("GET", "/Shop/a", "api.example.com");
  EXPECT_EQ(request_->context.api_id, "a1b2c3");
}

// ---- §2.5 methods

TEST_F(RouterTest, MethodOverrideReplacesTheMethodForRouting_RestApi2_5) {
  EXPECT_EQ(Where("POST", "/stage/pets/7"), "MISSING_AUTHENTICATION_TOKEN");
  EXPECT_EQ(Where("POST", "/stage/pets/7", kHost, {{"X-HTTP-Method-Override", "GET"}}),
            "GET /pets/{petId}");
  EXPECT_EQ(Where("GET", "/stage/pets/7", kHost, {{"X-HTTP-Method-Override", "PURGE"}}),
            "MISSING_AUTHENTICATION_TOKEN");
}

TEST_F(RouterTest, NoAutomaticOptions_RestApi2_5) {
  EXPECT_EQ(Where("OPTIONS", "/stage/pets"), "MISSING_AUTHENTICATION_TOKEN");
}

// ---- §3.4 no match

TEST_F(RouterTest, NoMatchWithoutAuthorization_RestApi3_4) {
  EXPECT_EQ(Where("GET", "/stage/random"), "MISSING_AUTHENTICATION_TOKEN");
  EXPECT_EQ(Where("DELETE", "/stage/pets"), "MISSING_AUTHENTICATION_TOKEN");
  EXPECT_EQ(request_->context.error_type, ResponseType::kMissingAuthenticationToken);
  EXPECT_EQ(request_->context.error_message, "");
  EXPECT_EQ(&match_.replies(), stage_->main->deployment->replies.get());
}

TEST_F(RouterTest, NoMatchWithOtherAuthorization_RestApi3_4) {
  EXPECT_EQ(Where("GET", "/stage/random", kHost, {{"Authorization", "Bearer abc"}}),
            "INCOMPLETE_SIGNATURE");
  // SHA-256 of "Bearer abc".
  EXPECT_EQ(request_->context.error_message,
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with "
            "SHA-256 and encoded with Base64): 'w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY='.");
}

TEST_F(RouterTest, NoMatchWithSigV4_RestApi3_4) {
  EXPECT_EQ(Where("GET", "/stage/random", kHost,
                  {{"Authorization",
                    "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/execute-api/aws4_request, "
                    "SignedHeaders=host, Signature=00"},
                   {"X-Amz-Date", "20260101T000000Z"}}),
            "MISSING_AUTHENTICATION_TOKEN");
}

TEST_F(RouterTest, NoMatchWithIncompleteAuthorization_Authorization1_12) {
  Where("GET", "/stage/random", kHost, {{"Authorization", "word"}});
  EXPECT_TRUE(request_->context.error_message.starts_with(
      "Authorization header requires 'Credential' parameter. Authorization header requires "
      "'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. "
      "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "))
      << request_->context.error_message;
  Where("GET", "/stage/random", kHost, {{"Authorization", ""}});
  EXPECT_EQ(request_->context.error_message, "Authorization header cannot be empty");
  Where("GET", "/stage/random", kHost, {{"Authorization", "a=b"}});
  EXPECT_TRUE(request_->context.error_message.starts_with(
      "Authorization header must begin with the algorithm name"));
}

// ---- §13.4 canary

TEST_F(RouterTest, CanaryIsChosenByTheRandomBits_RestApi13_4) {
  change_api_ = [](Api* api) {
    auto* stage = const_cast<Stage*>(api->stages[0].get());
    auto canary = MakeTestVariant(MakeTestDeployment({{"/new", {"GET"}}}), "can001");
    canary->stage = stage;
    canary->is_canary = 1;
    canary->variable_text = {"color", "green"};
    canary->variables = {{canary->variable_text[0], canary->variable_text[1]}};
    stage->canary = std::move(canary);
    const_cast<Variant*>(stage->main.get())->is_canary = 0;
    stage->canary_threshold = 1u << 31;  // one half
  };
  input_.random = (1u << 31) - 1;
  EXPECT_EQ(Where("GET", "/stage/new"), "GET /new");
  EXPECT_EQ(request_->context.is_canary, 1);
  EXPECT_EQ(request_->context.deployment_id, "can001");
  EXPECT_EQ(StageVariable(request_->context, "color"), "green");
  input_.random = 1u << 31;
  EXPECT_EQ(Where("GET", "/stage/new"), "MISSING_AUTHENTICATION_TOKEN");
  EXPECT_EQ(request_->context.is_canary, 0);
  EXPECT_EQ(request_->context.deployment_id, "dep001");
  const_cast<Stage*>(stage_)->canary_threshold = 0;
  input_.random = 0;
  Where("GET", "/stage/new");
  EXPECT_EQ(request_->context.is_canary, 0);
  const_cast<Stage*>(stage_)->canary_threshold = uint64_t{1} << 32;
  input_.random = UINT32_MAX;
  Where("GET", "/stage/new");
  EXPECT_EQ(request_->context.is_canary, 1);
}

}  // namespace
}  // namespace postern
