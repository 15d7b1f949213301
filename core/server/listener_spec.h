#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/config/listener_config.h"
#include "core/net/address.h"
#include "core/net/listener.h"
#include "core/net/tls_context.h"
#include "core/net/tls_ticket_keys.h"
#include "core/session/server_session.h"

namespace postern {

/// What connections of one listener are made with. Immutable; replaced as a whole when the
/// listener's settings change, and kept by the connections that began with it.
struct ListenerSpec {
  std::string name;
  std::shared_ptr<const ServerSessionSettings> settings;
  std::shared_ptr<TlsServerContext> tls;  ///< null: cleartext
  std::shared_ptr<ConnectionLimit> limit;
};

/// Names a socket from one snapshot to the next: listeners with equal keys share it.
std::string ListenerKey(const ListenerConfig& config);

/// Where to bind.
absl::StatusOr<Address> ListenerAddress(const ListenerConfig& config);

/// Makes the spec of `config`. What is equal in the listener of that key before (`before` and its
/// `spec`, both null for a new one) is taken over: its certificates as loaded, its connection
/// count. Fails if certificates cannot be loaded, naming the file.
absl::StatusOr<std::shared_ptr<const ListenerSpec>> MakeListenerSpec(
    const ListenerConfig& config, std::shared_ptr<TlsTicketKeys> ticket_keys,
    const ListenerConfig* before, const std::shared_ptr<const ListenerSpec>& spec);

}  // namespace postern
