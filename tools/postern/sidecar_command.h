#pragma once

#include <string>
#include <vector>

namespace postern {

/// `postern sidecar`: serves what a control plane pushes to a group, and what was pushed last while
/// there is no control plane. Returns an ExitCode once the process should end.
int SidecarCommand(const std::vector<std::string>& args);

}  // namespace postern
