#include "core/observe/readiness.h"

#include <gtest/gtest.h>

#include <thread>

namespace postern {
namespace {

using Condition = Readiness::Condition;

// ../design/users.md §2 row 10: snapshot active, listeners open, not draining.
TEST(ReadinessTest, EverythingMustHold) {
  Readiness readiness;
  EXPECT_FALSE(readiness.ready());
  EXPECT_FALSE(readiness.started());
  readiness.Set(Condition::kSnapshot, true);
  readiness.Set(Condition::kListeners, true);
  EXPECT_FALSE(readiness.ready());
  readiness.Set(Condition::kWarm, false, "waiting for names");
  const std::vector<Readiness::State> states = readiness.States();
  ASSERT_EQ(states.size(), 4u);
  EXPECT_EQ(states[0].name, "snapshot");
  EXPECT_TRUE(states[0].holds);
  EXPECT_EQ(states[0].reason, "");
  EXPECT_EQ(states[2].name, "warm");
  EXPECT_EQ(states[2].reason, "waiting for names");
  readiness.Set(Condition::kWarm, true);
  EXPECT_TRUE(readiness.ready());
  EXPECT_TRUE(readiness.started());
}

TEST(ReadinessTest, EveryMissingConditionHasAReasonFromTheStart) {
  const Readiness readiness;
  for (const Readiness::State& state : readiness.States()) {
    EXPECT_EQ(state.reason.empty(), state.holds) << state.name;
  }
}

// ../design/users.md §2 rows 6 and 8: a drain ends readiness for good, but not what has been.
TEST(ReadinessTest, DrainIsForGood) {
  Readiness readiness;
  for (Condition condition : {Condition::kSnapshot, Condition::kListeners, Condition::kWarm}) {
    readiness.Set(condition, true);
  }
  readiness.BeginDrain("SIGTERM");
  EXPECT_FALSE(readiness.ready());
  EXPECT_TRUE(readiness.started());
  EXPECT_TRUE(readiness.draining());
  readiness.Set(Condition::kServing, true);
  EXPECT_FALSE(readiness.ready());
  EXPECT_EQ(readiness.States()[3].reason, "SIGTERM");
}

TEST(ReadinessTest, AnyThread) {
  Readiness readiness;
  std::thread setter([&] {
    for (int i = 0; i < 1000; ++i) readiness.Set(Condition::kWarm, i % 2 == 0, "not now");
  });
  for (int i = 0; i < 1000; ++i) {
    readiness.ready();
    readiness.States();
  }
  setter.join();
}

}  // namespace
}  // namespace postern
