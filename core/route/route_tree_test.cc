#include "core/route/route_tree.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lib/text/concat.h"

namespace postern {
namespace {

using Resources = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// A tree together with the names of its routes, "METHOD /path".
struct Named {
  explicit Named(const Resources& resources) {
    RouteTree::Builder builder;
    for (const auto& [path, methods] : resources) {
      const auto parsed = PathTemplate::Parse(path);
      EXPECT_TRUE(parsed.ok()) << parsed.status();
      for (const std::string& method : methods) {
        const absl::Status added =
            builder.Add(*parsed, ParseMethodBit(method), static_cast<uint32_t>(names.size()));
        EXPECT_TRUE(added.ok()) << added;
        names.push_back(Concat(method, " ", path));
      }
    }
    tree = builder.Build(&numbers);
  }

  /// "METHOD /path a=1 b=2"-like: the route's name and the values, or "403".
  std::string Find(std::string_view method, std::string_view path) const {
    RouteTree::Match match;
    if (!tree.Find(path, ParseMethodBit(method), &match)) return "403";
    std::string out = names[numbers[match.route]];
    for (uint32_t i = 0; i < match.value_count; ++i) {
      out += Concat(" ", std::string_view(match.values[i].data, match.values[i].size));
    }
    return out;
  }

  RouteTree tree;
  std::vector<std::string> names;
  std::vector<uint32_t> numbers;
};

TEST(RouteTreeTest, MethodMismatchFallsThroughToGreedyAncestor_RestApi3_2) {
  const Named api(
      Resources{{"/test", {"POST"}}, {"/test/any", {"ANY"}}, {"/{proxy+}", {"OPTIONS"}}});
  EXPECT_EQ(api.Find("OPTIONS", "/test"), "OPTIONS /{proxy+} test");
  EXPECT_EQ(api.Find("OPTIONS", "/test/any"), "ANY /test/any");
  EXPECT_EQ(api.Find("GET", "/test/any"), "ANY /test/any");
  EXPECT_EQ(api.Find("GET", "/test"), "403");
}

TEST(RouteTreeTest, SearchLeavesSubtreeAgain_RestApi3_2) {
  const Named api(
      Resources{{"/part1", {"GET"}}, {"/part1/hardcoded-value", {"GET"}}, {"/{param+}", {"GET"}}});
  EXPECT_EQ(api.Find("GET", "/part1"), "GET /part1");
  EXPECT_EQ(api.Find("GET", "/part1/hardcoded-value"), "GET /part1/hardcoded-value");
  EXPECT_EQ(api.Find("GET", "/part1/random-value"), "GET /{param+} part1/random-value");
}

TEST(RouteTreeTest, ResourceWithoutMethodsIsNoCandidate_RestApi3_2) {
  const Named api(Resources{{"/jobs/{op}", {"GET"}}, {"/jobs", {}}, {"/{proxy+}", {"ANY"}}});
  EXPECT_EQ(api.Find("GET", "/jobs"), "ANY /{proxy+} jobs");
  EXPECT_EQ(api.Find("GET", "/jobs/reboot"), "GET /jobs/{op} reboot");
  EXPECT_EQ(api.Find("POST", "/jobs/reboot"), "ANY /{proxy+} jobs/reboot");
}

TEST(RouteTreeTest, OptionsOnlyResourceFallsThrough_RestApi3_2) {
  const Named api(Resources{{"/cors_only", {"OPTIONS"}}, {"/{proxy+}", {"ANY"}}});
  EXPECT_EQ(api.Find("GET", "/cors_only"), "ANY /{proxy+} cors_only");
  EXPECT_EQ(api.Find("OPTIONS", "/cors_only"), "OPTIONS /cors_only");
}

TEST(RouteTreeTest, GuardedPostDoesNotGuardOpenGreedy_RestApi3_2) {
  const Named api(Resources{{"/admin", {"POST"}}, {"/{proxy+}", {"ANY"}}});
  EXPECT_EQ(api.Find("GET", "/admin"), "ANY /{proxy+} admin");
}

TEST(RouteTreeTest, GreedyDoesNotMatchItsParent_RestApi3_2) {
  const Named api(Resources{{"/{proxy+}", {"ANY"}}});
  EXPECT_EQ(api.Find("GET", "/"), "403");
  const Named nested(Resources{{"/a/{proxy+}", {"ANY"}}});
  EXPECT_EQ(nested.Find("GET", "/a"), "403");
  EXPECT_EQ(nested.Find("GET", "/a/"), "403");
  EXPECT_EQ(nested.Find("GET", "/a//"), "403");
  EXPECT_EQ(nested.Find("GET", "/a/b"), "ANY /a/{proxy+} b");
}

TEST(RouteTreeTest, NotFound_RestApi3_2) {
  const Named api(Resources{{"/existing", {"GET"}}});
  EXPECT_EQ(api.Find("GET", "/random"), "403");
  EXPECT_EQ(api.Find("POST", "/existing"), "403");
  EXPECT_EQ(api.Find("GET", "/existing/more"), "403");
  EXPECT_EQ(api.Find("GET", "/existin"), "403");
  EXPECT_EQ(api.Find("GET", "/existing2"), "403");
  EXPECT_EQ(api.Find("GET", "/"), "403");
}

TEST(RouteTreeTest, SpecificMethodBeatsAny_RestApi3_1) {
  const Named api(Resources{{"/x", {"ANY", "GET", "DELETE"}}});
  EXPECT_EQ(api.Find("GET", "/x"), "GET /x");
  EXPECT_EQ(api.Find("DELETE", "/x"), "DELETE /x");
  EXPECT_EQ(api.Find("POST", "/x"), "ANY /x");
}

TEST(RouteTreeTest, AnyCoversTheSevenMethodsOnly_RestApi2_5) {
  const Named api(Resources{{"/x", {"ANY"}}});
  for (const char* method : {"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"}) {
    EXPECT_EQ(api.Find(method, "/x"), "ANY /x");
  }
  RouteTree::Match match;
  EXPECT_FALSE(api.tree.Find("/x", MethodBit(Method::kOther), &match));
  EXPECT_FALSE(api.tree.Find("/x", MethodBit(Method::kTrace), &match));
  EXPECT_FALSE(api.tree.Find("/x", MethodBit(Method::kConnect), &match));
}

TEST(RouteTreeTest, HeadIsNotServedByGet_RestApi2_5) {
  const Named api(Resources{{"/x", {"GET"}}});
  EXPECT_EQ(api.Find("HEAD", "/x"), "403");
}

TEST(RouteTreeTest, RankIsSegmentBySegmentFromTheLeft_RestApi3_1) {
  const Named api(Resources{
      {"/a/{p}/c", {"GET"}}, {"/{q}/b/c", {"GET"}}, {"/a/b/{r+}", {"GET"}}, {"/{s+}", {"GET"}}});
  // Static first segment beats everything further right.
  EXPECT_EQ(api.Find("GET", "/a/b/c"), "GET /a/b/{r+} c");
  EXPECT_EQ(api.Find("GET", "/a/x/c"), "GET /a/{p}/c x");
  EXPECT_EQ(api.Find("GET", "/x/b/c"), "GET /{q}/b/c x");
  EXPECT_EQ(api.Find("GET", "/a/x/d"), "GET /{s+} a/x/d");
  EXPECT_EQ(api.Find("GET", "/a/b"), "GET /{s+} a/b");
}

TEST(RouteTreeTest, BacktrackingForgetsValuesOfTheBranchLeft_RestApi3_1) {
  const Named api(Resources{{"/{a}/{b}/x", {"GET"}}, {"/{a}/{rest+}", {"GET"}}});
  EXPECT_EQ(api.Find("GET", "/1/2/x"), "GET /{a}/{b}/x 1 2");
  EXPECT_EQ(api.Find("GET", "/1/2/y"), "GET /{a}/{rest+} 1 2/y");
}

TEST(RouteTreeTest, TrailingSlashesInfluenceNothing_RestApi2_3) {
  const Named api(
      Resources{{"/", {"GET"}}, {"/pets", {"GET"}}, {"/pets/{id}", {"GET"}}, {"/f/{p+}", {"GET"}}});
  EXPECT_EQ(api.Find("GET", "/"), "GET /");
  EXPECT_EQ(api.Find("GET", "//"), "GET /");
  EXPECT_EQ(api.Find("GET", "/pets/"), "GET /pets");
  EXPECT_EQ(api.Find("GET", "/pets/7/"), "GET /pets/{id} 7");
  EXPECT_EQ(api.Find("GET", "/f/a/b/"), "GET /f/{p+} a/b");
}

TEST(RouteTreeTest, DoubledSlashesInsideStayInGreedyValue_RestApi2_3) {
  const Named api(Resources{{"/{proxy+}", {"ANY"}}});
  EXPECT_EQ(api.Find("GET", "/proxy-value//double-slash"),
            "ANY /{proxy+} proxy-value//double-slash");
}

TEST(RouteTreeTest, EmptySegmentIsNoVariable) {
  const Named api(Resources{{"/a/{id}/b", {"GET"}}, {"/a/b", {"GET"}}});
  EXPECT_EQ(api.Find("GET", "/a//b"), "403");
}

TEST(RouteTreeTest, PercentEncodingStays_RestApi2_3) {
  const Named api(Resources{{"/{id}", {"GET"}}});
  EXPECT_EQ(api.Find("GET", "/test%2Balias@gmail.com"), "GET /{id} test%2Balias@gmail.com");
  EXPECT_EQ(api.Find("GET", "/a%2Fb"), "GET /{id} a%2Fb");
}

TEST(RouteTreeTest, DotSegmentsAreNotNormalised_RestApi2_3) {
  const Named api(Resources{{"/a", {"GET"}}, {"/{x}/{y}", {"GET"}}});
  EXPECT_EQ(api.Find("GET", "/../a"), "GET /{x}/{y} .. a");
}

TEST(RouteTreeTest, PathsAreCaseSensitive_RestApi2_3) {
  const Named api(Resources{{"/Pets", {"GET"}}});
  EXPECT_EQ(api.Find("GET", "/pets"), "403");
}

TEST(RouteTreeTest, StaticChainsAreOneNode) {
  const Named api(
      Resources{{"/api/v1/internal/pets", {"GET"}}, {"/api/v1/internal/pets/{id}", {"GET"}}});
  EXPECT_EQ(api.tree.node_count(), 2u);
  EXPECT_EQ(api.Find("GET", "/api/v1/internal/pets"), "GET /api/v1/internal/pets");
  EXPECT_EQ(api.Find("GET", "/api/v1/internal/pets/7"), "GET /api/v1/internal/pets/{id} 7");
  EXPECT_EQ(api.Find("GET", "/api/v1/internal"), "403");
  EXPECT_EQ(api.Find("GET", "/api/v1/internal/petsx"), "403");
  EXPECT_EQ(api.Find("GET", "/api/v2/internal/pets"), "403");
}

TEST(RouteTreeTest, SameShapeTwiceIsRefused) {
  RouteTree::Builder builder;
  EXPECT_TRUE(builder.Add(*PathTemplate::Parse("/a/{x}"), ParseMethodBit("GET"), 0).ok());
  EXPECT_TRUE(builder.Add(*PathTemplate::Parse("/a/{x}"), ParseMethodBit("POST"), 1).ok());
  EXPECT_EQ(builder.Add(*PathTemplate::Parse("/a/{y}"), ParseMethodBit("GET"), 2).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(RouteTreeTest, LimitsOfTemplatesAreKept) {
  std::string path;
  for (size_t i = 0; i < RouteTree::kMaxVariables; ++i) path += Concat("/{v", i, "}");
  RouteTree::Builder builder;
  EXPECT_TRUE(builder.Add(*PathTemplate::Parse(path), ParseMethodBit("GET"), 0).ok());
  EXPECT_FALSE(builder.Add(*PathTemplate::Parse(path + "/{w}"), ParseMethodBit("GET"), 1).ok());
  std::string deep;
  for (size_t i = 0; i <= RouteTree::kMaxSegments; ++i) deep += "/s";
  EXPECT_FALSE(builder.Add(*PathTemplate::Parse(deep), ParseMethodBit("GET"), 2).ok());
  std::vector<uint32_t> numbers;
  const RouteTree tree = builder.Build(&numbers);
  RouteTree::Match match;
  std::string request;
  for (size_t i = 0; i < RouteTree::kMaxVariables; ++i) request += Concat("/", i);
  ASSERT_TRUE(tree.Find(request, ParseMethodBit("GET"), &match));
  EXPECT_EQ(match.value_count, RouteTree::kMaxVariables);
}

TEST(RouteTreeTest, EmptyTreeMatchesNothing) {
  RouteTree tree;
  RouteTree::Match match;
  EXPECT_FALSE(tree.Find("/", ParseMethodBit("GET"), &match));
  std::vector<uint32_t> numbers;
  EXPECT_FALSE(RouteTree::Builder().Build(&numbers).Find("/", ParseMethodBit("GET"), &match));
}

// Every level has a static and a variable child, and what the request asks for is missing at the
// end of all of them: the worst that a tree can do. Every node is entered at most once.
TEST(RouteTreeTest, AdversarialTreeIsWalkedAtMostOnce_RestApi3_1) {
  constexpr int kDepth = 12;
  RouteTree::Builder builder;
  for (uint32_t i = 0; i < 1u << kDepth; ++i) {
    std::string path;
    for (int level = 0; level < kDepth; ++level) {
      path += (i >> level & 1) != 0 ? "/a" : Concat("/{v", level, "}");
    }
    ASSERT_TRUE(builder.Add(*PathTemplate::Parse(path + "/end"), ParseMethodBit("GET"), i).ok());
  }
  std::vector<uint32_t> numbers;
  const RouteTree tree = builder.Build(&numbers);
  std::string path;
  for (int level = 0; level < kDepth; ++level) path += "/a";
  RouteTree::Match match;
  EXPECT_TRUE(tree.Find(path + "/end", ParseMethodBit("GET"), &match));
  EXPECT_EQ(numbers[match.route], (1u << kDepth) - 1);
  EXPECT_LE(match.nodes_entered, kDepth + 2u);
  EXPECT_FALSE(tree.Find(path + "/other", ParseMethodBit("GET"), &match));
  EXPECT_LE(match.nodes_entered, tree.node_count());
  // No resource serves it: not even the first step is taken.
  EXPECT_FALSE(tree.Find(path + "/end", ParseMethodBit("POST"), &match));
  EXPECT_EQ(match.nodes_entered, 1u);
}

/// The definition of rest-api.md §3.1, word by word: all candidates, ranked.
std::string Reference(const Named& api, const Resources& resources, std::string_view method,
                      std::string_view path) {
  std::vector<std::string> wanted;
  while (path.ends_with('/')) path.remove_suffix(1);
  if (!path.empty()) {
    path.remove_prefix(1);
    for (;;) {
      const size_t slash = path.find('/');
      wanted.emplace_back(path.substr(0, slash));
      if (slash == path.npos) break;
      path.remove_prefix(slash + 1);
    }
  }
  std::string best = "403";
  std::string best_rank = "\xff";
  size_t route = 0;
  for (const auto& [text, methods] : resources) {
    const PathTemplate parsed = *PathTemplate::Parse(text);
    for (const std::string& declared : methods) {
      const size_t number = route++;
      if (declared != method && declared != "ANY") continue;
      std::string rank;
      std::string values;
      size_t at = 0;
      bool matches = true;
      for (const PathPart& part : parsed.parts()) {
        if (at == wanted.size()) {
          matches = false;
          break;
        }
        if (part.kind == PathPart::Kind::kStatic) {
          matches = wanted[at] == part.text;
          rank += '0';
        } else if (part.kind == PathPart::Kind::kVariable) {
          matches = !wanted[at].empty();
          rank += '1';
          values += " " + wanted[at];
        } else {
          rank += '2';
          values += ' ';
          for (size_t i = at; i < wanted.size(); ++i) values += (i > at ? "/" : "") + wanted[i];
          at = wanted.size() - 1;
        }
        if (!matches) break;
        ++at;
      }
      if (!matches || at != wanted.size()) continue;
      rank += declared == "ANY" ? "1" : "0";
      if (rank < best_rank) {
        best_rank = rank;
        best = api.names[number] + values;
      }
    }
  }
  return best;
}

TEST(RouteTreeTest, AgreesWithTheDefinitionOnRandomTrees_RestApi3_1) {
  std::mt19937 random(20);
  const auto pick = [&](size_t bound) { return random() % bound; };
  const char* const methods[] = {"GET", "POST", "ANY"};
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, std::map<std::string, bool>> drawn;
    const size_t count = 1 + pick(14);
    for (size_t i = 0; i < count; ++i) {
      std::string path;
      const size_t depth = pick(5);
      for (size_t level = 0; level < depth; ++level) {
        const size_t kind = pick(8);
        if (kind == 0) {
          path += Concat("/{g", level, "+}");
          break;
        }
        path += kind < 3 ? Concat("/{v", level, "}") : Concat("/", kind % 2 == 0 ? "a" : "bb");
      }
      if (path.empty()) path = "/";
      auto& declared = drawn[path];
      for (const char* method : methods) {
        if (pick(2) != 0) declared[method] = true;
      }
    }
    Resources resources;
    for (const auto& [path, declared] : drawn) {
      std::vector<std::string> names;
      for (const auto& entry : declared) names.push_back(entry.first);
      resources.emplace_back(path, names);
    }
    const Named api(resources);
    for (int request = 0; request < 60; ++request) {
      std::string path = "/";
      const size_t depth = pick(6);
      for (size_t level = 0; level < depth; ++level) {
        const size_t kind = pick(10);
        if (level != 0) path += '/';
        path += kind < 4 ? "a" : kind < 7 ? "bb" : kind < 9 ? "x" : "";
      }
      while (path.starts_with("//")) path.erase(0, 1);
      const std::string method = pick(2) != 0 ? "GET" : "POST";
      ASSERT_EQ(api.Find(method, path), Reference(api, resources, method, path))
          << "round " << round << ": " << method << " " << path;
    }
  }
}

}  // namespace
}  // namespace postern
