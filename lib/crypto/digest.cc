#include "lib/crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <cstring>

namespace postern {
namespace {

constexpr size_t kBlock = 64;  // of SHA-256

// SHA-256 piece by piece, on a context that the thread keeps: OpenSSL's one-shot functions look
// the algorithm up anew each time, which costs more than short texts do. Fails for want of memory
// only, and then nothing that was signed may be trusted.
class Hash {
 public:
  Hash() {
    static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    thread_local const Context kContext;
    context_ = kContext.get;
    if (EVP_DigestInit_ex2(context_, kAlgorithm, nullptr) != 1) std::abort();
  }
  void Add(const void* data, size_t size) {
    if (size != 0 && EVP_DigestUpdate(context_, data, size) != 1) std::abort();
  }
  Sha256Digest Finish() {
    Sha256Digest out;
    if (EVP_DigestFinal_ex(context_, out.data(), nullptr) != 1) std::abort();
    return out;
  }

 private:
  struct Context {
    Context() {
      if (get == nullptr) std::abort();
    }
    ~Context() { EVP_MD_CTX_free(get); }
    EVP_MD_CTX* const get = EVP_MD_CTX_new();
  };

  EVP_MD_CTX* context_;
};

// RFC 2104 §2.
Sha256Digest Hmac(const void* key, size_t key_size, std::string_view data) {
  unsigned char block[kBlock] = {};
  if (key_size > kBlock) {
    const Sha256Digest short_key = Sha256({static_cast<const char*>(key), key_size});
    std::memcpy(block, short_key.data(), short_key.size());
  } else if (key_size > 0) {
    std::memcpy(block, key, key_size);
  }
  for (unsigned char& byte : block) byte ^= 0x36;
  Hash inner;
  inner.Add(block, kBlock);
  inner.Add(data.data(), data.size());
  const Sha256Digest digest = inner.Finish();
  for (unsigned char& byte : block) byte ^= 0x36 ^ 0x5c;
  Hash outer;
  outer.Add(block, kBlock);
  outer.Add(digest.data(), digest.size());
  OPENSSL_cleanse(block, kBlock);
  return outer.Finish();
}

}  // namespace

Sha256Digest Sha256(std::string_view data) {
  Hash hash;
  hash.Add(data.data(), data.size());
  return hash.Finish();
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
