#include "core/upstream/load_balancer.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace postern {
namespace {

struct Pool {
  explicit Pool(std::vector<uint32_t> weights) {
    for (uint32_t weight : weights) {
      healths.push_back(std::make_unique<EndpointHealth>(std::to_string(healths.size())));
      entries.push_back(std::make_unique<LbEntry>());
      entries.back()->weight = weight;
      entries.back()->health = healths.back().get();
      entries.back()->checked = true;
      pointers.push_back(entries.back().get());
    }
  }
  size_t IndexOf(const LbEntry* entry) const {
    for (size_t i = 0; i < pointers.size(); ++i) {
      if (pointers[i] == entry) return i;
    }
    return pointers.size();
  }
  void Eject(size_t i) { healths[i]->Eject(EjectionConfig{}, 1); }

  std::vector<std::unique_ptr<EndpointHealth>> healths;
  std::vector<std::unique_ptr<LbEntry>> entries;
  std::vector<LbEntry*> pointers;
};

TEST(LoadBalancerTest, NoEndpointNoPick) {
  LoadBalancer balancer(LbPolicy::kRoundRobin, 1);
  EXPECT_EQ(balancer.Pick(1, nullptr), nullptr);
}

// cluster.proto, LB_POLICY_ROUND_ROBIN: each in turn.
TEST(LoadBalancerTest, RoundRobinTakesTurns) {
  Pool pool({1, 1, 1});
  LoadBalancer balancer(LbPolicy::kRoundRobin, 1);
  balancer.SetEntries(pool.pointers);
  const size_t first = pool.IndexOf(balancer.Pick(1, nullptr));
  for (size_t i = 1; i < 9; ++i) {
    EXPECT_EQ(pool.IndexOf(balancer.Pick(1, nullptr)), (first + i) % 3);
  }
}

// cluster.proto, Endpoint.weight: share of requests relative to the others, spread evenly.
TEST(LoadBalancerTest, RoundRobinByWeightIsSmooth) {
  Pool pool({5, 1, 1});
  LoadBalancer balancer(LbPolicy::kRoundRobin, 1);
  balancer.SetEntries(pool.pointers);
  std::string order;
  for (int i = 0; i < 14; ++i)
    order += static_cast<char>('a' + pool.IndexOf(balancer.Pick(1, nullptr)));
  EXPECT_EQ(order, "aabacaaaabacaa");
}

TEST(LoadBalancerTest, UnusableAreLeftOutUntilNoneIsLeft) {
  for (LbPolicy policy : {LbPolicy::kRoundRobin, LbPolicy::kLeastRequest}) {
    Pool pool({1, 1, 1, 1});
    LoadBalancer balancer(policy, 7);
    balancer.SetEntries(pool.pointers);
    pool.Eject(0);
    HealthCheckConfig once;
    once.unhealthy_threshold = 1;
    pool.healths[2]->RecordCheck(once, false);
    std::map<size_t, int> picks;
    for (int i = 0; i < 100; ++i) ++picks[pool.IndexOf(balancer.Pick(2, nullptr))];
    EXPECT_EQ(picks.count(0) + picks.count(2), 0u);
    EXPECT_GT(picks[1], 20);
    EXPECT_GT(picks[3], 20);
    // What has just failed is avoided while there is another.
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(balancer.Pick(2, pool.pointers[1]), pool.pointers[3]);
    }
    pool.Eject(3);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(balancer.Pick(2, pool.pointers[1]), pool.pointers[1]) << "the only usable one";
    }
    pool.Eject(1);
    picks.clear();
    for (int i = 0; i < 200; ++i) ++picks[pool.IndexOf(balancer.Pick(2, nullptr))];
    EXPECT_EQ(picks.size(), 4u) << "when none would be left, all are used";
    for (int i = 0; i < 20; ++i) {
      EXPECT_NE(balancer.Pick(2, pool.pointers[1]), pool.pointers[1]);
    }
  }
}

// cluster.proto, LB_POLICY_LEAST_REQUEST: the less busy of two random ones, divided by weight.
TEST(LoadBalancerTest, LeastRequestPrefersTheIdle) {
  Pool pool({1, 1});
  LoadBalancer balancer(LbPolicy::kLeastRequest, 3);
  balancer.SetEntries(pool.pointers);
  pool.pointers[0]->active = 2;
  pool.pointers[1]->active = 1;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(balancer.Pick(1, nullptr), pool.pointers[1]);
  pool.pointers[0]->weight = 4;
  balancer.SetEntries(pool.pointers);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(balancer.Pick(1, nullptr), pool.pointers[0]);
}

TEST(LoadBalancerTest, LeastRequestSpreadsOverEqualOnes) {
  Pool pool({1, 1, 1, 1, 1});
  LoadBalancer balancer(LbPolicy::kLeastRequest, 11);
  balancer.SetEntries(pool.pointers);
  for (int i = 0; i < 1000; ++i) ++balancer.Pick(1, nullptr)->active;
  for (const LbEntry* entry : pool.pointers) {
    EXPECT_GT(entry->active, 190u);
    EXPECT_LT(entry->active, 210u);
  }
}

TEST(LoadBalancerTest, BackFromEjection) {
  Pool pool({1, 1});
  EjectionConfig config;
  config.base_ejection_ms = 10;
  pool.healths[0]->Eject(config, 100);
  LoadBalancer balancer(LbPolicy::kRoundRobin, 1);
  balancer.SetEntries(pool.pointers);
  EXPECT_EQ(balancer.Pick(105, nullptr), pool.pointers[1]);
  EXPECT_EQ(balancer.Pick(105, nullptr), pool.pointers[1]);
  EXPECT_NE(balancer.Pick(110, nullptr), balancer.Pick(110, nullptr));
}

}  // namespace
}  // namespace postern
