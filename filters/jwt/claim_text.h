#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "filters/jwt/settings.h"
#include "lib/text/json_reader.h"

namespace postern::jwt {

/// A claim as `$context.authorizer.claims.<name>` has it; nullopt for null, which is left out.
///
/// Of HTTP APIs (authorization.md §7): numbers and booleans as text, arrays as `[a b]` without
/// quotes, objects as JSON. Of Cognito authorizers (§6): arrays joined by commas, and `exp` and
/// `iat` as "Sun Dec 17 07:28:12 UTC 2017".
std::optional<std::string> ClaimText(Profile profile, std::string_view name, JsonValue value);

}  // namespace postern::jwt
