#include "core/filter/filter_callout.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/filter/test_chain.h"

namespace postern {
namespace {

/// What a filter heard of a callout.
struct Heard {
  uint64_t tag = 0;
  uint64_t id = 0;
  uint32_t outcome = 99;
  uint32_t status = 0;
  std::string body;
  std::string principal = "(none)";
};

class FilterCalloutTest : public testing::Test {
 protected:
  FilterCalloutTest() {
    filter_.request_headers = [this](postern_ctx* ctx, uint32_t) {
      ctx_ = ctx;
      start_status_ = Start(ctx);
      return POSTERN_PAUSE;
    };
    filter_.event = [this](postern_ctx* ctx, const postern_event& event) {
      EXPECT_EQ(event.type, uint32_t{POSTERN_EVENT_CALLOUT});
      const postern_callout_result& result = *event.callout;
      EXPECT_EQ(result.size, sizeof(result));
      Heard heard{event.tag, event.id, result.outcome, result.status, {}, "(none)"};
      for (size_t i = 0; i < result.body_count; ++i) heard.body += ViewOf(result.body[i]);
      for (size_t i = 0; i < result.header_count; ++i) {
        if (ViewOf(result.headers[i].name) == "x-principal") {
          heard.principal = ViewOf(result.headers[i].value);
        }
      }
      heard_.push_back(heard);
      if (resume_) H().resume(ctx, POSTERN_REQUEST);
    };
  }

  /// The upstream "auth" on this port; 0: nobody listens.
  void Upstream(uint16_t port, uint32_t retries = 1) {
    ClusterConfig config;
    config.name = "auth";
    config.endpoints = {{.host = "127.0.0.1", .port = port, .unix_path = "", .weight = 1}};
    config.retry.max_retries = retries;
    set_ = ClusterSet::Build({config}, 1, nullptr);
    worker_.clusters.Activate(set_);
    CalloutUpstream upstream;
    upstream.name = "auth";
    upstream.cluster = {set_.get(), 0};
    upstream.authority = "auth.internal";
    upstream.path_prefix = "/v1";
    filter_.upstreams = {upstream};
    plan_ = std::make_unique<TestPlan>(&worker_, std::vector<TestFilter*>{&filter_});
  }
  postern_status Start(postern_ctx* ctx) {
    call_.size = sizeof(call_);
    call_.upstream = 0x10000;
    if (call_.method.data == nullptr) call_.method = S("GET");
    if (call_.path.data == nullptr) call_.path = S("/check?x=1");
    return H().callout_start(ctx, &call_, 42, &id_);
  }
  bool Wait() {
    return RunUntil(
        &worker_.dispatcher, [&] { return !heard_.empty(); }, 5000);
  }

