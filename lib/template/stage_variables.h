#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace postern {

/// Finds the value of a stage variable; nothing if there is none of that name.
using StageVariableLookup = std::function<std::optional<std::string_view>(std::string_view name)>;

/// Replaces every `${stageVariables.NAME}` in `text`. An unknown variable becomes empty text; what
/// else looks like `${...}` stays as it is (rest-api.md 6.5). Values are not looked at again, so a
/// value cannot refer to another variable.
std::string ExpandStageVariables(std::string_view text, const StageVariableLookup& lookup);

/// Whether `text` contains a reference that ExpandStageVariables would replace.
bool HasStageVariables(std::string_view text);

/// Calls `visit` with the name of each reference in `text`, in order, repeated ones too.
void ForEachStageVariable(std::string_view text,
                          const std::function<void(std::string_view name)>& visit);

}  // namespace postern
