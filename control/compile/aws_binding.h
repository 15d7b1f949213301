#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/compile/stage_binding.h"
#include "proto/snapshot/integration.pb.h"

namespace postern {

/// AwsServiceTarget.upstream of a target with this role.
std::string AwsUpstreamKey(const snapshot::v1::AwsServiceTarget& target,
                           std::string_view credentials_arn);

/// Binds an AWS service in a stage to a cluster of its own: the service's endpoint (lib/aws),
/// signed for, with the role of `credentials_arn` if there is one. Never fails: what cannot be
/// called is bound to nothing, with the problem.
BoundUpstream BindAwsService(const snapshot::v1::AwsServiceTarget& target,
                             std::string_view credentials_arn, const StageOptions& stage);

/// Whether `arn` can be the role of an integration: the ARN of a role, stage variables allowed.
bool IsRoleArn(std::string_view arn);

/// "arn:aws:iam::*:user/*": the caller's own credentials.
inline constexpr std::string_view kCallerCredentials = "arn:aws:iam::*:user/*";

}  // namespace postern
