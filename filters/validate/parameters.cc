#include "filters/validate/parameters.h"

#include <algorithm>
#include <cstdint>
#include <tuple>

namespace postern {
namespace {

// The bucket of a name in a table of java.util.HashSet: String.hashCode(), spread.
uint32_t BucketOf(std::string_view name, size_t buckets) {
  uint32_t hash = 0;
  for (const char c : name) hash = 31 * hash + static_cast<unsigned char>(c);
  return (hash ^ (hash >> 16)) & static_cast<uint32_t>(buckets - 1);
}

}  // namespace

std::optional<RequiredParameter> ParseRequiredParameter(std::string_view text) {
  constexpr std::string_view kPrefix = "method.request.";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot + 1 == text.size()) return std::nullopt;
  const std::string_view place = text.substr(0, dot);
  std::string name(text.substr(dot + 1));
  if (place == "header") return RequiredParameter{ParameterPlace::kHeader, std::move(name)};
  if (place == "path") return RequiredParameter{ParameterPlace::kPath, std::move(name)};
  if (place == "querystring") return RequiredParameter{ParameterPlace::kQuery, std::move(name)};
  return std::nullopt;
}

void SortAsListed(std::vector<RequiredParameter>* parameters) {
  size_t buckets = 16;
  while (parameters->size() * 4 > buckets * 3) buckets *= 2;
  std::sort(parameters->begin(), parameters->end(),
            [buckets](const RequiredParameter& a, const RequiredParameter& b) {
              return std::tuple(BucketOf(a.name, buckets), a.place, std::string_view(a.name)) <
                     std::tuple(BucketOf(b.name, buckets), b.place, std::string_view(b.name));
            });
}

bool IsBlank(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1C' && c <= '\x1F');
  });
}

}  // namespace postern
