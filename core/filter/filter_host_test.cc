#include "core/filter/filter_host.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "core/filter/filter_metric_definitions.h"
#include "core/filter/filter_metric_values.h"
#include "core/filter/test_chain.h"

namespace postern {
namespace {

constexpr uint32_t kQh = POSTERN_REQUEST_HEADERS;
constexpr uint32_t kPh = POSTERN_RESPONSE_HEADERS;

class FilterHostTest : public testing::Test {
 protected:
  /// One exchange in which `in_request` is the request's headers hook of the only filter.
  void InRequest(std::function<void(postern_ctx*)> in_request) {
    bool ran = false;
    filter_.request_headers = [&](postern_ctx* ctx, uint32_t) {
      in_request(ctx);
      ran = true;
      return POSTERN_CONTINUE;
    };
    plan_ = std::make_unique<TestPlan>(&worker_, std::vector<TestFilter*>{&filter_});
    exchange_ = std::make_unique<ChainExchange>(plan_.get());
    exchange_->AddHeader("X-One", "1");
    exchange_->AddHeader("x-two", "2a");
    exchange_->AddHeader("X-TWO", "2b");
    exchange_->AddHeader("Content-Type", "text/plain");
    exchange_->Request();
    EXPECT_TRUE(ran);
  }
  uint64_t misuses() { return plan_->local->local(0)->cells->misuses.value(); }

