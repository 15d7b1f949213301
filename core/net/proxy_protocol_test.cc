#include "core/net/proxy_protocol.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace postern {
namespace {

// Section numbers are those of "The PROXY protocol, Versions 1 & 2".

ProxyParseResult Parse(std::string_view data, ProxyHeader* header = nullptr) {
  ProxyHeader ignored;
  return ParseProxyHeader(data, header == nullptr ? &ignored : header);
}

std::string Version2(uint8_t command, uint8_t family, const std::string& body) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header += static_cast<char>(command);
  header += static_cast<char>(family);
  header += static_cast<char>(body.size() >> 8);
  header += static_cast<char>(body.size() & 0xff);
  return header + body;
}

std::string Tlv(uint8_t type, const std::string& value) {
  std::string tlv = {static_cast<char>(type), static_cast<char>(value.size() >> 8),
                     static_cast<char>(value.size() & 0xff)};
  return tlv + value;
}

const std::string kTcp4Body("\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb", 12);
const std::string kTcp6Body = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" +
                              std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x02" +
                              std::string("\x00\x50\x1f\x90", 4);

// Every shorter piece of a good header asks for more, so no partial read is mistaken for anything.
void ExpectIncompleteBefore(const std::string& header) {
  for (size_t size = 0; size < header.size(); ++size) {
    EXPECT_EQ(Parse(std::string_view(header).substr(0, size)), ProxyParseResult::kIncomplete)
        << size;
  }
}

TEST(ProxyProtocol, Version1Tcp4) {  // 2.1
  const std::string line = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
  ExpectIncompleteBefore(line);
  ProxyHeader header;
  ASSERT_EQ(Parse(line + "GET / HTTP/1.1\r\n", &header), ProxyParseResult::kComplete);
  EXPECT_TRUE(header.has_addresses);
  EXPECT_EQ(header.source.ToString(), "192.0.2.1:56324");
  EXPECT_EQ(header.destination.ToString(), "198.51.100.2:443");
  EXPECT_EQ(header.size, line.size());
}

TEST(ProxyProtocol, Version1Tcp6) {  // 2.1
  const std::string line = "PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:2 0 65535\r\n";
  ExpectIncompleteBefore(line);
  ProxyHeader header;
  ASSERT_EQ(Parse(line, &header), ProxyParseResult::kComplete);
  EXPECT_EQ(header.source.ToString(), "[2001:db8::1]:0");
  EXPECT_EQ(header.destination.ToString(), "[2001:db8::2]:65535");
}

TEST(ProxyProtocol, Version1LongestLine) {  // 2.1: 107 bytes
  std::string line =
      "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535 is to be ignored up to the CRLF";
  line.resize(105, 'x');
  ProxyHeader header;
  ASSERT_EQ(Parse(line + "\r\n", &header), ProxyParseResult::kComplete);
  EXPECT_FALSE(header.has_addresses);
  EXPECT_EQ(header.size, 107u);
  EXPECT_EQ(Parse(line + "x\r\n"), ProxyParseResult::kInvalid);
  EXPECT_EQ(Parse(line + "xx"), ProxyParseResult::kInvalid);
  EXPECT_EQ(Parse(line + "x\r"), ProxyParseResult::kInvalid);
}

TEST(ProxyProtocol, Version1Unknown) {
  ProxyHeader header;
  ASSERT_EQ(Parse("PROXY UNKNOWN\r\n", &header), ProxyParseResult::kComplete);
  EXPECT_FALSE(header.has_addresses);
  EXPECT_EQ(header.size, 15u);
}

TEST(ProxyProtocol, Version1Malformed) {
  for (const char* line : {
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
           "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
           "PROXY TCP4 192.0.2.1\t198.51.100.2 56324 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 00 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
           "PROXY TCP4 192.0.2.01 198.51.100.2 1 443\r\n",
           "PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n",
           "PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n",
           "PROXY TCP6 [::1] ::1 1 443\r\n",
           "PROXY TCP6 ::1%lo ::1 1 443\r\n",
           "PROXY TCP5 192.0.2.1 198.51.100.2 1 443\r\n",
           "PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n",
           "PROXY UNKNOWNX\r\n",
           "PROXY \r\n",
           "PROXY TCP4\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\rX",
           "PROXY UNKNOWN a\rb\r\n",
           "proxy TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
           "PROXYTCP4",
           "GET / HTTP/1.1\r\n",
           " ",
       }) {
    EXPECT_EQ(Parse(line), ProxyParseResult::kInvalid) << line;
  }
  EXPECT_EQ(Parse(std::string_view("PROXY UNKNOWN \0\r\n", 17)), ProxyParseResult::kInvalid);
}

