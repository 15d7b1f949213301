#include "lib/schema/json_schema.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

namespace fs = std::filesystem;

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

std::string Json(const dyn::Value& value) {
  std::string out;
  {
    StringSink sink(&out);
    dyn::AppendJson(value, sink);
  }
  return out;
}

fs::path Vectors() {
  const char* root = std::getenv("POSTERN_VECTORS");
  return fs::path(root != nullptr ? root : "../shared/vectors") / "json-schema";
}

// rest-api.md §5.4: every required test of the official draft-4 suite.
TEST(JsonSchemaTest, OfficialSuite) {
  const fs::path root = Vectors();
  if (!fs::exists(root)) {
    GTEST_SKIP() << "no JSON Schema vectors at " << root
                 << ": set POSTERN_VECTORS to the folder that holds json-schema/tests";
  }
  const JsonSchema::Loader loader = [&](std::string_view uri) -> std::optional<std::string> {
    constexpr std::string_view kRemote = "http://localhost:1234/";
    if (uri == "http://json-schema.org/draft-04/schema") {
      return ReadAll("lib/schema/testdata/draft4.json");
    }
    if (uri.substr(0, kRemote.size()) != kRemote) return std::nullopt;
    const fs::path file = root / "remotes" / uri.substr(kRemote.size());
    if (!fs::exists(file)) return std::nullopt;
    return ReadAll(file);
  };
  int cases = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(root / "tests" / "draft4")) {
    if (entry.path().extension() != ".json") continue;
    dyn::Arena arena;
    dyn::Value groups;
    const std::string text = ReadAll(entry.path());
    ASSERT_TRUE(dyn::ParseJson(text, arena, {}, &groups)) << entry.path();
    for (const dyn::Value& group : groups.list()) {
      SCOPED_TRACE(Concat(entry.path().filename().string(), ": ",
                          group.map().Find("description")->value.text()));
      const auto schema = JsonSchema::Compile(Json(group.map().Find("schema")->value), "", loader);
      ASSERT_TRUE(schema.ok()) << schema.status();
      for (const dyn::Value& test : group.map().Find("tests")->value.list()) {
        ++cases;
        const dyn::Value& data = test.map().Find("data")->value;
        const bool valid = test.map().Find("valid")->value.boolean();
        EXPECT_EQ(schema->IsValid(data), valid) << test.map().Find("description")->value.text();
        EXPECT_EQ(schema->Validate(data).empty(), valid)
            << test.map().Find("description")->value.text();
      }
    }
  }
  EXPECT_GT(cases, 500);
}

// The errors of `json` as $context.error.validationErrorString has them.
std::string Errors(std::string_view schema, std::string_view json) {
  const auto compiled = JsonSchema::Compile(schema);
  if (!compiled.ok()) return std::string(compiled.status().message());
  dyn::Arena arena;
  dyn::Value value;
  EXPECT_TRUE(dyn::ParseJson(json, arena, {}, &value)) << json;
  const std::vector<std::string> errors = compiled->Validate(value);
  EXPECT_EQ(errors.empty(), compiled->IsValid(value));
  return JsonSchema::ErrorString(errors);
}

// rest-api.md §5.6, the recorded texts.
TEST(JsonSchemaTest, RecordedMessages) {
  EXPECT_EQ(Errors(R"({"type":"object","required":["bar"],"properties":{"bar":{}},
                       "additionalProperties":false})",
                   R"({"foo":1})"),
            R"([object has missing required properties (["bar"]), object instance has properties )"
            R"(which are not allowed by the schema: ["foo"]])");
  EXPECT_EQ(Errors(R"({"required":["distributor_sender_id"]})", "{}"),
            R"([object has missing required properties (["distributor_sender_id"])])");
  EXPECT_EQ(Errors(R"({"properties":{"a":{"type":"number"}}})", R"({"a":"x"})"),
            R"([instance type (string) does not match any allowed primitive type (allowed: )"
            R"(["integer","number"])])");
  EXPECT_EQ(Errors("{}", "1"), "[]");
}

