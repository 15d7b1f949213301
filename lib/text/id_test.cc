#include "lib/text/id.h"

#include <set>

#include <gtest/gtest.h>

namespace postern {
namespace {

// management-and-import.md §1.2: 10 characters [a-z0-9]. Clients store these ids: they never
// change.
TEST(IdTest, StableIdsNeverChange) {
  EXPECT_EQ(StableId("api\nPetstore"), "g4vpnq04ql");
  EXPECT_EQ(StableId("api\nPetstore", kResourceIdSize), "g4vpnq");
  EXPECT_EQ(StableId(""), "gt33uehk7g");
}

TEST(IdTest, StableIdsDiffer) {
  std::set<std::string> ids;
  for (int i = 0; i < 20000; ++i) {
    const std::string id = StableId(std::to_string(i));
    EXPECT_EQ(id.size(), 10u);
    EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 20000u);
}

// RFC 9562 §5.4.
TEST(IdTest, UuidV4HasVersionAndVariant) {
  uint8_t ones[16];
  uint8_t zeros[16] = {};
  std::fill(std::begin(ones), std::end(ones), 0xFF);
  char buffer[kUuidSize];
  EXPECT_EQ(FormatUuidV4(ones, buffer), "ffffffff-ffff-4fff-bfff-ffffffffffff");
  EXPECT_EQ(FormatUuidV4(zeros, buffer), "00000000-0000-4000-8000-000000000000");
  const uint8_t counted[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  EXPECT_EQ(FormatUuidV4(counted, buffer), "00010203-0405-4607-8809-0a0b0c0d0e0f");
  EXPECT_TRUE(IsUuid(FormatUuidV4(counted, buffer)));
}

// rest-api.md §4.5: a request id that is no UUID is ignored.
TEST(IdTest, IsUuid) {
  EXPECT_TRUE(IsUuid("8DB3B4DD-ecd5-436d-9eeb-a544e39d3e12"));
  for (std::string_view bad :
       {"", "8db3b4dd", "8db3b4ddecd5436d9eeba544e39d3e12", "8db3b4dd-ecd5-436d-9eeb-a544e39d3e1",
        "8db3b4dd-ecd5-436d-9eeb-a544e39d3e1g", "8db3b4dd-ecd5-436d-9eeb-a544e39d3e123",
        "8db3b4dd_ecd5-436d-9eeb-a544e39d3e12", "8db3b4ddaecd5-436d-9eeb-a544e39d3e12"}) {
    EXPECT_FALSE(IsUuid(bad)) << bad;
  }
}

}  // namespace
}  // namespace postern
