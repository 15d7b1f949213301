#include "lib/text/document.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/text/concat.h"

namespace postern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Document Parse(std::string_view text, const DocumentLimits& limits = {}) {
  absl::StatusOr<Document> document = ParseDocument(text, "f", limits);
  if (document.ok()) return *std::move(document);
  ADD_FAILURE() << document.status() << "\n" << text;
  return *ParseDocument("{}", "empty");
}

std::string Error(std::string_view text, const DocumentLimits& limits = {}) {
  const absl::StatusOr<Document> document = ParseDocument(text, "f", limits);
  return document.ok() ? "no error: " + ToJson(document->root())
                       : std::string(document.status().message());
}

std::string Json(std::string_view text) { return ToJson(Parse(text).root()); }

std::vector<std::string> Keys(Node node) {
  std::vector<std::string> keys;
  for (Node child : node.children()) keys.emplace_back(child.key());
  return keys;
}

void ExpectMark(Mark mark, uint32_t line, uint32_t column) {
  EXPECT_EQ(mark.line, line);
  EXPECT_EQ(mark.column, column);
}

// ---- The tree ----

TEST(DocumentTest, JsonTree) {
  const Document document = Parse(R"({"b":1,"a":[true,null,"x\ny",-2.5e3],"c":{"d":{}}})");
  const Node root = document.root();
  EXPECT_TRUE(root.is_object());
  EXPECT_EQ(root.size(), 3u);
  EXPECT_THAT(Keys(root), ElementsAre("b", "a", "c"));
  EXPECT_EQ(*root.Find("b").AsInt(), 1);
  const Node list = root.Find("a");
  EXPECT_EQ(list.size(), 4u);
  EXPECT_EQ(*list.At(0).AsBool(), true);
  EXPECT_TRUE(list.At(1).is_null());
  EXPECT_EQ(*list.At(2).AsString(), "x\ny");
  EXPECT_EQ(*list.At(3).AsDouble(), -2500.0);
  EXPECT_EQ(list.At(3).text(), "-2.5e3");
  EXPECT_FALSE(list.At(4));
  EXPECT_EQ(root.Find("c").Find("d").size(), 0u);
  EXPECT_FALSE(root.Find("z"));
  EXPECT_FALSE(root.Find("z").Find("y").At(3));
  EXPECT_FALSE(root.At(0)) << "an object has no elements";
  EXPECT_FALSE(list.Find("b"));
}

TEST(DocumentTest, YamlTree) {
  const Document document = Parse(
      "openapi: 3.0.1\n"
      "info:\n"
      "  title: Pets # comment\n"
      "  version: '1.0'\n"
      "paths:\n"
      "  /pets/{id}:\n"
      "    get:\n"
      "      responses:\n"
      "        200:\n"
      "          description: |\n"
      "            one\n"
      "            two\n"
      "tags: [a, 'b']\n"
      "empty:\n");
  EXPECT_EQ(ToJson(document.root()),
            R"({"openapi":"3.0.1","info":{"title":"Pets","version":"1.0"},"paths":{"/pets/{id}":)"
            R"({"get":{"responses":{"200":{"description":"one\ntwo\n"}}}}},"tags":["a","b"],)"
            R"("empty":null})");
}

TEST(DocumentTest, EqualTextsGiveEqualJson) {
  EXPECT_EQ(Json("a: 1\nb: [x, {c: true}]\n"), Json(R"({"a":1,"b":["x",{"c":true}]})"));
}

TEST(DocumentTest, LargeObjectsAreIndexed) {
  std::string json = "{";
  std::string yaml;
  for (int i = 0; i < 1000; ++i) {
    const int key = i * 7919 % 1000;
    json += Concat(i == 0 ? "" : ",", "\"k", key, "\":", key);
    yaml += Concat("k", key, ": ", key, "\n");
  }
  json += "}";
  for (const std::string& text : {json, yaml}) {
    const Document document = Parse(text);
    EXPECT_EQ(document.root().size(), 1000u);
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(*document.root().Find(Concat("k", i)).AsInt(), i);
    }
    EXPECT_FALSE(document.root().Find("k1000"));
    EXPECT_FALSE(document.root().Find(""));
    EXPECT_EQ(Keys(document.root())[1], "k919") << "the order is that of the file";
  }
}

