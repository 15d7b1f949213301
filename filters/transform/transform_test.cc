// spec/rest-api.md sections 6, 7, 8 and 10, by section.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sdk/testing/fake_host.h"

namespace {

using postern::testing::FakeHost;
using postern::testing::FakeStream;
using postern::testing::Headers;
using postern::testing::Message;

constexpr const char* kScope = "POST /users/{id}";
constexpr const char* kApi =
    R"({"stageVariables":{"table":"Users","empty":""},"binaryMediaTypes":["image/png"]})";

/// One exchange with one configuration of a method.
class TransformTest : public testing::Test {
 protected:
  void Configure(const std::string& config, std::string_view api = kApi) {
    const bool good = host_.Configure(api, {{kScope, config}});
    EXPECT_TRUE(good) << host_.ErrorText();
  }

  FakeStream& NewStream() {
    stream_ = &host_.NewStream(kScope);
    stream_->SetVariable("pathParameters.id", "a%20b");
    stream_->SetVariable("requestId", "r-1");
    stream_->SetVariable("stage", "prod");
    stream_->SetVariable("identity.sourceIp", "192.0.2.1");
    stream_->SetVariable("requestTimeEpoch", "1763642407000");
    return *stream_;
  }

  /// The integration request.
  const Message& Request(Headers headers, std::vector<std::string> chunks = {}) {
    NewStream().Request(std::move(headers), std::move(chunks));
    return stream_->upstream();
  }

  /// The method response.
  const Message& Respond(int status, Headers headers = {}, std::vector<std::string> chunks = {}) {
    stream_->Respond(status, std::move(headers), std::move(chunks));
    return stream_->client();
  }

  std::string Mapped(const std::string& source, Headers headers,
                     std::vector<std::string> chunks = {}) {
    Configure(R"({"type":"http","requestParameters":{"integration.request.header.X":")" + source +
              R"("}})");
    const Message& request = Request(std::move(headers), std::move(chunks));
    return request.Has("x") ? request.Get("x") : "(none)";
  }

  void ExpectFailure(std::string_view reason, std::string_view detail) {
    ASSERT_TRUE(stream_->reply().has_value());
    EXPECT_EQ(stream_->reply()->kind, static_cast<uint32_t>(POSTERN_REPLY_API_CONFIGURATION_ERROR));
    EXPECT_EQ(stream_->reply()->detail, detail);
    EXPECT_EQ(stream_->Variable("integration.error"),
              "Execution failed due to configuration error: " + std::string(reason));
    EXPECT_TRUE(host_.Logged(reason));
  }

  FakeHost host_;
  FakeStream* stream_ = nullptr;
};

const Headers kPost = {{":method", "POST"}, {"Content-Type", "application/json"}};

Headers With(Headers headers, Headers more) {
  headers.insert(headers.end(), more.begin(), more.end());
  return headers;
}

// ---- 6.2 Parameter mapping.

TEST_F(TransformTest, EverySourceOfAValue_RestApi6_2) {
  const Headers request =
      With(kPost, {{":path", "/prod/users/a%20b?q=1&q=x+y&e="}, {"X-A", "first"}, {"X-A", "last"}});
  const std::vector<std::string> body = {R"({"a":{"b":[1,"two"]},"n":7,"t":true,"z":null})"};
  EXPECT_EQ(Mapped("method.request.path.id", request), "a%20b");
  EXPECT_EQ(Mapped("method.request.querystring.q", request), "x y");
  EXPECT_EQ(Mapped("method.request.header.X-A", request), "last");
  EXPECT_EQ(Mapped("method.request.multivalueheader.X-A", request), "first,last");
  EXPECT_EQ(Mapped("method.request.body", request, {"  [1]\n"}), "[1]");
  EXPECT_EQ(Mapped("method.request.body", request), "{}");
  EXPECT_EQ(Mapped("method.request.body.a.b[1]", request, body), "two");
  EXPECT_EQ(Mapped("method.request.body.a", request, body), R"({"b":[1,"two"]})");
  EXPECT_EQ(Mapped("method.request.body.n", request, body), "7");
  EXPECT_EQ(Mapped("method.request.body.t", request, body), "true");
  EXPECT_EQ(Mapped("stageVariables.table", request), "Users");
  EXPECT_EQ(Mapped("context.identity.sourceIp", request), "192.0.2.1");
  EXPECT_EQ(Mapped("'text, as it is'", request), "text, as it is");
}

