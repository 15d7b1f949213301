#include "core/integration/http_proxy.h"

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

class HttpProxyTest : public testing::Test {
 protected:
  HttpProxyTest() {
    ClusterConfig config;
    config.name = "backend";
    config.endpoints = {backend_.endpoint()};
    config.retry.max_retries = 0;
    upstream_.Activate({config});
    spec_.cluster = {upstream_.set.get(), 0};
    spec_.authority = "backend.example:8080";
    spec_.target.text = "/base";
    spec_.target.pass_query = true;
    spec_.api_id = "a1b2c3";
  }

  void Request(std::string_view method, std::string_view target,
               std::initializer_list<std::pair<std::string_view, std::string_view>> headers = {}) {
    exchange_.reset();
    request_ = std::make_unique<TestRequest>(method, target, headers, "api.example.com");
    RequestContext& context = request_->context;
    context.trace_id = "Root=1-2-3";
    context.peer_ip = "203.0.113.9";
    context.forwarded_port = "443";
    context.forwarded_proto = "https";
  }

  TestExchangeSink& Begin() {
    if (request_ == nullptr) Request("GET", "/");
    integration_ = std::make_unique<HttpProxyIntegration>(spec_);
    exchange_ = std::make_unique<TestExchangeSink>(*integration_, request_.get(),
                                                   &upstream_.dispatcher, &upstream_.manager);
    return *exchange_;
  }
  TestExchangeSink& Run() {
    Begin().Start();
    EXPECT_TRUE(upstream_.Until([this] { return exchange_->done(); }));
    return *exchange_;
  }

  /// Value of a field in the request that the backend saw, as it was spelled; "(none)" without.
  std::string Sent(std::string_view name) const {
    const std::string& head = backend_.seen.back().head;
    const size_t at = head.find("\r\n" + std::string(name) + ": ");
    if (at == head.npos) return "(none)";
    const size_t start = at + name.size() + 4;
    return head.substr(start, head.find("\r\n", start) - start);
  }

  UpstreamFixture upstream_;
  FakeUpstream::Script script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer("hello", 200, "Content-Type: text/plain\r\n");
  };
  FakeUpstream backend_{&upstream_.dispatcher,
                        [this](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
                          script_(peer, request);
                        }};
  HttpProxyIntegration::Spec spec_;
  std::unique_ptr<TestRequest> request_;
  std::unique_ptr<HttpProxyIntegration> integration_;
  std::unique_ptr<TestExchangeSink> exchange_;
};

TEST_F(HttpProxyTest, PassesTheRequestOn_RestApi6_3) {
  Request("DELETE", "/stage/x?a=1", {{"X-Mine", "1"}, {"Accept", "text/plain"}});
  EXPECT_EQ(Run().status, 200);
  EXPECT_EQ(exchange_->body, "hello");
  EXPECT_EQ(backend_.seen.back().method(), "DELETE");
  EXPECT_EQ(backend_.seen.back().target(), "/base?a=1");
  EXPECT_EQ(Sent("X-Mine"), "1");
  EXPECT_EQ(Sent("Accept"), "text/plain");
}

TEST_F(HttpProxyTest, ConfiguredMethodReplacesTheClients_RestApi6_1) {
  spec_.method = "PUT";
  Request("GET", "/");
  Run();
  EXPECT_EQ(backend_.seen.back().method(), "PUT");
}

TEST_F(HttpProxyTest, AddedHeaders_RestApi6_9) {
  Request("GET", "/");
  Run();
  EXPECT_EQ(Sent("User-Agent"), "AmazonAPIGateway_a1b2c3");
  EXPECT_EQ(Sent("X-Amzn-Apigateway-Api-Id"), "a1b2c3");
  EXPECT_EQ(Sent("Accept"), "application/json");
  EXPECT_EQ(Sent("X-Amzn-Trace-Id"), "Root=1-2-3");
  EXPECT_EQ(Sent("X-Forwarded-For"), "203.0.113.9");
  EXPECT_EQ(Sent("X-Forwarded-Port"), "443");
  EXPECT_EQ(Sent("X-Forwarded-Proto"), "https");
  EXPECT_EQ(Sent("Host"), "backend.example:8080");
}

