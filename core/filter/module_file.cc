#include "core/filter/module_file.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
constexpr std::string_view kMachineName = "x86-64";
#elif defined(__aarch64__)
constexpr uint16_t kMachine = EM_AARCH64;
constexpr std::string_view kMachineName = "AArch64";
#else
#error "the module format of this machine is not known here"
#endif

// Far above what linkers make, so that a damaged file costs little.
constexpr size_t kMaxSegments = 128;
constexpr size_t kMaxDynamic = 4096;
constexpr size_t kMaxNeeded = 256;
constexpr uint64_t kMaxSymbols = 1u << 20;
constexpr size_t kMaxSymbolName = 65536;

constexpr std::string_view kManifestSymbol = "postern_module_manifest";
constexpr std::string_view kInitSymbol = "postern_module_init";

absl::Status Invalid(const std::string& text) { return absl::InvalidArgumentError(text); }

// The file as the dynamic linker would map it.
class Image {
 public:
  explicit Image(std::string_view bytes) : bytes_(bytes) {}

  absl::Status ReadSegments() {
    const auto header = At<Elf64_Ehdr>(0);
    if (bytes_.size() < SELFMAG || std::memcmp(bytes_.data(), ELFMAG, SELFMAG) != 0) {
      return Invalid("is no shared object (ELF file)");
    }
    if (!header) return Invalid("is cut off: it has less than an ELF header");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB) {
      return Invalid("is not for a 64-bit little-endian machine");
    }
    if (header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT) {
      return Invalid("has an unknown version of ELF");
    }
    if (header->e_machine != kMachine) {
      return Invalid(Concat("is for another machine (ELF machine ", header->e_machine,
                            "); this is ", kMachineName));
    }
    if (header->e_type != ET_DYN) return Invalid("is no shared object (ELF type ET_DYN)");
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
        header->e_phnum > kMaxSegments) {
      return Invalid("has no readable program headers");
    }
    for (size_t i = 0; i < header->e_phnum; ++i) {
      const auto segment = At<Elf64_Phdr>(header->e_phoff, i);
      if (!segment) return Invalid("is cut off: its program headers lie outside of it");
      if (segment->p_type == PT_LOAD) {
        if (segment->p_filesz > segment->p_memsz || segment->p_offset > bytes_.size() ||
            segment->p_filesz > bytes_.size() - segment->p_offset ||
            segment->p_vaddr + segment->p_memsz < segment->p_vaddr) {
          return Invalid("is cut off: a segment lies outside of it");
        }
        loads_.push_back(*segment);
      } else if (segment->p_type == PT_DYNAMIC) {
        dynamic_ = *segment;
      }
    }
    if (!dynamic_) return Invalid("is not dynamically linked");
    return absl::OkStatus();
  }

  absl::Status ReadDynamic() {
    std::optional<uint64_t> symbols;
    std::optional<uint64_t> strings;
    std::optional<uint64_t> string_size;
    std::optional<uint64_t> hash;
    std::optional<uint64_t> gnu_hash;
    uint64_t symbol_size = sizeof(Elf64_Sym);
    bool ended = false;
    for (size_t i = 0; i < kMaxDynamic && !ended; ++i) {
      const auto entry = Mapped<Elf64_Dyn>(dynamic_->p_vaddr, i);
      if (!entry) return Invalid("has a dynamic section that lies outside of it");
      const uint64_t value = entry->d_un.d_val;
      switch (entry->d_tag) {
        case DT_NULL:
          ended = true;
          break;
        case DT_SYMTAB:
          symbols = value;
          break;
        case DT_STRTAB:
          strings = value;
          break;
        case DT_STRSZ:
          string_size = value;
          break;
        case DT_SYMENT:
          symbol_size = value;
          break;
        case DT_HASH:
          hash = value;
          break;
        case DT_GNU_HASH:
          gnu_hash = value;
          break;
        case DT_NEEDED:
          if (needed_.size() < kMaxNeeded) needed_.push_back(value);
          break;
        default:
          break;
      }
    }
    if (!ended) return Invalid("has a dynamic section without an end");
    if (!symbols || !strings || !string_size || symbol_size != sizeof(Elf64_Sym)) {
      return Invalid("has no readable table of dynamic symbols");
    }
    symbols_ = *symbols;
    const auto text = MappedBytes(*strings, *string_size);
    if (!text) return Invalid("has a string table that lies outside of it");
    strings_ = *text;
    const std::optional<uint64_t> count =
        gnu_hash ? CountByGnuHash(*gnu_hash) : (hash ? CountByHash(*hash) : std::nullopt);
    if (!count || *count > kMaxSymbols) return Invalid("has no readable hash table of symbols");
    symbol_count_ = *count;
    return absl::OkStatus();
  }

  uint64_t symbol_count() const { return symbol_count_; }
  std::optional<Elf64_Sym> Symbol(uint64_t index) const {
    return Mapped<Elf64_Sym>(symbols_, index);
  }
  const std::vector<uint64_t>& needed() const { return needed_; }

  // The text at an offset of the string table; nothing if it has no end.
  std::optional<std::string_view> String(uint64_t offset) const {
    if (offset >= strings_.size()) return std::nullopt;
    const std::string_view rest = strings_.substr(offset, kMaxSymbolName);
    const size_t end = rest.find('\0');
    if (end == rest.npos) return std::nullopt;
    return rest.substr(0, end);
  }

  // Bytes of the file that are mapped to [address, address + size).
  std::optional<std::string_view> MappedBytes(uint64_t address, uint64_t size) const {
    for (const Elf64_Phdr& load : loads_) {
      if (address < load.p_vaddr || address - load.p_vaddr > load.p_filesz) continue;
      const uint64_t at = address - load.p_vaddr;
      if (size <= load.p_filesz - at) return bytes_.substr(load.p_offset + at, size);
    }
    return std::nullopt;
  }

 private:
  template <typename T>
  static T Copy(std::string_view from) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, from.data(), sizeof(T));
    return value;
  }

  // The index-th T of a table at `offset` of the file.
  template <typename T>
  std::optional<T> At(uint64_t offset, uint64_t index = 0) const {
    uint64_t at;
    if (__builtin_mul_overflow(index, sizeof(T), &at) || __builtin_add_overflow(at, offset, &at) ||
        at > bytes_.size() || bytes_.size() - at < sizeof(T)) {
      return std::nullopt;
    }
    return Copy<T>(bytes_.substr(at));
  }

  // The index-th T of a table at `address` of the image.
  template <typename T>
  std::optional<T> Mapped(uint64_t address, uint64_t index = 0) const {
    uint64_t at;
    if (__builtin_mul_overflow(index, sizeof(T), &at) || __builtin_add_overflow(at, address, &at)) {
      return std::nullopt;
    }
    const auto bytes = MappedBytes(at, sizeof(T));
    if (!bytes) return std::nullopt;
    return Copy<T>(*bytes);
  }

  // System V hash table: the number of chains is the number of symbols.
  std::optional<uint64_t> CountByHash(uint64_t address) const {
    const auto chains = Mapped<uint32_t>(address, 1);
    return chains ? std::optional<uint64_t>(*chains) : std::nullopt;
  }

  // GNU hash table: symbols are sorted by bucket, and the last of a bucket is marked.
  std::optional<uint64_t> CountByGnuHash(uint64_t address) const {
    const auto buckets = Mapped<uint32_t>(address, 0);
    const auto first = Mapped<uint32_t>(address, 1);
    const auto bloom = Mapped<uint32_t>(address, 2);
    if (!buckets || !first || !bloom || *buckets > kMaxSymbols || *first > kMaxSymbols ||
        *bloom > kMaxSymbols) {
      return std::nullopt;
    }
    uint64_t at;
    if (__builtin_add_overflow(address, uint64_t{16} + uint64_t{*bloom} * 8, &at)) {
      return std::nullopt;
    }
    uint64_t last = 0;
    for (uint32_t i = 0; i < *buckets; ++i) {
      const auto bucket = Mapped<uint32_t>(at, i);
      if (!bucket) return std::nullopt;
      last = std::max<uint64_t>(last, *bucket);
    }
    if (last < *first) return *first;  // Nothing is exported.
    if (__builtin_add_overflow(at, uint64_t{*buckets} * 4, &at)) return std::nullopt;
    for (; last <= kMaxSymbols; ++last) {
      const auto chain = Mapped<uint32_t>(at, last - *first);
      if (!chain) return std::nullopt;
      if ((*chain & 1) != 0) return last + 1;
    }
    return std::nullopt;
  }

  const std::string_view bytes_;
  std::vector<Elf64_Phdr> loads_;
  std::optional<Elf64_Phdr> dynamic_;
  uint64_t symbols_ = 0;
  uint64_t symbol_count_ = 0;
  std::string_view strings_;
  std::vector<uint64_t> needed_;
};

