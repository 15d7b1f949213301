#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/jose/algorithm.h"
#include "lib/jose/failure.h"
#include "lib/jose/key.h"
#include "lib/text/json_reader.h"

namespace postern::jose {

/// Reads tokens in the compact form of JWS (RFC 7515 §3.1, §5.2), strictly (authorization.md §8):
/// three parts of base64url in their one spelling; a header of strict JSON that names a known
/// algorithm, and neither `crit`, nor `b64` (RFC 7797), nor `zip`. What the header says of keys but
/// for `kid` (`jwk`, `jku`, `x5c`, `x5u`) is not looked at. One reader is used for many tokens, one
/// after the other. Not thread-safe.
class JwsReader {
 public:
  static constexpr size_t kMaxTokenBytes = 8192;
  static constexpr size_t kMaxDepth = 16;

  /// kNone, or why it is no token. Nothing is verified yet. `token` is borrowed until the next
  /// Parse().
  Failure Parse(std::string_view token);

  /// Of the token that was parsed last, when that succeeded.
  Algorithm algorithm() const { return algorithm_; }
  /// nullopt where the header has none; the caller decides whether it must.
  const std::optional<std::string>& key_id() const { return key_id_; }
  /// What is signed, as it stands in the token.
  std::string_view signing_input() const { return signing_input_; }
  const std::string& signature() const { return signature_; }
  const std::string& payload() const { return payload_; }

  /// kNone when `key` made the signature, with an algorithm of `accepted`.
  Failure Verify(Key& key, AlgorithmSet accepted) const;

 private:
  Failure ReadHeader();

  JsonReader json_;
  std::string header_;
  std::string payload_;
  std::string signature_;
  std::string_view signing_input_;
  std::optional<std::string> key_id_;
  Algorithm algorithm_ = Algorithm::kRs256;
};

}  // namespace postern::jose
