#include "core/upstream/cluster_manager.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>

#include "core/upstream/test_support.h"
#include "core/upstream/upstream_metrics.h"

namespace postern {
namespace {

using Peer = FakeUpstream::Peer;
using Request = FakeUpstream::Request;

class ClusterManagerTest : public testing::Test {
 protected:
  static void Ok(Peer* peer, const Request&) { peer->Answer("ok"); }

  ClusterConfig Config(std::string name, const FakeUpstream& server) {
    ClusterConfig config;
    config.name = std::move(name);
    config.endpoints = {server.endpoint()};
    return config;
  }
  bool Get(Cluster* cluster) {
    TestExchange exchange(cluster);
    exchange.Start();
    EXPECT_TRUE(f.Until([&] { return exchange.done(); }));
    return exchange.ok();
  }

  UpstreamFixture f;
};

TEST_F(ClusterManagerTest, SwapKeepsWhatIsUnchanged) {
  FakeUpstream server(&f.dispatcher, Ok);
  f.Activate({Config("a", server), Config("b", server)});
  Cluster* a = f.Get("a");
  Cluster* b = f.Get("b");
  EXPECT_TRUE(Get(a));
  EXPECT_TRUE(Get(b));
  EXPECT_EQ(server.open, 2);
  ClusterConfig changed = Config("b", server);
  changed.connect_timeout_ms = 1234;
  // Another order, one changed, one new.
  f.Activate({Config("c", server), changed, Config("a", server)});
  EXPECT_EQ(f.Get("a"), a);
  EXPECT_NE(f.Get("b"), b);
  ASSERT_TRUE(f.Until([&] { return server.open == 1; })) << "b's old connection closes";
  ASSERT_TRUE(f.Until([&] { return f.manager.cluster_count() == 3; })) << "and so does the cluster";
  EXPECT_TRUE(Get(f.Get("a")));
  EXPECT_EQ(server.open, 1) << "a's connection was kept";
  EXPECT_EQ(f.Get("b")->stats()->requests.value(), 1u) << "figures belong to the name";
}

TEST_F(ClusterManagerTest, RequestsOutliveTheSwap) {
  std::deque<Peer*> held;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request&) { held.push_back(peer); });
  f.Activate({Config("a", server)});
  auto old_set = f.set;
  Cluster* old_cluster = f.Get("a");
  auto under_way = std::make_unique<TestExchange>(old_cluster);
  under_way->Start();
  ASSERT_TRUE(f.Until([&] { return held.size() == 1; }));
  f.Activate({});
  EXPECT_TRUE(old_cluster->draining());
  // A stream that began with the old snapshot, and reaches its upstream now.
  EXPECT_EQ(f.manager.Get({old_set.get(), 0}), old_cluster);
  auto late = std::make_unique<TestExchange>(old_cluster);
  late->Start();
  ASSERT_TRUE(f.Until([&] { return held.size() == 2; }));
  for (Peer* peer : held) peer->Answer("ok");
  ASSERT_TRUE(f.Until([&] { return under_way->done() && late->done(); }));
  EXPECT_TRUE(under_way->ok());
  EXPECT_TRUE(late->ok());
  ASSERT_TRUE(f.Until([&] { return server.open == 0; })) << "nothing is kept beyond its exchange";
  old_set.reset();
  f.Run(1100);
  EXPECT_EQ(f.manager.cluster_count(), 1u) << "exchanges still hold it";
  under_way.reset();
  late.reset();
  ASSERT_TRUE(f.Until([&] { return f.manager.cluster_count() == 0; }));
}

// Issue "Under stress": snapshot swaps under load fail no request.
TEST_F(ClusterManagerTest, SwapsUnderLoadFailNothing) {
  FakeUpstream server(&f.dispatcher, Ok);
  f.Activate({Config("a", server), Config("b", server)});
  std::vector<std::unique_ptr<TestExchange>> clients(16);
  int finished = 0;
  int good = 0;
  int swaps = 0;
  ASSERT_TRUE(f.Until(
      [&] {
        for (size_t i = 0; i < clients.size(); ++i) {
          auto& client = clients[i];
          if (client != nullptr && !client->done()) continue;
          if (client != nullptr) {
            ++finished;
            good += client->ok() ? 1 : 0;
          }
          client = std::make_unique<TestExchange>(f.Get(i % 2 == 0 ? "a" : "b"));
          client->Start();
        }
        if (finished / 100 > swaps) {
          ++swaps;
          ClusterConfig changed = Config("b", server);
          changed.connect_timeout_ms = 1000 + static_cast<uint32_t>(swaps);
          f.Activate({Config("a", server), changed});
        }
        return swaps == 12;
      },
      20000));
  EXPECT_EQ(good, finished);
}

TEST_F(ClusterManagerTest, GoingBackToAnOlderSet) {
  FakeUpstream server(&f.dispatcher, Ok);
  f.Activate({Config("a", server)});
  auto first = f.set;
  EXPECT_TRUE(Get(f.Get("a")));
  f.Activate({Config("b", server)});
  f.manager.Activate(first);
  Cluster* again = f.manager.Get({first.get(), 0});
  EXPECT_FALSE(again->draining());
  EXPECT_TRUE(Get(again));
  EXPECT_TRUE(Get(again));
  ASSERT_TRUE(f.Until([&] { return server.open == 1; })) << "connections are kept again";
}

