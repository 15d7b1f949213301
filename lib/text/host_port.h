#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

namespace postern {

/// What `uri-host` (RFC 3986 §3.2.2) can be.
enum class HostKind : uint8_t {
  kName,      ///< reg-name: unreserved, sub-delims, %XX; not empty
  kIpv4,      ///< dotted decimal
  kIpv6,      ///< in brackets
  kIpFuture,  ///< `[v1.x]`: well-formed, although nobody can route to it
};

/// Host and port as they stand in an authority. Views the text that was parsed.
struct HostPort {
  std::string_view host;  ///< without brackets, as sent (case is not changed)
  HostKind kind = HostKind::kName;
  std::optional<uint16_t> port;  ///< absent for `host` and for `host:`
};

/// The value of a Host field, an `:authority`, or the authority of a URI: uri-host [ ":" port ]
/// (RFC 9110 §7.2, RFC 3986 §3.2). Strict: no userinfo, no white space, no empty host (RFC 9110
/// §4.2.1), no zone in an IPv6 address, port at most 65535. An empty port (`host:`) is permitted by
/// the grammar. Returns nullopt if `text` is anything else.
std::optional<HostPort> ParseHostPort(std::string_view text);

/// Where a listener or an endpoint is. Views the text that was parsed.
struct SocketAddress {
  enum class Kind : uint8_t { kTcp, kUnix };
  Kind kind = Kind::kTcp;
  std::string_view host;  ///< kTcp: without brackets; empty: every interface
  HostKind host_kind = HostKind::kName;
  uint16_t port = 0;      ///< kTcp: 0 lets the kernel choose
  std::string_view path;  ///< kUnix: at most 107 bytes (unix(7))
};

/// `ADDR:PORT` of a command line or a snapshot: "127.0.0.1:80", "[::1]:80", "localhost:80", ":80"
/// and "*:80" (every interface), "unix:/path". InvalidArgument says what is wrong and what to
/// write.
absl::StatusOr<SocketAddress> ParseSocketAddress(std::string_view text);

}  // namespace postern
