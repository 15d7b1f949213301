#include "core/config/filter_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/runtime_snapshot.h"
#include "core/config/test_snapshot.h"
#include "core/filter/config_host.h"
#include "core/route/router.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

postern_host host;
std::vector<uint32_t> upstreams;  // what the module has resolved
bool echo_config = false;         // its messages repeat what it was given

std::string_view View(postern_str text) { return {text.data, text.len}; }
postern_str Str(std::string_view text) { return {text.data(), text.size()}; }

// A module that takes {"upstream":"NAME"} and {}.
postern_status CreateConfig(void*, postern_config_ctx* context, const postern_config* config,
                            void** out) {
  *out = new int(0);
  const std::string_view bytes = View(config->bytes);
  constexpr std::string_view kStart = "{\"upstream\":\"";
  if (!bytes.starts_with(kStart)) return POSTERN_OK;
  uint32_t id = 0;
  const std::string_view name = bytes.substr(kStart.size(), bytes.size() - kStart.size() - 2);
  if (host.upstream_resolve(context, Str(name), &id) != POSTERN_OK) {
    const std::string text =
        echo_config ? "is unknown in " + std::string(bytes) : std::string("is unknown");
    host.config_error(context, Str("upstream"), Str(text));
  }
  upstreams.push_back(id);
  return POSTERN_OK;
}

const postern_manifest kManifest = {POSTERN_ABI_MAGIC,
                                    sizeof(postern_manifest),
                                    POSTERN_ABI_MAJOR,
                                    0,
                                    POSTERN_CAP_CALLOUT,
                                    "test.m",
                                    "1.0.0"};

postern_status Init(const postern_host*, postern_self*, void**, const postern_filter** filter) {
  static postern_filter hooks{};
  hooks.size = sizeof(hooks);
  hooks.config_create = CreateConfig;
  hooks.config_destroy = [](void* config) { delete static_cast<int*>(config); };
  *filter = &hooks;
  return POSTERN_OK;
}

ModuleLoader::Options BuiltIn() {
  AddConfigFunctions(&host);
  ModuleLoader::Options options;
  options.host = &host;
  options.built_in = {{&kManifest, Init}};
  return options;
}

v1::Module* AddModule(TestSnapshot& snapshot) {
  v1::Module* module = snapshot.message.add_modules();
  module->set_name("test.m");
  module->add_capabilities("CALLOUT");
  return module;
}

template <typename Message>
v1::FilterEntry* AddFilter(Message* scope, std::string name,
                           v1::FilterPoint point = v1::FILTER_POINT_REQUEST) {
  v1::FilterEntry* entry = scope->add_filters();
  entry->set_name(std::move(name));
  entry->set_module("test.m");
  entry->set_point(point);
  return entry;
}

class FiltersTest : public testing::Test {
 protected:
  FiltersTest() : loader_(BuiltIn()) { upstreams.clear(); }

  RuntimeSnapshot::Built Build(TestSnapshot& snapshot) {
    RuntimeSnapshot::Options options;
    options.modules = &loader_;
    return RuntimeSnapshot::Build(snapshot.Finish(), options);
  }
  std::vector<std::string> Problems(TestSnapshot& snapshot) {
    std::vector<std::string> out;
    for (const SnapshotProblem& problem : Build(snapshot).problems) {
      out.push_back(problem.ToString());
    }
    return out;
  }
  static std::vector<std::string> Names(const ChainPlan* plan) {
    std::vector<std::string> out;
    if (plan == nullptr) return out;
    for (const FilterBinding& filter : plan->filters()) out.push_back(filter.instance->name);
    return out;
  }
  static const Route* Find(const RuntimeSnapshot& snapshot, std::string_view path) {
    for (const Route* route : snapshot.routes()) {
      if (route->facts->resource_path == path) return route;
    }
    return nullptr;
  }

  ModuleLoader loader_;
};

// What a module says of a value that it was given goes into logs and answers to control planes.
TEST_F(FiltersTest, ConfigurationsGetSecretsAndMessagesDoNotTellThem) {
  ::setenv("POSTERN_TEST_UPSTREAM", "hidden", 1);
  TestSnapshot snapshot;
  AddModule(snapshot);
  v1::Secret* secret = snapshot.message.add_secrets();
  secret->set_name("where");
  secret->set_environment("POSTERN_TEST_UPSTREAM");
  AddFilter(&snapshot.deployment, "a")->set_config_json(R"({"upstream":"${secret:where}"})");
  echo_config = true;
  EXPECT_THAT(Problems(snapshot),
              ElementsAre(HasSubstr("is unknown in {\"upstream\":\"${secret:where}\"}")));
  echo_config = false;
  ::unsetenv("POSTERN_TEST_UPSTREAM");
  EXPECT_THAT(Problems(snapshot),
              ElementsAre("deployments[0].filters[0].config_json: secret \"where\": environment "
                          "variable POSTERN_TEST_UPSTREAM is not set"));
}

