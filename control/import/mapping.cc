#include "control/import/mapping.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "control/common/strings.h"
#include "control/import/expression.h"
#include "lib/mapping/header_rules.h"
#include "lib/mapping/mock_status.h"
#include "lib/mapping/selection_pattern.h"
#include "lib/template/mapping_template.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

// Templates are compiled to find their mistakes; which variables there are does not matter for
// that.
class AnyVariable final : public TemplateResolver {
 public:
  std::optional<uint32_t> ContextVariable(std::string_view) const override { return 0; }
};

// What a mapping onto a header does to a request that has a value for it.
MappedHeaderAction ActionOf(v1::IntegrationType type, std::string_view header) {
  switch (type) {
    case v1::INTEGRATION_TYPE_AWS_PROXY:
      return LambdaProxyMappingAction(header);
    case v1::INTEGRATION_TYPE_AWS:
      return AwsMappingAction(header);
    default:
      return HttpMappingAction(header);
  }
}

v1::ParameterLocation LocationOf(const v1::RequestValue& value) {
  switch (value.location()) {
    case v1::RequestValue::LOCATION_PATH:
      return v1::PARAMETER_LOCATION_PATH;
    case v1::RequestValue::LOCATION_QUERYSTRING:
      return v1::PARAMETER_LOCATION_QUERYSTRING;
    default:
      return v1::PARAMETER_LOCATION_HEADER;
  }
}

}  // namespace

void MappingImporter::Unavailable(Node node, std::string_view kind, std::string_view reason) {
  if (unavailable_.empty()) unavailable_ = std::string(reason);
  context_.Unavailable(node, kind, Concat(reason, " The method answers 500."));
}

// The warning of API Gateway, word for word (management-and-import.md 3.6).
void MappingImporter::DropForeignType(Node node, std::string_view kind) {
  context_.Dropped(
      node, kind,
      Concat("Invalid format for '", kind, "'. Expected type string for property '", node.key(),
             "' of resource '", path_, "' and method '", method_.http_method(), "' but got '",
             node.is_scalar() ? node.text() : NodeKindName(node.kind()), "'"));
}

void MappingImporter::ImportRequestParameters(Node parameters) {
  if (!parameters || !context_.IsSmallObject(parameters, "requestParameters")) return;
  if (parameters.size() == 0) context_.Applied(parameters, "requestParameters");
  for (const Node value : parameters.children()) ImportRequestParameter(value);
}

void MappingImporter::ImportRequestParameter(Node node) {
  constexpr std::string_view kKind = "requestParameters";
  const std::string_view key = node.key();
  if (!node.is_string()) {
    DropForeignType(node, kKind);
    return;
  }
  if (key.starts_with("append:") || key.starts_with("overwrite:") || key.starts_with("remove:") ||
      node.text().starts_with('$')) {
    Unavailable(node, kKind, "Parameter mapping of HTTP APIs is not supported by this version.");
    return;
  }
  absl::StatusOr<v1::RequestMapping> mapping = ParseRequestMappingTarget(key);
  if (!mapping.ok()) {
    context_.Problem(node, kKind, Message(mapping.status()));
    return;
  }
  absl::StatusOr<v1::ValueSource> source =
      ParseRequestExpression(context_.ReplaceAwsVariables(node.text()));
  if (!source.ok()) {
    context_.Problem(node, kKind, Message(source.status()));
    return;
  }
  const bool header = mapping->target() == v1::RequestMapping::TARGET_HEADER;
  if (header && !mapped_headers_.insert(AsciiToLower(mapping->name())).second) {
    context_.Problem(node, kKind, Concat("The header ", mapping->name(), " is mapped twice."));
    return;
  }
  const MappedHeaderAction action =
      header ? ActionOf(integration_.type(), mapping->name()) : MappedHeaderAction::kSend;
  if (integration_.type() == v1::INTEGRATION_TYPE_AWS_PROXY &&
      action != MappedHeaderAction::kFail) {
    context_.Ignored(node, kKind,
                     "A proxy event has all parameters; a mapping changes nothing, as in API "
                     "Gateway.");
    return;
  }
  if (source->has_request_body() && proxy()) {
    Unavailable(node, kKind,
                "Mapping from the body of a request is not supported for proxy integrations by "
                "this version.");
    return;
  }
  if (action == MappedHeaderAction::kFail) {
    context_.Noted(node, kKind,
                   Concat("The header ", mapping->name(),
                          " cannot be mapped: requests for which there is a value are answered "
                          "500, as by API Gateway."));
  }
  if (!Declare(node, *source)) context_.Applied(node, kKind);
  *mapping->mutable_source() = *std::move(source);
  *integration_.add_request_parameters() = *std::move(mapping);
}

