#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postern {

/// RFC 4648: §4 `+` `/` with padding, or §5 `-` `_` without padding, the form of JWS (RFC 7515 §2).
enum class Base64Alphabet { kStandard, kUrl };

enum class Base64Mode {
  /// One text for each value, which a signature needs: only the alphabet asked for, its padding
  /// exactly as in Base64Encode(), and zero in the bits that the last character does not use.
  kStrict,
  /// What senders in the field produce: both alphabets, padding or none, line breaks and other
  /// white space between characters, any unused bits. Still refused: other characters, data after
  /// padding, a single character left over.
  kLenient,
};

/// Characters that Base64Encode() makes of `size` bytes.
size_t Base64EncodedSize(size_t size, Base64Alphabet alphabet = Base64Alphabet::kStandard);

/// Writes the encoding of `bytes` to `out`, which has room for Base64EncodedSize(). Returns its
/// end.
char* Base64EncodeTo(std::string_view bytes, Base64Alphabet alphabet, char* out);

std::string Base64Encode(std::string_view bytes,
                         Base64Alphabet alphabet = Base64Alphabet::kStandard);

/// Upper bound of the bytes that decoding `size` characters gives.
constexpr size_t Base64DecodedBound(size_t size) { return size / 4 * 3 + 3; }

/// Writes what `text` encodes to `out`, which has room for Base64DecodedBound() and may be the
/// memory of `text` itself. Returns the number of bytes, or nullopt if `text` is not base64; then
/// `out` holds garbage.
std::optional<size_t> Base64DecodeTo(std::string_view text, Base64Alphabet alphabet,
                                     Base64Mode mode, char* out);

std::optional<std::string> Base64Decode(std::string_view text,
                                        Base64Alphabet alphabet = Base64Alphabet::kStandard,
                                        Base64Mode mode = Base64Mode::kStrict);

}  // namespace postern
