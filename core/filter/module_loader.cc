#include "core/filter/module_loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "core/base/file_descriptor.h"
#include "core/base/log.h"
#include "core/filter/breadcrumb.h"
#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr size_t kMaxFile = size_t{256} << 20;
constexpr size_t kMaxFiles = 1000;  // of a folder
constexpr std::string_view kSuffix = ".so";

// Linux 6.3; needed where vm.memfd_noexec is set. Older kernels answer EINVAL.
constexpr unsigned kMfdExec = 0x0010U;

std::string ErrnoText() { return std::strerror(errno); }

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Whoever may write a module may run code in the gateway.
absl::Status CheckOwner(const struct stat& info, std::string_view what) {
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return absl::PermissionDeniedError(Concat(what, " belongs to user ", info.st_uid,
                                              ", who is neither root nor this process's user (",
                                              ::geteuid(), "): change its owner"));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::PermissionDeniedError(
        Concat(what, " can be written by others than its owner: chmod go-w"));
  }
  return absl::OkStatus();
}

std::string_view FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

absl::Status CheckFolder(const std::string& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) {
    return absl::NotFoundError(Concat("the folder cannot be opened: ", ErrnoText()));
  }
  if (!S_ISDIR(info.st_mode)) return absl::InvalidArgumentError("is no folder");
  return CheckOwner(info, "the folder");
}

// Opens a module's file and checks who may have written it.
absl::StatusOr<int> OpenModule(const std::string& path, struct stat* info) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return absl::NotFoundError(Concat("cannot be opened: ", ErrnoText()));
  if (::fstat(fd.get(), info) != 0) {
    return absl::UnavailableError(Concat("cannot be read: ", ErrnoText()));
  }
  if (!S_ISREG(info->st_mode)) return absl::InvalidArgumentError("is no file");
  if (absl::Status status = CheckOwner(*info, "the file"); !status.ok()) return status;
  if (static_cast<uint64_t>(info->st_size) > kMaxFile) {
    return absl::InvalidArgumentError(Concat("has more than ", kMaxFile, " bytes"));
  }
  return fd.Release();
}

absl::StatusOr<std::string> ReadAll(int fd, size_t expected) {
  std::string bytes;
  bytes.resize(expected + 1);
  size_t have = 0;
  while (true) {
    if (have == bytes.size()) {
      if (have > kMaxFile) {
        return absl::InvalidArgumentError(Concat("has more than ", kMaxFile, " bytes"));
      }
      bytes.resize(bytes.size() + (size_t{1} << 20));
    }
    const ssize_t got = ::read(fd, bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::UnavailableError(Concat("cannot be read: ", ErrnoText()));
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

// Anonymous memory with these bytes that can be mapped as code and never changed.
absl::StatusOr<int> SealedCopy(const std::string& name, std::string_view bytes) {
  int raw = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdExec);
  if (raw < 0 && errno == EINVAL) {
    raw = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  }
  FileDescriptor fd(raw);
  if (fd.get() < 0) {
    return absl::UnavailableError(Concat("no memory for a private copy: ", ErrnoText()));
  }
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      return absl::UnavailableError(Concat("no memory for a private copy: ", ErrnoText()));
    }
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) !=
      0) {
    return absl::UnavailableError(Concat("its private copy cannot be sealed: ", ErrnoText()));
  }
  return fd.Release();
}

// One line about a module: name and file as far as they are known.
absl::Status Refusal(std::string_view name, std::string_view file, const absl::Status& status) {
  std::string text = "module";
  if (!name.empty()) text += Concat(" \"", name, "\"");
  if (!file.empty()) text += name.empty() ? Concat(" ", file) : Concat(" (", file, ")");
  text += Concat(": ", std::string_view(status.message().data(), status.message().size()));
  // What comes out of files and out of dlerror() stays one line.
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return absl::Status(status.code(), text);
}

