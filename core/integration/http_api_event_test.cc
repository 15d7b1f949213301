#include "core/integration/http_api_event.h"

#include <gtest/gtest.h>

#include <string>

#include "core/context/client_certificate.h"
#include "core/context/test_request.h"
#include "lib/text/json_reader.h"

namespace postern {
namespace {

void Fill(TestRequest& request) {
  RequestContext& context = request.context;
  context.request = &request.head;
  context.http_api = true;
  context.resource_id = "GET /pets/{id}";
  context.resource_path = "/pets/{id}";
  context.extended_request_id = "AyD6KEwwPHcEKxg=";
  context.request_id = context.extended_request_id;
  context.request_time_ms = 1784512580253;
  context.path = "/dev/pets/6";
  context.method_path = "/pets/6";
  context.account_id = "111122223333";
  context.stage = "dev";
  context.domain_prefix = "a1b2c3";
  context.domain_name = "a1b2c3.execute-api.local";
  context.source_ip = "203.0.113.9";
  context.peer_ip = "203.0.113.9";
  context.user_agent = "t/1";
  context.api_id = "a1b2c3";
  context.trace_id = "Root=1-65d177a9-69642f763f4c955339553fc5";
  context.forwarded_port = "443";
  context.forwarded_proto = "https";
}

TEST(HttpApiEventTest, WholeEventByteForByte_HttpApi5) {
  TestRequest request("GET", "/dev/pets/6?c=1&a=%20x&c=2",
                      {{"Accept", "*/*"}, {"X-Two", "1"}, {"x-two", "2"}, {"Cookie", "a=1; b=2"}},
                      "a1b2c3.execute-api.local");
  Fill(request);
  const NameValue params[] = {{"id", "6%20"}};
  request.context.path_params = params;
  request.context.path_param_count = 1;
  const NameValue variables[] = {{"v", "1"}};
  request.context.stage_variables = variables;
  request.context.stage_variable_count = 1;
  EXPECT_EQ(
      MakeHttpApiEvent(request.context, "", &request.arena),
      R"({"version":"2.0","routeKey":"GET /pets/{id}","rawPath":"/dev/pets/6","rawQueryString":"c=1&a=%20x&c=2",)"
      R"("cookies":["a=1","b=2"],)"
      R"("headers":{"accept":"*/*","content-length":"0","host":"a1b2c3.execute-api.local","x-amzn-trace-id":"Root=1-65d177a9-69642f763f4c955339553fc5","x-forwarded-for":"203.0.113.9","x-forwarded-port":"443","x-forwarded-proto":"https","x-two":"1,2"},)"
      R"("queryStringParameters":{"a":" x","c":"1,2"},)"
      R"("requestContext":{"accountId":"111122223333","apiId":"a1b2c3","domainName":"a1b2c3.execute-api.local","domainPrefix":"a1b2c3","http":{"method":"GET","path":"/dev/pets/6","protocol":"HTTP/1.1","sourceIp":"203.0.113.9","userAgent":"t/1"},"requestId":"AyD6KEwwPHcEKxg=","routeKey":"GET /pets/{id}","stage":"dev","time":"20/Jul/2026:01:56:20 +0000","timeEpoch":1784512580253},)"
      R"("pathParameters":{"id":"6 "},"stageVariables":{"v":"1"},"isBase64Encoded":false})");
}

class HttpApiEventFieldsTest : public testing::Test {
 protected:
  JsonValue Parse(std::string_view text) {
    const absl::Status status = reader_.Parse(text);
    EXPECT_TRUE(status.ok()) << status << "\n" << text;
    return reader_.root();
  }
  JsonReader reader_;
};

// 2.0 leaves out what is empty.
TEST_F(HttpApiEventFieldsTest, NothingThatIsEmpty_HttpApi5) {
  TestRequest request("GET", "/");
  Fill(request);
  request.context.resource_id = request.context.resource_path = "$default";
  const NameValue rest[] = {{"proxy", "x"}};  // the gateway's own, for HTTP integrations
  request.context.path_params = rest;
  request.context.path_param_count = 1;
  const JsonValue event = Parse(MakeHttpApiEvent(request.context, "", &request.arena));
  for (const char* name : {"cookies", "queryStringParameters", "pathParameters", "stageVariables",
                           "body", "multiValueHeaders"}) {
    EXPECT_FALSE(event.Find(name)) << name;
  }
  EXPECT_EQ(event.Find("rawQueryString").AsString(), "");
  EXPECT_EQ(event.Find("routeKey").AsString(), "$default");
  EXPECT_FALSE(event.Find("requestContext").Find("authorizer"));
  EXPECT_FALSE(event.Find("requestContext").Find("authentication"));
}

TEST_F(HttpApiEventFieldsTest, CookiesOfSeveralFields_HttpApi5) {
  TestRequest request("GET", "/", {{"Cookie", "a=1;  b=2 ;"}, {"cookie", "c=3"}});
  Fill(request);
  const JsonValue event = Parse(MakeHttpApiEvent(request.context, "", &request.arena));
  ASSERT_EQ(event.Find("cookies").size(), 3u);
  EXPECT_EQ(event.Find("cookies").At(1).AsString(), "b=2");
  EXPECT_EQ(event.Find("cookies").At(2).AsString(), "c=3");
  EXPECT_FALSE(event.Find("headers").Find("cookie"));
}

TEST_F(HttpApiEventFieldsTest, ForwardedFor_HttpApi5) {
  TestRequest request("GET", "/", {{"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-Proto", "http"}});
  Fill(request);
  const JsonValue headers =
      Parse(MakeHttpApiEvent(request.context, "", &request.arena)).Find("headers");
  EXPECT_EQ(headers.Find("x-forwarded-for").AsString(), "1.1.1.1, 203.0.113.9");
  EXPECT_EQ(headers.Find("x-forwarded-proto").AsString(), "https");
}

TEST_F(HttpApiEventFieldsTest, ClientCertificate_HttpApi5) {
  TestRequest request("GET", "/");
  Fill(request);
  const ClientCertificate certificate = {.pem = "PEM",
                                         .subject_dn = "CN=a",
                                         .issuer_dn = "CN=b",
                                         .serial_number = "01",
                                         .not_before = "x",
                                         .not_after = "y"};
  request.context.client_certificate = &certificate;
  JsonValue event = Parse(MakeHttpApiEvent(request.context, "", &request.arena));
  JsonValue shown = event.Find("requestContext").Find("authentication").Find("clientCert");
  EXPECT_EQ(shown.Find("subjectDN").AsString(), "CN=a");
  EXPECT_EQ(shown.Find("validity").Find("notAfter").AsString(), "y");
  event = Parse(MakeHttpApiEventV1(request.context, "", &request.arena));
  shown = event.Find("requestContext").Find("identity").Find("clientCert");
  EXPECT_EQ(shown.Find("clientCertPem").AsString(), "PEM");
}

// The table of http-api.md 7.
TEST(HttpApiBodyTest, WhatIsBinary_HttpApi7) {
  for (const char* type :
       {"text/plain", "text/html", "text/csv", "application/json", "application/xml",
        "application/javascript", "application/graphql", "application/json; charset=utf-8",
        "text/plain;charset=\"UTF-8\"", "text/plain; format=flowed; charset=utf-8"}) {
    EXPECT_FALSE(IsBinaryForHttpApi(type)) << type;
  }
  for (const char* type :
       {"", "text/plain; charset=iso-8859-1", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x", "application/octet-stream", "image/png",
        "application/pdf", "application/vnd.api+json", "text"}) {
    EXPECT_TRUE(IsBinaryForHttpApi(type)) << type;
  }
}

TEST_F(HttpApiEventFieldsTest, Body_HttpApi7) {
  TestRequest text("POST", "/", {{"Content-Type", "text/plain"}});
  Fill(text);
  JsonValue event = Parse(MakeHttpApiEvent(text.context, "a\"b", &text.arena));
  EXPECT_EQ(event.Find("body").AsString(), "a\"b");
  EXPECT_EQ(event.Find("isBase64Encoded").AsBool(), false);
  EXPECT_EQ(event.Find("headers").Find("content-length").AsString(), "3");
  TestRequest none("POST", "/");
  Fill(none);
  event = Parse(MakeHttpApiEvent(none.context, "\n", &none.arena));
  EXPECT_EQ(event.Find("body").AsString(), "Cg==");
  EXPECT_EQ(event.Find("isBase64Encoded").AsBool(), true);
}

TEST_F(HttpApiEventFieldsTest, Format1_HttpApi6) {
  TestRequest request("GET", "/orders/pets/6?foo=bar&foo=baz&n=", {{"Cookie", "a=1"}},
                      "a1b2c3.execute-api.local");
  Fill(request);
  request.context.by_domain = true;
  const JsonValue event = Parse(MakeHttpApiEventV1(request.context, "", &request.arena));
  EXPECT_EQ(event.Find("version").AsString(), "1.0");
  EXPECT_EQ(event.Find("resource").AsString(), "/pets/{id}");
  EXPECT_EQ(event.Find("path").AsString(), "/orders/pets/6") << "with the mapping's key";
  EXPECT_EQ(event.Find("queryStringParameters").Find("foo").AsString(), "baz");
  EXPECT_EQ(event.Find("multiValueQueryStringParameters").Find("foo").size(), 2u);
  EXPECT_EQ(event.Find("queryStringParameters").Find("n").AsString(), "");
  EXPECT_EQ(event.Find("headers").Find("cookie").AsString(), "a=1");
  EXPECT_FALSE(event.Find("cookies"));
  EXPECT_TRUE(event.Find("pathParameters").is_null());
  EXPECT_TRUE(event.Find("stageVariables").is_null());
  EXPECT_TRUE(event.Find("body").is_null());
  const JsonValue context = event.Find("requestContext");
  EXPECT_EQ(context.Find("resourceId").AsString(), "GET /pets/{id}");
  EXPECT_EQ(context.Find("resourcePath").AsString(), "/pets/{id}");
  EXPECT_EQ(context.Find("extendedRequestId").AsString(), context.Find("requestId").AsString());
  EXPECT_TRUE(context.Find("identity").Find("cognitoAmr").is_null());
  EXPECT_EQ(context.Find("identity").Find("sourceIp").AsString(), "203.0.113.9");
  EXPECT_FALSE(context.Find("authorizer"));
  request.context.by_domain = false;
  EXPECT_EQ(Parse(MakeHttpApiEventV1(request.context, "", &request.arena)).Find("path").AsString(),
            "/dev/pets/6");
}

}  // namespace
}  // namespace postern
