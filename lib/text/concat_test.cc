#include "lib/text/concat.h"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(ConcatTest, JoinsTextAndIntegers) {
  const std::string owned = "b";
  EXPECT_EQ(Concat("a", owned, std::string_view("c"), 'd', 1, uint16_t{2}, size_t{3}), "abcd123");
  EXPECT_EQ(Concat(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(Concat(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(Concat(std::string_view()), "");
}

}  // namespace
}  // namespace postern
