#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/arena.h"

namespace postern {

/// Memory that slices of a body show parts of.
struct BodyOwner {
  size_t slices = 0;
  void (*release)(void*) = nullptr;  ///< of a module; else `block` is given back
  void* release_arg = nullptr;
  BlockPool::Block* block = nullptr;
  BodyOwner* next_free = nullptr;
};

/// A run of body bytes.
struct BodySlice {
  std::string_view bytes;
  BodyOwner* owner = nullptr;  ///< null: the bytes outlive the exchange, or are borrowed
  bool borrowed = false;       ///< the bytes end with the call that brought them
  BodySlice* next = nullptr;
};

/// Body bytes in order, as slices that are never empty. Owns its slices by way of the BodyStore it
/// is used with, which must have cleared it before it goes.
class BodyList {
 public:
  BodyList() = default;
  BodyList(const BodyList&) = delete;
  BodyList& operator=(const BodyList&) = delete;

  bool empty() const { return size_ == 0; }
  uint64_t size() const { return size_; }
  size_t slices() const { return slices_; }
  const BodySlice* front() const { return first_; }

  /// Moves all of `other` to the end.
  void Take(BodyList* other) {
    if (other->first_ == nullptr) return;
    (last_ != nullptr ? last_->next : first_) = other->first_;
    last_ = other->last_;
    size_ += other->size_;
    slices_ += other->slices_;
    other->first_ = other->last_ = nullptr;
    other->size_ = 0;
    other->slices_ = 0;
  }

 private:
  friend class BodyStore;

  BodySlice* first_ = nullptr;
  BodySlice* last_ = nullptr;
  uint64_t size_ = 0;
  size_t slices_ = 0;
};

/// Makes and ends the slices of one exchange. Slices come from its arena and are used again; bytes
/// that have to be kept are copied to blocks of the worker. Not thread-safe.
class BodyStore {
 public:
  BodyStore(Arena* arena, BlockPool* blocks) : arena_(arena), blocks_(blocks) {}
  /// Every list must have been cleared.
  ~BodyStore();
  BodyStore(const BodyStore&) = delete;
  BodyStore& operator=(const BodyStore&) = delete;

  /// Appends bytes that are good until the call under way returns; KeepBorrowed() before that.
  void AppendBorrowed(std::string_view bytes, BodyList* to);
  /// Appends bytes that outlive the exchange.
  void AppendLasting(std::string_view bytes, BodyList* to);
  /// Appends a copy.
  void AppendCopy(std::string_view bytes, BodyList* to);
  /// Takes over bytes of a module, whose `release(arg)` is called once when no slice shows them.
  void AppendAdopted(std::string_view bytes, void (*release)(void*), void* arg, BodyList* to);

  /// Replaces `remove` bytes at `offset` by the slices of `insert`. Offset and sum lie within.
  void Splice(BodyList* list, uint64_t offset, uint64_t remove, BodyList* insert);
  /// Moves the first `size` bytes, which are there, to the end of `to`.
  void MoveFront(BodyList* from, uint64_t size, BodyList* to);
  /// Drops the first `size` bytes, which are there.
  void DropFront(BodyList* list, uint64_t size);
  void Clear(BodyList* list);

  /// Whether some list may hold borrowed bytes.
  bool has_borrowed() const { return borrowed_ > 0; }
  /// Copies what `list` has borrowed.
  void KeepBorrowed(BodyList* list);

 private:
  BodySlice* New(std::string_view bytes, BodyOwner* owner, bool borrowed);
  void Free(BodySlice* slice);
  void Append(BodySlice* slice, BodyList* to);
  BodyOwner* NewOwner();
  void Drop(BodyOwner* owner);
  /// Cuts a slice so that one begins at `offset`; returns where the link to it is.
  BodySlice** Cut(BodyList* list, uint64_t offset, BodySlice** before);

  Arena* arena_;
  BlockPool* blocks_;
  BodySlice* free_slices_ = nullptr;
  BodyOwner* free_owners_ = nullptr;
  BodyOwner* filling_ = nullptr;  // the block that copies go to; held once by the store itself
  size_t filled_ = 0;
  size_t borrowed_ = 0;
};

}  // namespace postern
