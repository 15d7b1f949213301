#include "control/common/strings.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

using testing::ElementsAre;

TEST(Strings, Split) {
  EXPECT_THAT(Split("a:b::c", ':'), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(Split("a:b:c", ':', 2), ElementsAre("a", "b:c"));
  EXPECT_THAT(Split("", ':'), ElementsAre(""));
  EXPECT_THAT(Split("a:", ':'), ElementsAre("a", ""));
}

TEST(Strings, Join) {
  EXPECT_EQ(Join({}, ", "), "");
  EXPECT_EQ(Join({"a", "", "c"}, ", "), "a, , c");
}

TEST(Strings, TrimSpace) {
  EXPECT_EQ(TrimSpace(" \n a b\t"), "a b");
  EXPECT_EQ(TrimSpace("  "), "");
  EXPECT_EQ(TrimSpace(""), "");
}

TEST(Strings, Consume) {
  std::string_view text = "path/x";
  EXPECT_FALSE(ConsumePrefix(text, "action/"));
  EXPECT_TRUE(ConsumePrefix(text, "path/"));
  EXPECT_TRUE(ConsumeSuffix(text, "x"));
  EXPECT_EQ(text, "");
  EXPECT_FALSE(ConsumeSuffix(text, "x"));
}

}  // namespace
}  // namespace postern
