#include "tools/postern/control_command.h"

#include <signal.h>
#include <uv.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/serve/control_server.h"
#include "control/serve/manager.h"
#include "control/serve/push_hub.h"
#include "control/store/store.h"
#include "core/base/log.h"
#include "core/event/dispatcher.h"
#include "core/net/address.h"
#include "core/net/tls_material.h"
#include "core/observe/process_stats.h"
#include "core/observe/readiness.h"
#include "tools/postern/admin_endpoint.h"
#include "tools/postern/command_line.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/flags.h"
#include "tools/postern/grpc_log.h"
#include "tools/postern/paths.h"
#include "tools/postern/process_options.h"
#include "tools/postern/version.h"

namespace postern {
namespace {

struct ControlCommandOptions {
  std::string listen = "127.0.0.1:9443";
  std::string store;
  std::string certificate;
  std::string key;
  std::string client_ca;
  std::vector<std::string> managers;
  bool plaintext = false;
  std::string account = "000000000000";
  std::string region = "us-east-1";
  uint64_t max_sidecars = 1000;
  uint64_t store_limit_mb = 4096;
  uint64_t keep_history = 50;
  uint64_t keep_deployments = 50;
  uint64_t keep_audit = 100'000;
  std::string admin = "127.0.0.1:9902";
  LogOptions log;

  void Bind(FlagSet* flags) {
    flags->String("store", "FILE", "The SQLite database; made if it is not there.", &store);
    flags->String("listen", "ADDR:PORT", "Where to serve gRPC. Default 127.0.0.1:9443.", &listen);
    flags->String("tls-cert", "FILE",
                  "Certificate chain, PEM. Read again when it changes, like the two that follow.",
                  &certificate);
    flags->String("tls-key", "FILE", "Its private key, PEM.", &key);
    flags->String("client-ca", "FILE",
                  "Roots that certificates of sidecars and operators are checked against, PEM.",
                  &client_ca);
    flags->Strings("manager", "NAME",
                   "Who may change things: a URI, DNS or common name of a certificate. May be "
                   "repeated. Default: whoever has a certificate.",
                   &managers);
    flags->Switch("plaintext",
                  "No TLS, although the address can be reached from other machines: something "
                  "else keeps the way safe.",
                  &plaintext);
    flags->String("account", "ID", "Account id that events and ARNs show. Default 000000000000.",
                  &account);
    flags->String("region", "NAME", "Region that events and ARNs show. Default us-east-1.",
                  &region);
    flags->Number("max-sidecars", "N", "Sidecars at a time. Default 1000.", 1, 100'000,
                  &max_sidecars);
    flags->Number("store-limit", "MB", "Size of the store at which changes fail. Default 4096.", 1,
                  1 << 20, &store_limit_mb);
    flags->Number("keep-history", "N", "Deployments that a stage remembers. Default 50.", 1, 10'000,
                  &keep_history);
    flags->Number("keep-deployments", "N",
                  "Newest deployments of an API that are kept although no stage remembers them. "
                  "Default 50.",
                  0, 10'000, &keep_deployments);
    flags->Number("keep-audit", "N", "Audit records that are kept. Default 100000.", 1, 100'000'000,
                  &keep_audit);
    flags->String("admin", "ADDR:PORT",
                  "The admin endpoint: probes, metrics. Default 127.0.0.1:9902; none turns it off.",
                  &admin);
    log.Bind(flags);
  }

  absl::Status Check() const {
    if (absl::Status status = log.Apply(); !status.ok()) return status;
    if (store.empty()) return absl::InvalidArgumentError("name the store: --store FILE");
    absl::StatusOr<Address> address = Address::ParseListen(listen);
    if (!address.ok() || !address->is_ip()) {
      return absl::InvalidArgumentError(absl::StrCat("--listen ", listen, ": write ADDR:PORT"));
    }
    const int files = !certificate.empty() + !key.empty() + !client_ca.empty();
    if (files != 0 && files != 3) {
      return absl::InvalidArgumentError("--tls-cert, --tls-key and --client-ca need each other");
    }
    if (files == 0 && !managers.empty()) {
      return absl::InvalidArgumentError("--manager: without TLS nobody has a name");
    }
    if (files == 0 && !plaintext && !address->IsLoopback()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--listen ", listen,
                       ": can be reached from other machines: give --tls-cert, --tls-key and "
                       "--client-ca"));
    }
    return absl::OkStatus();
  }
};

class HubMetrics final : public MetricsSource {
 public:
  explicit HubMetrics(const PushHub* hub) : hub_(*hub) {}

  void Collect(MetricsSink* sink) override {
    const PushHub::Stats& stats = hub_.stats();
    sink->Counter({"postern_push_streams", "Streams of sidecars begun."}, {}, stats.joined.load());
    sink->Counter({"postern_push_streams_refused", "Streams refused at their first message."}, {},
                  stats.refused_joins.load());
    sink->Counter({"postern_pushes", "Snapshots sent."}, {}, stats.pushes.load());
    sink->Counter({"postern_push_answers", "Answers to them."}, {{"answer", "accepted"}},
                  stats.accepted.load());
    sink->Counter({"postern_push_answers", "Answers to them."}, {{"answer", "refused"}},
                  stats.refused.load());
    sink->Counter({"postern_push_deployment_bytes", "Contents of deployments sent."}, {},
                  stats.chunk_bytes.load());
    const MetricFamily sidecars = {"postern_push_sidecars",
                                   "Connected sidecars by what became of their group's version."};
    for (const auto& [group, counts] : hub_.AllCounts()) {
      sink->Gauge({"postern_push_group_version", "Version of what a group's sidecars should have."},
                  {{"group", group}}, static_cast<double>(counts.version));
      sink->Gauge(sidecars, {{"group", group}, {"state", "applied"}}, counts.applied);
      sink->Gauge(sidecars, {{"group", group}, {"state", "pending"}}, counts.pending);
      sink->Gauge(sidecars, {{"group", group}, {"state", "refused"}}, counts.refused);
    }
  }

