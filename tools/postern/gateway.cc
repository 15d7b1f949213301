#include "tools/postern/gateway.h"

#include <signal.h>

#include <utility>

#include "absl/status/statusor.h"

namespace postern {

void GatewayOptions::Bind(FlagSet* flags) {
  listeners.Bind(flags);
  modules.Bind(flags);
  secrets.Bind(flags);
  server.Bind(flags);
  log.Bind(flags);
}

absl::Status GatewayOptions::Check() {
  if (absl::Status status = log.Apply(); !status.ok()) return status;
  absl::StatusOr<std::vector<snapshot::v1::Listener>> all = listeners.ToListeners();
  if (!all.ok()) return all.status();
  made_listeners_ = *std::move(all);
  absl::StatusOr<std::vector<snapshot::v1::Secret>> places = secrets.ToSecrets();
  if (!places.ok()) return places.status();
  made_secrets_ = *std::move(places);
  absl::StatusOr<ModuleLoader::Options> loader = modules.ToLoaderOptions();
  if (!loader.ok()) return loader.status();
  made_modules_ = *std::move(loader);
  absl::StatusOr<Server::Options> process = server.ToServerOptions();
  if (!process.ok()) return process.status();
  made_server_ = *std::move(process);
  return absl::OkStatus();
}

Gateway::Gateway(const GatewayOptions& options)
    : modules_([&options] {
        ModuleLoader::Options loader = options.made_modules_;
        loader.allow_unpinned = options.allow_unpinned_modules;
        return loader;
      }()),
      server_(options.made_server_),
      activator_(options.made_listeners_, options.made_secrets_, &modules_, &server_) {
  // A disk quota is an error of a write, not the end of the process.
  ::signal(SIGXFSZ, SIG_IGN);
  modules_.retired()->SetWake([dispatcher = server_.dispatcher(), retired = modules_.retired()] {
    dispatcher->Post([retired] { retired->Destroy(); });
  });
}

Gateway::~Gateway() { activator_.End(); }

}  // namespace postern
