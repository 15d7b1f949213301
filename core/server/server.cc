#include "core/server/server.h"

#include <signal.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "core/base/log.h"
#include "core/filter/breadcrumb.h"
#include "core/filter/filter_metric_values.h"
#include "core/server/admin_dump.h"
#include "core/server/cpu_count.h"
#include "core/server/idle_memory.h"
#include "core/server/listener_spec.h"

namespace postern {
namespace {

constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP};

// Between the steps of a drain: clients in the middle of a TCP handshake finish it, HTTP/2 clients
// hear of the first GOAWAY before the second (RFC 9113 §6.8).
constexpr uint64_t kRefuseToCloseMs = 50;
constexpr uint64_t kGoawayStepsMs = 250;

constexpr uint32_t kTicketLifetimeS = 7200;

std::string Text(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

// A listener in force: what it was made from, and its sockets while they wait for their workers.
struct Server::ListenerState {
  std::string key;
  ListenerConfig config;
  std::shared_ptr<const ListenerSpec> spec;
  Address address;  // with the port the kernel chose
};

// A snapshot on its way to being active.
struct Server::Activation {
  uint64_t number = 0;
  std::shared_ptr<const RuntimeSnapshot> runtime;
  std::shared_ptr<const ServingSnapshot> serving;
  absl::AnyInvocable<void(absl::Status)> done;
  size_t waiting = 0;  // workers, and credentials, that are not prepared yet
  bool warm = true;
  absl::Status status;  // what a worker has against it

  struct Planned {
    std::unique_ptr<ListenerState> state;
    std::vector<ListenSocket> sockets;  // one for each worker; none for a listener that stays
  };
  std::vector<Planned> listeners;
};

Server::Server(Options options)
    : options_(std::move(options)),
      metrics_({.workers = options_.workers != 0 ? options_.workers : CpuCount(),
                .version = options_.version}),
      access_logs_(metrics_.workers()),
      filter_stats_(metrics_.workers()),
      loop_watch_(&dispatcher_, LoopWatch::Options{}),
      credentials_(std::make_unique<CredentialService>(&dispatcher_, options_.credentials)),
      net_(&dispatcher_),
      admin_env_{.net = &net_,
                 .dispatcher = &dispatcher_,
                 .metrics = &admin_metrics_,
                 .access_log = nullptr},
      ticket_keys_(std::make_shared<TlsTicketKeys>(kTicketLifetimeS)),
      drain_timer_(
          dispatcher_.timers(), [](void* arg) { static_cast<Server*>(arg)->DrainStep(); }, this) {
  ::signal(SIGPIPE, SIG_IGN);
  for (size_t i = 0; i < metrics_.workers(); ++i) {
    workers_.push_back(
        std::make_unique<Worker>(i, &metrics_, &filter_stats_, options_.filter_limits));
    loop_watch_.Add(workers_.back()->dispatcher());
  }
  sources_.push_back(metrics_.Register(&access_logs_));
  sources_.push_back(metrics_.Register(&filter_stats_));
  sources_.push_back(metrics_.Register(&FilterMetricValues::Instance()));
  sources_.push_back(metrics_.Register(&process_stats_));
  sources_.push_back(metrics_.Register(&loop_watch_));
  sources_.push_back(metrics_.Register(&upstream_metrics_));
  sources_.push_back(metrics_.Register(&certificate_metrics_));
  sources_.push_back(metrics_.Register(&tracer_));
  sources_.push_back(metrics_.Register(credentials_.get()));
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    uv_signal_init(dispatcher_.loop(), &signals_[i]);
    signals_[i].data = this;
  }
}

Server::~Server() {
  loop_watch_.Clear();
  watchdog_.reset();
  for (const auto& worker : workers_) worker->StopAndJoin();
  sources_.clear();
  credentials_.reset();
  certificate_watcher_.reset();
  admin_listener_.reset();
  while (ServerSession* session = admin_sessions_.Front()) session->Abort();
  for (uv_signal_t& signal : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&signal), nullptr);
  uv_run(dispatcher_.loop(), UV_RUN_NOWAIT);
  workers_.clear();
}

