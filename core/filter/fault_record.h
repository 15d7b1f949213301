#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/filter/breadcrumb.h"

namespace postern {

/// One time that a module ended the process: by a fault inside one of its hooks, or by not coming
/// back from one.
struct ModuleFault {
  int64_t time_s = 0;  ///< since 1970
  std::string module;
  std::string version;
  std::string digest;  ///< empty: built into the program
  std::string hook;
};

/// A file that outlives the process and tells the next one which modules ended it (plugin-abi.md
/// §9, "Repeated fault"): one line for each, written by the fault handler. One for the process.
class FaultRecord {
 public:
  /// Faults of one content of a module within kWindowS that take it out of chains where it is not
  /// required.
  static constexpr size_t kLimit = 3;
  static constexpr int64_t kWindowS = 600;

  /// Reads `path`, keeps of it what is not older than kWindowS, and has faults of this process
  /// added. A file that is not there is made; lines that are no faults are dropped. Not called
  /// twice. An error names the file.
  static absl::Status Open(const std::string& path, int64_t now_s, std::vector<ModuleFault>* out);

  /// [in a signal handler] The module that the thread of `crumb` is in has ended the process. Does
  /// nothing where there is no file.
  static void Note(const FilterModule& module, HookName hook);
};

/// How many of `faults` are of this content of a module.
size_t CountFaults(const std::vector<ModuleFault>& faults, std::string_view module,
                   std::string_view digest);

}  // namespace postern
