#include "lib/template/mapping_template.h"

#include <map>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kVariables[] = {"requestId",    "stage", "identity.sourceIp", "identity",
                                      "authorizer.x", "",      "requestTimeEpoch"};

class Resolver final : public TemplateResolver {
 public:
  std::optional<uint32_t> ContextVariable(std::string_view name) const override {
    for (uint32_t i = 0; i < std::size(kVariables); ++i) {
      if (name == kVariables[i]) return i;
    }
    return std::nullopt;
  }
};

class Environment final : public TemplateEnvironment {
 public:
  std::string body;
  std::map<std::string, std::string, std::less<>> params[3];
  std::map<std::string, std::string, std::less<>> stage_variables;
  std::vector<TemplateOverride> earlier;
  std::vector<TemplateOverride> overrides;

  std::string_view Body() override { return body; }
  std::optional<std::string_view> Param(ParamLocation location, std::string_view name) override {
    return Find(params[static_cast<int>(location)], name);
  }
  void ForEachParam(ParamLocation location, const Visitor& visit) override {
    for (const auto& [name, value] : params[static_cast<int>(location)]) visit(name, value);
  }
  dyn::Value ContextVariable(uint32_t number, dyn::Arena& arena) override {
    const std::string_view name = kVariables[number];
    if (name == "requestId") return dyn::Value::String("c6af9ac6");
    if (name == "stage") return dyn::Value::String("prod");
    if (name == "identity.sourceIp") return dyn::Value::String("192.0.2.1");
    if (name == "requestTimeEpoch") return dyn::Value::Long(1763642407000);
    if (name == "identity" || name.empty()) {
      dyn::Map* map = dyn::NewMap(arena);
      if (name.empty()) map->Put(dyn::Value::String("requestOverride"), arena);
      map->Put(dyn::Value::String("sourceIp"), arena)->value = dyn::Value::String("192.0.2.1");
      map->Put(dyn::Value::String("user"), arena)->value = dyn::Value();
      return dyn::Value::Of(map);
    }
    return {};
  }
  std::optional<std::string_view> StageVariable(std::string_view name) override {
    return Find(stage_variables, name);
  }
  void ForEachStageVariable(const Visitor& visit) override {
    for (const auto& [name, value] : stage_variables) visit(name, value);
  }
  const std::vector<TemplateOverride>* EarlierOverrides() override { return &earlier; }
  void TakeOverrides(std::vector<TemplateOverride>&& taken) override {
    overrides = std::move(taken);
  }

 private:
  static std::optional<std::string_view> Find(
      const std::map<std::string, std::string, std::less<>>& map, std::string_view name) {
    const auto found = map.find(name);
    if (found == map.end()) return std::nullopt;
    return found->second;
  }
};

class MappingTemplateTest : public ::testing::Test {
 protected:
  std::string Render(std::string_view source) { return Render(source, RenderLimits()); }

  // The result, or "error: " and the message.
  std::string Render(std::string_view source, const RenderLimits& limits) {
    const auto compiled =
        MappingTemplate::Compile(source, Resolver(), {.name = "t", .trim = false});
    if (!compiled.ok()) return "refused: " + std::string(compiled.status().message());
    std::string out;
    status_ = compiled->Render(environment_, scratch_, &out, limits);
    return status_.ok() ? out : "error: " + std::string(status_.message());
  }

  std::string RenderBody(std::string body, std::string_view source) {
    environment_.body = std::move(body);
    return Render(source);
  }

  Environment environment_;
  TemplateScratch scratch_;
  absl::Status status_;
};

// rest-api.md §7.1: undefined references print nothing.
TEST_F(MappingTemplateTest, MissingReferencesPrintNothing) {
  environment_.body = R"({"a":{}})";
  EXPECT_EQ(Render("[$input.path('$.a').b][$stageVariables.x][$context.identity.user]"), "[][][]");
  EXPECT_EQ(Render("[$none][${none}][$!none][$!{none.b}][$none.b(1)]"), "[][][][][]");
  EXPECT_EQ(Render("#set($a=$n+\"x\")$a"), "x");
}