TEST(DocumentTest, CopiesShareTheTree) {
  Node node;
  std::string title;
  {
    auto document = std::make_unique<Document>(Parse("info: {title: T}"));
    const Document copy = *document;
    node = document->root().Find("info");
    document.reset();
    title = std::string(*node.Find("title").AsString());
  }
  EXPECT_EQ(title, "T");
}

// ---- Places ----

TEST(DocumentTest, JsonMarks) {
  const Document document = Parse(
      "{\n"
      "  \"a\": \"x\\\"\\u0041y\",\n"
      "  \"b\" : [ 10 ,\n"
      "    false, null, {}],\r\n"
      "\t\"c\\n\": true\n"
      "}\n");
  const Node root = document.root();
  ExpectMark(root.mark(), 1, 1);
  ExpectMark(root.Find("a").key_mark(), 2, 3);
  ExpectMark(root.Find("a").mark(), 2, 8);
  ExpectMark(root.Find("b").key_mark(), 3, 3);
  ExpectMark(root.Find("b").mark(), 3, 9);
  ExpectMark(root.Find("b").At(0).mark(), 3, 11);
  ExpectMark(root.Find("b").At(0).key_mark(), 3, 11);
  ExpectMark(root.Find("b").At(1).mark(), 4, 5);
  ExpectMark(root.Find("b").At(2).mark(), 4, 12);
  ExpectMark(root.Find("b").At(3).mark(), 4, 18);
  ExpectMark(root.Find("c\n").key_mark(), 5, 2);
  ExpectMark(root.Find("c\n").mark(), 5, 9);
  EXPECT_EQ(root.Find("b").At(1).Location(), "f:4:5");
  ExpectMark(Node().mark(), 0, 0);
}

TEST(DocumentTest, YamlMarks) {
  const Document document = Parse(
      "# comment\n"
      "a: x\n"
      "b:\r\n"
      "  - 10\n"
      "  - 'q'\n"
      "c: {d: e,\n"
      "    f: [1]}\n"
      "g: |\n"
      "  text\n"
      "h:\n"
      "i: end\n");
  const Node root = document.root();
  ExpectMark(root.mark(), 2, 1);
  ExpectMark(root.Find("a").key_mark(), 2, 1);
  ExpectMark(root.Find("a").mark(), 2, 4);
  ExpectMark(root.Find("b").mark(), 4, 3);
  ExpectMark(root.Find("b").At(0).mark(), 4, 5);
  ExpectMark(root.Find("b").At(1).mark(), 5, 5);
  ExpectMark(root.Find("c").mark(), 6, 4);
  ExpectMark(root.Find("c").Find("d").mark(), 6, 8);
  ExpectMark(root.Find("c").Find("f").key_mark(), 7, 5);
  ExpectMark(root.Find("c").Find("f").At(0).mark(), 7, 9);
  ExpectMark(root.Find("g").mark(), 8, 4);
  ExpectMark(root.Find("h").mark(), 10, 1);
  ExpectMark(root.Find("i").mark(), 11, 4);
}

TEST(DocumentTest, ColumnsCountCharacters) {
  const std::string euros = "\xE2\x82\xAC\xE2\x82\xAC";
  std::string padding;
  for (int i = 0; i < 300; ++i) padding += "\xC3\xA9";
  const Document json = Parse("\xEF\xBB\xBF{\"" + euros + "\":\"" + padding + "\",\"k\":1}");
  ExpectMark(json.root().mark(), 1, 1);
  ExpectMark(json.root().Find(euros).mark(), 1, 7);
  ExpectMark(json.root().Find("k").key_mark(), 1, 7 + 300 + 3);
  const Document yaml = Parse("\xEF\xBB\xBF{" + euros + ": '" + padding + "', k: 1}");
  ExpectMark(yaml.root().Find(euros).mark(), 1, 6);
  ExpectMark(yaml.root().Find("k").key_mark(), 1, 6 + 302 + 2);
}

