#include "lib/aws/endpoint.h"

#include <gtest/gtest.h>

namespace postern::aws {
namespace {

// rest-api.md §9.1: arn:{partition}:apigateway:{region}:[{subdomain}.]{service}:...
TEST(EndpointTest, HostsByRegionAndPartition) {
  EXPECT_EQ(EndpointOf("sqs", "eu-central-1"),
            (ServiceEndpoint{"sqs.eu-central-1.amazonaws.com", "sqs", "eu-central-1"}));
  EXPECT_EQ(EndpointOf("s3", "us-east-1"),
            (ServiceEndpoint{"s3.us-east-1.amazonaws.com", "s3", "us-east-1"}));
  EXPECT_EQ(EndpointOf("s3", "us-east-1", "bucket"),
            (ServiceEndpoint{"bucket.s3.us-east-1.amazonaws.com", "s3", "us-east-1"}));
  EXPECT_EQ(EndpointOf("dynamodb", "cn-north-1").host, "dynamodb.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(EndpointOf("states", "us-gov-west-1").host, "states.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(EndpointOf("sns", "us-iso-east-1").host, "sns.us-iso-east-1.c2s.ic.gov");
  EXPECT_EQ(EndpointOf("sns", "us-isob-east-1").host, "sns.us-isob-east-1.sc2s.sgov.gov");
  EXPECT_EQ(PartitionOf("us-gov-east-1"), "aws-us-gov");
  EXPECT_EQ(PartitionOf("eu-west-1"), "aws");
}

TEST(EndpointTest, GlobalServicesAreSignedForOneRegion) {
  EXPECT_EQ(EndpointOf("iam", "eu-west-1"),
            (ServiceEndpoint{"iam.amazonaws.com", "iam", "us-east-1"}));
  EXPECT_EQ(EndpointOf("iam", "cn-north-1").host, "iam.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(EndpointOf("route53", "us-gov-east-1"),
            (ServiceEndpoint{"route53.us-gov.amazonaws.com", "route53", "us-gov-west-1"}));
}

TEST(EndpointTest, SigningNamesThatAreNotThePrefix) {
  EXPECT_EQ(EndpointOf("email", "eu-west-1").signing_name, "ses");
  EXPECT_EQ(EndpointOf("iot", "eu-west-1", "data"),
            (ServiceEndpoint{"data.iot.eu-west-1.amazonaws.com", "iotdata", "eu-west-1"}));
  EXPECT_EQ(EndpointOf("sagemaker", "eu-west-1", "runtime").signing_name, "sagemaker");
  EXPECT_EQ(EndpointOf("sync-states", "eu-west-1").signing_name, "states");
}

TEST(EndpointTest, Names) {
  EXPECT_TRUE(IsRegionName("eu-central-1"));
  EXPECT_FALSE(IsRegionName("eu.central"));
  EXPECT_FALSE(IsRegionName(""));
  EXPECT_TRUE(IsServiceName("runtime.lex"));
  EXPECT_FALSE(IsServiceName("a..b"));
  EXPECT_FALSE(IsServiceName("a/b"));
  EXPECT_FALSE(IsServiceName(".s3"));
}

TEST(EndpointOverridesTest, OneForAServiceBeforeOneForAll) {
  EndpointOverrides overrides;
  EXPECT_TRUE(overrides.empty());
  ASSERT_TRUE(overrides.AddEnvironment("AWS_ENDPOINT_URL", "http://all:1").ok());
  ASSERT_TRUE(overrides.AddEnvironment("AWS_ENDPOINT_URL_SFN", "http://sfn:2").ok());
  ASSERT_TRUE(overrides.AddEnvironment("AWS_ENDPOINT_URL_DYNAMODB", "http://ddb:3/base").ok());
  ASSERT_TRUE(overrides.AddEnvironment("AWS_ENDPOINT_URLS", "no URL").ok()) << "another variable";
  ASSERT_TRUE(overrides.AddEnvironment("PATH", "no URL").ok());
  EXPECT_EQ(overrides.Find("states"), "http://sfn:2");
  EXPECT_EQ(overrides.Find("sync-states"), "http://sfn:2");
  EXPECT_EQ(overrides.Find("dynamodb"), "http://ddb:3/base");
  EXPECT_EQ(overrides.Find("s3"), "http://all:1");
  // What the command line says goes first.
  ASSERT_TRUE(overrides.Add("s3=https://s3.test").ok());
  EXPECT_EQ(overrides.Find("s3"), "https://s3.test");
  EXPECT_EQ(overrides.Find("states"), "http://sfn:2");
  ASSERT_TRUE(overrides.Add("http://flag:4").ok());
  EXPECT_EQ(overrides.Find("states"), "http://flag:4");
  EXPECT_FALSE(overrides.empty());
}

TEST(EndpointOverridesTest, RefusesWhatIsNoUrl) {
  EndpointOverrides overrides;
  EXPECT_FALSE(overrides.Add("s3=localhost:4566").ok());
  EXPECT_FALSE(overrides.Add("ftp://h").ok());
  EXPECT_FALSE(overrides.Add("http://h/?q").ok());
  EXPECT_FALSE(overrides.Add("a b=http://h").ok());
  EXPECT_FALSE(overrides.AddEnvironment("AWS_ENDPOINT_URL", "nonsense").ok());
  EXPECT_FALSE(overrides.Find("s3").has_value());
}

}  // namespace
}  // namespace postern::aws