absl::Status Server::Start() {
  InstallFaultHandler();
  if (absl::Status status = StartAdmin(); !status.ok()) return status;
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    uv_signal_start(
        &signals_[i],
        [](uv_signal_t* handle, int number) {
          static_cast<Server*>(handle->data)->OnSignal(number);
        },
        kSignals[i]);
  }
  for (const auto& worker : workers_) worker->Start();
  return absl::OkStatus();
}

absl::Status Server::StartAdmin() {
  if (options_.admin.empty()) return absl::OkStatus();
  absl::StatusOr<Address> address = Address::ParseListen(options_.admin);
  if (!address.ok()) return address.status();
  absl::StatusOr<ListenSocket> socket = ListenSocket::Bind(*address, {});
  if (!socket.ok()) return socket.status();
  AdminHooks hooks;
  hooks.metrics = &metrics_;
  hooks.readiness = &readiness_;
  hooks.loops = &loop_watch_;
  hooks.config = [this] { return ShowConfig(); };
  hooks.clusters = [this] { return ShowClusters(); };
  hooks.configuration = [this] {
    return show_configuration_ != nullptr ? show_configuration_() : std::string();
  };
  hooks.drain = [this] { Drain(/*exit=*/false); };
  hooks.quit = [this] { Drain(/*exit=*/true); };
  admin_service_ = std::make_unique<AdminService>(std::move(hooks));
  admin_host_ = std::make_unique<AdminHost>(&admin_env_, admin_service_.get());
  auto settings = std::make_shared<ServerSessionSettings>();
  settings->allow_http2 = false;
  admin_settings_ = std::move(settings);
  const std::string bound = socket->address().ToString();
  admin_listener_ = std::make_unique<Listener>(
      &dispatcher_, *std::move(socket), nullptr, [this](int fd, const Address& peer) {
        ServerSession::Owner* const owner = this;
        admin_sessions_.PushBack(new ServerSession(&admin_env_, admin_settings_, admin_host_.get(),
                                                   owner, fd, peer, admin_listener_->address(),
                                                   nullptr, nullptr));
      });
  if (absl::Status status = admin_listener_->Start(); !status.ok()) return status;
  Log(LogLevel::kInfo, "listening", {{"name", "admin"}, {"address", bound}});
  return absl::OkStatus();
}

void Server::OnSessionEnded(ServerSession* session) {
  static_cast<ListNode<ServerSession>*>(session)->Unlink();
  dispatcher_.DeferDelete(std::unique_ptr<Deferred>(session));
}

int Server::Run() {
  dispatcher_.Run();
  return exit_code_;
}