// A parameter must be declared on the method before it is mapped (rest-api.md 6.2). Declares it, if
// it is not, and returns whether it did.
bool MappingImporter::Declare(Node node, const v1::ValueSource& source) {
  if (!source.has_request()) return false;
  const v1::ParameterLocation location = LocationOf(source.request());
  const std::string& name = source.request().name();
  for (const v1::RequestParameter& parameter : method_.request_parameters()) {
    if (parameter.location() == location && parameter.name() == name) return false;
  }
  if (location == v1::PARAMETER_LOCATION_PATH) {
    context_.Noted(node, "requestParameters",
                   Concat("The path has no {", name, "}, so nothing is mapped."));
    return true;
  }
  v1::RequestParameter& parameter = *method_.add_request_parameters();
  parameter.set_location(location);
  parameter.set_name(name);
  context_.Approximated(node, "requestParameters",
                        "The parameter is not declared on the method, which API Gateway would ask "
                        "for; it is taken as declared.");
  return true;
}

void MappingImporter::ImportRequestTemplates(Node templates) {
  ImportTemplates(templates, /*request=*/true, *integration_.mutable_request_templates());
}

void MappingImporter::ImportTemplates(Node templates, bool request,
                                      google::protobuf::RepeatedPtrField<v1::Template>& out) {
  if (!templates || !context_.IsSmallObject(templates, templates.key())) return;
  if (templates.size() == 0) context_.Applied(templates, templates.key());
  std::set<std::string> content_types;
  for (const Node node : templates.children()) {
    if (node.is_null()) {
      context_.Ignored(node, templates.key(), "A template that is null is none.");
      continue;
    }
    if (node.key().empty() || node.key().size() > kMaxNameBytes ||
        !content_types.insert(AsciiToLower(node.key())).second) {
      context_.Problem(node, templates.key(),
                       "Its name must be a content type, and none that another template has.");
      continue;
    }
    v1::Template result;
    if (ImportTemplate(node, request, result)) *out.Add() = std::move(result);
  }
}

// False if there is nothing to add, which has then been said.
bool MappingImporter::ImportTemplate(Node node, bool request, v1::Template& result) {
  const std::string_view kind = node.parent().key();
  if (!node.is_string()) {
    context_.Problem(node, kind,
                     Concat("A template is a string, not ", NodeKindName(node.kind()),
                            "; put quotes around it."));
    return false;
  }
  // ${AWS::Region} is no variable of a template, so nothing is replaced.
  result.set_content_type(std::string(node.key()));
  result.set_body(std::string(node.text()));
  const absl::StatusOr<MappingTemplate> compiled =
      MappingTemplate::Compile(result.body(), AnyVariable());
  if (!compiled.ok()) {
    // "template:line:column: what"; the line is counted from that of the text's first.
    context_.Problem(node, kind, Message(compiled.status()));
    return false;
  }
  if (mock() && request && compiled->constant()) CheckMockStatus(node, *compiled->constant());
  context_.Applied(node, kind);
  return true;
}

void MappingImporter::CheckMockStatus(Node node, std::string_view text) {
  if (FindMockStatus(text)) return;
  context_.Noted(node, node.parent().key(),
                 "Unable to parse statusCode. It should be an integer that is defined in the "
                 "request template. Requests are answered 500, as by API Gateway.");
}

void MappingImporter::ImportResponses(Node responses) {
  if (!responses || !context_.IsSmallObject(responses, "responses")) return;
  if (responses.size() == 0) context_.Applied(responses, "responses");
  for (const Node response : responses.children()) {
    if (context_.IsObject(response, "integration response")) ImportResponse(response);
  }
}

void MappingImporter::ImportResponse(Node node) {
  v1::IntegrationResponse response;
  if (node.key() != "default") {
    response.set_selection_pattern(std::string(node.key()));
    if (!CheckPattern(node)) return;
  }
  Node status;
  Node parameters;
  Node templates;
  Node content_handling;
  for (const Node value : node.children()) {
    const std::string_view name = value.key();
    if (name == "statusCode") {
      status = value;
    } else if (name == "responseParameters") {
      parameters = value;
    } else if (name == "responseTemplates") {
      templates = value;
    } else if (name == "contentHandling") {
      content_handling = value;
    } else {
      context_.Unknown(
          value, {"statusCode", "responseParameters", "responseTemplates", "contentHandling"});
    }
  }
  if (!status) {
    context_.Problem(node, "integration response", "It needs a statusCode.");
    return;
  }
  if (!ImportStatus(status, response)) return;
  v1::MethodResponse* declared = nullptr;
  for (v1::MethodResponse& candidate : *method_.mutable_responses()) {
    if (candidate.status_code() == response.status_code()) declared = &candidate;
  }
  if (declared == nullptr) {
    context_.Noted(
        status, "statusCode",
        Concat("The method declares no response ", response.status_code(),
               "; where this one is chosen, API Gateway answers 500, and so does Postern. "
               "Add it to the responses of the operation."));
  } else {
    context_.Applied(status, "statusCode");
  }
  if (parameters && context_.IsSmallObject(parameters, "responseParameters")) {
    if (parameters.size() == 0) context_.Applied(parameters, "responseParameters");
    for (const Node value : parameters.children()) {
      ImportResponseParameter(value, declared, response);
    }
  }
  ImportTemplates(templates, /*request=*/false, *response.mutable_templates());
  response.set_content_handling(ImportContentHandling(content_handling));
  *integration_.add_responses() = std::move(response);
}

