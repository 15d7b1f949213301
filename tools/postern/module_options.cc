#include "tools/postern/module_options.h"

#include <time.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/filter/filter_host.h"
#include "tools/postern/paths.h"

namespace postern {

void ModuleOptions::Bind(FlagSet* flags) {
  flags->Strings("modules", "DIR",
                 "Folder with filter modules (*.so). It and its files must be writable by their "
                 "owner alone, root or this user. May be repeated; the folder \"modules\" beside "
                 "the program is searched last.",
                 &folders);
  flags->Number("max-modules", "N",
                "Most module files that are loaded until a restart, since none is ever unloaded. "
                "Default 64.",
                1, 10'000, &max_modules);
  flags->String("fault-record", "FILE",
                "Where it is kept which filter modules have ended the process. Those that did so "
                "three times in ten minutes are left out after a restart where the definition says "
                "required: false. Default: none is kept.",
                &fault_record);
}

absl::StatusOr<ModuleLoader::Options> ModuleOptions::ToLoaderOptions() const {
  ModuleLoader::Options options;
  options.host = FilterHost();
  options.allow_unpinned = true;
  options.max_mapped = max_modules;
  for (const std::string& folder : folders) {
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) {
      return absl::InvalidArgumentError(absl::StrCat("--modules ", folder, ": is no folder"));
    }
    options.folders.push_back(AbsolutePath(folder));
  }
  options.own_folders = InstalledModuleFolders();
  if (!fault_record.empty()) {
    if (absl::Status status =
            FaultRecord::Open(AbsolutePath(fault_record), ::time(nullptr), &options.faults);
        !status.ok()) {
      return absl::UnavailableError(absl::StrCat("--fault-record ", status.message()));
    }
    if (!options.faults.empty()) {
      const ModuleFault& last = options.faults.back();
      Log(LogLevel::kError, "earlier_fault",
          {{"module", last.module},
           {"module_version", last.version},
           {"digest", last.digest},
           {"hook", last.hook},
           {"times", uint64_t{CountFaults(options.faults, last.module, last.digest)}}});
    }
  }
  return options;
}

std::vector<std::string> InstalledModuleFolders() {
  std::vector<std::string> out;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return out;
  const std::filesystem::path folder = program.parent_path();
  for (const std::filesystem::path& candidate :
       {folder / "modules", folder.parent_path() / "lib" / "postern" / "modules"}) {
    if (std::filesystem::is_directory(candidate, error)) out.push_back(candidate.string());
  }
  return out;
}

}  // namespace postern