void Server::OnSignal(int signal) {
  if (signal == SIGHUP) {
    Log(LogLevel::kInfo, "reload", {{"cause", "SIGHUP"}});
    access_logs_.ReopenAll();
    ReloadCertificates();
    if (on_reload_ != nullptr) on_reload_();
    return;
  }
  if (draining_ && exit_when_drained_) {
    Log(LogLevel::kWarn, "stopping_at_once", {{"cause", "second signal"}});
    StopNow(0);
    return;
  }
  Log(LogLevel::kInfo, "draining", {{"cause", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  Drain(/*exit=*/true);
}

// ---- Activation ----

void Server::Activate(std::shared_ptr<const RuntimeSnapshot> snapshot,
                      absl::AnyInvocable<void(absl::Status)> done) {
  auto activation = std::make_unique<Activation>();
  activation->number = ++activations_;
  activation->runtime = std::move(snapshot);
  activation->done = std::move(done);
  if (activation_ != nullptr) {
    if (next_ != nullptr) next_->done(absl::AbortedError("a newer snapshot came before its turn"));
    next_ = std::move(activation);
    return;
  }
  StartActivation(std::move(activation));
}

void Server::StartActivation(std::unique_ptr<Activation> activation) {
  activation_ = std::move(activation);
  auto serving = MakeServingSnapshot(activation_->runtime, {&metrics_, &access_logs_, &tracer_});
  if (!serving.ok()) {
    FinishActivation(serving.status());
    return;
  }
  activation_->serving = *std::move(serving);
  if (absl::Status status = PrepareListeners(activation_.get()); !status.ok()) {
    FinishActivation(status);
    return;
  }
  activation_->waiting = workers_.size() + 1;
  // Requests to AWS wait for nothing: without credentials they fail.
  credentials_->WhenKnown(options_.warm_limit_ms, [this, number = activation_->number](bool) {
    dispatcher_.Post([this, number] { PartPrepared(number, absl::OkStatus(), true); });
  });
  for (const auto& worker : workers_) {
    worker->Post([this, worker = worker.get(), serving = activation_->serving,
                  number = activation_->number] {
      worker->Prepare(serving, options_.warm_limit_ms,
                      [this, number](absl::Status status, bool warm) {
                        dispatcher_.Post([this, number, status = std::move(status), warm] {
                          PartPrepared(number, status, warm);
                        });
                      });
    });
  }
}

void Server::PartPrepared(uint64_t number, absl::Status status, bool warm) {
  if (activation_ == nullptr || activation_->number != number) return;
  activation_->warm = activation_->warm && warm;
  activation_->status.Update(std::move(status));
  if (--activation_->waiting > 0) return;
  if (activation_->status.ok()) {
    CommitActivation();
    return;
  }
  // What one worker cannot take, none takes.
  for (const auto& worker : workers_) {
    worker->Post([worker = worker.get()] { worker->Discard(); });
  }
  FinishActivation(activation_->status);
}

absl::Status Server::PrepareListeners(Activation* activation) {
  for (const ListenerConfig& config : activation->runtime->listeners()) {
    Activation::Planned planned;
    planned.state = std::make_unique<ListenerState>();
    planned.state->config = config;
    planned.state->key = ListenerKey(config);
    const ListenerState* before = nullptr;
    for (const auto& state : listeners_) {
      if (state->key == planned.state->key) before = state.get();
    }
    absl::StatusOr<std::shared_ptr<const ListenerSpec>> spec =
        MakeListenerSpec(config, ticket_keys_, before != nullptr ? &before->config : nullptr,
                         before != nullptr ? before->spec : nullptr);
    if (!spec.ok()) return spec.status();
    planned.state->spec = *std::move(spec);
    if (before != nullptr) {
      planned.state->address = before->address;
    } else {
      absl::StatusOr<Address> address = ListenerAddress(config);
      if (!address.ok()) return address.status();
      absl::StatusOr<ListenSocket> socket =
          ListenSocket::Bind(*address, {.backlog = static_cast<int>(config.backlog)});
      if (!socket.ok()) return socket.status();
      planned.state->address = socket->address();
      std::vector<ListenSocket> others;
      for (size_t i = 1; i < workers_.size(); ++i) {
        absl::StatusOr<ListenSocket> other = socket->ForAnotherWorker();
        if (!other.ok()) return other.status();
        others.push_back(*std::move(other));
      }
      planned.sockets.push_back(*std::move(socket));
      for (ListenSocket& other : others) planned.sockets.push_back(std::move(other));
    }
    activation->listeners.push_back(std::move(planned));
  }
  return absl::OkStatus();
}

void Server::CommitActivation() {
  for (const auto& worker : workers_) {
    worker->Post([worker = worker.get()] { worker->Commit(); });
  }
  active_ = activation_->serving;
  if (active_->runtime->filters() != nullptr && watchdog_ == nullptr &&
      options_.stuck_filter_ms > 0) {
    std::vector<HookWatchdog::Watched> watched = {{ThreadBreadcrumb(), ::pthread_self()}};
    for (const auto& worker : workers_) {
      watched.push_back(
          {worker->breadcrumb(), worker->thread(), static_cast<int>(watched.size() - 1)});
    }
    watchdog_ = std::make_unique<HookWatchdog>(
        std::move(watched), HookWatchdog::Options{.limit_ms = options_.stuck_filter_ms});
  }
  active_->runtime->ApplyFunctionLimits();
  upstream_metrics_.Show(active_->runtime->cluster_set(), active_->runtime->functions());
  ApplyListeners();
  readiness_.Set(Readiness::Condition::kSnapshot, true);
  readiness_.Set(Readiness::Condition::kListeners, true);
  readiness_.Set(Readiness::Condition::kWarm, true);
  if (!activation_->warm) {
    Log(LogLevel::kWarn, "not_warm",
        {{"reason", "some upstream names could not be looked up in time; they are tried again"}});
  }
  FinishActivation(absl::OkStatus());
}

void Server::ApplyListeners() {
  std::vector<std::unique_ptr<ListenerState>> before = std::exchange(listeners_, {});
  for (Activation::Planned& planned : activation_->listeners) {
    const std::string key = planned.state->key;
    const auto& spec = planned.state->spec;
    if (planned.sockets.empty()) {
      for (const auto& worker : workers_) {
        worker->Post([worker = worker.get(), key, spec] { worker->UpdateListener(key, spec); });
      }
    } else {
      for (size_t i = 0; i < workers_.size(); ++i) {
        workers_[i]->Post([worker = workers_[i].get(), key, spec,
                           socket = std::move(planned.sockets[i])]() mutable {
          if (absl::Status status = worker->AddListener(key, std::move(socket), spec);
              !status.ok()) {
            Log(LogLevel::kError, "listen_failed",
                {{"name", spec->name}, {"reason", Text(status)}});
          }
        });
      }
      Log(LogLevel::kInfo, "listening",
          {{"name", spec->name}, {"address", planned.state->address.ToString()}});
    }
    std::erase_if(before, [&](const auto& state) { return state->key == key; });
    listeners_.push_back(std::move(planned.state));
  }
  for (const auto& gone : before) {
    for (const auto& worker : workers_) {
      worker->Post([worker = worker.get(), key = gone->key] { worker->RemoveListener(key); });
    }
    Log(LogLevel::kInfo, "listener_closed",
        {{"name", gone->spec->name}, {"address", gone->address.ToString()}});
  }
  WatchCertificates();
  CertificateMetrics::Listeners shown;
  for (const auto& state : listeners_) {
    if (state->spec->tls != nullptr) shown.emplace_back(state->spec->name, state->spec->tls);
  }
  certificate_metrics_.Show(std::move(shown));
}

void Server::FinishActivation(absl::Status status) {
  std::unique_ptr<Activation> ended = std::move(activation_);
  if (status.ok()) {
    Log(LogLevel::kInfo, "snapshot_active",
        {{"version", ended->runtime->version()},
         {"routes", uint64_t{ended->runtime->routes().size()}}});
  }
  const bool active = status.ok();
  ended->done(std::move(status));
  ended.reset();
  TrimHeap();
  if (active && !std::exchange(started_up_, true)) ForgetStartupPages();
  if (next_ != nullptr && activation_ == nullptr) StartActivation(std::move(next_));
}

// ---- Certificates ----

void Server::WatchCertificates() {
  std::vector<std::string> files;
  for (const auto& state : listeners_) {
    if (state->spec->tls == nullptr) continue;
    for (const std::string& file : state->spec->tls->files()) files.push_back(file);
  }
  for (const UpstreamTls& tls : UpstreamTlsInUse()) {
    for (const std::string& file : tls.context->files()) files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  certificate_watcher_.reset();
  if (files.empty()) return;
  certificate_watcher_ = std::make_unique<FileWatcher>(
      &dispatcher_, std::move(files),
      [this](const std::vector<std::string>&) { ReloadCertificates(); });
}

std::vector<Server::UpstreamTls> Server::UpstreamTlsInUse() const {
  std::vector<UpstreamTls> out;
  if (active_ == nullptr) return out;
  const ClusterSet& clusters = *active_->runtime->cluster_set();
  std::unordered_set<const TlsClientContext*> seen;
  for (ClusterId id = 0; id < clusters.size(); ++id) {
    const ClusterConfig& config = *clusters.at(id).config;
    if (config.tls.context == nullptr || config.tls.context->files().empty() ||
        !seen.insert(config.tls.context.get()).second) {
      continue;
    }
    out.push_back({config.name, config.tls.context});
  }
  return out;
}

void Server::ReloadCertificates() {
  // Connections that are open go on with what they began with; new ones use what is new.
  const auto say = [](std::string_view kind, const std::string& name, const absl::Status& status) {
    Log(status.ok() ? LogLevel::kInfo : LogLevel::kError,
        status.ok() ? "certificates_loaded" : "certificates_refused",
        {{kind, name},
         {"reason", status.ok() ? std::string() : Text(status) + "; the ones before stay in use"}});
  };
  for (const UpstreamTls& tls : UpstreamTlsInUse())
    say("cluster", tls.cluster, tls.context->Reload());
  for (const auto& state : listeners_) {
    if (state->spec->tls == nullptr) continue;
    say("listener", state->spec->name, state->spec->tls->Reload());
  }
}

// ---- Ending ----

void Server::Drain(bool exit) {
  exit_when_drained_ = exit_when_drained_ || exit;
  if (draining_) {
    if (drain_phase_ == DrainPhase::kDrained && exit_when_drained_) StopNow(0);
    return;
  }
  draining_ = true;
  readiness_.BeginDrain("draining");
  drain_phase_ = DrainPhase::kNotReady;
  drain_timer_.Start(options_.drain_delay_ms);
}

void Server::DrainStep() {
  switch (drain_phase_) {
    case DrainPhase::kNotReady:
      for (const auto& worker : workers_) {
        worker->Post([worker = worker.get()] { worker->RefuseConnections(); });
      }
      drain_phase_ = DrainPhase::kRefusing;
      drain_timer_.Start(kRefuseToCloseMs);
      return;
    case DrainPhase::kRefusing:
      workers_draining_ = workers_.size();
      for (const auto& worker : workers_) {
        worker->Post([this, worker = worker.get()] {
          worker->Drain([this] { dispatcher_.Post([this] { WorkerDrained(); }); });
        });
      }
      drain_phase_ = DrainPhase::kClosing;
      drain_timer_.Start(kGoawayStepsMs);
      return;
    case DrainPhase::kClosing:
      for (const auto& worker : workers_) {
        worker->Post([worker = worker.get()] { worker->DrainAgain(); });
      }
      drain_phase_ = DrainPhase::kWaiting;
      drain_timer_.Start(options_.drain_timeout_ms);
      return;
    case DrainPhase::kWaiting:
      Log(LogLevel::kWarn, "drain_timeout",
          {{"after_ms", options_.drain_timeout_ms}, {"open_connections", OpenConnections()}});
      if (exit_when_drained_) StopNow(0);
      return;
    case DrainPhase::kServing:
    case DrainPhase::kDrained:
      return;
  }
}

int64_t Server::OpenConnections() {
  int64_t open = 0;
  for (size_t i = 0; i < workers_.size(); ++i) open += metrics_.worker(i)->connections_open.value();
  return open;
}

void Server::WorkerDrained() {
  if (--workers_draining_ > 0) return;
  drain_timer_.Cancel();
  drain_phase_ = DrainPhase::kDrained;
  Log(LogLevel::kInfo, "drained");
  if (exit_when_drained_) StopNow(0);
}

void Server::StopNow(int code) {
  exit_code_ = code;
  dispatcher_.Stop();
}

// ---- What the admin endpoint shows ----

std::unique_ptr<AdminBody> Server::ShowConfig() const {
  std::vector<ConfigDump::ListenerShown> listeners;
  for (const auto& state : listeners_) {
    listeners.push_back(
        {state->spec->name, state->address.ToString(), state->spec->tls != nullptr});
  }
  return std::make_unique<ConfigDump>(active_ != nullptr ? active_->runtime : nullptr,
                                      std::move(listeners), workers_.size());
}

std::unique_ptr<AdminBody> Server::ShowClusters() const {
  std::vector<Worker*> workers;
  for (const auto& worker : workers_) workers.push_back(worker.get());
  return std::make_unique<ClustersDump>(std::move(workers));
}

}  // namespace postern
