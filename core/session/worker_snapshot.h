#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/filter/worker_filters.h"
#include "core/observe/access_log.h"
#include "core/observe/execution_log.h"
#include "core/observe/metrics.h"
#include "core/observe/xray.h"
#include "core/route/router.h"

namespace postern {

class ClusterManager;

/// A snapshot as one worker uses it: the shared immutable part, and what this worker keeps beside
/// it. Made by core/server on the worker, and destroyed there once its last exchange has ended.
struct WorkerSnapshot {
  std::shared_ptr<const void> hold;  ///< keeps everything below alive
  const Router* router = nullptr;
  ClusterManager* clusters = nullptr;
  uint64_t version = 0;
  /// By Route::id and Stage::id.
  std::vector<RouteCells*> route_cells;
  std::vector<StageCells*> stage_cells;
  std::vector<const AccessLogTarget*> access_logs;  ///< by Stage::id; null: the stage does not log
  std::vector<const ExecutionLogTarget*> execution_logs;  ///< the same
  XRayTracer* tracer = nullptr;  ///< null: no stage of it asks for traces
  /// States of its filters on this worker; null: it has none. Goes before `hold` does.
  std::unique_ptr<WorkerFilters> filters;
  size_t streams = 0;  ///< exchanges that use it
};

}  // namespace postern
