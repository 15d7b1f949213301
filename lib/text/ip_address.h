#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace postern {

/// In network byte order.
using Ipv4Bytes = std::array<uint8_t, 4>;
using Ipv6Bytes = std::array<uint8_t, 16>;

/// Four decimal numbers without leading zeros (`IPv4address`, RFC 3986 §3.2.2); none of the other
/// spellings that inet_aton() takes.
std::optional<Ipv4Bytes> ParseIpv4(std::string_view text);

/// `IPv6address` of RFC 3986 §3.2.2, without brackets and without zone: at most one `::`, which
/// stands for one group or more; the last four bytes may be written as IPv4.
std::optional<Ipv6Bytes> ParseIpv6(std::string_view text);

}  // namespace postern