// RFC 6901 §3 to §5.
TEST(DocumentTest, JsonPointers) {
  const Document document = Parse(
      R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,)"
      R"("o":{"p":[{"q":[[9]]}]}})");
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"/foo", R"(["bar","baz"])"},
      {"/foo/0", R"("bar")"},
      {"/", "0"},
      {"/a~1b", "1"},
      {"/c%d", "2"},
      {"/e^f", "3"},
      {"/g|h", "4"},
      {"/i\\j", "5"},
      {"/k\"l", "6"},
      {"/ ", "7"},
      {"/m~0n", "8"},
      {"/o/p/0/q/0/0", "9"},
  };
  for (const auto& [pointer, json] : cases) {
    const Node node = document.Resolve(pointer);
    ASSERT_TRUE(node) << pointer;
    EXPECT_EQ(ToJson(node), json) << pointer;
    EXPECT_EQ(node.Pointer(), pointer);
  }
  EXPECT_EQ(document.Resolve(""), document.root());
  EXPECT_EQ(document.root().Pointer(), "");
  EXPECT_EQ(ToJson(document.root().Find("o").Resolve("/p/0/q")), "[[9]]");
  for (std::string_view bad :
       {"foo", "/foo/2", "/foo/00", "/foo/01", "/foo/-", "/foo/-1", "/foo/x", "/foo/", "/m~n",
        "/m~", "/m~2n", "/nope", "/a/b", "/foo/0/x", "/foo/99999999999999999999999", " /foo"}) {
    EXPECT_FALSE(document.Resolve(bad)) << bad;
  }
}

// RFC 6901 §6.
TEST(DocumentTest, FragmentPointers) {
  const Document document = Parse(R"({"components":{"schemas":{"A/B":1,"c%d":2,"x y":3,"é":4}}})");
  EXPECT_EQ(document.Resolve("#"), document.root());
  EXPECT_EQ(ToJson(document.Resolve("#/components/schemas/A~1B")), "1");
  EXPECT_EQ(ToJson(document.Resolve("#/components/schemas/c%25d")), "2");
  EXPECT_EQ(ToJson(document.Resolve("#/components/schemas/x%20y")), "3");
  EXPECT_EQ(ToJson(document.Resolve("#/components/schemas/%C3%A9")), "4");
  EXPECT_FALSE(document.Resolve("#/components/schemas/c%d"));
  EXPECT_FALSE(document.Resolve("#components"));
}

TEST(DocumentTest, Parents) {
  const Document document = Parse("a: {b: [1, {c: 2}]}");
  const Node leaf = document.Resolve("/a/b/1/c");
  EXPECT_EQ(leaf.parent().parent(), document.Resolve("/a/b"));
  EXPECT_EQ(leaf.key(), "c");
  EXPECT_EQ(leaf.parent().key(), "");
  EXPECT_FALSE(document.root().parent());
}

// ---- Scalars ----

// YAML 1.2.2 §10.3.2.
TEST(DocumentTest, YamlCoreSchema) {
  const auto kind = [](std::string_view scalar) {
    return Parse(Concat("k: ", scalar, "\n")).root().Find("k").kind();
  };
  for (const char* text : {"null", "Null", "NULL", "~", ""}) {
    EXPECT_EQ(kind(text), NodeKind::kNull) << text;
  }
  for (const char* text : {"true", "True", "TRUE", "false", "False", "FALSE"}) {
    EXPECT_EQ(kind(text), NodeKind::kBool) << text;
  }
  for (const char* text : {"0", "200", "-19", "+5", "012", "0o17", "0x1F", "9223372036854775808"}) {
    EXPECT_EQ(kind(text), NodeKind::kInt) << text;
  }
  for (const char* text : {"3.0", "1.", ".5", "+1.5", "-0.0", "12e03", "1E-2", "1e+2", "0.1e5"}) {
    EXPECT_EQ(kind(text), NodeKind::kDouble) << text;
  }
  for (const char* text :
       {"yes",    "no",    "on",         "off", "y",       "Yes",   "nULL",  "tRue",
        "0b11",   "0o8",   "0xg",        "0x",  "1_000",   "1.2.3", "3.0.1", "+",
        "-x",     ".",     "e5",         "1e",  "1e+",     ".e1",   ".inf",  "-.INF",
        ".nan",   "12:30", "2001-01-01", "-",   "0o",      "+0x1",  "'1'",   "\"true\"",
        "'null'", "\"\"",  "''",         "1 2", "Infinity"}) {
    if (std::string_view(text) == "-") continue;  // a list in this place
    EXPECT_EQ(kind(text), NodeKind::kString) << text;
  }
}

