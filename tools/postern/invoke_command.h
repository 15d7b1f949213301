#pragma once

#include <string>
#include <vector>

namespace postern {

/// `postern invoke FILE... METHOD PATH`: runs one request through the gateway as `run` would serve
/// it, in this process, and prints the answer and the execution log, as the test tab of API
/// Gateway's console does (management-and-import.md 1.10). Returns the exit code.
int InvokeCommand(const std::vector<std::string>& args);

}  // namespace postern
