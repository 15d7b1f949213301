#include "lib/crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <cstdlib>

namespace postern {
namespace {

Sha256Digest Hmac(const void* key, size_t key_size, std::string_view data) {
  Sha256Digest out;
  unsigned int size = 0;
  // Fails for want of memory only, and then nothing that was signed may be trusted.
  if (HMAC(EVP_sha256(), key, static_cast<int>(key_size),
           reinterpret_cast<const unsigned char*>(data.data()), data.size(), out.data(),
           &size) == nullptr ||
      size != out.size()) {
    std::abort();
  }
  return out;
}

}  // namespace

Sha256Digest Sha256(std::string_view data) {
  Sha256Digest out;
  if (SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), out.data()) ==
      nullptr) {
    std::abort();
  }
  return out;
}

Sha256Digest HmacSha256(std::string_view key, std::string_view data) {
  return Hmac(key.data(), key.size(), data);
}

Sha256Digest HmacSha256(const Sha256Digest& key, std::string_view data) {
  return Hmac(key.data(), key.size(), data);
}

std::string DigestToHex(const Sha256Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(digest.size() * 2);
  for (uint8_t byte : digest) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

std::string Sha256Hex(std::string_view data) { return DigestToHex(Sha256(data)); }

bool ConstantTimeEquals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace postern