// rest-api.md §7.1: leading and trailing white space is left out, where that is asked for.
TEST_F(MappingTemplateTest, TrimsIfAsked) {
  const auto compiled = MappingTemplate::Compile("\n  {\"a\": 1}\n\n", Resolver());
  ASSERT_TRUE(compiled.ok());
  EXPECT_EQ(compiled->constant(), "{\"a\": 1}");
  EXPECT_EQ(Render(" a "), " a ");
}

TEST_F(MappingTemplateTest, TellsWhatItNeeds) {
  const auto needs = [](std::string_view source) {
    return MappingTemplate::Compile(source, Resolver()).value().needs();
  };
  const TemplateNeeds nothing;
  const TemplateNeeds body = {.body = true};
  const TemplateNeeds params = {.query = true, .headers = true};
  const TemplateNeeds all = {.body = true, .query = true, .headers = true};
  for (const char* source :
       {"", "text", "$context.requestId $stageVariables.x", "$input.params().path.id",
        "#set($context.responseOverride.status=2)"}) {
    EXPECT_EQ(needs(source), nothing) << source;
  }
  for (const char* source :
       {"$input.body", "$input.json('$')", "#if($input.path('$.a') == 1)a#end",
        "#set($p = '$')$input.json($p)", "#macro(m $x)$x#end#m($input.path('$'))"}) {
    EXPECT_EQ(needs(source), body) << source;
  }
  EXPECT_EQ(needs("$input.params('x')"), params);
  EXPECT_EQ(needs("$input.params().header.get('X')"), TemplateNeeds{.headers = true});
  EXPECT_EQ(needs("$input.params().querystring.x"), TemplateNeeds{.query = true});
  EXPECT_EQ(needs("#foreach($k in $input.params().keySet())$k#end"), all);
  EXPECT_EQ(needs("#set($i = $input)$i.body"), all);
}

// rest-api.md §7.1: comments are removed.
TEST_F(MappingTemplateTest, RemovesComments) {
  EXPECT_EQ(Render("a## no $x #if\nb#* no\n#end *#c#** d *#"), "abc");
  EXPECT_EQ(Render("#[[$x #if ## kept]]#"), "$x #if ## kept");
}

// rest-api.md §7.1, §16: #foreach ends after 1000 rounds.
TEST_F(MappingTemplateTest, ForeachEndsAfterThousandRounds) {
  EXPECT_EQ(Render("#foreach($i in [1..2000])#set($n=$i)#end$n"), "1000");
}

// rest-api.md §7.1: the directives that there are, and those that there are not.
TEST_F(MappingTemplateTest, Directives) {
  EXPECT_EQ(Render("#foreach($i in ['a','b'])$foreach.index$foreach.count$foreach.hasNext"
                   "$velocityCount$i;#end"),
            "01true1a;12false2b;");
  EXPECT_EQ(Render("#define($d)<$x>#end#set($x=1)$d#set($x=2)$d"), "<1><2>");
  EXPECT_EQ(Render("#macro(m $a $b)$a+$b;#end#m(1 2)#m('x', 'y')"), "1+2;x+y;");
  EXPECT_EQ(Render("#foreach($i in [1..9])#if($i == 3)#break#end$i#end-#stop never"), "12-");
  for (const char* name : {"include", "parse", "evaluate"}) {
    EXPECT_THAT(Render(std::string("#") + name + "('x')"), HasSubstr("not available"));
  }
}

// rest-api.md §7.2: the body as it is; empty is {}; it is never navigated.
TEST_F(MappingTemplateTest, InputBody) {
  EXPECT_EQ(RenderBody("", "$input.body"), "{}");
  EXPECT_EQ(RenderBody("some raw data", "a=$input.body"), "a=some raw data");
  EXPECT_EQ(RenderBody(R"({"x": 1})", "$input.body|$input.body.x"), R"({"x": 1}|)");
  EXPECT_EQ(RenderBody("some raw data", "$util.urlEncode($input.body.x)"), "");
}

