#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern {

using ManageCommand = int (*)(const std::vector<std::string>& args);

/// The commands that talk to a control plane: deploy, update, stages, deployments, diff, promote,
/// rollback, delete, audit. Null if `name` is none of them. Each returns an ExitCode.
ManageCommand FindManageCommand(std::string_view name);

}  // namespace postern
