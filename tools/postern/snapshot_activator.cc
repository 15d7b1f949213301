#include "tools/postern/snapshot_activator.h"

#include <algorithm>
#include <utility>

#include "core/base/log.h"

namespace postern {
namespace {

std::vector<std::string> ModuleFiles(const RuntimeSnapshot& snapshot) {
  std::vector<std::string> files;
  if (snapshot.filters() == nullptr) return files;
  for (const auto& instance : snapshot.filters()->instances()) {
    if (!instance->module->file().empty()) files.emplace_back(instance->module->file());
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

}  // namespace

SnapshotActivator::SnapshotActivator(std::vector<snapshot::v1::Listener> listeners,
                                     std::vector<snapshot::v1::Secret> secrets,
                                     ModuleLoader* modules, Server* server)
    : listeners_(std::move(listeners)),
      secrets_(std::move(secrets)),
      modules_(*modules),
      server_(*server),
      module_metrics_(server->metrics()->Register(modules)) {}

void SnapshotActivator::Activate(std::shared_ptr<const snapshot::v1::Snapshot> message, Done done) {
  if (alive_ == nullptr) return;
  if (next_.message != nullptr) {
    const Job skipped = std::exchange(next_, {});
    const std::string reason = "a newer snapshot came before its turn";
    skipped.done(absl::AbortedError(reason), {{"", reason}});
  }
  next_ = {std::move(message), std::move(done)};
  Begin();
}

void SnapshotActivator::End() {
  alive_.reset();
  watches_ = {};
  job_.watches = {};
  next_ = {};
}

void SnapshotActivator::Begin() {
  if (job_.message != nullptr || next_.message == nullptr || alive_ == nullptr) return;
  job_ = std::exchange(next_, {});
  const RuntimeSnapshot::Built built = Build(*job_.message);
  if (built.snapshot == nullptr) {
    Finish(absl::FailedPreconditionError(built.ProblemText()), built.problems);
    return;
  }
  // From here on, so that nothing changes unseen while names are looked up.
  job_.watches.modules =
      MakeWatch(ModuleFiles(*built.snapshot), watches_.modules, "a filter module has changed");
  job_.watches.secrets =
      MakeWatch(built.snapshot->secret_files(), watches_.secrets, "a secret has changed");
  server_.Activate(built.snapshot, [this, alive = std::weak_ptr<int>(alive_)](absl::Status status) {
    if (alive.expired()) return;
    if (!status.ok()) {
      Finish(status, {{"", std::string(status.message())}});
      return;
    }
    for (Watch Watches::*const kind : {&Watches::modules, &Watches::secrets}) {
      if ((job_.watches.*kind).files != (watches_.*kind).files) {
        watches_.*kind = std::move(job_.watches.*kind);
      }
    }
    const bool built_of_files = !watches_.modules.files.empty() || !watches_.secrets.files.empty();
    in_force_ = built_of_files ? job_.message : nullptr;
    Finish(status, {});
  });
}

void SnapshotActivator::Finish(const absl::Status& status,
                               const std::vector<SnapshotProblem>& problems) {
  const Job ended = std::exchange(job_, {});
  ended.done(status, problems);
  if (next_.message == nullptr && std::exchange(rebuild_after_, false)) Rebuild(nullptr);
  Begin();
}

RuntimeSnapshot::Built SnapshotActivator::Build(const snapshot::v1::Snapshot& message) {
  snapshot::v1::Snapshot whole = message;
  for (const snapshot::v1::Listener& listener : listeners_) *whole.add_listeners() = listener;
  for (const snapshot::v1::Secret& secret : secrets_) {
    auto& all = *whole.mutable_secrets();
    const auto same = std::find_if(all.begin(), all.end(), [&](const snapshot::v1::Secret& other) {
      return other.name() == secret.name();
    });
    *(same != all.end() ? &*same : all.Add()) = secret;
  }
  const auto& active = server_.active();
  RuntimeSnapshot::Built built = RuntimeSnapshot::Build(
      whole, {.workers = server_.worker_count(),
              .previous = active != nullptr ? active->runtime.get() : nullptr,
              .credentials = server_.credentials(),
              .modules = &modules_,
              .stuck_filter_ms = server_.options().stuck_filter_ms});
  for (const SnapshotProblem& note : built.notes) {
    Log(LogLevel::kWarn, "snapshot_note", {{"where", note.path}, {"what", note.text}});
  }
  return built;
}

SnapshotActivator::Watch SnapshotActivator::MakeWatch(std::vector<std::string> files,
                                                      const Watch& in_force, const char* cause) {
  Watch out;
  out.files = std::move(files);
  if (out.files.empty() || out.files == in_force.files) return out;
  out.watcher = std::make_unique<FileWatcher>(
      server_.dispatcher(), out.files,
      [this, cause](const std::vector<std::string>&) { Rebuild(cause); });
  return out;
}

// Builds what is in force once more; after what is on its way, which may have read the files before
// they changed.
void SnapshotActivator::Rebuild(const char* cause) {
  if (cause != nullptr) Log(LogLevel::kInfo, "reload", {{"cause", cause}});
  if (job_.message != nullptr) {
    rebuild_after_ = true;
    return;
  }
  if (in_force_ == nullptr) return;
  Activate(in_force_, [](const absl::Status& status, const std::vector<SnapshotProblem>& problems) {
    if (status.ok() || absl::IsAborted(status)) return;
    for (const SnapshotProblem& problem : problems) {
      Log(LogLevel::kError, "reload_refused",
          {{"where", problem.path},
           {"reason", problem.text + "; what was in force goes on being served"}});
    }
  });
}

}  // namespace postern
