#pragma once

#include <string_view>

#include "api/abi/abi.h"
#include "core/base/arena.h"
#include "core/http/header_map.h"

namespace postern {

inline std::string_view ViewOf(postern_str text) {
  return text.len == 0 ? std::string_view{} : std::string_view(text.data, text.len);
}
inline postern_str StrOf(std::string_view text) { return {text.data(), text.size()}; }

/// The field's name in lower case; a copy where it is not so already.
std::string_view LowerName(const HeaderField& field, Arena* arena);

/// Whether filters may write a field of this name, of any case: a token, and none of those that
/// frame the message or belong to one hop (header_set of api/abi/abi.h). No pseudo-header.
bool IsWritableField(std::string_view name);

/// Whether text may stand in a field as a filter wrote it.
bool IsWritableValue(std::string_view value);

/// Whether text may be a request target: visible characters, beginning with "/".
bool IsTarget(std::string_view text);
/// Whether text may be an authority: visible characters that cannot end it.
bool IsAuthority(std::string_view text);

}  // namespace postern
