#include "lib/text/ip_address.h"

#include <arpa/inet.h>

#include <cstring>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace postern {
namespace {

bool SystemParsesIpv6(const std::string& text, Ipv6Bytes* bytes) {
  return inet_pton(AF_INET6, text.c_str(), bytes->data()) == 1;
}

// RFC 3986 §3.2.2.
TEST(IpAddressTest, Ipv4) {
  EXPECT_EQ(ParseIpv4("127.0.0.1"), (Ipv4Bytes{127, 0, 0, 1}));
  EXPECT_EQ(ParseIpv4("255.255.255.255"), (Ipv4Bytes{255, 255, 255, 255}));
  EXPECT_EQ(ParseIpv4("0.0.0.0"), (Ipv4Bytes{0, 0, 0, 0}));
  for (const char* bad : {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.1.1.1000", "01.2.3.4",
                          "1.2.3.04", "0x1.2.3.4", "1..2.3", ".1.2.3", "1.2.3.", " 1.2.3.4",
                          "1.2.3.4 ", "1.2.3.-4", "+1.2.3.4", "00.0.0.0"}) {
    EXPECT_EQ(ParseIpv4(bad), std::nullopt) << bad;
  }
}

// RFC 3986 §3.2.2, RFC 4291 §2.2.
TEST(IpAddressTest, Ipv6AgreesWithTheSystem) {
  for (const char* text :
       {"::", "::1", "1::", "2001:db8::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
        "1::3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:1.2.3.4", "::1.2.3.4", "FE80::A",
        "0000:0000::", "64:ff9b::192.0.2.33", "1:2:3:4:5::7:8", "1:2:3:4::1.2.3.4"}) {
    Ipv6Bytes expected;
    ASSERT_TRUE(SystemParsesIpv6(text, &expected)) << text;
    EXPECT_EQ(ParseIpv6(text), expected) << text;
  }
  for (const char* bad : {"",
                          ":",
                          ":::",
                          "1",
                          "1:2:3:4:5:6:7",
                          "1:2:3:4:5:6:7:8:9",
                          "1::2::3",
                          "12345::",
                          "g::",
                          ":1:2:3:4:5:6:7",
                          "1:2:3:4:5:6:7:",
                          "1:2:3:4:5:6:7:1.2.3.4",
                          "1.2.3.4",
                          "::1.2.3",
                          "::01.2.3.4",
                          "::1.2.3.4:5",
                          "fe80::1%eth0",
                          "[::1]",
                          " ::1",
                          "::1 ",
                          "1:2:3:4::5:6:7:8",
                          "1:2:3:4:5:6:7:8::",
                          "::1:2:3:4:5:6:7:8",
                          ":::1"}) {
    EXPECT_EQ(ParseIpv6(bad), std::nullopt) << bad;
  }
}

TEST(IpAddressTest, RandomTextAgreesWithTheSystem) {
  std::mt19937 random(1);
  const std::string pieces[] = {":", "::", "1", "ab", "ffff", "0", "1.2.3.4", "."};
  for (int i = 0; i < 200000; ++i) {
    std::string text;
    const int count = static_cast<int>(random() % 14);
    for (int k = 0; k < count; ++k) text += pieces[random() % std::size(pieces)];
    Ipv6Bytes expected;
    const bool valid = SystemParsesIpv6(text, &expected);
    const auto parsed = ParseIpv6(text);
    ASSERT_EQ(parsed.has_value(), valid) << text;
    if (valid) {
      ASSERT_EQ(*parsed, expected) << text;
    }
  }
}

}  // namespace
}  // namespace postern
