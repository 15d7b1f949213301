#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/postern/flags.h"

namespace postern {

/// One command on its command line: its options and arguments, --help, and how it says what is
/// wrong.
class CommandLine {
 public:
  /// `arguments` is what the usage line says of them, e.g. "FILE..."; may be empty.
  CommandLine(std::string name, std::string_view arguments, size_t min_arguments,
              size_t max_arguments);

  /// To bind options to, before Begin().
  FlagSet& flags() { return flags_; }

  /// Reads the command line, and has `check` look at what was read. False: everything has been
  /// said, and `*code` is how to end.
  bool Begin(const std::vector<std::string>& args, int* code,
             absl::FunctionRef<absl::Status()> check = absl::OkStatus);

  const std::vector<std::string>& arguments() const { return arguments_; }

  /// Says what is wrong with the command line, and how to use it; kExitUsage.
  int Usage(absl::string_view problem) const;

  /// Says why it was not done, a line each; `code`.
  int Fail(int code, absl::string_view problem) const;

 private:
  const std::string name_;
  FlagSet flags_;
  const size_t min_arguments_;
  const size_t max_arguments_;
  bool help_ = false;
  std::vector<std::string> arguments_;
};

}  // namespace postern
