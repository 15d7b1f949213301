#include "core/integration/aws_service.h"

#include <gtest/gtest.h>

#include <atomic>

#include "core/integration/test_exchange.h"
#include "core/upstream/request_signer.h"
#include "core/upstream/test_support.h"

namespace postern {
namespace {

/// Signs by a field, and does what the test says about refusals.
class TestSigner final : public RequestSigner {
 public:
  absl::Status Sign(RequestHead* head, std::string_view content, int64_t) const override {
    if (broken) return absl::FailedPreconditionError("no credentials");
    head->headers.Set("x-signed", head->headers.arena()->Copy(std::to_string(++count) + ":" +
                                                              std::to_string(content.size())));
    return absl::OkStatus();
  }
  Remedy OnRefused(const ResponseHead& head, std::string_view content, int64_t) const override {
    if (head.status != 403) return Remedy::kNone;
    return content == "skew"      ? Remedy::kAgain
           : content == "expired" ? Remedy::kLater
                                  : Remedy::kNone;
  }
  uint64_t version() const override { return generation; }

  bool broken = false;
  mutable int count = 0;
  uint64_t generation = 1;
};

class AwsServiceTest : public ::testing::Test {
 protected:
  AwsServiceTest()
      : server_(&f_.dispatcher,
                [this](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
                  script_(peer, request);
                }) {
    script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
      peer->Answer("{}", 200,
                   "Content-Type: application/x-amz-json-1.0\r\n"
                   "x-amzn-RequestId: R1\r\n");
    };
  }

  AwsServiceIntegration::Spec Spec() {
    ClusterConfig config;
    config.name = "c";
    config.endpoints = {server_.endpoint()};
    config.signing.signer = signer_;
    f_.Activate({std::move(config)});
    AwsServiceIntegration::Spec spec;
    spec.cluster = {f_.set.get(), *f_.set->Find("c")};
    spec.authority = "sqs.eu-west-1.amazonaws.com";
    spec.https = false;
    spec.api_id = "a1b2c3";
    return spec;
  }
  std::unique_ptr<TestExchangeSink> Run(const Integration& integration, TestRequest* request,
                                        std::string_view body = "") {
    auto sink =
        std::make_unique<TestExchangeSink>(integration, request, &f_.dispatcher, &f_.manager);
    if (body.empty()) {
      sink->Start();
    } else {
      sink->Start(body);
    }
    EXPECT_TRUE(f_.Until([&] { return sink->done(); }, 20000));
    return sink;
  }

