#include <optional>
#include <string>

#include "filters/jwt/claim_text.h"
#include "filters/jwt/settings.h"
#include "filters/jwt/token_cache.h"
#include "gtest/gtest.h"

namespace postern::jwt {
namespace {

std::optional<std::string> Text(Profile profile, std::string_view name, std::string_view json) {
  JsonReader reader;
  EXPECT_TRUE(reader.Parse(json).ok()) << json;
  return ClaimText(profile, name, reader.root());
}

// authorization.md §7, "claim rendering".
TEST(ClaimTextTest, OfHttpApis) {
  const auto text = [](std::string_view json) { return Text(Profile::kJwt, "exp", json); };
  EXPECT_EQ(text("\"a b\""), "a b");
  EXPECT_EQ(text("1513495692"), "1513495692");
  EXPECT_EQ(text("1.5"), "1.5");
  EXPECT_EQ(text("true"), "true");
  EXPECT_EQ(text("null"), std::nullopt);
  EXPECT_EQ(text(R"(["a","b c",1,false])"), "[a b c 1 false]");
  EXPECT_EQ(text("[]"), "[]");
  EXPECT_EQ(text(R"({"a":["x",null,2.5],"b":{"c":"\""}})"),
            R"({"a":["x",null,2.5],"b":{"c":"\""}})");
  EXPECT_EQ(text(R"([{"a":1},["b"],null])"), R"([{"a":1} ["b"] null])");
}

// §6, "Propagation".
TEST(ClaimTextTest, OfCognito) {
  EXPECT_EQ(Text(Profile::kCognito, "exp", "1513495692"), "Sun Dec 17 07:28:12 UTC 2017");
  EXPECT_EQ(Text(Profile::kCognito, "iat", "1513495692.7"), "Sun Dec 17 07:28:12 UTC 2017");
  EXPECT_EQ(Text(Profile::kCognito, "auth_time", "1513495692"), "1513495692");
  EXPECT_EQ(Text(Profile::kCognito, "email_verified", "true"), "true");
  EXPECT_EQ(Text(Profile::kCognito, "cognito:groups", R"(["a","b"])"), "a,b");
  EXPECT_EQ(Text(Profile::kCognito, "exp", "1e300"), "Fri Dec 31 23:59:59 UTC 9999");
}

TEST(SplitHttpUriTest, Parts) {
  const auto split = SplitHttpUri("https://id.example:8443/a/b?c=d");
  ASSERT_TRUE(split.has_value());
  EXPECT_TRUE(split->https);
  EXPECT_EQ(split->origin, "https://id.example:8443");
  EXPECT_EQ(split->path, "/a/b?c=d");
  EXPECT_EQ(SplitHttpUri("http://h")->path, "/");
  EXPECT_EQ(SplitHttpUri("http://h?x")->path, "/?x");
  EXPECT_FALSE(SplitHttpUri("ftp://h/").has_value());
  EXPECT_FALSE(SplitHttpUri("https://user@h/").has_value());
  EXPECT_FALSE(SplitHttpUri("h").has_value());
}

class TokenCacheTest : public ::testing::Test {
 protected:
  static TokenCache::Key Key(int number, bool with_scopes = false) {
    return {Sha256(std::to_string(number)), nullptr, with_scopes};
  }
  static Verified Value(size_t bytes, int64_t expires_ms = 0) {
    Verified verified;
    verified.scopes_json.assign(bytes, 'x');
    verified.expires_ms = expires_ms;
    return verified;
  }
};

TEST_F(TokenCacheTest, ForgetsWhatWasNotUsedForLongest) {
  TokenCache cache(2, 1 << 20);
  for (int i = 0; i < 2; ++i) {
    Verified value = Value(1, i);
    EXPECT_NE(cache.Put(Key(i), &value), nullptr);
  }
  EXPECT_EQ(cache.Find(Key(0))->expires_ms, 0);
  Verified third = Value(1, 2);
  cache.Put(Key(2), &third);
  EXPECT_NE(cache.Find(Key(0)), nullptr);
  EXPECT_EQ(cache.Find(Key(1)), nullptr);
  EXPECT_NE(cache.Find(Key(2)), nullptr);
  EXPECT_EQ(cache.Find(Key(2, true)), nullptr);
  EXPECT_EQ(cache.size(), 2u);
  cache.Remove(Key(0));
  cache.Remove(Key(0));
  EXPECT_EQ(cache.size(), 1u);
}

TEST_F(TokenCacheTest, IsBoundedInBytes) {
  TokenCache cache(1000, 10000);
  for (int i = 0; i < 100; ++i) {
    Verified value = Value(1000);
    EXPECT_NE(cache.Put(Key(i), &value), nullptr);
    EXPECT_LE(cache.bytes(), 10000u);
  }
  EXPECT_GT(cache.size(), 2u);
  Verified large = Value(20000);
  EXPECT_EQ(cache.Put(Key(100), &large), nullptr);
  EXPECT_EQ(large.scopes_json.size(), 20000u) << "still the caller's";
  EXPECT_GT(cache.size(), 2u);
  Verified again = Value(10);
  cache.Put(Key(99), &again);
  EXPECT_EQ(cache.Find(Key(99))->scopes_json.size(), 10u);
  TokenCache none(0, 10000);
  EXPECT_EQ(none.Put(Key(0), &again), nullptr);
}

}  // namespace
}  // namespace postern::jwt
