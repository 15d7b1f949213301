#include "lib/text/id.h"

#include <algorithm>
#include <cstring>

#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/hex.h"

namespace postern {

std::string StableId(std::string_view seed, size_t size) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  const Sha256Digest digest = Sha256(seed);
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(number); ++i) number = number << 8 | digest[i];
  std::string id(std::min(size, kApiIdSize), '0');
  for (char& c : id) {
    c = kDigits[number % kDigits.size()];
    number /= kDigits.size();
  }
  return id;
}

std::string_view FormatUuidV4(const uint8_t (&random)[16], char (&buffer)[kUuidSize]) {
  uint32_t words[4];
  for (size_t i = 0; i < 4; ++i) {
    std::memcpy(&words[i], random + i * 4, sizeof(words[i]));
    words[i] = __builtin_bswap32(words[i]);
  }
  words[1] = (words[1] & 0xffff0fffu) | 0x00004000u;  // version
  words[2] = (words[2] & 0x3fffffffu) | 0x80000000u;  // variant
  char digits[32];
  for (size_t i = 0; i < 4; ++i) WriteHex32(words[i], digits + i * 8);
  std::memcpy(buffer, digits, 8);
  buffer[8] = '-';
  std::memcpy(buffer + 9, digits + 8, 4);
  buffer[13] = '-';
  std::memcpy(buffer + 14, digits + 12, 4);
  buffer[18] = '-';
  std::memcpy(buffer + 19, digits + 16, 4);
  buffer[23] = '-';
  std::memcpy(buffer + 24, digits + 20, 12);
  return {buffer, sizeof(buffer)};
}

bool IsUuid(std::string_view text) {
  if (text.size() != kUuidSize) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen ? text[i] != '-' : HexValue(text[i]) < 0) return false;
  }
  return true;
}

}  // namespace postern