// Text of a fixed field: what is before the first NUL, if there is one and only NULs follow.
std::optional<std::string> FixedText(const char* field, size_t size, const CharSet& allowed) {
  const char* end = std::find(field, field + size, '\0');
  if (end == field || end == field + size) return std::nullopt;
  if (std::any_of(end, field + size, [](char c) { return c != '\0'; })) return std::nullopt;
  std::string text(field, end);
  if (!allowed.HasAll(text)) return std::nullopt;
  return text;
}

constexpr CharSet kModuleNameChars = kAlnumChars | CharSet("._-");
constexpr CharSet kModuleVersionChars = kAlnumChars | CharSet("._+-");

// What some linkers put into every shared object.
bool IsLinkers(std::string_view symbol) {
  return symbol == "_init" || symbol == "_fini" || symbol == "__bss_start" || symbol == "_edata" ||
         symbol == "_end";
}

struct NamedCapability {
  std::string_view name;
  uint32_t bit;
};
constexpr NamedCapability kCapabilities[] = {{"BODY", POSTERN_CAP_BODY},
                                             {"CALLOUT", POSTERN_CAP_CALLOUT},
                                             {"SHARED", POSTERN_CAP_SHARED},
                                             {"THREADS", POSTERN_CAP_THREADS}};

}  // namespace

