#include "core/integration/lambda_result.h"

#include <gtest/gtest.h>

#include <string>

#include "core/context/test_request.h"

namespace postern {
namespace {

using Kind = LambdaResult::Kind;

class LambdaResultTest : public testing::Test {
 protected:
  const LambdaResult& Read(std::string_view text) {
    const std::string_view copy = request_.arena.Copy(text);
    result_ = ReadLambdaResult(const_cast<char*>(copy.data()), copy.size(), request_.head, binary_,
                               &request_.arena);
    return result_;
  }
  Kind KindOf(std::string_view text) { return Read(text).kind; }
  /// Fields as "name=value;…".
  std::string Fields(std::string_view text) {
    Read(text);
    if (result_.head == nullptr) return "(malformed)";
    std::string all;
    for (const HeaderField& field : result_.head->headers) {
      all += std::string(field.name) + "=" + std::string(field.value) + ";";
    }
    return all;
  }
  void Accept(std::string_view value) { request_.head.headers.Set("Accept", value); }

  TestRequest request_;
  BinaryMediaTypes binary_;
  LambdaResult result_;
};

TEST_F(LambdaResultTest, EmptyObjectIs200_RestApi9_5) {
  ASSERT_EQ(KindOf("{}"), Kind::kResponse);
  EXPECT_EQ(result_.head->status, 200);
  EXPECT_EQ(result_.body, "");
  EXPECT_EQ(Fields("{}"), "Content-Type=application/json;");
}

TEST_F(LambdaResultTest, HeadersAlone_RestApi9_5) {
  EXPECT_EQ(Fields(R"({"headers":{"X-A":"1"}})"), "X-A=1;Content-Type=application/json;");
}

TEST_F(LambdaResultTest, StatusCode_RestApi9_5) {
  EXPECT_EQ(Read(R"({"statusCode":404})").head->status, 404);
  EXPECT_EQ(Read(R"({"statusCode":"201"})").head->status, 201);
  EXPECT_EQ(Read(R"({"body":"x"})").head->status, 200);
  EXPECT_EQ(KindOf(R"({"statusCode":"test"})"), Kind::kMalformed);
  for (const char* text : {R"({"statusCode":200.5})", R"({"statusCode":true})",
                           R"({"statusCode":[]})", R"({"statusCode":99})", R"({"statusCode":1000})",
                           R"({"statusCode":""})", R"({"statusCode":"200 "})"}) {
    EXPECT_EQ(KindOf(text), Kind::kMalformed) << text;
  }
}

TEST_F(LambdaResultTest, UnknownKeyIsMalformed_RestApi9_5) {
  EXPECT_EQ(KindOf(R"({"statusCode":200,"foo":1})"), Kind::kMalformed);
  EXPECT_EQ(KindOf(R"({"statusCode":200,"cookies":[]})"), Kind::kMalformed);
  EXPECT_EQ(KindOf(R"({"Body":"x"})"), Kind::kMalformed);
}

TEST_F(LambdaResultTest, OnlyObjectsAreResults_RestApi9_5) {
  for (const char* text : {R"("text")", "1", "[]", "null", "", "not json", "{", R"({}x)"}) {
    EXPECT_EQ(KindOf(text), Kind::kMalformed) << text;
  }
}

TEST_F(LambdaResultTest, HeaderValues_RestApi9_5) {
  EXPECT_EQ(Fields(R"({"headers":{"a":true,"b":false,"c":7,"d":" x "}})"),
            "a=true;b=false;c=7;d=x;Content-Type=application/json;");
  EXPECT_EQ(KindOf(R"({"headers":null})"), Kind::kResponse);
  for (const char* text :
       {R"({"headers":[]})", R"({"headers":"x"})", R"({"headers":{"a":[]}})",
        R"({"headers":{"a":{}}})", R"({"headers":{"a b":"x"}})", R"({"headers":{"":"x"}})",
        R"({"headers":{"a":"x\r\ny: z"}})", R"({"headers":{"a":"\u0000"}})"}) {
    EXPECT_EQ(KindOf(text), Kind::kMalformed) << text;
  }
}

TEST_F(LambdaResultTest, MultiValueHeaders_RestApi9_5) {
  EXPECT_EQ(Fields(R"({"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]}})"),
            "Set-Cookie=a=1;Set-Cookie=b=2;Content-Type=application/json;");
  EXPECT_EQ(KindOf(R"({"multiValueHeaders":{"a":"x"}})"), Kind::kMalformed);
  EXPECT_EQ(KindOf(R"({"multiValueHeaders":{"a":[{}]}})"), Kind::kMalformed);
  EXPECT_EQ(KindOf(R"({"multiValueHeaders":null})"), Kind::kResponse);
}

TEST_F(LambdaResultTest, MergedWithTheSpellingOfMultiValueHeaders_RestApi9_5) {
  EXPECT_EQ(Fields(R"({"headers":{"x-a":"3","X-B":"b"},"multiValueHeaders":{"X-A":["1","2"]}})"),
            "X-A=1;X-A=2;X-A=3;X-B=b;Content-Type=application/json;");
  EXPECT_EQ(Fields(R"({"headers":{"x-a":"2"},"multiValueHeaders":{"X-A":["1","2"]}})"),
            "X-A=1;X-A=2;Content-Type=application/json;");
}

