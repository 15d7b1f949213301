#include "core/upstream/endpoint_health.h"

#include <algorithm>

namespace postern {

bool EndpointHealth::RecordCheck(const HealthCheckConfig& config, bool success) {
  // One worker at a time holds the claim, so these are not changed by two at once.
  if (success) {
    check_failures_.store(0, std::memory_order_relaxed);
    if (healthy()) return false;
    if (check_successes_.fetch_add(1, std::memory_order_relaxed) + 1 < config.healthy_threshold) {
      return false;
    }
    unhealthy_.store(false, std::memory_order_relaxed);
  } else {
    check_successes_.store(0, std::memory_order_relaxed);
    if (!healthy()) return false;
    if (check_failures_.fetch_add(1, std::memory_order_relaxed) + 1 < config.unhealthy_threshold) {
      return false;
    }
    unhealthy_.store(true, std::memory_order_relaxed);
  }
  check_successes_.store(0, std::memory_order_relaxed);
  check_failures_.store(0, std::memory_order_relaxed);
  return true;
}

bool EndpointHealth::ClaimCheck(uint64_t now_ms, uint64_t claimed_until_ms) {
  uint64_t due = next_check_.load(std::memory_order_acquire);
  return due <= now_ms &&
         next_check_.compare_exchange_strong(due, claimed_until_ms, std::memory_order_acq_rel);
}

bool EndpointHealth::RecordFailure(const EjectionConfig& config) {
  return failures_.fetch_add(1, std::memory_order_relaxed) + 1 >= config.consecutive_failures;
}

bool EndpointHealth::Eject(const EjectionConfig& config, uint64_t now_ms) {
  uint64_t until = ejected_until_.load(std::memory_order_relaxed);
  if (now_ms < until) return false;
  uint32_t before = ejections_.load(std::memory_order_relaxed);
  // Long enough without an ejection: the count begins anew.
  if (now_ms - until > config.max_ejection_ms) before = 0;
  const uint64_t duration = std::min<uint64_t>(
      uint64_t{config.base_ejection_ms} * (uint64_t{before} + 1), config.max_ejection_ms);
  if (!ejected_until_.compare_exchange_strong(until, now_ms + duration,
                                              std::memory_order_relaxed)) {
    return false;
  }
  ejections_.store(before + 1, std::memory_order_relaxed);
  failures_.store(0, std::memory_order_relaxed);
  return true;
}

}  // namespace postern
