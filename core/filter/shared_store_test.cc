#include "core/filter/shared_store.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace postern {
namespace {

class SharedStoreTest : public testing::Test {
 protected:
  std::string Get(std::string_view module, std::string_view key, uint64_t now = 0) {
    char buf[64];
    size_t len = 0;
    const postern_status status = store_.Get(module, key, buf, sizeof(buf), &len, nullptr, now);
    return status != POSTERN_OK ? "(" + std::to_string(status) + ")" : std::string(buf, len);
  }
  postern_status Put(std::string_view key, std::string_view value,
                     uint64_t expect = POSTERN_SHARED_ANY, uint64_t ttl = 0, uint64_t now = 0) {
    return store_.Put("m", key, value, expect, ttl, &version_, now);
  }

  SharedStore store_{64 * 1024};
  uint64_t version_ = 0;
};

// plugin-abi.md §6, "Shared by all workers".
TEST_F(SharedStoreTest, StoresUnderVersions) {
  EXPECT_EQ(Get("m", "k"), "(-3)");
  EXPECT_EQ(Put("k", "one", POSTERN_SHARED_ABSENT), POSTERN_OK);
  const uint64_t first = version_;
  EXPECT_GT(first, 0u);
  EXPECT_EQ(Put("k", "two", POSTERN_SHARED_ABSENT), POSTERN_E_CONFLICT);
  EXPECT_EQ(Put("k", "two", first), POSTERN_OK);
  EXPECT_NE(version_, first);
  EXPECT_EQ(Put("k", "three", first), POSTERN_E_CONFLICT);
  EXPECT_EQ(Put("k", "four"), POSTERN_OK);
  EXPECT_EQ(Get("m", "k"), "four");
  EXPECT_EQ(Get("other", "k"), "(-3)");
  EXPECT_EQ(Put("k", std::string_view()), POSTERN_OK);  // null data removes
  EXPECT_EQ(version_, 0u);
  EXPECT_EQ(Get("m", "k"), "(-3)");
}

TEST_F(SharedStoreTest, CopiesAsMuchAsThereIsRoomFor) {
  Put("k", "123456");
  char buf[3];
  size_t len = 0;
  EXPECT_EQ(store_.Get("m", "k", buf, 3, &len, nullptr, 0), POSTERN_OK);
  EXPECT_EQ(len, 6u);
  EXPECT_EQ(std::string_view(buf, 3), "123");
}

TEST_F(SharedStoreTest, KeysLiveAsLongAsTheySay) {
  Put("k", "v", POSTERN_SHARED_ANY, 100, 1000);
  EXPECT_EQ(Get("m", "k", 1099), "v");
  EXPECT_EQ(Get("m", "k", 1100), "(-3)");
  int64_t sum = 0;
  EXPECT_EQ(store_.Add("m", "n", 1, 50, &sum, 1000), POSTERN_OK);
  EXPECT_EQ(store_.Add("m", "n", 1, 50, &sum, 1040), POSTERN_OK);
  EXPECT_EQ(sum, 2);  // a fixed window: set when the key is made
  EXPECT_EQ(store_.Add("m", "n", 1, 50, &sum, 1050), POSTERN_OK);
  EXPECT_EQ(sum, 1);
}

TEST_F(SharedStoreTest, AddsAndSaturates) {
  int64_t sum = 0;
  EXPECT_EQ(store_.Add("m", "n", INT64_MAX, 0, &sum, 0), POSTERN_OK);
  EXPECT_EQ(store_.Add("m", "n", 5, 0, &sum, 0), POSTERN_OK);
  EXPECT_EQ(sum, INT64_MAX);
  Put("text", "abc");
  EXPECT_EQ(store_.Add("m", "text", 1, 0, &sum, 0), POSTERN_E_INVALID);
}

TEST_F(SharedStoreTest, IsBounded) {
  EXPECT_EQ(Put("", "v"), POSTERN_E_INVALID);
  EXPECT_EQ(Put(std::string(257, 'k'), "v"), POSTERN_E_INVALID);
  EXPECT_EQ(Put("k", std::string(65 * 1024, 'v')), POSTERN_E_INVALID);
  int stored = 0;
  for (int i = 0; i < 2000; ++i) {
    const postern_status status =
        Put("k" + std::to_string(i), std::string(100, 'v'), POSTERN_SHARED_ANY, 1000, 5000);
    if (status == POSTERN_OK) {
      ++stored;
    } else {
      EXPECT_EQ(status, POSTERN_E_LIMIT);
    }
  }
  EXPECT_GT(stored, 100);
  EXPECT_LT(stored, 400);
  // What has run out makes room.
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Put("n" + std::to_string(i), "v", POSTERN_SHARED_ANY, 0, 7000), POSTERN_OK);
  }
}

TEST_F(SharedStoreTest, ManyThreadsAddUp) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this] {
      for (int n = 0; n < 1000; ++n) store_.Add("m", "sum", 1, 0, nullptr, 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t sum = 0;
  store_.Add("m", "sum", 0, 0, &sum, 0);
  EXPECT_EQ(sum, 8000);
}

}  // namespace
}  // namespace postern
