#include "tools/postern/sidecar_command.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "core/base/log.h"
#include "core/config/control_client.h"
#include "core/config/last_good.h"
#include "core/config/runtime_snapshot.h"
#include "core/server/server.h"
#include "lib/text/char_sink.h"
#include "lib/text/json_writer.h"
#include "proto/snapshot/snapshot.pb.h"
#include "tools/postern/control_options.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/flags.h"
#include "tools/postern/grpc_log.h"
#include "tools/postern/listener_options.h"
#include "tools/postern/module_options.h"
#include "tools/postern/paths.h"
#include "tools/postern/process_options.h"
#include "tools/postern/version.h"

namespace postern {
namespace {

std::string Environment(const char* name, const std::string& otherwise) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

double NowSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct SidecarOptions {
  ControlOptions control;
  ListenerOptions listeners;
  ModuleOptions modules;
  ServerOptions server;
  LogOptions log;
  std::string group = "default";
  std::string node_id = Environment("POD_NAME", HostName());
  std::string node_namespace = Environment("POD_NAMESPACE", "");
  std::string node_host = Environment("NODE_NAME", HostName());
  std::string state = Environment("STATE_DIRECTORY", "/var/lib/postern");
  bool allow_unpinned = false;
  bool help = false;

  void Bind(FlagSet* flags) {
    control.Bind(flags);
    flags->String("group", "NAME", "The stages to serve: those of this group. Default: default.",
                  &group);
    flags->String("state", "FOLDER",
                  "Where the last accepted snapshot is kept. Default: the environment variable "
                  "STATE_DIRECTORY, else /var/lib/postern; none keeps nothing.",
                  &state);
    flags->String("node-id", "ID",
                  "Name of this sidecar, unique in its group. Default: the environment variable "
                  "POD_NAME, else the host's name.",
                  &node_id);
    flags->String("node-namespace", "NAME",
                  "Its Kubernetes namespace. Default: the environment variable POD_NAMESPACE.",
                  &node_namespace);
    flags->String("node-host", "NAME",
                  "Its machine. Default: the environment variable NODE_NAME, else the host's name.",
                  &node_host);
    listeners.Bind(flags);
    modules.Bind(flags);
    flags->Switch("allow-unpinned-modules",
                  "Load filter modules whose digest the definition does not pin.", &allow_unpinned);
    server.Bind(flags);
    log.Bind(flags);
    flags->Switch("help", "Show this.", &help);
  }
};

// Keeps the gateway on what the control plane pushes. What is refused changes nothing. Belongs to
// the main thread; the client's threads only post to it.
class SnapshotRunner final : private MetricsSource {
 public:
  SnapshotRunner(const SidecarOptions& options, ControlAddress address,
                 std::vector<snapshot::v1::Listener> listeners, ModuleLoader* modules,
                 Server* server)
      : listeners_(std::move(listeners)),
        modules_(*modules),
        server_(*server),
        keep_(options.state != "none"),
        last_good_(keep_ ? AbsolutePath(options.state) : std::string(), options.group),
        module_metrics_(server->metrics()->Register(modules)) {
    ControlClient::Options client;
    client.address = std::move(address);
    client.group = options.group;
    client.node_id = options.node_id;
    client.node_namespace = options.node_namespace;
    client.node_host = options.node_host;
    client.program_version = std::string(kVersion);
    ControlClient::Events events;
    Dispatcher* const dispatcher = server->dispatcher();
    events.on_push = [this, dispatcher](ControlClient::Pushed pushed) {
      dispatcher->Post([this, alive = std::weak_ptr<int>(alive_), pushed = std::move(pushed)] {
        if (!alive.expired()) Take(pushed);
      });
    };
    events.on_lost = [](const std::string& reason, uint32_t retry_ms) {
      Log(LogLevel::kWarn, "control_lost", {{"reason", reason}, {"retry_ms", retry_ms}});
    };
    events.on_current = [dispatcher] {
      dispatcher->Post([] { Log(LogLevel::kInfo, "control_current"); });
    };
    client_ = std::make_unique<ControlClient>(std::move(client), std::move(events));
    metrics_ = server->metrics()->Register(this);
    server->set_configuration_shown([this] { return Show(); });
  }

