#pragma once

#include <cstdint>
#include <cstring>

namespace postern {

/// Writes `bits` as eight lower-case hexadecimal digits, most significant first, without a branch
/// or a table.
inline void WriteHex32(uint32_t bits, char* out) {
  uint64_t v = bits;
  v = (v | v << 16) & 0x0000ffff0000ffffu;
  v = (v | v << 8) & 0x00ff00ff00ff00ffu;
  v = (v | v << 4) & 0x0f0f0f0f0f0f0f0fu;  // one digit in each byte, the least significant first
  const uint64_t letters = ((v + 0x0606060606060606u) >> 4) & 0x0101010101010101u;
  v += 0x3030303030303030u + letters * ('a' - '0' - 10);
  v = __builtin_bswap64(v);
  std::memcpy(out, &v, sizeof(v));
}

}  // namespace postern
