#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern {

/// Lengths of AWS identifiers (management-and-import.md §1.2).
inline constexpr size_t kApiIdSize = 10;
inline constexpr size_t kResourceIdSize = 6;

/// An identifier of `size` (at most 10) characters [a-z0-9] that follows from `seed` alone, so that
/// an API or resource keeps its id over restarts and machines. It is drawn from the first 64 bits
/// of the seed's SHA-256; a shorter id is the start of the longer. Callers put kind and scope into
/// the seed ("api\nPetstore") and check for collisions where few characters make them likely.
std::string StableId(std::string_view seed, size_t size = kApiIdSize);

/// Text form of a UUID (RFC 9562 §4), 36 characters.
inline constexpr size_t kUuidSize = 36;

/// Makes a version 4 UUID (RFC 9562 §5.4) of 16 random bytes: sets version and variant, writes the
/// lower-case text into `buffer` without NUL, and returns the view of it.
std::string_view FormatUuidV4(const uint8_t (&random)[16], char (&buffer)[kUuidSize]);

/// Whether `text` is a UUID in text form, in either case and of any version; the test for a
/// request id that a client chose (rest-api.md §4.5).
bool IsUuid(std::string_view text);

}  // namespace postern
