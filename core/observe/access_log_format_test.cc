#include "core/observe/access_log_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "core/base/arena.h"

namespace {
size_t g_allocations = 0;
}  // namespace

// Not inlined, or the compiler takes malloc() and delete for a mismatched pair.
[[gnu::noinline]] void* operator new(size_t size) {
  ++g_allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace postern {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class AccessLogFormatTest : public ::testing::Test {
 protected:
  AccessLogFormatTest() : arena_(&pool_), request_(&arena_) {
    request_.method_text = "GET";
    request_.version = 20;
    context_.request = &request_;
    context_.request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
    context_.extended_request_id = "AyD6KEwwPHcEKxg=";
    context_.source_ip = "192.0.2.1";
    context_.user_agent = "curl/7.88.1";
    context_.request_time_ms = 1466698617000;
    context_.resource_path = "/pets/{id}";
    context_.stage = "prod";
    context_.status = 200;
    context_.response_bytes = 42;
    context_.response_latency_ms = 7;
  }

  std::string Write(std::string_view format) {
    absl::StatusOr<AccessLogFormat> compiled = AccessLogFormat::Compile(format);
    if (!compiled.ok()) return "ERROR " + std::string(compiled.status().message());
    auto buffer = std::make_unique<char[]>(AccessLogFormat::kMaxLine);
    const size_t size = compiled->Write(context_, buffer.get(), AccessLogFormat::kMaxLine);
    return std::string(buffer.get(), size);
  }

  static std::string Error(std::string_view format) {
    const absl::StatusOr<AccessLogFormat> compiled = AccessLogFormat::Compile(format);
    return compiled.ok() ? std::string() : std::string(compiled.status().message());
  }

  BlockPool pool_;
  Arena arena_;
  RequestHead request_;
  RequestContext context_;
};

// rest-api.md §13.5: the samples AWS ships.
TEST_F(AccessLogFormatTest, CommonLogFormat) {
  EXPECT_EQ(Write("$context.identity.sourceIp $context.identity.caller $context.identity.user "
                  "[$context.requestTime]\"$context.httpMethod $context.resourcePath "
                  "$context.protocol\" $context.status $context.responseLength "
                  "$context.requestId $context.extendedRequestId"),
            "192.0.2.1 - - [23/Jun/2016:16:16:57 +0000]\"GET /pets/{id} HTTP/1.1\" 200 42 "
            "c6af9ac6-7b61-11e6-9a41-93e8deadbeef AyD6KEwwPHcEKxg=\n");
}

TEST_F(AccessLogFormatTest, Json) {
  EXPECT_EQ(Write(R"({ "requestId":"$context.requestId", "ip": "$context.identity.sourceIp", )"
                  R"("caller":"$context.identity.caller", "status":"$context.status" })"),
            R"({ "requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "ip": "192.0.2.1", )"
            R"("caller":"-", "status":"200" })"
            "\n");
}

TEST_F(AccessLogFormatTest, Xml) {
  EXPECT_EQ(Write("<request id=\"$context.requestId\"><ip>$context.identity.sourceIp</ip>"
                  "</request>"),
            "<request id=\"c6af9ac6-7b61-11e6-9a41-93e8deadbeef\"><ip>192.0.2.1</ip></request>\n");
}

// rest-api.md §13.5: a missing value is '-'.
// rest-api.md §13.5: an element with the fields of the other samples.
TEST_F(AccessLogFormatTest, AnXmlFormatStaysXmlWhateverAValueIs) {
  context_.user_agent = "<a b=\"c\" d='e'>&\n\xff\\,";
  EXPECT_EQ(Write("<request id=\"$context.requestId\"><ua>$context.identity.userAgent</ua>"
                  "<caller>$context.identity.caller</caller></request>"),
            "<request id=\"c6af9ac6-7b61-11e6-9a41-93e8deadbeef\"><ua>&lt;a b=&quot;c&quot; "
            "d=&apos;e&apos;&gt;&amp;\\x0a\uFFFD\\x5c,</ua><caller>-</caller></request>\n");
  context_.error_type = ResponseType::kThrottled;
  EXPECT_EQ(Write("<m id='$context.requestId'>$context.error.messageString</m>"),
            "<m id='c6af9ac6-7b61-11e6-9a41-93e8deadbeef'>&quot;Too Many Requests&quot;</m>\n");
}

// rest-api.md §13.5.
TEST_F(AccessLogFormatTest, Csv) {
  EXPECT_EQ(Write("$context.identity.sourceIp,$context.identity.caller,$context.identity.user,"
                  "$context.requestTime,$context.httpMethod,$context.resourcePath,"
                  "$context.protocol,$context.status,$context.responseLength,$context.requestId,"
                  "$context.extendedRequestId"),
            "192.0.2.1,-,-,23/Jun/2016:16:16:57 +0000,GET,/pets/{id},HTTP/1.1,200,42,"
            "c6af9ac6-7b61-11e6-9a41-93e8deadbeef,AyD6KEwwPHcEKxg=\n");
}

// RFC 4180 §2.
TEST_F(AccessLogFormatTest, ACsvFormatKeepsItsColumnsWhateverAValueIs) {
  context_.user_agent = "a,b \"c\"\n\xff<";
  EXPECT_EQ(Write("$context.identity.userAgent,x,$context.status,$context.extendedRequestId"),
            "\"a,b \"\"c\"\"\\x0a\\xff<\",x,200,AyD6KEwwPHcEKxg=\n");
  EXPECT_EQ(Write("\"$context.identity.userAgent\",\"$context.extendedRequestId\",-"),
            "\"a,b \"\"c\"\"\\x0a\\xff<\",\"AyD6KEwwPHcEKxg=\",-\n");
  context_.error_type = ResponseType::kThrottled;
  EXPECT_EQ(Write("$context.error.messageString,$context.extendedRequestId"),
            "\"\"\"Too Many Requests\"\"\",AyD6KEwwPHcEKxg=\n");
  // Not alone between commas: text.
  for (const std::string_view format :
       {"$context.identity.userAgent, $context.extendedRequestId",
        "$context.identity.userAgent;,$context.extendedRequestId",
        "$context.identity.userAgent\",$context.extendedRequestId"}) {
    EXPECT_THAT(Write(format), ::testing::StartsWith("a,b \\x22c\\x22\\x0a\\xff<")) << format;
  }
}

TEST_F(AccessLogFormatTest, MissingValues) {
  EXPECT_EQ(Write("$context.requestId,$context.error.message,$context.integration.latency,"
                  "$context.authorizer.principalId,$context.customDomain.basePathMatched"),
            "c6af9ac6-7b61-11e6-9a41-93e8deadbeef,-,-,-,-\n");
}

TEST_F(AccessLogFormatTest, AJsonFormatStaysJsonWhateverAValueIs) {
  context_.user_agent = "a\"b\\c\td\x7f\xC3\xA9\xFFz";
  context_.path = "/x\n{\"forged\":true}\r\n";
  const std::string line =
      Write(R"({"id":"$context.requestId","ua":"<$context.identity.userAgent>",)"
            R"("path":"$context.path"})");
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  rapidjson::Document document;
  ASSERT_FALSE(document.Parse<rapidjson::kParseValidateEncodingFlag>(line).HasParseError()) << line;
  EXPECT_STREQ(document["ua"].GetString(), "<a\"b\\c\td\x7f\xC3\xA9\xEF\xBF\xBDz>");
  EXPECT_STREQ(document["path"].GetString(), "/x\n{\"forged\":true}\r\n");
  EXPECT_EQ(document.MemberCount(), 3u);
}

TEST_F(AccessLogFormatTest, InTextQuotesAndControlsAreEscaped) {
  context_.user_agent = "a\"b\\c\nd\x01\xC3\xA9\xFF\x7f";
  EXPECT_EQ(Write("$context.requestId \"$context.identity.userAgent\""),
            "c6af9ac6-7b61-11e6-9a41-93e8deadbeef "
            "\"a\\x22b\\x5cc\\x0ad\\x01\xC3\xA9\\xff\\x7f\"\n");
}

TEST_F(AccessLogFormatTest, JsonValuesOutsideOfQuotes) {
  context_.user_agent = "Mozilla \"x\"";
  context_.is_canary = 1;
  context_.account_id = "000123456789";
  const std::string line =
      Write(R"({"id":"$context.requestId","status":$context.status, "latency": )"
            R"($context.responseLatency,"none":$context.integrationLatency,)"
            R"("ua":$context.identity.userAgent,"canary":$context.isCanaryRequest,)"
            R"("list":[$context.stage,$context.status],"account":$context.accountId})");
  EXPECT_EQ(line, R"({"id":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","status":200, "latency": 7,)"
                  R"("none":null,"ua":"Mozilla \"x\"","canary":true,"list":["prod",200],)"
                  R"("account":"000123456789"})"
                  "\n");
  rapidjson::Document document;
  EXPECT_FALSE(document.Parse(line).HasParseError());
}

