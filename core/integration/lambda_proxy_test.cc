#include "core/integration/lambda_proxy.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/integration/test_exchange.h"
#include "core/upstream/test_support.h"

namespace postern {
namespace {

using Kind = ValueSource::Kind;

class LambdaProxyTest : public testing::Test {
 protected:
  LambdaProxyTest() { Function(LambdaFunction::Mode::kInvokeApi, {}); }

  void Function(LambdaFunction::Mode mode, FunctionLimits limits) {
    ClusterConfig config;
    config.name = "function";
    config.endpoints = {endpoint_.endpoint()};
    upstream_.Activate({config});
    auto function = std::make_shared<LambdaFunction>();
    function->name = "pets";
    function->cluster = {upstream_.set.get(), 0};
    function->pool = std::make_shared<FunctionPool>("pets", limits, 1);
    function->mode = mode;
    function->target = "/2015-03-31/functions/pets/invocations?Qualifier=live";
    function->authority = "lambda.local:9001";
    function_ = function;
    spec_.caller.function = function;
    spec_.binary_media_types = &binary_;
    spec_.caller.api_id = "a1b2c3";
    spec_.caller.source_arn = "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/prod/GET/pets";
  }

  struct Call {
    std::unique_ptr<TestRequest> request;
    std::unique_ptr<TestExchangeSink> exchange;
  };

  std::unique_ptr<TestRequest> Request(
      std::string_view method = "GET", std::string_view target = "/",
      std::initializer_list<std::pair<std::string_view, std::string_view>> headers = {}) {
    auto request = std::make_unique<TestRequest>(method, target, headers, "api.example.com");
    request->context.trace_id = "Root=1-2-3";
    request->context.request_id = "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12";
    return request;
  }
  Call Begin(std::unique_ptr<TestRequest> request) {
    if (integration_ == nullptr) integration_ = std::make_unique<LambdaProxyIntegration>(spec_);
    Call call;
    call.exchange = std::make_unique<TestExchangeSink>(*integration_, request.get(),
                                                       &upstream_.dispatcher, &upstream_.manager);
    call.request = std::move(request);
    return call;
  }
  TestExchangeSink& Run(std::unique_ptr<TestRequest> request, std::string_view body = "") {
    call_.exchange.reset();
    call_ = Begin(std::move(request));
    if (body.empty()) {
      call_.exchange->Start();
    } else {
      call_.exchange->Start(body, 1000);
    }
    EXPECT_TRUE(upstream_.Until([this] { return call_.exchange->done(); }));
    return *call_.exchange;
  }
  TestExchangeSink& Run() { return Run(Request()); }
  void Answer(std::string body, int status = 200, std::string fields = "") {
    script_ = [=](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
      peer->Answer(body, status, fields);
    };
  }
  const RequestContext& context() const { return call_.request->context; }
  std::string Sent(std::string_view name) const {
    const std::string& head = endpoint_.seen.back().head;
    const size_t at = head.find("\r\n" + std::string(name) + ": ");
    if (at == head.npos) return "(none)";
    const size_t start = at + name.size() + 4;
    return head.substr(start, head.find("\r\n", start) - start);
  }

