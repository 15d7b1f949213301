#include "lib/text/media_type.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

std::string Essence(std::string_view value) {
  const auto parsed = ParseMediaType(value);
  return parsed.has_value() ? std::string(parsed->essence) : "none";
}

// RFC 9110 §8.3.1.
TEST(MediaTypeTest, ParsesTypeAndSubtypeOnly) {
  const auto parsed = ParseMediaType(" text/HTML ; charset=\"utf-8, x\"");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->type, "text");
  EXPECT_EQ(parsed->subtype, "HTML");
  EXPECT_EQ(Essence("application/vnd.api+json;v=1"), "application/vnd.api+json");
  EXPECT_EQ(Essence("*/*"), "*/*");
  for (std::string_view bad : {"", "text", "text/", "/plain", "text/pl ain", "te xt/plain", "a/b/c",
                               "text /plain", ";", "a/b,c/d", "text/\xC3\xA9", "text/(x)"}) {
    EXPECT_EQ(Essence(bad), "none") << bad;
  }
}

// rest-api.md §10.1 "first media type of the request's Accept".
TEST(MediaTypeTest, FirstOfAccept) {
  EXPECT_EQ(FirstMediaType("image/png,image/*")->essence, "image/png");
  EXPECT_EQ(FirstMediaType(" image/jpeg ;q=0.1 , image/png")->essence, "image/jpeg");
  EXPECT_EQ(FirstMediaType("a/b;x=\"1,2\", c/d")->essence, "a/b");
  EXPECT_FALSE(FirstMediaType("garbage, image/png").has_value());
  EXPECT_FALSE(FirstMediaType("").has_value());
}

// rest-api.md §10.1, the matching table, row by row.
TEST(BinaryMediaTypesTest, ExactEntry) {
  const BinaryMediaTypes types({"image/png"});
  EXPECT_TRUE(types.MatchesAccept("image/png"));
  EXPECT_TRUE(types.MatchesAccept("image/png,image/*"));
  EXPECT_TRUE(types.MatchesAccept("image/png;q=0.2"));
  EXPECT_TRUE(types.MatchesAccept("IMAGE/PNG"));
  EXPECT_FALSE(types.MatchesAccept("image/*"));
  EXPECT_FALSE(types.MatchesAccept("*/*"));
  EXPECT_FALSE(types.MatchesAccept("image/jpeg,image/png"));
  EXPECT_FALSE(types.MatchesAccept(std::nullopt));
  EXPECT_FALSE(types.MatchesAccept("malformed"));
  EXPECT_TRUE(types.MatchesContentType("image/png; x=y"));
  EXPECT_FALSE(types.MatchesContentType("image/png, image/png"));
}

TEST(BinaryMediaTypesTest, SubtypeWildcard) {
  const BinaryMediaTypes types({"application/*"});
  EXPECT_TRUE(types.MatchesAccept("application/x"));
  EXPECT_TRUE(types.MatchesAccept("application/*"));
  EXPECT_FALSE(types.MatchesAccept("applications/x"));
  EXPECT_FALSE(types.MatchesAccept("text/plain"));
  EXPECT_FALSE(types.MatchesAccept("*/*"));
}

TEST(BinaryMediaTypesTest, LeftWildcardMatchesNothing) {
  const BinaryMediaTypes types({"*/test"});
  EXPECT_TRUE(types.empty());
  EXPECT_FALSE(types.MatchesAccept("*/test"));
  EXPECT_FALSE(types.MatchesAccept("a/test"));
  EXPECT_FALSE(types.MatchesAccept(std::nullopt));
}

TEST(BinaryMediaTypesTest, EverythingMatchesEverythingIncludingMissing) {
  const BinaryMediaTypes types({"image/png", "*/*"});
  EXPECT_TRUE(types.MatchesAccept("a/b"));
  EXPECT_TRUE(types.MatchesAccept("malformed"));
  EXPECT_TRUE(types.MatchesAccept(std::nullopt));
  EXPECT_TRUE(types.MatchesContentType(std::nullopt));
}

TEST(BinaryMediaTypesTest, EmptyListMatchesNothing) {
  const BinaryMediaTypes types;
  EXPECT_TRUE(types.empty());
  EXPECT_FALSE(types.MatchesContentType("application/octet-stream"));
  EXPECT_FALSE(types.MatchesContentType(std::nullopt));
}

}  // namespace
}  // namespace postern
