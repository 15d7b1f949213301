#include "tools/postern/sidecar_command.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <utility>

#include "core/base/log.h"
#include "core/config/control_client.h"
#include "core/config/last_good.h"
#include "core/config/runtime_snapshot.h"
#include "core/event/timer.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"
#include "proto/snapshot/snapshot.pb.h"
#include "tools/postern/command_line.h"
#include "tools/postern/control_options.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/gateway.h"
#include "tools/postern/grpc_log.h"
#include "tools/postern/paths.h"
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
  GatewayOptions gateway;
  std::string group = "default";
  std::string node_id = Environment("POD_NAME", HostName());
  std::string node_namespace = Environment("POD_NAMESPACE", "");
  std::string node_host = Environment("NODE_NAME", HostName());
  std::string state = Environment("STATE_DIRECTORY", "/var/lib/postern");
  std::string start = "last";
  uint64_t start_timeout_ms = 30'000;
  uint64_t ready_staleness_s = 0;
  uint64_t ready_version = 0;

  void Bind(FlagSet* flags) {
    control.Bind(flags);
    flags->String("group", "NAME", "The stages to serve: those of this group. Default: default.",
                  &group);
    flags->String("state", "FOLDER",
                  "Where the last accepted snapshot is kept. Default: the environment variable "
                  "STATE_DIRECTORY, else /var/lib/postern; none keeps nothing.",
                  &state);
    flags->String(
        "start", "POLICY",
        "What is served at first: last (default), what was accepted last, at once; wait, "
        "nothing before the control plane has confirmed or replaced that; fail, the same, "
        "and the process ends if it has not in time.",
        &start);
    flags->Number("start-timeout", "MS", "How long --start fail waits. Default 30000.", 1,
                  3'600'000, &start_timeout_ms);
    flags->Number("ready-max-staleness", "SECONDS",
                  "Not ready while the control plane has not been heard of for so long. Default 0: "
                  "ready all the same.",
                  0, 31'536'000, &ready_staleness_s);
    flags->Number("ready-min-version", "N",
                  "Not ready with an older version of the group. Default 0.", 0, UINT64_MAX,
                  &ready_version);
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
    flags->Switch("allow-unpinned-modules",
                  "Load filter modules whose digest the definition does not pin.",
                  &gateway.allow_unpinned_modules);
    gateway.Bind(flags);
  }

  absl::Status Check() {
    if (absl::Status status = gateway.Check(); !status.ok()) return status;
    if (start == "last" || start == "wait" || start == "fail") return absl::OkStatus();
    return absl::InvalidArgumentError("--start " + start + ": write last, wait or fail");
  }
};

// Keeps the gateway on what the control plane pushes. What is refused changes nothing. Belongs to
// the main thread; the client's threads only post to it.
class SnapshotRunner final : private MetricsSource {
 public:
  SnapshotRunner(const SidecarOptions& options, ControlAddress address,
                 SnapshotActivator* activator, Server* server)
      : options_(options),
        address_(std::move(address)),
        activator_(*activator),
        server_(*server),
        keep_(options.state != "none"),
        last_good_(keep_ ? AbsolutePath(options.state) : std::string(), options.group),
        start_timer_(
            server->dispatcher()->timers(),
            [](void* arg) { static_cast<SnapshotRunner*>(arg)->GiveUp(); }, this),
        gate_timer_(
            server->dispatcher()->timers(),
            [](void* arg) { static_cast<SnapshotRunner*>(arg)->CheckGate(); }, this) {
    ControlClient::Options client;
    client.address = address_;
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
    events.on_current = [this, dispatcher] {
      dispatcher->Post([this, alive = std::weak_ptr<int>(alive_)] {
        Log(LogLevel::kInfo, "control_current");
        if (!alive.expired()) Confirmed();
      });
    };
    client_ = std::make_unique<ControlClient>(std::move(client), std::move(events));
    metrics_ = server->metrics()->Register(this);
    server->set_configuration_shown([this] { return Show(); });
  }

  // Serves what was accepted last, as far as the policy allows, and asks the control plane for
  // more.
  void Begin() {
    gate_timer_.Start(kGateMs);
    if (options_.start == "fail") start_timer_.Start(options_.start_timeout_ms);
    auto kept = std::make_shared<snapshot::v1::Snapshot>();
    std::vector<std::string> problems;
    const absl::Status status =
        keep_ ? last_good_.Load(kept.get(), &problems) : absl::NotFoundError("");
    for (const std::string& problem : problems) {
      Log(LogLevel::kError, "kept_snapshot_refused", {{"reason", problem}});
    }
    if (!status.ok()) {
      StartClient(nullptr);
    } else if (options_.start == "last") {
      Serve(kept);
    } else {
      // It says that it holds this, and serves it once it hears that it is what it should have.
      unconfirmed_ = kept;
      StartClient(kept.get());
    }
  }

  // Nothing is taken up any more.
  void End() {
    alive_.reset();
    metrics_.Reset();
    server_.set_configuration_shown(nullptr);
    client_.reset();
  }

  int exit_code() const { return exit_code_; }

 private:
  static constexpr uint64_t kGateMs = 250;

  void StartClient(const snapshot::v1::Snapshot* in_force) {
    // It may be replaced any moment, and what is kept is served meanwhile.
    if (absl::Status status = CheckControlIdentity(address_); !status.ok()) {
      Log(LogLevel::kError, "control_certificate_unusable",
          {{"reason", std::string(status.message())}});
    }
    if (absl::Status status = client_->Start(in_force); !status.ok()) {
      Log(LogLevel::kError, "control_unusable", {{"reason", std::string(status.message())}});
      Fail();
    }
  }

