#include "control/import/import.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "control/common/strings.h"
#include "control/compile/compile.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "lib/text/concat.h"
#include "lib/text/document.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string ReadFile(const std::string& name) {
  std::ifstream in("control/import/testdata/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

ImportResult Import(std::string_view text, ImportOptions options = {}) {
  if (options.file_name.empty()) options.file_name = "api.yaml";
  return ImportDefinition(text, options);
}

// A definition with `paths` (indented by two) and whatever else in `root`.
std::string Definition(std::string_view paths, std::string_view root = "") {
  return Concat("openapi: 3.0.1\ninfo: {title: T, version: '1'}\n", root, "paths:\n", paths);
}

// One GET /x with this integration in flow style.
std::string WithIntegration(std::string_view integration, std::string_view more = "") {
  return Definition(Concat("  /x/{id}:\n    get:\n      responses: {'200': {description: ok}}\n",
                           more, "      x-amazon-apigateway-integration: ", integration, "\n"));
}

const v1::Resource* FindResource(const v1::Deployment& deployment, std::string_view path) {
  for (const v1::Resource& resource : deployment.resources()) {
    if (resource.path() == path) return &resource;
  }
  return nullptr;
}

const v1::Method* FindMethod(const v1::Deployment& deployment, std::string_view path,
                             std::string_view name) {
  const v1::Resource* resource = FindResource(deployment, path);
  if (resource == nullptr) return nullptr;
  for (const v1::Method& method : resource->methods()) {
    if (method.http_method() == name) return &method;
  }
  return nullptr;
}

std::vector<std::string> Paths(const v1::Deployment& deployment) {
  std::vector<std::string> paths;
  for (const v1::Resource& resource : deployment.resources()) paths.push_back(resource.path());
  return paths;
}

// "refused /pointer: reason" of the findings that are listed.
std::vector<std::string> Listed(const ImportResult& result) {
  std::vector<std::string> lines;
  for (const Finding& finding : result.report.findings()) {
    if (finding.aggregate) continue;
    lines.push_back(Concat(DispositionName(finding.disposition), finding.blocking ? "! " : " ",
                           finding.place.pointer, ": ", finding.reason));
  }
  return lines;
}

GatewayCapabilities Everything() {
  GatewayCapabilities all;
  all.authorizers = all.iam = all.api_keys = all.resource_policies = true;
  all.filters = all.response_streaming = true;
  return all;
}

// ---- Whole definitions, as other tools make them, and the report for each. ----

class Testdata : public testing::TestWithParam<const char*> {};

TEST_P(Testdata, GivesItsReport) {
  ImportOptions options;
  options.file_name = GetParam();
  const ImportResult result = Import(ReadFile(GetParam()), options);
  EXPECT_EQ(result.report.ToText(false), ReadFile(Concat(GetParam(), ".report")))
      << "If the new text is right, it is the new content of the file.";
}

TEST_P(Testdata, CompilesOnceEveryGuardIsGivenUp) {
  ImportOptions options;
  options.file_name = GetParam();
  options.allow_unenforced = {"all"};
  ImportResult result = Import(ReadFile(GetParam()), options);
  if (std::string_view(GetParam()) == "broken.yaml") {
    EXPECT_FALSE(result.ok());
    return;
  }
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  const auto snapshot = CompileSnapshot({{result.api, result.deployment, {}}}, {});
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  for (const v1::UpstreamBinding& binding : snapshot->stages(0).upstreams()) {
    EXPECT_NE(binding.cluster().empty(), binding.problem().empty());
  }
}

// The contract: every property is in the report, itself or as part of something that is.
TEST_P(Testdata, EveryPropertyIsReported) {
  for (const bool capable : {false, true}) {
    ImportOptions options;
    if (capable) options.capabilities = Everything();
    const std::string text = ReadFile(GetParam());
    const ImportResult result = Import(text, options);
    std::set<std::string> reported;
    for (const Finding& finding : result.report.findings()) reported.insert(finding.place.pointer);
    const auto document = ParseDocument(text, "x");
    ASSERT_TRUE(document.ok());
    std::vector<Node> stack = {document->root()};
    while (!stack.empty()) {
      const Node node = stack.back();
      stack.pop_back();
      if (reported.count(node.Pointer()) > 0) continue;
      EXPECT_GT(node.size(), 0u) << node.Location() << " " << node.Pointer();
      for (const Node child : node.children()) stack.push_back(child);
    }
  }
}

// Nothing falls to the safety net: what is known is dealt with by name.
TEST_P(Testdata, NothingIsOverlooked) {
  const ImportResult result = Import(ReadFile(GetParam()));
  for (const Finding& finding : result.report.findings()) {
    EXPECT_NE(finding.kind, "unknown property") << finding.place.pointer;
    EXPECT_NE(finding.kind, "element") << finding.place.pointer;
  }
}

TEST_P(Testdata, IsImportedTheSameEveryTime) {
  const std::string text = ReadFile(GetParam());
  const ImportResult first = Import(text);
  const ImportResult second = Import(text);
  EXPECT_EQ(first.report.ToJson(), second.report.ToJson());
  EXPECT_EQ(StoreDeployment(first.deployment).digest(),
            StoreDeployment(second.deployment).digest());
}

INSTANTIATE_TEST_SUITE_P(Import, Testdata,
                         testing::Values("anchors.yaml", "broken.yaml", "cors_mocks.yaml",
                                         "export_swagger.json", "guards.yaml", "http_api.yaml",
                                         "openapi31.json", "proxies.yaml", "sam.json"),
                         [](const auto& info) {
                           const std::string_view name = info.param;
                           return std::string(name.substr(0, name.find('.')));
                         });

// ---- The document as a whole. ----

TEST(ImportDocument, JsonAndYamlAreTheSame) {
  const std::string text = ReadFile("export_swagger.json");
  // The same tree, written as YAML flow style with a comment: no longer JSON.
  const ImportResult json = Import(text);
  const ImportResult yaml = Import(Concat("# a comment\n", text));
  EXPECT_TRUE(json.ok());
  EXPECT_EQ(StoreDeployment(json.deployment).digest(), StoreDeployment(yaml.deployment).digest());
}

// management-and-import.md 3.6: text that is no definition.
TEST(ImportDocument, RefusesWhatIsNoDefinition) {
  struct Case {
    const char* text;
    const char* reason;
  };
  for (const Case& c : {
           Case{"", "Invalid OpenAPI input."},
           Case{"just a string", "Invalid OpenAPI input."},
           Case{"[]", "not an object"},
           Case{"{}", "neither \"openapi\" nor \"swagger\""},
           Case{"openapi: 4.0.0", "The version 4.0.0 is not known"},
           Case{"swagger: '1.2'", "The version 1.2 is not known"},
           Case{"AWSTemplateFormatVersion: x\nResources: {}", "CloudFormation or SAM template"},
           Case{"asyncapi: 2.0.0", "WebSocket APIs cannot be imported"},
           Case{"openapi: 3.0.1\nrouteSelectionExpression: $request.body.action\npaths: {}",
                "WebSocket APIs cannot be imported"},
           Case{"openapi: 3.0.1\ninfo: {title: x}\npaths: {$connect: {}}",
                "$connect is a route of a WebSocket API"},
           Case{"openapi: 3.0.1\ninfo: {title: x}", "It has no paths"},
       }) {
    const ImportResult result = Import(c.text);
    EXPECT_FALSE(result.ok()) << c.text;
    EXPECT_THAT(result.report.ToText(false), HasSubstr(c.reason)) << c.text;
  }
}

TEST(ImportDocument, SyntaxErrorsHaveTheirPlace) {
  const ImportResult json = Import("{\n  \"openapi\": \"3.0.1\",\n  \"paths\": }\n}");
  ASSERT_EQ(json.report.findings().size(), 1u);
  EXPECT_EQ(json.report.findings()[0].place.line, 3);
  EXPECT_GT(json.report.findings()[0].place.column, 1);
  EXPECT_THAT(json.report.findings()[0].reason, testing::StartsWith("Invalid OpenAPI input. "));
  const ImportResult yaml = Import("openapi: 3.0.1\npaths:\n  - a\n b: c\n");
  ASSERT_EQ(yaml.report.findings().size(), 1u);
  EXPECT_GT(yaml.report.findings()[0].place.line, 1);
  const ImportResult twice = Import("openapi: 3.0.1\npaths: {}\npaths: {}\n");
  EXPECT_FALSE(twice.ok());
}

TEST(ImportDocument, VersionsMayBeNumbers) {
  EXPECT_TRUE(Import("swagger: 2.0\ninfo: {title: x}\npaths: {}").ok());
  EXPECT_TRUE(Import("openapi: 3.0.3\ninfo: {title: x}\npaths: {}").ok());
  EXPECT_TRUE(Import("openapi: 3.1.1\ninfo: {title: x}\npaths: {}").ok());
  EXPECT_TRUE(Import("openapi: 3.0\ninfo: {title: x}\npaths: {}").ok());
}

// Definitions inside SAM applications name resources of their stack where nothing depends on it.
TEST(ImportDocument, CloudFormationFunctionsStandWhereTheApiNeedsNoValue) {
  for (const std::string_view function :
       {"!Ref AWS::StackName", "{Ref: 'AWS::StackName'}", "{'Fn::Join': ['-', [a, b]]}",
        "!GetAtt X.Arn", "{'Fn::Sub': ['${a}', {a: b}]}"}) {
    const ImportResult result = Import(
        Concat("openapi: 3.0.1\ninfo:\n  title: ", function, "\n  version: ", function,
               "\npaths:\n  /f:\n    get:\n      x-amazon-apigateway-integration:\n        type: "
               "aws_proxy\n        httpMethod: POST\n        uri: "
               "arn:aws:apigateway:eu-west-1:lambda:path/"
               "2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:f/invocations\n"
               "        credentials: ",
               function, "\n"));
    EXPECT_TRUE(result.ok()) << function;
    EXPECT_FALSE(result.api.name().empty());
    EXPECT_THAT(Listed(result), Contains(HasSubstr("CloudFormation would fill this in")));
    EXPECT_THAT(Listed(result), Contains(HasSubstr("The role is not assumed")));
  }
}

TEST(ImportDocument, CloudFormationFunctionsMakeUpUris) {
  for (const std::string_view uri :
       {"{'Fn::Join': ['', ['arn:', {Ref: 'AWS::Partition'}, ':apigateway:', {Ref: 'AWS::Region'}, "
        "':lambda:path/2015-03-31/functions/', {'Fn::GetAtt': [Hello, Arn]}, '/invocations']]}",
        "!Join ['', ['arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/', "
        "!GetAtt Hello.Arn, '/invocations']]",
        "!Sub ['arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${F}/invocations', "
        "{F: !GetAtt Hello.Arn}]"}) {
    const ImportResult result = Import(
        Definition(Concat("  /f:\n    get:\n      x-amazon-apigateway-integration:\n        type: "
                          "aws_proxy\n        httpMethod: POST\n        uri: ",
                          uri, "\n")));
    EXPECT_TRUE(result.ok()) << uri;
    EXPECT_THAT(Listed(result), Contains(HasSubstr("the name of the function, Hello"))) << uri;
  }
  EXPECT_FALSE(
      Import(Definition("  /f:\n    get:\n      x-amazon-apigateway-integration:\n        "
                        "type: http_proxy\n        httpMethod: GET\n        uri: !Ref U\n"))
          .ok());
}

TEST(ImportDocument, OneServerMayStandAlone) {
  const ImportResult result =
      Import("openapi: 3.0.1\ninfo: {title: x}\nservers: {url: 'https://x.example/'}\npaths: {}");
  EXPECT_TRUE(result.ok());
  EXPECT_THAT(Listed(result), Contains(HasSubstr("a list of one")));
  EXPECT_FALSE(Import("openapi: 3.0.1\ninfo: {title: x}\nservers: 3\npaths: {}").ok());
}

TEST(ImportDocument, TooMuchIsRefused) {
  EXPECT_FALSE(Import(std::string(kMaxDefinitionBytes + 1, ' ')).ok());
  std::string deep = "openapi: 3.0.1\npaths: ";
  for (int i = 0; i < 1000; ++i) deep += "{a: ";
  EXPECT_FALSE(Import(deep).ok());
  std::string many = "openapi: 3.0.1\ninfo: {title: x}\npaths:\n";
  for (int i = 0; i < 10001; ++i) many += Concat("  /p", i, ": {}\n");
  const ImportResult result = Import(many);
  EXPECT_THAT(Listed(result), Contains(HasSubstr("An API has at most 10,000 resources.")));
  std::string long_path(10000, 'a');
  EXPECT_FALSE(Import(Definition(Concat("  /", long_path, ": {}\n"))).ok());
  std::string list;
  for (int i = 0; i < 1001; ++i) list += "{name: a, in: query},";
  EXPECT_THAT(Listed(Import(Definition(Concat("  /x: {get: {parameters: [", list, "]}}\n")))),
              Contains(HasSubstr("It has 1001 entries")));
}

// Aliases of aliases, as an attack on memory.
TEST(ImportDocument, BillionLaughsAreRefused) {
  std::string text = "openapi: 3.0.1\na: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'l'; ++c) {
    text += Concat(c, ": &", c, " [");
    for (int i = 0; i < 10; ++i) text += Concat("*", static_cast<char>(c - 1), ",");
    text += "]\n";
  }
  EXPECT_FALSE(Import(text).ok());
}

