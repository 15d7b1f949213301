#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/filter/filter_module.h"

namespace postern {

/// What a shared object says of itself without being loaded: static constructors run inside dlopen,
/// so whatever can be checked is checked on the bytes of the file (plugin-abi.md §4).
struct ModuleFile {
  std::string manifest;             ///< bytes of postern_module_manifest, at most kMaxManifest
  bool has_init = false;            ///< exports the function postern_module_init
  std::vector<std::string> needed;  ///< libraries it asks for
  /// Symbols it exports besides those two and those of the linker, at most kMaxNames of them: there
  /// should be none.
  std::vector<std::string> exported;
  /// Those of all that are unique in the process: two versions would share their state.
  std::vector<std::string> unique;

  static constexpr size_t kMaxManifest = 4096;
  static constexpr size_t kMaxNames = 16;
};

/// Takes the bytes of a file apart: a shared object for this machine (ELF64, little-endian,
/// ET_DYN), read as the dynamic linker reads it: program headers, dynamic section, symbol table by
/// its hash table. Every offset is checked. InvalidArgument says what is wrong with the file.
absl::StatusOr<ModuleFile> ReadModuleFile(std::string_view bytes);

/// A manifest that was checked.
struct CheckedManifest {
  ModuleManifest manifest;  ///< as far as it could be read
  std::string problem;      ///< why no gateway of this build loads it; empty: it does
};

/// Checks magic, size, major, minor, capabilities, name and version (abi.h, postern_manifest).
CheckedManifest CheckManifest(std::string_view bytes);

/// "BODY", "CALLOUT", "SHARED", "THREADS" by their bits; 0 for another name.
uint32_t ParseCapability(std::string_view name);
/// "BODY, CALLOUT"; "none" for none. Unknown bits are left out.
std::string CapabilityNames(uint32_t capabilities);
/// Every capability of this ABI.
inline constexpr uint32_t kAllCapabilities =
    POSTERN_CAP_BODY | POSTERN_CAP_CALLOUT | POSTERN_CAP_SHARED | POSTERN_CAP_THREADS;

}  // namespace postern
