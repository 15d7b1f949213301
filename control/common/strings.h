#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace postern {

/// Removes `prefix` from the front of `text` if it is there; whether it was.
inline bool ConsumePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Removes `suffix` from the end of `text` if it is there; whether it was.
inline bool ConsumeSuffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

/// The parts of `text` between `separator`, at most `max_parts` of them: the last one keeps the
/// separators it has. Empty text is one empty part.
std::vector<std::string_view> Split(std::string_view text, char separator,
                                    size_t max_parts = static_cast<size_t>(-1));

/// The parts with `separator` between them.
std::string Join(const std::vector<std::string>& parts, std::string_view separator);

/// `text` without white space (space, tab, line ends, form feed) at both ends.
std::string_view TrimSpace(std::string_view text);

/// The message of a status, which absl has as a string_view of its own.
inline std::string Message(const absl::Status& status) { return std::string(status.message()); }

}  // namespace postern
