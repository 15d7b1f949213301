#pragma once

#include "core/config/common_reader.h"
#include "core/config/field.h"
#include "core/config/listener_config.h"
#include "proto/snapshot/listener.pb.h"

namespace postern {

/// Checks one listener and fills in its defaults.
ListenerConfig ReadListener(const snapshot::v1::Listener& listener, const SecretMap& secrets,
                            const Field& field);

/// Checks an address to listen on (`listening`) or to connect to. Sets either host and port or the
/// path of a Unix socket.
void ReadAddress(const snapshot::v1::SocketAddress& address, bool listening, const Field& field,
                 std::string* host, uint16_t* port, std::string* unix_path);

}  // namespace postern
