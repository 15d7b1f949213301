#include "lib/text/json_writer.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace postern {
namespace {

using namespace std::string_literals;

template <typename Write>
std::string Written(Write write) {
  std::string out;
  StringSink sink(&out);
  JsonWriter writer(&sink);
  write(writer);
  sink.Finish();
  return out;
}

std::string Quoted(std::string_view text) {
  return Written([text](JsonWriter& json) { json.String(text); });
}

// rest-api.md §9.2: compact, in the order written.
TEST(JsonWriterTest, PutsCommasWhereTheyBelong) {
  EXPECT_EQ(Written([](JsonWriter& json) {
              json.BeginObject();
              json.PlainKey("resource");
              json.String("/{proxy+}");
              json.PlainKey("headers");
              json.BeginObject();
              json.EndObject();
              json.Key("list");
              json.BeginArray();
              json.Int(1);
              json.BeginArray();
              json.EndArray();
              json.BeginObject();
              json.Key("a\"b");
              json.Null();
              json.EndObject();
              json.EndArray();
              json.PlainKey("isBase64Encoded");
              json.Bool(false);
              json.PlainKey("raw");
              json.Raw("{\"x\": 1}");
              json.EndObject();
            }),
            R"({"resource":"/{proxy+}","headers":{},"list":[1,[],{"a\"b":null}],)"
            R"("isBase64Encoded":false,"raw":{"x": 1}})");
}

// RFC 8259 §7, in the spelling of Jackson.
TEST(JsonWriterTest, EscapesAsJacksonDoes) {
  EXPECT_EQ(Quoted("\"\\/\b\f\n\r\t"), R"("\"\\/\b\f\n\r\t")");
  EXPECT_EQ(Quoted("\0\x01\x0b\x1f\x7f"s), "\"\\u0000\\u0001\\u000B\\u001F\x7f\"");
  EXPECT_EQ(Quoted("<>&'"), "\"<>&'\"");
  EXPECT_EQ(Quoted("\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80"),
            "\"\xC3\xA9\xE2\x80\xA8\xF0\x9F\x98\x80\"");
  EXPECT_EQ(Quoted(""), "\"\"");
}

// rest-api.md §10.1: invalid bytes become U+FFFD.
TEST(JsonWriterTest, ReplacesIllFormedUtf8) {
  EXPECT_EQ(Quoted("a\xFF\"\xE2\x82"), "\"a\xEF\xBF\xBD\\\"\xEF\xBF\xBD\"");
  EXPECT_EQ(Quoted("\xE2\"\x82\xAC"), "\"\xEF\xBF\xBD\\\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(JsonWriterTest, EscapesAtEveryOffsetOfTheVectorScan) {
  for (size_t before = 0; before < 40; ++before) {
    for (char special : {'"', '\\', '\n'}) {
      const std::string text = std::string(before, 'x') + special + std::string(20, 'y');
      const std::string escape = special == '\n' ? "\\n" : "\\"s + special;
      ASSERT_EQ(Quoted(text),
                "\"" + std::string(before, 'x') + escape + std::string(20, 'y') + "\"");
    }
  }
}

TEST(JsonWriterTest, Numbers) {
  EXPECT_EQ(Written([](JsonWriter& json) {
              json.BeginArray();
              json.Int(std::numeric_limits<int64_t>::min());
              json.Int(std::numeric_limits<int64_t>::max());
              json.Uint(std::numeric_limits<uint64_t>::max());
              json.Double(0.1);
              json.Double(1);
              json.Double(-0.0);
              json.Double(1.5e300);
              json.Double(5e-324);
              json.Double(std::numeric_limits<double>::infinity());
              json.Double(std::numeric_limits<double>::quiet_NaN());
              json.EndArray();
            }),
            "[-9223372036854775808,9223372036854775807,18446744073709551615,0.1,1.0,-0.0,1.5e+300,"
            "5e-324,null,null]");
}

// RFC 4648 §10, and pieces longer than one window.
TEST(JsonWriterTest, Base64) {
  const auto base64 = [](std::string_view bytes) {
    return Written([bytes](JsonWriter& json) { json.Base64(bytes); });
  };
  EXPECT_EQ(base64(""), "\"\"");
  EXPECT_EQ(base64("foob"), "\"Zm9vYg==\"");
  for (size_t size : {47, 48, 49, 95, 96, 97, 1000}) {
    std::string expected = "\"";
    for (size_t i = 0; i < size / 3; ++i) expected += "YWFh";
    if (size % 3 == 1) expected += "YQ==";
    if (size % 3 == 2) expected += "YWE=";
    EXPECT_EQ(base64(std::string(size, 'a')), expected + "\"") << size;
  }
}

TEST(JsonWriterTest, StopsAtTheLimitOfTheSink) {
  char buffer[64];
  FixedSink sink(buffer, sizeof(buffer));
  JsonWriter json(&sink);
  json.BeginArray();
  for (int i = 0; i < 1000; ++i) {
    json.String("some text\n");
    json.Base64("some bytes");
    json.Double(0.5);
  }
  json.EndArray();
  EXPECT_TRUE(sink.failed());
  EXPECT_LE(sink.written().size(), sizeof(buffer));
}

TEST(JsonWriterTest, FillsAFixedSinkToTheLastByte) {
  const std::string expected = R"(["Zm9v",7])";
  std::string buffer(expected.size(), '\0');
  FixedSink sink(buffer.data(), buffer.size());
  JsonWriter json(&sink);
  json.BeginArray();
  json.Base64("foo");
  json.Int(7);
  json.EndArray();
  EXPECT_FALSE(sink.failed());
  EXPECT_EQ(sink.written(), expected);
}

}  // namespace
}  // namespace postern
