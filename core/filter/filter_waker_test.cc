// Wakers: plugin-abi.md §6 and §14, "wakers fired from eight threads while streams end".
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/filter/test_chain.h"

namespace postern {
namespace {

TEST(FilterWakerTest, WakesComeInOrderAndAreNotMerged) {
  TestWorker worker;
  std::vector<uint64_t> tags;
  postern_waker* waker = nullptr;
  TestFilter filter;
  filter.request_headers = [&](postern_ctx* ctx, uint32_t) {
    waker = H().waker_new(ctx);
    return POSTERN_PAUSE;
  };
  filter.event = [&](postern_ctx* ctx, const postern_event& event) {
    EXPECT_EQ(event.type, uint32_t{POSTERN_EVENT_WAKE});
    EXPECT_EQ(event.id, 0u);
    tags.push_back(event.tag);
    if (event.tag == 99) H().resume(ctx, POSTERN_REQUEST);
  };
  TestPlan plan(&worker, {&filter});
  {
    ChainExchange exchange(&plan);
    exchange.Request();
    ASSERT_NE(waker, nullptr);
    std::thread([&] {
      for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(H().waker_fire(waker, i), POSTERN_OK);
    }).join();
    EXPECT_TRUE(tags.empty());
    EXPECT_TRUE(RunUntil(
        &worker.dispatcher, [&] { return exchange.request_heads > 0; }, 2000));
    ASSERT_EQ(tags.size(), 100u);
    for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(tags[i], i);
  }
  EXPECT_EQ(H().waker_fire(waker, 1), POSTERN_E_NOT_FOUND);  // the owner is gone
  H().waker_free(waker);
  H().waker_free(nullptr);
}

TEST(FilterWakerTest, PendingWakesOfAFreedHandleStillComeAndThoseOfADeadOwnerDoNot) {
  TestWorker worker;
  int events = 0;
  TestFilter filter;
  filter.request_headers = [&](postern_ctx* ctx, uint32_t) {
    postern_waker* waker = H().waker_new(ctx);
    H().waker_fire(waker, 1);
    H().waker_free(waker);
    return POSTERN_PAUSE;
  };
  filter.event = [&](postern_ctx*, const postern_event&) { ++events; };
  TestPlan plan(&worker, {&filter});
  ChainExchange exchange(&plan);
  exchange.Request();
  worker.Turn();
  EXPECT_EQ(events, 1);
  {
    ChainExchange gone(&plan);
    gone.Request();
  }
  worker.Turn();
  EXPECT_EQ(events, 1);
}

TEST(FilterWakerTest, AnOwnersWakersAreLimitedAndFreedOnesMakeRoom) {
  TestWorker worker;
  TestFilter filter;
  filter.request_headers = [&](postern_ctx* ctx, uint32_t) {
    for (int i = 0; i < 1000; ++i) {
      postern_waker* waker = H().waker_new(ctx);
      EXPECT_NE(waker, nullptr);
      H().waker_free(waker);
    }
    std::vector<postern_waker*> held;
    while (postern_waker* waker = H().waker_new(ctx)) held.push_back(waker);
    EXPECT_LE(held.size(), FilterWorker::kMaxStreamWakers);
    EXPECT_GE(held.size(), FilterWorker::kMaxStreamWakers / 2);
    for (postern_waker* waker : held) H().waker_free(waker);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker, {&filter});
  ChainExchange exchange(&plan);
  exchange.Request();
}

TEST(FilterWakerTest, TooManyPendingWakesAreALimit) {
  TestWorker worker({.max_pending_wakes = 10});
  TestFilter filter;
  postern_waker* waker = nullptr;
  filter.request_headers = [&](postern_ctx* ctx, uint32_t) {
    waker = H().waker_new(ctx);
    return POSTERN_PAUSE;
  };
  TestPlan plan(&worker, {&filter});
  ChainExchange exchange(&plan);
  exchange.Request();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(H().waker_fire(waker, 1), POSTERN_OK);
  EXPECT_EQ(H().waker_fire(waker, 1), POSTERN_E_LIMIT);
  worker.Turn();
  EXPECT_EQ(H().waker_fire(waker, 1), POSTERN_OK);
  H().waker_free(waker);
}

// Eight threads fire handles of streams that end meanwhile; all of it under the thread sanitizer.
TEST(FilterWakerTest, EightThreadsWhileStreamsEnd) {
  TestWorker worker;
  constexpr int kThreads = 8;
  constexpr int kStreams = 200;
  std::vector<std::atomic<postern_waker*>> slots(kThreads);
  for (auto& slot : slots) slot.store(nullptr);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> accepted{0};
  uint64_t delivered = 0;
  int made = 0;
  TestFilter filter;
  filter.event = [&](postern_ctx*, const postern_event&) { ++delivered; };
  filter.request_headers = [&](postern_ctx* ctx, uint32_t) {
    // Each thread gets handles of its own, which it frees.
    for (auto& slot : slots) {
      postern_waker* waker = H().waker_new(ctx);
      if (waker == nullptr) continue;
      ++made;
      H().waker_free(slot.exchange(waker));
    }
    return POSTERN_PAUSE;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      while (!stop.load()) {
        postern_waker* waker = slots[static_cast<size_t>(i)].exchange(nullptr);
        if (waker == nullptr) {
          std::this_thread::yield();
          continue;
        }
        for (int fire = 0; fire < 20; ++fire) {
          if (H().waker_fire(waker, 1) == POSTERN_OK) accepted.fetch_add(1);
        }
        H().waker_free(waker);
      }
    });
  }
  {
    TestPlan plan(&worker, {&filter});
    for (int i = 0; i < kStreams; ++i) {
      ChainExchange exchange(&plan);
      exchange.Request();
      // Some end while handles are being fired, some after.
      for (int turn = 0; turn < 50 && i % 4 == 0; ++turn) {
        worker.Turn();
        std::this_thread::yield();
      }
      worker.Turn();
    }
    ChainExchange last(&plan);
    last.Request();
    EXPECT_TRUE(RunUntil(&worker.dispatcher, [&] { return accepted.load() > 0; }));
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  for (auto& slot : slots) H().waker_free(slot.load());
  worker.Turn();
  EXPECT_EQ(made, kThreads * (kStreams + 1));
  EXPECT_LE(delivered, accepted.load());
  EXPECT_GT(accepted.load(), 0u);
}

TEST(FilterWakerTest, AHandleMayOutliveTheWorker) {
  postern_waker* waker = nullptr;
  {
    TestWorker worker;
    TestFilter filter;
    filter.request_headers = [&](postern_ctx* ctx, uint32_t) {
      waker = H().waker_new(ctx);
      H().waker_fire(waker, 1);
      return POSTERN_PAUSE;
    };
    TestPlan plan(&worker, {&filter});
    ChainExchange exchange(&plan);
    exchange.Request();
  }
  EXPECT_EQ(H().waker_fire(waker, 1), POSTERN_E_NOT_FOUND);
  H().waker_free(waker);
}

}  // namespace
}  // namespace postern
