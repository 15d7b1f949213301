#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace postern {

/// The integer member `statusCode` of what a MOCK's request template yields (rest-api.md §7.9). As
/// lenient as API Gateway: names may stand without quotes or in single ones, so may strings; other
/// members are skipped, whatever they hold. Nullopt if `text` is not one object, or has no such
/// member at its top level, or its value is no integer (`"200"` is none). The last such member
/// counts. Its work is linear in the text.
std::optional<int32_t> FindMockStatus(std::string_view text);

}  // namespace postern
