#include "core/config/standard_filters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/runtime_snapshot.h"
#include "core/config/test_snapshot.h"
#include "core/filter/config_host.h"
#include "core/filter/module_loader.h"
#include "core/route/router.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Modules that go by the names of the real ones, and write down their configurations.
postern_host host;
std::vector<std::string> configs;

constexpr postern_manifest ManifestOf(std::string_view name) {
  postern_manifest manifest{
      POSTERN_ABI_MAGIC, sizeof(postern_manifest), POSTERN_ABI_MAJOR, 0, 0, {}, {'1'}};
  for (size_t i = 0; i < name.size(); ++i) manifest.name[i] = name[i];
  return manifest;
}
constexpr postern_manifest kCors = ManifestOf("postern.cors");
constexpr postern_manifest kCompress = ManifestOf("postern.compress");
constexpr postern_manifest kDecompress = ManifestOf("postern.decompress");
constexpr postern_manifest kValidate = ManifestOf("postern.validate");

template <int>
postern_status Init(const postern_host*, postern_self*, void**, const postern_filter** filter) {
  static postern_filter hooks{};
  hooks.size = sizeof(hooks);
  hooks.config_create = [](void*, postern_config_ctx*, const postern_config* config, void**) {
    configs.emplace_back(config->bytes.data, config->bytes.len);
    return postern_status{POSTERN_OK};
  };
  *filter = &hooks;
  return POSTERN_OK;
}

class StandardFiltersTest : public testing::Test {
 protected:
  StandardFiltersTest() : loader_(BuiltIn()) { configs.clear(); }

  static ModuleLoader::Options BuiltIn() {
    AddConfigFunctions(&host);
    ModuleLoader::Options options;
    options.host = &host;
    options.built_in = {
        {&kCors, Init<0>}, {&kCompress, Init<1>}, {&kDecompress, Init<2>}, {&kValidate, Init<3>}};
    return options;
  }
  RuntimeSnapshot::Built Build(TestSnapshot& snapshot, bool with_modules = true) {
    RuntimeSnapshot::Options options;
    if (with_modules) options.modules = &loader_;
    return RuntimeSnapshot::Build(snapshot.Finish(), options);
  }
  static std::vector<std::string> Names(const ChainPlan* plan) {
    std::vector<std::string> out;
    if (plan == nullptr) return out;
    for (const FilterBinding& filter : plan->filters()) {
      out.push_back(Concat(filter.instance->name, "@", FilterPointName(filter.point)));
    }
    return out;
  }
  static void MakeHttpApi(TestSnapshot& snapshot) {
    snapshot.message.mutable_apis(0)->set_type(v1::API_TYPE_HTTP);
    snapshot.deployment.set_type(v1::API_TYPE_HTTP);
    snapshot.deployment.clear_resources();
    v1::Method* rest = snapshot.deployment.mutable_default_route();
    rest->set_http_method("ANY");
    TestSnapshot::SetLambda(rest)->mutable_integration()->set_payload_format_version("2.0");
  }
  static v1::FilterEntry* AddFilter(google::protobuf::RepeatedPtrField<v1::FilterEntry>* to,
                                    std::string name, std::string module, v1::FilterPoint point) {
    v1::FilterEntry* entry = to->Add();
    entry->set_name(std::move(name));
    entry->set_module(std::move(module));
    entry->set_point(point);
    return entry;
  }

  ModuleLoader loader_;
};