TEST_F(TransformTest, AMissingOrEmptySourceDropsTheMapping_RestApi6_2) {
  const Headers request = With(kPost, {{":path", "/?e="}, {"X-A", "1"}});
  for (const char* source :
       {"method.request.path.none", "method.request.querystring.none",
        "method.request.querystring.e", "method.request.header.None", "method.request.header.x-a",
        "stageVariables.none", "stageVariables.empty", "context.identity.user", "''",
        "method.request.body.none", "method.request.header.Content-Length",
        // Only variables that are strings.
        "context.requestTimeEpoch"}) {
    EXPECT_EQ(Mapped(source, request, {R"({"a":1})"}), "(none)") << source;
  }
  EXPECT_EQ(Mapped("method.request.body.z", request, {R"({"z":null})"}), "(none)");
  EXPECT_EQ(Mapped("method.request.body.a", request, {"plain text"}), "(none)");
}

TEST_F(TransformTest, NamesOfHeadersAreCaseSensitiveUnlessAllAreLower_RestApi6_2) {
  EXPECT_EQ(Mapped("method.request.header.X-A", {{":method", "POST"}, {"x-a", "1"}}), "1");
  EXPECT_EQ(Mapped("method.request.header.X-A", {{":method", "POST"}, {"x-a", "1"}, {"B", "2"}}),
            "(none)");
}

TEST_F(TransformTest, ABodyThatIsBrokenJsonIsRefused_RestApi6_2) {
  EXPECT_EQ(Mapped("method.request.body.a", kPost, {"{\"a\":"}), "(none)");
  ASSERT_TRUE(stream_->reply().has_value());
  EXPECT_EQ(stream_->reply()->kind, static_cast<uint32_t>(POSTERN_REPLY_BAD_REQUEST_BODY));
  EXPECT_EQ(stream_->reply()->message, "Invalid JSON in request body");
}

// ---- 6.3, 6.5 The integration request.

TEST_F(TransformTest, NothingPassesButTheContentType_RestApi6_3) {
  Configure(R"({"type":"http","httpMethod":"POST","authority":"backend:81","uri":"/p"})");
  const Message& request = Request(
      With(kPost, {{":path", "/prod/users/1?x=1"}, {"X-A", "1"}, {"Accept", "text/html"}}), {"b"});
  EXPECT_EQ(request.Get(":path"), "/p");
  EXPECT_EQ(request.Get(":authority"), "backend:81");
  EXPECT_EQ(request.Get("content-type"), "application/json");
  EXPECT_FALSE(request.Has("x-a"));
  EXPECT_FALSE(request.Has("accept"));
  EXPECT_EQ(request.body, "b");
}

TEST_F(TransformTest, NoContentTypeForMethodsWithoutContent_RestApi6_3) {
  Configure(R"({"type":"http","httpMethod":"POST","uri":"/"})");
  for (const char* method : {"GET", "HEAD", "OPTIONS"}) {
    const Message& request = Request({{":method", method}, {"Content-Type", "text/plain"}});
    EXPECT_FALSE(request.Has("content-type")) << method;
    EXPECT_EQ(request.Get(":method"), "POST");
  }
}

TEST_F(TransformTest, UriPlaceholdersAndQuery_RestApi6_5) {
  Configure(R"({"type":"http","pathPrefix":"/v1","uri":"/u/{id}/{none}?a={q}","requestParameters":{
      "integration.request.path.id":"method.request.path.id",
      "integration.request.path.q":"method.request.querystring.q",
      "integration.request.querystring.all":"method.request.multivaluequerystring.q",
      "integration.request.querystring.gone":"method.request.querystring.none",
      "integration.request.querystring.stage":"context.stage"}})");
  EXPECT_EQ(Request({{":path", "/prod/x?q=1&q=a%26b"}}).Get(":path"),
            "/v1/u/a%20b/%7Bnone%7D?a=a%26b&all=1&all=a%26b&stage=prod");
}

// ---- 6.4 Passthrough and choice of a template.

