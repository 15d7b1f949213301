#include "tools/postern/run_command.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "core/base/log.h"
#include "core/config/runtime_snapshot.h"
#include "core/event/file_watcher.h"
#include "core/server/server.h"
#include "tools/postern/definition_options.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/flags.h"
#include "tools/postern/listener_options.h"
#include "tools/postern/module_options.h"
#include "tools/postern/process_options.h"

namespace postern {
namespace {

struct RunOptions {
  DefinitionOptions definitions;
  ListenerOptions listeners;
  ModuleOptions modules;
  ServerOptions server;
  LogOptions log;
  bool help = false;

  void Bind(FlagSet* flags) {
    definitions.Bind(flags);
    listeners.Bind(flags);
    modules.Bind(flags);
    server.Bind(flags);
    log.Bind(flags);
    flags->Switch("help", "Show this.", &help);
  }
};

// Keeps the gateway on what the files say. A version of them that is refused changes nothing.
class DefinitionRunner {
 public:
  DefinitionRunner(const RunOptions& options, std::vector<snapshot::v1::Listener> listeners,
                   ModuleLoader* modules, Server* server)
      : options_(options),
        listeners_(std::move(listeners)),
        modules_(modules),
        server_(server),
        module_metrics_(server->metrics()->Register(modules)) {}

  // Reads, compiles and activates; `first` problems end the process.
  void Load(bool first) {
    Definitions definitions = LoadDefinitions(options_.definitions, listeners_, ++version_);
    if (definitions.ok()) {
      RuntimeSnapshot::Built built = Build(definitions.snapshot);
      for (const SnapshotProblem& problem : built.problems) {
        definitions.problems.push_back(problem.ToString());
      }
      for (const SnapshotProblem& note : built.notes) {
        Log(LogLevel::kWarn, "definition_note", {{"where", note.path}, {"what", note.text}});
      }
      if (built.snapshot != nullptr) {
        if (first) PrintReports(definitions);
        WatchModules(*built.snapshot);
        server_->Activate(built.snapshot, [this, first](absl::Status status) {
          if (status.ok() || absl::IsAborted(status)) return;
          Log(LogLevel::kError, "snapshot_refused", {{"reason", std::string(status.message())}});
          if (first) Fail(kExitFailed);
        });
        return;
      }
    }
    PrintReports(definitions);
    Log(LogLevel::kError, "definition_refused",
        {{"reason",
          first ? "see above" : "see above; what was active before goes on being served"}});
    if (!first) return;
    bool refused = false;
    for (const ImportReport& report : definitions.reports) refused = refused || report.refused();
    Fail(refused || definitions.reports.size() == options_.definitions.files.size() ? kExitRefused
                                                                                    : kExitFailed);
  }

  void Watch() {
    watcher_ = std::make_unique<FileWatcher>(
        server_->dispatcher(), options_.definitions.files, [this](const std::vector<std::string>&) {
          Log(LogLevel::kInfo, "reload", {{"cause", "a definition has changed"}});
          Load(/*first=*/false);
        });
  }
  void Unwatch() {
    watcher_.reset();
    module_watcher_.reset();
  }

  int exit_code() const { return exit_code_; }

 private:
  // The files of the modules that `snapshot` uses.
  void WatchModules(const RuntimeSnapshot& snapshot) {
    std::vector<std::string> files;
    if (snapshot.filters() != nullptr) {
      for (const auto& instance : snapshot.filters()->instances()) {
        if (!instance->module->file().empty()) files.emplace_back(instance->module->file());
      }
    }
    std::sort(files.begin(), files.end());
    files.erase(std::unique(files.begin(), files.end()), files.end());
    if (files == module_files_) return;
    module_files_ = files;
    module_watcher_.reset();
    if (files.empty()) return;
    module_watcher_ = std::make_unique<FileWatcher>(
        server_->dispatcher(), std::move(files), [this](const std::vector<std::string>&) {
          Log(LogLevel::kInfo, "reload", {{"cause", "a filter module has changed"}});
          Load(/*first=*/false);
        });
  }

  RuntimeSnapshot::Built Build(const snapshot::v1::Snapshot& snapshot) {
    const auto& active = server_->active();
    return RuntimeSnapshot::Build(snapshot,
                                  {.workers = server_->worker_count(),
                                   .previous = active != nullptr ? active->runtime.get() : nullptr,
                                   .credentials = nullptr,
                                   .modules = modules_});
  }

  void Fail(int code) {
    exit_code_ = code;
    server_->Stop();
  }

  const RunOptions& options_;
  const std::vector<snapshot::v1::Listener> listeners_;
  ModuleLoader* const modules_;
  Server* const server_;
  const MetricsRegistry::Registration module_metrics_;
  std::unique_ptr<FileWatcher> watcher_;
  std::unique_ptr<FileWatcher> module_watcher_;
  std::vector<std::string> module_files_;
  uint64_t version_ = 0;
  int exit_code_ = kExitOk;
};

int Usage(const FlagSet& flags, absl::string_view problem) {
  std::fprintf(stderr, "postern run: %s\nusage: %s\n", std::string(problem).c_str(),
               flags.usage().c_str());
  return kExitUsage;
}

}  // namespace

int RunCommand(const std::vector<std::string>& args) {
  RunOptions options;
  FlagSet flags("postern run FILE... [options]");
  options.Bind(&flags);
  if (absl::Status status = flags.Parse(args, &options.definitions.files); !status.ok()) {
    return Usage(flags, status.message());
  }
  if (options.help) {
    std::fputs(flags.Help().c_str(), stdout);
    return kExitOk;
  }
  if (options.definitions.files.empty()) return Usage(flags, "name a definition file");
  if (absl::Status status = options.log.Apply(); !status.ok())
    return Usage(flags, status.message());
  absl::StatusOr<std::vector<snapshot::v1::Listener>> listeners = options.listeners.ToListeners();
  if (!listeners.ok()) return Usage(flags, listeners.status().message());

  absl::StatusOr<ModuleLoader::Options> loader_options = options.modules.ToLoaderOptions();
  if (!loader_options.ok()) return Usage(flags, loader_options.status().message());
  // Outlives the workers, whose last words may be to filters.
  ModuleLoader modules(*std::move(loader_options));
  Server server(options.server.ToServerOptions());
  if (absl::Status status = server.Start(); !status.ok()) {
    std::fprintf(stderr, "postern run: %s\n", std::string(status.message()).c_str());
    return kExitFailed;
  }
  modules.retired()->SetWake([dispatcher = server.dispatcher(), retired = modules.retired()] {
    dispatcher->Post([retired] { retired->Destroy(); });
  });
  DefinitionRunner runner(options, *std::move(listeners), &modules, &server);
  server.set_on_reload([&runner] { runner.Load(/*first=*/false); });
  runner.Load(/*first=*/true);
  runner.Watch();
  const int code = server.Run();
  runner.Unwatch();
  return runner.exit_code() != kExitOk ? runner.exit_code() : code;
}

}  // namespace postern