// ---- Identity. ----

TEST(ImportInfo, IdIsStable) {
  const ImportResult one = Import("openapi: 3.0.1\ninfo: {title: Same}\npaths: {}");
  const ImportResult two = Import("swagger: '2.0'\ninfo: {title: Same, version: 2}\npaths: {}");
  EXPECT_EQ(one.api.id(), two.api.id());
  EXPECT_EQ(one.api.name(), "Same");
  EXPECT_EQ(two.api.version(), "2");
  const ImportResult named =
      Import("openapi: 3.0.1\ninfo: {title: Same}\npaths: {}\nx-postern-api-id: my-api");
  EXPECT_EQ(named.api.id(), "my-api");
  EXPECT_EQ(named.api.type(), v1::API_TYPE_REST);
}

TEST(ImportInfo, FileNameStandsInForATitle) {
  ImportOptions options;
  options.file_name = "some/where/orders.v1.yaml";
  const ImportResult result = Import("openapi: 3.0.1\npaths: {}", options);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.api.name(), "orders.v1");
}

// management-and-import.md 3.1.
TEST(ImportInfo, AwsVariablesAreReplaced) {
  ImportOptions options;
  options.gateway.set_region("eu-north-1");
  options.gateway.set_account_id("999999999999");
  const ImportResult result = Import(
      "openapi: 3.0.1\ninfo: {title: \"a-${AWS::Region}-${AWS::AccountId}-${AWS::Partition}-"
      "${AWS::Else}\"}\npaths: {}",
      options);
  EXPECT_EQ(result.api.name(), "a-eu-north-1-999999999999-aws-${AWS::Else}");
}

// ---- Paths. ----

// management-and-import.md 3.2, its table.
TEST(ImportBasePath, TheThreeModes) {
  const std::string text =
      "swagger: '2.0'\ninfo: {title: x}\nbasePath: /a/b/c\npaths: {/e: {}, /f: {}}";
  ImportOptions options;
  EXPECT_THAT(Paths(Import(text, options).deployment), ElementsAre("/", "/e", "/f"));
  options.base_path_mode = BasePathMode::kPrepend;
  EXPECT_THAT(Paths(Import(text, options).deployment),
              ElementsAre("/", "/a", "/a/b", "/a/b/c", "/a/b/c/e", "/a/b/c/f"));
  options.base_path_mode = BasePathMode::kSplit;
  EXPECT_THAT(Paths(Import(text, options).deployment),
              ElementsAre("/", "/b", "/b/c", "/b/c/e", "/b/c/f"));
}

// management-and-import.md 3.2, the recorded trees.
TEST(ImportBasePath, OfServers) {
  const auto paths = [](std::string_view servers, BasePathMode mode) {
    ImportOptions options;
    options.base_path_mode = mode;
    return Paths(Import(Concat("openapi: 3.0.1\ninfo: {title: x}\nservers: ", servers,
                               "\npaths: {/test: {}}"),
                        options)
                     .deployment);
  };
  const char* const variable =
      "[{url: 'https://h/{basePath}', variables: {basePath: {default: /base-var}}}]";
  EXPECT_THAT(paths(variable, BasePathMode::kPrepend),
              ElementsAre("/", "/base-var", "/base-var/test"));
  EXPECT_THAT(paths(variable, BasePathMode::kSplit), ElementsAre("/", "/test"));
  const char* const url = "[{url: 'https://h:8443/base-url/part/'}]";
  EXPECT_THAT(paths(url, BasePathMode::kPrepend),
              ElementsAre("/", "/base-url", "/base-url/part", "/base-url/part/test"));
  EXPECT_THAT(paths(url, BasePathMode::kSplit), ElementsAre("/", "/part", "/part/test"));
  // Even a variable that the URL does not use wins.
  EXPECT_THAT(
      paths("[{url: 'https://h/u', variables: {basePath: {default: v}}}]", BasePathMode::kPrepend),
      ElementsAre("/", "/v", "/v/test"));
  EXPECT_THAT(
      paths("[{url: 'https://{h}/{v}/x', variables: {v: {default: v1}}}]", BasePathMode::kPrepend),
      ElementsAre("/", "/v1", "/v1/x", "/v1/x/test"));
  for (const char* none : {"[]", "[{url: 'https://h'}]", "[{url: /}]", "[{url: ''}]"}) {
    EXPECT_THAT(paths(none, BasePathMode::kPrepend), ElementsAre("/", "/test")) << none;
  }
}

// rest-api.md 2.6.
TEST(ImportPaths, ParentsAreMade) {
  const ImportResult result = Import(Definition("  /a/{b}/c/{d+}: {}\n  /a: {}\n"));
  EXPECT_TRUE(result.ok()) << result.report.ToText(false);
  EXPECT_THAT(Paths(result.deployment),
              ElementsAre("/", "/a", "/a/{b}", "/a/{b}/c", "/a/{b}/c/{d+}"));
}

