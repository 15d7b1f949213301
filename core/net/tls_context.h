#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/net/tls_channel.h"
#include "core/net/tls_options.h"

namespace postern {

class TlsTicketKeys;

/// TLS of one listener, shared by all workers. What it is made of is immutable and swapped as a
/// whole by Reload(); sessions go on with what they began with. Any thread.
class TlsServerContext {
 public:
  /// Reads the files of `options`. An error names the file and what is wrong with it: an expired
  /// certificate, a key that does not belong to it, a truststore with defects. `keys` may be null
  /// when tickets are off.
  static absl::StatusOr<std::shared_ptr<TlsServerContext>> Create(
      TlsServerOptions options, std::shared_ptr<TlsTicketKeys> keys);
  ~TlsServerContext();

  /// Reads the files again. On an error everything stays as it was. Blocks for the reading.
  absl::Status Reload();

  /// A session for one accepted connection. Never null.
  std::unique_ptr<TlsChannel> MakeServerChannel() const;

  /// What is to be watched for changes.
  std::vector<std::string> files() const;
  /// In the order of the options' identities.
  std::vector<TlsCertificateInfo> certificates() const;
  /// Of the truststores in force.
  std::vector<std::string> warnings() const;

 private:
  struct Set;

  TlsServerContext(TlsServerOptions options, std::shared_ptr<TlsTicketKeys> keys);
  absl::StatusOr<std::shared_ptr<const Set>> Build() const;
  std::shared_ptr<const Set> set() const;

  const TlsServerOptions options_;
  const std::shared_ptr<TlsTicketKeys> keys_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Set> set_;  // guarded by mutex_
};

/// TLS towards one group of upstreams, shared by all workers. Reload() as above. Any thread.
class TlsClientContext {
 public:
  static absl::StatusOr<std::shared_ptr<TlsClientContext>> Create(TlsClientOptions options);
  ~TlsClientContext();

  absl::Status Reload();

  /// A session with `host`, a name or an IP literal without brackets, which is asked for (SNI,
  /// names only; RFC 6066 §3) and must be what the certificate is for (RFC 9110 §4.3.4:
  /// subjectAltName only). An earlier session with the same host is resumed if the server agrees.
  /// Null when `host` is empty, longer than 255 bytes or contains NUL.
  std::unique_ptr<TlsChannel> MakeClientChannel(std::string_view host) const;

  std::vector<std::string> files() const;
  /// The client certificate, if there is one.
  std::vector<TlsCertificateInfo> certificates() const;
  std::vector<std::string> warnings() const;

 private:
  struct Set;

  explicit TlsClientContext(TlsClientOptions options);
  absl::StatusOr<std::shared_ptr<const Set>> Build() const;
  std::shared_ptr<const Set> set() const;

  const TlsClientOptions options_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Set> set_;  // guarded by mutex_
};

/// Seconds until the first of `certificates` expires, negative once it has; INT64_MAX without any.
int64_t SecondsToExpiry(const std::vector<TlsCertificateInfo>& certificates, int64_t now_s);

}  // namespace postern
