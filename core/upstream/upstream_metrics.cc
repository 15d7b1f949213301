#include "core/upstream/upstream_metrics.h"

#include <iterator>
#include <utility>

namespace postern {
namespace {

void CollectCluster(std::string_view name, const ClusterTotals& totals, MetricsSink* sink) {
  const MetricLabel cluster = {"cluster", name};
  const auto counter = [&](std::string_view family, std::string_view help, uint64_t value) {
    sink->Counter({family, help}, {cluster}, value);
  };
  const auto gauge = [&](std::string_view family, std::string_view help, int64_t value) {
    sink->Gauge({family, help}, {cluster}, static_cast<double>(value));
  };
  counter("postern_upstream_requests", "Requests to the cluster, retries not counted",
          totals.requests);
  constexpr std::string_view kClasses[] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (size_t i = 1; i < std::size(kClasses); ++i) {
    sink->Counter({"postern_upstream_responses", "Answers of the cluster, by class of status"},
                  {cluster, {"class", kClasses[i]}}, totals.status_class[i]);
  }
  for (size_t i = 1; i < kUpstreamFailureCount; ++i) {
    sink->Counter({"postern_upstream_failures", "Requests without an answer, by reason"},
                  {cluster, {"reason", UpstreamFailureName(static_cast<UpstreamFailure>(i))}},
                  totals.failures[i]);
  }
  counter("postern_upstream_aborted", "Answers that broke off", totals.aborted);
  counter("postern_upstream_cancelled", "Requests given up by the gateway or its client",
          totals.cancelled);
  counter("postern_upstream_retries", "Attempts behind the first", totals.retries);
  counter("postern_upstream_retries_denied", "Retries that the budget refused",
          totals.retries_denied);
  counter("postern_upstream_stale_connections",
          "Attempts that met a kept connection which the cluster had closed",
          totals.stale_connections);
  counter("postern_upstream_connects", "Connections begun", totals.connects);
  counter("postern_upstream_connect_failures", "Connections that did not become usable",
          totals.connect_failures);
  counter("postern_upstream_ejections", "Endpoints left out because requests failed",
          totals.ejections);
  counter("postern_upstream_health_checks", "Active health checks", totals.health_checks);
  counter("postern_upstream_health_check_failures", "Active health checks that failed",
          totals.health_check_failures);
  counter("postern_upstream_dns_lookups", "Names looked up", totals.dns_lookups);
  counter("postern_upstream_dns_failures", "Names that could not be looked up",
          totals.dns_failures);
  sink->Histogram({"postern_upstream_connect_seconds", "Time to a usable connection", "seconds"},
                  {cluster}, totals.connect_ms);
  gauge("postern_upstream_active_requests", "Requests under way", totals.active);
  gauge("postern_upstream_pending_requests", "Requests that wait for a connection", totals.pending);
  gauge("postern_upstream_connections", "Connections, open or being opened", totals.connections);
  gauge("postern_upstream_idle_connections", "Connections without a request", totals.idle);
  gauge("postern_upstream_endpoints", "Addresses of the cluster", totals.endpoints);
  gauge("postern_upstream_endpoints_unhealthy", "Addresses that fail active checks",
        totals.endpoints_unhealthy);
  gauge("postern_upstream_endpoints_ejected", "Addresses left out because requests failed",
        totals.endpoints_ejected);
}

void CollectFunction(std::string_view name, const FunctionFigures& figures, MetricsSink* sink) {
  const MetricLabel function = {"function", name};
  const auto counter = [&](std::string_view family, std::string_view help, uint64_t value) {
    sink->Counter({family, help}, {function}, value);
  };
  counter("postern_function_invocations", "Invocations that got a slot", figures.granted);
  counter("postern_function_queued", "Invocations that had to wait for one", figures.queued);
  counter("postern_function_queue_full", "Invocations refused because too many waited",
          figures.full);
  counter("postern_function_queue_timeouts", "Invocations that waited too long", figures.timed_out);
  sink->Histogram({"postern_function_queue_seconds", "Time waited for a slot", "seconds"},
                  {function}, figures.queue_ms);
  sink->Gauge({"postern_function_queue_depth", "Invocations that wait"}, {function},
              static_cast<double>(figures.waiting));
  sink->Gauge({"postern_function_slots_in_use", "Slots of endpoints that are taken"}, {function},
              static_cast<double>(figures.in_use));
}

}  // namespace

void UpstreamMetrics::Show(std::shared_ptr<const ClusterSet> clusters,
                           std::vector<std::shared_ptr<FunctionPool>> functions) {
  std::lock_guard lock(mutex_);
  clusters_ = std::move(clusters);
  functions_ = std::move(functions);
}

void UpstreamMetrics::Collect(MetricsSink* sink) {
  std::shared_ptr<const ClusterSet> clusters;
  std::vector<std::shared_ptr<FunctionPool>> functions;
  {
    std::lock_guard lock(mutex_);
    clusters = clusters_;
    functions = functions_;
  }
  for (ClusterId id = 0; clusters != nullptr && id < clusters->size(); ++id) {
    const ClusterSet::Entry& entry = clusters->at(id);
    CollectCluster(entry.config->name, entry.shared->Totals(), sink);
  }
  for (const auto& function : functions) {
    CollectFunction(function->name(), function->Figures(), sink);
  }
}

}  // namespace postern
