#include "core/http/http2/field_section.h"

#include <gtest/gtest.h>

#include <string>

#include "core/http/message.h"

namespace postern {
namespace {

TEST(IsLowerCaseToken, Rfc9113S821) {
  EXPECT_TRUE(IsLowerCaseToken("x-a_b.c~1"));
  EXPECT_TRUE(IsLowerCaseToken("!#$%&'*+-.^_`|~"));
  EXPECT_FALSE(IsLowerCaseToken(""));
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    EXPECT_EQ(IsLowerCaseToken(std::string(1, byte)),
              IsToken(std::string(1, byte)) && (byte < 'A' || byte > 'Z'))
        << c;
  }
}

// The fast test says what the plain one says, wherever the byte stands.
TEST(IsCleanFieldValue, AgreesWithIsFieldValue) {
  EXPECT_TRUE(IsCleanFieldValue(""));
  for (size_t size = 1; size < 20; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string value(size, 'a');
        value[at] = static_cast<char>(c);
        ASSERT_EQ(IsCleanFieldValue(value), IsFieldValue(value)) << size << " " << at << " " << c;
        value[(at + 3) % size] = '\xff';  // borrows between bytes must not matter
        ASSERT_EQ(IsCleanFieldValue(value), IsFieldValue(value)) << size << " " << at << " " << c;
      }
    }
  }
}

}  // namespace
}  // namespace postern