// rest-api.md §7.2: $input.json.
TEST_F(MappingTemplateTest, InputJson) {
  const std::string body = R"({"a": {"b": [1, 2.5, "x"]}, "n": null, "t": true})";
  EXPECT_EQ(RenderBody(body, "$input.json('$')"), R"({"a":{"b":[1,2.5,"x"]},"n":null,"t":true})");
  EXPECT_EQ(Render("$input.json('$.a.b[2]')"), "\"x\"");
  EXPECT_EQ(Render("$input.json('$.n') $input.json('$.t')"), "null true");
  EXPECT_EQ(Render("$input.json('$.missing')"), "\"\"");
  EXPECT_EQ(Render("#set($p='$.a.b[0]')$input.json($p)"), "1");
  EXPECT_EQ(RenderBody("no json", "$input.json('$.a')|$input.path('$.a')"), "\"\"|");
  EXPECT_EQ(RenderBody("", "$input.json('$')"), "{}");
}

// rest-api.md §7.2, the table of printed values.
TEST_F(MappingTemplateTest, PrintsValuesOfPath) {
  const std::string_view print = "#set($result = $input.path(\"$.json\"))$result";
  EXPECT_EQ(RenderBody(R"({"json":{"foo":"bar"}})", print), "{foo=bar}");
  EXPECT_EQ(RenderBody(R"({"json":[{"foo":"bar"}]})", print), R"([{"foo":"bar"}])");
  EXPECT_EQ(RenderBody(R"({"json":{"foo":[{"nested":"bar"}]}})", print),
            R"({foo=[{"nested":"bar"}]})");
  EXPECT_EQ(RenderBody(R"({"json":{"bigger": "dict", "to": "test", "with": "separators"}})", print),
            "{bigger=dict, to=test, with=separators}");
  EXPECT_EQ(RenderBody(R"({"json":[{"foo":"bar"}]})", "$input.path('$.json')[0]"), "{foo=bar}");
  EXPECT_EQ(RenderBody(R"({"json":[[{"foo":"bar"}]]})", "$input.path('$.json')[0]"),
            R"([{"foo":"bar"}])");
  EXPECT_EQ(RenderBody(R"({"json":{"list":[{"foo":"bar"}]}})", "$input.path('$.json').toString()"),
            R"({list=[{"foo":"bar"}]})");
  EXPECT_EQ(RenderBody(R"({"json":[1]})", "[$input.path('$.json').property]"), "[]");
  EXPECT_EQ(RenderBody(R"({"json":[]})", print), "[]");
  EXPECT_EQ(RenderBody(R"({"json":"text"})", print), "text");
  EXPECT_EQ(RenderBody(R"({"json":12})", print), "12");
  EXPECT_EQ(RenderBody(R"({"json":false})", print), "false");
  EXPECT_EQ(RenderBody(R"({"json":12345678901234567890})", print), "12345678901234567890");
  EXPECT_EQ(RenderBody(R"({"json":1e10})", print), "1.0E10");
}

// rest-api.md §7.2: null and missing equal $null and "", an empty list does not.
TEST_F(MappingTemplateTest, NullEqualsEmptyText) {
  const std::string_view source =
      "#set($result = $input.path(\"$.v\")){\"body\": $result, \"nested\": $result.nested, "
      "\"isNull\": #if( $result == $null )\"true\"#else\"false\"#end, "
      "\"isEmptyString\": #if( $result == \"\" )\"true\"#else\"false\"#end}";
  EXPECT_EQ(RenderBody("", source),
            R"({"body": , "nested": , "isNull": "true", "isEmptyString": "true"})");
  EXPECT_EQ(RenderBody(R"({"v":null})", source),
            R"({"body": , "nested": , "isNull": "true", "isEmptyString": "true"})");
  EXPECT_EQ(RenderBody(R"({"v":[]})", source),
            R"({"body": [], "nested": , "isNull": "false", "isEmptyString": "false"})");
}

