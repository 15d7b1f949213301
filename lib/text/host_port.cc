#include "lib/text/host_port.h"

#include <cstddef>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/ip_address.h"
#include "lib/text/percent.h"

namespace postern {
namespace {

constexpr CharSet kRegNameChars = kUnreservedChars | kSubDelimChars | CharSet("%");
constexpr CharSet kIpFutureChars = kUnreservedChars | kSubDelimChars | CharSet(":");

constexpr size_t kMaxUnixPath = 107;  // sun_path of unix(7) less its NUL

// "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
bool IsIpFuture(std::string_view text) {
  if (text.empty() || ToLower(text.front()) != 'v') return false;
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot < 2 || dot + 1 == text.size()) return false;
  for (char c : text.substr(1, dot - 1)) {
    if (HexValue(c) < 0) return false;
  }
  return kIpFutureChars.HasAll(text.substr(dot + 1));
}

// The value of *DIGIT that is not empty; nullopt if it is no port.
std::optional<uint16_t> ParsePort(std::string_view digits) {
  uint32_t port = 0;
  for (char c : digits) {
    if (!IsDigit(c)) return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(c - '0');
    if (port > 65535) return std::nullopt;
  }
  return static_cast<uint16_t>(port);
}

absl::Status BadAddress(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      Concat("'", text, "' is not an address to listen on or connect to: ", why,
             "; write 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path"));
}

}  // namespace

std::optional<HostPort> ParseHostPort(std::string_view text) {
  HostPort out;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    out.host = text.substr(1, close - 1);
    if (ParseIpv6(out.host).has_value()) {
      out.kind = HostKind::kIpv6;
    } else if (IsIpFuture(out.host)) {
      out.kind = HostKind::kIpFuture;
    } else {
      return std::nullopt;
    }
    text.remove_prefix(close + 1);
  } else {
    const size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    if (out.host.empty() || !kRegNameChars.HasAll(out.host) || !HasValidEscapes(out.host)) {
      return std::nullopt;
    }
    if (ParseIpv4(out.host).has_value()) out.kind = HostKind::kIpv4;
    text.remove_prefix(out.host.size());
  }
  if (text.empty()) return out;
  if (text.front() != ':') return std::nullopt;
  text.remove_prefix(1);
  if (text.empty()) return out;
  out.port = ParsePort(text);
  if (!out.port.has_value()) return std::nullopt;
  return out;
}

absl::StatusOr<SocketAddress> ParseSocketAddress(std::string_view text) {
  SocketAddress out;
  constexpr std::string_view kUnixPrefix = "unix:";
  if (text.starts_with(kUnixPrefix)) {
    out.kind = SocketAddress::Kind::kUnix;
    out.path = text.substr(kUnixPrefix.size());
    if (out.path.empty()) return BadAddress(text, "the path is empty");
    if (out.path.size() > kMaxUnixPath) return BadAddress(text, "the path exceeds 107 bytes");
    if (out.path.find('\0') != std::string_view::npos) return BadAddress(text, "NUL in the path");
    return out;
  }
  if (text.starts_with(':') || text.starts_with("*:")) {
    const std::string_view digits = text.substr(text.find(':') + 1);
    const std::optional<uint16_t> port = ParsePort(digits);
    if (digits.empty()) return BadAddress(text, "the port is missing");
    if (!port.has_value()) return BadAddress(text, "the port is not a number from 0 to 65535");
    out.port = *port;
    return out;
  }
  const std::optional<HostPort> parsed = ParseHostPort(text);
  if (!parsed.has_value() || parsed->kind == HostKind::kIpFuture) {
    return BadAddress(text,
                      "it is not a name, an IPv4 address or an IPv6 address in brackets, then a "
                      "colon and a port from 0 to 65535");
  }
  if (!parsed->port.has_value()) return BadAddress(text, "the port is missing");
  out.host = parsed->host;
  out.host_kind = parsed->kind;
  out.port = *parsed->port;
  return out;
}

}  // namespace postern
