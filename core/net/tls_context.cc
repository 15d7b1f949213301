#include "core/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <list>
#include <map>
#include <utility>

#include "core/net/tls_material.h"
#include "core/net/tls_ticket_keys.h"
#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/ip_address.h"

namespace postern {
namespace {

constexpr size_t kMaxHost = 255;                 // what the SNI extension of OpenSSL takes
constexpr uint32_t kMaxTicketLifetime = 604800;  // RFC 8446 §4.6.1
// A list of a few names helps a client choose a certificate; that of a large bundle is only a
// burden on every handshake.
constexpr size_t kMaxAnnouncedAuthorities = 32;
constexpr size_t kMaxSessionsPerHost = 4;

// "*.example.com" or a plain name. Underscores occur in practice.
bool IsServerName(std::string_view name) {
  if (name.starts_with("*.")) {
    name.remove_prefix(2);
    if (name.find('.') == name.npos) return false;
  }
  return !name.empty() && name.size() <= 253 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return IsAlnum(c) || c == '-' || c == '.' || c == '_'; });
}

// The first name of type host_name in the ClientHello (RFC 6066 §3). False when it is malformed.
bool ServerNameOf(SSL* ssl, std::string_view* name) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  *name = {};
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return true;
  const auto word = [data](size_t at) { return static_cast<size_t>(data[at] << 8 | data[at + 1]); };
  // List of one entry: its size, a type, the size of a name, the name.
  if (size < 5 || word(0) != size - 2 || data[2] != TLSEXT_NAMETYPE_host_name ||
      word(3) != size - 5) {
    return false;
  }
  *name = {reinterpret_cast<const char*>(data) + 5, size - 5};
  return !name->empty() && name->size() <= kMaxHost;
}

// authorization.md §10 wants EC keys of 256 bits, where OpenSSL's level asks for 224.
int VerifyClient(int ok, X509_STORE_CTX* context) {
  if (ok != 1) return ok;
  X509* certificate = X509_STORE_CTX_get_current_cert(context);
  EVP_PKEY* key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate);
  if (key != nullptr && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) < 256) {
    X509_STORE_CTX_set_error(context, X509_STORE_CTX_get_error_depth(context) == 0
                                          ? X509_V_ERR_EE_KEY_TOO_SMALL
                                          : X509_V_ERR_CA_KEY_TOO_SMALL);
    return 0;
  }
  return 1;
}

// Only that the root is not trusted is forgiven; OpenSSL then goes on to names, dates and
// signatures.
int VerifyAnyRoot(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  switch (X509_STORE_CTX_get_error(context)) {
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      X509_STORE_CTX_set_error(context, X509_V_OK);
      return 1;
    default:
      return 0;
  }
}

int AcceptServerName(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

// `arg` is a std::string of the server's protocols in their wire form.
int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size,
               const unsigned char* offered, unsigned int offered_size, void* arg) {
  const auto& own = *static_cast<const std::string*>(arg);
  // RFC 7301 §3.2: nothing in common is fatal.
  return SSL_select_next_proto(const_cast<unsigned char**>(out), out_size,
                               reinterpret_cast<const unsigned char*>(own.data()),
                               static_cast<unsigned int>(own.size()), offered,
                               offered_size) == OPENSSL_NPN_NEGOTIATED
             ? SSL_TLSEXT_ERR_OK
             : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void AddFile(const PemSource& source, std::vector<std::string>* files) {
  if (source.file.empty()) return;
  if (std::find(files->begin(), files->end(), source.file) == files->end()) {
    files->push_back(source.file);
  }
}

}  // namespace

// ---------------------------------------------------------------------------------------- server

struct TlsServerContext::Set {
  struct Identity {
    SslContextPtr context;
    int verify_mode = SSL_VERIFY_NONE;
    int verify_depth = 0;
    TlsCertificateInfo info;
  };

  std::vector<Identity> identities;
  std::map<std::string, size_t, std::less<>> exact;
  std::map<std::string, size_t, std::less<>> wildcard;  // "*.example.com" as ".example.com"
  std::string alpn;
  bool require_matching_sni = false;
  std::shared_ptr<TlsTicketKeys> keys;
  std::vector<std::string> warnings;

