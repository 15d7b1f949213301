#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/serve/control_server.h"
#include "control/serve/manager.h"
#include "control/serve/push_hub.h"
#include "control/store/store.h"
#include "core/config/snapshot_assembler.h"
#include "core/event/dispatcher.h"
#include "tools/postern/definition_options.h"
#include "tools/postern/flags.h"
#include "tools/postern/snapshot_activator.h"

namespace postern {

/// The options of `run` that keep what is served.
struct LocalControlOptions {
  std::string store;   ///< empty: nothing is kept
  std::string listen;  ///< where to serve gRPC; empty: nowhere

  void Bind(FlagSet* flags);
  absl::Status Check() const;
};

/// A control plane and the one sidecar of it in one process, with no network between: the same
/// store, compiler, push service and activation. On the main thread, but for the gRPC server.
class LocalControl {
 public:
  /// Opens the store. `heard` is told what became of each snapshot.
  static absl::StatusOr<std::unique_ptr<LocalControl>> Open(const LocalControlOptions& options,
                                                            const DefinitionOptions& definitions,
                                                            SnapshotActivator* activator,
                                                            Dispatcher* dispatcher,
                                                            SnapshotActivator::Done heard);
  ~LocalControl();
  LocalControl(const LocalControl&) = delete;
  LocalControl& operator=(const LocalControl&) = delete;

  /// Makes definitions, which have been imported without problems, what is served; takes what was
  /// imported away. The first call begins to activate what the store says.
  absl::Status Deploy(Definitions& definitions);

 private:
  LocalControl(SnapshotActivator* activator, Dispatcher* dispatcher, SnapshotActivator::Done heard)
      : activator_(*activator), dispatcher_(*dispatcher), heard_(std::move(heard)) {}

  absl::Status Join();
  void Pump();
  void Take(const control::v1::Push& push);

  SnapshotActivator& activator_;
  Dispatcher& dispatcher_;
  const SnapshotActivator::Done heard_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<Manager> manager_;
  std::unique_ptr<ControlServer> server_;
  std::shared_ptr<PushHub::Session> session_;
  SnapshotAssembler assembler_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // for what is posted
};

}  // namespace postern
