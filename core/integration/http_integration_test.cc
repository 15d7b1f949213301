#include "core/integration/http_integration.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/integration/body_buffer.h"
#include "core/integration/test_exchange.h"
#include "core/upstream/test_support.h"

namespace postern {
namespace {

/// The request is what the chain has made of a client's.
class HttpIntegrationTest : public testing::Test {
 protected:
  HttpIntegrationTest() {
    ClusterConfig config;
    config.name = "backend";
    config.endpoints = {backend_.endpoint()};
    config.retry.max_retries = 0;
    upstream_.Activate({config});
    spec_.cluster = {upstream_.set.get(), 0};
    spec_.api_id = "a1b2c3";
  }

  void Request(std::string_view method, std::string_view target,
               std::initializer_list<std::pair<std::string_view, std::string_view>> headers = {}) {
    exchange_.reset();
    request_ = std::make_unique<TestRequest>(method, target, headers, "backend.example");
    request_->context.trace_id = "Root=1-2-3";
  }
  TestExchangeSink& Run(std::string_view body = "") {
    if (request_ == nullptr) Request("GET", "/");
    integration_ = std::make_unique<HttpIntegration>(spec_);
    exchange_ = std::make_unique<TestExchangeSink>(*integration_, request_.get(),
                                                   &upstream_.dispatcher, &upstream_.manager);
    if (body.empty()) {
      exchange_->Start();
    } else {
      exchange_->Start(body, 1000);
    }
    EXPECT_TRUE(upstream_.Until([this] { return exchange_->done(); }));
    return *exchange_;
  }
  std::string Sent(std::string_view name) const {
    const std::string& head = backend_.seen.back().head;
    const size_t at = head.find("\r\n" + std::string(name) + ": ");
    if (at == head.npos) return "(none)";
    const size_t start = at + name.size() + 4;
    return head.substr(start, head.find("\r\n", start) - start);
  }

  UpstreamFixture upstream_;
  FakeUpstream::Script script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer("hello", 200, "Content-Type: text/plain\r\nServer: s\r\n");
  };
  FakeUpstream backend_{&upstream_.dispatcher,
                        [this](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
                          script_(peer, request);
                        }};
  HttpIntegration::Spec spec_;
  std::unique_ptr<TestRequest> request_;
  std::unique_ptr<HttpIntegration> integration_;
  std::unique_ptr<TestExchangeSink> exchange_;
};

TEST_F(HttpIntegrationTest, SendsTheHeadItIsGiven_RestApi6_9) {
  Request("PUT", "/base?a=b", {{"Content-Type", "text/x"}, {"X-Mine", "1"}, {"X-Mine", "2"}});
  Run("body");
  EXPECT_EQ(backend_.seen.back().method(), "PUT");
  EXPECT_EQ(backend_.seen.back().target(), "/base?a=b");
  EXPECT_EQ(backend_.seen.back().body, "body");
  EXPECT_EQ(Sent("Host"), "backend.example");
  EXPECT_EQ(Sent("Content-Type"), "text/x");
  EXPECT_EQ(Sent("X-Mine"), "1");
  // What the gateway adds.
  EXPECT_EQ(Sent("Accept"), "application/json");
  EXPECT_EQ(Sent("User-Agent"), "AmazonAPIGateway_a1b2c3");
  EXPECT_EQ(Sent("X-Amzn-Apigateway-Api-Id"), "a1b2c3");
  EXPECT_EQ(Sent("X-Amzn-Trace-Id"), "Root=1-2-3");
  EXPECT_EQ(exchange_->consumed, exchange_->sent);
}

TEST_F(HttpIntegrationTest, WhatIsMappedStays_RestApi6_9) {
  Request("GET", "/", {{"Accept", "image/png"}, {"User-Agent", "mine"}});
  Run();
  EXPECT_EQ(Sent("Accept"), "image/png");
  EXPECT_EQ(Sent("User-Agent"), "mine");
  EXPECT_EQ(Sent("Content-Length"), "(none)");
  Request("POST", "/");
  Run();
  EXPECT_EQ(Sent("Content-Length"), "0");
}

TEST_F(HttpIntegrationTest, HandsBackTheAnswer) {
  EXPECT_EQ(Run().status, 200);
  EXPECT_EQ(exchange_->body, "hello");
  EXPECT_EQ(exchange_->Header("Content-Type"), "text/plain");
  EXPECT_EQ(exchange_->Header("Server"), "s");
  EXPECT_EQ(request_->context.integration_status, 200);
  EXPECT_TRUE(request_->context.response_trace_id);
  EXPECT_GE(request_->context.integration_latency_ms, 0);
}

TEST_F(HttpIntegrationTest, AnAnswerThatBreaksOffIsToldToTheClient) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel");
  };
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationFailure);
  EXPECT_EQ(exchange_->failure_status, 502);
  EXPECT_EQ(exchange_->heads, 0);
}

TEST_F(HttpIntegrationTest, TheTimeoutBoundsTheWhole_RestApi6_6) {
  spec_.timeout_ms = 50;
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel");
  };
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationTimeout);
  EXPECT_EQ(request_->context.integration_error, "Execution failed due to a timeout error");
}

TEST_F(HttpIntegrationTest, ContentIsBounded_RestApi10_5) {
  Request("POST", "/");
  const std::string large(kMaxCollectedBody + 1, 'x');
  EXPECT_EQ(Run(large).failure, ResponseType::kRequestTooLarge);
  script_ = [&large](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer(large);
  };
  Request("GET", "/");
  EXPECT_EQ(Run().failure, ResponseType::kApiConfigurationError);
}

}  // namespace
}  // namespace postern
