#include "core/server/serving_snapshot.h"

#include <utility>

namespace postern {

absl::StatusOr<std::shared_ptr<const ServingSnapshot>> MakeServingSnapshot(
    std::shared_ptr<const RuntimeSnapshot> runtime, MetricsRegistry* metrics, AccessLogs* logs) {
  auto serving = std::make_shared<ServingSnapshot>();
  for (const Stage* stage : runtime->stages()) {
    serving->stage_metrics.push_back(metrics->Stage(stage->api->id, stage->name));
    std::unique_ptr<AccessLogTarget> target;
    if (stage->access_log != nullptr) {
      auto sink = stage->access_log->file.empty() ? logs->OpenStandardOutput()
                                                  : logs->OpenFile(stage->access_log->file);
      if (!sink.ok()) return sink.status();
      target = std::make_unique<AccessLogTarget>(
          AccessLogTarget{*std::move(sink), *stage->access_log->format});
    }
    serving->access_logs.push_back(std::move(target));
  }
  serving->route_metrics.resize(runtime->routes().size());
  for (const Stage* stage : runtime->stages()) {
    for (const Variant* variant : {stage->main.get(), stage->canary.get()}) {
      if (variant == nullptr) continue;
      for (const Route& route : variant->routes) {
        serving->route_metrics[route.id] =
            metrics->Route(stage->api->id, stage->name, route.facts->resource_path,
                           route.facts->method(), route.detailed_metrics);
      }
    }
  }
  serving->runtime = std::move(runtime);
  return std::shared_ptr<const ServingSnapshot>(std::move(serving));
}

}  // namespace postern
