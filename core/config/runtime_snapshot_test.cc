#include "core/config/runtime_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/config/test_snapshot.h"
#include "core/context/test_request.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Texts(const std::vector<SnapshotProblem>& problems) {
  std::vector<std::string> out;
  for (const SnapshotProblem& problem : problems) out.push_back(problem.ToString());
  return out;
}

RuntimeSnapshot::Built Build(TestSnapshot& snapshot, const RuntimeSnapshot* previous = nullptr) {
  RuntimeSnapshot::Options options;
  options.previous = previous;
  return RuntimeSnapshot::Build(snapshot.Finish(), options);
}

std::vector<std::string> Problems(TestSnapshot& snapshot) {
  RuntimeSnapshot::Built built = Build(snapshot);
  EXPECT_EQ(built.snapshot == nullptr, !built.problems.empty());
  return Texts(built.problems);
}

TEST(RuntimeSnapshotTest, SoundSnapshotIsBuilt) {
  TestSnapshot snapshot;
  const RuntimeSnapshot::Built built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_THAT(Texts(built.notes), IsEmpty());
  const RuntimeSnapshot& runtime = *built.snapshot;
  EXPECT_EQ(runtime.version(), 7u);
  EXPECT_EQ(runtime.routes().size(), 3u);
  EXPECT_EQ(runtime.stages().size(), 1u);
  for (size_t i = 0; i < runtime.routes().size(); ++i) EXPECT_EQ(runtime.routes()[i]->id, i);
  ASSERT_EQ(runtime.listeners().size(), 1u);
  EXPECT_EQ(runtime.listeners()[0].host, "127.0.0.1");
  EXPECT_EQ(runtime.cluster_set()->size(), 1u);
  EXPECT_EQ(runtime.functions().size(), 1u);
}

// rest-api.md §13.2: the exact entry, else that of all methods; entries do not merge.
TEST(RuntimeSnapshotTest, DetailedMetricsByMethodSettings) {
  const auto detailed = [](TestSnapshot& snapshot) {
    const auto built = Build(snapshot);
    std::vector<bool> routes;
    if (built.snapshot == nullptr) return routes;
    for (const Route* route : built.snapshot->routes()) routes.push_back(route->detailed_metrics);
    return routes;
  };
  const auto add = [](TestSnapshot& snapshot, std::string_view path, std::string_view method,
                      bool enabled) {
    auto* settings = snapshot.stage()->add_method_settings();
    settings->set_resource_path(std::string(path));
    settings->set_http_method(std::string(method));
    settings->set_metrics_enabled(enabled);
  };
  TestSnapshot none;
  EXPECT_EQ(detailed(none), (std::vector<bool>{false, false, false}));
  TestSnapshot all;
  add(all, "*", "*", true);
  EXPECT_EQ(detailed(all), (std::vector<bool>{true, true, true}));
  TestSnapshot some;
  const auto built = Build(some);
  ASSERT_NE(built.snapshot, nullptr);
  const MethodFacts& first = *built.snapshot->routes()[0]->facts;
  add(some, "*", "*", true);
  add(some, first.resource_path, first.method(), false);
  EXPECT_EQ(detailed(some), (std::vector<bool>{false, true, true}));
}

TEST(RuntimeSnapshotTest, RequestsFindTheirRoutes) {
  TestSnapshot snapshot;
  const auto built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  const auto where = [&](std::string_view method, std::string_view target, std::string_view host) {
    TestRequest request(method, target, {}, host);
    const RouteMatch match =
        built.snapshot->router().Match(request.head, {}, &request.context, &request.arena);
    if (match.route == nullptr) return std::string(InfoOf(match.refusal).name);
    return std::string(match.route->integration->type_name()) + " " +
           std::string(match.route->facts->resource_path);
  };
  EXPECT_EQ(where("GET", "/pets", "localhost:8080"), "AWS_PROXY /pets");
  EXPECT_EQ(where("PATCH", "/pets/7", "localhost"), "HTTP_PROXY /pets/{id}");
  EXPECT_EQ(where("POST", "/prod/fn", "pets.execute-api.local"), "AWS_PROXY /fn");
  EXPECT_EQ(where("POST", "/_aws/execute-api/pets/prod/fn", "localhost"), "AWS_PROXY /fn");
  EXPECT_EQ(where("GET", "/nothing", "localhost"), "MISSING_AUTHENTICATION_TOKEN");
}

TEST(RuntimeSnapshotTest, DefaultsOfTheGateway) {
  TestSnapshot snapshot;
  const auto built = Build(snapshot);
  const Router::Gateway& gateway = built.snapshot->router().gateway();
  EXPECT_EQ(gateway.account_id, "000000000000");
  EXPECT_EQ(gateway.region, "us-east-1");
  EXPECT_EQ(gateway.partition, "aws");
  EXPECT_TRUE(gateway.execute_api_hosts);
  EXPECT_TRUE(gateway.path_style_urls);
}

