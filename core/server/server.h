#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "core/config/runtime_snapshot.h"
#include "core/credentials/credential_service.h"
#include "core/event/dispatcher.h"
#include "core/event/file_watcher.h"
#include "core/filter/filter_stats.h"
#include "core/filter/hook_watchdog.h"
#include "core/net/tls_ticket_keys.h"
#include "core/observe/access_log.h"
#include "core/observe/admin.h"
#include "core/observe/loop_watch.h"
#include "core/observe/metrics.h"
#include "core/observe/process_stats.h"
#include "core/observe/readiness.h"
#include "core/observe/xray.h"
#include "core/server/admin_host.h"
#include "core/server/certificate_metrics.h"
#include "core/server/serving_snapshot.h"
#include "core/server/worker.h"
#include "core/upstream/upstream_metrics.h"

namespace postern {

/// The gateway process: workers, the admin endpoint, signals, and the snapshot in force. Everything
/// here belongs to the main thread, whose loop Run() turns.
///
/// A snapshot is taken in two steps. First it is made ready aside: its listeners are bound, its
/// certificates loaded, its names looked up on every worker. Only when all of that has worked does
/// each worker swap one pointer. A snapshot that fails on the way changes nothing.
class Server final : private ServerSession::Owner {
 public:
  struct Options {
    size_t workers = 0;             ///< 0: as many as the cgroup's CPU quota allows (CpuCount())
    std::string admin;              ///< address of the admin endpoint; empty: none
    std::string version;            ///< of the program
    uint32_t warm_limit_ms = 2000;  ///< longest wait for names before a snapshot is activated
    uint32_t drain_delay_ms = 0;    ///< from "not ready" until connections are refused
    uint32_t drain_timeout_ms = 25000;  ///< from then until what is left is cut
    /// What requests to AWS are signed with, and where its services are.
    CredentialService::Options credentials;
    /// A worker that is inside one call of a filter for so long ends the process. 0: never.
    uint32_t stuck_filter_ms = 10000;
    FilterLimits filter_limits = {};
  };

  explicit Server(Options options);
  const Options& options() const { return options_; }
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Opens the admin endpoint and starts the workers. They serve once a snapshot is active.
  absl::Status Start();

  /// Begins to activate `snapshot`; `done` hears of the end, from the loop or from inside. One that
  /// is waiting when another comes is skipped (ABORTED). On any error the snapshot in force stays.
  void Activate(std::shared_ptr<const RuntimeSnapshot> snapshot,
                absl::AnyInvocable<void(absl::Status)> done);

  /// What SIGHUP does besides reopening logs and reading certificates again.
  void set_on_reload(absl::AnyInvocable<void()> reload) { on_reload_ = std::move(reload); }

  /// Whether the snapshot in force may still be served, as far as /ready is concerned; `reason`
  /// tells why not. Each snapshot that becomes active is, until this says otherwise.
  void SetSnapshotUsable(bool usable, std::string_view reason) {
    if (active_ != nullptr) readiness_.Set(Readiness::Condition::kSnapshot, usable, reason);
  }

  /// What /ready says of where the configuration comes from: a JSON object.
  void set_configuration_shown(absl::AnyInvocable<std::string()> show) {
    show_configuration_ = std::move(show);
  }

  /// Turns the loop until the process should end; returns its exit code.
  int Run();

  /// Begins a drain, as SIGTERM does: not ready, then no new connections, then the end of those
  /// that are open. With `exit`, Run() returns 0 afterwards.
  void Drain(bool exit);

  /// Ends Run() at once; connections that are open are cut.
  void Stop() { StopNow(exit_code_); }

  Dispatcher* dispatcher() { return &dispatcher_; }
  CredentialService* credentials() { return credentials_.get(); }
  MetricsRegistry* metrics() { return &metrics_; }
  size_t worker_count() const { return workers_.size(); }
  const std::shared_ptr<const ServingSnapshot>& active() const { return active_; }

 private:
  struct ListenerState;
  struct Activation;
  enum class DrainPhase : uint8_t {
    kServing,
    kNotReady,  // connections are still accepted
    kRefusing,  // nobody can begin one
    kClosing,   // what is open ends in order
    kWaiting,   // HTTP/2's second GOAWAY has gone out
    kDrained,
  };

  absl::Status StartAdmin();
  void OnSignal(int signal);
  void OnSessionEnded(ServerSession* session) override;

  absl::Status PrepareListeners(Activation* activation);
  void StartActivation(std::unique_ptr<Activation> activation);
  void PartPrepared(uint64_t number, absl::Status status, bool warm);
  void CommitActivation();
  void FinishActivation(absl::Status status);
  void ApplyListeners();
  /// TLS towards upstreams in the snapshot in force, with the name of one cluster that uses it.
  struct UpstreamTls {
    std::string cluster;
    std::shared_ptr<TlsClientContext> context;
  };
  std::vector<UpstreamTls> UpstreamTlsInUse() const;
  void WatchCertificates();
  void ReloadCertificates();

  void DrainStep();
  void WorkerDrained();
  int64_t OpenConnections();
  void StopNow(int code);

  std::unique_ptr<AdminBody> ShowConfig() const;
  std::unique_ptr<AdminBody> ShowClusters() const;

  const Options options_;
  Dispatcher dispatcher_;
  MetricsRegistry metrics_;
  AccessLogs access_logs_;
  FilterStatsRegistry filter_stats_;
  Readiness readiness_;
  ProcessStats process_stats_;
  LoopWatch loop_watch_;
  UpstreamMetrics upstream_metrics_;
  CertificateMetrics certificate_metrics_;
  XRayTracer tracer_;
  std::unique_ptr<CredentialService> credentials_;
  std::vector<MetricsRegistry::Registration> sources_;

  // The admin endpoint: a session environment of the main thread's own.
  NetContext net_;
  WorkerMetrics admin_metrics_;
  SessionEnv admin_env_;
  std::unique_ptr<AdminService> admin_service_;
  std::unique_ptr<AdminHost> admin_host_;
  std::unique_ptr<Listener> admin_listener_;
  std::shared_ptr<const ServerSessionSettings> admin_settings_;
  IntrusiveList<ServerSession> admin_sessions_;

  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<HookWatchdog> watchdog_;  // once there are filters
  std::vector<std::unique_ptr<ListenerState>> listeners_;
  std::shared_ptr<TlsTicketKeys> ticket_keys_;  // one set for all listeners
  std::unique_ptr<FileWatcher> certificate_watcher_;
  std::shared_ptr<const ServingSnapshot> active_;
  std::unique_ptr<Activation> activation_;  // under way
  std::unique_ptr<Activation> next_;        // waits for it
  bool started_up_ = false;                 // a snapshot has been in force
  uint64_t activations_ = 0;
  absl::AnyInvocable<void()> on_reload_;
  absl::AnyInvocable<std::string()> show_configuration_;

  uv_signal_t signals_[3];
  Timer drain_timer_;
  size_t workers_draining_ = 0;
  bool draining_ = false;
  bool exit_when_drained_ = false;
  DrainPhase drain_phase_ = DrainPhase::kServing;
  int exit_code_ = 0;
};

}  // namespace postern
