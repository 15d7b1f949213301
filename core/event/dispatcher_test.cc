#include "core/event/dispatcher.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "core/event/fd_watcher.h"

namespace postern {
namespace {

// Timer::Start(): never early. The loop may have slept for long when the callback that starts the
// timer runs.
TEST(DispatcherTest, TimersStartedWhenTheLoopWakesAreNotEarly) {
  Dispatcher dispatcher;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  struct Seen {
    explicit Seen(Dispatcher* d)
        : dispatcher(d),
          timer(
              d->timers(),
              [](void* arg) {
                auto* self = static_cast<Seen*>(arg);
                self->fired = uv_hrtime();
                self->dispatcher->Stop();
              },
              this) {}
    Dispatcher* dispatcher;
    FdWatcher watcher;
    Timer timer;
    uint64_t started = 0;
    uint64_t fired = 0;
  } seen(&dispatcher);
  seen.watcher.Open(
      &dispatcher, ends[0],
      [](void* arg, FdEvents) {
        auto* self = static_cast<Seen*>(arg);
        self->watcher.Watch(false, false, false);
        self->started = uv_hrtime();
        self->timer.Start(30);
      },
      &seen);
  seen.watcher.Watch(true, false, false);
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
  });
  dispatcher.Run();
  writer.join();
  seen.watcher.Close();
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_GE(seen.fired - seen.started, 29'000'000u);
}

}  // namespace
}  // namespace postern