  UpstreamFixture upstream_;
  FakeUpstream::Script script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer(R"({"statusCode":201,"headers":{"X-A":"1"},"body":"made"})");
  };
  FakeUpstream endpoint_{&upstream_.dispatcher,
                         [this](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
                           script_(peer, request);
                         }};
  BinaryMediaTypes binary_;
  std::shared_ptr<const LambdaFunction> function_;
  LambdaProxyIntegration::Spec spec_;
  std::unique_ptr<LambdaProxyIntegration> integration_;
  Call call_;
};

TEST_F(LambdaProxyTest, InvokesAndAnswers_RestApi9) {
  EXPECT_EQ(Run().status, 201);
  EXPECT_EQ(call_.exchange->body, "made");
  EXPECT_EQ(call_.exchange->Header("X-A"), "1");
  EXPECT_EQ(call_.exchange->Header("Content-Type"), "application/json");
  EXPECT_TRUE(context().response_trace_id);
  EXPECT_EQ(endpoint_.seen.back().method(), "POST");
  EXPECT_EQ(endpoint_.seen.back().target(),
            "/2015-03-31/functions/pets/invocations?Qualifier=live");
  EXPECT_TRUE(endpoint_.seen.back().body.starts_with("{\"resource\":"));
  EXPECT_EQ(context().integration_status, 201);
  EXPECT_EQ(context().integration_service_status, 200);
}

TEST_F(LambdaProxyTest, HeadersOfTheInvocation_RestApi6_9) {
  Run();
  EXPECT_EQ(Sent("Host"), "lambda.local:9001");
  EXPECT_EQ(Sent("Accept"), "application/json");
  EXPECT_EQ(Sent("User-Agent"), "AmazonAPIGateway_a1b2c3");
  EXPECT_EQ(Sent("X-Amzn-Apigateway-Api-Id"), "a1b2c3");
  EXPECT_EQ(Sent("x-amzn-lambda-integration-tag"), "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12");
  EXPECT_EQ(Sent("X-Amz-Source-Arn"),
            "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/prod/GET/pets");
  EXPECT_EQ(Sent("X-Amzn-Trace-Id"), "Root=1-2-3");
}

TEST_F(LambdaProxyTest, BodyGoesIntoTheEvent_RestApi10_1) {
  Run(Request("POST"), "a\"b");
  EXPECT_NE(endpoint_.seen.back().body.find(R"("body":"a\"b","isBase64Encoded":false})"),
            std::string::npos);
  EXPECT_EQ(call_.exchange->consumed, 3u);
  binary_ = BinaryMediaTypes({"image/png"});
  Run(Request("POST", "/", {{"Content-Type", "image/png"}}), "hi");
  EXPECT_NE(endpoint_.seen.back().body.find(R"("body":"aGk=","isBase64Encoded":true})"),
            std::string::npos);
}

TEST_F(LambdaProxyTest, TooLongBodyIs413_RestApi10_5) {
  EXPECT_EQ(Run(Request("POST"), std::string(10 * 1024 * 1024 + 1, 'x')).failure,
            ResponseType::kRequestTooLarge);
  EXPECT_EQ(endpoint_.requests, 0);
}

TEST_F(LambdaProxyTest, IllegalMappingIs500_RestApi6_8) {
  spec_.headers = {{"Authorization", ValueSource(Kind::kLiteral, "x")}};
  EXPECT_EQ(Run().failure, ResponseType::kApiConfigurationError);
  EXPECT_EQ(call_.exchange->failure_status, 500);
  EXPECT_EQ(endpoint_.requests, 0);
}

TEST_F(LambdaProxyTest, OtherMappingsAreIgnored_RestApi6_2) {
  spec_.headers = {{"X-Mapped", ValueSource(Kind::kLiteral, "x")}};
  EXPECT_EQ(Run().status, 201);
  EXPECT_EQ(endpoint_.seen.back().body.find("X-Mapped"), std::string::npos);
  EXPECT_EQ(Sent("X-Mapped"), "(none)");
}

TEST_F(LambdaProxyTest, MalformedResultIs502_RestApi9_6) {
  for (const char* result : {"\"text\"", "null", "not json", R"({"foo":1})", ""}) {
    Answer(result);
    EXPECT_EQ(Run().failure, ResponseType::kDefault5xx) << result;
    EXPECT_EQ(call_.exchange->failure_status, 502);
    EXPECT_EQ(context().error_message, "Internal server error");
    EXPECT_EQ(context().integration_error,
              "Execution failed due to configuration error: Malformed Lambda proxy response");
  }
}

TEST_F(LambdaProxyTest, FunctionErrorIs502_RestApi9_6) {
  Answer(R"({"errorMessage":"boom","errorType":"Error"})", 200,
         "X-Amz-Function-Error: Unhandled\r\nx-amzn-RequestId: id1\r\n");
  EXPECT_EQ(Run().failure, ResponseType::kDefault5xx);
  EXPECT_EQ(call_.exchange->failure_status, 502);
  EXPECT_EQ(context().integration_error,
            "Lambda execution failed with status 200 due to customer function error: boom. Lambda "
            "request id: id1");
  EXPECT_EQ(context().integration_request_id, "id1");
}

