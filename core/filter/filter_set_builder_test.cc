#include "core/filter/filter_set_builder.h"

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/filter/config_host.h"
#include "core/filter/filter_metric_definitions.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A module that lives in this test: what it is told to configure, it writes down.
struct Configured {
  std::string instance;
  std::string scope;
  std::string bytes;
  const Configured* parent;
};

std::vector<std::string> events;
int alive = 0;
postern_config_ctx* kept_context = nullptr;
postern_host host;

std::string_view View(postern_str text) { return {text.data, text.len}; }
postern_str Str(std::string_view text) { return {text.data(), text.size()}; }

postern_status CreateConfig(void*, postern_config_ctx* context, const postern_config* config,
                            void** out) {
  const std::string bytes(View(config->bytes));
  const auto* const parent = static_cast<const Configured*>(config->parent);
  events.push_back(Concat(View(config->instance), "@", View(config->scope), bytes,
                          parent == nullptr ? "" : Concat("<", parent->bytes)));
  kept_context = context;
  if (bytes == "{\"two\":\"errors\"}") {
    host.config_error(context, Str("a[0].b"), Str("is wrong"));
    host.config_error(context, Str(""), Str("is wrong\nas a whole"));
    return POSTERN_E_INVALID;
  }
  if (bytes == "{\"silent\":1}") return POSTERN_E_INVALID;
  if (bytes == "{\"throw\":1}") throw 1;
  *out = new Configured{std::string(View(config->instance)), std::string(View(config->scope)),
                        bytes, parent};
  ++alive;
  if (bytes == "{\"late\":1}") host.config_error(context, Str("late"), Str("came with an object"));
  return POSTERN_OK;
}

void DestroyConfig(void* config) {
  events.push_back(Concat("~", static_cast<Configured*>(config)->bytes));
  delete static_cast<Configured*>(config);
  --alive;
}

class FilterSetBuilderTest : public testing::Test {
 protected:
  FilterSetBuilderTest()
      : retired_(std::make_shared<RetiredConfigs>()),
        module_({"test.m", "1.0.0", 1, 0, POSTERN_CAP_CALLOUT}, "d1", "m.so"),
        plain_({"test.plain", "1.0.0", 1, 0, 0}, "d2", "plain.so"),
        other_({"test.plain", "1.0.0", 1, 0, 0}, "d3", "other.so") {
    AddConfigFunctions(&host);
    postern_filter hooks{};
    hooks.size = sizeof(hooks);
    hooks.config_create = CreateConfig;
    hooks.config_destroy = DestroyConfig;
    hooks.request_headers = [](void*, postern_ctx*, uint32_t) {
      return postern_verdict{POSTERN_CONTINUE};
    };
    module_.Initialize(&hooks, nullptr);
    other_.Initialize(&hooks, nullptr);
    postern_filter none{};
    none.size = sizeof(none);
    plain_.Initialize(&none, nullptr);
    events.clear();
    Restart();
  }

  void Restart() {
    builder_ = std::make_unique<FilterSetBuilder>(retired_);
    builder_->AddModule("test.m", &module_);
    builder_->AddModule("test.plain", &plain_);
  }

  static FilterSpec Spec(std::string name, FilterPoint point, std::string config = "{}") {
    FilterSpec spec;
    spec.name = std::move(name);
    spec.module = "test.m";
    spec.point = point;
    spec.config = std::move(config);
    return spec;
  }
  static FilterSpec Override(std::string name, std::string config) {
    FilterSpec spec;
    spec.name = std::move(name);
    spec.config = std::move(config);
    return spec;
  }
  static FilterSpec Disabled(std::string name) {
    FilterSpec spec;
    spec.name = std::move(name);
    spec.disabled = true;
    return spec;
  }

  static FilterSetBuilder::Place Place(std::string stage = "prod") {
    FilterSetBuilder::Place place;
    place.api_id = "api";
    place.stage = std::move(stage);
    place.upstreams = [](std::string_view name) -> std::optional<CalloutUpstream> {
      if (name == "none") return std::nullopt;
      CalloutUpstream out;
      out.authority = Concat(name, ".example");
      return out;
    };
    return place;
  }

