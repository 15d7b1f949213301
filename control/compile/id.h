#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace postern {

/// The id of an API of this name: ten characters (management-and-import.md 1.2).
std::string ApiIdFromName(std::string_view name);

/// An id for each resource path of an API: ten characters for "/", six for others
/// (management-and-import.md 1.2). They depend on the API id and the paths alone, and differ from
/// each other.
std::map<std::string, std::string> ResourceIds(std::string_view api_id,
                                               const std::vector<std::string>& paths);

/// Whether `id` can be an API id: 1 to 64 characters of [a-z0-9-], no hyphen at either end, so that
/// it is a label of a host name.
bool IsApiId(std::string_view id);

}  // namespace postern
