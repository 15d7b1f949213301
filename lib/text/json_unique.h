#pragma once

#include <optional>
#include <string_view>

#include "lib/text/json_reader.h"

namespace postern {

/// A name that two members of `object` share; nullopt where each has its own, and for other kinds.
/// Where what is signed or allowed is read by several readers, they would not agree which counts
/// (RFC 8259 §4).
std::optional<std::string_view> RepeatedName(JsonValue object);

/// Whether no object in `value`, however deep, has a RepeatedName(). Recurses as deep as the value
/// is nested: only for what was read under a limit of depth.
bool HasUniqueNames(JsonValue value);

}  // namespace postern