// rest-api.md §7.2: $input.params in all forms.
TEST_F(MappingTemplateTest, InputParams) {
  environment_.params[0] = {{"id", "path-id"}, {"p", "path-p"}};
  environment_.params[1] = {{"p", "query-p"}, {"q", "query-q"}};
  environment_.params[2] = {{"q", "header-q"}, {"X-Id", "header-x"}};
  EXPECT_EQ(Render("$input.params('p') $input.params('q') $input.params('X-Id')"),
            "path-p query-q header-x");
  EXPECT_EQ(Render("[$input.params('x-id')][$input.params('')]"), "[][]");
  EXPECT_EQ(Render("$input.params().path.id $input.params().header.get('q') "
                   "$input.params().querystring['q'] $input.params().get('header').get('X-Id')"),
            "path-id header-q query-q header-x");
  EXPECT_EQ(Render("#set($n='q')$input.params($n) $input.params().header.get($n) "
                   "$input.params().header[$n]"),
            "query-q header-q header-q");
  EXPECT_EQ(Render("#foreach($t in $input.params().keySet())$t:#foreach($n in "
                   "$input.params().get($t).keySet())$n,#end#end"),
            "path:id,p,querystring:p,q,header:X-Id,q,");
  EXPECT_EQ(Render("#if($input.params('none') == '')empty#end"), "empty");
  EXPECT_EQ(Render("$input.params()"),
            "{path={id=path-id, p=path-p}, querystring={p=query-p, q=query-q}, "
            "header={X-Id=header-x, q=header-q}}");
}

// rest-api.md §7.2: methods of what came from JSON.
TEST_F(MappingTemplateTest, MethodsOfJson) {
  environment_.body = R"({"m":{"a":1,"b":"x"},"l":["p","q"],"s":"it's a b"})";
  EXPECT_EQ(Render("#set($m=$input.path('$.m'))$m.size() $m.keySet() $m.get('b') "
                   "$m.containsKey('a') $m.values() $m.entrySet() $m.isEmpty()"),
            "2 [a, b] x true [1, x] [a=1, b=x] false");
  EXPECT_EQ(Render("#set($m=$input.path('$.m'))#set($o=$m.put('c', 'new'))$m $o"),
            "{a=1, b=x, c=new} ");
  EXPECT_EQ(Render("#set($l=$input.path('$.l'))$l.size() $l.count() $l.contains('q') $l[-1] "
                   "$l.get(0) $l.add('r') $l"),
            R"(2 2 true q p true ["p","q","r"])");
  EXPECT_EQ(Render("#set($s=$input.path('$.s'))$s.replaceAll(' ','_') $s.length() "
                   "$s.toUpperCase() $s.split(' ').size() $s.substring(0, 2) $s.matches('.*a.*')"),
            "it's_a_b 8 IT'S A B 3 it true");
  EXPECT_EQ(Render("#foreach($e in $input.path('$.m').entrySet())$e.key=$e.value;#end"),
            "a=1;b=x;");
}

// rest-api.md §7.3: definite paths give the value, others a list.
TEST_F(MappingTemplateTest, IndefinitePathsGiveLists) {
  environment_.body = R"({"a":[{"x":1,"y":"p"},{"x":2,"y":"q"}]})";
  EXPECT_EQ(
      Render("$input.path('$.a[*].x') $input.path(\"$..y\") $input.json('$.a[?(@.x > 1)].y')"),
      R"([1,2] ["p","q"] ["q"])");
  EXPECT_EQ(Render("$input.path('$.a.length()') $input.path('$.a[-1].y')"), "2 q");
  EXPECT_EQ(Render("#foreach($y in $input.path('$..y'))$y#end"), "pq");
}