TEST_F(FiltersTest, RoutesGetTheirChains) {
  TestSnapshot snapshot;
  AddModule(snapshot);
  AddFilter(&snapshot.deployment, "api");
  AddFilter(&snapshot.deployment, "auth", v1::FILTER_POINT_AUTHORIZE);
  AddFilter(snapshot.deployment.mutable_resources(1), "resource", v1::FILTER_POINT_RESPONSE);
  v1::FilterEntry* gone = snapshot.method(1)->add_filters();
  gone->set_name("api");
  gone->set_disabled(true);
  const RuntimeSnapshot::Built built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_THAT(Names(Find(*built.snapshot, "/pets")->chain), ElementsAre("resource", "auth"));
  EXPECT_THAT(Names(Find(*built.snapshot, "/fn")->chain), ElementsAre("api", "auth"));
  EXPECT_EQ(Find(*built.snapshot, "/fn")->chain, Find(*built.snapshot, "/pets/{id}")->chain);
  EXPECT_THAT(Names(built.snapshot->stages()[0]->main->unrouted_chain), ElementsAre("api"));
  EXPECT_EQ(built.snapshot->filters()->instances().size(), 3u);
  EXPECT_EQ(built.snapshot->filters()->instances()[0]->api_id, "pets");
}

// http-api.md §2: the route that takes the rest.
TEST_F(FiltersTest, RoutesOfHttpApisGetTheirChains) {
  TestSnapshot snapshot;
  AddModule(snapshot);
  snapshot.message.mutable_apis(0)->set_type(v1::API_TYPE_HTTP);
  snapshot.deployment.set_type(v1::API_TYPE_HTTP);
  snapshot.deployment.clear_resources();
  v1::Method* rest = snapshot.deployment.mutable_default_route();
  rest->set_http_method("ANY");
  TestSnapshot::SetLambda(rest)->mutable_integration()->set_payload_format_version("2.0");
  AddFilter(&snapshot.deployment, "api");
  AddFilter(&snapshot.deployment, "auth", v1::FILTER_POINT_AUTHORIZE);
  AddFilter(rest, "own");
  const RuntimeSnapshot::Built built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  const Variant& variant = *built.snapshot->stages()[0]->main;
  ASSERT_EQ(variant.routes.size(), 1u);
  EXPECT_THAT(Names(variant.routes[0].chain), ElementsAre("api", "own", "auth"));

  TestSnapshot refused;
  AddModule(refused);
  refused.message.mutable_apis(0)->set_type(v1::API_TYPE_HTTP);
  refused.deployment.set_type(v1::API_TYPE_HTTP);
  AddFilter(refused.deployment.mutable_default_route(), "a b");
  EXPECT_THAT(Problems(refused),
              testing::Contains(StartsWith("deployments[0].default_route.filters[0].name: ")));
}

TEST_F(FiltersTest, WithoutFiltersThereIsNothing) {
  TestSnapshot snapshot;
  AddModule(snapshot);
  const RuntimeSnapshot::Built built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  EXPECT_EQ(built.snapshot->filters(), nullptr);
  EXPECT_EQ(Find(*built.snapshot, "/pets")->chain, nullptr);
  ASSERT_EQ(built.notes.size(), 1u);
  EXPECT_THAT(built.notes[0].ToString(), HasSubstr("no filter uses \"test.m\""));
}

// A program that loads no modules serves no API that has filters.
TEST_F(FiltersTest, NothingIsServedWithoutItsFilters) {
  TestSnapshot snapshot;
  AddModule(snapshot);
  AddFilter(&snapshot.deployment, "api");
  const RuntimeSnapshot::Built built = RuntimeSnapshot::Build(snapshot.Finish(), {});
  EXPECT_EQ(built.snapshot, nullptr);
  EXPECT_EQ(built.ProblemText(), "modules[0]: this gateway loads no modules, and so not test.m");
}

TEST_F(FiltersTest, ModulesThatCannotBeLoadedAreSaid) {
  TestSnapshot snapshot;
  AddModule(snapshot)->set_version("3");
  AddFilter(&snapshot.deployment, "api");
  EXPECT_THAT(Problems(snapshot),
              ElementsAre("modules[0]: module \"test.m\": version 3 is asked for, but 1.0.0 is "
                          "built into this program"));
  TestSnapshot tight;
  AddModule(tight)->clear_capabilities();
  AddFilter(&tight.deployment, "api");
  EXPECT_THAT(Problems(tight), ElementsAre(HasSubstr("does not grant CALLOUT")));
}

