#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "proto/snapshot/api.pb.h"
#include "proto/snapshot/integration.pb.h"

namespace postern {

/// The right side of `requestParameters` (rest-api.md 6.2): method.request.{path|querystring|
/// multivaluequerystring|header|multivalueheader}.X, method.request.body[.JSONPath],
/// stageVariables.X, context.X, 'text'. InvalidArgument with the text AWS gives otherwise.
absl::StatusOr<snapshot::v1::ValueSource> ParseRequestExpression(std::string_view text);

/// The right side of an integration response's `responseParameters` (rest-api.md 8.2):
/// integration.response.{header|multivalueheader}.X, integration.response.body[.JSONPath],
/// stageVariables.X, context.X, 'text'.
absl::StatusOr<snapshot::v1::ValueSource> ParseResponseExpression(std::string_view text);

/// The right side of a gateway response's `responseParameters` (rest-api.md 4.4):
/// method.request.{path|querystring|header}.X, stageVariables.X, context.X, 'text'.
absl::StatusOr<snapshot::v1::ValueSource> ParseGatewayResponseExpression(std::string_view text);

/// The left side of `requestParameters`: integration.request.{path|querystring|header}.{name}.
absl::StatusOr<snapshot::v1::RequestMapping> ParseRequestTarget(std::string_view text);

/// The left side of an integration response's `responseParameters`: the {Name} of
/// method.response.header.{Name}.
absl::StatusOr<std::string> ParseResponseTarget(std::string_view text);

/// The longest name of a parameter, a header field or a content type.
inline constexpr size_t kMaxNameBytes = 256;

/// ^[a-zA-Z0-9._$-]+$ (rest-api.md 5.1), at most kMaxNameBytes.
bool IsParameterName(std::string_view name);

/// A field name of RFC 9110 section 5.1, at most kMaxNameBytes.
bool IsFieldName(std::string_view name);

/// The status of a response as a definition writes it: three digits, 2 to 5 first. 1xx has the form
/// that AWS asks for ([1-5]\d\d), but cannot end an exchange.
std::optional<uint32_t> ParseStatusCode(std::string_view text);

/// Why ParseStatusCode() refuses `text`, with the words of AWS where they fit.
std::string StatusCodeProblem(std::string_view text);

/// What rendering a mapping template takes. FORM_LITERAL if Velocity would print `body` as it is,
/// FORM_PAYLOAD if it only repeats the payload, else FORM_VTL.
snapshot::v1::Template::Form ClassifyTemplate(std::string_view body);

/// The integer `statusCode` of a mock integration's template output (rest-api.md 7.9). Lenient:
/// names may be bare or in single quotes, other members are skipped. Nothing for a string value,
/// for a fraction, or for what is not an object.
std::optional<int> ParseMockStatusCode(std::string_view text);

}  // namespace postern
