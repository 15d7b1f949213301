// Row by row, what abi.h promises a module: each function of the host, and the rules of one
// direction, of lifecycle and of threads.
#include "api/sdk/testing/fake_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "api/sdk/testing/script_module.h"

namespace postern::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint32_t kAll =
    POSTERN_CAP_BODY | POSTERN_CAP_CALLOUT | POSTERN_CAP_SHARED | POSTERN_CAP_THREADS;
constexpr uint32_t kCalloutAndShared = POSTERN_CAP_CALLOUT | POSTERN_CAP_SHARED;

class FakeHostTest : public ::testing::Test {
 protected:
  void SetUp() override { Restart(kAll); }

  void Restart(uint32_t capabilities) {
    host_.reset();
    ResetScript();
    manifest_ = script_module::Manifest(capabilities);
    host_ = std::make_unique<FakeHost>(&manifest_, &script_module::Init);
    host_->AddUpstream("up", [this](const CalloutRequest&) { return answer_; });
  }

  FakeStream& Start() {
    EXPECT_TRUE(host_->Configure()) << host_->ErrorText();
    return host_->NewStream();
  }

  // Takes the misuses; each must contain its text.
  void ExpectMisuses(const std::vector<std::string>& texts) {
    const std::vector<std::string> misuses = host_->TakeMisuses();
    ASSERT_EQ(misuses.size(), texts.size()) << (misuses.empty() ? "" : misuses[0]);
    for (size_t i = 0; i < texts.size(); ++i) EXPECT_THAT(misuses[i], HasSubstr(texts[i]));
  }

  static const postern_host& abi() { return *TheScript().host; }
  static void On(Hook hook, std::function<postern_verdict(postern_ctx*, uint32_t)> fn) {
    TheScript().hooks[hook] = std::move(fn);
  }
  static postern_status Set(postern_ctx* s, uint32_t map, std::string_view name,
                            std::string_view value) {
    return abi().header_set(s, map, Str(name), Str(value));
  }
  static std::string Read(postern_ctx* s, uint32_t direction) {
    postern_str slices[8];
    uint64_t total = 0;
    const size_t n = abi().body_read(s, direction, slices, 8, &total);
    std::string text;
    for (size_t i = 0; i < n; ++i) text += Text(slices[i]);
    EXPECT_EQ(text.size(), total);
    return text;
  }
  static postern_status Splice(postern_ctx* s, uint32_t direction, uint64_t offset, uint64_t remove,
                               std::string_view insert) {
    return abi().body_splice(s, direction, offset, remove, Str(insert), nullptr, nullptr);
  }
  static postern_status Reply(postern_ctx* s, uint32_t kind, std::string_view detail = "",
                              uint32_t status = 0) {
    postern_reply reply{};
    reply.size = sizeof reply;
    reply.kind = kind;
    reply.status = status;
    reply.detail = Str(detail);
    return abi().reply(s, &reply);
  }

  postern_manifest manifest_{};
  std::unique_ptr<FakeHost> host_;
  std::optional<CalloutAnswer> answer_ = CalloutAnswer{};
};

// -- Process --

TEST_F(FakeHostTest, LogsFromAnyThread) {
  Start();
  std::thread([] {
    abi().log(TheScript().self, POSTERN_LOG_WARN, Str("from a thread"));
    EXPECT_NE(abi().log_enabled(TheScript().self, POSTERN_LOG_TRACE), 0);
  }).join();
  EXPECT_TRUE(host_->Logged("from a thread"));
  EXPECT_EQ(host_->logs()[0].level, uint32_t{POSTERN_LOG_WARN});
}

TEST_F(FakeHostTest, TheClockStandsStillUntilItIsMoved) {
  const uint64_t start = abi().now(POSTERN_CLOCK_MONOTONIC_MS);
  const uint64_t wall = abi().now(POSTERN_CLOCK_WALL_MS);
  host_->AdvanceTime(250);
  EXPECT_EQ(abi().now(POSTERN_CLOCK_MONOTONIC_MS), start + 250);
  EXPECT_EQ(abi().now(POSTERN_CLOCK_WALL_MS), wall + 250);
  EXPECT_EQ(abi().now(7), 0u);
}

TEST_F(FakeHostTest, MetricsAreDefinedOnceAndRecordedAnywhere) {
  uint32_t counter = 0;
  uint32_t again = 0;
  uint32_t gauge = 0;
  uint32_t histogram = 0;
  TheScript().configure = [&](postern_config_ctx* c, const postern_config&, void**) {
    const postern_str labels[] = {Str("a"), Str("b")};
    EXPECT_EQ(abi().metric_define(c, POSTERN_COUNTER, Str("n_total"), labels, 2, &counter), 0);
    EXPECT_EQ(abi().metric_define(c, POSTERN_COUNTER, Str("n_total"), labels, 2, &again), 0);
    EXPECT_EQ(abi().metric_define(c, POSTERN_GAUGE, Str("level"), nullptr, 0, &gauge), 0);
    EXPECT_EQ(abi().metric_define(c, POSTERN_HISTOGRAM, Str("time"), nullptr, 0, &histogram), 0);
    uint32_t id = 0;
    for (const char* bad : {"", "N_total", "n", "n-total", "1_total"}) {
      EXPECT_EQ(abi().metric_define(c, POSTERN_COUNTER, Str(bad), nullptr, 0, &id),
                POSTERN_E_INVALID)
          << bad;
    }
    EXPECT_EQ(abi().metric_define(c, POSTERN_GAUGE, Str("n_total"), labels, 2, &id),
              POSTERN_E_INVALID);
    EXPECT_EQ(abi().metric_define(c, POSTERN_COUNTER, Str("n_total"), labels, 1, &id),
              POSTERN_E_INVALID);
    EXPECT_EQ(abi().metric_define(c, 3, Str("x"), nullptr, 0, &id), POSTERN_E_INVALID);
    return POSTERN_OK;
  };
  Start();
  EXPECT_EQ(counter, again);
  const postern_str values[] = {Str("x"), Str("y")};
  std::thread([&] { abi().metric_record(counter, 2, values, 2); }).join();
  abi().metric_record(counter, 3, values, 2);
  abi().metric_record(gauge, 7, nullptr, 0);
  abi().metric_record(gauge, -1, nullptr, 0);
  abi().metric_record(histogram, 4, nullptr, 0);
  EXPECT_EQ(host_->MetricValue("n_total", {"x", "y"}), 5);
  EXPECT_EQ(host_->MetricValue("level"), -1);
  EXPECT_THAT(host_->Observations("time"), ElementsAre(4));
  abi().metric_record(counter, 1, values, 1);
  abi().metric_record(counter, -1, values, 2);
  abi().metric_record(99, 1, nullptr, 0);
  ExpectMisuses({"n_total", "n_total", "unknown metric"});
}

// -- Configuration --

TEST_F(FakeHostTest, EveryErrorIsCollectedAndRejects) {
  TheScript().configure = [](postern_config_ctx* c, const postern_config& config, void**) {
    EXPECT_EQ(config.size, sizeof(postern_config));
    EXPECT_EQ(config.encoding, uint32_t{POSTERN_CONFIG_JSON});
    EXPECT_EQ(Text(config.instance), "test");
    abi().config_error(c, Str("a"), Str("first"));
    abi().config_error(c, Str("b[0].c"), Str("second"));
    return POSTERN_OK;
  };
  EXPECT_FALSE(host_->Configure("{}", {{"GET /pets", "{}"}}));
  EXPECT_THAT(host_->errors(), ElementsAre("a: first", "b[0].c: second", "GET /pets: a: first",
                                           "GET /pets: b[0].c: second"));
  EXPECT_EQ(host_->snapshots(), 0u);
}

TEST_F(FakeHostTest, ARejectedSnapshotLeavesTheOldOneInForce) {
  Start();
  TheScript().configure = [](postern_config_ctx*, const postern_config&, void**) {
    return POSTERN_E_INVALID;
  };
  EXPECT_FALSE(host_->Configure());
  EXPECT_EQ(host_->snapshots(), 1u);
  FakeStream& stream = host_->NewStream();
  stream.Request();
  EXPECT_TRUE(stream.upstream().complete);
}

