#include "lib/text/glob.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

namespace postern {
namespace {

// The definition, exponential and obvious; for ASCII.
bool Reference(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    for (size_t i = 0; i <= text.size(); ++i) {
      if (Reference(pattern.substr(1), text.substr(i))) return true;
    }
    return false;
  }
  if (text.empty() || (pattern.front() != '?' && pattern.front() != text.front())) return false;
  return Reference(pattern.substr(1), text.substr(1));
}

TEST(GlobTest, Literals) {
  EXPECT_TRUE(GlobMatch("", ""));
  EXPECT_FALSE(GlobMatch("", "a"));
  EXPECT_TRUE(GlobMatch("abc", "abc"));
  EXPECT_FALSE(GlobMatch("abc", "abcd"));
  EXPECT_FALSE(GlobMatch("abc", "ab"));
  EXPECT_FALSE(GlobMatch("abc", "ABC"));
  EXPECT_TRUE(GlobMatch("a.[b]\\", "a.[b]\\"));
}

// authorization.md §3.3: '*' crosses '/'.
TEST(GlobTest, StarMatchesAnyRun) {
  EXPECT_TRUE(GlobMatch("*", ""));
  EXPECT_TRUE(GlobMatch("*", "a/b"));
  EXPECT_TRUE(GlobMatch("arn:aws:execute-api:*:*:abc/*/GET/*",
                        "arn:aws:execute-api:us-east-1:111122223333:abc/prod/GET/pets/7"));
  EXPECT_FALSE(GlobMatch("arn:aws:execute-api:*:*:abc/*/GET/*",
                         "arn:aws:execute-api:us-east-1:111122223333:abc/prod/POST/pets"));
  EXPECT_TRUE(GlobMatch("a*b*c", "abc"));
  EXPECT_TRUE(GlobMatch("a*b*c", "axxbyybzzc"));
  EXPECT_FALSE(GlobMatch("a*ab", "ab"));
  EXPECT_TRUE(GlobMatch("**a**", "a"));
}

TEST(GlobTest, QuestionMarkIsOneCharacter) {
  EXPECT_TRUE(GlobMatch("a?c", "abc"));
  EXPECT_FALSE(GlobMatch("a?c", "ac"));
  EXPECT_FALSE(GlobMatch("?", ""));
  EXPECT_TRUE(GlobMatch("?", "\xE2\x82\xAC"));
  EXPECT_FALSE(GlobMatch("??", "\xE2\x82\xAC"));
  EXPECT_TRUE(GlobMatch("*?z", "\xC3\xA9z"));
  EXPECT_TRUE(GlobMatch("*a?*z", "xa\xC3\xA9z"));
  EXPECT_TRUE(GlobMatch("?*", "\x80\x80"));
}

TEST(GlobTest, RandomPatternsAgreeWithTheDefinition) {
  std::mt19937 random(7);
  int matches = 0;
  for (int i = 0; i < 300000; ++i) {
    std::string pattern;
    std::string text;
    for (size_t k = random() % 9; k > 0; --k) pattern += "ab*?"[random() % 4];
    for (size_t k = random() % 11; k > 0; --k) text += "ab"[random() % 2];
    const bool expected = Reference(pattern, text);
    matches += expected;
    ASSERT_EQ(GlobMatch(pattern, text), expected) << pattern << " on " << text;
  }
  EXPECT_GT(matches, 10000);
}

// Backtracking matchers take minutes for this.
TEST(GlobTest, ManyStarsStayLinear) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "a*";
  pattern += "b";
  EXPECT_FALSE(GlobMatch(pattern, std::string(1000000, 'a')));
  EXPECT_TRUE(GlobMatch(pattern, std::string(1000000, 'a') + "b"));
}

}  // namespace
}  // namespace postern
