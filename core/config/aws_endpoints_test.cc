#include "core/config/aws_endpoints.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

namespace v1 = snapshot::v1;

v1::Cluster* AddCluster(std::string_view name, std::string_view service, std::string_view subdomain,
                        v1::Snapshot* snapshot) {
  v1::Cluster* cluster = snapshot->add_clusters();
  cluster->set_name(std::string(name));
  v1::HostPort* address = cluster->add_endpoints()->mutable_address()->mutable_tcp();
  address->set_host("aws.example");
  address->set_port(443);
  cluster->mutable_tls()->set_server_name("aws.example");
  if (!service.empty()) {
    cluster->mutable_aws_endpoint()->set_service(std::string(service));
    cluster->mutable_aws_endpoint()->set_subdomain(std::string(subdomain));
  }
  return cluster;
}

v1::UpstreamBinding* Bind(std::string_view cluster, v1::Stage* stage) {
  v1::UpstreamBinding* binding = stage->add_upstreams();
  binding->set_cluster(std::string(cluster));
  binding->set_authority("aws.example");
  return binding;
}

TEST(AwsEndpointsTest, ClustersOfServicesAreRedirected) {
  v1::Snapshot snapshot;
  const v1::Cluster* sqs = AddCluster("sqs", "sqs", "", &snapshot);
  v1::Stage* stage = snapshot.add_stages();
  const v1::UpstreamBinding* binding = Bind("sqs", stage);
  aws::EndpointOverrides overrides;
  EXPECT_FALSE(ApplyAwsEndpoints(overrides, &snapshot));
  ASSERT_TRUE(overrides.Add("http://127.0.0.1:4566/base/").ok());
  EXPECT_TRUE(ApplyAwsEndpoints(overrides, &snapshot));
  EXPECT_EQ(sqs->endpoints(0).address().tcp().host(), "127.0.0.1");
  EXPECT_EQ(sqs->endpoints(0).address().tcp().port(), 4566u);
  EXPECT_FALSE(sqs->has_tls());
  EXPECT_EQ(binding->authority(), "127.0.0.1:4566");
  EXPECT_EQ(binding->path_prefix(), "/base");
}

TEST(AwsEndpointsTest, OthersStayAsTheyAre) {
  v1::Snapshot snapshot;
  AddCluster("plain", "", "", &snapshot);
  const v1::Cluster* s3 = AddCluster("bucket", "s3", "pets", &snapshot);
  v1::Stage* stage = snapshot.add_stages();
  const v1::UpstreamBinding* plain = Bind("plain", stage);
  const v1::UpstreamBinding* bucket = Bind("bucket", stage);
  aws::EndpointOverrides overrides;
  ASSERT_TRUE(overrides.Add("sqs=http://h").ok());
  EXPECT_FALSE(ApplyAwsEndpoints(overrides, &snapshot));
  ASSERT_TRUE(overrides.Add("s3=https://s3.test").ok());
  EXPECT_TRUE(ApplyAwsEndpoints(overrides, &snapshot));
  EXPECT_EQ(plain->authority(), "aws.example");
  EXPECT_EQ(s3->tls().server_name(), "s3.test");
  EXPECT_EQ(bucket->authority(), "s3.test");
  EXPECT_EQ(bucket->path_prefix(), "/pets") << "the bucket is part of AWS's host names only";
}

}  // namespace
}  // namespace postern
