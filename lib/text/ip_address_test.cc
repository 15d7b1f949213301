#include "lib/text/ip_address.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace postern {
namespace {

// The grammar read literally: the groups on both sides of `::`, and zeros between them.
bool ReferenceIpv6(std::string_view text, Ipv6Bytes* bytes) {
  const auto read_groups = [](std::string_view part, bool ipv4_allowed, std::vector<uint8_t>* out) {
    if (part.empty()) return true;
    while (true) {
      const size_t colon = part.find(':');
      const std::string group(part.substr(0, colon));
      if (const auto ipv4 = ParseIpv4(group); ipv4.has_value()) {
        out->insert(out->end(), ipv4->begin(), ipv4->end());
        return ipv4_allowed && colon == std::string_view::npos;
      }
      if (group.empty() || group.size() > 4 ||
          group.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
        return false;
      }
      const int value = std::stoi(group, nullptr, 16);
      out->push_back(static_cast<uint8_t>(value >> 8));
      out->push_back(static_cast<uint8_t>(value));
      if (colon == std::string_view::npos) return true;
      part.remove_prefix(colon + 1);
    }
  };
  const size_t squeeze = text.find("::");
  std::vector<uint8_t> front;
  std::vector<uint8_t> back;
  if (squeeze == std::string_view::npos) {
    if (!read_groups(text, true, &front) || front.size() != 16) return false;
  } else {
    if (!read_groups(text.substr(0, squeeze), false, &front) ||
        !read_groups(text.substr(squeeze + 2), true, &back) || front.size() + back.size() > 14) {
      return false;
    }
    front.resize(16 - back.size());
    front.insert(front.end(), back.begin(), back.end());
  }
  std::copy(front.begin(), front.end(), bytes->begin());
  return true;
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
TEST(IpAddressTest, Ipv6AgreesWithTheGrammar) {
  for (const char* text :
       {"::", "::1", "1::", "2001:db8::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
        "1::3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:1.2.3.4", "::1.2.3.4", "FE80::A",
        "0000:0000::", "64:ff9b::192.0.2.33", "1:2:3:4:5::7:8", "1:2:3:4::1.2.3.4"}) {
    Ipv6Bytes expected;
    ASSERT_TRUE(ReferenceIpv6(text, &expected)) << text;
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

TEST(IpAddressTest, RandomTextAgreesWithTheGrammar) {
  std::mt19937 random(1);
  const std::string pieces[] = {":", "::", "1", "ab", "ffff", "0", "1.2.3.4", "."};
  for (int i = 0; i < 200000; ++i) {
    std::string text;
    const int count = static_cast<int>(random() % 14);
    for (int k = 0; k < count; ++k) text += pieces[random() % std::size(pieces)];
    Ipv6Bytes expected;
    const bool valid = ReferenceIpv6(text, &expected);
    const auto parsed = ParseIpv6(text);
    ASSERT_EQ(parsed.has_value(), valid) << text;
    if (valid) {
      ASSERT_EQ(*parsed, expected) << text;
    }
  }
}

}  // namespace
}  // namespace postern
