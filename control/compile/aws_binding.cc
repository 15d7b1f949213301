#include "control/compile/aws_binding.h"

#include <utility>
#include <vector>

#include "control/common/strings.h"
#include "lib/aws/endpoint.h"
#include "lib/template/stage_variables.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using snapshot::v1::AwsServiceTarget;
using snapshot::v1::Cluster;

constexpr uint32_t kHttpsPort = 443;
constexpr size_t kMaxHost = 253;

// Requests that may be repeated are, where the SDKs repeat them: after 500, 502, 503 and 504.
constexpr uint32_t kRetries = 2;
constexpr uint32_t kFirstPauseMs = 50;
constexpr uint32_t kLongestPauseMs = 1000;

std::string Expand(std::string_view text, const StageOptions& stage) {
  return ExpandStageVariables(text,
                              [&stage](std::string_view name) -> std::optional<std::string_view> {
                                const auto it = stage.variables.find(name);
                                if (it == stage.variables.end()) return std::nullopt;
                                return it->second;
                              });
}

}  // namespace

std::string AwsUpstreamKey(const AwsServiceTarget& target, std::string_view credentials_arn) {
  return Concat("aws|", target.region(), "|", target.subdomain(), "|", target.service(), "|",
                credentials_arn);
}

bool IsRoleArn(std::string_view arn) {
  if (HasStageVariables(arn)) return arn.starts_with("arn:") || arn.starts_with("${");
  const std::vector<std::string_view> parts = Split(arn, ':', 6);
  return parts.size() == 6 && parts[0] == "arn" && !parts[1].empty() && parts[2] == "iam" &&
         parts[3].empty() && !parts[4].empty() && parts[5].starts_with("role/") &&
         parts[5].size() > 5 && arn.size() <= 2048;
}

BoundUpstream BindAwsService(const AwsServiceTarget& target, std::string_view credentials_arn,
                             const StageOptions& stage) {
  BoundUpstream bound;
  bound.binding.set_upstream(AwsUpstreamKey(target, credentials_arn));
  const std::string region = Expand(target.region(), stage);
  const std::string service = Expand(target.service(), stage);
  const std::string subdomain = Expand(target.subdomain(), stage);
  const std::string role = Expand(credentials_arn, stage);
  std::string problem;
  if (!aws::IsRegionName(region)) {
    problem = Concat("\"", region, "\" is no region");
  } else if (!aws::IsServiceName(service)) {
    problem = Concat("\"", service, "\" is no AWS service");
  } else if (!subdomain.empty() && !aws::IsServiceName(subdomain)) {
    problem = Concat("\"", subdomain, "\" is no subdomain");
  } else if (!role.empty() && (!IsRoleArn(role) || HasStageVariables(role))) {
    problem = Concat("\"", role, "\" is no ARN of a role");
  }
  const aws::ServiceEndpoint endpoint = aws::EndpointOf(service, region, subdomain);
  if (problem.empty() && endpoint.host.size() > kMaxHost) problem = "its host name is too long";
  if (!problem.empty()) {
    bound.binding.set_problem(problem);
    return bound;
  }
  Cluster cluster;
  cluster.set_name(Concat("aws:", endpoint.host, role.empty() ? "" : "|", role));
  snapshot::v1::HostPort& address = *cluster.add_endpoints()->mutable_address()->mutable_tcp();
  address.set_host(endpoint.host);
  address.set_port(kHttpsPort);
  cluster.mutable_tls()->set_server_name(endpoint.host);
  if (!stage.upstream_tls.truststore.empty()) {
    SetDataSource(stage.upstream_tls.truststore, cluster.mutable_tls()->mutable_truststore());
  }
  cluster.mutable_aws_endpoint()->set_service(service);
  cluster.mutable_aws_endpoint()->set_subdomain(subdomain);
  cluster.mutable_aws_signing()->set_service(endpoint.signing_name);
  cluster.mutable_aws_signing()->set_region(endpoint.signing_region);
  cluster.mutable_aws_signing()->set_role_arn(role);
  snapshot::v1::RetryPolicy& retry = *cluster.mutable_retry();
  retry.set_max_retries(kRetries);
  for (const uint32_t status : {500, 502, 503, 504}) retry.add_retry_on_status(status);
  retry.set_backoff_base_ms(kFirstPauseMs);
  retry.set_backoff_max_ms(kLongestPauseMs);
  bound.binding.set_cluster(cluster.name());
  bound.binding.set_authority(endpoint.host);
  bound.cluster = std::move(cluster);
  return bound;
}

}  // namespace postern
