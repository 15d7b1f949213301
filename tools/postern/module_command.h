#pragma once

#include <string>
#include <vector>

namespace postern {

/// `postern module FILE…`: says what filter modules are, and whether they would be loaded here.
/// Returns an ExitCode.
int ModuleCommand(const std::vector<std::string>& args);

}  // namespace postern
