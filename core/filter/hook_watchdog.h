#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/filter/breadcrumb.h"

namespace postern {

/// Watches from a thread of its own that no call into a module takes for ever: a worker that does
/// not come back serves nobody. One that is stuck is named, made to dump itself (SIGABRT on its own
/// thread, see InstallFaultHandler()) and ends the process.
class HookWatchdog {
 public:
  struct Watched {
    const Breadcrumb* crumb;  ///< outlives the watchdog
    pthread_t thread;
    int worker = -1;  ///< -1: the main thread
  };
  struct Options {
    uint32_t limit_ms = 10000;  ///< longest that one call may take
    /// What is done about a stuck thread; null: it is made to end the process.
    std::function<void(const Watched&)> on_stuck = {};
  };

  HookWatchdog(std::vector<Watched> watched, Options options);
  ~HookWatchdog();
  HookWatchdog(const HookWatchdog&) = delete;
  HookWatchdog& operator=(const HookWatchdog&) = delete;

 private:
  void Run();

  const std::vector<Watched> watched_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace postern
