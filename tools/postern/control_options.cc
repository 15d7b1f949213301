#include "tools/postern/control_options.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "core/net/address.h"
#include "lib/text/host_port.h"
#include "tools/postern/paths.h"

namespace postern {

void ControlOptions::Bind(FlagSet* flags) {
  flags->String("control", "HOST:PORT",
                "The control plane. Default: what the environment variable POSTERN_CONTROL says.",
                &control);
  flags->String("control-ca", "FILE",
                "Roots that the control plane's certificate is checked against, PEM.", &ca);
  flags->String("control-cert", "FILE", "Our certificate chain, PEM.", &certificate);
  flags->String("control-key", "FILE", "Its private key, PEM.", &key);
  flags->String("control-name", "NAME",
                "Name that the control plane's certificate must have. Default: HOST.",
                &server_name);
  flags->Switch("control-plaintext",
                "No TLS, although the control plane is on another machine: something else keeps "
                "the way there safe.",
                &plaintext);
}

bool IsLoopbackHost(std::string_view host) {
  if (host == "localhost") return true;
  absl::StatusOr<Address> address = Address::ParseIp(host, 0);
  return address.ok() && address->IsLoopback();
}

absl::StatusOr<ControlAddress> ControlOptions::ToAddress() const {
  ControlAddress out;
  const char* const environment = std::getenv("POSTERN_CONTROL");
  out.target = !control.empty() ? control : environment != nullptr ? environment : "";
  if (out.target.empty()) {
    return absl::InvalidArgumentError("name the control plane: --control HOST:PORT");
  }
  const std::optional<HostPort> parsed = ParseHostPort(out.target);
  if (!parsed || !parsed->port) {
    return absl::InvalidArgumentError(absl::StrCat("--control ", out.target, ": write HOST:PORT"));
  }
  out.ca = AbsolutePath(ca);
  out.certificate = AbsolutePath(certificate);
  out.key = AbsolutePath(key);
  out.server_name = server_name;
  if (out.certificate.empty() != out.key.empty()) {
    return absl::InvalidArgumentError("--control-cert and --control-key need each other");
  }
  const bool tls = !out.ca.empty() || !out.certificate.empty();
  if (tls && plaintext) {
    return absl::InvalidArgumentError(
        "--control-plaintext: there is no plaintext with --control-ca or --control-cert");
  }
  out.plaintext = !tls;
  if (out.plaintext && !plaintext && !IsLoopbackHost(parsed->host)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--control ", out.target,
        ": is not on this machine: give --control-ca, --control-cert and --control-key"));
  }
  return out;
}

}  // namespace postern
