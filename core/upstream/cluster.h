#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/intrusive_list.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"
#include "core/net/address.h"
#include "core/net/connection.h"
#include "core/upstream/client_session.h"
#include "core/upstream/cluster_config.h"
#include "core/upstream/cluster_shared.h"
#include "core/upstream/connection_pool.h"
#include "core/upstream/endpoint.h"
#include "core/upstream/health_probe.h"
#include "core/upstream/host_resolver.h"
#include "core/upstream/load_balancer.h"

namespace postern {

/// What the clusters of one worker work with. Outlives them.
struct UpstreamEnv {
  NetContext* net;
  HostResolver* resolver;
  size_t worker = 0;  ///< counts from 0
};

/// Who waits until the cluster's names have been resolved for the first time. Leaves the list by
/// its destructor or Unlink().
class EndpointsWaiter : public ListNode<EndpointsWaiter> {
 public:
  /// They have, well or badly; or endpoints have changed. No longer in the list.
  virtual void OnEndpointsKnown() = 0;

 protected:
  ~EndpointsWaiter() = default;
};

/// How one endpoint is doing, for people (`/clusters`).
struct EndpointStatus {
  std::string address;
  std::string host;  ///< as configured
  uint32_t weight = 1;
  bool healthy = true;
  bool ejected = false;
  bool draining = false;
  uint32_t active = 0;
  size_t connections = 0;
  size_t idle = 0;
  size_t waiting = 0;
  uint64_t attempts = 0;
  uint64_t failures = 0;
};

/// How one cluster is doing on one worker.
struct ClusterStatus {
  std::string name;
  bool draining = false;   ///< no longer part of the active snapshot
  bool resolving = false;  ///< a name has not been resolved yet
  std::vector<EndpointStatus> endpoints;
};

/// A group of interchangeable endpoints as one worker sees it: finds them, chooses among them,
/// keeps connections to them, watches their health. Not thread-safe.
class Cluster final : private PoolLimits, private HealthProbeEvents {
 public:
  Cluster(const UpstreamEnv& env, std::shared_ptr<const ClusterConfig> config,
          std::shared_ptr<ClusterShared> shared);
  /// Nobody may hold it.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  const ClusterConfig& config() const { return *config_; }
  const std::shared_ptr<const ClusterConfig>& shared_config() const { return config_; }
  ClusterShared* shared() const { return shared_.get(); }
  CircuitGauges* gauges() const { return shared_->gauges(); }
  ClusterStats* stats() const { return stats_; }
  Dispatcher* dispatcher() const { return env_.net->dispatcher; }
  NetContext* net() const { return env_.net; }
  size_t worker() const { return env_.worker; }
  FastRandom* random() { return &random_; }

  /// The endpoint for one attempt, other than `avoid` if possible; with `pinned`, the one of that
  /// address as long as it exists. Null without endpoints: then resolving() tells whether there may
  /// soon be some.
  Endpoint* Pick(const Endpoint* avoid, const Address* pinned);
  /// A name has not been resolved for the first time yet, and no endpoint is known.
  bool resolving() const { return endpoints_.empty() && unresolved_ > 0; }
  /// Every name has been resolved, or tried, at least once.
  bool warm() const { return unresolved_ == 0; }
  /// Has `waiter` called once resolving() has ended, or, where it has, when endpoints change.
  void AddEndpointsWaiter(EndpointsWaiter* waiter) { waiters_.PushBack(waiter); }

  size_t endpoint_count() const { return endpoints_.size(); }
  Endpoint* endpoint(size_t i) const { return endpoints_[i].get(); }
  Endpoint* FindEndpoint(const Address& address) const;

  /// An attempt counts against, or for, the health of its endpoint.
  void RecordFailure(Endpoint* endpoint);
  void RecordSuccess(Endpoint* endpoint) { endpoint->health_record()->RecordSuccess(); }
  /// `endpoint` has one request less; it may be gone afterwards.
  void EndpointReleased(Endpoint* endpoint);

  /// The cluster lives at least until as many Release() have followed.
  void Hold() { ++users_; }
  void Release() { --users_; }
  size_t users() const { return users_; }

  // PoolLimits; also for requests that wait for endpoints.
  bool TryPend() override;
  void PendEnded() override;

  /// Keeps no connection beyond its exchange, and stops checking and resolving what nobody uses.
  /// The cluster is no longer part of the active snapshot; requests that began before may still use
  /// it.
  void Drain();
  bool draining() const { return draining_; }
  /// Closes all idle connections.
  void CloseIdle();

  ClusterStatus Status() const;

 private:
  class NameWatch;

  void Rebuild();
  void Reap();
  void UpdateHealthGauges();
  void ShowGauges(size_t endpoints, size_t unhealthy, size_t ejected);
  void OnIdleTimer();
  bool EvictIdle();

  // PoolLimits.
  bool TryOpenConnection() override;
  void ConnectionClosed() override;
  void IdleChanged(int change) override;
  void Connected(uint64_t ms) override;
  void ConnectFailed(UpstreamFailure why) override;
  void PoolEmpty() override;
  // HealthProbeEvents.
  void OnHealthChecked(const Address& address, bool success, bool changed,
                       std::string_view detail) override;
  void OnHealthTick() override;

  const UpstreamEnv env_;
  const std::shared_ptr<const ClusterConfig> config_;
  const std::shared_ptr<ClusterShared> shared_;
  ClusterStats* const stats_;
  SessionSettings settings_;
  FastRandom random_;
  LoadBalancer balancer_;
  std::vector<std::unique_ptr<NameWatch>> names_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<LbEntry*> entries_;                   // of endpoints_, for the balancer
  std::vector<std::unique_ptr<Endpoint>> leaving_;  // no longer named, still in use
  IntrusiveList<EndpointsWaiter> waiters_;
  Timer idle_timer_;
  Timer reap_timer_;
  size_t unresolved_ = 0;
  size_t users_ = 0;
  size_t connections_ = 0;
  size_t shown_endpoints_ = 0;
  size_t shown_unhealthy_ = 0;
  size_t shown_ejected_ = 0;
  bool draining_ = false;
};

}  // namespace postern
