#include "core/integration/target_template.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/context/test_request.h"

namespace postern {
namespace {

using Kind = ValueSource::Kind;

NamedSource Map(std::string name, Kind kind, std::string_view text) {
  return {std::move(name), ValueSource(kind, text)};
}

std::string Make(TargetTemplate::Spec spec, std::string_view target = "/",
                 std::vector<NameValue> params = {}) {
  TestRequest request("GET", target, {{"X-Header", "h v"}});
  request.context.path_params = params.data();
  request.context.path_param_count = params.size();
  request.context.stage = "prod";
  return std::string(TargetTemplate(std::move(spec)).Make(request.context, &request.arena));
}

// A greedy variable of an HTTP API may be empty.
TEST(TargetTemplateTest, EmptyValues_HttpApi2) {
  const auto make = [](bool empty_resolves) {
    return Make(
        {"", "/base/{proxy}", {Map("proxy", Kind::kPath, "proxy")}, {}, true, empty_resolves},
        "/?x=1", {{"proxy", ""}});
  };
  EXPECT_EQ(make(true), "/base/?x=1");
  EXPECT_EQ(make(false), "/base/%7Bproxy%7D?x=1");
}

TEST(TargetTemplateTest, PlaceholderIsFilledByMapping_RestApi6_5) {
  EXPECT_EQ(
      Make({"", "/pets/{id}", {Map("id", Kind::kPath, "petId")}, {}, false}, "/", {{"petId", "7"}}),
      "/pets/7");
  EXPECT_EQ(Make({"", "/{proxy}", {Map("proxy", Kind::kPath, "proxy")}, {}, true}, "/s/a/b//c?x=1",
                 {{"proxy", "a/b//c"}}),
            "/a/b//c?x=1");
}

TEST(TargetTemplateTest, MethodParameterOfTheSameNameIsNotUsed_RestApi6_5) {
  EXPECT_EQ(Make({"", "/pets/{id}", {}, {}, false}, "/", {{"id", "7"}}), "/pets/%7Bid%7D");
}

TEST(TargetTemplateTest, MissingOrEmptySourceDropsTheMapping_RestApi6_2) {
  EXPECT_EQ(Make({"", "/pets/{id}", {Map("id", Kind::kQuery, "none")}, {}, false}),
            "/pets/%7Bid%7D");
  EXPECT_EQ(
      Make({"", "/p", {}, {Map("a", Kind::kQuery, "none"), Map("b", Kind::kQuery, "e")}, false},
           "/?e="),
      "/p");
}

TEST(TargetTemplateTest, RawPathStaysRawAndOtherValuesAreEncoded_RestApi3_3) {
  EXPECT_EQ(
      Make({"", "/{a}/{b}", {Map("a", Kind::kPath, "x"), Map("b", Kind::kQuery, "q")}, {}, false},
           "/?q=a%2Fb%20c%3F", {{"x", "%2Fslash%20"}}),
      "/%2Fslash%20/a%2Fb%20c%3F");
}

TEST(TargetTemplateTest, PrefixAndEmptyPath) {
  EXPECT_EQ(Make({"/v1", "/pets", {}, {}, false}), "/v1/pets");
  EXPECT_EQ(Make({"", "", {}, {}, false}), "/");
  EXPECT_EQ(Make({"", "?a=b", {}, {}, false}), "/?a=b");
}

TEST(TargetTemplateTest, LiteralsAreEncodedWhereATargetNeedsIt) {
  EXPECT_EQ(Make({"", "/a b/%20/\"<>\"/{", {}, {}, false}), "/a%20b/%20/%22%3C%3E%22/%7B");
  EXPECT_EQ(Make({"", "/p?x=a b&y=%zz", {}, {}, false}), "/p?x=a%20b&y=%25zz");
}

TEST(TargetTemplateTest, QueryIsPassedByProxyOnly_RestApi6_3) {
  EXPECT_EQ(Make({"", "/p", {}, {}, true}, "/?a=1&b=2&a=3"), "/p?a=1&b=2&a=3");
  EXPECT_EQ(Make({"", "/p", {}, {}, false}, "/?a=1"), "/p");
}

TEST(TargetTemplateTest, QueryIsDecodedAndEncodedAgain_RestApi2_4) {
  EXPECT_EQ(Make({"", "/p", {}, {}, true}, "/?a=x+y&b=%2B&c=100%&d&filter[a]=1,2&e=%c3%A9"),
            "/p?a=x%20y&b=%2B&c=100%25&d=&filter%5Ba%5D=1%2C2&e=%C3%A9");
  EXPECT_EQ(Make({"", "/p", {}, {}, true}, "/?a=1;b=2&&c=3"), "/p?a=1&b=2&c=3");
}

TEST(TargetTemplateTest, UriValuesComeFirst_RestApi6_5) {
  // The recorded example: testVar=foobar then bar; testQs=bar then foo.
  EXPECT_EQ(Make({"",
                  "/get?testVar={pathVar}&testQs={qsVar}",
                  {Map("pathVar", Kind::kPath, "p"), Map("qsVar", Kind::kQuery, "testVar")},
                  {Map("testQs", Kind::kQuery, "testQueryString")},
                  true},
                 "/?testVar=bar&testQueryString=foo", {{"p", "foobar"}}),
            "/get?testVar=foobar&testQs=bar&testVar=bar&testQueryString=foo&testQs=foo");
}

TEST(TargetTemplateTest, MappingOverridesPassedParameter_RestApi6_2) {
  EXPECT_EQ(Make({"", "/p", {}, {Map("a", Kind::kLiteral, "mine")}, true}, "/?a=1&b=2&%61=3"),
            "/p?b=2&a=mine");
  // A mapping without a value overrides nothing.
  EXPECT_EQ(Make({"", "/p", {}, {Map("a", Kind::kQuery, "none")}, true}, "/?a=1"), "/p?a=1");
}

TEST(TargetTemplateTest, SingleIsLastAndMultiIsAll_RestApi6_2) {
  EXPECT_EQ(Make({"", "/p", {}, {Map("x", Kind::kQuery, "a")}, false}, "/?a=1&a=2"), "/p?x=2");
  EXPECT_EQ(Make({"", "/p", {}, {Map("x", Kind::kQueryAll, "a")}, false}, "/?a=1&b=9&a=2"),
            "/p?x=1&x=2");
}

TEST(TargetTemplateTest, OtherSources_RestApi6_2) {
  EXPECT_EQ(Make({"",
                  "/p",
                  {},
                  {Map("h", Kind::kHeader, "X-Header"), Map("c", Kind::kVariable, "stage"),
                   Map("l", Kind::kLiteral, "a&b")},
                  false}),
            "/p?h=h%20v&c=prod&l=a%26b");
}

TEST(TargetTemplateTest, RawPathInAQueryCannotSplitIt) {
  EXPECT_EQ(
      Make({"", "/p?x={v}", {Map("v", Kind::kPath, "v")}, {}, false}, "/", {{"v", "a&b=%20"}}),
      "/p?x=a%26b%3D%20");
}

TEST(IsCanonicalQueryTest, OnlyWhatWouldComeOutTheSame) {
  for (std::string_view same : {"", "a=1", "a=1&b=2", "a=", "a=%20", "a=%C3%A9&b=~._-"}) {
    EXPECT_TRUE(IsCanonicalQuery(same)) << same;
  }
  for (std::string_view other : {"a", "=1", "a=1&", "&a=1", "a=1&&b=2", "a=+", "a=%c3", "a=%41",
                                 "a=b=c", "a=1;b=2", "a=%", "a=%4", "a=[", "a=1&b", "a=/"}) {
    EXPECT_FALSE(IsCanonicalQuery(other)) << other;
  }
}

}  // namespace
}  // namespace postern
