#include "core/net/proxy_protocol.h"

#include <netinet/in.h>

#include <array>
#include <optional>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/ip_address.h"

namespace postern {
namespace {

constexpr std::string_view kSignature1 = "PROXY ";
constexpr size_t kMaxSize1 = 107;  // section 2.1, CRLF included

constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kFixedSize2 = 16;  // section 2.2: signature, version and command, family, length

// Section 2.2.
constexpr uint8_t kLocal = 0x20;
constexpr uint8_t kProxy = 0x21;
constexpr uint8_t kUnspec = 0x00;
constexpr uint8_t kTcp4 = 0x11;
constexpr uint8_t kTcp6 = 0x21;
constexpr uint8_t kUnixStream = 0x31;

constexpr uint8_t kTlvCrc32c = 0x03;
constexpr uint8_t kTlvAws = 0xea;
constexpr char kAwsVpceId = 1;

uint8_t ByteAt(std::string_view data, size_t at) { return static_cast<uint8_t>(data[at]); }

uint16_t Word(std::string_view data, size_t at) {
  return static_cast<uint16_t>(ByteAt(data, at) << 8 | ByteAt(data, at + 1));
}

constexpr std::array<uint32_t, 256> kCrc32cTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0);
    table[i] = value;
  }
  return table;
}();

// RFC 4960 appendix B.
uint32_t ExtendCrc32c(uint32_t crc, std::string_view data) {
  for (char c : data) crc = crc >> 8 ^ kCrc32cTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return crc;
}

bool IsPrefixOfEither(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

// The text up to the next space, which is consumed; nullopt without one.
std::optional<std::string_view> NextWord(std::string_view* line) {
  const size_t space = line->find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view word = line->substr(0, space);
  line->remove_prefix(space + 1);
  return word;
}

std::optional<uint16_t> ParsePort(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint32_t port = 0;
  for (char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  if (port > 65535) return std::nullopt;
  return static_cast<uint16_t>(port);
}

std::optional<Address> MakeAddress(bool ipv6, std::string_view ip, std::optional<uint16_t> port) {
  if (!port.has_value()) return std::nullopt;
  if (ipv6) {
    const auto bytes = ParseIpv6(ip);
    if (!bytes.has_value()) return std::nullopt;
    return Address::FromIpBytes(bytes->data(), bytes->size(), *port);
  }
  const auto bytes = ParseIpv4(ip);
  if (!bytes.has_value()) return std::nullopt;
  return Address::FromIpBytes(bytes->data(), bytes->size(), *port);
}

// Section 2.1: "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
ProxyParseResult ParseVersion1(std::string_view data, ProxyHeader* header) {
  const std::string_view window = data.substr(0, kMaxSize1);
  const size_t end = window.find_first_of(std::string_view("\r\n\0", 3));
  if (end == std::string_view::npos || (window[end] == '\r' && end + 1 == window.size())) {
    return window.size() < kMaxSize1 ? ProxyParseResult::kIncomplete : ProxyParseResult::kInvalid;
  }
  if (!window.substr(end).starts_with("\r\n")) return ProxyParseResult::kInvalid;
  std::string_view line = window.substr(0, end);
  line.remove_prefix(kSignature1.size());
  ProxyHeader out;
  out.size = end + 2;
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) {  // the rest is to be ignored
    *header = out;
    return ProxyParseResult::kComplete;
  }
  const auto protocol = NextWord(&line);
  if (protocol != "TCP4" && protocol != "TCP6") return ProxyParseResult::kInvalid;
  const bool ipv6 = protocol == "TCP6";
  const auto source = NextWord(&line);
  const auto destination = NextWord(&line);
  const auto source_port = NextWord(&line);
  if (!source_port.has_value()) return ProxyParseResult::kInvalid;
  const auto from = MakeAddress(ipv6, *source, ParsePort(*source_port));
  const auto to = MakeAddress(ipv6, *destination, ParsePort(line));
  if (!from.has_value() || !to.has_value()) return ProxyParseResult::kInvalid;
  out.has_addresses = true;
  out.source = *from;
  out.destination = *to;
  *header = out;
  return ProxyParseResult::kComplete;
}

// A sun_path of 108 bytes, ended by NUL if shorter.
Address UnixAddress(std::string_view padded) {
  const absl::StatusOr<Address> address =
      Address::FromUnixPath(padded.substr(0, padded.find('\0')));
  if (address.ok()) return *address;
  // An unnamed or abstract peer, or a path without room for a NUL: a Unix socket all the same.
  sockaddr unnamed{};
  unnamed.sa_family = AF_UNIX;
  return Address::FromSockaddr(&unnamed, sizeof(unnamed));
}

// Section 2.2.
ProxyParseResult ParseVersion2(std::string_view data, ProxyHeader* header) {
  if (data.size() > 12 && ByteAt(data, 12) != kLocal && ByteAt(data, 12) != kProxy) {
    return ProxyParseResult::kInvalid;
  }
  if (data.size() < kFixedSize2) return ProxyParseResult::kIncomplete;
  const bool local = ByteAt(data, 12) == kLocal;
  const uint8_t family = ByteAt(data, 13);
  const size_t length = Word(data, 14);
  const size_t size = kFixedSize2 + length;
  if (size > kMaxProxyHeaderSize) return ProxyParseResult::kInvalid;

  size_t addresses = 0;
  switch (family) {
    case kUnspec:
      break;
    case kTcp4:
      addresses = 12;
      break;
    case kTcp6:
      addresses = 36;
      break;
    case kUnixStream:
      addresses = 216;
      break;
    default:
      // LOCAL: whatever the family, it is discarded.
      if (!local) return ProxyParseResult::kInvalid;
  }
  if (!local && length < addresses) return ProxyParseResult::kInvalid;
  if (data.size() < size) return ProxyParseResult::kIncomplete;
  data = data.substr(0, size);

  ProxyHeader out;
  out.size = size;
  // What a LOCAL or UNSPEC header carries besides is not ours to read.
  if (local || family == kUnspec) {
    *header = out;
    return ProxyParseResult::kComplete;
  }
  const std::string_view body = data.substr(kFixedSize2, addresses);
  out.has_addresses = true;
  if (family == kUnixStream) {
    out.source = UnixAddress(body.substr(0, 108));
    out.destination = UnixAddress(body.substr(108));
  } else {
    const size_t ip = family == kTcp4 ? 4 : 16;
    out.source = Address::FromIpBytes(body.data(), ip, Word(body, 2 * ip));
    out.destination = Address::FromIpBytes(body.data() + ip, ip, Word(body, 2 * ip + 2));
  }

  size_t at = kFixedSize2 + addresses;
  bool checked = false;
  while (at < size) {
    if (size - at < 3) return ProxyParseResult::kInvalid;
    const uint8_t type = ByteAt(data, at);
    const size_t value_size = Word(data, at + 1);
    at += 3;
    if (size - at < value_size) return ProxyParseResult::kInvalid;
    const std::string_view value = data.substr(at, value_size);
    if (type == kTlvCrc32c) {
      // Over the whole header with the checksum itself as zero.
      if (value_size != 4 || checked) return ProxyParseResult::kInvalid;
      checked = true;
      uint32_t crc = ExtendCrc32c(0xffffffff, data.substr(0, at));
      crc = ExtendCrc32c(crc, std::string_view("\0\0\0\0", 4));
      crc = ~ExtendCrc32c(crc, data.substr(at + 4));
      const uint32_t said = static_cast<uint32_t>(Word(value, 0)) << 16 | Word(value, 2);
      if (crc != said) return ProxyParseResult::kInvalid;
    } else if (type == kTlvAws && value_size > 1 && value[0] == kAwsVpceId) {
      out.vpce_id = value.substr(1);
    }
    at += value_size;
  }
  *header = out;
  return ProxyParseResult::kComplete;
}

}  // namespace

