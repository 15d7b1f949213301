#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/upstream/cluster_config.h"
#include "core/upstream/endpoint_health.h"

namespace postern {

/// Small fast random numbers (xorshift64*), one generator per worker and cluster. Not for secrets.
class FastRandom {
 public:
  explicit FastRandom(uint64_t seed) : state_(seed != 0 ? seed : 0x9e3779b97f4a7c15) {}
  uint32_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<uint32_t>((state_ * 0x2545f4914f6cdd1d) >> 32);
  }
  /// 0 to `bound` - 1; `bound` is at least 1.
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>((uint64_t{Next()} * bound) >> 32); }

 private:
  uint64_t state_;
};

/// What a balancer knows of one endpoint. Base of Endpoint.
struct LbEntry {
  uint32_t weight = 1;  ///< 1 to 1,000
  uint32_t active = 0;  ///< requests of this worker that are under way or wait for a connection
  int64_t current = 0;  ///< the balancer's own
  const EndpointHealth* health = nullptr;
  bool checked = false;  ///< active checks are on: only then what they found counts

  /// May be given requests: neither found unhealthy nor ejected.
  bool Usable(uint64_t now_ms) const {
    return (!checked || health->healthy()) && !health->Ejected(now_ms);
  }
};

/// Chooses among the endpoints of one cluster on one worker. Not thread-safe.
class LoadBalancer {
 public:
  LoadBalancer(LbPolicy policy, uint64_t seed);

  /// Weights or the set of endpoints changed.
  void SetEntries(std::span<LbEntry* const> entries);

  /// One that is usable, other than `avoid` if there is another. Where none is usable, all count as
  /// usable: a request that may fail is better than one that must. Null only without entries.
  LbEntry* Pick(uint64_t now_ms, const LbEntry* avoid);

 private:
  LbEntry* RoundRobin(uint64_t now_ms, const LbEntry* avoid, bool any);
  LbEntry* LeastRequest(uint64_t now_ms, const LbEntry* avoid, bool any);

  LbPolicy policy_;
  FastRandom random_;
  std::span<LbEntry* const> entries_;
  bool equal_weights_ = true;
  size_t next_ = 0;
};

}  // namespace postern