  // Index of the identity for `name`, or of the first; nullptr where that is not wanted.
  const Identity* Find(std::string_view name) const {
    const std::string lower = AsciiToLower(name);
    if (const auto found = exact.find(lower); found != exact.end()) {
      return &identities[found->second];
    }
    if (const size_t dot = lower.find('.'); dot != lower.npos && dot > 0) {
      const auto found = wildcard.find(std::string_view(lower).substr(dot));
      if (found != wildcard.end()) return &identities[found->second];
    }
    return require_matching_sni ? nullptr : &identities.front();
  }

  // Runs before anything of the ClientHello has had an effect, resumption included. So a session
  // cannot be resumed under the looser verification of another name: the id context set here
  // differs.
  static int OnClientHello(SSL* ssl, int* alert, void* arg) {
    const auto* set = static_cast<const Set*>(arg);
    std::string_view name;
    if (!ServerNameOf(ssl, &name)) {
      *alert = SSL_AD_DECODE_ERROR;
      return SSL_CLIENT_HELLO_ERROR;
    }
    const Identity* identity = set->Find(name);
    if (identity == nullptr) {
      *alert = SSL_AD_UNRECOGNIZED_NAME;
      return SSL_CLIENT_HELLO_ERROR;
    }
    if (SSL_set_SSL_CTX(ssl, identity->context.get()) == nullptr) {
      *alert = SSL_AD_INTERNAL_ERROR;
      return SSL_CLIENT_HELLO_ERROR;
    }
    // What SSL_set_SSL_CTX() leaves as it was.
    SSL_set_verify(ssl, identity->verify_mode, VerifyClient);
    SSL_set_verify_depth(ssl, identity->verify_depth);
    return SSL_CLIENT_HELLO_SUCCESS;
  }