// A property of the API is a filter around everything, for requests without a route too.
TEST_F(StandardFiltersTest, CompressionAndCorsStandOutermost) {
  TestSnapshot rest;
  rest.deployment.set_minimum_compression_bytes(1024);
  rest.message.add_modules()->set_name("postern.cors");
  AddFilter(rest.deployment.mutable_filters(), "own", "postern.cors", v1::FILTER_POINT_RESPONSE);
  RuntimeSnapshot::Built built = Build(rest);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_THAT(configs,
              ElementsAre(R"({"minimumCompressionSize":1024,"codings":["gzip","deflate","br"],)"
                          R"("contentTypes":["*/*"]})",
                          "{}", "{}"));
  EXPECT_THAT(
      Names(built.snapshot->routes()[0]->chain),
      ElementsAre("postern.compress@response", "own@response", "postern.decompress@request"));
  EXPECT_THAT(
      Names(built.snapshot->stages()[0]->main->unrouted_chain),
      ElementsAre("postern.compress@response", "own@response", "postern.decompress@request"));
  EXPECT_EQ(built.snapshot->filters()->instances()[0]->name, "postern.compress");

  configs.clear();
  TestSnapshot http;
  MakeHttpApi(http);
  v1::CorsConfiguration* cors = http.deployment.mutable_cors();
  cors->add_allow_origins("https://a.example");
  cors->add_allow_methods("GET");
  cors->add_allow_methods("PUT");
  cors->add_allow_headers("*");
  cors->add_expose_headers("x-\"a");
  cors->set_allow_credentials(true);
  cors->set_max_age_seconds(-1);
  built = Build(http);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_THAT(
      configs,
      ElementsAre(R"({"allowOrigins":["https://a.example"],"allowMethods":["GET","PUT"],)"
                  R"("allowHeaders":["*"],"exposeHeaders":["x-\"a"],"allowCredentials":true,)"
                  R"("maxAge":-1})"));
  EXPECT_THAT(Names(built.snapshot->stages()[0]->main->unrouted_chain),
              ElementsAre("postern.cors@response"));
}

TEST_F(StandardFiltersTest, WithoutPropertiesThereIsNothing) {
  TestSnapshot snapshot;
  const RuntimeSnapshot::Built built = Build(snapshot, /*with_modules=*/false);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_EQ(built.snapshot->routes()[0]->chain, nullptr);
  EXPECT_EQ(built.snapshot->filters(), nullptr);
}

// A stage and its canary have each their own.
TEST_F(StandardFiltersTest, CanariesAreApart) {
  TestSnapshot snapshot;
  snapshot.deployment.set_minimum_compression_bytes(0);
  v1::Canary* canary = snapshot.stage()->mutable_canary();
  canary->set_percent_traffic(50);
  snapshot.Finish();
  canary->set_deployment_digest(snapshot.stage()->deployment_digest());
  *canary->mutable_upstreams() = snapshot.stage()->upstreams();
  *canary->mutable_functions() = snapshot.stage()->functions();
  const RuntimeSnapshot::Built built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_EQ(built.snapshot->filters()->instances().size(), 4u);
  EXPECT_THAT(configs, testing::SizeIs(4));
}

// What the definition places itself wins: for the API, or for the methods that do so.
TEST_F(StandardFiltersTest, TheUsersOwnWins) {
  TestSnapshot api;
  api.deployment.set_minimum_compression_bytes(1024);
  api.message.add_modules()->set_name("postern.compress");
  AddFilter(api.deployment.mutable_filters(), "mine", "postern.compress", v1::FILTER_POINT_REQUEST);
  RuntimeSnapshot::Built built = Build(api);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_THAT(Names(built.snapshot->routes()[0]->chain),
              ElementsAre("postern.decompress@request", "mine@request"));
  EXPECT_THAT(configs, ElementsAre("{}", "{}"));

  TestSnapshot method;
  method.deployment.set_minimum_compression_bytes(1024);
  method.message.add_modules()->set_name("postern.compress");
  AddFilter(method.method(1)->mutable_filters(), "mine", "postern.compress",
            v1::FILTER_POINT_REQUEST);
  built = Build(method);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  std::map<std::string, std::vector<std::string>> chains;
  for (const Route* route : built.snapshot->routes()) {
    chains[std::string(route->facts->resource_path)] = Names(route->chain);
  }
  EXPECT_THAT(chains["/pets"], ElementsAre("postern.decompress@request", "mine@request"));
  EXPECT_THAT(chains["/fn"],
              ElementsAre("postern.compress@response", "postern.decompress@request"));
}

TEST_F(StandardFiltersTest, AModuleThatIsNotInstalledIsSaid) {
  TestSnapshot snapshot;
  snapshot.deployment.set_minimum_compression_bytes(1024);
  ModuleLoader::Options none;
  none.host = &host;
  none.folders = {"/tmp"};
  none.allow_unpinned = true;
  ModuleLoader loader(none);
  RuntimeSnapshot::Options options;
  options.modules = &loader;
  const RuntimeSnapshot::Built built = RuntimeSnapshot::Build(snapshot.Finish(), options);
  ASSERT_EQ(built.problems.size(), 2u);
  EXPECT_EQ(
      built.problems[0].ToString(),
      "modules: module \"postern.compress\": it comes with this program, but is not installed: "
      "there is no folder \"modules\" beside the program");
  EXPECT_THAT(Build(snapshot, false).problems, testing::SizeIs(2));
}

// rest-api.md §5: only methods of which a request may be refused have it; what they share is said
// once.
TEST_F(StandardFiltersTest, ValidationStandsWhereSomethingIsAskedFor) {
  TestSnapshot snapshot;
  v1::Model* model = snapshot.deployment.add_models();
  model->set_name("Pet");
  model->set_schema_json(R"({"type":"object"})");
  v1::Method* method = snapshot.method(1);
  method->set_validate_parameters(true);
  method->set_validate_body(true);
  v1::ModelReference* body = method->add_request_models();
  body->set_content_type("application/json");
  body->set_model("Pet");
  for (const auto& [location, name] : {std::pair(v1::PARAMETER_LOCATION_QUERYSTRING, "q"),
                                       std::pair(v1::PARAMETER_LOCATION_HEADER, "X-A"),
                                       std::pair(v1::PARAMETER_LOCATION_PATH, "nowhere")}) {
    v1::RequestParameter* parameter = method->add_request_parameters();
    parameter->set_location(location);
    parameter->set_name(name);
    parameter->set_required(true);
  }
  v1::RequestParameter* optional = method->add_request_parameters();
  optional->set_location(v1::PARAMETER_LOCATION_HEADER);
  optional->set_name("optional");
  const RuntimeSnapshot::Built built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_THAT(
      configs,
      ElementsAre(R"({"models":{"Pet":"{\"type\":\"object\"}"},"validated":["Pet"]})",
                  R"({"parameters":["method.request.querystring.q","method.request.header.X-A",)"
                  R"("method.request.path.nowhere"],"body":{"application/json":"Pet"}})"));
  int with = 0;
  for (const Route* route : built.snapshot->routes()) {
    if (route->chain == nullptr) continue;
    EXPECT_THAT(Names(route->chain), ElementsAre("postern.validate@before_integration"));
    ++with;
  }
  EXPECT_EQ(with, 1);
  EXPECT_EQ(built.snapshot->stages()[0]->main->unrouted_chain, nullptr);
}

