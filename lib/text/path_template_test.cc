#include "lib/text/path_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = PathPart::Kind;

std::string Error(std::string_view path) {
  const auto parsed = PathTemplate::Parse(path);
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

PathTemplate Parse(std::string_view path) {
  auto parsed = PathTemplate::Parse(path);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? *std::move(parsed) : PathTemplate();
}

std::string AddError(PathTemplateSet& set, std::string_view path) {
  return std::string(set.Add(Parse(path)).message());
}

// rest-api.md §2.6.
TEST(PathTemplateTest, Parts) {
  EXPECT_THAT(Parse("/").parts(), ElementsAre());
  EXPECT_THAT(Parse("/pets/{id}").parts(),
              ElementsAre(PathPart{Kind::kStatic, "pets"}, PathPart{Kind::kVariable, "id"}));
  EXPECT_THAT(Parse("/v1.0/a_b-c,d:e/{proxy+}").parts(),
              ElementsAre(PathPart{Kind::kStatic, "v1.0"}, PathPart{Kind::kStatic, "a_b-c,d:e"},
                          PathPart{Kind::kGreedy, "proxy"}));
  EXPECT_THAT(Parse("/{a}/{b}/{c+}").VariableNames(), ElementsAre("a", "b", "c"));
}

// rest-api.md §2.3 rule 2: a trailing slash never influences matching.
TEST(PathTemplateTest, TrailingSlashIsDropped) {
  EXPECT_EQ(Parse("/pets/"), Parse("/pets"));
  EXPECT_EQ(Parse("/pets/").ToString(), "/pets");
  EXPECT_EQ(Parse("/").ToString(), "/");
  EXPECT_EQ(Parse("/{id}/x/{rest+}").ToString(), "/{id}/x/{rest+}");
}

// rest-api.md §2.6 "Path part characters", "must be a whole segment".
TEST(PathTemplateTest, RefusesBadParts) {
  for (std::string_view bad :
       {"/pets{id}", "/{id}pets", "/{a}{b}", "/a b", "/a%20b", "/a$", "/a+", "/{", "/}", "/{a",
        "/a}", "/{a*}", "/{+a}", "/{a++}", "/{a b}", "/{{a}}", "/a?b", "/a~b", "/caf\xC3\xA9"}) {
    EXPECT_THAT(Error(bad), HasSubstr("Resource's path part only allow")) << bad;
  }
  for (std::string_view bad : {"/{}", "/{+}"}) EXPECT_THAT(Error(bad), HasSubstr("no name")) << bad;
  for (std::string_view bad : {"//", "/a//b", "//a", "/a//"}) {
    EXPECT_THAT(Error(bad), HasSubstr("doubled slash")) << bad;
  }
  for (std::string_view bad : {"", "pets", "{proxy+}"}) {
    EXPECT_THAT(Error(bad), HasSubstr("start with a slash")) << bad;
  }
  EXPECT_THAT(Error("/{id}/x/{id}"), HasSubstr("'id' is used twice"));
}

// rest-api.md §2.6, recorded message.
TEST(PathTemplateTest, GreedyMustBeLast) {
  EXPECT_THAT(
      Error("/{proxy+}/x"),
      HasSubstr("Cannot create a child of a resource with a greedy path variable: {proxy+}"));
}

// rest-api.md §2.6, recorded message.
TEST(PathTemplateSetTest, OneVariableChildPerParent) {
  PathTemplateSet set;
  EXPECT_EQ(AddError(set, "/{proxy+}"), "");
  EXPECT_THAT(AddError(set, "/{id}"),
              HasSubstr("A sibling ({proxy+}) of this resource already has a variable path part -- "
                        "only one is allowed"));
  EXPECT_EQ(AddError(set, "/pets/{id}/toys"), "");
  EXPECT_THAT(AddError(set, "/pets/{petId}"), HasSubstr("A sibling ({id})"));
  EXPECT_THAT(AddError(set, "/pets/{proxy+}"), HasSubstr("A sibling ({id})"));
  EXPECT_EQ(AddError(set, "/pets/{id}"), "");
  EXPECT_EQ(AddError(set, "/pets/{id}/{toy}"), "");
  EXPECT_EQ(AddError(set, "/pets/mine"), "");
}

// management-and-import.md §1.8 ConflictException.
TEST(PathTemplateSetTest, SamePathTwice) {
  PathTemplateSet set;
  EXPECT_EQ(AddError(set, "/a/b"), "");
  EXPECT_EQ(AddError(set, "/a"), "") << "so far it was only a parent";
  EXPECT_THAT(AddError(set, "/a/b/"),
              HasSubstr("Another resource with the same parent already has this name: b"));
  EXPECT_EQ(AddError(set, "/"), "");
  EXPECT_THAT(AddError(set, "/"), HasSubstr("Another resource"));
}

TEST(PathTemplateSetTest, RefusedPathLeavesNoTrace) {
  PathTemplateSet set;
  EXPECT_EQ(AddError(set, "/x/{a}"), "");
  EXPECT_NE(AddError(set, "/x/{b}/{c}"), "");
  EXPECT_EQ(AddError(set, "/x/{a}/{d}"), "");
}

}  // namespace
}  // namespace postern
