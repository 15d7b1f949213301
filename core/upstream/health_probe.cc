#include "core/upstream/health_probe.h"

#include <algorithm>
#include <memory>

#include "lib/text/concat.h"

namespace postern {
namespace {

// Other workers look again this long after a check should have ended.
constexpr uint64_t kClaimSlackMs = 1000;

}  // namespace

HealthProbe::HealthProbe(const SessionSettings* settings, const Address& address,
                         const std::string& server_name, EndpointHealth* health, FastRandom* random,
                         HealthProbeEvents* events)
    : settings_(settings),
      config_(settings->config->health_check),
      address_(address),
      server_name_(server_name),
      health_(health),
      random_(random),
      events_(events),
      timer_(
          settings->net->dispatcher->timers(),
          [](void* arg) { static_cast<HealthProbe*>(arg)->OnTimer(); }, this),
      arena_(&settings->net->blocks) {
  if (!config_.host.empty()) {
    authority_ = config_.host;
  } else if (!address.is_ip()) {
    authority_ = "localhost";
  } else {
    const bool literal = Address::ParseIp(server_name, 0).ok();
    authority_ = literal ? address.ToString() : Concat(server_name, ':', address.port());
  }
  timer_.Start(0);
}

HealthProbe::~HealthProbe() {
  if (session_ == nullptr) return;
  session_->Abandon();
  settings_->net->dispatcher->DeferDelete(std::unique_ptr<Deferred>(session_));
}

void HealthProbe::WaitUntil(uint64_t at_ms) {
  const uint64_t now = settings_->net->dispatcher->NowMs();
  timer_.Start(at_ms > now ? at_ms - now : 1);
}

void HealthProbe::OnTimer() {
  if (checking_) {
    End(false, "timeout");
    return;
  }
  const uint64_t now = settings_->net->dispatcher->NowMs();
  if (health_->ClaimCheck(now, now + config_.timeout_ms + kClaimSlackMs)) {
    Begin();
  } else {
    WaitUntil(health_->next_check_ms());
  }
  events_->OnHealthTick();
}

void HealthProbe::Begin() {
  checking_ = true;
  timer_.Start(config_.timeout_ms);
  session_ = new ClientSession(settings_, address_, server_name_, this, {});
}

void HealthProbe::OnSessionReady(ClientSession* session) {
  if (config_.path.empty()) {
    End(true, "connected");
    return;
  }
  arena_.Reset();
  response_ = arena_.New<ResponseHead>(&arena_);
  auto* request = arena_.New<RequestHead>(&arena_);
  request->method_text = "GET";
  request->scheme = settings_->config->tls.context != nullptr ? "https" : "http";
  request->authority = authority_;
  request->target = config_.path;
  request->headers.Add(HeaderId::kUserAgent, "user-agent", "postern-health-check");
  ClientSession::Scope scope(session);
  ClientStream* stream = session->Begin(this);
  if (stream == nullptr) {
    End(false, "no_stream");
    return;
  }
  stream->SendHead(*request, /*end=*/true);
}

void HealthProbe::OnHead(bool /*end*/) {
  const bool expected = Expected(response_->status);
  End(expected, expected ? "status" : "unexpected_status");
}

void HealthProbe::OnReset(ResetReason reason) { End(false, ResetReasonName(reason)); }

void HealthProbe::OnSessionClosed(ClientSession* session, UpstreamFailure why,
                                  std::string_view detail) {
  session_ = nullptr;
  settings_->net->dispatcher->DeferDelete(std::unique_ptr<Deferred>(session));
  End(false, why == UpstreamFailure::kNone ? detail : UpstreamFailureName(why));
}

bool HealthProbe::Expected(uint16_t status) const {
  return std::any_of(config_.expected.begin(), config_.expected.end(), [&](const auto& range) {
    return status >= range.first && status <= range.last;
  });
}

void HealthProbe::End(bool success, std::string_view detail) {
  if (!checking_) return;
  checking_ = false;
  const uint64_t now = settings_->net->dispatcher->NowMs();
  // With 10 % jitter, so that checks of many endpoints drift apart (cluster.proto, interval_ms).
  const uint32_t tenth = std::max(config_.interval_ms / 10, 1u);
  const uint64_t next = now + config_.interval_ms - tenth + random_->Below(2 * tenth);
  const bool changed = health_->RecordCheck(config_, success);
  health_->ScheduleCheck(next);
  WaitUntil(next);
  if (session_ != nullptr) session_->Close();
  events_->OnHealthChecked(address_, success, changed, detail);
}

}  // namespace postern
