#include "core/net/address.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <string>

#include "gtest/gtest.h"

namespace postern {
namespace {

Address FromStorage(const Address& address) {
  sockaddr_storage storage;
  const socklen_t size = address.ToSockaddr(&storage);
  return Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), size);
}

TEST(Address, IsSmall) { EXPECT_LE(sizeof(Address), 128u); }

TEST(Address, ParsesAndPrintsIpv4) {
  const auto address = Address::ParseIp("203.0.113.9", 8080);
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->family(), Address::Family::kIpv4);
  EXPECT_EQ(address->IpString(), "203.0.113.9");
  EXPECT_EQ(address->ToString(), "203.0.113.9:8080");
  EXPECT_EQ(Address::ParseIp("0.10.100.255", 1)->IpString(), "0.10.100.255");
  EXPECT_EQ(FromStorage(*address), *address);
}

TEST(Address, ParsesAndPrintsIpv6InCanonicalForm) {  // RFC 5952 section 4
  const auto address = Address::ParseIp("2001:DB8:0:0:0:0:0:1", 443);
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->family(), Address::Family::kIpv6);
  EXPECT_EQ(address->IpString(), "2001:db8::1");
  EXPECT_EQ(address->ToString(), "[2001:db8::1]:443");
  EXPECT_EQ(FromStorage(*address), *address);
  char buffer[46];
  EXPECT_EQ(Address::ParseIp("1111:2222:3333:4444:5555:6666:7777:8888", 1)->FormatIp(buffer),
            "1111:2222:3333:4444:5555:6666:7777:8888");
}

TEST(Address, MappedIpv6BecomesIpv4) {  // RFC 4291 section 2.5.5.2
  const auto address = Address::ParseIp("::ffff:192.0.2.1", 80);
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->ToString(), "192.0.2.1:80");
  sockaddr_in6 in = {};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(81);
  in.sin6_addr.s6_addr[10] = in.sin6_addr.s6_addr[11] = 0xff;
  in.sin6_addr.s6_addr[12] = 127;
  in.sin6_addr.s6_addr[15] = 1;
  const Address mapped = Address::FromSockaddr(reinterpret_cast<sockaddr*>(&in), sizeof(in));
  EXPECT_EQ(mapped.ToString(), "127.0.0.1:81");
  EXPECT_TRUE(mapped.IsLoopback());
}

TEST(Address, RefusesWhatIsNoIp) {
  for (const char* text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "0x7f.1", "1.2.3.4 ",
        " 1.2.3.4", "[::1]", "::1%lo", "12345::", ":::", "1.2.3.4:80",
        "11111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"}) {
    EXPECT_FALSE(Address::ParseIp(text, 1).ok()) << text;
  }
  EXPECT_FALSE(Address::ParseIp(std::string_view("1.2.3.4\0", 8), 1).ok());
}

TEST(Address, ParsesListenAddresses) {
  EXPECT_EQ(Address::ParseListen("127.0.0.1:80")->ToString(), "127.0.0.1:80");
  EXPECT_EQ(Address::ParseListen("[::1]:8443")->ToString(), "[::1]:8443");
  EXPECT_EQ(Address::ParseListen("0.0.0.0:0")->ToString(), "0.0.0.0:0");
  EXPECT_FALSE(Address::ParseListen("[::]:80")->dual_stack());

  EXPECT_EQ(Address::ParseListen("*:80"), Address::ParseListen(":80"));

  const auto any = Address::ParseListen(":65535");
  ASSERT_TRUE(any.ok());
  EXPECT_EQ(any->ToString(), "[::]:65535");
  EXPECT_TRUE(any->dual_stack());
  EXPECT_TRUE(any->IsAny());

  const auto path = Address::ParseListen("unix:/run/postern.sock");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->family(), Address::Family::kUnix);
  EXPECT_EQ(path->path(), "/run/postern.sock");
  EXPECT_EQ(path->ToString(), "unix:/run/postern.sock");
  EXPECT_EQ(path->IpString(), "unix");
  EXPECT_TRUE(path->IsLoopback());
}

TEST(Address, RefusesOtherListenAddresses) {
  for (const std::string& text :
       {std::string(""), std::string("80"), std::string("localhost:80"), std::string("1.2.3.4"),
        std::string("1.2.3.4:"), std::string("1.2.3.4:65536"), std::string("1.2.3.4:+1"),
        std::string("::1:80"), std::string("[::1]"), std::string("[::1]80"),
        std::string("[127.0.0.1]:80"), std::string("[]:80"), std::string("unix:"),
        "unix:/" + std::string(107, 'x'), std::string("unix:/a\0b", 9)}) {
    const auto address = Address::ParseListen(text);
    EXPECT_FALSE(address.ok()) << text;
    EXPECT_FALSE(address.status().message().empty());
  }
  EXPECT_TRUE(Address::ParseListen("unix:/" + std::string(106, 'x')).ok());
}

TEST(Address, UnixPathReachesTheSocketAddress) {
  sockaddr_storage storage;
  const Address address = *Address::FromUnixPath("/tmp/s");
  const socklen_t size = address.ToSockaddr(&storage);
  EXPECT_EQ(size, offsetof(sockaddr_un, sun_path) + 7);
  EXPECT_STREQ(reinterpret_cast<sockaddr_un*>(&storage)->sun_path, "/tmp/s");
  // What a peer is called is not kept.
  EXPECT_EQ(FromStorage(address).family(), Address::Family::kUnix);
  EXPECT_EQ(FromStorage(address).path(), "");
}

TEST(Address, TruncatedOrForeignSocketAddressIsNone) {
  sockaddr_storage storage = {};
  EXPECT_EQ(Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), 0), Address());
  storage.ss_family = AF_INET;
  EXPECT_EQ(Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), 4), Address());
  storage.ss_family = AF_PACKET;
  EXPECT_EQ(Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), sizeof(storage)),
            Address());
  EXPECT_EQ(Address().ToString(), "");
  EXPECT_EQ(Address().ToSockaddr(&storage), 0u);
  EXPECT_EQ(Address::FromIpBytes("abc", 3, 1), Address());
}

TEST(Address, KnowsLoopbackAndAny) {
  EXPECT_TRUE(Address::ParseIp("127.255.0.1", 1)->IsLoopback());
  EXPECT_TRUE(Address::ParseIp("::1", 1)->IsLoopback());
  EXPECT_FALSE(Address::ParseIp("::2", 1)->IsLoopback());
  EXPECT_FALSE(Address::ParseIp("128.0.0.1", 1)->IsLoopback());
  EXPECT_FALSE(Address().IsLoopback());
  EXPECT_TRUE(Address::ParseIp("0.0.0.0", 1)->IsAny());
  EXPECT_FALSE(Address::ParseIp("0.0.0.1", 1)->IsAny());
  EXPECT_FALSE(Address().IsAny());
}

}  // namespace
}  // namespace postern
