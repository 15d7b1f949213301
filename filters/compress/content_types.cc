#include "filters/compress/content_types.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern {
namespace {

constexpr std::string_view kToken =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&^_.+-";

// `pattern` is "subtype", "*" or "*+suffix".
bool MatchSubtype(std::string_view pattern, std::string_view subtype) {
  if (!pattern.starts_with('*')) return pattern == subtype;
  return subtype.ends_with(pattern.substr(1));
}

}  // namespace

std::vector<std::string> ContentTypes::Default() {
  return {"text/*",
          "application/json",
          "application/*+json",
          "application/xml",
          "application/*+xml",
          "application/javascript",
          "application/x-ndjson",
          "application/yaml",
          "application/graphql",
          "application/wasm",
          "image/svg+xml"};
}

bool ContentTypes::IsPattern(std::string_view pattern) {
  const size_t slash = pattern.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view type = pattern.substr(0, slash);
  std::string_view subtype = pattern.substr(slash + 1);
  if (type == "*") return subtype == "*";
  if (subtype == "*") return !type.empty() && type.find_first_not_of(kToken) == type.npos;
  if (subtype.starts_with("*+")) subtype.remove_prefix(2);
  return !type.empty() && !subtype.empty() && type.find_first_not_of(kToken) == type.npos &&
         subtype.find_first_not_of(kToken) == subtype.npos;
}

ContentTypes::ContentTypes(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {
  for (std::string& pattern : patterns_) {
    pattern = Essence(pattern);
    if (pattern == "*/*") all_ = true;
  }
}

std::string ContentTypes::Essence(std::string_view content_type) {
  std::string_view essence = content_type.substr(0, content_type.find(';'));
  while (!essence.empty() && (essence.front() == ' ' || essence.front() == '\t')) {
    essence.remove_prefix(1);
  }
  while (!essence.empty() && (essence.back() == ' ' || essence.back() == '\t')) {
    essence.remove_suffix(1);
  }
  std::string lower(essence);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return lower;
}

bool ContentTypes::Match(std::optional<std::string_view> content_type) const {
  if (all_ || !content_type.has_value()) return all_;
  const std::string essence = Essence(*content_type);
  const size_t slash = essence.find('/');
  if (slash == std::string::npos) return false;
  const std::string_view type = std::string_view(essence).substr(0, slash);
  const std::string_view subtype = std::string_view(essence).substr(slash + 1);
  return std::any_of(patterns_.begin(), patterns_.end(), [&](const std::string& pattern) {
    const size_t at = pattern.find('/');
    const std::string_view wanted = std::string_view(pattern).substr(0, at);
    return (wanted == "*" || wanted == type) &&
           MatchSubtype(std::string_view(pattern).substr(at + 1), subtype);
  });
}

}  // namespace postern
