#include "filters/cors/cors_policy.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern {
namespace {

constexpr std::string_view kTokenCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";

// A serialized origin (RFC 6454, section 6.2): scheme, host, maybe a port, and nothing after it.
bool IsOrigin(std::string_view text) {
  if (text == "null") return true;
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = text.substr(colon + 3);
  return !host.empty() && host.find_first_of("/?#@* \t\",") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// A list of tokens (RFC 9110, section 5.6.2) as the value of a header.
std::string TokenList(const ConfigReader& in, std::string_view field) {
  std::string list;
  for (const std::string& token : in.OptionalStrings(field)) {
    if (token.find_first_not_of(kTokenCharacters) != std::string::npos) {
      in.Error(field, "\"" + token + "\" is not a name");
    }
    if (!list.empty()) list += ',';
    list += token;
  }
  return list;
}

}  // namespace

CorsPolicy::CorsPolicy(const ConfigReader& in) {
  ReadOrigins(in);
  allow_credentials_ = in.OptionalBool("allowCredentials", false);
  if (allow_credentials_ && any_origin_) {
    in.Error("allowCredentials", "allow-credentials is not supported if 'allow-origin' is *");
  }
  allow_methods_ = TokenList(in, "allowMethods");
  allow_headers_ = TokenList(in, "allowHeaders");
  expose_headers_ = TokenList(in, "exposeHeaders");
  if (in.Has("maxAge")) max_age_ = std::to_string(in.Int("maxAge", -1, 86400));
}

void CorsPolicy::ReadOrigins(const ConfigReader& in) {
  for (std::string& origin : in.OptionalStrings("allowOrigins")) {
    if (origin == "*") {
      any_origin_ = true;
    } else if (origin == "https://*") {
      any_https_ = true;
    } else if (origin == "http://*") {
      any_http_ = true;
    } else if (IsOrigin(origin)) {
      origins_.push_back(std::move(origin));
    } else {
      in.Error("allowOrigins", "\"" + origin +
                                   "\" is not an origin, such as \"https://example.com\", nor "
                                   "\"*\", \"https://*\" or \"http://*\"");
    }
  }
  std::sort(origins_.begin(), origins_.end());
}

std::optional<std::string_view> CorsPolicy::Allow(std::string_view origin) const {
  if (any_origin_) return "*";
  const auto found = std::lower_bound(origins_.begin(), origins_.end(), origin);
  if (found != origins_.end() && *found == origin) return *found;
  const bool by_scheme = (any_https_ && origin.starts_with("https://")) ||
                         (any_http_ && origin.starts_with("http://"));
  if (by_scheme && IsOrigin(origin)) return origin;
  return std::nullopt;
}

}  // namespace postern