TEST_F(FakeHostTest, ScopesSeeTheirParent) {
  static int objects[2];
  const void* seen = nullptr;
  std::vector<const void*> parents;
  TheScript().configure = [&](postern_config_ctx*, const postern_config& config, void** out) {
    *out = &objects[parents.size()];
    parents.push_back(config.parent);
    return POSTERN_OK;
  };
  TheScript().create = [&](const void* config, postern_ctx*) {
    seen = config;
    return &TheScript();
  };
  ASSERT_TRUE(host_->Configure("{}", {{"GET /pets", "{}"}}));
  EXPECT_THAT(parents, ElementsAre(nullptr, &objects[0]));
  host_->NewStream("GET /pets").Request();
  EXPECT_EQ(seen, &objects[1]);
  host_->NewStream().Request();
  EXPECT_EQ(seen, &objects[0]);
}

TEST_F(FakeHostTest, NamesAreResolvedInsideConfigCreateOnly) {
  postern_config_ctx* kept = nullptr;
  TheScript().configure = [&](postern_config_ctx* c, const postern_config&, void**) {
    kept = c;
    uint32_t id = 0;
    EXPECT_EQ(abi().upstream_resolve(c, Str("up"), &id), POSTERN_OK);
    EXPECT_EQ(abi().upstream_resolve(c, Str("down"), &id), POSTERN_E_NOT_FOUND);
    EXPECT_EQ(abi().var_resolve(c, Str("identity.sourceIp"), &id), POSTERN_OK);
    EXPECT_EQ(abi().var_resolve(c, Str("no such"), &id), POSTERN_E_NOT_FOUND);
    return POSTERN_OK;
  };
  Start();
  uint32_t id = 0;
  EXPECT_EQ(abi().upstream_resolve(kept, Str("up"), &id), POSTERN_E_STATE);
  EXPECT_EQ(abi().var_resolve(kept, Str("x"), &id), POSTERN_E_STATE);
  EXPECT_EQ(abi().metric_define(kept, POSTERN_GAUGE, Str("x"), nullptr, 0, &id), POSTERN_E_STATE);
  abi().config_error(kept, Str("x"), Str("late"));
  EXPECT_THAT(host_->errors(), IsEmpty());
  EXPECT_EQ(host_->TakeMisuses().size(), 4u);
}

TEST_F(FakeHostTest, UndeclaredCapabilitiesAreDenied) {
  Restart(POSTERN_CAP_BODY);
  TheScript().configure = [](postern_config_ctx* c, const postern_config&, void**) {
    uint32_t id = 0;
    EXPECT_EQ(abi().upstream_resolve(c, Str("up"), &id), POSTERN_E_DENIED);
    return POSTERN_OK;
  };
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    postern_callout callout{};
    EXPECT_EQ(abi().callout_start(s, &callout, 0, nullptr), POSTERN_E_DENIED);
    EXPECT_EQ(abi().shared_get(TheScript().self, Str("k"), nullptr, 0, nullptr, nullptr),
              POSTERN_E_DENIED);
    return uint32_t{POSTERN_CONTINUE};
  });
  Start().Request();
  ExpectMisuses({"CALLOUT", "CALLOUT", "SHARED"});
}

using FakeHostDeathTest = FakeHostTest;

TEST_F(FakeHostDeathTest, AModuleThatLiesIsNotLoaded) {
  host_.reset();
  const auto load = [](void (*change)(postern_manifest*)) {
    postern_manifest manifest = script_module::Manifest(kAll);
    change(&manifest);
    FakeHost host(&manifest, &script_module::Init);
  };
  EXPECT_DEATH(load([](postern_manifest* m) { m->magic = 1; }), "not one of this ABI");
  EXPECT_DEATH(load([](postern_manifest* m) { m->abi_major = 2; }), "not one of this ABI");
  EXPECT_DEATH(load([](postern_manifest* m) { m->size = 8; }), "not one of this ABI");
  EXPECT_DEATH(load([](postern_manifest* m) { m->abi_minor = 99; }), "newer minor");
  EXPECT_DEATH(load([](postern_manifest* m) { m->capabilities |= 1u << 30; }), "capability");
  EXPECT_DEATH(load([](postern_manifest* m) { m->name[0] = ' '; }), "bad name");
  EXPECT_DEATH(load([](postern_manifest* m) { std::memset(m->name, 'x', sizeof m->name); }),
               "bad name");
  EXPECT_DEATH(load([](postern_manifest* m) { m->version[0] = 0; }), "bad version");
  EXPECT_DEATH(load([](postern_manifest* m) { m->capabilities = kCalloutAndShared; }),
               "BODY is not declared");
}

TEST_F(FakeHostDeathTest, AMisuseThatNoTestExpectsEndsIt) {
  EXPECT_DEATH(
      {
        On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
          abi().resume(s, POSTERN_REQUEST);
          return uint32_t{POSTERN_CONTINUE};
        });
        Start().Request();
        host_.reset();
      },
      "resume: that direction is not paused");
}

// -- Headers --

TEST_F(FakeHostTest, HeadersAreReadByIndexAndAsAList) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    postern_str value{};
    EXPECT_EQ(abi().header_get(s, 0, Str("a"), 0, &value), POSTERN_OK);
    EXPECT_EQ(Text(value), "1");
    EXPECT_EQ(abi().header_get(s, 0, Str("a"), 1, &value), POSTERN_OK);
    EXPECT_EQ(Text(value), "2");
    EXPECT_EQ(abi().header_get(s, 0, Str("a"), 2, &value), POSTERN_E_NOT_FOUND);
    EXPECT_EQ(abi().header_get(s, 0, Str(":method"), 0, &value), POSTERN_OK);
    EXPECT_EQ(Text(value), "GET");
    postern_header few[5];
    EXPECT_EQ(abi().header_list(s, 0, few, 5), 6u);
    EXPECT_EQ(Text(few[0].name), ":method");
    EXPECT_EQ(Text(few[4].name), "a");
    EXPECT_EQ(abi().header_list(s, 0, nullptr, 0), 6u);
    return uint32_t{POSTERN_CONTINUE};
  });
  Start().Request({{"a", "1"}, {"a", "2"}});
}

TEST_F(FakeHostTest, MapsAreReadFromTheirHookOn) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    postern_str value{};
    EXPECT_EQ(abi().header_get(s, POSTERN_RESPONSE_HEADERS, Str("a"), 0, &value), POSTERN_E_STATE);
    EXPECT_EQ(abi().header_get(s, POSTERN_REQUEST_TRAILERS, Str("a"), 0, &value), POSTERN_E_STATE);
    EXPECT_EQ(abi().header_list(s, POSTERN_RESPONSE_TRAILERS, nullptr, 0), 0u);
    EXPECT_EQ(abi().header_get(s, 4, Str("a"), 0, &value), POSTERN_E_INVALID);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kResponseTrailers, [](postern_ctx* s, uint32_t) {
    postern_str value{};
    EXPECT_EQ(abi().header_get(s, POSTERN_REQUEST_HEADERS, Str("q"), 0, &value), POSTERN_OK);
    EXPECT_EQ(abi().header_get(s, POSTERN_RESPONSE_HEADERS, Str("r"), 0, &value), POSTERN_OK);
    EXPECT_EQ(abi().header_get(s, POSTERN_RESPONSE_TRAILERS, Str("t"), 0, &value), POSTERN_OK);
    EXPECT_EQ(Text(value), "3");
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request({{"q", "1"}});
  stream.Respond(200, {{"r", "2"}}, {"x"}, {{"t", "3"}});
  ExpectMisuses({"map not there yet", "map not there yet", "map not there yet", "unknown map"});
}

TEST_F(FakeHostTest, HeadersAreSetAddedAndRemoved) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(Set(s, 0, "a", "new"), POSTERN_OK);
    EXPECT_EQ(abi().header_add(s, 0, Str("b"), Str("2")), POSTERN_OK);
    EXPECT_EQ(abi().header_set(s, 0, Str("c"), {nullptr, 0}), POSTERN_OK);
    EXPECT_EQ(abi().header_set(s, 0, Str("absent"), {nullptr, 0}), POSTERN_OK);
    EXPECT_EQ(Set(s, 0, "empty", ""), POSTERN_OK);
    EXPECT_EQ(Set(s, 0, ":path", "/other"), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request({{"a", "1"}, {"b", "1"}, {"a", "2"}, {"c", "1"}});
  EXPECT_EQ(stream.upstream().Get("a"), "new");
  EXPECT_EQ(stream.upstream().Get("b"), "1, 2");
  EXPECT_FALSE(stream.upstream().Has("c"));
  EXPECT_TRUE(stream.upstream().Has("empty"));
  EXPECT_EQ(stream.upstream().Get(":path"), "/other");
}

