#include "lib/text/char_sink.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(StringSinkTest, AppendsBehindWhatIsThere) {
  std::string out = "start ";
  {
    StringSink sink(&out);
    sink.Append("middle");
    sink.Append(' ');
    char* room = sink.Reserve(3);
    std::memcpy(room, "end", 3);
    sink.Commit(3);
    EXPECT_FALSE(sink.failed());
  }
  EXPECT_EQ(out, "start middle end");
}

TEST(StringSinkTest, GrowsFromNothingThroughManyWindows) {
  std::string out;
  std::string expected;
  StringSink sink(&out);
  for (int i = 0; i < 100000; ++i) {
    const std::string piece(static_cast<size_t>(i % 17), static_cast<char>('a' + i % 26));
    sink.Append(piece);
    expected += piece;
  }
  sink.Finish();
  EXPECT_EQ(out, expected);
  sink.Append("more");
  sink.Finish();
  EXPECT_EQ(out, expected + "more");
}

TEST(StringSinkTest, FailsAtItsLimitAndStaysFailed) {
  std::string out;
  StringSink sink(&out, 10);
  sink.Append("0123456789");
  EXPECT_FALSE(sink.failed());
  sink.Append("x");
  EXPECT_TRUE(sink.failed());
  sink.Append('y');
  EXPECT_EQ(sink.Reserve(1), nullptr);
  sink.Finish();
  EXPECT_EQ(out, "0123456789");
}

TEST(StringSinkTest, FailedReserveDoesNotLetLaterTextIn) {
  std::string out;
  StringSink sink(&out, 10);
  sink.Append("01234567");
  EXPECT_EQ(sink.Reserve(5), nullptr);
  sink.Append("8");
  EXPECT_TRUE(sink.failed());
  sink.Finish();
  EXPECT_EQ(out, "01234567");
}

TEST(FixedSinkTest, HoldsExactlyItsBuffer) {
  char buffer[4];
  FixedSink sink(buffer, sizeof(buffer));
  sink.Append("ab");
  sink.Append("cd");
  EXPECT_FALSE(sink.failed());
  EXPECT_EQ(sink.written(), "abcd");
  sink.Append('e');
  EXPECT_TRUE(sink.failed());
  EXPECT_EQ(sink.written(), "abcd");
}

TEST(FixedSinkTest, EmptyTextIntoEmptyBufferIsNoFailure) {
  FixedSink sink(nullptr, 0);
  sink.Append(std::string_view());
  EXPECT_FALSE(sink.failed());
}

}  // namespace
}  // namespace postern
