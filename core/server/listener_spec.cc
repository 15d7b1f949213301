#include "core/server/listener_spec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/config/secret_values.h"

namespace postern {
namespace {

absl::StatusOr<PemSource> ToPem(const DataSourceConfig& source) {
  switch (source.kind) {
    case DataSourceConfig::Kind::kFile:
      return PemSource{.file = source.value, .inline_pem = {}};
    case DataSourceConfig::Kind::kInline:
      return PemSource{.file = {}, .inline_pem = source.value};
    case DataSourceConfig::Kind::kEnvironment:
      break;
  }
  absl::StatusOr<std::string> value = ReadSecretValue(source);
  if (!value.ok()) {
    return absl::NotFoundError(absl::StrCat(value.status().message(), "; it should hold PEM text"));
  }
  return PemSource{.file = {}, .inline_pem = *std::move(value)};
}

absl::StatusOr<TlsClientVerification> ToVerification(const ClientVerificationConfig& config) {
  TlsClientVerification out;
  switch (config.mode) {
    case ClientVerificationMode::kNone:
      return out;
    case ClientVerificationMode::kOptional:
      out.mode = TlsClientVerification::Mode::kOptional;
      break;
    case ClientVerificationMode::kRequired:
      out.mode = TlsClientVerification::Mode::kRequired;
      break;
  }
  absl::StatusOr<PemSource> truststore = ToPem(config.truststore);
  if (!truststore.ok()) return truststore.status();
  out.truststore = *std::move(truststore);
  out.max_chain_length = config.max_chain_length;
  return out;
}

TlsVersion ToVersion(int version) {
  return version >= 13 ? TlsVersion::kTls13 : TlsVersion::kTls12;
}

absl::StatusOr<TlsServerOptions> ToTlsOptions(const ListenerConfig& config) {
  const ListenerTlsConfig& tls = *config.tls;
  TlsServerOptions out;
  for (const TlsIdentityConfig& identity : tls.identities) {
    absl::StatusOr<PemSource> chain = ToPem(identity.certificate_chain);
    if (!chain.ok()) return chain.status();
    absl::StatusOr<PemSource> key = ToPem(identity.private_key);
    if (!key.ok()) return key.status();
    TlsIdentityOptions options{.certificate_chain = *std::move(chain),
                               .private_key = *std::move(key),
                               .server_names = identity.server_names,
                               .client_verification = {}};
    if (identity.client_verification.has_value()) {
      absl::StatusOr<TlsClientVerification> verification =
          ToVerification(*identity.client_verification);
      if (!verification.ok()) return verification.status();
      options.client_verification = *std::move(verification);
    }
    out.identities.push_back(std::move(options));
  }
  out.protocols = {.min_version = ToVersion(tls.min_version),
                   .max_version = ToVersion(tls.max_version),
                   .ciphers = tls.ciphers,
                   .cipher_suites = tls.cipher_suites};
  out.alpn.clear();
  if (config.http2) out.alpn.push_back("h2");
  if (config.http1) out.alpn.push_back("http/1.1");
  if (config.prefer_http1) std::reverse(out.alpn.begin(), out.alpn.end());
  absl::StatusOr<TlsClientVerification> verification = ToVerification(tls.client_verification);
  if (!verification.ok()) return verification.status();
  out.client_verification = *std::move(verification);
  out.require_matching_sni = tls.require_matching_sni;
  out.session_tickets = tls.session_tickets.enabled;
  out.ticket_lifetime_s = tls.session_tickets.lifetime_ms / 1000;
  return out;
}

std::shared_ptr<const ServerSessionSettings> ToSettings(const ListenerConfig& config) {
  auto out = std::make_shared<ServerSessionSettings>();
  const ListenerLimitsConfig& limits = config.limits;
  out->http1.max_target = limits.max_target_bytes;
  out->http1.max_head_fields = limits.max_header_bytes;
  out->http1.max_field_count = limits.max_header_count;
  out->http2.max_target = limits.max_target_bytes;
  out->http2.max_head_fields = limits.max_header_bytes;
  out->http2.max_field_count = limits.max_header_count;
  out->http2.max_concurrent_streams = config.http2_settings.max_concurrent_streams;
  out->http2.initial_stream_window = config.http2_settings.initial_stream_window_bytes;
  out->http2.max_stream_window =
      std::max(out->http2.max_stream_window, config.http2_settings.initial_stream_window_bytes);
  out->http2.connection_window = config.http2_settings.initial_connection_window_bytes;
  out->http2.max_resets = config.http2_settings.max_resets_per_second;
  out->allow_http1 = config.http1;
  out->allow_http2 = config.http2;
  out->expect_proxy_protocol = config.proxy_protocol;
  out->trusted_hops = static_cast<uint8_t>(config.trusted_hops);
  out->max_body_bytes = limits.max_body_bytes;
  if (config.tls.has_value()) out->handshake_timeout_ms = config.tls->handshake_timeout_ms;
  out->header_timeout_ms = limits.header_timeout_ms;
  out->body_timeout_ms = limits.body_timeout_ms;
  out->idle_timeout_ms = limits.idle_timeout_ms;
  out->write_timeout_ms = limits.write_timeout_ms;
  out->max_requests = limits.max_requests_per_connection;
  out->max_connection_age_ms = limits.max_connection_age_ms;
  if (config.private_endpoint.has_value()) {
    out->private_endpoint = true;
    out->vpc_id = config.private_endpoint->vpc_id;
    out->vpce_id = config.private_endpoint->vpce_id;
    out->vpce_id_from_proxy_protocol = config.private_endpoint->vpce_id_from_proxy_protocol;
  }
  return out;
}

// Whether the TLS context of one configuration serves the other as it is.
bool SameTls(const ListenerConfig& a, const ListenerConfig& b) {
  return a.tls == b.tls && a.http1 == b.http1 && a.http2 == b.http2 &&
         a.prefer_http1 == b.prefer_http1;
}

}  // namespace

std::string ListenerKey(const ListenerConfig& config) {
  if (!config.unix_path.empty()) return absl::StrCat("unix:", config.unix_path);
  // Two listeners on port 0 are two sockets; their names tell them apart.
  return absl::StrCat(config.host, "|", config.port, config.port == 0 ? "|" : "",
                      config.port == 0 ? config.name : "");
}

absl::StatusOr<Address> ListenerAddress(const ListenerConfig& config) {
  if (!config.unix_path.empty()) return Address::ParseListen("unix:" + config.unix_path);
  // "::" listens for IPv4 too, as ":80" does on the command line.
  if (config.host == "::") return Address::ParseListen(absl::StrCat(":", config.port));
  return Address::ParseIp(config.host, config.port);
}

absl::StatusOr<std::shared_ptr<const ListenerSpec>> MakeListenerSpec(
    const ListenerConfig& config, std::shared_ptr<TlsTicketKeys> ticket_keys,
    const ListenerConfig* before, const std::shared_ptr<const ListenerSpec>& spec) {
  auto out = std::make_shared<ListenerSpec>();
  out->name = config.name;
  out->settings = ToSettings(config);
  if (config.tls.has_value()) {
    if (before != nullptr && SameTls(*before, config)) {
      out->tls = spec->tls;
    } else {
      absl::StatusOr<TlsServerOptions> options = ToTlsOptions(config);
      if (!options.ok()) return options.status();
      absl::StatusOr<std::shared_ptr<TlsServerContext>> tls =
          TlsServerContext::Create(*std::move(options), std::move(ticket_keys));
      if (!tls.ok()) return tls.status();
      out->tls = *std::move(tls);
    }
  }
  out->limit = before != nullptr && before->limits.max_connections == config.limits.max_connections
                   ? spec->limit
                   : std::make_shared<ConnectionLimit>(config.limits.max_connections);
  return std::shared_ptr<const ListenerSpec>(std::move(out));
}

}  // namespace postern