TEST(DocumentTest, KeepsTheWrittenText) {
  const Document document = Parse(
      "version: 3.0\nquoted: \"3.0\"\nzip: 012\nstatus: 0x1F\naccount: 012345678901\nflag: True\n"
      "200: ok\n3.10: x\ntrue: y\nnull: z\n");
  const Node root = document.root();
  EXPECT_EQ(root.Find("version").text(), "3.0");
  EXPECT_EQ(root.Find("quoted").text(), "3.0");
  EXPECT_EQ(*root.Find("quoted").AsString(), "3.0");
  EXPECT_EQ(root.Find("zip").text(), "012");
  EXPECT_EQ(*root.Find("zip").AsInt(), 12);
  EXPECT_EQ(*root.Find("status").AsInt(), 31);
  EXPECT_EQ(root.Find("account").text(), "012345678901");
  EXPECT_EQ(*root.Find("flag").AsBool(), true);
  EXPECT_EQ(root.Find("flag").text(), "True");
  EXPECT_THAT(Keys(root), ElementsAre("version", "quoted", "zip", "status", "account", "flag",
                                      "200", "3.10", "true", "null"));
}

TEST(DocumentTest, NumbersAsJson) {
  EXPECT_EQ(Json("--- [012, +5, -0, -007, 0x1F, 0o17, 9223372036854775807, 9223372036854775808, "
                 "-00099999999999999999999, 0xFFFFFFFFFFFFFFFFF]"),
            "[12,5,-0,-7,31,15,9223372036854775807,9223372036854775808,-99999999999999999999,"
            "295147905179352825856.0]");
  EXPECT_EQ(Json("--- [3.0, .5, 5., +1.5, -00.50e+2, 1e999, 1.10, +.5e1]"),
            "[3.0,0.5,5.0,1.5,-0.50e+2,1e999,1.10,0.5e1]");
  EXPECT_EQ(Json("[1.0,1e5,-0,12345678901234567890,0.10]"),
            "[1.0,1e5,-0,12345678901234567890,0.10]");
}

TEST(DocumentTest, NumberRanges) {
  const Document document =
      Parse("[9223372036854775807,9223372036854775808,-9223372036854775808,-9223372036854775809]");
  const Node root = document.root();
  EXPECT_EQ(*root.At(0).AsInt(), INT64_MAX);
  EXPECT_EQ(root.At(1).AsInt().status().message(),
            "f:1:22: the number does not fit into 64 bits; use a smaller one");
  EXPECT_EQ(*root.At(1).AsDouble(), 9223372036854775808.0);
  EXPECT_EQ(*root.At(2).AsInt(), INT64_MIN);
  EXPECT_FALSE(root.At(3).AsInt().ok());
}

