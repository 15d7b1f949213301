#include "core/context/value_source.h"

#include <gtest/gtest.h>

#include <string>

#include "core/context/test_request.h"

namespace postern {
namespace {

using Kind = ValueSource::Kind;

constexpr std::string_view kNone = "(none)";

std::string Get(Kind kind, std::string_view text, TestRequest& request) {
  const ValueSource source(kind, text);
  const std::string_view value = source.Get(request.context, &request.arena);
  return std::string(value.data() == nullptr ? kNone : value);
}

TEST(ValueSourceTest, Literal_RestApi6_2) {
  TestRequest request;
  EXPECT_EQ(Get(Kind::kLiteral, "text", request), "text");
  EXPECT_EQ(Get(Kind::kLiteral, "", request), "");
}

TEST(ValueSourceTest, HeaderIsLastValueByExactName_RestApi6_2) {
  TestRequest request("GET", "/",
                      {{"X-A", "1"}, {"x-a", "lower"}, {"X-A", "2"}, {"Accept", "a/b"}});
  EXPECT_EQ(Get(Kind::kHeader, "X-A", request), "2");
  EXPECT_EQ(Get(Kind::kHeader, "x-a", request), "lower");
  EXPECT_EQ(Get(Kind::kHeader, "X-a", request), kNone);
  EXPECT_EQ(Get(Kind::kHeader, "Accept", request), "a/b");
  EXPECT_EQ(Get(Kind::kHeader, "accept", request), kNone);
  EXPECT_EQ(Get(Kind::kHeader, "X-B", request), kNone);
}

TEST(ValueSourceTest, Http2NamesMatchWhateverTheirCase) {
  TestRequest request("GET", "/", {{"x-a", "1"}});
  request.head.version = 20;
  EXPECT_EQ(Get(Kind::kHeader, "X-A", request), "1");
  EXPECT_EQ(Get(Kind::kHeaderAll, "X-A", request), "1");
}

TEST(ValueSourceTest, MultiValueHeaderIsJoined_RestApi6_2) {
  TestRequest request("GET", "/", {{"X-A", "1"}, {"X-B", "b"}, {"X-A", "2"}});
  EXPECT_EQ(Get(Kind::kHeaderAll, "X-A", request), "1,2");
  EXPECT_EQ(Get(Kind::kHeaderAll, "X-B", request), "b");
  EXPECT_EQ(Get(Kind::kHeaderAll, "X-C", request), kNone);
}

TEST(ValueSourceTest, HeadersRemovedWhileParsingAreNeverSeen_RestApi6_7) {
  for (std::string_view name : {"Connection", "Content-Length", "Content-MD5", "Expect",
                                "Max-Forwards", "Proxy-Authenticate", "Server", "TE",
                                "Transfer-Encoding", "Trailer", "Upgrade", "WWW-Authenticate"}) {
    TestRequest request("GET", "/", {{name, "v"}});
    EXPECT_EQ(Get(Kind::kHeader, name, request), kNone) << name;
    EXPECT_EQ(Get(Kind::kHeaderAll, name, request), kNone) << name;
  }
}

TEST(ValueSourceTest, QueryIsLastValueDecoded_RestApi2_4) {
  TestRequest request("GET", "/p?a=1&b=x+y&a=%2B%C3%A9&c&d=&A=upper&n%61me=v;s=t");
  EXPECT_EQ(Get(Kind::kQuery, "a", request), "+\xC3\xA9");
  EXPECT_EQ(Get(Kind::kQuery, "b", request), "x y");
  EXPECT_EQ(Get(Kind::kQuery, "c", request), "");
  EXPECT_EQ(Get(Kind::kQuery, "d", request), "");
  EXPECT_EQ(Get(Kind::kQuery, "A", request), "upper");
  EXPECT_EQ(Get(Kind::kQuery, "name", request), "v");
  EXPECT_EQ(Get(Kind::kQuery, "s", request), "t");
  EXPECT_EQ(Get(Kind::kQuery, "z", request), kNone);
}

TEST(ValueSourceTest, QueryBytesThatAreNoTextAreReplaced) {
  TestRequest request("GET", "/p?a=%FFx");
  EXPECT_EQ(Get(Kind::kQuery, "a", request), "\xEF\xBF\xBDx");
}

TEST(ValueSourceTest, PathParameterIsRaw_RestApi3_3) {
  TestRequest request;
  const NameValue params[] = {{"id", "a%2Fb"}};
  request.context.path_params = params;
  request.context.path_param_count = 1;
  EXPECT_EQ(Get(Kind::kPath, "id", request), "a%2Fb");
  EXPECT_EQ(Get(Kind::kPath, "other", request), kNone);
}

TEST(ValueSourceTest, StageVariable_RestApi13_3) {
  TestRequest request;
  const NameValue variables[] = {{"a", "1"}, {"b", ""}, {"c", "3"}};
  request.context.stage_variables = variables;
  request.context.stage_variable_count = 3;
  EXPECT_EQ(Get(Kind::kStageVariable, "a", request), "1");
  EXPECT_EQ(Get(Kind::kStageVariable, "b", request), "");
  EXPECT_EQ(Get(Kind::kStageVariable, "c", request), "3");
  EXPECT_EQ(Get(Kind::kStageVariable, "d", request), kNone);
}

TEST(ValueSourceTest, ContextOnlyWhereItIsAString_RestApi6_2) {
  TestRequest request;
  request.context.stage = "prod";
  request.context.request_time_ms = 5;
  EXPECT_EQ(Get(Kind::kVariable, "stage", request), "prod");
  EXPECT_EQ(Get(Kind::kVariable, "requestTimeEpoch", request), kNone);
  EXPECT_EQ(Get(Kind::kVariable, "nothing", request), kNone);
}

TEST(ValueSourceTest, FieldValuesCannotBreakOut_Rfc9110_5_5) {
  TestRequest request;
  const auto clean = [&](std::string_view value) {
    return std::string(CleanFieldValue(value, &request.arena));
  };
  EXPECT_EQ(clean("plain \t text"), "plain \t text");
  EXPECT_EQ(clean("a\r\nSet-Cookie: x=1"), "a  Set-Cookie: x=1");
  EXPECT_EQ(clean(std::string_view("\0x\x7F", 3)), "x");
  EXPECT_EQ(clean(" \t "), "");
  EXPECT_EQ(clean("\xC3\xA9"), "\xC3\xA9");
}

}  // namespace
}  // namespace postern
