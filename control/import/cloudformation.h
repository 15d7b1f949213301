#pragma once

#include <optional>
#include <string>

#include "lib/text/document.h"

namespace postern {

/// CloudFormation's functions inside a definition, in both spellings: `!Ref X` and `{"Ref": "X"}`,
/// `!GetAtt F.Arn` and `{"Fn::GetAtt": ["F", "Arn"]}`.

/// What a function comes to: Fn::Join and Fn::Sub are carried out, and what only the stack knows
/// becomes the placeholder that Fn::Sub has for it (`${X}`, `${F.Arn}`). Nothing if `node` is no
/// function, or one whose value cannot be written so.
std::optional<std::string> CloudFormationText(Node node);

/// Whether `node` is a function whose value is not known here, for places where the API can be
/// served without it. An Fn::Sub of a plain text is taken for that text and is none.
bool IsUnresolvedFunction(Node node);

}  // namespace postern