TEST(DocumentTest, WrongKindsSayWhatWasFound) {
  const Document document = Parse("a: 3.0\nb: '7'\nc: {}\nd: yes\ne: 1e999\nf:\n");
  const Node root = document.root();
  EXPECT_EQ(root.Find("a").AsString().status().message(),
            "f:1:4: expected a string, but this is a number (3.0); put it in quotes");
  EXPECT_EQ(root.Find("b").AsInt().status().message(),
            "f:2:4: expected an integer, but this is a string (7); remove the quotes if it is one");
  EXPECT_EQ(root.Find("c").AsString().status().message(),
            "f:3:4: expected a string, but this is an object");
  EXPECT_EQ(root.Find("d").AsBool().status().message(),
            "f:4:4: expected true or false, but this is a string (yes); remove the quotes if it is "
            "one");
  EXPECT_THAT(std::string(root.Find("e").AsDouble().status().message()), HasSubstr("too large"));
  EXPECT_THAT(std::string(root.Find("f").AsString().status().message()), HasSubstr("this is null"));
  EXPECT_EQ(root.Find("z").AsString().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(root.Find("c").Error("unknown; remove it").message(), "f:3:4: unknown; remove it");
}

TEST(DocumentTest, Tags) {
  const Document document = Parse(
      "a: !Ref Bucket\nb: !GetAtt [x, y]\nc: !!str 12\nd: !!int '12'\ne: !!float 1\nf: ! 12\n"
      "g: !Sub 12\nh: !Ref\n");
  const Node root = document.root();
  EXPECT_EQ(root.Find("a").tag(), "!Ref");
  EXPECT_EQ(*root.Find("a").AsString(), "Bucket");
  EXPECT_EQ(root.Find("b").tag(), "!GetAtt");
  EXPECT_EQ(root.Find("b").size(), 2u);
  EXPECT_EQ(root.Find("b").At(0).tag(), "");
  EXPECT_EQ(root.Find("c").kind(), NodeKind::kString);
  EXPECT_EQ(root.Find("c").tag(), "");
  EXPECT_EQ(root.Find("d").kind(), NodeKind::kInt);
  EXPECT_EQ(root.Find("e").kind(), NodeKind::kDouble);
  EXPECT_EQ(root.Find("f").kind(), NodeKind::kString);
  EXPECT_EQ(root.Find("g").kind(), NodeKind::kString);
  EXPECT_EQ(root.Find("h").tag(), "!Ref");
  EXPECT_EQ(Error("a: !!int x"), "f:1:4: the value is not of the type that its tag !!int says");
}

// ---- Anchors, aliases, merge keys ----

TEST(DocumentTest, AliasesAreExpanded) {
  const Document document = Parse(
      "base: &b {x: 1, y: [2, &deep 3]}\n"
      "copy: *b\n"
      "list: [*b, *deep]\n"
      "&k key: v\n"
      "again: *k\n"
      "*deep : n\n");
  const Node root = document.root();
  EXPECT_EQ(ToJson(root),
            R"({"base":{"x":1,"y":[2,3]},"copy":{"x":1,"y":[2,3]},"list":[{"x":1,"y":[2,3]},3],)"
            R"("key":"v","again":"key","3":"n"})");
  EXPECT_EQ(Json("&n 200: a\n&s '7': b\nlist: [*n, *s]\n"),
            R"({"200":"a","7":"b","list":[200,"7"]})");
  const Node copied = root.Find("list").At(0).Find("y").At(1);
  EXPECT_EQ(copied.Pointer(), "/list/0/y/1");
  ExpectMark(copied.mark(), 1, 24);
  ExpectMark(root.Find("copy").key_mark(), 2, 1);
  ExpectMark(root.Find("copy").mark(), 1, 7);
}

TEST(DocumentTest, AnchorsCanBeReplaced) {
  EXPECT_EQ(Json("--- [&a 1, *a, &a 2, *a]"), "[1,1,2,2]");
}

// https://yaml.org/type/merge.html
TEST(DocumentTest, MergeKeys) {
  EXPECT_EQ(Json("base: &b {x: 1, y: 2}\nuse: {a: 0, <<: *b, y: 3, z: 4}\n"),
            R"({"base":{"x":1,"y":2},"use":{"a":0,"x":1,"y":3,"z":4}})");
  EXPECT_EQ(Json("- &a {x: 1}\n- &b {x: 2, y: 2}\n- <<: [*a, *b]\n  z: {q: 1}\n"),
            R"([{"x":1},{"x":2,"y":2},{"x":1,"y":2,"z":{"q":1}}])");
  EXPECT_EQ(Json("<<: {a: {b: [1, 2]}, c: 3}\nc: 4\n"), R"({"a":{"b":[1,2]},"c":4})");
  EXPECT_EQ(Json("\"<<\": 1"), R"({"<<":1})");
  EXPECT_EQ(Json("<<: []\na: 1"), R"({"a":1})");
  EXPECT_EQ(Json("<<: {a: 1}\n<<: {a: 2, b: 2}\n"), R"({"a":1,"b":2})");
  const Document document = Parse("b: &b {x: {y: [7]}}\nu:\n  <<: *b\n  k: &l {m: 1}\nv: *l\n");
  EXPECT_EQ(ToJson(document.root()),
            R"({"b":{"x":{"y":[7]}},"u":{"x":{"y":[7]},"k":{"m":1}},"v":{"m":1}})");
  EXPECT_EQ(document.Resolve("/u/x/y/0").Pointer(), "/u/x/y/0");
  EXPECT_EQ(document.Resolve("/u/k/m").Pointer(), "/u/k/m");
}

TEST(DocumentTest, NestedMergesAndAnchorsInsideThem) {
  EXPECT_EQ(Json("a: &a\n  <<: &in {p: 1}\n  q: 2\nb: &b\n  <<: *a\n  r: 3\nc:\n  <<: *b\n  p: 9\n"
                 "d: *in\n"),
            R"({"a":{"p":1,"q":2},"b":{"p":1,"q":2,"r":3},"c":{"q":2,"r":3,"p":9},"d":{"p":1}})");
  std::string many = "a: &a {";
  for (int i = 0; i < 50; ++i) many += Concat(i == 0 ? "" : ",", "k", i, ": ", i);
  many += "}\nb: {<<: *a, k7: x, own: y}\n";
  const Document document = Parse(many);
  EXPECT_EQ(document.root().Find("b").size(), 51u);
  EXPECT_EQ(*document.Resolve("/b/k7").AsString(), "x");
  EXPECT_EQ(*document.Resolve("/b/k49").AsInt(), 49);
  EXPECT_EQ(*document.Resolve("/b/own").AsString(), "y");
}

TEST(DocumentTest, MergingDoesNotNest) {
  std::string chain = "a0: &a0 {deep: [[1]]}\n";
  for (int i = 1; i < 300; ++i) chain += Concat("a", i, ": &a", i, " {<<: *a", i - 1, "}\n");
  EXPECT_EQ(ToJson(Parse(chain).root().Find("a299")), R"({"deep":[[1]]})");
  EXPECT_THAT(Error("a: &a {x: {y: {}}}\nb: [{<<: *a}]", {.max_depth = 3}),
              HasSubstr("nested deeper than 3"));
}

TEST(DocumentTest, BadMergesAndAliases) {
  for (const char* bad : {"<<: 1", "<<: text", "<<:", "<<: [1]", "<<: [{a: 1}, [2]]"}) {
    EXPECT_THAT(Error(bad), HasSubstr("the merge key '<<' takes")) << bad;
  }
  EXPECT_THAT(Error("a: *nope"), StartsWith("f:1:4: not valid YAML"));
  EXPECT_THAT(Error("a: &a [1, *a]"), HasSubstr("inside the value it refers to"));
  EXPECT_THAT(Error("a: &a {b: 1}\n*a : 2"), HasSubstr("a key must be a plain text"));
}

TEST(DocumentTest, AliasBombIsDefused) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += Concat("a", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) bomb += Concat(k == 0 ? "" : ", ", "*a", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(Error(bomb), HasSubstr("those repeated by aliases included"));

  std::string text = Concat("a: &a ", std::string(1 << 20, 'x'), "\nb: [");
  for (int i = 0; i < 100; ++i) text += "*a, ";
  text += "]\n";
  EXPECT_THAT(Error(text), HasSubstr("aliases repeat more than"));

  std::string keys = Concat("&a ", std::string(1000, 'x'), ": 1\nb:\n");
  for (int i = 0; i < 1000; ++i) keys += "  - {*a : 1}\n";
  EXPECT_THAT(Error(keys, {.max_expanded_bytes = 500000}), HasSubstr("aliases repeat more than"));

  std::string deep = "a0: &a0 [1]\n";
  for (int i = 1; i < 300; ++i) deep += Concat("a", i, ": &a", i, " [*a", i - 1, "]\n");
  EXPECT_THAT(Error(deep), HasSubstr("nested deeper than 200"));
}

// ---- Errors ----

TEST(DocumentTest, DuplicateKeys) {
  EXPECT_EQ(
      Error("{\"a\":1,\n \"b\":{\"x\":1,\"x\":2}}"),
      "f:2:13: the key 'x' was used before in line 2 in the same object; rename or remove one "
      "of them");
  EXPECT_EQ(
      Error("get: 1\npost: 2\nget: 3\n"),
      "f:3:1: the key 'get' was used before in line 1 in the same object; rename or remove one "
      "of them");
  EXPECT_THAT(Error("200: a\n'200': b\n"), StartsWith("f:2:1: the key '200'"));
  EXPECT_THAT(Error("{\"a\":1,\"\\u0061\":2}"), StartsWith("f:1:8: the key 'a'"));
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += Concat("\"k", i, "\":1,\n");
  EXPECT_THAT(Error(many + "\"k40\":2}"),
              StartsWith("f:101:1: the key 'k40' was used before in line 41"));
  EXPECT_THAT(
      Error(Concat("{\"", std::string(1000, 'a'), "\":1,\"", std::string(1000, 'a'), "\":2}")),
      HasSubstr(std::string(60, 'a') + "...'"));
}

TEST(DocumentTest, JsonErrorsHavePlaceAndReason) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"{\n  \"a\": 1,\n}", "f:3:1: not valid JSON: expected the name of a member"},
      {"{\"a\" 1}", "f:1:6: not valid JSON: expected ':'"},
      {"{\"a\":1 \"b\":2}", "f:1:8: not valid JSON: expected ',' or '}'"},
      {"[1,2", "f:1:5: not valid JSON: expected ',' or ']'"},
      {"[\"a\nb\"]", "f:1:4: not valid JSON: invalid character in a string"},
      {"[\"a", "f:1:4: not valid JSON: a string has no closing quote"},
      {"[1] x", "f:1:5: not valid JSON: there is more text"},
      {"[tru]", "f:1:5: not valid JSON: expected a JSON value"},
      {"[1e]", "f:1:4: not valid JSON: expected digits in the exponent"},
      {"[\"\\ud800\"]", "f:1:3: not valid JSON: a \\u escape is half"},
      {"[\"\\udc00\"]", "f:1:9: a \\u escape is half"},
      {"{", "f:1:2: not valid JSON: expected the name"},
      {"[", "f:1:2: not valid JSON: expected a JSON value"},
  };
  for (const auto& [text, error] : cases) {
    EXPECT_THAT(Error(text), StartsWith(std::string(error))) << text;
  }
  EXPECT_THAT(Error(std::string_view("[1]\0[2]", 7)), HasSubstr("there is more text"));
}

