#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "core/config/runtime_snapshot.h"
#include "core/observe/access_log.h"
#include "core/observe/execution_log.h"
#include "core/observe/metrics.h"
#include "core/observe/xray.h"

namespace postern {

/// Where serving a snapshot leaves its traces.
struct Observers {
  MetricsRegistry* metrics;
  AccessLogs* logs;
  XRayTracer* tracer;  ///< connected when a snapshot first asks for traces
};

/// A snapshot with what serving it needs beside it, shared by all workers: counters of its routes
/// and stages, and open access logs. Immutable.
struct ServingSnapshot {
  std::shared_ptr<const RuntimeSnapshot> runtime;
  std::vector<std::shared_ptr<RouteMetrics>> route_metrics;         ///< by Route::id
  std::vector<std::shared_ptr<StageMetrics>> stage_metrics;         ///< by Stage::id
  std::vector<std::unique_ptr<const AccessLogTarget>> access_logs;  ///< by Stage::id; may be null
  std::vector<std::unique_ptr<const ExecutionLogTarget>> execution_logs;  ///< the same
  XRayTracer* tracer = nullptr;  ///< null: no stage asks for traces
};

/// Finds the counters and opens the logs of `runtime`. Fails if a log file cannot be opened, naming
/// it; an X-Ray daemon (AWS_XRAY_DAEMON_ADDRESS) that is not found is only logged. What `observers`
/// point at outlives the result.
absl::StatusOr<std::shared_ptr<const ServingSnapshot>> MakeServingSnapshot(
    std::shared_ptr<const RuntimeSnapshot> runtime, const Observers& observers);

}  // namespace postern
