#include "lib/jose/claims.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "lib/text/json_unique.h"

namespace postern::jose {
namespace {

// 9999-12-31T23:59:59Z.
constexpr double kLastSecond = 253402300799;

// Calls fn() with each scope of a token until it returns false.
template <class Fn>
void ForEachScope(JsonValue root, Fn&& fn) {
  for (const std::string_view name : {"scope", "scp"}) {
    const JsonValue value = root.Find(name);
    if (const std::optional<std::string_view> list = value.AsString()) {
      size_t at = 0;
      while (at < list->size()) {
        const size_t end = std::min(list->find(' ', at), list->size());
        if (end > at && !fn(list->substr(at, end - at))) return;
        at = end + 1;
      }
    }
    if (name != "scp" || !value.is_array()) continue;
    for (size_t i = 0; i < value.size(); ++i) {
      const std::optional<std::string_view> scope = value.At(i).AsString();
      if (scope && !fn(*scope)) return;
    }
  }
}

}  // namespace

bool Claims::ReadTime(std::string_view name, std::optional<double>* seconds) const {
  const JsonValue value = json_.root().Find(name);
  *seconds = value.AsDouble();
  if (!value) return true;
  return seconds->has_value() && std::isfinite(**seconds) && **seconds >= 0;
}

Failure Claims::Parse(std::string_view payload) {
  if (!json_.Parse(payload, {.max_depth = kMaxDepth}).ok()) return Failure::kClaims;
  const JsonValue root = json_.root();
  if (!root.is_object() || !HasUniqueNames(root)) return Failure::kClaims;
  if (!ReadTime("exp", &expires_) || !ReadTime("nbf", &not_before_) || !ReadTime("iat", &issued_) ||
      !expires_) {
    return Failure::kClaims;
  }
  const JsonValue audience = root.Find("aud");
  if (audience && !audience.AsString()) {
    if (!audience.is_array() || audience.size() == 0) return Failure::kClaims;
    for (size_t i = 0; i < audience.size(); ++i) {
      if (!audience.At(i).AsString()) return Failure::kClaims;
    }
  }
  return Failure::kNone;
}

bool Claims::HasAudience(const ClaimRules& rules) const {
  const auto listed = [&rules](JsonValue value) {
    const std::optional<std::string_view> text = value.AsString();
    return text && std::find(rules.audiences.begin(), rules.audiences.end(), *text) !=
                       rules.audiences.end();
  };
  const JsonValue audience = Find("aud");
  if (!audience) return listed(Find("client_id"));
  if (!audience.is_array()) return listed(audience);
  for (size_t i = 0; i < audience.size(); ++i) {
    if (listed(audience.At(i))) return true;
  }
  return false;
}

Failure Claims::Check(const ClaimRules& rules, int64_t now_ms) const {
  if (Find("iss").AsString() != rules.issuer) return Failure::kIssuer;
  if (!rules.token_use.empty() && Find("token_use").AsString() != rules.token_use) {
    return Failure::kTokenUse;
  }
  if (!rules.audiences.empty() && !HasAudience(rules)) return Failure::kAudience;
  const double early = static_cast<double>(now_ms - rules.clock_skew_ms) / 1000;
  const double late = static_cast<double>(now_ms + rules.clock_skew_ms) / 1000;
  if (expires_.value_or(0) <= early) return Failure::kExpired;
  if (not_before_.value_or(0) > late) return Failure::kNotYet;
  if (issued_.value_or(0) > late) return Failure::kIssuedLater;
  return Failure::kNone;
}

bool Claims::HasScope(std::span<const std::string> wanted) const {
  if (wanted.empty()) return true;
  bool found = false;
  ForEachScope(root(), [&](std::string_view scope) {
    found = std::find(wanted.begin(), wanted.end(), scope) != wanted.end();
    return !found;
  });
  return found;
}

std::vector<std::string_view> Claims::Scopes() const {
  std::vector<std::string_view> scopes;
  ForEachScope(root(), [&scopes](std::string_view scope) {
    scopes.push_back(scope);
    return true;
  });
  return scopes;
}

int64_t Claims::expires_ms() const {
  return static_cast<int64_t>(std::floor(std::min(expires_.value_or(0), kLastSecond) * 1000));
}

}  // namespace postern::jose
