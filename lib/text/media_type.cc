#include "lib/text/media_type.h"

#include <cstddef>

#include "lib/text/ascii.h"

namespace postern {

std::optional<MediaType> ParseMediaType(std::string_view value) {
  MediaType out;
  out.essence = TrimOws(value.substr(0, value.find(';')));
  const size_t slash = out.essence.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  out.type = out.essence.substr(0, slash);
  out.subtype = out.essence.substr(slash + 1);
  if (out.type.empty() || out.subtype.empty() || !kTokenChars.HasAll(out.type) ||
      !kTokenChars.HasAll(out.subtype)) {
    return std::nullopt;
  }
  return out;
}

std::optional<MediaType> FirstMediaType(std::string_view accept) {
  // A comma inside a quoted parameter splits too, but only behind the ';' that ends the essence.
  return ParseMediaType(accept.substr(0, accept.find(',')));
}

BinaryMediaTypes::BinaryMediaTypes(const std::vector<std::string>& entries) {
  for (const std::string& entry : entries) {
    const std::optional<MediaType> parsed = ParseMediaType(entry);
    if (!parsed.has_value()) continue;
    if (parsed->type == "*") {
      matches_all_ = matches_all_ || parsed->subtype == "*";
    } else if (parsed->subtype == "*") {
      type_wildcards_.emplace_back(parsed->type);
    } else {
      exact_.emplace_back(parsed->essence);
    }
  }
}

bool BinaryMediaTypes::MatchesContentType(std::optional<std::string_view> content_type) const {
  if (matches_all_) return true;
  return content_type.has_value() && Matches(ParseMediaType(*content_type));
}

bool BinaryMediaTypes::MatchesAccept(std::optional<std::string_view> accept) const {
  if (matches_all_) return true;
  return accept.has_value() && Matches(FirstMediaType(*accept));
}

bool BinaryMediaTypes::Matches(const std::optional<MediaType>& media_type) const {
  if (!media_type.has_value()) return false;
  for (const std::string& type : type_wildcards_) {
    if (EqualsIgnoreCase(type, media_type->type)) return true;
  }
  for (const std::string& essence : exact_) {
    if (EqualsIgnoreCase(essence, media_type->essence)) return true;
  }
  return false;
}

}  // namespace postern
