#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/text/host_port.h"

namespace postern {

/// An absolute http or https URI in its parts. Views the text that was parsed; nothing is decoded
/// or normalised.
struct HttpUri {
  bool https = false;
  std::string_view authority;  ///< host and port as written: the value of a Host field
  std::string_view host;       ///< without brackets
  HostKind host_kind = HostKind::kName;
  uint16_t port = 0;      ///< as written, else 80 or 443
  std::string_view path;  ///< with its leading '/', or empty
  /// Behind '?', which is not part of it. Absent and empty (`http://h/?`) differ.
  std::optional<std::string_view> query;
};

/// Splits `text` strictly by RFC 3986 §3 and RFC 9110 §4.2: scheme in any case, an authority that
/// ParseHostPort() takes, then only characters that path and query may contain. Refused are
/// userinfo (RFC 9110 §4.2.4) and fragments, which never reach a server. InvalidArgument says what
/// is wrong.
absl::StatusOr<HttpUri> ParseHttpUri(std::string_view text);

}  // namespace postern
