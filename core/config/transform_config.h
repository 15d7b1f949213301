#pragma once

#include <map>
#include <string>
#include <string_view>

#include "proto/snapshot/api.pb.h"
#include "proto/snapshot/stage.pb.h"

namespace postern {

/// Whether the integration of `method` maps, so that the filter postern.transform stands before it.
bool NeedsTransform(const snapshot::v1::Method& method);

/// Configurations of the filter postern.transform (filters/transform/README.md), as JSON: what all
/// methods of a deployment share in a stage, and what one method says. `variables` are those of the
/// stage; `binding`, of an HTTP backend, may be null.
std::string MakeSharedTransformConfig(const snapshot::v1::Deployment& deployment,
                                      const std::map<std::string, std::string>& variables);
std::string MakeTransformConfig(const snapshot::v1::Method& method, std::string_view resource_path,
                                const std::map<std::string, std::string>& variables,
                                const snapshot::v1::UpstreamBinding* binding);

}  // namespace postern
