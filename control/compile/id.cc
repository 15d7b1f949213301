#include "control/compile/id.h"

#include <algorithm>
#include <set>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/id.h"

namespace postern {

std::string ApiIdFromName(std::string_view name) { return StableId(Concat("api\n", name)); }

std::map<std::string, std::string> ResourceIds(std::string_view api_id,
                                               const std::vector<std::string>& paths) {
  // In the order of the paths, so that a collision always ends the same way.
  const std::set<std::string> sorted(paths.begin(), paths.end());
  std::map<std::string, std::string> ids;
  std::set<std::string> taken;
  for (const std::string& path : sorted) {
    const size_t length = path == "/" ? kApiIdSize : kResourceIdSize;
    std::string id = StableId(Concat("resource\n", api_id, "\n", path), length);
    for (int attempt = 1; !taken.insert(id).second; ++attempt) {
      id = StableId(Concat("resource\n", api_id, "\n", path, "\n", attempt), length);
    }
    ids.emplace(path, std::move(id));
  }
  return ids;
}

bool IsApiId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && id.front() != '-' && id.back() != '-' &&
         std::all_of(id.begin(), id.end(),
                     [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
}

}  // namespace postern
