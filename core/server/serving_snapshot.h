#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "core/config/runtime_snapshot.h"
#include "core/observe/access_log.h"
#include "core/observe/metrics.h"

namespace postern {

/// A snapshot with what serving it needs beside it, shared by all workers: counters of its routes
/// and stages, and open access logs. Immutable.
struct ServingSnapshot {
  std::shared_ptr<const RuntimeSnapshot> runtime;
  std::vector<std::shared_ptr<RouteMetrics>> route_metrics;         ///< by Route::id
  std::vector<std::shared_ptr<StageMetrics>> stage_metrics;         ///< by Stage::id
  std::vector<std::unique_ptr<const AccessLogTarget>> access_logs;  ///< by Stage::id; may be null
};

/// Finds the counters and opens the logs of `runtime`. Fails if a log file cannot be opened, naming
/// it.
absl::StatusOr<std::shared_ptr<const ServingSnapshot>> MakeServingSnapshot(
    std::shared_ptr<const RuntimeSnapshot> runtime, MetricsRegistry* metrics, AccessLogs* logs);

}  // namespace postern
