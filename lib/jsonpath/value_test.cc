#include "lib/jsonpath/value.h"

#include <string>

#include "gtest/gtest.h"

namespace postern::dyn {
namespace {

// What Java prints of `json`, or "no" if it is none.
std::string Text(std::string_view json, int max_depth = 200) {
  Arena arena;
  Value value;
  if (!ParseJson(json, arena, {.max_depth = max_depth}, &value)) return "no";
  return std::string(ToText(value, arena));
}

std::string Json(std::string_view json) {
  Arena arena;
  Value value;
  if (!ParseJson(json, arena, {}, &value)) return "no";
  std::string out;
  {
    StringSink sink(&out);
    EXPECT_TRUE(AppendJson(value, sink));
  }
  return out;
}

// RFC 8259.
TEST(ValueTest, ParsesJson) {
  EXPECT_EQ(Json(R"( { "a" : [ 1 , -2.5e1, true , false , null , "x" ] , "b" : { } } )"),
            R"({"a":[1,-25.0,true,false,null,"x"],"b":{}})");
  EXPECT_EQ(Json(R"("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00")"),
            "\"\\\"\\\\/\\b\\f\\n\\r\\t\u00e9\U0001F600\"");
  EXPECT_EQ(Json(R"("\ud83dx")"), "\"\uFFFDx\"");
  EXPECT_EQ(Json("[1,2,3,4,5,6,7,8,9]"), "[1,2,3,4,5,6,7,8,9]");
  EXPECT_EQ(Json(R"({"a":1,"b":2,"a":3})"), R"({"a":3,"b":2})");
}

TEST(ValueTest, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[",
                           "[1",
                           "[1,]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "'a'",
                           "01",
                           "1.",
                           ".5",
                           "-",
                           "1e",
                           "+1",
                           "tru",
                           "nul",
                           "\"a",
                           "\"\n\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12G4\"",
                           "1 2",
                           "[1] x",
                           "1e999",
                           "\"\\",
                           "{\"a\":1 \"b\":2}"}) {
    EXPECT_EQ(Json(text), "no") << text;
  }
}

TEST(ValueTest, DepthIsLimited) {
  EXPECT_EQ(Text("[[[]]]", 3), "[[[]]]");
  EXPECT_EQ(Text("[[[]]]", 2), "no");
  EXPECT_EQ(Text(std::string(1'000'000, '[')), "no");
}

TEST(ValueTest, MemoryIsLimited) {
  Arena arena(1 << 20);
  Value value;
  std::string text = "[0";
  for (int i = 0; i < 200'000; ++i) text += ",0";
  EXPECT_FALSE(ParseJson(text + "]", arena, {}, &value));
  EXPECT_TRUE(arena.exhausted());
  arena.Reset();
  EXPECT_TRUE(ParseJson("[1]", arena, {}, &value));
}

// rest-api.md §7.2: maps print as Java's, lists that come from JSON as JSON.
TEST(ValueTest, PrintsAsJavaDoes) {
  EXPECT_EQ(Text(R"({"a":1,"b":{"c":"x y"},"d":[{"e":null}],"f":null})"),
            R"({a=1, b={c=x y}, d=[{"e":null}], f=null})");
  EXPECT_EQ(Text("[1, \"a\"]"), "[1,\"a\"]");
}

// java.lang.Double.toString().
TEST(ValueTest, PrintsDoubles) {
  EXPECT_EQ(Text("1.0"), "1.0");
  EXPECT_EQ(Text("-0.0"), "-0.0");
  EXPECT_EQ(Text("0.001"), "0.001");
  EXPECT_EQ(Text("0.0001"), "1.0E-4");
  EXPECT_EQ(Text("123456.789"), "123456.789");
  EXPECT_EQ(Text("9999999.0"), "9999999.0");
  EXPECT_EQ(Text("10000000.0"), "1.0E7");
  EXPECT_EQ(Text("1.5e300"), "1.5E300");
  EXPECT_EQ(Text("100.0"), "100.0");
}

TEST(ValueTest, IntegersOfEverySize) {
  EXPECT_EQ(Text("2147483647"), "2147483647");
  EXPECT_EQ(Text("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(Text("92233720368547758070"), "92233720368547758070");
  EXPECT_EQ(Text("-92233720368547758070"), "-92233720368547758070");
}

TEST(ValueTest, MapsKeepTheirOrderAndFindAll) {
  Arena arena;
  Map* map = NewMap(arena);
  for (int i = 0; i < 1000; ++i) {
    map->Put(Value::String(arena.Copy("key" + std::to_string(i))), arena)->value = Value::Int(i);
  }
  ASSERT_EQ(map->size(), 1000u);
  for (int i = 0; i < 1000; ++i) {
    const Entry* entry = map->Find(std::string_view("key" + std::to_string(i)));
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->value.integer(), i);
    EXPECT_EQ(map->begin() + i, entry);
  }
  EXPECT_EQ(map->Find("none"), nullptr);
  EXPECT_TRUE(map->Remove(Value::String("key5")));
  EXPECT_FALSE(map->Remove(Value::String("key5")));
  EXPECT_EQ(map->Find("key999")->value.integer(), 999);
  map->Put(Value::Int(1), arena)->value = Value::String("by number");
  EXPECT_EQ(map->Find(Value::Int(1))->value.text(), "by number");
  EXPECT_EQ(map->Find(Value::Long(1)), nullptr);
}

TEST(ValueTest, Lists) {
  Arena arena;
  List* list = NewList(arena, false);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(list->Add(Value::Int(i), arena));
  ASSERT_TRUE(list->Insert(0, Value::String("first"), arena));
  list->Remove(1);
  EXPECT_EQ(ToText(Value::Of(list), arena), "[first, 1, 2, 3, 4, 5, 6, 7, 8, 9]");
}

TEST(ValueTest, EqualsAsJavaDoes) {
  Arena arena;
  Value a;
  Value b;
  ASSERT_TRUE(ParseJson(R"({"x":[1,{"y":2}],"z":"t"})", arena, {}, &a));
  ASSERT_TRUE(ParseJson(R"({"z":"t","x":[1,{"y":2}]})", arena, {}, &b));
  EXPECT_TRUE(Equals(a, b));
  EXPECT_FALSE(Equals(Value::Int(1), Value::Long(1)));
  EXPECT_FALSE(Equals(Value::Int(1), Value::Double(1)));
  EXPECT_TRUE(Equals(Value(), Value()));
}

// A list that contains itself is neither printed nor compared for ever.
TEST(ValueTest, Cycles) {
  Arena arena;
  List* a = NewList(arena, false);
  List* b = NewList(arena, false);
  a->Add(Value::Of(a), arena);
  b->Add(Value::Of(b), arena);
  EXPECT_FALSE(Equals(Value::Of(a), Value::Of(b)));
  std::string out;
  StringSink sink(&out);
  EXPECT_FALSE(AppendText(Value::Of(a), sink));
  EXPECT_FALSE(AppendJson(Value::Of(a), sink));
}

}  // namespace
}  // namespace postern::dyn
