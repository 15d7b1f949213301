#include "core/observe/metrics.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>

namespace postern {
namespace {

constexpr std::string_view kOverflow = "_overflow";

// A series of WorkerMetrics: exactly one of `counter` and `gauge` is set.
struct WorkerSeries {
  MetricFamily family;
  MetricLabel label;  // no name: no label
  CounterCell WorkerMetrics::*counter = nullptr;
  GaugeCell WorkerMetrics::*gauge = nullptr;
};

constexpr WorkerSeries kWorkerSeries[] = {
    {{"postern_connections_accepted", "Connections accepted from clients."},
     {},
     &WorkerMetrics::connections_accepted},
    {{"postern_connections_open", "Connections of clients that are open."},
     {},
     nullptr,
     &WorkerMetrics::connections_open},
    {{"postern_connections_refused",
      "Connections of clients closed at once, for there were as many as allowed."},
     {},
     &WorkerMetrics::connections_over_limit},
    {{"postern_accept_errors", "Connections of clients that were gone before they were accepted."},
     {},
     &WorkerMetrics::accept_errors},
    {{"postern_accept_pauses", "Times that descriptors or memory ran out while accepting."},
     {},
     &WorkerMetrics::accept_pauses},
    {{"postern_received_bytes", "Bytes read from clients' sockets.", "bytes"},
     {},
     &WorkerMetrics::bytes_received},
    {{"postern_sent_bytes", "Bytes written to clients' sockets.", "bytes"},
     {},
     &WorkerMetrics::bytes_sent},
    {{"postern_tls_handshakes", "TLS handshakes completed with clients."},
     {"kind", "full"},
     &WorkerMetrics::tls_handshakes_full},
    {{"postern_tls_handshakes", "TLS handshakes completed with clients."},
     {"kind", "resumed"},
     &WorkerMetrics::tls_handshakes_resumed},
    {{"postern_tls_handshake_failures", "TLS handshakes with clients that failed."},
     {},
     &WorkerMetrics::tls_handshake_failures},
    {{"postern_http_requests", "Request heads received, by HTTP version."},
     {"version", "1.0"},
     &WorkerMetrics::requests_http10},
    {{"postern_http_requests", "Request heads received, by HTTP version."},
     {"version", "1.1"},
     &WorkerMetrics::requests_http11},
    {{"postern_http_requests", "Request heads received, by HTTP version."},
     {"version", "2"},
     &WorkerMetrics::requests_http2},
    {{"postern_streams_open", "Exchanges with clients under way."},
     {},
     nullptr,
     &WorkerMetrics::streams_open},
    {{"postern_local_replies", "Answers that the gateway gave itself, gateway responses included."},
     {},
     &WorkerMetrics::local_replies},
    {{"postern_buffer_blocks", "Memory blocks of 4096 bytes drawn from the allocator."},
     {"state", "in_use"},
     nullptr,
     &WorkerMetrics::blocks_in_use},
    {{"postern_buffer_blocks", "Memory blocks of 4096 bytes drawn from the allocator."},
     {"state", "idle"},
     nullptr,
     &WorkerMetrics::blocks_idle},
    {{"postern_snapshot_swaps", "Snapshots taken into use, counted in each worker."},
     {},
     &WorkerMetrics::snapshot_swaps},
};

// A family of WorkerMetrics with a series for each token.
struct TokenSeries {
  MetricFamily family;
  std::string_view label;
  TokenCounters WorkerMetrics::*counters;
};

constexpr TokenSeries kTokenSeries[] = {
    {{"postern_requests_rejected", "Requests refused before they were routed, by reason."},
     "detail",
     &WorkerMetrics::rejected},
    {{"postern_streams_reset", "Exchanges cut off before their end, by reason."},
     "reason",
     &WorkerMetrics::resets},
    {{"postern_connection_timeouts", "Connections closed because a time limit had passed."},
     "kind",
     &WorkerMetrics::timeouts},
};

constexpr std::string_view kStatusClassNames[kStatusClasses] = {"none", "1xx", "2xx",
                                                                "3xx",  "4xx", "5xx"};

size_t StatusClass(uint16_t status) {
  // A status above 599 is no status and to be taken for a 5xx (RFC 9110 §15).
  return std::min<size_t>(status / 100u, kStatusClasses - 1);
}

// NUL stands in no label of a definition, and would only make two label sets share cells.
std::string Key(std::initializer_list<std::string_view> parts) {
  std::string key;
  for (std::string_view part : parts) {
    key.append(part);
    key.push_back('\0');
  }
  return key;
}

using Totals = std::array<uint64_t, kStatusClasses>;

void AddTo(const StatusCounters& counters, Totals* totals) {
  for (size_t i = 0; i < kStatusClasses; ++i) (*totals)[i] += counters[i].value();
}

uint64_t Sum(const Totals& totals) {
  uint64_t sum = 0;
  for (uint64_t total : totals) sum += total;
  return sum;
}

void RecordTimes(const RequestContext& context, LatencyHistogram* latency,
                 LatencyHistogram* integration_latency) {
  if (context.response_latency_ms >= 0) {
    latency->Observe(static_cast<uint64_t>(context.response_latency_ms));
  }
  if (context.integration_latency_ms >= 0) {
    integration_latency->Observe(static_cast<uint64_t>(context.integration_latency_ms));
  }
}

}  // namespace

void TokenCounters::Add(std::string_view token, uint64_t count) {
  token = token.substr(0, kMaxTokenSize);
  const size_t used = used_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < used; ++i) {
    if (std::string_view(entries_[i].text, entries_[i].size) == token) {
      entries_[i].count.Add(count);
      return;
    }
  }
  if (used == kMaxTokens) {
    other_.Add(count);
    return;
  }
  Entry& entry = entries_[used];
  if (!token.empty()) std::memcpy(entry.text, token.data(), token.size());
  entry.size = static_cast<uint8_t>(token.size());
  entry.count.Add(count);
  used_.store(used + 1, std::memory_order_release);
}

