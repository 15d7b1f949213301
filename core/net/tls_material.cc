#include "core/net/tls_material.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/time_format.h"

namespace postern {
namespace {

constexpr size_t kMaxPemSize = 1024 * 1024;
constexpr size_t kMaxTruststoreCertificates = 1000;  // rest-api.md §15.3
constexpr size_t kMaxCertificateListSize = 64 * 1024;

constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kCipherSuites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

std::string Name(const PemSource& source, std::string_view what) {
  return source.file.empty() ? Concat("inline ", what) : Concat(what, " '", source.file, "'");
}

absl::Status FileError(const PemSource& source, std::string_view what, int error) {
  const std::string message =
      Concat(Name(source, what), ": ", std::generic_category().message(error));
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(message);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  return absl::UnavailableError(message);
}

absl::StatusOr<std::string> ReadPem(const PemSource& source, std::string_view what) {
  if (source.empty()) return absl::InvalidArgumentError(Concat("no ", what, " is given"));
  std::string text;
  if (source.file.empty()) {
    text = source.inline_pem;
  } else {
    const int fd = ::open(source.file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return FileError(source, what, errno);
    struct stat info;
    int error = ::fstat(fd, &info) != 0 ? errno : 0;
    if (error == 0 && S_ISDIR(info.st_mode)) error = EISDIR;
    char buffer[16384];
    while (error == 0 && text.size() <= kMaxPemSize) {
      const ssize_t n = ::read(fd, buffer, sizeof(buffer));
      if (n == 0) break;
      if (n > 0) {
        text.append(buffer, static_cast<size_t>(n));
      } else if (errno != EINTR) {
        error = errno;
      }
    }
    ::close(fd);
    if (error != 0) return FileError(source, what, error);
  }
  if (text.size() > kMaxPemSize) {
    return absl::InvalidArgumentError(Concat(Name(source, what), ": larger than 1 MiB"));
  }
  return text;
}

BioPtr MemoryBio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int RefusePassword(char*, int, int, void*) { return -1; }

// All certificates of a text. Other blocks (a key, say) are passed over; a broken one is an error.
absl::StatusOr<std::vector<CertificatePtr>> ParseCertificates(const std::string& text,
                                                              const std::string& name) {
  std::vector<CertificatePtr> certificates;
  const BioPtr bio = MemoryBio(text);
  ERR_clear_error();
  for (;;) {
    CertificatePtr certificate(PEM_read_bio_X509_AUX(bio.get(), nullptr, RefusePassword, nullptr));
    if (certificate == nullptr) break;
    certificates.push_back(std::move(certificate));
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const std::string reason = TakeOpenSslError();
  if (!at_end) {
    return absl::InvalidArgumentError(
        Concat(name, ": certificate ", certificates.size() + 1, " cannot be read: ", reason));
  }
  if (certificates.empty()) {
    return absl::InvalidArgumentError(Concat(name, ": holds no PEM certificate"));
  }
  return certificates;
}

std::string Subject(const X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0,
                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, size > 0 ? static_cast<size_t>(size) : 0};
}

int64_t Seconds(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

std::string TimeText(int64_t seconds) {
  char buffer[kIsoTimeSize];
  // To the second: "2026-07-20T01:56:20Z".
  return Concat(FormatIsoTime(seconds * 1000, buffer).substr(0, 19), "Z");
}

std::vector<std::string> DnsNames(X509* certificate) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type != GEN_DNS) continue;
    const std::string_view text(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
        static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
    if (text.find('\0') == text.npos) names.push_back(AsciiToLower(text));
  }
  GENERAL_NAMES_free(all);
  return names;
}

TlsCertificateInfo Describe(X509* certificate, const PemSource& source) {
  return {.source = source.file.empty() ? "inline certificate" : source.file,
          .subject = Subject(certificate),
          .dns_names = DnsNames(certificate),
          .not_before_s = Seconds(X509_get0_notBefore(certificate)),
          .not_after_s = Seconds(X509_get0_notAfter(certificate))};
}

// Empty when `certificate` is strong enough for mutual TLS (authorization.md §10).
std::string Weakness(X509* certificate) {
  int digest = NID_undef;
  X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr);
  if (digest == NID_sha1 || digest == NID_md5 || digest == NID_md5_sha1) {
    return Concat("is signed with ", OBJ_nid2sn(digest), "; SHA-256 or stronger is needed");
  }
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  const int bits = key == nullptr ? 0 : EVP_PKEY_get_bits(key);
  const int type = key == nullptr ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key);
  if (type == EVP_PKEY_RSA && bits < 2048) {
    return Concat("has an RSA key of ", bits, " bits; 2048 or more are needed");
  }
  if (type == EVP_PKEY_EC && bits < 256) {
    return Concat("has an EC key of ", bits, " bits; 256 or more are needed");
  }
  return {};
}

