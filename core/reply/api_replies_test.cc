#include "core/reply/api_replies.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/context/test_request.h"
#include "core/reply/standard_headers.h"

namespace postern {
namespace {

using Kind = ValueSource::Kind;

struct Rendered {
  int status;
  std::string body;
  std::string error_type;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
};

Rendered Render(const ApiReplies& replies, ResponseType type, uint16_t status,
                TestRequest& request) {
  const Reply reply = replies.Render(type, status, &request.context, &request.arena);
  Rendered out{reply.head->status, std::string(reply.body), "", "", {}};
  EXPECT_EQ(reply.head->content_length, reply.body.size());
  EXPECT_EQ(request.context.error_type, type);
  EXPECT_EQ(request.context.status, out.status);
  for (const HeaderField& field : reply.head->headers) {
    if (field.id == HeaderId::kXAmznErrorType) out.error_type = field.value;
    if (field.id == HeaderId::kContentType) out.content_type = field.value;
    out.headers.emplace_back(field.name, field.value);
  }
  return out;
}

Rendered Render(const ApiReplies& replies, ResponseType type, uint16_t status = 0) {
  TestRequest request;
  return Render(replies, type, status, request);
}

ReplySpec Put(ResponseType type, std::optional<uint16_t> status = {},
              std::vector<ReplySpec::Template> templates = {}) {
  return {type, status, {}, std::move(templates)};
}

template <typename... Specs>
ApiReplies Replies(Specs... specs) {
  std::vector<ReplySpec> all;
  (all.push_back(std::move(specs)), ...);
  return ApiReplies(std::move(all));
}

// ---- §0.3: default bodies byte for byte.

struct BodyRow {
  ResponseType type;
  std::string_view body;
  size_t length;
};

class DefaultBodyTest : public testing::TestWithParam<BodyRow> {};

TEST_P(DefaultBodyTest, Bytes_RestApi0_3) {
  const Rendered reply = Render(ApiReplies::Default(), GetParam().type);
  EXPECT_EQ(reply.body, GetParam().body);
  EXPECT_EQ(reply.body.size(), GetParam().length);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(reply.error_type, InfoOf(GetParam().type).error_type);
  EXPECT_EQ(reply.status, InfoOf(GetParam().type).status);
}

INSTANTIATE_TEST_SUITE_P(
    RestApi0_3, DefaultBodyTest,
    testing::Values(
        BodyRow{ResponseType::kMissingAuthenticationToken,
                R"({"message":"Missing Authentication Token"})", 42},
        BodyRow{ResponseType::kForbidden, R"({"message":"Forbidden"})", 23},
        BodyRow{ResponseType::kInvalidApiKey, R"({"message":"Forbidden"})", 23},
        BodyRow{ResponseType::kWafFiltered, R"({"message":"Forbidden"})", 23},
        BodyRow{ResponseType::kUnauthorized, R"({"message":"Unauthorized"})", 26},
        BodyRow{ResponseType::kQuotaExceeded, R"({"message":"Limit Exceeded"})", 28},
        BodyRow{ResponseType::kThrottled, R"({"message":"Too Many Requests"})", 31},
        BodyRow{ResponseType::kAuthorizerConfigurationError, R"({"message":null})", 16},
        BodyRow{ResponseType::kAuthorizerFailure, R"({"message":null})", 16},
        BodyRow{ResponseType::kDefault5xx, R"({"message": "Internal server error"})", 36},
        BodyRow{ResponseType::kApiConfigurationError, R"({"message": "Internal server error"})",
                36},
        BodyRow{ResponseType::kIntegrationTimeout, R"({"message": "Endpoint request timed out"})",
                41},
        BodyRow{ResponseType::kBadRequestBody, R"({"message": "Invalid request body"})", 35},
        BodyRow{ResponseType::kUnsupportedMediaType, R"({"message": "Unsupported Media Type"})",
                37}));

TEST(ApiRepliesTest, ParameterMessageKeepsTheSpace_RestApi0_3) {
  TestRequest request;
  request.context.error_message = "Missing required request parameters: [key]";
  EXPECT_EQ(Render(ApiReplies::Default(), ResponseType::kBadRequestParameters, 0, request).body,
            R"({"message": "Missing required request parameters: [key]"})");
}

TEST(ApiRepliesTest, PolicyDenialHasCapitalMessage_RestApi0_3) {
  TestRequest request;
  request.context.error_message =
      "User is not authorized to access this resource with an explicit deny";
  const Rendered reply = Render(ApiReplies::Default(), ResponseType::kAccessDenied, 0, request);
  EXPECT_EQ(
      reply.body,
      R"({"Message":"User is not authorized to access this resource with an explicit deny"})");
  EXPECT_EQ(reply.body.size(), 82u);
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(reply.error_type, "AccessDeniedException");
}

TEST(ApiRepliesTest, MessageIsQuotedAsJson_RestApi4_4) {
  TestRequest request;
  request.context.error_message = "a \"b\"\n";
  EXPECT_EQ(Render(ApiReplies::Default(), ResponseType::kDefault5xx, 0, request).body,
            R"({"message": "a \"b\"\n"})");
}

TEST(ApiRepliesTest, MessageCanBeNull_RestApi4_1) {
  TestRequest request;
  request.context.error_message_null = true;
  EXPECT_EQ(Render(ApiReplies::Default(), ResponseType::kUnauthorized, 0, request).body,
            R"({"message":null})");
}

TEST(ApiRepliesTest, ThrottledHasNoRetryAfter_RestApi4_1) {
  for (ResponseType type : {ResponseType::kThrottled, ResponseType::kQuotaExceeded}) {
    const Rendered reply = Render(ApiReplies::Default(), type);
    EXPECT_EQ(reply.headers.size(), 2u);
  }
}

// ---- §4.3: which definition counts.

TEST(ApiRepliesTest, PutTypeUsesOnlyItsOwnDefinition_RestApi4_3) {
  const ApiReplies replies =
      Replies(Put(ResponseType::kUnauthorized),
              Put(ResponseType::kDefault4xx, 418, {{"text/plain", "default"}}));
  const Rendered reply = Render(replies, ResponseType::kUnauthorized);
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(reply.body, R"({"message":"Unauthorized"})");
  EXPECT_EQ(reply.content_type, "application/json");
}

TEST(ApiRepliesTest, DefaultOfTheClassIsUsedForTheRest_RestApi4_3) {
  const ApiReplies replies =
      Replies(Put(ResponseType::kDefault4xx, 418, {{"text/plain", "$context.error.responseType"}}));
  const Rendered reply = Render(replies, ResponseType::kThrottled);
  EXPECT_EQ(reply.status, 418);
  EXPECT_EQ(reply.body, "THROTTLED");
  EXPECT_EQ(reply.content_type, "text/plain");
  EXPECT_EQ(reply.error_type, "TooManyRequestsException");
  EXPECT_EQ(Render(replies, ResponseType::kDefault5xx).status, 500);
}

TEST(ApiRepliesTest, DefaultWithoutStatusKeepsTheTypesOwn_RestApi4_3) {
  const ApiReplies replies = Replies(Put(ResponseType::kDefault4xx, {}, {{"text/plain", "x"}}));
  EXPECT_EQ(Render(replies, ResponseType::kThrottled).status, 429);
  EXPECT_EQ(Render(replies, ResponseType::kUnauthorized).status, 401);
}

TEST(ApiRepliesTest, Default5xxStatusChangesEveryType_RestApi4_3) {
  const ApiReplies replies = Replies(Put(ResponseType::kDefault5xx, 599));
  for (ResponseType type : {ResponseType::kApiConfigurationError, ResponseType::kAuthorizerFailure,
                            ResponseType::kIntegrationFailure, ResponseType::kIntegrationTimeout}) {
    EXPECT_EQ(Render(replies, type).status, 599);
  }
  // A put definition is rendered from its own template: no space.
  EXPECT_EQ(Render(replies, ResponseType::kApiConfigurationError).body,
            R"({"message":"Internal server error"})");
}

TEST(ApiRepliesTest, LambdaFailureIs500UnlessAStatusWasPut_RestApi4_3) {
  EXPECT_EQ(Render(ApiReplies::Default(), ResponseType::kIntegrationFailure, 500).status, 500);
  EXPECT_EQ(Render(Replies(Put(ResponseType::kIntegrationFailure)),
                   ResponseType::kIntegrationFailure, 500)
                .status,
            500);
  EXPECT_EQ(Render(Replies(Put(ResponseType::kIntegrationFailure, 599)),
                   ResponseType::kIntegrationFailure, 500)
                .status,
            599);
  EXPECT_EQ(
      Render(Replies(Put(ResponseType::kDefault5xx, 503)), ResponseType::kIntegrationFailure, 500)
          .status,
      503);
  EXPECT_EQ(Render(ApiReplies::Default(), ResponseType::kIntegrationFailure).status, 504);
}

TEST(ApiRepliesTest, RequestTooLargeCannotBeCustomised_RestApi4_1) {
  const ApiReplies replies =
      Replies(Put(ResponseType::kRequestTooLarge, 499, {{"text/plain", "mine"}}));
  const Rendered reply = Render(replies, ResponseType::kRequestTooLarge);
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.content_type, "application/json");
}