TEST_F(TransformTest, PassthroughMatrix_RestApi6_4) {
  const std::string none = "";
  const std::string match = R"(,"requestTemplates":{"application/json":"T"})";
  const std::string other = R"(,"requestTemplates":{"text/xml":"T"})";
  const std::string fallback = R"(,"requestTemplates":{"text/xml":"X","$default":"T"})";
  const auto outcome = [this](const std::string& templates, const std::string& behaviour) {
    Configure(R"({"type":"http","passthroughBehavior":")" + behaviour + "\"" + templates + "}");
    const Message& request = Request(kPost, {"body"});
    if (!stream_->reply()) return request.body;
    EXPECT_EQ(stream_->reply()->kind, static_cast<uint32_t>(POSTERN_REPLY_UNSUPPORTED_MEDIA_TYPE));
    return std::string("415");
  };
  for (const auto& [templates, when_no_match, when_no_templates, never] :
       {std::tuple(none, "body", "body", "415"), std::tuple(match, "T", "T", "T"),
        std::tuple(other, "body", "415", "415"), std::tuple(fallback, "T", "T", "T")}) {
    EXPECT_EQ(outcome(templates, "WHEN_NO_MATCH"), when_no_match) << templates;
    EXPECT_EQ(outcome(templates, "WHEN_NO_TEMPLATES"), when_no_templates) << templates;
    EXPECT_EQ(outcome(templates, "NEVER"), never) << templates;
  }
}

TEST_F(TransformTest, TheTypeIsTakenWithoutParametersAndIsJsonIfMissing_RestApi6_4) {
  Configure(R"({"type":"http","requestTemplates":{"application/json":"T"}})");
  EXPECT_EQ(
      Request({{":method", "POST"}, {"Content-Type", "Application/JSON; charset=utf-8"}}, {"b"})
          .body,
      "T");
  EXPECT_EQ(Request({{":method", "GET"}}).body, "T");
  EXPECT_EQ(stream_->upstream().Get("content-type"), "application/json");
}

TEST_F(TransformTest, AnEmptyTemplateSendsAnEmptyBody_RestApi6_4) {
  Configure(R"({"type":"http","requestTemplates":{"application/json":""}})");
  EXPECT_EQ(Request(kPost, {"body"}).body, "");
  EXPECT_FALSE(stream_->upstream().Has("content-type"));
}

// ---- 6.8 Mapping onto special headers.

TEST_F(TransformTest, SpecialHeadersOfHttpBackends_RestApi6_8) {
  const auto map = [this](const std::string& type, const std::string& name) -> const Message& {
    Configure(R"({"type":")" + type + R"(","requestParameters":{"integration.request.header.)" +
              name + R"(":"'v'"}})");
    return Request(kPost, {"b"});
  };
  for (const char* name : {"Accept", "User-Agent", "Content-Type", "Referer", "Authorization"}) {
    EXPECT_EQ(map("http", name).Get(name), "v") << name;
  }
  EXPECT_EQ(map("http", "Host").Get(":authority"), "v");
  for (const char* name : {"Connection", "Expect", "TE", "Via", "Proxy-Authenticate"}) {
    EXPECT_FALSE(map("http", name).Has(name)) << name;
    EXPECT_FALSE(stream_->reply().has_value()) << name;
  }
  for (const char* name : {"Content-Length", "Transfer-Encoding"}) {
    map("http", name);
    ExpectFailure(std::string(name) + " header already present", "transform:header");
  }
  for (const char* name : {"Authorization", "Connection", "Expect", "TE", "Proxy-Authenticate"}) {
    map("aws", name);
    ExpectFailure(std::string(name) + " header already present", "transform:header");
  }
}

// ---- 7 Templates.

TEST_F(TransformTest, TheTemplateSeesTheRequest_RestApi7_2) {
  Configure(
      R"x({"type":"http","pathParameters":["id"],"requestTemplates":{"application/json":
      "$input.json('$.name')|$input.params('id')|$input.params('q')|$input.params('X-A')|$input.params().header.get('X-A')|$input.params('none')|$stageVariables.table|$context.requestId|$context.identity.sourceIp|$input.params().keySet()"
}
})x");
  EXPECT_EQ(
      Request(With(kPost, {{":path", "/p?q=x+y"}, {"X-A", "h"}}), {R"({"name":)", R"("N"})"}).body,
      R"("N"|a%20b|x y|h|h||Users|r-1|192.0.2.1|[path, querystring, header])");
}

