#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/upstream/upstream_failure.h"

namespace postern {

/// A figure that one worker changes and any thread may read. Costs what a plain integer costs.
class Stat {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Sub(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  void Set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// Upper bounds of the classes of connect times, in milliseconds; one more class is unbounded.
inline constexpr std::array<uint32_t, 8> kConnectMsBounds = {1, 5, 10, 25, 100, 250, 1000, 5000};

/// What one worker counts for one cluster. `T` is Stat where it is counted, uint64_t where it is
/// summed up.
template <typename T>
struct ClusterFigures {
  // Counters.
  T requests{};                            ///< exchanges begun
  T answered{};                            ///< final heads passed on
  T status_class[6] = {};                  ///< of those, by the status' first digit; [0] unused
  T failures[kUpstreamFailureCount] = {};  ///< exchanges without a head, by reason
  T aborted{};                             ///< broken off behind their head
  T cancelled{};                           ///< given up by who asked
  T retries{};                             ///< attempts behind the first
  T retries_denied{};                      ///< refused by the budget
  T stale_connections{};  ///< attempts that met a pooled connection the peer had closed
  T connects{};           ///< connections begun
  T connect_failures{};   ///< of those, not usable in the end
  T connections_closed{};
  T connect_ms_sum{};  ///< of those that became usable, TLS included
  T connect_ms_count[kConnectMsBounds.size() + 1] = {};
  T ejections{};
  T health_checks{};
  T health_check_failures{};
  T health_changes{};
  T dns_lookups{};
  T dns_failures{};
  // Gauges.
  T active{};               ///< exchanges under way, waiting ones included
  T pending{};              ///< of those, waiting for a connection or an endpoint
  T connections{};          ///< open or being opened
  T idle{};                 ///< of those, without an exchange
  T endpoints{};            ///< addresses in use
  T endpoints_unhealthy{};  ///< of those, by active checks
  T endpoints_ejected{};    ///< of those, by passive ejection
};

/// On its own cache lines, for every worker has one next to the other's.
struct alignas(64) ClusterStats : ClusterFigures<Stat> {
  void CountConnect(uint64_t ms) {
    connect_ms_sum.Add(ms);
    size_t at = 0;
    while (at < kConnectMsBounds.size() && ms > kConnectMsBounds[at]) ++at;
    connect_ms_count[at].Add();
  }
};

using ClusterTotals = ClusterFigures<uint64_t>;

/// Adds the figures of one worker. Gauges of endpoints are every worker's view of the same ones, so
/// there the greatest counts.
void AddTo(const ClusterStats& stats, ClusterTotals* totals);

}  // namespace postern