absl::Status CheckGranted(const ModuleManifest& manifest, uint32_t granted) {
  const uint32_t missing = manifest.capabilities & ~granted;
  if (missing == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(
      Concat("declares the capabilities ", CapabilityNames(manifest.capabilities),
             ", of which the snapshot does not grant ", CapabilityNames(missing),
             ": grant them, or take the module out"));
}

}  // namespace

ModuleLoader::ModuleLoader(Options options)
    : options_(std::move(options)), retired_(std::make_shared<RetiredConfigs>()) {}

ModuleLoader::~ModuleLoader() {
  retired_->SetWake(nullptr);
  retired_->Destroy();
  for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
    if ((*it)->hooks().module_destroy == nullptr) continue;
    const ModuleCall scope(HookName::kModuleDestroy, *it);
    (*it)->hooks().module_destroy((*it)->module());
  }
}

absl::StatusOr<const FilterModule*> ModuleLoader::Load(const Request& request) {
  auto found = Find(request);
  if (!found.ok()) ++counts_.refused;
  return found;
}

absl::StatusOr<const FilterModule*> ModuleLoader::Find(const Request& request) {
  const auto refuse = [&request](std::string_view file, const std::string& text) {
    return Refusal(request.name, file, absl::FailedPreconditionError(text));
  };
  if (request.digest.empty()) {
    for (const BuiltIn& built_in : options_.built_in) {
      const CheckedManifest checked = CheckManifest(
          {reinterpret_cast<const char*>(built_in.manifest), sizeof(postern_manifest)});
      if (checked.manifest.name != request.name) continue;
      if (!request.version.empty() && request.version != checked.manifest.version) {
        return refuse("", Concat("version ", request.version, " is asked for, but ",
                                 checked.manifest.version, " is built into this program"));
      }
      if (absl::Status status = CheckGranted(checked.manifest, request.capabilities);
          !status.ok()) {
        return Refusal(request.name, "", status);
      }
      return LoadBuiltIn(built_in);
    }
  }

  std::vector<std::string> unreadable;
  std::vector<Inspection> candidates;
  if (!request.standard) candidates = Scan(options_.folders, &unreadable);
  const size_t of_others = candidates.size();
  for (Inspection& one : Scan(options_.own_folders, &unreadable)) {
    candidates.push_back(std::move(one));
  }
  std::string versions;
  std::string digests;
  std::vector<const Inspection*> matching;
  for (const Inspection& one : candidates) {
    if (one.manifest.name != request.name) continue;
    if (!request.digest.empty() && one.digest != request.digest) {
      digests += Concat(digests.empty() ? "" : ", ", one.file, " has ", one.digest);
      continue;
    }
    if (!request.version.empty() && one.manifest.version != request.version) {
      versions += Concat(versions.empty() ? "" : ", ", one.file, " is ", one.manifest.version);
      continue;
    }
    // The same content twice is one module.
    if (std::none_of(matching.begin(), matching.end(),
                     [&](const Inspection* other) { return other->digest == one.digest; })) {
      matching.push_back(&one);
    }
  }
  if (matching.empty()) {
    if (!digests.empty()) {
      return refuse("", Concat("no file has the digest ", request.digest, " that is asked for: ",
                               digests, ". Put the right file there, or change the digest"));
    }
    if (!versions.empty()) {
      return refuse("", Concat("version ", request.version, " is asked for, but ", versions));
    }
    std::string where;
    const auto add = [&where](const std::vector<std::string>& folders) {
      for (const std::string& folder : folders) where += Concat(where.empty() ? "" : ", ", folder);
    };
    if (!request.standard) add(options_.folders);
    add(options_.own_folders);
    std::string also;
    for (const std::string& problem : unreadable) also += Concat("; ", problem);
    if (request.standard) {
      return refuse("", Concat("it comes with this program, but is not installed: there is no ",
                               where.empty() ? "folder \"modules\" beside the program"
                                             : Concat("file of it in ", where),
                               also));
    }
    return refuse("", where.empty()
                          ? "there is no module folder: name one with --modules"
                          : Concat("no file of this name is in ", where,
                                   ": put it there, or name its folder with --modules", also));
  }
  if (matching.size() > 1) {
    return refuse("", Concat(matching[0]->file, " and ", matching[1]->file,
                             " both hold it with different content: pin one by its digest, or take "
                             "one away"));
  }
  const Inspection& one = *matching.front();
  if (!one.problem.empty()) return refuse(one.file, one.problem);
  const bool own =
      std::any_of(candidates.begin() + static_cast<std::ptrdiff_t>(of_others), candidates.end(),
                  [&one](const Inspection& other) { return other.digest == one.digest; });
  if (request.digest.empty() && !own && !options_.allow_unpinned) {
    return refuse(one.file, Concat("is not pinned: name its digest ", one.digest,
                                   ", or start with --allow-unpinned-modules"));
  }
  if (absl::Status status = CheckGranted(one.manifest, request.capabilities); !status.ok()) {
    return Refusal(request.name, one.file, status);
  }
  return LoadInspected(one);
}

