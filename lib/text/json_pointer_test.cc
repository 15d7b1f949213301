#include "lib/text/json_pointer.h"

#include "gtest/gtest.h"

namespace postern {
namespace {

// RFC 6901 §3.
TEST(JsonPointerTest, Tokens) {
  EXPECT_EQ(EscapePointerToken("/pets/{id}~"), "~1pets~1{id}~0");
  EXPECT_EQ(UnescapePointerToken("~1pets~1{id}~0"), "/pets/{id}~");
  EXPECT_EQ(UnescapePointerToken("~01"), "~1");
  EXPECT_EQ(UnescapePointerToken("~"), std::nullopt);
  EXPECT_EQ(UnescapePointerToken("~2"), std::nullopt);
}

// RFC 6901 §4.
TEST(JsonPointerTest, Indexes) {
  EXPECT_EQ(ReadPointerIndex("0"), 0u);
  EXPECT_EQ(ReadPointerIndex("12"), 12u);
  for (const char* token : {"", "01", "-1", "1a", "-", "99999999999999999999999"}) {
    EXPECT_EQ(ReadPointerIndex(token), std::nullopt) << token;
  }
}

}  // namespace
}  // namespace postern
