#include "lib/text/json_unique.h"

#include <string>

#include "gtest/gtest.h"

namespace postern {
namespace {

TEST(JsonUniqueTest, FindsRepeatedNames) {
  JsonReader reader;
  ASSERT_TRUE(reader.Parse(R"({"a":1,"b":2,"\u0061":3})").ok());
  EXPECT_EQ(RepeatedName(reader.root()), "a");
  ASSERT_TRUE(reader.Parse(R"({"a":{"b":1},"c":[{"b":1},{"b":2}]})").ok());
  EXPECT_FALSE(RepeatedName(reader.root()).has_value());
  EXPECT_TRUE(HasUniqueNames(reader.root()));
  ASSERT_TRUE(reader.Parse(R"([0,[{"x":[{"b":1,"b":1}]}]])").ok());
  EXPECT_FALSE(RepeatedName(reader.root()).has_value());
  EXPECT_FALSE(HasUniqueNames(reader.root()));
}

TEST(JsonUniqueTest, AlsoAmongMany) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"n" + std::to_string(i) + "\":0,";
  JsonReader reader;
  ASSERT_TRUE(reader.Parse(text + "\"last\":0}").ok());
  EXPECT_FALSE(RepeatedName(reader.root()).has_value());
  ASSERT_TRUE(reader.Parse(text + "\"n500\":0}").ok());
  EXPECT_EQ(RepeatedName(reader.root()), "n500");
}

}  // namespace
}  // namespace postern
