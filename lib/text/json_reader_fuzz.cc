#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/text/json_reader.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

bool Same(JsonValue a, JsonValue b) {
  if (a.kind() != b.kind() || a.size() != b.size()) return false;
  if (a.AsString() != b.AsString() || a.AsInt() != b.AsInt() || a.AsBool() != b.AsBool()) {
    return false;
  }
  if (a.AsString().has_value() && !IsValidUtf8(*a.AsString())) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a.NameAt(i) != b.NameAt(i) || !Same(a.At(i), b.At(i))) return false;
    if (a.is_object() && !a.Find(a.NameAt(i))) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static JsonReader* const copying = new JsonReader();
  static JsonReader* const in_situ = new JsonReader();
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const JsonReader::Limits limits{.max_depth = 50, .max_values = 5000};
  std::string text(input);
  text.shrink_to_fit();
  const absl::Status first = copying->Parse(input, limits);
  const absl::Status second = in_situ->ParseInSitu(text.data(), text.size(), limits);
  if (first != second) __builtin_trap();
  if (first.ok() != static_cast<bool>(copying->root())) __builtin_trap();
  if (!Same(copying->root(), in_situ->root())) __builtin_trap();
  return 0;
}

}  // namespace postern
