#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace postern {

/// The options of one subcommand: `--name VALUE`, `--name=VALUE`, switches without a value, and
/// what is left over as arguments. An option may be given several times where its binding collects.
class FlagSet {
 public:
  /// `usage` is the line after "usage: ".
  explicit FlagSet(std::string usage) : usage_(std::move(usage)) {}

  void String(std::string name, std::string value_name, std::string help, std::string* out);
  void Strings(std::string name, std::string value_name, std::string help,
               std::vector<std::string>* out);
  void Switch(std::string name, std::string help, bool* out);
  /// Decimal, from `min` to `max`.
  void Number(std::string name, std::string value_name, std::string help, uint64_t min,
              uint64_t max, uint64_t* out);

  /// Fills what is bound; everything that is no option goes to `arguments`. After "--" nothing is
  /// an option. InvalidArgument names the option and what it takes.
  absl::Status Parse(const std::vector<std::string>& args, std::vector<std::string>* arguments);

  /// Usage and one paragraph for each option.
  std::string Help() const;
  const std::string& usage() const { return usage_; }

 private:
  struct Flag {
    std::string name;
    std::string value_name;  // empty: a switch
    std::string help;
    std::function<absl::Status(const std::string&)> set;
  };

  std::string usage_;
  std::vector<Flag> flags_;
};

}  // namespace postern
