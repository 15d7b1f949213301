#include "lib/text/id.h"

#include <algorithm>

#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

// Before which bytes the text of a UUID has a hyphen.
constexpr bool HyphenBefore(size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

}  // namespace

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
  constexpr std::string_view kDigits = "0123456789abcdef";
  char* at = buffer;
  for (size_t i = 0; i < sizeof(random); ++i) {
    uint8_t byte = random[i];
    if (i == 6) byte = 0x40 | (byte & 0x0F);  // version
    if (i == 8) byte = 0x80 | (byte & 0x3F);  // variant
    if (HyphenBefore(i)) *at++ = '-';
    *at++ = kDigits[byte >> 4];
    *at++ = kDigits[byte & 0xF];
  }
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
