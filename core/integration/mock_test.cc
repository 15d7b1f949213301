#include "core/integration/mock.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/integration/test_exchange.h"

namespace postern {
namespace {

using Kind = ValueSource::Kind;

BodyTemplate RequestTemplate(std::string type, std::optional<int32_t> status) {
  return {std::move(type), BodyTemplate::Form::kLiteral, "", status};
}

IntegrationResponseSpec Response(std::string pattern, uint16_t status, std::string body = "") {
  IntegrationResponseSpec spec;
  spec.selection_pattern = std::move(pattern);
  spec.status = status;
  if (!body.empty()) {
    spec.templates.push_back(
        {"application/json", BodyTemplate::Form::kLiteral, std::move(body), {}});
  }
  return spec;
}

ResponseSource Value(Kind kind, std::string_view text) {
  return {ResponseSource::Kind::kValue, ValueSource(kind, text), ""};
}

class MockTest : public testing::Test {
 protected:
  MockTest() { spec_.binary_media_types = &binary_; }

  TestExchangeSink& Run(std::string_view body = "") {
    integration_ = std::make_unique<MockIntegration>(spec_);
    exchange_ = std::make_unique<TestExchangeSink>(*integration_, request_.get(), nullptr, nullptr);
    if (body.empty()) {
      exchange_->Start();
    } else {
      exchange_->Start(body, 3);
    }
    EXPECT_TRUE(exchange_->done());
    return *exchange_;
  }
  void Request(std::string_view method,
               std::initializer_list<std::pair<std::string_view, std::string_view>> headers) {
    exchange_.reset();
    request_ = std::make_unique<TestRequest>(method, "/", headers);
  }

  BinaryMediaTypes binary_;
  MockIntegration::Spec spec_;
  std::unique_ptr<TestRequest> request_ = std::make_unique<TestRequest>();
  std::unique_ptr<MockIntegration> integration_;
  std::unique_ptr<TestExchangeSink> exchange_;
};

TEST_F(MockTest, TemplateSelectsResponse_RestApi7_9) {
  spec_.request_templates = {RequestTemplate("application/json", 404)};
  spec_.responses = {Response("404", 400, "bad"), Response("", 200, "good")};
  EXPECT_EQ(Run().status, 400);
  EXPECT_EQ(exchange_->body, "bad");
  EXPECT_EQ(exchange_->content_length, 3u);
}

TEST_F(MockTest, StatusCodeIsTheSelectionValueNotTheStatus_RestApi7_9) {
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("2\\d{2}", 201), Response("", 500)};
  EXPECT_EQ(Run().status, 201);
}

TEST_F(MockTest, EmptyBodyAndJsonTypeWithoutTraceId_RestApi7_9) {
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("", 200)};
  EXPECT_EQ(Run().status, 200);
  EXPECT_EQ(exchange_->body, "");
  EXPECT_EQ(exchange_->heads, 1);
  ASSERT_EQ(exchange_->fields.size(), 1u);
  EXPECT_EQ(exchange_->Header("Content-Type"), "application/json");
}

TEST_F(MockTest, TemplateWithoutIntegerIs500_RestApi7_9) {
  spec_.request_templates = {RequestTemplate("application/json", {})};
  spec_.responses = {Response("", 200)};
  EXPECT_EQ(Run().failure, ResponseType::kApiConfigurationError);
  EXPECT_EQ(request_->context.integration_error,
            "Execution failed due to configuration error: Unable to parse statusCode. It should be "
            "an integer that is defined in the request template.");
}

TEST_F(MockTest, NoMatchAndNoDefaultIs500_RestApi8_1) {
  spec_.request_templates = {RequestTemplate("application/json", 404)};
  spec_.responses = {Response("200", 200)};
  EXPECT_EQ(Run().failure, ResponseType::kApiConfigurationError);
  EXPECT_EQ(request_->context.integration_error,
            "Execution failed due to configuration error: No match for output mapping and no "
            "default output mapping configured. Endpoint Response Status Code: 404");
}

TEST_F(MockTest, PatternMatchesTheWholeText_RestApi8_1) {
  spec_.request_templates = {RequestTemplate("application/json", 2004)};
  spec_.responses = {Response("200", 400), Response("20.", 401), Response("", 200)};
  EXPECT_EQ(Run().status, 200);
}

