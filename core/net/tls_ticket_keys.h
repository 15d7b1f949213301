#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace postern {

/// Keys that protect TLS session tickets (RFC 5077, RFC 8446 §4.6.1), shared by all listeners and
/// workers of the process. Any thread.
class TlsTicketKeys {
 public:
  /// Bytes of one given key: 16 name, 32 AES-256, 32 HMAC-SHA-256.
  static constexpr size_t kMaterialSize = 80;
  static constexpr size_t kMaxKeys = 8;
  /// Seconds since 1970.
  using Clock = std::function<int64_t()>;

  /// Random keys. Each encrypts for `lifetime_s` and decrypts for as long again, so that every
  /// ticket is good for at least `lifetime_s`; what is older is wiped when the next ticket is seen.
  explicit TlsTicketKeys(uint32_t lifetime_s, Clock clock = {});
  ~TlsTicketKeys();
  TlsTicketKeys(const TlsTicketKeys&) = delete;
  TlsTicketKeys& operator=(const TlsTicketKeys&) = delete;

  /// Given keys instead, shared with other gateways: the first one encrypts, all decrypt; nothing
  /// rotates until the next call. 1 to kMaxKeys of kMaterialSize bytes; otherwise INVALID_ARGUMENT,
  /// and what was in force stays.
  absl::Status SetMaterial(const std::vector<std::string>& keys);

  /// Makes `context` protect its tickets with these keys, which must outlive it.
  void Attach(SSL_CTX* context);

 private:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;
    std::array<unsigned char, 32> mac;
    ~Key();
  };

  static int OnTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac, int encrypt);
  void RotateLocked();
  static Key RandomKey();

  const uint32_t lifetime_s_;
  const Clock clock_;
  std::mutex mutex_;
  std::vector<Key> keys_;    // guarded by mutex_; newest first
  int64_t rotate_at_s_ = 0;  // guarded by mutex_; 0: never
};

}  // namespace postern
