#include "lib/text/uri.h"

#include <algorithm>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/percent.h"

namespace postern {
namespace {

absl::Status BadUri(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(Concat("'", text, "' is not a usable URI: ", why));
}

// With '%', whose two digits are checked apart.
constexpr CharSet kRawPathChars = kPathChars | CharSet("%");
constexpr CharSet kRawQueryChars = kQueryChars | CharSet("%");

bool IsValidPart(std::string_view part, const CharSet& chars) {
  return chars.HasAll(part) && HasValidEscapes(part);
}

}  // namespace

absl::StatusOr<HttpUri> ParseHttpUri(std::string_view text) {
  HttpUri uri;
  std::string_view rest = text;
  const size_t scheme_end = rest.find("://");
  const std::string_view scheme = rest.substr(0, scheme_end);
  uri.https = EqualsIgnoreCase(scheme, "https");
  if (scheme_end == std::string_view::npos || (!uri.https && !EqualsIgnoreCase(scheme, "http"))) {
    return BadUri(text, "it must start with http:// or https://");
  }
  rest.remove_prefix(scheme_end + 3);

  if (rest.find('#') != std::string_view::npos) {
    return BadUri(text, "a fragment ('#') is never sent to a server; remove it");
  }
  const size_t authority_size = std::min(rest.find_first_of("/?"), rest.size());
  uri.authority = rest.substr(0, authority_size);
  rest.remove_prefix(authority_size);
  if (uri.authority.find('@') != std::string_view::npos) {
    return BadUri(text, "user and password must not stand before the host");
  }
  const std::optional<HostPort> host_port = ParseHostPort(uri.authority);
  if (!host_port.has_value()) return BadUri(text, "its host or port is malformed");
  uri.host = host_port->host;
  uri.host_kind = host_port->kind;
  uri.port = host_port->port.value_or(uri.https ? 443 : 80);

  const size_t path_size = std::min(rest.find('?'), rest.size());
  uri.path = rest.substr(0, path_size);
  if (!IsValidPart(uri.path, kRawPathChars)) {
    return BadUri(text, "its path contains a character that must be percent-encoded");
  }
  if (path_size < rest.size()) {
    uri.query = rest.substr(path_size + 1);
    if (!IsValidPart(*uri.query, kRawQueryChars)) {
      return BadUri(text, "its query contains a character that must be percent-encoded");
    }
  }
  return uri;
}

}  // namespace postern
