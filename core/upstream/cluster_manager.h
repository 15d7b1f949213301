#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "core/event/timer.h"
#include "core/upstream/cluster.h"
#include "core/upstream/cluster_set.h"

namespace postern {

/// The clusters of one worker. Follows the snapshots: what a new one has in common with the one
/// before keeps its connections and health, the rest drains and goes when no request and no
/// snapshot needs it any more. Not thread-safe.
class ClusterManager {
 public:
  /// `env` refers to what outlives the manager.
  explicit ClusterManager(const UpstreamEnv& env);
  /// No request may be under way.
  ~ClusterManager();
  ClusterManager(const ClusterManager&) = delete;
  ClusterManager& operator=(const ClusterManager&) = delete;

  /// Makes the clusters of `set`, so that Get() finds them, and begins to resolve their names.
  /// `warm` runs once, from the loop, when every name has been resolved or tried, or after
  /// `timeout_ms`; its argument tells whether all were. The set that is active stays so.
  void Prepare(std::shared_ptr<const ClusterSet> set, uint32_t timeout_ms,
               absl::AnyInvocable<void(bool)> warm);
  /// Makes `set` the active one, prepared or not: clusters that are not part of it drain. Requests
  /// of older sets go on.
  void Activate(std::shared_ptr<const ClusterSet> set);

  /// The cluster of a set that has been prepared or activated and that somebody still holds. Never
  /// null then. Valid until the caller returns to the loop, and while somebody holds the cluster
  /// (Cluster::Hold()), as every UpstreamRequest does.
  Cluster* Get(ClusterRef ref) const {
    if (ref.set == current_) return current_clusters_[ref.id];
    return GetFromOther(ref);
  }

  /// The worker stops: connections are not kept beyond their exchanges.
  void Drain();

  /// At most `count` clusters from the one numbered `first` on, draining ones too, for people.
  /// While clusters come and go, numbers move.
  std::vector<ClusterStatus> Status(size_t first, size_t count) const;

  size_t cluster_count() const { return clusters_.size(); }

 private:
  struct Table;
  struct Warming;

  Table* TableOf(const std::shared_ptr<const ClusterSet>& set);
  void Fill(Table* table);
  Cluster* GetFromOther(ClusterRef ref) const;
  void Tick();
  void Forget();
  void CheckWarm();

  const UpstreamEnv env_;
  std::vector<std::unique_ptr<Cluster>> clusters_;
  std::vector<std::unique_ptr<Table>> tables_;  // of sets that somebody may still hold
  const ClusterSet* current_ = nullptr;         // the active set, kept alive by its table
  Cluster* const* current_clusters_ = nullptr;
  std::vector<std::unique_ptr<Warming>> warming_;
  Timer timer_;
  bool draining_ = false;
};

}  // namespace postern
