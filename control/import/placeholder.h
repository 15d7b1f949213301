#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern {

/// A text in which the placeholders of other tools have been given a meaning.
struct ResolvedPlaceholders {
  std::string text;
  std::vector<std::string> names;  ///< of the placeholders, in order
};

/// Replaces what CloudFormation, SAM or Terraform would have replaced in the URI of a function:
/// `${PetsFunction.Arn}`, `${PetsFunction}` and `${module.pets.invoke_arn}` become the name of the
/// thing, so that `--lambda PetsFunction=URL` finds it. `${stageVariables.x}` stays. A text that is
/// one placeholder alone becomes the invocation URI of a function of that name.
ResolvedPlaceholders ResolvePlaceholders(std::string_view text);

/// The first `${...}` that is no stage variable, or empty.
std::string_view ForeignPlaceholder(std::string_view text);

}  // namespace postern