ModuleLoader::Inspection ModuleLoader::Inspect(const std::string& file) {
  Inspection out;
  out.file = file;
  const auto refuse = [&out](const absl::Status& status) {
    out.problem = std::string(status.message());
    return out;
  };
  if (absl::Status status = CheckFolder(std::string(FolderOf(file))); !status.ok()) {
    return refuse(status);
  }
  struct stat info {};
  const absl::StatusOr<int> opened = OpenModule(file, &info);
  if (!opened.ok()) return refuse(opened.status());
  const FileDescriptor fd(*opened);
  const auto known = known_.find(file);
  if (known != known_.end() && known->second.device == info.st_dev &&
      known->second.inode == info.st_ino && known->second.size == info.st_size &&
      known->second.modified_ns == Nanoseconds(info.st_mtim) &&
      known->second.changed_ns == Nanoseconds(info.st_ctim)) {
    return known->second.inspection;
  }
  const absl::StatusOr<std::string> bytes = ReadAll(fd.get(), static_cast<size_t>(info.st_size));
  if (!bytes.ok()) return refuse(bytes.status());
  out.digest = Sha256Hex(*bytes);
  absl::StatusOr<ModuleFile> contents = ReadModuleFile(*bytes);
  if (contents.ok()) {
    out.contents = *std::move(contents);
    CheckedManifest checked = CheckManifest(out.contents.manifest);
    out.manifest = std::move(checked.manifest);
    out.problem = std::move(checked.problem);
  } else {
    out.problem = std::string(contents.status().message());
  }
  if (known_.size() >= kMaxFiles) known_.clear();
  known_.insert_or_assign(file, Known{info.st_dev, info.st_ino, info.st_size,
                                      Nanoseconds(info.st_mtim), Nanoseconds(info.st_ctim), out});
  return out;
}

// Every module file of the folders; one that cannot be read has no name to be found by, and is said
// in `unreadable`.
std::vector<ModuleLoader::Inspection> ModuleLoader::Scan(const std::vector<std::string>& folders,
                                                         std::vector<std::string>* unreadable) {
  std::vector<Inspection> found;
  for (const std::string& folder : folders) {
    if (absl::Status status = CheckFolder(folder); !status.ok()) {
      unreadable->push_back(Concat(folder, ": ", std::string(status.message())));
      continue;
    }
    DIR* const dir = ::opendir(folder.c_str());
    if (dir == nullptr) {
      unreadable->push_back(Concat(folder, ": ", ErrnoText()));
      continue;
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view name = entry->d_name;
      if (!name.starts_with('.') && name.ends_with(kSuffix)) names.emplace_back(name);
    }
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    if (names.size() > kMaxFiles) {
      unreadable->push_back(Concat(folder, ": has more than ", kMaxFiles, " modules"));
      names.resize(kMaxFiles);
    }
    for (const std::string& name : names) {
      Inspection one = Inspect(Concat(folder, folder.ends_with('/') ? "" : "/", name));
      if (one.manifest.name.empty()) {
        unreadable->push_back(Concat(one.file, ": ", one.problem));
      } else {
        found.push_back(std::move(one));
      }
    }
  }
  return found;
}

