#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace postern {

/// A metric that a module has defined (metric_define).
struct FilterMetricDefinition {
  uint32_t id = 0;
  uint32_t kind = 0;   ///< POSTERN_COUNTER, POSTERN_GAUGE, POSTERN_HISTOGRAM
  std::string module;  ///< name of the module
  std::string name;    ///< as the module gave it
  std::string family;  ///< "postern_filter_<module>_<name>"; a counter's ends in "_total"
  std::vector<std::string> labels;
};

/// The metrics of all modules. Process-wide and growing only, since metric_record() names nothing
/// but the id; ids stay good for the life of the process, over snapshots and versions of a module.
class FilterMetricDefinitions {
 public:
  static constexpr uint32_t kMax = 4096;
  static constexpr uint32_t kMaxPerModule = 256;
  static constexpr size_t kMaxLabels = 8;

  /// The one of the process.
  static FilterMetricDefinitions& Instance();

  /// Defines a metric, or finds the one of the same module, name, kind and labels. Main thread.
  /// InvalidArgument: a name that abi.h does not allow, or one that is taken with another kind or
  /// other labels. ResourceExhausted: there are too many.
  absl::StatusOr<uint32_t> Define(std::string_view module, uint32_t kind, std::string_view name,
                                  const std::vector<std::string_view>& labels);

  /// Any thread; no lock. Null: no id that was given out.
  const FilterMetricDefinition* Find(uint32_t id) const {
    return id < kMax ? slots_[id].load(std::memory_order_acquire) : nullptr;
  }
  /// Ids below it are defined. Any thread.
  uint32_t size() const { return size_.load(std::memory_order_acquire); }

 private:
  std::array<std::atomic<const FilterMetricDefinition*>, kMax> slots_{};
  std::atomic<uint32_t> size_{0};
  std::vector<std::unique_ptr<const FilterMetricDefinition>> definitions_;
};

}  // namespace postern
