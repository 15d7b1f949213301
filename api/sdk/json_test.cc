#include "api/sdk/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace postern {
namespace {

std::optional<Json> Parse(std::string_view text, std::string* message = nullptr) {
  Json::Error error;
  std::optional<Json> json = Json::Parse(text, &error);
  EXPECT_EQ(json.has_value(), error.message.empty()) << text;
  EXPECT_LE(error.offset, text.size()) << text;
  if (message != nullptr) *message = error.message;
  return json;
}

// RFC 8259 sections 2 to 7.
TEST(Json, ReadsEachType) {
  EXPECT_EQ(Parse(" null\r\n\t")->type(), Json::Type::kNull);
  EXPECT_TRUE(Parse("true")->AsBool());
  EXPECT_FALSE(Parse("false")->AsBool());
  EXPECT_EQ(Parse("\"a\"")->AsString(), "a");
  EXPECT_EQ(Parse("[1, [2], {}]")->items().size(), 3u);
  const std::optional<Json> object = Parse(R"({"b":1,"a":{"c":[true]}})");
  EXPECT_EQ(object->names()[0], "b");
  EXPECT_EQ(object->Find("b")->AsInt(), 1);
  EXPECT_TRUE(object->Find("a")->Find("c")->items()[0].AsBool());
  EXPECT_EQ(object->Find("c"), nullptr);
}

TEST(Json, ReadsNumbers) {
  EXPECT_EQ(Parse("0")->AsInt(), 0);
  EXPECT_EQ(Parse("-0")->AsInt(), 0);
  EXPECT_EQ(Parse("9223372036854775807")->AsInt(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Parse("-9223372036854775808")->AsInt(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Parse("9223372036854775808")->type(), Json::Type::kDouble);
  EXPECT_EQ(Parse("1.5")->AsDouble(), 1.5);
  EXPECT_EQ(Parse("-1e2")->AsDouble(), -100);
  EXPECT_EQ(Parse("1E+2")->type(), Json::Type::kDouble);
  EXPECT_EQ(Parse("7")->AsDouble(), 7);
}

TEST(Json, ReadsStrings) {
  EXPECT_EQ(Parse(R"("\"\\\/\b\f\n\r\t")")->AsString(), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(Parse(R"("\u0041\u00e9\u20AC\ud83d\ude00\u0000")")->AsString(),
            std::string("A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0", 11));
  EXPECT_EQ(Parse("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"")->AsString(),
            "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "truex",
                           "True",
                           "'a'",
                           "\"a",
                           "\"a\nb\"",
                           "\"\\x\"",
                           "\"\\u12g4\"",
                           "\"\\ud800\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\udc00\"",
                           "\"\\",
                           "01",
                           "-",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "0x1",
                           "NaN",
                           "Infinity",
                           "1e999",
                           "[1,]",
                           "[1 2]",
                           "[",
                           "]",
                           "{",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"a\":1 \"b\":2}",
                           "1 2",
                           "{} x",
                           "// c\n1"}) {
    EXPECT_FALSE(Parse(text)) << text;
  }
}

// RFC 3629: overlong forms, surrogates, and what is above U+10FFFF.
TEST(Json, RefusesWhatIsNotUtf8) {
  for (const char* bytes : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf",
                            "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
                            "\xf8\x88\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xc3("}) {
    std::string message;
    EXPECT_FALSE(Parse("\"" + std::string(bytes) + "\"", &message));
    EXPECT_EQ(message, "is not UTF-8");
  }
}

TEST(Json, RefusesWhatComesTwice) {
  std::string message;
  EXPECT_FALSE(Parse(R"({"a":1,"b":2,"a":3})", &message));
  EXPECT_EQ(message, "member \"a\" comes twice");
}

TEST(Json, HasLimits) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(Parse(nested(Json::kMaxDepth)));
  EXPECT_FALSE(Parse(nested(Json::kMaxDepth + 1)));
  EXPECT_FALSE(Parse(std::string(100000, '[')));
  EXPECT_TRUE(Parse("\"" + std::string(Json::kMaxBytes - 2, 'a') + "\""));
  EXPECT_FALSE(Parse("\"" + std::string(Json::kMaxBytes - 1, 'a') + "\""));
  std::string members = "{";
  for (int i = 0; i < 1001; ++i) members += "\"" + std::to_string(i) + "\":0,";
  members.back() = '}';
  EXPECT_FALSE(Parse(members));
}

}  // namespace
}  // namespace postern
