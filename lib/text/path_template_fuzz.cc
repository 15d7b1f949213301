#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/text/path_template.h"

namespace postern {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  PathTemplateSet set;
  while (!input.empty()) {
    const std::string_view line = input.substr(0, input.find('\n'));
    input.remove_prefix(line.size() == input.size() ? line.size() : line.size() + 1);
    const absl::StatusOr<PathTemplate> parsed = PathTemplate::Parse(line);
    if (!parsed.ok()) continue;
    const absl::StatusOr<PathTemplate> again = PathTemplate::Parse(parsed->ToString());
    if (!again.ok() || *again != *parsed) __builtin_trap();
    // What was taken once is there, and what was refused is refused again.
    const absl::Status first = set.Add(*parsed);
    const absl::Status second = set.Add(*parsed);
    if (second.ok() || (!first.ok() && first != second)) __builtin_trap();
  }
  return 0;
}

}  // namespace postern