TEST_F(FakeHostTest, NamesAreOfAnyCaseAndKeepTheirSpelling) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    postern_str value{};
    EXPECT_EQ(abi().header_get(s, 0, Str("X-A"), 0, &value), POSTERN_OK);
    EXPECT_EQ(Text(value), "1");
    EXPECT_EQ(Set(s, 0, "X-a", "2"), POSTERN_OK);
    EXPECT_EQ(abi().header_add(s, 0, Str("X-New"), Str("3")), POSTERN_OK);
    EXPECT_EQ(abi().header_set(s, 0, Str("GONE"), {nullptr, 0}), POSTERN_OK);
    postern_header all[8];
    EXPECT_EQ(abi().header_list(s, 0, all, 8), 6u);
    EXPECT_EQ(Text(all[4].name), "x-a");
    EXPECT_EQ(Text(all[5].name), "x-new");
    EXPECT_EQ(abi().header_list(s, 0 | POSTERN_AS_SENT, all, 8), 6u);
    EXPECT_EQ(Text(all[4].name), "X-a");
    EXPECT_EQ(Text(all[5].name), "X-New");
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request({{"x-A", "1"}, {"Gone", "1"}, {"X-A", "1"}});
  const Headers& headers = stream.upstream().headers;
  ASSERT_EQ(headers.size(), 6u);
  EXPECT_EQ(headers[4], (std::pair<std::string, std::string>("X-a", "2")));
  EXPECT_EQ(headers[5], (std::pair<std::string, std::string>("X-New", "3")));
}

TEST_F(FakeHostTest, AClearedMapKeepsPseudoHeadersAndFraming) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(abi().header_clear(s, POSTERN_REQUEST_HEADERS), POSTERN_OK);
    EXPECT_EQ(abi().header_clear(s, POSTERN_RESPONSE_HEADERS), POSTERN_E_STATE);
    EXPECT_EQ(abi().header_clear(s, 4), POSTERN_E_INVALID);
    EXPECT_EQ(Set(s, 0, "New", "1"), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kResponseHeaders, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(abi().header_clear(s, POSTERN_REQUEST_HEADERS), POSTERN_E_STATE);
    EXPECT_EQ(abi().header_clear(s, POSTERN_RESPONSE_HEADERS), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request({{":path", "/x"}, {"a", "1"}, {"Content-Length", "1"}}, {"b"});
  EXPECT_EQ(stream.upstream().headers.size(), 6u);
  EXPECT_EQ(stream.upstream().Get(":path"), "/x");
  EXPECT_EQ(stream.upstream().Get("content-length"), "1");
  EXPECT_EQ(stream.upstream().Get("new"), "1");
  stream.Respond(201, {{"b", "2"}});
  EXPECT_EQ(stream.client().headers.size(), 1u);
  EXPECT_EQ(stream.client().status(), 201);
  ExpectMisuses({"gone past", "unknown map", "gone past"});
}

TEST_F(FakeHostTest, ReasonsAreVariablesOfEveryFilter) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    postern_value value{};
    value.type = POSTERN_VALUE_STRING;
    value.u.str = Str("why");
    EXPECT_EQ(abi().var_set(s, Str("error.validationErrorString"), &value), POSTERN_OK);
    EXPECT_EQ(abi().var_set(s, Str("integration.error"), &value), POSTERN_OK);
    EXPECT_EQ(abi().var_set(s, Str("error.message"), &value), POSTERN_E_DENIED);
    value.type = POSTERN_VALUE_INT;
    EXPECT_EQ(abi().var_set(s, Str("integration.error"), &value), POSTERN_E_INVALID);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_EQ(stream.Variable("error.validationErrorString"), "why");
  EXPECT_EQ(stream.Variable("integration.error"), "why");
  ExpectMisuses({"is not this filter's", "takes a string"});
}

TEST_F(FakeHostTest, BadHeadersAreRefused) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    for (const char* name :
         {"", "Host", "a b", "a:", ":status", ":protocol", "connection", "content-length", "host",
          "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}) {
      EXPECT_EQ(Set(s, 0, name, "x"), POSTERN_E_INVALID) << name;
    }
    for (const std::string& value :
         {std::string("a\rb"), std::string("a\nb"), std::string("a\0b", 3)}) {
      EXPECT_EQ(Set(s, 0, "a", value), POSTERN_E_INVALID);
      EXPECT_EQ(abi().header_add(s, 0, Str("a"), Str(value)), POSTERN_E_INVALID);
    }
    EXPECT_EQ(abi().header_set(s, 0, Str(":path"), {nullptr, 0}), POSTERN_E_INVALID);
    EXPECT_EQ(abi().header_add(s, 0, Str(":path"), Str("/")), POSTERN_E_INVALID);
    EXPECT_EQ(Set(s, 0, "a", std::string(70000, 'x')), POSTERN_E_LIMIT);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_EQ(stream.upstream().headers.size(), 4u);
  EXPECT_EQ(host_->TakeMisuses().size(), 15u + 6 + 2);
}

TEST_F(FakeHostTest, HeadersThatHaveGonePastCannotBeSet) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(Set(s, POSTERN_RESPONSE_HEADERS, "a", "1"), POSTERN_E_STATE);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kRequestBody, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(Set(s, POSTERN_REQUEST_HEADERS, "a", "1"), POSTERN_E_STATE);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kRequestTrailers, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(Set(s, POSTERN_REQUEST_TRAILERS, "t", "new"), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request({}, {"x"}, {{"t", "1"}});
  EXPECT_EQ(stream.upstream().trailers[0].second, "new");
  ExpectMisuses({"gone past", "gone past"});
}

// -- Bodies --

TEST_F(FakeHostTest, TheDefaultIsToObserve) {
  std::string seen;
  On(kRequestBody, [&](postern_ctx* s, uint32_t) {
    seen += Read(s, POSTERN_REQUEST) + "|";
    EXPECT_EQ(Splice(s, POSTERN_REQUEST, 0, 0, "x"), POSTERN_E_STATE);
    EXPECT_EQ(abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_REWRITE, 0), POSTERN_E_STATE);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request({{"content-length", "5"}}, {"abc", "de"});
  EXPECT_EQ(seen, "abc|de|");
  EXPECT_EQ(stream.upstream().body, "abcde");
  EXPECT_EQ(stream.upstream().Get("content-length"), "5");
  EXPECT_EQ(host_->TakeMisuses().size(), 4u);
}

TEST_F(FakeHostTest, SkipLeavesTheBodyHookOut) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_SKIP, 0), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request({}, {"abc"}, {{"t", "1"}});
  EXPECT_THAT(stream.hooks(), ElementsAre("request_headers", "request_trailers"));
}

TEST_F(FakeHostTest, RewriteSplicesAnywhere) {
  std::vector<std::string> out;
  struct Case {
    uint64_t offset;
    uint64_t remove;
    std::string insert;
  };
  const std::vector<Case> cases = {{0, 0, "<"},   {6, 0, ">"}, {0, 6, "all"},
                                   {2, 2, "XYZ"}, {1, 4, ""},  {3, 0, "-"}};
  for (const Case& c : cases) {
    Restart(kAll);
    On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
      EXPECT_EQ(abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_REWRITE, 0), POSTERN_OK);
      return uint32_t{POSTERN_CONTINUE};
    });
    On(kRequestBody, [&](postern_ctx* s, uint32_t) {
      EXPECT_EQ(Splice(s, POSTERN_REQUEST, c.offset, c.remove, c.insert), POSTERN_OK);
      return uint32_t{POSTERN_CONTINUE};
    });
    FakeStream& stream = Start();
    stream.Request({{"content-length", "6"}}, {"abcdef"});
    EXPECT_FALSE(stream.upstream().Has("content-length"));
    out.push_back(stream.upstream().body);
  }
  EXPECT_THAT(out, ElementsAre("<abcdef", "abcdef>", "all", "abXYZef", "af", "abc-def"));
}

TEST_F(FakeHostTest, SplicesOutOfRangeAreRefused) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_REWRITE, 0);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kRequestBody, [](postern_ctx* s, uint32_t) {
    const uint64_t most = std::numeric_limits<uint64_t>::max();
    EXPECT_EQ(Splice(s, POSTERN_REQUEST, 4, 0, "x"), POSTERN_E_INVALID);
    EXPECT_EQ(Splice(s, POSTERN_REQUEST, 1, 3, "x"), POSTERN_E_INVALID);
    EXPECT_EQ(Splice(s, POSTERN_REQUEST, 1, most, "x"), POSTERN_E_INVALID);
    EXPECT_EQ(Splice(s, POSTERN_REQUEST, most, 1, "x"), POSTERN_E_INVALID);
    EXPECT_EQ(Splice(s, POSTERN_RESPONSE, 0, 0, "x"), POSTERN_E_STATE);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request({}, {"abc"});
  EXPECT_EQ(stream.upstream().body, "abc");
  EXPECT_EQ(host_->TakeMisuses().size(), 5u);
}

