#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "core/event/dispatcher.h"
#include "core/filter/filter_worker.h"
#include "core/net/connection.h"
#include "core/net/dns.h"
#include "core/net/listener.h"
#include "core/observe/access_log.h"
#include "core/observe/metrics.h"
#include "core/server/listener_spec.h"
#include "core/server/serving_snapshot.h"
#include "core/session/gateway_stream.h"
#include "core/session/server_session.h"
#include "core/upstream/cluster_manager.h"
#include "core/upstream/host_resolver.h"

namespace postern {

/// One thread with one loop that serves its share of the connections and touches nothing of other
/// workers. Constructed, started, stopped and destroyed by the main thread; Post() is how it is
/// told anything in between. Methods marked [worker] run on its own thread.
class Worker final : private ServerSession::Owner {
 public:
  /// `filter_stats` outlives it.
  Worker(size_t index, MetricsRegistry* metrics, FilterStatsRegistry* filter_stats,
         const FilterLimits& filter_limits = {});
  ~Worker();

  size_t index() const { return index_; }
  Dispatcher* dispatcher() { return &dispatcher_; }

  void Start();
  /// Ends the loop and waits for the thread. Connections that are open are cut.
  void StopAndJoin();

  /// Any thread.
  void Post(absl::AnyInvocable<void()> task) { dispatcher_.Post(std::move(task)); }

  /// [worker] Gets ready for `snapshot`: clusters, names, states of filters. `done` runs on this
  /// worker once all names have been looked up, or after `warm_limit_ms`, and all filters are
  /// ready; or as soon as one of them says that it cannot be.
  void Prepare(std::shared_ptr<const ServingSnapshot> snapshot, uint32_t warm_limit_ms,
               absl::AnyInvocable<void(absl::Status status, bool warm)> done);
  /// [worker] What was prepared last will not be used.
  void Discard();
  /// [worker] New exchanges use what was prepared last.
  void Commit();

  /// [worker] Begins to accept on `socket`. `key` names the listener in later calls.
  absl::Status AddListener(const std::string& key, ListenSocket socket,
                           std::shared_ptr<const ListenerSpec> spec);
  /// [worker] New connections are made with `spec`.
  void UpdateListener(const std::string& key, std::shared_ptr<const ListenerSpec> spec);
  /// [worker] Accepts what is queued, then listens no more. Connections that are open go on.
  void RemoveListener(const std::string& key);

  /// [worker] First step of a drain: nobody can begin a connection.
  void RefuseConnections();
  /// [worker] Second: accept what is queued, close the listeners, let every connection end in
  /// order. `done` runs on this worker when the last has ended.
  void Drain(absl::AnyInvocable<void()> done);
  /// [worker] HTTP/2's second GOAWAY, and whatever else a repeated drain does.
  void DrainAgain();

  /// [worker]
  ClusterManager* clusters() { return &clusters_; }

  /// What the worker's thread is doing, for a watchdog. Valid between Start() and StopAndJoin(),
  /// once the worker has run anything.
  const Breadcrumb* breadcrumb() const { return filter_worker_.crumb(); }
  pthread_t thread() { return thread_.native_handle(); }

 private:
  struct Served {
    std::string key;
    std::shared_ptr<const ListenerSpec> spec;
    std::unique_ptr<Listener> listener;
    // What of its statistics the worker's metrics have.
    uint64_t over_limit = 0;
    uint64_t accept_errors = 0;
    uint64_t out_of_resources = 0;
  };

  void OnAccept(Served* served, int fd, const Address& peer);
  void OnSessionEnded(ServerSession* session) override;
  void CheckDrained();
  void PartPrepared(uint64_t number, absl::Status status, bool warm);
  void PublishListener(Served* served);
  void PublishMetrics();

  const size_t index_;
  WorkerMetrics* const metrics_;
  Dispatcher dispatcher_;
  NetContext downstream_;
  NetContext upstream_;
  Resolver resolver_;
  DnsHostResolver cluster_resolver_;
  AccessLogWorker access_log_;
  ClusterManager clusters_;
  FilterWorker filter_worker_;
  SessionEnv env_;
  GatewayHost host_;
  IntrusiveList<ServerSession> sessions_;
  std::vector<std::unique_ptr<Served>> listeners_;
  Timer publish_timer_;

  std::unique_ptr<WorkerSnapshot> prepared_;
  std::shared_ptr<const ClusterSet> prepared_set_;
  uint64_t preparation_ = 0;  // its number
  int parts_waiting_ = 0;
  bool prepared_warm_ = true;
  absl::AnyInvocable<void(absl::Status, bool)> on_prepared_;

  bool draining_ = false;
  absl::AnyInvocable<void()> drained_;
  std::thread thread_;
};

}  // namespace postern
