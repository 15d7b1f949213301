#include "lib/mapping/http_api_expression.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

using Kind = HttpApiValuePart::Kind;
using Parts = std::vector<HttpApiValuePart>;

// http-api.md §9, table of values.
TEST(HttpApiValueTest, Variables) {
  EXPECT_EQ(*ParseHttpApiValue("$request.header.X-A"), (Parts{{Kind::kHeader, "X-A"}}));
  EXPECT_EQ(*ParseHttpApiValue("$request.querystring.a.b"), (Parts{{Kind::kQuery, "a.b"}}));
  EXPECT_EQ(*ParseHttpApiValue("$request.body"), (Parts{{Kind::kBody, ""}}));
  EXPECT_EQ(*ParseHttpApiValue("$request.body.a[0].b"), (Parts{{Kind::kBody, "$.a[0].b"}}));
  EXPECT_EQ(*ParseHttpApiValue("$request.path"), (Parts{{Kind::kPath, ""}}));
  EXPECT_EQ(*ParseHttpApiValue("$request.path.id"), (Parts{{Kind::kPathParameter, "id"}}));
  EXPECT_EQ(*ParseHttpApiValue("$context.requestId"), (Parts{{Kind::kContext, "requestId"}}));
  EXPECT_EQ(*ParseHttpApiValue("$stageVariables.q"), (Parts{{Kind::kStageVariable, "q"}}));
}

TEST(HttpApiValueTest, TextAndSeveralVariables) {
  EXPECT_EQ(*ParseHttpApiValue("constant"), (Parts{{Kind::kText, "constant"}}));
  EXPECT_EQ(*ParseHttpApiValue(""), Parts());
  EXPECT_EQ(*ParseHttpApiValue("a $b"), (Parts{{Kind::kText, "a $b"}}));
  EXPECT_EQ(*ParseHttpApiValue("${request.path.name} ${context.stage}!"),
            (Parts{{Kind::kPathParameter, "name"},
                   {Kind::kText, " "},
                   {Kind::kContext, "stage"},
                   {Kind::kText, "!"}}));
}

TEST(HttpApiValueTest, WhatIsRefused) {
  for (const char* text :
       {"$request", "$request.header.", "$nothing", "${request.body", "${x}", "$response.body",
        "$request.body.a..b", "$request.body.a[?(@.x)]", "$request.body.a["}) {
    EXPECT_FALSE(ParseHttpApiValue(text).ok()) << text;
  }
}

}  // namespace
}  // namespace postern
