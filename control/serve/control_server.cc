#include "control/serve/control_server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "control/common/strings.h"
#include "lib/text/concat.h"
#include "proto/control/management.grpc.pb.h"
#include "proto/control/push.grpc.pb.h"

namespace postern {
namespace {

namespace v1 = control::v1;

constexpr int kMaxRequestBytes = 20 << 20;
constexpr size_t kMaxSidecarMessageBytes = 1 << 20;
constexpr int kManagementThreads = 8;
constexpr size_t kStreamsToCome = 100;  // that have not said yet who they are, or are replaced
constexpr unsigned kCertificateRefreshSeconds = 1;
constexpr auto kShutdownLimit = std::chrono::seconds(2);

// Codes of absl and gRPC are the same numbers.
grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), Message(status)};
}

// Addresses as people write them: gRPC says "ipv4:127.0.0.1:4711".
std::string PeerAddress(std::string_view peer) {
  for (const std::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (ConsumePrefix(peer, scheme)) break;
  }
  std::string out;
  for (size_t i = 0; i < peer.size(); ++i) {
    if (peer.substr(i).starts_with("%5B") || peer.substr(i).starts_with("%5D")) {
      out.push_back(peer[i + 2] == 'B' ? '[' : ']');
      i += 2;
    } else {
      out.push_back(peer[i]);
    }
  }
  return out;
}

std::string CertificateName(const grpc::AuthContext& context, bool* is_manager,
                            const std::vector<std::string>& managers) {
  std::string first;
  for (const char* property : {"peer_uri", "peer_dns", "x509_common_name"}) {
    for (const grpc::string_ref& value : context.FindPropertyValues(property)) {
      const std::string name(value.data(), value.size());
      if (first.empty()) first = name;
      if (std::find(managers.begin(), managers.end(), name) != managers.end()) *is_manager = true;
    }
  }
  return first.empty() ? "anonymous" : first;
}

class ManagementService final : public v1::Management::Service {
 public:
  ManagementService(Manager* manager, std::vector<std::string> managers)
      : manager_(*manager), managers_(std::move(managers)) {}

#define POSTERN_CALL(name, request_type, response_type)                            \
  grpc::Status name(grpc::ServerContext* context, const v1::request_type* request, \
                    v1::response_type* response) override {                        \
    return Call(context, *request, response, &Manager::name);                      \
  }
  POSTERN_CALL(PutDefinition, PutDefinitionRequest, PutDefinitionResponse)
  POSTERN_CALL(CreateDeployment, CreateDeploymentRequest, Deployment)
  POSTERN_CALL(ListDeployments, ListDeploymentsRequest, ListDeploymentsResponse)
  POSTERN_CALL(GetDeployment, GetDeploymentRequest, Deployment)
  POSTERN_CALL(DiffDeployments, DiffDeploymentsRequest, DiffDeploymentsResponse)
  POSTERN_CALL(DeleteDeployment, DeleteDeploymentRequest, DeleteDeploymentResponse)
  POSTERN_CALL(CreateStage, CreateStageRequest, Stage)
  POSTERN_CALL(UpdateStage, UpdateStageRequest, Stage)
  POSTERN_CALL(GetStage, GetStageRequest, Stage)
  POSTERN_CALL(ListStages, ListStagesRequest, ListStagesResponse)
  POSTERN_CALL(Promote, PromoteRequest, Stage)
  POSTERN_CALL(Rollback, RollbackRequest, Stage)
  POSTERN_CALL(DeleteStage, DeleteStageRequest, DeleteStageResponse)
  POSTERN_CALL(ListSidecars, ListSidecarsRequest, ListSidecarsResponse)
  POSTERN_CALL(ListAudit, ListAuditRequest, ListAuditResponse)
#undef POSTERN_CALL

