#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/metric_cell.h"
#include "core/base/metrics_source.h"
#include "core/context/request_context.h"
#include "core/observe/exposition.h"

namespace postern {

/// Counters by a short token that is only known when it happens, such as the detail of a refused
/// request. One writing thread; the first kMaxTokens tokens get a counter of their own, later ones
/// share "other".
class TokenCounters {
 public:
  static constexpr size_t kMaxTokens = 48;
  static constexpr size_t kMaxTokenSize = 40;  ///< bytes; what is longer is cut

  /// The writing thread only. Linear in the number of tokens: for what is rare.
  void Add(std::string_view token, uint64_t count = 1);

  /// Adds each token's count to `totals`. Any thread.
  void AddTo(std::map<std::string, uint64_t, std::less<>>* totals) const;

 private:
  struct Entry {
    char text[kMaxTokenSize];
    uint8_t size = 0;
    CounterCell count;
  };
  std::array<Entry, kMaxTokens> entries_;
  std::atomic<size_t> used_{0};  // entries below are complete; text and size never change again
  CounterCell other_;
};

/// What one worker counts whatever the route. The worker is the only writer. Each member is a
/// series of its own or one label of one; the table in metrics.cc says which.
struct alignas(64) WorkerMetrics {
  // Downstream connections.
  CounterCell connections_accepted;
  GaugeCell connections_open;
  CounterCell connections_over_limit;  ///< accepted and closed at once
  CounterCell accept_errors;           ///< connections that were gone before they were accepted
  CounterCell accept_pauses;           ///< times that descriptors or memory ran out
  CounterCell bytes_received;          ///< from clients, on the wire
  CounterCell bytes_sent;

  // TLS towards clients.
  CounterCell tls_handshakes_full;
  CounterCell tls_handshakes_resumed;
  CounterCell tls_handshake_failures;

  // Exchanges.
  CounterCell requests_http10;
  CounterCell requests_http11;
  CounterCell requests_http2;
  GaugeCell streams_open;
  CounterCell local_replies;  ///< answered by the gateway itself, gateway responses included

  // Memory.
  GaugeCell blocks_in_use;  ///< of BlockPool::kBlockSize bytes
  GaugeCell blocks_idle;

  // Snapshots.
  CounterCell snapshot_swaps;

  TokenCounters
      rejected;          ///< requests a codec refused, by ServerCodecEvents::OnRejected()'s detail
  TokenCounters resets;  ///< exchanges cut off, by ResetReasonName()
  TokenCounters timeouts;  ///< connections closed by a time limit: "head", "body", "idle", …
};

/// Indices of counters by the first digit of a status; 0 stands for no status at all, an exchange
/// that was cut off before its answer.
inline constexpr size_t kStatusClasses = 6;
using StatusCounters = std::array<CounterCell, kStatusClasses>;

/// One stage of an API as one worker counts it: the dimensions ApiName+Stage of rest-api.md §13.8.
struct alignas(64) StageCells {
  StatusCounters responses;
  CounterCell request_bytes;
  CounterCell response_bytes;
  LatencyHistogram latency;
  LatencyHistogram integration_latency;

  /// One exchange has ended. Reads status, response_latency_ms, integration_latency_ms and the byte
  /// counts of `context`. Used directly for requests that reached a stage but no route of it.
  void Record(const RequestContext& context);
};

/// Times of one route, only kept where the method has detailed metrics on (rest-api.md §13.2).
struct alignas(64) RouteTimes {
  LatencyHistogram latency;
  LatencyHistogram integration_latency;
};

/// One route as one worker counts it: a cache line.
struct alignas(64) RouteCells {
  StatusCounters responses;
  StageCells* stage = nullptr;  ///< of the same worker
  /// Null without detailed metrics. The registry sets it, perhaps while the worker counts.
  std::atomic<RouteTimes*> times{nullptr};

  /// One exchange has ended: counts it here and in its stage. Some eight increments, no search.
  void Record(const RequestContext& context);
};

/// The cells of one stage in all workers. Held by the snapshots that serve the stage.
class StageMetrics {
 public:
  StageMetrics(std::string api_id, std::string stage, size_t workers);

  StageCells* cells(size_t worker) { return &cells_[worker]; }
  const std::string& api_id() const { return api_id_; }
  const std::string& stage() const { return stage_; }

 private:
  friend class MetricsRegistry;
  std::string api_id_;
  std::string stage_;
  std::string api_name_;  // guarded by the registry; empty: nobody has said it
  size_t workers_;
  std::unique_ptr<StageCells[]> cells_;
};

/// The cells of one route in all workers. Held by the snapshots that have the route.
class RouteMetrics {
 public:
  RouteMetrics(std::shared_ptr<StageMetrics> stage, std::string resource, std::string method,
               size_t workers);

