#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/import/context.h"
#include "lib/text/document.h"
#include "proto/snapshot/api.pb.h"

namespace postern {

/// The method that an integration belongs to.
struct MethodScope {
  std::string path;                         ///< resource path
  std::vector<std::string> path_variables;  ///< of the path, greedy one included
  bool http_api = false;                    ///< the definition is one of an HTTP API
  bool default_route = false;               ///< the route $default of an HTTP API
};

/// Imports `x-amazon-apigateway-integration` (management-and-import.md 3.4) into `method`, whose
/// parameters and responses are there already. Sets `unavailable_reason` in place of the
/// integration where the gateways cannot execute it.
void ImportIntegration(ImportContext& context, Node integration, const MethodScope& scope,
                       snapshot::v1::Method& method);

}  // namespace postern