TEST(DocumentTest, YamlErrorsHavePlaceAndReason) {
  EXPECT_THAT(Error("a: b: c\n"), StartsWith("f:1:5: not valid YAML: illegal map value"));
  EXPECT_THAT(Error("a:\n  - b\n c: d\n"), StartsWith("f:3:2: not valid YAML"));
  for (const char* cut_off : {"a: 'x", "a: 'x\n", "a: \"x\n\n", "a: \"x\\", "'", "\"\n"}) {
    EXPECT_THAT(Error(cut_off), HasSubstr("not valid YAML")) << cut_off;
  }
  EXPECT_THAT(Error("a: [1, 2\nb: 3\n"), HasSubstr("not valid YAML"));
  EXPECT_THAT(Error("a: 1\n---\nb: 2\n"), StartsWith("f:2:1: more text behind the end"));
  EXPECT_THAT(Error("{a: 1} b"), HasSubstr("more text behind the end"));
  EXPECT_THAT(Error("{a: 1}}"), HasSubstr("f:1:7"));
  EXPECT_THAT(Error("? {a: 1}\n: b\n"), HasSubstr("a key must be a plain text"));
  EXPECT_THAT(Error("{{name}}: x"), HasSubstr("a key must be a plain text"));
  EXPECT_THAT(Error("%YAML 2.0\n---\na: 1"), HasSubstr("not valid YAML"));
  for (const char* empty : {"", "\n\n", "# only a comment\n", "\xEF\xBB\xBF"}) {
    EXPECT_EQ(Error(empty), "f:1:1: the file is empty; write a definition into it");
  }
}

