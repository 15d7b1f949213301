#include <benchmark/benchmark.h>

#include "lib/schema/json_schema.h"

namespace postern {
namespace {

constexpr std::string_view kUser = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "title": "User",
  "type": "object",
  "required": ["id", "name", "email"],
  "properties": {
    "id": {"type": "string", "minLength": 1, "maxLength": 64},
    "name": {"type": "string"},
    "email": {"type": "string", "pattern": "^[^@]+@[^@]+$"},
    "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "active": {"type": "boolean"},
    "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
    "address": {"type": "object", "properties": {"street": {"type": "string"},
      "city": {"type": "string"}, "zip": {"type": "string"}}, "additionalProperties": false},
    "bio": {"type": "string", "maxLength": 2000}
  },
  "additionalProperties": false
})";

// A valid body of 1 KiB.
std::string Body() {
  std::string body =
      R"({"id":"0b8a7c1e-8f1d-4a5b-9d0e-5a1f0c2b3d4e","name":"Grace Hopper",)"
      R"("email":"grace@example.com","active":true,"age":85,"tags":["navy","compiler","cobol"],)"
      R"("address":{"street":"1 Yale Avenue","city":"New Haven","zip":"06510"},"bio":")";
  while (body.size() < 1022) body += "She wrote the first compiler. ";
  body.resize(1022);
  return body + "\"}";
}

void BM_ParseAndValidate(benchmark::State& state) {
  const JsonSchema schema = JsonSchema::Compile(kUser).value();
  const std::string body = Body();
  dyn::Arena arena;
  for (auto _ : state) {
    arena.Reset();
    dyn::Value value;
    if (!dyn::ParseJson(body, arena, {}, &value) || !schema.IsValid(value)) {
      state.SkipWithError("not valid");
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(BM_ParseAndValidate);

void BM_Validate(benchmark::State& state) {
  const JsonSchema schema = JsonSchema::Compile(kUser).value();
  const std::string body = Body();
  dyn::Arena arena;
  dyn::Value value;
  dyn::ParseJson(body, arena, {}, &value);
  for (auto _ : state) benchmark::DoNotOptimize(schema.IsValid(value));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(BM_Validate);

}  // namespace
}  // namespace postern
