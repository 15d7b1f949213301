#pragma once

#include "proto/control/management.pb.h"
#include "proto/snapshot/api.pb.h"

namespace postern {

/// How `to` differs from `from`: resources, methods and whatever else has a name are compared by
/// it, the rest in order. At most 1,000 differences; `out->more()` says if there are others.
void DiffDeployments(const snapshot::v1::Deployment& from, const snapshot::v1::Deployment& to,
                     control::v1::DiffDeploymentsResponse* out);

}  // namespace postern