TEST_F(TransformTest, AnEmptyBodyReadsAsAnEmptyObject_RestApi7_2) {
  Configure(
      R"x({"type":"http","requestTemplates":{"application/json":"$input.body $input.json('$')"
}
})x");
  EXPECT_EQ(Request({{":method", "GET"}}).body, "{} {}");
}

TEST_F(TransformTest, ContextIteratesInItsRecordedOrder_RestApi7_6) {
  Configure(
      R"x({"type":"http","requestTemplates":{"application/json":
      "#foreach($k in $context.keySet())$k #end|#foreach($k in $context.identity.keySet())$k #end|$context.get('identity')|$context.identity.get('sourceIp')"
}
})x");
  EXPECT_EQ(Request({{":method", "GET"}}).body,
            "resourceId resourcePath httpMethod extendedRequestId requestTime path accountId "
            "protocol requestOverride stage domainPrefix requestTimeEpoch requestId identity "
            "domainName deploymentId responseOverride apiId |cognitoIdentityPoolId accountId "
            "cognitoIdentityId caller sourceIp principalOrgId accessKey cognitoAuthenticationType "
            "cognitoAuthenticationProvider userArn userAgent user ||192.0.2.1");
}

TEST_F(TransformTest, RequestOverridesChangeTheIntegrationRequest_RestApi7_7) {
  Configure(
      R"x({"type":"http","uri":"/u/{id}?k=1","requestParameters":{
        "integration.request.header.X-A":"'mapped'",
        "integration.request.header.X-B":"'mapped'",
        "integration.request.querystring.q":"'mapped'",
        "integration.request.path.id":"'mapped'"},
      "requestTemplates":{"application/json":
      "#set($context.requestOverride.header.X-A = 'over')#set($context.requestOverride.header['New'] = ['1','2'])#set($context.requestOverride.querystring.q = 'o o')#set($context.requestOverride.path.id = 'x/y')#set($context.requestOverride.querystring.extra = 5)B"}})x");
  const Message& request = Request(kPost, {"{}"});
  EXPECT_EQ(request.Get("x-a"), "over");
  EXPECT_EQ(request.Get("x-b"), "mapped");
  EXPECT_EQ(request.Get("new"), "1, 2");
  EXPECT_EQ(request.Get(":path"), "/u/x%2Fy?k=1&q=o%20o&extra=5");
  EXPECT_EQ(request.body, "B");
}

TEST_F(TransformTest, ResponseOverridesOfTheRequestTemplateTakeEffect_RestApi7_7) {
  Configure(
      R"x({"type":"mock","requestTemplates":{"application/json":
      "#set($context.responseOverride.status = 418)#set($context.responseOverride.header.X-O = 'o')#set($context.requestOverride.header.Kept = 'k'){\"statusCode\":200}"},
      "responses":[{"statusCode":200,"responseParameters":{"method.response.header.X-O":"'mapped'"},
      "responseTemplates":{"application/json":"$context.requestOverride.header.Kept"}}]})x");
  EXPECT_EQ(Request({{":method", "GET"}}).body, "{\"statusCode\":200}");
  const Message& response = Respond(200);
  EXPECT_EQ(response.status(), 418);
  EXPECT_EQ(response.Get("x-o"), "o");
  EXPECT_EQ(response.body, "k");
}

TEST_F(TransformTest, StatusOverridesAreIntegersOfThreeDigits_RestApi7_7) {
  for (const auto& [value, status] : {std::pair("404", 404), std::pair("'404'", 200),
                                      std::pair("600", 200), std::pair("99", 200)}) {
    Configure(R"x({"type":"mock","responses":[{"statusCode":200,"responseTemplates":
        {"application/json":"#set($context.responseOverride.status = )x" +
              std::string(value) + R"x()"}}]})x");
    Request({{":method", "GET"}});
    EXPECT_EQ(Respond(200).status(), status) << value;
  }
}

