#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#else
#include <chrono>
#endif

namespace postern {

/// A clock to time hooks with: a register of the processor where there is one that ticks evenly, so
/// that two readings cost no system call.
class HookClock {
 public:
  /// In ticks.
  static uint64_t Now() {
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
  }

  /// Finds out how long a tick is; takes some milliseconds the first time.
  static HookClock Calibrated();

  uint64_t ToNs(uint64_t ticks) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(ticks) * ns_q32_) >> 32);
  }
  uint64_t FromNs(uint64_t ns) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(ns) << 32) / ns_q32_);
  }

 private:
  explicit HookClock(uint64_t ns_q32) : ns_q32_(ns_q32) {}
  uint64_t ns_q32_;  // nanoseconds of a tick, times 2^32
};

}  // namespace postern
