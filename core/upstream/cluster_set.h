#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/upstream/cluster_config.h"
#include "core/upstream/cluster_shared.h"

namespace postern {

/// A cluster's place in its ClusterSet.
using ClusterId = uint32_t;

/// The clusters of one snapshot: immutable, shared by all workers.
class ClusterSet {
 public:
  struct Entry {
    std::shared_ptr<const ClusterConfig> config;
    std::shared_ptr<ClusterShared> shared;
  };

  /// `configs` have been validated and their names differ. A configuration that is equal to the one
  /// of that name in `previous` (null for the first set) is taken over, and with it, on each
  /// worker, connections and health. `workers` is the same for all sets of a process.
  static std::shared_ptr<const ClusterSet> Build(std::vector<ClusterConfig> configs, size_t workers,
                                                 const ClusterSet* previous);

  size_t size() const { return entries_.size(); }
  const Entry& at(ClusterId id) const { return entries_[id]; }
  std::optional<ClusterId> Find(std::string_view name) const;

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, ClusterId> ids_;  // views into the configurations
};

/// What an integration keeps to reach its cluster: found when the snapshot is built, an index when
/// a request comes. `set` is part of the same snapshot.
struct ClusterRef {
  const ClusterSet* set = nullptr;
  ClusterId id = 0;
};

}  // namespace postern