bool IsHashedFolder(const char* path) {
  DIR* folder = ::opendir(path);
  if (folder == nullptr) return false;
  bool found = false;
  while (const dirent* entry = ::readdir(folder)) {
    // "5ad8a5d6.0", see openssl-rehash(1).
    const std::string_view name = entry->d_name;
    if (name.size() == 10 && name[8] == '.' && name[9] == '0' &&
        std::all_of(name.begin(), name.begin() + 8, [](char c) { return HexValue(c) >= 0; })) {
      found = true;
      break;
    }
  }
  ::closedir(folder);
  return found;
}

absl::StatusOr<StorePtr> LoadSystemTruststore() {
  StorePtr store(X509_STORE_new());
  // By OpenSSL's own variables; either alone replaces the system's.
  const char* file = std::getenv(X509_get_default_cert_file_env());
  const char* folder = std::getenv(X509_get_default_cert_dir_env());
  if (file != nullptr || folder != nullptr) {
    if (file != nullptr && X509_STORE_load_file(store.get(), file) != 1) {
      return absl::InvalidArgumentError(Concat("SSL_CERT_FILE '", file, "': ", TakeOpenSslError()));
    }
    if (folder != nullptr) X509_STORE_load_path(store.get(), folder);
    return store;
  }
  // A hashed folder costs nothing until it is needed; a bundle is read as a whole (30 ms).
  if (IsHashedFolder(X509_get_default_cert_dir())) {
    X509_STORE_load_path(store.get(), X509_get_default_cert_dir());
    return store;
  }
  for (const char* bundle :
       {X509_get_default_cert_file(), "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    if (::access(bundle, R_OK) == 0 && X509_STORE_load_file(store.get(), bundle) == 1) {
      return store;
    }
  }
  ERR_clear_error();
  return absl::NotFoundError(
      "the system has no CA certificates: install the package ca-certificates, set SSL_CERT_FILE, "
      "or name a truststore");
}

}  // namespace

std::string TakeOpenSslError() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

absl::StatusOr<TlsIdentity> LoadTlsIdentity(const PemSource& chain, const PemSource& key) {
  const std::string name = Name(chain, "certificate");
  const absl::StatusOr<std::string> chain_text = ReadPem(chain, "certificate");
  if (!chain_text.ok()) return chain_text.status();
  absl::StatusOr<std::string> key_text = ReadPem(key, "private key");
  if (!key_text.ok()) return key_text.status();
  absl::StatusOr<std::vector<CertificatePtr>> certificates = ParseCertificates(*chain_text, name);
  if (!certificates.ok()) return certificates.status();

  TlsIdentity identity;
  identity.leaf = std::move(certificates->front());
  for (size_t i = 1; i < certificates->size(); ++i) {
    identity.chain.push_back(std::move((*certificates)[i]));
  }
  identity.info = Describe(identity.leaf.get(), chain);
  const std::string subject = Concat(name, " (", identity.info.subject, ")");

  identity.key.reset(
      PEM_read_bio_PrivateKey(MemoryBio(*key_text).get(), nullptr, RefusePassword, nullptr));
  const bool encrypted = key_text->find("ENCRYPTED") != std::string::npos;
  OPENSSL_cleanse(key_text->data(), key_text->size());
  if (identity.key == nullptr) {
    const std::string reason = TakeOpenSslError();
    return absl::InvalidArgumentError(
        Concat(Name(key, "private key"), ": ",
               encrypted ? "is encrypted, and must not be" : "cannot be read: " + reason));
  }
  if (X509_check_private_key(identity.leaf.get(), identity.key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(Concat(
        Name(key, "private key"), ": does not belong to the first certificate of ", subject));
  }
  const int64_t now = std::time(nullptr);
  if (now >= identity.info.not_after_s || now < identity.info.not_before_s) {
    return absl::InvalidArgumentError(
        Concat(subject, ": ", now < identity.info.not_before_s ? "not valid yet" : "expired",
               ", it is valid from ", TimeText(identity.info.not_before_s), " to ",
               TimeText(identity.info.not_after_s)));
  }
  return identity;
}

absl::Status UseTlsIdentity(const TlsIdentity& identity, SSL_CTX* context) {
  ERR_clear_error();
  bool ok = SSL_CTX_use_certificate(context, identity.leaf.get()) == 1 &&
            SSL_CTX_use_PrivateKey(context, identity.key.get()) == 1;
  for (const CertificatePtr& certificate : identity.chain) {
    ok = ok && SSL_CTX_add1_chain_cert(context, certificate.get()) == 1;
  }
  if (ok) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("certificate '", identity.info.source, "' (",
                                           identity.info.subject,
                                           ") cannot be used: ", TakeOpenSslError()));
}

