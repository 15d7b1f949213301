#include "lib/text/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace postern {
namespace {

using namespace std::string_literals;

std::string Encode(char32_t code_point) {
  std::string out;
  StringSink sink(&out);
  AppendCodePoint(code_point, sink);
  sink.Finish();
  return out;
}

// Unicode 15, table 3-7.
TEST(Utf8Test, EveryScalarValueIsValidAndNothingShorterIs) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const std::string encoded = Encode(c);
    const Utf8Step step = NextUtf8(encoded);
    ASSERT_TRUE(step.valid) << std::hex << static_cast<uint32_t>(c);
    ASSERT_EQ(step.size, encoded.size());
    for (size_t cut = 1; cut < encoded.size(); ++cut) {
      const Utf8Step part = NextUtf8(std::string_view(encoded).substr(0, cut));
      ASSERT_FALSE(part.valid);
      ASSERT_EQ(part.size, cut) << "a truncated sequence is one maximal subpart";
    }
  }
}

TEST(Utf8Test, RefusesOverlongSurrogateAndOutOfRange) {
  for (const std::string& bad :
       {"\x80"s, "\xBF"s, "\xC0\x80"s, "\xC1\xBF"s, "\xE0\x80\x80"s, "\xE0\x9F\xBF"s,
        "\xED\xA0\x80"s, "\xED\xBF\xBF"s, "\xF0\x80\x80\x80"s, "\xF0\x8F\xBF\xBF"s,
        "\xF4\x90\x80\x80"s, "\xF5\x80\x80\x80"s, "\xFE"s, "\xFF"s}) {
    EXPECT_FALSE(IsValidUtf8(bad));
    EXPECT_EQ(ValidUtf8Prefix("ascii" + bad), 5u);
  }
}

TEST(Utf8Test, ValidatesAcrossWordBoundaries) {
  for (size_t before = 0; before < 20; ++before) {
    for (size_t after = 0; after < 20; ++after) {
      const std::string good = std::string(before, 'a') + "\xE2\x82\xAC" + std::string(after, 'b');
      EXPECT_TRUE(IsValidUtf8(good));
      const std::string bad = std::string(before, 'a') + "\xE2\x82" + std::string(after, 'b');
      EXPECT_EQ(ValidUtf8Prefix(bad), before);
    }
  }
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8(std::string_view()));
}

// Unicode 15, §3.9, tables 3-8 to 3-11; rest-api.md §10.1.
TEST(Utf8Test, ReplacesMaximalSubparts) {
  const std::string r(kReplacementCharacter);
  EXPECT_EQ(ReplaceInvalidUtf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"s),
            "a" + r + r + r + "b" + r + "c" + r + r + "d");
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"s),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"s),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"s),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(ReplaceInvalidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"s), r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("a\0b"s), "a\0b"s);
  EXPECT_EQ(ReplaceInvalidUtf8(""), "");
}

TEST(Utf8Test, CodePointOutsideUnicodeIsReplaced) {
  EXPECT_EQ(Encode(0xD800), kReplacementCharacter);
  EXPECT_EQ(Encode(0x110000), kReplacementCharacter);
  EXPECT_EQ(Encode(0x1F600), "\xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace postern
