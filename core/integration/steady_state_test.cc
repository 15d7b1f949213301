// What an exchange costs once everything is warm.
#include <gtest/gtest.h>

#include "core/integration/mock.h"
#include "core/integration/proxy_chain.h"
#include "core/upstream/allocation_count.h"

namespace postern {
namespace {

class SteadyProxyTest : public testing::TestWithParam<bool> {};

// Issue "Speed and memory": zero heap allocations per proxied HTTP/1.1 request in steady state.
TEST_P(SteadyProxyTest, NoAllocations) {
  ThreadedServer server;
  Dispatcher dispatcher;
  NetContext net(&dispatcher);
  NoResolver resolver;
  ClusterConfig config;
  config.name = "c";
  config.endpoints = {{.host = "127.0.0.1", .port = server.port, .unix_path = "", .weight = 1}};
  auto set = ClusterSet::Build({config}, 1, nullptr);
  ClusterManager manager({.net = &net, .resolver = &resolver, .worker = 0});
  manager.Activate(set);
  const HttpProxyIntegration integration(ChainSpec({set.get(), 0}));
  ProxyChain chain(integration, &net, &manager, GetParam());
  chain.Run(200);
  constexpr int kCount = 2000;
  const uint64_t before = ThreadAllocations();
  chain.bytes = 0;
  chain.Run(kCount);
  EXPECT_EQ(ThreadAllocations() - before, 0u);
  EXPECT_EQ(chain.failures, 0);
  EXPECT_EQ(chain.bytes, kCount * 256u);
}

INSTANTIATE_TEST_SUITE_P(Methods, SteadyProxyTest, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "POST" : "GET"; });

struct CountingSink final : ResponseSink {
  void OnResponseHead(ResponseHead* head, bool) override { statuses += head->status; }
  void OnResponseBody(std::string_view data) override { exchange->ConsumeResponse(data.size()); }
  void OnResponseEnd(const HeaderMap*) override {}
  void OnResponseFailure(ResponseType, uint16_t) override { ++failures; }
  void OnResponseAborted() override {}
  void OnRequestConsumed(size_t) override {}
  Exchange* exchange = nullptr;
  uint64_t statuses = 0;
  int failures = 0;
};

TEST(SteadyMockTest, NoAllocations) {
  const MockIntegration integration;
  BlockPool pool;
  CountingSink sink;
  uint64_t before = 0;
  for (int i = 0; i < 1100; ++i) {
    if (i == 100) before = ThreadAllocations();
    Arena arena(&pool);
    ChainRequest request(&arena, false);
    sink.exchange = integration.NewExchange({.arena = &arena,
                                             .dispatcher = nullptr,
                                             .clusters = nullptr,
                                             .request = &request.head,
                                             .context = &request.context,
                                             .sink = &sink});
    sink.exchange->Start(false);
    sink.exchange->OnRequestBody("{\"statusCode\": 200}");
    sink.exchange->OnRequestEnd(nullptr);
    sink.exchange->~Exchange();
  }
  EXPECT_EQ(ThreadAllocations() - before, 0u);
  EXPECT_EQ(sink.failures, 0);
  EXPECT_EQ(sink.statuses, 1100u * 200);
}

}  // namespace
}  // namespace postern
