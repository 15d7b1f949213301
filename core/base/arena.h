#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

namespace postern {

/// Recycles fixed-size memory blocks of one worker, so that a request in steady state allocates
/// nothing. Not thread-safe: one pool belongs to one worker and outlives all that draw from it.
class BlockPool {
 public:
  /// Bytes of one block, header included. One small request head with its maps fits in one block.
  static constexpr size_t kBlockSize = 4096;

  struct Block {
    Block* next;
    /// Usable bytes that follow this header.
    static constexpr size_t kCapacity = kBlockSize - 16;
    size_t capacity;
    char* data() { return reinterpret_cast<char*>(this) + 16; }
  };
  static_assert(sizeof(Block) == 16);

  /// Keeps at most `max_idle` free blocks; more are given back to the allocator.
  explicit BlockPool(size_t max_idle = 1024) : max_idle_(max_idle) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  /// A block of kBlockSize bytes. Never null: out of memory ends the process.
  Block* Take() {
    ++in_use_;
    if (free_ != nullptr) {
      Block* block = free_;
      free_ = block->next;
      --idle_;
      return block;
    }
    return Allocate();
  }

  /// Gives back a block that Take() returned.
  void Give(Block* block) {
    --in_use_;
    if (idle_ >= max_idle_) {
      Free(block);
      return;
    }
    block->next = free_;
    free_ = block;
    ++idle_;
  }

  /// Frees idle blocks down to `keep`; called when a burst is over.
  void Trim(size_t keep);

  size_t in_use() const { return in_use_; }
  size_t idle() const { return idle_; }

 private:
  static Block* Allocate();
  static void Free(Block* block);

  Block* free_ = nullptr;
  size_t idle_ = 0;
  size_t in_use_ = 0;
  size_t max_idle_;
};

/// Bump allocator with the lifetime of one exchange. Memory is given back all at once by Reset() or
/// the destructor; destructors of objects made in it do not run, so only trivially destructible
/// types may live here. Not thread-safe.
class Arena {
 public:
  explicit Arena(BlockPool* pool) : pool_(pool) {}
  ~Arena() { Reset(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Uninitialized memory, aligned to `align` (at most 16). Requests above a block's capacity come
  /// from the heap and are freed with the arena; callers bound them (head limit, buffer limit).
  char* Allocate(size_t size, size_t align = 8) {
    const size_t at = (used_ + align - 1) & ~(align - 1);
    if (head_ != nullptr && at + size <= head_->capacity) {
      used_ = at + size;
      return head_->data() + at;
    }
    return AllocateSlow(size);
  }

  /// Copies `text` into the arena and returns the copy.
  std::string_view Copy(std::string_view text) {
    if (text.empty()) return {};
    char* to = Allocate(text.size(), 1);
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  /// Joins the parts into one string in the arena.
  template <typename... Parts>
  std::string_view Concat(const Parts&... parts) {
    const std::string_view views[] = {std::string_view(parts)...};
    size_t size = 0;
    for (std::string_view view : views) size += view.size();
    char* to = Allocate(size, 1);
    char* at = to;
    for (std::string_view view : views) {
      if (!view.empty()) std::memcpy(at, view.data(), view.size());
      at += view.size();
    }
    return {to, size};
  }

  template <typename T, typename... Args>
  T* New(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (Allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
  }

  /// Uninitialized array of trivial `T`.
  template <typename T>
  T* NewArray(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return reinterpret_cast<T*>(Allocate(sizeof(T) * count, alignof(T)));
  }

  /// Frees everything. Views into the arena are invalid from here on.
  void Reset();

  /// Bytes held, for the memory metric.
  size_t held() const { return held_; }
  BlockPool* pool() const { return pool_; }

 private:
  char* AllocateSlow(size_t size);

  BlockPool* pool_;
  BlockPool::Block* head_ = nullptr;  // the block being filled, then the full ones
  size_t used_ = 0;
  size_t held_ = 0;
};

}  // namespace postern
