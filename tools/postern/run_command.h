#pragma once

#include <string>
#include <vector>

namespace postern {

/// `postern run FILE…`: imports definitions, serves them, and serves them anew when they change.
/// Returns an ExitCode once the process should end.
int RunCommand(const std::vector<std::string>& args);

}  // namespace postern