void TokenCounters::AddTo(std::map<std::string, uint64_t, std::less<>>* totals) const {
  const size_t used = used_.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; ++i) {
    (*totals)[std::string(entries_[i].text, entries_[i].size)] += entries_[i].count.value();
  }
  if (const uint64_t other = other_.value(); other != 0) (*totals)["other"] += other;
}

void StageCells::Record(const RequestContext& context) {
  responses[StatusClass(context.status)].Add();
  request_bytes.Add(context.request_bytes);
  response_bytes.Add(context.response_bytes);
  RecordTimes(context, &latency, &integration_latency);
}

void RouteCells::Record(const RequestContext& context) {
  responses[StatusClass(context.status)].Add();
  stage->Record(context);
  if (RouteTimes* own = times.load(std::memory_order_acquire); own != nullptr) {
    RecordTimes(context, &own->latency, &own->integration_latency);
  }
}

StageMetrics::StageMetrics(std::string api_id, std::string stage, size_t workers)
    : api_id_(std::move(api_id)),
      stage_(std::move(stage)),
      workers_(workers),
      cells_(std::make_unique<StageCells[]>(workers)) {}

RouteMetrics::RouteMetrics(std::shared_ptr<StageMetrics> stage, std::string resource,
                           std::string method, size_t workers)
    : stage_(std::move(stage)),
      resource_(std::move(resource)),
      method_(std::move(method)),
      workers_(workers),
      cells_(std::make_unique<RouteCells[]>(workers)) {
  for (size_t i = 0; i < workers_; ++i) cells_[i].stage = stage_->cells(i);
}

void RouteMetrics::KeepTimes() {
  if (times_ != nullptr) return;
  times_ = std::make_unique<RouteTimes[]>(workers_);
  for (size_t i = 0; i < workers_; ++i) {
    cells_[i].times.store(&times_[i], std::memory_order_release);
  }
}

