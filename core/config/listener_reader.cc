#include "core/config/listener_reader.h"

#include <limits>
#include <set>

#include "lib/text/ascii.h"
#include "lib/text/host_port.h"
#include "lib/text/ip_address.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr uint32_t kMaxMs = std::numeric_limits<uint32_t>::max();
constexpr size_t kMaxUnixPath = 107;  // unix(7)
constexpr size_t kMaxHost = 253;

bool IsIp(std::string_view host) {
  return ParseIpv4(host).has_value() || ParseIpv6(host).has_value();
}

bool IsHostName(std::string_view host) {
  const auto parsed = ParseHostPort(host);
  return parsed.has_value() && !parsed->port.has_value() && parsed->host.size() == host.size();
}

ClientVerificationConfig ReadVerification(const v1::ClientVerification& message,
                                          const SecretMap& secrets, const Field& field) {
  ClientVerificationConfig out;
  RefuseUnknownFields(message, field);
  if (!KnownEnum(message.mode(), v1::ClientVerification::Mode_IsValid, kNoneRefused, "mode",
                 field)) {
    return out;
  }
  switch (message.mode()) {
    case v1::ClientVerification::MODE_OPTIONAL:
      out.mode = ClientVerificationMode::kOptional;
      break;
    case v1::ClientVerification::MODE_REQUIRED:
      out.mode = ClientVerificationMode::kRequired;
      break;
    default:
      break;
  }
  if (message.has_truststore()) {
    out.truststore =
        ReadDataSource(message.truststore(), secrets, false, field.Member("truststore"));
  } else if (out.mode != ClientVerificationMode::kNone) {
    field.Problem("truststore", "is needed to verify certificates");
  }
  if (message.has_max_chain_length()) out.max_chain_length = message.max_chain_length();
  field.InRange("max_chain_length", out.max_chain_length, 1, 16);
  return out;
}

int ReadVersion(v1::TlsVersion version, int unset, std::string_view name, const Field& field) {
  if (!KnownEnum(version, v1::TlsVersion_IsValid, kNoneRefused, name, field)) return unset;
  switch (version) {
    case v1::TLS_VERSION_1_2:
      return 12;
    case v1::TLS_VERSION_1_3:
      return 13;
    default:
      return unset;
  }
}

ListenerTlsConfig ReadTls(const v1::ListenerTls& message, const SecretMap& secrets,
                          const Field& field) {
  RefuseUnknownFields(message, field);
  ListenerTlsConfig out;
  if (message.identities().empty()) field.Problem("identities", "there is none");
  for (int i = 0; i < message.identities_size(); ++i) {
    const v1::TlsIdentity& identity = message.identities(i);
    const Field item = field.Item("identities", i);
    RefuseUnknownFields(identity, item);
    TlsIdentityConfig config;
    config.server_names.assign(identity.server_names().begin(), identity.server_names().end());
    for (const std::string& name : config.server_names) {
      item.Size("server_names", name, 1, kMaxHost);
    }
    config.certificate_chain = ReadDataSource(identity.certificate_chain(), secrets, false,
                                              item.Member("certificate_chain"));
    config.private_key =
        ReadDataSource(identity.private_key(), secrets, true, item.Member("private_key"));
    if (identity.has_client_verification()) {
      config.client_verification = ReadVerification(identity.client_verification(), secrets,
                                                    item.Member("client_verification"));
    }
    out.identities.push_back(std::move(config));
  }
  out.min_version = ReadVersion(message.min_version(), 12, "min_version", field);
  out.max_version = ReadVersion(message.max_version(), 13, "max_version", field);
  if (out.min_version > out.max_version) field.Problem("max_version", "is below min_version");
  out.ciphers = message.ciphers();
  out.cipher_suites = message.cipher_suites();
  if (message.has_client_verification()) {
    out.client_verification = ReadVerification(message.client_verification(), secrets,
                                               field.Member("client_verification"));
  }
  out.require_matching_sni = message.require_matching_sni();
  const v1::SessionTickets& tickets = message.session_tickets();
  const Field tickets_field = field.Member("session_tickets");
  RefuseUnknownFields(tickets, tickets_field);
  out.session_tickets.enabled = !tickets.disabled();
  if (tickets.has_lifetime_ms()) out.session_tickets.lifetime_ms = tickets.lifetime_ms();
  tickets_field.InRange("lifetime_ms", out.session_tickets.lifetime_ms, 1, 604800000);
  if (tickets.keys_size() > 8) tickets_field.Problem("keys", "there are more than 8");
  for (int i = 0; i < tickets.keys_size(); ++i) {
    out.session_tickets.keys.push_back(
        ReadDataSource(tickets.keys(i), secrets, true, tickets_field.Item("keys", i)));
  }
  if (message.has_handshake_timeout_ms()) {
    out.handshake_timeout_ms = message.handshake_timeout_ms();
  }
  field.InRange("handshake_timeout_ms", out.handshake_timeout_ms, 1, kMaxMs);
  return out;
}

