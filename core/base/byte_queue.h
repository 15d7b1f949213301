#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <string_view>

#include "core/base/arena.h"

namespace postern {

/// Bytes that wait for a peer, first in first out, in pooled blocks. Not thread-safe. The queue
/// itself has no limit: whoever appends asks size() first and stops its source.
class ByteQueue {
 public:
  explicit ByteQueue(BlockPool* pool) : pool_(pool) {}
  ~ByteQueue() { Clear(); }
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;

  void Append(std::string_view bytes);

  /// Fills at most `max` vectors with the oldest bytes; returns how many were filled.
  int Peek(iovec* out, int max) const;

  /// The oldest contiguous run of bytes; empty when the queue is.
  std::string_view Front() const {
    if (first_ == nullptr) return {};
    const size_t end = first_ == last_ ? tail_ : first_->capacity;
    return {first_->data() + head_, end - head_};
  }

  /// Drops the `count` oldest bytes; `count` is at most size().
  void Drain(size_t count);
  void Clear();

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  BlockPool* pool_;
  BlockPool::Block* first_ = nullptr;
  BlockPool::Block* last_ = nullptr;
  size_t head_ = 0;  // offset of the oldest byte in first_
  size_t tail_ = 0;  // end of the newest byte in last_
  size_t size_ = 0;
};

}  // namespace postern
