#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace postern {

/// A socket address: IPv4, IPv6 or the path of a Unix socket. A value of 128 bytes at most, cheap
/// to copy for IP; Unix paths of peers are not kept.
class Address {
 public:
  enum class Family : uint8_t { kNone, kIpv4, kIpv6, kUnix };

  Address() = default;

  /// From what accept, getsockname or getpeername filled in. IPv4-mapped IPv6 becomes IPv4.
  static Address FromSockaddr(const sockaddr* addr, socklen_t size);
  /// From 4 or 16 bytes in network order.
  static Address FromIpBytes(const void* bytes, size_t size, uint16_t port);
  /// Numeric IP without brackets or zone, no name resolution. IPv4-mapped IPv6 becomes IPv4.
  static absl::StatusOr<Address> ParseIp(std::string_view ip, uint16_t port);
  /// The path of a Unix socket: at most 107 bytes, no NUL.
  static absl::StatusOr<Address> FromUnixPath(std::string_view path);
  /// "127.0.0.1:80", "[::1]:80", ":80" and "*:80" (any address, IPv6 with IPv4), "unix:/path". No
  /// names.
  static absl::StatusOr<Address> ParseListen(std::string_view text);

  Family family() const { return family_; }
  bool is_ip() const { return family_ == Family::kIpv4 || family_ == Family::kIpv6; }
  uint16_t port() const { return port_; }
  void set_port(uint16_t port) { port_ = port; }
  /// Numeric IP without brackets or zone, as API Gateway prints sourceIp; "unix" for Unix sockets.
  /// Writes at most 46 bytes to `buffer` and returns the view of them.
  std::string_view FormatIp(char (&buffer)[46]) const;
  std::string IpString() const;
  /// With port, brackets for IPv6, "unix:/path" for Unix sockets.
  std::string ToString() const;
  /// True for 127.0.0.0/8, ::1 and Unix sockets.
  bool IsLoopback() const;
  /// True for 0.0.0.0 and ::.
  bool IsAny() const;
  /// Of a Unix socket to listen on or to connect to; else empty.
  const std::string& path() const { return path_; }
  /// The any-address of IPv6 that takes IPv4 too (":80").
  bool dual_stack() const { return dual_stack_; }

  /// Fills `storage` for bind or connect; returns its length.
  socklen_t ToSockaddr(sockaddr_storage* storage) const;

  bool operator==(const Address& other) const = default;

 private:
  Family family_ = Family::kNone;
  uint16_t port_ = 0;
  uint8_t ip_[16] = {};
  bool dual_stack_ = false;  // ":80" listens for both families
  std::string path_;
};

}  // namespace postern