TEST_F(MockTest, FirstMatchWins_RestApi8_1) {
  spec_.request_templates = {RequestTemplate("application/json", 404)};
  spec_.responses = {Response("4.*", 405), Response(".+", 502), Response("", 200)};
  EXPECT_EQ(Run().status, 405);
}

TEST_F(MockTest, UndeclaredStatusIs500_RestApi8_1) {
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("", 200)};
  spec_.responses[0].declared = false;
  EXPECT_EQ(Run().failure, ResponseType::kApiConfigurationError);
  EXPECT_EQ(request_->context.integration_error,
            "Execution failed due to configuration error: Output mapping refers to an invalid "
            "method response: 200");
}

TEST_F(MockTest, TemplateIsChosenByContentType_RestApi6_4) {
  spec_.request_templates = {RequestTemplate("application/json", 200),
                             RequestTemplate("text/plain", 404)};
  spec_.responses = {Response("404", 404), Response("", 200)};
  EXPECT_EQ(Run().status, 200);  // a missing field counts as application/json
  Request("POST", {{"Content-Type", "TEXT/plain; charset=utf-8"}});
  EXPECT_EQ(Run("x").status, 404);
  EXPECT_EQ(exchange_->consumed, exchange_->sent);
}

struct PassthroughRow {
  bool templates;
  Passthrough behavior;
  const char* content_type;
  bool unsupported;
};

class MockPassthroughTest : public MockTest, public testing::WithParamInterface<PassthroughRow> {};

TEST_P(MockPassthroughTest, UnsupportedMediaType_RestApi6_4) {
  const PassthroughRow& row = GetParam();
  if (row.templates) spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.passthrough = row.behavior;
  spec_.responses = {Response("", 200)};
  Request("POST", {{"Content-Type", row.content_type}});
  Run(R"({"statusCode":200})");
  EXPECT_EQ(exchange_->failure,
            row.unsupported ? ResponseType::kUnsupportedMediaType : ResponseType::kNone);
  EXPECT_EQ(exchange_->status, row.unsupported ? 0 : 200);
}

INSTANTIATE_TEST_SUITE_P(
    RestApi6_4, MockPassthroughTest,
    testing::Values(PassthroughRow{false, Passthrough::kWhenNoMatch, "text/plain", false},
                    PassthroughRow{false, Passthrough::kWhenNoTemplates, "text/plain", false},
                    PassthroughRow{false, Passthrough::kNever, "text/plain", true},
                    PassthroughRow{true, Passthrough::kWhenNoMatch, "application/json", false},
                    PassthroughRow{true, Passthrough::kWhenNoTemplates, "application/json", false},
                    PassthroughRow{true, Passthrough::kNever, "application/json", false},
                    PassthroughRow{true, Passthrough::kWhenNoMatch, "text/plain", false},
                    PassthroughRow{true, Passthrough::kWhenNoTemplates, "text/plain", true},
                    PassthroughRow{true, Passthrough::kNever, "text/plain", true}));

TEST_F(MockTest, DefaultKeyServesUnmatchedTypes_RestApi6_4) {
  spec_.request_templates = {RequestTemplate("$default", 404)};
  spec_.passthrough = Passthrough::kNever;
  spec_.responses = {Response("404", 404), Response("", 200)};
  Request("POST", {{"Content-Type", "image/png"}});
  EXPECT_EQ(Run().status, 404);
}

TEST_F(MockTest, PassedThroughContentIsTheOutput_RestApi7_9) {
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("404", 404), Response("", 200)};
  Request("POST", {{"Content-Type", "text/plain"}});
  EXPECT_EQ(Run("{statusCode: 404}").status, 404);
  Request("POST", {{"Content-Type", "text/plain"}});
  EXPECT_EQ(Run("nothing").failure, ResponseType::kApiConfigurationError);
}

