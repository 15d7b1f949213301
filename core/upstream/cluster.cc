#include "core/upstream/cluster.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/base/log.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// Of one name; more would only be a way to make the gateway hold sockets.
constexpr size_t kMaxAddresses = 256;

uint64_t Seed(const void* self, size_t worker) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return static_cast<uint64_t>(now) * 0x9e3779b97f4a7c15 ^ reinterpret_cast<uintptr_t>(self) ^
         (worker << 48);
}

}  // namespace

// One configured endpoint and the addresses that it stands for now.
class Cluster::NameWatch {
 public:
  NameWatch(Cluster* cluster, const EndpointConfig* config)
      : cluster_(cluster),
        config_(config),
        timer_(
            cluster->dispatcher()->timers(),
            [](void* arg) { static_cast<NameWatch*>(arg)->LookUp(); }, this) {
    if (!config->unix_path.empty()) {
      if (auto path = Address::FromUnixPath(config->unix_path); path.ok()) {
        addresses_.push_back(*path);
      }
    } else if (auto ip = Address::ParseIp(config->host, config->port); ip.ok()) {
      addresses_.push_back(*ip);
    } else {
      fixed_ = false;
    }
  }

  bool fixed() const { return fixed_; }
  const EndpointConfig& config() const { return *config_; }
  const std::vector<Address>& addresses() const { return addresses_; }

  void LookUp() {
    cluster_->stats()->dns_lookups.Add();
    lookup_ = cluster_->env_.resolver->Resolve(
        config_->host, cluster_->config().dns.family,
        [this](const absl::StatusOr<DnsAnswer>& answer) { Answered(answer); });
  }

  void Stop() { timer_.Cancel(); }

 private:
  void Answered(const absl::StatusOr<DnsAnswer>& answer) {
    const DnsConfig& dns = cluster_->config().dns;
    uint32_t again_ms = dns.negative_ttl_ms;
    const bool good = answer.ok() && !answer->addresses.empty();
    bool changed = false;
    if (good) {
      again_ms =
          std::clamp(answer->ttl_ms, dns.min_ttl_ms, std::max(dns.min_ttl_ms, dns.max_ttl_ms));
      changed = Take(answer->addresses);
    } else {
      cluster_->stats()->dns_failures.Add();
    }
    if (!good && (good_ || first_)) {
      Log(LogLevel::kWarn, "upstream_unresolved",
          {{"cluster", cluster_->config().name},
           {"host", config_->host},
           {"addresses_kept", static_cast<uint64_t>(addresses_.size())},
           {"why",
            answer.ok() ? std::string("no addresses") : std::string(answer.status().message())}});
    } else if (changed) {
      Log(LogLevel::kInfo, "upstream_resolved",
          {{"cluster", cluster_->config().name},
           {"host", config_->host},
           {"addresses", static_cast<uint64_t>(addresses_.size())}});
    }
    good_ = good;
    if (!cluster_->draining()) timer_.Start(std::max(again_ms, 1u));
    if (std::exchange(first_, false)) {
      --cluster_->unresolved_;
      changed = true;
    }
    if (changed) cluster_->Rebuild();
  }

  // The order of an answer often rotates; only the set counts.
  bool Take(std::vector<Address> addresses) {
    for (Address& address : addresses) address.set_port(config_->port);
    const auto before = [](const Address& a, const Address& b) {
      return a.ToString() < b.ToString();
    };
    std::sort(addresses.begin(), addresses.end(), before);
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    if (addresses.size() > kMaxAddresses) addresses.resize(kMaxAddresses);
    if (addresses == addresses_) return false;
    addresses_ = std::move(addresses);
    return true;
  }

  Cluster* cluster_;
  const EndpointConfig* config_;
  Timer timer_;
  std::unique_ptr<HostResolver::Lookup> lookup_;
  std::vector<Address> addresses_;
  bool fixed_ = true;
  bool good_ = true;
  bool first_ = true;
};

