#include "core/upstream/cluster_stats.h"

#include <algorithm>

namespace postern {
namespace {

template <typename Cell, typename Number>
void Sum(const Cell& cell, Number* total) {
  *total += cell.value();
}

template <typename Cell, typename Number, size_t kSize>
void Sum(const Cell (&cells)[kSize], Number (*totals)[kSize]) {
  for (size_t i = 0; i < kSize; ++i) (*totals)[i] += cells[i].value();
}

void Greatest(const GaugeCell& cell, int64_t* total) { *total = std::max(*total, cell.value()); }

}  // namespace

void AddTo(const ClusterStats& stats, ClusterTotals* totals) {
  Sum(stats.requests, &totals->requests);
  Sum(stats.answered, &totals->answered);
  Sum(stats.status_class, &totals->status_class);
  Sum(stats.failures, &totals->failures);
  Sum(stats.aborted, &totals->aborted);
  Sum(stats.cancelled, &totals->cancelled);
  Sum(stats.retries, &totals->retries);
  Sum(stats.retries_denied, &totals->retries_denied);
  Sum(stats.stale_connections, &totals->stale_connections);
  Sum(stats.connects, &totals->connects);
  Sum(stats.connect_failures, &totals->connect_failures);
  Sum(stats.connections_closed, &totals->connections_closed);
  Sum(stats.ejections, &totals->ejections);
  Sum(stats.health_checks, &totals->health_checks);
  Sum(stats.health_check_failures, &totals->health_check_failures);
  Sum(stats.health_changes, &totals->health_changes);
  Sum(stats.dns_lookups, &totals->dns_lookups);
  Sum(stats.dns_failures, &totals->dns_failures);
  Sum(stats.active, &totals->active);
  Sum(stats.pending, &totals->pending);
  Sum(stats.connections, &totals->connections);
  Sum(stats.idle, &totals->idle);
  stats.connect_ms.AddTo(&totals->connect_ms);
  Greatest(stats.endpoints, &totals->endpoints);
  Greatest(stats.endpoints_unhealthy, &totals->endpoints_unhealthy);
  Greatest(stats.endpoints_ejected, &totals->endpoints_ejected);
}

}  // namespace postern