  static std::vector<std::string> Names(const ChainPlan* plan) {
    std::vector<std::string> out;
    if (plan == nullptr) return out;
    for (const FilterBinding& filter : plan->filters()) out.push_back(filter.instance->name);
    return out;
  }
  static std::string ConfigOf(const ChainPlan* plan, size_t at) {
    return static_cast<const Configured*>(plan->filters()[at].config)->bytes;
  }

  std::vector<std::string> Problems() const {
    std::vector<std::string> out;
    for (const auto& problem : builder_->problems()) {
      out.push_back(Concat(problem.where, ": ", problem.text));
    }
    return out;
  }

  std::shared_ptr<RetiredConfigs> retired_;
  FilterModule module_;
  FilterModule plain_;
  FilterModule other_;  // goes by the name of plain_, and has hooks
  std::unique_ptr<FilterSetBuilder> builder_;
};

// proto/snapshot/filter.proto, FilterPoint: from the outside in; within a point API, resource,
// method.
TEST_F(FilterSetBuilderTest, ChainsAreOrderedByPointThenScope) {
  builder_->Begin(
      Place(),
      {Spec("after", FilterPoint::kAfterIntegration), Spec("auth", FilterPoint::kAuthorize),
       Spec("response", FilterPoint::kResponse), Spec("request", FilterPoint::kRequest)});
  const ChainPlan* const plan =
      builder_->Chain({{"/x", {Spec("r-request", FilterPoint::kRequest)}},
                       {"GET /x",
                        {Spec("m-before", FilterPoint::kBeforeIntegration),
                         Spec("m-req", FilterPoint::kRequest)}}});
  EXPECT_THAT(Names(plan), ElementsAre("response", "request", "r-request", "m-req", "auth",
                                       "m-before", "after"));
  EXPECT_TRUE(plan->filters()[4].is_authorizer);
  EXPECT_FALSE(plan->filters()[3].is_authorizer);
  EXPECT_EQ(plan->hooks(), static_cast<uint32_t>(kHookRequestHeaders));
  EXPECT_THAT(Names(builder_->UnroutedChain()), ElementsAre("response", "request"));
  EXPECT_THAT(Problems(), IsEmpty());
}

// Filters of the gateway's own stand around, or behind, all of the definition's at their point; one
// that stands below alone is in the chains of the scopes that configure it.
TEST_F(FilterSetBuilderTest, SidesGoBeforeScopes) {
  FilterSpec outer = Spec("outer", FilterPoint::kRequest);
  outer.side = FilterSide::kOutermost;
  FilterSpec inner = Spec("inner", FilterPoint::kRequest, "{\"shared\":1}");
  inner.side = FilterSide::kInnermost;
  inner.only_below = true;
  outer.module = inner.module = "test.plain";
  outer.config = "{}";
  builder_->AddModule("test.plain", &other_);
  builder_->Begin(Place(), {inner, outer, Spec("user", FilterPoint::kRequest)});
  EXPECT_THAT(Names(builder_->Chain({})), ElementsAre("outer", "user"));
  EXPECT_THAT(Names(builder_->UnroutedChain()), ElementsAre("outer", "user"));
  const ChainPlan* const plan =
      builder_->Chain({{"GET /x",
                        {Override("inner", "{\"own\":1}"), Spec("m", FilterPoint::kRequest),
                         Spec("b", FilterPoint::kBeforeIntegration)}}});
  EXPECT_THAT(Names(plan), ElementsAre("outer", "user", "m", "inner", "b"));
  EXPECT_EQ(ConfigOf(plan, 3), "{\"own\":1}");
  EXPECT_EQ(static_cast<const Configured*>(plan->filters()[3].instance->config)->bytes,
            "{\"shared\":1}");
  EXPECT_THAT(Problems(), IsEmpty());

  // They give way to the definition's own of the same module.
  FilterSpec mine = Spec("mine", FilterPoint::kAuthorize);
  mine.module = "test.plain";
  EXPECT_THAT(Names(builder_->Chain({{"PUT /x", {Override("inner", "{}"), mine}}})),
              ElementsAre("user", "mine"));
}

