#include "core/server/idle_memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postern {

void TrimHeap() { ::malloc_trim(0); }

void ForgetStartupPages() {
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void*) {
        if (std::string_view(object->dlpi_name).starts_with("linux-vdso"))
          return 0;  // the kernel's
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
