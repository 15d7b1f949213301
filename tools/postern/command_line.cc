#include "tools/postern/command_line.h"

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/postern/exit_codes.h"

namespace postern {

CommandLine::CommandLine(std::string name, std::string_view arguments, size_t min_arguments,
                         size_t max_arguments)
    : name_(std::move(name)),
      flags_(absl::StrCat("postern ", name_, arguments.empty() ? "" : " ", std::string(arguments),
                          " [options]")),
      min_arguments_(min_arguments),
      max_arguments_(max_arguments) {}

bool CommandLine::Begin(const std::vector<std::string>& args, int* code,
                        absl::FunctionRef<absl::Status()> check) {
  // Bound last, so that it is the last that --help shows.
  flags_.Switch("help", "Show this.", &help_);
  if (absl::Status status = flags_.Parse(args, &arguments_); !status.ok()) {
    *code = Usage(status.message());
    return false;
  }
  if (help_) {
    std::fputs(flags_.Help().c_str(), stdout);
    *code = kExitOk;
    return false;
  }
  if (arguments_.size() < min_arguments_) {
    *code = Usage("an argument is missing");
    return false;
  }
  if (arguments_.size() > max_arguments_) {
    *code = Usage(max_arguments_ == 0 ? "there are no arguments besides options"
                                      : "there are too many arguments");
    return false;
  }
  if (absl::Status status = check(); !status.ok()) {
    *code = Usage(status.message());
    return false;
  }
  return true;
}

int CommandLine::Usage(absl::string_view problem) const {
  Fail(kExitUsage, problem);
  std::fprintf(stderr, "usage: %s\n", flags_.usage().c_str());
  return kExitUsage;
}

int CommandLine::Fail(int code, absl::string_view problem) const {
  for (absl::string_view line : absl::StrSplit(problem, '\n', absl::SkipEmpty())) {
    std::fprintf(stderr, "postern %s: %s\n", name_.c_str(), std::string(line).c_str());
  }
  return code;
}

}  // namespace postern