// plugin-abi.md §7.2: once for each scope that overrides, with the object one scope up as parent.
TEST_F(FilterSetBuilderTest, ScopesAreConfiguredOnce) {
  builder_->Begin(Place(), {Spec("a", FilterPoint::kRequest, "{\"api\":1}")});
  const std::vector<FilterScope> get = {{"/x", {Override("a", "{\"x\":1}")}},
                                        {"GET /x", {Override("a", "{\"get\":1}")}}};
  const std::vector<FilterScope> put = {{"/x", {Override("a", "{\"x\":1}")}}};
  const ChainPlan* const of_get = builder_->Chain(get);
  const ChainPlan* const of_put = builder_->Chain(put);
  const ChainPlan* const of_other = builder_->Chain({});
  EXPECT_THAT(events, ElementsAre("a@{\"api\":1}", "a@/x{\"x\":1}<{\"api\":1}",
                                  "a@GET /x{\"get\":1}<{\"x\":1}"));
  EXPECT_EQ(ConfigOf(of_get, 0), "{\"get\":1}");
  EXPECT_EQ(ConfigOf(of_put, 0), "{\"x\":1}");
  EXPECT_EQ(ConfigOf(of_other, 0), "{\"api\":1}");
  EXPECT_EQ(builder_->Chain(get), of_get);
  EXPECT_EQ(of_get->filters()[0].instance, of_other->filters()[0].instance);
  // What worker_create gets is the outermost.
  EXPECT_EQ(of_get->filters()[0].instance->config, of_other->filters()[0].config);

  events.clear();
  std::shared_ptr<const FilterSet> set = builder_->Finish();
  EXPECT_EQ(set->instances().size(), 1u);
  set.reset();
  EXPECT_THAT(events, ElementsAre("~{\"get\":1}", "~{\"x\":1}", "~{\"api\":1}"));
}

TEST_F(FilterSetBuilderTest, OverridesMayChangeHowNotWhat) {
  builder_->Begin(Place(), {Spec("a", FilterPoint::kRequest, "{\"api\":1}")});
  FilterSpec softer = Override("a", "");
  softer.pause_limit_ms = 5;
  softer.failure_policy = FilterFailurePolicy::kSkip;
  const ChainPlan* const plan = builder_->Chain({{"GET /x", {softer}}});
  EXPECT_EQ(ConfigOf(plan, 0), "{\"api\":1}");
  EXPECT_EQ(plan->filters()[0].pause_limit_ms, 5u);
  EXPECT_EQ(plan->filters()[0].failure_policy, FilterFailurePolicy::kSkip);
  EXPECT_EQ(events.size(), 1u);
  EXPECT_EQ(builder_->Chain({{"PUT /x", {Disabled("a")}}}), nullptr);
}

// plugin-abi.md §9, "Repeated fault": left out where it is not required, kept where it is.
TEST_F(FilterSetBuilderTest, QuarantinedModulesAreLeftOutWhereTheyAreNotRequired) {
  builder_->AddModule("test.m", &module_, /*quarantined=*/true);
  FilterSpec optional = Spec("a", FilterPoint::kRequest);
  optional.required = false;
  builder_->Begin(Place(), {optional, Spec("b", FilterPoint::kRequest)});
  EXPECT_THAT(Names(builder_->Chain({})), ElementsAre("b"));
  EXPECT_THAT(Names(builder_->Chain({{"GET /x", {Override("a", "")}}})), ElementsAre("a", "b"));
  EXPECT_THAT(Problems(), IsEmpty());
}

