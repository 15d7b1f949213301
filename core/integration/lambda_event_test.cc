#include "core/integration/lambda_event.h"

#include <gtest/gtest.h>

#include <string>

#include "core/context/test_request.h"
#include "lib/text/json_reader.h"

namespace postern {
namespace {

void Fill(TestRequest& request) {
  RequestContext& context = request.context;
  context.resource_id = "abc123";
  context.resource_path = "/pets/{id}";
  context.extended_request_id = "AyD6KEwwPHcEKxg=";
  context.request_time_ms = 1784512580253;
  context.path = "/prod/pets/7";
  context.method_path = "/pets/7";
  context.account_id = "111122223333";
  context.stage = "prod";
  context.domain_prefix = "a1b2c3";
  context.domain_name = "a1b2c3.execute-api.local";
  context.request_id = "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12";
  context.source_ip = "203.0.113.9";
  context.peer_ip = "203.0.113.9";
  context.user_agent = "t/1";
  context.deployment_id = "d1e2f3";
  context.api_id = "a1b2c3";
  context.trace_id = "Root=1-65d177a9-69642f763f4c955339553fc5";
  context.forwarded_port = "443";
  context.forwarded_proto = "https";
}

TEST(LambdaEventTest, WholeEventByteForByte_RestApi9_4) {
  TestRequest request("GET", "/prod/pets/7?c=1&c=2", {{"Accept", "*/*"}, {"user-agent", "t/1"}},
                      "a1b2c3.execute-api.local");
  Fill(request);
  const NameValue params[] = {{"id", "7"}};
  request.context.path_params = params;
  request.context.path_param_count = 1;
  EXPECT_EQ(
      MakeLambdaEvent(request.context, "", false, &request.arena),
      R"({"resource":"/pets/{id}","path":"/pets/7","httpMethod":"GET",)"
      R"("headers":{"Accept":"*/*","Host":"a1b2c3.execute-api.local","User-Agent":"t/1","X-Amzn-Trace-Id":"Root=1-65d177a9-69642f763f4c955339553fc5","X-Forwarded-For":"203.0.113.9","X-Forwarded-Port":"443","X-Forwarded-Proto":"https"},)"
      R"("multiValueHeaders":{"Accept":["*/*"],"Host":["a1b2c3.execute-api.local"],"User-Agent":["t/1"],"X-Amzn-Trace-Id":["Root=1-65d177a9-69642f763f4c955339553fc5"],"X-Forwarded-For":["203.0.113.9"],"X-Forwarded-Port":["443"],"X-Forwarded-Proto":["https"]},)"
      R"("queryStringParameters":{"c":"2"},"multiValueQueryStringParameters":{"c":["1","2"]},)"
      R"("pathParameters":{"id":"7"},"stageVariables":null,)"
      R"("requestContext":{"resourceId":"abc123","resourcePath":"/pets/{id}","httpMethod":"GET","extendedRequestId":"AyD6KEwwPHcEKxg=","requestTime":"20/Jul/2026:01:56:20 +0000","path":"/prod/pets/7","accountId":"111122223333","protocol":"HTTP/1.1","stage":"prod","domainPrefix":"a1b2c3","requestTimeEpoch":1784512580253,"requestId":"8db3b4dd-ecd5-436d-9eeb-a544e39d3e12","identity":{"cognitoIdentityPoolId":null,"accountId":null,"cognitoIdentityId":null,"caller":null,"sourceIp":"203.0.113.9","principalOrgId":null,"accessKey":null,"cognitoAuthenticationType":null,"cognitoAuthenticationProvider":null,"userArn":null,"userAgent":"t/1","user":null},"domainName":"a1b2c3.execute-api.local","deploymentId":"d1e2f3","apiId":"a1b2c3"},)"
      R"("body":null,"isBase64Encoded":false})");
}

class LambdaEventFieldsTest : public testing::Test {
 protected:
  /// The event of `request`, parsed.
  JsonValue Event(TestRequest& request, std::string_view body = "", bool binary = false) {
    const std::string_view text = MakeLambdaEvent(request.context, body, binary, &request.arena);
    const absl::Status status = reader_.Parse(text);
    EXPECT_TRUE(status.ok()) << status << "\n" << text;
    return reader_.root();
  }
  JsonReader reader_;
};

TEST_F(LambdaEventFieldsTest, TwelveKeysAlwaysAndNoVersion_RestApi9_2) {
  TestRequest request;
  Fill(request);
  const JsonValue event = Event(request);
  ASSERT_EQ(event.size(), 12u);
  EXPECT_FALSE(event.Find("version"));
  for (const char* name : {"queryStringParameters", "multiValueQueryStringParameters",
                           "pathParameters", "stageVariables", "body"}) {
    EXPECT_TRUE(event.Find(name).is_null()) << name;
  }
}

TEST_F(LambdaEventFieldsTest, LastValueAndAllValuesOfHeaders_RestApi9_2) {
  TestRequest request("GET", "/", {{"X-a", "1"}, {"Zeta", "z"}, {"x-A", "2"}, {"alpha", "a"}});
  Fill(request);
  const JsonValue event = Event(request);
  EXPECT_EQ(event.Find("headers").Find("X-a").AsString(), "2");
  const JsonValue all = event.Find("multiValueHeaders").Find("X-a");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all.At(0).AsString(), "1");
  EXPECT_EQ(all.At(1).AsString(), "2");
  // Alphabetical whatever the case.
  std::string order;
  for (size_t i = 0; i < event.Find("headers").size(); ++i) {
    order += std::string(event.Find("headers").NameAt(i)) + " ";
  }
  EXPECT_EQ(
      order,
      "alpha Host X-a X-Amzn-Trace-Id X-Forwarded-For X-Forwarded-Port X-Forwarded-Proto Zeta ");
}

TEST_F(LambdaEventFieldsTest, ForwardedForIsAppended_RestApi6_9) {
  TestRequest request("GET", "/",
                      {{"X-Forwarded-For", "1.1.1.1"},
                       {"X-Forwarded-For", "2.2.2.2"},
                       {"X-Forwarded-Proto", "evil"}});
  Fill(request);
  const JsonValue headers = Event(request).Find("headers");
  EXPECT_EQ(headers.Find("X-Forwarded-For").AsString(), "1.1.1.1, 2.2.2.2, 203.0.113.9");
  EXPECT_EQ(headers.Find("X-Forwarded-Proto").AsString(), "https");
}

TEST_F(LambdaEventFieldsTest, AuthorizationIsSpelledAndSignaturesAreDropped_RestApi9_2) {
  TestRequest bearer("GET", "/", {{"authorization", "Bearer x"}});
  Fill(bearer);
  EXPECT_EQ(Event(bearer).Find("headers").Find("Authorization").AsString(), "Bearer x");
  TestRequest signed_request("GET", "/",
                             {{"Authorization", "AWS4-HMAC-SHA256 Credential=A, Signature=0"}});
  Fill(signed_request);
  EXPECT_FALSE(Event(signed_request).Find("headers").Find("Authorization"));
}

TEST_F(LambdaEventFieldsTest, QueryIsDecodedAndInOrder_RestApi9_2) {
  TestRequest request("GET", "/?z=1&a=x+y&z=%2B&e&%61=q");
  Fill(request);
  const JsonValue event = Event(request);
  const JsonValue single = event.Find("queryStringParameters");
  ASSERT_EQ(single.size(), 3u);
  EXPECT_EQ(single.NameAt(0), "z");
  EXPECT_EQ(single.At(0).AsString(), "+");
  EXPECT_EQ(single.NameAt(1), "a");
  EXPECT_EQ(single.At(1).AsString(), "q");
  EXPECT_EQ(single.NameAt(2), "e");
  EXPECT_EQ(single.At(2).AsString(), "");
  const JsonValue multi = event.Find("multiValueQueryStringParameters").Find("a");
  ASSERT_EQ(multi.size(), 2u);
  EXPECT_EQ(multi.At(0).AsString(), "x y");
}

TEST_F(LambdaEventFieldsTest, StageVariables_RestApi9_2) {
  TestRequest request;
  Fill(request);
  const NameValue variables[] = {{"a", "1"}, {"b", "2"}};
  request.context.stage_variables = variables;
  request.context.stage_variable_count = 2;
  EXPECT_EQ(Event(request).Find("stageVariables").Find("b").AsString(), "2");
}

TEST_F(LambdaEventFieldsTest, Body_RestApi10_1) {
  TestRequest request;
  Fill(request);
  JsonValue event = Event(request, "a\"\xFF");
  EXPECT_EQ(event.Find("body").AsString(), "a\"\xEF\xBF\xBD");
  EXPECT_EQ(event.Find("isBase64Encoded").AsBool(), false);
  event = Event(request, std::string_view("\x01\xFF", 2), true);
  EXPECT_EQ(event.Find("body").AsString(), "Af8=");
  EXPECT_EQ(event.Find("isBase64Encoded").AsBool(), true);
  event = Event(request, "", true);
  EXPECT_TRUE(event.Find("body").is_null());
  EXPECT_EQ(event.Find("isBase64Encoded").AsBool(), false);
}

TEST_F(LambdaEventFieldsTest, CustomDomainKeepsTheBasePath_RestApi2_2) {
  TestRequest request;
  Fill(request);
  request.context.base_path_matched = "shop";
  request.context.path = "/shop/pets/7";
  const JsonValue event = Event(request);
  EXPECT_EQ(event.Find("path").AsString(), "/shop/pets/7");
  EXPECT_EQ(event.Find("requestContext").Find("path").AsString(), "/shop/pets/7");
}

TEST_F(LambdaEventFieldsTest, ConditionalMembers_RestApi9_3) {
  TestRequest request;
  Fill(request);
  JsonValue context = Event(request).Find("requestContext");
  for (const char* name : {"authorizer", "isCanaryRequest", "operationName"}) {
    EXPECT_FALSE(context.Find(name)) << name;
  }
  for (const char* name : {"apiKey", "apiKeyId", "clientCert", "vpcId", "vpceId"}) {
    EXPECT_FALSE(context.Find("identity").Find(name)) << name;
  }
  for (const char* name : {"accessKey", "accountId", "caller", "cognitoAuthenticationProvider",
                           "cognitoAuthenticationType", "cognitoIdentityId",
                           "cognitoIdentityPoolId", "principalOrgId", "user", "userArn"}) {
    EXPECT_TRUE(context.Find("identity").Find(name).is_null()) << name;
  }
  request.context.is_canary = 1;
  request.context.operation_name = "getPet";
  request.context.vpc_id = "vpc-1";
  request.context.vpce_id = "vpce-1";
  context = Event(request).Find("requestContext");
  EXPECT_EQ(context.Find("isCanaryRequest").AsBool(), true);
  EXPECT_EQ(context.Find("operationName").AsString(), "getPet");
  EXPECT_EQ(context.Find("identity").Find("vpcId").AsString(), "vpc-1");
  EXPECT_EQ(context.Find("identity").Find("vpceId").AsString(), "vpce-1");
}

TEST_F(LambdaEventFieldsTest, ClientCertificate_RestApi9_3) {
  TestRequest request;
  Fill(request);
  const ClientCertificate certificate = {.pem = "-----BEGIN",
                                         .subject_dn = "CN=client",
                                         .issuer_dn = "CN=ca",
                                         .serial_number = "a1:b2",
                                         .not_before = "May 28 12:30:02 2019 GMT",
                                         .not_after = "May  5 12:30:02 2029 GMT"};
  request.context.client_certificate = &certificate;
  const JsonValue shown = Event(request).Find("requestContext").Find("identity").Find("clientCert");
  EXPECT_EQ(shown.Find("clientCertPem").AsString(), "-----BEGIN");
  EXPECT_EQ(shown.Find("subjectDN").AsString(), "CN=client");
  EXPECT_EQ(shown.Find("issuerDN").AsString(), "CN=ca");
  EXPECT_EQ(shown.Find("serialNumber").AsString(), "a1:b2");
  EXPECT_EQ(shown.Find("validity").Find("notBefore").AsString(), "May 28 12:30:02 2019 GMT");
  EXPECT_EQ(shown.Find("validity").Find("notAfter").AsString(), "May  5 12:30:02 2029 GMT");
}

TEST_F(LambdaEventFieldsTest, ManyFieldsOfOneNameTakeNoQuadraticTime) {
  std::string target = "/?";
  for (int i = 0; i < 2500; ++i) target += "a&";
  TestRequest request("GET", target);
  Fill(request);
  EXPECT_EQ(Event(request).Find("multiValueQueryStringParameters").Find("a").size(), 2500u);
}

}  // namespace
}  // namespace postern