TEST_F(TransformTest, ASecondOverrideOfTheSameFails_RestApi7_7) {
  Configure(
      R"x({"type":"http","requestTemplates":{"application/json":
      "#set($context.requestOverride.header.A = '1')\n#set($context.requestOverride.header.A = '2')"}})x");
  Request(kPost, {"{}"});
  ASSERT_TRUE(stream_->reply().has_value());
  EXPECT_EQ(stream_->reply()->detail, "transform:template");
  EXPECT_TRUE(host_.Logged("template:2:"));
  EXPECT_EQ(host_.MetricValue("failures_total", {"template"}), 1);
}

TEST_F(TransformTest, BinaryBodiesMeetNoTemplate_RestApi7_8) {
  Configure(R"({"type":"http","requestTemplates":{"image/png":"T"}})");
  Request({{":method", "POST"}, {"Content-Type", "image/png"}}, {"\x89PNG"});
  ExpectFailure("Unable to transform request", "transform:binary");
}

TEST_F(TransformTest, AMockBeginsWithAnEmptyBody_RestApi7_9) {
  Configure(
      R"({"type":"mock","requestTemplates":{"application/json":"{\"statusCode\": 201}"},"responses":[
      {"selectionPattern":"201","statusCode":201,"responseTemplates":{"application/json":"$input.body"}},
      {"statusCode":200}]})");
  EXPECT_EQ(Request(kPost, {"{\"a\":1}"}).body, "{\"statusCode\": 201}");
  const Message& created = Respond(201);
  EXPECT_EQ(created.status(), 201);
  EXPECT_EQ(created.body, "{}");
  EXPECT_EQ(created.Get("content-type"), "application/json");
  // Which one it is was known beforehand: the integration request may be empty.
  EXPECT_EQ(Request({{":method", "GET"}}).body, "");
  EXPECT_EQ(Respond(200).status(), 201);
}

TEST_F(TransformTest, AMockSelectsByTheStatusOfItsIntegration_RestApi7_9) {
  Configure(R"x({"type":"mock","requestTemplates":{"application/json":
      "{\"statusCode\": #if(true)201#end}"},"responses":[
      {"selectionPattern":"201","statusCode":201},{"statusCode":200}]})x");
  EXPECT_EQ(Request({{":method", "GET"}}).body, "{\"statusCode\": 201}");
  EXPECT_EQ(Respond(201).status(), 201);
  Request({{":method", "GET"}});
  EXPECT_EQ(Respond(300).status(), 200);
  EXPECT_EQ(stream_->client().body, "");
}

TEST_F(TransformTest, AMockWhoseTemplateYieldsNothingFails_RestApi7_9) {
  Configure(R"({"type":"mock","requestTemplates":{"application/json":""},
      "responses":[{"statusCode":200}]})");
  Request({{":method", "GET"}});
  ExpectFailure(
      "Unable to parse statusCode. It should be an integer that is defined in the request "
      "template.",
      "transform:mock_status");
}

// ---- 8 Responses.

TEST_F(TransformTest, SelectionByStatus_RestApi8_1) {
  Configure(R"({"type":"http","responses":[{"selectionPattern":"4\\d{2}","statusCode":400},
      {"selectionPattern":"5..","statusCode":502},{"statusCode":200}]})");
  for (const auto& [backend, status] :
       {std::pair(404, 400), std::pair(503, 502), std::pair(201, 200), std::pair(302, 200)}) {
    Request({});
    EXPECT_EQ(Respond(backend).status(), status) << backend;
  }
}

TEST_F(TransformTest, NoMatchAndNoDefault_RestApi8_1) {
  Configure(R"({"type":"http","responses":[{"selectionPattern":"4..","statusCode":400}]})");
  Request({});
  Respond(200);
  ExpectFailure(
      "No match for output mapping and no default output mapping configured. Endpoint Response "
      "Status Code: 200",
      "transform:no_match");
}

TEST_F(TransformTest, AStatusThatIsNotDeclared_RestApi8_1) {
  Configure(R"({"type":"http","responses":[{"statusCode":200,"declared":false}]})");
  Request({});
  Respond(200);
  ExpectFailure("Output mapping refers to an invalid method response: 200", "transform:undeclared");
}

