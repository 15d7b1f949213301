#include "core/config/control_channel.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/net/tls_material.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;
constexpr unsigned kCertificateRefreshSeconds = 1;

}  // namespace

absl::Status CheckControlIdentity(const ControlAddress& address) {
  if (address.certificate.empty()) return absl::OkStatus();
  return LoadTlsIdentity({.file = address.certificate}, {.file = address.key}).status();
}

absl::Status MakeControlChannel(const ControlAddress& address,
                                std::shared_ptr<grpc::Channel>* channel) {
  for (const std::string* file : {&address.ca, &address.certificate, &address.key}) {
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0) {
      return absl::InvalidArgumentError(Concat(*file, ": cannot be read: ", std::strerror(errno)));
    }
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // Whoever uses the channel waits between attempts by itself.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A connection of its own, whoever else in the process talks to the same address.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (address.plaintext) {
    credentials = grpc::InsecureChannelCredentials();
  } else {
    grpc::experimental::TlsChannelCredentialsOptions tls;
    if (!address.ca.empty() || !address.certificate.empty()) {
      tls.set_certificate_provider(
          std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
              address.key, address.certificate, address.ca, kCertificateRefreshSeconds));
      if (!address.ca.empty()) tls.watch_root_certs();
      if (!address.certificate.empty()) tls.watch_identity_key_cert_pairs();
    }
    credentials = grpc::experimental::TlsCredentials(tls);
    if (!address.server_name.empty()) {
      arguments.SetSslTargetNameOverride(address.server_name);
    }
  }
  *channel = grpc::CreateCustomChannel(address.target, credentials, arguments);
  return absl::OkStatus();
}

}  // namespace postern
