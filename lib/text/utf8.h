#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lib/text/char_sink.h"

namespace postern {

/// U+FFFD REPLACEMENT CHARACTER.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// What stands at the start of some bytes: one well-formed sequence, or else the maximal subpart of
/// an ill-formed one, which is what a single U+FFFD replaces.
struct Utf8Step {
  size_t size;  ///< 1 to 4 bytes, 1 to 3 if ill-formed
  bool valid;
};

/// Classifies the start of `text`, which must not be empty. Well-formed is Unicode 15, table 3-7:
/// no overlong forms, no surrogates, nothing above U+10FFFF.
Utf8Step NextUtf8(std::string_view text);

/// Length of the longest prefix that is well-formed UTF-8, in bytes.
size_t ValidUtf8Prefix(std::string_view text);

inline bool IsValidUtf8(std::string_view text) { return ValidUtf8Prefix(text) == text.size(); }

/// Appends `text` with each maximal subpart of an ill-formed sequence replaced by one U+FFFD, the
/// practice of Unicode 15 §3.9 and of the WHATWG decoder, and so (rest-api.md §10.1, §10.2) what a
/// body becomes that is not binary. Java's decoder does the same but for an encoded surrogate
/// (ED A0..BF xx), of which it makes one U+FFFD where this makes three.
void AppendValidUtf8(std::string_view text, CharSink& sink);

/// The same as a string.
std::string ReplaceInvalidUtf8(std::string_view text);

/// Appends the UTF-8 form of `code_point`; U+FFFD for a surrogate or a value above U+10FFFF.
void AppendCodePoint(char32_t code_point, CharSink& sink);

}  // namespace postern
