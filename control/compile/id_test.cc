#include "control/compile/id.h"

#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace postern {
namespace {

bool IsLowerAlnum(const std::string& text) {
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos;
}

// management-and-import.md 1.2: ten characters of [a-z0-9], the same at every start.
TEST(Id, ApiIdComesFromTheName) {
  const std::string id = ApiIdFromName("Petstore");
  EXPECT_EQ(id.size(), 10u);
  EXPECT_TRUE(IsLowerAlnum(id)) << id;
  EXPECT_TRUE(IsApiId(id));
  EXPECT_EQ(id, ApiIdFromName("Petstore"));
  EXPECT_NE(id, ApiIdFromName("petstore"));
  // A change of this value changes the URLs of every API there is.
  EXPECT_EQ(id, "g4vpnq04ql");
}

// management-and-import.md 1.2: six characters, ten for the root.
TEST(Id, ResourceIds) {
  const auto ids = ResourceIds("abc", {"/", "/pets", "/pets/{id}"});
  EXPECT_EQ(ids.at("/").size(), 10u);
  EXPECT_EQ(ids.at("/pets").size(), 6u);
  EXPECT_TRUE(IsLowerAlnum(ids.at("/pets/{id}")));
  // Adding a path changes no other id.
  EXPECT_EQ(ResourceIds("abc", {"/zoo", "/pets"}).at("/pets"), ids.at("/pets"));
  EXPECT_NE(ResourceIds("abd", {"/pets"}).at("/pets"), ids.at("/pets"));
}

TEST(Id, ResourceIdsNeverCollide) {
  std::vector<std::string> paths;
  for (int i = 0; i < 100000; ++i) paths.push_back("/p" + std::to_string(i));
  std::set<std::string> ids;
  for (const auto& [path, id] : ResourceIds("abc", paths)) {
    EXPECT_EQ(id.size(), 6u);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), paths.size());
}

TEST(Id, WhatAnApiIdMayBe) {
  for (const char* good : {"a", "a1b2c3d4e5", "pet-store"}) EXPECT_TRUE(IsApiId(good)) << good;
  for (const std::string& bad :
       {std::string(), std::string("A"), std::string("a.b"), std::string("-a"), std::string("a-"),
        std::string("a_b"), std::string(65, 'a')}) {
    EXPECT_FALSE(IsApiId(bad)) << bad;
  }
}

}  // namespace
}  // namespace postern