  RouteCells* cells(size_t worker) { return &cells_[worker]; }

 private:
  friend class MetricsRegistry;
  void KeepTimes();

  std::shared_ptr<StageMetrics> stage_;
  std::string resource_;
  std::string method_;
  size_t workers_;
  std::unique_ptr<RouteCells[]> cells_;
  std::unique_ptr<RouteTimes[]> times_;  // null without detailed metrics
};

/// All numbers of the process: cells of workers, stages and routes, and the sources that others
/// registered. Any thread; nothing here is called by a request.
class MetricsRegistry {
 public:
  struct Options {
    size_t workers = 1;
    /// Stages and routes that have cells at a time. Further ones share one overflow set, whose
    /// api_id is "_overflow".
    size_t max_label_sets = 20000;
    /// How long the cells of a stage or route stay after the last snapshot that had it. A route
    /// that comes back within that time goes on counting where it was.
    int64_t retire_after_ms = 15 * 60 * 1000;
    std::string version = {};  ///< of the program, for postern_build_info
  };

  explicit MetricsRegistry(Options options);
  /// Every source must be gone.
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  size_t workers() const { return options_.workers; }

  /// The cells of one worker, for that worker. Lives as long as the registry.
  WorkerMetrics* worker(size_t index) { return &worker_metrics_[index]; }

  /// The cells of a stage or route: the same as before if the labels are (after a snapshot swap),
  /// new ones otherwise, the overflow set if there are too many. Never null. Called when a snapshot
  /// is built; the snapshot keeps the pointer. `detailed` asks for times of this route alone; they
  /// stay on once they were. `api_name` is what people call the API; what is not ASCII in it is not
  /// shown (rest-api.md §13.8).
  std::shared_ptr<StageMetrics> Stage(std::string_view api_id, std::string_view stage,
                                      std::string_view api_name = {});
  std::shared_ptr<RouteMetrics> Route(std::string_view api_id, std::string_view stage,
                                      std::string_view resource, std::string_view method,
                                      bool detailed);

  /// Takes a source out again when it ends, waiting for a scrape that is under way.
  class Registration {
   public:
    Registration() = default;
    Registration(MetricsRegistry* registry, MetricsSource* source)
        : registry_(registry), source_(source) {}
    Registration(Registration&& other) noexcept { *this = std::move(other); }
    Registration& operator=(Registration&& other) noexcept;
    ~Registration() { Reset(); }
    void Reset();

   private:
    MetricsRegistry* registry_ = nullptr;
    MetricsSource* source_ = nullptr;
  };

  /// Asks `source` at every scrape until the registration ends. The registry must outlive it.
  [[nodiscard]] Registration Register(MetricsSource* source);

  /// Everything in the given format; also retires cells. `now_ms` is any monotonic clock, the same
  /// each time.
  std::string Scrape(ExpositionFormat format, int64_t now_ms);

  /// Stages and routes that have cells now.
  size_t label_sets() const;

  /// Connections of clients that are open, over all workers.
  int64_t OpenConnections() const;

 private:
  struct StageEntry {
    std::shared_ptr<StageMetrics> metrics;
    int64_t unheld_since = -1;
  };
  struct RouteEntry {
    std::shared_ptr<RouteMetrics> metrics;
    int64_t unheld_since = -1;
  };

  std::shared_ptr<StageMetrics> StageLocked(std::string_view api_id, std::string_view stage);
  bool HaveRoomLocked();
  void RetireLocked(int64_t now_ms, int64_t after_ms);
  void CollectWorkers(MetricsSink* sink) const;
  static void CollectStage(const StageMetrics& stage, MetricsSink* sink);
  static void CollectRoute(const RouteMetrics& route, MetricsSink* sink);

  const Options options_;
  std::unique_ptr<WorkerMetrics[]> worker_metrics_;

  mutable std::mutex mutex_;
  // Guarded by mutex_. Ordered, so that a scrape has the same order each time.
  std::map<std::string, StageEntry> stages_;
  std::map<std::string, RouteEntry> routes_;
  std::shared_ptr<StageMetrics> overflow_stage_;
  std::shared_ptr<RouteMetrics> overflow_route_;
  CounterCell refused_label_sets_;

  std::mutex sources_mutex_;  // also held while sources are asked
  std::vector<MetricsSource*> sources_;
};

}  // namespace postern
