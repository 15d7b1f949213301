// Holds the language to Apache Velocity 1.7: testdata/velocity_1_7.txt has templates and what that
// engine made of them (with missing references printing nothing, and at most 1000 rounds of a loop,
// as rest-api.md §7.1 has it).

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "lib/template/mapping_template.h"

namespace postern {
namespace {

class NoVariables final : public TemplateResolver {
 public:
  std::optional<uint32_t> ContextVariable(std::string_view) const override { return std::nullopt; }
};

class NothingThere final : public TemplateEnvironment {
 public:
  std::string_view Body() override { return {}; }
  std::optional<std::string_view> Param(ParamLocation, std::string_view) override { return {}; }
  void ForEachParam(ParamLocation, const Visitor&) override {}
  dyn::Value ContextVariable(uint32_t, dyn::Arena&) override { return {}; }
  std::optional<std::string_view> StageVariable(std::string_view) override { return {}; }
  void ForEachStageVariable(const Visitor&) override {}
};

std::vector<std::string> Split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

TEST(VelocityTest, DoesWhatVelocityDoes) {
  std::ifstream file("lib/template/testdata/velocity_1_7.txt");
  std::stringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  ASSERT_FALSE(text.empty());
  text.pop_back();  // the last line end
  TemplateScratch scratch;
  NothingThere environment;
  size_t cases = 0;
  for (const std::string& item : Split(text, "\n%%%%\n")) {
    ++cases;
    const bool good = item.find("\n====\n") != std::string::npos;
    const std::vector<std::string> parts = Split(item, good ? "\n====\n" : "\n!!!!\n");
    ASSERT_EQ(parts.size(), 2u) << item;
    SCOPED_TRACE(parts[0]);
    const auto compiled =
        MappingTemplate::Compile(parts[0], NoVariables(), {.name = "t", .trim = false});
    if (!good && parts[1] == "refused") {
      EXPECT_FALSE(compiled.ok());
      continue;
    }
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    std::string out;
    const absl::Status status = compiled->Render(environment, scratch, &out);
    EXPECT_EQ(status.ok(), good) << status;
    if (good) {
      EXPECT_EQ(out, parts[1]);
    }
  }
  EXPECT_GE(cases, 110u);
}

}  // namespace
}  // namespace postern