ListenerLimitsConfig ReadLimits(const v1::ListenerLimits& message, const Field& field) {
  RefuseUnknownFields(message, field);
  ListenerLimitsConfig out;
  if (message.has_max_connections()) out.max_connections = message.max_connections();
  if (message.has_max_header_bytes()) out.max_header_bytes = message.max_header_bytes();
  if (message.has_max_header_count()) out.max_header_count = message.max_header_count();
  if (message.has_max_target_bytes()) out.max_target_bytes = message.max_target_bytes();
  if (message.has_max_body_bytes()) out.max_body_bytes = message.max_body_bytes();
  if (message.has_header_timeout_ms()) out.header_timeout_ms = message.header_timeout_ms();
  if (message.has_body_timeout_ms()) out.body_timeout_ms = message.body_timeout_ms();
  if (message.has_idle_timeout_ms()) out.idle_timeout_ms = message.idle_timeout_ms();
  if (message.has_write_timeout_ms()) out.write_timeout_ms = message.write_timeout_ms();
  out.max_requests_per_connection = message.max_requests_per_connection();
  out.max_connection_age_ms = message.max_connection_age_ms();
  if (message.has_write_buffer_bytes()) out.write_buffer_bytes = message.write_buffer_bytes();
  field.InRange("max_connections", out.max_connections, 1, kMaxMs);
  field.InRange("max_header_bytes", out.max_header_bytes, 1024, 1024 * 1024);
  field.InRange("max_header_count", out.max_header_count, 16, 2000);
  field.InRange("max_target_bytes", out.max_target_bytes, 1, 1024 * 1024);
  field.InRange("header_timeout_ms", out.header_timeout_ms, 1, kMaxMs);
  field.InRange("body_timeout_ms", out.body_timeout_ms, 1, kMaxMs);
  field.InRange("idle_timeout_ms", out.idle_timeout_ms, 1, kMaxMs);
  field.InRange("write_timeout_ms", out.write_timeout_ms, 1, kMaxMs);
  field.InRange("write_buffer_bytes", out.write_buffer_bytes, 4096, 16 * 1024 * 1024);
  return out;
}

void ReadVersions(const v1::Listener& message, const Field& field, ListenerConfig* out) {
  if (message.http_versions().empty()) return;
  out->http1 = out->http2 = false;
  for (int i = 0; i < message.http_versions_size(); ++i) {
    const auto version = message.http_versions(i);
    const Field item = field.Item("http_versions", i);
    bool* seen = nullptr;
    switch (version) {
      case v1::HTTP_VERSION_1_1:
        seen = &out->http1;
        if (i == 0) out->prefer_http1 = true;
        break;
      case v1::HTTP_VERSION_2:
        seen = &out->http2;
        break;
      default:
        item.Problem(
            Concat("the value ", static_cast<int>(version), " is unknown to this gateway"));
        continue;
    }
    if (*seen) item.Problem("comes twice");
    *seen = true;
  }
}

}  // namespace

