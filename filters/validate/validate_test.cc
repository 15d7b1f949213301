// spec/rest-api.md section 5.
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

constexpr std::string_view kModels = R"({"models":{
    "Pet":"{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\"},\"friend\":{\"$ref\":\"postern:model/Pet\"}}}",
    "Pets":"{\"type\":\"array\",\"items\":{\"$ref\":\"postern:model/Pet\"}}",
    "Empty":"{\"type\":\"object\"}",
    "Number":"{\"type\":\"number\"}"}})";

constexpr std::string_view kMethod = "POST /pets";

struct Outcome {
  uint32_t reply = 0;  // Kind; 0: it has passed.
  std::string message;
  std::string errors;  // $context.error.validationErrorString
  std::string body;    // As the integration gets it.
};

class ValidateTest : public testing::Test {
 protected:
  bool Configure(std::string config) {
    return host_.Configure(kModels, {{std::string(kMethod), std::move(config)}});
  }

  Outcome Send(Headers headers, std::vector<std::string> chunks = {}) {
    FakeStream& stream = host_.NewStream(kMethod);
    stream.Request(std::move(headers), std::move(chunks));
    Outcome out;
    if (stream.reply().has_value()) {
      out.reply = stream.reply()->kind;
      out.message = stream.reply()->message;
      EXPECT_FALSE(stream.upstream().started);
    } else {
      EXPECT_TRUE(stream.upstream().complete);
      out.body = stream.upstream().body;
      stream.Respond(200);
    }
    stream.Finish();
    out.errors = stream.Variable("error.validationErrorString").value_or("");
    EXPECT_FALSE(stream.failed());
    return out;
  }
  Outcome Post(std::string body) { return Send({{":method", "POST"}}, {std::move(body)}); }

  FakeHost host_;
};

// §5.2: present, of exactly this name, and not blank.
TEST_F(ValidateTest, RequiredParameters) {
  ASSERT_TRUE(Configure(R"({"parameters":["method.request.header.X-Tenant",
                                          "method.request.querystring.q"]})"))
      << host_.ErrorText();
  EXPECT_EQ(Send({{":path", "/prod/pets?q=1"}, {"X-Tenant", "a"}}).reply, 0u);
  EXPECT_EQ(Send({{":path", "/prod/pets?a=b&%71=+1"}, {"X-Tenant", "a"}}).reply, 0u);
  const std::vector<std::pair<std::string, std::string>> missing = {
      {"/prod/pets", "q"},        {"/prod/pets?", "q"},      {"/prod/pets?q", "q"},
      {"/prod/pets?q=", "q"},     {"/prod/pets?q=%20", "q"}, {"/prod/pets?Q=1", "q"},
      {"/prod/pets?q=1&q=", "q"}, {"/prod/pets?qq=1", "q"},
  };
  for (const auto& [path, name] : missing) {
    const Outcome out = Send({{":path", path}, {"X-Tenant", "a"}});
    EXPECT_EQ(out.reply, uint32_t{POSTERN_REPLY_BAD_REQUEST_PARAMETERS}) << path;
    EXPECT_EQ(out.message, "Missing required request parameters: [" + name + "]") << path;
    EXPECT_EQ(out.errors, out.message);
  }
  for (const char* value : {"", " ", "\t"}) {
    EXPECT_EQ(Send({{":path", "/?q=1"}, {"X-Tenant", value}}).message,
              "Missing required request parameters: [X-Tenant]");
  }
  EXPECT_EQ(Send({{":path", "/"}}).message, "Missing required request parameters: [q, X-Tenant]");
  EXPECT_EQ(host_.MetricValue("requests_total", {"parameters"}), 12);
  EXPECT_EQ(host_.MetricValue("requests_total", {"valid"}), 2);
}

