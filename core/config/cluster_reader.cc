#include "core/config/cluster_reader.h"

#include <limits>
#include <utility>

#include "core/config/listener_reader.h"
#include "core/config/secret_values.h"
#include "core/credentials/aws_signer.h"
#include "core/credentials/credential_service.h"
#include "core/net/tls_context.h"
#include "lib/crypto/digest.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr uint32_t kMax = std::numeric_limits<uint32_t>::max();

void ReadRetry(const v1::RetryPolicy& message, const Field& field, RetryConfig* out) {
  RefuseUnknownFields(message, field);
  if (message.has_max_retries()) out->max_retries = message.max_retries();
  for (const uint32_t status : message.retry_on_status()) {
    if (field.InRange("retry_on_status", status, 200, 599)) {
      out->retry_on_status.push_back(static_cast<uint16_t>(status));
    }
  }
  out->per_try_timeout_ms = message.per_try_timeout_ms();
  if (message.has_backoff_base_ms()) out->backoff_base_ms = message.backoff_base_ms();
  if (message.has_backoff_max_ms()) out->backoff_max_ms = message.backoff_max_ms();
  if (message.has_budget_percent()) out->budget_percent = message.budget_percent();
  if (message.has_budget_min_concurrent()) {
    out->budget_min_concurrent = message.budget_min_concurrent();
  }
  if (message.has_max_replay_bytes()) out->max_replay_bytes = message.max_replay_bytes();
  field.InRange("max_retries", out->max_retries, 0, 5);
  field.InRange("budget_percent", out->budget_percent, 0, 100);
  field.InRange("max_replay_bytes", out->max_replay_bytes, 0, 1 << 20);
}

void ReadCircuit(const v1::CircuitLimits& message, const Field& field, CircuitConfig* out) {
  RefuseUnknownFields(message, field);
  if (message.has_max_connections()) out->max_connections = message.max_connections();
  if (message.has_max_pending_requests()) {
    out->max_pending_requests = message.max_pending_requests();
  }
  if (message.has_max_requests()) out->max_requests = message.max_requests();
}

void ReadHealthCheck(const v1::HealthCheck& message, const Field& field, HealthCheckConfig* out) {
  RefuseUnknownFields(message, field);
  out->enabled = true;
  out->path = message.path();
  out->host = message.host();
  if (!out->path.empty() && !out->path.starts_with('/')) {
    field.Problem("path", "does not start with a slash");
  }
  if (message.has_interval_ms()) out->interval_ms = message.interval_ms();
  if (message.has_timeout_ms()) out->timeout_ms = message.timeout_ms();
  if (message.has_unhealthy_threshold()) out->unhealthy_threshold = message.unhealthy_threshold();
  if (message.has_healthy_threshold()) out->healthy_threshold = message.healthy_threshold();
  field.InRange("interval_ms", out->interval_ms, 100, kMax);
  field.InRange("timeout_ms", out->timeout_ms, 1, kMax);
  field.InRange("unhealthy_threshold", out->unhealthy_threshold, 1, kMax);
  field.InRange("healthy_threshold", out->healthy_threshold, 1, kMax);
  if (message.expected_statuses().empty()) return;
  out->expected.clear();
  for (int i = 0; i < message.expected_statuses_size(); ++i) {
    const v1::StatusRange& range = message.expected_statuses(i);
    const Field item = field.Item("expected_statuses", i);
    if (item.InRange("first", range.first(), 100, 599) &&
        item.InRange("last", range.last(), range.first(), 599)) {
      out->expected.push_back(
          {static_cast<uint16_t>(range.first()), static_cast<uint16_t>(range.last())});
    }
  }
}

void ReadEjection(const v1::PassiveEjection& message, const Field& field, EjectionConfig* out) {
  RefuseUnknownFields(message, field);
  out->enabled = true;
  if (message.has_consecutive_failures()) {
    out->consecutive_failures = message.consecutive_failures();
  }
  if (message.has_base_ejection_ms()) out->base_ejection_ms = message.base_ejection_ms();
  if (message.has_max_ejection_ms()) out->max_ejection_ms = message.max_ejection_ms();
  if (message.has_max_ejected_percent()) out->max_ejected_percent = message.max_ejected_percent();
  out->count_server_errors = message.count_server_errors();
  field.InRange("consecutive_failures", out->consecutive_failures, 1, kMax);
  field.InRange("max_ejected_percent", out->max_ejected_percent, 0, 100);
}

void ReadDns(const v1::DnsSettings& message, const Field& field, DnsConfig* out) {
  RefuseUnknownFields(message, field);
  if (message.has_min_ttl_ms()) out->min_ttl_ms = message.min_ttl_ms();
  if (message.has_max_ttl_ms()) out->max_ttl_ms = message.max_ttl_ms();
  if (message.has_negative_ttl_ms()) out->negative_ttl_ms = message.negative_ttl_ms();
  if (out->min_ttl_ms > out->max_ttl_ms) field.Problem("max_ttl_ms", "is below min_ttl_ms");
  if (!KnownEnum(message.family(), v1::DnsSettings::Family_IsValid, kNoneRefused, "family",
                 field)) {
    return;
  }
  switch (message.family()) {
    case v1::DnsSettings::FAMILY_IPV4:
      out->family = DnsFamily::kIpv4;
      break;
    case v1::DnsSettings::FAMILY_IPV6:
      out->family = DnsFamily::kIpv6;
      break;
    default:
      break;
  }
}

