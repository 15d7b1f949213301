#include "core/upstream/aws_signer.h"

#include <gtest/gtest.h>

#include <cstdlib>
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

std::shared_ptr<AwsCredentialsProvider> Credentials(std::string token = "") {
  return std::make_shared<AwsCredentialsProvider>(
      AwsCredentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token});
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
  auto credentials = std::make_shared<AwsCredentialsProvider>(
      AwsCredentials{"ASIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "TOKEN/+="});
  ASSERT_TRUE(AwsSigner("execute-api", "us-east-1", credentials).Sign(&head, "", 1440938160).ok());
  auto fields = FieldsOf(head);
  EXPECT_EQ(fields["x-amz-security-token"], "TOKEN/+=");
  EXPECT_EQ(fields.count("Authorization"), 0u);
  EXPECT_TRUE(fields["authorization"].ends_with(
      "SignedHeaders=host;x-amz-date;x-amz-security-token, "
      "Signature=648207e181d36e7f8fd758a6a3d53216d1f593d74ba25d1095af1d4f3703b207"))
      << fields["authorization"];
}

TEST(AwsCredentialsTest, SharedFile) {
  const std::string text =
      "# comment\n[other]\naws_access_key_id = O\naws_secret_access_key=OS\n\n"
      "[ default ]\r\n aws_access_key_id = A \r\nAWS_SECRET_ACCESS_KEY = S=/+\r\n"
      "region = x\naws_session_token = T\n[last]\naws_access_key_id = L\n";
  EXPECT_EQ(ParseSharedCredentials(text, "default"), (AwsCredentials{"A", "S=/+", "T"}));
  EXPECT_EQ(ParseSharedCredentials(text, "other"), (AwsCredentials{"O", "OS", ""}));
  EXPECT_EQ(ParseSharedCredentials(text, "last"), std::nullopt) << "half a key";
  EXPECT_EQ(ParseSharedCredentials(text, "none"), std::nullopt);
  EXPECT_EQ(ParseSharedCredentials("[x", "x"), std::nullopt);
}

TEST(AwsCredentialsTest, EnvironmentBeforeFile) {
  TempDir folder;
  WriteFile(folder / "credentials", "[p]\naws_access_key_id=F\naws_secret_access_key=FS\n");
  ::setenv("AWS_SHARED_CREDENTIALS_FILE", (folder / "credentials").c_str(), 1);
  ::setenv("AWS_PROFILE", "p", 1);
  ::unsetenv("AWS_ACCESS_KEY_ID");
  AwsCredentialsProvider provider;
  ASSERT_NE(provider.Get(), nullptr);
  EXPECT_EQ(*provider.Get(), (AwsCredentials{"F", "FS", ""}));
  ::setenv("AWS_ACCESS_KEY_ID", "E", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "ES", 1);
  ::setenv("AWS_SESSION_TOKEN", "ET", 1);
  provider.Reload();
  EXPECT_EQ(*provider.Get(), (AwsCredentials{"E", "ES", "ET"}));
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                           "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"}) {
    ::unsetenv(name);
  }
  ::setenv("HOME", folder.path().c_str(), 1);
  provider.Reload();
  EXPECT_EQ(provider.Get()->access_key_id, "E") << "what was good stays until there is better";
  EXPECT_EQ(AwsCredentialsProvider().Get(), nullptr);
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

}  // namespace
}  // namespace postern