TEST_F(FakeHostTest, HandedOverMemoryIsReleasedOnce) {
  int released = 0;
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_REWRITE, 0);
    return uint32_t{POSTERN_CONTINUE};
  });
  const auto release = [](void* arg) { ++*static_cast<int*>(arg); };
  On(kRequestBody, [&](postern_ctx* s, uint32_t) {
    const postern_str bytes = Str("handed over");
    EXPECT_EQ(abi().body_splice(s, POSTERN_REQUEST, 9, 0, bytes, release, &released),
              POSTERN_E_INVALID);
    EXPECT_EQ(released, 0);  // A failure leaves it to the module.
    EXPECT_EQ(abi().body_splice(s, POSTERN_REQUEST, 0, 3, bytes, release, &released), POSTERN_OK);
    EXPECT_EQ(released, 0);
    EXPECT_EQ(Read(s, POSTERN_REQUEST), "handed over");
    EXPECT_EQ(abi().body_splice(s, POSTERN_REQUEST, 4, 4, bytes, release, &released), POSTERN_OK);
    EXPECT_EQ(Read(s, POSTERN_REQUEST), "handhanded overver");
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request({}, {"abc"});
  EXPECT_EQ(stream.upstream().body, "handhanded overver");
  EXPECT_EQ(released, 2);
  host_->TakeMisuses();
}

TEST_F(FakeHostTest, HandedOverMemoryOfACutStreamIsReleased) {
  int released = 0;
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_REWRITE, 0);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kRequestBody, [&](postern_ctx* s, uint32_t) {
    abi().body_splice(
        s, POSTERN_REQUEST, 0, 0, Str("x"), [](void* arg) { ++*static_cast<int*>(arg); },
        &released);
    return uint32_t{POSTERN_PAUSE};
  });
  FakeStream& stream = Start();
  stream.Request({}, {"abc"});
  EXPECT_EQ(released, 0);
  stream.Cut();
  EXPECT_EQ(released, 1);
}

TEST_F(FakeHostTest, BufferWaitsForTheWholeBody) {
  int hooks = 0;
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_BUFFER, 6), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kRequestBody, [&](postern_ctx* s, uint32_t flags) {
    ++hooks;
    EXPECT_NE(flags & POSTERN_F_BODY_LAST, 0u);
    EXPECT_EQ(Read(s, POSTERN_REQUEST), "abcdef");
    EXPECT_EQ(Set(s, POSTERN_REQUEST_HEADERS, "x-seen", "1"), POSTERN_OK);
    EXPECT_EQ(Splice(s, POSTERN_REQUEST, 6, 0, "!"), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.RequestHeaders({{"content-length", "6"}}, false);
  stream.RequestBody("abc", false);
  EXPECT_FALSE(stream.upstream().started);
  stream.RequestBody("def", true, true);
  EXPECT_EQ(hooks, 1);
  EXPECT_EQ(stream.upstream().body, "abcdef!");
  EXPECT_EQ(stream.upstream().Get("x-seen"), "1");
  EXPECT_EQ(stream.upstream().Get("content-length"), "7");
  stream.RequestTrailers({{"t", "1"}});
  EXPECT_TRUE(stream.upstream().complete);
}

TEST_F(FakeHostTest, ABodyOverItsLimitIsAnsweredWithoutTheFilter) {
  const auto buffer = [](uint32_t direction) {
    return [direction](postern_ctx* s, uint32_t) {
      abi().body_mode(s, direction, POSTERN_BODY_BUFFER, 5);
      return uint32_t{POSTERN_CONTINUE};
    };
  };
  On(kRequestHeaders, buffer(POSTERN_REQUEST));
  FakeStream& request = Start();
  request.Request({}, {"abc", "def", "ghi"});
  EXPECT_EQ(request.client().status(), 413);
  EXPECT_FALSE(request.upstream().started);
  EXPECT_THAT(request.hooks(), ElementsAre("request_headers"));

  Restart(kAll);
  On(kResponseHeaders, buffer(POSTERN_RESPONSE));
  FakeStream& response = Start();
  response.Request();
  response.Respond(200, {}, {"abc", "def"});
  EXPECT_EQ(response.reply()->kind, uint32_t{POSTERN_REPLY_INTEGRATION_FAILURE});
}

// What the first prototype of a host forgot: headers held by BUFFER, and a pause on top.
TEST_F(FakeHostTest, APauseWithinBufferStillHoldsTheHeaders) {
  postern_ctx* ctx = nullptr;
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_BUFFER, 0);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kRequestBody, [&](postern_ctx* s, uint32_t) {
    ctx = s;
    return uint32_t{POSTERN_PAUSE};
  });
  FakeStream& stream = Start();
  stream.Request({}, {"ab", "cd"});
  EXPECT_FALSE(stream.upstream().started);
  EXPECT_EQ(Splice(ctx, POSTERN_REQUEST, 0, 0, "["), POSTERN_OK);
  EXPECT_EQ(Splice(ctx, POSTERN_REQUEST, 5, 0, "]"), POSTERN_OK);
  EXPECT_EQ(Set(ctx, POSTERN_REQUEST_HEADERS, "x", "1"), POSTERN_OK);
  EXPECT_EQ(abi().resume(ctx, POSTERN_REQUEST), POSTERN_OK);
  EXPECT_FALSE(stream.upstream().started);  // Not inside the call.
  host_->Run();
  EXPECT_EQ(stream.upstream().body, "[abcd]");
  EXPECT_EQ(stream.upstream().Get("x"), "1");
}

// And the other way round: a pause in the headers hook, and BUFFER chosen while it lasts.
TEST_F(FakeHostTest, BufferMayBeChosenWhilePausedInTheHeadersHook) {
  postern_ctx* ctx = nullptr;
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    ctx = s;
    return uint32_t{POSTERN_PAUSE};
  });
  FakeStream& stream = Start();
  stream.Request({}, {"ab", "cd"});
  EXPECT_EQ(abi().body_mode(ctx, POSTERN_REQUEST, POSTERN_BODY_BUFFER, 0), POSTERN_OK);
  EXPECT_EQ(abi().resume(ctx, POSTERN_REQUEST), POSTERN_OK);
  host_->Run();
  EXPECT_THAT(stream.hooks(), ElementsAre("request_headers", "request_body"));
  EXPECT_EQ(stream.upstream().body, "abcd");
}