TEST(ImportPaths, EveryMethod) {
  std::string paths = "  /x:\n";
  for (const char* name : {"get", "put", "post", "delete", "options", "head", "patch",
                           "x-amazon-apigateway-any-method"}) {
    paths += Concat("    ", name, ": {x-amazon-apigateway-integration: {type: mock}}\n");
  }
  const ImportResult result = Import(Definition(paths));
  for (const char* name : {"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "ANY"}) {
    ASSERT_NE(FindMethod(result.deployment, "/x", name), nullptr) << name;
  }
}

// A method without a backend keeps its place, so that /{proxy+} does not get its requests.
TEST(ImportPaths, AMethodWithoutIntegrationAnswers500) {
  const ImportResult result = Import(Definition("  /x: {get: {responses: {}}}\n"));
  EXPECT_TRUE(result.ok());
  const v1::Method* method = FindMethod(result.deployment, "/x", "GET");
  ASSERT_NE(method, nullptr);
  EXPECT_FALSE(method->has_integration());
  EXPECT_THAT(method->unavailable_reason(), HasSubstr("No integration defined for method"));
  EXPECT_THAT(result.report.summary(), HasSubstr("1 of which answers 500"));
}

// ---- Parameters (rest-api.md 5.1, management-and-import.md 3.5). ----

TEST(ImportParameters, OfPathItemAndOperation) {
  const ImportResult result =
      Import(Definition("  /x/{id}/{rest+}:\n"
                        "    parameters:\n"
                        "      - {name: q, in: query, required: true}\n"
                        "      - {name: H, in: header, required: true}\n"
                        "    get:\n"
                        "      parameters:\n"
                        "        - {name: q, in: query}\n"
                        "        - {name: c, in: cookie, required: true}\n"
                        "      x-amazon-apigateway-integration: {type: mock}\n"));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  v1::Deployment deployment = result.deployment;
  Canonicalize(deployment);
  const v1::Method* method = FindMethod(deployment, "/x/{id}/{rest+}", "GET");
  ASSERT_EQ(method->request_parameters_size(), 4);
  EXPECT_EQ(method->request_parameters(0).name(), "id");
  EXPECT_TRUE(method->request_parameters(0).required());
  EXPECT_EQ(method->request_parameters(1).name(), "rest");
  EXPECT_EQ(method->request_parameters(2).name(), "q");
  EXPECT_FALSE(method->request_parameters(2).required());
  EXPECT_EQ(method->request_parameters(3).name(), "H");
  EXPECT_TRUE(method->request_parameters(3).required());
}

TEST(ImportParameters, NamesThatCannotBeMappedAreLeftOut) {
  const std::string text = Definition(
      "  /x: {get: {parameters: [{name: 'filter[a]', in: query}], x-amazon-apigateway-integration: "
      "{type: mock}}}\n");
  const ImportResult result = Import(text);
  EXPECT_TRUE(result.ok());
  EXPECT_THAT(Listed(result), Contains(HasSubstr("should match the following regex")));
  ImportOptions options;
  options.fail_on_warnings = true;
  EXPECT_FALSE(Import(text, options).ok());
}

// ---- Integrations (rest-api.md 6 to 9, management-and-import.md 3.4). ----

TEST(ImportIntegration, HttpProxy) {
  const ImportResult result = Import(WithIntegration(
      "{type: HTTP_PROXY, httpMethod: any, uri: 'https://h:8443/a/{id}?b=c', timeoutInMillis: 50, "
      "requestParameters: {integration.request.path.id: method.request.path.id, "
      "integration.request.header.X: \"'y'\"}, tlsConfig: {insecureSkipVerification: true}}"));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  const v1::Integration& integration =
      FindMethod(result.deployment, "/x/{id}", "GET")->integration();
  EXPECT_EQ(integration.type(), v1::INTEGRATION_TYPE_HTTP_PROXY);
  EXPECT_EQ(integration.http_method(), "ANY");
  EXPECT_EQ(integration.timeout_ms(), 50u);
  EXPECT_EQ(integration.http().upstream(), "https://h:8443|insecure");
  EXPECT_EQ(integration.http().path(), "/a/{id}?b=c");
  EXPECT_TRUE(integration.http().insecure_skip_verification());
  ASSERT_EQ(integration.request_parameters_size(), 2);
  EXPECT_EQ(integration.request_parameters(0).target(), v1::RequestMapping::TARGET_PATH);
  EXPECT_EQ(integration.request_parameters(1).source().literal(), "y");
}

// rest-api.md 6.5 step 1: the trap of a placeholder without a mapping is pointed out.
TEST(ImportIntegration, PlaceholdersWithoutMappingAreNoted) {
  const ImportResult result =
      Import(WithIntegration("{type: http_proxy, httpMethod: GET, uri: 'http://h/{id}'}"));
  EXPECT_TRUE(result.ok());
  EXPECT_THAT(Listed(result), Contains(HasSubstr("{id} stays as it is")));
}

TEST(ImportIntegration, Mock) {
  const ImportResult result =
      Import(WithIntegration("{type: mock, requestTemplates: {application/json: '{statusCode: "
                             "201}'}, passthroughBehavior: "
                             "never, responses: {'5..': {statusCode: 503}, default: {statusCode: "
                             "'200', responseTemplates: "
                             "{application/json: '{\"a\":1}', text/plain: ''}}}}"));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  const v1::Integration& integration =
      FindMethod(result.deployment, "/x/{id}", "GET")->integration();
  EXPECT_EQ(integration.type(), v1::INTEGRATION_TYPE_MOCK);
  EXPECT_TRUE(integration.has_mock());
  EXPECT_EQ(integration.passthrough_behavior(), v1::PASSTHROUGH_BEHAVIOR_NEVER);
  ASSERT_EQ(integration.request_templates_size(), 1);
  EXPECT_EQ(integration.request_templates(0).body(), "{statusCode: 201}");
  ASSERT_EQ(integration.responses_size(), 2);
  EXPECT_EQ(integration.responses(0).selection_pattern(), "5..");
  EXPECT_EQ(integration.responses(0).status_code(), 503u);
  EXPECT_EQ(integration.responses(1).selection_pattern(), "");
  EXPECT_EQ(integration.responses(1).templates_size(), 2);
}

TEST(ImportIntegration, Function) {
  ImportOptions options;
  options.stage.variables["alias"] = "live";
  options.stage.lambda["pets:live"] = {"http://127.0.0.1:9001"};
  const ImportResult result =
      Import(WithIntegration(
                 "{type: aws_proxy, httpMethod: POST, uri: 'arn:aws:apigateway:eu-west-1:lambda:"
                 "path/2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:pets:"
                 "${stageVariables.alias}/invocations', passthroughBehavior: when_no_match}"),
             options);
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(Listed(result), IsEmpty());
  const v1::Integration& integration =
      FindMethod(result.deployment, "/x/{id}", "GET")->integration();
  EXPECT_EQ(integration.lambda().function(),
            "arn:aws:lambda:eu-west-1:111122223333:function:pets:${stageVariables.alias}");
  EXPECT_EQ(integration.http_method(), "POST");
}

TEST(ImportIntegration, AFunctionWithoutEndpointSaysWhatToDo) {
  const ImportResult result = Import(WithIntegration(
      "{type: aws_proxy, httpMethod: GET, uri: 'arn:aws:lambda:eu-west-1:1:function:pets'}"));
  EXPECT_TRUE(result.ok());
  EXPECT_THAT(Listed(result), Contains(HasSubstr("--lambda pets=http://127.0.0.1:9001")));
  EXPECT_THAT(Listed(result), Contains(HasSubstr("always invoked with POST")));
}

// What cannot be executed makes its method unavailable, and nothing else.
// rest-api.md 7: templates are compiled; what they are made of is the filter's.
TEST(ImportIntegration, TemplatesAndBodiesMap) {
  for (const char* integration :
       {"{type: mock, requestTemplates: {application/json: '#set($x = 1){\"statusCode\": $x}'}}",
        "{type: http, httpMethod: GET, uri: 'http://h', responses: {default: {statusCode: 200, "
        "responseTemplates: {application/json: \"$input.path('$.a')\"}, responseParameters: "
        "{method.response.header.x: integration.response.body.a}}}}",
        "{type: aws, httpMethod: POST, uri: 'arn:aws:apigateway:r:lambda:path/2015-03-31/functions/"
        "f/invocations', requestParameters: {integration.request.header.x: "
        "method.request.body.a}}"}) {
    const ImportResult result = Import(WithIntegration(integration));
    ASSERT_TRUE(result.ok()) << result.report.ToText(false);
    EXPECT_TRUE(FindMethod(result.deployment, "/x/{id}", "GET")->has_integration()) << integration;
    EXPECT_EQ(result.report.count(Disposition::kRefused), 0u) << integration;
  }
}

// rest-api.md 7.1, 7.3, 8.1: with the place in the definition, and the one in the template.
TEST(ImportIntegration, MistakesInMappingsAreRefused) {
  for (const auto& [integration, message] : {
           std::pair("{type: mock, requestTemplates: {application/json: \"a\\n#if($x\"}}",
                     "template:2:"),
           std::pair("{type: mock, requestTemplates: {application/json: \"$input.path('$[')\"}}",
                     "JSONPath"),
           std::pair("{type: mock, responses: {'(': {statusCode: 200}}}",
                     "The pattern is no regular expression"),
           std::pair("{type: http, httpMethod: GET, uri: 'http://h', requestParameters: "
                     "{integration.request.header.x: 'method.request.body.a['}}",
                     "JSONPath 'a['"),
       }) {
    const ImportResult result = Import(WithIntegration(integration));
    EXPECT_FALSE(result.ok()) << integration;
    EXPECT_THAT(result.report.ToText(false), HasSubstr(message)) << integration;
  }
}

TEST(ImportIntegration, WhatCannotBeExecutedIsUnavailable) {
  struct Case {
    const char* integration;
    const char* reason;
  };
  for (const Case& c : {
           Case{"{type: http_proxy, httpMethod: GET, uri: 'http://h', requestParameters: "
                "{integration.request.header.x: method.request.body.a}}",
                "body of a request"},
           Case{
               "{type: http, httpMethod: GET, uri: 'http://h', responses: {'(?!2)..': {statusCode: "
               "200}}}",
               "pattern cannot be used"},
           Case{"{type: http_proxy, httpMethod: GET, connectionType: VPC_LINK, connectionId: v, "
                "uri: "
                "'arn:aws:elasticloadbalancing:r:1:listener/app/x'}",
                "load balancer"},
           Case{"{type: aws_proxy, httpMethod: POST, uri: 'arn:aws:apigateway:r:firehose:action/"
                "PutRecord'}",
                "Firehose"},
           Case{"{type: aws_proxy, httpMethod: POST, uri: "
                "'arn:aws:apigateway:r:lambda:path/2021-11-15"
                "/functions/f/response-streaming-invocations'}",
                "Streamed results"},
           Case{"{type: aws_proxy, httpMethod: POST, responseTransferMode: STREAM, uri: "
                "'arn:aws:lambda:r:1:function:f'}",
                "Streamed results"},
           Case{"{type: http_proxy, httpMethod: GET, uri: 'http://h', requestParameters: "
                "{append:header.x: '$request.path'}}",
                "HTTP APIs"},
       }) {
    const std::string text = WithIntegration(c.integration);
    const ImportResult result = Import(text);
    EXPECT_TRUE(result.ok()) << c.integration << "\n" << result.report.ToText(false);
    const v1::Method* method = FindMethod(result.deployment, "/x/{id}", "GET");
    ASSERT_NE(method, nullptr);
    EXPECT_FALSE(method->has_integration()) << c.integration;
    EXPECT_THAT(method->unavailable_reason(), HasSubstr(c.reason)) << c.integration;
    EXPECT_GE(result.report.count(Disposition::kRefused), 1u);

    ImportOptions strict;
    strict.fail_on_warnings = true;
    EXPECT_FALSE(Import(text, strict).ok()) << c.integration;
  }
}

// rest-api.md 6.1: errors of a definition, in the words of AWS.
TEST(ImportIntegration, DefinitionErrors) {
  struct Case {
    const char* integration;
    const char* reason;
  };
  for (const Case& c : {
           Case{"{}", "An integration needs a type"},
           Case{"{type: tcp}",
                "Member must satisfy enum value set: [HTTP, MOCK, AWS_PROXY, "
                "HTTP_PROXY, AWS]"},
           Case{"{type: http, uri: 'http://h'}",
                "Enumeration value for HttpMethod must be non-empty"},
           Case{"{type: aws, uri: 'arn:aws:apigateway:r:sqs:path/1/q'}",
                "Enumeration value for HttpMethod must be non-empty"},
           Case{"{type: http_proxy, httpMethod: GET}", "Invalid HTTP endpoint specified for URI"},
           Case{"{type: http_proxy, httpMethod: GET, uri: h}",
                "Invalid HTTP endpoint specified for URI"},
           Case{"{type: http_proxy, httpMethod: GET, uri: 'http://${host}/'}", "${host}"},
           Case{"{type: aws_proxy, httpMethod: POST, uri: pets}",
                "Invalid ARN specified in the request"},
           Case{"{type: aws_proxy, httpMethod: POST}", "Invalid ARN specified in the request"},
           Case{"{type: aws, httpMethod: POST, uri: 'arn:aws:apigateway:r:sqs:q'}",
                "AWS ARN for integration must contain path or action"},
           Case{"{type: aws, httpMethod: POST, uri: 'arn:aws:apigateway:r:sqs:action/'}",
                "AWS ARN for integration must contain path or action"},
           Case{"{type: aws, httpMethod: POST, uri: 'arn:aws:apigateway::sqs:path/q'}",
                "Invalid ARN specified in the request"},
           Case{"{type: aws, httpMethod: POST, uri: 'arn:aws:apigateway:r:s q:path/q'}",
                "Invalid ARN specified in the request"},
           Case{"{type: aws_proxy, integrationSubtype: SQS-PurgeQueue}",
                "Only integrations of HTTP APIs have one"},
           Case{"{type: aws_proxy, httpMethod: POST, uri: 'arn:aws:apigateway:r:sqs:path/1/q'}",
                "Integrations of type 'AWS_PROXY' currently only supports Lambda function and "
                "Firehose stream invocations."},
           Case{"{type: mock, timeoutInMillis: 49}", "between 50 ms"},
           Case{"{type: mock, timeoutInMillis: soon}", "A whole number is expected"},
           Case{"{type: http, httpMethod: TRACE, uri: 'http://h'}", "Invalid HttpMethod specified"},
           Case{"{type: mock, passthroughBehavior: maybe}", "when_no_match"},
           Case{"{type: mock, contentHandling: BASE64}", "CONVERT_TO_TEXT"},
           Case{"{type: mock, responses: {default: {statusCode: 600}}}", "[1-5]\\d\\d"},
           Case{"{type: mock, responses: {default: {}}}", "needs a statusCode"},
           Case{"{type: mock, responses: {default: {statusCode: 200, responseParameters: {X: "
                "\"'a'\"}}}}",
                "Invalid mapping expression specified: X"},
           Case{"{type: mock, requestTemplates: {application/json: 5}}", "A template is a string"},
           Case{"{type: mock, requestTemplates: []}", "An object is expected"},
           Case{"{type: http_proxy, httpMethod: GET, uri: {Ref: X}}",
                "nothing here replaces ${X};"},
           Case{"{type: http_proxy, httpMethod: GET, uri: !GetAtt X.Url}",
                "nothing here replaces ${X.Url};"},
           Case{"5", "An object is expected here"},
           Case{"{type: http_proxy, httpMethod: GET, uri: 'http://h', requestParameters: "
                "{integration.request.header.x: \"'a'\", integration.request.header.X: \"'b'\"}}",
                "The header X is mapped twice"},
           Case{"{type: mock, responses: {default: {statusCode: 200, responseParameters: "
                "{method.response.header.x: \"'a'\", method.response.header.X: \"'b'\"}}}}",
                "The header X is mapped twice"},
           Case{"{type: mock, requestTemplates: {a/b: x, A/b: y}}",
                "none that another template has"},
           Case{"{type: mock, responses: {default: {statusCode: 101}}}", "1xx"},
           Case{"{type: http_proxy, httpMethod: GET, uri: 'https://h', tlsConfig: "
                "{serverNameToVerify: 'a b'}}",
                "name of a host"},
       }) {
    const ImportResult result = Import(WithIntegration(c.integration));
    EXPECT_FALSE(result.ok()) << c.integration;
    EXPECT_THAT(Listed(result), Contains(HasSubstr(c.reason))) << c.integration;
  }
}

// management-and-import.md 3.6, recorded from AWS: the mapping is skipped with this text.
TEST(ImportIntegration, MappingOfAnotherTypeIsSkipped) {
  const ImportResult result = Import(
      WithIntegration("{type: http_proxy, httpMethod: GET, uri: 'http://h', requestParameters: "
                      "{integration.request.header.nothing: true}}"));
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(Listed(result),
              Contains(HasSubstr(
                  "Invalid format for 'requestParameters'. Expected type string for property "
                  "'integration.request.header.nothing' of resource '/x/{id}' and method "
                  "'GET' but got 'true'")));
  EXPECT_EQ(
      FindMethod(result.deployment, "/x/{id}", "GET")->integration().request_parameters_size(), 0);
}

// http-api.md 2: routes need no parents and may stand beside each other as they like, but for the
// same one twice.
TEST(ImportHttpApi, Routes) {
  const std::string integration =
      "      x-amazon-apigateway-integration: {type: aws_proxy, payloadFormatVersion: '2.0', uri: "
      "'arn:aws:lambda:eu-west-1:111122223333:function:f'}\n";
  const ImportResult result =
      Import(Definition("  /a/b/{id}:\n    get:\n" + integration + "  /a/b/{proxy+}:\n    get:\n" +
                        integration + "  /a/b/{pet}/toys:\n    get:\n" + integration));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  EXPECT_EQ(result.deployment.resources_size(), 3);
  EXPECT_EQ(
      FindMethod(result.deployment, "/a/b/{id}", "GET")->integration().payload_format_version(),
      "2.0");
  for (const char* second : {"  /a/b/{pet}:\n", "  /a/b/{id}/:\n"}) {
    const ImportResult twice = Import(
        Definition("  /a/b/{id}:\n    get:\n" + integration + second + "    get:\n" + integration));
    EXPECT_FALSE(twice.ok()) << second;
  }
}

// http-api.md 1, 17: what HTTP APIs do not have.
TEST(ImportHttpApi, WhatIsNotThere) {
  const ImportResult mock = Import(Definition(
      "  /a:\n    get:\n      x-amazon-apigateway-integration: {type: mock, payloadFormatVersion: "
      "'1.0'}\n"));
  EXPECT_THAT(Listed(mock), Contains(HasSubstr("aws_proxy and http_proxy only")));
  const ImportResult version = Import(
      Definition("  /a:\n    get:\n      x-amazon-apigateway-integration: {type: http_proxy, "
                 "payloadFormatVersion: '2.0', uri: 'http://h/'}\n"));
  EXPECT_FALSE(version.ok());
}

// http-api.md 13.
TEST(ImportHttpApi, Cors) {
  const std::string paths =
      "  /a:\n    get:\n      x-amazon-apigateway-integration: {type: http_proxy, "
      "payloadFormatVersion: '1.0', uri: 'http://h/'}\n";
  const ImportResult result =
      Import(Definition(paths) +
             "x-amazon-apigateway-cors: {allowOrigins: ['https://a'], allowMethods: [GET, PUT], "
             "allowHeaders: ['*'], exposeHeaders: [x], allowCredentials: true, maxAge: 300}\n");
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  const v1::CorsConfiguration& cors = result.deployment.cors();
  EXPECT_EQ(cors.allow_origins(0), "https://a");
  EXPECT_EQ(cors.allow_methods_size(), 2);
  EXPECT_EQ(cors.allow_headers(0), "*");
  EXPECT_EQ(cors.expose_headers(0), "x");
  EXPECT_TRUE(cors.allow_credentials());
  EXPECT_EQ(cors.max_age_seconds(), 300);
  for (const char* wrong :
       {"{allowOrigins: ['*'], allowCredentials: true}", "{maxAge: 86401}", "{allowOrigins: 5}"}) {
    EXPECT_FALSE(Import(Definition(paths) + "x-amazon-apigateway-cors: " + wrong + "\n").ok())
        << wrong;
  }
}

// http-api.md 9: $default sends the whole path on; {name} is filled by itself.
TEST(ImportIntegration, HttpApiRules) {
  const ImportResult result = Import(Definition(
      "  /$default:\n"
      "    x-amazon-apigateway-any-method:\n"
      "      isDefaultRoute: true\n"
      "      x-amazon-apigateway-integration: {type: http_proxy, payloadFormatVersion: '1.0', uri: "
      "'http://h/base/?a=b'}\n"
      "  /x/{id}:\n"
      "    get:\n"
      "      x-amazon-apigateway-integration: {type: http_proxy, payloadFormatVersion: 1.0, "
      "httpMethod: GET, uri: 'http://h/x/{id}'}\n"));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  EXPECT_EQ(result.api.type(), v1::API_TYPE_HTTP);
  EXPECT_EQ(result.deployment.type(), v1::API_TYPE_HTTP);
  EXPECT_EQ(result.deployment.default_route().http_method(), "ANY");
  const v1::Integration& rest = result.deployment.default_route().integration();
  EXPECT_EQ(rest.http().path(), "/base/{proxy}?a=b");
  EXPECT_EQ(rest.http_method(), "ANY");
  ASSERT_EQ(rest.request_parameters_size(), 1);
  EXPECT_EQ(rest.request_parameters(0).source().request().name(), "proxy");
  const v1::Integration& pet = FindMethod(result.deployment, "/x/{id}", "GET")->integration();
  ASSERT_EQ(pet.request_parameters_size(), 1);
  EXPECT_EQ(pet.request_parameters(0).name(), "id");
}

std::string Subtype(std::string_view members) {
  return Definition(
      Concat("  /x:\n    post:\n      x-amazon-apigateway-integration: {type: aws_proxy, "
             "payloadFormatVersion: '1.0', ",
             members, "}\n"));
}

// http-api.md 10.
TEST(ImportHttpApi, Subtypes) {
  const ImportResult result = Import(Subtype(
      "integrationSubtype: SQS-SendMessage, credentials: 'arn:aws:iam::111122223333:role/send', "
      "requestParameters: {QueueUrl: 'https://sqs.eu-west-1.amazonaws.com/111122223333/q', "
      "MessageBody: $request.body.message, Region: eu-west-1, DelaySeconds: '5'}"));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  EXPECT_EQ(result.report.count(Disposition::kRefused), 0u) << result.report.ToText(false);
  const v1::Integration& integration = FindMethod(result.deployment, "/x", "POST")->integration();
  EXPECT_EQ(integration.aws_service().subtype(), "SQS-SendMessage");
  EXPECT_EQ(integration.aws_service().region(), "eu-west-1");
  EXPECT_EQ(integration.aws_service().upstream(),
            "aws|eu-west-1||sqs|arn:aws:iam::111122223333:role/send");
  ASSERT_EQ(integration.request_parameters_size(), 3) << "the region is none";
  EXPECT_EQ(integration.request_parameters(1).target(),
            v1::RequestMapping::TARGET_SERVICE_PARAMETER);
  EXPECT_EQ(integration.request_parameters(1).source().expression(), "$request.body.message");
}

TEST(ImportHttpApi, SubtypesThatAreWrong) {
  const auto reasons = [](std::string_view members) {
    const ImportResult result = Import(Subtype(members));
    EXPECT_FALSE(result.ok()) << members;
    return Listed(result);
  };
  EXPECT_THAT(reasons("integrationSubtype: SQS-Nothing"),
              Contains(HasSubstr("There is no subtype SQS-Nothing")));
  EXPECT_THAT(reasons("integrationSubtype: SQS-DeleteMessage, requestParameters: {QueueUrl: a}"),
              Contains(HasSubstr("SQS-DeleteMessage needs the parameter ReceiptHandle")));
  EXPECT_THAT(reasons("integrationSubtype: SQS-PurgeQueue, requestParameters: {QueueUrl: a, B: c}"),
              Contains(HasSubstr("SQS-PurgeQueue has no parameter B")));
  EXPECT_THAT(
      reasons("integrationSubtype: SQS-PurgeQueue, requestParameters: {QueueUrl: $request.x}"),
      Contains(HasSubstr("there is no such variable")));
  EXPECT_THAT(reasons("integrationSubtype: SQS-PurgeQueue, requestParameters: {QueueUrl: a, "
                      "Region: $request.header.r}"),
              Contains(HasSubstr("Region must be the name of a region")));
  EXPECT_THAT(reasons("integrationSubtype: SQS-PurgeQueue, credentials: nobody, "
                      "requestParameters: {QueueUrl: a}"),
              Contains(HasSubstr("it must be that of a role")));
  // The caller's identity is never there.
  const ImportResult caller =
      Import(Subtype("integrationSubtype: SQS-PurgeQueue, credentials: 'arn:aws:iam::*:user/*', "
                     "requestParameters: {QueueUrl: a}"));
  EXPECT_FALSE(FindMethod(caller.deployment, "/x", "POST")->has_integration());
}

// rest-api.md 9.1, last row.
TEST(ImportIntegration, AwsServices) {
  ImportOptions options;
  options.capabilities = Everything();
  const ImportResult result =
      Import(WithIntegration("{type: aws, httpMethod: POST, credentials: "
                             "'arn:aws:iam::111122223333:role/r', uri: "
                             "'arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem', responses: "
                             "{default: {statusCode: 200}}}"),
             options);
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  const v1::Integration& integration =
      FindMethod(result.deployment, "/x/{id}", "GET")->integration();
  EXPECT_EQ(integration.aws_service().action(), "PutItem");
  EXPECT_EQ(integration.aws_service().upstream(),
            "aws|eu-west-1||dynamodb|arn:aws:iam::111122223333:role/r");
  EXPECT_THAT(Listed(result), testing::Not(Contains(HasSubstr("role"))));
}

// ---- Gateway responses (rest-api.md 4). ----

TEST(ImportGatewayResponses, Everything) {
  const ImportResult result =
      Import(Definition("  /x: {}\n",
                        "x-amazon-apigateway-gateway-responses:\n"
                        "  ACCESS_DENIED:\n"
                        "    statusCode: '404'\n"
                        "    responseParameters:\n"
                        "      gatewayresponse.header.X-Path: method.request.path.id\n"
                        "      gatewayresponse.header.X-Error: context.error.message\n"
                        "    responseTemplates:\n"
                        "      application/json: '{\"m\":$context.error.messageString}'\n"
                        "  DEFAULT_5XX: {statusCode: 599}\n"));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  ASSERT_EQ(result.deployment.gateway_responses_size(), 2);
  const v1::GatewayResponse& denied = result.deployment.gateway_responses(0);
  EXPECT_EQ(denied.type(), "ACCESS_DENIED");
  EXPECT_EQ(denied.status_code(), 404u);
  ASSERT_EQ(denied.headers_size(), 2);
  EXPECT_EQ(denied.headers(0).value().request().name(), "id");
  EXPECT_EQ(denied.headers(1).value().context(), "error.message");
  EXPECT_EQ(denied.templates(0).body(), "{\"m\":$context.error.messageString}");
  EXPECT_EQ(result.deployment.gateway_responses(1).status_code(), 599u);
  EXPECT_FALSE(Import(Definition("  /x: {}\n",
                                 "x-amazon-apigateway-gateway-responses: {THROTTLED: "
                                 "{responseTemplates: {application/json: null}}}\n"))
                   .ok());
}

// ---- Guards: an API never ends up open because a property was dropped. ----

TEST(ImportGuards, RefuseUnlessTheyAreGivenUp) {
  const std::string text = ReadFile("guards.yaml");
  ImportOptions options;
  const size_t all = Import(text, options).report.blocking_count();
  EXPECT_EQ(all, 16u);
  // Each kind gives up its own guards and no others.
  size_t sum = 0;
  for (const char* kind : {"authorizer", "iam", "security", "api-key", "policy", "validator",
                           "mutual-tls", "tls-policy", "private-endpoint", "extension"}) {
    options.allow_unenforced = {kind};
    const ImportResult result = Import(text, options);
    const size_t given_up = all - result.report.blocking_count();
    EXPECT_GE(given_up, 1u) << kind;
    EXPECT_EQ(static_cast<size_t>(result.deployment.unenforced_size()), given_up) << kind;
    sum += given_up;
  }
  EXPECT_EQ(sum, all);
  options.allow_unenforced = {"all"};
  const ImportResult open = Import(text, options);
  EXPECT_TRUE(open.ok());
  EXPECT_EQ(open.deployment.unenforced_size(), 16);
  EXPECT_THAT(open.report.summary(), HasSubstr("16 guards NOT enforced"));
  EXPECT_THAT(open.report.ToText(false), HasSubstr("NOT ENFORCED, as you allowed:"));
}

TEST(ImportGuards, MayBeGivenUpByNameOrPointer) {
  const std::string text = ReadFile("guards.yaml");
  const auto remaining = [&text](std::string allowed) {
    ImportOptions options;
    options.allow_unenforced = {std::move(allowed)};
    return Import(text, options).report.blocking_count();
  };
  EXPECT_EQ(remaining("bearer"), 15u);
  EXPECT_EQ(remaining("/paths/~1iam/get/security/0/sigv4"), 15u);
  EXPECT_EQ(remaining("x-amazon-apigateway-throttling"), 15u);
  EXPECT_EQ(remaining("validator"), 15u);
  EXPECT_EQ(remaining(""), 16u);
  EXPECT_EQ(remaining("bear"), 16u);
  EXPECT_EQ(remaining("/paths"), 16u);
}

// The validator of that file is called "all"; nobody shall give up everything by naming it.
TEST(ImportGuards, WordsOfTheOptionAreNotNames) {
  const ImportResult result = Import(ReadFile("guards.yaml"));
  for (const Finding& finding : result.report.findings()) {
    EXPECT_THAT(finding.guard_names, Not(Contains("all")));
    EXPECT_THAT(finding.reason, Not(HasSubstr("--allow-unenforced all")));
  }
  const ImportResult scheme = Import(
      Definition("  /x: {get: {security: [{policy: []}], x-amazon-apigateway-integration: {type: "
                 "mock}}}\n",
                 "components: {securitySchemes: {policy: {type: http, scheme: basic}}}\n"),
      [] {
        ImportOptions options;
        options.allow_unenforced = {"policy"};
        return options;
      }());
  EXPECT_FALSE(scheme.ok());
}

TEST(ImportGuards, AnAllowanceThatNamesNothingIsReported) {
  ImportOptions options;
  options.allow_unenforced = {"autorizer"};
  EXPECT_THAT(Listed(Import(Definition("  /x: {}\n"), options)),
              Contains(HasSubstr("--allow-unenforced autorizer names nothing")));
}

// A policy that lets everything pass has nothing to enforce; any other has.
TEST(ImportGuards, Policies) {
  const auto ok = [](std::string_view policy) {
    return Import(Definition("  /x: {}\n", Concat("x-amazon-apigateway-policy: ", policy, "\n")))
        .ok();
  };
  const std::string allow =
      "{Effect: Allow, Principal: '*', Action: 'execute-api:Invoke', Resource: 'execute-api:/*'}";
  EXPECT_TRUE(ok(Concat("{Version: '2012-10-17', Statement: [", allow, "]}")));
  EXPECT_TRUE(ok(Concat("{Statement: ", allow, "}")));
  EXPECT_TRUE(
      ok("{Statement: [{Effect: Allow, Principal: {AWS: '*'}, Action: [execute-api:Invoke], "
         "Resource: ['*']}]}"));
  for (const std::string& policy : {
           std::string("{}"),
           std::string("{Statement: []}"),
           std::string("text"),
           Concat("{Statement: [", allow,
                  ", {Effect: Deny, Principal: '*', Action: '*', Resource: '*'}]}"),
           std::string(
               "{Statement: [{Effect: Allow, Principal: '*', Action: 'execute-api:Invoke', "
               "Resource: 'execute-api:/*', Condition: {Bool: {aws:SecureTransport: true}}}]}"),
           std::string(
               "{Statement: [{Effect: Allow, Principal: {AWS: 'arn:aws:iam::1:root'}, Action: "
               "'*', Resource: '*'}]}"),
           std::string("{Statement: [{Effect: Allow, Principal: '*', Action: 'execute-api:Invoke', "
                       "Resource: 'execute-api:/prod/GET/*'}]}"),
           std::string(
               "{Statement: [{Effect: Allow, NotPrincipal: {AWS: '1'}, Action: '*', Resource: "
               "'*'}]}"),
           std::string(
               "{Statement: [{Effect: Allow, Principal: '*', NotAction: '*', Resource: '*'}]}"),
           std::string("{Statement: [5]}"),
       }) {
    EXPECT_FALSE(ok(policy)) << policy;
  }
}

// A misspelt guard is no guard; it refuses too.
TEST(ImportGuards, MisspeltExtensions) {
  for (const char* name :
       {"x-amazon-apigateway-polcy", "x-amazon-apigateway-policies",
        "x-amazon-apigateway-authoriser", "x-amazon-apigateway-request-validater",
        "X-Amazon-ApiGateway-Policy", "x-amazon-apigateway-api-keysource",
        "x-amazon-apigateway-secrity", "x-amazon-api-gateway-policy", "x-amazon-apigateway-auth"}) {
    EXPECT_FALSE(Import(Definition("  /x: {}\n", Concat(name, ": {}\n"))).ok()) << name;
  }
  for (const char* name : {"x-amazon-apigateway-tag-valu", "x-amazon-apigateway-new-thing"}) {
    const ImportResult result = Import(Definition("  /x: {}\n", Concat(name, ": {}\n")));
    EXPECT_TRUE(result.ok()) << name;
    EXPECT_THAT(Listed(result), Contains(HasSubstr("No such extension is known."))) << name;
  }
  EXPECT_TRUE(Import(Definition("  /x: {}\n", "x-other-policy: {}\n")).ok());
}

// ---- With gateways that can do more. ----

TEST(ImportCapabilities, Security) {
  ImportOptions options;
  options.capabilities = Everything();
  const ImportResult result = Import(
      Definition(
          "  /a: {get: {security: [{pool: [x/read]}, {key: []}], "
          "x-amazon-apigateway-integration: {type: mock}}}\n"
          "  /b: {get: {security: [{iam: []}], x-amazon-apigateway-integration: {type: mock}}}\n"
          "  /c: {get: {x-amazon-apigateway-integration: {type: mock}}}\n"
          "  /d: {get: {security: [], x-amazon-apigateway-integration: {type: mock}}}\n",
          "security: [{token: []}]\n"
          "x-amazon-apigateway-policy: {Statement: [{Effect: Deny}]}\n"
          "components:\n"
          "  securitySchemes:\n"
          "    key: {type: apiKey, name: x-api-key, in: header}\n"
          "    iam: {type: apiKey, name: Authorization, in: header, "
          "x-amazon-apigateway-authtype: awsSigv4}\n"
          "    pool: {type: apiKey, name: Authorization, in: header, "
          "x-amazon-apigateway-authorizer: {type: cognito_user_pools, providerARNs: ['arn:p']}}\n"
          "    token: {type: apiKey, name: X-Token, in: header, x-amazon-apigateway-authtype: "
          "custom, x-amazon-apigateway-authorizer: {type: token, authorizerResultTtlInSeconds: 0, "
          "authorizerUri: 'arn:aws:lambda:r:1:function:guard'}}\n"),
      options);
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  const v1::Method* a = FindMethod(result.deployment, "/a", "GET");
  EXPECT_TRUE(a->api_key_required());
  EXPECT_EQ(a->authorization().type(), v1::Authorization::TYPE_COGNITO_USER_POOLS);
  EXPECT_EQ(a->authorization().authorizer(), "pool");
  EXPECT_THAT(a->authorization().scopes(), ElementsAre("x/read"));
  EXPECT_EQ(FindMethod(result.deployment, "/b", "GET")->authorization().type(),
            v1::Authorization::TYPE_AWS_IAM);
  EXPECT_EQ(FindMethod(result.deployment, "/c", "GET")->authorization().authorizer(), "token");
  EXPECT_FALSE(FindMethod(result.deployment, "/d", "GET")->has_authorization());
  EXPECT_EQ(result.deployment.resource_policy_json(), "{\"Statement\":[{\"Effect\":\"Deny\"}]}");
  ASSERT_EQ(result.deployment.authorizers_size(), 2);
  const v1::Authorizer& token = result.deployment.authorizers(1);
  EXPECT_EQ(token.type(), v1::Authorizer::TYPE_TOKEN);
  EXPECT_EQ(token.result_ttl_seconds(), 0u);
  EXPECT_TRUE(token.has_result_ttl_seconds());
  EXPECT_THAT(token.identity_sources(), ElementsAre("method.request.header.X-Token"));
  EXPECT_EQ(token.function().function(), "arn:aws:lambda:r:1:function:guard");
  EXPECT_EQ(token.id().size(), 6u);
}

TEST(ImportCapabilities, Validation) {
  ImportOptions options;
  options.capabilities = Everything();
  const ImportResult result = Import(
      Definition(
          "  /a:\n"
          "    post:\n"
          "      requestBody: {content: {application/json; charset=utf-8: {schema: {$ref: "
          "'#/components/schemas/Pet'}}, application/xml: {schema: {type: object}}}}\n"
          "      x-amazon-apigateway-integration: {type: mock}\n",
          "x-amazon-apigateway-request-validators: {all: {validateRequestBody: true, "
          "validateRequestParameters: true}}\n"
          "x-amazon-apigateway-request-validator: all\n"
          "components:\n"
          "  schemas:\n"
          "    Pet: {type: object, example: 1, properties: {example: {type: string, nullable: "
          "true}, parent: {$ref: '#/components/schemas/Pet'}, kind: {$ref: "
          "'#/components/schemas/Pet-Kind'}}, required: [example]}\n"
          "    Pet-Kind: {enum: [dog, 1, null]}\n"),
      options);
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  const v1::Method* method = FindMethod(result.deployment, "/a", "POST");
  EXPECT_TRUE(method->validate_body());
  EXPECT_TRUE(method->validate_parameters());
  ASSERT_EQ(method->request_models_size(), 2);
  EXPECT_EQ(method->request_models(0).content_type(), "application/json");
  EXPECT_EQ(method->request_models(0).model(), "Pet");
  ASSERT_EQ(result.deployment.models_size(), 3);
  const v1::Model& pet = result.deployment.models(0);
  const v1::Model& kind = result.deployment.models(1);
  EXPECT_EQ(pet.name(), "Pet");
  EXPECT_EQ(
      pet.schema_json(),
      Concat("{\"type\":\"object\",\"properties\":{\"example\":{\"type\":\"string\"},"
             "\"parent\":{\"$ref\":\"postern:model/Pet\"},\"kind\":{\"$ref\":\"postern:model/",
             kind.name(), "\"}},\"required\":[\"example\"]}"));
  EXPECT_EQ(kind.schema_json(), "{\"enum\":[\"dog\",1,null]}");
  EXPECT_EQ(method->request_models(1).model(), result.deployment.models(2).name());
  EXPECT_THAT(result.deployment.models(2).name(), testing::StartsWith("MODEL"));
}

// rest-api.md §5.4, §5.5: what is wrong with a schema is said where it stands.
TEST(ImportModels, AreCompiled) {
  const std::string validators =
      "x-amazon-apigateway-request-validators: {body: {validateRequestBody: true}}\n"
      "x-amazon-apigateway-request-validator: body\n";
  const std::string path =
      "  /a:\n"
      "    post:\n"
      "      requestBody: {content: {application/json: {schema: {$ref: "
      "'#/components/schemas/Used'}}}}\n"
      "      x-amazon-apigateway-integration: {type: mock}\n";
  const auto import = [&](std::string_view schemas, std::vector<std::string> allowed = {}) {
    ImportOptions options;
    options.allow_unenforced = std::move(allowed);
    return Import(Definition(path, Concat(validators, "components:\n  schemas:\n", schemas)),
                  options);
  };
  struct Row {
    const char* schemas;
    const char* place;
    const char* reason;
  };
  constexpr const char* kInvalid = "Invalid model schema specified: ";
  for (const Row& row : {
           Row{"    Used: {properties: {a/b: {type: text}}}\n",
               "/components/schemas/Used/properties/a~1b/type", kInvalid},
           Row{"    Used: {items: [{}, {enum: []}]}\n", "/components/schemas/Used/items/1/enum",
               kInvalid},
           Row{"    Used: {}\n    Other: {properties: {a: {required: true}}}\n",
               "/components/schemas/Other/properties/a/required", kInvalid},
           Row{"    Used: {$ref: '#/components/schemas/Used'}\n", "/components/schemas/Used",
               "leads back to itself"},
           Row{"    Used: {$ref: '#/definitions/Inner'}\n", "/components/schemas/Used/$ref",
               "does not lead to a schema"},
           Row{"    Used: {patternProperties: {'(?=a)': {}}}\n",
               "/components/schemas/Used/patternProperties/(?=a)", "look-around"},
           Row{"    Used: {pattern: '(?=a)b'}\n", "/components/schemas/Used/pattern",
               "say --allow-unenforced validator"},
       }) {
    const ImportResult result = import(row.schemas);
    EXPECT_FALSE(result.ok()) << row.schemas;
    bool found = false;
    for (const Finding& finding : result.report.findings()) {
      if (!finding.blocking || finding.place.pointer != row.place) continue;
      found = true;
      EXPECT_THAT(finding.reason, HasSubstr(row.reason));
      EXPECT_GT(finding.place.line, 0);
    }
    EXPECT_TRUE(found) << row.place << "\n" << result.report.ToText(false);
  }

  // What cannot be checked is left out only where that was asked for, and nothing else with it.
  const std::string pattern = "    Used: {type: string, minLength: 2, pattern: '(?=a)b'}\n";
  const ImportResult given_up = import(pattern, {"validator"});
  ASSERT_TRUE(given_up.ok()) << given_up.report.ToText(false);
  EXPECT_EQ(given_up.deployment.models(0).schema_json(), R"({"type":"string","minLength":2})");
  EXPECT_TRUE(FindMethod(given_up.deployment, "/a", "POST")->validate_body());
  EXPECT_EQ(given_up.deployment.unenforced_size(), 1);

  // One that no request is checked with does not matter.
  const ImportResult unused = import("    Used: {}\n    Other: {pattern: '(?=a)b'}\n");
  EXPECT_TRUE(unused.ok()) << unused.report.ToText(false);
  EXPECT_THAT(unused.report.ToText(false), HasSubstr("No request is checked with it"));

  // What API Gateway leaves out is said.
  const ImportResult dropped =
      import("    Used: {items: {maxItems: 3, nullable: true}, exclusiveMinimum: true}\n");
  ASSERT_TRUE(dropped.ok()) << dropped.report.ToText(false);
  EXPECT_EQ(dropped.deployment.models(0).schema_json(), R"({"items":{}})");
  for (const char* keyword : {"maxItems", "exclusiveMinimum", "nullable"}) {
    EXPECT_THAT(dropped.report.ToText(false), HasSubstr(Concat("API Gateway drops ", keyword)));
  }

  // rest-api.md §5.4: references as API Gateway has them itself.
  const ImportResult aws = import(
      "    Used: {properties: {a: {$ref: "
      "'https://apigateway.amazonaws.com/restapis/abc123/models/Other'}}}\n    Other: {}\n");
  ASSERT_TRUE(aws.ok()) << aws.report.ToText(false);
  EXPECT_EQ(aws.deployment.models(1).schema_json(),
            R"({"properties":{"a":{"$ref":"postern:model/Other"}}})");
}

// HTTP APIs do not validate (http-api.md §1); an author who asks for it is told.
TEST(ImportModels, HttpApisHaveNone) {
  const ImportResult result = Import(
      "openapi: 3.0.1\ninfo: {title: t, version: '1'}\n"
      "x-amazon-apigateway-request-validators: {all: {validateRequestBody: true}}\n"
      "x-amazon-apigateway-request-validator: all\n"
      "paths:\n"
      "  /a:\n"
      "    post:\n"
      "      requestBody: {content: {application/json: {schema: {type: object}}}}\n"
      "      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: POST, uri: "
      "'http://h/', payloadFormatVersion: '1.0'}\n");
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(result.report.ToText(false), HasSubstr("which HTTP APIs do not do"));
}

TEST(ImportCapabilities, TemplatesServicesAndFilters) {
  ImportOptions options;
  options.capabilities = Everything();
  const ImportResult result = Import(
      Definition("  /a:\n"
                 "    post:\n"
                 "      responses: {200: {description: ok}}\n"
                 "      x-postern-filters: [{name: f, module: m, point: response, onFailure: skip, "
                 "pauseLimitMs: 5}]\n"
                 "      x-amazon-apigateway-integration: {type: aws, httpMethod: POST, uri: "
                 "'arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem', credentials: "
                 "'arn:aws:iam::1:role/r', "
                 "requestTemplates: {application/json: \"{\\\"a\\\": $input.json('$.a')}\"}, "
                 "requestParameters: "
                 "{integration.request.header.x: method.request.body.a}, responses: {default: "
                 "{statusCode: "
                 "200}}}\n"
                 "  /b:\n"
                 "    post:\n"
                 "      responses: {200: {description: ok}}\n"
                 "      x-amazon-apigateway-integration: {type: aws, httpMethod: POST, uri: "
                 "'arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/f/invocations'}\n",
                 "x-amazon-apigateway-minimum-compression-size: 0\n"
                 "x-postern-filters: [{name: g, module: m, point: request, config: {b: [1, {c: "
                 "d}], a: x}}]\n"),
      options);
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  const v1::Method* a = FindMethod(result.deployment, "/a", "POST");
  EXPECT_EQ(a->integration().aws_service().service(), "dynamodb");
  EXPECT_EQ(a->integration().aws_service().action(), "PutItem");
  EXPECT_EQ(a->integration().request_templates(0).body(), "{\"a\": $input.json('$.a')}");
  EXPECT_EQ(a->integration().request_parameters(0).source().request_body(), "a");
  EXPECT_EQ(a->filters(0).failure_policy(), v1::FAILURE_POLICY_SKIP);
  EXPECT_EQ(a->filters(0).pause_limit_ms(), 5u);
  EXPECT_EQ(FindMethod(result.deployment, "/b", "POST")->integration().lambda().function(), "f");
  ASSERT_EQ(result.deployment.filters_size(), 1);
  EXPECT_TRUE(result.deployment.has_minimum_compression_bytes());
  EXPECT_EQ(result.deployment.filters(0).config_json(), "{\"b\":[1,{\"c\":\"d\"}],\"a\":\"x\"}");
}

// What a filter needs, and nothing else: a misspelt member could be a guard (plugin-abi.md §7.2).
TEST(ImportFilters, AreChecked) {
  struct Row {
    const char* filters;
    const char* place;
    const char* reason;
  };
  for (const Row& row : {
           Row{"{}", "/x-postern-filters", "A list is expected"},
           Row{"[5]", "/x-postern-filters/0", "An object is expected"},
           Row{"[{module: m, point: request}]", "/x-postern-filters/0", "needs a name"},
           Row{"[{name: a b, module: m, point: request}]", "/x-postern-filters/0", "needs a name"},
           Row{"[{name: a, point: request}]", "/x-postern-filters/0", "needs a module"},
           Row{"[{name: a, module: 'm/n', point: request}]", "/x-postern-filters/0/module",
               "1 to 63 letters"},
           Row{"[{name: a, module: m}]", "/x-postern-filters/0", "needs a point"},
           Row{"[{name: a, module: m, point: x}]", "/x-postern-filters/0/point", "no point \"x\""},
           Row{"[{name: a, module: m, point: authorize, onFailure: skip}]", "/x-postern-filters/0",
               "cannot be skipped"},
           Row{"[{name: a, module: m, point: request, config: 5}]", "/x-postern-filters/0/config",
               "An object is expected"},
           Row{"[{name: a, module: m, point: request, onFailure: ignore}]",
               "/x-postern-filters/0/onFailure", "deny or skip"},
           Row{"[{name: a, module: m, point: request, pauseLimitMs: 0}]",
               "/x-postern-filters/0/pauseLimitMs", "between 1 and 900000"},
           Row{"[{name: a, module: m, point: request, confg: {}}]", "/x-postern-filters/0/confg",
               "Did you mean config?"},
           Row{"[{name: a, module: m, point: request, when: always}]", "/x-postern-filters/0/when",
               "no member \"when\""},
           Row{"[{name: a, module: m, point: request}, {name: a, module: m, point: response}]",
               "/x-postern-filters/1", "another filter \"a\""},
           Row{"[{name: a, disabled: true}]", "/x-postern-filters/0", "nothing above an API"},
           Row{"[{$ref: '#/nowhere'}]", "/x-postern-filters/0/$ref", "points to nothing"},
       }) {
    const ImportResult result =
        Import(Definition("  /x: {}\n", Concat("x-postern-filters: ", row.filters, "\n")));
    EXPECT_FALSE(result.ok()) << row.filters;
    EXPECT_THAT(result.report.findings(),
                Contains(testing::AllOf(
                    testing::Field(&Finding::blocking, true),
                    testing::Field(&Finding::reason, HasSubstr(row.reason)),
                    testing::Field(&Finding::place,
                                   testing::AllOf(testing::Field(&Place::pointer, row.place),
                                                  testing::Field(&Place::line, testing::Gt(0)))))))
        << row.filters << "\n"
        << result.report.ToText(false);
  }
}

constexpr char kFilteredApi[] =
    "x-postern-filters:\n"
    "  - {name: auth, module: m.auth, point: authorize, config: {who: all}, pauseLimitMs: 7}\n"
    "  - {name: log, module: m.log, point: response, onFailure: skip}\n";

// Path and method override by name; what they do not say is as above.
TEST(ImportFilters, OverridesTakeOverWhatTheyDoNotSay) {
  const ImportResult result = Import(Definition(
      "  /x:\n"
      "    x-postern-filters:\n"
      "      - {name: auth, config: {who: some}}\n"
      "      - {name: path, module: m.path, point: request}\n"
      "    get:\n"
      "      x-postern-filters: [{name: log, disabled: true}, {name: path, config: {a: 1}}]\n"
      "      x-amazon-apigateway-integration: {type: mock}\n"
      "    post:\n"
      "      x-postern-filters: [{name: auth, module: m.auth, disabled: true}]\n"
      "      x-amazon-apigateway-integration: {type: mock}\n",
      kFilteredApi));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  ASSERT_EQ(result.deployment.filters_size(), 2);
  EXPECT_EQ(result.deployment.filters(0).pause_limit_ms(), 7u);
  const v1::Resource* resource = nullptr;
  for (const v1::Resource& one : result.deployment.resources()) {
    if (one.path() == "/x") resource = &one;
  }
  ASSERT_NE(resource, nullptr);
  ASSERT_EQ(resource->filters_size(), 2);
  EXPECT_EQ(resource->filters(0).name(), "auth");
  EXPECT_EQ(resource->filters(0).module(), "");
  EXPECT_EQ(resource->filters(0).pause_limit_ms(), 7u);
  EXPECT_EQ(resource->filters(0).config_json(), "{\"who\":\"some\"}");
  const v1::Method* get = FindMethod(result.deployment, "/x", "GET");
  ASSERT_EQ(get->filters_size(), 2);
  EXPECT_TRUE(get->filters(0).disabled());
  EXPECT_EQ(get->filters(0).failure_policy(), v1::FAILURE_POLICY_SKIP);
  EXPECT_EQ(get->filters(1).config_json(), "{\"a\":1}");
  EXPECT_TRUE(FindMethod(result.deployment, "/x", "POST")->filters(0).disabled());
}

TEST(ImportFilters, OverridesMustFitWhatTheyOverride) {
  struct Row {
    const char* filters;
    const char* reason;
  };
  for (const Row& row : {
           Row{"[{name: auth, module: m.other}]", "of the module m.auth and cannot be"},
           Row{"[{name: auth, point: request}]", "stands at authorize, and cannot stand at"},
           Row{"[{name: auth, disabled: true}]", "naming its module too: module: m.auth"},
           Row{"[{name: auth, onFailure: skip}]", "cannot be skipped"},
           Row{"[{name: audit, disabled: true}]", "no filter \"audit\" above"},
           Row{"[{name: auht, config: {}}]", "no filter \"auht\" above this that it would"},
       }) {
    const ImportResult result =
        Import(Definition(Concat("  /x:\n    get:\n      x-postern-filters: ", row.filters,
                                 "\n      x-amazon-apigateway-integration: {type: mock}\n"),
                          kFilteredApi));
    EXPECT_FALSE(result.ok()) << row.filters;
    EXPECT_THAT(result.report.ToText(false), HasSubstr(row.reason)) << row.filters;
  }
}

// A guard that stands where nobody looks is no guard: refused, wherever it is and however it is
// misspelt.
TEST(ImportFilters, MisplacedAndMisspeltOnesAreRefused) {
  const std::string entry = "[{name: a, module: m, point: request}]";
  for (const std::string& text : {
           Definition("  /x: {}\n", Concat("x-posten-filters: ", entry, "\n")),
           Definition("  /x: {}\n", Concat("X-Postern-Filters: ", entry, "\n")),
           Definition("  /x: {}\n", Concat("x-postern-filter: ", entry, "\n")),
           Definition("  /x: {}\n", Concat("components: {x-postern-filters: ", entry, "}\n")),
           Definition("  /x: {}\n", Concat("tags: [{name: t, x-postern-filters: ", entry, "}]\n")),
           Definition(Concat("  /x: {get: {x-amazon-apigateway-integration: {type: mock, "
                             "x-postern-filters: ",
                             entry, "}}}\n")),
           Definition(Concat("  /x: {get: {responses: {200: {x-postern-filters: ", entry,
                             "}}, x-amazon-apigateway-integration: {type: mock}}}\n")),
           Definition(Concat("  /x: {get: {externalDocs: {deep: {x-posternfilters: ", entry,
                             "}}, x-amazon-apigateway-integration: {type: mock}}}\n")),
           Definition(Concat("  /x: {post: {requestBody: {content: {a/b: {schema: {type: object, "
                             "x-postern-filters: ",
                             entry, "}}}}, x-amazon-apigateway-integration: {type: mock}}}\n")),
       }) {
    const ImportResult result = Import(text);
    EXPECT_FALSE(result.ok()) << text << result.report.ToText(false);
  }
  // Within a filter's configuration names are its own.
  EXPECT_TRUE(Import(Definition("  /x: {}\n",
                                "x-postern-filters: [{name: a, module: m, point: request, config: "
                                "{x-postern-filters: []}}]\n"))
                  .ok());
}

TEST(ImportFilters, ModulesAreAsTheyArePinned) {
  const std::string digest(64, 'a');
  const ImportResult result = Import(Definition(
      "  /x: {}\n",
      Concat("x-postern-filters: [{name: a, module: m.a, point: request}, {name: b, module: m.b, "
             "point: request}]\n"
             "x-postern-modules:\n"
             "  m.b: {version: 1.2.0, digest: 'sha256:",
             digest, "', capabilities: [BODY]}\n  m.c: {version: '1'}\n")));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  ASSERT_EQ(result.modules.size(), 2u);
  EXPECT_EQ(result.modules[0].name(), "m.a");
  EXPECT_EQ(result.modules[0].digest(), "");
  EXPECT_EQ(result.modules[0].capabilities_size(), 4);
  EXPECT_EQ(result.modules[1].version(), "1.2.0");
  EXPECT_EQ(result.modules[1].digest(), digest);
  ASSERT_EQ(result.modules[1].capabilities_size(), 1);
  EXPECT_EQ(result.modules[1].capabilities(0), "BODY");
  EXPECT_THAT(result.report.ToText(false), HasSubstr("No filter uses this module"));

  for (const char* modules :
       {"[]", "{m: 5}", "{'m m': {}}", "{m: {digest: abc}}", "{m: {capabilities: [ROOT]}}",
        "{m: {capabilities: BODY}}", "{m: {version: ''}}", "{m: {verison: '1'}}"}) {
    EXPECT_FALSE(
        Import(Definition("  /x: {}\n", Concat("x-postern-modules: ", modules, "\n"))).ok())
        << modules;
  }
}

// rest-api.md §10.4. The gateway makes a filter of it, whose module may be pinned.
TEST(ImportFilters, CompressionIsAProperty) {
  const ImportResult result =
      Import(Definition("  /x: {}\n",
                        "x-amazon-apigateway-minimum-compression-size: 1024\n"
                        "x-postern-modules: {postern.compress: {version: 1.0.0}}\n"));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  EXPECT_EQ(result.deployment.filters_size(), 0);
  EXPECT_TRUE(result.deployment.has_minimum_compression_bytes());
  EXPECT_EQ(result.deployment.minimum_compression_bytes(), 1024u);
  ASSERT_EQ(result.modules.size(), 1u);
  EXPECT_EQ(result.modules[0].name(), "postern.compress");
  EXPECT_EQ(result.modules[0].version(), "1.0.0");
}

// plugin-abi.md §9: `required: false`, which overrides inherit.
TEST(ImportFilters, MayBeDispensedWith) {
  const ImportResult result = Import(
      Definition("  /x:\n    get:\n      x-postern-filters: [{name: a, config: {b: 1}}]\n      "
                 "x-amazon-apigateway-integration: {type: mock}\n",
                 "x-postern-filters: [{name: a, module: m, point: request, required: false}]\n"));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  EXPECT_TRUE(result.deployment.filters(0).has_required());
  EXPECT_FALSE(result.deployment.filters(0).required());
  const v1::Method* method = FindMethod(result.deployment, "/x", "GET");
  EXPECT_TRUE(method->filters(0).has_required());
  EXPECT_FALSE(method->filters(0).required());
  EXPECT_FALSE(
      Import(Definition("  /x: {}\n",
                        "x-postern-filters: [{name: a, module: m, point: authorize, required: "
                        "false}]\n"))
          .ok());
}

TEST(ImportFilters, UpstreamsAreNamed) {
  const ImportResult result =
      Import(Definition("  /x: {}\n",
                        "x-postern-upstreams: {authz: 'https://authz.example.com:8443/v1/', store: "
                        "'http://${stageVariables.store}'}\n"));
  ASSERT_TRUE(result.ok()) << result.report.ToText(false);
  ASSERT_EQ(result.deployment.filter_upstreams_size(), 2);
  EXPECT_EQ(result.deployment.filter_upstreams(0).name(), "authz");
  EXPECT_EQ(result.deployment.filter_upstreams(0).target().upstream(),
            "https://authz.example.com:8443");
  EXPECT_EQ(result.deployment.filter_upstreams(0).target().path(), "/v1");
  for (const char* upstreams : {"[]", "{a: {}}", "{a: 'ftp://x'}", "{a: 'http://x/?q'}",
                                "{a: 'http://x/{p}'}", "{'a b': 'http://x'}"}) {
    EXPECT_FALSE(
        Import(Definition("  /x: {}\n", Concat("x-postern-upstreams: ", upstreams, "\n"))).ok())
        << upstreams;
  }
}

// ---- All problems at once. ----

TEST(ImportReport, HasEveryProblem) {
  const ImportResult result = Import(ReadFile("broken.yaml"));
  EXPECT_GE(result.report.blocking_count(), 34u);
  for (const Finding& finding : result.report.findings()) {
    if (!finding.blocking) continue;
    EXPECT_GT(finding.place.line, 0) << finding.reason;
    EXPECT_GT(finding.place.column, 0) << finding.reason;
    EXPECT_NE(finding.place.pointer, "") << finding.reason;
    EXPECT_NE(finding.reason, "");
  }
}

}  // namespace
}  // namespace postern
