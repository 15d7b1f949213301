#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/listener_config.h"
#include "core/filter/filter_set.h"
#include "core/route/router.h"
#include "core/upstream/cluster_set.h"
#include "core/upstream/function_pool.h"

namespace postern {

namespace snapshot::v1 {
class Snapshot;
}

class CredentialService;
class ModuleLoader;

/// Something about one field of a snapshot.
struct SnapshotProblem {
  /// e.g. "deployments[2].resources[5].methods[0].integration.timeout_ms"; of a filter's
  /// configuration `GET /pets, filter "auth" (postern.jwt 1.2.0): issuers[0].jwks_uri`
  std::string path;
  std::string text;  ///< e.g. "40 is below 50"

  /// The filter whose configuration it is about: of the API `api_id`, placed by the API ("") or by
  /// a resource or method ("/pets", "GET /pets"). Empty `filter`: none.
  std::string api_id = {};
  std::string scope = {};
  std::string filter = {};

  /// "path: text"
  std::string ToString() const;
};

/// A snapshot as the gateway runs it: everything that can be decided before a request comes is
/// decided. Immutable and shared by all workers; each exchange keeps the one it began with alive.
class RuntimeSnapshot {
 public:
  /// What Build() made of a message.
  struct Built {
    /// Null if there is any problem: a snapshot is taken as a whole or not at all.
    std::shared_ptr<const RuntimeSnapshot> snapshot;
    /// Everything that is wrong with it, at most kMaxProblems; the last then says that there is
    /// more.
    std::vector<SnapshotProblem> problems;
    /// What is taken but has no effect here, and guards that the definition's owner has waived.
    std::vector<SnapshotProblem> notes;

    /// All problems, one a line.
    std::string ProblemText() const;
  };

  static constexpr size_t kMaxProblems = 200;

  struct Options {
    size_t workers = 1;  ///< the same for all snapshots of a process
    /// The snapshot in force: clusters, functions and deployments that are the same in both are
    /// shared, and with them connections, health and counts. May be null.
    const RuntimeSnapshot* previous = nullptr;
    /// Credentials for clusters that sign, and other endpoints of AWS services. Null: there are
    /// neither, and what should be signed is not sent.
    CredentialService* credentials = nullptr;
    /// Loads filter modules. Null: a snapshot with filters is refused.
    ModuleLoader* modules = nullptr;
    /// Longest time that one call into a module may take while this is built; one that takes longer
    /// is named and ends the process. 0: for ever.
    uint32_t stuck_filter_ms = 10000;
  };

  /// Checks `message` and makes its runtime objects. Refuses whatever this gateway cannot do, and
  /// every guard that it cannot enforce. Reads the files that TLS towards upstreams needs, loads
  /// modules and has them read their configurations; opens no socket and changes nothing that is in
  /// force. On the main thread.
  static Built Build(const snapshot::v1::Snapshot& message, const Options& options);

  ~RuntimeSnapshot();
  RuntimeSnapshot(const RuntimeSnapshot&) = delete;
  RuntimeSnapshot& operator=(const RuntimeSnapshot&) = delete;

  uint64_t version() const { return version_; }
  const Router& router() const { return *router_; }
  const std::vector<ListenerConfig>& listeners() const { return listeners_; }
  const std::shared_ptr<const ClusterSet>& cluster_set() const { return cluster_set_; }
  /// Slots and queues of its functions.
  const std::vector<std::shared_ptr<FunctionPool>>& functions() const { return functions_; }
  /// Bounds of functions() as this snapshot has them; to be set when it becomes active.
  void ApplyFunctionLimits() const;

  /// Filter instances and chains that routes point at. Null: there are no filters.
  const std::shared_ptr<const FilterSet>& filters() const { return filters_; }

  /// Files of secrets that configurations of filters took values from. When one changes, the same
  /// message makes another snapshot. (Certificates and keys of TLS are read again by themselves.)
  const std::vector<std::string>& secret_files() const { return secret_files_; }

  /// Every route and stage at the position of its id.
  const std::vector<const Route*>& routes() const { return routes_; }
  const std::vector<const Stage*>& stages() const { return stages_; }

 private:
  friend class SnapshotBuilder;
  RuntimeSnapshot();

  uint64_t version_ = 0;
  std::vector<std::string> secret_files_;
  std::shared_ptr<const FilterSet> filters_;
  std::unique_ptr<const Router> router_;
  std::vector<ListenerConfig> listeners_;
  std::shared_ptr<const ClusterSet> cluster_set_;
  std::vector<std::shared_ptr<FunctionPool>> functions_;
  std::vector<FunctionLimits> function_limits_;  // of functions_
  std::vector<std::shared_ptr<const Deployment>> deployments_;
  std::vector<const Route*> routes_;
  std::vector<const Stage*> stages_;
};

}  // namespace postern