TEST_F(ClusterManagerTest, PreparedSetsAreWarmBeforeTheSwap) {
  FakeUpstream server(&f.dispatcher, Ok);
  f.resolver.delay_ms = 40;
  f.resolver.Set("svc", {"127.0.0.1"});
  ClusterConfig named = Config("n", server);
  named.endpoints[0].host = "svc";
  auto set = ClusterSet::Build({named}, 1, nullptr);
  int called = 0;
  bool warm = false;
  const uint64_t start = f.Now();
  f.manager.Prepare(set, 1000, [&](bool all) {
    ++called;
    warm = all;
  });
  EXPECT_EQ(called, 0);
  ASSERT_TRUE(f.Until([&] { return called == 1; }));
  EXPECT_TRUE(warm);
  EXPECT_GE(f.Now() - start, 40u);
  Cluster* prepared = f.manager.Get({set.get(), 0});
  f.manager.Activate(set);
  EXPECT_EQ(f.manager.Get({set.get(), 0}), prepared);
  EXPECT_EQ(prepared->endpoint_count(), 1u);
  EXPECT_TRUE(Get(prepared));

  // A name that takes too long does not hold the swap up.
  f.resolver.delay_ms = 5000;
  named.name = "slow";
  auto slow = ClusterSet::Build({named}, 1, set.get());
  f.manager.Prepare(slow, 30, [&](bool all) {
    ++called;
    warm = all;
  });
  ASSERT_TRUE(f.Until([&] { return called == 2; }));
  EXPECT_FALSE(warm);
  // Dropped, never activated.
  slow.reset();
  ASSERT_TRUE(f.Until([&] { return f.manager.cluster_count() == 1; }));
}

TEST_F(ClusterManagerTest, DrainKeepsNoConnection) {
  FakeUpstream server(&f.dispatcher, Ok);
  f.Activate({Config("a", server)});
  EXPECT_TRUE(Get(f.Get("a")));
  EXPECT_EQ(server.open, 1);
  f.manager.Drain();
  ASSERT_TRUE(f.Until([&] { return server.open == 0; }));
  EXPECT_TRUE(Get(f.Get("a"))) << "requests still go";
  ASSERT_TRUE(f.Until([&] { return server.open == 0; }));
}

TEST_F(ClusterManagerTest, ShutDownWithConnectionsInEveryState) {
  FakeUpstream server(&f.dispatcher, Ok);
  ClusterConfig config = Config("a", server);
  config.health_check.enabled = true;
  config.health_check.path = "/";
  f.resolver.delay_ms = 1000;
  ClusterConfig named = Config("n", server);
  named.endpoints[0].host = "svc";
  auto set = ClusterSet::Build({config, named}, 1, nullptr);
  auto manager = std::make_unique<ClusterManager>(
      UpstreamEnv{.net = &f.net, .resolver = &f.resolver, .worker = 0});
  manager->Activate(set);
  {
    TestExchange a(manager->Get({set.get(), 0}));
    TestExchange b(manager->Get({set.get(), 0}));
    TestExchange c(manager->Get({set.get(), 1}));
    a.Start();
    b.Start();
    c.Start();
    ASSERT_TRUE(f.Until([&] { return a.done(); }));
    b.request.Cancel();
  }
  manager.reset();
  EXPECT_EQ(set->at(0).shared->gauges()->connections.value(), 0u);
  EXPECT_EQ(set->at(0).shared->gauges()->requests.value(), 0u);
  EXPECT_EQ(set->at(0).shared->Totals().idle, 0);
  EXPECT_EQ(set->at(0).shared->Totals().endpoints, 0);
  f.Run(10);
}

struct CountingSink final : MetricsSink {
  void Counter(const MetricFamily& family, MetricLabels labels, uint64_t value) override {
    Put(family, labels, static_cast<double>(value));
  }
  void Counter(const MetricFamily& family, MetricLabels labels, double value) override {
    Put(family, labels, value);
  }
  void Gauge(const MetricFamily& family, MetricLabels labels, double value) override {
    Put(family, labels, value);
  }
  void Histogram(const MetricFamily& family, MetricLabels labels, std::span<const double>,
                 std::span<const uint64_t> counts, double) override {
    uint64_t sum = 0;
    for (uint64_t count : counts) sum += count;
    Put(family, labels, static_cast<double>(sum));
  }
  void Info(const MetricFamily&, MetricLabels) override {}
  void Put(const MetricFamily& family, MetricLabels labels, double value) {
    std::string key(family.name);
    for (const MetricLabel& label : labels) key += "," + std::string(label.value);
    values[key] = value;
  }
  std::map<std::string, double> values;
};

TEST_F(ClusterManagerTest, MetricsOfTheActiveSet) {
  FakeUpstream server(&f.dispatcher, Ok);
  f.Activate({Config("a", server), Config("b", server)});
  EXPECT_TRUE(Get(f.Get("a")));
  UpstreamMetrics metrics;
  CountingSink before;
  metrics.Collect(&before);
  EXPECT_TRUE(before.values.empty());
  metrics.Show(f.set, {std::make_shared<FunctionPool>("fn", FunctionLimits{}, 1)});
  CountingSink sink;
  metrics.Collect(&sink);
  EXPECT_EQ(sink.values.at("postern_upstream_requests,a"), 1);
  EXPECT_EQ(sink.values.at("postern_upstream_requests,b"), 0);
  EXPECT_EQ(sink.values.at("postern_upstream_responses,a,2xx"), 1);
  EXPECT_EQ(sink.values.at("postern_upstream_failures,a,timeout"), 0);
  EXPECT_EQ(sink.values.at("postern_upstream_connect_seconds,a"), 1);
  EXPECT_EQ(sink.values.at("postern_upstream_idle_connections,a"), 1);
  EXPECT_EQ(sink.values.at("postern_function_queue_depth,fn"), 0);
}

}  // namespace
}  // namespace postern
