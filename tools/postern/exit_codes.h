#pragma once

namespace postern {

/// How `postern` ends; documented in docs/operations.md, relied on by scripts.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,   ///< it could not be done: a port in use, a file that cannot be read
  kExitUsage = 2,    ///< the command line is wrong
  kExitRefused = 3,  ///< a definition or snapshot is refused; the report says why
};

}  // namespace postern
