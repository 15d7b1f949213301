#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sdk/sdk.h"
#include "lib/jsonpath/value.h"
#include "lib/template/mapping_template.h"

namespace postern {

/// The $context variables that the templates and mappings of one configuration use, by number.
/// Filled while the configuration is read, then immutable.
class ContextVariables final : public TemplateResolver {
 public:
  /// `in` resolves names; used by ContextVariable() only.
  explicit ContextVariables(const ConfigReader* in) : in_(in) {}

  /// Of TemplateResolver: gives out a number for each name that is a variable, or, for "" and
  /// "identity", the map of them (rest-api.md §7.6).
  std::optional<uint32_t> ContextVariable(std::string_view dotted_name) const override;

  /// No more names will be asked for.
  void Finish() { in_ = nullptr; }

  /// The value of a number in a stream: text, a number, a map made in `arena`, or null.
  dyn::Value Get(uint32_t number, Stream s, dyn::Arena& arena) const;

 private:
  struct Entry {
    std::string name;
    std::optional<Variable> variable;  // nullopt: a map
    // Of a map: name and number of its members, or nothing for what never has a value.
    std::vector<std::pair<std::string_view, std::optional<uint32_t>>> members;
  };

  const ConfigReader* in_;
  mutable std::vector<Entry> entries_;
};

/// Whether the variable `dotted_name` is a number, which parameter mappings do not see (§6.2).
bool IsNumericVariable(std::string_view dotted_name);

}  // namespace postern
