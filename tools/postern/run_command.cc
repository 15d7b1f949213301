#include "tools/postern/run_command.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "core/base/log.h"
#include "core/event/file_watcher.h"
#include "tools/postern/command_line.h"
#include "tools/postern/definition_options.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/gateway.h"
#include "tools/postern/local_control.h"

namespace postern {
namespace {

struct RunOptions {
  DefinitionOptions definitions;
  GatewayOptions gateway;
  LocalControlOptions control;

  void Bind(FlagSet* flags) {
    definitions.Bind(flags);
    gateway.Bind(flags);
    control.Bind(flags);
  }
};

// Keeps the gateway on what the files say. A version of them that is refused changes nothing.
class DefinitionRunner {
 public:
  // `control` is null where nothing is kept.
  DefinitionRunner(const RunOptions& options, SnapshotActivator* activator, LocalControl* control,
                   Server* server)
      : options_(options), activator_(*activator), control_(control), server_(*server) {}

  // Reads, compiles and activates; `first` problems end the process.
  void Load(bool first) {
    Definitions definitions = control_ != nullptr
                                  ? ImportDefinitions(options_.definitions)
                                  : LoadDefinitions(options_.definitions, {}, ++version_);
    if (definitions.files != files_ && (first || definitions.ok())) {
      files_ = definitions.files;
      if (watcher_ != nullptr) Watch();
    }
    if (definitions.ok() && control_ != nullptr) {
      if (absl::Status status = control_->Deploy(definitions); !status.ok()) {
        definitions.problems.emplace_back(status.message());
      } else {
        if (first) PrintReports(definitions);
        return;
      }
    }
    if (!definitions.ok()) {
      Refused(definitions, first);
      return;
    }
    auto message = std::make_shared<snapshot::v1::Snapshot>(std::move(definitions.snapshot));
    auto shown = std::make_shared<Definitions>(std::move(definitions));
    activator_.Activate(std::move(message),
                        [this, first, shown](const absl::Status& status,
                                             const std::vector<SnapshotProblem>& problems) {
                          OnActivated(first, shown.get(), status, problems);
                        });
  }

  // What became of a snapshot of the files, or of the store. Null `definitions`: whose, is not
  // known.
  void OnActivated(bool first, Definitions* definitions, const absl::Status& status,
                   const std::vector<SnapshotProblem>& problems) {
    if (status.ok()) {
      if (first && definitions != nullptr) PrintReports(*definitions);
    } else if (absl::IsFailedPrecondition(status)) {
      Definitions refused;
      if (definitions != nullptr) refused = std::move(*definitions);
      for (const SnapshotProblem& problem : problems) {
        refused.AddProblem(problem);
      }
      Refused(refused, first);
    } else if (!absl::IsAborted(status)) {
      Log(LogLevel::kError, "snapshot_refused", {{"reason", std::string(status.message())}});
      if (first) Fail(kExitFailed);
    }
  }

  void Watch() {
    watcher_ = std::make_unique<FileWatcher>(
        server_.dispatcher(), files_, [this](const std::vector<std::string>&) {
          Log(LogLevel::kInfo, "reload", {{"cause", "a definition has changed"}});
          Load(/*first=*/false);
        });
  }
  void Unwatch() { watcher_.reset(); }

  int exit_code() const { return exit_code_; }

 private:
  void Refused(const Definitions& definitions, bool first) {
    PrintReports(definitions);
    Log(LogLevel::kError, "definition_refused",
        {{"reason",
          first ? "see above" : "see above; what was active before goes on being served"}});
    if (!first) return;
    bool unread = definitions.reports.size() < options_.definitions.files.size();
    for (const ImportReport& report : definitions.reports) unread = unread && !report.refused();
    Fail(unread && control_ == nullptr ? kExitFailed : kExitRefused);
  }

  void Fail(int code) {
    exit_code_ = code;
    server_.Stop();
  }

  const RunOptions& options_;
  SnapshotActivator& activator_;
  LocalControl* const control_;
  Server& server_;
  std::unique_ptr<FileWatcher> watcher_;
  std::vector<std::string> files_;  // that the definitions were read from
  uint64_t version_ = 0;
  int exit_code_ = kExitOk;
};

}  // namespace

int RunCommand(const std::vector<std::string>& args) {
  CommandLine command("run", "FILE...", 1, SIZE_MAX);
  RunOptions options;
  options.Bind(&command.flags());
  int code = kExitOk;
  const auto check = [&options] {
    if (!options.control.store.empty() && !options.definitions.settings_file.empty()) {
      return absl::InvalidArgumentError("--settings says what --store keeps; use one of them");
    }
    options.gateway.server.aws_region = options.definitions.region;
    absl::Status status = options.gateway.Check();
    return status.ok() ? options.control.Check() : status;
  };
  if (!command.Begin(args, &code, check)) return code;
  options.definitions.files = command.arguments();
  // Where they are belongs to the stage, which is kept.
  options.definitions.secrets = options.gateway.secrets;
  Gateway gateway(options.gateway);
  if (absl::Status status = gateway.Start(); !status.ok()) {
    return command.Fail(kExitFailed, status.message());
  }
  Server* const server = gateway.server();
  std::unique_ptr<LocalControl> control;
  bool first = true;
  DefinitionRunner* served = nullptr;
  if (!options.control.store.empty()) {
    absl::StatusOr<std::unique_ptr<LocalControl>> opened = LocalControl::Open(
        options.control, options.definitions, gateway.activator(), server->dispatcher(),
        [&first, &served](const absl::Status& status,
                          const std::vector<SnapshotProblem>& problems) {
          served->OnActivated(std::exchange(first, false), nullptr, status, problems);
        });
    if (!opened.ok()) return command.Fail(kExitFailed, opened.status().message());
    control = *std::move(opened);
  }
  DefinitionRunner runner(options, gateway.activator(), control.get(), server);
  served = &runner;
  server->set_on_reload([&runner] { runner.Load(/*first=*/false); });
  runner.Load(/*first=*/true);
  runner.Watch();
  code = server->Run();
  runner.Unwatch();
  gateway.activator()->End();
  control.reset();
  return runner.exit_code() != kExitOk ? runner.exit_code() : code;
}

}  // namespace postern
