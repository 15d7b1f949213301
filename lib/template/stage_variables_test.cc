#include "lib/template/stage_variables.h"

#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace postern {
namespace {

std::string Expand(std::string_view text) {
  static const auto* const kVariables = new std::map<std::string, std::string, std::less<>>{
      {"host", "api.example.com"}, {"fn", "pets:live"}, {"nested", "${stageVariables.host}"}};
  return ExpandStageVariables(text, [](std::string_view name) -> std::optional<std::string_view> {
    const auto it = kVariables->find(name);
    if (it == kVariables->end()) return std::nullopt;
    return it->second;
  });
}

// rest-api.md 6.5 step 2.
TEST(StageVariables, AreReplacedAnywhere) {
  EXPECT_EQ(Expand("https://${stageVariables.host}/a?h=${stageVariables.host}"),
            "https://api.example.com/a?h=api.example.com");
  EXPECT_EQ(Expand("arn:aws:lambda:r:1:function:${stageVariables.fn}"),
            "arn:aws:lambda:r:1:function:pets:live");
  EXPECT_EQ(Expand(""), "");
}

TEST(StageVariables, UnknownOnesAreEmpty) {
  EXPECT_EQ(Expand("https://${stageVariables.none}/x"), "https:///x");
}

TEST(StageVariables, OtherPlaceholdersStay) {
  for (const char* text : {"${other}", "${stageVariables.}", "${stageVariables.a-b}",
                           "${stageVariables.host", "$stageVariables.host", "{host}"}) {
    EXPECT_EQ(Expand(text), text);
    EXPECT_FALSE(HasStageVariables(text)) << text;
  }
}

TEST(StageVariables, ValuesAreNotExpandedAgain) {
  EXPECT_EQ(Expand("${stageVariables.nested}"), "${stageVariables.host}");
}

TEST(StageVariables, AreListedInOrder) {
  std::vector<std::string> names;
  ForEachStageVariable("${stageVariables.a}${x}${stageVariables.b}${stageVariables.a}",
                       [&names](std::string_view name) { names.emplace_back(name); });
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "a"}));
}

}  // namespace
}  // namespace postern
