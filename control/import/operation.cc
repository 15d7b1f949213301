#include "control/import/operation.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "control/common/strings.h"
#include "control/import/expression.h"
#include "control/import/integration.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

// The MIME type of a content type, without parameters.
std::string MimeType(std::string_view content_type) {
  return std::string(TrimSpace(content_type.substr(0, content_type.find(';'))));
}

}  // namespace

void OperationImporter::ReadValidators(Node validators, Node default_validator) {
  constexpr std::string_view kKind = "request validators";
  if (validators && context_.IsObject(validators, kKind)) {
    for (const Node validator : validators.children()) {
      if (!context_.IsObject(validator, kKind)) continue;
      ValidatorFlags flags;
      for (const Node value : validator.children()) {
        if (value.key() == "validateRequestBody") {
          flags.body = context_.Bool(value, kKind).value_or(true);
        } else if (value.key() == "validateRequestParameters") {
          flags.parameters = context_.Bool(value, kKind).value_or(true);
        } else {
          context_.Unknown(value, {"validateRequestBody", "validateRequestParameters"});
        }
      }
      // Whether it is enforced is said where it is used.
      context_.Applied(validator, kKind);
      validators_.emplace(validator.key(), flags);
    }
  }
  default_validator_ = default_validator;
}

v1::Method OperationImporter::Import(Node operation, Node shared_parameters,
                                     std::string_view http_method, std::string_view path,
                                     const std::vector<std::string>& variables,
                                     FiltersInForce filters_above) {
  v1::Method method;
  method.set_http_method(std::string(http_method));
  has_body_model_ = false;
  if (!context_.IsObject(operation, "operation")) return method;
  const std::string scope = Concat(http_method, " ", path);
  context_.PlacesFilter(scope, "postern.validate", operation);

  Node responses;
  Node request_body;
  Node integration;
  for (const Node value : operation.children()) {
    const std::string_view name = value.key();
    if (name == "operationId") {
      method.set_operation_name(context_.Text(value, name).value_or(""));
      context_.Applied(value, name);
    } else if (name == "responses") {
      responses = value;
    } else if (name == "requestBody") {
      request_body = value;
    } else if (name == "x-amazon-apigateway-integration") {
      integration = value;
      context_.PlacesFilter(scope, "postern.transform", value);
    } else if (name == "x-postern-filters") {
      filters_.Import(value, scope, filters_above, *method.mutable_filters());
    } else if (name == "parameters" || name == "security" || name == "consumes" ||
               name == "x-amazon-apigateway-auth" ||
               name == "x-amazon-apigateway-request-validator") {
      // Below, since they depend on other things.
    } else if (name == "isDefaultRoute") {
      context_.Applied(value, name);
    } else if (name == "summary" || name == "description" || name == "tags" ||
               name == "externalDocs" || name == "deprecated" || name == "produces" ||
               name == "schemes" || name == "servers" || name == "callbacks") {
      context_.Describes(value, name);
    } else {
      context_.Unknown(value, {"operationId", "responses", "requestBody", "parameters", "security",
                               "consumes", "produces", "summary", "description"});
    }
  }
  ImportParameters(operation, shared_parameters, variables, method);
  if (request_body) ImportRequestBody(request_body, method);
  if (responses) ImportResponses(responses, method);
  security_.Apply(operation, method);
  ImportValidator(operation, method);

  if (integration) {
    MethodScope scope;
    scope.path = std::string(path);
    scope.path_variables = variables;
    scope.http_api = http_api_;
    scope.default_route =
        operation.parent().key() == "/$default" || operation.parent().key() == "$default";
    ImportIntegration(context_, integration, scope, method);
  } else {
    const std::string reason =
        "No integration defined for method: it has no x-amazon-apigateway-integration.";
    method.set_unavailable_reason(reason);
    context_.Unavailable(operation, "operation", Concat(reason, " The method answers 500."));
  }
  return method;
}

