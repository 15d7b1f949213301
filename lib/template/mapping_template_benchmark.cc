#include <benchmark/benchmark.h>

#include "lib/template/mapping_template.h"

namespace postern {
namespace {

class NoVariables final : public TemplateResolver {
 public:
  std::optional<uint32_t> ContextVariable(std::string_view) const override { return std::nullopt; }
};

class BodyOnly final : public TemplateEnvironment {
 public:
  explicit BodyOnly(std::string_view body) : body_(body) {}

  std::string_view Body() override { return body_; }
  std::optional<std::string_view> Param(ParamLocation, std::string_view) override {
    return "value";
  }
  void ForEachParam(ParamLocation, const Visitor&) override {}
  dyn::Value ContextVariable(uint32_t, dyn::Arena&) override { return {}; }
  std::optional<std::string_view> StageVariable(std::string_view) override { return "value"; }
  void ForEachStageVariable(const Visitor&) override {}

 private:
  std::string_view body_;
};

// A body of 1 KiB as clients send it: some short members, and one long one.
std::string Body() {
  std::string body =
      R"({"id":"0b8a7c1e-8f1d-4a5b-9d0e-5a1f0c2b3d4e","name":"Grace Hopper",)"
      R"("email":"grace@example.com","active":true,"age":85,"tags":["navy","compiler","cobol"],)"
      R"("address":{"street":"1 Yale Avenue","city":"New Haven","zip":"06510"},"bio":")";
  while (body.size() < 1022) body += "She wrote the first compiler. ";
  body.resize(1022);
  return body + "\"}";
}

// The PutItem template of the DynamoDB integration, and the response template that reads a Query's
// result.
constexpr std::string_view kPutItem = R"vtl({
  "TableName": "Users",
  "Item": {
    "id": {
      "S": "$input.path('$.id')"
    },
    "name": {
      "S": "$input.path('$.name')"
    },
    "email": {
      "S": "$input.path('$.email')"
    }
  }
})vtl";
constexpr std::string_view kItems = R"vtl(#set($inputRoot = $input.path('$'))
{
  "items": [
#foreach($item in $inputRoot.Items)
    {"id": "$item.id.S", "name": "$item.name.S"}#if($foreach.hasNext),#end

#end
  ]
})vtl";
constexpr std::string_view kPassThrough = R"vtl({"body": $input.json('$')})vtl";

void Render(benchmark::State& state, std::string_view source, const std::string& body) {
  const MappingTemplate compiled = MappingTemplate::Compile(source, NoVariables()).value();
  BodyOnly environment(body);
  TemplateScratch scratch;
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(compiled.Render(environment, scratch, &out).ok());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}

void BM_PutItem(benchmark::State& state) { Render(state, kPutItem, Body()); }
BENCHMARK(BM_PutItem);

void BM_PassThrough(benchmark::State& state) { Render(state, kPassThrough, Body()); }
BENCHMARK(BM_PassThrough);

void BM_Items(benchmark::State& state) {
  std::string body = R"({"Count":100,"Items":[)";
  for (int i = 0; i < 100; ++i) {
    if (i != 0) body += ',';
    body += R"({"id":{"S":"item-)" + std::to_string(i) + R"("},"name":{"S":"a name"}})";
  }
  Render(state, kItems, body + "]}");
}
BENCHMARK(BM_Items);

void BM_Compile(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(MappingTemplate::Compile(kPutItem, NoVariables()).ok());
  }
}
BENCHMARK(BM_Compile);

}  // namespace
}  // namespace postern