bool MappingImporter::ImportStatus(Node node, v1::IntegrationResponse& response) {
  const std::optional<std::string> code = context_.Text(node, "statusCode");
  if (!code) return false;
  const std::optional<uint32_t> status = ParseStatusCode(*code);
  if (!status) {
    context_.Problem(node, "statusCode", StatusCodeProblem(*code));
    return false;
  }
  response.set_status_code(*status);
  return true;
}

// False if there is nothing to add, which has then been said.
bool MappingImporter::CheckPattern(Node node) {
  constexpr std::string_view kKind = "selection pattern";
  if (node.key().empty()) {
    context_.Problem(node, kKind, "The response without a pattern is \"default\".");
    return false;
  }
  const absl::Status status = SelectionPattern::Compile(node.key()).status();
  if (status.ok()) return true;
  const std::string why = Message(status);
  if (absl::IsUnimplemented(status)) {
    Unavailable(node, kKind, Concat("T", why.substr(1), "."));
  } else {
    context_.Problem(node, kKind, Concat("T", why.substr(1), "."));
  }
  return false;
}

void MappingImporter::ImportResponseParameter(Node node, v1::MethodResponse* declared,
                                              v1::IntegrationResponse& response) {
  constexpr std::string_view kKind = "responseParameters";
  const absl::StatusOr<std::string> header = ParseResponseTarget(node.key());
  if (!header.ok()) {
    context_.Problem(node, kKind, Message(header.status()));
    return;
  }
  if (!node.is_string()) {
    DropForeignType(node, kKind);
    return;
  }
  absl::StatusOr<v1::ValueSource> source =
      ParseResponseExpression(context_.ReplaceAwsVariables(node.text()));
  if (!source.ok()) {
    context_.Problem(node, kKind, Message(source.status()));
    return;
  }
  const auto is_header = [&header](const std::string& name) {
    return EqualsIgnoreCase(name, *header);
  };
  if (std::any_of(
          response.parameters().begin(), response.parameters().end(),
          [&is_header](const v1::ResponseMapping& other) { return is_header(other.header()); })) {
    context_.Problem(node, kKind, Concat("The header ", *header, " is mapped twice."));
    return;
  }
  if (declared == nullptr ||
      std::any_of(declared->headers().begin(), declared->headers().end(), is_header)) {
    context_.Applied(node, kKind);
  } else {
    declared->add_headers(*header);
    context_.Approximated(node, kKind,
                          "The header is not declared on the response of the method, which API "
                          "Gateway would ask for; it is taken as declared.");
  }
  v1::ResponseMapping& mapping = *response.add_parameters();
  mapping.set_header(*header);
  *mapping.mutable_source() = *std::move(source);
}

v1::ContentHandling MappingImporter::ImportContentHandling(Node node) {
  constexpr std::string_view kKind = "contentHandling";
  if (!node) return v1::CONTENT_HANDLING_NONE;
  if (node.is_null()) {
    context_.Applied(node, kKind);
    return v1::CONTENT_HANDLING_NONE;
  }
  const std::optional<std::string> text = context_.Text(node, kKind);
  if (!text) return v1::CONTENT_HANDLING_NONE;
  v1::ContentHandling handling = v1::CONTENT_HANDLING_NONE;
  if (EqualsIgnoreCase(*text, "CONVERT_TO_TEXT")) {
    handling = v1::CONTENT_HANDLING_CONVERT_TO_TEXT;
  } else if (EqualsIgnoreCase(*text, "CONVERT_TO_BINARY")) {
    handling = v1::CONTENT_HANDLING_CONVERT_TO_BINARY;
  } else {
    context_.Problem(node, kKind, "It must be CONVERT_TO_TEXT or CONVERT_TO_BINARY.");
    return v1::CONTENT_HANDLING_NONE;
  }
  if (proxy()) {
    // Exports have it there too; a proxy does not convert (rest-api.md 10.2).
    context_.Describes(node, "contentHandling of a proxy");
    return v1::CONTENT_HANDLING_NONE;
  }
  context_.Applied(node, kKind);
  return handling;
}

}  // namespace postern
