#include "core/upstream/cluster_shared.h"

#include <gtest/gtest.h>

#include <thread>

namespace postern {
namespace {

// cluster.proto, CircuitLimits: bounds of one cluster, over all workers.
TEST(ClusterSharedTest, GaugeHoldsItsLimitOverThreads) {
  SharedGauge gauge;
  std::atomic<int> granted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) granted += gauge.TryAcquire(100) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(granted, 100);
  EXPECT_EQ(gauge.value(), 100u);
  gauge.Release();
  EXPECT_TRUE(gauge.TryAcquire(100));
  EXPECT_FALSE(gauge.TryAcquire(100));
}

// cluster.proto, RetryPolicy.budget_percent and budget_min_concurrent.
TEST(ClusterSharedTest, RetryBudget) {
  RetryConfig config;
  config.budget_percent = 20;
  config.budget_min_concurrent = 3;
  CircuitGauges gauges;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(TryAcquireRetry(config, &gauges)) << i;
  EXPECT_FALSE(TryAcquireRetry(config, &gauges));
  for (int i = 0; i < 25; ++i) gauges.requests.Acquire();
  EXPECT_TRUE(TryAcquireRetry(config, &gauges));
  EXPECT_TRUE(TryAcquireRetry(config, &gauges));
  EXPECT_FALSE(TryAcquireRetry(config, &gauges));
  gauges.retries.Release();
  EXPECT_TRUE(TryAcquireRetry(config, &gauges));
  config.budget_percent = 0;
  config.budget_min_concurrent = 0;
  CircuitGauges none;
  none.requests.Acquire();
  EXPECT_FALSE(TryAcquireRetry(config, &none));
}

TEST(ClusterSharedTest, HealthIsSharedWhileUsed) {
  ClusterShared shared("c", 2);
  std::shared_ptr<EndpointHealth> first = shared.HealthOf("127.0.0.1:80");
  EXPECT_EQ(shared.HealthOf("127.0.0.1:80"), first);
  EXPECT_NE(shared.HealthOf("127.0.0.1:81"), first);
  EjectionConfig config;
  EXPECT_TRUE(first->Eject(config, 1));
  first.reset();
  EXPECT_FALSE(shared.HealthOf("127.0.0.1:80")->Ejected(2)) << "nobody kept it";
}

TEST(ClusterSharedTest, TotalsOverWorkers) {
  ClusterShared shared("c", 2);
  shared.stats(0)->requests.Add(3);
  shared.stats(1)->requests.Add(4);
  shared.stats(0)->endpoints.Set(2);
  shared.stats(1)->endpoints.Set(2);
  shared.stats(1)->failures[static_cast<size_t>(UpstreamFailure::kTimeout)].Add();
  shared.stats(0)->connect_ms.Observe(0);
  shared.stats(0)->connect_ms.Observe(1);
  shared.stats(1)->connect_ms.Observe(2);
  shared.stats(1)->connect_ms.Observe(99999);
  const ClusterTotals totals = shared.Totals();
  EXPECT_EQ(totals.requests, 7u);
  EXPECT_EQ(totals.endpoints, 2) << "every worker sees the same endpoints";
  EXPECT_EQ(totals.failures[static_cast<size_t>(UpstreamFailure::kTimeout)], 1u);
  EXPECT_EQ(totals.connect_ms.sum, 100002u);
  EXPECT_EQ(totals.connect_ms.counts.front(), 2u);
  EXPECT_EQ(totals.connect_ms.counts[1], 1u);
  EXPECT_EQ(totals.connect_ms.counts.back(), 1u);
}

TEST(UpstreamFailureTest, NamesAreStable) {
  EXPECT_EQ(UpstreamFailureName(UpstreamFailure::kConnectFailed), "connect_failed");
  for (size_t i = 0; i < kUpstreamFailureCount; ++i) {
    EXPECT_NE(UpstreamFailureName(static_cast<UpstreamFailure>(i)), "unknown");
  }
}

}  // namespace
}  // namespace postern