void ReadTlsChecks(const v1::UpstreamTls& message, const ClusterReaderEnv& env, const Field& field,
                   ClusterConfig* out) {
  RefuseUnknownFields(message, field);
  field.Size("server_name", message.server_name(), 0, 253);
  out->tls.server_name = message.server_name();
  KnownEnum(message.min_version(), v1::TlsVersion_IsValid, kNoneRefused, "min_version", field);
  if (message.has_truststore()) {
    ReadDataSource(message.truststore(), *env.secrets, false, field.Member("truststore"));
  }
  if (message.has_client_certificate_chain() != message.has_client_private_key()) {
    field.Problem(
        message.has_client_private_key() ? "client_certificate_chain" : "client_private_key",
        "certificate and key are only of use together");
  }
  if (message.has_client_certificate_chain()) {
    ReadDataSource(message.client_certificate_chain(), *env.secrets, false,
                   field.Member("client_certificate_chain"));
  }
  if (message.has_client_private_key()) {
    ReadDataSource(message.client_private_key(), *env.secrets, true,
                   field.Member("client_private_key"));
  }
  if (message.accept_anything()) {
    field.Note("accept_anything", "certificates of this cluster are not checked at all");
  }
}

PemSource ToPem(const v1::DataSource& source, const SecretMap& secrets, const Field& field) {
  ProblemList ignored;  // said by ReadTlsChecks() already
  const DataSourceConfig config = ReadDataSource(source, secrets, false, Field(&ignored));
  PemSource out;
  switch (config.kind) {
    case DataSourceConfig::Kind::kFile:
      out.file = config.value;
      break;
    case DataSourceConfig::Kind::kInline:
      out.inline_pem = config.value;
      break;
    case DataSourceConfig::Kind::kEnvironment: {
      absl::StatusOr<std::string> value = ReadSecretValue(config);
      if (value.ok()) {
        out.inline_pem = *std::move(value);
      } else {
        field.Problem(Concat(std::string(value.status().message()), "; it should hold PEM text"));
      }
      break;
    }
  }
  return out;
}

}  // namespace

ClusterConfig ReadCluster(const v1::Cluster& message, const ClusterReaderEnv& env,
                          const Field& field) {
  RefuseUnknownFields(message, field);
  ClusterConfig out;
  out.name = message.name();
  field.Size("name", message.name(), 1, 512);
  if (message.endpoints().empty()) field.Problem("endpoints", "there is none");
  if (message.endpoints_size() > 1000) field.Problem("endpoints", "there are more than 1000");
  for (int i = 0; i < message.endpoints_size(); ++i) {
    const v1::Endpoint& endpoint = message.endpoints(i);
    const Field item = field.Item("endpoints", i);
    RefuseUnknownFields(endpoint, item);
    EndpointConfig config;
    ReadAddress(endpoint.address(), false, item.Member("address"), &config.host, &config.port,
                &config.unix_path);
    if (endpoint.has_weight()) config.weight = endpoint.weight();
    item.InRange("weight", config.weight, 1, 1000);
    out.endpoints.push_back(std::move(config));
  }
  if (KnownEnum(message.protocol(), v1::UpstreamProtocol_IsValid, kNoneRefused, "protocol",
                field)) {
    switch (message.protocol()) {
      case v1::UPSTREAM_PROTOCOL_HTTP2:
        out.protocol = UpstreamProtocol::kHttp2;
        break;
      case v1::UPSTREAM_PROTOCOL_AUTO:
        out.protocol = UpstreamProtocol::kAuto;
        break;
      default:
        break;
    }
  }
  if (message.has_tls()) ReadTlsChecks(message.tls(), env, field.Member("tls"), &out);
  if (KnownEnum(message.lb_policy(), v1::LbPolicy_IsValid, kNoneRefused, "lb_policy", field) &&
      message.lb_policy() == v1::LB_POLICY_LEAST_REQUEST) {
    out.lb_policy = LbPolicy::kLeastRequest;
  }
  if (message.has_connect_timeout_ms()) out.connect_timeout_ms = message.connect_timeout_ms();
  field.InRange("connect_timeout_ms", out.connect_timeout_ms, 1, 60000);
  if (message.has_idle_timeout_ms()) out.idle_timeout_ms = message.idle_timeout_ms();
  if (message.has_response_timeout_ms()) out.response_timeout_ms = message.response_timeout_ms();
  if (message.has_response_idle_timeout_ms()) {
    out.response_idle_timeout_ms = message.response_idle_timeout_ms();
  }
  out.max_requests_per_connection = message.max_requests_per_connection();
  if (message.has_max_response_header_bytes()) {
    out.max_response_header_bytes = message.max_response_header_bytes();
  }
  field.InRange("max_response_header_bytes", out.max_response_header_bytes, 1024, 1 << 20);
  ReadRetry(message.retry(), field.Member("retry"), &out.retry);
  ReadCircuit(message.circuit(), field.Member("circuit"), &out.circuit);
  if (message.has_health_check()) {
    ReadHealthCheck(message.health_check(), field.Member("health_check"), &out.health_check);
  }
  if (message.has_passive_ejection()) {
    ReadEjection(message.passive_ejection(), field.Member("passive_ejection"), &out.ejection);
  }
  ReadDns(message.dns(), field.Member("dns"), &out.dns);
  if (message.has_http2()) {
    const Http2Config http2 = ReadHttp2(message.http2(), field.Member("http2"));
    out.http2 = {
        http2.max_concurrent_streams,
        message.http2().has_initial_stream_window_bytes() ? http2.initial_stream_window_bytes : 0,
        message.http2().has_initial_connection_window_bytes()
            ? http2.initial_connection_window_bytes
            : 0,
        http2.ping_interval_ms, http2.ping_timeout_ms};
  }
  if (message.has_aws_signing()) {
    const v1::AwsSigning& signing = message.aws_signing();
    const Field item = field.Member("aws_signing");
    RefuseUnknownFields(signing, item);
    item.Size("service", signing.service(), 1, 64);
    item.Size("role_arn", signing.role_arn(), 0, 2048);
  }
  if (message.has_aws_endpoint()) {
    const Field item = field.Member("aws_endpoint");
    RefuseUnknownFields(message.aws_endpoint(), item);
    item.Size("service", message.aws_endpoint().service(), 1, 128);
    item.Size("subdomain", message.aws_endpoint().subdomain(), 0, 255);
  }
  out.send_proxy_protocol = message.send_proxy_protocol();
  field.InRange("send_proxy_protocol", out.send_proxy_protocol, 0, 2);
  return out;
}

