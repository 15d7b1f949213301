#include "lib/text/json_unique.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace postern {

std::optional<std::string_view> RepeatedName(JsonValue object) {
  if (!object.is_object()) return std::nullopt;
  constexpr size_t kFew = 16;
  if (object.size() <= kFew) {  // Without allocation.
    for (size_t i = 1; i < object.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (object.NameAt(i) == object.NameAt(j)) return object.NameAt(i);
      }
    }
    return std::nullopt;
  }
  std::vector<std::string_view> names;
  names.reserve(object.size());
  for (size_t i = 0; i < object.size(); ++i) names.push_back(object.NameAt(i));
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return std::nullopt;
  return *twice;
}

bool HasUniqueNames(JsonValue value) {
  if (RepeatedName(value)) return false;
  for (size_t i = 0; i < value.size(); ++i) {
    if (!HasUniqueNames(value.At(i))) return false;
  }
  return true;
}

}  // namespace postern
