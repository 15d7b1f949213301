#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/context/variables.h"
#include "core/filter/filter_module.h"
#include "core/upstream/cluster_set.h"

namespace postern {

/// An upstream that a filter may call, as the snapshot binds it in the filter's stage.
struct CalloutUpstream {
  std::string name;       ///< as upstream_resolve() was asked for it
  ClusterRef cluster;     ///< of the same snapshot
  std::string authority;  ///< for Host and :authority
  std::string
      path_prefix;  ///< goes before the callout's path; empty, or "/…" without a slash behind
  bool https = false;
};

/// One named filter of one API in one stage (or canary) of one snapshot. Owned by the FilterSet;
/// immutable and shared by all workers.
struct FilterInstance {
  /// Dense number in the snapshot, for tables that a worker keeps beside it.
  uint32_t id = 0;
  std::string name;
  /// Equal in two snapshots for the instance of the same name in the same place: whose worker state
  /// is `previous` to whose. (The state is handed over only if `module` is the same object too.)
  std::string handover_key;
  std::string api_id;  ///< as logs and metrics label it
  std::string stage;
  const FilterModule* module = nullptr;
  /// What worker_create gets: the object of its outermost scope.
  const void* config = nullptr;

  /// What upstream_resolve() has given out. Look up with FindUpstream().
  std::vector<CalloutUpstream> upstreams;
  /// What var_resolve() has given out. Look up with FindVariable().
  std::vector<Variable> variables;
  /// Upper 16 bits of the ids that this snapshot has given out, never zero: ids of another snapshot
  /// are not found (until 65,535 snapshots later).
  uint32_t id_tag = 0;

  /// Null: no id of this instance.
  const CalloutUpstream* FindUpstream(uint32_t upstream) const {
    const uint32_t at = upstream & 0xffff;
    return (upstream >> 16) == id_tag && at < upstreams.size() ? &upstreams[at] : nullptr;
  }
  const Variable* FindVariable(uint32_t variable) const {
    const uint32_t at = variable & 0xffff;
    return (variable >> 16) == id_tag && at < variables.size() ? &variables[at] : nullptr;
  }
};

}  // namespace postern
