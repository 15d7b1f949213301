#include "core/server/idle_memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace postern {
namespace {

bool IsOfStartup(std::string_view path) {
  static constexpr std::string_view kLibraries[] = {"libgrpc",     "libgpr.",     "libupb.",
                                                    "libprotobuf", "libyaml-cpp", "libsqlite3"};
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return std::any_of(std::begin(kLibraries), std::end(kLibraries),
                     [name](std::string_view library) { return name.starts_with(library); });
}

}  // namespace

void TrimHeap() { ::malloc_trim(0); }

void ForgetStartupPages() {
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void*) {
        if (!IsOfStartup(object->dlpi_name)) return 0;
        const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = object->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
          const uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
          const uintptr_t end =
              (object->dlpi_addr + segment.p_vaddr + segment.p_memsz + page - 1) & ~(page - 1);
          ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
        }
        return 0;
      },
      nullptr);
}

}  // namespace postern
