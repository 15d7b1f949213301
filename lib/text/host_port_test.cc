#include "lib/text/host_port.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern {
namespace {

using ::testing::HasSubstr;

void ExpectParses(std::string_view text, std::string_view host, HostKind kind,
                  std::optional<uint16_t> port) {
  const std::optional<HostPort> parsed = ParseHostPort(text);
  ASSERT_TRUE(parsed.has_value()) << text;
  EXPECT_EQ(parsed->host, host) << text;
  EXPECT_EQ(parsed->kind, kind) << text;
  EXPECT_EQ(parsed->port, port) << text;
}

// RFC 9110 §7.2, RFC 3986 §3.2.2 and §3.2.3.
TEST(HostPortTest, AcceptsWhatTheGrammarAllows) {
  ExpectParses("example.com", "example.com", HostKind::kName, std::nullopt);
  ExpectParses("Example.COM:8080", "Example.COM", HostKind::kName, 8080);
  ExpectParses("example.com:", "example.com", HostKind::kName, std::nullopt);
  ExpectParses("example.com.:443", "example.com.", HostKind::kName, 443);
  ExpectParses("a_b-c~d", "a_b-c~d", HostKind::kName, std::nullopt);
  ExpectParses("a!$&'()*+,;=b", "a!$&'()*+,;=b", HostKind::kName, std::nullopt);
  ExpectParses("%41bc:1", "%41bc", HostKind::kName, 1);
  ExpectParses("127.0.0.1:80", "127.0.0.1", HostKind::kIpv4, 80);
  ExpectParses("256.0.0.1", "256.0.0.1", HostKind::kName, std::nullopt);
  ExpectParses("[::1]", "::1", HostKind::kIpv6, std::nullopt);
  ExpectParses("[2001:db8::1]:65535", "2001:db8::1", HostKind::kIpv6, 65535);
  ExpectParses("[::ffff:1.2.3.4]:", "::ffff:1.2.3.4", HostKind::kIpv6, std::nullopt);
  ExpectParses("[v1.fe80::a+en1]", "v1.fe80::a+en1", HostKind::kIpFuture, std::nullopt);
  ExpectParses("h:0", "h", HostKind::kName, 0);
  ExpectParses("h:00000000080", "h", HostKind::kName, 80);
}

// RFC 9110 §7.2: an invalid Host field is answered 400; §4.2.1 no empty host, §4.2.4 no userinfo.
TEST(HostPortTest, RefusesEverythingElse) {
  for (std::string_view bad : {"",
                               ":",
                               ":80",
                               "a b",
                               " a",
                               "a ",
                               "a\t",
                               "user@host",
                               "user:pw@host",
                               "http://h",
                               "h/",
                               "h?q",
                               "h#f",
                               "h:80:80",
                               "h:65536",
                               "h:99999999999999999999",
                               "h:8o",
                               "h:-1",
                               "h:+1",
                               "h: 80",
                               "h:80 ",
                               "%",
                               "%4",
                               "%zz",
                               "[",
                               "[]",
                               "[::1",
                               "::1",
                               "[::1]x",
                               "[::1]80",
                               "[1.2.3.4]",
                               "[fe80::1%25eth0]",
                               "[v.x]",
                               "[v1.]",
                               "[vg.x]",
                               "[v1.a/b]",
                               "h[",
                               "h]",
                               "\\",
                               "a\"b",
                               "<h>",
                               "h^",
                               "h`",
                               "{h}",
                               "a|b",
                               "h\x80",
                               "h\x7f",
                               "a,b c",
                               "[::1]:65536"}) {
    EXPECT_FALSE(ParseHostPort(bad).has_value()) << bad;
  }
  EXPECT_FALSE(ParseHostPort(std::string_view("a\0b", 3)).has_value());
}

TEST(SocketAddressTest, Tcp) {
  const auto expect = [](std::string_view text, std::string_view host, HostKind kind, int port) {
    const auto address = ParseSocketAddress(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->kind, SocketAddress::Kind::kTcp);
    EXPECT_EQ(address->host, host) << text;
    EXPECT_EQ(address->host_kind, kind) << text;
    EXPECT_EQ(address->port, port) << text;
  };
  expect("127.0.0.1:8080", "127.0.0.1", HostKind::kIpv4, 8080);
  expect("[::1]:80", "::1", HostKind::kIpv6, 80);
  expect("localhost:0", "localhost", HostKind::kName, 0);
  expect(":80", "", HostKind::kName, 80);
  expect("*:80", "", HostKind::kName, 80);
}

TEST(SocketAddressTest, Unix) {
  const auto address = ParseSocketAddress("unix:/run/postern.sock");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->kind, SocketAddress::Kind::kUnix);
  EXPECT_EQ(address->path, "/run/postern.sock");
  EXPECT_TRUE(ParseSocketAddress("unix:/" + std::string(106, 'x')).ok());
  EXPECT_FALSE(ParseSocketAddress("unix:/" + std::string(107, 'x')).ok());
  EXPECT_FALSE(ParseSocketAddress("unix:").ok());
  EXPECT_FALSE(ParseSocketAddress(std::string_view("unix:/a\0b", 9)).ok());
}

TEST(SocketAddressTest, SaysWhatIsWrongAndWhatToWrite) {
  for (std::string_view bad :
       {"", "8080", "localhost", "localhost:", ":", "*:", "::1:80", ":65536", ":http", "[::1]",
        "a b:80", "host:80:90", "[v1.x]:80", "http://h:80"}) {
    const auto address = ParseSocketAddress(bad);
    ASSERT_FALSE(address.ok()) << bad;
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("write 127.0.0.1:8080")) << bad;
  }
  EXPECT_THAT(std::string(ParseSocketAddress("localhost").status().message()),
              HasSubstr("the port is missing"));
}

}  // namespace
}  // namespace postern
