#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/sdk/testing/fake_host.h"

namespace {

using postern::testing::FakeHost;
using postern::testing::FakeStream;
using postern::testing::Headers;

std::string Transform(std::vector<std::string> chunks, Headers trailers = {}) {
  FakeHost host;
  EXPECT_TRUE(host.Configure()) << host.ErrorText();
  FakeStream& stream = host.NewStream();
  stream.Request();
  stream.Respond(200, {{"content-length", "7"}, {"etag", "\"1\""}}, std::move(chunks),
                 std::move(trailers));
  stream.Finish();
  EXPECT_TRUE(stream.client().complete);
  EXPECT_FALSE(stream.client().Has("content-length"));
  EXPECT_FALSE(stream.client().Has("etag"));
  return stream.client().body;
}

TEST(HexPairs, DoesNotDependOnWhereChunksEnd) {
  const std::string whole = "6162 6364 6566 67";
  EXPECT_EQ(Transform({"abcdefg"}), whole);
  EXPECT_EQ(Transform({"abc", "d", "efg"}), whole);
  EXPECT_EQ(Transform({"a", "b", "c", "d", "e", "f", "g", ""}), whole);
}

// The end of a body is body_last, whether or not trailers follow.
TEST(HexPairs, FlushesBeforeTrailers) {
  EXPECT_EQ(Transform({"abc"}, {{"x-sum", "1"}}), "6162 63");
}

TEST(HexPairs, LeavesMessagesWithoutBodyAlone) {
  FakeHost host;
  ASSERT_TRUE(host.Configure());
  FakeStream& stream = host.NewStream();
  stream.Request();
  stream.Respond(204, {{"etag", "\"1\""}});
  EXPECT_EQ(stream.client().Get("etag"), "\"1\"");
}

}  // namespace
