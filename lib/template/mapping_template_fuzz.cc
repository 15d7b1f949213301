#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/template/mapping_template.h"

// Input: a template, and behind a line "%%" the body.

namespace postern {
namespace {

class AnyVariable final : public TemplateResolver {
 public:
  std::optional<uint32_t> ContextVariable(std::string_view name) const override {
    return name.size() % 2 == 0 ? std::optional<uint32_t>(static_cast<uint32_t>(name.size()))
                                : std::nullopt;
  }
};

class Environment final : public TemplateEnvironment {
 public:
  explicit Environment(std::string_view body) : body_(body) {}

  std::vector<TemplateOverride> overrides;

  std::string_view Body() override { return body_; }
  std::optional<std::string_view> Param(ParamLocation, std::string_view name) override {
    if (name.size() > 3) return std::nullopt;
    return "value";
  }
  void ForEachParam(ParamLocation, const Visitor& visit) override {
    visit("a", "1");
    visit("b", "\xff\u00e9");
  }
  dyn::Value ContextVariable(uint32_t number, dyn::Arena& arena) override {
    if (number % 4 == 0) {
      dyn::Map* map = dyn::NewMap(arena);
      map->Put(dyn::Value::String("k"), arena)->value = dyn::Value::Long(1);
      return dyn::Value::Of(map);
    }
    return dyn::Value::String("text");
  }
  std::optional<std::string_view> StageVariable(std::string_view) override { return "stage"; }
  void ForEachStageVariable(const Visitor& visit) override { visit("v", "w"); }
  void TakeOverrides(std::vector<TemplateOverride>&& taken) override {
    overrides = std::move(taken);
  }

 private:
  std::string_view body_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static TemplateScratch* const scratch = new TemplateScratch();
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t at = input.find("\n%%\n");
  // Exact sizes, so that reading behind the end is seen.
  std::string source(input.substr(0, at));
  std::string body(at == std::string_view::npos ? std::string_view() : input.substr(at + 4));
  source.shrink_to_fit();
  body.shrink_to_fit();
  const auto compiled = MappingTemplate::Compile(source, AnyVariable());
  if (!compiled.ok()) {
    if (compiled.status().message().empty()) __builtin_trap();
    return 0;
  }
  const RenderLimits limits{
      .max_steps = 20'000, .max_output = 1 << 16, .max_memory = 2 << 20, .max_loop_count = 50};
  std::string first;
  std::string second;
  Environment environment(body);
  const absl::Status status = compiled->Render(environment, *scratch, &first, limits);
  if (first.size() > limits.max_output) __builtin_trap();
  const std::vector<TemplateOverride> overrides = environment.overrides;
  environment.overrides.clear();
  if (compiled->Render(environment, *scratch, &second, limits) != status) __builtin_trap();
  if (status.ok() && (first != second || overrides != environment.overrides)) __builtin_trap();
  if (!status.ok() && !overrides.empty()) __builtin_trap();
  return 0;
}

}  // namespace postern
