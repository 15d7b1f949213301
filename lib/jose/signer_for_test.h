#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lib/jose/algorithm.h"

namespace postern::jose {

/// A private key that signs tokens; for tests and benchmarks, here and in filters.
class SignerForTest {
 public:
  /// A new key for the algorithm, not of HS*. `bits` of RSA.
  explicit SignerForTest(Algorithm algorithm, std::string_view key_id = "k1", int bits = 2048);
  ~SignerForTest();

  /// The public key as a JWK; `extra` is put in as it is, e.g. `"use":"sig"`.
  std::string Jwk(std::string_view extra = "") const;
  /// A JWK set of this key alone.
  std::string JwkSet() const;

  /// A token with that payload, and a header of `alg` and `kid`.
  std::string Sign(std::string_view payload) const;
  /// The same with a header of the caller's choice.
  std::string SignWithHeader(std::string_view header, std::string_view payload) const;
  /// The signature alone, as JWS has it.
  std::string Signature(std::string_view input) const;

  void* pkey() const { return pkey_; }  ///< EVP_PKEY

 private:
  Algorithm algorithm_;
  std::string key_id_;
  void* pkey_ = nullptr;
};

}  // namespace postern::jose
