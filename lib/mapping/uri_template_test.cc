#include "lib/mapping/uri_template.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace postern {
namespace {

using Encoding = UriTemplate::Encoding;

std::string Make(std::string_view prefix, std::string_view text,
                 const std::map<std::string, std::string>& values = {},
                 Encoding encoding = Encoding::kText) {
  const UriTemplate uri(prefix, text);
  std::string out;
  StringSink sink(&out);
  size_t literals = 0;
  for (const UriTemplate::Piece& piece : uri.pieces()) {
    sink.Append(piece.literal);
    literals += piece.literal.size();
    if (piece.name.empty()) continue;
    const auto found = values.find(piece.name);
    if (found == values.end()) {
      UriTemplate::AppendUnresolved(piece, sink);
    } else {
      UriTemplate::AppendValue(piece, found->second, encoding, sink);
    }
  }
  EXPECT_EQ(uri.literal_size(), literals);
  sink.Finish();
  return out;
}

TEST(UriTemplateTest, PrefixAndEmptyPath) {
  EXPECT_EQ(Make("/v1", "/pets"), "/v1/pets");
  EXPECT_EQ(Make("", ""), "/");
  EXPECT_EQ(Make("", "?a=b"), "/?a=b");
  EXPECT_TRUE(UriTemplate("", "?a=b").has_query());
  EXPECT_FALSE(UriTemplate("", "/a").has_query());
}

TEST(UriTemplateTest, UnresolvedStays_RestApi6_5) {
  EXPECT_EQ(Make("", "/pets/{id}"), "/pets/%7Bid%7D");
  EXPECT_EQ(Make("", "/pets/{id}", {{"id", "7"}}), "/pets/7");
  EXPECT_EQ(Make("", "/p?x={id}&y=1", {{"id", "a&b"}}), "/p?x=a%26b&y=1");
  EXPECT_EQ(Make("", "/{", {}), "/%7B");
  EXPECT_EQ(Make("", "/{}/{a b}", {}), "/%7B%7D/%7Ba%20b%7D");
}

TEST(UriTemplateTest, Encodings_RestApi3_3) {
  EXPECT_EQ(Make("", "/{a}", {{"a", "x/y%20z w"}}, Encoding::kRaw), "/x/y%20z w");
  EXPECT_EQ(Make("", "/{a}", {{"a", "x/y%20z w"}}, Encoding::kText), "/x%2Fy%2520z%20w");
  EXPECT_EQ(Make("", "/{a}", {{"a", "x/y%20z w"}}, Encoding::kEscaped), "/x%2Fy%20z%20w");
  EXPECT_EQ(Make("", "/?q={a}", {{"a", "a&b=%20"}}, Encoding::kRaw), "/?q=a%26b%3D%20");
}

TEST(UriTemplateTest, LiteralsAreEncodedWhereATargetNeedsIt) {
  EXPECT_EQ(Make("", "/a b/%20/\"<>\""), "/a%20b/%20/%22%3C%3E%22");
  EXPECT_EQ(Make("", "/p?x=a b&y=%zz"), "/p?x=a%20b&y=%25zz");
}

}  // namespace
}  // namespace postern
