#include "control/compile/aws_binding.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

using snapshot::v1::AwsServiceTarget;

AwsServiceTarget Target(std::string_view region, std::string_view service,
                        std::string_view subdomain = "") {
  AwsServiceTarget target;
  target.set_region(std::string(region));
  target.set_service(std::string(service));
  target.set_subdomain(std::string(subdomain));
  return target;
}

// rest-api.md §9.1; authorization.md §12.1, "Service and region".
TEST(AwsBindingTest, ServicesGetClustersOfTheirOwn) {
  StageOptions stage;
  const BoundUpstream bound = BindAwsService(Target("eu-west-1", "states"), "", stage);
  ASSERT_TRUE(bound.cluster.has_value());
  EXPECT_EQ(bound.binding.upstream(), "aws|eu-west-1||states|");
  EXPECT_EQ(bound.binding.cluster(), "aws:states.eu-west-1.amazonaws.com");
  EXPECT_EQ(bound.binding.authority(), "states.eu-west-1.amazonaws.com");
  EXPECT_EQ(bound.cluster->endpoints(0).address().tcp().port(), 443u);
  EXPECT_EQ(bound.cluster->tls().server_name(), "states.eu-west-1.amazonaws.com");
  EXPECT_EQ(bound.cluster->aws_endpoint().service(), "states");
  EXPECT_EQ(bound.cluster->aws_signing().service(), "states");
  EXPECT_EQ(bound.cluster->aws_signing().region(), "eu-west-1");
  EXPECT_EQ(bound.cluster->retry().max_retries(), 2u);

  const BoundUpstream bucket = BindAwsService(Target("us-east-1", "s3", "pets"), "", stage);
  EXPECT_EQ(bucket.binding.authority(), "pets.s3.us-east-1.amazonaws.com");
  const BoundUpstream iam = BindAwsService(Target("eu-west-1", "iam"), "", stage);
  EXPECT_EQ(iam.cluster->aws_signing().region(), "us-east-1");
}

// Roles make clusters differ: a request is signed by that of its cluster.
TEST(AwsBindingTest, RolesAndStageVariables) {
  StageOptions stage;
  stage.variables = {{"account", "123456789012"}, {"region", "eu-north-1"}};
  constexpr std::string_view kRole = "arn:aws:iam::${stageVariables.account}:role/r";
  const AwsServiceTarget target = Target("${stageVariables.region}", "sqs");
  const BoundUpstream bound = BindAwsService(target, kRole, stage);
  ASSERT_TRUE(bound.cluster.has_value()) << bound.binding.problem();
  EXPECT_EQ(bound.binding.upstream(), AwsUpstreamKey(target, kRole));
  EXPECT_EQ(bound.cluster->aws_signing().role_arn(), "arn:aws:iam::123456789012:role/r");
  EXPECT_EQ(bound.cluster->name(),
            "aws:sqs.eu-north-1.amazonaws.com|arn:aws:iam::123456789012:role/r");
}

TEST(AwsBindingTest, WhatCannotBeCalled) {
  const StageOptions stage;
  const auto problem = [&stage](const AwsServiceTarget& target, std::string_view role = "") {
    const BoundUpstream bound = BindAwsService(target, role, stage);
    EXPECT_FALSE(bound.cluster.has_value());
    EXPECT_EQ(bound.binding.cluster(), "");
    return bound.binding.problem();
  };
  EXPECT_EQ(problem(Target("${stageVariables.none}", "sqs")), "\"\" is no region");
  EXPECT_EQ(problem(Target("r", "a/b")), "\"a/b\" is no AWS service");
  EXPECT_EQ(problem(Target("r", "s3", "a b")), "\"a b\" is no subdomain");
  EXPECT_EQ(problem(Target("r", "s3"), "arn:aws:iam::1:user/u"),
            "\"arn:aws:iam::1:user/u\" is no ARN of a role");
}

TEST(AwsBindingTest, RoleArns) {
  EXPECT_TRUE(IsRoleArn("arn:aws:iam::123456789012:role/r"));
  EXPECT_TRUE(IsRoleArn("arn:aws-cn:iam::123456789012:role/path/r=,.@-"));
  EXPECT_TRUE(IsRoleArn("${stageVariables.role}"));
  EXPECT_FALSE(IsRoleArn("arn:aws:iam::123456789012:role/"));
  EXPECT_FALSE(IsRoleArn(kCallerCredentials));
  EXPECT_FALSE(IsRoleArn("role"));
}

}  // namespace
}  // namespace postern