TEST(ProxyProtocol, Version2Tcp4) {  // 2.2
  const std::string bytes = Version2(0x21, 0x11, kTcp4Body);
  ExpectIncompleteBefore(bytes);
  ProxyHeader header;
  ASSERT_EQ(Parse(bytes + "\x16\x03\x01", &header), ProxyParseResult::kComplete);
  EXPECT_TRUE(header.has_addresses);
  EXPECT_EQ(header.source.ToString(), "192.0.2.1:56324");
  EXPECT_EQ(header.destination.ToString(), "198.51.100.2:443");
  EXPECT_EQ(header.size, bytes.size());
}

TEST(ProxyProtocol, Version2Tcp6) {
  const std::string bytes = Version2(0x21, 0x21, kTcp6Body);
  ExpectIncompleteBefore(bytes);
  ProxyHeader header;
  ASSERT_EQ(Parse(bytes, &header), ProxyParseResult::kComplete);
  EXPECT_EQ(header.source.ToString(), "[2001:db8::1]:80");
  EXPECT_EQ(header.destination.ToString(), "[2001:db8::2]:8080");
}

TEST(ProxyProtocol, Version2Unix) {
  std::string body = "/run/client.sock";
  body.resize(108, '\0');
  body += std::string(108, 'x');
  ProxyHeader header;
  ASSERT_EQ(Parse(Version2(0x21, 0x31, body), &header), ProxyParseResult::kComplete);
  EXPECT_TRUE(header.has_addresses);
  EXPECT_EQ(header.source.path(), "/run/client.sock");
  EXPECT_EQ(header.destination.family(), Address::Family::kUnix);
}

TEST(ProxyProtocol, Version2LocalAndUnspecKeepTheConnectionsAddresses) {
  for (const std::string& bytes : {Version2(0x20, 0x00, ""), Version2(0x20, 0x11, kTcp4Body),
                                   Version2(0x20, 0x11, "short"), Version2(0x20, 0xff, "anything"),
                                   Version2(0x21, 0x00, ""), Version2(0x21, 0x00, "ignored")}) {
    ProxyHeader header;
    header.has_addresses = true;
    ASSERT_EQ(Parse(bytes + "rest", &header), ProxyParseResult::kComplete);
    EXPECT_FALSE(header.has_addresses);
    EXPECT_EQ(header.size, bytes.size());
  }
}

TEST(ProxyProtocol, Version2Malformed) {
  EXPECT_EQ(Parse(Version2(0x11, 0x11, kTcp4Body)), ProxyParseResult::kInvalid) << "version";
  EXPECT_EQ(Parse(Version2(0x22, 0x11, kTcp4Body)), ProxyParseResult::kInvalid) << "command";
  for (int family : {0x01, 0x10, 0x12, 0x22, 0x32, 0x13, 0x41, 0xff}) {
    EXPECT_EQ(Parse(Version2(0x21, static_cast<uint8_t>(family), kTcp6Body + kTcp6Body)),
              ProxyParseResult::kInvalid)
        << family;
  }
  EXPECT_EQ(Parse(Version2(0x21, 0x11, kTcp4Body.substr(1))), ProxyParseResult::kInvalid);
  EXPECT_EQ(Parse(Version2(0x21, 0x21, kTcp4Body)), ProxyParseResult::kInvalid);
  EXPECT_EQ(Parse(Version2(0x21, 0x31, kTcp6Body)), ProxyParseResult::kInvalid);
  EXPECT_EQ(Parse("\r\n\r\nGET"), ProxyParseResult::kInvalid);
}

TEST(ProxyProtocol, Version2SizeIsBounded) {
  const std::string body = kTcp4Body + Tlv(0x04, std::string(4096 - 16 - 12 - 3, '\0'));
  EXPECT_EQ(Parse(Version2(0x21, 0x11, body)), ProxyParseResult::kComplete);
  // Known from the first 16 bytes.
  EXPECT_EQ(Parse(Version2(0x21, 0x11, body + "x").substr(0, 16)), ProxyParseResult::kInvalid);
  EXPECT_EQ(Parse(Version2(0x20, 0x00, std::string(65535, 'x')).substr(0, 16)),
            ProxyParseResult::kInvalid);
}

TEST(ProxyProtocol, Version2TlvsMustFillTheHeader) {  // 2.2.7
  EXPECT_EQ(Parse(Version2(0x21, 0x11, kTcp4Body + Tlv(0x01, "h2") + Tlv(0x05, ""))),
            ProxyParseResult::kComplete);
  const std::string tlv = Tlv(0x01, "h2");
  for (size_t size = 1; size < tlv.size(); ++size) {
    EXPECT_EQ(Parse(Version2(0x21, 0x11, kTcp4Body + tlv.substr(0, size))),
              ProxyParseResult::kInvalid);
  }
}

