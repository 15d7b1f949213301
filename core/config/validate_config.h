#pragma once

#include <string>

#include "proto/snapshot/api.pb.h"

namespace postern {

/// Configurations of the filter postern.validate (filters/validate/README.md), as JSON: what all
/// methods of a deployment share, and what one method of `resource` asks for; the latter is empty
/// if every request is valid there.
std::string MakeSharedValidateConfig(const snapshot::v1::Deployment& deployment);
std::string MakeValidateConfig(const snapshot::v1::Resource& resource,
                               const snapshot::v1::Method& method);

}  // namespace postern