absl::StatusOr<const FilterModule*> ModuleLoader::LoadFile(const std::string& file) {
  const Inspection inspection = Inspect(file);
  if (!inspection.problem.empty()) {
    return Refusal(inspection.manifest.name, file,
                   absl::FailedPreconditionError(inspection.problem));
  }
  return LoadInspected(inspection);
}

absl::StatusOr<const FilterModule*> ModuleLoader::LoadInspected(const Inspection& inspection) {
  const auto known = loaded_.find(inspection.digest);
  if (known != loaded_.end()) {
    if (known->second.module != nullptr) return known->second.module.get();
    return known->second.failure;
  }
  absl::StatusOr<const FilterModule*> module = Map(inspection);
  if (!module.ok()) {
    absl::Status refusal = Refusal(inspection.manifest.name, inspection.file, module.status());
    // What was mapped stays mapped: it is not tried again.
    const auto mapped = loaded_.find(inspection.digest);
    if (mapped != loaded_.end()) mapped->second.failure = refusal;
    return refusal;
  }
  ++counts_.loads;
  Log(LogLevel::kInfo, "module_loaded",
      {{"module", (*module)->name()},
       {"version", (*module)->version()},
       {"digest", (*module)->digest()},
       {"file", (*module)->file()},
       {"capabilities", CapabilityNames((*module)->manifest().capabilities)}});
  return module;
}

absl::StatusOr<const FilterModule*> ModuleLoader::Map(const Inspection& inspection) {
  if (counts_.mapped >= options_.max_mapped) {
    return absl::ResourceExhaustedError(
        Concat("cannot be loaded beside ", counts_.mapped,
               " others, since what is loaded is never unloaded: restart the gateway (or raise "
               "--max-modules)"));
  }
  struct stat info {};
  const absl::StatusOr<int> opened = OpenModule(inspection.file, &info);
  if (!opened.ok()) return opened.status();
  const FileDescriptor file(*opened);
  const absl::StatusOr<std::string> bytes = ReadAll(file.get(), static_cast<size_t>(info.st_size));
  if (!bytes.ok()) return bytes.status();
  if (Sha256Hex(*bytes) != inspection.digest) {
    return absl::AbortedError("was changed while it was read: try again once it is in place");
  }
  absl::StatusOr<int> copied =
      SealedCopy(Concat(inspection.manifest.name, "-", inspection.manifest.version, "-",
                        inspection.digest.substr(0, 16)),
                 *bytes);
  if (!copied.ok()) return copied.status();
  FileDescriptor copy(*copied);

  const std::string path = Concat("/proc/self/fd/", copy.get());
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* const error = ::dlerror();
    std::string text = error == nullptr ? "unknown error" : error;
    if (text.starts_with(path)) text.erase(0, path.size());
    if (text.starts_with(": ")) text.erase(0, 2);
    return absl::FailedPreconditionError(Concat("the dynamic linker refuses it: ", text));
  }
  // From here on its code is in the process, whatever is found.
  copy.Release();
  ++counts_.mapped;
  Loaded& loaded = loaded_[inspection.digest];
  const void* const manifest = ::dlsym(handle, "postern_module_manifest");
  void* const init = ::dlsym(handle, "postern_module_init");
  const size_t size = std::min(inspection.contents.manifest.size(), sizeof(postern_manifest));
  if (manifest == nullptr || init == nullptr ||
      std::memcmp(manifest, inspection.contents.manifest.data(), size) != 0) {
    return absl::FailedPreconditionError("is not, once loaded, what its file says it is");
  }
  auto module =
      std::make_unique<FilterModule>(inspection.manifest, inspection.digest, inspection.file);
  // Kept in any case: its code may have kept its `self`.
  FilterModule* const raw = module.get();
  unfit_.push_back(std::move(module));
  if (absl::Status status = InitModule(reinterpret_cast<InitFunction>(init), raw); !status.ok()) {
    return status;
  }
  loaded.module = std::move(unfit_.back());
  unfit_.pop_back();
  order_.push_back(raw);
  return raw;
}