// rest-api.md §7.4.
TEST_F(MappingTemplateTest, Util) {
  environment_.body =
      R"({"s":"a \"quoted\" 'text'\n\\ \u00e9/ \u0001","j":"{\"k\":[1,{\"z\":2}]}"})";
  EXPECT_EQ(Render("$util.escapeJavaScript($input.path('$.s'))"),
            R"(a \"quoted\" \'text\'\n\\ \u00E9/ \u0001)");
  EXPECT_EQ(Render(R"vtl($util.escapeJavaScript("it's").replaceAll("\\'","'"))vtl"), "it's");
  EXPECT_EQ(Render("$util.escapeJavaScript($none)"), "null");
  EXPECT_EQ(Render("#set($o=$util.parseJson($input.path('$.j')))$o.k[1].z $o.k"),
            R"(2 [1,{"z":2}])");
  EXPECT_EQ(Render("$util.urlEncode('x=a b&\u00e9') $util.urlDecode('x%3Da+b')"),
            "x%3Da+b%26%C3%A9 x=a b");
  EXPECT_EQ(Render("[$util.urlEncode($none)]"), "[]");
  EXPECT_EQ(RenderBody("", "$util.urlEncode($input.body)"), "%7B%7D");
  EXPECT_EQ(Render("$util.base64Encode('h\u00e9') $util.base64Decode('aMOp')"), "aMOp h\u00e9");
  EXPECT_THAT(Render("$util.toJson($x)"), HasSubstr("$util has no method toJson()"));
}

// rest-api.md §7.5.
TEST_F(MappingTemplateTest, StageVariables) {
  environment_.stage_variables = {{"a-b", "v1"}, {"x", "v2"}};
  EXPECT_EQ(Render("$stageVariables.x ${stageVariables.x} $stageVariables['x'] "
                   "${stageVariables['a-b']} $stageVariables.get('a-b') [$stageVariables.none]"),
            "v2 v2 v2 v1 v1 []");
  EXPECT_EQ(Render("#foreach($k in $stageVariables.keySet())$k=$stageVariables.get($k);#end"),
            "a-b=v1;x=v2;");
}

// rest-api.md §7.6: variables; maps iterate, and print nothing as a whole.
TEST_F(MappingTemplateTest, Context) {
  EXPECT_EQ(Render("$context.requestId ${context.stage} $context.identity.sourceIp "
                   "$context['stage'] $context.identity['sourceIp'] $context.get('requestId')"),
            "c6af9ac6 prod 192.0.2.1 prod 192.0.2.1 c6af9ac6");
  EXPECT_EQ(Render("[$context.identity][$context.none][$context.none.deep][$context.authorizer.x]"),
            "[][][][]");
  EXPECT_EQ(Render("#foreach($k in $context.identity.keySet())$k=$context.identity.get($k);#end"),
            "sourceIp=192.0.2.1;user=;");
  EXPECT_EQ(Render("#set($t = $context.requestTimeEpoch / 1000)$t"), "1763642407");
}

// rest-api.md §7.7: overrides of the request and of the response, in all forms.
TEST_F(MappingTemplateTest, Overrides) {
  EXPECT_EQ(Render("#set($context.requestOverride.header.X-A = 'a')"
                   "#set($context.requestOverride.header['X-B'] = \"b$context.stage\")"
                   "#set($context.requestOverride.querystring.q = 5)"
                   "#set($context[\"requestOverride\"].path.id = 'p')"
                   "$context.responseOverride.header.put('Y', ['1','2'])"
                   "#set($context.responseOverride.status = 444)"
                   "#set($context.responseOverride.custom = 'own')"
                   "$context.requestOverride.header.X-A"),
            "a");
  EXPECT_THAT(environment_.overrides,
              ElementsAre(TemplateOverride{false, "path", "id", {"p"}, false},
                          TemplateOverride{false, "header", "X-A", {"a"}, false},
                          TemplateOverride{false, "header", "X-B", {"bprod"}, false},
                          TemplateOverride{false, "querystring", "q", {"5"}, true},
                          TemplateOverride{true, "header", "Y", {"1", "2"}, false},
                          TemplateOverride{true, "", "status", {"444"}, true},
                          TemplateOverride{true, "", "custom", {"own"}, false}));
}

// rest-api.md §7.6, §7.7: the recorded forms, and $context as a map that contains the overrides.
TEST_F(MappingTemplateTest, OverridesByComputedNames) {
  EXPECT_EQ(
      Render("#set($paramName = \"foo\")\n"
             "#set($context.requestOverride.querystring[$paramName] = \"bar\")\n"
             "#set($paramPutName = \"putfoo\")\n"
             "$context.requestOverride.querystring.put($paramPutName, \"putBar\")\n"
             "#set($context[\"requestOverride\"].querystring[\"nestedfoo\"] = \"nestedFoo\")"),
      "\n");
  EXPECT_THAT(
      environment_.overrides,
      ElementsAre(TemplateOverride{false, "querystring", "foo", {"bar"}, false},
                  TemplateOverride{false, "querystring", "putfoo", {"putBar"}, false},
                  TemplateOverride{false, "querystring", "nestedfoo", {"nestedFoo"}, false}));
  EXPECT_EQ(Render("#set($k='requestOverride')#set($context[$k].header.H = 'v')"
                   "#foreach($n in $context.keySet())$n=$context.get($n);#end"
                   "$context.requestOverride.header.H"),
            "requestOverride=;sourceIp=192.0.2.1;user=;v");
}

// #stop ends the template from wherever it is.
TEST_F(MappingTemplateTest, StopInsideOfValues) {
  EXPECT_EQ(Render("a#set($x = \"b#stop c\")$x"), "a");
  EXPECT_EQ(Render("#define($d)b#stop c#end#macro(m)$d never#end a#m() never"), " ab");
}

// rest-api.md §7.7: a status that is no integer is known as such.
TEST_F(MappingTemplateTest, StatusAsText) {
  EXPECT_EQ(Render("#set($context.responseOverride.status = '444')"), "");
  EXPECT_THAT(environment_.overrides,
              ElementsAre(TemplateOverride{true, "", "status", {"444"}, false}));
}

// rest-api.md §7.7: what the request template has put there, the response template reads.
TEST_F(MappingTemplateTest, EarlierOverridesAreReadable) {
  environment_.earlier = {{false, "header", "H", {"v"}, false},
                          {true, "", "status", {"418"}, true},
                          {true, "", "custom", {"c"}, false}};
  EXPECT_EQ(Render("$context.requestOverride.header.H $context.responseOverride.status "
                   "$context.responseOverride.custom $context.requestOverride.keySet() "
                   "$context.responseOverride.keySet()"),
            "v 418 c [path, header, querystring] [header, status, custom]");
  EXPECT_TRUE(environment_.overrides.empty());
}

// rest-api.md §7.7: the second override of one parameter fails; nothing is handed over then.
TEST_F(MappingTemplateTest, OneOverrideForEachParameter) {
  EXPECT_THAT(Render("#set($context.requestOverride.header.X = 1)\n"
                     "#set($context.requestOverride.header.X = 2)"),
              HasSubstr("t:2:"));
  EXPECT_THAT(status_.message(), HasSubstr("the override of 'X' was set before"));
  EXPECT_TRUE(environment_.overrides.empty());
}

// The templates of the DynamoDB integrations that users write.
TEST_F(MappingTemplateTest, DynamoDbTemplates) {
  EXPECT_EQ(RenderBody(R"({"id":"7","name":"Ann"})",
                       "{\"TableName\": \"Items\", \"Item\": {\"id\": {\"S\": "
                       "\"$input.path('$.id')\"}, \"name\": {\"S\": \"$input.path('$.name')\"}}}"),
            R"({"TableName": "Items", "Item": {"id": {"S": "7"}, "name": {"S": "Ann"}}})");
  EXPECT_EQ(RenderBody(R"({"Items":[{"id":{"S":"7"}}]})",
                       "#set($inputRoot = $input.path('$'))\n{\"id\": "
                       "\"$inputRoot.Items[0].id.S\"}"),
            R"({"id": "7"})");
}

// The template that the console makes for method request passthrough.
TEST_F(MappingTemplateTest, ConsolePassthrough) {
  environment_.body = R"({"k":"v"})";
  environment_.params[1] = {{"q", "it's"}};
  EXPECT_EQ(Render(R"vtl(#set($allParams = $input.params())
{
"body-json" : $input.json('$'),
"params" : {
#foreach($type in $allParams.keySet())
    #set($params = $allParams.get($type))
"$type" : {
    #foreach($paramName in $params.keySet())
    "$paramName" : "$util.escapeJavaScript($params.get($paramName))"
        #if($foreach.hasNext),#end
    #end
}
    #if($foreach.hasNext),#end
#end
}})vtl"),
            R"({
"body-json" : {"k":"v"},
"params" : {
"path" : {
    }
    ,"querystring" : {
        "q" : "it\'s"
            }
    ,"header" : {
    }
    }})");
}