absl::StatusOr<ModuleFile> ReadModuleFile(std::string_view bytes) {
  Image image(bytes);
  if (absl::Status status = image.ReadSegments(); !status.ok()) return status;
  if (absl::Status status = image.ReadDynamic(); !status.ok()) return status;

  ModuleFile file;
  for (const uint64_t offset : image.needed()) {
    const auto name = image.String(offset);
    if (!name) return Invalid("asks for a library whose name cannot be read");
    file.needed.emplace_back(*name);
  }
  bool has_manifest = false;
  for (uint64_t i = 1; i < image.symbol_count(); ++i) {
    const auto symbol = image.Symbol(i);
    if (!symbol) return Invalid("has a symbol table that lies outside of it");
    const unsigned binding = ELF64_ST_BIND(symbol->st_info);
    const unsigned type = ELF64_ST_TYPE(symbol->st_info);
    const unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
    if (symbol->st_shndx == SHN_UNDEF || binding == STB_LOCAL ||
        (visibility != STV_DEFAULT && visibility != STV_PROTECTED)) {
      continue;
    }
    const auto name = image.String(symbol->st_name);
    if (!name) return Invalid("has a symbol whose name cannot be read");
    if (binding == STB_GNU_UNIQUE && file.unique.size() < ModuleFile::kMaxNames) {
      file.unique.emplace_back(*name);
    }
    if (*name == kInitSymbol) {
      file.has_init = type == STT_FUNC;
    } else if (*name == kManifestSymbol) {
      if (type != STT_OBJECT) return Invalid("has a postern_module_manifest that is no data");
      const auto manifest = image.MappedBytes(
          symbol->st_value, std::min<uint64_t>(symbol->st_size, ModuleFile::kMaxManifest));
      if (!manifest) {
        return Invalid("has a postern_module_manifest that is not among the bytes of the file");
      }
      file.manifest = *manifest;
      has_manifest = true;
    } else if (!IsLinkers(*name) && file.exported.size() < ModuleFile::kMaxNames) {
      file.exported.emplace_back(*name);
    }
  }
  if (!has_manifest) {
    return Invalid(
        "is no filter module: it does not export postern_module_manifest (or hides it: declare it "
        "with POSTERN_EXPORT)");
  }
  if (!file.has_init) {
    return Invalid(
        "does not export the function postern_module_init (declare it with POSTERN_EXPORT)");
  }
  return file;
}

