#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace postern {

/// The settings of one listener with every default applied: what proto/snapshot/listener.proto
/// says, field by field, as plain values. Validated when a snapshot is built.

/// Where bytes come from; secrets are resolved to where they lie.
struct DataSourceConfig {
  enum class Kind : uint8_t { kInline, kFile, kEnvironment };
  Kind kind = Kind::kInline;
  std::string value;  ///< the bytes, an absolute path, or a variable's name

  bool operator==(const DataSourceConfig&) const = default;
};

enum class ClientVerificationMode : uint8_t { kNone, kOptional, kRequired };

struct ClientVerificationConfig {
  ClientVerificationMode mode = ClientVerificationMode::kNone;
  DataSourceConfig truststore;
  uint32_t max_chain_length = 4;  ///< leaf and root counted

  bool operator==(const ClientVerificationConfig&) const = default;
};

struct TlsIdentityConfig {
  std::vector<std::string> server_names;
  DataSourceConfig certificate_chain;
  DataSourceConfig private_key;
  std::optional<ClientVerificationConfig> client_verification;  ///< absent: the listener's

  bool operator==(const TlsIdentityConfig&) const = default;
};

struct SessionTicketConfig {
  bool enabled = true;
  uint32_t lifetime_ms = 7200000;
  std::vector<DataSourceConfig> keys;  ///< 80 bytes each; empty: the process's own

  bool operator==(const SessionTicketConfig&) const = default;
};

/// 12 and 13 stand for TLS 1.2 and 1.3.
struct ListenerTlsConfig {
  std::vector<TlsIdentityConfig> identities;
  int min_version = 12;
  int max_version = 13;
  std::string ciphers;
  std::string cipher_suites;
  ClientVerificationConfig client_verification;
  bool require_matching_sni = false;
  SessionTicketConfig session_tickets;
  uint32_t handshake_timeout_ms = 10000;

  bool operator==(const ListenerTlsConfig&) const = default;
};

/// Bounds for connections and requests.
struct ListenerLimitsConfig {
  uint32_t max_connections = 100000;
  uint32_t max_header_bytes = 10240;
  uint32_t max_header_count = 200;
  uint32_t max_target_bytes = 10240;
  uint64_t max_body_bytes = 10485760;  ///< 0: no limit
  uint32_t header_timeout_ms = 10000;
  uint32_t body_timeout_ms = 30000;
  uint32_t idle_timeout_ms = 310000;
  uint32_t write_timeout_ms = 30000;
  uint32_t max_requests_per_connection = 0;  ///< 0: no limit
  uint32_t max_connection_age_ms = 0;        ///< 0: no limit
  uint32_t write_buffer_bytes = 65536;

  bool operator==(const ListenerLimitsConfig&) const = default;
};

/// Bounds for HTTP/2.
struct Http2Config {
  uint32_t max_concurrent_streams = 100;
  uint32_t initial_stream_window_bytes = 65535;
  uint32_t initial_connection_window_bytes = 1048576;
  uint32_t max_frame_bytes = 16384;
  uint32_t header_table_bytes = 4096;
  uint32_t max_resets_per_second = 100;
  uint32_t max_control_frames_per_second = 100;
  uint32_t ping_interval_ms = 0;  ///< 0: none
  uint32_t ping_timeout_ms = 20000;

  bool operator==(const Http2Config&) const = default;
};

/// Identity of a private endpoint.
struct PrivateEndpointConfig {
  std::string vpc_id;
  std::string vpce_id;
  bool vpce_id_from_proxy_protocol = false;

  bool operator==(const PrivateEndpointConfig&) const = default;
};

struct ListenerConfig {
  std::string name;
  std::string host;       ///< IP literal without brackets
  uint16_t port = 0;      ///< 0: any free one
  std::string unix_path;  ///< in place of host and port
  std::optional<ListenerTlsConfig> tls;
  bool http1 = true;
  bool http2 = true;
  bool prefer_http1 = false;  ///< ALPN offers http/1.1 before h2
  bool proxy_protocol = false;
  uint32_t trusted_hops = 0;
  ListenerLimitsConfig limits;
  Http2Config http2_settings;
  std::optional<PrivateEndpointConfig> private_endpoint;
  uint32_t backlog = 1024;

  bool operator==(const ListenerConfig&) const = default;
};

}  // namespace postern
