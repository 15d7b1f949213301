#include "core/credentials/aws_signer.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "core/upstream/test_support.h"
#include "lib/crypto/sigv4.h"

namespace postern {
namespace {

std::map<std::string, std::string> FieldsOf(const RequestHead& head) {
  std::map<std::string, std::string> fields;
  for (const HeaderField& field : head.headers) {
    fields[std::string(field.name)] = std::string(field.value);
  }
  return fields;
}

constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

std::shared_ptr<CredentialCell> Credentials(std::string token = "") {
  return std::make_shared<CredentialCell>(aws::Credentials("AKIDEXAMPLE", kSecret, token));
}

// authorization.md §1.13, vector E1: the signature that botocore agrees with, made by the signer.
TEST(AwsSignerTest, MakesKnownSignatures) {
  BlockPool blocks;
  Arena arena(&blocks);
  RequestHead head(&arena);
  head.method_text = "POST";
  head.method = Method::kPost;
  head.authority = "abc123.execute-api.us-east-1.amazonaws.com";
  head.target = "/dev/%40connections/asnFYeJtCGYCEZQ%3D";
  AwsSigner signer("execute-api", "us-east-1", Credentials());
  ASSERT_TRUE(signer.Sign(&head, "{\"a\":1}", 1440938160).ok());
  auto fields = FieldsOf(head);
  EXPECT_EQ(fields["x-amz-date"], "20150830T123600Z");
  EXPECT_EQ(fields["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/execute-api/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature="
            "10beda81ffe04a9405be9f6c5ec1929906c4032144f26f2477a832f26bebd19e");
  // Signing again, later, replaces all that was added.
  ASSERT_TRUE(signer.Sign(&head, "{\"a\":1}", 1440938160 + 60).ok());
  EXPECT_EQ(head.headers.size(), 2u);
  EXPECT_EQ(FieldsOf(head)["x-amz-date"], "20150830T123700Z");
}

// authorization.md §1.13, vector E8: with a session token.
TEST(AwsSignerTest, SessionTokenIsSigned) {
  BlockPool blocks;
  Arena arena(&blocks);
  RequestHead head(&arena);
  head.method_text = "GET";
  head.authority = "abc123.execute-api.us-east-1.amazonaws.com";
  head.target = "/prod/pets";
  head.headers.Add("X-Amz-Security-Token", "from the client");
  head.headers.Add("Authorization", "Bearer from the client");
  head.headers.Add("X-Other", "is not signed");
  auto credentials =
      std::make_shared<CredentialCell>(aws::Credentials("ASIAEXAMPLE", kSecret, "TOKEN/+="));
  ASSERT_TRUE(AwsSigner("execute-api", "us-east-1", credentials).Sign(&head, "", 1440938160).ok());
  auto fields = FieldsOf(head);
  EXPECT_EQ(fields["x-amz-security-token"], "TOKEN/+=");
  EXPECT_EQ(fields.count("Authorization"), 0u);
  EXPECT_TRUE(fields["authorization"].ends_with(
      "SignedHeaders=host;x-amz-date;x-amz-security-token, "
      "Signature=648207e181d36e7f8fd758a6a3d53216d1f593d74ba25d1095af1d4f3703b207"))
      << fields["authorization"];
}

// management-and-import.md §5.1: the Invoke API is signed for the service "lambda".
TEST(AwsSignerTest, SignsEachAttemptOfARequest) {
  UpstreamFixture f;
  FakeUpstream server(&f.dispatcher,
                      [](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
                        if (request.number == 1) return peer->Answer("", 503);
                        peer->Answer("ok");
                      });
  ClusterConfig config;
  config.endpoints = {server.endpoint()};
  config.retry.retry_on_status = {503};
  config.signing.signer = std::make_shared<AwsSigner>("lambda", "eu-west-1", Credentials("T"));
  Cluster* cluster = f.Single(config);
  TestExchange exchange(cluster);
  exchange.Method("PUT", "/2015-03-31/functions/f/invocations").StartContent("{\"a\":1}");
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_TRUE(exchange.ok());
  EXPECT_EQ(server.seen.size(), 2u);
  for (const FakeUpstream::Request& request : server.seen) {
    EXPECT_NE(request.head.find("/eu-west-1/lambda/aws4_request"), std::string::npos);
    EXPECT_NE(request.head.find("x-amz-security-token: T\r\n"), std::string::npos);
  }
  EXPECT_EQ(exchange.head.headers.size(), 0u) << "the request's own head is not touched";

  TestExchange streamed(cluster);
  streamed.Method("POST").StartBody(2);
  streamed.SendBody("ab").SendEnd();
  ASSERT_TRUE(f.Until([&] { return streamed.done(); }));
  EXPECT_EQ(streamed.failure, UpstreamFailure::kRequestAborted) << "never sent unsigned";
}

struct Signed {
  std::map<std::string, std::string> fields;
  std::string signature;
};

Signed SignOne(const AwsSigner& signer, std::string_view method, std::string_view authority,
               std::string_view target, std::string_view content = "", int64_t at = 1440938160) {
  BlockPool blocks;
  Arena arena(&blocks);
  RequestHead head(&arena);
  head.method_text = method;
  head.authority = authority;
  head.target = target;
  Signed out;
  const absl::Status status = signer.Sign(&head, content, at);
  EXPECT_TRUE(status.ok()) << status;
  out.fields = FieldsOf(head);
  const std::string& authorization = out.fields["authorization"];
  out.signature = authorization.substr(authorization.rfind('=') + 1);
  return out;
}

// authorization.md §12.1, vectors O1 to O3: as botocore signs.
TEST(AwsSignerTest, ServiceRules) {
  const AwsSigner lambda("lambda", "us-east-1", Credentials());
  constexpr std::string_view kLambda = "lambda.us-east-1.amazonaws.com";
  EXPECT_EQ(SignOne(lambda, "POST", kLambda,
                    "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3A"
                    "function%3Af/invocations",
                    "{\"a\":1}")
                .signature,
            "18909114d0b4c301e5602b235334bfe40ff530a85fb942ea465e3fd16abd0b59");
  EXPECT_EQ(SignOne(lambda, "POST", kLambda,
                    "/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:f/"
                    "invocations",
                    "{\"a\":1}")
                .signature,
            "6a03df759af9d137b595141396564536234a398e2474e0cbeeece651d22b101b");
  const AwsSigner s3("s3", "us-east-1", Credentials());
  Signed get = SignOne(s3, "GET", "bkt.s3.us-east-1.amazonaws.com", "/a%20b//c/../d%2Be");
  EXPECT_EQ(get.signature, "0d62f5e5a79811a4c9465e8f192ebe763682dcf2e443d078890d31cff931fcb7");
  EXPECT_EQ(get.fields["x-amz-content-sha256"], sigv4::kEmptyPayloadHash);
}

TEST(AwsSignerTest, FollowsItsCredentials) {
  auto cell = std::make_shared<CredentialCell>();
  const AwsSigner signer("sqs", "eu-west-1", cell);
  const AwsSigner other("sqs", "eu-central-1", cell);
  BlockPool blocks;
  Arena arena(&blocks);
  RequestHead head(&arena);
  head.authority = "h";
  head.target = "/";
  EXPECT_EQ(signer.Sign(&head, "", 0).message(), "no AWS credentials");
  cell->Set(nullptr, "the instance has no role");
  EXPECT_EQ(signer.Sign(&head, "", 0).message(), "the instance has no role");
  EXPECT_TRUE(head.headers.empty());
  cell->Set(std::make_shared<const aws::Credentials>("A", "S"));
  const std::string first = SignOne(signer, "GET", "h", "/").signature;
  EXPECT_EQ(SignOne(signer, "GET", "h", "/").signature, first);
  EXPECT_NE(SignOne(other, "GET", "h", "/").signature, first);
  EXPECT_NE(SignOne(signer, "GET", "h", "/", "", 1440938160 + 86400).signature, first);
  cell->Set(std::make_shared<const aws::Credentials>("A", "S2"));
  EXPECT_NE(SignOne(signer, "GET", "h", "/").signature, first);
  cell->Set(std::make_shared<const aws::Credentials>("A", "S"));
  EXPECT_EQ(SignOne(signer, "GET", "h", "/").signature, first);
}

// authorization.md §12.1, "Clock skew"; §12.2, "after ExpiredToken".
TEST(AwsSignerTest, Remedies) {
  using Remedy = RequestSigner::Remedy;
  auto cell = Credentials();
  const AwsSigner signer("sqs", "eu-west-1", cell);
  BlockPool blocks;
  Arena arena(&blocks);
  ResponseHead head(&arena);
  head.status = 403;
  head.headers.Add("Date", "Sun, 30 Aug 2015 14:36:00 GMT");
  constexpr std::string_view kSkewed = "<Code>RequestTimeTooSkewed</Code>";
  EXPECT_EQ(signer.OnRefused(head, "<Code>AccessDenied</Code>", 1440938160), Remedy::kNone);
  EXPECT_EQ(signer.OnRefused(head, kSkewed, 1440938160), Remedy::kAgain);
  EXPECT_EQ(SignOne(signer, "GET", "h", "/").fields["x-amz-date"], "20150830T143600Z");
  EXPECT_EQ(signer.OnRefused(head, kSkewed, 1440938160), Remedy::kNone) << "the clock is right now";
  head.headers.Remove("Date");
  EXPECT_EQ(signer.OnRefused(head, kSkewed, 1440938160), Remedy::kNone);
  head.headers.Add("x-amzn-ErrorType", "ExpiredTokenException");
  EXPECT_EQ(signer.OnRefused(head, "", 0), Remedy::kNone) << "nobody renews them";
  int told = 0;
  cell->set_on_refused([&told] { ++told; });
  EXPECT_EQ(signer.OnRefused(head, "", 0), Remedy::kLater);
  EXPECT_EQ(told, 1);
  head.status = 500;
  EXPECT_EQ(signer.OnRefused(head, "", 0), Remedy::kNone);
}

}  // namespace
}  // namespace postern
