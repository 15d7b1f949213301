#include "lib/text/utf8.h"

#include <cstdint>
#include <cstring>

namespace postern {
namespace {

// Bytes at the start of `text` that are ASCII, rounded down to what a scan by words finds.
size_t SkipAscii(const char* at, const char* end) {
  const char* begin = at;
  while (end - at >= 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    if ((word & 0x8080808080808080u) != 0) break;
    at += 8;
  }
  while (at != end && static_cast<uint8_t>(*at) < 0x80) ++at;
  return static_cast<size_t>(at - begin);
}

}  // namespace

Utf8Step NextUtf8(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};

  // Only the second byte has bounds that depend on the first.
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  switch (lead) {
    case 0xE0:
      low = 0xA0;
      break;
    case 0xED:
      high = 0x9F;
      break;
    case 0xF0:
      low = 0x90;
      break;
    case 0xF4:
      high = 0x8F;
      break;
    default:
      break;
  }
  if (text.size() < 2 || byte(1) < low || byte(1) > high) return {1, false};
  if (lead < 0xE0) return {2, true};
  if (text.size() < 3 || (byte(2) & 0xC0) != 0x80) return {2, false};
  if (lead < 0xF0) return {3, true};
  if (text.size() < 4 || (byte(3) & 0xC0) != 0x80) return {3, false};
  return {4, true};
}

size_t ValidUtf8Prefix(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    at += SkipAscii(at, end);
    if (at == end) return text.size();
    const Utf8Step step = NextUtf8({at, static_cast<size_t>(end - at)});
    if (!step.valid) return static_cast<size_t>(at - text.data());
    at += step.size;
  }
}

void AppendValidUtf8(std::string_view text, CharSink& sink) {
  while (!text.empty()) {
    const size_t valid = ValidUtf8Prefix(text);
    sink.Append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty()) return;
    sink.Append(kReplacementCharacter);
    text.remove_prefix(NextUtf8(text).size);
  }
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  StringSink sink(&out);
  AppendValidUtf8(text, sink);
  sink.Finish();
  return out;
}

void AppendCodePoint(char32_t code_point, CharSink& sink) {
  const auto put = [&sink](char32_t value) { sink.Append(static_cast<char>(value)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if ((code_point >= 0xD800 && code_point <= 0xDFFF) || code_point > 0x10FFFF) {
    sink.Append(kReplacementCharacter);
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

}  // namespace postern
