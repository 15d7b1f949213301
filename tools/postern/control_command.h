#pragma once

#include <string>
#include <vector>

namespace postern {

/// `postern control`: keeps definitions, deployments and stages, and pushes stages to sidecars.
/// Returns an ExitCode once the process should end.
int ControlCommand(const std::vector<std::string>& args);

}  // namespace postern
