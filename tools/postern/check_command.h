#pragma once

#include <string>
#include <vector>

namespace postern {

/// `postern check FILE…`: reads definitions as `run` does and reports, without serving. Returns an
/// ExitCode.
int CheckCommand(const std::vector<std::string>& args);

}  // namespace postern