CheckedManifest CheckManifest(std::string_view bytes) {
  CheckedManifest checked;
  ModuleManifest& out = checked.manifest;
  const auto refuse = [&checked](std::string problem) {
    checked.problem = std::move(problem);
    return checked;
  };
  postern_manifest raw{};
  constexpr size_t kPrefix = offsetof(postern_manifest, name);
  if (bytes.size() < kPrefix) {
    return refuse(Concat("its manifest has only ", bytes.size(), " bytes"));
  }
  std::memcpy(&raw, bytes.data(), std::min(bytes.size(), sizeof(raw)));
  if (raw.magic != POSTERN_ABI_MAGIC) {
    return refuse("its manifest does not begin with POSTERN_ABI_MAGIC");
  }
  out.abi_major = raw.abi_major;
  out.abi_minor = raw.abi_minor;
  out.capabilities = raw.capabilities;
  if (const auto name = FixedText(raw.name, sizeof(raw.name), kModuleNameChars)) out.name = *name;
  if (const auto version = FixedText(raw.version, sizeof(raw.version), kModuleVersionChars)) {
    out.version = *version;
  }
  if (raw.abi_major != POSTERN_ABI_MAJOR) {
    return refuse(Concat("is built for major ", raw.abi_major,
                         " of the filter ABI; this gateway has ", POSTERN_ABI_MAJOR,
                         ": build it against this gateway's api/"));
  }
  if (raw.size < sizeof(raw) || raw.size > bytes.size()) {
    return refuse(Concat("its manifest says that it has ", raw.size, " bytes, but has ",
                         bytes.size(), "; at least ", sizeof(raw), " are needed"));
  }
  if (raw.abi_minor > POSTERN_ABI_MINOR) {
    return refuse(Concat("needs minor ", raw.abi_minor, " of filter ABI ", POSTERN_ABI_MAJOR,
                         "; this gateway has ", POSTERN_ABI_MINOR,
                         ": use a newer gateway, or build it for an older minor"));
  }
  if (out.name.empty()) {
    return refuse("its manifest's name is not 1 to 63 characters of [A-Za-z0-9._-]");
  }
  if (out.version.empty()) {
    return refuse("its manifest's version is not 1 to 31 characters of [A-Za-z0-9._+-]");
  }
  if ((raw.capabilities & ~kAllCapabilities) != 0) {
    return refuse(Concat("declares capabilities that this gateway does not know (bits ",
                         raw.capabilities & ~kAllCapabilities, ")"));
  }
  return checked;
}

uint32_t ParseCapability(std::string_view name) {
  for (const NamedCapability& capability : kCapabilities) {
    if (capability.name == name) return capability.bit;
  }
  return 0;
}

std::string CapabilityNames(uint32_t capabilities) {
  std::string out;
  for (const NamedCapability& capability : kCapabilities) {
    if ((capabilities & capability.bit) == 0) continue;
    if (!out.empty()) out += ", ";
    out += capability.name;
  }
  return out.empty() ? "none" : out;
}

}  // namespace postern
