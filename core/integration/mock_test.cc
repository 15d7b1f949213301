#include "core/integration/mock.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/integration/body_buffer.h"
#include "core/integration/test_exchange.h"

namespace postern {
namespace {

class MockTest : public testing::Test {
 protected:
  TestExchangeSink& Run(std::string_view body, bool reads_status = true, size_t piece = 7) {
    exchange_.reset();
    request_ = std::make_unique<TestRequest>();
    integration_ = std::make_unique<MockIntegration>(reads_status);
    exchange_ = std::make_unique<TestExchangeSink>(*integration_, request_.get(), nullptr, nullptr);
    if (body.empty()) {
      exchange_->Start();
    } else {
      exchange_->Start(body, piece);
    }
    EXPECT_TRUE(exchange_->done());
    return *exchange_;
  }

  std::unique_ptr<TestRequest> request_;
  std::unique_ptr<MockIntegration> integration_;
  std::unique_ptr<TestExchangeSink> exchange_;
};

TEST_F(MockTest, AnswersTheStatusAndNothingElse_RestApi7_9) {
  EXPECT_EQ(Run("{\"statusCode\": 404, \"more\": 1}").status, 404);
  EXPECT_TRUE(exchange_->fields.empty());
  EXPECT_EQ(exchange_->body, "");
  EXPECT_TRUE(exchange_->ended);
  EXPECT_EQ(exchange_->consumed, exchange_->sent);
  EXPECT_EQ(request_->context.integration_status, 404);
  EXPECT_FALSE(request_->context.response_trace_id);
  // Any integer selects, also what is no status of HTTP.
  EXPECT_EQ(Run("{statusCode: 7}").status, 7);
}

TEST_F(MockTest, WhatYieldsNoStatusFails_RestApi7_9) {
  for (const char* body :
       {"text", "{\"statusCode\":\"200\"}", "{}", "{statusCode: -1}", "{statusCode: 70000}"}) {
    EXPECT_EQ(Run(body).failure, ResponseType::kApiConfigurationError) << body;
    EXPECT_EQ(request_->context.integration_error,
              "Execution failed due to configuration error: Unable to parse statusCode. It should "
              "be an integer that is defined in the request template.");
  }
}

TEST_F(MockTest, WithoutATemplateNothingIsRead_RestApi7_9) {
  EXPECT_EQ(Run("").status, 200);
  EXPECT_EQ(Run("text", /*reads_status=*/false).status, 200);
  EXPECT_EQ(exchange_->consumed, exchange_->sent);
  EXPECT_EQ(Run("", /*reads_status=*/false).status, 200);
}

TEST_F(MockTest, ContentIsBounded_RestApi10_5) {
  const std::string large(kMaxCollectedBody + 1, ' ');
  EXPECT_EQ(Run(large, true, 1 << 20).failure, ResponseType::kRequestTooLarge);
  EXPECT_EQ(exchange_->failures, 1);
}

}  // namespace
}  // namespace postern
