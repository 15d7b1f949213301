#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/text/ascii.h"
#include "lib/text/media_type.h"

namespace postern {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const auto& parsed : {ParseMediaType(input), FirstMediaType(input)}) {
    if (!parsed.has_value()) continue;
    if (!kTokenChars.HasAll(parsed->type) || !kTokenChars.HasAll(parsed->subtype)) __builtin_trap();
    if (parsed->essence.size() != parsed->type.size() + 1 + parsed->subtype.size())
      __builtin_trap();
  }
  const BinaryMediaTypes types({std::string(input), "image/png"});
  const bool everything = types.MatchesAccept(std::nullopt);
  if (!everything && types.MatchesAccept("*/test")) __builtin_trap();
  if (!types.MatchesContentType("image/png;x")) __builtin_trap();
  return 0;
}

}  // namespace postern
