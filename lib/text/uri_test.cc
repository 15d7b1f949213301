#include "lib/text/uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern {
namespace {

using ::testing::HasSubstr;

// RFC 3986 §3, RFC 9110 §4.2.
TEST(UriTest, SplitsIntoParts) {
  const auto uri = ParseHttpUri("https://Example.com:8443/a/b%20c;v=1?x=1&y=?/@:");
  ASSERT_TRUE(uri.ok()) << uri.status();
  EXPECT_TRUE(uri->https);
  EXPECT_EQ(uri->authority, "Example.com:8443");
  EXPECT_EQ(uri->host, "Example.com");
  EXPECT_EQ(uri->port, 8443);
  EXPECT_EQ(uri->path, "/a/b%20c;v=1");
  EXPECT_EQ(uri->query, "x=1&y=?/@:");
}

TEST(UriTest, DefaultPortsAndEmptyParts) {
  const auto http = ParseHttpUri("HTTP://h");
  ASSERT_TRUE(http.ok());
  EXPECT_FALSE(http->https);
  EXPECT_EQ(http->port, 80);
  EXPECT_EQ(http->path, "");
  EXPECT_EQ(http->query, std::nullopt);
  const auto https = ParseHttpUri("https://h:/?");
  ASSERT_TRUE(https.ok());
  EXPECT_EQ(https->port, 443);
  EXPECT_EQ(https->path, "/");
  EXPECT_EQ(https->query, "");
  const auto no_path = ParseHttpUri("http://h?q");
  ASSERT_TRUE(no_path.ok());
  EXPECT_EQ(no_path->path, "");
  EXPECT_EQ(no_path->query, "q");
}

TEST(UriTest, Ipv6Literal) {
  const auto uri = ParseHttpUri("http://[2001:db8::1]:81//x");
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->authority, "[2001:db8::1]:81");
  EXPECT_EQ(uri->host, "2001:db8::1");
  EXPECT_EQ(uri->host_kind, HostKind::kIpv6);
  EXPECT_EQ(uri->port, 81);
  EXPECT_EQ(uri->path, "//x");
}

// rest-api.md §6.5 step 4 has `https://` as an invalid endpoint.
TEST(UriTest, RefusesWhatIsNoHttpUri) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "must start with http"},           {"example.com/x", "must start with http"},
      {"ftp://h/", "must start with http"},   {"http:/h", "must start with http"},
      {"//h/x", "must start with http"},      {" http://h", "must start with http"},
      {"https://", "host or port"},           {"http:///x", "host or port"},
      {"http://:80/", "host or port"},        {"http://h:99999/", "host or port"},
      {"http://a b/", "host or port"},        {"http://[::1/", "host or port"},
      {"http://u:p@h/", "user and password"}, {"http://h/#f", "fragment"},
      {"http://h/a b", "path contains"},      {"http://h/{id}", "path contains"},
      {"http://h/%zz", "path contains"},      {"http://h/\xC3\xA9", "path contains"},
      {"http://h/a\\b", "path contains"},     {"http://h/?a b", "query contains"},
      {"http://h/?a=%1", "query contains"},   {"http://h/?a|b", "query contains"},
      {"http://h/\r\n", "path contains"},
  };
  for (const auto& [text, why] : cases) {
    const auto uri = ParseHttpUri(text);
    ASSERT_FALSE(uri.ok()) << text;
    EXPECT_THAT(std::string(uri.status().message()), HasSubstr(std::string(why))) << text;
  }
}

}  // namespace
}  // namespace postern