TEST(DocumentTest, RefusesWhatIsNoText) {
  EXPECT_EQ(Error("a: x\nb: \xFF\n"), "f:2:4: not UTF-8; save the file as UTF-8");
  EXPECT_EQ(Error("{\"a\":\"\xC3\"}"), "f:1:7: not UTF-8; save the file as UTF-8");
  // yaml-cpp would silently end here.
  EXPECT_THAT(Error("a: 1\n\x04\nb: 2\n"), StartsWith("f:2:1: a control character"));
  EXPECT_THAT(Error(std::string_view("a: \0b", 5)), StartsWith("f:1:4: a control character"));
  EXPECT_EQ(Json("a: \"\\x04\"\n"), R"({"a":"\u0004"})");
}

TEST(DocumentTest, Limits) {
  EXPECT_THAT(Error("abcdef", {.max_bytes = 5}), HasSubstr("at most 5 are allowed"));
  for (const std::string& open : {std::string("["), std::string("{\"a\":"), std::string("{a: "),
                                  std::string("- "), std::string("? ")}) {
    std::string deep;
    for (int i = 0; i < 5000; ++i) deep += open;
    const auto document = ParseDocument(deep, "f");
    EXPECT_FALSE(document.ok()) << open;
  }
  EXPECT_THAT(Error("[[[1]]]", {.max_depth = 2}), StartsWith("f:1:3: nested deeper than 2"));
  EXPECT_EQ(ToJson(Parse("[[[1]]]", {.max_depth = 3}).root()), "[[[1]]]");
  EXPECT_THAT(Error("[1,2,3]", {.max_nodes = 3}), HasSubstr("more than 3 values"));
  EXPECT_EQ(Parse("[1,2,3]", {.max_nodes = 4}).root().size(), 3u);
  EXPECT_EQ(ParseDocument("[[1]]", "f", {.max_depth = 1}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(DocumentTest, ChoosesByContent) {
  EXPECT_THAT(Error("{\"a\": 1,}"), HasSubstr("JSON"));
  EXPECT_EQ(Json("{a: 1,}"), R"({"a":1})") << "a YAML flow mapping";
  EXPECT_EQ(Json("\n\t {\n \"a\"\n:\t1}"), R"({"a":1})");
  EXPECT_EQ(Json("--- {\"a\": 1}\n"), R"({"a":1})");
  EXPECT_EQ(Json("%YAML 1.2\n---\na: 1\n...\n"), R"({"a":1})");
  EXPECT_EQ(Json("\"just text\""), R"("just text")");
  EXPECT_EQ(Json("{}"), "{}");
}

TEST(DocumentTest, TheEndOfTheFileChangesNothing) {
  for (const char* end :
       {"", "\n", "\n\n", "\n...", "\n...\n", "\n...\n...\n", "\n# comment", "\r\n"}) {
    EXPECT_EQ(Json(Concat("a: b", end)), R"({"a":"b"})") << end;
  }
  EXPECT_EQ(Json("a: |\n  x\n"), R"({"a":"x\n"})");
  EXPECT_EQ(Json("a: |-\n  x"), R"({"a":"x"})");
  EXPECT_EQ(Json("a: |+\n  x\n\n"), R"({"a":"x\n\n"})");
  EXPECT_EQ(Json("a"), R"("a")");
  EXPECT_EQ(Json("---\n"), "null");
}

}  // namespace
}  // namespace postern
