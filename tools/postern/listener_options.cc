#include "tools/postern/listener_options.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "control/compile/stage_binding.h"
#include "core/net/address.h"
#include "tools/postern/paths.h"

namespace postern {
namespace {

absl::Status SetAddress(const std::string& text, snapshot::v1::SocketAddress* out) {
  absl::StatusOr<Address> address = Address::ParseListen(text);
  if (!address.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen ", text, ": ", address.status().message()));
  }
  if (address->family() == Address::Family::kUnix) {
    out->set_unix_path(address->path());
    return absl::OkStatus();
  }
  out->mutable_tcp()->set_host(address->IpString());
  out->mutable_tcp()->set_port(address->port());
  return absl::OkStatus();
}

}  // namespace

void ListenerOptions::Bind(FlagSet* flags) {
  flags->Strings(
      "listen", "[http://|https://]ADDR:PORT",
      "Where to listen: 127.0.0.1:8080 (default), [::1]:8080, :8080 for every address, "
      "unix:/path. Port 0 takes a free one and reports it. With --tls-cert it is https unless "
      "http:// stands before it. May be repeated.",
      &listen);
  flags->Strings(
      "tls-cert", "FILE",
      "PEM certificate chain, leaf first; read again when it changes. May be repeated; the "
      "server name asked for chooses.",
      &tls_certs);
  flags->Strings("tls-key", "FILE", "PEM private key of the certificate in the same position.",
                 &tls_keys);
  flags->String("client-ca", "FILE", "PEM bundle that client certificates must chain to.",
                &client_ca);
  flags->String("client-auth", "MODE", "With --client-ca: require (default) or optional.",
                &client_auth);
  flags->String("tls-min-version", "VERSION", "1.2 (default) or 1.3.", &tls_min_version);
  flags->String("http", "VERSIONS", "1.1, 2, or 1.1,2 (default).", &http);
  flags->Switch("proxy-protocol", "Every connection starts with a PROXY protocol header, v1 or v2.",
                &proxy_protocol);
  flags->Number("trusted-hops", "N",
                "How many proxies in front are trusted to have written X-Forwarded-*. Default 0.",
                0, 16, &trusted_hops);
  flags->Number("max-connections", "N", "Open connections. Default 100000.", 1, 10'000'000,
                &max_connections);
  flags->Number(
      "max-body", "BYTES",
      "Longest request content; a longer one is answered 413. Default: no limit for what is "
      "streamed, 10485760 for what is collected (Lambda).",
      1, uint64_t{1} << 50, &max_body);
  flags->Number("max-header-bytes", "BYTES", "Longest header section. Default 10240.", 1024,
                1 << 20, &max_header_bytes);
  flags->Number("header-timeout", "MS", "Longest time for a request's head. Default 10000.", 1,
                3'600'000, &header_timeout_ms);
  flags->Number("body-timeout", "MS", "Longest pause inside a request's content. Default 30000.", 1,
                3'600'000, &body_timeout_ms);
  flags->Number("idle-timeout", "MS", "Longest time between requests. Default 310000.", 1,
                86'400'000, &idle_timeout_ms);
  flags->Number("write-timeout", "MS",
                "Longest time that a client takes nothing of its answer. Default 30000.", 1,
                3'600'000, &write_timeout_ms);
}

absl::StatusOr<std::vector<snapshot::v1::Listener>> ListenerOptions::ToListeners() const {
  if (tls_certs.size() != tls_keys.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", tls_certs.size(), " --tls-cert and ", tls_keys.size(),
                     " --tls-key; give one key for each certificate, in the same order"));
  }
  std::vector<std::string> addresses = listen;
  if (addresses.empty()) addresses.push_back("127.0.0.1:8080");
  std::vector<snapshot::v1::Listener> out;
  size_t plain = 0;
  size_t secure = 0;
  for (const std::string& text : addresses) {
    snapshot::v1::Listener listener;
    absl::string_view rest = text;
    bool tls = !tls_certs.empty();
    if (absl::StartsWith(rest, "https://")) {
      rest.remove_prefix(8);
      tls = true;
    } else if (absl::StartsWith(rest, "http://")) {
      rest.remove_prefix(7);
      tls = false;
    }
    if (absl::Status status = SetAddress(std::string(rest), listener.mutable_address());
        !status.ok()) {
      return status;
    }
    if (tls && tls_certs.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--listen ", text, ": https needs --tls-cert and --tls-key"));
    }
    size_t& count = tls ? secure : plain;
    listener.set_name(tls ? "https" : "http");
    if (count++ > 0) absl::StrAppend(listener.mutable_name(), count);
    if (tls) {
      auto* settings = listener.mutable_tls();
      for (size_t i = 0; i < tls_certs.size(); ++i) {
        auto* identity = settings->add_identities();
        SetDataSource(PathOrSecret(tls_certs[i]), identity->mutable_certificate_chain());
        SetDataSource(PathOrSecret(tls_keys[i]), identity->mutable_private_key());
      }
      if (!client_ca.empty()) {
        auto* verification = settings->mutable_client_verification();
        SetDataSource(PathOrSecret(client_ca), verification->mutable_truststore());
        if (client_auth == "optional") {
          verification->set_mode(snapshot::v1::ClientVerification::MODE_OPTIONAL);
        } else if (client_auth.empty() || client_auth == "require") {
          verification->set_mode(snapshot::v1::ClientVerification::MODE_REQUIRED);
        } else {
          return absl::InvalidArgumentError(
              absl::StrCat("--client-auth ", client_auth, ": write require or optional"));
        }
      }
      if (tls_min_version == "1.3") {
        settings->set_min_version(snapshot::v1::TLS_VERSION_1_3);
      } else if (!tls_min_version.empty() && tls_min_version != "1.2") {
        return absl::InvalidArgumentError(
            absl::StrCat("--tls-min-version ", tls_min_version, ": write 1.2 or 1.3"));
      }
    }
    for (absl::string_view version : absl::StrSplit(http, ',', absl::SkipEmpty())) {
      if (version == "1.1") {
        listener.add_http_versions(snapshot::v1::HTTP_VERSION_1_1);
      } else if (version == "2") {
        listener.add_http_versions(snapshot::v1::HTTP_VERSION_2);
      } else {
        return absl::InvalidArgumentError(absl::StrCat("--http ", http, ": write 1.1, 2 or 1.1,2"));
      }
    }
    if (proxy_protocol) listener.set_proxy_protocol(snapshot::v1::PROXY_PROTOCOL_REQUIRED);
    listener.set_trusted_hops(static_cast<uint32_t>(trusted_hops));
    auto* limits = listener.mutable_limits();
    // What is streamed needs no limit; what is collected has its own (docs/operations.md).
    limits->set_max_body_bytes(max_body);
    if (max_connections != 0) limits->set_max_connections(static_cast<uint32_t>(max_connections));
    if (max_header_bytes != 0) {
      limits->set_max_header_bytes(static_cast<uint32_t>(max_header_bytes));
      limits->set_max_target_bytes(static_cast<uint32_t>(max_header_bytes));
    }
    if (header_timeout_ms != 0)
      limits->set_header_timeout_ms(static_cast<uint32_t>(header_timeout_ms));
    if (body_timeout_ms != 0) limits->set_body_timeout_ms(static_cast<uint32_t>(body_timeout_ms));
    if (idle_timeout_ms != 0) limits->set_idle_timeout_ms(static_cast<uint32_t>(idle_timeout_ms));
    if (write_timeout_ms != 0)
      limits->set_write_timeout_ms(static_cast<uint32_t>(write_timeout_ms));
    out.push_back(std::move(listener));
  }
  return out;
}

}  // namespace postern