  absl::Status AddVerification(const TlsClientVerification& verification, Identity* identity,
                               std::string* session_scope) {
    if (verification.mode == TlsClientVerification::Mode::kNone) return absl::OkStatus();
    if (verification.max_chain_length < 1 || verification.max_chain_length > 16) {
      return absl::InvalidArgumentError("the longest client certificate chain must be 1 to 16");
    }
    absl::StatusOr<TlsTruststore> truststore =
        LoadTruststore(verification.truststore, TruststoreRules::kApiGateway);
    if (!truststore.ok()) return truststore.status();
    SSL_CTX* context = identity->context.get();
    SSL_CTX_set1_cert_store(context, truststore->store.get());
    if (truststore->certificates.size() <= kMaxAnnouncedAuthorities) {
      for (const CertificatePtr& certificate : truststore->certificates) {
        SSL_CTX_add_client_CA(context, certificate.get());
      }
    }
    identity->verify_mode = SSL_VERIFY_PEER;
    if (verification.mode == TlsClientVerification::Mode::kRequired) {
      identity->verify_mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    // OpenSSL counts neither the leaf nor the root.
    identity->verify_depth = std::max(static_cast<int>(verification.max_chain_length) - 2, 0);
    *session_scope += Concat("verify ", identity->verify_mode, " ", identity->verify_depth, " ",
                             truststore->digest);
    for (std::string& warning : truststore->warnings) {
      if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end()) {
        warnings.push_back(std::move(warning));
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddIdentity(const TlsIdentityOptions& options, const TlsServerOptions& all) {
    absl::StatusOr<TlsIdentity> loaded =
        LoadTlsIdentity(options.certificate_chain, options.private_key);
    if (!loaded.ok()) return loaded.status();
    absl::StatusOr<SslContextPtr> context = MakeTlsContext(/*server=*/true, all.protocols);
    if (!context.ok()) return context.status();
    Identity identity;
    identity.context = std::move(*context);
    identity.info = loaded->info;
    SSL_CTX* c = identity.context.get();
    if (absl::Status used = UseTlsIdentity(*loaded, c); !used.ok()) return used;

    const size_t index = identities.size();
    std::string session_scope;
    for (const std::string& configured :
         options.server_names.empty() ? loaded->info.dns_names : options.server_names) {
      const std::string name = AsciiToLower(configured);
      if (!IsServerName(name)) {
        if (options.server_names.empty()) continue;  // a certificate may hold anything
        return absl::InvalidArgumentError(
            Concat("'", configured, "' is no server name; write a name or *.NAME"));
      }
      session_scope += Concat(name, " ");
      // The first identity of a name has it.
      if (name.front() == '*') {
        wildcard.emplace(name.substr(1), index);
      } else {
        exact.emplace(name, index);
      }
    }
    if (absl::Status added =
            AddVerification(options.client_verification.value_or(all.client_verification),
                            &identity, &session_scope);
        !added.ok()) {
      return added;
    }

    SSL_CTX_set_client_hello_cb(c, OnClientHello, this);
    SSL_CTX_set_tlsext_servername_callback(c, AcceptServerName);
    if (!alpn.empty()) SSL_CTX_set_alpn_select_cb(c, SelectAlpn, &alpn);
    const Sha256Digest scope = Sha256(session_scope);
    static_assert(std::tuple_size_v<Sha256Digest> <= SSL_MAX_SID_CTX_LENGTH);
    SSL_CTX_set_session_id_context(c, scope.data(), scope.size());
    if (keys != nullptr) {
      keys->Attach(c);
      SSL_CTX_set_timeout(c, static_cast<long>(all.ticket_lifetime_s));
    } else {
      SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
      SSL_CTX_set_num_tickets(c, 0);
    }
    identities.push_back(std::move(identity));
    return absl::OkStatus();
  }
};

TlsServerContext::TlsServerContext(TlsServerOptions options, std::shared_ptr<TlsTicketKeys> keys)
    : options_(std::move(options)), keys_(std::move(keys)) {}

TlsServerContext::~TlsServerContext() = default;

absl::StatusOr<std::shared_ptr<TlsServerContext>> TlsServerContext::Create(
    TlsServerOptions options, std::shared_ptr<TlsTicketKeys> keys) {
  const std::shared_ptr<TlsServerContext> context(
      new TlsServerContext(std::move(options), std::move(keys)));
  if (absl::Status loaded = context->Reload(); !loaded.ok()) return loaded;
  return context;
}

absl::StatusOr<std::shared_ptr<const TlsServerContext::Set>> TlsServerContext::Build() const {
  if (options_.identities.empty()) {
    return absl::InvalidArgumentError("TLS needs at least one certificate");
  }
  if (options_.session_tickets && (keys_ == nullptr || options_.ticket_lifetime_s == 0 ||
                                   options_.ticket_lifetime_s > kMaxTicketLifetime)) {
    return absl::InvalidArgumentError(Concat("session tickets need keys and a lifetime of 1 to ",
                                             kMaxTicketLifetime, " seconds"));
  }
  auto set = std::make_shared<Set>();
  absl::StatusOr<std::string> alpn = EncodeAlpn(options_.alpn);
  if (!alpn.ok()) return alpn.status();
  set->alpn = *std::move(alpn);
  set->require_matching_sni = options_.require_matching_sni;
  if (options_.session_tickets) set->keys = keys_;
  for (const TlsIdentityOptions& identity : options_.identities) {
    if (absl::Status added = set->AddIdentity(identity, options_); !added.ok()) return added;
  }
  return set;
}

absl::Status TlsServerContext::Reload() {
  absl::StatusOr<std::shared_ptr<const Set>> built = Build();
  if (!built.ok()) return built.status();
  const std::lock_guard lock(mutex_);
  set_.swap(*built);  // the old set, if nobody uses it, ends after the lock
  return absl::OkStatus();
}

std::shared_ptr<const TlsServerContext::Set> TlsServerContext::set() const {
  const std::lock_guard lock(mutex_);
  return set_;
}

std::unique_ptr<TlsChannel> TlsServerContext::MakeServerChannel() const {
  std::shared_ptr<const Set> set = this->set();
  SSL* ssl = SSL_new(set->identities.front().context.get());
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsChannel>(ssl, std::move(set));
}

std::vector<std::string> TlsServerContext::files() const {
  std::vector<std::string> files;
  for (const TlsIdentityOptions& identity : options_.identities) {
    AddFile(identity.certificate_chain, &files);
    AddFile(identity.private_key, &files);
    if (identity.client_verification.has_value()) {
      AddFile(identity.client_verification->truststore, &files);
    }
  }
  AddFile(options_.client_verification.truststore, &files);
  return files;
}

std::vector<TlsCertificateInfo> TlsServerContext::certificates() const {
  const std::shared_ptr<const Set> set = this->set();
  std::vector<TlsCertificateInfo> certificates;
  for (const Set::Identity& identity : set->identities) certificates.push_back(identity.info);
  return certificates;
}

std::vector<std::string> TlsServerContext::warnings() const { return set()->warnings; }

// ---------------------------------------------------------------------------------------- client

namespace {

// Sessions for resumption, by host. A TLS 1.3 ticket is used once (RFC 8446 appendix C.4).
class SessionCache {
 public:
  explicit SessionCache(size_t max) : max_(max) {}
  SessionCache(const SessionCache&) = delete;
  SessionCache& operator=(const SessionCache&) = delete;

  // Takes over `session`.
  void Put(const std::string& host, SSL_SESSION* session) {
    const std::lock_guard lock(mutex_);
    entries_.push_front({host, SessionPtr(session)});
    size_t of_host = 0;
    for (auto it = entries_.begin(); it != entries_.end();) {
      const bool surplus = it->host == host && ++of_host > kMaxSessionsPerHost;
      it = surplus ? entries_.erase(it) : std::next(it);
    }
    if (entries_.size() > max_) entries_.pop_back();
  }

  // The newest session for `host` that is still good, or null.
  struct Free {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };
  using SessionPtr = std::unique_ptr<SSL_SESSION, Free>;
  SessionPtr Take(const std::string& host) {
    const auto now = static_cast<long>(std::time(nullptr));
    const std::lock_guard lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end();) {
      if (it->host != host) {
        ++it;
        continue;
      }
      SSL_SESSION* session = it->session.get();
      if (SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session) <= now ||
          SSL_SESSION_is_resumable(session) != 1) {
        it = entries_.erase(it);
        continue;
      }
      if (SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION) {
        SessionPtr taken = std::move(it->session);
        entries_.erase(it);
        return taken;
      }
      SSL_SESSION_up_ref(session);
      return SessionPtr(session);
    }
    return nullptr;
  }

 private:
  struct Entry {
    std::string host;
    SessionPtr session;
  };
  const size_t max_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // guarded by mutex_; newest first
};

int SessionCacheIndex() {  // of an SSL_CTX: its SessionCache
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int HostIndex() {  // of an SSL: the host, a std::string of its own
  static const int index = SSL_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* host, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<std::string*>(host);
      });
  return index;
}

int OnNewSession(SSL* ssl, SSL_SESSION* session) {
  auto* cache =
      static_cast<SessionCache*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), SessionCacheIndex()));
  const auto* host = static_cast<std::string*>(SSL_get_ex_data(ssl, HostIndex()));
  if (cache == nullptr || host == nullptr) return 0;
  cache->Put(*host, session);
  return 1;  // the reference is ours now
}

}  // namespace