TEST(RuntimeSnapshotTest, AllProblemsAtOnceWithTheirPaths) {
  TestSnapshot snapshot;
  snapshot.method(2)->mutable_integration()->set_timeout_ms(40);
  snapshot.method(1)->set_http_method("FETCH");
  snapshot.message.mutable_listeners(0)->set_name("");
  snapshot.stage()->set_name("a/b");
  EXPECT_THAT(
      Problems(snapshot),
      ElementsAre("listeners[0].name: is empty",
                  "deployments[0].resources[1].methods[0].http_method: \"FETCH\" is no method",
                  "deployments[0].resources[2].methods[0].integration.timeout_ms: 40 is below 50",
                  "stages[0].name: \"a/b\" has characters other than letters, digits, _ and -",
                  "domains[0].mappings[0].stage: API pets has no stage \"prod\""));
}

TEST(RuntimeSnapshotTest, ProblemsAreBounded) {
  TestSnapshot snapshot;
  for (int i = 0; i < 500; ++i) snapshot.message.add_secrets();
  const auto built = Build(snapshot);
  EXPECT_EQ(built.problems.size(), RuntimeSnapshot::kMaxProblems);
  EXPECT_EQ(built.problems.back().ToString(), "there are more problems than are shown here");
}

// ---- One change each, and the problem it must cause.

struct Row {
  const char* name;
  std::function<void(TestSnapshot&)> change;
  const char* problem;
};

class RefusedTest : public testing::TestWithParam<Row> {};

TEST_P(RefusedTest, Problem) {
  TestSnapshot snapshot;
  GetParam().change(snapshot);
  EXPECT_THAT(Problems(snapshot), Contains(HasSubstr(GetParam().problem)));
}

v1::Integration* IntegrationOf(TestSnapshot& s, int resource) {
  return s.method(resource)->mutable_integration();
}

