#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/net/dns.h"

namespace postern {

class RequestSigner;
class TlsClientContext;

/// The settings of one cluster with every default applied: what proto/snapshot/cluster.proto says,
/// field by field, as plain values. Filled and validated when a snapshot is built; immutable and
/// shared by all workers from then on.

/// Version of HTTP towards an upstream.
enum class UpstreamProtocol : uint8_t {
  kHttp1,
  kHttp2,  ///< ALPN h2 under TLS, prior knowledge in cleartext
  kAuto,   ///< what ALPN gives under TLS; HTTP/1.1 in cleartext
};

enum class LbPolicy : uint8_t { kRoundRobin, kLeastRequest };

/// An address or name of a cluster. Either host and port, or a path.
struct EndpointConfig {
  std::string host;  ///< IP literal without brackets, or a name that is resolved
  uint16_t port = 0;
  std::string unix_path;
  uint32_t weight = 1;  ///< 1 to 1,000

  bool operator==(const EndpointConfig&) const = default;
};

/// When a request is tried again.
struct RetryConfig {
  uint32_t max_retries = 1;  ///< attempts after the first, 0 to 5
  std::vector<uint16_t> retry_on_status;
  uint32_t per_try_timeout_ms = 0;  ///< 0: what is left of the whole
  uint32_t backoff_base_ms = 25;
  uint32_t backoff_max_ms = 250;
  uint32_t budget_percent = 20;
  uint32_t budget_min_concurrent = 3;
  uint32_t max_replay_bytes = 65536;

  bool operator==(const RetryConfig&) const = default;
};

/// Bounds over all workers. A worker without any connection to the cluster may open one beyond
/// max_connections, so that none is starved by the idle connections of the others.
struct CircuitConfig {
  uint32_t max_connections = 10240;
  uint32_t max_pending_requests = 1024;
  uint32_t max_requests = 10240;

  bool operator==(const CircuitConfig&) const = default;
};

/// Active checks. Each endpoint is checked by one worker at a time; all see the result.
struct HealthCheckConfig {
  struct StatusRange {
    uint16_t first = 200;
    uint16_t last = 399;

    bool operator==(const StatusRange&) const = default;
  };

  bool enabled = false;
  std::string path;  ///< origin-form target; empty: connecting (and the TLS handshake) is the check
  std::string host;  ///< empty: the endpoint's host and port
  uint32_t interval_ms = 5000;
  uint32_t timeout_ms = 2000;
  uint32_t unhealthy_threshold = 3;
  uint32_t healthy_threshold = 2;
  std::vector<StatusRange> expected = {StatusRange{}};

  bool operator==(const HealthCheckConfig&) const = default;
};

/// Leaving out endpoints that fail real requests.
struct EjectionConfig {
  bool enabled = false;
  uint32_t consecutive_failures = 5;
  uint32_t base_ejection_ms = 30000;
  uint32_t max_ejection_ms = 300000;
  uint32_t max_ejected_percent = 50;
  bool count_server_errors = false;

  bool operator==(const EjectionConfig&) const = default;
};

struct DnsConfig {
  uint32_t min_ttl_ms = 1000;
  uint32_t max_ttl_ms = 300000;
  uint32_t negative_ttl_ms = 1000;
  DnsFamily family = DnsFamily::kAny;

  bool operator==(const DnsConfig&) const = default;
};

/// TLS towards the endpoints.
struct UpstreamTlsConfig {
  /// Null: cleartext. Shared by all workers; reloads rotated files by itself.
  std::shared_ptr<TlsClientContext> context;
  /// Sent and checked in place of the endpoint's host. Empty: that host.
  std::string server_name;
  /// Equal text means equal settings: whoever makes the context puts a digest of them here, so that
  /// a new snapshot with the same settings keeps its connections.
  std::string settings_digest;

  bool operator==(const UpstreamTlsConfig& other) const {
    return (context == nullptr) == (other.context == nullptr) && server_name == other.server_name &&
           settings_digest == other.settings_digest;
  }
};

/// Signing of every request.
struct SigningConfig {
  /// Null: not signed. Thread-safe.
  std::shared_ptr<const RequestSigner> signer;
  /// As UpstreamTlsConfig::settings_digest.
  std::string settings_digest;

  bool operator==(const SigningConfig& other) const {
    return (signer == nullptr) == (other.signer == nullptr) &&
           settings_digest == other.settings_digest;
  }
};

/// Bounds of HTTP/2 connections; 0 leaves one to Http2ClientOptions().
struct UpstreamHttp2Config {
  uint32_t max_concurrent_streams = 100;  ///< on one connection, if the peer allows as many
  uint32_t initial_stream_window = 0;
  uint32_t connection_window = 0;
  uint32_t ping_interval_ms = 0;  ///< silence behind which a PING is sent; 0: none
  uint32_t ping_timeout_ms = 20000;

  bool operator==(const UpstreamHttp2Config&) const = default;
};

struct ClusterConfig {
  std::string name;
  std::vector<EndpointConfig> endpoints;
  UpstreamProtocol protocol = UpstreamProtocol::kHttp1;
  UpstreamTlsConfig tls;
  LbPolicy lb_policy = LbPolicy::kRoundRobin;
  uint32_t connect_timeout_ms = 5000;
  uint32_t idle_timeout_ms = 60000;            ///< 0: connections are not reused
  uint32_t response_timeout_ms = 0;            ///< 0: the request's own timeout alone
  uint32_t response_idle_timeout_ms = 60000;   ///< silence inside an answer; 0: no bound
  uint32_t max_requests_per_connection = 0;    ///< 0: no limit
  uint32_t send_proxy_protocol = 0;            ///< version; each connection serves one request
  uint32_t max_response_header_bytes = 65536;  ///< beyond it: UpstreamFailure::kMalformed
  RetryConfig retry;
  CircuitConfig circuit;
  HealthCheckConfig health_check;
  EjectionConfig ejection;
  DnsConfig dns;
  UpstreamHttp2Config http2;
  SigningConfig signing;

  /// Whether connections and health of one may serve the other.
  bool operator==(const ClusterConfig&) const = default;
};

}  // namespace postern
