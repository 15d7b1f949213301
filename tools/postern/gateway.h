#pragma once

#include <vector>

#include "absl/status/status.h"
#include "core/filter/module_loader.h"
#include "core/server/server.h"
#include "proto/snapshot/listener.pb.h"
#include "proto/snapshot/secret.pb.h"
#include "tools/postern/listener_options.h"
#include "tools/postern/module_options.h"
#include "tools/postern/process_options.h"
#include "tools/postern/secret_options.h"
#include "tools/postern/snapshot_activator.h"

namespace postern {

/// The options of a process that is a gateway.
struct GatewayOptions {
  ListenerOptions listeners;
  ModuleOptions modules;
  SecretOptions secrets;
  ServerOptions server;
  LogOptions log;
  bool allow_unpinned_modules = true;

  void Bind(FlagSet* flags);
  /// Sets the log up. InvalidArgument names the option that is wrong.
  absl::Status Check();

 private:
  friend class Gateway;
  // Of Check().
  std::vector<snapshot::v1::Listener> made_listeners_;
  std::vector<snapshot::v1::Secret> made_secrets_;
  ModuleLoader::Options made_modules_;
  Server::Options made_server_;
};

/// A gateway with its filter modules, and who gives it snapshots.
class Gateway {
 public:
  /// `options` have been checked.
  explicit Gateway(const GatewayOptions& options);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  absl::Status Start() { return server_.Start(); }
  Server* server() { return &server_; }
  SnapshotActivator* activator() { return &activator_; }

 private:
  ModuleLoader modules_;  // outlives the workers, whose last words may be to filters
  Server server_;
  SnapshotActivator activator_;
};

}  // namespace postern
