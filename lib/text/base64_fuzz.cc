#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/text/base64.h"

namespace postern {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (auto alphabet : {Base64Alphabet::kStandard, Base64Alphabet::kUrl}) {
    const std::string encoded = Base64Encode(input, alphabet);
    if (Base64Decode(encoded, alphabet, Base64Mode::kStrict) != input) __builtin_trap();
    if (Base64Decode(encoded, alphabet, Base64Mode::kLenient) != input) __builtin_trap();

    // Strict decoding takes exactly what encoding makes; lenient decoding agrees with it.
    const std::optional<std::string> strict = Base64Decode(input, alphabet, Base64Mode::kStrict);
    const std::optional<std::string> lenient = Base64Decode(input, alphabet, Base64Mode::kLenient);
    if (strict.has_value() && Base64Encode(*strict, alphabet) != input) __builtin_trap();
    if (strict.has_value() && lenient != strict) __builtin_trap();

    std::string in_place(input);
    in_place.resize(Base64DecodedBound(size) + size);
    const std::optional<size_t> decoded =
        Base64DecodeTo(std::string_view(in_place).substr(0, size), alphabet, Base64Mode::kLenient,
                       in_place.data());
    if (decoded.has_value() != lenient.has_value()) __builtin_trap();
    if (decoded.has_value() && in_place.substr(0, *decoded) != *lenient) __builtin_trap();
  }
  return 0;
}

}  // namespace postern