void OperationImporter::ImportParameters(Node operation, Node shared,
                                         const std::vector<std::string>& variables,
                                         v1::Method& method) {
  constexpr std::string_view kKind = "parameter";
  // What the operation says wins over what its path item says, by name and place.
  std::vector<std::pair<Node, Node>> parameters;  // resolved, and where it stands
  std::set<std::pair<std::string, std::string>> known;
  for (const Node list : {operation.Find("parameters"), shared}) {
    if (!list || !context_.IsArray(list, "parameters")) continue;
    if (list.size() == 0) context_.Applied(list, "parameters");
    for (const Node element : list.children()) {
      const Node parameter = context_.Resolve(element);
      if (!parameter || !context_.IsObject(parameter, kKind)) continue;
      const Node name = parameter.Find("name");
      const Node in = parameter.Find("in");
      if (!name || !in) {
        context_.Problem(parameter, kKind, "A parameter needs a name and a place (\"in\").");
        continue;
      }
      if (known.emplace(in.text(), name.text()).second) {
        parameters.emplace_back(parameter, element);
      } else {
        context_.Describes(parameter, "overridden parameter");
      }
    }
  }

  std::vector<std::string> content_types;
  const Node consumes = operation.Find("consumes") ? operation.Find("consumes") : consumes_;
  for (const Node type : consumes.children()) {
    if (content_types.size() == ImportContext::kMaxEntries) break;
    if (type.is_string()) content_types.push_back(MimeType(type.text()));
  }
  if (operation.Find("consumes")) context_.Applied(operation.Find("consumes"), "consumes");
  if (content_types.empty()) content_types.push_back("application/json");

  std::map<std::string, std::string> places;  // of a name
  for (const auto& [parameter, element] : parameters) {
    const std::string name(parameter.Find("name").text());
    const std::string_view in = parameter.Find("in").text();
    if (in == "body") {
      context_.Applied(parameter, kKind);
      if (const Node schema = parameter.Find("schema")) {
        ImportBody(schema, content_types, method);
      }
      continue;
    }
    if (in == "formData" || in == "cookie") {
      context_.Describes(parameter, Concat(in, " parameter"));
      continue;
    }
    v1::RequestParameter result;
    if (in == "path") {
      result.set_location(v1::PARAMETER_LOCATION_PATH);
    } else if (in == "query") {
      result.set_location(v1::PARAMETER_LOCATION_QUERYSTRING);
    } else if (in == "header") {
      result.set_location(v1::PARAMETER_LOCATION_HEADER);
    } else {
      context_.Problem(parameter, kKind,
                       "Its place (\"in\") must be path, query, header, cookie, body or formData.");
      continue;
    }
    std::string_view bare = name;
    if (in == "path") ConsumeSuffix(bare, "+");  // some tools declare "proxy+"
    if (!IsParameterName(bare)) {
      context_.Dropped(parameter, kKind,
                       "Parameter name should match the following regex: ^[a-zA-Z0-9._$-]+$; it "
                       "is not declared.");
      continue;
    }
    if (const auto [it, inserted] = places.emplace(bare, in); !inserted && it->second != in) {
      context_.Problem(parameter, kKind,
                       Concat("Parameter names must be unique across querystring, header and path: "
                              "\"",
                              bare, "\" is in ", it->second, " and in ", in, "."));
      continue;
    }
    if (in == "path" && std::find(variables.begin(), variables.end(), bare) == variables.end()) {
      context_.Noted(parameter, kKind,
                     Concat("The path has no {", bare,
                            "}; a validator of parameters refuses every "
                            "request."));
    } else {
      context_.Applied(parameter, kKind);
    }
    result.set_name(std::string(bare));
    const Node required = parameter.Find("required");
    result.set_required(required && context_.Bool(required, kKind).value_or(false));
    *method.add_request_parameters() = std::move(result);
  }
  // Each variable of the path is a required parameter, declared or not
  // (management-and-import.md 3.5).
  for (const std::string& variable : variables) {
    v1::RequestParameter* declared = nullptr;
    for (v1::RequestParameter& parameter : *method.mutable_request_parameters()) {
      if (parameter.location() == v1::PARAMETER_LOCATION_PATH && parameter.name() == variable) {
        declared = &parameter;
      }
    }
    if (declared == nullptr) {
      declared = method.add_request_parameters();
      declared->set_location(v1::PARAMETER_LOCATION_PATH);
      declared->set_name(variable);
    }
    declared->set_required(true);
  }
}