Cluster::Cluster(const UpstreamEnv& env, std::shared_ptr<const ClusterConfig> config,
                 std::shared_ptr<ClusterShared> shared)
    : env_(env),
      config_(std::move(config)),
      shared_(std::move(shared)),
      stats_(shared_->stats(env.worker)),
      random_(Seed(this, env.worker)),
      balancer_(config_->lb_policy, Seed(&balancer_, env.worker)),
      idle_timer_(
          env.net->dispatcher->timers(),
          [](void* arg) { static_cast<Cluster*>(arg)->OnIdleTimer(); }, this),
      reap_timer_(
          env.net->dispatcher->timers(), [](void* arg) { static_cast<Cluster*>(arg)->Reap(); },
          this) {
  settings_.net = env.net;
  settings_.config = config_.get();
  // A response has no target; its status line counts among its fields.
  settings_.http1.max_target = 0;
  settings_.http1.max_head_fields = config_->max_response_header_bytes;
  settings_.http2 = Http2ClientOptions();
  settings_.http2.max_concurrent_streams = config_->http2.max_concurrent_streams;
  settings_.http2.max_head_fields = config_->max_response_header_bytes;
  settings_.http2.max_decoded_section = std::max<size_t>(
      settings_.http2.max_decoded_section, size_t{config_->max_response_header_bytes} * 2);
  if (const uint32_t window = config_->http2.initial_stream_window; window != 0) {
    settings_.http2.initial_stream_window = window;
    settings_.http2.max_stream_window = std::max(settings_.http2.max_stream_window, window);
  }
  if (config_->http2.connection_window != 0) {
    settings_.http2.connection_window = config_->http2.connection_window;
  }
  for (const EndpointConfig& endpoint : config_->endpoints) {
    names_.push_back(std::make_unique<NameWatch>(this, &endpoint));
    if (!names_.back()->fixed()) ++unresolved_;
  }
  Rebuild();
  for (const auto& name : names_) {
    if (!name->fixed()) name->LookUp();
  }
}

Cluster::~Cluster() {
  names_.clear();
  ShowGauges(0, 0, 0);
  endpoints_.clear();
  leaving_.clear();
}

void Cluster::Rebuild() {
  struct Wanted {
    Address address;
    const std::string* host;
    std::string key;
    uint64_t weight;
  };
  std::vector<Wanted> wanted;
  for (const auto& name : names_) {
    for (const Address& address : name->addresses()) {
      // Two names of one address are one endpoint, unless TLS tells them apart.
      std::string key = address.ToString();
      if (config_->tls.context != nullptr) key = Concat(key, '/', name->config().host);
      const auto known = std::find_if(wanted.begin(), wanted.end(),
                                      [&](const Wanted& other) { return other.key == key; });
      if (known != wanted.end()) {
        known->weight += name->config().weight;
      } else {
        wanted.push_back({address, &name->config().host, std::move(key), name->config().weight});
      }
    }
  }
  std::vector<std::unique_ptr<Endpoint>> before = std::exchange(endpoints_, {});
  for (const Wanted& want : wanted) {
    const auto known = std::find_if(before.begin(), before.end(), [&](const auto& endpoint) {
      return endpoint != nullptr && endpoint->health->key() == want.key;
    });
    std::unique_ptr<Endpoint> endpoint;
    if (known != before.end()) {
      endpoint = std::move(*known);
    } else {
      endpoint = std::make_unique<Endpoint>(
          &settings_, static_cast<PoolLimits*>(this), want.address,
          config_->tls.server_name.empty() ? *want.host : config_->tls.server_name,
          shared_->HealthOf(want.key));
      endpoint->checked = config_->health_check.enabled;
      if (draining_) endpoint->pool.Drain();
      if (config_->health_check.enabled && !draining_) {
        endpoint->probe = std::make_unique<HealthProbe>(
            &settings_, want.address, endpoint->pool.server_name(), endpoint->health_record(),
            &random_, static_cast<HealthProbeEvents*>(this));
      }
    }
    endpoint->weight = static_cast<uint32_t>(std::clamp<uint64_t>(want.weight, 1, 1000));
    endpoints_.push_back(std::move(endpoint));
  }
  for (auto& endpoint : before) {
    if (endpoint == nullptr) continue;
    endpoint->draining = true;
    endpoint->probe.reset();
    leaving_.push_back(std::move(endpoint));
    leaving_.back()->pool.Drain();
  }
  if (!leaving_.empty()) reap_timer_.Start(0);
  entries_.clear();
  for (const auto& endpoint : endpoints_) entries_.push_back(endpoint.get());
  balancer_.SetEntries(entries_);
  UpdateHealthGauges();
  if (resolving()) return;
  IntrusiveList<EndpointsWaiter> told;
  told.TakeAll(&waiters_);
  while (EndpointsWaiter* waiter = told.PopFront()) waiter->OnEndpointsKnown();
}

