#include "core/integration/http_api_result.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/arena.h"

namespace postern {
namespace {

using Kind = HttpApiResult::Kind;

class HttpApiResultTest : public testing::Test {
 protected:
  /// "status|content-type|body", or what is wrong.
  std::string Read(std::string_view text, bool version2 = true) {
    result_ = ReadHttpApiResult(arena_.Copy(text), version2, &arena_);
    if (result_.kind == Kind::kMalformed) return "malformed";
    if (result_.kind == Kind::kFunctionError) return "error";
    const HeaderField* type = result_.head->headers.Find(HeaderId::kContentType);
    EXPECT_EQ(result_.head->content_length, result_.body.size());
    return std::to_string(result_.head->status) + "|" + std::string(type->value) + "|" +
           std::string(result_.body);
  }
  std::string Fields() {
    std::string out;
    for (const HeaderField& field : result_.head->headers) {
      out += std::string(field.name) + "=" + std::string(field.value) + ";";
    }
    return out;
  }

  BlockPool pool_;
  Arena arena_{&pool_};
  HttpApiResult result_;
};

TEST_F(HttpApiResultTest, Inferred_HttpApi8) {
  EXPECT_EQ(Read(R"({"message":"hi","body":"x"})"),
            R"(200|application/json|{"message":"hi","body":"x"})");
  EXPECT_EQ(Read(R"("hello")"), "200|application/json|hello");
  EXPECT_EQ(Read("[1, 2]"), "200|application/json|[1, 2]");
  EXPECT_EQ(Read("5"), "200|application/json|5");
  EXPECT_EQ(Read("true"), "200|application/json|true");
  EXPECT_EQ(Read("null"), "200|application/json|null");
  EXPECT_EQ(Read(""), "200|application/json|");
}

TEST_F(HttpApiResultTest, WithStatusCode_HttpApi8) {
  EXPECT_EQ(Read(R"({"statusCode":201,"body":"x"})"), "201|text/plain; charset=utf-8|x");
  EXPECT_EQ(
      Read(R"({"statusCode":"404","headers":{"Content-Type":"a/b","n":5,"b":true},"body":"x"})"),
      "404|a/b|x");
  EXPECT_EQ(Fields(), "Content-Type=a/b;n=5;b=true;");
  EXPECT_EQ(Read(R"({"statusCode":200,"isBase64Encoded":true,"body":"aGk="})"),
            "200|text/plain; charset=utf-8|hi");
  EXPECT_EQ(Read(R"({"statusCode":200,"other":{"a":1}})"), "200|text/plain; charset=utf-8|");
}

TEST_F(HttpApiResultTest, CookiesComeFirst_HttpApi8) {
  Read(R"({"statusCode":200,"headers":{"set-cookie":"c=3"},"cookies":["a=1","b=2"],)"
       R"("multiValueHeaders":{"x":["1"]}})");
  EXPECT_EQ(Fields(),
            "set-cookie=a=1;set-cookie=b=2;set-cookie=c=3;"
            "content-type=text/plain; charset=utf-8;");
}

TEST_F(HttpApiResultTest, WhatTheGatewayWritesItself_HttpApi8) {
  Read(R"({"statusCode":200,"headers":{"Connection":"close","Content-Length":"9","X":"1",)"
       R"("transfer-encoding":"chunked","Date":"now"},"body":"ab"})");
  EXPECT_EQ(Fields(), "X=1;content-type=text/plain; charset=utf-8;");
}

TEST_F(HttpApiResultTest, Malformed_HttpApi8) {
  for (const char* text :
       {"{", "not json", R"({"statusCode":"x"})", R"({"statusCode":0})", R"({"statusCode":1000})",
        R"({"statusCode":200,"headers":[]})", R"({"statusCode":200,"headers":{"a":{}}})",
        R"({"statusCode":200,"headers":{"a b":"1"}})", R"({"statusCode":200,"cookies":"a=1"})",
        R"({"statusCode":200,"headers":{"a":"x\r\ny"}})", R"({"statusCode":200,"body":{}})",
        R"({"statusCode":200,"isBase64Encoded":"true"})"}) {
    EXPECT_EQ(Read(text), "malformed") << text;
  }
}

TEST_F(HttpApiResultTest, FunctionErrorOfAnEmulator_Management5_2) {
  EXPECT_EQ(Read(R"({"errorMessage":"boom","errorType":"E"})"), "error");
  EXPECT_EQ(result_.error_message, "boom");
  EXPECT_EQ(Read(R"({"errorMessage":"mine"})"), R"(200|application/json|{"errorMessage":"mine"})");
}

TEST_F(HttpApiResultTest, Format1_HttpApi8) {
  EXPECT_EQ(Read(R"({"message":"hi"})", false), "malformed") << "nothing is inferred";
  EXPECT_EQ(Read(R"("x")", false), "malformed");
  EXPECT_EQ(Read("", false), "malformed");
  EXPECT_EQ(Read(R"({"statusCode":200,"headers":{"a":"1"},"multiValueHeaders":{"A":["1","2"]},)"
                 R"("extra":1,"cookies":["x=1"]})",
                 false),
            "200|text/plain; charset=utf-8|");
  EXPECT_EQ(Fields(), "a=1;A=2;content-type=text/plain; charset=utf-8;");
}

}  // namespace
}  // namespace postern