// By the name that the definition gave, else by that of a cluster.
TEST_F(FiltersTest, UpstreamsAreFoundByName) {
  TestSnapshot snapshot;
  AddModule(snapshot);
  v1::FilterUpstream* named = snapshot.deployment.add_filter_upstreams();
  named->set_name("authz");
  named->mutable_target()->set_upstream("http://backend");
  named->mutable_target()->set_path("/v1");
  AddFilter(&snapshot.deployment, "a")->set_config_json("{\"upstream\":\"authz\"}");
  AddFilter(&snapshot.deployment, "b")->set_config_json("{\"upstream\":\"backend\"}");
  const RuntimeSnapshot::Built built = Build(snapshot);
  ASSERT_NE(built.snapshot, nullptr) << built.ProblemText();
  ASSERT_EQ(upstreams.size(), 2u);
  const auto& instances = built.snapshot->filters()->instances();
  const CalloutUpstream* authz = instances[0]->FindUpstream(upstreams[0]);
  ASSERT_NE(authz, nullptr);
  EXPECT_EQ(authz->authority, "backend");
  EXPECT_EQ(authz->path_prefix, "/v1");
  EXPECT_EQ(authz->cluster.set, built.snapshot->cluster_set().get());
  const CalloutUpstream* cluster = instances[1]->FindUpstream(upstreams[1]);
  ASSERT_NE(cluster, nullptr);
  EXPECT_EQ(cluster->authority, "127.0.0.1:9000");
  EXPECT_EQ(cluster->path_prefix, "");

  TestSnapshot unknown;
  AddModule(unknown);
  AddFilter(&unknown.deployment, "a")->set_config_json("{\"upstream\":\"nobody\"}");
  EXPECT_THAT(Problems(unknown),
              ElementsAre("whole API, filter \"a\" (test.m 1.0.0): upstream: is unknown"));
}