absl::StatusOr<TlsTruststore> LoadTruststore(const PemSource& source, TruststoreRules rules) {
  const std::string name = Name(source, "truststore");
  const absl::StatusOr<std::string> text = ReadPem(source, "truststore");
  if (!text.ok()) return text.status();
  absl::StatusOr<std::vector<CertificatePtr>> certificates = ParseCertificates(*text, name);
  if (!certificates.ok()) return certificates.status();

  TlsTruststore truststore;
  truststore.store.reset(X509_STORE_new());
  truststore.certificates = std::move(*certificates);
  truststore.digest = Sha256Hex(*text);
  const bool strict = rules == TruststoreRules::kApiGateway;
  if (strict && truststore.certificates.size() > kMaxTruststoreCertificates) {
    return absl::InvalidArgumentError(
        Concat(name, ": more than ", kMaxTruststoreCertificates, " certificates"));
  }
  const int64_t now = std::time(nullptr);
  std::map<std::string, const X509_NAME*> issuers;  // by subject
  for (size_t i = 0; i < truststore.certificates.size(); ++i) {
    X509* certificate = truststore.certificates[i].get();
    const TlsCertificateInfo info = Describe(certificate, source);
    const std::string which = Concat(name, ": certificate ", i + 1, " (", info.subject, ")");
    if (strict) {
      const std::string weakness = Weakness(certificate);
      if (!weakness.empty()) return absl::InvalidArgumentError(Concat(which, " ", weakness));
      const X509_NAME* issuer = X509_get_issuer_name(certificate);
      const auto [known, added] = issuers.emplace(info.subject, issuer);
      if (!added && X509_NAME_cmp(known->second, issuer) != 0) {
        return absl::InvalidArgumentError(
            Concat(which, " has the same subject as another one, by a different issuer"));
      }
    }
    if (now >= info.not_after_s) {
      truststore.warnings.push_back(Concat(which, " expired at ", TimeText(info.not_after_s)));
    }
    if (X509_STORE_add_cert(truststore.store.get(), certificate) != 1) {
      return absl::InvalidArgumentError(Concat(which, " cannot be used: ", TakeOpenSslError()));
    }
  }
  return truststore;
}

absl::StatusOr<StorePtr> SystemTruststore() {
  static std::mutex mutex;
  static X509_STORE* loaded = nullptr;
  const std::lock_guard lock(mutex);
  if (loaded == nullptr) {
    absl::StatusOr<StorePtr> store = LoadSystemTruststore();
    if (!store.ok()) return store.status();
    loaded = store->release();
  }
  X509_STORE_up_ref(loaded);
  return StorePtr(loaded);
}

absl::StatusOr<SslContextPtr> MakeTlsContext(bool server, const TlsProtocols& protocols) {
  ERR_clear_error();
  SslContextPtr context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  if (context == nullptr) return absl::InternalError(TakeOpenSslError());
  SSL_CTX* c = context.get();
  const auto number = [](TlsVersion version) {
    return version == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  };
  if (protocols.min_version > protocols.max_version ||
      SSL_CTX_set_min_proto_version(c, number(protocols.min_version)) != 1 ||
      SSL_CTX_set_max_proto_version(c, number(protocols.max_version)) != 1) {
    return absl::InvalidArgumentError("the lowest TLS version is above the highest");
  }
  const char* ciphers = protocols.ciphers.empty() ? kCiphers : protocols.ciphers.c_str();
  if (SSL_CTX_set_cipher_list(c, ciphers) != 1) {
    return absl::InvalidArgumentError(
        Concat("TLS cipher list '", ciphers, "': ", TakeOpenSslError()));
  }
  const char* suites =
      protocols.cipher_suites.empty() ? kCipherSuites : protocols.cipher_suites.c_str();
  if (SSL_CTX_set_ciphersuites(c, suites) != 1) {
    return absl::InvalidArgumentError(
        Concat("TLS 1.3 cipher suites '", suites, "': ", TakeOpenSslError()));
  }
  SSL_CTX_set_security_level(c, 2);
  // The server's order puts the cheapest suite first; clients without AES in hardware put ChaCha
  // first, and get it.
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(c, kMaxCertificateListSize);
  return context;
}

absl::StatusOr<std::string> EncodeAlpn(const std::vector<std::string>& protocols) {
  std::string encoded;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) {
      return absl::InvalidArgumentError("an ALPN protocol name has 1 to 255 bytes");
    }
    encoded += static_cast<char>(protocol.size());
    encoded += protocol;
  }
  return encoded;
}

}  // namespace postern
