#include "lib/text/percent.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

std::string Form(std::string_view text) {
  std::string out;
  StringSink sink(&out);
  FormEncode(text, sink);
  sink.Finish();
  return out;
}

std::string Unform(std::string_view text) {
  std::string out;
  StringSink sink(&out);
  FormDecode(text, sink);
  sink.Finish();
  return out;
}

// RFC 3986 §2.1 to §2.4, §3.3, §3.4.
TEST(PercentTest, EncodesWhatThePartDoesNotAllow) {
  EXPECT_EQ(PercentEncode("a b/c?d#e%f", kPathChars), "a%20b/c%3Fd%23e%25f");
  EXPECT_EQ(PercentEncode("a/b;c=1,@:~", kPathSegmentChars), "a%2Fb;c=1,@:~");
  EXPECT_EQ(PercentEncode("k=v&w?/x y", kQueryChars), "k=v&w?/x%20y");
  EXPECT_EQ(PercentEncode("k=v&w?/x y+z", kQueryFieldChars), "k%3Dv%26w%3F%2Fx%20y%2Bz");
  EXPECT_EQ(PercentEncode("\xE2\x82\xAC", kPathChars), "%E2%82%AC");
  EXPECT_EQ(PercentEncode(std::string_view("\0\x7f", 2), kPathChars), "%00%7F");
  EXPECT_EQ(PercentEncode("", kPathChars), "");
}

// WHATWG URL §5.2.
TEST(PercentTest, FormEncodes) {
  EXPECT_EQ(Form("a b*-._~+/\xC3\xA9"), "a+b*-._%7E%2B%2F%C3%A9");
  EXPECT_EQ(Form(" "), "+");
  EXPECT_EQ(Form(""), "");
}

TEST(PercentTest, StrictDecodeRefusesBrokenEscapes) {
  EXPECT_EQ(PercentDecode("a%20b%2fc%2F+"), "a b/c/+");
  EXPECT_EQ(PercentDecode("%00"), std::string(1, '\0'));
  EXPECT_EQ(PercentDecode(""), "");
  for (std::string_view bad : {"%", "a%", "%2", "%2g", "%g2", "%%20", "%-1", "% 1"}) {
    EXPECT_EQ(PercentDecode(bad), std::nullopt) << bad;
    EXPECT_FALSE(HasValidEscapes(bad)) << bad;
  }
  EXPECT_TRUE(HasValidEscapes("%41%42c"));
}

// rest-api.md §2.4.
TEST(PercentTest, FormDecodeKeepsWhatIsNoEscape) {
  EXPECT_EQ(Unform("a+b%2Bc%20d"), "a b+c d");
  EXPECT_EQ(Unform("%E2%82%AC"), "\xE2\x82\xAC");
  EXPECT_EQ(Unform("100%"), "100%");
  EXPECT_EQ(Unform("%%41%4"), "%A%4");
  EXPECT_EQ(Unform(""), "");
  EXPECT_FALSE(NeedsFormDecoding("plain-text"));
  EXPECT_TRUE(NeedsFormDecoding("a+b"));
  EXPECT_TRUE(NeedsFormDecoding("a%20b"));
}

TEST(PercentTest, FormRoundTripsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(Unform(Form(all)), all);
  EXPECT_EQ(PercentDecode(PercentEncode(all, kUnreservedChars)), all);
}

}  // namespace
}  // namespace postern