Endpoint* Cluster::Pick(const Endpoint* avoid, const Address* pinned) {
  if (pinned != nullptr) {
    if (Endpoint* endpoint = FindEndpoint(*pinned); endpoint != nullptr) return endpoint;
  }
  return static_cast<Endpoint*>(balancer_.Pick(dispatcher()->NowMs(), avoid));
}

Endpoint* Cluster::FindEndpoint(const Address& address) const {
  for (const auto& endpoint : endpoints_) {
    if (endpoint->address() == address) return endpoint.get();
  }
  return nullptr;
}

void Cluster::RecordFailure(Endpoint* endpoint) {
  ++endpoint->failures;
  const EjectionConfig& ejection = config_->ejection;
  if (!ejection.enabled || endpoint->draining) return;
  if (!endpoint->health_record()->RecordFailure(ejection)) return;
  const uint64_t now = dispatcher()->NowMs();
  size_t ejected = 0;
  for (const auto& other : endpoints_) ejected += other->health->Ejected(now) ? 1 : 0;
  if (!MayEject(ejection, endpoints_.size(), ejected)) return;
  if (!endpoint->health_record()->Eject(ejection, now)) return;
  stats_->ejections.Add();
  Log(LogLevel::kWarn, "upstream_ejected",
      {{"cluster", config_->name},
       {"endpoint", endpoint->address().ToString()},
       {"for_ms", endpoint->health->ejected_until_ms() - now}});
  UpdateHealthGauges();
}

void Cluster::EndpointReleased(Endpoint* endpoint) {
  if (endpoint->draining && endpoint->active == 0) reap_timer_.Start(0);
}

void Cluster::PoolEmpty() {
  if (!leaving_.empty()) reap_timer_.Start(0);
}

// On a timer, for pools report that they are empty from inside their own methods.
void Cluster::Reap() {
  std::erase_if(leaving_, [](const auto& endpoint) {
    return endpoint->active == 0 && endpoint->pool.empty();
  });
}

void Cluster::UpdateHealthGauges() {
  if (draining_) return;
  const uint64_t now = dispatcher()->NowMs();
  size_t unhealthy = 0;
  size_t ejected = 0;
  for (const auto& endpoint : endpoints_) {
    unhealthy += endpoint->checked && !endpoint->health->healthy() ? 1 : 0;
    ejected += endpoint->health->Ejected(now) ? 1 : 0;
  }
  ShowGauges(endpoints_.size(), unhealthy, ejected);
}

// The figures belong to the name, which a cluster that drains may share with its successor.
void Cluster::ShowGauges(size_t endpoints, size_t unhealthy, size_t ejected) {
  const auto show = [](GaugeCell* gauge, size_t* mine, size_t now) {
    gauge->Add(static_cast<int64_t>(now) - static_cast<int64_t>(*mine));
    *mine = now;
  };
  show(&stats_->endpoints, &shown_endpoints_, endpoints);
  show(&stats_->endpoints_unhealthy, &shown_unhealthy_, unhealthy);
  show(&stats_->endpoints_ejected, &shown_ejected_, ejected);
}

bool Cluster::TryPend() {
  if (!gauges()->pending.TryAcquire(config_->circuit.max_pending_requests)) return false;
  stats_->pending.Add(1);
  return true;
}

void Cluster::PendEnded() {
  gauges()->pending.Release();
  stats_->pending.Add(-1);
}

