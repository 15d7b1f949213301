#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

#include "core/base/arena.h"
#include "lib/text/char_sink.h"

namespace postern {

/// Writes text of unknown length into an arena, as one contiguous piece. Starts with `expected`
/// bytes and doubles, so a good guess costs one allocation and no copy. Fails beyond `max_size`.
class ArenaSink final : public CharSink {
 public:
  explicit ArenaSink(Arena* arena, size_t expected = 256, size_t max_size = SIZE_MAX)
      : arena_(arena), expected_(expected), max_size_(max_size) {}

  /// What was written so far; lives as long as the arena, and stays where it is only until more is
  /// written.
  std::string_view written() const { return {begin_, static_cast<size_t>(cur_ - begin_)}; }

 protected:
  bool Grow(size_t size) override {
    const size_t used = static_cast<size_t>(cur_ - begin_);
    if (size > max_size_ - used) return false;
    size_t capacity = begin_ == nullptr ? expected_ : 2 * static_cast<size_t>(end_ - begin_);
    if (capacity < used + size) capacity = used + size;
    if (capacity > max_size_) capacity = max_size_;
    char* to = arena_->Allocate(capacity, 1);
    if (used != 0) std::memcpy(to, begin_, used);
    begin_ = to;
    cur_ = to + used;
    end_ = to + capacity;
    return true;
  }

 private:
  Arena* arena_;
  size_t expected_;
  size_t max_size_;
  char* begin_ = nullptr;
};

}  // namespace postern
