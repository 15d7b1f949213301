#include "lib/jsonpath/json_path.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kStore = R"({
  "store": {
    "book": [
      {"category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century",
       "price": 8.95},
      {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour",
       "price": 12.99},
      {"category": "fiction", "author": "Herman Melville", "title": "Moby Dick",
       "isbn": "0-553-21311-3", "price": 8.99},
      {"category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings",
       "isbn": "0-395-19395-8", "price": 22.99}
    ],
    "bicycle": {"color": "red", "price": 19.95}
  },
  "expensive": 10,
  "odd name": "o", "quo'te": "q", "n": null,
  "numbers": [1, 2, 3, 4, 5],
  "tags": ["a", "b"], "empty": []
})";

// The result as compact JSON, "nothing", or "error: " and why.
std::string Read(std::string_view json, std::string_view path, uint64_t max_steps = 100'000) {
  const absl::StatusOr<JsonPath> compiled = JsonPath::Compile(path);
  if (!compiled.ok()) return "error: " + std::string(compiled.status().message());
  dyn::Arena arena;
  dyn::Value root;
  if (!dyn::ParseJson(json, arena, {}, &root)) return "not JSON";
  uint64_t steps = max_steps;
  const std::optional<dyn::Value> found = compiled->Read(root, arena, &steps);
  if (!found.has_value()) return steps == 0 ? "too many steps" : "nothing";
  EXPECT_TRUE(compiled->definite() || found->is_list()) << path;
  std::string out;
  {
    StringSink sink(&out);
    EXPECT_TRUE(dyn::AppendJson(*found, sink));
  }
  return out;
}

std::string Read(std::string_view path) { return Read(kStore, path); }

// rest-api.md §7.3; the examples of Jayway's own page.
TEST(JsonPathTest, DocumentedExamples) {
  EXPECT_EQ(Read("$.store.book[*].author"),
            R"(["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"])");
  EXPECT_EQ(Read("$..author"),
            R"(["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"])");
  EXPECT_EQ(Read("$.store..price"), "[8.95,12.99,8.99,22.99,19.95]");
  EXPECT_EQ(Read("$..book[2].title"), R"(["Moby Dick"])");
  EXPECT_EQ(Read("$..book[-2].title"), R"(["Moby Dick"])");
  EXPECT_EQ(Read("$..book[0,1].price"), "[8.95,12.99]");
  EXPECT_EQ(Read("$..book[:2].price"), "[8.95,12.99]");
  EXPECT_EQ(Read("$..book[1:2].price"), "[12.99]");
  EXPECT_EQ(Read("$..book[-2:].price"), "[8.99,22.99]");
  EXPECT_EQ(Read("$..book[2:].price"), "[8.99,22.99]");
  EXPECT_EQ(Read("$..book[?(@.isbn)].price"), "[8.99,22.99]");
  EXPECT_EQ(Read("$.store.book[?(@.price < 10)].title"),
            R"(["Sayings of the Century","Moby Dick"])");
  EXPECT_EQ(Read("$..book[?(@.price <= $['expensive'])].price"), "[8.95,8.99]");
  EXPECT_EQ(Read("$..book[?(@.author =~ /.*REES/i)].price"), "[8.95]");
  EXPECT_EQ(Read("$..book.length()"), "1");
  EXPECT_EQ(Read("$.store.book.length()"), "4");
}

// rest-api.md §7.3: a definite path gives the value itself, also null.
TEST(JsonPathTest, DefinitePaths) {
  EXPECT_EQ(Read("$.expensive"), "10");
  EXPECT_EQ(Read("expensive"), "10");
  EXPECT_EQ(Read("store.bicycle['color']"), "\"red\"");
  EXPECT_EQ(Read("$['odd name']"), "\"o\"");
  EXPECT_EQ(Read(R"($['quo\'te'])"), "\"q\"");
  EXPECT_EQ(Read("$[\"store\"][\"book\"][0].price"), "8.95");
  EXPECT_EQ(Read("$.numbers[-1]"), "5");
  EXPECT_EQ(Read("$.n"), "null");
  EXPECT_EQ(Read("[1, 2]", "$[1]"), "2");
  EXPECT_EQ(Read("[1, 2]", "$"), "[1,2]");
  EXPECT_EQ(Read("$.store.bicycle['price','color']"), R"({"price":19.95,"color":"red"})");
}