TEST_F(TransformTest, SelectionByErrorMessage_RestApi8_1) {
  Configure(R"({"type":"lambda","responses":[
      {"selectionPattern":".*four hundred.*","statusCode":405},
      {"selectionPattern":".+","statusCode":502},
      {"selectionPattern":"200","statusCode":299},{"statusCode":200}]})");
  for (const auto& [result, status] :
       {std::pair(R"({"errorMessage":"it is four hundred"})", 405),
        std::pair(R"({"errorMessage":"boom","errorType":"E"})", 502),
        std::pair(R"({"errorMessage":7})", 200), std::pair(R"(["errorMessage"])", 200),
        std::pair(R"({"ok":true})", 200), std::pair(R"("Pass")", 200)}) {
    Request({});
    EXPECT_EQ(Respond(200, {}, {result}).status(), status) << result;
    EXPECT_EQ(stream_->client().body, result);
  }
}

TEST_F(TransformTest, EverySourceOfAResponseHeader_RestApi8_2) {
  Configure(R"({"type":"http","responses":[{"statusCode":200,"responseParameters":{
      "method.response.header.A":"integration.response.header.X-A",
      "method.response.header.B":"integration.response.multivalueheader.X-A",
      "method.response.header.C":"integration.response.body.a.b",
      "method.response.header.D":"integration.response.body.a",
      "method.response.header.E":"context.requestId",
      "method.response.header.F":"stageVariables.table",
      "method.response.header.G":"'it'",
      "method.response.header.H":"integration.response.header.None",
      "method.response.header.I":"integration.response.header.x-a"}}]})");
  Request({});
  const Message& response =
      Respond(200, {{"X-A", "1"}, {"X-A", "2"}, {"X-Else", "e"}}, {R"({"a":{"b":"v"}})"});
  EXPECT_EQ(response.Get("a"), "2");
  EXPECT_EQ(response.Get("b"), "1,2");
  EXPECT_EQ(response.Get("c"), "v");
  EXPECT_EQ(response.Get("d"), R"({"b":"v"})");
  EXPECT_EQ(response.Get("e"), "r-1");
  EXPECT_EQ(response.Get("f"), "Users");
  EXPECT_EQ(response.Get("g"), "it");
  for (const char* name : {"h", "i", "x-a", "x-else"}) EXPECT_FALSE(response.Has(name)) << name;
  EXPECT_EQ(response.body, R"({"a":{"b":"v"}})");
}

TEST_F(TransformTest, AResponseBodyThatIsBrokenJson_RestApi8_2) {
  Configure(R"({"type":"http","responses":[{"statusCode":200,"responseParameters":{
      "method.response.header.A":"integration.response.body.a"}}]})");
  Request({});
  Respond(200, {}, {"{\"a\""});
  ExpectFailure("Unable to parse the body of the response as JSON", "transform:body");
  // An empty one counts as {}, and other text has no fields.
  for (const char* body : {"", "text"}) {
    Request({});
    EXPECT_FALSE(Respond(200, {}, {body}).Has("a")) << body;
    EXPECT_FALSE(stream_->reply().has_value());
  }
}

TEST_F(TransformTest, TheTemplateIsChosenByAccept_RestApi8_3) {
  const std::string two = R"("responseTemplates":{"text/xml":"xml","application/json":"json"}}]})";
  const auto body = [this](Headers headers) {
    Request(std::move(headers));
    return Respond(200, {}, {"backend"}).body;
  };
  Configure(R"({"type":"http","responses":[{"statusCode":200,)" + two);
  EXPECT_EQ(body({{"Accept", "text/xml;q=0.1, application/json"}}), "xml");
  EXPECT_EQ(body({{"Accept", "application/json"}}), "json");
  EXPECT_EQ(body({{"Accept", "image/gif"}}), "json");
  EXPECT_EQ(body({}), "json");
  Configure(
      R"({"type":"http","responses":[{"statusCode":200,"responseTemplates":{"a/b":"1","c/d":"2"}}]})");
  EXPECT_EQ(body({}), "1");
  Configure(R"({"type":"http","responses":[{"statusCode":200,"responseTemplates":{"a/b":"1"}}]})");
  EXPECT_EQ(body({{"Accept", "x/y"}}), "1");
}

