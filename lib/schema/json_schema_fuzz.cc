#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/schema/json_schema.h"

// Input: a schema, and behind a line "%%" the instance.

namespace postern {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t at = input.find("\n%%\n");
  const auto schema = JsonSchema::Compile(input.substr(0, at));
  if (!schema.ok() || at == std::string_view::npos) return 0;
  dyn::Arena arena(4 << 20);
  dyn::Value value;
  const std::string json(input.substr(at + 4));
  if (!dyn::ParseJson(json, arena, {}, &value)) return 0;
  // Both ways to ask agree, unless the bounds decide.
  const bool valid = schema->IsValid(value);
  const auto errors = schema->Validate(value);
  if (errors.size() > JsonSchema::kMaxErrors + 1) __builtin_trap();
  const bool gave_up = !errors.empty() && errors.back().find("too many steps") != std::string::npos;
  if (!gave_up && valid != errors.empty()) __builtin_trap();
  return 0;
}

}  // namespace postern
