#include "control/import/expression.h"

#include <optional>
#include <string>

#include "gtest/gtest.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

// rest-api.md 6.2.
TEST(RequestExpression, EverySource) {
  struct Case {
    const char* text;
    v1::RequestValue::Location location;
    const char* name;
    bool multi_value;
  };
  for (const Case& c : {
           Case{"method.request.path.id", v1::RequestValue::LOCATION_PATH, "id", false},
           Case{"method.request.querystring.a.b", v1::RequestValue::LOCATION_QUERYSTRING, "a.b",
                false},
           Case{"method.request.multivaluequerystring.q", v1::RequestValue::LOCATION_QUERYSTRING,
                "q", true},
           Case{"method.request.header.X-A", v1::RequestValue::LOCATION_HEADER, "X-A", false},
           Case{"method.request.multivalueheader.X-A", v1::RequestValue::LOCATION_HEADER, "X-A",
                true},
       }) {
    const auto source = ParseRequestExpression(c.text);
    ASSERT_TRUE(source.ok()) << c.text;
    EXPECT_EQ(source->request().location(), c.location) << c.text;
    EXPECT_EQ(source->request().name(), c.name) << c.text;
    EXPECT_EQ(source->request().multi_value(), c.multi_value) << c.text;
  }
  EXPECT_TRUE(ParseRequestExpression("method.request.body")->has_request_body());
  EXPECT_EQ(ParseRequestExpression("method.request.body")->request_body(), "");
  EXPECT_EQ(ParseRequestExpression("method.request.body.a[0].b")->request_body(), "a[0].b");
  EXPECT_EQ(ParseRequestExpression("stageVariables.v_1")->stage_variable(), "v_1");
  EXPECT_EQ(ParseRequestExpression("context.identity.sourceIp")->context(), "identity.sourceIp");
  EXPECT_EQ(ParseRequestExpression("'it''s, \"a\" b'")->literal(), "it''s, \"a\" b");
  EXPECT_EQ(ParseRequestExpression("''")->literal(), "");
}

TEST(RequestExpression, RefusesWhatIsNone) {
  for (const char* text : {"", "method.request.cookie.a", "integration.response.header.x"}) {
    EXPECT_FALSE(ParseRequestExpression(text).ok()) << text;
  }
}

// rest-api.md 8.2.
TEST(ResponseExpression, EverySource) {
  EXPECT_EQ(ParseResponseExpression("integration.response.header.X-A")->response_header().name(),
            "X-A");
  EXPECT_FALSE(
      ParseResponseExpression("integration.response.header.a")->response_header().multi_value());
  EXPECT_TRUE(ParseResponseExpression("integration.response.multivalueheader.a")
                  ->response_header()
                  .multi_value());
  EXPECT_TRUE(ParseResponseExpression("integration.response.body")->has_response_body());
  EXPECT_EQ(ParseResponseExpression("integration.response.body.x")->response_body(), "x");
  EXPECT_EQ(ParseResponseExpression("'*'")->literal(), "*");
  EXPECT_EQ(ParseResponseExpression("context.requestId")->context(), "requestId");
  for (const char* text : {"method.request.path.x", "integration.response.header.", "*", ""}) {
    EXPECT_FALSE(ParseResponseExpression(text).ok()) << text;
  }
}

// rest-api.md 4.4.
TEST(GatewayResponseExpression, EverySource) {
  EXPECT_EQ(ParseGatewayResponseExpression("method.request.header.Origin")->request().name(),
            "Origin");
  EXPECT_EQ(ParseGatewayResponseExpression("context.error.message")->context(), "error.message");
  EXPECT_EQ(ParseGatewayResponseExpression("'x'")->literal(), "x");
  for (const char* text : {"method.request.multivalueheader.x", "method.request.body",
                           "integration.response.header.x", "x"}) {
    EXPECT_FALSE(ParseGatewayResponseExpression(text).ok()) << text;
  }
}

TEST(RequestTarget, EveryPlace) {
  EXPECT_EQ(ParseRequestMappingTarget("integration.request.path.id")->target(),
            v1::RequestMapping::TARGET_PATH);
  EXPECT_EQ(ParseRequestMappingTarget("integration.request.querystring.a")->target(),
            v1::RequestMapping::TARGET_QUERYSTRING);
  const auto header = ParseRequestMappingTarget("integration.request.header.X-Amz-Invocation-Type");
  EXPECT_EQ(header->target(), v1::RequestMapping::TARGET_HEADER);
  EXPECT_EQ(header->name(), "X-Amz-Invocation-Type");
  for (const char* text : {"integration.request.body", "integration.request.header.",
                           "integration.request.header.a b", "method.request.header.a", ""}) {
    EXPECT_FALSE(ParseRequestMappingTarget(text).ok()) << text;
  }
}

TEST(StatusCode, ThreeDigits) {
  EXPECT_EQ(ParseStatusCode("200"), std::optional<uint32_t>(200));
  EXPECT_EQ(ParseStatusCode("599"), std::optional<uint32_t>(599));
  for (const char* text : {"", "20", "2000", "600", "099", "2x0", "-20", "100"}) {
    EXPECT_EQ(ParseStatusCode(text), std::nullopt) << text;
    EXPECT_NE(StatusCodeProblem(text), "");
  }
  // management-and-import.md 1.8.
  EXPECT_EQ(
      StatusCodeProblem("wrong"),
      "Value 'wrong' at 'statusCode' failed to satisfy constraint: Member must satisfy regular "
      "expression pattern: [1-5]\\d\\d");
}

}  // namespace
}  // namespace postern
