#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace postern {

/// The integer member `statusCode` of what a MOCK's request template yields (rest-api.md §7.9). As
/// lenient as API Gateway: names may stand without quotes or in single ones, so may strings.
/// Nullopt if `text` is no object, or has no such member at its top level, or its value is no
/// integer
/// (`"200"` is none). The first such member counts. Never reads more than it is given, and its work
/// is linear in that.
std::optional<int32_t> FindMockStatus(std::string_view text);

}  // namespace postern