  TestWorker worker_;
  TestFilter filter_;
  std::unique_ptr<TestPlan> plan_;
  std::unique_ptr<ChainExchange> exchange_;
};

// plugin-abi.md §6, header_get and header_list.
TEST_F(FilterHostTest, HeadersAreRead) {
  InRequest([](postern_ctx* ctx) {
    EXPECT_EQ(Get(ctx, kQh, "x-one"), "1");
    EXPECT_EQ(Get(ctx, kQh, "x-two"), "2a");
    EXPECT_EQ(Get(ctx, kQh, "x-two", 1), "2b");
    EXPECT_EQ(Get(ctx, kQh, "x-two", 2), "(-3)");
    EXPECT_EQ(Get(ctx, kQh, "content-type"), "text/plain");
    EXPECT_EQ(Get(ctx, kQh, "absent"), "(-3)");
    EXPECT_EQ(Get(ctx, kQh, ""), "(-3)");
    EXPECT_EQ(Get(ctx, kQh, ":method"), "GET");
    EXPECT_EQ(Get(ctx, kQh, ":path"), "/pets/7?kind=dog");
    EXPECT_EQ(Get(ctx, kQh, ":authority"), "api.example.com");
    EXPECT_EQ(Get(ctx, kQh, "host"), "api.example.com");
    EXPECT_EQ(Get(ctx, kQh, ":scheme"), "http");
    EXPECT_EQ(Get(ctx, kQh, ":status"), "(-3)");
    EXPECT_EQ(Get(ctx, 9, "x-one"), "(-1)");
    EXPECT_EQ(Get(ctx, kPh, "x-one"), "(-2)");  // not before its own hook
    EXPECT_EQ(Get(ctx, POSTERN_REQUEST_TRAILERS, "x-one"), "(-2)");
    EXPECT_EQ(H().header_list(ctx, kQh, nullptr, 0), 8u);
    EXPECT_EQ(H().header_list(ctx, kPh, nullptr, 0), 0u);
    std::vector<postern_header> all(6);
    EXPECT_EQ(H().header_list(ctx, kQh, all.data(), all.size()), 8u);
    EXPECT_EQ(ViewOf(all[0].name), ":method");
    EXPECT_EQ(ViewOf(all[4].name), "x-one");
    EXPECT_EQ(ViewOf(all[5].value), "2a");
  });
  EXPECT_EQ(misuses(), 0u);
}

// plugin-abi.md §6, header_set and header_add, and the fields that belong to the codecs.
TEST_F(FilterHostTest, HeadersAreWrittenUnderChecks) {
  InRequest([](postern_ctx* ctx) {
    EXPECT_EQ(Set(ctx, kQh, "x-two", "new"), POSTERN_OK);
    EXPECT_EQ(Get(ctx, kQh, "x-two"), "new");
    EXPECT_EQ(Get(ctx, kQh, "x-two", 1), "(-3)");
    EXPECT_EQ(H().header_add(ctx, kQh, S("x-two"), S("more")), POSTERN_OK);
    EXPECT_EQ(Get(ctx, kQh, "x-two", 1), "more");
    EXPECT_EQ(H().header_set(ctx, kQh, S("x-one"), {nullptr, 0}), POSTERN_OK);
    EXPECT_EQ(Get(ctx, kQh, "x-one"), "(-3)");
    EXPECT_EQ(Set(ctx, kQh, "x-empty", std::string_view("", 0)), POSTERN_OK);
    for (const std::string_view name :
         {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer",
          "transfer-encoding", "upgrade", "", "with blank", "Content-Length", "x:y", ":Path"}) {
      EXPECT_EQ(Set(ctx, kQh, name, "x"), POSTERN_E_INVALID) << name;
      EXPECT_EQ(H().header_add(ctx, kQh, S(name), S("x")), POSTERN_E_INVALID) << name;
    }
    for (const std::string_view value :
         {std::string_view("a\rb"), std::string_view("a\nb"), std::string_view("a\0b", 3)}) {
      EXPECT_EQ(Set(ctx, kQh, "x-bad", value), POSTERN_E_INVALID);
    }
    EXPECT_EQ(Set(ctx, kQh, ":path", "/other?x=1"), POSTERN_OK);
    EXPECT_EQ(Set(ctx, kQh, ":path", "no slash"), POSTERN_E_INVALID);
    EXPECT_EQ(Set(ctx, kQh, ":path", "/a b"), POSTERN_E_INVALID);
    EXPECT_EQ(Set(ctx, kQh, ":method", "POST"), POSTERN_OK);
    EXPECT_EQ(Set(ctx, kQh, ":method", "PO ST"), POSTERN_E_INVALID);
    EXPECT_EQ(Set(ctx, kQh, ":scheme", "ftp"), POSTERN_E_INVALID);
    EXPECT_EQ(Set(ctx, kQh, ":authority", "a/b"), POSTERN_E_INVALID);
    EXPECT_EQ(Set(ctx, kQh, ":authority", "b.example:8080"), POSTERN_OK);
    EXPECT_EQ(Set(ctx, kQh, ":status", "200"), POSTERN_E_INVALID);
    EXPECT_EQ(Set(ctx, kQh, ":what", "x"), POSTERN_E_INVALID);
    EXPECT_EQ(H().header_set(ctx, kQh, S(":path"), {nullptr, 0}), POSTERN_E_INVALID);
    EXPECT_EQ(H().header_add(ctx, kQh, S(":path"), S("/x")), POSTERN_E_INVALID);
    EXPECT_EQ(Set(ctx, kQh, "x-large", std::string(70'000, 'x')), POSTERN_E_LIMIT);
    EXPECT_EQ(Set(ctx, kPh, "x", "y"), POSTERN_E_STATE);
  });
  EXPECT_EQ(exchange_->request.target, "/other?x=1");
  EXPECT_EQ(exchange_->request.method, Method::kPost);
  EXPECT_EQ(exchange_->request.authority, "b.example:8080");
  // Twice each bad name but the empty one, each bad value, three misfits of pseudo-headers, and the
  // map that has not come.
  EXPECT_EQ(misuses(), 2u * 12 + 3 + 3 + 1);
}

// abi.h, "Header names": of any case from a module, which keep their spelling.
TEST_F(FilterHostTest, NamesKeepTheSpellingTheyWereGiven) {
  InRequest([](postern_ctx* ctx) {
    EXPECT_EQ(Set(ctx, kQh, "CONTENT-Type", "text/css"), POSTERN_OK);
    EXPECT_EQ(Set(ctx, kQh, "X-One", "2"), POSTERN_OK);
    EXPECT_EQ(Set(ctx, kQh, "accept", "*/*"), POSTERN_OK);
    EXPECT_EQ(H().header_add(ctx, kQh, S("X-Three"), S("3")), POSTERN_OK);
    EXPECT_EQ(Get(ctx, kQh, "Content-type"), "text/css");
    EXPECT_EQ(Get(ctx, kQh, "X-ONE"), "2");
    EXPECT_EQ(Get(ctx, kQh, "x-three"), "3");
    std::vector<postern_header> all(16);
    const size_t count = H().header_list(ctx, kQh, all.data(), all.size());
    std::string names;
    for (size_t i = 4; i < count; ++i) names += std::string(ViewOf(all[i].name)) + " ";
    EXPECT_EQ(names, "x-one x-two x-two content-type accept x-three ");
    EXPECT_EQ(H().header_list(ctx, kQh | POSTERN_AS_SENT, all.data(), all.size()), count);
    names.clear();
    for (size_t i = 4; i < count; ++i) names += std::string(ViewOf(all[i].name)) + " ";
    EXPECT_EQ(names, "X-One x-two X-TWO CONTENT-Type accept X-Three ");
    EXPECT_EQ(H().header_set(ctx, kQh, S("X-tWo"), {nullptr, 0}), POSTERN_OK);
  });
  std::string wire;
  for (const HeaderField& field : exchange_->request.headers) wire += std::string(field.name) + " ";
  EXPECT_EQ(wire, "X-One CONTENT-Type accept X-Three ");
  EXPECT_EQ(misuses(), 0u);
}

// abi.h, header_clear: a map anew for this filter, those behind it and the integration; the ones in
// front, and $context, go on seeing what the client sent.
TEST_F(FilterHostTest, AClearedRequestIsAnotherForThoseBehind) {
  TestFilter outer, inner;
  outer.name = "outer";
  inner.name = "inner";
  outer.request_headers = [](postern_ctx*, uint32_t) { return POSTERN_CONTINUE; };
  outer.response_headers = [](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(Get(ctx, kQh, "x-one"), "1");
    EXPECT_EQ(Get(ctx, kQh, "x-new"), "(-3)");
    EXPECT_EQ(Get(ctx, kQh, ":path"), "/pets/7?kind=dog");
    EXPECT_EQ(Get(ctx, kPh, "x-gone"), "(-3)");
    EXPECT_EQ(Get(ctx, kPh, ":status"), "201");
    return POSTERN_CONTINUE;
  };
  filter_.request_headers = [](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(H().header_clear(ctx, kPh), POSTERN_E_STATE);
    EXPECT_EQ(H().header_clear(ctx, 9), POSTERN_E_INVALID);
    EXPECT_EQ(H().header_clear(ctx, kQh), POSTERN_OK);
    EXPECT_EQ(H().header_list(ctx, kQh, nullptr, 0), 5u);  // pseudo-headers and content-length
    EXPECT_EQ(Get(ctx, kQh, ":method"), "POST");
    EXPECT_EQ(Get(ctx, kQh, "content-length"), "4");
    EXPECT_EQ(Set(ctx, kQh, "X-Lost", "1"), POSTERN_OK);
    EXPECT_EQ(H().header_clear(ctx, kQh), POSTERN_OK);  // once more
    EXPECT_EQ(Set(ctx, kQh, "X-New", "1"), POSTERN_OK);
    EXPECT_EQ(Set(ctx, kQh, ":path", "/new"), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  filter_.response_headers = [](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(H().header_clear(ctx, kQh), POSTERN_E_STATE);
    EXPECT_EQ(H().header_clear(ctx, kPh), POSTERN_OK);
    EXPECT_EQ(Get(ctx, kPh, ":status"), "201");
    return POSTERN_CONTINUE;
  };
  inner.request_headers = [](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(Get(ctx, kQh, "x-new"), "1");
    EXPECT_EQ(Get(ctx, kQh, "x-one"), "(-3)");
    EXPECT_EQ(Set(ctx, kQh, "x-inner", "1"), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  plan_ = std::make_unique<TestPlan>(&worker_, std::vector<TestFilter*>{&outer, &filter_, &inner});
  exchange_ = std::make_unique<ChainExchange>(plan_.get(), "POST");
  exchange_->AddHeader("X-One", "1");
  exchange_->Request({"body"});
  const RequestHead* sent = exchange_->chain->request();
  EXPECT_NE(sent, &exchange_->request);
  EXPECT_EQ(sent->target, "/new");
  EXPECT_EQ(sent->method, Method::kPost);
  EXPECT_EQ(sent->content_length, 4u);
  EXPECT_EQ(sent->headers.size(), 2u);
  EXPECT_EQ(sent->headers.begin()->name, "X-New");
  EXPECT_EQ(exchange_->request_body, "body");
  EXPECT_EQ(exchange_->request.headers.size(), 1u);
  EXPECT_EQ(exchange_->Variable("path"), "(none)");  // not the integration's
  postern::ResponseHead* head = exchange_->MakeHead(201);
  head->headers.Add("x-gone", "1");
  exchange_->chain->ResponseHead(head, true);
  EXPECT_EQ(exchange_->status, 201);
  EXPECT_EQ(exchange_->response->headers.size(), 0u);
  EXPECT_EQ(plan_->local->local(1)->cells->misuses.value(), 2u);
}

// E_STATE once that map has gone past this filter.
TEST_F(FilterHostTest, AMapThatHasPassedIsNotWritten) {
  filter_.response_headers = [](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(Get(ctx, kQh, "x-one"), "1");
    EXPECT_EQ(Set(ctx, kQh, "x-one", "2"), POSTERN_E_STATE);
    EXPECT_EQ(Get(ctx, kPh, ":status"), "200");
    EXPECT_EQ(Set(ctx, kPh, ":status", "404"), POSTERN_OK);
    EXPECT_EQ(Set(ctx, kPh, ":status", "99"), POSTERN_E_INVALID);
    EXPECT_EQ(Set(ctx, kPh, ":status", "4o4"), POSTERN_E_INVALID);
    return POSTERN_CONTINUE;
  };
  InRequest([](postern_ctx*) {});
  exchange_->Respond();
  EXPECT_EQ(exchange_->status, 404);
}

// plugin-abi.md §6, var_get and var_set.
TEST_F(FilterHostTest, Variables) {
  filter_.variables = {"requestId", "authorizer.principalId", "filter.f.count", "stage"};
  InRequest([](postern_ctx* ctx) {
    postern_value value{};
    EXPECT_EQ(H().var_get(ctx, 0x10000, &value), POSTERN_OK);
    EXPECT_EQ(value.type, uint32_t{POSTERN_VALUE_STRING});
    EXPECT_EQ(ViewOf(value.u.str), "00000000-0000-0000-0000-000000000001");
    EXPECT_EQ(H().var_get(ctx, 0x10003, &value), POSTERN_E_NOT_FOUND);
    EXPECT_EQ(H().var_get(ctx, 0x10004, &value), POSTERN_E_INVALID);
    EXPECT_EQ(H().var_get(ctx, 0x20000, &value), POSTERN_E_INVALID);  // another snapshot's
    EXPECT_EQ(H().var_get(ctx, 0, &value), POSTERN_E_INVALID);
    EXPECT_EQ(H().var_get(ctx, 0x10002, &value), POSTERN_E_NOT_FOUND);
    value = {};
    value.type = POSTERN_VALUE_INT;
    value.u.i64 = -42;
    EXPECT_EQ(H().var_set(ctx, S("filter.f.count"), &value), POSTERN_OK);
    EXPECT_EQ(H().var_set(ctx, S("filter.g.count"), &value), POSTERN_E_DENIED);
    EXPECT_EQ(H().var_set(ctx, S("filter.f."), &value), POSTERN_E_DENIED);
    EXPECT_EQ(H().var_set(ctx, S("authorizer.principalId"), &value), POSTERN_E_DENIED);
    EXPECT_EQ(H().var_set(ctx, S("requestId"), &value), POSTERN_E_DENIED);
    value = {};
    EXPECT_EQ(H().var_get(ctx, 0x10002, &value), POSTERN_OK);
    EXPECT_EQ(value.type, uint32_t{POSTERN_VALUE_INT});
    EXPECT_EQ(value.u.i64, -42);
    value.type = 99;
    EXPECT_EQ(H().var_set(ctx, S("filter.f.count"), &value), POSTERN_E_INVALID);
    value.type = POSTERN_VALUE_NONE;
    EXPECT_EQ(H().var_set(ctx, S("filter.f.count"), &value), POSTERN_OK);
    EXPECT_EQ(H().var_get(ctx, 0x10002, &value), POSTERN_E_NOT_FOUND);
    value.type = POSTERN_VALUE_BOOL;
    value.u.boolean = 1;
    EXPECT_EQ(H().var_set(ctx, S("filter.f.yes"), &value), POSTERN_OK);
    value.type = POSTERN_VALUE_STRING;
    const std::string large(70'000, 'v');
    value.u.str = S(large);
    EXPECT_EQ(H().var_set(ctx, S("filter.f.large"), &value), POSTERN_E_LIMIT);
  });
  EXPECT_EQ(exchange_->Variable("filter.f.yes"), "true");
  EXPECT_EQ(exchange_->Variable("filter.f.count"), "(none)");
}

// abi.h, var_resolve: what the router cut out of the path, and the stage's variables.
TEST_F(FilterHostTest, PathParametersAndStageVariablesAreRead) {
  filter_.variables = {"pathParameters.id", "pathParameters.no", "stageVariables.table",
                       "stageVariables.none"};
  const NameValue params[] = {{"id", "a%20b"}};
  const NameValue stage[] = {{"table", "pets"}, {"zone", "eu"}};
  filter_.request_headers = [](postern_ctx* ctx, uint32_t) {
    postern_value value{};
    EXPECT_EQ(H().var_get(ctx, 0x10000, &value), POSTERN_OK);
    EXPECT_EQ(value.type, uint32_t{POSTERN_VALUE_STRING});
    EXPECT_EQ(ViewOf(value.u.str), "a%20b");
    EXPECT_EQ(H().var_get(ctx, 0x10001, &value), POSTERN_E_NOT_FOUND);
    EXPECT_EQ(H().var_get(ctx, 0x10002, &value), POSTERN_OK);
    EXPECT_EQ(ViewOf(value.u.str), "pets");
    EXPECT_EQ(H().var_get(ctx, 0x10003, &value), POSTERN_E_NOT_FOUND);
    value = {};
    value.type = POSTERN_VALUE_STRING;
    EXPECT_EQ(H().var_set(ctx, S("stageVariables.table"), &value), POSTERN_E_DENIED);
    return POSTERN_CONTINUE;
  };
  plan_ = std::make_unique<TestPlan>(&worker_, std::vector<TestFilter*>{&filter_});
  exchange_ = std::make_unique<ChainExchange>(plan_.get());
  exchange_->context.path_params = params;
  exchange_->context.path_param_count = 1;
  exchange_->context.stage_variables = stage;
  exchange_->context.stage_variable_count = 2;
  exchange_->Request();
  EXPECT_EQ(exchange_->Variable("stageVariables.table"), "(none)");  // no $context variable
}

// abi.h, var_set: why an exchange went wrong.
TEST_F(FilterHostTest, ReasonsAreVariablesOfEveryFilter) {
  InRequest([](postern_ctx* ctx) {
    postern_value value{};
    value.type = POSTERN_VALUE_STRING;
    value.u.str = S("[object has missing required properties]");
    EXPECT_EQ(H().var_set(ctx, S("error.validationErrorString"), &value), POSTERN_OK);
    value.u.str = S("no such template");
    EXPECT_EQ(H().var_set(ctx, S("integration.error"), &value), POSTERN_OK);
    EXPECT_EQ(H().var_set(ctx, S("error.message"), &value), POSTERN_E_DENIED);
    const std::string large(70'000, 'v');
    value.u.str = S(large);
    EXPECT_EQ(H().var_set(ctx, S("integration.error"), &value), POSTERN_E_LIMIT);
    value.type = POSTERN_VALUE_INT;
    EXPECT_EQ(H().var_set(ctx, S("integration.error"), &value), POSTERN_E_INVALID);
  });
  EXPECT_EQ(exchange_->Variable("error.validationErrorString"),
            "[object has missing required properties]");
  EXPECT_EQ(exchange_->Variable("integration.error"), "no such template");
}

TEST_F(FilterHostTest, TheAuthorizerSetsItsOwnTree) {
  filter_.is_authorizer = true;
  InRequest([](postern_ctx* ctx) {
    postern_value value{};
    value.type = POSTERN_VALUE_STRING;
    value.u.str = S("alice");
    EXPECT_EQ(H().var_set(ctx, S("authorizer.principalId"), &value), POSTERN_OK);
    value.u.str = S("bob");
    EXPECT_EQ(H().var_set(ctx, S("authorizer.principalId"), &value), POSTERN_OK);
    value.type = POSTERN_VALUE_DOUBLE;
    value.u.f64 = 1.5;
    EXPECT_EQ(H().var_set(ctx, S("authorizer.score"), &value), POSTERN_OK);
  });
  EXPECT_EQ(exchange_->Variable("authorizer.principalId"), "bob");
  EXPECT_EQ(exchange_->Variable("authorizer.score"), "1.5");
}

// plugin-abi.md §7, Threads: from elsewhere E_STATE, with a counter and a line.
TEST_F(FilterHostTest, AnotherThreadIsRefused) {
  filter_.request_headers = [](postern_ctx*, uint32_t) { return POSTERN_PAUSE; };
  postern_ctx* held = nullptr;
  filter_.create = [&](postern_ctx* ctx) {
    held = ctx;
    EXPECT_EQ(H().resume(ctx, POSTERN_REQUEST), POSTERN_E_STATE);  // not in stream_create
    EXPECT_EQ(ReplyWith(ctx, POSTERN_REPLY_DEFAULT_5XX), POSTERN_E_STATE);
    EXPECT_EQ(Get(ctx, kQh, ":method"), "GET");  // from stream_create on
    return true;
  };
  TestPlan plan(&worker_, {&filter_});
  ChainExchange exchange(&plan);
  exchange.Request();
  std::thread other([&] {
    EXPECT_EQ(H().resume(held, POSTERN_REQUEST), POSTERN_E_STATE);
    EXPECT_EQ(Get(held, kQh, ":method"), "(-2)");
    EXPECT_EQ(Set(held, kQh, "x", "y"), POSTERN_E_STATE);
    EXPECT_EQ(H().timer_start(held, 1, 1, nullptr), POSTERN_E_STATE);
    EXPECT_EQ(H().waker_new(held), nullptr);
    EXPECT_EQ(ReplyWith(held, POSTERN_REPLY_DEFAULT_5XX), POSTERN_E_STATE);
    EXPECT_EQ(H().worker_ready(held, POSTERN_OK, {}), POSTERN_E_STATE);
  });
  other.join();
  EXPECT_EQ(plan.local->local(0)->cells->foreign_calls.value(), 7u);
  EXPECT_EQ(H().resume(held, POSTERN_REQUEST), POSTERN_OK);
}

// plugin-abi.md §6, timers: one shot, with a tag, cancelled with their owner.
TEST_F(FilterHostTest, Timers) {
  std::vector<uint64_t> fired;
  filter_.event = [&](postern_ctx* ctx, const postern_event& event) {
    EXPECT_EQ(event.type, uint32_t{POSTERN_EVENT_TIMER});
    EXPECT_EQ(event.size, sizeof(postern_event));
    fired.push_back(event.tag);
    if (event.tag == 2) {
      EXPECT_EQ(H().resume(ctx, POSTERN_REQUEST), POSTERN_OK);
    }
  };
  filter_.request_headers = [&](postern_ctx* ctx, uint32_t) {
    uint64_t first = 0;
    uint64_t second = 0;
    EXPECT_EQ(H().timer_start(ctx, 15, 2, nullptr), POSTERN_OK);
    EXPECT_EQ(H().timer_start(ctx, 1, 1, &first), POSTERN_OK);
    EXPECT_EQ(H().timer_start(ctx, 1, 9, &second), POSTERN_OK);
    EXPECT_NE(first, second);
    EXPECT_EQ(H().timer_cancel(ctx, second), POSTERN_OK);
    EXPECT_EQ(H().timer_cancel(ctx, second), POSTERN_E_NOT_FOUND);
    EXPECT_EQ(H().timer_cancel(ctx, 12345), POSTERN_E_NOT_FOUND);
    int started = 2;
    while (H().timer_start(ctx, 1'000'000, 5, nullptr) == POSTERN_OK) ++started;
    EXPECT_EQ(started, static_cast<int>(FilterWorker::kMaxStreamTimers));
    return POSTERN_PAUSE;
  };
  TestPlan plan(&worker_, {&filter_});
  {
    ChainExchange exchange(&plan);
    exchange.Request();
    EXPECT_TRUE(RunUntil(
        &worker_.dispatcher, [&] { return exchange.request_heads > 0; }, 2000));
    EXPECT_EQ(fired, (std::vector<uint64_t>{1, 2}));
    exchange.chain->End();
  }
  RunFor(&worker_.dispatcher, 5);
  EXPECT_EQ(fired.size(), 2u);
}

// A stream's context may be used by the module's worker: the answer goes out from the loop.
// plugin-abi.md §9: aborts in test builds, which a gateway is with --abort-on-filter-misuse.
TEST(FilterHostDeathTest, MisuseMayEndTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        FilterLimits limits;
        limits.abort_on_misuse = true;
        TestWorker worker(limits);
        TestFilter filter;
        filter.request_headers = [](postern_ctx* ctx, uint32_t) {
          H().resume(ctx, POSTERN_REQUEST);
          return POSTERN_CONTINUE;
        };
        TestPlan plan(&worker, {&filter});
        ChainExchange exchange(&plan);
        exchange.Request();
      },
      "filter_misuse.*resume.*not paused");
}

TEST_F(FilterHostTest, AReplyFromAnEvent) {
  filter_.event = [&](postern_ctx* ctx, const postern_event&) {
    EXPECT_EQ(ReplyWith(ctx, POSTERN_REPLY_ACCESS_DENIED, {}, "denied:later"), POSTERN_OK);
  };
  filter_.request_headers = [&](postern_ctx* ctx, uint32_t) {
    H().timer_start(ctx, 0, 1, nullptr);
    return POSTERN_PAUSE;
  };
  TestPlan plan(&worker_, {&filter_});
  ChainExchange exchange(&plan);
  exchange.Request();
  EXPECT_TRUE(RunUntil(
      &worker_.dispatcher, [&] { return exchange.dones > 0; }, 2000));
  EXPECT_EQ(exchange.status, 403);
  EXPECT_EQ(exchange.context.error_detail, "denied:later");
}

// plugin-abi.md §6, shared_*: keys are private to the module's name.
TEST_F(FilterHostTest, SharedKeysAreTheModulesOwn) {
  TestFilter other;
  other.name = "other";
  other.capabilities = 0;
  TestPlan plan(&worker_, {&filter_, &other});
  postern_self* self = plan.modules[0]->self();
  uint64_t version = 0;
  EXPECT_EQ(H().shared_put(self, S("k"), S("v"), POSTERN_SHARED_ANY, 0, &version), POSTERN_OK);
  char buf[8];
  size_t len = 0;
  EXPECT_EQ(H().shared_get(self, S("k"), buf, sizeof(buf), &len, &version), POSTERN_OK);
  EXPECT_EQ(std::string_view(buf, len), "v");
  EXPECT_EQ(H().shared_get(plan.modules[1]->self(), S("k"), buf, sizeof(buf), &len, &version),
            POSTERN_E_DENIED);
  int64_t sum = 0;
  EXPECT_EQ(H().shared_add(self, S("n"), 5, 0, &sum), POSTERN_OK);
  EXPECT_EQ(H().shared_add(self, S("n"), -7, 0, &sum), POSTERN_OK);
  EXPECT_EQ(sum, -2);
}

// plugin-abi.md §6, metric_record: a cap of label sets, then one overflow set.
TEST_F(FilterHostTest, MetricsHaveABoundedNumberOfLabelSets) {
  class Sink final : public MetricsSink {
   public:
    void Counter(const MetricFamily& family, MetricLabels labels, uint64_t value) override {
      if (family.name == "postern_filter_test_f_hits") {
        ++sets;
        total += value;
        if (labels.begin()->value == "_overflow") overflow = value;
      }
      if (family.name == "postern_filter_metric_overflows") overflows = value;
    }
    void Counter(const MetricFamily&, MetricLabels, double) override {}
    void Gauge(const MetricFamily& family, MetricLabels, double value) override {
      if (family.name == "postern_filter_test_f_level") level = value;
    }
    void Histogram(const MetricFamily&, MetricLabels, std::span<const double>,
                   std::span<const uint64_t>, double) override {}
    void Info(const MetricFamily&, MetricLabels) override {}
    size_t sets = 0;
    uint64_t total = 0;
    uint64_t overflow = 0;
    uint64_t overflows = 0;
    double level = 0;
  };
  auto& definitions = FilterMetricDefinitions::Instance();
  const auto id = definitions.Define("test.f", POSTERN_COUNTER, "hits_total", {"who"});
  ASSERT_TRUE(id.ok()) << id.status();
  const auto level = definitions.Define("test.f", POSTERN_GAUGE, "level", {});
  ASSERT_TRUE(level.ok());
  for (int i = 0; i < 250; ++i) {
    const std::string who = "w" + std::to_string(i);
    const postern_str label = S(who);
    H().metric_record(*id, 2, &label, 1);
  }
  H().metric_record(*id, 2, nullptr, 0);      // wrong number of labels
  H().metric_record(999'999, 2, nullptr, 0);  // unknown
  const postern_str label = S("w1");
  H().metric_record(*id, -1, &label, 1);  // a counter only rises
  H().metric_record(*level, 7, nullptr, 0);
  std::thread([&] { H().metric_record(*level, 3, nullptr, 0); }).join();
  Sink sink;
  FilterMetricValues::Instance().Collect(&sink);
  EXPECT_EQ(sink.total, 500u);
  EXPECT_EQ(sink.sets, FilterMetricValues::kMaxLabelSets + 1);
  EXPECT_EQ(sink.overflow, 100u);
  EXPECT_EQ(sink.overflows, 50u);
  EXPECT_EQ(sink.level, 3.0);
}

// plugin-abi.md §6, log: the lines of an instance are limited.
TEST_F(FilterHostTest, LogLinesAreLimited) {
  InRequest([&](postern_ctx*) {
    for (int i = 0; i < 200; ++i) {
      H().log(plan_->modules[0]->self(), POSTERN_LOG_INFO, S("many lines"));
    }
  });
  EXPECT_EQ(plan_->local->local(0)->cells->log_dropped.value(), 150u);
}

TEST_F(FilterHostTest, Clocks) {
  EXPECT_GT(H().now(POSTERN_CLOCK_MONOTONIC_MS), 0u);
  EXPECT_GT(H().now(POSTERN_CLOCK_WALL_MS), 1'600'000'000'000u);
  EXPECT_EQ(H().now(9), 0u);
}

}  // namespace
}  // namespace postern
