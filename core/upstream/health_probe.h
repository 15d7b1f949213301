#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/arena.h"
#include "core/event/timer.h"
#include "core/http/codec.h"
#include "core/net/address.h"
#include "core/upstream/client_session.h"
#include "core/upstream/endpoint_health.h"
#include "core/upstream/load_balancer.h"

namespace postern {

/// Hears of active checks.
class HealthProbeEvents {
 public:
  /// A check made by this worker has ended.
  virtual void OnHealthChecked(const Address& address, bool success, bool changed,
                               std::string_view detail) = 0;
  /// Time has passed, in which another worker may have changed the health.
  virtual void OnHealthTick() = 0;

 protected:
  ~HealthProbeEvents() = default;
};

/// Checks one endpoint at an interval, on a connection of its own each time. Of the workers that
/// have a probe for the same endpoint, one makes each check. Not thread-safe.
class HealthProbe final : private SessionOwner, private ResponseReceiver {
 public:
  /// All that is passed outlives the probe. The first check is due at once.
  HealthProbe(const SessionSettings* settings, const Address& address,
              const std::string& server_name, EndpointHealth* health, FastRandom* random,
              HealthProbeEvents* events);
  ~HealthProbe();
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

 private:
  void OnTimer();
  void WaitUntil(uint64_t at_ms);
  void Begin();
  void End(bool success, std::string_view detail);
  bool Expected(uint16_t status) const;

  // SessionOwner.
  void OnSessionReady(ClientSession* session) override;
  void OnSessionChanged(ClientSession*) override {}
  void OnSessionClosed(ClientSession* session, UpstreamFailure why,
                       std::string_view detail) override;
  // ResponseReceiver.
  ResponseHead* response_head() override { return response_; }
  void OnInformational(uint16_t, const HeaderMap&) override {}
  void OnHead(bool end) override;
  void OnBody(std::string_view) override {}
  void OnEnd(const HeaderMap*) override {}
  void OnReset(ResetReason reason) override;
  void OnWritable() override {}

  const SessionSettings* settings_;
  const HealthCheckConfig& config_;
  const Address address_;
  const std::string& server_name_;
  std::string authority_;
  EndpointHealth* health_;
  FastRandom* random_;
  HealthProbeEvents* events_;
  Timer timer_;  // to the next check, or to the end of the time for this one
  Arena arena_;
  ResponseHead* response_ = nullptr;
  ClientSession* session_ = nullptr;
  bool checking_ = false;
};

}  // namespace postern
