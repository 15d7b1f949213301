#include "core/filter/filter_stats.h"

#include "lib/text/concat.h"

namespace postern {

FilterStats::FilterStats(const FilterInstance& of, size_t worker_count)
    : api_id(of.api_id),
      stage(of.stage),
      instance(of.name),
      module(of.module != nullptr ? of.module->name() : std::string_view{}),
      workers(worker_count),
      of_worker(new FilterCells[worker_count]) {}

std::shared_ptr<FilterStats> FilterStatsRegistry::Get(const FilterInstance& instance) {
  const std::string key =
      Concat(instance.api_id, "\n", instance.stage, "\n", instance.name, "\n",
             instance.module != nullptr ? instance.module->name() : std::string_view{});
  std::lock_guard lock(mutex_);
  std::shared_ptr<FilterStats>& stats = stats_[key];
  if (stats != nullptr) return stats;
  if (stats_.size() > kMaxInstances) {
    std::erase_if(stats_, [](const auto& entry) {
      return entry.second == nullptr || entry.second.use_count() == 1;
    });
    if (stats_.size() >= kMaxInstances) {
      if (overflow_ == nullptr) {
        FilterInstance shared;
        shared.name = "_overflow";
        overflow_ = std::make_shared<FilterStats>(shared, workers_);
      }
      return overflow_;
    }
    return stats_[key] = std::make_shared<FilterStats>(instance, workers_);
  }
  stats = std::make_shared<FilterStats>(instance, workers_);
  return stats;
}

void FilterStatsRegistry::Collect(MetricsSink* sink) {
  std::lock_guard lock(mutex_);
  const auto show = [sink](const FilterStats& stats) {
    FilterCells* cells = stats.of_worker.get();
    const auto total = [&](CounterCell FilterCells::*cell) {
      uint64_t sum = 0;
      for (size_t i = 0; i < stats.workers; ++i) sum += (cells[i].*cell).value();
      return sum;
    };
    const auto counter = [&](std::string_view name, std::string_view help,
                             CounterCell FilterCells::*cell) {
      sink->Counter({name, help},
                    {{"api_id", stats.api_id},
                     {"stage", stats.stage},
                     {"filter", stats.instance},
                     {"module", stats.module}},
                    total(cell));
    };
    counter("postern_filter_failures", "Times that a filter's failure policy was applied.",
            &FilterCells::failures);
    counter("postern_filter_stalls", "Pauses of a filter that the gateway ended.",
            &FilterCells::stalls);
    counter("postern_filter_replies", "Requests that a filter answered itself.",
            &FilterCells::replies);
    counter("postern_filter_misuses", "Calls of host functions in a wrong phase.",
            &FilterCells::misuses);
    counter("postern_filter_foreign_calls", "Calls of host functions from a wrong thread.",
            &FilterCells::foreign_calls);
    counter("postern_filter_slow_hooks", "Calls of a filter above the warning threshold.",
            &FilterCells::slow_hooks);
    counter("postern_filter_quarantines",
            "Times that a filter which is not required was left out after many failures.",
            &FilterCells::quarantines);
    counter("postern_filter_log_dropped", "Log lines of a filter beyond its rate.",
            &FilterCells::log_dropped);
    counter("postern_filter_callouts", "HTTP exchanges that a filter began.",
            &FilterCells::callouts);
    HistogramTotal<HookTimeBuckets> times;
    for (size_t i = 0; i < stats.workers; ++i) cells[i].hook_times.AddTo(&times);
    sink->Histogram({"postern_filter_hook_seconds", "Time that calls of a filter took.", "seconds"},
                    {{"api_id", stats.api_id},
                     {"stage", stats.stage},
                     {"filter", stats.instance},
                     {"module", stats.module}},
                    times);
  };
  for (const auto& [key, stats] : stats_) {
    if (stats != nullptr) show(*stats);
  }
  if (overflow_ != nullptr) show(*overflow_);
}

}  // namespace postern
