#include "core/base/byte_queue.h"

#include <algorithm>
#include <cstring>

namespace postern {

void ByteQueue::Append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (last_ == nullptr || tail_ == last_->capacity) {
      BlockPool::Block* block = pool_->Take();
      block->next = nullptr;
      if (last_ == nullptr) {
        first_ = block;
        head_ = 0;
      } else {
        last_->next = block;
      }
      last_ = block;
      tail_ = 0;
    }
    const size_t take = std::min(bytes.size(), last_->capacity - tail_);
    std::memcpy(last_->data() + tail_, bytes.data(), take);
    tail_ += take;
    bytes.remove_prefix(take);
  }
}

int ByteQueue::Peek(iovec* out, int max) const {
  int count = 0;
  for (BlockPool::Block* block = first_; block != nullptr && count < max; block = block->next) {
    const size_t from = block == first_ ? head_ : 0;
    const size_t to = block == last_ ? tail_ : block->capacity;
    if (to == from) continue;
    out[count++] = {block->data() + from, to - from};
  }
  return count;
}

void ByteQueue::Drain(size_t count) {
  size_ -= count;
  while (first_ != nullptr) {
    const size_t end = first_ == last_ ? tail_ : first_->capacity;
    const size_t take = std::min(count, end - head_);
    head_ += take;
    count -= take;
    if (head_ < end) return;
    BlockPool::Block* next = first_->next;
    pool_->Give(first_);
    first_ = next;
    head_ = 0;
    if (first_ == nullptr) {
      last_ = nullptr;
      tail_ = 0;
    }
  }
}

void ByteQueue::Clear() {
  while (first_ != nullptr) {
    BlockPool::Block* next = first_->next;
    pool_->Give(first_);
    first_ = next;
  }
  last_ = nullptr;
  head_ = tail_ = size_ = 0;
}

}  // namespace postern
