#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace postern {

/// How the streams that one side opened have ended, for the last kWindow identifiers: what a late
/// frame means depends on it (RFC 9113 §5.1). Of either parity, but only of one.
class StreamHistory {
 public:
  enum class End : uint8_t {
    kSkipped,      ///< never opened: a higher one was opened before (RFC 9113 §5.1.1)
    kByUs,         ///< open, refused, or reset by us: what the peer has sent meanwhile is ignored
    kByEndStream,  ///< both sides ended it
    kByPeer,       ///< the peer reset it
  };

  static constexpr uint32_t kWindow = 512;

  /// `id` is the highest identifier that was ever opened from here on.
  void Open(uint32_t id) {
    const uint32_t skipped_from = std::max(last_ + 2, id > 2 * kWindow ? id - 2 * kWindow : 0);
    for (uint32_t skipped = skipped_from | (id & 1); skipped < id; skipped += 2) {
      Put(skipped, End::kSkipped);
    }
    last_ = id;
    Put(id, End::kByUs);
  }

  /// An opened stream has ended so. Forgotten where it is too long ago.
  void Set(uint32_t id, End end) {
    if (Known(id)) Put(id, end);
  }

  /// Of an identifier up to last(). One that is not known any more has ended in order.
  End Get(uint32_t id) const {
    if (!Known(id)) return End::kByEndStream;
    const uint32_t slot = Slot(id);
    return static_cast<End>(slots_[slot / 32] >> (slot % 32 * 2) & 3);
  }

  /// Highest identifier opened; 0 when there is none.
  uint32_t last() const { return last_; }

 private:
  static uint32_t Slot(uint32_t id) { return id / 2 % kWindow; }
  bool Known(uint32_t id) const { return id <= last_ && last_ - id < 2 * kWindow; }
  void Put(uint32_t id, End end) {
    const uint32_t slot = Slot(id);
    uint64_t& word = slots_[slot / 32];
    const uint32_t shift = slot % 32 * 2;
    word = (word & ~(uint64_t{3} << shift)) | uint64_t{static_cast<uint8_t>(end)} << shift;
  }

  uint64_t slots_[kWindow / 32] = {};
  uint32_t last_ = 0;
};

}  // namespace postern