  TestWorker worker_;
  TestFilter filter_;
  std::shared_ptr<const ClusterSet> set_;
  std::unique_ptr<TestPlan> plan_;
  postern_callout call_{};
  postern_ctx* ctx_ = nullptr;
  uint64_t id_ = 0;
  postern_status start_status_ = -99;
  bool resume_ = true;
  std::vector<Heard> heard_;
};

// plugin-abi.md §6, callout_start: one exchange, answered by exactly one event.
TEST_F(FilterCalloutTest, OneExchangeOneEvent) {
  FakeUpstream upstream(&worker_.dispatcher, [](FakeUpstream::Peer* peer, const auto&) {
    peer->Answer("granted", 200, "X-Principal: alice\r\n");
  });
  Upstream(upstream.port());
  const postern_header headers[] = {{S("authorization"), S("token")}};
  call_.headers = headers;
  call_.header_count = 1;
  ChainExchange exchange(plan_.get());
  exchange.Request();
  EXPECT_EQ(start_status_, POSTERN_OK);
  EXPECT_TRUE(heard_.empty());  // never before the call returns
  ASSERT_TRUE(Wait());
  EXPECT_EQ(heard_[0].tag, 42u);
  EXPECT_EQ(heard_[0].id, id_);
  EXPECT_EQ(heard_[0].outcome, uint32_t{POSTERN_CALLOUT_OK});
  EXPECT_EQ(heard_[0].status, 200u);
  EXPECT_EQ(heard_[0].body, "granted");
  EXPECT_EQ(heard_[0].principal, "alice");
  ASSERT_EQ(upstream.seen.size(), 1u);
  EXPECT_EQ(upstream.seen[0].target(), "/v1/check?x=1");
  EXPECT_NE(upstream.seen[0].head.find("auth.internal"), std::string::npos);
  EXPECT_NE(upstream.seen[0].head.find("authorization: token"), std::string::npos);
  worker_.Turn();
  EXPECT_EQ(heard_.size(), 1u);
  EXPECT_EQ(exchange.request_heads, 1);
  EXPECT_EQ(H().callout_cancel(ctx_, id_), POSTERN_E_NOT_FOUND);
}

TEST_F(FilterCalloutTest, SendsContent) {
  FakeUpstream upstream(&worker_.dispatcher, [](FakeUpstream::Peer* peer, const auto& request) {
    peer->Answer("got " + request.body, 201);
  });
  Upstream(upstream.port());
  call_.method = S("POST");
  call_.body = S("some content");
  ChainExchange exchange(plan_.get());
  exchange.Request();
  ASSERT_TRUE(Wait());
  EXPECT_EQ(heard_[0].status, 201u);
  EXPECT_EQ(heard_[0].body, "got some content");
}

TEST_F(FilterCalloutTest, TellsHowItEnded) {
  {
    Upstream(1);  // nobody listens there
    ChainExchange exchange(plan_.get());
    exchange.Request();
    ASSERT_TRUE(Wait());
    EXPECT_EQ(heard_[0].outcome, uint32_t{POSTERN_CALLOUT_CONNECT});
    EXPECT_EQ(heard_[0].status, 0u);
  }
  heard_.clear();
  FakeUpstream silent(&worker_.dispatcher, [](FakeUpstream::Peer*, const auto&) {});
  {
    Upstream(silent.port());
    call_.timeout_ms = 30;
    ChainExchange exchange(plan_.get());
    exchange.Request();
    ASSERT_TRUE(Wait());
    EXPECT_EQ(heard_[0].outcome, uint32_t{POSTERN_CALLOUT_TIMEOUT});
  }
  heard_.clear();
  // The time is that of the whole exchange, the body's included.
  FakeUpstream half(&worker_.dispatcher, [](FakeUpstream::Peer* peer, const auto&) {
    peer->Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  });
  {
    Upstream(half.port());
    ChainExchange exchange(plan_.get());
    exchange.Request();
    ASSERT_TRUE(Wait());
    EXPECT_EQ(heard_[0].outcome, uint32_t{POSTERN_CALLOUT_TIMEOUT});
  }
  heard_.clear();
  FakeUpstream cut(&worker_.dispatcher, [](FakeUpstream::Peer* peer, const auto&) {
    peer->SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  });
  {
    Upstream(cut.port());
    call_.timeout_ms = 0;
    ChainExchange exchange(plan_.get());
    exchange.Request();
    ASSERT_TRUE(Wait());
    EXPECT_EQ(heard_[0].outcome, uint32_t{POSTERN_CALLOUT_RESET});
  }
  heard_.clear();
  FakeUpstream large(&worker_.dispatcher, [](FakeUpstream::Peer* peer, const auto&) {
    peer->Answer(std::string(1000, 'l'));
  });
  {
    Upstream(large.port());
    call_.max_response_bytes = 999;
    ChainExchange exchange(plan_.get());
    exchange.Request();
    ASSERT_TRUE(Wait());
    EXPECT_EQ(heard_[0].outcome, uint32_t{POSTERN_CALLOUT_TOO_LARGE});
    EXPECT_EQ(heard_[0].body, "");
  }
}

// Cancelled, or the owner gone: no event.
TEST_F(FilterCalloutTest, CancelledCalloutsAreSilent) {
  FakeUpstream upstream(&worker_.dispatcher,
                        [](FakeUpstream::Peer* peer, const auto&) { peer->Answer("too late"); });
  Upstream(upstream.port());
  {
    ChainExchange exchange(plan_.get());
    exchange.Request();
    EXPECT_EQ(H().callout_cancel(ctx_, id_), POSTERN_OK);
    EXPECT_EQ(H().callout_cancel(ctx_, id_), POSTERN_E_NOT_FOUND);
    RunFor(&worker_.dispatcher, 20);
    EXPECT_TRUE(heard_.empty());
  }
  {
    ChainExchange exchange(plan_.get());
    exchange.Request();
  }
  RunFor(&worker_.dispatcher, 20);
  EXPECT_TRUE(heard_.empty());
}

TEST_F(FilterCalloutTest, CalloutsAreChecked) {
  Upstream(1);
  filter_.request_headers = [](postern_ctx* ctx, uint32_t) {
    const auto with = [&](auto change) {
      postern_callout call{};
      call.size = sizeof(call);
      call.upstream = 0x10000;
      call.method = S("GET");
      call.path = S("/");
      change(&call);
      return H().callout_start(ctx, &call, 1, nullptr);
    };
    EXPECT_EQ(with([](postern_callout* c) { c->upstream = 0x10001; }), POSTERN_E_INVALID);
    EXPECT_EQ(with([](postern_callout* c) { c->upstream = 0x20000; }), POSTERN_E_INVALID);
    EXPECT_EQ(with([](postern_callout* c) { c->method = S("GE T"); }), POSTERN_E_INVALID);
    EXPECT_EQ(with([](postern_callout* c) { c->path = S("no-slash"); }), POSTERN_E_INVALID);
    EXPECT_EQ(with([](postern_callout* c) { c->path = S("/a\r\nb"); }), POSTERN_E_INVALID);
    const postern_header framing = {S("transfer-encoding"), S("chunked")};
    EXPECT_EQ(with([&](postern_callout* c) {
                c->headers = &framing;
                c->header_count = 1;
              }),
              POSTERN_E_INVALID);
    size_t started = 0;
    while (with([](postern_callout*) {}) == POSTERN_OK) ++started;
    EXPECT_EQ(started, FilterWorker::kMaxStreamCallouts);
    EXPECT_EQ(with([](postern_callout*) {}), POSTERN_E_LIMIT);
    return POSTERN_CONTINUE;
  };
  {
    ChainExchange exchange(plan_.get());
    exchange.Request();
    RunFor(&worker_.dispatcher, 20);
  }
  filter_.capabilities = 0;
  TestPlan without(&worker_, {&filter_});
  filter_.request_headers = [](postern_ctx* ctx, uint32_t) {
    postern_callout call{};
    call.size = sizeof(call);
    EXPECT_EQ(H().callout_start(ctx, &call, 1, nullptr), POSTERN_E_DENIED);
    return POSTERN_CONTINUE;
  };
  ChainExchange exchange(&without);
  exchange.Request();
}

// An answer that the filter gives when its callout ends goes out from the loop.
TEST_F(FilterCalloutTest, AReplyFromACalloutsEvent) {
  FakeUpstream upstream(&worker_.dispatcher,
                        [](FakeUpstream::Peer* peer, const auto&) { peer->Answer("no", 403); });
  Upstream(upstream.port());
  filter_.event = [](postern_ctx* ctx, const postern_event& event) {
    EXPECT_EQ(event.callout->status, 403u);
    EXPECT_EQ(ReplyWith(ctx, POSTERN_REPLY_ACCESS_DENIED), POSTERN_OK);
  };
  ChainExchange exchange(plan_.get());
  exchange.Request();
  EXPECT_TRUE(RunUntil(
      &worker_.dispatcher, [&] { return exchange.dones > 0; }, 5000));
  EXPECT_EQ(exchange.status, 403);
}

}  // namespace
}  // namespace postern
