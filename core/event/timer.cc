#include "core/event/timer.h"

#include <algorithm>
#include <bit>

namespace postern {

void Timer::Start(uint64_t delay_ms) {
  if (armed()) wheel_->Remove(this);
  if (wheel_->read_clock_ != nullptr) wheel_->SetNow(wheel_->read_clock_(wheel_->read_clock_arg_));
  // A delay counts from the moment just told; the tick under way has partly passed already, so one
  // more keeps the promise "never early".
  expires_ = std::max(wheel_->now_, wheel_->clock_) + delay_ms + 1;
  wheel_->Insert(this);
  if (expires_ < wheel_->next_) {
    wheel_->next_ = expires_;
    if (wheel_->on_earlier_ != nullptr) wheel_->on_earlier_(wheel_->on_earlier_arg_);
  }
}

void Timer::Cancel() {
  if (armed()) wheel_->Remove(this);
}

void TimerWheel::Insert(Timer* timer) {
  // The level is where the expiry and the present first differ, so each slot holds one turn only.
  const uint64_t at = std::max(timer->expires_, now_ + 1);
  const uint64_t differ = at ^ now_;
  int level = 0;
  while (level < kLevels - 1 && (differ >> (kBits * (level + 1))) != 0) ++level;
  uint64_t slot_time = at >> (kBits * level);
  if (level == kLevels - 1) {
    // The top level is a ring: what lies further than one turn is placed again from its last slot.
    slot_time = std::min(slot_time, (now_ >> (kBits * level)) + kSlots - 1);
  }
  const int slot = static_cast<int>(slot_time & (kSlots - 1));
  timer->level_ = static_cast<uint8_t>(level);
  timer->slot_ = static_cast<uint8_t>(slot);
  slots_[level][slot].PushBack(timer);
  occupied_[level] |= uint64_t{1} << slot;
}

void TimerWheel::Remove(Timer* timer) {
  timer->Unlink();
  auto& list = slots_[timer->level_][timer->slot_];
  if (list.empty()) occupied_[timer->level_] &= ~(uint64_t{1} << timer->slot_);
}

uint64_t TimerWheel::NextExpiry() const {
  uint64_t best = UINT64_MAX;
  for (int level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const int shift = kBits * level;
    const uint64_t current = now_ >> shift;
    const int index = static_cast<int>(current & (kSlots - 1));
    // Slots behind the current one of this turn; a slot at or before it belongs to the next turn,
    // which only the top level can hold.
    const uint64_t rotated = std::rotr(occupied_[level], (index + 1) & (kSlots - 1));
    const int ahead = std::countr_zero(rotated) + 1;
    best = std::min(best, (current + static_cast<uint64_t>(ahead)) << shift);
  }
  return best;
}

void TimerWheel::Advance(uint64_t now_ms) {
  SetNow(now_ms);
  for (;;) {
    const uint64_t next = NextExpiry();
    if (next > now_ms) {
      next_ = next;
      break;
    }
    now_ = next;
    // From the top down: a slot whose turn begins now is spread over the levels below, which may
    // put a timer into the very slot that fires in this round.
    for (int level = kLevels - 1; level >= 0; --level) {
      const int shift = kBits * level;
      if ((now_ & ((uint64_t{1} << shift) - 1)) != 0) continue;
      const int slot = static_cast<int>((now_ >> shift) & (kSlots - 1));
      if ((occupied_[level] & (uint64_t{1} << slot)) == 0) continue;
      IntrusiveList<Timer> due;
      due.TakeAll(&slots_[level][slot]);
      occupied_[level] &= ~(uint64_t{1} << slot);
      while (Timer* timer = due.PopFront()) {
        if (timer->expires_ > now_) {
          Insert(timer);
        } else {
          // Fired by way of its own slot so that a callback that destroys or restarts any timer,
          // this one included, finds consistent lists.
          timer->callback_(timer->arg_);
        }
      }
    }
  }
  if (now_ms > now_) {
    // Nothing lies between: the present can move, but not past a boundary that holds timers of a
    // higher level, or they would be read as belonging to the next turn.
    now_ = now_ms;
  }
}

}  // namespace postern
