#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace postern {

/// 64-bit hash of short text, eight bytes a step. For tables whose keys come from the snapshot: not
/// meant to withstand keys chosen by an attacker.
inline uint64_t HashText(std::string_view text, uint64_t seed) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  uint64_t hash = seed ^ (text.size() * kMultiplier);
  const char* at = text.data();
  size_t left = text.size();
  const auto mix = [&hash](uint64_t word) {
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 29;
  };
  while (left >= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    mix(word);
    at += 8;
    left -= 8;
  }
  if (left >= 4) {
    uint32_t low, high;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + left - 4, 4);
    mix(low | static_cast<uint64_t>(high) << 32);
  } else if (left != 0) {
    mix(static_cast<uint8_t>(at[0]) |
        static_cast<uint32_t>(static_cast<uint8_t>(at[left / 2])) << 8 |
        static_cast<uint32_t>(static_cast<uint8_t>(at[left - 1])) << 16);
  }
  return hash ^ (hash >> 32);
}

}  // namespace postern