TEST_F(LambdaProxyTest, FunctionErrorHeaderWithAValidResultIs502_RestApi9_6) {
  Answer(R"({"statusCode":200})", 200, "X-Amz-Function-Error: Unhandled\r\n");
  EXPECT_EQ(Run().failure_status, 502);
}

struct RefusalRow {
  int status;
  ResponseType type;
  int answer;
  const char* text;
};

class LambdaRefusalTest : public LambdaProxyTest, public testing::WithParamInterface<RefusalRow> {};

TEST_P(LambdaRefusalTest, Refusals_RestApi9_6) {
  Answer("{}", GetParam().status);
  EXPECT_EQ(Run().failure, GetParam().type);
  EXPECT_EQ(call_.exchange->failure_status, GetParam().answer);
  EXPECT_EQ(context().integration_error, GetParam().text);
  EXPECT_EQ(context().error_message, "Internal server error");
}

INSTANTIATE_TEST_SUITE_P(
    RestApi9_6, LambdaRefusalTest,
    testing::Values(
        RefusalRow{403, ResponseType::kIntegrationFailure, 500,
                   "Execution failed due to configuration error: Invalid permissions on Lambda "
                   "function"},
        RefusalRow{429, ResponseType::kIntegrationFailure, 500,
                   "Execution failed due to configuration error: Rate Exceeded."},
        RefusalRow{404, ResponseType::kIntegrationFailure, 500,
                   "Lambda invocation failed with status: 404. Lambda request id: "},
        RefusalRow{502, ResponseType::kDefault5xx, 502,
                   "Lambda invocation failed with status: 502. Lambda request id: "}));

TEST_F(LambdaProxyTest, UnreachableFunctionIs500_RestApi4_3) {
  endpoint_.StopListening();
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationFailure);
  EXPECT_EQ(call_.exchange->failure_status, 500);
  EXPECT_EQ(context().error_message, "Internal server error");
}

TEST_F(LambdaProxyTest, SlowFunctionIs504_RestApi9_6) {
  script_ = [](FakeUpstream::Peer*, const FakeUpstream::Request&) {};
  spec_.caller.timeout_ms = 50;
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationTimeout);
  EXPECT_EQ(call_.exchange->failure_status, 0);
  EXPECT_EQ(context().integration_error, "Execution failed due to a timeout error");
  EXPECT_GE(context().integration_latency_ms, 49);
}

TEST_F(LambdaProxyTest, UndecodableBase64Is500_RestApi9_6) {
  binary_ = BinaryMediaTypes({"*/*"});
  Answer(R"({"body":"*","isBase64Encoded":true})");
  EXPECT_EQ(Run().failure, ResponseType::kDefault5xx);
  EXPECT_EQ(call_.exchange->failure_status, 500);
}

TEST_F(LambdaProxyTest, TooLongResultIs502_RestApi9_6) {
  Answer(R"({"body":")" + std::string(6291556, 'x') + R"("})");
  EXPECT_EQ(Run().failure_status, 502);
}

TEST_F(LambdaProxyTest, LongResultIsSentAsTheClientTakesIt) {
  const std::string body(3 << 20, 'x');
  Answer(R"({"body":")" + body + R"("})");
  EXPECT_EQ(Run().body.size(), body.size());
  EXPECT_LE(call_.exchange->largest, 64u * 1024);
}

// ---- Runtime Interface Emulator (management-and-import.md §5.2).

TEST_F(LambdaProxyTest, EmulatorErrorsAreSeenByTheirBody_Management5_2) {
  Function(LambdaFunction::Mode::kRuntimeInterface, {.concurrency_per_endpoint = 1});
  Answer(R"({"errorMessage":"boom","errorType":"Error"})");
  EXPECT_EQ(Run().failure_status, 502);
  Answer("Task timed out after 3.00 seconds");
  EXPECT_EQ(Run().failure_status, 502);
  Answer("", 502);
  EXPECT_EQ(Run().failure_status, 502);
}

