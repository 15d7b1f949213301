#include "core/upstream/cluster_manager.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace postern {
namespace {

constexpr uint64_t kWarmTickMs = 2;
constexpr uint64_t kForgetTickMs = 1000;

}  // namespace

// The clusters of one set on this worker, by id.
struct ClusterManager::Table {
  const ClusterSet* set;
  std::weak_ptr<const ClusterSet> alive;
  std::shared_ptr<const ClusterSet> held;  // while it is active or being warmed
  std::vector<Cluster*> clusters;
};

struct ClusterManager::Warming {
  Table* table;
  uint64_t until_ms;
  absl::AnyInvocable<void(bool)> done;
};

ClusterManager::ClusterManager(const UpstreamEnv& env)
    : env_(env),
      timer_(
          env.net->dispatcher->timers(),
          [](void* arg) { static_cast<ClusterManager*>(arg)->Tick(); }, this) {}

ClusterManager::~ClusterManager() = default;

ClusterManager::Table* ClusterManager::TableOf(const std::shared_ptr<const ClusterSet>& set) {
  for (const auto& table : tables_) {
    // A dead set's address may have been given out again.
    if (table->set == set.get() && table->alive.lock() == set) {
      Fill(table.get());
      return table.get();
    }
  }
  auto table = std::make_unique<Table>();
  table->set = set.get();
  table->alive = set;
  table->clusters.resize(set->size(), nullptr);
  Fill(table.get());
  tables_.push_back(std::move(table));
  return tables_.back().get();
}

// Gives each configuration of the set its cluster. A set that comes back, after another had taken
// its place, has clusters that drain; they are replaced.
void ClusterManager::Fill(Table* table) {
  std::unordered_map<const ClusterConfig*, Cluster*> known;
  for (const auto& cluster : clusters_) {
    if (!cluster->draining()) known.emplace(&cluster->config(), cluster.get());
  }
  for (ClusterId id = 0; id < table->set->size(); ++id) {
    Cluster*& cluster = table->clusters[id];
    if (cluster != nullptr && !cluster->draining()) continue;
    const ClusterSet::Entry& entry = table->set->at(id);
    if (const auto found = known.find(entry.config.get()); found != known.end()) {
      cluster = found->second;
      continue;
    }
    clusters_.push_back(std::make_unique<Cluster>(env_, entry.config, entry.shared));
    cluster = clusters_.back().get();
  }
}

void ClusterManager::Prepare(std::shared_ptr<const ClusterSet> set, uint32_t timeout_ms,
                             absl::AnyInvocable<void(bool)> warm) {
  Table* table = TableOf(set);
  table->held = std::move(set);
  auto warming = std::make_unique<Warming>();
  warming->table = table;
  warming->until_ms = env_.net->dispatcher->NowMs() + timeout_ms;
  warming->done = std::move(warm);
  warming_.push_back(std::move(warming));
  timer_.Start(0);
}

void ClusterManager::Activate(std::shared_ptr<const ClusterSet> set) {
  Table* table = TableOf(set);
  for (const auto& other : tables_) {
    if (other->set == current_) other->held.reset();
  }
  table->held = std::move(set);
  current_ = table->set;
  current_clusters_ = table->clusters.data();
  std::unordered_set<const Cluster*> used(table->clusters.begin(), table->clusters.end());
  for (const auto& warming : warming_) {
    used.insert(warming->table->clusters.begin(), warming->table->clusters.end());
  }
  for (const auto& cluster : clusters_) {
    if (!used.contains(cluster.get())) cluster->Drain();
  }
  timer_.Start(0);  // what nobody needs any more goes once the stack has unwound
}

Cluster* ClusterManager::GetFromOther(ClusterRef ref) const {
  // The newest first: a dead set's address may have been given out again.
  for (auto table = tables_.rbegin(); table != tables_.rend(); ++table) {
    if ((*table)->set == ref.set) return (*table)->clusters[ref.id];
  }
  return nullptr;
}

void ClusterManager::Tick() {
  CheckWarm();
  Forget();
  // The active set alone needs no more looking after.
  if (!warming_.empty()) {
    timer_.Start(kWarmTickMs);
  } else if (tables_.size() > 1 ||
             (!tables_.empty() && clusters_.size() > tables_.front()->clusters.size())) {
    timer_.Start(kForgetTickMs);
  }
}

void ClusterManager::CheckWarm() {
  const uint64_t now = env_.net->dispatcher->NowMs();
  std::vector<std::unique_ptr<Warming>> ended;
  for (auto& warming : warming_) {
    const bool warm = std::all_of(warming->table->clusters.begin(), warming->table->clusters.end(),
                                  [](const Cluster* cluster) { return cluster->warm(); });
    if (warm || now >= warming->until_ms) ended.push_back(std::move(warming));
  }
  std::erase(warming_, nullptr);
  for (const auto& warming : ended) {
    Table* table = warming->table;
    const bool warm = std::all_of(table->clusters.begin(), table->clusters.end(),
                                  [](const Cluster* cluster) { return cluster->warm(); });
    const std::shared_ptr<const ClusterSet> held = table->held;
    // Who asked holds the set from here on, or lets it go.
    if (table->set != current_) table->held.reset();
    warming->done(warm);
  }
}

void ClusterManager::Forget() {
  std::erase_if(tables_, [&](const auto& table) {
    return table->held == nullptr && table->alive.expired() &&
           std::none_of(warming_.begin(), warming_.end(),
                        [&](const auto& warming) { return warming->table == table.get(); });
  });
  std::unordered_set<const Cluster*> used;
  for (const auto& table : tables_) used.insert(table->clusters.begin(), table->clusters.end());
  std::erase_if(clusters_, [&](const auto& cluster) {
    return cluster->users() == 0 && !used.contains(cluster.get());
  });
}

void ClusterManager::Drain() {
  if (draining_) return;
  draining_ = true;
  for (const auto& cluster : clusters_) cluster->Drain();
}

std::vector<ClusterStatus> ClusterManager::Status(size_t first, size_t count) const {
  std::vector<ClusterStatus> status;
  first = std::min(first, clusters_.size());
  count = std::min(count, clusters_.size() - first);
  for (size_t i = first; i < first + count; ++i) status.push_back(clusters_[i]->Status());
  return status;
}

}  // namespace postern
