#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/metric_cell.h"
#include "core/base/metrics_source.h"
#include "core/filter/filter_instance.h"

namespace postern {

/// Times of hooks, in nanoseconds.
struct HookTimeBuckets {
  static constexpr std::array<uint64_t, 12> kUpper = {
      100,       250,       1000,       5000,        25000,       100000,
      1'000'000, 5'000'000, 20'000'000, 100'000'000, 500'000'000, 2'000'000'000};
  static constexpr double kPerUnit = 1e9;
};

/// One filter instance as one worker counts it.
struct alignas(64) FilterCells {
  HistogramCell<HookTimeBuckets> hook_times;
  CounterCell failures;       ///< FAIL, an unknown verdict
  CounterCell stalls;         ///< pauses that nobody ended
  CounterCell replies;        ///< answers it gave
  CounterCell misuses;        ///< calls in the wrong phase, refused
  CounterCell foreign_calls;  ///< calls from threads that may not; written by any thread
  CounterCell slow_hooks;     ///< above the warning threshold
  CounterCell quarantines;    ///< times that it was left out for a while
  CounterCell log_dropped;    ///< lines beyond its rate
  CounterCell callouts;
};

/// The cells of one instance in all workers. Held by the worker filters that use them.
struct FilterStats {
  FilterStats(const FilterInstance& instance, size_t workers);

  FilterCells* cells(size_t worker) { return &of_worker[worker]; }

  const std::string api_id;
  const std::string stage;
  const std::string instance;
  const std::string module;
  const size_t workers;
  const std::unique_ptr<FilterCells[]> of_worker;
};

/// The numbers of all filter instances of the process. Any thread.
class FilterStatsRegistry final : public MetricsSource {
 public:
  /// Instances with cells of their own; further ones share a set named "_overflow".
  static constexpr size_t kMaxInstances = 2000;

  explicit FilterStatsRegistry(size_t workers) : workers_(workers) {}

  /// The same cells for the same API, stage, name and module, over snapshots.
  std::shared_ptr<FilterStats> Get(const FilterInstance& instance);

  void Collect(MetricsSink* sink) override;

 private:
  const size_t workers_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<FilterStats>> stats_;
  std::shared_ptr<FilterStats> overflow_;
};

}  // namespace postern
