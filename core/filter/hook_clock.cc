#include "core/filter/hook_clock.h"

#include <chrono>

namespace postern {
namespace {

uint64_t Measure() {
  using Clock = std::chrono::steady_clock;
  const auto from = Clock::now();
  const uint64_t first = HookClock::Now();
  Clock::time_point to;
  do {
    to = Clock::now();
  } while (to - from < std::chrono::milliseconds(2));
  const uint64_t ticks = HookClock::Now() - first;
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count();
  if (ticks == 0) return uint64_t{1} << 32;
  return static_cast<uint64_t>((static_cast<unsigned __int128>(ns) << 32) / ticks);
}

}  // namespace

HookClock HookClock::Calibrated() {
  static const uint64_t measured = Measure();
  return HookClock(measured == 0 ? 1 : measured);
}

}  // namespace postern
