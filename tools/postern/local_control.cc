#include "tools/postern/local_control.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/net/address.h"
#include "lib/crypto/digest.h"
#include "proto/common/deterministic.h"
#include "tools/postern/grpc_log.h"
#include "tools/postern/paths.h"

namespace postern {
namespace {

namespace v1 = control::v1;

// Its stages are those of the files named on the command line, and no others.
constexpr char kGroup[] = "run";
constexpr char kActor[] = "postern run";
constexpr uint32_t kSnapshotFormat = 1;

v1::StageSettings ToSettings(const StageOptions& stage,
                             const std::optional<snapshot::v1::AccessLog>& access_log) {
  v1::StageSettings out;
  for (const auto& [name, value] : stage.variables) (*out.mutable_variables())[name] = value;
  for (const auto& [name, urls] : stage.lambda) {
    v1::LambdaEndpoint& endpoint = *out.add_lambdas();
    endpoint.set_name(name);
    for (const std::string& url : urls) endpoint.add_urls(url);
  }
  out.set_upstream_truststore(stage.upstream_tls.truststore);
  out.set_upstream_certificate(stage.upstream_tls.certificate_chain);
  out.set_upstream_private_key(stage.upstream_tls.private_key);
  for (const snapshot::v1::Secret& secret : stage.secrets) *out.add_secrets() = secret;
  if (stage.response_idle_timeout_ms.has_value()) {
    out.set_response_idle_timeout_ms(*stage.response_idle_timeout_ms);
  }
  if (access_log.has_value()) *out.mutable_access_log() = *access_log;
  return out;
}

}  // namespace

void LocalControlOptions::Bind(FlagSet* flags) {
  flags->String("store", "FILE",
                "Keep definitions, deployments and stages, with their histories, in this SQLite "
                "database; made if it is not there. Default: nothing is kept.",
                &store);
  flags->String(
      "control-listen", "ADDR:PORT",
      "With --store: serve gRPC here, so that postern stages, rollback and the like work; "
      "an address of this machine alone.",
      &listen);
}

absl::Status LocalControlOptions::Check() const {
  if (listen.empty()) return absl::OkStatus();
  if (store.empty()) return absl::InvalidArgumentError("--control-listen needs --store");
  absl::StatusOr<Address> address = Address::ParseListen(listen);
  if (!address.ok() || !address->is_ip() || !address->IsLoopback()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--control-listen ", listen, ": write an address like 127.0.0.1:9443"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LocalControl>> LocalControl::Open(
    const LocalControlOptions& options, const DefinitionOptions& definitions,
    SnapshotActivator* activator, Dispatcher* dispatcher, SnapshotActivator::Done heard) {
  std::unique_ptr<LocalControl> out(new LocalControl(activator, dispatcher, std::move(heard)));
  absl::StatusOr<std::unique_ptr<Store>> store =
      Store::Open(AbsolutePath(options.store), Store::Options());
  if (!store.ok()) return store.status();
  out->store_ = *std::move(store);
  out->hub_ = std::make_unique<PushHub>(PushHub::Options());
  Manager::Options manage;
  manage.gateway.set_account_id(definitions.account);
  manage.gateway.set_region(definitions.region);
  manage.log = [](const std::string& action, const std::string& object, const std::string& who) {
    Log(LogLevel::kInfo, "change", {{"action", action}, {"object", object}, {"who", who}});
  };
  out->manager_ = std::make_unique<Manager>(out->store_.get(), out->hub_.get(), std::move(manage));
  if (absl::Status status = out->manager_->Start(); !status.ok()) return status;
  if (options.listen.empty()) return out;
  RouteGrpcLog();
  ControlServer::Options serve;
  serve.address = options.listen;
  absl::StatusOr<std::unique_ptr<ControlServer>> server =
      ControlServer::Start(serve, out->manager_.get(), out->hub_.get());
  if (!server.ok()) return server.status();
  out->server_ = *std::move(server);
  absl::StatusOr<Address> address = Address::ParseListen(options.listen);
  address->set_port(static_cast<uint16_t>(out->server_->port()));
  Log(LogLevel::kInfo, "listening", {{"name", "control"}, {"address", address->ToString()}});
  return out;
}

LocalControl::~LocalControl() {
  server_.reset();
  if (session_ != nullptr) hub_->Leave(session_);
}

absl::Status LocalControl::Deploy(Definitions& definitions) {
  const bool only_one = definitions.imported.size() == 1;
  std::vector<Manager::Published> all;
  for (Imported& imported : definitions.imported) {
    Manager::Published published;
    const snapshot::v1::Api& api = imported.input.api;
    published.definition.api_id = api.id();
    published.definition.api_name = api.name();
    published.definition.digest = Sha256Hex(imported.text);
    published.definition.file_name = imported.file;
    published.definition.text = std::move(imported.text);
    published.definition.settings = SerializeDeterministically(definitions.settings);
    published.stage = StageName(definitions.stage, api.type());
    published.settings = ToSettings(definitions.stage, definitions.access_log);
    published.settings.set_base_path(only_one ? std::string() : BasePathWord(api.name(), api.id()));
    published.input = std::move(imported.input);
    all.push_back(std::move(published));
  }
  definitions.imported.clear();
  if (absl::Status status = manager_->Publish({kActor, "command line"}, kGroup, std::move(all));
      !status.ok()) {
    return status;
  }
  return session_ == nullptr ? Join() : absl::OkStatus();
}

absl::Status LocalControl::Join() {
  v1::Hello hello;
  hello.set_group(kGroup);
  hello.mutable_node()->set_id(kActor);
  hello.set_format(kSnapshotFormat);
  absl::StatusOr<std::shared_ptr<PushHub::Session>> session =
      hub_->Join(hello, "this process", [this, alive = std::weak_ptr<int>(alive_)] {
        dispatcher_.Post([this, alive] {
          if (!alive.expired()) Pump();
        });
      });
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  Pump();
  return absl::OkStatus();
}

void LocalControl::Pump() {
  v1::ControlMessage message;
  absl::Status end;
  while (hub_->Next(session_.get(), &message, &end) == PushHub::Step::kMessage) {
    if (message.has_chunk()) {
      if (absl::Status status = assembler_.OnChunk(message.chunk()); !status.ok()) {
        heard_(status, {{"", std::string(status.message())}});
        return;
      }
    } else if (message.has_push()) {
      Take(message.push());
    }
    message.Clear();
  }
}

void LocalControl::Take(const v1::Push& push) {
  absl::StatusOr<std::shared_ptr<snapshot::v1::Snapshot>> whole = assembler_.OnPush(push);
  if (!whole.ok()) {
    heard_(whole.status(), {{"", std::string(whole.status().message())}});
    return;
  }
  const std::shared_ptr<const snapshot::v1::Snapshot> snapshot = *std::move(whole);
  activator_.Activate(
      snapshot, [this, snapshot, nonce = push.nonce(), digest = push.digest()](
                    const absl::Status& status, const std::vector<SnapshotProblem>& problems) {
        v1::Answer answer;
        answer.set_nonce(nonce);
        answer.set_accepted(status.ok());
        for (const SnapshotProblem& problem : problems) {
          v1::Problem& out = *answer.add_problems();
          out.set_path(problem.path);
          out.set_message(problem.text);
        }
        if (status.ok()) assembler_.Hold(*snapshot, digest);
        hub_->OnAnswer(session_.get(), answer).IgnoreError();
        heard_(status, problems);
        // What changed meanwhile.
        Pump();
      });
}

}  // namespace postern
