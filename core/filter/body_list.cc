#include "core/filter/body_list.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace postern {

BodyStore::~BodyStore() {
  if (filling_ != nullptr) Drop(filling_);
}

BodySlice* BodyStore::New(std::string_view bytes, BodyOwner* owner, bool borrowed) {
  BodySlice* slice = free_slices_;
  if (slice != nullptr) {
    free_slices_ = slice->next;
  } else {
    slice = arena_->New<BodySlice>();
  }
  *slice = {bytes, owner, borrowed, nullptr};
  if (owner != nullptr) ++owner->slices;
  if (borrowed) ++borrowed_;
  return slice;
}

void BodyStore::Free(BodySlice* slice) {
  if (slice->borrowed) --borrowed_;
  if (slice->owner != nullptr) Drop(slice->owner);
  slice->next = free_slices_;
  free_slices_ = slice;
}

BodyOwner* BodyStore::NewOwner() {
  BodyOwner* owner = free_owners_;
  if (owner != nullptr) {
    free_owners_ = owner->next_free;
    *owner = {};
  } else {
    owner = arena_->New<BodyOwner>();
  }
  return owner;
}

void BodyStore::Drop(BodyOwner* owner) {
  if (--owner->slices > 0) return;
  if (owner->block != nullptr) blocks_->Give(owner->block);
  void (*const release)(void*) = owner->release;
  void* const arg = owner->release_arg;
  owner->next_free = free_owners_;
  free_owners_ = owner;
  if (release != nullptr) release(arg);
}

void BodyStore::Append(BodySlice* slice, BodyList* to) {
  (to->last_ != nullptr ? to->last_->next : to->first_) = slice;
  to->last_ = slice;
  to->size_ += slice->bytes.size();
  ++to->slices_;
}

void BodyStore::AppendBorrowed(std::string_view bytes, BodyList* to) {
  if (!bytes.empty()) Append(New(bytes, nullptr, true), to);
}

void BodyStore::AppendLasting(std::string_view bytes, BodyList* to) {
  if (!bytes.empty()) Append(New(bytes, nullptr, false), to);
}

void BodyStore::AppendCopy(std::string_view bytes, BodyList* to) {
  while (!bytes.empty()) {
    if (filling_ == nullptr || filled_ == BlockPool::Block::kCapacity) {
      if (filling_ != nullptr) Drop(filling_);
      filling_ = NewOwner();
      filling_->block = blocks_->Take();
      filling_->slices = 1;
      filled_ = 0;
    } else if (filling_->slices == 1) {
      filled_ = 0;  // nobody shows a part of it any more
    }
    char* const at = filling_->block->data() + filled_;
    const size_t size = std::min(bytes.size(), BlockPool::Block::kCapacity - filled_);
    std::memcpy(at, bytes.data(), size);
    filled_ += size;
    bytes.remove_prefix(size);
    BodySlice* last = to->last_;
    if (last != nullptr && last->owner == filling_ &&
        last->bytes.data() + last->bytes.size() == at) {
      last->bytes = {last->bytes.data(), last->bytes.size() + size};
      to->size_ += size;
    } else {
      Append(New({at, size}, filling_, false), to);
    }
  }
}

void BodyStore::AppendAdopted(std::string_view bytes, void (*release)(void*), void* arg,
                              BodyList* to) {
  if (bytes.empty()) {
    release(arg);
    return;
  }
  BodyOwner* owner = NewOwner();
  owner->release = release;
  owner->release_arg = arg;
  Append(New(bytes, owner, false), to);
}

BodySlice** BodyStore::Cut(BodyList* list, uint64_t offset, BodySlice** before) {
  BodySlice** link = &list->first_;
  *before = nullptr;
  while (offset > 0) {
    BodySlice* slice = *link;
    if (offset < slice->bytes.size()) {
      BodySlice* rest = New(slice->bytes.substr(offset), slice->owner, slice->borrowed);
      slice->bytes = slice->bytes.substr(0, offset);
      rest->next = slice->next;
      slice->next = rest;
      if (list->last_ == slice) list->last_ = rest;
      ++list->slices_;
      offset = 0;
    } else {
      offset -= slice->bytes.size();
    }
    *before = slice;
    link = &slice->next;
  }
  return link;
}

void BodyStore::Splice(BodyList* list, uint64_t offset, uint64_t remove, BodyList* insert) {
  // Removed slices are ended last: a release function may look at the body, which is then whole.
  BodySlice* before;
  BodySlice** link = Cut(list, offset, &before);
  BodySlice* removed = nullptr;
  if (remove > 0) {
    BodySlice* last_removed;
    BodySlice** end = Cut(list, offset + remove, &last_removed);
    removed = *link;
    *link = *end;
    *end = nullptr;
    if (list->last_ == last_removed) list->last_ = before;
    list->size_ -= remove;
    for (const BodySlice* at = removed; at != nullptr; at = at->next) --list->slices_;
  }
  if (insert->first_ != nullptr) {
    insert->last_->next = *link;
    if (*link == nullptr) list->last_ = insert->last_;
    *link = insert->first_;
    list->size_ += insert->size_;
    list->slices_ += insert->slices_;
    insert->first_ = insert->last_ = nullptr;
    insert->size_ = 0;
    insert->slices_ = 0;
  }
  while (removed != nullptr) Free(std::exchange(removed, removed->next));
}

void BodyStore::MoveFront(BodyList* from, uint64_t size, BodyList* to) {
  if (size == from->size_) {
    to->Take(from);
    return;
  }
  if (size == 0) return;
  BodySlice* last;
  BodySlice** rest = Cut(from, size, &last);
  BodyList moved;
  moved.first_ = from->first_;
  moved.last_ = last;
  moved.size_ = size;
  for (const BodySlice* at = from->first_; at != *rest; at = at->next) ++moved.slices_;
  from->first_ = *rest;
  from->size_ -= size;
  from->slices_ -= moved.slices_;
  last->next = nullptr;
  to->Take(&moved);
}

void BodyStore::DropFront(BodyList* list, uint64_t size) {
  list->size_ -= size;
  while (size > 0) {
    BodySlice* slice = list->first_;
    if (size < slice->bytes.size()) {
      slice->bytes.remove_prefix(size);
      return;
    }
    size -= slice->bytes.size();
    list->first_ = slice->next;
    if (list->first_ == nullptr) list->last_ = nullptr;
    --list->slices_;
    Free(slice);
  }
}

void BodyStore::Clear(BodyList* list) { DropFront(list, list->size_); }

void BodyStore::KeepBorrowed(BodyList* list) {
  if (borrowed_ == 0 || list->empty()) return;
  BodyList kept;
  while (BodySlice* slice = list->first_) {
    list->first_ = slice->next;
    slice->next = nullptr;
    if (slice->borrowed) {
      AppendCopy(slice->bytes, &kept);
      Free(slice);
    } else {
      Append(slice, &kept);
    }
  }
  list->last_ = nullptr;
  list->size_ = 0;
  list->slices_ = 0;
  list->Take(&kept);
}

}  // namespace postern