void OperationImporter::ImportBody(Node schema, const std::vector<std::string>& content_types,
                                   v1::Method& method) {
  has_body_model_ = true;
  if (http_api_) {
    context_.Describes(schema, "schema");
    return;
  }
  const std::string model = models_.ModelOf(schema);
  if (model.empty()) return;
  for (const std::string& content_type : content_types) {
    // The same one with other parameters is no other.
    const bool known = std::any_of(method.request_models().begin(), method.request_models().end(),
                                   [&](const v1::ModelReference& other) {
                                     return EqualsIgnoreCase(other.content_type(), content_type);
                                   });
    if (known) continue;
    v1::ModelReference& reference = *method.add_request_models();
    reference.set_content_type(content_type);
    reference.set_model(model);
  }
}

void OperationImporter::ImportRequestBody(Node body, v1::Method& method) {
  constexpr std::string_view kKind = "requestBody";
  const Node resolved = context_.Resolve(body);
  if (!resolved || !context_.IsObject(resolved, kKind)) return;
  for (const Node value : resolved.children()) {
    if (value.key() == "content" && context_.IsSmallObject(value, kKind)) {
      if (value.size() == 0) context_.Applied(value, kKind);
      for (const Node media : value.children()) {
        if (!context_.IsObject(media, kKind)) continue;
        context_.Applied(media, kKind);
        if (const Node schema = media.Find("schema")) {
          ImportBody(schema, {MimeType(media.key())}, method);
        }
      }
    } else if (value.key() == "required") {
      context_.Describes(value, "required of requestBody");
    } else {
      context_.Unknown(value, {"content", "required", "description"});
    }
  }
}

void OperationImporter::ImportResponses(Node responses, v1::Method& method) {
  if (!context_.IsSmallObject(responses, "responses")) return;
  if (responses.size() == 0) context_.Applied(responses, "responses");
  for (const Node element : responses.children()) {
    const std::string_view code = element.key();
    if (code.starts_with("x-")) {
      context_.Unknown(element);
      continue;
    }
    const bool status = code.size() == 3 && code[0] >= '1' && code[0] <= '5' && IsDigit(code[1]) &&
                        IsDigit(code[2]);
    if (!status) {
      // "default" and "2XX" are no method responses (management-and-import.md 3.5).
      context_.Describes(element, "response without a status");
      continue;
    }
    const Node response = context_.Resolve(element);
    if (!response) continue;
    if (response.is_null()) {
      context_.Applied(element, "response");
    } else if (!context_.IsObject(response, "response")) {
      continue;
    }
    v1::MethodResponse& result = *method.add_responses();
    result.set_status_code(static_cast<uint32_t>(std::stoi(std::string(code))));
    context_.Applied(response, "response");
    const Node headers = response.Find("headers");
    if (headers.is_object() && !context_.IsSmallObject(headers, "headers")) continue;
    for (const Node header : headers.children()) {
      if (IsFieldName(header.key())) result.add_headers(std::string(header.key()));
    }
  }
}

void OperationImporter::ImportValidator(Node operation, v1::Method& method) {
  constexpr std::string_view kKind = "request validator";
  const Node own = operation.Find("x-amazon-apigateway-request-validator");
  const Node named = own ? own : default_validator_;
  if (!named) return;
  const std::optional<std::string> name = context_.Text(named, kKind);
  if (!name) return;
  const auto it = validators_.find(*name);
  if (it == validators_.end()) {
    context_.Problem(named, kKind,
                     Concat("Invalid Request Validator identifier specified: \"", *name,
                            "\" is not among x-amazon-apigateway-request-validators"));
    return;
  }
  const bool parameters =
      it->second.parameters &&
      std::any_of(method.request_parameters().begin(), method.request_parameters().end(),
                  [](const v1::RequestParameter& parameter) {
                    return parameter.required() &&
                           parameter.location() != v1::PARAMETER_LOCATION_PATH;
                  });
  const bool body = it->second.body && has_body_model_;
  if (!http_api_) {
    method.set_validate_parameters(it->second.parameters);
    method.set_validate_body(it->second.body);
    context_.Applied(named, kKind);
  } else if (!parameters && !body) {
    // Nothing is required and no body has a model: every request is valid.
    context_.Applied(named, kKind);
  } else {
    context_.Guard(own ? own : operation, kKind, "validator", {*name},
                   Concat("The ", parameters ? "parameters" : "",
                          parameters && body ? " and the " : "", body ? "body" : "",
                          " of its requests would have to be validated, which HTTP APIs do not "
                          "do."));
    if (!own) context_.Applied(named, kKind);
  }
}

}  // namespace postern