TEST_F(FakeHostTest, AMessageWithoutBodyMayBeGivenOne) {
  On(kResponseHeaders, [](postern_ctx* s, uint32_t flags) {
    EXPECT_EQ(flags, uint32_t{POSTERN_F_END_STREAM});
    EXPECT_EQ(Splice(s, POSTERN_RESPONSE, 0, 0, "given"), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  stream.Respond(200);
  EXPECT_EQ(stream.client().body, "given");
  EXPECT_EQ(stream.client().Get("content-length"), "5");
  EXPECT_TRUE(stream.client().complete);
}

TEST_F(FakeHostTest, ABodyThatFollowsCannotBeGivenInTheHeadersHook) {
  On(kResponseHeaders, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(Splice(s, POSTERN_RESPONSE, 0, 0, "given"), POSTERN_E_STATE);
    EXPECT_EQ(Read(s, POSTERN_RESPONSE), "");
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  stream.Respond(200, {}, {"own"});
  EXPECT_EQ(stream.client().body, "own");
  ExpectMisuses({"body_splice"});
}

TEST_F(FakeHostTest, ManySlicesAreCountedPastTheCapacity) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_BUFFER, 0);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kRequestBody, [](postern_ctx* s, uint32_t) {
    uint64_t total = 0;
    postern_str one[1];
    EXPECT_EQ(abi().body_read(s, POSTERN_REQUEST, one, 1, &total), 6u);
    EXPECT_EQ(total, 6u);
    EXPECT_EQ(Text(one[0]), "a");
    EXPECT_EQ(abi().body_read(s, POSTERN_REQUEST, nullptr, 0, nullptr), 6u);
    EXPECT_EQ(abi().body_read(s, POSTERN_RESPONSE, nullptr, 0, nullptr), 0u);
    return uint32_t{POSTERN_CONTINUE};
  });
  Start().Request({}, {"ab", "cd", "ef"});
}

// -- Variables --

TEST_F(FakeHostTest, VariablesGoByNumberInAndByNameOut) {
  uint32_t given = 0;
  uint32_t own = 0;
  TheScript().configure = [&](postern_config_ctx* c, const postern_config&, void**) {
    abi().var_resolve(c, Str("identity.sourceIp"), &given);
    abi().var_resolve(c, Str("filter.test.n"), &own);
    return POSTERN_OK;
  };
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    postern_value value{};
    EXPECT_EQ(abi().var_get(s, given, &value), POSTERN_OK);
    EXPECT_EQ(value.type, uint32_t{POSTERN_VALUE_STRING});
    EXPECT_EQ(Text(value.u.str), "10.0.0.1");
    EXPECT_EQ(abi().var_get(s, own, &value), POSTERN_E_NOT_FOUND);
    value.type = POSTERN_VALUE_INT;
    value.u.i64 = -5;
    EXPECT_EQ(abi().var_set(s, Str("filter.test.n"), &value), POSTERN_OK);
    postern_value back{};
    EXPECT_EQ(abi().var_get(s, own, &back), POSTERN_OK);
    EXPECT_EQ(back.u.i64, -5);
    value.type = POSTERN_VALUE_BOOL;
    value.u.boolean = 1;
    EXPECT_EQ(abi().var_set(s, Str("filter.test.b"), &value), POSTERN_OK);
    for (const char* name : {"filter.other.n", "filter.test.", "authorizer.x", "requestId"}) {
      EXPECT_EQ(abi().var_set(s, Str(name), &value), POSTERN_E_DENIED) << name;
    }
    value.type = 99;
    EXPECT_EQ(abi().var_set(s, Str("filter.test.x"), &value), POSTERN_E_INVALID);
    EXPECT_EQ(abi().var_get(s, 0xffff, &value), POSTERN_E_INVALID);
    return uint32_t{POSTERN_CONTINUE};
  });
  TheScript().end = [](postern_ctx* s) {
    postern_value none{};
    EXPECT_EQ(abi().var_set(s, Str("filter.test.b"), &none), POSTERN_OK);
  };
  FakeStream& stream = Start();
  stream.SetVariable("identity.sourceIp", "10.0.0.1");
  stream.Request();
  EXPECT_EQ(stream.Variable("filter.test.n"), "-5");
  EXPECT_EQ(stream.Variable("filter.test.b"), "true");
  stream.Cut();
  EXPECT_EQ(stream.Variable("filter.test.b"), std::nullopt);
  EXPECT_EQ(host_->TakeMisuses().size(), 6u);
}

TEST_F(FakeHostTest, AnAuthorizerSetsItsTree) {
  host_->SetInstance("auth", /*authorizer=*/true);
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    postern_value value{};
    value.type = POSTERN_VALUE_STRING;
    value.u.str = Str("alice");
    EXPECT_EQ(abi().var_set(s, Str("authorizer.principalId"), &value), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_EQ(stream.Variable("authorizer.principalId"), "alice");
}

TEST_F(FakeHostTest, IdsOfAnotherSnapshotAreRefused) {
  uint32_t first = 0;
  uint32_t upstream = 0;
  TheScript().configure = [&](postern_config_ctx* c, const postern_config&, void**) {
    if (first == 0) {
      abi().var_resolve(c, Str("x"), &first);
      abi().upstream_resolve(c, Str("up"), &upstream);
    }
    return POSTERN_OK;
  };
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    postern_value value{};
    EXPECT_EQ(abi().var_get(s, first, &value), POSTERN_E_INVALID);
    postern_callout callout{};
    callout.size = sizeof callout;
    callout.upstream = upstream;
    callout.method = Str("GET");
    callout.path = Str("/");
    EXPECT_EQ(abi().callout_start(s, &callout, 0, nullptr), POSTERN_E_INVALID);
    return uint32_t{POSTERN_CONTINUE};
  });
  ASSERT_TRUE(host_->Configure());
  Start().Request();
  ExpectMisuses({"not an id of this snapshot", "unknown upstream of this snapshot"});
}

// -- Flow --

TEST_F(FakeHostTest, PauseHoldsTheEventAndAllBehindIt) {
  postern_ctx* ctx = nullptr;
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    ctx = s;
    return uint32_t{POSTERN_PAUSE};
  });
  FakeStream& stream = Start();
  stream.Request({}, {"a", "b"}, {{"t", "1"}});
  EXPECT_THAT(stream.hooks(), ElementsAre("request_headers"));
  EXPECT_TRUE(stream.paused(POSTERN_REQUEST));
  EXPECT_EQ(abi().resume(ctx, POSTERN_RESPONSE), POSTERN_E_STATE);
  EXPECT_EQ(abi().resume(ctx, 2), POSTERN_E_INVALID);
  EXPECT_EQ(abi().resume(ctx, POSTERN_REQUEST), POSTERN_OK);
  EXPECT_EQ(abi().resume(ctx, POSTERN_REQUEST), POSTERN_E_STATE);
  host_->Run();
  EXPECT_THAT(stream.hooks(),
              ElementsAre("request_headers", "request_body", "request_body", "request_trailers"));
  EXPECT_TRUE(stream.upstream().complete);
  EXPECT_EQ(host_->TakeMisuses().size(), 3u);
}

TEST_F(FakeHostTest, DetachEndsTheHooksOfOneDirection) {
  On(kRequestHeaders, [](postern_ctx*, uint32_t) { return uint32_t{POSTERN_DETACH}; });
  FakeStream& stream = Start();
  stream.Request({}, {"a"}, {{"t", "1"}});
  stream.Respond(200, {}, {"b"});
  EXPECT_THAT(stream.hooks(), ElementsAre("request_headers", "response_headers", "response_body"));
  EXPECT_EQ(stream.upstream().body, "a");
}

TEST_F(FakeHostTest, EachBodyEndsWithOneLastEvent) {
  std::vector<uint32_t> flags;
  for (const Hook hook : {kRequestHeaders, kRequestBody}) {
    On(hook, [&](postern_ctx*, uint32_t f) {
      flags.push_back(f);
      return uint32_t{POSTERN_CONTINUE};
    });
  }
  const uint32_t last = POSTERN_F_BODY_LAST;
  const uint32_t end = POSTERN_F_END_STREAM;
  Start().Request();
  EXPECT_THAT(std::exchange(flags, {}), ElementsAre(end));
  host_->NewStream().Request({}, {"a", "b"});
  EXPECT_THAT(std::exchange(flags, {}), ElementsAre(0u, 0u, last | end));
  host_->NewStream().Request({}, {"a", ""}, {{"t", "1"}});
  EXPECT_THAT(std::exchange(flags, {}), ElementsAre(0u, 0u, last));
}

TEST_F(FakeHostTest, AFailingFilterRefusesTheRequest) {
  for (const uint32_t verdict : {uint32_t{POSTERN_FAIL}, uint32_t{17}}) {
    Restart(kAll);
    On(kRequestHeaders, [verdict](postern_ctx*, uint32_t) { return verdict; });
    FakeStream& stream = Start();
    stream.Request({}, {"a"});
    EXPECT_TRUE(stream.failed());
    EXPECT_EQ(stream.client().status(), 500);
    EXPECT_EQ(stream.reply()->detail, "filter_failed:test");
    EXPECT_FALSE(stream.upstream().started);
    EXPECT_EQ(host_->TakeMisuses().size(), verdict == POSTERN_FAIL ? 0u : 1u);
  }
}

TEST_F(FakeHostTest, AFailureAfterTheHeadersResets) {
  On(kResponseBody, [](postern_ctx*, uint32_t) { return uint32_t{POSTERN_FAIL}; });
  FakeStream& stream = Start();
  stream.Request();
  stream.Respond(200, {}, {"a", "b"});
  EXPECT_TRUE(stream.client().started);
  EXPECT_TRUE(stream.client().reset);
  EXPECT_FALSE(stream.client().complete);
}

TEST_F(FakeHostTest, AFailingObserverIsSkipped) {
  host_->SetFailurePolicySkip(true);
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    abi().body_mode(s, POSTERN_REQUEST, POSTERN_BODY_BUFFER, 0);
    return uint32_t{POSTERN_CONTINUE};
  });
  On(kRequestBody, [](postern_ctx*, uint32_t) { return uint32_t{POSTERN_FAIL}; });
  FakeStream& stream = Start();
  stream.Request({}, {"a", "b"}, {{"t", "1"}});
  stream.Respond(200);
  EXPECT_EQ(stream.upstream().body, "ab");
  EXPECT_TRUE(stream.upstream().complete);
  EXPECT_EQ(stream.client().status(), 200);
  EXPECT_THAT(stream.hooks(), ElementsAre("request_headers", "request_body"));
}

