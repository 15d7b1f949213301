#include "core/upstream/cluster_set.h"

#include <utility>

namespace postern {

std::shared_ptr<const ClusterSet> ClusterSet::Build(std::vector<ClusterConfig> configs,
                                                    size_t workers, const ClusterSet* previous) {
  auto set = std::make_shared<ClusterSet>();
  set->entries_.reserve(configs.size());
  for (ClusterConfig& config : configs) {
    Entry entry;
    if (const auto known = previous != nullptr ? previous->Find(config.name) : std::nullopt) {
      const Entry& before = previous->at(*known);
      entry.shared = before.shared;
      if (*before.config == config) entry.config = before.config;
    } else {
      entry.shared = std::make_shared<ClusterShared>(config.name, workers);
    }
    if (entry.config == nullptr) {
      entry.config = std::make_shared<const ClusterConfig>(std::move(config));
    }
    set->ids_.emplace(entry.config->name, static_cast<ClusterId>(set->entries_.size()));
    set->entries_.push_back(std::move(entry));
  }
  return set;
}

std::optional<ClusterId> ClusterSet::Find(std::string_view name) const {
  const auto found = ids_.find(name);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace postern
