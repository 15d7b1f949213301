#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/abi/abi.h"

namespace postern {

/// What a module says of itself, as it stands in its file (POSTERN_CAP_*, postern_manifest).
struct ModuleManifest {
  std::string name;
  std::string version;
  uint16_t abi_major = 0;
  uint16_t abi_minor = 0;
  uint32_t capabilities = 0;
};

/// The hooks that a module may have, as bits of FilterModule::hook_mask(). Only those that run on
/// streams and workers.
enum FilterHook : uint32_t {
  kHookWorkerCreate = 1u << 0,
  kHookWorkerDestroy = 1u << 1,
  kHookWorkerEvent = 1u << 2,
  kHookStreamCreate = 1u << 3,
  kHookRequestHeaders = 1u << 4,
  kHookRequestBody = 1u << 5,
  kHookRequestTrailers = 1u << 6,
  kHookResponseHeaders = 1u << 7,
  kHookResponseBody = 1u << 8,
  kHookResponseTrailers = 1u << 9,
  kHookStreamEvent = 1u << 10,
  kHookStreamEnd = 1u << 11,
  kHookStreamDestroy = 1u << 12,
};

/// A filter module of the process (plugin-abi.md §7.1). Lives until the process exits cleanly; its
/// code is never unmapped. It is the `postern_self` that its code knows it by. Immutable once it is
/// initialized; any thread may read it.
class FilterModule {
 public:
  /// `digest`: SHA-256 of its file in lower-case hexadecimal, and `file` where that was found; both
  /// empty for one that is built into the program.
  FilterModule(ModuleManifest manifest, std::string digest, std::string file);
  FilterModule(const FilterModule&) = delete;
  FilterModule& operator=(const FilterModule&) = delete;

  /// Takes what postern_module_init() gave: as much of the table as both sides know. Once.
  void Initialize(const postern_filter* hooks, void* module);

  const ModuleManifest& manifest() const { return manifest_; }
  std::string_view name() const { return manifest_.name; }
  std::string_view version() const { return manifest_.version; }
  /// Two modules with one digest are one module. Empty: built into the program.
  std::string_view digest() const { return digest_; }
  std::string_view file() const { return file_; }
  /// "postern.jwt 1.2.0", as messages name it.
  const std::string& title() const { return title_; }

  /// Whether it has declared a POSTERN_CAP_*. (What was not granted has not been loaded.)
  bool may(uint32_t capability) const { return (manifest_.capabilities & capability) != 0; }

  /// A full-size table: hooks that the module does not have are null.
  const postern_filter& hooks() const { return hooks_; }
  /// FilterHook bits of the hooks that are there.
  uint32_t hook_mask() const { return hook_mask_; }
  /// Names of all hooks that are there, in the order of the table.
  std::vector<std::string_view> HookNames() const;
  /// What postern_module_init() made; for config_create and module_destroy.
  void* module() const { return module_; }

  /// The handle by which its code names it to the host, and back. Good from before init on.
  postern_self* self() { return reinterpret_cast<postern_self*>(this); }
  static FilterModule* Of(postern_self* self) { return reinterpret_cast<FilterModule*>(self); }

 private:
  const ModuleManifest manifest_;
  const std::string digest_;
  const std::string file_;
  const std::string title_;
  postern_filter hooks_{};
  uint32_t hook_mask_ = 0;
  void* module_ = nullptr;
};

}  // namespace postern
