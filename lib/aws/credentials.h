#pragma once

#include <cstdint>
#include <string>

namespace postern::aws {

/// Keys to sign requests to AWS with. What they hold is overwritten when they end.
struct Credentials {
  Credentials() = default;
  Credentials(std::string id, std::string secret, std::string token = {}, int64_t expires_ms = 0)
      : access_key_id(std::move(id)),
        secret_access_key(std::move(secret)),
        session_token(std::move(token)),
        expires_at_ms(expires_ms) {}
  Credentials(const Credentials&) = default;
  Credentials& operator=(const Credentials&) = default;
  ~Credentials();

  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  ///< empty for long-lived keys
  int64_t expires_at_ms = 0;  ///< milliseconds since 1970; 0: never

  bool complete() const { return !access_key_id.empty() && !secret_access_key.empty(); }
  bool operator==(const Credentials&) const = default;
};

}  // namespace postern::aws
