#include "lib/jose/claims.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/text/concat.h"

namespace postern::jose {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kNow = 1784512580000;

// The outcome for `members` besides an issuer and an expiry that are good.
Failure Check(std::string_view members, const ClaimRules& rules = {.issuer = "https://i"},
              int64_t now = kNow) {
  Claims claims;
  const Failure failure =
      claims.Parse(Concat(R"({"iss":"https://i","exp":1784512581)", members, "}"));
  return failure != Failure::kNone ? failure : claims.Check(rules, now);
}

// authorization.md §7, steps 5 to 8, and §8, hazards 22 to 27.
TEST(ClaimsTest, NeedsAnObject) {
  Claims claims;
  for (const char* text :
       {"", "foo", "[]", "\"x\"", "{}", R"({"exp":1}x)", R"({"exp":1,"exp":2})",
        R"({"exp":1,"a":{"b":1,"b":2}})", "{\"exp\":1,\"a\":\"\xFF\"}", "\xEF\xBB\xBF{\"exp\":1}",
        R"({"exp":1,"a":[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]})"}) {
    EXPECT_EQ(claims.Parse(text), Failure::kClaims) << text;
  }
  EXPECT_EQ(claims.Parse(R"({"exp":1})"), Failure::kNone);
}

TEST(ClaimsTest, Times) {
  const auto with_exp = [](std::string_view exp, int64_t now = kNow, int64_t skew = 0) {
    Claims claims;
    const Failure failure = claims.Parse(Concat(R"({"iss":"i","exp":)", exp, "}"));
    if (failure != Failure::kNone) return failure;
    return claims.Check({.issuer = "i", .audiences = {}, .token_use = "", .clock_skew_ms = skew},
                        now);
  };
  EXPECT_EQ(with_exp("1784512581"), Failure::kNone);
  EXPECT_EQ(with_exp("1784512580"), Failure::kExpired);  // After now, not at it.
  EXPECT_EQ(with_exp("1784512580.5"), Failure::kNone);   // As real numbers.
  EXPECT_EQ(with_exp("1784512580.5", kNow + 499), Failure::kNone);
  EXPECT_EQ(with_exp("1784512580.5", kNow + 500), Failure::kExpired);
  EXPECT_EQ(with_exp("1.7845125805e9"), Failure::kNone);
  EXPECT_EQ(with_exp("0"), Failure::kExpired);
  EXPECT_EQ(with_exp("1e300"), Failure::kNone);
  EXPECT_EQ(with_exp("1784512580", kNow + 59999, 60000), Failure::kNone);
  EXPECT_EQ(with_exp("1784512580", kNow + 60000, 60000), Failure::kExpired);
  for (const char* bad : {"\"1784512581\"", "-1", "1e400", "null", "true", "[1784512581]", "NaN"}) {
    EXPECT_EQ(with_exp(bad), Failure::kClaims) << bad;
  }
  Claims without;
  EXPECT_EQ(without.Parse(R"({"iss":"i"})"), Failure::kClaims);
  EXPECT_EQ(Check(R"(,"nbf":1784512580)"), Failure::kNone);
  EXPECT_EQ(Check(R"(,"nbf":1784512580.001)"), Failure::kNotYet);
  EXPECT_EQ(Check(R"(,"iat":1784512580)"), Failure::kNone);
  EXPECT_EQ(Check(R"(,"iat":1784512581)"), Failure::kIssuedLater);
  EXPECT_EQ(Check(R"(,"nbf":"0")"), Failure::kClaims);
  EXPECT_EQ(Check(R"(,"iat":-1)"), Failure::kClaims);
  const ClaimRules skew{
      .issuer = "https://i", .audiences = {}, .token_use = "", .clock_skew_ms = 1000};
  EXPECT_EQ(Check(R"(,"nbf":1784512581,"iat":1784512581)", skew), Failure::kNone);
}

TEST(ClaimsTest, ExpiryForCaches) {
  Claims claims;
  ASSERT_EQ(claims.Parse(R"({"exp":1784512580.9999})"), Failure::kNone);
  EXPECT_EQ(claims.expires_ms(), 1784512580999);
  ASSERT_EQ(claims.Parse(R"({"exp":1e300})"), Failure::kNone);
  EXPECT_EQ(claims.expires_ms(), 253402300799000);
}

TEST(ClaimsTest, Issuer) {
  for (const char* issuer : {"https://i/", "https://I", "https://", "", "http://i"}) {
    EXPECT_EQ(Check("", {.issuer = issuer}), Failure::kIssuer) << issuer;
  }
  Claims claims;
  ASSERT_EQ(claims.Parse(R"({"exp":1784512581})"), Failure::kNone);
  EXPECT_EQ(claims.Check({.issuer = ""}, kNow), Failure::kIssuer);
  ASSERT_EQ(claims.Parse(R"({"exp":1784512581,"iss":["i"]})"), Failure::kNone);
  EXPECT_EQ(claims.Check({.issuer = "i"}, kNow), Failure::kIssuer);
}

TEST(ClaimsTest, Audience) {
  const ClaimRules rules{.issuer = "https://i", .audiences = {"a", "b"}};
  EXPECT_EQ(Check(R"(,"aud":"b")", rules), Failure::kNone);
  EXPECT_EQ(Check(R"(,"aud":["x","a"])", rules), Failure::kNone);
  EXPECT_EQ(Check(R"(,"aud":"A")", rules), Failure::kAudience);
  EXPECT_EQ(Check(R"(,"aud":"a b")", rules), Failure::kAudience);
  EXPECT_EQ(Check("", rules), Failure::kAudience);
  EXPECT_EQ(Check(R"(,"client_id":"a")", rules), Failure::kNone);
  EXPECT_EQ(Check(R"(,"client_id":"a","aud":"x")", rules), Failure::kAudience);
  EXPECT_EQ(Check(R"(,"client_id":["a"])", rules), Failure::kAudience);
  EXPECT_EQ(Check(R"(,"aud":[])", rules), Failure::kClaims);
  EXPECT_EQ(Check(R"(,"aud":["a",1])", rules), Failure::kClaims);
  EXPECT_EQ(Check(R"(,"aud":null)", rules), Failure::kClaims);
  EXPECT_EQ(Check(""), Failure::kNone);
}

TEST(ClaimsTest, TokenUse) {
  const ClaimRules rules{.issuer = "https://i", .audiences = {}, .token_use = "id"};
  EXPECT_EQ(Check(R"(,"token_use":"id")", rules), Failure::kNone);
  EXPECT_EQ(Check(R"(,"token_use":"access")", rules), Failure::kTokenUse);
  EXPECT_EQ(Check("", rules), Failure::kTokenUse);
}

// §7 step 9.
TEST(ClaimsTest, Scopes) {
  const auto claims = [](std::string_view members) {
    auto made = std::make_unique<Claims>();
    EXPECT_EQ(made->Parse(Concat(R"({"exp":1)", members, "}")), Failure::kNone);
    return made;
  };
  const std::string wanted[] = {"read", "write"};
  EXPECT_TRUE(claims(R"(,"scope":"openid write")")->HasScope(wanted));
  EXPECT_TRUE(claims(R"(,"scp":"read")")->HasScope(wanted));
  EXPECT_TRUE(claims(R"(,"scp":["x","read"])")->HasScope(wanted));
  EXPECT_FALSE(claims(R"(,"scope":"reader rea")")->HasScope(wanted));
  EXPECT_FALSE(claims(R"(,"scope":["read"])")->HasScope(wanted));
  EXPECT_FALSE(claims("")->HasScope(wanted));
  EXPECT_TRUE(claims("")->HasScope({}));
  const auto all = claims(R"(,"scope":" a  b ","scp":["c",1,"d e"])");
  EXPECT_THAT(all->Scopes(), ElementsAre("a", "b", "c", "d e"));
  EXPECT_THAT(claims("")->Scopes(), IsEmpty());
}

}  // namespace
}  // namespace postern::jose