 private:
  const PushHub& hub_;
};

}  // namespace

int ControlCommand(const std::vector<std::string>& args) {
  CommandLine command("control", "--store FILE", 0, 0);
  ControlCommandOptions options;
  options.Bind(&command.flags());
  int code = kExitOk;
  if (!command.Begin(args, &code, [&options] { return options.Check(); })) return code;
  RouteGrpcLog();
  const auto failed = [&command](const absl::Status& status) {
    return command.Fail(kExitFailed, status.message());
  };

  ::signal(SIGPIPE, SIG_IGN);
  // A disk quota is an error of a write, not the end of the process.
  ::signal(SIGXFSZ, SIG_IGN);
  Store::Options keep;
  keep.max_bytes = options.store_limit_mb << 20;
  keep.history = static_cast<uint32_t>(options.keep_history);
  keep.deployments = static_cast<uint32_t>(options.keep_deployments);
  keep.audit_records = options.keep_audit;
  absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(AbsolutePath(options.store), keep);
  if (!store.ok()) return failed(store.status());

  PushHub::Options push;
  push.max_sidecars = options.max_sidecars;
  push.log = [](std::string_view event, const std::string& sidecar, const std::string& detail) {
    Log(event == "push_refused" ? LogLevel::kWarn : LogLevel::kInfo, event,
        {{"sidecar", sidecar}, {"detail", detail}});
  };
  PushHub hub(std::move(push));
  Manager::Options manage;
  manage.gateway.set_account_id(options.account);
  manage.gateway.set_region(options.region);
  manage.log = [](const std::string& action, const std::string& object, const std::string& who) {
    Log(LogLevel::kInfo, "change", {{"action", action}, {"object", object}, {"who", who}});
  };
  Manager manager(store->get(), &hub, std::move(manage));
  if (absl::Status status = manager.Start(); !status.ok()) return failed(status);

  MetricsRegistry metrics({.workers = 1, .version = std::string(kVersion)});
  ProcessStats process_stats;
  HubMetrics hub_metrics(&hub);
  const MetricsRegistry::Registration process_source = metrics.Register(&process_stats);
  const MetricsRegistry::Registration hub_source = metrics.Register(&hub_metrics);
  Readiness readiness;
  Dispatcher dispatcher;
  AdminHooks hooks;
  hooks.metrics = &metrics;
  hooks.readiness = &readiness;
  hooks.quit = [&dispatcher] { dispatcher.Stop(); };
  auto admin = std::make_unique<AdminEndpoint>(&dispatcher, std::move(hooks));
  if (options.admin != "none") {
    if (absl::Status status = admin->Listen(options.admin); !status.ok()) return failed(status);
  }

  if (!options.certificate.empty()) {
    absl::StatusOr<TlsIdentity> identity =
        LoadTlsIdentity({.file = options.certificate}, {.file = options.key});
    if (!identity.ok()) return failed(identity.status());
  }
  ControlServer::Options serve;
  serve.address = options.listen.front() == ':' ? "[::]" + options.listen : options.listen;
  serve.certificate = AbsolutePath(options.certificate);
  serve.key = AbsolutePath(options.key);
  serve.client_ca = AbsolutePath(options.client_ca);
  serve.managers = options.managers;
  absl::StatusOr<std::unique_ptr<ControlServer>> server =
      ControlServer::Start(serve, &manager, &hub);
  if (!server.ok()) return failed(server.status());
  absl::StatusOr<Address> address = Address::ParseListen(options.listen);
  address->set_port(static_cast<uint16_t>((*server)->port()));
  Log(LogLevel::kInfo, "listening", {{"name", "control"}, {"address", address->ToString()}});
  for (const auto condition : {Readiness::Condition::kSnapshot, Readiness::Condition::kListeners,
                               Readiness::Condition::kWarm}) {
    readiness.Set(condition, true);
  }

  uv_signal_t signals[2];
  const int numbers[2] = {SIGTERM, SIGINT};
  for (int i = 0; i < 2; ++i) {
    uv_signal_init(dispatcher.loop(), &signals[i]);
    signals[i].data = &dispatcher;
    uv_signal_start(
        &signals[i],
        [](uv_signal_t* handle, int) { static_cast<Dispatcher*>(handle->data)->Stop(); },
        numbers[i]);
  }
  dispatcher.Run();
  Log(LogLevel::kInfo, "stopping");
  server->reset();
  admin.reset();
  for (uv_signal_t& signal : signals) uv_close(reinterpret_cast<uv_handle_t*>(&signal), nullptr);
  uv_run(dispatcher.loop(), UV_RUN_NOWAIT);
  return kExitOk;
}

}  // namespace postern