// What is missing is nothing where the path is definite, and left out elsewhere.
TEST(JsonPathTest, MissingParts) {
  EXPECT_EQ(Read("$.none"), "nothing");
  EXPECT_EQ(Read("$.none.deeper"), "nothing");
  EXPECT_EQ(Read("$.none[*].deeper"), "nothing");
  EXPECT_EQ(Read("$.expensive.deeper"), "nothing");
  EXPECT_EQ(Read("$.numbers[5]"), "nothing");
  EXPECT_EQ(Read("$.numbers[-6]"), "nothing");
  EXPECT_EQ(Read("$.numbers.x"), "nothing");
  EXPECT_EQ(Read("$..none"), "[]");
  EXPECT_EQ(Read("$.store.book[*].isbn"), R"(["0-553-21311-3","0-395-19395-8"])");
  EXPECT_EQ(Read("$.store.book[?(@.price > 100)]"), "[]");
  EXPECT_EQ(Read("$.empty[*]"), "[]");
}

TEST(JsonPathTest, WildcardsAndScans) {
  EXPECT_EQ(Read("$.numbers[*]"), "[1,2,3,4,5]");
  EXPECT_EQ(Read("$.store.bicycle.*"), R"(["red",19.95])");
  EXPECT_EQ(Read(R"({"a":{"a":1},"b":[{"a":2}]})", "$..a"), R"([{"a":1},1,2])");
  EXPECT_EQ(Read(R"({"a":[1,[2]]})", "$..*"), "[[1,[2]],1,[2],2]");
  EXPECT_EQ(Read(R"([[1,2],[3]])", "$..[0]"), "[[1,2],1,3]");
  EXPECT_EQ(Read("$.numbers[1:3]"), "[2,3]");
  EXPECT_EQ(Read("$.numbers[:-3]"), "[1,2]");
  EXPECT_EQ(Read("$.numbers[0, 4]"), "[1,5]");
}

TEST(JsonPathTest, Filters) {
  const std::string_view json = R"([
    {"i":1,"s":"ab","l":[1,2],"b":true},
    {"i":2,"s":"cd","l":[],"b":false,"x":null},
    {"i":3,"s":"2","l":[3]}])";
  const auto ids = [&](std::string_view filter) {
    return Read(json, "$[?(" + std::string(filter) + ")].i");
  };
  EXPECT_EQ(ids("@.i == 2"), "[2]");
  EXPECT_EQ(ids("@.i == '2'"), "[2]");
  EXPECT_EQ(ids("@.i === '2'"), "[]");
  EXPECT_EQ(ids("@.s == 2"), "[3]");
  EXPECT_EQ(ids("@.i != 2"), "[1,3]");
  EXPECT_EQ(ids("@.i >= 2 && @.s == 'cd'"), "[2]");
  EXPECT_EQ(ids("@.i == 1 || @.i == 3"), "[1,3]");
  EXPECT_EQ(ids("!(@.i == 1)"), "[2,3]");
  EXPECT_EQ(ids("!@.b"), "[3]");
  EXPECT_EQ(ids("@.x"), "[2]");
  EXPECT_EQ(ids("@.x == null"), "[2]");
  EXPECT_EQ(ids("@.b == true"), "[1]");
  EXPECT_EQ(ids("@.s in ['ab', 'cd']"), "[1,2]");
  EXPECT_EQ(ids("@.s nin ['ab', 'cd']"), "[3]");
  EXPECT_EQ(ids("@.l subsetof [1, 2, 3]"), "[1,2,3]");
  EXPECT_EQ(ids("@.l anyof [2, 3]"), "[1,3]");
  EXPECT_EQ(ids("@.l noneof [2]"), "[2,3]");
  EXPECT_EQ(ids("@.l all [1, 2]"), "[1]");
  EXPECT_EQ(ids("@.l size 1"), "[3]");
  EXPECT_EQ(ids("@.l empty true"), "[2]");
  EXPECT_EQ(ids("@.s contains 'b'"), "[1]");
  EXPECT_EQ(ids("@.l contains 3"), "[3]");
  EXPECT_EQ(ids("@.s =~ /[a-b]+/"), "[1]");
  EXPECT_EQ(ids("@.s > 'b'"), "[2]");
  EXPECT_EQ(ids("@.l[0] == $[2].l[0]"), "[3]");
  EXPECT_EQ(ids("@.l.length() == 2"), "[1]");
  EXPECT_EQ(ids("(@.i == 1 || @.i == 2) && @.b == false"), "[2]");
  EXPECT_EQ(Read("$.numbers[?(@ > 3)]"), "[4,5]");
}