 private:
  template <typename Request, typename Response>
  grpc::Status Call(grpc::ServerContext* context, const Request& request, Response* response,
                    absl::StatusOr<Response> (Manager::*method)(const Actor&, const Request&)) {
    bool allowed = managers_.empty();
    Actor actor;
    actor.who = CertificateName(*context->auth_context(), &allowed, managers_);
    actor.from = PeerAddress(context->peer());
    if (!allowed) {
      return {grpc::StatusCode::PERMISSION_DENIED,
              Concat("the certificate of ", actor.who, " is none of a manager")};
    }
    try {
      absl::StatusOr<Response> result = (manager_.*method)(actor, request);
      if (!result.ok()) return ToGrpc(result.status());
      *response = *std::move(result);
      return grpc::Status::OK;
    } catch (const std::exception& error) {
      return {grpc::StatusCode::INTERNAL, error.what()};
    }
  }

  Manager& manager_;
  const std::vector<std::string> managers_;
};

class Stream;

// Streams that have not said yet who they are.
class Strangers {
 public:
  explicit Strangers(int64_t limit_ms) : limit_(limit_ms) {}

  void Add(Stream* stream) {
    std::lock_guard lock(mutex_);
    streams_.emplace(stream, Clock::now());
  }
  void Remove(Stream* stream) {
    std::lock_guard lock(mutex_);
    streams_.erase(stream);
  }
  // Ends those that have taken too long.
  void Tick();

 private:
  using Clock = std::chrono::steady_clock;
  const std::chrono::milliseconds limit_;
  std::mutex mutex_;
  std::map<Stream*, Clock::time_point> streams_;
};

// One sidecar's stream: reads into `in_`, writes what the hub says, one message at a time.
class Stream final : public grpc::ServerBidiReactor<v1::SidecarMessage, v1::ControlMessage> {
 public:
  // Counts itself in `open`, which outlives it; one above `limit` ends at once. `strangers` is told
  // of it until it has said who it is.
  Stream(PushHub* hub, std::string address, Strangers* strangers, std::atomic<size_t>* open,
         size_t limit)
      : hub_(*hub), address_(std::move(address)), strangers_(*strangers), open_(*open) {
    strangers_.Add(this);
    if (open_.fetch_add(1, std::memory_order_relaxed) >= limit) {
      End(absl::ResourceExhaustedError("the control plane has as many streams as it takes"));
      return;
    }
    StartRead(&in_);
  }
  ~Stream() override { open_.fetch_sub(1, std::memory_order_relaxed); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      // The other side has said all it has to say, or something that is no message.
      End(session_ != nullptr ? absl::OkStatus()
                              : absl::InvalidArgumentError("there was no message hello"));
      return;
    }
    if (in_.ByteSizeLong() > kMaxSidecarMessageBytes) {
      End(absl::InvalidArgumentError("a message of a sidecar has at most 1 MiB"));
      return;
    }
    if (session_ == nullptr) {
      if (!in_.has_hello()) {
        End(absl::InvalidArgumentError("the first message must be hello"));
        return;
      }
      absl::StatusOr<std::shared_ptr<PushHub::Session>> session =
          hub_.Join(in_.hello(), address_, [this] { Pump(); });
      if (!session.ok()) {
        End(session.status());
        return;
      }
      strangers_.Remove(this);
      {
        std::lock_guard lock(mutex_);
        session_ = *std::move(session);
      }
    } else if (!in_.has_answer()) {
      End(absl::InvalidArgumentError("after hello, a sidecar sends answers"));
      return;
    } else if (absl::Status status = hub_.OnAnswer(session_.get(), in_.answer()); !status.ok()) {
      End(status);
      return;
    }
    StartRead(&in_);
    Pump();
  }

  void OnWriteDone(bool ok) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
    }
    if (!ok) {
      End(absl::OkStatus());
      return;
    }
    Pump();
  }

  void OnCancel() override { End(absl::CancelledError("the sidecar has left")); }

  void OnDone() override {
    strangers_.Remove(this);
    if (session_ != nullptr) hub_.Leave(session_);
    delete this;
  }

  // Any thread, until OnDone().
  void End(const absl::Status& status) {
    std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true)) return;
    Finish(ToGrpc(status));
  }

 private:
  // Sends what there is to send, if nothing is being sent.
  void Pump() {
    // The lock is held over StartWrite, so that nothing is written behind Finish. gRPC calls no
    // reaction from inside of either.
    std::lock_guard lock(mutex_);
    if (writing_ || ended_ || session_ == nullptr) return;
    out_.Clear();
    absl::Status end;
    switch (hub_.Next(session_.get(), &out_, &end)) {
      case PushHub::Step::kNothing:
        return;
      case PushHub::Step::kMessage:
        writing_ = true;
        StartWrite(&out_);
        return;
      case PushHub::Step::kEnd:
        ended_ = true;
        Finish(ToGrpc(end));
        return;
    }
  }

  PushHub& hub_;
  const std::string address_;
  Strangers& strangers_;
  std::atomic<size_t>& open_;
  v1::SidecarMessage in_;
  std::mutex mutex_;
  v1::ControlMessage out_;
  std::shared_ptr<PushHub::Session> session_;
  bool writing_ = false;
  bool ended_ = false;
};