TEST(ApiRepliesTest, ForbiddenBeforeAnApiIsKnownCannotBeCustomised) {
  EXPECT_EQ(Render(Replies(Put(ResponseType::kDefault4xx, 418)), ResponseType::kForbidden).status,
            403);
}

TEST(ApiRepliesTest, IncompleteSignatureFollowsMissingToken_Authorization1_12) {
  EXPECT_EQ(Render(Replies(Put(ResponseType::kMissingAuthenticationToken, 401)),
                   ResponseType::kIncompleteSignature)
                .status,
            401);
  EXPECT_EQ(Render(Replies(Put(ResponseType::kDefault4xx, 418)), ResponseType::kIncompleteSignature)
                .status,
            418);
  EXPECT_EQ(Render(ApiReplies::Default(), ResponseType::kIncompleteSignature).error_type,
            "IncompleteSignatureException");
}

// ---- §4.4: customisation.

TEST(ApiRepliesTest, TemplateSubstitutesAndIsNoVtl_RestApi4_4) {
  const ApiReplies replies = Replies(
      Put(ResponseType::kDefault4xx, {},
          {{"application/json",
            "#set($x=1)$input.body $util.x {\"m\":$context.error.messageString,"
            "\"t\":\"$context.error.responseType\",\"r\":\"$context.requestId-x\","
            "\"s\":\"$stageVariables.color\",\"n\":\"$stageVariables.none\","
            "\"h\":\"$method.request.header.X-Who\",\"q\":\"$method.request.querystring.q\","
            "\"p\":\"$method.request.path.id\",\"u\":\"$context.nothing\",$ $context. $$}"}}));
  TestRequest request("GET", "/?q=a+b", {{"X-Who", "me"}});
  const NameValue params[] = {{"id", "7%20"}};
  const NameValue variables[] = {{"color", "green"}};
  request.context.path_params = params;
  request.context.path_param_count = 1;
  request.context.stage_variables = variables;
  request.context.stage_variable_count = 1;
  request.context.request_id = "id";
  EXPECT_EQ(Render(replies, ResponseType::kUnauthorized, 0, request).body,
            "#set($x=1)$input.body $util.x {\"m\":\"Unauthorized\",\"t\":\"UNAUTHORIZED\","
            "\"r\":\"id-x\",\"s\":\"green\",\"n\":\"\",\"h\":\"me\",\"q\":\"a b\",\"p\":\"7%20\","
            "\"u\":\"\",$ $context. $$}");
}

