#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern {

/// Immutable map from text to a number, for lookups on the request path: one hash, one compare, no
/// allocation. Share freely between threads once built.
class TextIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  TextIndex() = default;
  /// `keys[i]` leads to `i`. Of equal keys the first counts.
  explicit TextIndex(const std::vector<std::string_view>& keys);

  /// The number of `key`, or kNone.
  uint32_t Find(std::string_view key) const;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t max_key_size() const { return max_key_size_; }

 private:
  struct Slot {
    uint32_t tag;  // part of the hash
    uint32_t value = kNone;
    uint32_t offset;
    uint32_t size;
  };

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::string text_;         // all keys
  size_t mask_ = 0;
  size_t size_ = 0;
  size_t max_key_size_ = 0;
};

}  // namespace postern