// Methods that place the same filter alike share one instance, and with it its worker state.
TEST_F(FilterSetBuilderTest, EqualPlacementsBelowTheApiAreOneInstance) {
  builder_->Begin(Place(), {});
  const auto chain = [&](std::string scope, std::string config) {
    return builder_->Chain({{std::move(scope), {Spec("a", FilterPoint::kRequest, config)}}});
  };
  const ChainPlan* const get = chain("GET /x", "{\"n\":1}");
  const ChainPlan* const put = chain("PUT /x", "{\"n\":1}");
  const ChainPlan* const other = chain("GET /y", "{\"n\":2}");
  EXPECT_EQ(get, put);
  EXPECT_NE(get->filters()[0].instance, other->filters()[0].instance);
  EXPECT_NE(get->filters()[0].instance->handover_key, other->filters()[0].instance->handover_key);
  EXPECT_THAT(events, ElementsAre("a@GET /x{\"n\":1}", "a@GET /y{\"n\":2}"));
}

TEST_F(FilterSetBuilderTest, StagesAreApart) {
  builder_->Begin(Place("prod"), {Spec("a", FilterPoint::kRequest)});
  const ChainPlan* const prod = builder_->Chain({});
  FilterSetBuilder::Place canary = Place("prod");
  canary.canary = true;
  builder_->Begin(std::move(canary), {Spec("a", FilterPoint::kRequest)});
  const ChainPlan* const of_canary = builder_->Chain({});
  EXPECT_NE(prod, of_canary);
  EXPECT_NE(prod->filters()[0].instance->handover_key,
            of_canary->filters()[0].instance->handover_key);
  EXPECT_EQ(prod->filters()[0].instance->id, 0u);
  EXPECT_EQ(of_canary->filters()[0].instance->id, 1u);
}

// All problems of all instances and scopes, each said once however many stages there are.
TEST_F(FilterSetBuilderTest, EveryObjectionIsReported) {
  for (const char* stage : {"a", "b"}) {
    builder_->Begin(Place(stage), {Spec("one", FilterPoint::kRequest, "{\"two\":\"errors\"}"),
                                   Spec("two", FilterPoint::kRequest, "{\"silent\":1}"),
                                   Spec("ok", FilterPoint::kRequest)});
    builder_->Chain({{"GET /pets", {Override("ok", "{\"throw\":1}")}}});
    builder_->Chain({{"PUT /pets", {Override("ok", "{\"late\":1}")}}});
  }
  EXPECT_THAT(
      Problems(),
      ElementsAre("whole API, filter \"one\" (test.m 1.0.0): a[0].b: is wrong",
                  "whole API, filter \"one\" (test.m 1.0.0): is wrong as a whole",
                  "whole API, filter \"two\" (test.m 1.0.0): refused with status -1, without a "
                  "reason",
                  "GET /pets, filter \"ok\" (test.m 1.0.0): its config_create threw an exception",
                  "PUT /pets, filter \"ok\" (test.m 1.0.0): late: came with an object"));
  builder_->Finish();
  EXPECT_EQ(alive, 0);
}

// abi.h: without config_create only "{}" is accepted, and the object is null.
TEST_F(FilterSetBuilderTest, ModulesWithoutConfiguration) {
  FilterSpec spec = Spec("p", FilterPoint::kRequest, "");
  spec.module = "test.plain";
  builder_->Begin(Place(), {spec});
  EXPECT_THAT(Problems(), IsEmpty());
  EXPECT_EQ(builder_->Chain({})->filters()[0].config, nullptr);
  spec.config = "{\"a\":1}";
  builder_->Begin(Place(), {spec});
  EXPECT_THAT(Problems(),
              ElementsAre("whole API, filter \"p\" (test.plain 1.0.0): this module takes no "
                          "configuration"));
}

// ---- The functions of the table that work inside config_create. ----

// Runs `body` inside config_create.
class ConfigHostTest : public FilterSetBuilderTest {
 protected:
  void Inside(FilterModule* module, const std::function<void(postern_config_ctx*)>& body) {
    static const std::function<void(postern_config_ctx*)>* current;
    current = &body;
    postern_filter hooks{};
    hooks.size = sizeof(hooks);
    hooks.config_create = [](void*, postern_config_ctx* context, const postern_config*, void**) {
      (*current)(context);
      return postern_status{POSTERN_OK};
    };
    module->Initialize(&hooks, nullptr);
    builder_->Begin(Place(), {[&] {
                      FilterSpec spec = Spec("i", FilterPoint::kRequest);
                      spec.module = module->name();
                      return spec;
                    }()});
    chain_ = builder_->Chain({});
  }
  const FilterInstance& instance() const { return *chain_->filters()[0].instance; }

