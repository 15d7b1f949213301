#include "lib/mapping/selection_pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

bool Matches(std::string_view pattern, std::string_view text) {
  const auto compiled = SelectionPattern::Compile(pattern);
  EXPECT_TRUE(compiled.ok()) << pattern << ": " << compiled.status();
  return compiled.ok() && compiled->Matches(text);
}

TEST(SelectionPatternTest, MatchesTheWholeText_RestApi8_1) {
  EXPECT_TRUE(Matches("200", "200"));
  EXPECT_FALSE(Matches("200", "2000"));
  EXPECT_TRUE(Matches("4\\d{2}", "404"));
  EXPECT_FALSE(Matches("4\\d{2}", "4040"));
  EXPECT_TRUE(Matches(".*four hundred.*", "it is four hundred, sorry"));
  EXPECT_FALSE(Matches("four hundred", "it is four hundred"));
  EXPECT_TRUE(Matches("[45]\\d\\d|50.", "503"));
  EXPECT_TRUE(Matches("^4.*$", "401"));
}

TEST(SelectionPatternTest, ADotIsNoLineBreak_RestApi8_1) {
  EXPECT_FALSE(Matches(".*Error.*", "Error\nmore"));
  EXPECT_TRUE(Matches("(.|\\n)*Error(.|\\n)*", "an\nError\nmore"));
  EXPECT_TRUE(Matches("(?s).*Error.*", "an\nError"));
  EXPECT_TRUE(Matches("(?i)ERROR.*", "error x"));
}

// java.util.regex.Pattern, as far as RE2 writes it otherwise.
TEST(SelectionPatternTest, JavaNotation) {
  EXPECT_TRUE(Matches("(?<code>\\d+)", "12"));
  EXPECT_TRUE(Matches("\\p{Alpha}+\\p{Digit}", "ab1"));
  EXPECT_TRUE(Matches("[\\p{Alpha}_]+", "a_b"));
  EXPECT_FALSE(Matches("\\P{Alpha}+", "a"));
  EXPECT_TRUE(Matches("a\\hb", "a\tb"));
  EXPECT_TRUE(Matches("a\\Rb", "a\r\nb"));
  EXPECT_TRUE(Matches("a.*\\Z", "abc\n"));
  EXPECT_TRUE(Matches("\\Q[x]\\E.*", "[x]y"));
  EXPECT_TRUE(Matches("\\Qa.b", "a.b"));
  EXPECT_TRUE(Matches("[]a]+", "]a"));
  EXPECT_TRUE(Matches("\\p{L}+", "\xC3\xA9"));
  EXPECT_TRUE(Matches("[^\\p{Space}]*", "ab"));
}

TEST(SelectionPatternTest, RefusesWhatCannotBeMatchedInLinearTime) {
  for (const char* pattern :
       {"(?!2).*", "(?=a)a", "(?<=a)b", "(a)\\1", "(?>a+)b", "a++", "(", "[", "a{2", "*", ""}) {
    const auto compiled = SelectionPattern::Compile(pattern);
    if (std::string_view(pattern) == "a{2") {
      EXPECT_TRUE(compiled.ok());
      continue;
    }
    EXPECT_FALSE(compiled.ok()) << pattern;
  }
  EXPECT_FALSE(SelectionPattern::Compile(std::string(5000, 'a')).ok());
  // What Java takes is told from what it refuses.
  EXPECT_EQ(SelectionPattern::Compile("(?!2).*").status().code(), absl::StatusCode::kUnimplemented);
  for (const char* pattern : {"(", "[", "*", "a\\", "[z-a]"}) {
    EXPECT_EQ(SelectionPattern::Compile(pattern).status().code(),
              absl::StatusCode::kInvalidArgument)
        << pattern;
  }
}

TEST(SelectionPatternTest, EveryPrefixEnds) {
  const std::string text = "[^]\\Q]\\E\\p{Alpha}(?<x>\\h)\\Z[\\h\\P{Lower}]";
  for (size_t size = 0; size <= text.size(); ++size) {
    FromJavaPattern(std::string_view(text).substr(0, size));
  }
}

}  // namespace
}  // namespace postern
