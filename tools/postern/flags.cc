#include "tools/postern/flags.h"

#include <charconv>

#include "absl/strings/str_cat.h"

namespace postern {

void FlagSet::String(std::string name, std::string value_name, std::string help, std::string* out) {
  flags_.push_back(
      {std::move(name), std::move(value_name), std::move(help), [out](const std::string& value) {
         *out = value;
         return absl::OkStatus();
       }});
}

void FlagSet::Strings(std::string name, std::string value_name, std::string help,
                      std::vector<std::string>* out) {
  flags_.push_back(
      {std::move(name), std::move(value_name), std::move(help), [out](const std::string& value) {
         out->push_back(value);
         return absl::OkStatus();
       }});
}

void FlagSet::Switch(std::string name, std::string help, bool* out) {
  flags_.push_back({std::move(name), "", std::move(help), [out](const std::string&) {
                      *out = true;
                      return absl::OkStatus();
                    }});
}

void FlagSet::Number(std::string name, std::string value_name, std::string help, uint64_t min,
                     uint64_t max, uint64_t* out) {
  const std::string option = name;
  flags_.push_back({std::move(name), std::move(value_name), std::move(help),
                    [option, min, max, out](const std::string& value) -> absl::Status {
                      uint64_t number = 0;
                      const char* end = value.data() + value.size();
                      const auto [at, error] = std::from_chars(value.data(), end, number);
                      if (error != std::errc() || at != end || number < min || number > max) {
                        return absl::InvalidArgumentError(
                            absl::StrCat("--", option, " takes a whole number from ", min, " to ",
                                         max, ", not \"", value, "\""));
                      }
                      *out = number;
                      return absl::OkStatus();
                    }});
}

absl::Status FlagSet::Parse(const std::vector<std::string>& args,
                            std::vector<std::string>* arguments) {
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (arg == "--") {
      arguments->insert(arguments->end(), args.begin() + static_cast<ptrdiff_t>(i) + 1, args.end());
      break;
    }
    if (arg.size() < 2 || arg[0] != '-') {
      arguments->push_back(arg);
      continue;
    }
    const size_t equals = arg.find('=');
    const std::string name =
        arg.substr(0, 2) == "--" ? arg.substr(2, equals == arg.npos ? arg.npos : equals - 2) : "";
    const Flag* found = nullptr;
    for (const Flag& flag : flags_) {
      if (flag.name == name) found = &flag;
    }
    if (found == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no option ", arg.substr(0, equals), "; --help lists them"));
    }
    std::string value;
    if (found->value_name.empty()) {
      if (equals != arg.npos) {
        return absl::InvalidArgumentError(absl::StrCat("--", name, " takes no value"));
      }
    } else if (equals != arg.npos) {
      value = arg.substr(equals + 1);
    } else if (i + 1 < args.size()) {
      value = args[++i];
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, " needs a value: --", name, " ", found->value_name));
    }
    if (absl::Status status = found->set(value); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::string FlagSet::Help() const {
  std::string out = absl::StrCat("usage: ", usage_, "\n");
  for (const Flag& flag : flags_) {
    absl::StrAppend(&out, "\n  --", flag.name, flag.value_name.empty() ? "" : " ", flag.value_name,
                    "\n");
    size_t at = 0;
    while (at < flag.help.size()) {
      size_t end = flag.help.size();
      if (end - at > 84) {
        const size_t space = flag.help.rfind(' ', at + 84);
        end = space == std::string::npos || space <= at ? at + 84 : space;
      }
      absl::StrAppend(&out, "      ", flag.help.substr(at, end - at), "\n");
      at = end + (end < flag.help.size() && flag.help[end] == ' ' ? 1 : 0);
    }
  }
  return out;
}

}  // namespace postern
