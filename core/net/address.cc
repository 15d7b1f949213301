#include "core/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "lib/text/concat.h"
#include "lib/text/host_port.h"
#include "lib/text/ip_address.h"

namespace postern {
namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;

char* WriteDecimal(uint8_t value, char* to) {
  if (value >= 100) *to++ = static_cast<char>('0' + value / 100);
  if (value >= 10) *to++ = static_cast<char>('0' + value / 10 % 10);
  *to++ = static_cast<char>('0' + value % 10);
  return to;
}

}  // namespace

Address Address::FromSockaddr(const sockaddr* addr, socklen_t size) {
  if (size < sizeof(sa_family_t)) return {};
  if (addr->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, addr, sizeof(in));
    return FromIpBytes(&in.sin_addr, 4, ntohs(in.sin_port));
  }
  if (addr->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in;
    std::memcpy(&in, addr, sizeof(in));
    return FromIpBytes(&in.sin6_addr, 16, ntohs(in.sin6_port));
  }
  Address address;
  if (addr->sa_family == AF_UNIX) address.family_ = Family::kUnix;
  return address;
}

Address Address::FromIpBytes(const void* bytes, size_t size, uint16_t port) {
  Address address;
  const auto* from = static_cast<const uint8_t*>(bytes);
  if (size == 16 && std::equal(kMappedPrefix, kMappedPrefix + 12, from)) {
    from += 12;
    size = 4;
  }
  if (size != 4 && size != 16) return address;
  address.family_ = size == 4 ? Family::kIpv4 : Family::kIpv6;
  address.port_ = port;
  std::memcpy(address.ip_, from, size);
  return address;
}

absl::StatusOr<Address> Address::ParseIp(std::string_view ip, uint16_t port) {
  if (const auto bytes = ParseIpv4(ip)) return FromIpBytes(bytes->data(), bytes->size(), port);
  if (const auto bytes = ParseIpv6(ip)) return FromIpBytes(bytes->data(), bytes->size(), port);
  return absl::InvalidArgumentError(Concat("'", ip.substr(0, 64), "' is not an IP address"));
}

absl::StatusOr<Address> Address::FromUnixPath(std::string_view path) {
  if (path.empty() || path.size() > kMaxUnixPath || path.find('\0') != path.npos) {
    return absl::InvalidArgumentError(Concat("'", path.substr(0, 128), "' is not a path of 1 to ",
                                             kMaxUnixPath, " bytes for a Unix socket"));
  }
  Address address;
  address.family_ = Family::kUnix;
  address.path_ = path;
  return address;
}

absl::StatusOr<Address> Address::ParseListen(std::string_view text) {
  const absl::StatusOr<SocketAddress> parsed = ParseSocketAddress(text);
  if (!parsed.ok()) return parsed.status();
  if (parsed->kind == SocketAddress::Kind::kUnix) return FromUnixPath(parsed->path);
  if (parsed->host.empty()) {
    Address address = FromIpBytes(&in6addr_any, 16, parsed->port);
    address.dual_stack_ = true;
    return address;
  }
  return ParseIp(parsed->host, parsed->port);
}

std::string_view Address::FormatIp(char (&buffer)[46]) const {
  switch (family_) {
    case Family::kNone:
      return {};
    case Family::kUnix:
      return "unix";
    case Family::kIpv4: {
      char* to = buffer;
      for (int i = 0; i < 4; ++i) {
        if (i > 0) *to++ = '.';
        to = WriteDecimal(ip_[i], to);
      }
      return {buffer, static_cast<size_t>(to - buffer)};
    }
    case Family::kIpv6:
      static_assert(sizeof(buffer) >= INET6_ADDRSTRLEN);
      return inet_ntop(AF_INET6, ip_, buffer, sizeof(buffer));
  }
  return {};
}

std::string Address::IpString() const {
  char buffer[46];
  return std::string(FormatIp(buffer));
}

std::string Address::ToString() const {
  char buffer[46];
  switch (family_) {
    case Family::kNone:
      break;
    case Family::kUnix:
      return Concat("unix:", path_);
    case Family::kIpv4:
      return Concat(FormatIp(buffer), ":", port_);
    case Family::kIpv6:
      return Concat("[", FormatIp(buffer), "]:", port_);
  }
  return {};
}

bool Address::IsLoopback() const {
  switch (family_) {
    case Family::kNone:
      break;
    case Family::kUnix:
      return true;
    case Family::kIpv4:
      return ip_[0] == 127;
    case Family::kIpv6:
      return std::equal(ip_, ip_ + 16, in6addr_loopback.s6_addr);
  }
  return false;
}

bool Address::IsAny() const {
  return is_ip() && std::all_of(ip_, ip_ + 16, [](uint8_t byte) { return byte == 0; });
}

socklen_t Address::ToSockaddr(sockaddr_storage* storage) const {
  std::memset(storage, 0, sizeof(*storage));
  switch (family_) {
    case Family::kNone:
      break;
    case Family::kIpv4: {
      auto* in = reinterpret_cast<sockaddr_in*>(storage);
      in->sin_family = AF_INET;
      in->sin_port = htons(port_);
      std::memcpy(&in->sin_addr, ip_, 4);
      return sizeof(*in);
    }
    case Family::kIpv6: {
      auto* in = reinterpret_cast<sockaddr_in6*>(storage);
      in->sin6_family = AF_INET6;
      in->sin6_port = htons(port_);
      std::memcpy(&in->sin6_addr, ip_, 16);
      return sizeof(*in);
    }
    case Family::kUnix: {
      auto* un = reinterpret_cast<sockaddr_un*>(storage);
      un->sun_family = AF_UNIX;
      std::memcpy(un->sun_path, path_.data(), path_.size());
      return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size() + 1);
    }
  }
  return 0;
}

}  // namespace postern