ProxyParseResult ParseProxyHeader(std::string_view data, ProxyHeader* header) {
  if (data.empty()) return ProxyParseResult::kIncomplete;
  if (IsPrefixOfEither(data, kSignature1)) {
    return data.size() < kSignature1.size() ? ProxyParseResult::kIncomplete
                                            : ParseVersion1(data, header);
  }
  if (IsPrefixOfEither(data, kSignature2)) {
    return data.size() < kSignature2.size() ? ProxyParseResult::kIncomplete
                                            : ParseVersion2(data, header);
  }
  return ProxyParseResult::kInvalid;
}

std::string MakeProxyHeader(uint32_t version, const Address* source, const Address* destination) {
  const bool known =
      source != nullptr && destination != nullptr && source->is_ip() && destination->is_ip();
  // Of one family: an IPv4 address has a form as an IPv6 one.
  const bool ipv4 = known && source->family() == Address::Family::kIpv4 &&
                    destination->family() == Address::Family::kIpv4;
  if (version == 1) {
    if (!known) return "PROXY UNKNOWN\r\n";
    const auto ip = [ipv4](const Address& address) {
      const bool mapped = !ipv4 && address.family() == Address::Family::kIpv4;
      return mapped ? "::ffff:" + address.IpString() : address.IpString();
    };
    return Concat("PROXY TCP", ipv4 ? '4' : '6', ' ', ip(*source), ' ', ip(*destination), ' ',
                  source->port(), ' ', destination->port(), "\r\n");
  }
  std::string out(kSignature2);
  if (!known) {
    out += static_cast<char>(source == nullptr ? kLocal : kProxy);
    out.append(3, '\0');  // AF_UNSPEC, and no more
    return out;
  }
  out += static_cast<char>(kProxy);
  out += static_cast<char>(ipv4 ? kTcp4 : kTcp6);
  const auto word = [&out](size_t value) {
    out += static_cast<char>(value >> 8);
    out += static_cast<char>(value & 0xff);
  };
  word(ipv4 ? 12 : 36);
  for (const Address* address : {source, destination}) {
    sockaddr_storage storage;
    address->ToSockaddr(&storage);
    if (address->family() == Address::Family::kIpv6) {
      const auto& ip = reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
      out.append(reinterpret_cast<const char*>(&ip), sizeof(ip));
    } else {
      if (!ipv4) out.append(std::string_view("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12));
      const auto& ip = reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr;
      out.append(reinterpret_cast<const char*>(&ip), sizeof(ip));
    }
  }
  word(source->port());
  word(destination->port());
  return out;
}

}  // namespace postern