  void Fail() {
    exit_code_ = kExitFailed;
    server_.Stop();
  }

  // Activates what was kept, before the control plane is asked.
  void Serve(const std::shared_ptr<const snapshot::v1::Snapshot>& kept) {
    activator_.Activate(kept, [this, kept](const absl::Status& status,
                                           const std::vector<SnapshotProblem>& problems) {
      if (!status.ok()) {
        SayRefused("kept_snapshot_refused", *kept, problems);
        StartClient(nullptr);
        return;
      }
      InForce(kept->version(), "disk");
      StartClient(kept.get());
    });
  }

  // The control plane has said that what is held is what should be.
  void Confirmed() {
    if (unconfirmed_ == nullptr) return;
    const auto kept = std::exchange(unconfirmed_, nullptr);
    activator_.Activate(kept, [this, kept](const absl::Status& status,
                                           const std::vector<SnapshotProblem>& problems) {
      if (status.ok()) {
        InForce(kept->version(), "disk");
      } else if (!absl::IsAborted(status)) {
        // The control plane will not send again what it has been told is here.
        SayRefused("kept_snapshot_refused", *kept, problems);
        Fail();
      }
    });
  }

  void GiveUp() {
    if (version_ != 0) return;
    Log(LogLevel::kError, "control_unusable",
        {{"reason", "the control plane has given no configuration in time (--start fail)"}});
    Fail();
  }

  void Take(const ControlClient::Pushed& pushed) {
    unconfirmed_.reset();
    const double begun = NowSeconds();
    activator_.Activate(pushed.snapshot, [this, pushed, begun](
                                             const absl::Status& status,
                                             const std::vector<SnapshotProblem>& problems) {
      if (!status.ok()) {
        Refuse(pushed, problems);
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

  static void SayRefused(std::string_view event, const snapshot::v1::Snapshot& snapshot,
                         const std::vector<SnapshotProblem>& problems) {
    for (const SnapshotProblem& problem : problems) {
      Log(LogLevel::kError, event,
          {{"version", snapshot.version()}, {"where", problem.path}, {"reason", problem.text}});
    }
  }

  // Whether what is in force is new enough to be ready with.
  void CheckGate() {
    gate_timer_.Start(kGateMs);
    if (version_ == 0) return;
    const double heard = client_->staleness_seconds();
    const double stale = heard < 0 ? NowSeconds() - begun_ : heard;
    const auto limit = static_cast<double>(options_.ready_staleness_s);
    std::string reason;
    if (version_ < options_.ready_version) {
      reason = Concat("version ", version_, " is older than ", options_.ready_version,
                      " (--ready-min-version)");
    } else if (limit > 0 && stale > limit) {
      reason = Concat("the control plane has not been heard of for more than ",
                      options_.ready_staleness_s, " s (--ready-max-staleness)");
    }
    // A snapshot that was built anew counts as usable, whatever was said before.
    if (reason.empty() && gate_.empty()) return;
    gate_ = reason;
    server_.SetSnapshotUsable(gate_.empty(), gate_);
  }

  void Refuse(const ControlClient::Pushed& pushed, const std::vector<SnapshotProblem>& problems) {
    SayRefused("snapshot_refused", *pushed.snapshot, problems);
    refused_version_ = pushed.snapshot->version();
    client_->Refuse(pushed, problems);
  }

  void InForce(uint64_t version, std::string_view source) {
    version_ = version;
    source_ = source;
    since_ = NowSeconds();
    start_timer_.Cancel();
    // A new snapshot is taken as usable.
    gate_.clear();
    CheckGate();
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

  const SidecarOptions& options_;
  const ControlAddress address_;
  SnapshotActivator& activator_;
  Server& server_;
  const bool keep_;
  LastGood last_good_;
  Timer start_timer_;
  Timer gate_timer_;
  std::string gate_;  // why it is not ready; empty: it is
  // Kept, and not to be served before the control plane says so.
  std::shared_ptr<const snapshot::v1::Snapshot> unconfirmed_;
  MetricsRegistry::Registration metrics_;
  std::unique_ptr<ControlClient> client_;
  uint64_t version_ = 0;
  uint64_t refused_version_ = 0;
  uint64_t not_kept_ = 0;
  std::string_view source_ = "none";
  double since_ = 0;
  const double begun_ = NowSeconds();
  double update_seconds_ = 0;
  int exit_code_ = kExitOk;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // for what is posted
};

}  // namespace

int SidecarCommand(const std::vector<std::string>& args) {
  CommandLine command("sidecar", "--control HOST:PORT --group NAME", 0, 0);
  SidecarOptions options;
  // Unlike in `run`, it is not who starts the program that chooses the definition.
  options.gateway.allow_unpinned_modules = false;
  options.Bind(&command.flags());
  int code = kExitOk;
  absl::StatusOr<ControlAddress> address;
  const auto check = [&options, &address] {
    address = options.control.ToAddress();
    absl::Status status = options.Check();
    return status.ok() ? address.status() : status;
  };
  if (!command.Begin(args, &code, check)) return code;
  RouteGrpcLog();
  Gateway gateway(options.gateway);
  if (absl::Status status = gateway.Start(); !status.ok()) {
    return command.Fail(kExitFailed, status.message());
  }
  SnapshotRunner runner(options, *std::move(address), gateway.activator(), gateway.server());
  runner.Begin();
  code = gateway.server()->Run();
  gateway.activator()->End();
  runner.End();
  return runner.exit_code() != kExitOk ? runner.exit_code() : code;
}

}  // namespace postern
