#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/metrics_source.h"
#include "core/filter/fault_record.h"
#include "core/filter/filter_module.h"
#include "core/filter/module_file.h"
#include "core/filter/retired_configs.h"

namespace postern {

/// Finds filter modules in the operator's folders, checks them, loads each content once and keeps
/// it (plugin-abi.md §7.1, §8). One for the process, on the main thread; destroyed after the
/// workers have ended, when it calls module_destroy.
///
/// A file is copied into sealed anonymous memory (memfd) under a name made from its digest, and
/// that copy is mapped: what was hashed and checked is what runs, whatever happens to the file; the
/// same path with new content is a new module, where dlopen would return the old one; and no folder
/// that can be written and executed is needed. The descriptor stays open, so that its path never
/// names anything else.
class ModuleLoader final : public MetricsSource {
 public:
  using InitFunction = postern_status (*)(const postern_host*, postern_self*, void**,
                                          const postern_filter**);

  /// A module that is linked into the program. It is found by name like one in a folder, and before
  /// those, unless a digest is asked for.
  struct BuiltIn {
    const postern_manifest* manifest = nullptr;
    InitFunction init = nullptr;
  };

  struct Options {
    const postern_host* host = nullptr;  ///< what modules get; lives as long as the process
    /// Folders that are searched for *.so, in order. They, and the files, must belong to root or
    /// the user of this process, and be writable by nobody else.
    std::vector<std::string> folders;
    /// Folders that belong to the program's installation, searched behind those. What lies there
    /// needs no digest: whoever may change it may change the program.
    std::vector<std::string> own_folders;
    std::vector<BuiltIn> built_in;
    /// Load what the snapshot names without a digest.
    bool allow_unpinned = false;
    /// Most contents that are mapped in the life of the process, since none is unmapped.
    size_t max_mapped = 64;
    /// Modules that ended earlier processes of this gateway.
    std::vector<ModuleFault> faults;
  };

  /// A module as a snapshot names it (proto/snapshot/filter.proto, Module).
  struct Request {
    std::string name;
    std::string version;                       ///< empty: any
    std::string digest;                        ///< empty: not pinned
    uint32_t capabilities = kAllCapabilities;  ///< that are granted
    /// The gateway's own wish, not the definition's: it is found in own_folders alone.
    bool standard = false;
  };

  /// A file, looked at without loading it.
  struct Inspection {
    std::string file;
    std::string digest;  ///< empty: the file could not be read
    ModuleFile contents;
    ModuleManifest manifest;  ///< as far as it could be read
    std::string problem;      ///< why it would not be loaded; empty: nothing is known against it
  };

  struct Counts {
    uint64_t mapped = 0;
    uint64_t loads = 0;    ///< that succeeded
    uint64_t refused = 0;  ///< requests that failed
  };

  explicit ModuleLoader(Options options);
  ~ModuleLoader();
  ModuleLoader(const ModuleLoader&) = delete;
  ModuleLoader& operator=(const ModuleLoader&) = delete;

  /// The module that `request` asks for; loaded and initialized if it was not yet. Files are looked
  /// at anew each time. An error is one line that names the module, the file and what to do.
  absl::StatusOr<const FilterModule*> Load(const Request& request);

  /// Reads and checks one file, as Load() would.
  Inspection Inspect(const std::string& file);
  /// Loads one file, wherever it lies.
  absl::StatusOr<const FilterModule*> LoadFile(const std::string& file);

  /// Whether it has ended so many processes that it is left out where it is not required.
  bool IsQuarantined(const FilterModule& module) const {
    return CountFaults(options_.faults, module.name(), module.digest()) >= FaultRecord::kLimit;
  }

  /// Destroys configuration objects on this thread.
  const std::shared_ptr<RetiredConfigs>& retired() const { return retired_; }
  const Counts& counts() const { return counts_; }

  void Collect(MetricsSink* sink) override;

 private:
  // A content that was loaded, or was found unfit only after it had been mapped.
  struct Loaded {
    std::unique_ptr<FilterModule> module;
    absl::Status failure;
  };
  // What is known of a file while it does not change.
  struct Known {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t modified_ns = 0;
    int64_t changed_ns = 0;
    Inspection inspection;
  };

  absl::StatusOr<const FilterModule*> Find(const Request& request);
  absl::StatusOr<const FilterModule*> LoadBuiltIn(const BuiltIn& built_in);
  absl::StatusOr<const FilterModule*> LoadInspected(const Inspection& inspection);
  absl::StatusOr<const FilterModule*> Map(const Inspection& inspection);
  absl::Status InitModule(InitFunction init, FilterModule* module);
  std::vector<Inspection> Scan(const std::vector<std::string>& folders,
                               std::vector<std::string>* unreadable);

  const Options options_;
  std::map<std::string, Loaded, std::less<>> loaded_;  // by digest
  std::map<InitFunction, Loaded> built_in_;
  // Mapped and refused: their code may have kept their `self`.
  std::vector<std::unique_ptr<FilterModule>> unfit_;
  std::vector<FilterModule*> order_;                 // initialized, in order
  std::map<std::string, Known, std::less<>> known_;  // by path
  std::shared_ptr<RetiredConfigs> retired_;
  Counts counts_;
};

}  // namespace postern