// CRC-32C bit by bit, so that the table is not compared with itself.
uint32_t SlowCrc32c(const std::string& data) {
  uint32_t crc = 0xffffffff;
  for (char c : data) {
    crc ^= static_cast<uint8_t>(c);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

TEST(ProxyProtocol, Version2ChecksumIsVerified) {   // 2.2.3
  EXPECT_EQ(SlowCrc32c("123456789"), 0xe3069283u);  // the check value of the algorithm
  const std::string zero(4, '\0');
  std::string bytes =
      Version2(0x21, 0x11, kTcp4Body + Tlv(0x03, zero) + Tlv(0x04, std::string("\0", 1)));
  const uint32_t crc = SlowCrc32c(bytes);
  const size_t at = 16 + 12 + 3;
  for (int i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(crc >> (24 - 8 * i));
  EXPECT_EQ(Parse(bytes), ProxyParseResult::kComplete);
  for (size_t i = 16; i < bytes.size(); ++i) {
    if (i == at - 3) continue;  // another type, so no checksum at all
    std::string broken = bytes;
    broken[i] = static_cast<char>(broken[i] ^ 1);
    EXPECT_EQ(Parse(broken), ProxyParseResult::kInvalid) << i;
  }
  EXPECT_EQ(Parse(Version2(0x21, 0x11, kTcp4Body + Tlv(0x03, "abc"))), ProxyParseResult::kInvalid);
}

TEST(ProxyProtocol, VpcEndpointIdIsRead) {  // AWS: PP2_TYPE_AWS, PP2_SUBTYPE_AWS_VPCE_ID
  const std::string bytes = Version2(
      0x21, 0x11, kTcp4Body + Tlv(0xea, std::string("\x01vpce-08d2bf15fac5001c9")) + Tlv(4, ""));
  ProxyHeader header;
  ASSERT_EQ(Parse(bytes, &header), ProxyParseResult::kComplete);
  EXPECT_EQ(header.vpce_id, "vpce-08d2bf15fac5001c9");
  ASSERT_EQ(Parse(Version2(0x21, 0x11, kTcp4Body + Tlv(0xea, "\x02other")), &header),
            ProxyParseResult::kComplete);
  EXPECT_EQ(header.vpce_id, "");
}

TEST(ProxyProtocol, WhatIsWrittenCanBeRead) {  // sections 2.1 and 2.2
  const auto ip = [](std::string_view text, uint16_t port) {
    return *Address::ParseIp(text, port);
  };
  const Address v4 = ip("192.0.2.1", 56324), v4_to = ip("198.51.100.2", 443);
  const Address v6 = ip("2001:db8::1", 1), v6_to = ip("2001:db8::2", 65535);
  EXPECT_EQ(MakeProxyHeader(1, &v4, &v4_to), "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n");
  EXPECT_EQ(MakeProxyHeader(1, &v6, &v6_to), "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
  EXPECT_EQ(MakeProxyHeader(1, &v6, &v4_to),
            "PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 1 443\r\n");
  EXPECT_EQ(MakeProxyHeader(2, &v4, &v4_to), Version2(0x21, 0x11, kTcp4Body));
  const std::pair<const Address*, const Address*> pairs[] = {
      {&v4, &v4_to}, {&v6, &v6_to}, {&v4, &v6_to}, {&v6, &v4_to}};
  for (uint32_t version : {1u, 2u}) {
    for (const auto& [from, to] : pairs) {
      const std::string bytes = MakeProxyHeader(version, from, to);
      ProxyHeader header;
      ASSERT_EQ(Parse(bytes, &header), ProxyParseResult::kComplete);
      EXPECT_EQ(header.size, bytes.size());
      ASSERT_TRUE(header.has_addresses);
      EXPECT_EQ(header.source, *from);
      EXPECT_EQ(header.destination, *to);
    }
    const Address unix_path = *Address::FromUnixPath("/run/x");
    for (const Address* from : {static_cast<const Address*>(nullptr), &unix_path}) {
      const std::string bytes = MakeProxyHeader(version, from, &v4_to);
      ProxyHeader header;
      ASSERT_EQ(Parse(bytes, &header), ProxyParseResult::kComplete);
      EXPECT_EQ(header.size, bytes.size());
      EXPECT_FALSE(header.has_addresses);
    }
  }
}

}  // namespace
}  // namespace postern
