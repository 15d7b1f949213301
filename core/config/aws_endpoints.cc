#include "core/config/aws_endpoints.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "lib/text/concat.h"
#include "lib/text/uri.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

struct Place {
  std::string authority;
  std::string path_prefix;
};

// Where an override leads `cluster`.
Place Redirect(const HttpUri& uri, v1::Cluster* cluster) {
  v1::HostPort* const address = cluster->mutable_endpoints(0)->mutable_address()->mutable_tcp();
  address->set_host(std::string(uri.host));
  address->set_port(uri.port);
  if (uri.https) {
    cluster->mutable_tls()->set_server_name(uri.host_kind == HostKind::kName ? std::string(uri.host)
                                                                             : std::string());
  } else {
    cluster->clear_tls();
  }
  Place place;
  place.authority = uri.authority;
  place.path_prefix = uri.path;
  while (place.path_prefix.ends_with('/')) place.path_prefix.pop_back();
  // A bucket is part of a host name of AWS only.
  const v1::AwsEndpoint& endpoint = cluster->aws_endpoint();
  if (endpoint.service() == "s3" && !endpoint.subdomain().empty()) {
    place.path_prefix += Concat("/", endpoint.subdomain());
  }
  return place;
}

template <typename Message>
void Rebind(const std::map<std::string, Place>& places, Message* stage) {
  for (v1::UpstreamBinding& binding : *stage->mutable_upstreams()) {
    const auto place = places.find(binding.cluster());
    if (place == places.end()) continue;
    binding.set_authority(place->second.authority);
    binding.set_path_prefix(place->second.path_prefix);
  }
}

}  // namespace

bool ApplyAwsEndpoints(const aws::EndpointOverrides& overrides, v1::Snapshot* snapshot) {
  std::map<std::string, Place> places;  // by cluster
  for (v1::Cluster& cluster : *snapshot->mutable_clusters()) {
    if (!cluster.has_aws_endpoint() || cluster.endpoints_size() != 1) continue;
    const auto url = overrides.Find(cluster.aws_endpoint().service());
    if (!url.has_value()) continue;
    const absl::StatusOr<HttpUri> uri = ParseHttpUri(*url);
    if (!uri.ok()) continue;  // the overrides hold none such
    places[cluster.name()] = Redirect(*uri, &cluster);
  }
  if (places.empty()) return false;
  for (v1::Stage& stage : *snapshot->mutable_stages()) {
    Rebind(places, &stage);
    if (stage.has_canary()) Rebind(places, stage.mutable_canary());
  }
  return true;
}

}  // namespace postern
