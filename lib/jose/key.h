#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/jose/algorithm.h"
#include "lib/text/json_reader.h"

namespace postern::jose {

/// A key that verifies signatures, prepared once: decoded, checked, and with a context of OpenSSL
/// for each algorithm it was used with. Not thread-safe, not even Verify(): each thread has its
/// own.
class Key {
 public:
  static constexpr size_t kMaxIdBytes = 256;

  /// Reads one JWK (RFC 7517 §4): kty RSA, EC (P-256, P-384, P-521), OKP (Ed25519, Ed448) and oct.
  /// InvalidArgument, with the reason, for a key that must not be used (authorization.md §8,
  /// hazards 3 and 11 to 13): another `use` than sig, `key_ops` without verify, an `alg` that does
  /// not fit; RSA below 2048 bits, above 8192, with an exponent that is even, 1 or above 64 bits,
  /// or weak by ROCA (CVE-2017-15361); points that are not on their curve or not of its length;
  /// oct below 256 bits. Private members and certificates are not looked at.
  static absl::StatusOr<Key> FromJwk(JsonValue jwk);

  Key(Key&&) noexcept;
  Key& operator=(Key&&) noexcept;
  ~Key();

  /// Empty where the JWK has none.
  const std::string& id() const { return id_; }
  bool symmetric() const { return type_ == Type::kOct; }

  /// Whether the key may be used with the algorithm: same family, same curve, and no other `alg` in
  /// the JWK.
  bool Fits(Algorithm algorithm) const;

  /// Whether `signature` is that of `input`. False too where the key does not fit. ECDSA signatures
  /// are r and s, each in full length (RFC 7518 §3.4); PSS has salt as long as its hash, and
  /// nothing but the very length of the modulus is a signature of RSA. Leaves no errors in
  /// OpenSSL's queue.
  bool Verify(Algorithm algorithm, std::string_view input, std::string_view signature);

 private:
  enum class Type : uint8_t { kRsa, kP256, kP384, kP521, kEd25519, kEd448, kOct };
  struct PkeyDeleter {
    void operator()(void* pkey) const;
  };
  struct ContextDeleter {
    void operator()(void* context) const;
  };
  using Pkey = std::unique_ptr<void, PkeyDeleter>;        // EVP_PKEY
  using Context = std::unique_ptr<void, ContextDeleter>;  // EVP_PKEY_CTX

  Key() = default;
  absl::Status ReadUse(JsonValue jwk);
  absl::Status ReadRsa(JsonValue jwk);
  absl::Status ReadEc(JsonValue jwk);
  absl::Status ReadOkp(JsonValue jwk);
  absl::Status ReadOct(JsonValue jwk);

  void* ContextFor(Algorithm algorithm);
  bool VerifyDigest(Algorithm algorithm, std::string_view input, std::string_view signature);
  bool VerifyEdDsa(std::string_view input, std::string_view signature) const;
  bool VerifyHmac(Algorithm algorithm, std::string_view input, std::string_view signature) const;

  Type type_ = Type::kRsa;
  std::string id_;
  std::optional<Algorithm> algorithm_;
  size_t signature_bytes_ = 0;
  Pkey pkey_;
  std::string secret_;
  std::array<Context, kAlgorithms> contexts_;
};

/// The keys of a JWK set by their ids.
class KeySet {
 public:
  struct Options {
    size_t max_bytes = 150000;  ///< authorization.md §7
    size_t max_keys = 100;
    /// Symmetric keys count, in sets that have nothing else.
    bool allow_symmetric = false;
  };

  KeySet() = default;

  /// Reads a JWK set (RFC 7517 §5). Keys that cannot be used are left out, and so are all keys
  /// that share an id (hazard 8) and those without one, which no token can name (hazard 6).
  /// InvalidArgument for what is no strict JSON or no set; ResourceExhausted above a limit. A set
  /// may be left without keys.
  static absl::StatusOr<KeySet> Parse(std::string_view json, const Options& options);
  static absl::StatusOr<KeySet> Parse(std::string_view json) { return Parse(json, Options()); }

  /// nullptr where there is none.
  Key* Find(std::string_view id);

  size_t size() const { return keys_.size(); }

  /// Why keys were left out, "keys/2: ..." each.
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  std::vector<Key> keys_;
  std::vector<std::string> ignored_;
};

}  // namespace postern::jose