struct Row {
  const char* name;
  std::function<void(TestSnapshot&)> change;
  const char* problem;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class RefusedFilters : public FiltersTest, public testing::WithParamInterface<Row> {};

TEST_P(RefusedFilters, Problem) {
  TestSnapshot snapshot;
  AddModule(snapshot);
  AddFilter(&snapshot.deployment, "api");
  AddFilter(&snapshot.deployment, "auth", v1::FILTER_POINT_AUTHORIZE);
  GetParam().change(snapshot);
  EXPECT_THAT(Problems(snapshot), testing::Contains(StartsWith(GetParam().problem)));
}

v1::FilterEntry* Override(TestSnapshot& snapshot, const char* name) {
  v1::FilterEntry* entry = snapshot.method(1)->add_filters();
  entry->set_name(name);
  return entry;
}

// proto/snapshot/filter.proto, line by line.
INSTANTIATE_TEST_SUITE_P(
    Proto, RefusedFilters,
    testing::Values(
        Row{"ModuleName", [](TestSnapshot& s) { s.message.add_modules()->set_name("a b"); },
            "modules[1].name: \"a b\" has characters"},
        Row{"ModuleTwice", [](TestSnapshot& s) { AddModule(s); },
            "modules[1].name: \"test.m\" is already taken"},
        Row{"Digest", [](TestSnapshot& s) { s.message.mutable_modules(0)->set_digest("abc"); },
            "modules[0].digest: is not a SHA-256"},
        Row{"Capability",
            [](TestSnapshot& s) { s.message.mutable_modules(0)->add_capabilities("ROOT"); },
            "modules[0].capabilities: \"ROOT\" is none of"},
        Row{"AuthorizerThatIsNotRequired",
            [](TestSnapshot& s) { s.deployment.mutable_filters(1)->set_required(false); },
            "deployments[0].filters[1].required: cannot be false for a filter that authorizes"},
        Row{"Name", [](TestSnapshot& s) { AddFilter(&s.deployment, "a.b"); },
            "deployments[0].filters[2].name: \"a.b\" has characters"},
        Row{"NameTwice", [](TestSnapshot& s) { AddFilter(&s.deployment, "api"); },
            "deployments[0].filters[2].name: \"api\" comes twice"},
        Row{"Module",
            [](TestSnapshot& s) { AddFilter(&s.deployment, "x")->set_module("test.other"); },
            "deployments[0].filters[2].module: there is no module \"test.other\""},
        Row{"NoPoint",
            [](TestSnapshot& s) {
              AddFilter(&s.deployment, "x")->set_point(v1::FILTER_POINT_UNSPECIFIED);
            },
            "deployments[0].filters[2].point: is not set"},
        Row{"UnknownPoint",
            [](TestSnapshot& s) {
              AddFilter(&s.deployment, "x")->set_point(static_cast<v1::FilterPoint>(99));
            },
            "deployments[0].filters[2].point: the value 99 is unknown"},
        Row{"UnknownPolicy",
            [](TestSnapshot& s) {
              AddFilter(&s.deployment, "x")->set_failure_policy(static_cast<v1::FailurePolicy>(7));
            },
            "deployments[0].filters[2].failure_policy: the value 7 is unknown"},
        Row{"NoJson", [](TestSnapshot& s) { AddFilter(&s.deployment, "x")->set_config_json("{"); },
            "deployments[0].filters[2].config_json: "},
        Row{"NoObject",
            [](TestSnapshot& s) { AddFilter(&s.deployment, "x")->set_config_json("[]"); },
            "deployments[0].filters[2].config_json: is no JSON object"},
        Row{"LargeConfig",
            [](TestSnapshot& s) {
              AddFilter(&s.deployment, "x")
                  ->set_config_json(Concat("{\"a\":\"", std::string(1 << 20, 'a'), "\"}"));
            },
            "deployments[0].filters[2].config_json: has 1048584 bytes"},
        Row{"DeepConfig",
            [](TestSnapshot& s) {
              AddFilter(&s.deployment, "x")
                  ->set_config_json(
                      Concat("{\"a\":", std::string(200, '['), std::string(200, ']'), "}"));
            },
            "deployments[0].filters[2].config_json: "},
        Row{"PauseLimit",
            [](TestSnapshot& s) { AddFilter(&s.deployment, "x")->set_pause_limit_ms(0); },
            "deployments[0].filters[2].pause_limit_ms: "},
        Row{"SkipAuthorizer",
            [](TestSnapshot& s) {
              Override(s, "auth")->set_failure_policy(v1::FAILURE_POLICY_SKIP);
            },
            "deployments[0].resources[1].methods[0].filters[0].failure_policy: cannot be SKIP"},
        Row{"DisabledAtApi",
            [](TestSnapshot& s) { AddFilter(&s.deployment, "x")->set_disabled(true); },
            "deployments[0].filters[2].disabled: is of no use at an API"},
        Row{"DisabledNothing", [](TestSnapshot& s) { Override(s, "nothing")->set_disabled(true); },
            "deployments[0].resources[1].methods[0].filters[0].disabled: there is no filter"},
        Row{"DisabledAuthorizer", [](TestSnapshot& s) { Override(s, "auth")->set_disabled(true); },
            "deployments[0].resources[1].methods[0].filters[0].disabled: takes out a filter that"},
        Row{"OtherModule", [](TestSnapshot& s) { Override(s, "api")->set_module("test.other"); },
            "deployments[0].resources[1].methods[0].filters[0].module: is \"test.other\", but"},
        Row{"OtherPoint",
            [](TestSnapshot& s) { Override(s, "api")->set_point(v1::FILTER_POINT_RESPONSE); },
            "deployments[0].resources[1].methods[0].filters[0].point: is response, but"},
        Row{"TooMany",
            [](TestSnapshot& s) {
              for (int i = 0; i < 99; ++i) AddFilter(&s.deployment, Concat("f", i));
            },
            "deployments[0].filters: there are more than 100"},
        Row{"LongChain",
            [](TestSnapshot& s) {
              for (int i = 0; i < 40; ++i) AddFilter(&s.deployment, Concat("f", i));
              for (int i = 0; i < 40; ++i) AddFilter(s.method(1), Concat("g", i));
            },
            "deployments[0].resources[1].methods[0].filters[22]: is in a chain of more than 64"},
        Row{"UpstreamName",
            [](TestSnapshot& s) { s.deployment.add_filter_upstreams()->set_name("a b"); },
            "deployments[0].filter_upstreams[0].name: \"a b\" has characters"},
        Row{"UpstreamPath",
            [](TestSnapshot& s) {
              auto* upstream = s.deployment.add_filter_upstreams();
              upstream->set_name("a");
              upstream->mutable_target()->set_upstream("http://backend");
              upstream->mutable_target()->set_path("/a?b");
            },
            "deployments[0].filter_upstreams[0].target.path: is no path"},
        Row{"UpstreamUnbound",
            [](TestSnapshot& s) {
              auto* upstream = s.deployment.add_filter_upstreams();
              upstream->set_name("a");
              upstream->mutable_target()->set_upstream("http://other");
            },
            "stages[0].upstreams: \"http://other\" is not bound"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace postern
