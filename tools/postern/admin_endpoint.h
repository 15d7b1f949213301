#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/base/intrusive_list.h"
#include "core/event/dispatcher.h"
#include "core/net/connection.h"
#include "core/net/listener.h"
#include "core/observe/admin.h"
#include "core/observe/metrics.h"
#include "core/server/admin_host.h"
#include "core/session/server_session.h"

namespace postern {

/// The admin endpoint of a process that is no gateway. Belongs to the thread of its dispatcher.
class AdminEndpoint final : private ServerSession::Owner {
 public:
  AdminEndpoint(Dispatcher* dispatcher, AdminHooks hooks);
  ~AdminEndpoint();

  absl::Status Listen(const std::string& address);

 private:
  void OnSessionEnded(ServerSession* session) override;

  Dispatcher& dispatcher_;
  NetContext net_;
  WorkerMetrics metrics_;
  SessionEnv env_;
  AdminService service_;
  AdminHost host_;
  std::unique_ptr<Listener> listener_;
  std::shared_ptr<const ServerSessionSettings> settings_;
  IntrusiveList<ServerSession> sessions_;
};

}  // namespace postern