// §5.2: a name that is not in the template is always missing.
TEST_F(ValidateTest, RequiredPathParameters) {
  ASSERT_TRUE(Configure(R"({"parameters":["method.request.path.issuer"]})")) << host_.ErrorText();
  FakeStream& with = host_.NewStream(kMethod);
  with.SetVariable("pathParameters.issuer", "");
  with.Request();
  EXPECT_FALSE(with.reply().has_value());
  EXPECT_EQ(Send({}).message, "Missing required request parameters: [issuer]");
}

// §5.3, §5.6.
TEST_F(ValidateTest, Bodies) {
  ASSERT_TRUE(Configure(R"({"body":{"application/json":"Pet"}})")) << host_.ErrorText();
  const Outcome good = Post(R"({"name":"a","friend":{"name":"b"}})");
  EXPECT_EQ(good.reply, 0u);
  EXPECT_EQ(good.body, R"({"name":"a","friend":{"name":"b"}})");
  EXPECT_EQ(good.errors, "");

  const Outcome bad = Post(R"({"friend":{"name":1}})");
  EXPECT_EQ(bad.reply, uint32_t{POSTERN_REPLY_BAD_REQUEST_BODY});
  EXPECT_EQ(bad.message, "Invalid request body");
  EXPECT_EQ(bad.errors,
            R"([object has missing required properties (["name"]), instance type (integer) does )"
            R"(not match any allowed primitive type (allowed: ["string"])])");
  for (const char* body : {"{", "nonsense", "", " ", "{\"name\":\"a\"} x", "{\"name\":1e999}"}) {
    const Outcome out = Post(body);
    EXPECT_EQ(out.reply, uint32_t{POSTERN_REPLY_BAD_REQUEST_BODY}) << body;
    EXPECT_EQ(out.errors, "[Unknown error parsing request body]") << body;
  }
  EXPECT_EQ(Send({{":method", "GET"}}).errors, "[Unknown error parsing request body]");
  EXPECT_EQ(host_.MetricValue("requests_total", {"body"}), 8);
}

TEST_F(ValidateTest, BodiesInPieces) {
  ASSERT_TRUE(Configure(R"({"body":{"application/json":"Pets"}})")) << host_.ErrorText();
  EXPECT_EQ(Send({}, {"[{\"na", "me\":\"a", "\"},{\"name\"", "", ":\"b\"}]"}).reply, 0u);
  EXPECT_NE(Send({}, {"[{\"na", "me\":\"a", "\"},{\"name\"", "", ":7}]"}).reply, 0u);
}

// §5.3, first two rows; §5.7.
TEST_F(ValidateTest, ContentTypes) {
  ASSERT_TRUE(Configure(R"({"body":{"application/json":"Pet","text/x":"Pets"}})"));
  const auto post = [&](std::string type, std::string body) {
    return Send({{"content-type", std::move(type)}}, {std::move(body)}).reply;
  };
  EXPECT_NE(post("application/json", "[]"), 0u);
  EXPECT_NE(post("Application/JSON; charset=utf-8", "[]"), 0u);
  EXPECT_EQ(post("text/x", "[]"), 0u);
  EXPECT_NE(post("text/x", "{}"), 0u);
  EXPECT_EQ(post("text/plain", "anything"), 0u);
  EXPECT_EQ(post("application/jsonx", "[]"), 0u);
  EXPECT_EQ(post("malformed", "[]"), 0u);
  ASSERT_TRUE(Configure(R"({"body":{"$default":"Pets","application/json":"Pet"}})"));
  EXPECT_NE(post("application/json", "[]"), 0u);
  EXPECT_EQ(post("text/plain", "[]"), 0u);
  EXPECT_NE(post("text/plain", "anything"), 0u);
  EXPECT_NE(post("malformed", "anything"), 0u);
}

// §5.4: because Empty says object.
TEST_F(ValidateTest, AnArrayIsNoEmpty) {
  ASSERT_TRUE(Configure(R"({"body":{"application/json":"Empty"}})"));
  EXPECT_EQ(Post("{}").reply, 0u);
  EXPECT_EQ(Post("[]").errors,
            R"([instance type (array) does not match any allowed primitive type (allowed: )"
            R"(["object"])])");
}