  UpstreamFixture f_;
  std::shared_ptr<TestSigner> signer_ = std::make_shared<TestSigner>();
  FakeUpstream::Script script_;
  FakeUpstream server_;
};

// rest-api.md §6.3, §6.9: what the filters made, and the gateway's own fields.
TEST_F(AwsServiceTest, SendsTheRequestAsItIs) {
  AwsServiceIntegration::Spec spec = Spec();
  spec.authority = "s3.us-east-1.amazonaws.com";
  const AwsServiceIntegration integration(std::move(spec));
  TestRequest request("PUT", "/bucket/a%20key?versioning", {{"Content-Type", "text/plain"}},
                      "the.client");
  request.context.trace_id = "Root=1-2-3";
  auto sink = Run(integration, &request, "content");
  EXPECT_EQ(sink->status, 200);
  EXPECT_EQ(sink->body, "{}");
  EXPECT_EQ(request.context.integration_request_id, "R1");
  EXPECT_EQ(request.context.integration_status, 200);
  EXPECT_EQ(request.context.upstream_attempts, 1);
  EXPECT_TRUE(request.context.response_trace_id);
  ASSERT_EQ(server_.seen.size(), 1u);
  EXPECT_TRUE(server_.seen[0].head.starts_with(
      "PUT /bucket/a%20key?versioning HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\n"))
      << server_.seen[0].head;
  for (const char* line :
       {"Content-Type: text/plain", "Accept: application/json",
        "User-Agent: AmazonAPIGateway_a1b2c3", "X-Amzn-Apigateway-Api-Id: a1b2c3",
        "X-Amzn-Trace-Id: Root=1-2-3", "x-signed: 1:7"}) {
    EXPECT_NE(server_.seen[0].head.find(std::string(line) + "\r\n"), std::string::npos) << line;
  }
  EXPECT_EQ(server_.seen[0].body, "content");
}

// §9.1: actions of services that speak JSON are named by a field.
TEST_F(AwsServiceTest, Actions) {
  AwsServiceIntegration::Spec spec = Spec();
  spec.path_prefix = "/base";
  spec.action = aws::JsonActionOf("dynamodb", "PutItem");
  ASSERT_TRUE(spec.action.has_value());
  const AwsServiceIntegration integration(std::move(spec));
  TestRequest request("POST", "//?Action=PutItem", {{"Content-Type", "application/json"}});
  Run(integration, &request, "{}");
  ASSERT_EQ(server_.seen.size(), 1u);
  EXPECT_TRUE(server_.seen[0].head.starts_with("POST /base/?Action=PutItem HTTP/1.1\r\n"));
  for (const char* line :
       {"X-Amz-Target: DynamoDB_20120810.PutItem", "Content-Type: application/x-amz-json-1.0"}) {
    EXPECT_NE(server_.seen[0].head.find(std::string(line) + "\r\n"), std::string::npos) << line;
  }
  TestRequest mapped("POST", "/", {{"x-amz-target", "X.Y"}, {"Content-Type", "text/x"}});
  Run(integration, &mapped, "{}");
  EXPECT_NE(server_.seen[1].head.find("x-amz-target: X.Y\r\n"), std::string::npos);
  EXPECT_NE(server_.seen[1].head.find("Content-Type: text/x\r\n"), std::string::npos);
}

// http-api.md §10.
TEST_F(AwsServiceTest, SubtypesMakeTheCall) {
  AwsServiceIntegration::Spec spec = Spec();
  spec.subtype = aws::Subtype::Find("SQS-SendMessage");
  spec.path_prefix = "/base";
  spec.parameters.push_back(
      {"QueueUrl", HttpApiValue(*ParseHttpApiValue("https://sqs.eu-west-1.amazonaws.com/1/q"))});
  spec.parameters.push_back({"MessageBody", HttpApiValue(*ParseHttpApiValue("$request.body.m"))});
  const AwsServiceIntegration integration(std::move(spec));
  EXPECT_EQ(integration.type_name(), "AWS_PROXY");
  TestRequest request("POST", "/send", {{"Content-Type", "application/json"}});
  request.context.http_api = true;
  auto sink = Run(integration, &request, R"({"m":"hello"})");
  EXPECT_EQ(sink->status, 200);
  EXPECT_FALSE(request.context.response_trace_id);
  ASSERT_EQ(server_.seen.size(), 1u);
  EXPECT_TRUE(server_.seen[0].head.starts_with(
      "POST /base/1/q HTTP/1.1\r\nHost: sqs.eu-west-1.amazonaws.com\r\n"))
      << server_.seen[0].head;
  EXPECT_TRUE(server_.seen[0].body.starts_with("Action=SendMessage&Version=2012-11-05&"));
  EXPECT_TRUE(server_.seen[0].body.ends_with("&MessageBody=hello"));

  TestRequest without("POST", "/send");
  auto failed = Run(integration, &without, "{}");
  EXPECT_EQ(failed->failure, ResponseType::kDefault4xx);
  EXPECT_EQ(failed->failure_status, 400);
  EXPECT_EQ(without.context.integration_error,
            "SQS-SendMessage: the parameter MessageBody has no value");
  EXPECT_EQ(server_.seen.size(), 1u);
}

// authorization.md §12.1, "Clock skew": once.
TEST_F(AwsServiceTest, SignedAnewOnceTheClockIsRight) {
  int refusals = 1;
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    if (refusals-- > 0) return peer->Answer("skew", 403);
    peer->Answer("fine");
  };
  const AwsServiceIntegration integration(Spec());
  TestRequest request("POST", "/");
  EXPECT_EQ(Run(integration, &request, "x")->body, "fine");
  EXPECT_EQ(request.context.upstream_attempts, 2);
  EXPECT_EQ(server_.seen.size(), 2u);
  EXPECT_NE(server_.seen[1].head.find("x-signed: 2:1\r\n"), std::string::npos);
  refusals = 5;
  TestRequest again("POST", "/");
  auto sink = Run(integration, &again, "x");
  EXPECT_EQ(sink->status, 403);
  EXPECT_EQ(sink->body, "skew");
  EXPECT_EQ(server_.seen.size(), 4u);
}

// authorization.md §12.2, "after ExpiredToken".
TEST_F(AwsServiceTest, WaitsForNewCredentials) {
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    if (server_.seen.size() == 1) {
      peer->Answer("expired", 403);
      ++signer_->generation;
      return;
    }
    peer->Answer("fine");
  };
  const AwsServiceIntegration integration(Spec());
  TestRequest request("GET", "/");
  EXPECT_EQ(Run(integration, &request)->body, "fine");
}

TEST_F(AwsServiceTest, Failures) {
  AwsServiceIntegration::Spec spec = Spec();
  spec.credentials = "arn:aws:iam::1:role/r";
  const AwsServiceIntegration integration(std::move(spec));
  signer_->broken = true;
  TestRequest unsigned_one("GET", "/");
  auto sink = Run(integration, &unsigned_one);
  EXPECT_EQ(sink->failure, ResponseType::kApiConfigurationError);
  EXPECT_EQ(unsigned_one.context.integration_error,
            "Execution failed due to configuration error: API Gateway does not have permission to "
            "assume the provided role arn:aws:iam::1:role/r");
  EXPECT_TRUE(server_.seen.empty()) << "never sent unsigned";
  signer_->broken = false;
  script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) { peer->Reset(); };
  TestRequest broken("POST", "/");
  EXPECT_EQ(Run(integration, &broken, "x")->failure, ResponseType::kIntegrationFailure);

  AwsServiceIntegration::Spec slow = Spec();
  slow.timeout_ms = 50;
  const AwsServiceIntegration impatient(std::move(slow));
  script_ = [](FakeUpstream::Peer*, const FakeUpstream::Request&) {};
  TestRequest late("POST", "/");
  EXPECT_EQ(Run(impatient, &late, "x")->failure, ResponseType::kIntegrationTimeout);
  EXPECT_EQ(late.context.integration_error, "Execution failed due to a timeout error");
}

}  // namespace
}  // namespace postern
