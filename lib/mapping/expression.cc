#include "lib/mapping/expression.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "lib/jsonpath/json_path.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using Kind = MappingSource::Kind;
using Place = MappingTarget::Place;

struct Form {
  std::string_view prefix;
  Kind kind;
};

constexpr std::string_view kStageVariables = "stageVariables.";
constexpr std::string_view kContext = "context.";
constexpr std::string_view kRequestBody = "method.request.body";
constexpr std::string_view kResponseBody = "integration.response.body";
constexpr std::string_view kResponseTarget = "method.response.header.";

constexpr Form kRequestForms[] = {
    {"method.request.path.", Kind::kPath},
    {"method.request.querystring.", Kind::kQuery},
    {"method.request.multivaluequerystring.", Kind::kQueryAll},
    {"method.request.header.", Kind::kHeader},
    {"method.request.multivalueheader.", Kind::kHeaderAll},
};

constexpr Form kResponseForms[] = {
    {"integration.response.header.", Kind::kResponseHeader},
    {"integration.response.multivalueheader.", Kind::kResponseHeaderAll},
};

constexpr std::pair<std::string_view, Place> kTargets[] = {
    {"integration.request.path.", Place::kPath},
    {"integration.request.querystring.", Place::kQuery},
    {"integration.request.header.", Place::kHeader},
};

absl::Status Invalid(std::string_view text) {
  // The wording of AWS (management-and-import.md 1.8).
  return absl::InvalidArgumentError(
      Concat("Invalid mapping expression specified: Validation Result: warnings : [], "
             "errors : [Invalid mapping expression specified: ",
             text, "]"));
}

bool Consume(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// Sources that every kind of expression has in common.
bool ParseCommon(std::string_view text, MappingSource* source) {
  constexpr CharSet kVariableChars = kAlnumChars | CharSet("_");
  if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') {
    *source = {Kind::kLiteral, std::string(text.substr(1, text.size() - 2))};
    return true;
  }
  if (Consume(&text, kStageVariables)) {
    if (text.empty() || !kVariableChars.HasAll(text)) return false;
    *source = {Kind::kStageVariable, std::string(text)};
    return true;
  }
  if (Consume(&text, kContext)) {
    if (!IsParameterName(text) || text.front() == '.' || text.back() == '.') return false;
    *source = {Kind::kContext, std::string(text)};
    return true;
  }
  return false;
}

bool IsMultiValue(Kind kind) { return kind == Kind::kQueryAll || kind == Kind::kHeaderAll; }

bool ParseMethodRequest(std::string_view text, bool multi_value_allowed, MappingSource* source) {
  for (const Form& form : kRequestForms) {
    std::string_view name = text;
    if (!Consume(&name, form.prefix)) continue;
    if (!IsParameterName(name) || (IsMultiValue(form.kind) && !multi_value_allowed)) return false;
    *source = {form.kind, std::string(name)};
    return true;
  }
  return false;
}

// "X" or "X.{JSONPath}" where X is `prefix`.
absl::StatusOr<MappingSource> ParseBody(std::string_view text, std::string_view prefix, Kind kind) {
  std::string_view path = text;
  if (!Consume(&path, prefix)) return Invalid(text);
  if (path.empty()) return MappingSource{kind, {}};
  if (!Consume(&path, ".") || path.empty()) return Invalid(text);
  const absl::StatusOr<JsonPath> compiled = JsonPath::Compile(path);
  if (!compiled.ok()) {
    return absl::InvalidArgumentError(Concat(
        "Invalid mapping expression specified: ", text, ": ",
        std::string_view(compiled.status().message().data(), compiled.status().message().size())));
  }
  return MappingSource{kind, std::string(path)};
}

}  // namespace

bool IsParameterName(std::string_view name) {
  constexpr CharSet kAllowed = kAlnumChars | CharSet("._$-");
  return !name.empty() && name.size() <= kMaxNameBytes && kAllowed.HasAll(name);
}

bool IsFieldName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && kTokenChars.HasAll(name);
}

absl::StatusOr<MappingSource> ParseRequestSource(std::string_view text) {
  MappingSource source;
  if (ParseCommon(text, &source)) return source;
  if (ParseMethodRequest(text, /*multi_value_allowed=*/true, &source)) return source;
  return ParseBody(text, kRequestBody, Kind::kRequestBody);
}

absl::StatusOr<MappingSource> ParseResponseSource(std::string_view text) {
  MappingSource source;
  if (ParseCommon(text, &source)) return source;
  for (const Form& form : kResponseForms) {
    std::string_view name = text;
    if (!Consume(&name, form.prefix)) continue;
    if (!IsFieldName(name)) return Invalid(text);
    return MappingSource{form.kind, std::string(name)};
  }
  return ParseBody(text, kResponseBody, Kind::kResponseBody);
}

absl::StatusOr<MappingSource> ParseGatewayResponseSource(std::string_view text) {
  MappingSource source;
  if (ParseCommon(text, &source)) return source;
  if (ParseMethodRequest(text, /*multi_value_allowed=*/false, &source)) return source;
  return Invalid(text);
}

absl::StatusOr<MappingTarget> ParseRequestTarget(std::string_view text) {
  for (const auto& [prefix, place] : kTargets) {
    std::string_view name = text;
    if (!Consume(&name, prefix)) continue;
    if (!(place == Place::kHeader ? IsFieldName(name) : IsParameterName(name))) break;
    return MappingTarget{place, std::string(name)};
  }
  return Invalid(text);
}

absl::StatusOr<std::string> ParseResponseTarget(std::string_view text) {
  std::string_view name = text;
  if (!Consume(&name, kResponseTarget) || !IsFieldName(name)) return Invalid(text);
  return std::string(name);
}

std::string FormatMappingSource(const MappingSource& source) {
  switch (source.kind) {
    case Kind::kLiteral:
      return Concat("'", source.text, "'");
    case Kind::kContext:
      return Concat(kContext, source.text);
    case Kind::kStageVariable:
      return Concat(kStageVariables, source.text);
    case Kind::kRequestBody:
      return source.text.empty() ? std::string(kRequestBody)
                                 : Concat(kRequestBody, ".", source.text);
    case Kind::kResponseBody:
      return source.text.empty() ? std::string(kResponseBody)
                                 : Concat(kResponseBody, ".", source.text);
    default:
      break;
  }
  for (const Form& form : kRequestForms) {
    if (form.kind == source.kind) return Concat(form.prefix, source.text);
  }
  for (const Form& form : kResponseForms) {
    if (form.kind == source.kind) return Concat(form.prefix, source.text);
  }
  return {};
}

std::string FormatRequestTarget(const MappingTarget& target) {
  for (const auto& [prefix, place] : kTargets) {
    if (place == target.place) return Concat(prefix, target.name);
  }
  return {};
}

std::string FormatResponseTarget(std::string_view header) {
  return Concat(kResponseTarget, header);
}

}  // namespace postern
