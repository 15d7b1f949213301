#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/upstream/cluster_config.h"
#include "core/upstream/cluster_stats.h"
#include "core/upstream/endpoint_health.h"

namespace postern {

/// A count of things in use over all workers, with a limit. Thread-safe.
class SharedGauge {
 public:
  /// Counts one more unless `max` are in use.
  bool TryAcquire(uint32_t max) {
    if (value_.fetch_add(1, std::memory_order_relaxed) < max) return true;
    value_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  /// Counts one more whatever the limit.
  void Acquire() { value_.fetch_add(1, std::memory_order_relaxed); }
  void Release() { value_.fetch_sub(1, std::memory_order_relaxed); }
  uint32_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> value_{0};
};

/// The circuit's counts: what CircuitConfig bounds. On cache lines of their own.
struct alignas(64) CircuitGauges {
  SharedGauge connections;
  SharedGauge pending;
  SharedGauge requests;
  SharedGauge retries;  ///< attempts behind the first that are under way
};

/// Takes a place for one more retry: at most budget_percent of the requests under way, or
/// budget_min_concurrent where that is more. Release gauges->retries when the attempt has ended.
bool TryAcquireRetry(const RetryConfig& config, CircuitGauges* gauges);

/// What all workers share of one cluster. Belongs to the cluster's name: a changed configuration of
/// the same name goes on with it, so counts stay true while the old one drains. Thread-safe.
class ClusterShared {
 public:
  ClusterShared(std::string name, size_t workers) : name_(std::move(name)), stats_(workers) {}
  ClusterShared(const ClusterShared&) = delete;
  ClusterShared& operator=(const ClusterShared&) = delete;

  const std::string& name() const { return name_; }
  CircuitGauges* gauges() { return &gauges_; }

  /// `worker` counts from 0. Only that worker may change them.
  ClusterStats* stats(size_t worker) { return &stats_[worker]; }
  size_t workers() const { return stats_.size(); }
  /// The figures of all workers. Any thread.
  ClusterTotals Totals() const;

  /// The health of an address, the same object for every worker that asks while one holds it.
  /// Takes a lock: for when the set of endpoints changes.
  std::shared_ptr<EndpointHealth> HealthOf(std::string_view key);

 private:
  const std::string name_;
  CircuitGauges gauges_;
  std::vector<ClusterStats> stats_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<EndpointHealth>> health_;  // guarded by mutex_
};

}  // namespace postern