void ReadAddress(const v1::SocketAddress& address, bool listening, const Field& field,
                 std::string* host, uint16_t* port, std::string* unix_path) {
  RefuseUnknownFields(address, field);
  switch (address.address_case()) {
    case v1::SocketAddress::kTcp: {
      const Field tcp = field.Member("tcp");
      const std::string& name = address.tcp().host();
      if (tcp.Size("host", name, 1, kMaxHost)) {
        if (listening ? !IsIp(name) : !IsIp(name) && !IsHostName(name)) {
          tcp.Problem("host",
                      Concat("\"", name, "\" is ",
                             listening ? "no IP address" : "neither a name nor an address"));
        }
      }
      tcp.InRange("port", address.tcp().port(), listening ? 0 : 1, 65535);
      *host = name;
      *port = static_cast<uint16_t>(address.tcp().port());
      return;
    }
    case v1::SocketAddress::kUnixPath:
      if (field.Size("unix_path", address.unix_path(), 1, kMaxUnixPath) &&
          !address.unix_path().starts_with('/')) {
        field.Problem("unix_path", "is not an absolute path");
      }
      *unix_path = address.unix_path();
      return;
    case v1::SocketAddress::ADDRESS_NOT_SET:
      field.Problem("is not set");
      return;
  }
}

ListenerConfig ReadListener(const v1::Listener& message, const SecretMap& secrets,
                            const Field& field) {
  RefuseUnknownFields(message, field);
  ListenerConfig out;
  out.name = message.name();
  if (field.Size("name", message.name(), 1, 64) && !IsName(message.name(), "._-")) {
    field.Problem("name", "may consist of letters, digits and . _ - only");
  }
  ReadAddress(message.address(), true, field.Member("address"), &out.host, &out.port,
              &out.unix_path);
  if (message.has_tls()) out.tls = ReadTls(message.tls(), secrets, field.Member("tls"));
  ReadVersions(message, field, &out);
  if (KnownEnum(message.proxy_protocol(), v1::ProxyProtocol_IsValid, kNoneRefused, "proxy_protocol",
                field)) {
    out.proxy_protocol = message.proxy_protocol() == v1::PROXY_PROTOCOL_REQUIRED;
  }
  out.trusted_hops = message.trusted_hops();
  field.InRange("trusted_hops", out.trusted_hops, 0, 16);
  out.limits = ReadLimits(message.limits(), field.Member("limits"));
  out.http2_settings = ReadHttp2(message.http2(), field.Member("http2"));
  if (out.http2_settings.ping_interval_ms != 0) {
    field.Member("http2").Problem("ping_interval_ms",
                                  "this gateway sends PING frames to upstreams only");
  }
  if (message.has_private_endpoint()) {
    const v1::PrivateEndpoint& endpoint = message.private_endpoint();
    const Field item = field.Member("private_endpoint");
    RefuseUnknownFields(endpoint, item);
    item.Size("vpc_id", endpoint.vpc_id(), 0, 128);
    item.Size("vpce_id", endpoint.vpce_id(), 0, 128);
    if (endpoint.vpce_id_from_proxy_protocol() && !out.proxy_protocol) {
      item.Problem("vpce_id_from_proxy_protocol", "needs PROXY_PROTOCOL_REQUIRED");
    }
    out.private_endpoint = PrivateEndpointConfig{endpoint.vpc_id(), endpoint.vpce_id(),
                                                 endpoint.vpce_id_from_proxy_protocol()};
  }
  if (message.has_backlog()) out.backlog = message.backlog();
  field.InRange("backlog", out.backlog, 1, std::numeric_limits<int32_t>::max());
  return out;
}

}  // namespace postern
