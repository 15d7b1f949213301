#include "lib/aws/sts.h"

#include <gtest/gtest.h>

namespace postern::aws {
namespace {

// authorization.md §12.2, "Web identity".
TEST(StsTest, Forms) {
  EXPECT_EQ(AssumeRoleForm({"arn:aws:iam::1:role/r", "", "e x", 900}, "postern-1"),
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
            "RoleSessionName=postern-1&DurationSeconds=900&ExternalId=e%20x");
  EXPECT_EQ(AssumeRoleWithWebIdentityForm({"r", "mine", "", 3600}, "made", "a.b+c"),
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=r&RoleSessionName=mine&"
            "DurationSeconds=3600&WebIdentityToken=a.b%2Bc");
}

constexpr std::string_view kAnswer =
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>"
    "<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s&amp;/+=</SecretAccessKey>"
    "<SessionToken>t&lt;</SessionToken><Expiration>2026-07-20T01:56:20Z</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>";

TEST(StsTest, Answers) {
  const auto credentials = ParseStsAnswer(200, kAnswer);
  ASSERT_TRUE(credentials.ok());
  EXPECT_EQ(*credentials, Credentials("ASIA", "s&/+=", "t<", 1784512580000));
  EXPECT_FALSE(ParseStsAnswer(200, "").ok());
  EXPECT_FALSE(ParseStsAnswer(200, kAnswer.substr(0, kAnswer.size() / 2)).ok());
  const auto denied = ParseStsAnswer(
      403,
      "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: x is "
      "not authorized</Message></Error></ErrorResponse>");
  EXPECT_TRUE(absl::IsPermissionDenied(denied.status()));
  EXPECT_EQ(denied.status().message(), "STS answers 403 AccessDenied: User: x is not authorized");
  EXPECT_TRUE(absl::IsUnavailable(ParseStsAnswer(503, "busy").status()));
  EXPECT_TRUE(absl::IsUnavailable(
      ParseStsAnswer(400, "<Error><Code>IDPCommunicationError</Code></Error>").status()));
}

TEST(StsTest, EndpointAnswers) {
  const auto credentials = ParseEndpointAnswer(
      R"({"Code":"Success","LastUpdated":"x","Type":"AWS-HMAC","AccessKeyId":"A",)"
      R"("SecretAccessKey":"S","Token":"T","Expiration":"2026-07-20T01:56:20Z"})");
  ASSERT_TRUE(credentials.ok());
  EXPECT_EQ(*credentials, Credentials("A", "S", "T", 1784512580000));
  EXPECT_FALSE(ParseEndpointAnswer("").ok());
  EXPECT_FALSE(ParseEndpointAnswer("[]").ok());
  EXPECT_FALSE(ParseEndpointAnswer(R"({"AccessKeyId":"A"})").ok());
  EXPECT_FALSE(ParseEndpointAnswer(R"({"Code":"AssumeRoleUnauthorizedAccess"})").ok());
  EXPECT_FALSE(
      ParseEndpointAnswer(R"({"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"soon"})").ok());
}

TEST(StsTest, Times) {
  EXPECT_EQ(ParseIsoTime("2026-07-20T01:56:20Z"), 1784512580000);
  EXPECT_EQ(ParseIsoTime("2026-07-20T01:56:20.253Z"), 1784512580253);
  EXPECT_EQ(ParseIsoTime("2026-07-20T03:56:20+02:00"), 1784512580000);
  EXPECT_EQ(ParseIsoTime("1970-01-01T00:00:00Z"), 0);
  for (const std::string_view wrong :
       {"", "2026-07-20", "2026-07-20T01:56:20", "2026-13-20T01:56:20Z", "2026-02-30T01:56:20Z",
        "2026-07-20T24:56:20Z", "2026-07-20T01:56:20.Z", "2026-07-20T01:56:20+2"}) {
    EXPECT_FALSE(ParseIsoTime(wrong).has_value()) << wrong;
  }
  EXPECT_EQ(ParseHttpDate("Mon, 20 Jul 2026 01:56:20 GMT"), 1784512580000);
  EXPECT_FALSE(ParseHttpDate("Monday, 20-Jul-26 01:56:20 GMT").has_value());
  EXPECT_FALSE(ParseHttpDate("Mon, 20 Foo 2026 01:56:20 GMT").has_value());
}

}  // namespace
}  // namespace postern::aws
