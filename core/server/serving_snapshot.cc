#include "core/server/serving_snapshot.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "core/base/log.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

absl::StatusOr<std::shared_ptr<AccessLogSink>> OpenLog(const std::string& file, AccessLogs* logs) {
  return file.empty() ? logs->OpenStandardOutput() : logs->OpenFile(file);
}

std::string DaemonAddress() {
  const char* address = std::getenv("AWS_XRAY_DAEMON_ADDRESS");
  return address != nullptr && *address != '\0' ? address : "127.0.0.1:2000";
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ServingSnapshot>> MakeServingSnapshot(
    std::shared_ptr<const RuntimeSnapshot> runtime, const Observers& observers) {
  MetricsRegistry* const metrics = observers.metrics;
  AccessLogs* const logs = observers.logs;
  auto serving = std::make_shared<ServingSnapshot>();
  for (const Stage* stage : runtime->stages()) {
    serving->stage_metrics.push_back(
        metrics->Stage(stage->api->id, stage->name, stage->api->name));
    std::unique_ptr<AccessLogTarget> target;
    if (stage->access_log != nullptr) {
      auto sink = OpenLog(stage->access_log->file, logs);
      if (!sink.ok()) return sink.status();
      target = std::make_unique<AccessLogTarget>(
          AccessLogTarget{*std::move(sink), *stage->access_log->format});
    }
    serving->access_logs.push_back(std::move(target));
    std::unique_ptr<ExecutionLogTarget> execution;
    if (stage->has_execution_log) {
      auto sink = OpenLog(stage->execution_log_file, logs);
      if (!sink.ok()) return sink.status();
      // rest-api.md §13.6.
      const std::string group =
          Concat("API-Gateway-Execution-Logs_", stage->api->id, "/", stage->name);
      execution = std::make_unique<ExecutionLogTarget>(
          ExecutionLogTarget{*std::move(sink), group, Concat(group, "/Canary")});
    }
    serving->execution_logs.push_back(std::move(execution));
  }
  serving->route_metrics.resize(runtime->routes().size());
  for (const Stage* stage : runtime->stages()) {
    for (const Variant* variant : {stage->main.get(), stage->canary.get()}) {
      if (variant == nullptr) continue;
      for (const Route& route : variant->routes) {
        serving->route_metrics[route.id] =
            metrics->Route(stage->api->id, stage->name, route.facts->resource_path,
                           route.facts->method(), route.detailed_metrics);
        if (route.tracing) serving->tracer = observers.tracer;
      }
    }
  }
  if (serving->tracer != nullptr && !serving->tracer->connected()) {
    if (absl::Status status = serving->tracer->Connect(DaemonAddress()); !status.ok()) {
      Log(LogLevel::kError, "xray_daemon_not_found",
          {{"reason", std::string(status.message())},
           {"effect", "segments are lost until a configuration is activated that finds it"}});
    }
  }
  serving->runtime = std::move(runtime);
  return std::shared_ptr<const ServingSnapshot>(std::move(serving));
}

}  // namespace postern
