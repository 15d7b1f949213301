// spec/rest-api.md sections 5.1, 5.2.
#include "filters/validate/parameters.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace postern {
namespace {

TEST(RequiredParameter, ReadsAsTheManagementApiWritesThem) {
  const auto header = ParseRequiredParameter("method.request.header.x-a.b");
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->place, ParameterPlace::kHeader);
  EXPECT_EQ(header->name, "x-a.b");
  EXPECT_EQ(ParseRequiredParameter("method.request.path.id")->place, ParameterPlace::kPath);
  EXPECT_EQ(ParseRequiredParameter("method.request.querystring.q")->place, ParameterPlace::kQuery);
  for (const char* text : {"", "method.request.", "method.request.header", "method.request.header.",
                           "method.request.body.x", "header.x"}) {
    EXPECT_FALSE(ParseRequiredParameter(text).has_value()) << text;
  }
}

std::string Listed(const std::vector<std::string_view>& texts) {
  std::vector<RequiredParameter> parameters;
  for (const std::string_view text : texts) {
    parameters.push_back(*ParseRequiredParameter("method.request." + std::string(text)));
  }
  SortAsListed(&parameters);
  std::string out;
  for (const RequiredParameter& parameter : parameters) out += parameter.name + " ";
  return out;
}

// The two orders that were recorded of AWS.
TEST(RequiredParameter, OrderInMessages) {
  EXPECT_EQ(Listed({"querystring.qs1", "path.issuer", "header.x-header-param"}),
            "x-header-param issuer qs1 ");
  EXPECT_EQ(Listed({"querystring.dividend", "querystring.divisor"}), "divisor dividend ");
}

TEST(RequiredParameter, OrderDoesNotDependOnTheDefinition) {
  std::vector<std::string_view> names;
  const char* all[] = {"header.a", "header.b", "header.c", "header.d", "header.e",
                       "header.f", "header.g", "header.h", "header.i", "header.j",
                       "header.k", "header.l", "header.m", "header.q"};
  for (const char* name : all) names.push_back(name);
  const std::string listed = Listed(names);
  EXPECT_EQ(Listed({names.rbegin(), names.rend()}), listed);
}

TEST(RequiredParameter, Blank) {
  EXPECT_TRUE(IsBlank(""));
  EXPECT_TRUE(IsBlank(" \t\r\n"));
  EXPECT_FALSE(IsBlank(" 0 "));
}

}  // namespace
}  // namespace postern
