// What a request costs once everything is warm.
#include <gtest/gtest.h>

#include "core/upstream/allocation_count.h"
#include "core/upstream/steady_state_support.h"

namespace postern {
namespace {

class SteadyStateTest : public testing::TestWithParam<bool> {};

// Issue "Speed and memory": zero heap allocations per proxied HTTP/1.1 request in steady state; on
// this side one read and one write each, and for a POST one look at the socket.
TEST_P(SteadyStateTest, NoAllocationsAndTwoSystemCalls) {
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
  {
    Chain chain(&dispatcher, manager.Get({set.get(), 0}), GetParam());
    chain.Run(200);
    constexpr int kCount = 2000;
    const uint64_t reads = net.read_calls;
    const uint64_t writes = net.write_calls;
    const uint64_t before = ThreadAllocations();
    chain.bytes = 0;
    chain.Run(kCount);
    EXPECT_EQ(ThreadAllocations() - before, 0u);
    EXPECT_EQ(chain.failures, 0);
    EXPECT_EQ(chain.bytes, kCount * 256u);
    // The last answer's turn ends before its read is counted twice; a split answer would add one.
    EXPECT_LE(net.read_calls - reads, kCount + 20u);
    EXPECT_LE(net.write_calls - writes, kCount + 1u);
    EXPECT_EQ(set->at(0).shared->Totals().connects, 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, SteadyStateTest, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "POST" : "GET"; });

}  // namespace
}  // namespace postern