  const ChainPlan* chain_ = nullptr;
};

TEST_F(ConfigHostTest, UpstreamsGetIdsOfThisSnapshot) {
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t again = 0;
  Inside(&module_, [&](postern_config_ctx* context) {
    EXPECT_EQ(host.upstream_resolve(context, Str("a"), &a), POSTERN_OK);
    EXPECT_EQ(host.upstream_resolve(context, Str("b"), &b), POSTERN_OK);
    EXPECT_EQ(host.upstream_resolve(context, Str("a"), &again), POSTERN_OK);
    EXPECT_EQ(host.upstream_resolve(context, Str("none"), &again), POSTERN_E_NOT_FOUND);
  });
  EXPECT_NE(a, b);
  EXPECT_EQ(a, again);
  EXPECT_NE(a, 0u);
  EXPECT_EQ(instance().FindUpstream(b)->authority, "b.example");
  EXPECT_EQ(instance().FindUpstream(b)->name, "b");
  EXPECT_EQ(instance().FindUpstream(b + 1), nullptr);
  EXPECT_EQ(instance().FindUpstream(1), nullptr);
  const uint32_t before = b;
  Restart();
  Inside(&module_, [&](postern_config_ctx* context) {
    EXPECT_EQ(host.upstream_resolve(context, Str("a"), &a), POSTERN_OK);
  });
  EXPECT_EQ(instance().FindUpstream(before), nullptr) << "an id of another snapshot";
}

TEST_F(ConfigHostTest, UpstreamsNeedTheCapability) {
  Inside(&plain_, [&](postern_config_ctx* context) {
    uint32_t id = 0;
    EXPECT_EQ(host.upstream_resolve(context, Str("a"), &id), POSTERN_E_DENIED);
  });
}

TEST_F(ConfigHostTest, VariablesAreThoseOfTheModel) {
  Inside(&module_, [&](postern_config_ctx* context) {
    uint32_t id = 0;
    uint32_t again = 0;
    EXPECT_EQ(host.var_resolve(context, Str("identity.sourceIp"), &id), POSTERN_OK);
    EXPECT_EQ(host.var_resolve(context, Str("identity.sourceIp"), &again), POSTERN_OK);
    EXPECT_EQ(id, again);
    EXPECT_EQ(host.var_resolve(context, Str("authorizer.anything"), &id), POSTERN_OK);
    EXPECT_EQ(host.var_resolve(context, Str("authorizer.else"), &again), POSTERN_OK);
    EXPECT_NE(id, again);
    EXPECT_EQ(host.var_resolve(context, Str("filter.other.value"), &id), POSTERN_OK);
    EXPECT_EQ(host.var_resolve(context, Str("identity.nothing"), &id), POSTERN_E_NOT_FOUND);
    EXPECT_EQ(host.var_resolve(context, Str("$context.path"), &id), POSTERN_E_NOT_FOUND);
  });
  EXPECT_EQ(instance().variables.size(), 4u);
  EXPECT_EQ(instance().FindVariable(instance().id_tag << 16)->id, VariableId::kIdentitySourceIp);
}

