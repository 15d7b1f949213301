#include "core/server/worker.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/log.h"

namespace postern {
namespace {

constexpr uint64_t kPublishMs = 500;

}  // namespace

Worker::Worker(size_t index, MetricsRegistry* metrics, FilterStatsRegistry* filter_stats,
               const FilterLimits& filter_limits)
    : index_(index),
      metrics_(metrics->worker(index)),
      downstream_(&dispatcher_),
      upstream_(&dispatcher_),
      resolver_(&dispatcher_),
      cluster_resolver_(&resolver_),
      access_log_(&dispatcher_, index),
      clusters_(UpstreamEnv{.net = &upstream_, .resolver = &cluster_resolver_, .worker = index}),
      filter_worker_({.dispatcher = &dispatcher_,
                      .clusters = &clusters_,
                      .body_blocks = &downstream_.blocks,
                      .callout_blocks = &upstream_.blocks,
                      .stats = filter_stats,
                      .index = index,
                      .limits = filter_limits}),
      env_{.net = &downstream_,
           .dispatcher = &dispatcher_,
           .metrics = metrics_,
           .access_log = &access_log_},
      host_(&env_),
      publish_timer_(
          dispatcher_.timers(), [](void* arg) { static_cast<Worker*>(arg)->PublishMetrics(); },
          this) {}

Worker::~Worker() = default;

void Worker::Start() {
  thread_ = std::thread([this] {
    const std::string name = "worker-" + std::to_string(index_);
    pthread_setname_np(pthread_self(), name.c_str());
    filter_worker_.Attach();
    publish_timer_.Start(kPublishMs);
    dispatcher_.Run();
  });
}

void Worker::StopAndJoin() {
  if (!thread_.joinable()) return;
  Post([this] {
    listeners_.clear();
    while (ServerSession* session = sessions_.Front()) session->Abort();
    publish_timer_.Cancel();
    access_log_.Flush();
    // Sessions and exchanges end with this iteration; the loop stops after it.
    Post([this] {
      Discard();
      host_.SetSnapshot(nullptr);
      dispatcher_.Stop();
    });
  });
  thread_.join();
}

void Worker::Prepare(std::shared_ptr<const ServingSnapshot> snapshot, uint32_t warm_limit_ms,
                     absl::AnyInvocable<void(absl::Status status, bool warm)> done) {
  Discard();
  auto prepared = std::make_unique<WorkerSnapshot>();
  prepared->router = &snapshot->runtime->router();
  prepared->clusters = &clusters_;
  prepared->version = snapshot->runtime->version();
  prepared->route_cells.reserve(snapshot->route_metrics.size());
  for (const auto& route : snapshot->route_metrics) {
    prepared->route_cells.push_back(route->cells(index_));
  }
  for (const auto& stage : snapshot->stage_metrics) {
    prepared->stage_cells.push_back(stage->cells(index_));
  }
  for (const auto& target : snapshot->access_logs) prepared->access_logs.push_back(target.get());
  for (const auto& target : snapshot->execution_logs) {
    prepared->execution_logs.push_back(target.get());
  }
  prepared->tracer = snapshot->tracer;
  prepared_set_ = snapshot->runtime->cluster_set();
  const FilterSet* filters = snapshot->runtime->filters().get();
  prepared->hold = std::move(snapshot);
  prepared_ = std::move(prepared);
  on_prepared_ = std::move(done);
  prepared_warm_ = true;
  parts_waiting_ = 2;
  // Filters may call upstreams while they get ready.
  clusters_.Prepare(prepared_set_, warm_limit_ms, [this, number = preparation_](bool warm) {
    PartPrepared(number, absl::OkStatus(), warm);
  });
  if (filters == nullptr) {
    PartPrepared(preparation_, absl::OkStatus(), true);
    return;
  }
  prepared_->filters =
      std::make_unique<WorkerFilters>(&filter_worker_, filters->instances(), prepared_->version);
  const WorkerSnapshot* before = host_.snapshot();
  prepared_->filters->Prepare(before != nullptr ? before->filters.get() : nullptr,
                              [this, number = preparation_](absl::Status status) {
                                PartPrepared(number, std::move(status), true);
                              });
}

void Worker::PartPrepared(uint64_t number, absl::Status status, bool warm) {
  if (number != preparation_ || on_prepared_ == nullptr) return;
  prepared_warm_ = prepared_warm_ && warm;
  if (--parts_waiting_ > 0 && status.ok()) return;
  std::exchange(on_prepared_, nullptr)(std::move(status), prepared_warm_);
}

void Worker::Discard() {
  ++preparation_;
  on_prepared_ = nullptr;
  prepared_.reset();
  prepared_set_.reset();
}

void Worker::Commit() {
  clusters_.Activate(prepared_set_);
  host_.SetSnapshot(std::move(prepared_));
  metrics_->snapshot_swaps.Add();
}

absl::Status Worker::AddListener(const std::string& key, ListenSocket socket,
                                 std::shared_ptr<const ListenerSpec> spec) {
  auto served = std::make_unique<Served>();
  Served* raw = served.get();
  served->key = key;
  served->spec = std::move(spec);
  served->listener = std::make_unique<Listener>(
      &dispatcher_, std::move(socket), served->spec->limit.get(),
      [this, raw](int fd, const Address& peer) { OnAccept(raw, fd, peer); });
  if (absl::Status status = served->listener->Start(); !status.ok()) return status;
  listeners_.push_back(std::move(served));
  return absl::OkStatus();
}

void Worker::UpdateListener(const std::string& key, std::shared_ptr<const ListenerSpec> spec) {
  for (const auto& served : listeners_) {
    if (served->key == key) served->spec = spec;
  }
}

void Worker::RemoveListener(const std::string& key) {
  for (const auto& served : listeners_) {
    if (served->key != key) continue;
    served->listener->DrainAndClose();
    PublishListener(served.get());
  }
  std::erase_if(listeners_, [&](const auto& served) { return served->key == key; });
}

void Worker::OnAccept(Served* served, int fd, const Address& peer) {
  const std::shared_ptr<const ListenerSpec>& spec = served->spec;
  std::unique_ptr<TlsChannel> tls;
  if (spec->tls != nullptr) tls = spec->tls->MakeServerChannel();
  // The place among the allowed connections is given back with the session.
  std::shared_ptr<void> place(spec->limit.get(), [limit = spec->limit](void*) { limit->Give(); });
  auto* session = new ServerSession(&env_, spec->settings, &host_, this, fd, peer,
                                    served->listener->address(), std::move(tls), std::move(place));
  sessions_.PushBack(session);
  if (draining_) session->Drain();
}

void Worker::OnSessionEnded(ServerSession* session) {
  static_cast<ListNode<ServerSession>*>(session)->Unlink();
  dispatcher_.DeferDelete(std::unique_ptr<Deferred>(session));
  if (draining_) CheckDrained();
}

void Worker::RefuseConnections() {
  for (const auto& served : listeners_) served->listener->RefuseNew();
}

void Worker::Drain(absl::AnyInvocable<void()> done) {
  drained_ = std::move(done);
  draining_ = true;
  for (const auto& served : listeners_) served->listener->DrainAndClose();
  DrainAgain();
  CheckDrained();
}

void Worker::DrainAgain() {
  // A session that ends leaves the list, so its successor is known before it is told.
  ServerSession* session = sessions_.Front();
  while (session != nullptr) {
    ServerSession* next = sessions_.Next(session);
    session->Drain();
    session = next;
  }
}

void Worker::CheckDrained() {
  if (!sessions_.empty() || drained_ == nullptr) return;
  clusters_.Drain();
  std::exchange(drained_, nullptr)();
}

// Adds what the listener has counted since the last time: listeners come and go, the worker's
// numbers only rise.
void Worker::PublishListener(Served* served) {
  const ListenerStats& stats = served->listener->stats();
  const auto add = [](const CounterCell& from, uint64_t* seen, CounterCell* to) {
    to->Add(from.value() - *seen);
    *seen = from.value();
  };
  add(stats.over_limit, &served->over_limit, &metrics_->connections_over_limit);
  add(stats.accept_errors, &served->accept_errors, &metrics_->accept_errors);
  add(stats.out_of_resources, &served->out_of_resources, &metrics_->accept_pauses);
}

void Worker::PublishMetrics() {
  for (const auto& served : listeners_) PublishListener(served.get());
  metrics_->bytes_received.Publish(downstream_.bytes_read);
  metrics_->bytes_sent.Publish(downstream_.bytes_written);
  metrics_->blocks_in_use.Set(
      static_cast<int64_t>(downstream_.blocks.in_use() + upstream_.blocks.in_use()));
  metrics_->blocks_idle.Set(
      static_cast<int64_t>(downstream_.blocks.idle() + upstream_.blocks.idle()));
  publish_timer_.Start(kPublishMs);
}

}  // namespace postern
