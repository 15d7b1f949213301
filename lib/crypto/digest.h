#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern {

/// The 32 bytes of a SHA-256 digest or HMAC.
using Sha256Digest = std::array<uint8_t, 32>;

/// SHA-256 of `data` (FIPS 180-4).
Sha256Digest Sha256(std::string_view data);

/// HMAC-SHA-256 (RFC 2104).
Sha256Digest HmacSha256(std::string_view key, std::string_view data);
Sha256Digest HmacSha256(const Sha256Digest& key, std::string_view data);

/// `digest` in lower-case hexadecimal.
std::string DigestToHex(const Sha256Digest& digest);

/// SHA-256 of `data` in lower-case hexadecimal.
std::string Sha256Hex(std::string_view data);

/// Whether the two are equal, in time that depends on the sizes only.
bool ConstantTimeEquals(std::string_view a, std::string_view b);

}  // namespace postern
