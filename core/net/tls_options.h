#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace postern {

/// TLS versions that are spoken; 1.0 and 1.1 are not.
enum class TlsVersion : uint8_t { kTls12, kTls13 };

/// PEM text: of a file, which is read anew at each reload, or given. At most 1 MiB.
struct PemSource {
  std::string file = {};  ///< path; empty: `inline_pem` holds the text
  std::string inline_pem = {};
  bool empty() const { return file.empty() && inline_pem.empty(); }
};

/// What both sides of a handshake may agree on.
struct TlsProtocols {
  TlsVersion min_version = TlsVersion::kTls12;
  TlsVersion max_version = TlsVersion::kTls13;
  /// OpenSSL cipher list for TLS 1.2. Empty: ECDHE with AES-GCM and CHACHA20-POLY1305.
  std::string ciphers = {};
  /// OpenSSL list of TLS 1.3 suites. Empty: the three of RFC 8446, AES-128 first.
  std::string cipher_suites = {};
};

/// How client certificates are asked for and checked (rest-api.md §15.3).
struct TlsClientVerification {
  enum class Mode : uint8_t {
    kNone,      ///< not asked for
    kOptional,  ///< asked for; none is fine, one that does not verify ends the handshake
    kRequired,  ///< the handshake fails without one that verifies
  };
  Mode mode = Mode::kNone;
  /// Trusted certificates; needed unless `mode` is kNone. At most 1,000, all signed with SHA-256 or
  /// better, keys of RSA 2048 or EC 256 bits or more, no two of one subject by different issuers.
  PemSource truststore = {};
  /// From leaf to root, both counted; 1 to 16.
  uint32_t max_chain_length = 4;
};

/// A certificate chain with its key, and the names it is for.
struct TlsIdentityOptions {
  PemSource certificate_chain = {};  ///< leaf first
  PemSource private_key = {};        ///< not encrypted
  /// Exact, or "*.example.com" for one label. Empty: the DNS names of the certificate.
  std::vector<std::string> server_names = {};
  /// In place of TlsServerOptions::client_verification for these names.
  std::optional<TlsClientVerification> client_verification = {};
};

/// TLS of one listener.
struct TlsServerOptions {
  /// At least one. Chosen by the name the client asks for: exact before wildcard, then in order;
  /// without name or match the first.
  std::vector<TlsIdentityOptions> identities;
  TlsProtocols protocols = {};
  /// Offered in this order of preference (RFC 7301). A client that shares none is refused; one that
  /// names none gets none. Each 1 to 255 bytes. Empty: ALPN is not answered.
  std::vector<std::string> alpn = {"h2", "http/1.1"};
  TlsClientVerification client_verification = {};
  /// Refuse handshakes whose name is absent or matches no identity.
  bool require_matching_sni = false;
  bool session_tickets = true;
  /// How long a ticket stays usable; at most a week.
  uint32_t ticket_lifetime_s = 7200;
};

/// TLS towards one group of upstreams.
struct TlsClientOptions {
  /// Trusted roots. Empty: those of the system.
  PemSource truststore = {};
  /// Accept a chain that ends at a root which is not trusted, a self-signed certificate included;
  /// dates, host name and that there is a root are still checked
  /// (`tlsConfig.insecureSkipVerification`, rest-api.md §6.6).
  bool accept_untrusted_roots = false;
  /// Check nothing. For tests on loopback.
  bool accept_anything = false;
  /// Shown when the upstream asks. Both or neither.
  PemSource certificate_chain = {};
  PemSource private_key = {};
  TlsProtocols protocols = {};
  /// Offered in this order. Empty: no ALPN.
  std::vector<std::string> alpn = {};
  /// Sessions kept for resumption, over all hosts.
  size_t max_sessions = 128;
};

/// What is known of a certificate in use, for the log, metrics and the admin endpoint.
struct TlsCertificateInfo {
  std::string source;                  ///< its file, or "inline certificate"
  std::string subject;                 ///< RFC 2253
  std::vector<std::string> dns_names;  ///< of subjectAltName, lower case
  int64_t not_before_s = 0;            ///< seconds since 1970
  int64_t not_after_s = 0;
};

}  // namespace postern
