#pragma once

#include <algorithm>
#include <cstdint>

namespace postern {

/// Token bucket that is full at first. Time gives tokens back by whole seconds, so that a short
/// burst meets exactly `max`. No clock of its own.
class Budget {
 public:
  Budget(uint32_t max, uint32_t per_second) : tokens_(max), max_(max), per_second_(per_second) {}

  /// Takes one token. False when none is left after it: the limit is reached.
  bool Spend(uint64_t now_ms) {
    Refill(now_ms);
    if (tokens_ > 0) --tokens_;
    return tokens_ > 0;
  }

  void Earn(uint32_t tokens) { tokens_ = std::min(max_, tokens_ + std::min(max_, tokens)); }

  /// Tokens that are spent and not yet back.
  uint32_t Used(uint64_t now_ms) {
    Refill(now_ms);
    return max_ - tokens_;
  }

 private:
  void Refill(uint64_t now_ms) {
    if (tokens_ == max_) {
      since_ms_ = now_ms;  // a full bucket earns nothing
      return;
    }
    if (now_ms < since_ms_ + 1000) return;
    const uint64_t seconds = (now_ms - since_ms_) / 1000;
    since_ms_ += seconds * 1000;
    Earn(static_cast<uint32_t>(std::min<uint64_t>(seconds * per_second_, max_)));
  }

  uint64_t since_ms_ = 0;
  uint32_t tokens_;
  uint32_t max_;
  uint32_t per_second_;
};

}  // namespace postern
