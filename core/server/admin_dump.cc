#include "core/server/admin_dump.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "core/filter/chain_plan.h"
#include "core/filter/filter_set.h"
#include "core/filter/module_file.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// Written in one step: with names of usual length some KiB.
constexpr size_t kItemsAtOnce = 64;
constexpr std::chrono::milliseconds kPatience{500};

// The clusters `first` and following of `worker`, or nothing if it does not answer.
std::optional<std::vector<ClusterStatus>> Ask(Worker* worker, size_t first) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<std::vector<ClusterStatus>> clusters;
  };
  // Shared, for the worker may answer when nobody waits any more.
  const auto answer = std::make_shared<Answer>();
  worker->Post([worker, answer, first] {
    std::vector<ClusterStatus> clusters = worker->clusters()->Status(first, kItemsAtOnce);
    const std::lock_guard lock(answer->mutex);
    answer->clusters = std::move(clusters);
    answer->changed.notify_one();
  });
  std::unique_lock lock(answer->mutex);
  answer->changed.wait_for(lock, kPatience, [&] { return answer->clusters.has_value(); });
  return std::move(answer->clusters);
}

void WriteCluster(const ClusterStatus& cluster, JsonWriter& json) {
  json.BeginObject();
  json.PlainKey("name");
  json.String(cluster.name);
  json.PlainKey("draining");
  json.Bool(cluster.draining);
  json.PlainKey("resolving");
  json.Bool(cluster.resolving);
  json.PlainKey("endpoints");
  json.BeginArray();
  for (const EndpointStatus& endpoint : cluster.endpoints) {
    json.BeginObject();
    json.PlainKey("address");
    json.String(endpoint.address);
    json.PlainKey("host");
    json.String(endpoint.host);
    json.PlainKey("weight");
    json.Uint(endpoint.weight);
    json.PlainKey("healthy");
    json.Bool(endpoint.healthy);
    json.PlainKey("ejected");
    json.Bool(endpoint.ejected);
    json.PlainKey("draining");
    json.Bool(endpoint.draining);
    json.PlainKey("active");
    json.Uint(endpoint.active);
    json.PlainKey("connections");
    json.Uint(endpoint.connections);
    json.PlainKey("idle");
    json.Uint(endpoint.idle);
    json.PlainKey("waiting");
    json.Uint(endpoint.waiting);
    json.PlainKey("attempts");
    json.Uint(endpoint.attempts);
    json.PlainKey("failures");
    json.Uint(endpoint.failures);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

// The filters of a route, outermost first: " | auth@authorize | cache@request".
std::string FilterText(const ChainPlan& chain) {
  std::string out;
  for (const FilterBinding& filter : chain.filters()) {
    out += Concat(" | ", filter.instance->name, "@", FilterPointName(filter.point));
  }
  return out;
}

void WriteFilter(const FilterInstance& filter, JsonWriter& json) {
  json.BeginObject();
  json.PlainKey("name");
  json.String(filter.name);
  json.PlainKey("api");
  json.String(filter.api_id);
  json.PlainKey("stage");
  json.String(filter.stage);
  json.PlainKey("module");
  json.String(filter.module->name());
  json.PlainKey("version");
  json.String(filter.module->version());
  json.PlainKey("digest");
  json.String(filter.module->digest());
  json.PlainKey("capabilities");
  json.BeginArray();
  for (uint32_t bit = 1; bit <= POSTERN_CAP_THREADS; bit <<= 1) {
    if (filter.module->may(bit)) json.String(CapabilityNames(bit));
  }
  json.EndArray();
  json.EndObject();
}

}  // namespace

bool JsonBody::Next(std::string* out) {
  bool more = true;
  while (more && text_.size() < kPiece) {
    more = Step(json_);
    sink_->Finish();
  }
  sink_.reset();
  out->append(text_);
  text_.clear();
  sink_.emplace(&text_);
  return more;
}

ConfigDump::ConfigDump(std::shared_ptr<const RuntimeSnapshot> runtime,
                       std::vector<ListenerShown> listeners, size_t workers)
    : runtime_(std::move(runtime)), listeners_(std::move(listeners)), workers_(workers) {}

const Variant* ConfigDump::variant() const {
  const Stage& stage = *runtime_->router().apis()[api_]->stages[stage_];
  return variant_ == 0 ? stage.main.get() : stage.canary.get();
}

bool ConfigDump::Step(JsonWriter& json) {
  switch (at_) {
    case At::kStart:
      json.BeginObject();
      json.PlainKey("active");
      json.Bool(runtime_ != nullptr);
      if (runtime_ == nullptr) {
        at_ = At::kEnd;
        return true;
      }
      json.PlainKey("version");
      json.Uint(runtime_->version());
      json.PlainKey("apis");
      json.BeginArray();
      at_ = At::kApi;
      return true;
    case At::kApi: {
      const auto& apis = runtime_->router().apis();
      if (api_ == apis.size()) {
        json.EndArray();
        json.PlainKey("filters");
        json.BeginArray();
        next_ = 0;
        at_ = At::kFilters;
        return true;
      }
      json.BeginObject();
      json.PlainKey("id");
      json.String(apis[api_]->id);
      json.PlainKey("name");
      json.String(apis[api_]->name);
      json.PlainKey("stages");
      json.BeginArray();
      stage_ = 0;
      at_ = At::kStage;
      return true;
    }
    case At::kStage: {
      const Api& api = *runtime_->router().apis()[api_];
      if (stage_ == api.stages.size()) {
        json.EndArray();
        json.EndObject();
        ++api_;
        at_ = At::kApi;
        return true;
      }
      json.BeginObject();
      json.PlainKey("name");
      json.String(api.stages[stage_]->name);
      variant_ = next_ = 0;
      at_ = At::kRoutes;
      return true;
    }
    case At::kRoutes: {
      const Variant* shown = variant();
      if (shown == nullptr) {
        // No canary, or it has been shown.
      } else {
        if (next_ == 0) {
          json.PlainKey(variant_ == 0 ? "deployment" : "canary");
          json.BeginObject();
          json.PlainKey("id");
          json.String(shown->deployment_id);
          json.PlainKey("digest");
          json.String(shown->deployment->digest);
          json.PlainKey("routes");
          json.BeginArray();
        }
        const size_t end = std::min(next_ + kItemsAtOnce, shown->routes.size());
        for (; next_ < end; ++next_) {
          const Route& route = shown->routes[next_];
          const std::string text = Concat(route.facts->method(), " ", route.facts->resource_path,
                                          " ", route.integration->type_name());
          json.String(route.chain == nullptr ? text : Concat(text, FilterText(*route.chain)));
        }
        if (next_ < shown->routes.size()) return true;
        json.EndArray();
        json.EndObject();
      }
      next_ = 0;
      if (++variant_ < 2) return true;
      json.EndObject();
      ++stage_;
      at_ = At::kStage;
      return true;
    }
    case At::kFilters: {
      if (runtime_->filters() != nullptr) {
        const auto& filters = runtime_->filters()->instances();
        const size_t end = std::min(next_ + kItemsAtOnce, filters.size());
        for (; next_ < end; ++next_) WriteFilter(*filters[next_], json);
        if (next_ < filters.size()) return true;
      }
      json.EndArray();
      json.PlainKey("clusters");
      json.BeginArray();
      next_ = 0;
      at_ = At::kClusters;
      return true;
    }
    case At::kClusters: {
      const ClusterSet& clusters = *runtime_->cluster_set();
      const size_t end = std::min(next_ + kItemsAtOnce, clusters.size());
      for (; next_ < end; ++next_) {
        json.String(clusters.at(static_cast<ClusterId>(next_)).config->name);
      }
      if (next_ < clusters.size()) return true;
      json.EndArray();
      at_ = At::kEnd;
      return true;
    }
    case At::kEnd:
      WriteEnd(json);
      return false;
  }
  return false;
}

void ConfigDump::WriteEnd(JsonWriter& json) {
  json.PlainKey("listeners");
  json.BeginArray();
  for (const ListenerShown& listener : listeners_) {
    json.BeginObject();
    json.PlainKey("name");
    json.String(listener.name);
    json.PlainKey("address");
    json.String(listener.address);
    json.PlainKey("tls");
    json.Bool(listener.tls);
    json.EndObject();
  }
  json.EndArray();
  json.PlainKey("workers");
  json.Uint(workers_);
  json.EndObject();
}

bool ClustersDump::Step(JsonWriter& json) {
  if (worker_ == workers_.size()) {
    if (!started_) {
      json.BeginObject();
      json.PlainKey("workers");
      json.BeginArray();
    }
    json.EndArray();
    json.EndObject();
    return false;
  }
  if (!std::exchange(started_, true)) {
    json.BeginObject();
    json.PlainKey("workers");
    json.BeginArray();
  }
  if (next_ == 0) {
    json.BeginObject();
    json.PlainKey("worker");
    json.Uint(workers_[worker_]->index());
    json.PlainKey("clusters");
    json.BeginArray();
  }
  const auto clusters = Ask(workers_[worker_], next_);
  if (clusters.has_value()) {
    for (const ClusterStatus& cluster : *clusters) WriteCluster(cluster, json);
    if (clusters->size() == kItemsAtOnce) {
      next_ += clusters->size();
      return true;
    }
  }
  json.EndArray();
  json.PlainKey("answered");
  json.Bool(clusters.has_value());
  json.EndObject();
  ++worker_;
  next_ = 0;
  return true;
}

}  // namespace postern
