#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/jsonpath/json_path.h"
#include "lib/text/utf8.h"

// Input: a path, and behind a line end the JSON.

namespace postern {
namespace {

std::string Json(const dyn::Value& value) {
  std::string out;
  {
    StringSink sink(&out);
    if (!dyn::AppendJson(value, sink)) __builtin_trap();
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t at = input.find('\n');
  std::string json(at == std::string_view::npos ? std::string_view() : input.substr(at + 1));
  json.shrink_to_fit();
  dyn::Arena arena(4 << 20);
  dyn::Value root;
  const bool parsed = dyn::ParseJson(json, arena, {.max_depth = 100}, &root);
  if (parsed && IsValidUtf8(json)) {
    // What is written reads back as the same. (Else two names may become one.)
    const std::string written = Json(root);
    dyn::Arena other;
    dyn::Value again;
    if (!dyn::ParseJson(written, other, {.max_depth = 100}, &again)) __builtin_trap();
    if (Json(again) != written) __builtin_trap();
  }
  const auto path = JsonPath::Compile(input.substr(0, at));
  if (!path.ok()) {
    if (path.status().message().empty()) __builtin_trap();
    return 0;
  }
  uint64_t steps = 50'000;
  const auto found = path->Read(root, arena, &steps);
  if (found.has_value() && !path->definite() && !found->is_list()) __builtin_trap();
  if (found.has_value()) {
    std::string out;
    StringSink sink(&out, 1 << 20);
    dyn::AppendText(*found, sink);
  }
  return 0;
}

}  // namespace postern