// What a template may not cost.
TEST_F(MappingTemplateTest, LimitsEndEveryTemplate) {
  const RenderLimits limits{.max_steps = 100'000, .max_output = 10'000, .max_memory = 1 << 20};
  const auto fails = [&](std::string_view source, std::string_view why) {
    EXPECT_THAT(Render(source, limits), HasSubstr(std::string(why)));
    EXPECT_EQ(status_.code(), absl::StatusCode::kResourceExhausted) << source;
  };
  fails("#foreach($i in [1..1000])#foreach($j in [1..1000])#set($x=$j)#end#end", "too many steps");
  fails("#foreach($i in [1..1000])0123456789012345#end", "the result is too large");
  fails("#set($s='0123456789')#foreach($i in [1..1000])#set($s=\"$s$s\")#end", "memory");
  fails("#set($l=[1,2,3])#foreach($i in [1..1000])#set($x=$l.addAll($l))#end", "");
  fails("#macro(a)#b()#end#macro(b)#a()#end#a()", "20 deep");
  fails("#set($l=[])#set($x=$l.add($l))$l", "nested too deeply to print");
  fails("#set($l=[])#foreach($i in [1..900])#set($l=[$l])#end$l", "nested too deeply to print");
  fails("#set($x=[1..2147483647])", "too many steps");
  fails("#set($s='aaaaaaaaaa')#foreach($i in [1..20])#set($s=$s.replaceAll('a','aaaa'))#end", "");
}

