#include "core/filter/hook_watchdog.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "core/base/log.h"

namespace postern {
namespace {

using Clock = std::chrono::steady_clock;

void EndProcess(const HookWatchdog::Watched& watched) {
  ::pthread_kill(watched.thread, SIGABRT);
  // It may have blocked its signals.
  std::this_thread::sleep_for(std::chrono::seconds(2));
  std::abort();
}

}  // namespace

HookWatchdog::HookWatchdog(std::vector<Watched> watched, Options options)
    : watched_(std::move(watched)), options_(std::move(options)), thread_([this] { Run(); }) {}

HookWatchdog::~HookWatchdog() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void HookWatchdog::Run() {
  struct Seen {
    uint64_t calls = 0;
    Clock::time_point since;
    bool told = false;
  };
  std::vector<Seen> seen(watched_.size());
  const auto limit = std::chrono::milliseconds(options_.limit_ms);
  const auto pause = std::max<std::chrono::milliseconds>(limit / 8, std::chrono::milliseconds(5));
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, pause, [this] { return stop_; })) {
    const Clock::time_point now = Clock::now();
    for (size_t i = 0; i < watched_.size(); ++i) {
      const Breadcrumb& crumb = *watched_[i].crumb;
      const uint64_t calls = crumb.calls.load(std::memory_order_relaxed);
      const HookName hook = crumb.hook.load(std::memory_order_relaxed);
      if (hook == HookName::kNone || calls != seen[i].calls) {
        seen[i] = {calls, now, false};
        continue;
      }
      if (now - seen[i].since < limit || std::exchange(seen[i].told, true)) continue;
      Log(LogLevel::kError, "filter_stuck",
          {{"worker", int64_t{watched_[i].worker}},
           {"hook", HookNameText(hook)},
           {"ms", uint64_t{options_.limit_ms}}});
      if (options_.on_stuck != nullptr) {
        options_.on_stuck(watched_[i]);
      } else {
        EndProcess(watched_[i]);
      }
    }
  }
}

}  // namespace postern
