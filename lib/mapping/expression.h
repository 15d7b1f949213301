#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace postern {

/// A right side of a parameter mapping (rest-api.md §4.4, §6.2, §8.2).
struct MappingSource {
  enum class Kind : uint8_t {
    kLiteral,            ///< 'text'
    kContext,            ///< context.X
    kStageVariable,      ///< stageVariables.X
    kPath,               ///< method.request.path.X
    kQuery,              ///< method.request.querystring.X
    kQueryAll,           ///< method.request.multivaluequerystring.X
    kHeader,             ///< method.request.header.X
    kHeaderAll,          ///< method.request.multivalueheader.X
    kRequestBody,        ///< method.request.body[.JSONPath]
    kResponseHeader,     ///< integration.response.header.X
    kResponseHeaderAll,  ///< integration.response.multivalueheader.X
    kResponseBody,       ///< integration.response.body[.JSONPath]
  };
  Kind kind = Kind::kLiteral;
  std::string text;  ///< the literal, the name, or the JSONPath (empty: the whole body)

  bool operator==(const MappingSource&) const = default;
};

/// A left side of `requestParameters`.
struct MappingTarget {
  enum class Place : uint8_t { kPath, kQuery, kHeader };
  Place place = Place::kHeader;
  std::string name;

  bool operator==(const MappingTarget&) const = default;
};

/// The right side of `requestParameters` (rest-api.md §6.2): method.request.{path|querystring|
/// multivaluequerystring|header|multivalueheader}.X, method.request.body[.JSONPath],
/// stageVariables.X, context.X, 'text'. InvalidArgument with the text AWS gives otherwise, or with
/// what is wrong with the JSONPath.
absl::StatusOr<MappingSource> ParseRequestSource(std::string_view text);

/// The right side of an integration response's `responseParameters` (rest-api.md §8.2):
/// integration.response.{header|multivalueheader}.X, integration.response.body[.JSONPath],
/// stageVariables.X, context.X, 'text'.
absl::StatusOr<MappingSource> ParseResponseSource(std::string_view text);

/// The right side of a gateway response's `responseParameters` (rest-api.md §4.4):
/// method.request.{path|querystring|header}.X, stageVariables.X, context.X, 'text'.
absl::StatusOr<MappingSource> ParseGatewayResponseSource(std::string_view text);

/// The left side of `requestParameters`: integration.request.{path|querystring|header}.{name}.
absl::StatusOr<MappingTarget> ParseRequestTarget(std::string_view text);

/// The left side of an integration response's `responseParameters`: the {Name} of
/// method.response.header.{Name}.
absl::StatusOr<std::string> ParseResponseTarget(std::string_view text);

/// What the parsers above read.
std::string FormatMappingSource(const MappingSource& source);
std::string FormatRequestTarget(const MappingTarget& target);
std::string FormatResponseTarget(std::string_view header);

/// The longest name of a parameter, a header field or a content type.
inline constexpr size_t kMaxNameBytes = 256;

/// ^[a-zA-Z0-9._$-]+$ (rest-api.md §5.1), at most kMaxNameBytes.
bool IsParameterName(std::string_view name);

/// A field name of RFC 9110 §5.1, at most kMaxNameBytes.
bool IsFieldName(std::string_view name);

}  // namespace postern