TEST_F(TransformTest, TheContentTypeIsJsonUnlessMapped_RestApi8_3) {
  Configure(R"({"type":"http","responses":[{"statusCode":200}]})");
  Request({});
  EXPECT_EQ(Respond(200, {{"Content-Type", "text/html"}}, {"b"}).Get("content-type"),
            "application/json");
  Configure(R"({"type":"http","responses":[{"statusCode":200,"responseParameters":{
      "method.response.header.content-type":"integration.response.header.Content-Type"}}]})");
  Request({});
  EXPECT_EQ(Respond(200, {{"Content-Type", "text/html"}}, {"b"}).Get("content-type"), "text/html");
  Request({});
  EXPECT_EQ(Respond(200, {}, {"b"}).Get("content-type"), "application/json");
}

TEST_F(TransformTest, AResponseTemplateSeesBothSides_RestApi7_2) {
  Configure(
      R"x({"type":"http","uri":"/","pathParameters":["id"],"responses":[{"statusCode":200,
      "responseTemplates":{"application/json":
      "$input.json('$.r') $input.params('id') $input.params('q') $input.params('X-A')#set($context.responseOverride.header.X-R = 'r')#set($context.responseOverride.status = 207)"}}]})x");
  Request(With(kPost, {{":path", "/x?q=2"}, {"X-A", "a"}}), {R"({"r":"request"})"});
  const Message& response = Respond(200, {}, {R"({"r":"res)", R"(ponse"})"});
  EXPECT_EQ(response.body, R"("response" a%20b 2 a)");
  EXPECT_EQ(response.Get("x-r"), "r");
  EXPECT_EQ(response.status(), 207);
}

TEST_F(TransformTest, OutgoingHeadersAreRemappedOrDropped_RestApi8_4) {
  Configure(R"({"type":"http","responses":[{"statusCode":200,"responseParameters":{
      "method.response.header.Date":"'d'","method.response.header.Content-Length":"'9'",
      "method.response.header.Transfer-Encoding":"'t'","method.response.header.Via":"'v'"}}]})");
  Request({});
  const Message& response = Respond(200);
  EXPECT_EQ(response.Get("x-amzn-remapped-date"), "d");
  EXPECT_EQ(response.Get("x-amzn-remapped-content-length"), "9");
  EXPECT_FALSE(response.Has("transfer-encoding"));
  EXPECT_EQ(response.Get("via"), "v");
}

TEST_F(TransformTest, WhatTheGatewayAnswersItselfIsNotMapped_RestApi4) {
  Configure(R"({"type":"http","responses":[{"statusCode":200}]})");
  Request({});
  stream_->SetVariable("error.responseType", "INTEGRATION_TIMEOUT");
  const Message& response = Respond(504, {{"x-amzn-ErrorType", "E"}}, {"{}"});
  EXPECT_EQ(response.status(), 504);
  EXPECT_EQ(response.Get("x-amzn-errortype"), "E");
}

// ---- 9.7 Functions.

TEST_F(TransformTest, AFunctionGetsAnObjectAtLeast_RestApi9_7) {
  Configure(R"({"type":"lambda","requestParameters":{
      "integration.request.header.X-Amz-Invocation-Type":"'Event'"}})");
  EXPECT_EQ(Request({{":method", "GET"}}).body, "{}");
  EXPECT_EQ(stream_->upstream().Get("x-amz-invocation-type"), "Event");
}

// ---- 10 Content handling.

TEST_F(TransformTest, RequestConversion_RestApi10_2) {
  const auto convert = [this](const char* handling, const char* type, std::string body) {
    Configure(R"({"type":"http")" +
              (*handling != 0 ? std::string(R"(,"contentHandling":")") + handling + "\"" : "") +
              "}");
    return Request({{":method", "POST"}, {"Content-Type", type}}, {std::move(body)}).body;
  };
  EXPECT_EQ(convert("", "text/plain", "\xFF"), "\xEF\xBF\xBD");
  EXPECT_EQ(convert("", "image/png", "\xFF"), "\xFF");
  EXPECT_EQ(convert("CONVERT_TO_TEXT", "image/png", "\xFF"), "/w==");
  EXPECT_EQ(convert("CONVERT_TO_BINARY", "text/plain", "/w=="), "\xFF");
  EXPECT_EQ(convert("CONVERT_TO_BINARY", "image/png", "\xFF"), "\xFF");
  convert("CONVERT_TO_BINARY", "text/plain", "*");
  ExpectFailure("Unable to base64 decode the body.", "transform:base64");
}

