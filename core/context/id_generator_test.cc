#include "core/context/id_generator.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "lib/text/id.h"

namespace postern {
namespace {

TEST(IdGeneratorTest, RequestIdIsUuid_RestApi4_5) {
  IdGenerator ids;
  BlockPool pool;
  Arena arena(&pool);
  std::set<std::string> seen;
  for (int i = 0; i < 10000; ++i) {
    const std::string id(ids.NewRequestId(&arena));
    ASSERT_TRUE(IsUuid(id)) << id;
    EXPECT_EQ(id[14], '4');
    seen.insert(id);
  }
  EXPECT_EQ(seen.size(), 10000u);
}

TEST(IdGeneratorTest, ExtendedRequestIdIs16CharactersEndingInEquals_RestApi4_5) {
  IdGenerator ids;
  BlockPool pool;
  Arena arena(&pool);
  std::set<std::string> seen;
  for (int i = 0; i < 10000; ++i) {
    const std::string id(ids.NewExtendedRequestId(&arena));
    ASSERT_EQ(id.size(), 16u);
    EXPECT_EQ(id.back(), '=');
    EXPECT_NE(id[14], '=');
    seen.insert(id);
  }
  EXPECT_EQ(seen.size(), 10000u);
}

TEST(IdGeneratorTest, SeedsDifferAndRepeat) {
  IdGenerator a(1), b(1), c(2);
  const uint64_t first = a.Next();
  EXPECT_EQ(first, b.Next());
  EXPECT_NE(first, c.Next());
  IdGenerator x, y;
  EXPECT_NE(x.Next(), y.Next());
}

TEST(IdGeneratorTest, HexHasDigitsAskedFor) {
  IdGenerator ids(7);
  std::string text(40, '?');
  ids.WriteHex(24, text.data());
  EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), 24u);
  EXPECT_EQ(text.substr(24), std::string(16, '?'));
}

}  // namespace
}  // namespace postern
