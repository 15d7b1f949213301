#include "core/route/text_index.h"

#include <algorithm>
#include <bit>

#include "core/route/text_hash.h"

namespace postern {

TextIndex::TextIndex(const std::vector<std::string_view>& keys) {
  if (keys.empty()) return;
  const size_t capacity = std::bit_ceil(keys.size() * 2);
  slots_.resize(capacity);
  mask_ = capacity - 1;
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string_view key = keys[i];
    if (Find(key) != kNone) continue;
    const uint64_t hash = HashText(key, 0);
    size_t at = hash & mask_;
    while (slots_[at].value != kNone) at = (at + 1) & mask_;
    slots_[at] = {static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(i),
                  static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(key.size())};
    text_ += key;
    ++size_;
    max_key_size_ = std::max(max_key_size_, key.size());
  }
}

uint32_t TextIndex::Find(std::string_view key) const {
  if (slots_.empty() || key.size() > max_key_size_) return kNone;
  const uint64_t hash = HashText(key, 0);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask_; slots_[at].value != kNone; at = (at + 1) & mask_) {
    const Slot& slot = slots_[at];
    if (slot.tag == tag && std::string_view(text_).substr(slot.offset, slot.size) == key) {
      return slot.value;
    }
  }
  return kNone;
}

}  // namespace postern
