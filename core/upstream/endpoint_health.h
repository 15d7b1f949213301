#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "core/upstream/cluster_config.h"

namespace postern {

/// What the process knows of the health of one address of a cluster: found out by any worker, seen
/// by all. Lives as long as a worker uses the address, whatever snapshots come and go. Thread-safe;
/// reading costs one or two plain loads. Times are milliseconds of the loops' monotonic clock,
/// which is the same on every thread.
class EndpointHealth {
 public:
  explicit EndpointHealth(std::string key) : key_(std::move(key)) {}
  EndpointHealth(const EndpointHealth&) = delete;
  EndpointHealth& operator=(const EndpointHealth&) = delete;

  const std::string& key() const { return key_; }

  /// As active checks found it; true before the first ones.
  bool healthy() const { return !unhealthy_.load(std::memory_order_relaxed); }
  bool Ejected(uint64_t now_ms) const {
    return now_ms < ejected_until_.load(std::memory_order_relaxed);
  }

  /// An active check has ended. True when that changed healthy().
  bool RecordCheck(const HealthCheckConfig& config, bool success);

  /// Claims the next active check for the caller if it is due, and until `claimed_until_ms` (a time
  /// at which another worker may conclude that the claimer is gone). Exactly one caller gets true.
  bool ClaimCheck(uint64_t now_ms, uint64_t claimed_until_ms);
  /// When the next check is due.
  uint64_t next_check_ms() const { return next_check_.load(std::memory_order_relaxed); }
  void ScheduleCheck(uint64_t at_ms) { next_check_.store(at_ms, std::memory_order_relaxed); }

  /// A real request went well.
  void RecordSuccess() {
    // Written only where it changes, or every request would take the line from the other workers.
    if (failures_.load(std::memory_order_relaxed) != 0) {
      failures_.store(0, std::memory_order_relaxed);
    }
  }

  /// A real request failed. True when that many in a row eject: the caller then decides by Eject().
  bool RecordFailure(const EjectionConfig& config);
  /// Leaves it out for a time that grows with each ejection. False when another worker just did so.
  bool Eject(const EjectionConfig& config, uint64_t now_ms);
  uint64_t ejected_until_ms() const { return ejected_until_.load(std::memory_order_relaxed); }

 private:
  const std::string key_;
  std::atomic<bool> unhealthy_{false};
  std::atomic<uint32_t> check_successes_{0};
  std::atomic<uint32_t> check_failures_{0};
  std::atomic<uint64_t> next_check_{0};
  std::atomic<uint32_t> failures_{0};
  std::atomic<uint32_t> ejections_{0};
  std::atomic<uint64_t> ejected_until_{0};
};

/// Whether one more endpoint of `total` may be ejected while `ejected` are. One always may
/// (cluster.proto, PassiveEjection.max_ejected_percent).
inline bool MayEject(const EjectionConfig& config, size_t total, size_t ejected) {
  return ejected == 0 || (ejected + 1) * 100 <= total * config.max_ejected_percent;
}

}  // namespace postern