MetricsRegistry::MetricsRegistry(Options options)
    : options_(std::move(options)),
      worker_metrics_(std::make_unique<WorkerMetrics[]>(options_.workers)),
      overflow_stage_(std::make_shared<StageMetrics>(std::string(kOverflow), std::string(kOverflow),
                                                     options_.workers)),
      overflow_route_(std::make_shared<RouteMetrics>(overflow_stage_, std::string(kOverflow),
                                                     std::string(kOverflow), options_.workers)) {}

MetricsRegistry::~MetricsRegistry() = default;

std::shared_ptr<StageMetrics> MetricsRegistry::Stage(std::string_view api_id,
                                                     std::string_view stage,
                                                     std::string_view api_name) {
  std::string name(api_name);
  std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  std::lock_guard lock(mutex_);
  std::shared_ptr<StageMetrics> metrics =
      StageLocked(CleanLabelValue(api_id), CleanLabelValue(stage));
  if (metrics != overflow_stage_) {
    metrics->api_name_ = name.empty() ? metrics->api_id_ : CleanLabelValue(name);
  }
  return metrics;
}

std::shared_ptr<StageMetrics> MetricsRegistry::StageLocked(std::string_view api_id,
                                                           std::string_view stage) {
  std::string key = Key({api_id, stage});
  if (const auto found = stages_.find(key); found != stages_.end()) {
    found->second.unheld_since = -1;
    return found->second.metrics;
  }
  if (!HaveRoomLocked()) return overflow_stage_;
  auto metrics =
      std::make_shared<StageMetrics>(std::string(api_id), std::string(stage), options_.workers);
  stages_.emplace(std::move(key), StageEntry{metrics});
  return metrics;
}

std::shared_ptr<RouteMetrics> MetricsRegistry::Route(std::string_view api_id,
                                                     std::string_view stage,
                                                     std::string_view resource,
                                                     std::string_view method, bool detailed) {
  const std::string api_label = CleanLabelValue(api_id);
  const std::string stage_label = CleanLabelValue(stage);
  std::string resource_label = CleanLabelValue(resource);
  std::string method_label = CleanLabelValue(method);
  std::string key = Key({api_label, stage_label, resource_label, method_label});

  std::lock_guard lock(mutex_);
  std::shared_ptr<RouteMetrics> metrics;
  if (const auto found = routes_.find(key); found != routes_.end()) {
    found->second.unheld_since = -1;
    metrics = found->second.metrics;
  } else {
    std::shared_ptr<StageMetrics> owner = StageLocked(api_label, stage_label);
    if (owner == overflow_stage_ || !HaveRoomLocked()) return overflow_route_;
    metrics = std::make_shared<RouteMetrics>(std::move(owner), std::move(resource_label),
                                             std::move(method_label), options_.workers);
    routes_.emplace(std::move(key), RouteEntry{metrics});
  }
  if (detailed) metrics->KeepTimes();
  return metrics;
}

bool MetricsRegistry::HaveRoomLocked() {
  if (stages_.size() + routes_.size() < options_.max_label_sets) return true;
  RetireLocked(0, 0);
  if (stages_.size() + routes_.size() < options_.max_label_sets) return true;
  refused_label_sets_.Add();
  return false;
}

void MetricsRegistry::RetireLocked(int64_t now_ms, int64_t after_ms) {
  // An entry whose only holder is this map can gain another only through this map.
  const auto retire = [&](auto* entries) {
    for (auto at = entries->begin(); at != entries->end();) {
      auto& entry = at->second;
      if (entry.metrics.use_count() > 1) {
        entry.unheld_since = -1;
      } else if (after_ms == 0 ||
                 (entry.unheld_since >= 0 && now_ms - entry.unheld_since >= after_ms)) {
        at = entries->erase(at);
        continue;
      } else if (entry.unheld_since < 0) {
        entry.unheld_since = now_ms;
      }
      ++at;
    }
  };
  retire(&routes_);  // first, for routes hold their stages
  retire(&stages_);
}