TEST_F(FakeHostTest, APauseThatNobodyEndsIsEndedByTheHost) {
  host_->SetPauseLimit(300);
  On(kRequestHeaders, [](postern_ctx*, uint32_t) { return uint32_t{POSTERN_PAUSE}; });
  FakeStream& stream = Start();
  stream.Request();
  host_->AdvanceTime(299);
  EXPECT_FALSE(stream.failed());
  host_->AdvanceTime(1);
  EXPECT_TRUE(stream.failed());
  EXPECT_EQ(stream.reply()->detail, "filter_stalled:test");
  EXPECT_EQ(stream.client().status(), 500);
}

TEST_F(FakeHostTest, EachGatewayResponseTypeHasItsReply) {
  const std::vector<std::pair<uint32_t, int>> kinds = {
      {POSTERN_REPLY_ACCESS_DENIED, 403}, {POSTERN_REPLY_UNAUTHORIZED, 401},
      {POSTERN_REPLY_THROTTLED, 429},     {POSTERN_REPLY_REQUEST_TOO_LARGE, 413},
      {POSTERN_REPLY_WAF_FILTERED, 403},  {POSTERN_REPLY_INTEGRATION_TIMEOUT, 504}};
  for (const auto& [kind, status] : kinds) {
    Restart(kAll);
    On(kRequestHeaders, [kind = kind](postern_ctx* s, uint32_t) {
      EXPECT_EQ(Reply(s, kind, "why:not"), POSTERN_OK);
      return uint32_t{POSTERN_FAIL};  // Ignored.
    });
    FakeStream& stream = Start();
    stream.Request({}, {"a"});
    EXPECT_EQ(stream.client().status(), status);
    EXPECT_EQ(stream.reply()->detail, "why:not");
    EXPECT_FALSE(stream.failed());
    EXPECT_FALSE(stream.upstream().started);
    EXPECT_THAT(stream.hooks(), ElementsAre("request_headers"));
  }
  for (uint32_t kind = POSTERN_REPLY_DEFAULT_4XX; kind <= POSTERN_REPLY_INTEGRATION_TIMEOUT;
       ++kind) {
    Restart(kAll);
    On(kRequestHeaders, [kind](postern_ctx* s, uint32_t) {
      EXPECT_EQ(Reply(s, kind), POSTERN_OK) << kind;
      return uint32_t{POSTERN_CONTINUE};
    });
    FakeStream& stream = Start();
    stream.Request();
    EXPECT_GE(stream.client().status(), 400) << kind;
  }
}

TEST_F(FakeHostTest, ARawReplyIsSentAsItIs) {
  bool released = false;
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    const postern_header headers[] = {{Str("x-a"), Str("1")}};
    postern_reply reply{};
    reply.size = sizeof reply;
    reply.kind = POSTERN_REPLY_RAW;
    reply.status = 418;
    reply.headers = headers;
    reply.header_count = 1;
    reply.body = Str("short and stout");
    reply.release = [](void* arg) { *static_cast<bool*>(arg) = true; };
    reply.release_arg = &released;
    EXPECT_EQ(abi().reply(s, &reply), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_EQ(stream.client().status(), 418);
  EXPECT_EQ(stream.client().Get("x-a"), "1");
  EXPECT_EQ(stream.client().body, "short and stout");
  EXPECT_TRUE(released);
}

TEST_F(FakeHostTest, AbortGivesNoAnswer) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(Reply(s, POSTERN_REPLY_ABORT), POSTERN_OK);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_TRUE(stream.client().reset);
  EXPECT_FALSE(stream.client().started);
}

TEST_F(FakeHostTest, RepliesThatBreakTheContractAreRefused) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(Reply(s, 5), POSTERN_E_INVALID);
    EXPECT_EQ(Reply(s, POSTERN_REPLY_RAW, "", 100), POSTERN_E_INVALID);
    EXPECT_EQ(Reply(s, POSTERN_REPLY_RAW, "", 600), POSTERN_E_INVALID);
    EXPECT_EQ(Reply(s, POSTERN_REPLY_RAW, "two words"), POSTERN_E_INVALID);
    postern_reply reply{};
    reply.size = sizeof reply;
    reply.kind = POSTERN_REPLY_THROTTLED;
    reply.body = Str("x");
    EXPECT_EQ(abi().reply(s, &reply), POSTERN_E_INVALID);
    const postern_header bad[] = {{Str("content-length"), Str("1")}};
    reply.body = Str("");
    reply.headers = bad;
    reply.header_count = 1;
    EXPECT_EQ(abi().reply(s, &reply), POSTERN_E_INVALID);
    EXPECT_EQ(Reply(s, POSTERN_REPLY_THROTTLED), POSTERN_OK);
    EXPECT_EQ(Reply(s, POSTERN_REPLY_THROTTLED), POSTERN_E_STATE);
    EXPECT_EQ(Set(s, 0, "a", "1"), POSTERN_E_STATE);
    return uint32_t{POSTERN_CONTINUE};
  });
  Start().Request();
  EXPECT_EQ(host_->TakeMisuses().size(), 8u);
}

TEST_F(FakeHostTest, NoReplyOnceResponseHeadersHavePassed) {
  On(kResponseBody, [](postern_ctx* s, uint32_t) {
    EXPECT_EQ(Reply(s, POSTERN_REPLY_DEFAULT_5XX), POSTERN_E_STATE);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  stream.Respond(200, {}, {"a"});
  EXPECT_EQ(stream.client().body, "a");
  ExpectMisuses({"response headers have gone past"});
}

// -- Time and the outside --

TEST_F(FakeHostTest, TimersFireInOrderAndAfterTheHook) {
  std::vector<uint64_t> tags;
  uint64_t cancelled = 0;
  TheScript().event = [&](postern_ctx* s, const postern_event& e) {
    EXPECT_EQ(e.type, uint32_t{POSTERN_EVENT_TIMER});
    EXPECT_NE(e.id, 0u);
    EXPECT_EQ(abi().timer_cancel(s, e.id), POSTERN_E_NOT_FOUND);
    tags.push_back(e.tag);
  };
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    EXPECT_EQ(abi().timer_start(s, 20, 2, nullptr), POSTERN_OK);
    EXPECT_EQ(abi().timer_start(s, 10, 1, nullptr), POSTERN_OK);
    EXPECT_EQ(abi().timer_start(s, 0, 0, nullptr), POSTERN_OK);
    EXPECT_EQ(abi().timer_start(s, 15, 9, &cancelled), POSTERN_OK);
    EXPECT_EQ(abi().timer_cancel(s, cancelled), POSTERN_OK);
    EXPECT_EQ(abi().timer_cancel(s, cancelled), POSTERN_E_NOT_FOUND);
    EXPECT_TRUE(tags.empty());
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_THAT(tags, ElementsAre(0));
  host_->AdvanceTime(15);
  EXPECT_THAT(tags, ElementsAre(0, 1));
  host_->AdvanceTime(100);
  EXPECT_THAT(tags, ElementsAre(0, 1, 2));
}

TEST_F(FakeHostTest, WhatAStreamStartedEndsWithIt) {
  int events = 0;
  postern_ctx* ctx = nullptr;
  uint32_t upstream = 0;
  answer_->delay_ms = 50;
  TheScript().configure = [&](postern_config_ctx* c, const postern_config&, void**) {
    return abi().upstream_resolve(c, Str("up"), &upstream);
  };
  TheScript().event = [&](postern_ctx*, const postern_event&) { ++events; };
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    ctx = s;
    postern_callout callout{};
    callout.size = sizeof callout;
    callout.upstream = upstream;
    callout.method = Str("GET");
    callout.path = Str("/");
    EXPECT_EQ(abi().callout_start(s, &callout, 0, nullptr), POSTERN_OK);
    EXPECT_EQ(abi().timer_start(s, 50, 0, nullptr), POSTERN_OK);
    return uint32_t{POSTERN_PAUSE};
  });
  TheScript().end = [](postern_ctx* s) {
    EXPECT_EQ(abi().timer_start(s, 1, 0, nullptr), POSTERN_E_STATE);
    EXPECT_EQ(abi().resume(s, POSTERN_REQUEST), POSTERN_E_STATE);
    EXPECT_EQ(Reply(s, POSTERN_REPLY_RAW), POSTERN_E_STATE);
    EXPECT_EQ(abi().waker_new(s), nullptr);
  };
  FakeStream& stream = Start();
  stream.Request();
  stream.Cut();
  host_->AdvanceTime(1000);
  EXPECT_EQ(events, 0);
  EXPECT_EQ(abi().resume(ctx, POSTERN_REQUEST), POSTERN_E_STATE);
  EXPECT_EQ(host_->TakeMisuses().size(), 5u);
}

