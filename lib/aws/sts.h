#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/aws/credentials.h"
#include "lib/aws/profile.h"

/// What sources of temporary credentials are asked, and what they answer (authorization.md §12.2).
namespace postern::aws {

/// Form for STS, API version 2011-06-15. A role without a session name gets `session_name`.
std::string AssumeRoleForm(const RoleStep& role, std::string_view session_name);
std::string AssumeRoleWithWebIdentityForm(const RoleStep& role, std::string_view session_name,
                                          std::string_view token);

/// The credentials of an answer of STS (XML). An answer of another status, or without all of them,
/// is an error that names STS's code and message: PermissionDenied for AccessDenied and the like,
/// Unavailable for what another try may mend.
absl::StatusOr<Credentials> ParseStsAnswer(int status, std::string_view body);

/// The credentials of a container endpoint or the instance metadata service: JSON with AccessKeyId,
/// SecretAccessKey, Token and Expiration.
absl::StatusOr<Credentials> ParseEndpointAnswer(std::string_view body);

/// Milliseconds since 1970 of "2026-07-20T01:56:20Z", with a fraction and an offset if there are
/// any (ISO 8601, RFC 3339).
std::optional<int64_t> ParseIsoTime(std::string_view text);

/// Milliseconds since 1970 of "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 §5.6.7, IMF-fixdate only).
std::optional<int64_t> ParseHttpDate(std::string_view text);

/// The text of the first element `name` of an XML document, entities decoded. Nothing if there is
/// none. Knows no more of XML than AWS's answers need.
std::optional<std::string> XmlElement(std::string_view xml, std::string_view name);

}  // namespace postern::aws
