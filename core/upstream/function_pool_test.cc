#include "core/upstream/function_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/upstream/test_support.h"

namespace postern {
namespace {

class TestLease final : public FunctionLeaseEvents {
 public:
  TestLease(FunctionPool* pool, Cluster* cluster) : lease(pool, cluster, this) {}
  void OnFunctionSlot() override {
    ++slots;
    if (on_slot) on_slot();
  }
  void OnFunctionQueueTimeout() override { ++timeouts; }

  FunctionLease lease;
  int slots = 0;
  int timeouts = 0;
  std::function<void()> on_slot;
};

class FunctionPoolTest : public testing::Test {
 protected:
  using Result = FunctionLease::Result;

  Cluster* Endpoints(int count) {
    ClusterConfig config;
    for (int i = 0; i < count; ++i) {
      config.endpoints.push_back({.host = "127.0.0.1",
                                  .port = static_cast<uint16_t>(9001 + i),
                                  .unix_path = "",
                                  .weight = 1});
    }
    return f.Single(config);
  }
  std::shared_ptr<FunctionPool> Pool(FunctionLimits limits) {
    return std::make_shared<FunctionPool>("fn", limits, 1);
  }

  UpstreamFixture f;
};

// function.proto, concurrency_per_endpoint: a Runtime Interface Emulator serves one at a time
// (management-and-import.md §5.2).
TEST_F(FunctionPoolTest, OneAtATimeFirstComeFirstServed) {
  Cluster* cluster = Endpoints(1);
  auto pool = Pool({.concurrency_per_endpoint = 1});
  TestLease a(pool.get(), cluster), b(pool.get(), cluster), c(pool.get(), cluster);
  EXPECT_EQ(a.lease.Acquire(), Result::kGranted);
  ASSERT_NE(a.lease.endpoint(), nullptr);
  EXPECT_EQ(a.lease.endpoint()->port(), 9001);
  EXPECT_EQ(b.lease.Acquire(), Result::kQueued);
  EXPECT_EQ(c.lease.Acquire(), Result::kQueued);
  EXPECT_EQ(pool->Figures().waiting, 2u);
  f.Run(20);
  EXPECT_EQ(b.slots, 0);
  a.lease.Release();
  EXPECT_EQ(b.slots, 0) << "from the loop only";
  ASSERT_TRUE(f.Until([&] { return b.slots == 1; }));
  EXPECT_TRUE(b.lease.granted());
  EXPECT_GE(b.lease.queue_ms(), 15u);
  EXPECT_EQ(c.slots, 0);
  EXPECT_EQ(pool->Figures().in_use, 1u);
  b.lease.Release();
  ASSERT_TRUE(f.Until([&] { return c.slots == 1; }));
  c.lease.Release();
  const FunctionFigures figures = pool->Figures();
  EXPECT_EQ(figures.granted, 3u);
  EXPECT_EQ(figures.queued, 2u);
  EXPECT_EQ(figures.in_use, 0u);
  EXPECT_EQ(figures.waiting, 0u);
  EXPECT_GE(figures.queue_ms.sum, 30u);
}

TEST_F(FunctionPoolTest, SeveralEndpoints) {
  Cluster* cluster = Endpoints(3);
  auto pool = Pool({.concurrency_per_endpoint = 2});
  std::vector<std::unique_ptr<TestLease>> leases;
  std::map<int, int> per_port;
  for (int i = 0; i < 6; ++i) {
    leases.push_back(std::make_unique<TestLease>(pool.get(), cluster));
    EXPECT_EQ(leases.back()->lease.Acquire(), Result::kGranted);
    ++per_port[leases.back()->lease.endpoint()->port()];
    if (i == 2) {
      EXPECT_EQ(per_port.size(), 3u) << "the least busy first";
    }
  }
  EXPECT_EQ(per_port.size(), 3u);
  for (const auto& [port, count] : per_port) EXPECT_EQ(count, 2) << port;
  TestLease waiting(pool.get(), cluster);
  EXPECT_EQ(waiting.lease.Acquire(), Result::kQueued);
  const int port = leases[3]->lease.endpoint()->port();
  leases[3].reset();
  ASSERT_TRUE(f.Until([&] { return waiting.slots == 1; }));
  EXPECT_EQ(waiting.lease.endpoint()->port(), port);
}

// function.proto, queue_limit and queue_timeout_ms.
TEST_F(FunctionPoolTest, QueueIsBoundedInLengthAndTime) {
  Cluster* cluster = Endpoints(1);
  auto pool = Pool({.concurrency_per_endpoint = 1, .queue_limit = 1, .queue_timeout_ms = 40});
  TestLease a(pool.get(), cluster), b(pool.get(), cluster), c(pool.get(), cluster);
  EXPECT_EQ(a.lease.Acquire(), Result::kGranted);
  EXPECT_EQ(b.lease.Acquire(), Result::kQueued);
  EXPECT_EQ(c.lease.Acquire(), Result::kFull);
  EXPECT_FALSE(c.lease.granted());
  const uint64_t start = f.Now();
  ASSERT_TRUE(f.Until([&] { return b.timeouts == 1; }));
  EXPECT_GE(f.Now() - start, 40u);
  EXPECT_LE(f.Now() - start, 60u);
  a.lease.Release();
  f.Run(5);
  EXPECT_EQ(b.slots, 0);
  EXPECT_EQ(pool->Figures().full, 1u);
  EXPECT_EQ(pool->Figures().timed_out, 1u);
  EXPECT_EQ(pool->Figures().in_use, 0u);
}

TEST_F(FunctionPoolTest, NoBoundNoQueueNoPin) {
  Cluster* cluster = Endpoints(1);
  auto pool = Pool({.concurrency_per_endpoint = 0});
  std::vector<std::unique_ptr<TestLease>> leases;
  for (int i = 0; i < 50; ++i) {
    leases.push_back(std::make_unique<TestLease>(pool.get(), cluster));
    EXPECT_EQ(leases.back()->lease.Acquire(), Result::kGranted);
    EXPECT_EQ(leases.back()->lease.endpoint(), nullptr);
  }
  EXPECT_EQ(pool->Figures().granted, 50u);
}

TEST_F(FunctionPoolTest, LeavingInEveryState) {
  Cluster* cluster = Endpoints(1);
  auto pool = Pool({.concurrency_per_endpoint = 1});
  { TestLease never(pool.get(), cluster); }
  auto a = std::make_unique<TestLease>(pool.get(), cluster);
  auto b = std::make_unique<TestLease>(pool.get(), cluster);
  auto c = std::make_unique<TestLease>(pool.get(), cluster);
  auto d = std::make_unique<TestLease>(pool.get(), cluster);
  EXPECT_EQ(a->lease.Acquire(), Result::kGranted);
  EXPECT_EQ(b->lease.Acquire(), Result::kQueued);
  EXPECT_EQ(c->lease.Acquire(), Result::kQueued);
  EXPECT_EQ(d->lease.Acquire(), Result::kQueued);
  b.reset();  // waiting
  a.reset();  // c has the slot now, and is not told yet
  c.reset();
  ASSERT_TRUE(f.Until([&] { return d->slots == 1; }));
  d->lease.Release();
  d->lease.Release();
  EXPECT_EQ(pool->Figures().in_use, 0u);
  EXPECT_EQ(pool->Figures().waiting, 0u);
  EXPECT_EQ(pool->Figures().left, 2u);
}

TEST_F(FunctionPoolTest, WaitsForNames) {
  f.resolver.Set("fn", {"127.0.0.1"});
  f.resolver.delay_ms = 20;
  ClusterConfig config;
  config.endpoints = {{.host = "fn", .port = 9001, .unix_path = "", .weight = 1}};
  Cluster* cluster = f.Single(config);
  auto pool = Pool({.concurrency_per_endpoint = 1});
  TestLease a(pool.get(), cluster), b(pool.get(), cluster);
  EXPECT_EQ(a.lease.Acquire(), Result::kQueued);
  EXPECT_EQ(b.lease.Acquire(), Result::kQueued);
  ASSERT_TRUE(f.Until([&] { return a.slots == 1; }));
  EXPECT_EQ(b.slots, 0);
  // Another endpoint turns up.
  f.resolver.Set("fn", {"127.0.0.1", "127.0.0.2"});
  ASSERT_TRUE(f.Until([&] { return b.slots == 1; }));
  EXPECT_EQ(b.lease.endpoint()->IpString(), "127.0.0.2");
}

TEST_F(FunctionPoolTest, NameThatDoesNotResolveIsLeftToTheRequest) {
  f.resolver.delay_ms = 10;
  ClusterConfig config;
  config.endpoints = {{.host = "gone", .port = 9001, .unix_path = "", .weight = 1}};
  Cluster* cluster = f.Single(config);
  auto pool = Pool({.concurrency_per_endpoint = 1});
  TestLease a(pool.get(), cluster);
  EXPECT_EQ(a.lease.Acquire(), Result::kQueued);
  ASSERT_TRUE(f.Until([&] { return a.slots == 1; }));
  EXPECT_EQ(a.lease.endpoint(), nullptr);
  TestLease b(pool.get(), cluster);
  EXPECT_EQ(b.lease.Acquire(), Result::kGranted);
}

TEST_F(FunctionPoolTest, LimitsOfANewSnapshot) {
  Cluster* cluster = Endpoints(1);
  auto pool = Pool({.concurrency_per_endpoint = 1});
  TestLease a(pool.get(), cluster), b(pool.get(), cluster), c(pool.get(), cluster);
  EXPECT_EQ(a.lease.Acquire(), Result::kGranted);
  EXPECT_EQ(b.lease.Acquire(), Result::kQueued);
  pool->SetLimits({.concurrency_per_endpoint = 3});
  EXPECT_EQ(c.lease.Acquire(), Result::kQueued) << "behind who came first";
  ASSERT_TRUE(f.Until([&] { return b.slots == 1 && c.slots == 1; }));
  EXPECT_EQ(pool->Figures().in_use, 3u);
}

// The bound holds over all workers, and who waited longest is next, whichever its worker.
TEST_F(FunctionPoolTest, WorkersShareTheSlots) {
  constexpr int kWorkers = 3;
  constexpr int kEach = 200;
  auto pool =
      std::make_shared<FunctionPool>("fn", FunctionLimits{.concurrency_per_endpoint = 1}, kWorkers);
  ClusterConfig config;
  config.name = "c";
  config.endpoints = {{.host = "127.0.0.1", .port = 9001, .unix_path = "", .weight = 1},
                      {.host = "127.0.0.1", .port = 9002, .unix_path = "", .weight = 1}};
  auto set = ClusterSet::Build({config}, kWorkers, nullptr);
  std::atomic<int> in_use{0};
  std::atomic<int> most{0};
  std::atomic<int> served{0};
  std::vector<std::thread> threads;
  for (int w = 0; w < kWorkers; ++w) {
    threads.emplace_back([&, w] {
      Dispatcher dispatcher;
      NetContext net(&dispatcher);
      FakeResolver resolver(&dispatcher);
      ClusterManager manager(
          {.net = &net, .resolver = &resolver, .worker = static_cast<size_t>(w)});
      manager.Activate(set);
      Cluster* cluster = manager.Get({set.get(), 0});
      const auto enter = [&] {
        const int now = ++in_use;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
      };
      for (int i = 0; i < kEach; ++i) {
        TestLease lease(pool.get(), cluster);
        TestLease impatient(pool.get(), cluster);
        bool mine = lease.lease.Acquire() == Result::kGranted;
        if (impatient.lease.Acquire() == Result::kGranted) {
          impatient.lease.Release();
        }
        if (i % 3 == 0) impatient.lease.Release();
        if (!mine) {
          EXPECT_TRUE(RunUntil(&dispatcher, [&] { return lease.slots == 1; }));
        }
        enter();
        EXPECT_NE(lease.lease.endpoint(), nullptr);
        ++served;
        --in_use;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, kWorkers * kEach);
  EXPECT_LE(most, 2);
  EXPECT_EQ(pool->Figures().in_use, 0u);
  EXPECT_EQ(pool->Figures().waiting, 0u);
}

// A lease and a request together, as the Lambda integration uses them: an emulator that answers 400
// to a second invocation never sees one.
TEST_F(FunctionPoolTest, EmulatorNeverSeesTwoAtOnce) {
  std::deque<std::pair<FakeUpstream::Peer*, std::unique_ptr<Timer>>> busy;
  int at_once = 0;
  int refused = 0;
  FakeUpstream emulator(&f.dispatcher, [&](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    if (++at_once > 1) {
      ++refused;
      peer->Answer("busy", 400);
      return;
    }
    struct Later {
      FakeUpstream::Peer* peer;
      int* at_once;
    };
    auto* later = new Later{peer, &at_once};
    busy.emplace_back(peer, std::make_unique<Timer>(
                                f.dispatcher.timers(),
                                [](void* arg) {
                                  std::unique_ptr<Later> self(static_cast<Later*>(arg));
                                  --*self->at_once;
                                  self->peer->Answer("null");
                                },
                                later));
    busy.back().second->Start(1);
  });
  ClusterConfig config;
  config.endpoints = {emulator.endpoint()};
  Cluster* cluster = f.Single(config);
  auto pool = Pool({.concurrency_per_endpoint = 1});
  struct Invocation {
    Invocation(FunctionPool* pool, Cluster* cluster) : lease(pool, cluster), exchange(cluster) {
      exchange.Method("POST", "/2015-03-31/functions/function/invocations");
      exchange.on_end = [this] { lease.lease.Release(); };
      lease.on_slot = [this] { Go(); };
      if (lease.lease.Acquire() == FunctionLease::Result::kGranted) Go();
    }
    void Go() {
      exchange.options.pinned = lease.lease.endpoint();
      exchange.StartContent("{}");
    }
    TestLease lease;
    TestExchange exchange;
  };
  std::vector<std::unique_ptr<Invocation>> all;
  for (int i = 0; i < 20; ++i) all.push_back(std::make_unique<Invocation>(pool.get(), cluster));
  ASSERT_TRUE(f.Until([&] {
    return std::all_of(all.begin(), all.end(),
                       [](const auto& one) { return one->exchange.done(); });
  }));
  for (const auto& one : all) {
    EXPECT_EQ(one->exchange.status, 200);
    EXPECT_EQ(one->exchange.body, "null");
  }
  EXPECT_EQ(refused, 0);
}

}  // namespace
}  // namespace postern