// §1.2: parameters first, and then alone.
TEST_F(ValidateTest, ParametersBeforeBodies) {
  ASSERT_TRUE(
      Configure(R"({"parameters":["method.request.header.a"],"body":{"application/json":"Pet"}})"));
  EXPECT_EQ(Post("x").message, "Missing required request parameters: [a]");
  EXPECT_EQ(Send({{"a", "1"}}, {"x"}).message, "Invalid request body");
  EXPECT_EQ(Send({{"a", "1"}}, {R"({"name":"n"})"}).reply, 0u);
}

// §10.2: bytes that are no UTF-8 become U+FFFD where a body is read as text.
TEST_F(ValidateTest, BytesThatAreNoText) {
  ASSERT_TRUE(Configure(R"({"body":{"application/json":"Pet"}})"));
  const Outcome out = Post("{\"name\":\"\xff\xfe\"}");
  EXPECT_EQ(out.reply, 0u);
  EXPECT_EQ(out.body, "{\"name\":\"\xff\xfe\"}");
  EXPECT_NE(Post("{\"name\":\xff}").reply, 0u);
}

// As Jackson reads them: the last of two members, and any number.
TEST_F(ValidateTest, StrangeBodies) {
  ASSERT_TRUE(Configure(R"({"body":{"application/json":"Pet","text/n":"Number"}})"));
  EXPECT_EQ(Post(R"({"name":1,"name":"a"})").reply, 0u);
  EXPECT_NE(Post(R"({"name":"a","name":1})").reply, 0u);
  EXPECT_EQ(Send({{"content-type", "text/n"}}, {std::string(1'000'000, '9')}).reply, 0u);
  std::string deep = "{\"name\":\"a\"}";
  for (int i = 0; i < 180; ++i) deep = "{\"name\":\"a\",\"friend\":" + deep + "}";
  EXPECT_EQ(Post(deep).reply, 0u);
  EXPECT_NE(Post(std::string(2'000'000, '[')).reply, 0u);
}

// Each item takes eight times its size and more: what is kept is bounded.
TEST_F(ValidateTest, MemoryIsBounded) {
  ASSERT_TRUE(Configure(R"({"body":{"application/json":"Pets"}})"));
  std::string body = "[";
  while (body.size() < 9'000'000) body += "{},[],";
  EXPECT_EQ(Post(body + "{}]").errors, "[Unknown error parsing request body]");
}

TEST_F(ValidateTest, MistakesInConfigurations) {
  EXPECT_FALSE(Configure(R"({"parameters":["x"],"body":{"a/b":"None"},"more":1})"));
  EXPECT_EQ(host_.ErrorText(),
            "POST /pets: parameters: \"x\" is not method.request.{header,path,querystring}.{name}\n"
            "POST /pets: body.a/b: there is no model \"None\"\n"
            "POST /pets: more: is not known\n");
  EXPECT_FALSE(host_.Configure(
      R"({"models":{"A":"{\"type\":\"x\"}","B":"{\"items\":{\"pattern\":\"(?=a)\"}}","C":"{"}})"));
  EXPECT_EQ(host_.errors().size(), 3u);
  EXPECT_EQ(host_.errors()[0], "models.C: the schema: not JSON, or nested too deeply, at byte 1");
  EXPECT_EQ(host_.errors()[1],
            "models.A: /type: must be array, boolean, integer, null, number, object or string, or "
            "a list of these");
  EXPECT_TRUE(host_.errors()[2].starts_with("models.B: /items/pattern: the pattern is refused"));
  // What is not used need not be good.
  EXPECT_TRUE(host_.Configure(R"({"models":{"A":"{\"type\":\"x\"}","B":"{}"},"validated":["B"]})"))
      << host_.ErrorText();
}

}  // namespace