TEST_F(LambdaProxyTest, EmulatorServesOneAtATime_Management5_2) {
  Function(LambdaFunction::Mode::kRuntimeInterface, {.concurrency_per_endpoint = 1});
  std::vector<FakeUpstream::Peer*> waiting;
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    waiting.push_back(peer);
  };
  std::vector<Call> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(Begin(Request()));
    calls.back().exchange->Start();
  }
  for (int done = 0; done < 3; ++done) {
    ASSERT_TRUE(upstream_.Until([&] { return waiting.size() == 1; }));
    upstream_.Run(10);
    ASSERT_EQ(waiting.size(), 1u);
    waiting.back()->Answer("{}");
    waiting.clear();
    ASSERT_TRUE(upstream_.Until([&] { return calls[static_cast<size_t>(done)].exchange->done(); }));
    EXPECT_EQ(calls[static_cast<size_t>(done)].exchange->status, 200);
  }
}

TEST_F(LambdaProxyTest, FullQueueIsThrottled_RestApi9_6) {
  Function(LambdaFunction::Mode::kRuntimeInterface,
           {.concurrency_per_endpoint = 1, .queue_limit = 1});
  script_ = [](FakeUpstream::Peer*, const FakeUpstream::Request&) {};
  std::vector<Call> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(Begin(Request()));
    calls.back().exchange->Start();
  }
  EXPECT_EQ(calls[2].exchange->failure, ResponseType::kIntegrationFailure);
  EXPECT_EQ(calls[2].exchange->failure_status, 500);
  EXPECT_EQ(calls[2].request->context.integration_error,
            "Execution failed due to configuration error: Rate Exceeded.");
  EXPECT_FALSE(calls[1].exchange->done());
}

TEST_F(LambdaProxyTest, QueueTimeCountsAgainstTheTimeout_RestApi9_6) {
  Function(LambdaFunction::Mode::kRuntimeInterface, {.concurrency_per_endpoint = 1});
  spec_.caller.timeout_ms = 60;
  script_ = [](FakeUpstream::Peer*, const FakeUpstream::Request&) {};
  std::vector<Call> calls;
  for (int i = 0; i < 2; ++i) {
    calls.push_back(Begin(Request()));
    calls.back().exchange->Start();
  }
  ASSERT_TRUE(
      upstream_.Until([&] { return calls[0].exchange->done() && calls[1].exchange->done(); }));
  EXPECT_EQ(calls[1].exchange->failure, ResponseType::kIntegrationTimeout);
}

TEST_F(LambdaProxyTest, BusyEmulatorIsAskedAgain_Management5_2) {
  Function(LambdaFunction::Mode::kRuntimeInterface, {.concurrency_per_endpoint = 1});
  int asked = 0;
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    if (++asked < 3) {
      peer->Answer("already reserved", 400);
    } else {
      peer->Answer(R"({"body":"done"})");
    }
  };
  EXPECT_EQ(Run().body, "done");
  EXPECT_EQ(asked, 3);
}

TEST_F(LambdaProxyTest, EmulatorThatStaysBusyIs504) {
  Function(LambdaFunction::Mode::kRuntimeInterface, {.concurrency_per_endpoint = 1});
  spec_.caller.timeout_ms = 100;
  Answer("already reserved", 400);
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationTimeout);
}

TEST_F(LambdaProxyTest, DestroyedWhileUnderWayGivesTheSlotBack) {
  Function(LambdaFunction::Mode::kRuntimeInterface, {.concurrency_per_endpoint = 1});
  script_ = [](FakeUpstream::Peer*, const FakeUpstream::Request&) {};
  Call call = Begin(Request());
  call.exchange->Start();
  ASSERT_TRUE(upstream_.Until([this] { return endpoint_.requests == 1; }));
  call.exchange.reset();
  Answer("{}");
  EXPECT_EQ(Run().status, 200);
}

}  // namespace
}  // namespace postern
