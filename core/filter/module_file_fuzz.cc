#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/filter/module_file.h"

// Whatever bytes a module folder holds: read within bounds, or refused with a reason.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = postern::ReadModuleFile({reinterpret_cast<const char*>(data), size});
  if (!file.ok()) {
    if (file.status().message().empty()) std::abort();
    return 0;
  }
  const postern::CheckedManifest checked = postern::CheckManifest(file->manifest);
  if (checked.problem.empty() &&
      (checked.manifest.name.empty() || checked.manifest.version.empty())) {
    std::abort();
  }
  postern::CheckManifest({reinterpret_cast<const char*>(data), size});
  return 0;
}