size_t MetricsRegistry::label_sets() const {
  std::lock_guard lock(mutex_);
  return stages_.size() + routes_.size();
}

int64_t MetricsRegistry::OpenConnections() const {
  int64_t open = 0;
  for (size_t i = 0; i < options_.workers; ++i) open += worker_metrics_[i].connections_open.value();
  return open;
}

MetricsRegistry::Registration& MetricsRegistry::Registration::operator=(
    Registration&& other) noexcept {
  if (this != &other) {
    Reset();
    registry_ = std::exchange(other.registry_, nullptr);
    source_ = std::exchange(other.source_, nullptr);
  }
  return *this;
}

void MetricsRegistry::Registration::Reset() {
  if (registry_ == nullptr) return;
  std::lock_guard lock(registry_->sources_mutex_);
  std::erase(registry_->sources_, source_);
  registry_ = nullptr;
}

MetricsRegistry::Registration MetricsRegistry::Register(MetricsSource* source) {
  std::lock_guard lock(sources_mutex_);
  sources_.push_back(source);
  return Registration(this, source);
}

void MetricsRegistry::CollectWorkers(MetricsSink* sink) const {
  for (const WorkerSeries& series : kWorkerSeries) {
    uint64_t count = 0;
    int64_t level = 0;
    for (size_t i = 0; i < options_.workers; ++i) {
      if (series.counter != nullptr) count += (worker_metrics_[i].*series.counter).value();
      if (series.gauge != nullptr) level += (worker_metrics_[i].*series.gauge).value();
    }
    const MetricLabels one = {series.label};
    const MetricLabels none;
    const MetricLabels& labels = series.label.name.empty() ? none : one;
    if (series.counter != nullptr) {
      sink->Counter(series.family, labels, count);
    } else {
      sink->Gauge(series.family, labels, static_cast<double>(level));
    }
  }
  for (const TokenSeries& series : kTokenSeries) {
    std::map<std::string, uint64_t, std::less<>> totals;
    for (size_t i = 0; i < options_.workers; ++i) {
      (worker_metrics_[i].*series.counters).AddTo(&totals);
    }
    for (const auto& [token, count] : totals) {
      sink->Counter(series.family, {{series.label, token}}, count);
    }
  }
}

void MetricsRegistry::CollectStage(const StageMetrics& stage, MetricsSink* sink) {
  Totals responses = {};
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
  HistogramTotal<LatencyBuckets> latency;
  HistogramTotal<LatencyBuckets> integration_latency;
  for (size_t i = 0; i < stage.workers_; ++i) {
    const StageCells& cells = stage.cells_[i];
    AddTo(cells.responses, &responses);
    request_bytes += cells.request_bytes.value();
    response_bytes += cells.response_bytes.value();
    cells.latency.AddTo(&latency);
    cells.integration_latency.AddTo(&integration_latency);
  }
  const MetricLabels labels = {{"api_id", stage.api_id_}, {"stage", stage.stage_}};
  if (!stage.api_name_.empty()) {
    sink->Info({"postern_api", "What an API is called (AWS/ApiGateway ApiName)."},
               {{"api_id", stage.api_id_}, {"stage", stage.stage_}, {"api_name", stage.api_name_}});
  }
  sink->Counter({"postern_api_requests", "Requests (AWS/ApiGateway Count)."}, labels,
                Sum(responses));
  sink->Counter({"postern_api_4xx_errors", "Answers with a 4xx status (AWS/ApiGateway 4XXError)."},
                labels, responses[4]);
  sink->Counter({"postern_api_5xx_errors", "Answers with a 5xx status (AWS/ApiGateway 5XXError)."},
                labels, responses[5]);
  sink->Counter({"postern_api_request_bytes", "Content received from clients.", "bytes"}, labels,
                request_bytes);
  sink->Counter({"postern_api_response_bytes", "Content sent to clients.", "bytes"}, labels,
                response_bytes);
  sink->Histogram(
      {"postern_api_latency_seconds",
       "From request to answer as the client sees it (AWS/ApiGateway Latency).", "seconds"},
      labels, latency);
  sink->Histogram({"postern_api_integration_latency_seconds",
                   "From the call of the integration to its answer (AWS/ApiGateway "
                   "IntegrationLatency).",
                   "seconds"},
                  labels, integration_latency);
}

