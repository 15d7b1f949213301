#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/metric_cell.h"
#include "core/base/metrics_source.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"

namespace postern {

/// Watches that the workers' loops turn. A loop without work sleeps, so its heartbeat alone says
/// nothing: the watch posts an empty task to each loop from time to time (never a second one before
/// the first has run) and sees how long it takes to run. A loop that has not turned for the limit
/// since it was asked is stalled. Belongs to the thread of the dispatcher it watches from.
class LoopWatch final : public MetricsSource {
 public:
  struct Options {
    uint64_t interval_ms = 1000;  ///< between two pings of the same loop
    uint64_t limit_ms = 10000;    ///< without a turn, though asked, before it is stalled
  };

  /// `own` is the loop of the calling thread; null when Tick() is called by hand.
  LoopWatch(Dispatcher* own, Options options);
  ~LoopWatch();
  LoopWatch(const LoopWatch&) = delete;
  LoopWatch& operator=(const LoopWatch&) = delete;

  /// Watches one more loop, which must exist until Clear(). Its number is that of the calls before.
  void Add(Dispatcher* worker);

  /// Watches nothing from here on; before the workers' loops end.
  void Clear();

  struct Stall {
    size_t worker;
    uint64_t for_ms;  ///< without a turn, though asked
  };
  /// The loops that are stalled now.
  std::vector<Stall> Stalled() const;

  /// Asks every loop to turn that is not asked already.
  void Tick();

  void Collect(MetricsSink* sink) override;

 private:
  // Shared with the task under way, which may run after this object has ended.
  struct Lane {
    Dispatcher* dispatcher;
    std::atomic<bool> answered{true};
    std::atomic<uint64_t> lag_us{0};  // of the last ping
    ShortTimeHistogram lag;           // written by the worker
    uint64_t asked_at_us = 0;
    uint64_t heartbeat = 0;     // as last seen, and
    uint64_t turned_at_us = 0;  // when it was first seen so, or asked
  };

  void Arm();

  Options options_;
  std::vector<std::shared_ptr<Lane>> lanes_;
  std::unique_ptr<Timer> timer_;  // null without a loop of its own
};

}  // namespace postern