TEST(ApiRepliesTest, HeaderMappings_RestApi4_4) {
  ReplySpec spec = Put(ResponseType::kDefault4xx);
  spec.headers.push_back({"Access-Control-Allow-Origin", ValueSource(Kind::kLiteral, "*")});
  spec.headers.push_back({"X-Id", ValueSource(Kind::kVariable, "requestId")});
  spec.headers.push_back({"X-Stage", ValueSource(Kind::kStageVariable, "color")});
  spec.headers.push_back({"X-Query", ValueSource(Kind::kQuery, "q")});
  spec.headers.push_back({"X-None", ValueSource(Kind::kHeader, "X-None")});
  TestRequest request("GET", "/?q=a%0D%0AX-Evil:%201");
  request.context.request_id = "id";
  const NameValue variables[] = {{"color", "green"}};
  request.context.stage_variables = variables;
  request.context.stage_variable_count = 1;
  std::vector<ReplySpec> all;
  all.push_back(std::move(spec));
  const ApiReplies replies(std::move(all));
  const Rendered reply = Render(replies, ResponseType::kUnauthorized, 0, request);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"Content-Type", "application/json"},
      {"x-amzn-ErrorType", "UnauthorizedException"},
      {"Access-Control-Allow-Origin", "*"},
      {"X-Id", "id"},
      {"X-Stage", "green"},
      {"X-Query", "a  X-Evil: 1"}};
  EXPECT_EQ(reply.headers, expected);
}