void MetricsRegistry::CollectRoute(const RouteMetrics& route, MetricsSink* sink) {
  Totals responses = {};
  for (size_t i = 0; i < route.workers_; ++i) AddTo(route.cells_[i].responses, &responses);
  // Of ten thousand routes most may never be called; those have no series yet.
  if (Sum(responses) == 0) return;
  const MetricLabel api_id = {"api_id", route.stage_->api_id()};
  const MetricLabel stage = {"stage", route.stage_->stage()};
  const MetricLabel resource = {"resource", route.resource_};
  const MetricLabel method = {"method", route.method_};
  for (size_t i = 0; i < kStatusClasses; ++i) {
    if (responses[i] == 0 && i < 2) continue;
    sink->Counter({"postern_route_responses",
                   "Answers of a route, by the class of their status; none: cut off before the "
                   "answer."},
                  {api_id, stage, resource, method, {"status_class", kStatusClassNames[i]}},
                  responses[i]);
  }
  if (route.times_ == nullptr) return;
  HistogramTotal<LatencyBuckets> latency;
  HistogramTotal<LatencyBuckets> integration_latency;
  for (size_t i = 0; i < route.workers_; ++i) {
    route.times_[i].latency.AddTo(&latency);
    route.times_[i].integration_latency.AddTo(&integration_latency);
  }
  sink->Histogram(
      {"postern_route_latency_seconds",
       "From request to answer as the client sees it, where detailed metrics are on.", "seconds"},
      {api_id, stage, resource, method}, latency);
  sink->Histogram(
      {"postern_route_integration_latency_seconds",
       "From the call of the integration to its answer, where detailed metrics are on.", "seconds"},
      {api_id, stage, resource, method}, integration_latency);
}

std::string MetricsRegistry::Scrape(ExpositionFormat format, int64_t now_ms) {
  Exposition out(format);
  out.Info({"postern_build", "The program."},
           {{"version", options_.version}, {"compiler", __VERSION__}});
  out.Gauge({"postern_workers", "Worker threads."}, {}, static_cast<double>(options_.workers));
  CollectWorkers(&out);
  {
    std::lock_guard lock(mutex_);
    RetireLocked(now_ms, std::max<int64_t>(options_.retire_after_ms, 1));
    for (const auto& [key, entry] : stages_) CollectStage(*entry.metrics, &out);
    for (const auto& [key, entry] : routes_) CollectRoute(*entry.metrics, &out);
    if (refused_label_sets_.value() != 0) {
      CollectStage(*overflow_stage_, &out);
      CollectRoute(*overflow_route_, &out);
    }
    out.Gauge({"postern_metrics_label_sets", "Stages and routes that have metrics of their own."},
              {}, static_cast<double>(stages_.size() + routes_.size()));
    out.Counter({"postern_metrics_label_sets_refused",
                 "Stages and routes that share the set _overflow because there were too many."},
                {}, refused_label_sets_.value());
  }
  {
    std::lock_guard lock(sources_mutex_);
    for (MetricsSource* source : sources_) source->Collect(&out);
  }
  out.Gauge({"postern_metrics_series_left_out",
             "Samples left out of this scrape, for their labels were there already."},
            {}, static_cast<double>(out.left_out()));
  return out.Finish();
}

}  // namespace postern
