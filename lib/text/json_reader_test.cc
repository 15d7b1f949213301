#include "lib/text/json_reader.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using Kind = JsonValue::Kind;

// rest-api.md §9.5: what a function's result may contain.
TEST(JsonReaderTest, ReadsAResult) {
  JsonReader reader;
  ASSERT_TRUE(
      reader
          .Parse(R"( {"statusCode":201,"headers":{"X-A":"b","t":true},)"
                 R"("multiValueHeaders":{"Set-Cookie":["a=1","b=2"]},)"
                 R"("body":"{\"a\":\"\u00e9\ud83d\ude00\"}","isBase64Encoded":false,"n":null} )")
          .ok());
  const JsonValue root = reader.root();
  ASSERT_TRUE(root.is_object());
  EXPECT_EQ(root.size(), 6u);
  EXPECT_EQ(root.NameAt(0), "statusCode");
  EXPECT_EQ(root.Find("statusCode").AsInt(), 201);
  EXPECT_EQ(root.Find("headers").Find("X-A").AsString(), "b");
  EXPECT_EQ(root.Find("headers").Find("t").AsBool(), true);
  const JsonValue cookies = root.Find("multiValueHeaders").Find("Set-Cookie");
  ASSERT_EQ(cookies.size(), 2u);
  EXPECT_EQ(cookies.At(1).AsString(), "b=2");
  EXPECT_EQ(root.Find("body").AsString(), "{\"a\":\"\xC3\xA9\xF0\x9F\x98\x80\"}");
  EXPECT_EQ(root.Find("isBase64Encoded").AsBool(), false);
  EXPECT_TRUE(root.Find("n").is_null());
  EXPECT_FALSE(root.Find("absent"));
}

TEST(JsonReaderTest, WrongKindsGiveNothing) {
  JsonReader reader;
  EXPECT_FALSE(reader.root());
  ASSERT_TRUE(reader.Parse(R"([1,2.0,"3",9223372036854775808,-9223372036854775808,1e3])").ok());
  const JsonValue root = reader.root();
  EXPECT_EQ(root.kind(), Kind::kArray);
  EXPECT_FALSE(root.Find("x"));
  EXPECT_EQ(root.NameAt(0), "");
  EXPECT_FALSE(root.At(6));
  EXPECT_EQ(root.At(6).kind(), Kind::kAbsent);
  EXPECT_EQ(root.At(6).size(), 0u);
  EXPECT_EQ(root.At(0).AsString(), std::nullopt);
  EXPECT_EQ(root.At(0).AsBool(), std::nullopt);
  EXPECT_EQ(root.At(0).AsDouble(), 1.0);
  EXPECT_EQ(root.At(1).AsInt(), std::nullopt);
  EXPECT_EQ(root.At(1).AsDouble(), 2.0);
  EXPECT_EQ(root.At(2).AsInt(), std::nullopt);
  EXPECT_EQ(root.At(3).AsInt(), std::nullopt);
  EXPECT_EQ(root.At(4).AsInt(), INT64_MIN);
  EXPECT_EQ(root.At(5).AsInt(), std::nullopt);
  EXPECT_FALSE(root.At(0).At(0));
}

TEST(JsonReaderTest, Numbers) {
  JsonReader reader;
  const std::string long_zero = "0e-070" + std::string(100, '0') + "1";
  const std::pair<std::string, double> numbers[] = {
      {"0e-70", 0.0},
      {long_zero, 0.0},
      {"-0", 0.0},
      {"0.1", 0.1},
      {"5e-324", 5e-324},
      {"1.7976931348623157e308", 1.7976931348623157e308},
      {"9007199254740993.0", 9007199254740992.0},
      {"18446744073709551616", 18446744073709551616.0},
      {"0." + std::string(800, '3'), 1.0 / 3},
  };
  for (const auto& [text, value] : numbers) {
    ASSERT_TRUE(reader.Parse(text).ok()) << text;
    EXPECT_EQ(reader.root().AsDouble(), value) << text;
  }
  EXPECT_EQ(reader.Parse("1e309").message(), "JSON, byte 0: a number is too large or too small");
}

TEST(JsonReaderTest, LastOfDuplicateNamesCounts) {
  JsonReader reader;
  ASSERT_TRUE(reader.Parse(R"({"a":1,"b":2,"a":3})").ok());
  EXPECT_EQ(reader.root().Find("a").AsInt(), 3);
}