void Strangers::Tick() {
  std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  for (const auto& [stream, begun] : streams_) {
    if (now - begun <= limit_) continue;
    stream->End(absl::DeadlineExceededError(
        Concat("the sidecar has not said who it is within ", limit_.count(), " ms")));
  }
}

class PushService final : public v1::PushService::CallbackService {
 public:
  PushService(PushHub* hub, int64_t hello_limit_ms) : hub_(hub), strangers_(hello_limit_ms) {}

  void Tick() { strangers_.Tick(); }

  grpc::ServerBidiReactor<v1::SidecarMessage, v1::ControlMessage>* Sync(
      grpc::CallbackServerContext* context) override {
    return new Stream(hub_, PeerAddress(context->peer()), &strangers_, &open_,
                      hub_->max_sidecars() + kStreamsToCome);
  }

 private:
  PushHub* const hub_;
  Strangers strangers_;
  std::atomic<size_t> open_{0};
};

std::shared_ptr<grpc::ServerCredentials> Credentials(const ControlServer::Options& options) {
  if (options.certificate.empty()) return grpc::InsecureServerCredentials();
  auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      options.key, options.certificate, options.client_ca, kCertificateRefreshSeconds);
  grpc::experimental::TlsServerCredentialsOptions tls(provider);
  tls.watch_root_certs();
  tls.watch_identity_key_cert_pairs();
  tls.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(tls);
}

}  // namespace

struct ControlServer::Impl {
  Impl(const Options& options, Manager* manager, PushHub* hub)
      : hub(*hub), management(manager, options.managers), push(hub, options.hello_limit_ms) {}

  PushHub& hub;
  ManagementService management;
  PushService push;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
  std::mutex mutex;
  std::condition_variable wake;
  bool ending = false;
  std::thread ticker;
};

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const Options& options,
                                                                    Manager* manager,
                                                                    PushHub* hub) {
  for (const std::string* file : {&options.certificate, &options.key, &options.client_ca}) {
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0) {
      return absl::InvalidArgumentError(Concat(*file, ": cannot be read: ", std::strerror(errno)));
    }
  }
  auto impl = std::make_unique<Impl>(options, manager, hub);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.address, Credentials(options), &impl->port);
  builder.RegisterService(&impl->management);
  builder.RegisterService(&impl->push);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("control");
  quota.SetMaxThreads(kManagementThreads);
  builder.SetResourceQuota(quota);
  // One port has one owner.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // A sidecar whose machine has gone is noticed within a minute; its own pings are welcome.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || impl->port == 0) {
    return absl::UnavailableError(
        Concat("cannot listen on ", options.address,
               ": the address is in use or not one of this machine, or a certificate is unusable"));
  }
  impl->ticker = std::thread([impl = impl.get()] {
    std::unique_lock lock(impl->mutex);
    while (!impl->wake.wait_for(lock, std::chrono::seconds(1), [impl] { return impl->ending; })) {
      lock.unlock();
      impl->hub.Tick();
      impl->push.Tick();
      lock.lock();
    }
  });
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

ControlServer::~ControlServer() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->ending = true;
  }
  impl_->wake.notify_all();
  impl_->ticker.join();
  impl_->hub.Shutdown();
  impl_->server->Shutdown(std::chrono::system_clock::now() + kShutdownLimit);
  impl_->server->Wait();
}

int ControlServer::port() const { return impl_->port; }

}  // namespace postern
