#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/metric_cell.h"
#include "core/upstream/upstream_failure.h"

namespace postern {

/// What one worker counts for one cluster. The parameters are cells where it is counted, plain
/// numbers where it is summed up.
template <typename Counter, typename Gauge, typename Histogram>
struct ClusterFigures {
  Counter requests{};                            ///< exchanges begun
  Counter answered{};                            ///< final heads passed on
  Counter status_class[6] = {};                  ///< of those, by the first digit; [0] unused
  Counter failures[kUpstreamFailureCount] = {};  ///< exchanges without a head, by reason
  Counter aborted{};                             ///< broken off behind their head
  Counter cancelled{};                           ///< given up by who asked
  Counter retries{};                             ///< attempts behind the first
  Counter retries_denied{};                      ///< refused by the budget
  Counter stale_connections{};  ///< attempts that met a pooled connection the peer had closed
  Counter connects{};           ///< connections begun
  Counter connect_failures{};   ///< of those, not usable in the end
  Counter connections_closed{};
  Counter ejections{};
  Counter health_checks{};
  Counter health_check_failures{};
  Counter health_changes{};
  Counter dns_lookups{};
  Counter dns_failures{};
  Histogram connect_ms{};  ///< of connections that became usable, TLS included

  Gauge active{};               ///< exchanges under way, waiting ones included
  Gauge pending{};              ///< of those, waiting for a connection or an endpoint
  Gauge connections{};          ///< open or being opened
  Gauge idle{};                 ///< of those, without an exchange
  Gauge endpoints{};            ///< addresses in use
  Gauge endpoints_unhealthy{};  ///< of those, by active checks
  Gauge endpoints_ejected{};    ///< of those, by passive ejection
};

/// Aligned, for every worker has its own next to the others'.
struct alignas(64) ClusterStats
    : ClusterFigures<CounterCell, GaugeCell, HistogramCell<LatencyBuckets>> {};

using ClusterTotals = ClusterFigures<uint64_t, int64_t, HistogramTotal<LatencyBuckets>>;

/// Adds the figures of one worker. Gauges of endpoints are every worker's view of the same ones, so
/// there the greatest counts.
void AddTo(const ClusterStats& stats, ClusterTotals* totals);

}  // namespace postern
