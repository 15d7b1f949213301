#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/jose/failure.h"
#include "lib/text/json_reader.h"

namespace postern::jose {

/// What claims must say (authorization.md §6, §7).
struct ClaimRules {
  std::string issuer;  ///< byte for byte
  /// One of them in `aud`, or in `client_id` where there is no `aud`. Empty: nobody asks.
  std::vector<std::string> audiences = {};
  /// "id" or "access" of Cognito, in `token_use`. Empty: nobody asks.
  std::string token_use = {};
  int64_t clock_skew_ms = 0;
};

/// The claims of a token whose signature was verified (RFC 7519 §4). One object is used for many
/// tokens, one after the other. Not thread-safe.
class Claims {
 public:
  static constexpr size_t kMaxDepth = 16;

  /// Reads the payload: a JSON object, strict in all of hazards 20 to 24 and 26: names once, times
  /// as numbers from 0 on, `exp` present, `aud` a string or a list of strings that is not empty.
  /// kNone or kClaims. The payload is copied.
  Failure Parse(std::string_view payload);

  /// kNone, or the first rule of issuer, token use, audience, `exp`, `nbf`, `iat` that is broken.
  /// Times are compared as the real numbers they are (hazard 23): `exp` must be after now, and the
  /// others not after it, each give or take the skew.
  Failure Check(const ClaimRules& rules, int64_t now_ms) const;

  /// Whether `scope` (separated by spaces) or `scp` (the same, or a list) has one of `wanted`. True
  /// where nothing is wanted.
  bool HasScope(std::span<const std::string> wanted) const;

  /// All scopes in the order of the token. They live as long as the claims.
  std::vector<std::string_view> Scopes() const;

  /// `exp`, in milliseconds since 1970, rounded down and at most year 9999.
  int64_t expires_ms() const;

  /// A claim, absent where the token has none; and all of them.
  JsonValue Find(std::string_view name) const { return json_.root().Find(name); }
  JsonValue root() const { return json_.root(); }

 private:
  bool ReadTime(std::string_view name, std::optional<double>* seconds) const;
  bool HasAudience(const ClaimRules& rules) const;

  JsonReader json_;
  std::optional<double> expires_;
  std::optional<double> not_before_;
  std::optional<double> issued_;
};

}  // namespace postern::jose