TEST_F(LambdaResultTest, FieldsAreTreatedAsThoseOfAProxy_RestApi8_4) {
  EXPECT_EQ(Fields(R"({"headers":{"date":"d","Server":"s","Content-Length":"9","Connection":"close",
                     "Transfer-Encoding":"chunked","Via":"v","Content-Type":"text/plain",
                     "X-Amzn-ErrorType":"Mine"}})"),
            "x-amzn-Remapped-date=d;x-amzn-Remapped-Server=s;x-amzn-Remapped-Content-Length=9;"
            "x-amzn-Remapped-Connection=close;Content-Type=text/plain;X-Amzn-ErrorType=Mine;");
}

TEST_F(LambdaResultTest, Body_RestApi9_5) {
  EXPECT_EQ(Read(R"({"body":"h\u00e9\n"})").body, "h\xC3\xA9\n");
  EXPECT_EQ(result_.head->content_length, 4u);
  EXPECT_EQ(Read(R"({"body":null})").body, "");
  EXPECT_EQ(KindOf(R"({"body":{}})"), Kind::kMalformed);
  EXPECT_EQ(KindOf(R"({"body":7})"), Kind::kMalformed);
  EXPECT_EQ(KindOf(R"({"isBase64Encoded":"true"})"), Kind::kMalformed);
}

TEST_F(LambdaResultTest, NoContentHasNone_Rfc9110_15_3_5) {
  EXPECT_EQ(Read(R"({"statusCode":204,"body":"x"})").body, "");
  EXPECT_EQ(result_.head->body, BodyKind::kNone);
}

struct AcceptRow {
  const char* entry;
  const char* accept;  ///< null: no field
  bool decoded;
};

class LambdaBinaryTest : public LambdaResultTest, public testing::WithParamInterface<AcceptRow> {};

TEST_P(LambdaBinaryTest, DecodedByTheFirstTypeOfAccept_RestApi10_1) {
  binary_ = BinaryMediaTypes({GetParam().entry});
  if (GetParam().accept != nullptr) Accept(GetParam().accept);
  // The Content-Type of the response does not matter.
  Read(R"({"body":"aGk=","isBase64Encoded":true,"headers":{"Content-Type":"image/png"}})");
  ASSERT_EQ(result_.kind, Kind::kResponse);
  EXPECT_EQ(result_.body, GetParam().decoded ? "hi" : "aGk=");
}

INSTANTIATE_TEST_SUITE_P(RestApi10_1, LambdaBinaryTest,
                         testing::Values(AcceptRow{"image/png", "image/png", true},
                                         AcceptRow{"image/png", "image/png,image/*", true},
                                         AcceptRow{"image/png", "image/png;q=0.1", true},
                                         AcceptRow{"image/png", "image/*", false},
                                         AcceptRow{"image/png", "*/*", false},
                                         AcceptRow{"image/png", "image/jpeg,image/png", false},
                                         AcceptRow{"image/png", nullptr, false},
                                         AcceptRow{"image/png", "malformed", false},
                                         AcceptRow{"application/*", "application/x", true},
                                         AcceptRow{"application/*", "application/*", true},
                                         AcceptRow{"application/*", "text/plain", false},
                                         AcceptRow{"*/test", "a/test", false},
                                         AcceptRow{"*/*", "text/plain", true},
                                         AcceptRow{"*/*", nullptr, true}));

TEST_F(LambdaResultTest, NotEncodedIsNeverDecoded_RestApi10_1) {
  binary_ = BinaryMediaTypes({"*/*"});
  EXPECT_EQ(Read(R"({"body":"aGk="})").body, "aGk=");
  EXPECT_EQ(Read(R"({"body":"aGk=","isBase64Encoded":false})").body, "aGk=");
}

TEST_F(LambdaResultTest, UndecodableBase64_RestApi9_6) {
  binary_ = BinaryMediaTypes({"*/*"});
  EXPECT_EQ(KindOf(R"({"body":"*","isBase64Encoded":true})"), Kind::kUndecodable);
}

TEST_F(LambdaResultTest, ErrorObjectIsAFunctionError_RestApi9_6) {
  ASSERT_EQ(KindOf(R"({"errorMessage":"boom","errorType":"Error","stackTrace":[]})"),
            Kind::kFunctionError);
  EXPECT_EQ(result_.error_message, "boom");
}

TEST_F(LambdaResultTest, DeepOrHugeResultsAreMalformed) {
  EXPECT_EQ(KindOf(std::string(100000, '[')), Kind::kMalformed);
  std::string many = R"({"headers":{)";
  for (int i = 0; i < 70000; ++i) many += "\"a\":1,";
  many += R"("b":1}})";
  EXPECT_EQ(KindOf(many), Kind::kMalformed);
}

}  // namespace
}  // namespace postern
