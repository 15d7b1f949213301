#include "lib/text/query_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs Parse(std::string_view query) {
  QueryParameters parameters;
  EXPECT_TRUE(parameters.Parse(query).ok());
  Pairs pairs;
  for (const auto& field : parameters.fields()) pairs.emplace_back(field.name, field.value);
  return pairs;
}

// rest-api.md §2.4 "decoding".
TEST(QueryStringTest, NamesAndValuesAreFormDecoded) {
  EXPECT_EQ(Parse("a+b=c+d&e%2Bf=g%2Bh"), (Pairs{{"a b", "c d"}, {"e+f", "g+h"}}));
  EXPECT_EQ(Parse("%E2%82%AC=%C3%A9"), (Pairs{{"\xE2\x82\xAC", "\xC3\xA9"}}));
  EXPECT_EQ(Parse("a=100%25"), (Pairs{{"a", "100%"}}));
  EXPECT_EQ(Parse("a%3Db=c%26d"), (Pairs{{"a=b", "c&d"}}));
}

// rest-api.md §2.4 "multi-value view", "case".
TEST(QueryStringTest, KeepsOrderRepetitionAndCase) {
  EXPECT_EQ(Parse("c=1&a=2&c=3&C=4"), (Pairs{{"c", "1"}, {"a", "2"}, {"c", "3"}, {"C", "4"}}));
}

// rest-api.md §2.4 "single-value view".
TEST(QueryStringTest, LastOccurrenceWins) {
  QueryParameters parameters;
  ASSERT_TRUE(parameters.Parse("c=1&c=2&d=x").ok());
  EXPECT_EQ(parameters.Last("c"), "2");
  EXPECT_EQ(parameters.Last("d"), "x");
  EXPECT_EQ(parameters.Last("C"), std::nullopt);
}

// rest-api.md §2.4 "`a` or `a=`".
TEST(QueryStringTest, MissingValueIsEmpty) {
  EXPECT_EQ(Parse("a&b="), (Pairs{{"a", ""}, {"b", ""}}));
  EXPECT_EQ(Parse("=v"), (Pairs{{"", "v"}}));
  EXPECT_EQ(Parse("a=b=c"), (Pairs{{"a", "b=c"}}));
}

// rest-api.md §2.4 "not supported raw".
TEST(QueryStringTest, SemicolonSplits) {
  EXPECT_EQ(Parse("a=1;b=2"), (Pairs{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(Parse("a=1%3Bb"), (Pairs{{"a", "1;b"}}));
}

TEST(QueryStringTest, EmptyFieldsAreSkipped) {
  EXPECT_EQ(Parse(""), Pairs{});
  EXPECT_EQ(Parse("&&;&"), Pairs{});
  EXPECT_EQ(Parse("&a=1&&b=2&"), (Pairs{{"a", "1"}, {"b", "2"}}));
}

// rest-api.md §2.4 "re-encoding": a literal % becomes %25.
TEST(QueryStringTest, BrokenEscapesStandForThemselves) {
  EXPECT_EQ(Parse("a=50%&b=%zz&c=%%41"), (Pairs{{"a", "50%"}, {"b", "%zz"}, {"c", "%A"}}));
}

// rest-api.md §10.1: bytes that are no UTF-8 become U+FFFD in an event.
TEST(QueryStringTest, IllFormedUtf8IsReplaced) {
  EXPECT_EQ(Parse("a=%FF%FE&b=\x80x"),
            (Pairs{{"a", "\xEF\xBF\xBD\xEF\xBF\xBD"}, {"b", "\xEF\xBF\xBDx"}}));
}

TEST(QueryStringTest, TooManyFieldsIsAnErrorAndLeavesNothing) {
  QueryParameters parameters;
  EXPECT_TRUE(parameters.Parse("a&b&c", 3).ok());
  EXPECT_EQ(parameters.Parse("a&b&c&d", 3).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(parameters.fields().empty());
}

TEST(QueryStringTest, ReuseDoesNotMixQueries) {
  QueryParameters parameters;
  ASSERT_TRUE(parameters.Parse("long+name=long+value%FF").ok());
  ASSERT_TRUE(parameters.Parse("x+=y+").ok());
  ASSERT_EQ(parameters.fields().size(), 1u);
  EXPECT_EQ(parameters.fields()[0].name, "x ");
  EXPECT_EQ(parameters.fields()[0].value, "y ");
}

// rest-api.md §2.4 "re-encoding".
TEST(QueryStringTest, EncodesAgain) {
  std::string out;
  StringSink sink(&out);
  bool first = true;
  AppendQueryField("a b", "c&d=e", &first, sink);
  AppendQueryField("p", "50%", &first, sink);
  AppendQueryField("e", "", &first, sink);
  sink.Finish();
  EXPECT_EQ(out, "a%20b=c%26d%3De&p=50%25&e=");
}

}  // namespace
}  // namespace postern
