#include "core/integration/http_mapped.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/integration/body_buffer.h"
#include "core/integration/test_exchange.h"
#include "core/upstream/test_support.h"

namespace postern {
namespace {

using Kind = ValueSource::Kind;

class HttpMappedTest : public testing::Test {
 protected:
  HttpMappedTest() {
    ClusterConfig config;
    config.name = "backend";
    config.endpoints = {backend_.endpoint()};
    config.retry.max_retries = 0;
    upstream_.Activate({config});
    spec_.cluster = {upstream_.set.get(), 0};
    spec_.authority = "backend.example";
    spec_.method = "POST";
    spec_.target.text = "/base";
    spec_.binary_media_types = &binary_;
    spec_.api_id = "a1b2c3";
    spec_.responses = {Response("", 200)};
  }

  static IntegrationResponseSpec Response(std::string pattern, uint16_t status) {
    IntegrationResponseSpec spec;
    spec.selection_pattern = std::move(pattern);
    spec.status = status;
    return spec;
  }
  static ResponseSource Backend(std::string name, bool all = false) {
    return {all ? ResponseSource::Kind::kHeaderAll : ResponseSource::Kind::kHeader,
            ValueSource(Kind::kLiteral, ""), std::move(name)};
  }

  void Request(std::string_view method, std::string_view target,
               std::initializer_list<std::pair<std::string_view, std::string_view>> headers = {}) {
    exchange_.reset();
    request_ = std::make_unique<TestRequest>(method, target, headers, "api.example.com");
    request_->context.trace_id = "Root=1-2-3";
    request_->context.request_id = "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12";
  }
  TestExchangeSink& Run(std::string_view body = "") {
    if (request_ == nullptr) Request("GET", "/");
    integration_ = std::make_unique<HttpMappedIntegration>(spec_);
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
  void Answer(std::string body, int status, std::string fields) {
    script_ = [=](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
      peer->Answer(body, status, fields);
    };
  }

  UpstreamFixture upstream_;
  FakeUpstream::Script script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer("hello", 200, "Content-Type: text/plain\r\n");
  };
  FakeUpstream backend_{&upstream_.dispatcher,
                        [this](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
                          script_(peer, request);
                        }};
  BinaryMediaTypes binary_;
  HttpMappedIntegration::Spec spec_;
  std::unique_ptr<TestRequest> request_;
  std::unique_ptr<HttpMappedIntegration> integration_;
  std::unique_ptr<TestExchangeSink> exchange_;
};

TEST_F(HttpMappedTest, RecordedPostWithoutTemplate_RestApi6_3) {
  Request("POST", "/s/p?a=1",
          {{"Content-Type", "text/x"}, {"X-Mine", "1"}, {"Cookie", "c"}, {"User-Agent", "curl"}});
  Run("body");
  EXPECT_EQ(backend_.seen.back().target(), "/base");
  EXPECT_EQ(backend_.seen.back().body, "body");
  EXPECT_EQ(Sent("Accept"), "application/json");
  EXPECT_EQ(Sent("Content-Type"), "text/x");
  EXPECT_EQ(Sent("Host"), "backend.example");
  EXPECT_EQ(Sent("User-Agent"), "AmazonAPIGateway_a1b2c3");
  EXPECT_EQ(Sent("X-Amzn-Apigateway-Api-Id"), "a1b2c3");
  EXPECT_EQ(Sent("X-Amzn-Trace-Id"), "Root=1-2-3");
  for (const char* name : {"X-Mine", "Cookie", "X-Forwarded-For", "X-Forwarded-Proto"}) {
    EXPECT_EQ(Sent(name), "(none)") << name;
  }
}

TEST_F(HttpMappedTest, NoContentTypeForClientsThatOnlyAsk_RestApi6_3) {
  for (const char* method : {"GET", "HEAD", "OPTIONS"}) {
    Request(method, "/", {{"Content-Type", "text/x"}});
    Run();
    EXPECT_EQ(backend_.seen.back().method(), "POST");
    EXPECT_EQ(Sent("Content-Type"), "(none)") << method;
  }
}

TEST_F(HttpMappedTest, TemplateMakesTheBody_RestApi6_4) {
  spec_.request_templates = {
      {"application/json", BodyTemplate::Form::kLiteral, R"({"fixed":1})", {}}};
  Request("POST", "/", {{"Content-Type", "application/json; charset=utf-8"}});
  Run("client");
  EXPECT_EQ(backend_.seen.back().body, R"({"fixed":1})");
  EXPECT_EQ(Sent("Content-Type"), "application/json");
  spec_.request_templates[0].form = BodyTemplate::Form::kPayload;
  Request("POST", "/", {{"Content-Type", "application/json"}});
  Run("client");
  EXPECT_EQ(backend_.seen.back().body, "client");
  // $input.body of an empty body is {} (§7.2).
  Request("GET", "/");
  Run();
  EXPECT_EQ(backend_.seen.back().body, "{}");
}

TEST_F(HttpMappedTest, UnsupportedMediaType_RestApi6_4) {
  spec_.passthrough = Passthrough::kNever;
  EXPECT_EQ(Run().failure, ResponseType::kUnsupportedMediaType);
}

TEST_F(HttpMappedTest, MappedParameters_RestApi6_2) {
  spec_.target.query = {{"q", ValueSource(Kind::kQuery, "a")}};
  spec_.headers = {{"X-Out", ValueSource(Kind::kHeader, "X-In")},
                   {"Content-Type", ValueSource(Kind::kLiteral, "a/b")}};
  Request("GET", "/?a=1", {{"X-In", "v"}});
  Run();
  EXPECT_EQ(backend_.seen.back().target(), "/base?q=1");
  EXPECT_EQ(Sent("X-Out"), "v");
  EXPECT_EQ(Sent("Content-Type"), "a/b");
}

TEST_F(HttpMappedTest, StatusSelectsTheResponse_RestApi8_1) {
  spec_.responses = {Response("4\\d{2}", 400), Response("", 200)};
  Answer("no", 404, "");
  EXPECT_EQ(Run().status, 400);
  EXPECT_EQ(exchange_->body, "no");
  Answer("made", 201, "");
  Request("GET", "/");
  EXPECT_EQ(Run().status, 200);
}

TEST_F(HttpMappedTest, NoMatchAndNoDefaultIs500_RestApi8_1) {
  spec_.responses = {Response("200", 200)};
  Answer("no", 404, "");
  EXPECT_EQ(Run().failure, ResponseType::kApiConfigurationError);
  EXPECT_EQ(request_->context.integration_error,
            "Execution failed due to configuration error: No match for output mapping and no "
            "default output mapping configured. Endpoint Response Status Code: 404");
}

TEST_F(HttpMappedTest, BackendFieldsAreNotCopiedAndTypeIsJson_RestApi8_3) {
  Answer("x", 200, "Content-Type: text/html\r\nX-Back: 1\r\nDate: d\r\n");
  Run();
  EXPECT_EQ(exchange_->Header("Content-Type"), "application/json");
  EXPECT_EQ(exchange_->Header("X-Back"), "(none)");
  EXPECT_EQ(exchange_->Header("x-amzn-Remapped-Date"), "(none)");
}

TEST_F(HttpMappedTest, TraceIdOnSuccess_RestApi4_5) {
  EXPECT_EQ(Run().Header("X-Amzn-Trace-Id"), "Root=1-2-3;Parent=8db3b4ddecd5436d;Sampled=0");
}

TEST_F(HttpMappedTest, MappedResponseFields_RestApi8_2) {
  spec_.responses[0].headers = {
      {"X-Last", Backend("X-Back")},
      {"X-All", Backend("X-Back", true)},
      {"X-Case", Backend("x-back")},
      {"X-None", Backend("X-None")},
      {"X-Body", {ResponseSource::Kind::kBody, ValueSource(Kind::kLiteral, ""), ""}},
      {"Content-Type", Backend("Content-Type")}};
  Answer("one\r\ntwo", 200, "Content-Type: text/html\r\nX-Back: 1\r\nX-Back: 2\r\n");
  Run();
  EXPECT_EQ(exchange_->Header("X-Last"), "2");
  EXPECT_EQ(exchange_->Header("X-All"), "1,2");
  EXPECT_EQ(exchange_->Header("X-Case"), "(none)");
  EXPECT_EQ(exchange_->Header("X-None"), "(none)");
  EXPECT_EQ(exchange_->Header("X-Body"), "one  two");
  EXPECT_EQ(exchange_->Header("Content-Type"), "text/html");
}

TEST_F(HttpMappedTest, TextBodiesAreUtf8_RestApi10_2And10_3) {
  Answer("r\xFF", 200, "");
  Request("POST", "/");
  Run("q\xFF");
  EXPECT_EQ(backend_.seen.back().body, "q\xEF\xBF\xBD");
  EXPECT_EQ(exchange_->body, "r\xEF\xBF\xBD");
}

TEST_F(HttpMappedTest, BinaryBodiesPassUnchanged_RestApi10_2And10_3) {
  binary_ = BinaryMediaTypes({"image/png"});
  Answer("r\xFF", 200, "Content-Type: image/png\r\n");
  Request("POST", "/", {{"Content-Type", "image/png"}, {"Accept", "image/png"}});
  Run("q\xFF");
  EXPECT_EQ(backend_.seen.back().body, "q\xFF");
  EXPECT_EQ(exchange_->body, "r\xFF");
  Request("GET", "/");
  EXPECT_EQ(Run().body, "cv8=");
}

TEST_F(HttpMappedTest, BytesAndTemplateAre500_RestApi10_3) {
  binary_ = BinaryMediaTypes({"image/png"});
  spec_.responses[0].templates = {{"application/json", BodyTemplate::Form::kPayload, "", {}}};
  Answer("r\xFF", 200, "Content-Type: image/png\r\n");
  Request("GET", "/", {{"Accept", "image/png"}});
  EXPECT_EQ(Run().failure, ResponseType::kApiConfigurationError);
}

TEST_F(HttpMappedTest, UndecodableBodyIs500_RestApi10_3) {
  spec_.responses[0].handling = ContentHandling::kToBinary;
  Answer("*", 200, "");
  EXPECT_EQ(Run().failure, ResponseType::kApiConfigurationError);
  spec_.responses[0].handling = ContentHandling::kNone;
  spec_.handling = ContentHandling::kToBinary;
  Request("POST", "/");
  EXPECT_EQ(Run("*").failure, ResponseType::kApiConfigurationError);
}

TEST_F(HttpMappedTest, SlowBodyIs504_RestApi6_6) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  };
  spec_.timeout_ms = 60;
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationTimeout);
}

TEST_F(HttpMappedTest, TruncatedBodyIs502) {
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  };
  EXPECT_EQ(Run().failure, ResponseType::kIntegrationFailure);
  EXPECT_EQ(exchange_->failure_status, 502);
}

TEST_F(HttpMappedTest, TooLongContent_RestApi10_5) {
  Request("POST", "/");
  EXPECT_EQ(Run(std::string(kMaxCollectedBody + 1, 'x')).failure, ResponseType::kRequestTooLarge);
  Answer(std::string(kMaxCollectedBody + 1, 'x'), 200, "");
  Request("GET", "/");
  EXPECT_EQ(Run().failure, ResponseType::kApiConfigurationError);
}

}  // namespace
}  // namespace postern
