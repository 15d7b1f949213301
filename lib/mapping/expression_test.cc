#include "lib/mapping/expression.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

using Kind = MappingSource::Kind;
using testing::HasSubstr;

std::string Text(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

struct Case {
  const char* text;
  MappingSource source;
};

TEST(ExpressionTest, RequestSources_RestApi6_2) {
  for (const Case& c : {
           Case{"method.request.path.id", {Kind::kPath, "id"}},
           Case{"method.request.querystring.a.b", {Kind::kQuery, "a.b"}},
           Case{"method.request.multivaluequerystring.q", {Kind::kQueryAll, "q"}},
           Case{"method.request.header.X-A", {Kind::kHeader, "X-A"}},
           Case{"method.request.multivalueheader.X-A", {Kind::kHeaderAll, "X-A"}},
           Case{"method.request.body", {Kind::kRequestBody, ""}},
           Case{"method.request.body.a[0].b", {Kind::kRequestBody, "a[0].b"}},
           Case{"stageVariables.v_1", {Kind::kStageVariable, "v_1"}},
           Case{"context.identity.sourceIp", {Kind::kContext, "identity.sourceIp"}},
           Case{"'it''s, \"a\" b'", {Kind::kLiteral, "it''s, \"a\" b"}},
           Case{"''", {Kind::kLiteral, ""}},
       }) {
    const auto source = ParseRequestSource(c.text);
    ASSERT_TRUE(source.ok()) << c.text;
    EXPECT_EQ(*source, c.source) << c.text;
    EXPECT_EQ(FormatMappingSource(*source), c.text);
  }
}

TEST(ExpressionTest, RefusesWhatIsNoSource_ManagementAndImport1_8) {
  for (const char* text :
       {"", "true", "'open", "method.request", "method.request.path", "method.request.path.",
        "method.request.cookie.a", "method.request.header.a b", "method.request.bodyx",
        "method.request.body.", "stageVariables.", "stageVariables.a-b", "context.", "context..a",
        "integration.response.header.x", "Method.request.path.id", "$request.path"}) {
    const auto source = ParseRequestSource(text);
    ASSERT_FALSE(source.ok()) << text;
    EXPECT_THAT(
        Text(source.status()),
        HasSubstr(std::string("errors : [Invalid mapping expression specified: ") + text + "]"));
  }
}

TEST(ExpressionTest, RefusesAPathThatIsNone_RestApi7_3) {
  const auto source = ParseRequestSource("method.request.body.a[?(");
  ASSERT_FALSE(source.ok());
  EXPECT_THAT(Text(source.status()), HasSubstr("JSONPath 'a[?('"));
  EXPECT_FALSE(ParseResponseSource("integration.response.body.a[").ok());
}

TEST(ExpressionTest, ResponseSources_RestApi8_2) {
  for (const Case& c : {
           Case{"integration.response.header.X-A", {Kind::kResponseHeader, "X-A"}},
           Case{"integration.response.multivalueheader.a", {Kind::kResponseHeaderAll, "a"}},
           Case{"integration.response.body", {Kind::kResponseBody, ""}},
           Case{"integration.response.body.x", {Kind::kResponseBody, "x"}},
           Case{"'*'", {Kind::kLiteral, "*"}},
           Case{"context.requestId", {Kind::kContext, "requestId"}},
       }) {
    const auto source = ParseResponseSource(c.text);
    ASSERT_TRUE(source.ok()) << c.text;
    EXPECT_EQ(*source, c.source) << c.text;
    EXPECT_EQ(FormatMappingSource(*source), c.text);
  }
  for (const char* text : {"method.request.path.x", "integration.response.header.", "*", ""}) {
    EXPECT_FALSE(ParseResponseSource(text).ok()) << text;
  }
}

TEST(ExpressionTest, GatewayResponseSources_RestApi4_4) {
  EXPECT_EQ(*ParseGatewayResponseSource("method.request.header.Origin"),
            (MappingSource{Kind::kHeader, "Origin"}));
  EXPECT_EQ(*ParseGatewayResponseSource("context.error.message"),
            (MappingSource{Kind::kContext, "error.message"}));
  EXPECT_EQ(*ParseGatewayResponseSource("'x'"), (MappingSource{Kind::kLiteral, "x"}));
  for (const char* text : {"method.request.multivalueheader.x", "method.request.body",
                           "integration.response.header.x", "x"}) {
    EXPECT_FALSE(ParseGatewayResponseSource(text).ok()) << text;
  }
}

TEST(ExpressionTest, RequestTargets_RestApi6_2) {
  using Place = MappingTarget::Place;
  for (const auto& [text, target] : {
           std::pair("integration.request.path.id", MappingTarget{Place::kPath, "id"}),
           std::pair("integration.request.querystring.a", MappingTarget{Place::kQuery, "a"}),
           std::pair("integration.request.header.X-Amz-Invocation-Type",
                     MappingTarget{Place::kHeader, "X-Amz-Invocation-Type"}),
       }) {
    ASSERT_TRUE(ParseRequestTarget(text).ok()) << text;
    EXPECT_EQ(*ParseRequestTarget(text), target) << text;
    EXPECT_EQ(FormatRequestTarget(target), text);
  }
  for (const char* text : {"integration.request.body", "integration.request.header.",
                           "integration.request.header.a b", "method.request.header.a", ""}) {
    EXPECT_FALSE(ParseRequestTarget(text).ok()) << text;
  }
}

TEST(ExpressionTest, ResponseTargets_RestApi8_2) {
  EXPECT_EQ(*ParseResponseTarget("method.response.header.Access-Control-Allow-Origin"),
            "Access-Control-Allow-Origin");
  EXPECT_EQ(FormatResponseTarget("X-A"), "method.response.header.X-A");
  for (const char* text : {"method.response.header.", "method.response.header.a:b",
                           "method.response.body", "header.x"}) {
    EXPECT_FALSE(ParseResponseTarget(text).ok()) << text;
  }
}

TEST(ExpressionTest, Names_RestApi5_1) {
  EXPECT_TRUE(IsParameterName("a.B_$-9"));
  EXPECT_FALSE(IsParameterName(""));
  EXPECT_FALSE(IsParameterName("filter[name]"));
  EXPECT_TRUE(IsFieldName("X-Amz!"));
  EXPECT_FALSE(IsFieldName("a b"));
  EXPECT_FALSE(IsFieldName("a:"));
  EXPECT_FALSE(IsFieldName(""));
}

}  // namespace
}  // namespace postern