bool Cluster::TryOpenConnection() {
  SharedGauge& gauge = gauges()->connections;
  const uint32_t most = config_->circuit.max_connections;
  if (!gauge.TryAcquire(most)) {
    if (EvictIdle() && gauge.TryAcquire(most)) {
      // Room was made.
    } else if (connections_ == 0) {
      gauge.Acquire();  // see CircuitConfig
    } else {
      return false;
    }
  }
  ++connections_;
  stats_->connects.Add();
  stats_->connections.Add(1);
  return true;
}

void Cluster::ConnectionClosed() {
  gauges()->connections.Release();
  --connections_;
  stats_->connections.Add(-1);
  stats_->connections_closed.Add();
}

bool Cluster::EvictIdle() {
  for (const auto& list : {&leaving_, &endpoints_}) {
    for (const auto& endpoint : *list) {
      if (endpoint->pool.EvictIdle()) return true;
    }
  }
  return false;
}

void Cluster::IdleChanged(int change) {
  stats_->idle.Add(change);
  if (change > 0 && !idle_timer_.armed()) idle_timer_.Start(config_->idle_timeout_ms);
}

// One timer for all: it goes off when the connection that was idle longest at the last look may be
// due, and finds out whether it was used since.
void Cluster::OnIdleTimer() {
  const uint64_t now = dispatcher()->NowMs();
  const uint64_t before = now - std::min<uint64_t>(now, config_->idle_timeout_ms);
  uint64_t oldest = UINT64_MAX;
  for (const auto& endpoint : endpoints_) {
    oldest = std::min(oldest, endpoint->pool.CloseIdleSince(before));
  }
  for (const auto& endpoint : leaving_) endpoint->pool.CloseIdle();
  if (oldest != UINT64_MAX) idle_timer_.Start(oldest + config_->idle_timeout_ms - now);
}

void Cluster::Connected(uint64_t ms) { stats_->connect_ms.Observe(ms); }

void Cluster::ConnectFailed(UpstreamFailure why) {
  if (why != UpstreamFailure::kNone) stats_->connect_failures.Add();
}

void Cluster::OnHealthChecked(const Address& address, bool success, bool changed,
                              std::string_view detail) {
  stats_->health_checks.Add();
  if (!success) stats_->health_check_failures.Add();
  if (!changed) return;
  stats_->health_changes.Add();
  Log(success ? LogLevel::kInfo : LogLevel::kWarn,
      success ? "upstream_healthy" : "upstream_unhealthy",
      {{"cluster", config_->name}, {"endpoint", address.ToString()}, {"why", detail}});
  OnHealthTick();
}

void Cluster::OnHealthTick() {
  for (const auto& endpoint : endpoints_) {
    if (!endpoint->health->healthy()) endpoint->pool.CloseIdle();
  }
  UpdateHealthGauges();
}

void Cluster::Drain() {
  if (draining_) return;
  draining_ = true;
  ShowGauges(0, 0, 0);
  for (const auto& name : names_) name->Stop();
  for (const auto& endpoint : endpoints_) {
    endpoint->probe.reset();
    endpoint->pool.Drain();
  }
}

void Cluster::CloseIdle() {
  for (const auto& endpoint : endpoints_) endpoint->pool.CloseIdle();
  for (const auto& endpoint : leaving_) endpoint->pool.CloseIdle();
}

ClusterStatus Cluster::Status() const {
  ClusterStatus status;
  status.name = config_->name;
  status.draining = draining_;
  status.resolving = unresolved_ > 0;
  const uint64_t now = env_.net->dispatcher->NowMs();
  for (const auto* list : {&endpoints_, &leaving_}) {
    for (const auto& endpoint : *list) {
      status.endpoints.push_back({.address = endpoint->address().ToString(),
                                  .host = endpoint->pool.server_name(),
                                  .weight = endpoint->weight,
                                  .healthy = !endpoint->checked || endpoint->health->healthy(),
                                  .ejected = endpoint->health->Ejected(now),
                                  .draining = endpoint->draining || draining_,
                                  .active = endpoint->active,
                                  .connections = endpoint->pool.sessions(),
                                  .idle = endpoint->pool.idle(),
                                  .waiting = endpoint->pool.waiting(),
                                  .attempts = endpoint->attempts,
                                  .failures = endpoint->failures});
    }
  }
  return status;
}

}  // namespace postern
