#include "core/context/variables.h"

#include <gtest/gtest.h>

#include <string>

#include "core/context/test_request.h"

namespace postern {
namespace {

class VariablesTest : public testing::Test {
 protected:
  /// "-" for no value.
  std::string Get(std::string_view name) {
    std::string out;
    StringSink sink(&out);
    const bool has = AppendVariable(ResolveVariable(name), request_.context, sink);
    sink.Finish();
    const std::string_view as_view =
        VariableValue(ResolveVariable(name), request_.context, &request_.arena);
    EXPECT_EQ(as_view, out) << name;
    EXPECT_TRUE(has || out.empty()) << name;
    return has ? out : "-";
  }

  TestRequest request_{"POST", "/prod/pets/7?a=b", {}, "a1b2c3.execute-api.local"};
  RequestContext& context_ = request_.context;
};

// abi.h, var_resolve.
TEST_F(VariablesTest, FiltersAlsoReadPathParametersAndStageVariables) {
  EXPECT_EQ(ResolveFilterVariable("pathParameters.id").id, VariableId::kPathParameter);
  EXPECT_EQ(ResolveFilterVariable("pathParameters.id").key, "id");
  EXPECT_EQ(ResolveFilterVariable("stageVariables.a.b").id, VariableId::kStageVariable);
  EXPECT_EQ(ResolveFilterVariable("stageVariables.a.b").key, "a.b");
  EXPECT_EQ(ResolveFilterVariable("pathParameters.").id, VariableId::kUnknown);
  EXPECT_EQ(ResolveFilterVariable("stageVariables").id, VariableId::kUnknown);
  EXPECT_EQ(ResolveFilterVariable("stage").id, VariableId::kStage);
  EXPECT_FALSE(IsKnownVariable("pathParameters.id"));
  EXPECT_FALSE(IsKnownVariable("stageVariables.id"));
}

TEST_F(VariablesTest, ValidationErrorOfParametersIsTheMessage_RestApi5_6) {
  context_.error_type = ResponseType::kBadRequestParameters;
  context_.error_message = "Missing required request parameters: [a]";
  EXPECT_EQ(Get("error.validationErrorString"), "Missing required request parameters: [a]");
  context_.error_validation = "[more]";
  EXPECT_EQ(Get("error.validationErrorString"), "[more]");
  context_.error_type = ResponseType::kBadRequestBody;
  context_.error_validation = {};
  EXPECT_EQ(Get("error.validationErrorString"), "-");
}

TEST_F(VariablesTest, EveryNameOfRestApi7_6And13_5IsKnown) {
  for (std::string_view name : {"accountId",
                                "apiId",
                                "authorizer.claims.sub",
                                "authorizer.principalId",
                                "authorizer.key",
                                "awsEndpointRequestId",
                                "deploymentId",
                                "domainName",
                                "domainPrefix",
                                "error.message",
                                "error.messageString",
                                "error.responseType",
                                "error.validationErrorString",
                                "extendedRequestId",
                                "httpMethod",
                                "identity.accountId",
                                "identity.caller",
                                "identity.user",
                                "identity.userArn",
                                "identity.accessKey",
                                "identity.apiKey",
                                "identity.apiKeyId",
                                "identity.cognitoAuthenticationProvider",
                                "identity.cognitoAuthenticationType",
                                "identity.cognitoIdentityId",
                                "identity.cognitoIdentityPoolId",
                                "identity.principalOrgId",
                                "identity.sourceIp",
                                "identity.userAgent",
                                "identity.clientCert.clientCertPem",
                                "identity.clientCert.subjectDN",
                                "identity.clientCert.issuerDN",
                                "identity.clientCert.serialNumber",
                                "identity.clientCert.validity.notBefore",
                                "identity.clientCert.validity.notAfter",
                                "identity.vpcId",
                                "identity.vpceId",
                                "isCanaryRequest",
                                "path",
                                "protocol",
                                "requestId",
                                "requestTime",
                                "requestTimeEpoch",
                                "resourceId",
                                "resourcePath",
                                "routeKey",
                                "stage",
                                "wafResponseCode",
                                "webaclArn",
                                "authorize.error",
                                "authorize.latency",
                                "authorize.status",
                                "authenticate.error",
                                "authenticate.latency",
                                "authenticate.status",
                                "authorizer.error",
                                "authorizer.integrationLatency",
                                "authorizer.integrationStatus",
                                "authorizer.latency",
                                "authorizer.requestId",
                                "authorizer.status",
                                "waf.error",
                                "waf.latency",
                                "waf.status",
                                "customDomain.basePathMatched",
                                "customDomain.routingRuleIdMatched",
                                "endpointType",
                                "integration.error",
                                "integrationErrorMessage",
                                "integration.integrationStatus",
                                "integrationStatus",
                                "integration.status",
                                "integration.latency",
                                "integrationLatency",
                                "integration.requestId",
                                "integration.responseTransferMode",
                                "integration.timeToAllHeaders",
                                "integration.timeToFirstContent",
                                "responseLatency",
                                "responseLength",
                                "status",
                                "xrayTraceId",
                                "tlsVersion",
                                "cipherSuite"}) {
    EXPECT_TRUE(IsKnownVariable(name)) << name;
  }
  for (std::string_view name : {"", "requestid", "identity", "identity.", "error", "authorizer.",
                                "requestOverride.header.x", "nothing"}) {
    EXPECT_FALSE(IsKnownVariable(name)) << name;
  }
}

TEST_F(VariablesTest, RequestFacts_RestApi7_6) {
  context_.request_id = "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12";
  context_.extended_request_id = "AyD6KEwwPHcEKxg=";
  context_.request_time_ms = 1784512580253;
  context_.account_id = "111122223333";
  context_.api_id = "a1b2c3";
  context_.path = "/prod/pets/7";
  context_.stage = "prod";
  context_.resource_path = "/pets/{id}";
  context_.source_ip = "203.0.113.9";
  context_.user_agent = "t/1";
  context_.domain_name = "a1b2c3.execute-api.local";
  context_.domain_prefix = "a1b2c3";
  EXPECT_EQ(Get("requestId"), "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12");
  EXPECT_EQ(Get("extendedRequestId"), "AyD6KEwwPHcEKxg=");
  EXPECT_EQ(Get("requestTime"), "20/Jul/2026:01:56:20 +0000");
  EXPECT_EQ(Get("requestTimeEpoch"), "1784512580253");
  EXPECT_EQ(Get("accountId"), "111122223333");
  EXPECT_EQ(Get("apiId"), "a1b2c3");
  EXPECT_EQ(Get("path"), "/prod/pets/7");
  EXPECT_EQ(Get("httpMethod"), "POST");
  EXPECT_EQ(Get("stage"), "prod");
  EXPECT_EQ(Get("resourcePath"), "/pets/{id}");
  EXPECT_EQ(Get("identity.sourceIp"), "203.0.113.9");
  EXPECT_EQ(Get("identity.userAgent"), "t/1");
  EXPECT_EQ(Get("domainName"), "a1b2c3.execute-api.local");
  EXPECT_EQ(Get("domainPrefix"), "a1b2c3");
}

TEST_F(VariablesTest, ProtocolIsAlwaysHttp11_RestApi2_5) {
  request_.head.version = 20;
  EXPECT_EQ(Get("protocol"), "HTTP/1.1");
}

TEST_F(VariablesTest, UnknownAndUnsetHaveNoValue) {
  for (std::string_view name : {"nothing", "identity.user", "authorizer.x", "status", "stage",
                                "integration.latency", "error.message", "error.messageString",
                                "error.responseType", "xrayTraceId", "isCanaryRequest"}) {
    EXPECT_EQ(Get(name), "-") << name;
  }
}

TEST_F(VariablesTest, CanaryOnlyWhereTheStageHasOne_RestApi13_4) {
  EXPECT_EQ(Get("isCanaryRequest"), "-");
  context_.is_canary = 0;
  EXPECT_EQ(Get("isCanaryRequest"), "false");
  context_.is_canary = 1;
  EXPECT_EQ(Get("isCanaryRequest"), "true");
}

TEST_F(VariablesTest, Errors_RestApi4_4) {
  context_.error_type = ResponseType::kBadRequestBody;
  EXPECT_EQ(Get("error.message"), "Invalid request body");
  EXPECT_EQ(Get("error.messageString"), "\"Invalid request body\"");
  EXPECT_EQ(Get("error.responseType"), "BAD_REQUEST_BODY");
  context_.error_message = "say \"no\"";
  EXPECT_EQ(Get("error.message"), "say \"no\"");
  EXPECT_EQ(Get("error.messageString"), "\"say \\\"no\\\"\"");
  context_.error_message_null = true;
  EXPECT_EQ(Get("error.message"), "-");
  EXPECT_EQ(Get("error.messageString"), "null");
  context_ = {};
  context_.error_type = ResponseType::kAuthorizerConfigurationError;
  EXPECT_EQ(Get("error.messageString"), "null");
}

TEST_F(VariablesTest, AccessLogNumbers_RestApi13_5) {
  context_.status = 504;
  context_.response_bytes = 41;
  context_.response_latency_ms = 0;
  context_.integration_status = 404;
  context_.integration_service_status = 200;
  context_.integration_latency_ms = 12;
  EXPECT_EQ(Get("status"), "504");
  EXPECT_EQ(Get("responseLength"), "41");
  EXPECT_EQ(Get("responseLatency"), "0");
  EXPECT_EQ(Get("integration.status"), "404");
  EXPECT_EQ(Get("integrationStatus"), "200");
  EXPECT_EQ(Get("integration.integrationStatus"), "200");
  EXPECT_EQ(Get("integrationLatency"), "12");
  EXPECT_EQ(Get("integration.latency"), "12");
  EXPECT_EQ(Get("integration.responseTransferMode"), "BUFFERED");
  context_.response_streamed = true;
  EXPECT_EQ(Get("integration.responseTransferMode"), "STREAMED");
}

TEST_F(VariablesTest, ClientCertificate_RestApi9_3) {
  EXPECT_EQ(Get("identity.clientCert.clientCertPem"), "-");
  EXPECT_EQ(Get("identity.clientCert.subjectDN"), "-");
  const ClientCertificate certificate = {.pem = "-----BEGIN",
                                         .subject_dn = "CN=client.example.com,O=Example",
                                         .issuer_dn = "CN=ca.example.com",
                                         .serial_number = "a1:b2:c3:04",
                                         .not_before = "May 28 12:30:02 2019 GMT",
                                         .not_after = "May 25 12:30:02 2029 GMT"};
  context_.client_certificate = &certificate;
  EXPECT_EQ(Get("identity.clientCert.clientCertPem"), "-----BEGIN");
  EXPECT_EQ(Get("identity.clientCert.subjectDN"), "CN=client.example.com,O=Example");
  EXPECT_EQ(Get("identity.clientCert.issuerDN"), "CN=ca.example.com");
  EXPECT_EQ(Get("identity.clientCert.serialNumber"), "a1:b2:c3:04");
  EXPECT_EQ(Get("identity.clientCert.validity.notBefore"), "May 28 12:30:02 2019 GMT");
  EXPECT_EQ(Get("identity.clientCert.validity.notAfter"), "May 25 12:30:02 2029 GMT");
}

// plugin-abi.md §6, var_set: later filters, templates and the access log see what filters have set.
TEST_F(VariablesTest, WhatFiltersHaveSet) {
  EXPECT_EQ(Get("authorizer.principalId"), "-");
  FilterVariable principal{"authorizer.principalId", "alice", true, 0, 0, nullptr};
  FilterVariable latency{"authorizer.latency", "12", true, 0, 0, &principal};
  FilterVariable removed{"filter.limits.key", "x", false, 0, 0, &latency};
  FilterVariable own{"filter.cors.origin", "a", true, 0, 0, &removed};
  context_.filter_variables = &own;
  EXPECT_EQ(Get("authorizer.principalId"), "alice");
  EXPECT_EQ(Get("authorizer.latency"), "12");
  EXPECT_EQ(Get("authorizer.other"), "-");
  EXPECT_EQ(Get("filter.cors.origin"), "a");
  EXPECT_EQ(Get("filter.limits.key"), "-");
  EXPECT_EQ(ResolveVariable("filter.").id, VariableId::kUnknown);
}

}  // namespace
}  // namespace postern
