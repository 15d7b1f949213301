#include "filters/compress/content_types.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(ContentTypes, MatchesTheDefaults) {
  const ContentTypes types(ContentTypes::Default());
  for (const char* yes : {"text/html", "TEXT/Plain; charset=utf-8", " application/json ;v=1",
                          "application/problem+json", "image/svg+xml", "application/atom+xml"}) {
    EXPECT_TRUE(types.Match(yes)) << yes;
  }
  for (const char* no : {"image/png", "application/octet-stream", "application/zip", "", "text",
                         "application/jsonx", "json/text", "image/x+json"}) {
    EXPECT_FALSE(types.Match(no)) << no;
  }
}

TEST(ContentTypes, MatchesPatterns) {
  EXPECT_TRUE(ContentTypes({"*/*"}).Match("image/png"));
  EXPECT_TRUE(ContentTypes({"*/*"}).Match("malformed"));
  EXPECT_TRUE(ContentTypes({"text/*", "*/*"}).Match(std::nullopt));
  EXPECT_FALSE(ContentTypes({"text/*"}).Match(std::nullopt));
  EXPECT_TRUE(ContentTypes({"Image/*"}).Match("image/png"));
  EXPECT_FALSE(ContentTypes({"image/*"}).Match("images/png"));
  EXPECT_FALSE(ContentTypes({}).Match("text/plain"));
}

TEST(ContentTypes, KnowsPatterns) {
  for (const char* yes : {"*/*", "text/*", "text/plain", "application/*+json"}) {
    EXPECT_TRUE(ContentTypes::IsPattern(yes)) << yes;
  }
  for (const char* no : {"", "*", "text", "text/", "/plain", "*/plain", "text/a*", "text/plain;a=b",
                         "text/*+", "a b/c", "text/a/b"}) {
    EXPECT_FALSE(ContentTypes::IsPattern(no)) << no;
  }
}

}  // namespace
}  // namespace postern
