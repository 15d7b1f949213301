#pragma once

#include "lib/aws/endpoint.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

/// Has clusters that stand for an AWS service (Cluster.aws_endpoint) lead to the endpoints that
/// `overrides` has in its place, and so what stages bind to them: Host field and front of the path.
/// Returns whether anything in `snapshot` changed.
bool ApplyAwsEndpoints(const aws::EndpointOverrides& overrides, snapshot::v1::Snapshot* snapshot);

}  // namespace postern
