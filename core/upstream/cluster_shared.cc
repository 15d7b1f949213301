#include "core/upstream/cluster_shared.h"

#include <algorithm>

namespace postern {

bool TryAcquireRetry(const RetryConfig& config, CircuitGauges* gauges) {
  const uint64_t share = uint64_t{gauges->requests.value()} * config.budget_percent / 100;
  return gauges->retries.TryAcquire(
      static_cast<uint32_t>(std::max<uint64_t>(share, config.budget_min_concurrent)));
}

ClusterTotals ClusterShared::Totals() const {
  ClusterTotals totals;
  for (const ClusterStats& stats : stats_) AddTo(stats, &totals);
  return totals;
}

std::shared_ptr<EndpointHealth> ClusterShared::HealthOf(std::string_view key) {
  std::lock_guard lock(mutex_);
  std::erase_if(health_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<EndpointHealth>& known = health_[std::string(key)];
  std::shared_ptr<EndpointHealth> health = known.lock();
  if (health == nullptr) {
    health = std::make_shared<EndpointHealth>(std::string(key));
    known = health;
  }
  return health;
}

}  // namespace postern
