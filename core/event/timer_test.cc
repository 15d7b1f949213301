#include "core/event/timer.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

namespace postern {
namespace {

struct Fired {
  explicit Fired(TimerWheel* w)
      : wheel(w),
        timer(
            w,
            [](void* arg) {
              static_cast<Fired*>(arg)->at = static_cast<Fired*>(arg)->wheel->now();
            },
            this) {}
  TimerWheel* wheel;
  Timer timer;
  uint64_t at = 0;
  uint64_t due = 0;
};

TEST(TimerWheel, NeverEarlyAndAtMostOneTickLate) {
  std::mt19937_64 random(7);
  TimerWheel wheel(1000);
  std::vector<std::unique_ptr<Fired>> all;
  uint64_t now = 1000;
  for (int round = 0; round < 2000; ++round) {
    auto fired = std::make_unique<Fired>(&wheel);
    const uint64_t delay = random() % (uint64_t{1} << (random() % 24));
    fired->due = now + delay;
    fired->timer.Start(delay);
    all.push_back(std::move(fired));
    if (round % 7 == 0) {
      now += random() % 5000;
      wheel.Advance(now);
    }
  }
  while (wheel.NextExpiry() != UINT64_MAX) {
    now = wheel.NextExpiry();
    wheel.Advance(now);
  }
  for (const auto& fired : all) {
    ASSERT_NE(fired->at, 0u);
    EXPECT_GE(fired->at, fired->due);
    EXPECT_LE(fired->at, fired->due + 1);
  }
}

TEST(TimerWheel, NextExpiryIsNeverLate) {
  TimerWheel wheel(0);
  Fired fired(&wheel);
  fired.timer.Start(100000);
  int wakes = 0;
  while (fired.at == 0) {
    ASSERT_LT(++wakes, 10);
    wheel.Advance(wheel.NextExpiry());
  }
  EXPECT_EQ(fired.at, 100001u);
}

TEST(TimerWheel, CancelAndRestartInsideACallback) {
  TimerWheel wheel(0);
  struct Pair {
    explicit Pair(TimerWheel* w)
        : other(
              w, [](void* arg) { ++static_cast<Pair*>(arg)->other_fired; }, this),
          first(
              w,
              [](void* arg) {
                auto* self = static_cast<Pair*>(arg);
                self->other.Cancel();
                if (++self->first_fired < 3) self->first.Start(5);
              },
              this) {}
    Timer other;
    Timer first;
    int other_fired = 0;
    int first_fired = 0;
  } pair(&wheel);
  pair.first.Start(10);
  pair.other.Start(10);
  for (uint64_t now = 0; now < 100; ++now) wheel.Advance(now);
  EXPECT_EQ(pair.other_fired, 0);
  EXPECT_EQ(pair.first_fired, 3);
}

TEST(TimerWheel, AcrossTheTurnOfEachLevel) {
  for (int bits = 6; bits <= 36; bits += 6) {
    TimerWheel wheel((uint64_t{1} << bits) - 3);
    Fired fired(&wheel);
    fired.timer.Start(10);
    while (fired.at == 0) wheel.Advance(wheel.NextExpiry());
    EXPECT_EQ(fired.at, (uint64_t{1} << bits) + 8) << bits;
  }
}

TEST(TimerWheel, BeyondTheLastLevel) {
  TimerWheel wheel(0);
  Fired fired(&wheel);
  const uint64_t far = uint64_t{1} << 33;
  fired.timer.Start(far);
  while (fired.at == 0) wheel.Advance(wheel.NextExpiry());
  EXPECT_EQ(fired.at, far + 1);
}

}  // namespace
}  // namespace postern