TEST_F(HttpProxyTest, ClientsCannotWriteTheGatewaysFields_RestApi6_9) {
  Request("GET", "/",
          {{"User-Agent", "curl"},
           {"X-Amzn-Apigateway-Api-Id", "evil"},
           {"X-Amzn-Trace-Id", "Root=evil"},
           {"X-Forwarded-For", "1.1.1.1"},
           {"X-Forwarded-For", "2.2.2.2"},
           {"X-Forwarded-Proto", "evil"},
           {"X-Forwarded-Port", "1"}});
  Run();
  EXPECT_EQ(Sent("User-Agent"), "curl");
  EXPECT_EQ(Sent("X-Amzn-Apigateway-Api-Id"), "a1b2c3");
  EXPECT_EQ(Sent("X-Amzn-Trace-Id"), "Root=1-2-3");
  EXPECT_EQ(Sent("X-Forwarded-For"), "1.1.1.1, 2.2.2.2, 203.0.113.9");
  EXPECT_EQ(Sent("X-Forwarded-Proto"), "https");
  EXPECT_EQ(Sent("X-Forwarded-Port"), "443");
  EXPECT_EQ(backend_.seen.back().head.find("evil"), std::string::npos);
}

TEST_F(HttpProxyTest, DroppedHeaders_RestApi6_7) {
  Request("GET", "/",
          {{"Content-MD5", "x"},
           {"Max-Forwards", "3"},
           {"Server", "x"},
           {"Via", "x"},
           {"WWW-Authenticate", "x"},
           {"Expect", "x"}});
  Run();
  for (const char* name :
       {"Content-MD5", "Max-Forwards", "Server", "Via", "WWW-Authenticate", "Expect"}) {
    EXPECT_EQ(Sent(name), "(none)") << name;
  }
}

TEST_F(HttpProxyTest, AuthorizationPassesUnlessItIsTheGateways_RestApi6_7) {
  Request("GET", "/", {{"Authorization", "Bearer x"}});
  Run();
  EXPECT_EQ(Sent("Authorization"), "Bearer x");
  Request("GET", "/", {{"Authorization", "AWS4-HMAC-SHA256 Credential=A, Signature=0"}});
  Run();
  EXPECT_EQ(Sent("Authorization"), "(none)");
  spec_.iam_authorized = true;
  Request("GET", "/", {{"Authorization", "Bearer x"}});
  Run();
  EXPECT_EQ(Sent("Authorization"), "(none)");
}

TEST_F(HttpProxyTest, MappedHeadersOverride_RestApi6_2) {
  spec_.headers = {{"X-Mine", ValueSource(Kind::kQuery, "q")},
                   {"Accept", ValueSource(Kind::kLiteral, "a/b")},
                   {"x-other", ValueSource(Kind::kLiteral, "o")},
                   {"X-Missing", ValueSource(Kind::kQuery, "none")},
                   {"Host", ValueSource(Kind::kLiteral, "mapped.example")}};
  Request(
      "GET", "/?q=v%0D%0AX-Evil:%201",
      {{"x-mine", "client"}, {"accept", "c/d"}, {"X-OTHER", "client"}, {"X-Missing", "client"}});
  Run();
  EXPECT_EQ(Sent("X-Mine"), "v  X-Evil: 1");
  EXPECT_EQ(Sent("x-mine"), "(none)");
  EXPECT_EQ(Sent("Accept"), "a/b");
  EXPECT_EQ(Sent("accept"), "(none)");
  EXPECT_EQ(Sent("x-other"), "o");
  EXPECT_EQ(Sent("X-OTHER"), "(none)");
  EXPECT_EQ(Sent("X-Missing"), "client");  // a mapping without a value is dropped
  EXPECT_EQ(Sent("Host"), "mapped.example");
  EXPECT_EQ(Sent("X-Evil"), "(none)");
}

TEST_F(HttpProxyTest, IllegalMappingFailsWhenItHasAValue_RestApi6_8) {
  spec_.headers = {{"Content-Length", ValueSource(Kind::kQuery, "q")}};
  Request("GET", "/?q=7");
  EXPECT_EQ(Begin().Start().failure, ResponseType::kApiConfigurationError);
  Request("GET", "/");
  EXPECT_EQ(Run().status, 200);
}

TEST_F(HttpProxyTest, ResponseFieldsAreRemapped_RestApi8_4) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer("x", 418,
                 "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: s\r\nConnection: keep-alive\r\n"
                 "x-amzn-RequestId: r\r\nVia: v\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
                 "X-Amzn-Trace-Id: theirs\r\nContent-Type: image/png\r\n");
  };
  EXPECT_EQ(Run().status, 418);
  EXPECT_EQ(exchange_->Header("x-amzn-Remapped-Date"), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(exchange_->Header("x-amzn-Remapped-Server"), "s");
  EXPECT_EQ(exchange_->Header("x-amzn-Remapped-Connection"), "keep-alive");
  EXPECT_EQ(exchange_->Header("x-amzn-Remapped-Content-Length"), "1");
  EXPECT_EQ(exchange_->Header("x-amzn-Remapped-x-amzn-RequestId"), "r");
  EXPECT_EQ(exchange_->Header("Date"), "(none)");
  EXPECT_EQ(exchange_->Header("Server"), "(none)");
  EXPECT_EQ(exchange_->Header("Via"), "(none)");
  EXPECT_EQ(exchange_->Header("Set-Cookie"), "a=1|b=2");
  EXPECT_EQ(exchange_->Header("X-Amzn-Trace-Id"), "theirs");
  EXPECT_EQ(exchange_->Header("Content-Type"), "image/png");
}

