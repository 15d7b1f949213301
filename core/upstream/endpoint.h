#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/net/address.h"
#include "core/upstream/cluster_stats.h"
#include "core/upstream/connection_pool.h"
#include "core/upstream/endpoint_health.h"
#include "core/upstream/load_balancer.h"

namespace postern {

class HealthProbe;

/// One address of a cluster, as one worker sees it: its share, its health, its connections.
struct Endpoint : LbEntry {
  Endpoint(const SessionSettings* settings, PoolLimits* limits, const Address& to,
           std::string server_name, std::shared_ptr<EndpointHealth> shared_health);
  ~Endpoint();

  const Address& address() const { return pool.address(); }

  EndpointHealth* health_record() const { return shared_health.get(); }

  std::shared_ptr<EndpointHealth> shared_health;
  ConnectionPool pool;
  std::unique_ptr<HealthProbe> probe;  ///< null without active checks
  bool draining = false;               ///< resolution no longer names it

  // Counted by this worker, read by it alone.
  uint64_t attempts = 0;
  uint64_t failures = 0;
};

}  // namespace postern