TEST(JsonPathTest, Functions) {
  EXPECT_EQ(Read("$.numbers.min()"), "1.0");
  EXPECT_EQ(Read("$.numbers.max()"), "5.0");
  EXPECT_EQ(Read("$.numbers.avg()"), "3.0");
  EXPECT_EQ(Read("$.numbers.sum()"), "15.0");
  EXPECT_EQ(Read("$.numbers.stddev()"), "1.4142135623730951");
  EXPECT_EQ(Read("$.numbers.length()"), "5");
  EXPECT_EQ(Read("$.numbers.size()"), "5");
  EXPECT_EQ(Read("$.store.bicycle.keys()"), R"(["color","price"])");
  EXPECT_EQ(Read("$.tags.concat(\"-\", $.store.bicycle.color)"), "\"ab-red\"");
  EXPECT_EQ(Read("$.tags.append('c')"), R"(["a","b","c"])");
  EXPECT_EQ(Read("$.tags.first()"), "\"a\"");
  EXPECT_EQ(Read("$.tags.last()"), "\"b\"");
  EXPECT_EQ(Read("$.tags.index(-1)"), "\"b\"");
  EXPECT_EQ(Read("$..price.sum()"), "73.87");
  EXPECT_EQ(Read("$.empty.sum()"), "nothing");
}

TEST(JsonPathTest, RefusedPathsSayWhere) {
  EXPECT_EQ(Read("$.a."),
            "error: JSONPath '$.a.', character 5: expected a name, '*' or '['; a path must not end "
            "with '.'");
  EXPECT_THAT(Read("$["), HasSubstr("character 3"));
  EXPECT_THAT(Read("$a"), HasSubstr("character 2: expected '.' or '['"));
  EXPECT_THAT(Read("$.a b"), HasSubstr("['like this']"));
  EXPECT_THAT(Read("$['a"), HasSubstr("quote is not closed"));
  EXPECT_THAT(Read("$[?(@.a == )]"), HasSubstr("expected a value"));
  EXPECT_THAT(Read("$[?(@.a =~ 'x')]"), HasSubstr("belong together"));
  EXPECT_THAT(Read("$[?(@.a =~ /(?=x)/)]"), HasSubstr("the pattern is refused"));
  EXPECT_THAT(Read("$.a.median()"), HasSubstr("no function 'median()'"));
  EXPECT_THAT(Read("$[99999999999]"), HasSubstr("32 bits"));
  std::string nested = "@.a";
  for (int i = 0; i < 20; ++i) nested.insert(0, "@[?(").append(")]");
  EXPECT_THAT(Read("$[?(" + nested + ")]"), HasSubstr("nested too deeply"));
  EXPECT_THAT(Read("$[?(" + std::string(100, '(')), HasSubstr("nested too deeply"));
  EXPECT_THAT(Read("$." + std::string(5000, 'a')), HasSubstr("longer than"));
}

TEST(JsonPathTest, StepsAreLimited) {
  std::string wide = "[";
  for (int i = 0; i < 1000; ++i) wide += "[1],";
  wide += "1]";
  EXPECT_EQ(Read(wide, "$..*", 500), "too many steps");
  EXPECT_EQ(Read(wide, "$[?(@ == $..*)]", 100'000), "too many steps");
  EXPECT_EQ(Read(wide, "$..[?(@.x)]..[?(@.y)]"), "[]");
}

}  // namespace
}  // namespace postern
