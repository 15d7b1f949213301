#include "control/import/expression.h"

#include <utility>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using snapshot::v1::RequestMapping;
using snapshot::v1::RequestValue;
using snapshot::v1::ValueSource;

absl::StatusOr<ValueSource> ToMessage(absl::StatusOr<MappingSource> parsed) {
  using Kind = MappingSource::Kind;
  if (!parsed.ok()) return parsed.status();
  ValueSource out;
  const auto request = [&](RequestValue::Location location, bool multi_value) {
    out.mutable_request()->set_location(location);
    out.mutable_request()->set_name(std::move(parsed->text));
    out.mutable_request()->set_multi_value(multi_value);
  };
  switch (parsed->kind) {
    case Kind::kLiteral:
      out.set_literal(std::move(parsed->text));
      break;
    case Kind::kContext:
      out.set_context(std::move(parsed->text));
      break;
    case Kind::kStageVariable:
      out.set_stage_variable(std::move(parsed->text));
      break;
    case Kind::kPath:
      request(RequestValue::LOCATION_PATH, false);
      break;
    case Kind::kQuery:
    case Kind::kQueryAll:
      request(RequestValue::LOCATION_QUERYSTRING, parsed->kind == Kind::kQueryAll);
      break;
    case Kind::kHeader:
    case Kind::kHeaderAll:
      request(RequestValue::LOCATION_HEADER, parsed->kind == Kind::kHeaderAll);
      break;
    case Kind::kRequestBody:
      out.set_request_body(std::move(parsed->text));
      break;
    case Kind::kResponseHeader:
    case Kind::kResponseHeaderAll:
      out.mutable_response_header()->set_name(std::move(parsed->text));
      out.mutable_response_header()->set_multi_value(parsed->kind == Kind::kResponseHeaderAll);
      break;
    case Kind::kResponseBody:
      out.set_response_body(std::move(parsed->text));
      break;
  }
  return out;
}

}  // namespace

absl::StatusOr<ValueSource> ParseRequestExpression(std::string_view text) {
  return ToMessage(ParseRequestSource(text));
}

absl::StatusOr<ValueSource> ParseResponseExpression(std::string_view text) {
  return ToMessage(ParseResponseSource(text));
}

absl::StatusOr<ValueSource> ParseGatewayResponseExpression(std::string_view text) {
  return ToMessage(ParseGatewayResponseSource(text));
}

absl::StatusOr<RequestMapping> ParseRequestMappingTarget(std::string_view text) {
  absl::StatusOr<MappingTarget> parsed = ParseRequestTarget(text);
  if (!parsed.ok()) return parsed.status();
  RequestMapping mapping;
  switch (parsed->place) {
    case MappingTarget::Place::kPath:
      mapping.set_target(RequestMapping::TARGET_PATH);
      break;
    case MappingTarget::Place::kQuery:
      mapping.set_target(RequestMapping::TARGET_QUERYSTRING);
      break;
    case MappingTarget::Place::kHeader:
      mapping.set_target(RequestMapping::TARGET_HEADER);
      break;
  }
  mapping.set_name(std::move(parsed->name));
  return mapping;
}

std::optional<uint32_t> ParseStatusCode(std::string_view text) {
  if (text.size() != 3 || text[0] < '2' || text[0] > '5' || !IsDigit(text[1]) ||
      !IsDigit(text[2])) {
    return std::nullopt;
  }
  return static_cast<uint32_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
}

std::string StatusCodeProblem(std::string_view text) {
  if (text.size() == 3 && text[0] == '1' && IsDigit(text[1]) && IsDigit(text[2])) {
    return "A status of 1xx cannot end an exchange.";
  }
  return Concat("Value '", text,
                "' at 'statusCode' failed to satisfy constraint: Member must satisfy regular "
                "expression pattern: [1-5]\\d\\d");
}

}  // namespace postern