TEST_F(FakeHostTest, CalloutsEndWithOneEvent) {
  uint32_t upstream = 0;
  TheScript().configure = [&](postern_config_ctx* c, const postern_config&, void**) {
    return abi().upstream_resolve(c, Str("up"), &upstream);
  };
  const postern_header headers[] = {{Str("x-a"), Str("1")}};
  postern_callout callout{};
  callout.size = sizeof callout;
  callout.method = Str("POST");
  callout.path = Str("/p?q");
  callout.headers = headers;
  callout.header_count = 1;
  callout.body = Str("question");
  callout.timeout_ms = 100;
  callout.max_response_bytes = 10;
  uint64_t id = 0;
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    callout.upstream = upstream;
    EXPECT_EQ(abi().callout_start(s, &callout, 7, &id), POSTERN_OK);
    EXPECT_NE(id, 0u);
    return uint32_t{POSTERN_PAUSE};
  });
  std::string seen;
  TheScript().event = [&](postern_ctx* s, const postern_event& e) {
    EXPECT_EQ(e.type, uint32_t{POSTERN_EVENT_CALLOUT});
    EXPECT_EQ(e.tag, 7u);
    EXPECT_EQ(e.id, id);
    seen = std::to_string(e.callout->outcome) + " " + std::to_string(e.callout->status) + " " +
           std::to_string(e.callout->latency_ms) + " ";
    for (size_t i = 0; i < e.callout->body_count; ++i) seen += Text(e.callout->body[i]);
    for (size_t i = 0; i < e.callout->header_count; ++i) seen += Text(e.callout->headers[i].name);
    EXPECT_EQ(abi().resume(s, POSTERN_REQUEST), POSTERN_OK);
  };
  answer_ = CalloutAnswer{.status = 201,
                          .headers = {{"x-b", "2"}},
                          .body = "answer",
                          .delay_ms = 5,
                          .outcome = POSTERN_CALLOUT_OK};
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_FALSE(stream.upstream().started);
  host_->AdvanceTime(5);
  EXPECT_EQ(seen, "0 201 5 answerx-b");
  EXPECT_TRUE(stream.upstream().complete);
  EXPECT_EQ(host_->callouts()[0].method, "POST");
  EXPECT_EQ(host_->callouts()[0].path, "/p?q");
  EXPECT_EQ(host_->callouts()[0].body, "question");
  EXPECT_EQ(host_->callouts()[0].Get("x-a"), "1");

  answer_->body = std::string(11, 'x');
  host_->NewStream().Request();
  host_->AdvanceTime(5);
  EXPECT_EQ(seen, "4 0 5 ");
  answer_ = std::nullopt;
  host_->NewStream().Request();
  host_->AdvanceTime(100);
  EXPECT_EQ(seen, "1 0 100 ");
  answer_ = CalloutAnswer{.outcome = POSTERN_CALLOUT_CONNECT};
  host_->NewStream().Request();
  EXPECT_EQ(seen, "2 0 0 ");
}

TEST_F(FakeHostTest, BadCalloutsAreRefusedAndCancelledOnesStaySilent) {
  uint32_t upstream = 0;
  int events = 0;
  TheScript().configure = [&](postern_config_ctx* c, const postern_config&, void**) {
    return abi().upstream_resolve(c, Str("up"), &upstream);
  };
  TheScript().event = [&](postern_ctx*, const postern_event&) { ++events; };
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    const postern_header framing[] = {{Str("transfer-encoding"), Str("chunked")}};
    postern_callout good{};
    good.size = sizeof good;
    good.upstream = upstream;
    good.method = Str("GET");
    good.path = Str("/");
    for (int fault = 0; fault < 5; ++fault) {
      postern_callout bad = good;
      if (fault == 0) bad.upstream = 0;
      if (fault == 1) bad.method = Str("G T");
      if (fault == 2) bad.path = Str("check");
      if (fault == 3) bad.path = Str("/a\r\nb");
      if (fault == 4) {
        bad.headers = framing;
        bad.header_count = 1;
      }
      EXPECT_EQ(abi().callout_start(s, &bad, 0, nullptr), POSTERN_E_INVALID) << fault;
    }
    uint64_t id = 0;
    EXPECT_EQ(abi().callout_start(s, &good, 0, &id), POSTERN_OK);
    EXPECT_EQ(abi().callout_cancel(s, id), POSTERN_OK);
    EXPECT_EQ(abi().callout_cancel(s, id), POSTERN_E_NOT_FOUND);
    return uint32_t{POSTERN_CONTINUE};
  });
  Start().Request();
  host_->AdvanceTime(100000);
  EXPECT_EQ(events, 0);
  EXPECT_EQ(host_->TakeMisuses().size(), 5u);
}

// -- Wakers and threads --

TEST_F(FakeHostTest, WakesFromManyThreadsAreNeitherLostNorMerged) {
  constexpr int kThreads = 8;
  constexpr int kFires = 500;
  int wakes = 0;
  uint64_t last[kThreads] = {};
  TheScript().event = [&](postern_ctx*, const postern_event& e) {
    EXPECT_EQ(e.type, uint32_t{POSTERN_EVENT_WAKE});
    const uint64_t thread = e.tag / 1000000;
    EXPECT_GT(e.tag % 1000000, last[thread]);  // In order of firing.
    last[thread] = e.tag % 1000000;
    ++wakes;
  };
  postern_waker* waker = nullptr;
  On(kRequestHeaders, [&](postern_ctx* s, uint32_t) {
    waker = abi().waker_new(s);
    return uint32_t{POSTERN_CONTINUE};
  });
  FakeStream& stream = Start();
  stream.Request();
  ASSERT_NE(waker, nullptr);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([waker, t] {
      for (uint64_t i = 1; i <= kFires; ++i) {
        EXPECT_EQ(abi().waker_fire(waker, t * 1000000 + i), POSTERN_OK);
      }
    });
  }
  EXPECT_TRUE(host_->RunUntil([&] { return wakes == kThreads * kFires; }));
  for (std::thread& thread : threads) thread.join();
  stream.Cut();
  EXPECT_EQ(abi().waker_fire(waker, 1), POSTERN_E_NOT_FOUND);
  abi().waker_free(waker);
  abi().waker_free(nullptr);
}

TEST_F(FakeHostTest, OtherThreadsAreRefused) {
  On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
    std::thread([s] {
      postern_str value{};
      postern_value variable{};
      EXPECT_EQ(abi().header_get(s, 0, Str("a"), 0, &value), POSTERN_E_STATE);
      EXPECT_EQ(abi().resume(s, POSTERN_REQUEST), POSTERN_E_STATE);
      EXPECT_EQ(abi().var_set(s, Str("filter.test.a"), &variable), POSTERN_E_STATE);
      EXPECT_EQ(abi().timer_start(s, 1, 0, nullptr), POSTERN_E_STATE);
      EXPECT_EQ(abi().waker_new(s), nullptr);
      EXPECT_EQ(Reply(s, POSTERN_REPLY_RAW), POSTERN_E_STATE);
    }).join();
    return uint32_t{POSTERN_CONTINUE};
  });
  Start().Request();
  const std::vector<std::string> misuses = host_->TakeMisuses();
  EXPECT_EQ(misuses.size(), 6u);
  for (const std::string& misuse : misuses) EXPECT_THAT(misuse, HasSubstr("wrong thread"));
}

// -- The shared store --

