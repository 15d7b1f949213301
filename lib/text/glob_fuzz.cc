#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/text/glob.h"

namespace {

// The definition as a table over pattern and text, for ASCII.
bool Reference(std::string_view pattern, std::string_view text) {
  std::vector<bool> row(text.size() + 1, false);
  row[0] = true;
  for (char p : pattern) {
    std::vector<bool> next(text.size() + 1, false);
    next[0] = p == '*' && row[0];
    for (size_t i = 1; i <= text.size(); ++i) {
      next[i] = p == '*' ? row[i] || next[i - 1] : row[i - 1] && (p == '?' || p == text[i - 1]);
    }
    row = next;
  }
  return row[text.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t split = data[0] % size;
  const std::string_view pattern = input.substr(1, split);
  const std::string_view text = input.substr(1 + split);
  const bool matches = postern::GlobMatch(pattern, text);
  bool ascii = true;
  for (char c : input.substr(1)) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (ascii && matches != Reference(pattern, text)) __builtin_trap();
  return 0;
}
