#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postern {

/// `token` as part of a JSON pointer: `~` becomes `~0`, `/` becomes `~1` (RFC 6901 §3).
std::string EscapePointerToken(std::string_view token);

/// Undoes EscapePointerToken(); nullopt for a '~' that starts no escape.
std::optional<std::string> UnescapePointerToken(std::string_view token);

/// The index that `token` is in an array: digits without leading zeros (RFC 6901 §4).
std::optional<size_t> ReadPointerIndex(std::string_view token);

}  // namespace postern