TEST_F(HttpProxyTest, NoTraceIdOfOurOwn_RestApi4_5) {
  EXPECT_EQ(Run().Header("X-Amzn-Trace-Id"), "(none)");
}

TEST_F(HttpProxyTest, BodyGoesThrough) {
  const std::string body(1 << 20, 'b');
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
    peer->Answer(std::to_string(request.body.size()));
  };
  Request("POST", "/");
  Begin().Start(body, 10000);
  ASSERT_TRUE(upstream_.Until([this] { return exchange_->done(); }));
  EXPECT_EQ(exchange_->body, std::to_string(body.size()));
  EXPECT_EQ(exchange_->consumed, body.size());
}

TEST_F(HttpProxyTest, ContextTellsOfTheBackend_RestApi13_5) {
  Run();
  const RequestContext& context = request_->context;
  EXPECT_EQ(context.integration_status, 200);
  EXPECT_EQ(context.integration_service_status, 200);
  EXPECT_GE(context.integration_latency_ms, 0);
  EXPECT_EQ(context.upstream_attempts, 1);
}

TEST_F(HttpProxyTest, SilentBackendIs504_RestApi6_6) {
  script_ = [](FakeUpstream::Peer*, const FakeUpstream::Request&) {};
  spec_.timeout_ms = 50;
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationTimeout);
  EXPECT_EQ(exchange_->failure_status, 0);
  EXPECT_EQ(request_->context.integration_error, "Execution failed due to a timeout error");
}

TEST_F(HttpProxyTest, RefusedConnectionIs504_RestApi6_6) {
  backend_.StopListening();
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationFailure);
  EXPECT_EQ(exchange_->failure_status, 0);
  EXPECT_EQ(request_->context.error_message, "");
}

TEST_F(HttpProxyTest, MalformedAnswerIs502) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx");
  };
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationFailure);
  EXPECT_EQ(exchange_->failure_status, 502);
}

TEST_F(HttpProxyTest, TruncatedHeadIs502) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->SendAndClose("HTTP/1.1 200 OK\r\nContent-Le");
  };
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationFailure);
  EXPECT_EQ(exchange_->failure_status, 502) << request_->context.error_detail;
}

TEST_F(HttpProxyTest, NoAnswerAtAllIs504_RestApi6_6) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) { peer->Close(); };
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationFailure);
  EXPECT_EQ(exchange_->failure_status, 0);
}

TEST_F(HttpProxyTest, TruncatedBodyIsBrokenOff) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  };
  EXPECT_TRUE(Run().aborted);
  EXPECT_FALSE(exchange_->ended);
}

TEST_F(HttpProxyTest, DestroyedWhileUnderWay) {
  script_ = [](FakeUpstream::Peer*, const FakeUpstream::Request&) {};
  Begin().Start();
  ASSERT_TRUE(upstream_.Until([this] { return backend_.requests == 1; }));
  exchange_.reset();
  upstream_.Run(20);
}

// RFC 7541 §6.2.3: what the client wants no compression to remember stays so behind the gateway.
TEST_F(HttpProxyTest, NeverIndexedFieldsStaySo) {
  FakeHttp2Upstream backend(&upstream_.dispatcher,
                            [](FakeHttp2Upstream::Stream* stream) { stream->Answer("ok"); });
  ClusterConfig config;
  config.name = "backend";
  config.protocol = UpstreamProtocol::kHttp2;
  config.endpoints = {backend.endpoint()};
  upstream_.Activate({config});
  spec_.cluster = {upstream_.set.get(), 0};
  Request("GET", "/", {{"x-open", "1"}, {"x-secret", "2"}});
  (request_->head.headers.end() - 1)->never_indexed = true;
  EXPECT_EQ(Run().status, 200);
  const HeaderMap& seen = backend.peers[0]->streams[0]->head.headers;
  ASSERT_NE(seen.Find("x-secret"), nullptr);
  EXPECT_TRUE(seen.Find("x-secret")->never_indexed);
  EXPECT_FALSE(seen.Find("x-open")->never_indexed);
  exchange_.reset();
}

}  // namespace
}  // namespace postern
