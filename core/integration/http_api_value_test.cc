#include "core/integration/http_api_value.h"

#include <gtest/gtest.h>

#include "core/context/test_request.h"

namespace postern {
namespace {

// What an expression gives, "(none)" without a value.
std::string Value(std::string_view expression, TestRequest* request, std::string_view body = "") {
  const auto parts = ParseHttpApiValue(expression);
  EXPECT_TRUE(parts.ok()) << parts.status();
  const HttpApiValue value(*parts);
  const std::string_view text = value.Get(request->context, body, &request->arena);
  return text.data() == nullptr ? "(none)" : std::string(text);
}

// http-api.md §9, table of values.
TEST(HttpApiValueTest, Values) {
  TestRequest r("POST", "/prod/pets/7?a=1&b=x%20y&a=2",
                {{"X-One", "1"}, {"x-many", "a"}, {"X-Many", "b"}, {"Content-Type", "t"}});
  r.context.method_path = "/pets/7";
  r.context.request_id = "id-1";
  const NameValue path[] = {{"id", "7"}};
  r.context.path_params = path;
  r.context.path_param_count = 1;
  const NameValue variables[] = {{"queue", "q1"}};
  r.context.stage_variables = variables;
  r.context.stage_variable_count = 1;
  constexpr std::string_view kBody = R"({"s":"text","n":1.5,"o":{"a":[1,"2"]},"e":"","z":null})";

  EXPECT_EQ(Value("$request.header.x-one", &r), "1");
  EXPECT_EQ(Value("$request.header.X-MANY", &r), "a,b");
  EXPECT_EQ(Value("$request.header.content-type", &r), "t");
  EXPECT_EQ(Value("$request.header.none", &r), "(none)");
  EXPECT_EQ(Value("$request.querystring.a", &r), "1,2");
  EXPECT_EQ(Value("$request.querystring.b", &r), "x y");
  EXPECT_EQ(Value("$request.querystring.B", &r), "(none)");
  EXPECT_EQ(Value("$request.path", &r), "/pets/7");
  EXPECT_EQ(Value("$request.path.id", &r), "7");
  EXPECT_EQ(Value("$context.requestId", &r), "id-1");
  EXPECT_EQ(Value("$stageVariables.queue", &r), "q1");
  EXPECT_EQ(Value("$stageVariables.none", &r), "(none)");
  EXPECT_EQ(Value("$request.body", &r, kBody), kBody);
  EXPECT_EQ(Value("$request.body", &r), "(none)");
  EXPECT_EQ(Value("$request.body.s", &r, kBody), "text");
  EXPECT_EQ(Value("$request.body.n", &r, kBody), "1.5");
  EXPECT_EQ(Value("$request.body.o", &r, kBody), R"({"a":[1,"2"]})");
  EXPECT_EQ(Value("$request.body.o.a[1]", &r, kBody), "2");
  EXPECT_EQ(Value("$request.body.e", &r, kBody), "");
  EXPECT_EQ(Value("$request.body.z", &r, kBody), "(none)");
  EXPECT_EQ(Value("$request.body.gone", &r, kBody), "(none)");
  EXPECT_EQ(Value("$request.body.s", &r, "no JSON"), "(none)");
  EXPECT_EQ(Value("${request.path.id}-${stageVariables.none}-${request.body.s}", &r, kBody),
            "7--text");
  EXPECT_EQ(Value("constant", &r), "constant");
}

// "body cut at 100 KB before evaluation".
TEST(HttpApiValueTest, LongBodies) {
  TestRequest r("POST", "/");
  const std::string body = "{\"a\":\"" + std::string(200 * 1024, 'x') + "\"}";
  EXPECT_EQ(Value("$request.body.a", &r, body), "(none)");
  EXPECT_EQ(Value("$request.body", &r, body).size(), body.size());
}

}  // namespace
}  // namespace postern
