#include "core/net/tls_ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <utility>

#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr size_t kIvSize = 16;

int ContextIndex() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Looking a cipher up by name takes longer than encrypting a ticket with it.
const EVP_CIPHER* TicketCipher() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

}  // namespace

TlsTicketKeys::Key::~Key() {
  OPENSSL_cleanse(cipher.data(), cipher.size());
  OPENSSL_cleanse(mac.data(), mac.size());
}

TlsTicketKeys::TlsTicketKeys(uint32_t lifetime_s, Clock clock)
    : lifetime_s_(lifetime_s),
      clock_(clock ? std::move(clock) : [] { return static_cast<int64_t>(std::time(nullptr)); }) {
  keys_.push_back(RandomKey());
  rotate_at_s_ = clock_() + lifetime_s_;
}

TlsTicketKeys::~TlsTicketKeys() = default;

TlsTicketKeys::Key TlsTicketKeys::RandomKey() {
  Key key;
  if (RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) != 1 ||
      RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size())) != 1 ||
      RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size())) != 1) {
    std::abort();  // no randomness, no TLS
  }
  return key;
}

absl::Status TlsTicketKeys::SetMaterial(const std::vector<std::string>& keys) {
  if (keys.empty() || keys.size() > kMaxKeys) {
    return absl::InvalidArgumentError(Concat("1 to ", kMaxKeys, " session ticket keys are needed"));
  }
  std::vector<Key> parsed;
  for (const std::string& material : keys) {
    if (material.size() != kMaterialSize) {
      return absl::InvalidArgumentError(
          Concat("a session ticket key has ", kMaterialSize, " bytes, not ", material.size()));
    }
    Key key;
    std::memcpy(key.name.data(), material.data(), 16);
    std::memcpy(key.cipher.data(), material.data() + 16, 32);
    std::memcpy(key.mac.data(), material.data() + 48, 32);
    parsed.push_back(key);
  }
  const std::lock_guard lock(mutex_);
  keys_ = std::move(parsed);
  rotate_at_s_ = 0;
  return absl::OkStatus();
}

void TlsTicketKeys::RotateLocked() {
  const int64_t now = clock_();
  if (rotate_at_s_ == 0 || now < rotate_at_s_) return;
  // The present key goes on to decrypt, unless its tickets have all run out.
  if (now >= rotate_at_s_ + lifetime_s_) keys_.clear();
  keys_.insert(keys_.begin(), RandomKey());
  if (keys_.size() > 2) keys_.resize(2, keys_.front());
  rotate_at_s_ = now + lifetime_s_;
}

void TlsTicketKeys::Attach(SSL_CTX* context) {
  SSL_CTX_set_ex_data(context, ContextIndex(), this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, OnTicket);
}

int TlsTicketKeys::OnTicket(SSL* ssl, unsigned char* name, unsigned char* iv,
                            EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypt) {
  auto* self =
      static_cast<TlsTicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ContextIndex()));
  std::optional<Key> key;
  bool newest = true;
  {
    const std::lock_guard lock(self->mutex_);
    self->RotateLocked();
    if (encrypt == 1) {
      key = self->keys_.front();
    } else {
      const auto found = std::find_if(self->keys_.begin(), self->keys_.end(), [&](const Key& k) {
        return std::memcmp(k.name.data(), name, k.name.size()) == 0;
      });
      if (found == self->keys_.end()) return 0;  // a full handshake, then
      key = *found;
      newest = found == self->keys_.begin();
    }
  }
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac.data(), key->mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, params) != 1) return -1;
  if (encrypt == 1) {
    std::memcpy(name, key->name.data(), key->name.size());
    if (RAND_bytes(iv, kIvSize) != 1 ||
        EVP_EncryptInit_ex(cipher, TicketCipher(), nullptr, key->cipher.data(), iv) != 1) {
      return -1;
    }
    return 1;
  }
  if (EVP_DecryptInit_ex(cipher, TicketCipher(), nullptr, key->cipher.data(), iv) != 1) return -1;
  return newest ? 1 : 2;  // 2: good, but a new ticket is due
}

}  // namespace postern