TEST_F(MockTest, ResponseHeaders_RestApi8_2) {
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("", 200)};
  spec_.responses[0].headers = {
      {"Access-Control-Allow-Origin", Value(Kind::kLiteral, "*")},
      {"X-Stage", Value(Kind::kVariable, "stage")},
      {"X-Variable", Value(Kind::kStageVariable, "color")},
      {"X-None", Value(Kind::kStageVariable, "none")},
      {"X-Backend", {ResponseSource::Kind::kHeader, Value(Kind::kLiteral, "").value, "X"}},
      {"Content-Type", Value(Kind::kLiteral, "text/html")},
      {"Date", Value(Kind::kLiteral, "yesterday")},
      {"Transfer-Encoding", Value(Kind::kLiteral, "chunked")}};
  request_->context.stage = "prod";
  const NameValue variables[] = {{"color", "green"}};
  request_->context.stage_variables = variables;
  request_->context.stage_variable_count = 1;
  Run();
  EXPECT_EQ(exchange_->Header("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(exchange_->Header("X-Stage"), "prod");
  EXPECT_EQ(exchange_->Header("X-Variable"), "green");
  EXPECT_EQ(exchange_->Header("X-None"), "(none)");
  EXPECT_EQ(exchange_->Header("X-Backend"), "(none)");
  EXPECT_EQ(exchange_->Header("Content-Type"), "text/html");
  EXPECT_EQ(exchange_->Header("x-amzn-Remapped-Date"), "yesterday");
  EXPECT_EQ(exchange_->Header("Transfer-Encoding"), "(none)");
}

TEST_F(MockTest, ResponseTemplateIsChosenByAccept_RestApi8_3) {
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("", 200)};
  spec_.responses[0].templates = {{"text/plain", BodyTemplate::Form::kLiteral, "text", {}},
                                  {"application/json", BodyTemplate::Form::kLiteral, "json", {}}};
  EXPECT_EQ(Run().body, "json");
  Request("GET", {{"Accept", "text/plain, application/json"}});
  EXPECT_EQ(Run().body, "text");
  Request("GET", {{"Accept", "image/png"}});
  EXPECT_EQ(Run().body, "json");
  spec_.responses[0].templates.pop_back();
  Request("GET", {{"Accept", "image/png"}});
  EXPECT_EQ(Run().body, "text");
}

TEST_F(MockTest, EmptyTemplateGivesEmptyBody_RestApi8_3) {
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("", 200)};
  spec_.responses[0].templates = {{"application/json", BodyTemplate::Form::kLiteral, "", {}}};
  EXPECT_EQ(Run().body, "");
  spec_.responses[0].templates = {{"application/json", BodyTemplate::Form::kPayload, "", {}}};
  exchange_.reset();
  EXPECT_EQ(Run().body, "{}");
}

TEST_F(MockTest, BinaryPayloadMeetsNoTemplate_RestApi7_8) {
  binary_ = BinaryMediaTypes({"*/*"});
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("", 200)};
  EXPECT_EQ(Run().status, 200);
  Request("POST", {{"Content-Type", "application/json"}});
  EXPECT_EQ(Run("x").failure, ResponseType::kApiConfigurationError);
  spec_.handling = ContentHandling::kToText;
  Request("POST", {{"Content-Type", "application/json"}});
  EXPECT_EQ(Run("x").status, 200);
}

TEST_F(MockTest, LongBodyIsSentAsTheClientTakesIt) {
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("", 200, std::string(300 * 1024, 'x'))};
  integration_ = std::make_unique<MockIntegration>(spec_);
  exchange_ = std::make_unique<TestExchangeSink>(*integration_, request_.get(), nullptr, nullptr);
  exchange_->consume = false;
  exchange_->Start();
  EXPECT_LE(exchange_->body.size(), 64u * 1024);
  EXPECT_FALSE(exchange_->ended);
  while (!exchange_->ended) {
    const size_t owed = std::exchange(exchange_->owed, 0);
    ASSERT_GT(owed, 0u);
    exchange_->exchange()->ConsumeResponse(owed);
  }
  EXPECT_EQ(exchange_->body.size(), 300u * 1024);
}

TEST_F(MockTest, TooLongPassedThroughContentIs413_RestApi10_5) {
  spec_.request_templates = {RequestTemplate("application/json", 200)};
  spec_.responses = {Response("", 200)};
  Request("POST", {{"Content-Type", "text/plain"}});
  integration_ = std::make_unique<MockIntegration>(spec_);
  exchange_ = std::make_unique<TestExchangeSink>(*integration_, request_.get(), nullptr, nullptr);
  exchange_->Start(std::string(10 * 1024 * 1024 + 1, ' '), 64 * 1024);
  EXPECT_EQ(exchange_->failure, ResponseType::kRequestTooLarge);
}

}  // namespace
}  // namespace postern