INSTANTIATE_TEST_SUITE_P(
    Guards, RefusedTest,
    testing::Values(
        Row{"Iam",
            [](TestSnapshot& s) {
              s.method(1)->mutable_authorization()->set_type(v1::Authorization::TYPE_AWS_IAM);
            },
            "methods[0].authorization.type: this gateway cannot enforce TYPE_AWS_IAM"},
        Row{"UnknownAuthorization",
            [](TestSnapshot& s) {
              s.method(1)->mutable_authorization()->set_type(
                  static_cast<v1::Authorization::Type>(99));
            },
            "authorization.type: the value 99 is unknown"},
        Row{"ApiKey", [](TestSnapshot& s) { s.method(1)->set_api_key_required(true); },
            "methods[0].api_key_required: this gateway cannot enforce it"},
        Row{"Parameters",
            [](TestSnapshot& s) {
              s.method(1)->set_validate_parameters(true);
              auto* parameter = s.method(1)->add_request_parameters();
              parameter->set_location(v1::PARAMETER_LOCATION_QUERYSTRING);
              parameter->set_name("q");
              parameter->set_required(true);
            },
            "modules: this gateway loads no modules, and so not postern.validate"},
        Row{"Body",
            [](TestSnapshot& s) {
              s.deployment.add_models()->set_name("M");
              s.method(1)->set_validate_body(true);
              s.method(1)->add_request_models()->set_model("M");
            },
            "modules: this gateway loads no modules, and so not postern.validate"},
        Row{"ValidationOfAnHttpApi",
            [](TestSnapshot& s) {
              s.deployment.set_type(v1::API_TYPE_HTTP);
              s.method(1)->set_validate_body(true);
            },
            "methods[0].validate_parameters: HTTP APIs do not validate requests"},
        Row{"Policy", [](TestSnapshot& s) { s.deployment.set_resource_policy_json("{}"); },
            "deployments[0].resource_policy_json: this gateway cannot evaluate"},
        Row{"Filters", [](TestSnapshot& s) { s.deployment.add_filters(); },
            "deployments[0].filters[0].name: is empty"},
        Row{"MethodFilters", [](TestSnapshot& s) { s.method(1)->add_filters(); },
            "methods[0].filters[0].name: is empty"},
        Row{"GatewayThrottle",
            [](TestSnapshot& s) { s.message.mutable_gateway()->mutable_throttle(); },
            "gateway.throttle: this gateway cannot enforce it"},
        Row{"StageThrottle", [](TestSnapshot& s) { s.stage()->mutable_throttle(); },
            "stages[0].throttle: this gateway cannot enforce it"},
        Row{"MethodThrottle",
            [](TestSnapshot& s) { s.stage()->add_method_settings()->mutable_throttle(); },
            "stages[0].method_settings[0].throttle: this gateway cannot enforce it"},
        Row{"ExecutionLogNowhere", [](TestSnapshot& s) { s.stage()->mutable_execution_log(); },
            "stages[0].execution_log: has no destination"},
        Row{"ExecutionLogFile",
            [](TestSnapshot& s) { s.stage()->mutable_execution_log()->set_file("log"); },
            "stages[0].execution_log.file: is not an absolute path"},
        Row{"Cache", [](TestSnapshot& s) { s.stage()->mutable_cache(); },
            "stages[0].cache: this gateway does not cache"},
        Row{"UnknownField",
            [](TestSnapshot& s) {
              s.method(1)->GetReflection()->MutableUnknownFields(s.method(1))->AddVarint(999, 1);
            },
            "methods[0]: has a field (number 999) that this gateway does not know"},
        Row{"UnknownStageField",
            [](TestSnapshot& s) {
              s.stage()->GetReflection()->MutableUnknownFields(s.stage())->AddVarint(999, 1);
            },
            "stages[0]: has a field (number 999)"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Whole, RefusedTest,
    testing::Values(
        Row{"FormatZero", [](TestSnapshot& s) { s.message.set_format(0); },
            "format: is 0: this is no snapshot"},
        Row{"FormatNew", [](TestSnapshot& s) { s.message.set_format(2); },
            "format: 2 is above 1, the newest that this gateway knows"},
        Row{"NoListener", [](TestSnapshot& s) { s.message.clear_listeners(); },
            "listeners: there is none"},
        Row{"Account", [](TestSnapshot& s) { s.message.mutable_gateway()->set_account_id("12"); },
            "gateway.account_id: \"12\" is not twelve digits"},
        Row{"ApiTwice", [](TestSnapshot& s) { *s.message.add_apis() = s.message.apis(0); },
            "apis[1].id: \"pets\" is already taken"},
        Row{"ApiId", [](TestSnapshot& s) { s.message.mutable_apis(0)->set_id("Pets"); },
            "apis[0].id: \"Pets\" has characters other than"},
        Row{"HttpApi",
            [](TestSnapshot& s) { s.message.mutable_apis(0)->set_type(v1::API_TYPE_HTTP); },
            "stages[0].deployment_digest: points at a deployment of another type of API"},
        Row{"WebSocketApi",
            [](TestSnapshot& s) { s.message.mutable_apis(0)->set_type(v1::API_TYPE_WEBSOCKET); },
            "apis[0].type: this gateway serves REST and HTTP APIs only"},
        Row{"ApiTypeUnset",
            [](TestSnapshot& s) { s.message.mutable_apis(0)->set_type(v1::API_TYPE_UNSPECIFIED); },
            "apis[0].type: is not set"},
        Row{"Digest",
            [](TestSnapshot& s) {
              s.Finish();
              s.message.mutable_deployments(0)->set_digest(std::string(64, '0'));
              s.stage()->set_deployment_digest(std::string(64, '0'));
            },
            "deployments[0].digest: is not the SHA-256 of the content"},
        Row{"Content",
            [](TestSnapshot& s) {
              s.Finish();
              auto* stored = s.message.mutable_deployments(0);
              stored->set_content("\xff\xff");
              stored->set_digest(Sha256Hex(stored->content()));
              s.stage()->set_deployment_digest(stored->digest());
            },
            "deployments[0].content: is no serialized Deployment"},
        Row{"Unused",
            [](TestSnapshot& s) {
              v1::Deployment other;
              other.set_type(v1::API_TYPE_REST);
              s.Store(other);
            },
            "deployments[0]: no stage and no canary points at it"},
        Row{"NoDeployment",
            [](TestSnapshot& s) {
              s.Finish();
              s.stage()->set_deployment_digest("abc");
            },
            "stages[0].deployment_digest: there is no deployment \"abc\""},
        Row{"StageTwice",
            [](TestSnapshot& s) {
              s.Finish();
              *s.message.add_stages() = s.message.stages(0);
            },
            "stages[1].name: the API has a stage \"prod\" already"},
        Row{"StageApi", [](TestSnapshot& s) { s.stage()->set_api_id("none"); },
            "stages[0].api_id: there is no API \"none\""},
        Row{"Variable", [](TestSnapshot& s) { (*s.stage()->mutable_variables())["a-b"] = "x"; },
            "stages[0].variables[\"a-b\"]: is no name of a stage variable"},
        Row{"VariableValue",
            [](TestSnapshot& s) { (*s.stage()->mutable_variables())["a"] = "x y"; },
            "stages[0].variables[\"a\"]: has characters other than"},
        Row{"LogFormat",
            [](TestSnapshot& s) {
              s.stage()->mutable_access_log()->set_format("$context.nothing $context.requestId");
              s.stage()->mutable_access_log()->set_standard_output(true);
            },
            "stages[0].access_log.format: unknown variable $context.nothing"},
        Row{"LogDestination",
            [](TestSnapshot& s) {
              s.stage()->mutable_access_log()->set_format("$context.requestId");
            },
            "stages[0].access_log: has no destination"},
        Row{"CanaryPercent",
            [](TestSnapshot& s) {
              s.Finish();
              s.stage()->mutable_canary()->set_percent_traffic(101);
              s.stage()->mutable_canary()->set_deployment_digest(s.stage()->deployment_digest());
            },
            "stages[0].canary.percent_traffic: is not between 0 and 100"},
        Row{"CanaryBindings",
            [](TestSnapshot& s) {
              s.Finish();
              s.stage()->mutable_canary()->set_deployment_digest(s.stage()->deployment_digest());
            },
            "stages[0].canary.upstreams: \"http://backend\" is not bound"},
        Row{"UpstreamUnbound", [](TestSnapshot& s) { s.stage()->clear_upstreams(); },
            "stages[0].upstreams: \"http://backend\" is not bound"},
        Row{"FunctionUnbound", [](TestSnapshot& s) { s.stage()->clear_functions(); },
            "stages[0].functions: \"fn\" is not bound"},
        Row{"UpstreamTwice",
            [](TestSnapshot& s) { *s.stage()->add_upstreams() = s.stage()->upstreams(0); },
            "stages[0].upstreams[1].upstream: \"http://backend\" is bound twice"},
        Row{"NoCluster",
            [](TestSnapshot& s) { s.stage()->mutable_upstreams(0)->set_cluster("none"); },
            "stages[0].upstreams[0].cluster: there is no cluster \"none\""},
        Row{"NoFunction",
            [](TestSnapshot& s) { s.stage()->mutable_functions(0)->set_target("none"); },
            "stages[0].functions[0].target: there is no function \"none\""},
        Row{"FunctionCluster",
            [](TestSnapshot& s) { s.message.mutable_functions(0)->set_cluster("none"); },
            "functions[0].cluster: there is no cluster \"none\""}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Deployments, RefusedTest,
    testing::Values(
        Row{"PathTwice", [](TestSnapshot& s) { s.AddResource("x", "/pets"); },
            "deployments[0].resources[4].path: \"/pets\" comes twice"},
        Row{"IdTwice", [](TestSnapshot& s) { s.AddResource("pets", "/x"); },
            "deployments[0].resources[4].id: \"pets\" is already taken"},
        Row{"Path", [](TestSnapshot& s) { s.AddResource("x", "/a{b}"); },
            "deployments[0].resources[4].path: "},
        Row{"PathSlash", [](TestSnapshot& s) { s.AddResource("x", "/a/"); },
            "deployments[0].resources[4].path: ends with a slash"},
        Row{"SameShape",
            [](TestSnapshot& s) {
              TestSnapshot::SetMock(
                  TestSnapshot::AddMethod(s.AddResource("x", "/pets/{other}"), "ANY"));
            },
            "deployments[0].resources[4].path: another resource of the same shape has this method"},
        Row{"MethodTwice",
            [](TestSnapshot& s) {
              auto* resource = s.deployment.mutable_resources(1);
              TestSnapshot::SetMock(TestSnapshot::AddMethod(resource, "GET"));
            },
            "deployments[0].resources[1].methods[1].http_method: GET comes twice"},
        Row{"NoIntegration", [](TestSnapshot& s) { s.method(1)->clear_integration(); },
            "methods[0].integration: is not set"},
        Row{"BothIntegrationAndReason",
            [](TestSnapshot& s) { s.method(1)->set_unavailable_reason("x"); },
            "methods[0].integration: stands beside unavailable_reason"},
        Row{"AwsService",
            [](TestSnapshot& s) {
              IntegrationOf(s, 1)->set_type(v1::INTEGRATION_TYPE_AWS);
              IntegrationOf(s, 1)->mutable_aws_service();
            },
            "integration.aws_service: has neither a path nor an action"},
        Row{"WrongTarget",
            [](TestSnapshot& s) {
              TestSnapshot::SetMock(s.method(1))->mutable_integration()->mutable_http();
            },
            "integration.type: needs the target mock"},
        Row{"Mapping", [](TestSnapshot& s) { TestSnapshot::SetMock(s.method(1)); },
            "modules: this gateway loads no modules, and so not postern.transform"},
        Row{"Streaming",
            [](TestSnapshot& s) { IntegrationOf(s, 3)->mutable_lambda()->set_streaming(true); },
            "integration.response_transfer_mode: this gateway does not stream"},
        Row{"BodyMapping",
            [](TestSnapshot& s) {
              IntegrationOf(s, 2)
                  ->mutable_request_parameters(0)
                  ->mutable_source()
                  ->set_request_body("a.b");
            },
            "request_parameters[0].source.request_body: a body cannot be mapped here"},
        Row{"MappedTwice",
            [](TestSnapshot& s) {
              *IntegrationOf(s, 2)->add_request_parameters() =
                  IntegrationOf(s, 2)->request_parameters(0);
            },
            "request_parameters[1].name: \"id\" is mapped twice"},
        Row{"HeaderName",
            [](TestSnapshot& s) {
              auto* mapping = IntegrationOf(s, 2)->add_request_parameters();
              mapping->set_target(v1::RequestMapping::TARGET_HEADER);
              mapping->set_name("a b");
              mapping->mutable_source()->set_literal("x");
            },
            "request_parameters[1].name: \"a b\" is no field name"},
        Row{"Pattern",
            [](TestSnapshot& s) {
              auto* response =
                  TestSnapshot::SetMock(s.method(1))->mutable_integration()->add_responses();
              response->set_status_code(200);
              response->set_selection_pattern("(");
            },
            "integration.responses[1].selection_pattern: "},
        Row{"TwoDefaults",
            [](TestSnapshot& s) {
              TestSnapshot::SetMock(s.method(1))
                  ->mutable_integration()
                  ->add_responses()
                  ->set_status_code(201);
            },
            "integration.responses[1].selection_pattern: a second default response"},
        Row{"ProxyResponses",
            [](TestSnapshot& s) { IntegrationOf(s, 2)->add_responses()->set_status_code(200); },
            "integration.responses: a proxy integration has none"},
        Row{"ReplyType",
            [](TestSnapshot& s) { s.deployment.add_gateway_responses()->set_type("NONE"); },
            "gateway_responses[0].type: \"NONE\" is no response type"},
        Row{"ReplyTwice",
            [](TestSnapshot& s) {
              s.deployment.add_gateway_responses()->set_type("UNAUTHORIZED");
              s.deployment.add_gateway_responses()->set_type("UNAUTHORIZED");
            },
            "gateway_responses[1].type: UNAUTHORIZED comes twice"},
        Row{"ReplyFraming",
            [](TestSnapshot& s) {
              auto* response = s.deployment.add_gateway_responses();
              response->set_type("UNAUTHORIZED");
              auto* header = response->add_headers();
              header->set_name("Content-Length");
              header->mutable_value()->set_literal("1");
            },
            "gateway_responses[0].headers[0].name: Content-Length is the gateway's own to write"},
        Row{"ReplyStatus",
            [](TestSnapshot& s) {
              auto* response = s.deployment.add_gateway_responses();
              response->set_type("UNAUTHORIZED");
              response->set_status_code(600);
            },
            "gateway_responses[0].status_code: 600 is above 599"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    DomainsAndSockets, RefusedTest,
    testing::Values(
        Row{"DomainTwice", [](TestSnapshot& s) { *s.message.add_domains() = s.message.domains(0); },
            "domains[1].name: \"*\" is already taken"},
        Row{"DomainCase",
            [](TestSnapshot& s) { s.message.mutable_domains(0)->set_name("A.example"); },
            "domains[0].name: \"A.example\" is no domain name in lower case"},
        Row{"BasePath",
            [](TestSnapshot& s) {
              s.message.mutable_domains(0)->mutable_mappings(0)->set_base_path("/v1");
            },
            "domains[0].mappings[0].base_path: begins or ends with a slash"},
        Row{"BasePathTwice",
            [](TestSnapshot& s) {
              *s.message.mutable_domains(0)->add_mappings() = s.message.domains(0).mappings(0);
            },
            "domains[0].mappings[1].base_path: \"\" comes twice"},
        Row{"RulePriority",
            [](TestSnapshot& s) {
              auto* rule = s.message.mutable_domains(0)->add_rules();
              rule->set_api_id("pets");
              rule->set_stage("prod");
            },
            "domains[0].rules[0].priority: 0 is below 1"},
        Row{"RuleGlob",
            [](TestSnapshot& s) {
              auto* rule = s.message.mutable_domains(0)->add_rules();
              rule->set_priority(1);
              rule->set_api_id("pets");
              rule->set_stage("prod");
              auto* condition = rule->add_headers();
              condition->set_name("X");
              condition->set_value_glob("a*b");
            },
            "domains[0].rules[0].headers[0].value_glob: has a * that is neither"},
        Row{"ListenerHost",
            [](TestSnapshot& s) {
              s.message.mutable_listeners(0)->mutable_address()->mutable_tcp()->set_host(
                  "localhost");
            },
            "listeners[0].address.tcp.host: \"localhost\" is no IP address"},
        Row{"ListenerPort",
            [](TestSnapshot& s) {
              s.message.mutable_listeners(0)->mutable_address()->mutable_tcp()->set_port(70000);
            },
            "listeners[0].address.tcp.port: 70000 is above 65535"},
        Row{"InlineKey",
            [](TestSnapshot& s) {
              auto* identity = s.message.mutable_listeners(0)->mutable_tls()->add_identities();
              identity->mutable_certificate_chain()->set_inline_("x");
              identity->mutable_private_key()->set_inline_("x");
            },
            "identities[0].private_key.inline: secrets may not stand in a snapshot"},
        Row{"NoSecret",
            [](TestSnapshot& s) {
              auto* identity = s.message.mutable_listeners(0)->mutable_tls()->add_identities();
              identity->mutable_certificate_chain()->set_inline_("x");
              identity->mutable_private_key()->set_secret("none");
            },
            "identities[0].private_key.secret: there is no secret \"none\""},
        Row{"Limit",
            [](TestSnapshot& s) {
              s.message.mutable_listeners(0)->mutable_limits()->set_max_header_bytes(1);
            },
            "listeners[0].limits.max_header_bytes: 1 is below 1024"},
        Row{"ClusterEndpoints",
            [](TestSnapshot& s) { s.message.mutable_clusters(0)->clear_endpoints(); },
            "clusters[0].endpoints: there is none"},
        Row{"ClusterTwice",
            [](TestSnapshot& s) { *s.message.add_clusters() = s.message.clusters(0); },
            "clusters[1].name: \"backend\" is already taken"},
        Row{"ClusterRole",
            [](TestSnapshot& s) {
              s.message.mutable_clusters(0)->mutable_aws_signing()->set_service("lambda");
              s.message.mutable_clusters(0)->mutable_aws_signing()->set_role_arn(
                  std::string(2049, 'a'));
            },
            "clusters[0].aws_signing.role_arn: has 2049 bytes; at most 2048 are allowed"},
        Row{"ClusterAwsEndpoint",
            [](TestSnapshot& s) { s.message.mutable_clusters(0)->mutable_aws_endpoint(); },
            "clusters[0].aws_endpoint.service: is empty"},
        Row{"ClusterProxyProtocol",
            [](TestSnapshot& s) { s.message.mutable_clusters(0)->set_send_proxy_protocol(3); },
            "clusters[0].send_proxy_protocol: 3 is above 2"},
        Row{"ClusterFrames",
            [](TestSnapshot& s) {
              s.message.mutable_clusters(0)->mutable_http2()->set_max_frame_bytes(32768);
            },
            "clusters[0].http2.max_frame_bytes: this gateway takes"},
        Row{"ListenerPings",
            [](TestSnapshot& s) {
              s.message.mutable_listeners(0)->mutable_http2()->set_ping_interval_ms(1000);
            },
            "listeners[0].http2.ping_interval_ms: this gateway sends"},
        Row{"ClusterTls",
            [](TestSnapshot& s) {
              s.message.mutable_clusters(0)->mutable_tls()->mutable_truststore()->set_file(
                  "/nonexistent/ca.pem");
            },
            "clusters[0].tls: "}),
    [](const auto& info) { return info.param.name; });

// ---- What is taken.

TEST(RuntimeSnapshotTest, ValidationThatWouldCheckNothingIsNoGuard) {
  TestSnapshot snapshot;
  snapshot.method(1)->set_validate_parameters(true);
  snapshot.method(1)->set_validate_body(true);
  EXPECT_THAT(Problems(snapshot), IsEmpty());
}

TEST(RuntimeSnapshotTest, NotesTellWhatHasNoEffect) {
  TestSnapshot snapshot;
  snapshot.stage()->add_method_settings()->set_data_trace_enabled(true);
  snapshot.deployment.add_unenforced("authorizer X");
  const auto built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_THAT(Texts(built.notes),
              ElementsAre("deployments[0].unenforced[0].guard: authorizer X",
                          "stages[0].method_settings[0].data_trace_enabled: has no effect where "
                          "logging_level is OFF"));
}

// The exact entry, else that of all methods; entries do not merge.
TEST(RuntimeSnapshotTest, SettingsOfMethods_RestApi13_2) {
  TestSnapshot snapshot;
  snapshot.stage()->set_tracing_enabled(true);
  v1::MethodSettings* all = snapshot.stage()->add_method_settings();
  all->set_resource_path("*");
  all->set_http_method("*");
  all->set_logging_level(v1::LOGGING_LEVEL_INFO);
  all->set_data_trace_enabled(true);
  v1::MethodSettings* one = snapshot.stage()->add_method_settings();
  one->set_resource_path("/pets");
  one->set_http_method("GET");
  one->set_logging_level(v1::LOGGING_LEVEL_ERROR);
  snapshot.stage()->mutable_execution_log()->set_file("/var/log/execution");
  const auto built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  for (const Route* route : built.snapshot->routes()) {
    const bool exact =
        route->facts->resource_path == "/pets" && route->facts->method() == "GET";
    EXPECT_EQ(route->logging, exact ? ExecutionLevel::kError : ExecutionLevel::kInfo);
    EXPECT_EQ(route->data_trace, !exact);
    EXPECT_TRUE(route->tracing);
  }
  EXPECT_TRUE(built.snapshot->stages()[0]->has_execution_log);
  EXPECT_EQ(built.snapshot->stages()[0]->execution_log_file, "/var/log/execution");
}

TEST(RuntimeSnapshotTest, UnavailableMethodKeepsItsPlace) {
  TestSnapshot snapshot;
  snapshot.method(1)->clear_integration();
  snapshot.method(1)->set_unavailable_reason("templates");
  const auto built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_EQ(built.snapshot->routes()[1]->facts->resource_path, "/pets");
  EXPECT_EQ(built.snapshot->routes()[1]->facts->method(), "GET");
}

TEST(RuntimeSnapshotTest, UnboundEndpointsAnswer500_RestApi6_5) {
  TestSnapshot snapshot;
  snapshot.stage()->mutable_upstreams(0)->clear_cluster();
  snapshot.stage()->mutable_upstreams(0)->set_problem("the host is empty");
  snapshot.stage()->mutable_functions(0)->clear_target();
  const auto built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_EQ(built.snapshot->routes()[0]->integration->type_name(), "AWS_PROXY");
  EXPECT_EQ(built.snapshot->routes()[2]->integration->type_name(), "HTTP_PROXY");
}

TEST(RuntimeSnapshotTest, CanaryHasItsOwnVariantAndVariables_RestApi13_4) {
  TestSnapshot snapshot;
  (*snapshot.stage()->mutable_variables())["color"] = "blue";
  (*snapshot.stage()->mutable_variables())["size"] = "1";
  v1::Deployment other = snapshot.deployment;
  other.clear_resources();
  auto* resource = other.add_resources();
  resource->set_id("new");
  resource->set_path("/new");
  TestSnapshot::SetLambda(TestSnapshot::AddMethod(resource, "GET"));
  v1::Canary* canary = snapshot.stage()->mutable_canary();
  canary->set_percent_traffic(25);
  canary->set_deployment_digest(snapshot.Store(other));
  TestSnapshot::Bind(canary);
  (*canary->mutable_variable_overrides())["color"] = "green";
  (*canary->mutable_variable_overrides())["extra"] = "x";
  const auto built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  const Stage& stage = *built.snapshot->stages()[0];
  EXPECT_EQ(stage.canary_threshold, uint64_t{1} << 30);
  EXPECT_EQ(stage.main->is_canary, 0);
  ASSERT_NE(stage.canary, nullptr);
  EXPECT_EQ(stage.canary->is_canary, 1);
  ASSERT_EQ(stage.canary->variables.size(), 3u);
  EXPECT_EQ(stage.canary->variables[0].value, "green");
  EXPECT_EQ(stage.canary->variables[1].name, "extra");
  EXPECT_EQ(stage.canary->variables[2].value, "1");
  EXPECT_EQ(stage.main->variables[0].value, "blue");
  EXPECT_EQ(built.snapshot->routes().size(), 4u);
}

TEST(RuntimeSnapshotTest, AccessLogOfAStage_RestApi13_5) {
  TestSnapshot snapshot;
  snapshot.stage()->mutable_access_log()->set_format("$context.requestId");
  snapshot.stage()->mutable_access_log()->set_file("/var/log/api.log");
  const auto built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  const Stage& stage = *built.snapshot->stages()[0];
  ASSERT_NE(stage.access_log, nullptr);
  EXPECT_NE(stage.access_log->format, nullptr);
  EXPECT_EQ(stage.access_log->file, "/var/log/api.log");
}

TEST(RuntimeSnapshotTest, WhatIsTheSameIsShared) {
  TestSnapshot first;
  const auto before = Build(first);
  ASSERT_NE(before.snapshot, nullptr) << before.ProblemText();
  TestSnapshot second;
  second.message.set_version(8);
  second.message.mutable_functions(0)->set_queue_limit(5);
  const auto after = Build(second, before.snapshot.get());
  ASSERT_NE(after.snapshot, nullptr) << after.ProblemText();
  EXPECT_EQ(before.snapshot->stages()[0]->main->deployment,
            after.snapshot->stages()[0]->main->deployment);
  EXPECT_EQ(before.snapshot->cluster_set()->at(0).config,
            after.snapshot->cluster_set()->at(0).config);
  EXPECT_EQ(before.snapshot->functions()[0], after.snapshot->functions()[0]);
  after.snapshot->ApplyFunctionLimits();
}

TEST(RuntimeSnapshotTest, ListenerDefaultsAndValues) {
  TestSnapshot snapshot;
  v1::Listener* listener = snapshot.message.mutable_listeners(0);
  listener->add_http_versions(v1::HTTP_VERSION_1_1);
  listener->set_proxy_protocol(v1::PROXY_PROTOCOL_REQUIRED);
  listener->set_trusted_hops(2);
  listener->mutable_limits()->set_max_body_bytes(0);
  v1::Secret* secret = snapshot.message.add_secrets();
  secret->set_name("key");
  secret->set_environment("KEY");
  auto* identity = listener->mutable_tls()->add_identities();
  identity->mutable_certificate_chain()->set_file("/etc/cert.pem");
  identity->mutable_private_key()->set_secret("key");
  const auto built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  const ListenerConfig& config = built.snapshot->listeners()[0];
  EXPECT_TRUE(config.http1);
  EXPECT_FALSE(config.http2);
  EXPECT_TRUE(config.proxy_protocol);
  EXPECT_EQ(config.trusted_hops, 2u);
  EXPECT_EQ(config.limits.max_body_bytes, 0u);
  EXPECT_EQ(config.limits.max_header_bytes, 10240u);
  EXPECT_EQ(config.http2_settings.max_concurrent_streams, 100u);
  ASSERT_TRUE(config.tls.has_value());
  EXPECT_EQ(config.tls->identities[0].private_key,
            (DataSourceConfig{DataSourceConfig::Kind::kEnvironment, "KEY"}));
  EXPECT_EQ(config.tls->identities[0].certificate_chain,
            (DataSourceConfig{DataSourceConfig::Kind::kFile, "/etc/cert.pem"}));
}

TEST(RuntimeSnapshotTest, ClusterValuesArrive) {
  TestSnapshot snapshot;
  v1::Cluster* cluster = snapshot.message.mutable_clusters(0);
  cluster->set_lb_policy(v1::LB_POLICY_LEAST_REQUEST);
  cluster->set_connect_timeout_ms(123);
  cluster->set_response_idle_timeout_ms(456);
  cluster->set_send_proxy_protocol(2);
  cluster->mutable_http2()->set_ping_interval_ms(789);
  cluster->mutable_http2()->set_ping_timeout_ms(12);
  cluster->mutable_retry()->set_max_retries(0);
  cluster->mutable_retry()->add_retry_on_status(503);
  cluster->mutable_health_check()->set_path("/health");
  cluster->mutable_passive_ejection();
  cluster->mutable_dns()->set_family(v1::DnsSettings::FAMILY_IPV4);
  cluster->mutable_aws_signing()->set_service("lambda");
  cluster->mutable_tls()->set_accept_untrusted_roots(true);
  const auto built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  const ClusterConfig& config = *built.snapshot->cluster_set()->at(0).config;
  EXPECT_EQ(config.lb_policy, LbPolicy::kLeastRequest);
  EXPECT_EQ(config.connect_timeout_ms, 123u);
  EXPECT_EQ(config.response_idle_timeout_ms, 456u);
  EXPECT_EQ(config.send_proxy_protocol, 2u);
  EXPECT_EQ(config.http2.ping_interval_ms, 789u);
  EXPECT_EQ(config.http2.ping_timeout_ms, 12u);
  EXPECT_EQ(config.retry.max_retries, 0u);
  EXPECT_THAT(config.retry.retry_on_status, ElementsAre(503));
  EXPECT_TRUE(config.health_check.enabled);
  EXPECT_EQ(config.health_check.path, "/health");
  EXPECT_TRUE(config.ejection.enabled);
  EXPECT_EQ(config.dns.family, DnsFamily::kIpv4);
  EXPECT_NE(config.signing.signer, nullptr);
  EXPECT_NE(config.tls.context, nullptr);
  // With the same settings the next snapshot keeps context and signer, and so its connections.
  const auto next = Build(snapshot, built.snapshot.get());
  ASSERT_NE(next.snapshot, nullptr) << next.ProblemText();
  EXPECT_EQ(next.snapshot->cluster_set()->at(0).config,
            built.snapshot->cluster_set()->at(0).config);
}

}  // namespace
}  // namespace postern
