#include "core/http/http2/stream_history.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

using End = StreamHistory::End;

TEST(StreamHistory, Rfc9113S511SkippedStreamsAreKnown) {
  StreamHistory history;
  EXPECT_EQ(history.last(), 0u);
  history.Open(5);
  EXPECT_EQ(history.Get(1), End::kSkipped);
  EXPECT_EQ(history.Get(3), End::kSkipped);
  EXPECT_EQ(history.Get(5), End::kByUs);  // until it is told otherwise
  history.Set(5, End::kByEndStream);
  history.Open(7);
  history.Set(7, End::kByPeer);
  history.Open(11);
  EXPECT_EQ(history.Get(5), End::kByEndStream);
  EXPECT_EQ(history.Get(7), End::kByPeer);
  EXPECT_EQ(history.Get(9), End::kSkipped);
  EXPECT_EQ(history.last(), 11u);
}

TEST(StreamHistory, ForgetsWhatIsLongAgo) {
  StreamHistory history;
  for (uint32_t id = 1; id < 4 * StreamHistory::kWindow; id += 2) {
    history.Open(id);
    history.Set(id, id % 4 == 1 ? End::kByPeer : End::kByEndStream);
  }
  const uint32_t last = history.last();
  const uint32_t oldest = last - 2 * (StreamHistory::kWindow - 1);
  for (uint32_t id = oldest; id <= last; id += 2) {
    EXPECT_EQ(history.Get(id), id % 4 == 1 ? End::kByPeer : End::kByEndStream);
  }
  EXPECT_EQ(history.Get(1), End::kByEndStream);
  history.Set(1, End::kByPeer);  // too late: must not hit the slot's new owner
  EXPECT_EQ(history.Get(1 + 2 * StreamHistory::kWindow), End::kByPeer);
  EXPECT_EQ(history.Get(3 + 2 * StreamHistory::kWindow), End::kByEndStream);
}

TEST(StreamHistory, LongJumps) {
  StreamHistory history;
  history.Open(1);
  history.Set(1, End::kByPeer);
  history.Open(0x7fffffff);
  EXPECT_EQ(history.Get(0x7fffffff), End::kByUs);
  EXPECT_EQ(history.Get(0x7ffffffd), End::kSkipped);
  EXPECT_EQ(history.Get(0x7fffffff - 2 * (StreamHistory::kWindow - 1)), End::kSkipped);
}

}  // namespace
}  // namespace postern
