#include "core/integration/lambda_custom.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "core/integration/test_exchange.h"
#include "core/upstream/test_support.h"

namespace postern {
namespace {

class LambdaCustomTest : public testing::Test {
 protected:
  LambdaCustomTest() {
    ClusterConfig config;
    config.name = "lambda";
    config.endpoints = {endpoint_.endpoint()};
    upstream_.Activate({config});
    auto function = std::make_shared<LambdaFunction>();
    function->name = "pets";
    function->cluster = {upstream_.set.get(), 0};
    function->pool = std::make_shared<FunctionPool>("pets", FunctionLimits{}, 1);
    function->target = "/2015-03-31/functions/pets/invocations";
    function->authority = "lambda.local:9001";
    LambdaCaller caller;
    caller.function = std::move(function);
    caller.api_id = "a1b2c3";
    caller.source_arn = "arn:x";
    integration_ = std::make_unique<LambdaCustomIntegration>(std::move(caller));
  }

  TestExchangeSink& Run(
      std::string_view body,
      std::initializer_list<std::pair<std::string_view, std::string_view>> headers = {}) {
    exchange_.reset();
    request_ = std::make_unique<TestRequest>("POST", "/", headers, "api.example.com");
    exchange_ = std::make_unique<TestExchangeSink>(*integration_, request_.get(),
                                                   &upstream_.dispatcher, &upstream_.manager);
    exchange_->Start(body, 1000);
    EXPECT_TRUE(upstream_.Until([this] { return exchange_->done(); }));
    return *exchange_;
  }
  bool WasSent(std::string_view line) const {
    return endpoint_.seen.back().head.find("\r\n" + std::string(line) + "\r\n") !=
           std::string::npos;
  }

  UpstreamFixture upstream_;
  FakeUpstream::Script script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer("\"Pass\"");
  };
  FakeUpstream endpoint_{&upstream_.dispatcher,
                         [this](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
                           script_(peer, request);
                         }};
  std::unique_ptr<LambdaCustomIntegration> integration_;
  std::unique_ptr<TestRequest> request_;
  std::unique_ptr<TestExchangeSink> exchange_;
};

TEST_F(LambdaCustomTest, TheContentIsThePayloadAndTheResultTheAnswer_RestApi9_7) {
  Run(R"({"a":1})", {{"X-Mapped", "m"}, {"Content-Type", "application/x-mine"}});
  EXPECT_EQ(exchange_->status, 200);
  EXPECT_EQ(exchange_->body, "\"Pass\"");
  EXPECT_TRUE(request_->context.response_trace_id);
  EXPECT_EQ(endpoint_.seen.back().body, R"({"a":1})");
  EXPECT_EQ(endpoint_.seen.back().target(), "/2015-03-31/functions/pets/invocations");
  EXPECT_TRUE(WasSent("X-Mapped: m"));
  EXPECT_TRUE(WasSent("Content-Type: application/x-mine"));
  EXPECT_TRUE(WasSent("User-Agent: AmazonAPIGateway_a1b2c3"));
  EXPECT_TRUE(WasSent("X-Amz-Source-Arn: arn:x"));
}

TEST_F(LambdaCustomTest, AnErrorIsAnAnswerToo_RestApi9_7) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer(R"({"errorMessage":"boom"})", 200, "X-Amz-Function-Error: Unhandled\r\n");
  };
  EXPECT_EQ(Run("{}").status, 200);
  EXPECT_EQ(exchange_->body, R"({"errorMessage":"boom"})");
}

TEST_F(LambdaCustomTest, AnEventHasNoResult_RestApi9_7) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) { peer->Answer("", 202); };
  EXPECT_EQ(Run("{}", {{"X-Amz-Invocation-Type", "Event"}}).status, 200);
  EXPECT_EQ(exchange_->body, "");
  EXPECT_TRUE(WasSent("X-Amz-Invocation-Type: Event"));
  // A Runtime Interface Emulator answers all the same.
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) { peer->Answer("7"); };
  EXPECT_EQ(Run("{}", {{"X-Amz-Invocation-Type", "Event"}}).body, "");
}

TEST_F(LambdaCustomTest, RefusedInvocationsFail_RestApi8_1) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) { peer->Answer("{}", 403); };
  EXPECT_EQ(Run("{}").failure, ResponseType::kIntegrationFailure);
  EXPECT_EQ(exchange_->failure_status, 500);
}

}  // namespace
}  // namespace postern
