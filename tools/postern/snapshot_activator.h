#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/config/runtime_snapshot.h"
#include "core/event/file_watcher.h"
#include "core/filter/module_loader.h"
#include "core/server/server.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

/// Keeps a gateway on snapshots: adds to each what this process has by its own command line, builds
/// it and activates it, and does so again when a file changes that it was built from: a filter
/// module, or a secret in a filter's configuration. What is refused changes nothing. On the main
/// thread.
class SnapshotActivator {
 public:
  /// What became of a snapshot: OK, it is in force; ABORTED, a newer one came before its turn;
  /// FAILED_PRECONDITION, it is refused, with every problem; another code, it could not be made
  /// active, with the reason as a problem.
  using Done =
      std::function<void(const absl::Status& status, const std::vector<SnapshotProblem>& problems)>;

  /// `secrets` say where secrets are here; they go before those of snapshots. `modules` and
  /// `server` outlive it.
  SnapshotActivator(std::vector<snapshot::v1::Listener> listeners,
                    std::vector<snapshot::v1::Secret> secrets, ModuleLoader* modules,
                    Server* server);
  SnapshotActivator(const SnapshotActivator&) = delete;
  SnapshotActivator& operator=(const SnapshotActivator&) = delete;

  /// Takes up `message`; `done` hears of the end, from inside or later.
  void Activate(std::shared_ptr<const snapshot::v1::Snapshot> message, Done done);

  /// Nothing is taken up any more, and nobody hears of anything.
  void End();

 private:
  /// Some files, and who tells when one of them changes.
  struct Watch {
    std::vector<std::string> files;
    std::unique_ptr<FileWatcher> watcher;
  };
  struct Watches {
    Watch modules;
    Watch secrets;
  };
  struct Job {
    std::shared_ptr<const snapshot::v1::Snapshot> message;
    Done done;
    Watches watches = {};  // of what was built, as far as it has other files than what is in force
  };

  void Begin();
  void Finish(const absl::Status& status, const std::vector<SnapshotProblem>& problems);
  RuntimeSnapshot::Built Build(const snapshot::v1::Snapshot& message);
  Watch MakeWatch(std::vector<std::string> files, const Watch& in_force, const char* cause);
  void Rebuild(const char* cause);

  const std::vector<snapshot::v1::Listener> listeners_;
  const std::vector<snapshot::v1::Secret> secrets_;
  ModuleLoader& modules_;
  Server& server_;
  const MetricsRegistry::Registration module_metrics_;
  Job job_;   // under way, if it has a message
  Job next_;  // waits for it
  bool rebuild_after_ = false;
  /// In force; only while there is something that could make it be built anew.
  std::shared_ptr<const snapshot::v1::Snapshot> in_force_;
  Watches watches_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // for what is on its way; null: ended
};

}  // namespace postern
