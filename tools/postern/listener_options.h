#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/snapshot/listener.pb.h"
#include "tools/postern/flags.h"

namespace postern {

/// The options of `run` that say where and how to listen.
struct ListenerOptions {
  std::vector<std::string> listen;     ///< [http://|https://]ADDR:PORT or unix:/path
  std::vector<std::string> tls_certs;  ///< PEM chains; the n-th belongs to the n-th key
  std::vector<std::string> tls_keys;
  std::string client_ca;    ///< PEM bundle; asks clients for certificates
  std::string client_auth;  ///< "optional" or "require"
  std::string tls_min_version;
  std::string http;  ///< "1.1", "2" or "1.1,2"
  bool proxy_protocol = false;
  uint64_t trusted_hops = 0;
  uint64_t max_connections = 0;
  uint64_t max_body = 0;
  uint64_t max_header_bytes = 0;
  uint64_t header_timeout_ms = 0;
  uint64_t body_timeout_ms = 0;
  uint64_t idle_timeout_ms = 0;
  uint64_t write_timeout_ms = 0;

  void Bind(FlagSet* flags);

  /// One listener for each address; InvalidArgument names the option that is wrong.
  absl::StatusOr<std::vector<snapshot::v1::Listener>> ToListeners() const;
};

}  // namespace postern