TEST_F(ConfigHostTest, MetricsAreDefinedOnceForTheProcess) {
  const auto define = [](postern_config_ctx* context, uint32_t kind, std::string_view name,
                         std::vector<postern_str> labels, uint32_t* id) {
    return host.metric_define(context, kind, Str(name), labels.data(), labels.size(), id);
  };
  Inside(&module_, [&](postern_config_ctx* context) {
    uint32_t id = 0;
    uint32_t again = 1;
    EXPECT_EQ(define(context, POSTERN_COUNTER, "hits_total", {Str("kind")}, &id), POSTERN_OK);
    EXPECT_EQ(define(context, POSTERN_COUNTER, "hits_total", {Str("kind")}, &again), POSTERN_OK);
    EXPECT_EQ(id, again);
    const FilterMetricDefinition* found = FilterMetricDefinitions::Instance().Find(id);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->family, "postern_filter_test_m_hits_total");
    EXPECT_THAT(found->labels, ElementsAre("kind"));
    // Another kind, other labels, bad names.
    EXPECT_EQ(define(context, POSTERN_GAUGE, "hits_total", {Str("kind")}, &id), POSTERN_E_INVALID);
    EXPECT_EQ(define(context, POSTERN_COUNTER, "hits_total", {}, &id), POSTERN_E_INVALID);
    EXPECT_EQ(define(context, POSTERN_COUNTER, "hits", {}, &id), POSTERN_E_INVALID);
    EXPECT_EQ(define(context, POSTERN_GAUGE, "Hits", {}, &id), POSTERN_E_INVALID);
    EXPECT_EQ(define(context, 7, "hits", {}, &id), POSTERN_E_INVALID);
    EXPECT_EQ(define(context, POSTERN_GAUGE, "g", {Str("a"), Str("a")}, &id), POSTERN_E_INVALID);
    EXPECT_EQ(define(context, POSTERN_GAUGE, "g", std::vector<postern_str>(9, Str("a")), &id),
              POSTERN_E_INVALID);
    for (int i = 0; i < 300; ++i) {
      const postern_status status = define(context, POSTERN_GAUGE, Concat("gauge_", i), {}, &id);
      ASSERT_EQ(status, i < 255 ? POSTERN_OK : POSTERN_E_LIMIT) << i;
    }
  });
  EXPECT_EQ(FilterMetricDefinitions::Instance().Find(100000), nullptr);
}

// A context that is kept, or used by another thread, is not looked into.
TEST_F(ConfigHostTest, ContextsEndWithTheCall) {
  Inside(&module_, [&](postern_config_ctx* context) {
    kept_context = context;
    std::thread([context] {
      uint32_t id = 0;
      EXPECT_EQ(host.var_resolve(context, Str("path"), &id), POSTERN_E_STATE);
      host.config_error(context, Str("a"), Str("b"));
    }).join();
  });
  uint32_t id = 0;
  EXPECT_EQ(host.upstream_resolve(kept_context, Str("a"), &id), POSTERN_E_STATE);
  EXPECT_EQ(host.metric_define(kept_context, POSTERN_GAUGE, Str("g"), nullptr, 0, &id),
            POSTERN_E_STATE);
  host.config_error(kept_context, Str("a"), Str("b"));
  host.config_error(nullptr, Str("a"), Str("b"));
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(ConfigHostTest, ReportsAreBounded) {
  Inside(&module_, [&](postern_config_ctx* context) {
    const std::string field(5000, 'f');
    for (int i = 0; i < 1000; ++i) {
      host.config_error(context, Str(field), Str(Concat("\xff problem ", i)));
    }
  });
  EXPECT_EQ(builder_->problems().size(), ConfigCall::kMaxErrors + 1);
  EXPECT_EQ(builder_->problems()[0].text, "\xEF\xBF\xBD problem 0");
  EXPECT_LT(builder_->problems()[0].where.size(), 1200u);
  EXPECT_EQ(builder_->problems().back().text, "there are more problems");
}

// ---- config_destroy belongs to the main thread. ----

TEST_F(FilterSetBuilderTest, ConfigurationsAreDestroyedOnTheMainThread) {
  builder_->Begin(Place(), {Spec("a", FilterPoint::kRequest)});
  std::shared_ptr<const FilterSet> set = builder_->Finish();
  int woken = 0;
  retired_->SetWake([&woken] { ++woken; });
  events.clear();
  std::thread([set = std::move(set)]() mutable { set.reset(); }).join();
  EXPECT_EQ(woken, 1);
  EXPECT_THAT(events, IsEmpty());
  retired_->Destroy();
  EXPECT_THAT(events, ElementsAre("~{}"));
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace postern
