#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/net/tls_options.h"

namespace postern {

/// Frees what OpenSSL counts references of.
struct OpenSslFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
using BioPtr = std::unique_ptr<BIO, OpenSslFree>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree>;
using SslContextPtr = std::unique_ptr<SSL_CTX, OpenSslFree>;
using CertificatePtr = std::unique_ptr<X509, OpenSslFree>;
using StorePtr = std::unique_ptr<X509_STORE, OpenSslFree>;

/// A chain and its key, checked to belong together and to be valid now.
struct TlsIdentity {
  CertificatePtr leaf;
  std::vector<CertificatePtr> chain;
  KeyPtr key;
  TlsCertificateInfo info;
};

/// Reads and checks. INVALID_ARGUMENT or NOT_FOUND names the file, the subject and the dates.
absl::StatusOr<TlsIdentity> LoadTlsIdentity(const PemSource& chain, const PemSource& key);

/// Makes `context` show `identity`.
absl::Status UseTlsIdentity(const TlsIdentity& identity, SSL_CTX* context);

/// Trusted certificates.
struct TlsTruststore {
  StorePtr store;
  std::vector<CertificatePtr> certificates;
  std::string digest;                 ///< SHA-256 of the text
  std::vector<std::string> warnings;  ///< what is odd but does not matter, such as expired roots
};

enum class TruststoreRules : uint8_t {
  kPlain,       ///< any certificates
  kApiGateway,  ///< what API Gateway wants for mutual TLS (authorization.md §10)
};

absl::StatusOr<TlsTruststore> LoadTruststore(const PemSource& source, TruststoreRules rules);

/// The roots of the system: SSL_CERT_FILE and SSL_CERT_DIR where set, else the distribution's.
/// Loaded once and shared; certificates of a hashed folder are read when they are first needed.
absl::StatusOr<StorePtr> SystemTruststore();

/// A context with what holds for servers and clients alike: versions, suites, security level 2
/// (RSA 2048, EC 224, SHA-256 in chains), no renegotiation, no compression, buffers released while
/// idle, no session cache.
absl::StatusOr<SslContextPtr> MakeTlsContext(bool server, const TlsProtocols& protocols);

/// `protocols` in the form of RFC 7301 §3.1. INVALID_ARGUMENT for a name that is empty or too long.
absl::StatusOr<std::string> EncodeAlpn(const std::vector<std::string>& protocols);

/// The newest reason in OpenSSL's error queue of this thread, which is emptied.
std::string TakeOpenSslError();

}  // namespace postern
