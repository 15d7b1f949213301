#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/filter/module_loader.h"
#include "tools/postern/flags.h"

namespace postern {

/// The options that say where filter modules are.
struct ModuleOptions {
  std::vector<std::string> folders;  ///< --modules
  uint64_t max_modules = 64;
  std::string fault_record;

  void Bind(FlagSet* flags);

  /// How modules are loaded in this process: from the folders named, then from those of the
  /// installation; unpinned ones too, since whoever starts the program names the definition
  /// himself. Reads the fault record, and logs what it says. InvalidArgument if a folder that was
  /// named is none, Unavailable if the record cannot be used.
  absl::StatusOr<ModuleLoader::Options> ToLoaderOptions() const;
};

/// Where an installation has its modules: `modules` beside the program, and `lib/postern/modules`
/// beside its folder; those that exist.
std::vector<std::string> InstalledModuleFolders();

}  // namespace postern
