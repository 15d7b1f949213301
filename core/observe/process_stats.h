#pragma once

#include <cstdint>

#include "core/base/metrics_source.h"

namespace postern {

/// The process as the kernel sees it, under the names that Prometheus client libraries use. Keeps
/// its descriptors of /proc open, so that it still answers when the process has no descriptor left.
/// What cannot be read (no /proc) has no series. Collect() is for one thread at a time.
class ProcessStats final : public MetricsSource {
 public:
  ProcessStats();
  ~ProcessStats();
  ProcessStats(const ProcessStats&) = delete;
  ProcessStats& operator=(const ProcessStats&) = delete;

  void Collect(MetricsSink* sink) override;

  /// Bytes of memory resident now; 0 if unknown.
  uint64_t ResidentBytes() const;
  /// Descriptors open now; -1 if unknown. Costs a walk over them on kernels before 6.2.
  int64_t OpenFds();
  /// Seconds since 1970 at which the process started; 0 if unknown.
  double start_time_seconds() const { return start_time_seconds_; }

 private:
  int statm_fd_ = -1;
  void* fd_dir_ = nullptr;  // DIR* of /proc/self/fd
  double start_time_seconds_ = 0;
};

}  // namespace postern
