#include "lib/text/ascii.h"

#include <cctype>

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(AsciiTest, ClassesAgreeWithTheCLocaleBelow128AndAreEmptyAbove) {
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool ascii = i < 128;
    EXPECT_EQ(IsDigit(c), ascii && std::isdigit(i)) << i;
    EXPECT_EQ(IsAlpha(c), ascii && std::isalpha(i)) << i;
    EXPECT_EQ(IsAlnum(c), ascii && std::isalnum(i)) << i;
    EXPECT_EQ(HexValue(c) >= 0, ascii && std::isxdigit(i)) << i;
    EXPECT_EQ(kAlnumChars.Has(c), IsAlnum(c)) << i;
    EXPECT_EQ(ToLower(c), ascii ? static_cast<char>(std::tolower(i)) : c) << i;
  }
  EXPECT_EQ(HexValue('0'), 0);
  EXPECT_EQ(HexValue('a'), 10);
  EXPECT_EQ(HexValue('F'), 15);
}

// RFC 9110 §5.6.2
TEST(AsciiTest, TokenExcludesDelimitersControlsAndHighBytes) {
  for (char c : std::string_view("\"(),/:;<=>?@[\\]{} \t\x7f"))
    EXPECT_FALSE(kTokenChars.Has(c)) << c;
  EXPECT_FALSE(kTokenChars.Has('\0'));
  EXPECT_FALSE(kTokenChars.Has('\x80'));
  EXPECT_TRUE(kTokenChars.HasAll("!#$%&'*+-.^_`|~09azAZ"));
}

TEST(AsciiTest, ComparesIgnoringCase) {
  EXPECT_TRUE(EqualsIgnoreCase("Content-Type", "cONTENT-tYPE"));
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
  EXPECT_FALSE(EqualsIgnoreCase("\xC4", "\xE4"));
  EXPECT_EQ(AsciiToLower("AbC-\xC4"), "abc-\xC4");
}

// RFC 9110 §5.6.3
TEST(AsciiTest, TrimsOnlySpaceAndTab) {
  EXPECT_EQ(TrimOws(" \t a b\t "), "a b");
  EXPECT_EQ(TrimOws("\r\na\n"), "\r\na\n");
  EXPECT_EQ(TrimOws(" \t"), "");
}

}  // namespace
}  // namespace postern
