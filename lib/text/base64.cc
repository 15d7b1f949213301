#include "lib/text/base64.h"

#include <array>
#include <cstdint>

namespace postern {
namespace {

constexpr std::string_view kStandardDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Values above 63 in the decode tables. Any of them sets a bit of kNotADigit.
constexpr uint8_t kNotADigit = 0xC0;
constexpr uint8_t kBad = 0xC0;
constexpr uint8_t kSpace = 0x80;
constexpr uint8_t kPad = 0x40;

using DecodeTable = std::array<uint8_t, 256>;

constexpr DecodeTable MakeTable(bool standard, bool url, bool spaces) {
  DecodeTable table{};
  for (uint8_t& value : table) value = kBad;
  for (uint8_t i = 0; i < 64; ++i) {
    if (standard) table[static_cast<uint8_t>(kStandardDigits[i])] = i;
    if (url) table[static_cast<uint8_t>(kUrlDigits[i])] = i;
  }
  if (spaces) {
    for (char c : {' ', '\t', '\r', '\n'}) table[static_cast<uint8_t>(c)] = kSpace;
  }
  table[static_cast<uint8_t>('=')] = kPad;
  return table;
}

constexpr DecodeTable kStandardTable = MakeTable(true, false, false);
constexpr DecodeTable kUrlTable = MakeTable(false, true, false);
constexpr DecodeTable kLenientTable = MakeTable(true, true, true);

// Decodes whole groups of four digits as long as there are any; returns how many characters.
size_t DecodeGroups(std::string_view text, const DecodeTable& table, char*& out) {
  const char* at = text.data();
  const char* end = at + text.size();
  while (end - at >= 4) {
    const uint32_t a = table[static_cast<uint8_t>(at[0])];
    const uint32_t b = table[static_cast<uint8_t>(at[1])];
    const uint32_t c = table[static_cast<uint8_t>(at[2])];
    const uint32_t d = table[static_cast<uint8_t>(at[3])];
    if (((a | b | c | d) & kNotADigit) != 0) break;
    const uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    out[0] = static_cast<char>(bits >> 16);
    out[1] = static_cast<char>(bits >> 8);
    out[2] = static_cast<char>(bits);
    out += 3;
    at += 4;
  }
  return static_cast<size_t>(at - text.data());
}

// Writes the 1 or 2 bytes of a last group of `count` (2 or 3) digits collected in `bits`.
// Returns false for another count, or bits that must be zero and are not.
bool DecodeTail(uint32_t bits, int count, bool strict, char*& out) {
  if (count == 2) {
    if (strict && (bits & 0xF) != 0) return false;
    *out++ = static_cast<char>(bits >> 4);
    return true;
  }
  if (count == 3) {
    if (strict && (bits & 0x3) != 0) return false;
    *out++ = static_cast<char>(bits >> 10);
    *out++ = static_cast<char>(bits >> 2);
    return true;
  }
  return false;
}

bool DecodeStrict(std::string_view text, Base64Alphabet alphabet, char*& out) {
  const bool standard = alphabet == Base64Alphabet::kStandard;
  const DecodeTable& table = standard ? kStandardTable : kUrlTable;
  if (standard) {
    if (text.size() % 4 != 0) return false;
    if (text.ends_with('=')) text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  text.remove_prefix(DecodeGroups(text, table, out));
  if (text.empty()) return true;
  if (text.size() > 3) return false;
  uint32_t bits = 0;
  for (char c : text) {
    const uint8_t value = table[static_cast<uint8_t>(c)];
    if ((value & kNotADigit) != 0) return false;
    bits = bits << 6 | value;
  }
  return DecodeTail(bits, static_cast<int>(text.size()), true, out);
}

bool DecodeLenient(std::string_view text, char*& out) {
  uint32_t bits = 0;
  int count = 0;
  int pads = 0;
  while (true) {
    if (count == 0 && pads == 0) text.remove_prefix(DecodeGroups(text, kLenientTable, out));
    if (text.empty()) break;
    const uint8_t value = kLenientTable[static_cast<uint8_t>(text.front())];
    text.remove_prefix(1);
    if (value == kBad) return false;
    if (value == kSpace) continue;
    if (value == kPad) {
      if (count < 2 || ++pads + count > 4) return false;
      continue;
    }
    if (pads > 0) return false;
    bits = bits << 6 | value;
    if (++count == 4) {
      *out++ = static_cast<char>(bits >> 16);
      *out++ = static_cast<char>(bits >> 8);
      *out++ = static_cast<char>(bits);
      bits = 0;
      count = 0;
    }
  }
  return count == 0 || DecodeTail(bits, count, false, out);
}

}  // namespace

size_t Base64EncodedSize(size_t size, Base64Alphabet alphabet) {
  const size_t rest = size % 3;
  if (alphabet == Base64Alphabet::kStandard) return (size / 3 + (rest != 0)) * 4;
  return size / 3 * 4 + (rest == 0 ? 0 : rest + 1);
}

char* Base64EncodeTo(std::string_view bytes, Base64Alphabet alphabet, char* out) {
  const bool standard = alphabet == Base64Alphabet::kStandard;
  const char* digits = (standard ? kStandardDigits : kUrlDigits).data();
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 3; left -= 3, at += 3) {
    const uint32_t bits = uint32_t{at[0]} << 16 | uint32_t{at[1]} << 8 | at[2];
    *out++ = digits[bits >> 18];
    *out++ = digits[bits >> 12 & 0x3F];
    *out++ = digits[bits >> 6 & 0x3F];
    *out++ = digits[bits & 0x3F];
  }
  if (left == 0) return out;
  const uint32_t bits = uint32_t{at[0]} << 16 | (left == 2 ? uint32_t{at[1]} << 8 : 0);
  *out++ = digits[bits >> 18];
  *out++ = digits[bits >> 12 & 0x3F];
  if (left == 2) *out++ = digits[bits >> 6 & 0x3F];
  if (standard) {
    if (left == 1) *out++ = '=';
    *out++ = '=';
  }
  return out;
}

std::string Base64Encode(std::string_view bytes, Base64Alphabet alphabet) {
  std::string out(Base64EncodedSize(bytes.size(), alphabet), '\0');
  Base64EncodeTo(bytes, alphabet, out.data());
  return out;
}

std::optional<size_t> Base64DecodeTo(std::string_view text, Base64Alphabet alphabet,
                                     Base64Mode mode, char* out) {
  char* end = out;
  const bool good =
      mode == Base64Mode::kStrict ? DecodeStrict(text, alphabet, end) : DecodeLenient(text, end);
  if (!good) return std::nullopt;
  return static_cast<size_t>(end - out);
}

std::optional<std::string> Base64Decode(std::string_view text, Base64Alphabet alphabet,
                                        Base64Mode mode) {
  std::string out(Base64DecodedBound(text.size()), '\0');
  const std::optional<size_t> size = Base64DecodeTo(text, alphabet, mode, out.data());
  if (!size.has_value()) return std::nullopt;
  out.resize(*size);
  return out;
}

}  // namespace postern