// $context.error.messageString is JSON already (rest-api.md §4.4).
TEST_F(AccessLogFormatTest, MessageString) {
  context_.error_type = ResponseType::kInvalidApiKey;
  EXPECT_EQ(Write(R"({"id":"$context.requestId","e":$context.error.messageString})"),
            R"({"id":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","e":"Forbidden"})"
            "\n");
  const std::string quoted =
      Write(R"({"id":"$context.requestId","e":"$context.error.messageString"})");
  rapidjson::Document document;
  ASSERT_FALSE(document.Parse(quoted).HasParseError()) << quoted;
  EXPECT_STREQ(document["e"].GetString(), "\"Forbidden\"");
  context_.error_type = ResponseType::kNone;
  EXPECT_EQ(Write(R"({"id":"$context.requestId","e":$context.error.messageString})"),
            R"({"id":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","e":null})"
            "\n");
}

TEST_F(AccessLogFormatTest, WhatCountsAsJson) {
  const auto json = [](std::string_view format) {
    const absl::StatusOr<AccessLogFormat> compiled = AccessLogFormat::Compile(format);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    return compiled.ok() && compiled->is_json();
  };
  EXPECT_TRUE(json(R"({"a":"$context.requestId"})"));
  EXPECT_TRUE(json(R"(  ["$context.requestId", $context.status ]  )"));
  EXPECT_TRUE(json(R"({"a":{"b":"x $context.requestId y $context.status"}})"));
  EXPECT_TRUE(json(R"({"$context.requestId":1})"));
  EXPECT_FALSE(json("$context.requestId"));
  EXPECT_FALSE(json(R"("$context.requestId")"));
  EXPECT_FALSE(json(R"({"a":"$context.requestId")"));
  EXPECT_FALSE(json(R"({"a":"$context.requestId"} x)"));
  EXPECT_FALSE(json(R"({"a":"$context.requestId","b":1$context.status})"));
  EXPECT_FALSE(json(R"({"a":"$context.requestId","b":$context.status$context.status})"));
  EXPECT_FALSE(json(R"({"a":"$context.requestId","b":$context.status.})"));
  EXPECT_FALSE(json(R"({"a":"$context.requestId","b":-$context.status})"));
  EXPECT_FALSE(json(R"({$context.requestId:1})"));
  EXPECT_FALSE(json(R"({"a":"\$context.requestId"})"));
  EXPECT_FALSE(json("{'a':'$context.requestId'}"));
}

