#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/text/utf8.h"

namespace postern {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t valid = ValidUtf8Prefix(input);
  const std::string replaced = ReplaceInvalidUtf8(input);
  if (!IsValidUtf8(replaced)) __builtin_trap();
  if (replaced.substr(0, valid) != input.substr(0, valid)) __builtin_trap();
  if ((valid == size) != (replaced == input)) __builtin_trap();
  for (size_t at = 0; at < size;) {
    const Utf8Step step = NextUtf8(input.substr(at));
    if (step.size == 0 || step.size > size - at) __builtin_trap();
    if (step.valid != IsValidUtf8(input.substr(at, step.size))) __builtin_trap();
    at += step.size;
  }
  return 0;
}

}  // namespace postern
