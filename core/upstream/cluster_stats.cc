#include "core/upstream/cluster_stats.h"

#include <algorithm>

namespace postern {

void AddTo(const ClusterStats& stats, ClusterTotals* totals) {
  using Figures = ClusterFigures<Stat>;
  using Totals = ClusterTotals;
  constexpr std::pair<Stat Figures::*, uint64_t Totals::*> kSums[] = {
      {&Figures::requests, &Totals::requests},
      {&Figures::answered, &Totals::answered},
      {&Figures::aborted, &Totals::aborted},
      {&Figures::cancelled, &Totals::cancelled},
      {&Figures::retries, &Totals::retries},
      {&Figures::retries_denied, &Totals::retries_denied},
      {&Figures::stale_connections, &Totals::stale_connections},
      {&Figures::connects, &Totals::connects},
      {&Figures::connect_failures, &Totals::connect_failures},
      {&Figures::connections_closed, &Totals::connections_closed},
      {&Figures::connect_ms_sum, &Totals::connect_ms_sum},
      {&Figures::ejections, &Totals::ejections},
      {&Figures::health_checks, &Totals::health_checks},
      {&Figures::health_check_failures, &Totals::health_check_failures},
      {&Figures::health_changes, &Totals::health_changes},
      {&Figures::dns_lookups, &Totals::dns_lookups},
      {&Figures::dns_failures, &Totals::dns_failures},
      {&Figures::active, &Totals::active},
      {&Figures::pending, &Totals::pending},
      {&Figures::connections, &Totals::connections},
      {&Figures::idle, &Totals::idle},
  };
  constexpr std::pair<Stat Figures::*, uint64_t Totals::*> kGreatest[] = {
      {&Figures::endpoints, &Totals::endpoints},
      {&Figures::endpoints_unhealthy, &Totals::endpoints_unhealthy},
      {&Figures::endpoints_ejected, &Totals::endpoints_ejected},
  };
  for (const auto& [from, to] : kSums) totals->*to += (stats.*from).value();
  for (const auto& [from, to] : kGreatest) {
    totals->*to = std::max(totals->*to, (stats.*from).value());
  }
  for (size_t i = 0; i < std::size(totals->status_class); ++i) {
    totals->status_class[i] += stats.status_class[i].value();
  }
  for (size_t i = 0; i < std::size(totals->failures); ++i) {
    totals->failures[i] += stats.failures[i].value();
  }
  for (size_t i = 0; i < std::size(totals->connect_ms_count); ++i) {
    totals->connect_ms_count[i] += stats.connect_ms_count[i].value();
  }
}

}  // namespace postern