// rest-api.md §13.5: only $context names; an error names the variable and where it stands.
TEST_F(AccessLogFormatTest, UnknownVariablesAreNamed) {
  EXPECT_EQ(Error("$context.requestId $context.nosuch.thing"),
            "unknown variable $context.nosuch.thing in column 20");
  EXPECT_THAT(
      Error("$context.requestId $input.body"),
      AllOf(HasSubstr("unknown variable $input.body in column 20"), HasSubstr("only $context")));
  EXPECT_THAT(Error("${context.requestId} $context.requestId"), HasSubstr("in column 1"));
  EXPECT_THAT(Error("$context.requestId $context"),
              HasSubstr("unknown variable $context in column"));
  EXPECT_THAT(Error("$context.requestId $contextual.x"), HasSubstr("$contextual.x in column 20"));
  EXPECT_THAT(Error("$context.requestId $context..x"), HasSubstr("in column 20"));
  EXPECT_THAT(Error("$context.requestIdX"), HasSubstr("$context.requestIdX"));
  EXPECT_LT(Error("$context." + std::string(3000, 'x')).size(), 150u);
  EXPECT_EQ(Error("$context.requestId $context.authorizer.whatever"), "");
}

TEST_F(AccessLogFormatTest, NamesEndWhereTextBegins) {
  EXPECT_EQ(Write("$context.requestId-$context.stage.$context.status, $5 $ $$context.stage"),
            "c6af9ac6-7b61-11e6-9a41-93e8deadbeef-prod.200, $5 $ $prod\n");
}

TEST_F(AccessLogFormatTest, AFormatMustNameTheRequest) {
  EXPECT_THAT(Error("$context.status"), HasSubstr("must contain $context.requestId"));
  EXPECT_THAT(Error("requestId"), HasSubstr("must contain"));
  EXPECT_EQ(Error("$context.extendedRequestId"), "");
}

TEST_F(AccessLogFormatTest, AFormatIsOneLineOfAtMost3KiB) {
  EXPECT_THAT(Error("$context.requestId\n$context.status"), HasSubstr("single line; column 19"));
  EXPECT_EQ(Write("$context.requestId\r\n\n"), "c6af9ac6-7b61-11e6-9a41-93e8deadbeef\n");
  EXPECT_THAT(Error(""), HasSubstr("empty"));
  EXPECT_THAT(Error("\n"), HasSubstr("empty"));
  EXPECT_THAT(Error(std::string("$context.requestId \x01")),
              HasSubstr("control character in column 20"));
  EXPECT_THAT(Error("$context.requestId \xFF"), HasSubstr("not UTF-8 in column 20"));
  std::string longest = "$context.requestId ";
  longest.append(3072 - longest.size(), 'x');
  EXPECT_EQ(Error(longest), "");
  EXPECT_THAT(Error(longest + "x"), HasSubstr("3073 bytes"));
}

