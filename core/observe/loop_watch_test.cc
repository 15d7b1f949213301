#include "core/observe/loop_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/observe/exposition_check_test.h"

namespace postern {
namespace {

// A loop on a thread of its own.
class Loop {
 public:
  Loop() : thread_([this] { dispatcher_.Run(); }) {}
  ~Loop() {
    dispatcher_.Post([this] { dispatcher_.Stop(); });
    thread_.join();
  }
  Dispatcher* dispatcher() { return &dispatcher_; }

 private:
  Dispatcher dispatcher_;
  std::thread thread_;
};

template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

CheckedExposition Collect(LoopWatch* watch) {
  Exposition out(ExpositionFormat::kText);
  watch->Collect(&out);
  return CheckExposition(out.Finish(), ExpositionFormat::kText);
}

TEST(LoopWatchTest, AnIdleLoopIsNotStalled) {
  Loop worker;
  LoopWatch watch(nullptr, {.limit_ms = 20});
  watch.Add(worker.dispatcher());
  watch.Tick();
  EXPECT_TRUE(
      Eventually([&] { return Collect(&watch).Value("postern_loop_lag_seconds_count") == 1; }));
  // Nobody asks it to turn now, so it sleeps, and that is not held against it.
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  EXPECT_TRUE(watch.Stalled().empty());
  watch.Clear();
}

TEST(LoopWatchTest, ALoopThatHangsIsStalledUntilItTurnsAgain) {
  std::atomic<bool> hanging{false};
  std::atomic<bool> release{false};
  Loop good;
  Loop bad;
  LoopWatch watch(nullptr, {.limit_ms = 50});
  watch.Add(good.dispatcher());
  watch.Add(bad.dispatcher());
  bad.dispatcher()->Post([&] {
    hanging = true;
    while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  ASSERT_TRUE(Eventually([&] { return hanging.load(); }));
  watch.Tick();
  EXPECT_TRUE(watch.Stalled().empty());  // not yet
  ASSERT_TRUE(Eventually([&] { return !watch.Stalled().empty(); }));
  const std::vector<LoopWatch::Stall> stalled = watch.Stalled();
  ASSERT_EQ(stalled.size(), 1u);
  EXPECT_EQ(stalled[0].worker, 1u);
  EXPECT_GE(stalled[0].for_ms, 50u);
  // No second ping piles up behind the first.
  watch.Tick();
  watch.Tick();
  EXPECT_GE(Collect(&watch).Value("postern_worker_loop_last_lag_seconds{worker=\"1\"}"), 0.05);
  release = true;
  EXPECT_TRUE(Eventually([&] { return watch.Stalled().empty(); }));
  ASSERT_TRUE(
      Eventually([&] { return Collect(&watch).Value("postern_loop_lag_seconds_count") >= 3; }));
  EXPECT_EQ(Collect(&watch).Value("postern_loop_lag_seconds_bucket{le=\"0.025\"}"),
            Collect(&watch).Value("postern_loop_lag_seconds_count") - 1);
  watch.Clear();
}

TEST(LoopWatchTest, AsksByItselfOnItsOwnLoop) {
  Loop worker;
  Dispatcher main_loop;
  LoopWatch watch(&main_loop, {.interval_ms = 5});
  watch.Add(worker.dispatcher());
  Timer end(
      main_loop.timers(), [](void* arg) { static_cast<Dispatcher*>(arg)->Stop(); }, &main_loop);
  end.Start(200);
  main_loop.Run();
  EXPECT_GE(Collect(&watch).Value("postern_loop_lag_seconds_count"), 3);
  EXPECT_GT(Collect(&watch).Value("postern_worker_loop_turns_total{worker=\"0\"}"), 0);
  watch.Clear();
}

TEST(LoopWatchTest, APingMayOutliveTheWatch) {
  std::atomic<bool> release{false};
  Loop worker;
  worker.dispatcher()->Post([&] {
    while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  {
    LoopWatch watch(nullptr, {});
    watch.Add(worker.dispatcher());
    watch.Tick();
    watch.Clear();
  }
  release = true;
}

}  // namespace
}  // namespace postern
