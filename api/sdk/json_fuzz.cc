// Json::Parse reads what a definition's author wrote; nothing in it may crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "api/sdk/json.h"

namespace {

// Touches every value of the tree.
size_t Walk(const postern::Json& json, size_t depth) {
  if (depth > postern::Json::kMaxDepth + 1) std::abort();
  if (json.type() == postern::Json::Type::kObject && json.names().size() != json.items().size()) {
    std::abort();
  }
  size_t size = json.AsString().size();
  for (const postern::Json& item : json.items()) size += Walk(item, depth + 1);
  return size;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  postern::Json::Error error;
  const std::optional<postern::Json> json = postern::Json::Parse(text, &error);
  if (json.has_value() != error.message.empty() || error.offset > size) std::abort();
  if (json && Walk(*json, 0) > size) std::abort();
  return 0;
}