// Nothing a client sends makes a line longer than its bound, or drops it, or breaks its JSON.
TEST_F(AccessLogFormatTest, HugeValuesAreCutAndTheLineStaysWhole) {
  const std::string huge(20000, '"');
  const std::string wide = [] {
    std::string text = "a";
    for (int i = 0; i < 10000; ++i) text += "\xC3\xA9";
    return text;
  }();
  context_.user_agent = huge;
  context_.path = wide;
  std::string format = R"({"id":"$context.requestId","p":"$context.path")";
  for (int i = 0; i < 60; ++i) {
    format += ",\"u" + std::to_string(i) + "\":\"$context.identity.userAgent\"";
  }
  format += ",\"s\":$context.status,\"t\":\"$context.identity.userAgent\"}";
  const std::string line = Write(format);
  EXPECT_LE(line.size(), AccessLogFormat::kMaxLine);
  EXPECT_GT(line.size(), AccessLogFormat::kMaxLine - 200);
  rapidjson::Document document;
  ASSERT_FALSE(document.Parse<rapidjson::kParseValidateEncodingFlag>(line).HasParseError())
      << line.substr(line.size() - 300);
  EXPECT_EQ(document["p"].GetStringLength(), AccessLogFormat::kMaxValue - 1);  // whole characters
  EXPECT_EQ(document["u0"].GetStringLength(), AccessLogFormat::kMaxValue / 2);
  EXPECT_STREQ(document["t"].GetString(), "-");  // nothing was left for it
}

TEST_F(AccessLogFormatTest, TheSmallestRoomIsToldApartFromNone) {
  const absl::StatusOr<AccessLogFormat> format =
      AccessLogFormat::Compile("$context.requestId $context.identity.userAgent");
  ASSERT_TRUE(format.ok());
  const std::string expected = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef curl/7.88.1\n";
  std::string buffer(AccessLogFormat::kMaxLine, 'x');
  size_t smallest = 0;
  for (size_t room = 0; room <= 200; ++room) {
    const size_t size = format->Write(context_, buffer.data(), room);
    ASSERT_LE(size, room);
    if (size == 0) {
      EXPECT_EQ(smallest, 0u);  // once it fits it fits
      continue;
    }
    if (smallest == 0) smallest = room;
    EXPECT_EQ(buffer.substr(0, size), expected);
  }
  EXPECT_GE(smallest, expected.size());
  EXPECT_LE(smallest, expected.size() + 8);
}

// Issue 2, speed and memory: no heap allocation per request.
TEST_F(AccessLogFormatTest, WritingAllocatesNothing) {
  context_.error_type = ResponseType::kInvalidApiKey;
  const absl::StatusOr<AccessLogFormat> format = AccessLogFormat::Compile(
      R"({"id":"$context.requestId","x":"$context.extendedRequestId","t":"$context.requestTime",)"
      R"("e":$context.requestTimeEpoch,"ip":"$context.identity.sourceIp","s":$context.status,)"
      R"("ua":"$context.identity.userAgent","m":"$context.error.message","l":)"
      R"($context.responseLatency,"p":"$context.path","i":"$context.integration.latency",)"
      R"("a":"$context.authorizer.principalId","r":$context.error.messageString})");
  ASSERT_TRUE(format.ok());
  ASSERT_TRUE(format->is_json());
  auto buffer = std::make_unique<char[]>(AccessLogFormat::kMaxLine);
  const size_t before = g_allocations;
  EXPECT_GT(format->Write(context_, buffer.get(), AccessLogFormat::kMaxLine), 0u);
  EXPECT_EQ(g_allocations, before);
}

// Values longer than the window that they are escaped in, with a character across its end.
TEST_F(AccessLogFormatTest, CharactersAcrossTheWindow) {
  for (size_t before = 250; before < 262; ++before) {
    const std::string value =
        std::string(before, 'a') + "\xF0\x9F\x98\x80" + std::string(300, 'b') + "\xE2\x82";
    context_.user_agent = value;
    EXPECT_EQ(
        Write("$context.identity.userAgent $context.requestId"),
        value.substr(0, value.size() - 2) + "\\xe2\\x82 c6af9ac6-7b61-11e6-9a41-93e8deadbeef\n");
  }
}

}  // namespace
}  // namespace postern