TEST(ApiRepliesTest, TemplateIsChosenByAccept_RestApi4_4) {
  const ApiReplies replies =
      Replies(Put(ResponseType::kDefault4xx, {},
                  {{"text/html", "<p/>"}, {"application/json", "{}"}, {"text/plain", "t"}}));
  const auto type_for = [&](std::string_view accept) {
    TestRequest request("GET", "/", {{"Accept", accept}});
    return Render(replies, ResponseType::kUnauthorized, 0, request).content_type;
  };
  EXPECT_EQ(type_for("text/plain;q=0.1"), "text/plain");
  EXPECT_EQ(type_for("TEXT/HTML, text/plain"), "text/html");
  EXPECT_EQ(type_for("image/png"), "application/json");
  EXPECT_EQ(type_for("garbage"), "application/json");
  TestRequest none;
  EXPECT_EQ(Render(replies, ResponseType::kUnauthorized, 0, none).content_type, "application/json");
  const ApiReplies no_json =
      Replies(Put(ResponseType::kDefault4xx, {}, {{"text/html", "<p/>"}, {"text/plain", "t"}}));
  EXPECT_EQ(Render(no_json, ResponseType::kUnauthorized).content_type, "text/html");
}

// ---- §4.5: standard headers.

std::vector<std::string> Names(const ResponseHead& head) {
  std::vector<std::string> names;
  for (const HeaderField& field : head.headers) names.emplace_back(field.name);
  return names;
}

TEST(StandardHeadersTest, OrderOfGatewayResponses_RestApi4_5) {
  ReplySpec spec = Put(ResponseType::kDefault4xx);
  spec.headers.push_back({"X-Mine", ValueSource(Kind::kLiteral, "1")});
  std::vector<ReplySpec> all;
  all.push_back(std::move(spec));
  const ApiReplies replies(std::move(all));
  TestRequest request;
  request.context.request_id = "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12";
  request.context.extended_request_id = "AyD6KEwwPHcEKxg=";
  const Reply reply =
      replies.Render(ResponseType::kUnauthorized, 0, &request.context, &request.arena);
  AddStandardHeaders(reply.head, request.context, "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(Names(*reply.head),
            (std::vector<std::string>{"Date", "Content-Type", "x-amzn-RequestId",
                                      "x-amzn-ErrorType", "x-amz-apigw-id", "X-Mine"}));
  EXPECT_EQ(reply.head->headers.Find(HeaderId::kXAmznRequestId)->value,
            "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12");
  EXPECT_EQ(reply.head->headers.Find(HeaderId::kXAmzApigwId)->value, "AyD6KEwwPHcEKxg=");
}

TEST(StandardHeadersTest, BehindTheIntegrationsFieldsAndTheTraceIdLast_RestApi4_5) {
  TestRequest request;
  request.context.trace_id = "Root=1-2-3";
  request.context.request_id = "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12";
  request.context.response_trace_id = true;
  ResponseHead head(&request.arena);
  head.headers.Add("Content-Type", "text/plain");
  AddStandardHeaders(&head, request.context, "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(Names(head), (std::vector<std::string>{"Content-Type", "Date", "x-amzn-RequestId",
                                                   "x-amz-apigw-id", "X-Amzn-Trace-Id"}));
  EXPECT_EQ(head.headers.Find(HeaderId::kXAmznTraceId)->value,
            "Root=1-2-3;Parent=8db3b4ddecd5436d;Sampled=0");
  // One that the integration gave stays.
  ResponseHead own(&request.arena);
  own.headers.Add("X-Amzn-Trace-Id", "theirs");
  AddStandardHeaders(&own, request.context, "");
  EXPECT_EQ(Names(own),
            (std::vector<std::string>{"X-Amzn-Trace-Id", "x-amzn-RequestId", "x-amz-apigw-id"}));
  request.context.response_trace_id = false;
  ResponseHead bare(&request.arena);
  AddStandardHeaders(&bare, request.context, "");
  EXPECT_EQ(Names(bare), (std::vector<std::string>{"x-amzn-RequestId", "x-amz-apigw-id"}));
}

}  // namespace
}  // namespace postern
