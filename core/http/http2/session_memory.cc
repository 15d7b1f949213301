#include "core/http/http2/session_memory.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace postern {
namespace {

// Goes before each block. As large as the alignment that malloc promises.
struct alignas(std::max_align_t) Header {
  size_t size_class;
  Header* next;  // of an idle one
};

constexpr size_t kStep = 64;
constexpr size_t kClasses = 16;           // of kStep bytes each; what is larger goes to the heap
constexpr size_t kIdleBytes = 16 * 1024;  // of one class

struct IdleList {
  Header* first;
  size_t count;
};

// Trivial, so that it can be used until the thread's very end.
thread_local constinit IdleList idle_lists[kClasses] = {};
thread_local constinit bool thread_ends = false;

// Frees what is idle when its thread ends.
struct ThreadEnd {
  ~ThreadEnd() {
    thread_ends = true;
    for (IdleList& list : idle_lists) {
      while (list.first != nullptr) {
        Header* header = list.first;
        list.first = header->next;
        std::free(header);
      }
      list.count = 0;
    }
  }
};

// Class `n` holds blocks of up to (n + 1) * kStep bytes, header included.
size_t SizeClass(size_t size) { return (size + sizeof(Header) - 1) / kStep; }

size_t Capacity(size_t size_class) { return (size_class + 1) * kStep - sizeof(Header); }

void* Allocate(size_t size, void*) {
  if (size > SIZE_MAX / 2) return nullptr;
  const size_t size_class = SizeClass(size);
  if (size_class < kClasses) {
    IdleList& list = idle_lists[size_class];
    if (Header* header = list.first; header != nullptr) {
      list.first = header->next;
      --list.count;
      return header + 1;
    }
  }
  auto* header = static_cast<Header*>(std::malloc((size_class + 1) * kStep));
  if (header == nullptr) return nullptr;
  header->size_class = size_class;
  return header + 1;
}

void Free(void* block, void*) {
  if (block == nullptr) return;
  Header* header = static_cast<Header*>(block) - 1;
  const size_t size_class = header->size_class;
  if (size_class < kClasses && !thread_ends) {
    [[maybe_unused]] thread_local const ThreadEnd thread_end;
    IdleList& list = idle_lists[size_class];
    if (list.count < kIdleBytes / ((size_class + 1) * kStep)) {
      header->next = list.first;
      list.first = header;
      ++list.count;
      return;
    }
  }
  std::free(header);
}

void* AllocateZeroed(size_t count, size_t size, void* context) {
  if (size != 0 && count > SIZE_MAX / 2 / size) return nullptr;
  void* block = Allocate(count * size, context);
  if (block != nullptr) std::memset(block, 0, count * size);
  return block;
}

void* Reallocate(void* block, size_t size, void* context) {
  if (block == nullptr) return Allocate(size, context);
  const size_t capacity = Capacity((static_cast<Header*>(block) - 1)->size_class);
  if (size <= capacity) return block;
  void* larger = Allocate(size, context);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, block, capacity);
  Free(block, context);
  return larger;
}

}  // namespace

nghttp2_mem* SessionMemory() {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  return nullptr;  // the sanitizer is to see each block
#endif
#endif
  static nghttp2_mem memory = {nullptr, Allocate, Free, AllocateZeroed, Reallocate};
  return &memory;
}

}  // namespace postern