// A define that prints itself ends, as in Velocity.
TEST_F(MappingTemplateTest, DefineInItself) { EXPECT_EQ(Render("#define($d)a$d#end$d"), "aa"); }

// A hostile body: nested beyond the limit it is no JSON.
TEST_F(MappingTemplateTest, DeepBody) {
  EXPECT_EQ(RenderBody(std::string(100'000, '['), "[$input.path('$')]"), "[]");
  EXPECT_EQ(RenderBody(std::string(150, '[') + std::string(150, ']'), "$input.path('$').size()"),
            "1");
}

// Where Java would throw, the template fails and says where.
TEST_F(MappingTemplateTest, FailuresNameThePlace) {
  EXPECT_EQ(Render("#set($l=[1,2])\n  $l.get(5)"),
            "error: t:2:6: get(): index 5 out of bounds for length 2");
  EXPECT_EQ(Render("#set($l=[1,2])$l[2]"),
            "error: t:1:17: get(): index 2 out of bounds for length 2");
  EXPECT_EQ(Render("#set($s='abc')$s.substring(5)"),
            "error: t:1:18: substring(): begin 5, end 3, length 3");
  EXPECT_EQ(status_.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Render("$util.parseJson('{')"), HasSubstr("parseJson(): not JSON"));
  EXPECT_THAT(Render("#set($p='$.[')$input.path($p)"), HasSubstr("JSONPath '$.['"));
}

// Errors of a template name line and column, and what to do.
TEST_F(MappingTemplateTest, RefusedTemplates) {
  EXPECT_EQ(Render("a\n#if($x)\nb"), "refused: t:2:1: #if is not ended; add #end");
  EXPECT_EQ(Render("#end"), "refused: t:1:1: #end without a directive that it ends; remove it");
  EXPECT_THAT(Render("#else"), HasSubstr("without #if"));
  EXPECT_THAT(Render("#if(true)#else#else#end"), HasSubstr("#else must be the last"));
  EXPECT_THAT(Render("${foo"), HasSubstr("expected '}'"));
  EXPECT_THAT(Render("$foo[bar]"), HasSubstr("expected an index"));
  EXPECT_THAT(Render("#set($x = $l.get($i + 1))"), HasSubstr("must be done with #set before"));
  EXPECT_THAT(Render("#if($a = 1)x#end"), HasSubstr("t:1:8: expected ')'"));
  EXPECT_THAT(Render("#set($x = 'abc)"), HasSubstr("t:1:11: the text is not closed"));
  EXPECT_THAT(Render("#* open"), HasSubstr("comment is not closed"));
  EXPECT_THAT(Render("#[[ open"), HasSubstr("#[[ is not closed"));
  EXPECT_THAT(Render("$input.path('$[')"), HasSubstr("JSONPath '$[', character 3"));
  EXPECT_THAT(Render("$x.matches('(?=a)')"), HasSubstr("the pattern of matches() is refused"));
  EXPECT_THAT(Render("$input.foo()"), HasSubstr("known are json, path and params"));
  EXPECT_THAT(Render("#set($input.body = 1)"), HasSubstr("this cannot be set"));
  EXPECT_THAT(Render("#set($x.size() = 1)"), HasSubstr("method call"));
  EXPECT_THAT(Render("#foreach($x of $y)#end"), HasSubstr("expected 'in'"));
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "#if(true)";
  EXPECT_THAT(Render(deep), HasSubstr("nested too deeply"));
  EXPECT_THAT(Render("#set($x=" + std::string(5000, '(')), HasSubstr("nested too deeply"));
  EXPECT_THAT(Render("#set($x=" + std::string(5000, '[')), HasSubstr("nested too deeply"));
}

// rest-api.md §16: 300 KB.
TEST_F(MappingTemplateTest, TooLarge) {
  EXPECT_EQ(Render(std::string(300 * 1024, 'x')).size(), 300u * 1024);
  EXPECT_THAT(Render(std::string(300 * 1024 + 1, 'x')), HasSubstr("must not be larger"));
}

// Java counts UTF-16 units.
TEST_F(MappingTemplateTest, PositionsInTextsAreUtf16) {
  EXPECT_EQ(Render("#set($s='\u00e9\U0001F600x')$s.length() $s.indexOf('x') $s.substring(3) "
                   "$s.charAt(0) $s.toUpperCase()"),
            "4 3 x \u00e9 \u00c9\U0001F600X");
}

// What a template changes is gone with the rendering, also if it came out of a path.
TEST_F(MappingTemplateTest, RenderingsDoNotTouchTheTemplate) {
  environment_.body = R"({"a":[]})";
  const auto compiled = MappingTemplate::Compile(
      "#set($l = $input.path('$.a.append([1])'))$l[0].add(2)$l", Resolver());
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  for (int i = 0; i < 2; ++i) {
    std::string out;
    ASSERT_TRUE(compiled->Render(environment_, scratch_, &out).ok());
    EXPECT_EQ(out, "true[[1,2]]");
  }
}

// The result is appended.
TEST_F(MappingTemplateTest, Appends) {
  const auto compiled = MappingTemplate::Compile("b$x", Resolver());
  std::string out = "a";
  ASSERT_TRUE(compiled->Render(environment_, scratch_, &out).ok());
  EXPECT_EQ(out, "ab");
  EXPECT_EQ(compiled->constant(), std::nullopt);
}

}  // namespace
}  // namespace postern