TEST_F(FakeHostTest, TheSharedStoreComparesAndSwaps) {
  Start();
  postern_self* self = TheScript().self;
  char buf[8];
  size_t len = 0;
  uint64_t version = 0;
  EXPECT_EQ(abi().shared_get(self, Str("k"), buf, 8, &len, &version), POSTERN_E_NOT_FOUND);
  EXPECT_EQ(abi().shared_put(self, Str("k"), Str("one"), POSTERN_SHARED_ABSENT, 0, &version), 0);
  EXPECT_GT(version, 0u);
  EXPECT_EQ(abi().shared_put(self, Str("k"), Str("two"), POSTERN_SHARED_ABSENT, 0, nullptr),
            POSTERN_E_CONFLICT);
  const uint64_t first = version;
  EXPECT_EQ(abi().shared_put(self, Str("k"), Str("a long value"), first, 0, &version), POSTERN_OK);
  EXPECT_NE(version, first);
  EXPECT_EQ(abi().shared_put(self, Str("k"), Str("x"), first, 0, nullptr), POSTERN_E_CONFLICT);
  EXPECT_EQ(abi().shared_get(self, Str("k"), buf, 8, &len, nullptr), POSTERN_OK);
  EXPECT_EQ(len, 12u);
  EXPECT_EQ(std::string(buf, 8), "a long v");
  EXPECT_EQ(abi().shared_put(self, Str("k"), {nullptr, 0}, POSTERN_SHARED_ANY, 0, &version), 0);
  EXPECT_EQ(version, 0u);
  EXPECT_EQ(host_->Shared("k"), std::nullopt);
  EXPECT_EQ(abi().shared_put(self, Str(""), Str("x"), POSTERN_SHARED_ANY, 0, nullptr),
            POSTERN_E_INVALID);
  EXPECT_EQ(abi().shared_put(self, Str("k"), Str(std::string(65537, 'x')), POSTERN_SHARED_ANY, 0,
                             nullptr),
            POSTERN_E_INVALID);
  EXPECT_EQ(host_->TakeMisuses().size(), 2u);
}

TEST_F(FakeHostTest, SharedNumbersAddAndDie) {
  Start();
  postern_self* self = TheScript().self;
  int64_t sum = 0;
  EXPECT_EQ(abi().shared_add(self, Str("n"), 3, 100, &sum), POSTERN_OK);
  EXPECT_EQ(sum, 3);
  host_->AdvanceTime(99);
  std::thread([&] { abi().shared_add(self, Str("n"), 4, 100, &sum); }).join();
  EXPECT_EQ(sum, 7);
  host_->AdvanceTime(1);  // The time of life counts from the first use.
  EXPECT_EQ(abi().shared_add(self, Str("n"), 1, 100, &sum), POSTERN_OK);
  EXPECT_EQ(sum, 1);
  const int64_t most = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(abi().shared_add(self, Str("n"), most, 0, &sum), POSTERN_OK);
  EXPECT_EQ(sum, most);
  host_->SetShared("s", "text");
  EXPECT_EQ(abi().shared_add(self, Str("s"), 1, 0, &sum), POSTERN_E_INVALID);
}

// -- Lifecycle --

TEST_F(FakeHostTest, LifeHasItsOrder) {
  FakeStream& stream = Start();
  stream.Request();
  stream.Respond(200);
  stream.Finish();
  stream.Finish();
  host_.reset();
  EXPECT_THAT(TheScript().calls, ElementsAre("config", "worker", "create", "end", "destroy",
                                             "worker_destroy", "config_destroy", "module_destroy"));
}

TEST_F(FakeHostTest, AnOldSnapshotLivesUntilItsLastStream) {
  static int states[2];
  int made = 0;
  std::vector<void*> previous;
  TheScript().worker = [&](postern_ctx*, void* before, void** state) {
    previous.push_back(before);
    *state = &states[made++];
    return POSTERN_OK;
  };
  FakeStream& old = Start();
  old.Request();
  ASSERT_TRUE(host_->Configure());
  EXPECT_THAT(previous, ElementsAre(nullptr, &states[0]));
  EXPECT_EQ(host_->snapshots(), 2u);
  EXPECT_THAT(TheScript().calls, Not(::testing::Contains("worker_destroy")));
  old.Respond(200);
  old.Finish();
  EXPECT_EQ(host_->snapshots(), 1u);
  EXPECT_THAT(TheScript().calls, ::testing::Contains("config_destroy"));
}

TEST_F(FakeHostTest, AWorkerMaySayReadyLater) {
  postern_ctx* worker = nullptr;
  bool pending = false;
  TheScript().worker = [&](postern_ctx* w, void*, void**) {
    if (!pending) return POSTERN_OK;
    worker = w;
    EXPECT_EQ(abi().worker_ready(w, POSTERN_OK, Str("")), POSTERN_E_STATE);  // Not from within.
    EXPECT_EQ(abi().timer_start(w, 30, 1, nullptr), POSTERN_OK);
    return POSTERN_PENDING;
  };
  postern_status result = POSTERN_OK;
  TheScript().worker_event = [&](postern_ctx* w, const postern_event& e) {
    EXPECT_EQ(w, worker);
    EXPECT_EQ(e.tag, 1u);
    EXPECT_EQ(abi().worker_ready(w, result, Str("no keys")), POSTERN_OK);
    EXPECT_EQ(abi().worker_ready(w, result, Str("")), POSTERN_E_STATE);
  };
  Start();
  pending = true;
  ASSERT_TRUE(host_->Configure());
  EXPECT_FALSE(host_->ready());
  EXPECT_EQ(host_->snapshots(), 2u);
  host_->AdvanceTime(30);
  EXPECT_TRUE(host_->ready());
  EXPECT_THAT(host_->errors(), IsEmpty());

  result = POSTERN_E_NOT_FOUND;
  ASSERT_TRUE(host_->Configure());
  host_->AdvanceTime(30);
  EXPECT_TRUE(host_->ready());
  EXPECT_THAT(host_->errors(), ElementsAre("worker: no keys"));
  host_->NewStream().Request();  // Of the one before, which stays in force.
  EXPECT_EQ(host_->TakeMisuses().size(), 4u);
}

TEST_F(FakeHostTest, AFailingWorkerRejectsTheSnapshot) {
  TheScript().worker = [](postern_ctx*, void*, void**) { return POSTERN_E_INTERNAL; };
  EXPECT_FALSE(host_->Configure());
  EXPECT_THAT(host_->errors(), ElementsAre("worker: worker_create failed"));
  EXPECT_THAT(TheScript().calls, ElementsAre("config", "worker", "config_destroy"));
}

TEST_F(FakeHostTest, AFilterMayLetAStreamPassBy) {
  TheScript().create = [](const void*, postern_ctx*) -> void* { return nullptr; };
  FakeStream& stream = Start();
  stream.Request({}, {"a"});
  stream.Respond(200);
  stream.Finish();
  EXPECT_TRUE(stream.passed_by());
  EXPECT_THAT(stream.hooks(), IsEmpty());
  EXPECT_EQ(stream.upstream().body, "a");
  EXPECT_THAT(TheScript().calls, Not(::testing::Contains("end")));
  EXPECT_THAT(TheScript().calls, Not(::testing::Contains("destroy")));
}

TEST_F(FakeHostTest, AShorterTableHasNoLaterHooks) {
  host_.reset();
  static postern_filter older;
  older = *script_module::Table();
  older.size = offsetof(postern_filter, response_body);
  host_ = std::make_unique<FakeHost>(
      &manifest_,
      +[](const postern_host* host, postern_self* self, void** module,
          const postern_filter** filter) -> postern_status {
        const postern_status status = script_module::Init(host, self, module, filter);
        *filter = &older;
        return status;
      });
  FakeStream& stream = Start();
  stream.Request({}, {"a"});
  stream.Respond(200, {}, {"b"});
  stream.Finish();
  EXPECT_THAT(stream.hooks(), ElementsAre("request_headers", "request_body", "response_headers"));
  EXPECT_THAT(TheScript().calls, Not(::testing::Contains("destroy")));
}

TEST_F(FakeHostTest, AnExchangeThatEndsWhilePausedIsAMisuse) {
  On(kRequestHeaders, [](postern_ctx*, uint32_t) { return uint32_t{POSTERN_PAUSE}; });
  FakeStream& stream = Start();
  stream.Request();
  stream.Finish();
  ExpectMisuses({"the filter holds the request"});
}

TEST_F(FakeHostDeathTest, AWakerThatIsNotFreedEndsTheTest) {
  EXPECT_DEATH(
      {
        On(kRequestHeaders, [](postern_ctx* s, uint32_t) {
          abi().waker_new(s);
          return uint32_t{POSTERN_CONTINUE};
        });
        Start().Request();
        host_.reset();
      },
      "1 wakers were not freed");
}

}  // namespace
}  // namespace postern::testing

// FakeHost's first constructor takes the module that is linked with the test.
const postern_manifest postern_module_manifest =
    postern::testing::script_module::Manifest(POSTERN_CAP_BODY);
postern_status postern_module_init(const postern_host* host, postern_self* self, void** module,
                                   const postern_filter** filter) {
  return postern::testing::script_module::Init(host, self, module, filter);
}