// A module's objections name the filter as any other's.
TEST_F(StandardFiltersTest, PlacedBelowTheyStandWhereTheyAreConfigured) {
  v1::Deployment deployment;
  v1::Resource* resource = deployment.add_resources();
  v1::Method* with = resource->add_methods();
  v1::Method* without = resource->add_methods();
  const v1::Stage stage;
  const std::map<std::string, std::string> variables;
  FilterSpec users;
  users.module = "test.mine";
  StandardFilters filters({deployment, stage, variables, stage.upstreams()}, {users});
  EXPECT_THAT(filters.api(), IsEmpty());
  filters.PlaceBelow("test.x", FilterPoint::kBeforeIntegration, FilterSide::kOutermost,
                     "{\"a\":1}");
  filters.Configure("test.x", *with, "{\"b\":2}");
  filters.Place("test.mine", FilterPoint::kRequest, FilterSide::kOutermost, "{}");
  filters.Configure("test.mine", *with, "{}");
  ASSERT_EQ(filters.api().size(), 1u);
  EXPECT_TRUE(filters.api()[0].only_below);
  EXPECT_EQ(filters.api()[0].config, "{\"a\":1}");
  ASSERT_EQ(filters.of(*with).size(), 1u);
  EXPECT_EQ(filters.of(*with)[0].name, "test.x");
  EXPECT_EQ(filters.of(*with)[0].config, "{\"b\":2}");
  EXPECT_THAT(filters.of(*without), IsEmpty());
  EXPECT_THAT(filters.modules(), ElementsAre("test.x"));
}

}  // namespace
}  // namespace postern
