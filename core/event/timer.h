#pragma once

#include <cstdint>

#include "core/base/intrusive_list.h"

namespace postern {

class TimerWheel;

/// One-shot timer of a worker. Starting, moving and cancelling cost a few pointer writes and never
/// a system call. Cancelled by its destructor. Not thread-safe.
class Timer : public ListNode<Timer> {
 public:
  using Callback = void (*)(void* arg);

  /// `callback(arg)` runs on the wheel's worker. It may restart this timer or destroy it.
  Timer(TimerWheel* wheel, Callback callback, void* arg)
      : wheel_(wheel), callback_(callback), arg_(arg) {}
  ~Timer() { Cancel(); }

  /// (Re)starts: fires once after `delay_ms`, never early, late by at most a millisecond plus what
  /// the loop is busy with.
  void Start(uint64_t delay_ms);

  void Cancel();
  bool armed() const { return linked(); }

 private:
  friend class TimerWheel;
  TimerWheel* wheel_;
  Callback callback_;
  void* arg_;
  uint64_t expires_ = 0;  // milliseconds of the wheel's clock
  uint8_t level_ = 0;
  uint8_t slot_ = 0;
};

/// Hierarchical timing wheel: five levels of 64 slots over milliseconds, so twelve days ahead; what
/// lies further waits in the last slot and is placed again. Knows no clock: its owner says what
/// time it is. Not thread-safe.
class TimerWheel {
 public:
  explicit TimerWheel(uint64_t now_ms) : now_(now_ms) {}

  /// Fires everything due at or before `now_ms`.
  void Advance(uint64_t now_ms);

  /// Time at which Advance() must next be called; UINT64_MAX with no timer armed. May be earlier
  /// than the first expiry (a slot is then only spread over a lower level), never later.
  uint64_t NextExpiry() const;

  /// The time of the last Advance(); delays count from here.
  uint64_t now() const { return now_; }

  /// Moves the base of delays without firing; the next Advance() fires what became due.
  void SetNow(uint64_t now_ms) {
    if (now_ms > clock_) clock_ = now_ms;
  }

  /// Where delays count from, if time may have passed since SetNow() was last called.
  void set_clock(uint64_t (*clock)(void*), void* arg) {
    read_clock_ = clock;
    read_clock_arg_ = arg;
  }

  /// Called after a timer was started with an expiry before all others.
  void set_on_earlier(void (*callback)(void*), void* arg) {
    on_earlier_ = callback;
    on_earlier_arg_ = arg;
  }

 private:
  friend class Timer;
  static constexpr int kBits = 6;
  static constexpr int kSlots = 1 << kBits;
  static constexpr int kLevels = 5;

  void Insert(Timer* timer);
  void Remove(Timer* timer);

  uint64_t now_;                // every slot at or before this has fired
  uint64_t clock_ = 0;          // newest time told; delays count from max(now_, clock_)
  uint64_t next_ = UINT64_MAX;  // what the owner was last told to wake for
  uint64_t occupied_[kLevels] = {};
  IntrusiveList<Timer> slots_[kLevels][kSlots];
  uint64_t (*read_clock_)(void*) = nullptr;
  void* read_clock_arg_ = nullptr;
  void (*on_earlier_)(void*) = nullptr;
  void* on_earlier_arg_ = nullptr;
};

}  // namespace postern
