#pragma once

#include <array>
#include <atomic>
#include <cstddef>

namespace postern {

/// A queue of at most `kCapacity` values from one thread to one other, without a lock. The two
/// sides write to different cache lines.
template <typename T, size_t kCapacity>
class SpscRing {
 public:
  static_assert((kCapacity & (kCapacity - 1)) == 0, "a power of two");

  /// The sending thread only. False if the ring is full.
  bool Push(T value) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == kCapacity) return false;
    slots_[tail % kCapacity] = value;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// The receiving thread only. False if the ring is empty.
  bool Pop(T* value) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return false;
    *value = slots_[head % kCapacity];
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

 private:
  alignas(64) std::atomic<size_t> head_{0};
  alignas(64) std::atomic<size_t> tail_{0};
  alignas(64) std::array<T, kCapacity> slots_{};
};

}  // namespace postern