struct TlsClientContext::Set {
  explicit Set(size_t max_sessions) : sessions(max_sessions) {}

  SslContextPtr context;
  mutable SessionCache sessions;
  std::vector<TlsCertificateInfo> certificates;
  std::vector<std::string> warnings;
};

TlsClientContext::TlsClientContext(TlsClientOptions options) : options_(std::move(options)) {}

TlsClientContext::~TlsClientContext() = default;

absl::StatusOr<std::shared_ptr<TlsClientContext>> TlsClientContext::Create(
    TlsClientOptions options) {
  const std::shared_ptr<TlsClientContext> context(new TlsClientContext(std::move(options)));
  if (absl::Status loaded = context->Reload(); !loaded.ok()) return loaded;
  return context;
}

absl::StatusOr<std::shared_ptr<const TlsClientContext::Set>> TlsClientContext::Build() const {
  auto set = std::make_shared<Set>(options_.max_sessions);
  absl::StatusOr<SslContextPtr> context = MakeTlsContext(/*server=*/false, options_.protocols);
  if (!context.ok()) return context.status();
  set->context = *std::move(context);
  SSL_CTX* c = set->context.get();

  if (options_.accept_anything) {
    SSL_CTX_set_verify(c, SSL_VERIFY_NONE, nullptr);
  } else {
    if (options_.truststore.empty()) {
      absl::StatusOr<StorePtr> store = SystemTruststore();
      // Without any root nothing is trusted, which is fine where trust is not asked for.
      if (!store.ok() && !options_.accept_untrusted_roots) return store.status();
      if (store.ok()) SSL_CTX_set1_cert_store(c, store->get());
    } else {
      absl::StatusOr<TlsTruststore> truststore =
          LoadTruststore(options_.truststore, TruststoreRules::kPlain);
      if (!truststore.ok()) return truststore.status();
      SSL_CTX_set1_cert_store(c, truststore->store.get());
      set->warnings = std::move(truststore->warnings);
    }
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER,
                       options_.accept_untrusted_roots ? VerifyAnyRoot : nullptr);
  }
  if (options_.certificate_chain.empty() != options_.private_key.empty()) {
    return absl::InvalidArgumentError(
        "a client certificate needs its private key, and a key its certificate");
  }
  if (!options_.certificate_chain.empty()) {
    absl::StatusOr<TlsIdentity> identity =
        LoadTlsIdentity(options_.certificate_chain, options_.private_key);
    if (!identity.ok()) return identity.status();
    if (absl::Status used = UseTlsIdentity(*identity, c); !used.ok()) return used;
    set->certificates.push_back(std::move(identity->info));
  }
  absl::StatusOr<std::string> alpn = EncodeAlpn(options_.alpn);
  if (!alpn.ok()) return alpn.status();
  if (!alpn->empty() &&
      SSL_CTX_set_alpn_protos(c, reinterpret_cast<const unsigned char*>(alpn->data()),
                              static_cast<unsigned int>(alpn->size())) != 0) {
    return absl::InternalError("the ALPN list cannot be set");
  }
  if (options_.max_sessions > 0) {
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_ex_data(c, SessionCacheIndex(), &set->sessions);
    SSL_CTX_sess_set_new_cb(c, OnNewSession);
  }
  return set;
}

