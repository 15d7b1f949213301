#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/config/field.h"
#include "core/integration/integration.h"
#include "core/integration/lambda_invocation.h"
#include "core/upstream/cluster_set.h"
#include "lib/text/media_type.h"
#include "proto/snapshot/api.pb.h"
#include "proto/snapshot/stage.pb.h"

namespace postern {

/// Where a logical upstream of a deployment leads in one stage.
struct BoundCluster {
  const snapshot::v1::UpstreamBinding* binding = nullptr;
  ClusterRef cluster;  ///< set unless the binding names none
  bool https = false;
};

/// What the integrations of one stage (or canary) are made with.
struct IntegrationEnv {
  std::string account_id;
  std::string region;
  std::string partition;
  std::string api_id;
  std::string stage;
  bool http_api = false;
  const BinaryMediaTypes* binary_media_types;
  /// Values of stage variables.
  std::unordered_map<std::string_view, std::string_view> variables;
  /// By HttpTarget.upstream.
  std::unordered_map<std::string_view, BoundCluster> upstreams;
  /// By LambdaTarget.function; null where the binding names no function.
  std::unordered_map<std::string_view, std::shared_ptr<const LambdaFunction>> functions;
  /// FunctionBinding.resolved by LambdaTarget.function.
  std::unordered_map<std::string_view, std::string_view> resolved_functions;
};

/// Checks the integration of `method`; what it says must hold whatever the stage. To be called once
/// for each deployment.
void CheckIntegration(const snapshot::v1::Method& method, bool http_api, const Field& field);

/// Makes the integration of a method that CheckIntegration() has found sound.
std::unique_ptr<const Integration> MakeIntegration(const snapshot::v1::Method& method,
                                                   std::string_view resource_path,
                                                   const IntegrationEnv& env);

/// A value of a REST API's mapping. Nothing if it is of a kind that this gateway does not map; then
/// a problem was reported.
std::optional<ValueSource> ReadValueSource(const snapshot::v1::ValueSource& source,
                                           const Field& field);

}  // namespace postern
