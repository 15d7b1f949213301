#include "core/http/http2/budget.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(Budget, TheLastTokenIsTheLimit) {
  Budget budget(3, 1);
  EXPECT_TRUE(budget.Spend(0));
  EXPECT_TRUE(budget.Spend(999));
  EXPECT_FALSE(budget.Spend(999));
  EXPECT_FALSE(budget.Spend(999));
}

TEST(Budget, TimeGivesBackByWholeSeconds) {
  Budget budget(100, 10);
  for (int i = 0; i < 50; ++i) budget.Spend(5000);
  EXPECT_EQ(budget.Used(5999), 50u);
  EXPECT_EQ(budget.Used(6000), 40u);
  EXPECT_EQ(budget.Used(8500), 20u);
  EXPECT_EQ(budget.Used(9000), 10u);
  EXPECT_EQ(budget.Used(1u << 30), 0u);
  EXPECT_EQ(budget.Used(0), 0u);  // a clock that is not monotonic does no harm
}

TEST(Budget, EarningIsBoundedToo) {
  Budget budget(10, 0);
  budget.Spend(0);
  budget.Earn(UINT32_MAX);
  budget.Earn(UINT32_MAX);
  EXPECT_EQ(budget.Used(0), 0u);
}

}  // namespace
}  // namespace postern