void MakeClusterTls(const v1::Cluster& message, const ClusterReaderEnv& env, const Field& field,
                    ClusterConfig* config) {
  const std::shared_ptr<const ClusterConfig> previous =
      env.previous ? env.previous(config->name) : nullptr;
  if (message.has_tls()) {
    const v1::UpstreamTls& tls = message.tls();
    const Field item = field.Member("tls");
    TlsClientOptions options;
    if (tls.has_truststore()) {
      options.truststore = ToPem(tls.truststore(), *env.secrets, item.Member("truststore"));
    }
    options.accept_untrusted_roots = tls.accept_untrusted_roots();
    options.accept_anything = tls.accept_anything();
    if (tls.has_client_certificate_chain()) {
      options.certificate_chain = ToPem(tls.client_certificate_chain(), *env.secrets,
                                        item.Member("client_certificate_chain"));
      options.private_key =
          ToPem(tls.client_private_key(), *env.secrets, item.Member("client_private_key"));
    }
    if (tls.min_version() == v1::TLS_VERSION_1_3) {
      options.protocols.min_version = TlsVersion::kTls13;
    }
    switch (config->protocol) {
      case UpstreamProtocol::kHttp1:
        options.alpn = {"http/1.1"};
        break;
      case UpstreamProtocol::kHttp2:
        options.alpn = {"h2"};
        break;
      case UpstreamProtocol::kAuto:
        options.alpn = {"h2", "http/1.1"};
        break;
    }
    // Everything that the context depends on.
    config->tls.settings_digest = Sha256Hex(Concat(
        options.truststore.file, "\n", options.truststore.inline_pem, "\n",
        options.certificate_chain.file, "\n", options.certificate_chain.inline_pem, "\n",
        options.private_key.file, "\n", options.private_key.inline_pem, "\n",
        options.accept_untrusted_roots ? 1 : 0, options.accept_anything ? 1 : 0,
        static_cast<int>(options.protocols.min_version), static_cast<int>(config->protocol)));
    if (previous != nullptr && previous->tls.context != nullptr &&
        previous->tls.settings_digest == config->tls.settings_digest) {
      config->tls.context = previous->tls.context;
    } else {
      auto context = TlsClientContext::Create(std::move(options));
      if (context.ok()) {
        config->tls.context = *std::move(context);
      } else {
        item.Problem(std::string(context.status().message()));
      }
    }
  }
  if (message.has_aws_signing()) {
    const std::string region =
        message.aws_signing().region().empty() ? env.region : message.aws_signing().region();
    const std::string& role = message.aws_signing().role_arn();
    config->signing.settings_digest =
        Concat(message.aws_signing().service(), "/", region, "/", role);
    if (previous != nullptr && previous->signing.signer != nullptr &&
        previous->signing.settings_digest == config->signing.settings_digest) {
      config->signing.signer = previous->signing.signer;
    } else {
      config->signing.signer = std::make_shared<const AwsSigner>(
          message.aws_signing().service(), region,
          env.credentials != nullptr ? env.credentials->ForRole(role)
                                     : std::make_shared<CredentialCell>());
    }
  }
}

}  // namespace postern
