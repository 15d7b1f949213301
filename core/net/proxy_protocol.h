#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/net/address.h"

namespace postern {

/// What a PROXY protocol header says of the connection that it precedes.
struct ProxyHeader {
  /// False for UNKNOWN and LOCAL (a health check of the proxy itself): the addresses of the
  /// connection hold.
  bool has_addresses = false;
  Address source;
  Address destination;
  /// Id of the AWS VPC endpoint (TLV 0xEA, subtype 1), e.g. "vpce-08d2bf15fac5001c9"; else empty.
  /// Views the parsed bytes.
  std::string_view vpce_id;
  /// Bytes that the header takes; what follows belongs to the next protocol.
  size_t size = 0;
};

enum class ProxyParseResult : uint8_t {
  kComplete,
  kIncomplete,  ///< so far it is a header; never said of kMaxProxyHeaderSize bytes or more
  kInvalid,
};

/// Longest header that is accepted; version 1 allows 107 bytes, version 2 up to 65,551 of which
/// real ones need a few hundred.
inline constexpr size_t kMaxProxyHeaderSize = 4096;

/// Reads the header at the beginning of `data`, version 1 or 2, for a stream connection, by "The
/// PROXY protocol, Versions 1 & 2" (haproxy.org/download/2.6/doc/proxy-protocol.txt). Strict: one
/// spelling of everything, no leading zeros in numbers, no datagram families, TLVs that fill the
/// header exactly, a CRC-32C that is right where there is one. `header` is filled only when the
/// result is kComplete.
ProxyParseResult ParseProxyHeader(std::string_view data, ProxyHeader* header);

/// The header of `version` 1 or 2 that says a connection is made for one from `source` to
/// `destination`. Null, or anything but two IP addresses: that it is the sender's own, or that
/// nothing is known of it (UNKNOWN; LOCAL, or PROXY with AF_UNSPEC).
std::string MakeProxyHeader(uint32_t version, const Address* source, const Address* destination);

}  // namespace postern