TEST(JsonReaderTest, ScalarsAreTexts) {
  JsonReader reader;
  ASSERT_TRUE(reader.Parse("\"a\\u0000b\"").ok());
  EXPECT_EQ(reader.root().AsString(), "a\0b"s);
  ASSERT_TRUE(reader.Parse("null").ok());
  EXPECT_TRUE(reader.root().is_null());
  ASSERT_TRUE(reader.Parse("0.1").ok());
  EXPECT_EQ(reader.root().AsDouble(), 0.1);
}

// RFC 8259.
TEST(JsonReaderTest, RefusesWhatIsNotJson) {
  JsonReader reader;
  for (const std::string& bad : {""s,
                                 " "s,
                                 "{"s,
                                 "}"s,
                                 "[1,]"s,
                                 "{\"a\":1,}"s,
                                 "{a:1}"s,
                                 "{'a':1}"s,
                                 "[1 2]"s,
                                 "tru"s,
                                 "nul"s,
                                 "01"s,
                                 "1."s,
                                 ".5"s,
                                 "+1"s,
                                 "1e"s,
                                 "NaN"s,
                                 "Infinity"s,
                                 "\"a"s,
                                 "\"\n\""s,
                                 "\"\x1a\""s,
                                 "\"\\x\""s,
                                 "\"\\u12g4\""s,
                                 "\"\\ud800\""s,
                                 "\"\\udc00\""s,
                                 "\"\\ud800\\u0041\""s,
                                 "1 2"s,
                                 "{} x"s,
                                 "/*c*/1"s,
                                 "\xEF\xBB\xBF{}"s,
                                 "{}\0"s,
                                 "{}\0{}"s,
                                 "\0"s,
                                 "\"\xFF\""s,
                                 "[\"\xC3\"]"s,
                                 "1e999"s,
                                 "{\"a\"}"s,
                                 "{\"a\":}"s,
                                 "{1:2}"s,
                                 "[}"s,
                                 "]"s}) {
    EXPECT_EQ(reader.Parse(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_FALSE(reader.root()) << bad;
  }
}

TEST(JsonReaderTest, SaysWhere) {
  JsonReader reader;
  EXPECT_THAT(std::string(reader.Parse("{\"a\":1,\"b\"}").message()),
              HasSubstr("byte 10: expected ':'"));
  EXPECT_THAT(std::string(reader.Parse("[\"\\udc00\"]").message()),
              HasSubstr("byte 8: a \\u escape is half of a surrogate pair"));
}

TEST(JsonReaderTest, DecodesInSitu) {
  std::string text = R"({"a":"x\ny","b":["plain","\u0041\"z"],"k\t":-1.5e2})";
  JsonReader reader;
  ASSERT_TRUE(reader.ParseInSitu(text.data(), text.size()).ok());
  const JsonValue root = reader.root();
  EXPECT_EQ(root.Find("a").AsString(), "x\ny");
  EXPECT_EQ(root.Find("b").At(0).AsString(), "plain");
  EXPECT_EQ(root.Find("b").At(1).AsString(), "A\"z");
  EXPECT_EQ(root.Find("k\t").AsDouble(), -150.0);
  const auto plain = root.Find("b").At(0).AsString();
  EXPECT_GE(plain->data(), text.data());
  EXPECT_LT(plain->data(), text.data() + text.size());
}

TEST(JsonReaderTest, LimitsDepth) {
  JsonReader reader;
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(reader.Parse(nested(512)).ok());
  EXPECT_EQ(reader.Parse(nested(513)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(reader.Parse(std::string(1000000, '[')).code(), absl::StatusCode::kResourceExhausted);
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  EXPECT_EQ(reader.Parse(objects).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(reader.root());
}

TEST(JsonReaderTest, LimitsValues) {
  JsonReader reader;
  const JsonReader::Limits limits{.max_depth = 10, .max_values = 4};
  EXPECT_TRUE(reader.Parse("[1,2,3]", limits).ok());
  EXPECT_EQ(reader.Parse("[1,2,3,4]", limits).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(reader.Parse(R"({"a":1,"b":2})", limits).code(), absl::StatusCode::kResourceExhausted);
}

TEST(JsonReaderTest, OneReaderForManyTexts) {
  JsonReader reader;
  for (int i = 0; i < 100; ++i) {
    const std::string text = "[\"" + std::string(static_cast<size_t>(i) * 1000, 'a') + "\\n\"]";
    ASSERT_TRUE(reader.Parse(text).ok());
    EXPECT_EQ(reader.root().At(0).AsString()->size(), static_cast<size_t>(i) * 1000 + 1);
    ASSERT_FALSE(reader.Parse("[").ok());
  }
}

}  // namespace
}  // namespace postern
