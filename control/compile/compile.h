#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/compile/stage_binding.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

/// One API to put into a snapshot: identity, content, and where it hangs in the catch-all domain.
struct CompileInput {
  snapshot::v1::Api api;
  snapshot::v1::Deployment deployment;

  /// Prefix in the catch-all domain, without outer slashes; "" is everything. Absent: "" for the
  /// only API, else a word made from the API's name.
  std::optional<std::string> base_path;

  std::vector<snapshot::v1::Module> modules = {};  ///< that its filters need

  /// Another deployment of the API that gets a share of the stage's requests (rest-api.md 13.4).
  struct Canary {
    snapshot::v1::Deployment deployment;
    std::vector<snapshot::v1::Module> modules;
    double percent_traffic = 0;
    std::map<std::string, std::string, std::less<>> variable_overrides;
  };
  std::optional<Canary> canary = {};
};

/// What a snapshot holds besides the APIs.
struct CompileOptions {
  StageOptions stage;  ///< the stage that every API gets
  uint64_t version = 0;
  snapshot::v1::Gateway gateway;
  std::vector<snapshot::v1::Listener> listeners;

  /// Make a domain "*" that maps every host to the APIs.
  bool catch_all_domain = true;

  /// Access log of the stage. Absent: none.
  std::optional<snapshot::v1::AccessLog> access_log;
};

/// Puts APIs into a snapshot: canonical deployments under their digests, a stage for each, clusters
/// and functions as the stage binds them, and the domain. The same input gives the same bytes.
/// InvalidArgument lists every problem, a line each: stage options that are malformed, two APIs
/// with one id, two with one base path, two that pin one module differently.
absl::StatusOr<snapshot::v1::Snapshot> CompileSnapshot(const std::vector<CompileInput>& inputs,
                                                       const CompileOptions& options);

/// Says that two APIs, by their names, have one id.
absl::Status ApiIdTaken(std::string_view id, std::string_view one, std::string_view other);

/// A word for URLs from the name of an API, else its id.
std::string BasePathWord(std::string_view name, std::string_view id);

/// Brings a deployment into the order that api.proto asks for.
void Canonicalize(snapshot::v1::Deployment& deployment);

/// A canonical deployment, serialized deterministically under its digest.
snapshot::v1::StoredDeployment StoreDeployment(snapshot::v1::Deployment deployment);

/// Calls `visit` for each method of a deployment, of resources, default route and WebSocket routes.
template <typename Deployment, typename Visit>
void ForEachMethod(Deployment& deployment, const Visit& visit) {
  if constexpr (std::is_const_v<Deployment>) {
    for (const auto& resource : deployment.resources()) {
      for (const auto& method : resource.methods()) visit(method);
    }
    if (deployment.has_default_route()) visit(deployment.default_route());
    for (const auto& route : deployment.websocket_routes()) visit(route.method());
  } else {
    for (auto& resource : *deployment.mutable_resources()) {
      for (auto& method : *resource.mutable_methods()) visit(method);
    }
    if (deployment.has_default_route()) visit(*deployment.mutable_default_route());
    for (auto& route : *deployment.mutable_websocket_routes()) visit(*route.mutable_method());
  }
}

}  // namespace postern