  // Serves what was accepted last, then asks the control plane for more.
  void Begin() {
    if (!keep_) {
      StartClient(nullptr);
      return;
    }
    auto kept = std::make_shared<snapshot::v1::Snapshot>();
    std::vector<std::string> problems;
    const absl::Status status = last_good_.Load(kept.get(), &problems);
    for (const std::string& problem : problems) {
      Log(LogLevel::kError, "kept_snapshot_refused", {{"reason", problem}});
    }
    if (!status.ok()) {
      StartClient(nullptr);
      return;
    }
    const RuntimeSnapshot::Built built = Build(*kept);
    if (built.snapshot == nullptr) {
      Log(LogLevel::kError, "kept_snapshot_refused", {{"reason", built.ProblemText()}});
      StartClient(nullptr);
      return;
    }
    server_.Activate(built.snapshot,
                     [this, kept, alive = std::weak_ptr<int>(alive_)](absl::Status activated) {
                       if (alive.expired() || client_ == nullptr) return;
                       if (!activated.ok()) {
                         Log(LogLevel::kError, "kept_snapshot_refused",
                             {{"reason", std::string(activated.message())}});
                         StartClient(nullptr);
                         return;
                       }
                       InForce(kept->version(), "disk");
                       StartClient(kept.get());
                     });
  }

  // Nothing is taken up any more.
  void End() {
    metrics_.Reset();
    server_.set_configuration_shown(nullptr);
    client_.reset();
  }

  int exit_code() const { return exit_code_; }

 private:
  void StartClient(const snapshot::v1::Snapshot* in_force) {
    if (absl::Status status = client_->Start(in_force); !status.ok()) {
      Log(LogLevel::kError, "control_unusable", {{"reason", std::string(status.message())}});
      exit_code_ = kExitFailed;
      server_.Stop();
    }
  }

  RuntimeSnapshot::Built Build(const snapshot::v1::Snapshot& message) {
    snapshot::v1::Snapshot whole = message;
    for (const snapshot::v1::Listener& listener : listeners_) *whole.add_listeners() = listener;
    const auto& active = server_.active();
    RuntimeSnapshot::Built built = RuntimeSnapshot::Build(
        whole, {.workers = server_.worker_count(),
                .previous = active != nullptr ? active->runtime.get() : nullptr,
                .credentials = nullptr,
                .modules = &modules_});
    for (const SnapshotProblem& note : built.notes) {
      Log(LogLevel::kWarn, "snapshot_note", {{"where", note.path}, {"what", note.text}});
    }
    return built;
  }

  void Take(const ControlClient::Pushed& pushed) {
    if (client_ == nullptr) return;
    const double begun = NowSeconds();
    const RuntimeSnapshot::Built built = Build(*pushed.snapshot);
    if (built.snapshot == nullptr) {
      Refuse(pushed, built.problems);
      return;
    }
    server_.Activate(built.snapshot, [this, pushed, begun,
                                      alive = std::weak_ptr<int>(alive_)](absl::Status status) {
      if (alive.expired() || client_ == nullptr) return;
      if (!status.ok()) {
        Refuse(pushed, {{"", std::string(status.message())}});
        return;
      }
      update_seconds_ = NowSeconds() - begun;
      if (keep_) {
        if (absl::Status saved = last_good_.Save(*pushed.snapshot); !saved.ok()) {
          // It is served all the same; only a restart without a control plane would miss it.
          Log(LogLevel::kError, "snapshot_not_kept", {{"reason", std::string(saved.message())}});
          ++not_kept_;
        }
      }
      InForce(pushed.snapshot->version(), "control_plane");
      client_->Accept(pushed);
    });
  }

  void Refuse(const ControlClient::Pushed& pushed, const std::vector<SnapshotProblem>& problems) {
    for (const SnapshotProblem& problem : problems) {
      Log(LogLevel::kError, "snapshot_refused",
          {{"version", pushed.snapshot->version()},
           {"where", problem.path},
           {"reason", problem.text}});
    }
    refused_version_ = pushed.snapshot->version();
    client_->Refuse(pushed, problems);
  }

  void InForce(uint64_t version, std::string_view source) {
    version_ = version;
    source_ = source;
    since_ = NowSeconds();
  }

  // For /ready.
  std::string Show() {
    std::string out;
    StringSink sink(&out);
    JsonWriter json(&sink);
    json.BeginObject();
    json.Key("version");
    json.Uint(version_);
    json.Key("source");
    json.String(source_);
    json.Key("connected");
    json.Bool(client_ != nullptr && client_->stats().connected);
    json.Key("staleness_seconds");
    const double staleness = client_ != nullptr ? client_->staleness_seconds() : -1;
    if (staleness < 0) {
      json.Null();
    } else {
      json.Double(staleness);
    }
    json.EndObject();
    sink.Finish();
    return out;
  }

