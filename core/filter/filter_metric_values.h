#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/abi/abi.h"
#include "core/base/metric_cell.h"
#include "core/base/metrics_source.h"
#include "core/filter/filter_metric_definitions.h"

namespace postern {

/// What modules have recorded (metric_record of api/abi/abi.h). A worker writes to a lane of its
/// own, whose lock nobody contends for but a scrape; all other threads share one. Counters and
/// histograms are added up at a scrape; a gauge is what was set last.
class FilterMetricValues final : public MetricsSource {
 public:
  /// Of one metric; values with further labels go to a set whose labels are all "_overflow".
  static constexpr size_t kMaxLabelSets = 200;
  static constexpr size_t kMaxLanes = 256;
  static constexpr std::array<uint64_t, 16> kBounds = {
      1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000, 1000000};

  /// The one of the process.
  static FilterMetricValues& Instance();

  /// Any thread; `worker` is that of the calling thread, or negative. False: an unknown id, a wrong
  /// number of labels, a negative increment.
  bool Record(uint32_t metric, int64_t value, const postern_str* labels, size_t count, int worker);

  void Collect(MetricsSink* sink) override;

 private:
  struct Value {
    int64_t number = 0;  // of a counter or gauge; the sum of a histogram
    std::array<uint64_t, kBounds.size() + 1> counts = {};
  };
  using Table = std::unordered_map<std::string, Value>;  // by the labels' values, each ended by NUL
  struct alignas(64) Lane {
    std::mutex mutex;
    std::vector<Table> tables;  // by metric id
  };

  static void Merge(const Value& from, bool gauge, Value* to);

  std::array<Lane, kMaxLanes + 1> lanes_;
  CounterCell overflows_;
};

}  // namespace postern