absl::Status TlsClientContext::Reload() {
  absl::StatusOr<std::shared_ptr<const Set>> built = Build();
  if (!built.ok()) return built.status();
  const std::lock_guard lock(mutex_);
  set_.swap(*built);
  return absl::OkStatus();
}

std::shared_ptr<const TlsClientContext::Set> TlsClientContext::set() const {
  const std::lock_guard lock(mutex_);
  return set_;
}

std::unique_ptr<TlsChannel> TlsClientContext::MakeClientChannel(std::string_view host) const {
  if (host.ends_with('.')) host.remove_suffix(1);  // of an absolute name; no certificate has it
  if (host.empty() || host.size() > kMaxHost || host.find('\0') != host.npos) return nullptr;
  auto name = std::make_unique<std::string>(AsciiToLower(host));
  const bool is_ip = ParseIpv4(*name).has_value() || ParseIpv6(*name).has_value();

  std::shared_ptr<const Set> set = this->set();
  SSL* ssl = SSL_new(set->context.get());
  SSL_set_connect_state(ssl);
  SSL_set_hostflags(ssl,
                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const bool expected = is_ip
                            ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name->c_str()) == 1
                            : SSL_set1_host(ssl, name->c_str()) == 1 &&
                                  SSL_set_tlsext_host_name(ssl, name->c_str()) == 1;
  if (!expected) {
    ERR_clear_error();
    SSL_free(ssl);
    return nullptr;
  }
  if (const SessionCache::SessionPtr session = set->sessions.Take(*name)) {
    SSL_set_session(ssl, session.get());
  }
  SSL_set_ex_data(ssl, HostIndex(), name.release());
  return std::make_unique<TlsChannel>(ssl, std::move(set));
}

std::vector<std::string> TlsClientContext::files() const {
  std::vector<std::string> files;
  AddFile(options_.truststore, &files);
  AddFile(options_.certificate_chain, &files);
  AddFile(options_.private_key, &files);
  return files;
}

std::vector<TlsCertificateInfo> TlsClientContext::certificates() const {
  return set()->certificates;
}

std::vector<std::string> TlsClientContext::warnings() const { return set()->warnings; }

int64_t SecondsToExpiry(const std::vector<TlsCertificateInfo>& certificates, int64_t now_s) {
  int64_t least = INT64_MAX;
  for (const TlsCertificateInfo& certificate : certificates) {
    least = std::min(least, certificate.not_after_s - now_s);
  }
  return least;
}

}  // namespace postern