absl::StatusOr<const FilterModule*> ModuleLoader::LoadBuiltIn(const BuiltIn& built_in) {
  Loaded& loaded = built_in_[built_in.init];
  if (loaded.module != nullptr) return loaded.module.get();
  if (!loaded.failure.ok()) return loaded.failure;
  const CheckedManifest checked =
      CheckManifest({reinterpret_cast<const char*>(built_in.manifest), sizeof(postern_manifest)});
  auto module = std::make_unique<FilterModule>(checked.manifest, "", "");
  absl::Status status = checked.problem.empty() ? InitModule(built_in.init, module.get())
                                                : absl::FailedPreconditionError(checked.problem);
  if (!status.ok()) {
    loaded.failure = Refusal(checked.manifest.name, "", status);
    unfit_.push_back(std::move(module));
    return loaded.failure;
  }
  ++counts_.loads;
  loaded.module = std::move(module);
  order_.push_back(loaded.module.get());
  return loaded.module.get();
}

absl::Status ModuleLoader::InitModule(InitFunction init, FilterModule* module) {
  void* made = nullptr;
  const postern_filter* hooks = nullptr;
  postern_status status = POSTERN_E_INTERNAL;
  try {
    const ModuleCall scope(HookName::kInit, module);
    status = init(options_.host, module->self(), &made, &hooks);
  } catch (...) {
    return absl::FailedPreconditionError("its postern_module_init threw an exception");
  }
  if (status != POSTERN_OK) {
    return absl::FailedPreconditionError(
        Concat("its postern_module_init failed with status ", status, "; the log may say more"));
  }
  if (hooks == nullptr) {
    return absl::FailedPreconditionError("its postern_module_init gave no table of hooks");
  }
  if (hooks->size < offsetof(postern_filter, module_destroy)) {
    return absl::FailedPreconditionError(
        Concat("its table of hooks says that it has ", hooks->size, " bytes"));
  }
  module->Initialize(hooks, made);
  constexpr uint32_t kBodyHooks = kHookRequestBody | kHookResponseBody;
  if ((module->hook_mask() & kBodyHooks) != 0 && !module->may(POSTERN_CAP_BODY)) {
    return absl::FailedPreconditionError(
        "has a body hook, but does not declare POSTERN_CAP_BODY in its manifest");
  }
  return absl::OkStatus();
}

void ModuleLoader::Collect(MetricsSink* sink) {
  sink->Gauge({.name = "postern_modules_mapped",
               .help = "Filter modules that are mapped; none is ever unmapped."},
              {}, static_cast<double>(counts_.mapped));
  sink->Gauge({.name = "postern_modules_mapped_limit",
               .help = "Modules above this number are refused until a restart."},
              {}, static_cast<double>(options_.max_mapped));
  sink->Counter({.name = "postern_module_loads", .help = "Filter modules that were loaded."}, {},
                counts_.loads);
  sink->Counter({.name = "postern_module_refusals",
                 .help = "Requests for a filter module that were refused."},
                {}, counts_.refused);
  for (const FilterModule* module : order_) {
    sink->Info(
        {.name = "postern_module", .help = "A filter module that is loaded."},
        {{"module", module->name()}, {"version", module->version()}, {"digest", module->digest()}});
  }
}

}  // namespace postern