// The other texts of that library.
TEST(JsonSchemaTest, OtherMessages) {
  EXPECT_EQ(Errors(R"({"enum":["a","b"]})", R"("x")"),
            R"([instance value ("x") not found in enum (possible values: ["a","b"])])");
  EXPECT_EQ(Errors(R"({"minLength":2})", R"("x")"),
            R"([string "x" is too short (length: 1, required minimum: 2)])");
  EXPECT_EQ(Errors(R"({"minimum":1})", "0"),
            "[numeric instance is lower than the required minimum (minimum: 1, found: 0)]");
  EXPECT_EQ(Errors(R"({"pattern":"^a"})", R"("b")"),
            R"([ECMA 262 regex "^a" does not match input string "b"])");
}

// rest-api.md §5.4: the two models that every API has, and references between models.
TEST(JsonSchemaTest, Models) {
  constexpr std::string_view kModels = "https://apigateway.amazonaws.com/restapis/abc/models/";
  const JsonSchema::Loader loader = [&](std::string_view uri) -> std::optional<std::string> {
    if (uri == std::string(kModels) + "Pet") {
      return R"({"type":"object","required":["name"],"properties":{"name":{"type":"string"},
                 "friend":{"$ref":"https://apigateway.amazonaws.com/restapis/abc/models/Pet"}}})";
    }
    return std::nullopt;
  };
  const auto pets = JsonSchema::Compile(
      R"({"type":"array","items":{"oneOf":[{"type":"null"},
          {"$ref":"https://apigateway.amazonaws.com/restapis/abc/models/Pet"}]}})",
      std::string(kModels) + "Pets", loader);
  ASSERT_TRUE(pets.ok()) << pets.status();
  const auto valid = [&](std::string_view json) {
    dyn::Arena arena;
    dyn::Value value;
    EXPECT_TRUE(dyn::ParseJson(json, arena, {}, &value));
    return pets->IsValid(value);
  };
  EXPECT_TRUE(valid(R"([null,{"name":"a","friend":{"name":"b"}}])"));
  EXPECT_FALSE(valid(R"([{"name":"a","friend":{"name":1}}])"));
  EXPECT_FALSE(valid(R"([{"friend":{"name":"b"}}])"));
  EXPECT_EQ(Errors(R"({"$schema":"http://json-schema.org/draft-04/schema#",
                       "title":"Empty Schema","type":"object"})",
                   "{}"),
            "[]");
}

