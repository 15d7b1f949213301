#include "core/upstream/endpoint_health.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace postern {
namespace {

// cluster.proto, HealthCheck: thresholds count checks in a row.
TEST(EndpointHealthTest, ActiveChecksFlapOnlyAtThresholds) {
  HealthCheckConfig config;
  config.unhealthy_threshold = 3;
  config.healthy_threshold = 2;
  EndpointHealth health("a");
  EXPECT_TRUE(health.healthy());
  EXPECT_FALSE(health.RecordCheck(config, false));
  EXPECT_FALSE(health.RecordCheck(config, false));
  EXPECT_FALSE(health.RecordCheck(config, true));  // the row is broken
  EXPECT_FALSE(health.RecordCheck(config, false));
  EXPECT_FALSE(health.RecordCheck(config, false));
  EXPECT_TRUE(health.healthy());
  EXPECT_TRUE(health.RecordCheck(config, false));
  EXPECT_FALSE(health.healthy());
  EXPECT_FALSE(health.RecordCheck(config, true));
  EXPECT_FALSE(health.RecordCheck(config, false));
  EXPECT_FALSE(health.RecordCheck(config, true));
  EXPECT_FALSE(health.healthy());
  EXPECT_TRUE(health.RecordCheck(config, true));
  EXPECT_TRUE(health.healthy());
}

TEST(EndpointHealthTest, OneWorkerClaimsEachCheck) {
  EndpointHealth health("a");
  health.ScheduleCheck(100);
  EXPECT_FALSE(health.ClaimCheck(99, 500));
  std::atomic<int> claims{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] { claims += health.ClaimCheck(100, 500) ? 1 : 0; });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(claims, 1);
  EXPECT_FALSE(health.ClaimCheck(499, 900));
  EXPECT_TRUE(health.ClaimCheck(500, 900)) << "the claimer is gone";
}

// cluster.proto, PassiveEjection: the time out is the base multiplied by the ejections so far.
TEST(EndpointHealthTest, EjectionGrowsAndIsForgotten) {
  EjectionConfig config;
  config.enabled = true;
  config.consecutive_failures = 2;
  config.base_ejection_ms = 100;
  config.max_ejection_ms = 250;
  EndpointHealth health("a");
  uint64_t now = 10000;
  EXPECT_FALSE(health.RecordFailure(config));
  health.RecordSuccess();
  EXPECT_FALSE(health.RecordFailure(config)) << "not in a row";
  EXPECT_TRUE(health.RecordFailure(config));
  EXPECT_TRUE(health.Eject(config, now));
  EXPECT_FALSE(health.Eject(config, now)) << "is out already";
  EXPECT_TRUE(health.Ejected(now + 99));
  EXPECT_FALSE(health.Ejected(now + 100));
  now += 100;
  EXPECT_TRUE(health.Eject(config, now));
  EXPECT_EQ(health.ejected_until_ms(), now + 200);
  now += 200;
  EXPECT_TRUE(health.Eject(config, now));
  EXPECT_EQ(health.ejected_until_ms(), now + 250) << "bounded by max_ejection_ms";
  now += 250 + 251;
  EXPECT_TRUE(health.Eject(config, now));
  EXPECT_EQ(health.ejected_until_ms(), now + 100);
}

TEST(EndpointHealthTest, ShareThatMayBeEjected) {
  EjectionConfig config;
  config.max_ejected_percent = 50;
  EXPECT_TRUE(MayEject(config, 1, 0)) << "one always may";
  EXPECT_FALSE(MayEject(config, 3, 1));
  EXPECT_TRUE(MayEject(config, 4, 1));
  EXPECT_FALSE(MayEject(config, 4, 2));
  config.max_ejected_percent = 0;
  EXPECT_TRUE(MayEject(config, 10, 0));
  EXPECT_FALSE(MayEject(config, 10, 1));
}

}  // namespace
}  // namespace postern
