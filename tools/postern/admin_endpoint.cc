#include "tools/postern/admin_endpoint.h"

#include <utility>

#include "core/base/log.h"

namespace postern {

AdminEndpoint::AdminEndpoint(Dispatcher* dispatcher, AdminHooks hooks)
    : dispatcher_(*dispatcher),
      net_(dispatcher),
      env_{.net = &net_, .dispatcher = dispatcher, .metrics = &metrics_, .access_log = nullptr},
      service_(std::move(hooks)),
      host_(&env_, &service_) {
  auto settings = std::make_shared<ServerSessionSettings>();
  settings->allow_http2 = false;
  settings_ = std::move(settings);
}

AdminEndpoint::~AdminEndpoint() {
  listener_.reset();
  while (ServerSession* session = sessions_.Front()) session->Abort();
}

absl::Status AdminEndpoint::Listen(const std::string& address) {
  absl::StatusOr<Address> parsed = Address::ParseListen(address);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<ListenSocket> socket = ListenSocket::Bind(*parsed, {});
  if (!socket.ok()) return socket.status();
  const std::string bound = socket->address().ToString();
  listener_ = std::make_unique<Listener>(
      &dispatcher_, *std::move(socket), nullptr, [this](int fd, const Address& peer) {
        ServerSession::Owner* const owner = this;
        sessions_.PushBack(new ServerSession(&env_, settings_, &host_, owner, fd, peer,
                                             listener_->address(), nullptr, nullptr));
      });
  if (absl::Status status = listener_->Start(); !status.ok()) return status;
  Log(LogLevel::kInfo, "listening", {{"name", "admin"}, {"address", bound}});
  return absl::OkStatus();
}

void AdminEndpoint::OnSessionEnded(ServerSession* session) {
  static_cast<ListNode<ServerSession>*>(session)->Unlink();
  dispatcher_.DeferDelete(std::unique_ptr<Deferred>(session));
}

}  // namespace postern
