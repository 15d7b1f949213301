#pragma once

#include <string>
#include <vector>

namespace postern {

/// `postern explain FILE... METHOD PATH`: says which API, stage, resource and method a request would
/// reach, what it would meet on its way, and why; or why it reaches none. Sends nothing. Returns the
/// exit code: 0 if it reaches a method, else 1.
int ExplainCommand(const std::vector<std::string>& args);

}  // namespace postern