TEST(JsonSchemaTest, RefusedSchemasSayWhere) {
  EXPECT_EQ(Errors(R"({"properties":{"a":{"type":"text"}}})", "1"),
            "schema #/properties/a/type: must be array, boolean, integer, null, number, object or "
            "string, or a list of these");
  EXPECT_THAT(Errors("[]", "1"), HasSubstr("must be an object"));
  EXPECT_THAT(Errors("{", "1"), HasSubstr("not JSON"));
  EXPECT_EQ(Errors(R"({"maxItems":1e300})", "[1]"), "[]");
  EXPECT_THAT(Errors(R"({"minLength":1.5})", "1"), HasSubstr("not negative"));
  EXPECT_THAT(Errors(R"({"minLength":-1})", "1"), HasSubstr("not negative"));
  EXPECT_THAT(Errors(R"x({"pattern":"(?=a)"})x", "1"), HasSubstr("the pattern is refused"));
  EXPECT_THAT(Errors(R"({"$ref":"#/definitions/none"})", "1"), HasSubstr("does not lead"));
  EXPECT_THAT(Errors(R"({"$ref":"http://example.com/x"})", "1"), HasSubstr("names no schema"));
  EXPECT_THAT(Errors(R"({"$ref":"#"})", "1"), HasSubstr("leads back to itself"));
  EXPECT_THAT(Errors(R"({"definitions":{"a":{"$ref":"#/definitions/b"},
                         "b":{"$ref":"#/definitions/a"}},"$ref":"#/definitions/a"})",
                     "1"),
              HasSubstr("leads back to itself"));
}

// Schemas that would validate for ever, or for very long.
TEST(JsonSchemaTest, ValidationIsBounded) {
  EXPECT_THAT(Errors(R"({"allOf":[{"$ref":"#"}]})", "1"), HasSubstr("too many steps"));
  EXPECT_THAT(Errors(R"({"not":{"$ref":"#"}})", "1"), HasSubstr("too many steps"));
  // Two branches at each of 60 levels.
  std::string bomb = R"({"definitions":{"d60":{"type":"string"})";
  for (int i = 0; i < 60; ++i) {
    const std::string ref = Concat(R"({"$ref":"#/definitions/d)", i + 1, R"("})");
    bomb += Concat(R"(,"d)", i, R"(":{"anyOf":[)", ref, ",", ref, "]}");
  }
  bomb += R"(},"$ref":"#/definitions/d0"})";
  EXPECT_THAT(Errors(bomb, "1"), HasSubstr("too many steps"));
}

std::string Repeat(std::string_view text, size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// Bodies that are cheap to send and would be dear to look at.
TEST(JsonSchemaTest, BodiesAreBounded) {
  // Items that hash alike as far as they are looked at, at every level again.
  std::string spine = Concat("[", Repeat("0,", 100'000), "1]");
  for (int i = 0; i < 150; ++i) spine = Concat("[", spine, ",0]");
  EXPECT_THAT(Errors(R"({"uniqueItems":true,"items":{"$ref":"#"}})", spine),
              HasSubstr("too many steps"));
  // A long number, compared again and again.
  const std::string branch = R"({"maximum":1e300},)";
  EXPECT_THAT(Errors(Concat(R"({"anyOf":[)", Repeat(branch, 1000), R"({"maximum":1e301}]})"),
                     Repeat("9", 200'000)),
              HasSubstr("too many steps"));
  // An expression without a small automaton.
  EXPECT_THAT(
      Errors(R"({"pattern":"[ab]*a[ab]{200}$"})", Concat("\"", Repeat("ab", 4'000'000), "c\"")),
      HasSubstr("too many steps"));
  // An enum whose values are alike up to their ends.
  std::string values;
  std::string items;
  const std::string start = Repeat("1,", 400);
  for (int i = 0; i < 400; ++i) values += Concat(i == 0 ? "" : ",", "[", start, i, "]");
  for (int i = 0; i < 2000; ++i) items += Concat(i == 0 ? "" : ",", "[", start, 399, "]");
  EXPECT_THAT(Errors(Concat(R"({"items":{"enum":[)", values, "]}}"), Concat("[", items, "]")),
              HasSubstr("too many steps"));
  // What is merely large is validated.
  EXPECT_EQ(Errors(R"({"pattern":"^[A-Za-z0-9+/]*={0,2}$","maxLength":10000000})",
                   Concat("\"", Repeat("QUJD", 2'000'000), "\"")),
            "[]");
  EXPECT_EQ(Errors(R"({"items":{"type":"integer"}})", Concat("[", Repeat("1,", 1'000'000), "1]")),
            "[]");
}

// Schemas that would take much memory.
TEST(JsonSchemaTest, SchemasAreBounded) {
  EXPECT_THAT(Errors(Concat(R"({"id":"http://a/)", Repeat("x", 3000), R"("})"), "1"),
              HasSubstr("an identifier must not have more than 2048 bytes"));
  std::string patterns;
  for (int i = 0; i < 2000; ++i) {
    patterns += Concat(i == 0 ? "" : ",", "{\"pattern\":\"a{", 500 + i % 500, "}b{", i, "}\"}");
  }
  EXPECT_THAT(Errors(Concat(R"({"anyOf":[)", patterns, "]}"), "1"),
              AnyOf(HasSubstr("together are too large"), HasSubstr("the pattern is refused")));
  // Long names above many schemas.
  EXPECT_EQ(Errors(Concat(R"({"properties":{")", Repeat("n", 200'000), R"(":{"allOf":[{})",
                          Repeat(",{}", 60'000), "]}}}"),
                   "{}"),
            "[]");
}

// Schemas of one API share what they have in common, and all their problems are told.
TEST(JsonSchemaTest, CompilesSeveral) {
  const JsonSchema::Loader loader = [](std::string_view uri) -> std::optional<std::string> {
    if (uri == "m:Id") return R"({"type":"string","pattern":"^[a-z]+$"})";
    if (uri == "m:Pet") return R"({"required":["id"],"properties":{"id":{"$ref":"m:Id"}}})";
    if (uri == "m:Pets") return R"({"items":{"$ref":"m:Pet"}})";
    if (uri == "m:Bad")
      return R"({"properties":{"a/b":{"type":"x"},"c":{"items":[{},{"enum":[]}]}}})";
    if (uri == "m:Lost")
      return R"({"allOf":[{"$ref":"m:Nowhere"},{"$ref":"m:Bad#/properties/c"}]})";
    return std::nullopt;
  };
  std::vector<SchemaProblem> problems;
  const std::vector<JsonSchema> good =
      JsonSchema::CompileAll({"m:Pets", "m:Id"}, loader, &problems);
  EXPECT_THAT(problems, ::testing::IsEmpty());
  ASSERT_EQ(good.size(), 2u);
  dyn::Arena arena;
  dyn::Value value;
  ASSERT_TRUE(dyn::ParseJson(R"([{"id":"a"},{"id":"B"}])", arena, {}, &value));
  EXPECT_FALSE(good[0].IsValid(value));
  EXPECT_TRUE(good[0].IsValid(dyn::Value::Of(dyn::NewList(arena, true))));
  EXPECT_TRUE(good[1].IsValid(dyn::Value::String("abc")));
  EXPECT_FALSE(good[1].IsValid(dyn::Value::String("ABC")));

  EXPECT_THAT(JsonSchema::CompileAll({"m:Pet", "m:Lost", "m:None"}, loader, &problems),
              ::testing::IsEmpty());
  std::vector<std::string> texts;
  for (const SchemaProblem& problem : problems) {
    texts.push_back(Concat(problem.uri, "#", problem.pointer, ": ", problem.what));
  }
  EXPECT_THAT(texts, ::testing::UnorderedElementsAre(
                         "m:None#: there is no such schema",
                         "m:Lost#/allOf/0/$ref: 'm:Nowhere' names no schema of this API; define it "
                         "as a model",
                         "m:Bad#/properties/c/items/1/enum: must be a list of at least one value"));
  problems.clear();
  JsonSchema::CompileAll({"m:Bad"}, loader, &problems);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].pointer, "/properties/a~1b/type");
}

// ECMA 262 writes these otherwise than RE2.
TEST(JsonSchemaTest, PatternsOfEcma262) {
  EXPECT_EQ(Errors(R"({"pattern":"^[\\u00e0-\\u00ff]+\\/$"})", R"("\u00e9/")"), "[]");
  EXPECT_EQ(Errors(R"({"pattern":"^\\ud83d\\ude00$"})", R"("\ud83d\ude00")"), "[]");
  EXPECT_EQ(Errors(R"({"pattern":"^(?<year>\\d{4})$"})", R"("2026")"), "[]");
  EXPECT_THAT(Errors(R"({"pattern":"(?<=a)b"})", "1"), HasSubstr("the pattern is refused"));
  EXPECT_THAT(Errors(R"({"pattern":"(a)\\1"})", "1"), HasSubstr("the pattern is refused"));
}

TEST(JsonSchemaTest, ErrorsAreLimited) {
  std::string json = "[0";
  for (int i = 0; i < 1000; ++i) json += ",0";
  const auto compiled = JsonSchema::Compile(R"({"items":{"type":"string"}})");
  dyn::Arena arena;
  dyn::Value value;
  ASSERT_TRUE(dyn::ParseJson(json + "]", arena, {}, &value));
  EXPECT_EQ(compiled->Validate(value).size(), JsonSchema::kMaxErrors);
  const std::vector<std::string> long_ones(JsonSchema::kMaxErrors, Repeat("e", 1500));
  EXPECT_EQ(JsonSchema::ErrorString(long_ones).size(), 1 + 10 * 1502 - 2 + 1);
}

}  // namespace
}  // namespace postern