TEST_F(TransformTest, ResponseConversion_RestApi10_3) {
  const auto convert = [this](const char* handling, const char* type, const char* accept,
                              std::string body) {
    Configure(R"({"type":"http","responses":[{"statusCode":200)" +
              (*handling != 0 ? std::string(R"(,"contentHandling":")") + handling + "\"" : "") +
              "}]}");
    Request({{":method", "POST"}, {"Accept", accept}});
    return Respond(200, {{"Content-Type", type}}, {std::move(body)}).body;
  };
  EXPECT_EQ(convert("", "text/plain", "text/plain", "\xFF"), "\xEF\xBF\xBD");
  EXPECT_EQ(convert("", "text/plain", "image/png", "/w=="), "\xFF");
  EXPECT_EQ(convert("", "image/png", "text/plain", "\xFF"), "/w==");
  EXPECT_EQ(convert("", "image/png", "image/png, text/plain", "\xFF"), "\xFF");
  EXPECT_EQ(convert("CONVERT_TO_TEXT", "image/png", "image/png", "\xFF"), "/w==");
  EXPECT_EQ(convert("CONVERT_TO_BINARY", "image/png", "text/plain", "\xFF"), "\xFF");
  convert("CONVERT_TO_BINARY", "text/plain", "text/plain", "*");
  ExpectFailure("Unable to base64 decode the body.", "transform:base64");
}

TEST_F(TransformTest, LargeBodiesPassWhole) {
  Configure(R"({"type":"http","requestTemplates":{"application/json":"<$input.body>"},
      "responses":[{"statusCode":200,"responseTemplates":{"application/json":"[$input.body]"}}]})");
  const std::string large(300'000, 'x');
  EXPECT_EQ(Request(kPost, {large}).body, "<" + large + ">");
  EXPECT_EQ(Respond(200, {}, {large}).body, "[" + large + "]");
  // What is used again has nothing left of it.
  EXPECT_EQ(Request(kPost, {"y"}).body, "<y>");
}

// ---- Configuration.

TEST_F(TransformTest, MistakesAreReportedWithTheirFields) {
  EXPECT_FALSE(host_.Configure("{}", {{kScope, R"({"type":"http","requestParameters":{
      "integration.request.cookie.x":"'a'","integration.request.header.X":"method.request.body.a[",
      "integration.request.header.Y":"what"},
      "requestTemplates":{"application/json":"line\n#if($x"},
      "responses":[{"selectionPattern":"(?!2).*","statusCode":200},{"statusCode":200},
      {"statusCode":100,"responseTemplates":{"a/b":"#foreach"}}],"unknown":1})"}}));
  const std::string errors = host_.ErrorText();
  for (const char* part :
       {"requestParameters.integration.request.cookie.x: Invalid mapping expression",
        "requestParameters.integration.request.header.X: Invalid mapping expression specified: "
        "method.request.body.a[: JSONPath",
        "requestParameters.integration.request.header.Y: Invalid mapping expression",
        "requestTemplates.application/json: template:2:", "responses[0].selectionPattern:",
        "responses[2].statusCode:", "responses[2].responseTemplates.a/b: template:1:",
        "unknown: is not known"}) {
    EXPECT_NE(errors.find(part), errors.npos) << part << "\n" << errors;
  }
}

TEST_F(TransformTest, WithoutAMethodItDoesNothing) {
  ASSERT_TRUE(host_.Configure(kApi)) << host_.ErrorText();
  FakeStream& stream = host_.NewStream();
  stream.Request({{"X-A", "1"}}, {"b"});
  EXPECT_EQ(stream.upstream().Get("x-a"), "1");
  stream.Respond(500, {{"X-B", "1"}}, {"c"});
  EXPECT_EQ(stream.client().Get("x-b"), "1");
  EXPECT_EQ(stream.client().status(), 500);
}

}  // namespace