  void Collect(MetricsSink* sink) override {
    const ControlClient::Stats& stats = client_->stats();
    sink->Gauge({"postern_control_connected", "Whether the control plane is connected."}, {},
                stats.connected ? 1 : 0);
    sink->Gauge({"postern_control_snapshot_version",
                 "Version of the snapshot in force; 0 before there is one."},
                {}, static_cast<double>(version_));
    sink->Gauge(
        {"postern_control_refused_version", "Version of the snapshot refused last; 0 if none was."},
        {}, static_cast<double>(refused_version_));
    if (version_ != 0) {
      sink->Gauge({"postern_control_snapshot_age_seconds",
                   "Time since the snapshot in force was taken up.", "seconds"},
                  {}, NowSeconds() - since_);
    }
    sink->Gauge({"postern_control_staleness_seconds",
                 "Time since the control plane was last connected; -1 if it never was.", "seconds"},
                {}, client_->staleness_seconds());
    sink->Gauge({"postern_control_update_seconds",
                 "Time from the last push to its being in force on every worker.", "seconds"},
                {}, update_seconds_);
    sink->Counter({"postern_control_connection_attempts", "Streams to the control plane begun."},
                  {}, stats.attempts.load());
    sink->Counter({"postern_control_pushes", "Snapshots received."}, {}, stats.pushes.load());
    sink->Counter({"postern_control_pushes_refused", "Of them, those refused."}, {},
                  stats.refused.load());
    sink->Counter({"postern_control_snapshots_not_kept",
                   "Accepted snapshots that could not be written to the state folder."},
                  {}, not_kept_);
  }

  const std::vector<snapshot::v1::Listener> listeners_;
  ModuleLoader& modules_;
  Server& server_;
  const bool keep_;
  LastGood last_good_;
  const MetricsRegistry::Registration module_metrics_;
  MetricsRegistry::Registration metrics_;
  std::unique_ptr<ControlClient> client_;
  uint64_t version_ = 0;
  uint64_t refused_version_ = 0;
  uint64_t not_kept_ = 0;
  std::string_view source_ = "none";
  double since_ = 0;
  double update_seconds_ = 0;
  int exit_code_ = kExitOk;
  const std::shared_ptr<int> alive_ = std::make_shared<int>();  // for what is posted
};

int Usage(const FlagSet& flags, absl::string_view problem) {
  std::fprintf(stderr, "postern sidecar: %s\nusage: %s\n", std::string(problem).c_str(),
               flags.usage().c_str());
  return kExitUsage;
}

}  // namespace

int SidecarCommand(const std::vector<std::string>& args) {
  SidecarOptions options;
  FlagSet flags("postern sidecar --control HOST:PORT --group NAME [options]");
  options.Bind(&flags);
  std::vector<std::string> arguments;
  if (absl::Status status = flags.Parse(args, &arguments); !status.ok()) {
    return Usage(flags, status.message());
  }
  if (options.help) {
    std::fputs(flags.Help().c_str(), stdout);
    return kExitOk;
  }
  if (!arguments.empty()) return Usage(flags, "there are no arguments besides options");
  if (absl::Status status = options.log.Apply(); !status.ok()) {
    return Usage(flags, status.message());
  }
  RouteGrpcLog();
  absl::StatusOr<ControlAddress> address = options.control.ToAddress();
  if (!address.ok()) return Usage(flags, address.status().message());
  absl::StatusOr<std::vector<snapshot::v1::Listener>> listeners = options.listeners.ToListeners();
  if (!listeners.ok()) return Usage(flags, listeners.status().message());
  absl::StatusOr<ModuleLoader::Options> loader_options = options.modules.ToLoaderOptions();
  if (!loader_options.ok()) return Usage(flags, loader_options.status().message());
  // Unlike in `run`, it is not who starts the program that chooses the definition.
  loader_options->allow_unpinned = options.allow_unpinned;

  // Outlives the workers, whose last words may be to filters.
  ModuleLoader modules(*std::move(loader_options));
  Server server(options.server.ToServerOptions());
  if (absl::Status status = server.Start(); !status.ok()) {
    std::fprintf(stderr, "postern sidecar: %s\n", std::string(status.message()).c_str());
    return kExitFailed;
  }
  modules.retired()->SetWake([dispatcher = server.dispatcher(), retired = modules.retired()] {
    dispatcher->Post([retired] { retired->Destroy(); });
  });
  SnapshotRunner runner(options, *std::move(address), *std::move(listeners), &modules, &server);
  runner.Begin();
  const int code = server.Run();
  runner.End();
  return runner.exit_code() != kExitOk ? runner.exit_code() : code;
}

}  // namespace postern
