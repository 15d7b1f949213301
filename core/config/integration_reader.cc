#include "core/config/integration_reader.h"

#include <algorithm>
#include <limits>
#include <set>

#include "core/config/common_reader.h"
#include "core/integration/aws_service.h"
#include "core/integration/http_integration.h"
#include "core/integration/http_proxy.h"
#include "core/integration/lambda_custom.h"
#include "core/integration/lambda_proxy.h"
#include "core/integration/mock.h"
#include "core/integration/unavailable.h"
#include "core/route/route_tree.h"
#include "lib/mapping/selection_pattern.h"
#include "lib/template/stage_variables.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr uint32_t kMinTimeoutMs = 50;
constexpr uint32_t kDefaultTimeoutMs = 29000;
constexpr uint32_t kDefaultHttpApiTimeoutMs = 30000;  // http-api.md §1
constexpr uint32_t kMaxTimeoutMs = 900000;
constexpr size_t kMaxTemplate = 300 * 1024;
constexpr size_t kMaxName = 256;
constexpr size_t kMaxMappings = 1000;

bool IsMethodOrAny(std::string_view text) { return ParseMethodBit(text) != 0; }

bool IsProxy(v1::IntegrationType type) {
  return type == v1::INTEGRATION_TYPE_HTTP_PROXY || type == v1::INTEGRATION_TYPE_AWS_PROXY;
}

std::string_view TypeName(v1::IntegrationType type) {
  switch (type) {
    case v1::INTEGRATION_TYPE_MOCK:
      return "MOCK";
    case v1::INTEGRATION_TYPE_HTTP:
      return "HTTP";
    case v1::INTEGRATION_TYPE_HTTP_PROXY:
      return "HTTP_PROXY";
    case v1::INTEGRATION_TYPE_AWS:
      return "AWS";
    case v1::INTEGRATION_TYPE_AWS_PROXY:
      return "AWS_PROXY";
    default:
      return "";
  }
}

void CheckHeaderName(std::string_view member, std::string_view name, const Field& field) {
  if (field.Size(member, name, 1, kMaxName) && !IsToken(name)) {
    field.Problem(member, Concat("\"", name, "\" is no field name"));
  }
}

// ---- Checks.

// Parameters of a service call (http-api.md §10).
void CheckServiceParameter(const v1::RequestMapping& mapping, const aws::Subtype* subtype,
                           const Field& item) {
  if (subtype == nullptr || subtype->FindParameter(mapping.name()) == nullptr) {
    item.Problem("name", Concat("\"", mapping.name(), "\" is no parameter of the integration"));
  }
  const Field source = item.Member("source");
  RefuseUnknownFields(mapping.source(), source);
  if (mapping.source().source_case() != v1::ValueSource::kExpression) {
    source.Problem("is no expression");
  } else if (const auto parts = ParseHttpApiValue(mapping.source().expression()); !parts.ok()) {
    source.Problem("expression", std::string(parts.status().message()));
  }
}

void CheckMappings(const v1::Integration& integration, const Field& field) {
  const aws::Subtype* const subtype = integration.has_aws_service()
                                          ? aws::Subtype::Find(integration.aws_service().subtype())
                                          : nullptr;
  if (static_cast<size_t>(integration.request_parameters_size()) > kMaxMappings) {
    field.Problem("request_parameters", Concat("there are more than ", kMaxMappings));
    return;
  }
  std::set<std::pair<int, std::string>> seen;
  for (int i = 0; i < integration.request_parameters_size(); ++i) {
    const v1::RequestMapping& mapping = integration.request_parameters(i);
    const Field item = field.Item("request_parameters", i);
    RefuseUnknownFields(mapping, item);
    if (mapping.action() != v1::RequestMapping::ACTION_OVERWRITE) {
      item.Problem("action", "a REST API can only overwrite");
    }
    const std::string& name = mapping.name();
    switch (mapping.target()) {
      case v1::RequestMapping::TARGET_PATH:
      case v1::RequestMapping::TARGET_QUERYSTRING:
        item.Size("name", name, 1, kMaxName);
        break;
      case v1::RequestMapping::TARGET_HEADER:
        CheckHeaderName("name", name, item);
        break;
      case v1::RequestMapping::TARGET_SERVICE_PARAMETER:
        CheckServiceParameter(mapping, subtype, item);
        break;
      default:
        item.Problem("target", "this gateway maps onto paths, query strings and headers only");
        break;
    }
    const std::string key =
        mapping.target() == v1::RequestMapping::TARGET_HEADER ? AsciiToLower(name) : name;
    if (!seen.emplace(mapping.target(), key).second) {
      item.Problem("name", Concat("\"", name, "\" is mapped twice"));
    }
    if (mapping.target() == v1::RequestMapping::TARGET_SERVICE_PARAMETER) {
      // CheckServiceParameter() has seen it.
    } else if (mapping.source().has_request_body() && !IsProxy(integration.type())) {
      // The filter postern.transform reads bodies; proxies do not see them.
      RefuseUnknownFields(mapping.source(), item.Member("source"));
    } else {
      ReadValueSource(mapping.source(), item.Member("source"));
    }
  }
}

void CheckTemplates(const google::protobuf::RepeatedPtrField<v1::Template>& templates,
                    const Field& field, std::string_view member) {
  std::set<std::string> seen;
  for (int i = 0; i < templates.size(); ++i) {
    const v1::Template& message = templates[i];
    const Field item = field.Item(member, i);
    RefuseUnknownFields(message, item);
    item.Size("content_type", message.content_type(), 1, kMaxName);
    item.Size("body", message.body(), 0, kMaxTemplate);
    if (!seen.insert(AsciiToLower(message.content_type())).second) {
      item.Problem("content_type", Concat("\"", message.content_type(), "\" comes twice"));
    }
  }
}

void CheckResponses(const v1::Integration& integration, const Field& field) {
  bool has_default = false;
  for (int i = 0; i < integration.responses_size(); ++i) {
    const v1::IntegrationResponse& response = integration.responses(i);
    const Field item = field.Item("responses", i);
    RefuseUnknownFields(response, item);
    item.InRange("status_code", response.status_code(), 200, 599);
    if (response.selection_pattern().empty()) {
      if (has_default) item.Problem("selection_pattern", "a second default response");
      has_default = true;
    } else {
      const absl::Status status = SelectionPattern::Compile(response.selection_pattern()).status();
      if (!status.ok()) item.Problem("selection_pattern", std::string(status.message()));
    }
    std::set<std::string> seen;
    for (int j = 0; j < response.parameters_size(); ++j) {
      const v1::ResponseMapping& mapping = response.parameters(j);
      const Field parameter = item.Item("parameters", j);
      RefuseUnknownFields(mapping, parameter);
      CheckHeaderName("header", mapping.header(), parameter);
      if (!seen.insert(AsciiToLower(mapping.header())).second) {
        parameter.Problem("header", Concat("\"", mapping.header(), "\" is mapped twice"));
      }
      const Field source = parameter.Member("source");
      switch (mapping.source().source_case()) {
        case v1::ValueSource::kResponseHeader:
          source.Size("response_header.name", mapping.source().response_header().name(), 1,
                      kMaxName);
          break;
        case v1::ValueSource::kResponseBody:
          break;
        case v1::ValueSource::kRequest:
          source.Problem("request", "a response has no values of the request");
          break;
        default:
          ReadValueSource(mapping.source(), source);
          break;
      }
    }
    CheckTemplates(response.templates(), item, "templates");
    KnownEnum(response.content_handling(), v1::ContentHandling_IsValid, kNoneRefused,
              "content_handling", item);
  }
}

void CheckAwsService(const v1::Integration& integration, const Field& field) {
  const v1::AwsServiceTarget& target = integration.aws_service();
  RefuseUnknownFields(target, field);
  field.Size("upstream", target.upstream(), 1, 8192);
  if (integration.type() == v1::INTEGRATION_TYPE_AWS) {
    if (target.call_case() == v1::AwsServiceTarget::CALL_NOT_SET) {
      field.Problem("has neither a path nor an action");
    }
    if (!IsMethodOrAny(integration.http_method())) {
      field.Problem("http_method", Concat("\"", integration.http_method(), "\" is no method"));
    }
    return;
  }
  const aws::Subtype* const subtype = aws::Subtype::Find(target.subtype());
  if (subtype == nullptr) {
    field.Problem("subtype", Concat("\"", target.subtype(), "\" is unknown to this gateway"));
    return;
  }
  for (const aws::Subtype::Parameter& parameter : subtype->parameters()) {
    const auto is_it = [&parameter](const v1::RequestMapping& mapping) {
      return mapping.name() == parameter.name;
    };
    if (parameter.required && std::none_of(integration.request_parameters().begin(),
                                           integration.request_parameters().end(), is_it)) {
      field.Problem("subtype", Concat("the parameter ", parameter.name, " is missing"));
    }
  }
}

void CheckTarget(const v1::Integration& integration, const Field& field) {
  using Case = v1::Integration::TargetCase;
  const Case target = integration.target_case();
  switch (integration.type()) {
    case v1::INTEGRATION_TYPE_MOCK:
      if (target != Case::kMock) field.Problem("type", "needs the target mock");
      return;
    case v1::INTEGRATION_TYPE_HTTP:
    case v1::INTEGRATION_TYPE_HTTP_PROXY:
      if (target != Case::kHttp) {
        field.Problem("type", "needs the target http");
        return;
      }
      RefuseUnknownFields(integration.http(), field.Member("http"));
      field.Member("http").Size("upstream", integration.http().upstream(), 1, 4096);
      field.Member("http").Size("path", integration.http().path(), 0, 8192);
      if (!IsMethodOrAny(integration.http_method())) {
        field.Problem("http_method", Concat("\"", integration.http_method(), "\" is no method"));
      }
      return;
    case v1::INTEGRATION_TYPE_AWS:
    case v1::INTEGRATION_TYPE_AWS_PROXY:
      if (target == Case::kAwsService) {
        CheckAwsService(integration, field.Member("aws_service"));
        return;
      }
      if (target != Case::kLambda) {
        field.Problem("type", "needs the target lambda, or aws_service with a subtype");
        return;
      }
      RefuseUnknownFields(integration.lambda(), field.Member("lambda"));
      field.Member("lambda").Size("function", integration.lambda().function(), 1, 1024);
      if (integration.lambda().streaming() ||
          integration.response_transfer_mode() == v1::RESPONSE_TRANSFER_MODE_STREAM) {
        field.Problem("response_transfer_mode",
                      "this gateway does not stream the results of functions");
      }
      return;
    default:
      field.Problem("type", Concat("the value ", static_cast<int>(integration.type()),
                                   " is unknown to this gateway"));
      return;
  }
}

// ---- Making.

std::string Expand(std::string_view text, const IntegrationEnv& env) {
  return ExpandStageVariables(text, [&](std::string_view name) -> std::optional<std::string_view> {
    const auto found = env.variables.find(name);
    if (found == env.variables.end()) return std::nullopt;
    return found->second;
  });
}

ValueSource MustRead(const v1::ValueSource& source) {
  ProblemList ignored;  // CheckIntegration() has seen it
  auto value = ReadValueSource(source, Field(&ignored));
  return value.has_value() ? *std::move(value) : ValueSource(ValueSource::Kind::kLiteral, "");
}

struct Mappings {
  std::vector<NamedSource> path;
  std::vector<NamedSource> query;
  std::vector<NamedSource> headers;
};

Mappings MakeMappings(const v1::Integration& integration) {
  Mappings out;
  for (const v1::RequestMapping& mapping : integration.request_parameters()) {
    std::vector<NamedSource>* list = nullptr;
    switch (mapping.target()) {
      case v1::RequestMapping::TARGET_PATH:
        list = &out.path;
        break;
      case v1::RequestMapping::TARGET_QUERYSTRING:
        list = &out.query;
        break;
      case v1::RequestMapping::TARGET_HEADER:
        list = &out.headers;
        break;
      default:
        continue;
    }
    list->push_back({mapping.name(), MustRead(mapping.source())});
  }
  return out;
}

std::unique_ptr<const Integration> Unavailable(
    const v1::Integration& integration, std::string reason,
    ResponseType reply = ResponseType::kApiConfigurationError) {
  return std::make_unique<UnavailableIntegration>(TypeName(integration.type()), std::move(reason),
                                                  reply);
}

uint32_t TimeoutOf(const v1::Integration& integration, const IntegrationEnv& env) {
  if (integration.has_timeout_ms()) return integration.timeout_ms();
  return env.http_api ? kDefaultHttpApiTimeoutMs : kDefaultTimeoutMs;
}

std::unique_ptr<const Integration> MakeHttp(const v1::Method& method, const IntegrationEnv& env) {
  const v1::Integration& integration = method.integration();
  const BoundCluster& bound = env.upstreams.at(integration.http().upstream());
  if (bound.cluster.set == nullptr) {
    // rest-api.md §6.5
    return Unavailable(integration,
                       Concat("Execution failed due to configuration error: Invalid endpoint "
                              "address. ",
                              bound.binding->problem()));
  }
  if (integration.type() == v1::INTEGRATION_TYPE_HTTP) {
    HttpIntegration::Spec spec;
    spec.cluster = bound.cluster;
    spec.https = bound.https;
    spec.timeout_ms = TimeoutOf(integration, env);
    spec.api_id = env.api_id;
    return std::make_unique<HttpIntegration>(std::move(spec));
  }
  Mappings mappings = MakeMappings(integration);
  HttpProxyIntegration::Spec spec;
  spec.cluster = bound.cluster;
  spec.authority = bound.binding->authority();
  spec.https = bound.https;
  spec.method = integration.http_method() == "ANY" ? std::string() : integration.http_method();
  spec.target.prefix = bound.binding->path_prefix();
  spec.target.text = Expand(integration.http().path(), env);
  spec.target.path = std::move(mappings.path);
  spec.target.query = std::move(mappings.query);
  spec.target.pass_query = true;
  spec.target.empty_resolves = env.http_api;
  spec.headers = std::move(mappings.headers);
  spec.timeout_ms = TimeoutOf(integration, env);
  spec.streamed = integration.response_transfer_mode() == v1::RESPONSE_TRANSFER_MODE_STREAM;
  spec.iam_authorized = method.authorization().type() == v1::Authorization::TYPE_AWS_IAM;
  spec.api_id = env.api_id;
  spec.http_api = env.http_api;
  return std::make_unique<HttpProxyIntegration>(std::move(spec));
}

std::unique_ptr<const Integration> MakeAwsService(const v1::Integration& integration,
                                                  const IntegrationEnv& env) {
  const v1::AwsServiceTarget& target = integration.aws_service();
  const BoundCluster& bound = env.upstreams.at(target.upstream());
  if (bound.cluster.set == nullptr) {
    return Unavailable(integration,
                       Concat("Execution failed due to configuration error: Invalid endpoint "
                              "address. ",
                              bound.binding->problem()));
  }
  AwsServiceIntegration::Spec spec;
  spec.cluster = bound.cluster;
  spec.authority = bound.binding->authority();
  spec.path_prefix = bound.binding->path_prefix();
  spec.https = bound.https;
  spec.timeout_ms = TimeoutOf(integration, env);
  spec.api_id = env.api_id;
  spec.credentials = Expand(integration.credentials_arn(), env);
  spec.subtype = aws::Subtype::Find(target.subtype());
  if (target.has_action()) {
    spec.action = aws::JsonActionOf(Expand(target.service(), env), Expand(target.action(), env));
  }
  for (const v1::RequestMapping& mapping : integration.request_parameters()) {
    if (mapping.target() != v1::RequestMapping::TARGET_SERVICE_PARAMETER) continue;
    auto parts = ParseHttpApiValue(mapping.source().expression());
    if (parts.ok()) spec.parameters.push_back({mapping.name(), HttpApiValue(*std::move(parts))});
  }
  return std::make_unique<AwsServiceIntegration>(std::move(spec));
}

std::unique_ptr<const Integration> MakeLambda(const v1::Method& method,
                                              std::string_view resource_path,
                                              const IntegrationEnv& env) {
  const v1::Integration& integration = method.integration();
  if (integration.http_method() != "POST") {
    // rest-api.md §9.6
    return Unavailable(integration,
                       "Execution failed due to configuration error: Lambda functions are invoked "
                       "with POST only");
  }
  const std::string& name = integration.lambda().function();
  const std::shared_ptr<const LambdaFunction>& function = env.functions.at(name);
  if (function == nullptr) {
    const std::string_view resolved = env.resolved_functions.at(name);
    return Unavailable(
        integration,
        Concat(
            "Execution failed due to configuration error: no endpoint is known for the function ",
            resolved.empty() ? std::string_view(name) : resolved),
        ResponseType::kIntegrationFailure);
  }
  LambdaCaller caller;
  caller.function = function;
  caller.timeout_ms = TimeoutOf(integration, env);
  caller.api_id = env.api_id;
  // rest-api.md §6.9
  caller.source_arn = Concat(
      "arn:", env.partition, ":execute-api:", env.region, ":", env.account_id, ":", env.api_id, "/",
      env.stage, "/", method.http_method() == "ANY" ? "*" : method.http_method(), resource_path);
  if (integration.type() == v1::INTEGRATION_TYPE_AWS) {
    return std::make_unique<LambdaCustomIntegration>(std::move(caller));
  }
  LambdaProxyIntegration::Spec spec;
  spec.caller = std::move(caller);
  spec.headers = MakeMappings(integration).headers;
  spec.binary_media_types = env.binary_media_types;
  if (env.http_api) {
    spec.http_api_payload = integration.payload_format_version() == "1.0" ? 1 : 2;
  }
  return std::make_unique<LambdaProxyIntegration>(std::move(spec));
}

}  // namespace

std::optional<ValueSource> ReadValueSource(const v1::ValueSource& source, const Field& field) {
  using Kind = ValueSource::Kind;
  RefuseUnknownFields(source, field);
  switch (source.source_case()) {
    case v1::ValueSource::kRequest: {
      const v1::RequestValue& value = source.request();
      const Field item = field.Member("request");
      RefuseUnknownFields(value, item);
      if (!item.Size("name", value.name(), 1, kMaxName)) return std::nullopt;
      switch (value.location()) {
        case v1::RequestValue::LOCATION_PATH:
          return ValueSource(Kind::kPath, value.name());
        case v1::RequestValue::LOCATION_QUERYSTRING:
          return ValueSource(value.multi_value() ? Kind::kQueryAll : Kind::kQuery, value.name());
        case v1::RequestValue::LOCATION_HEADER:
          return ValueSource(value.multi_value() ? Kind::kHeaderAll : Kind::kHeader, value.name());
        default:
          item.Problem("location", "is not set");
          return std::nullopt;
      }
    }
    case v1::ValueSource::kStageVariable:
      return ValueSource(Kind::kStageVariable, source.stage_variable());
    case v1::ValueSource::kContext:
      return ValueSource(Kind::kVariable, source.context());
    case v1::ValueSource::kLiteral:
      return ValueSource(Kind::kLiteral, source.literal());
    case v1::ValueSource::kRequestBody:
      field.Problem("request_body", "a body cannot be mapped here");
      return std::nullopt;
    case v1::ValueSource::kExpression:
      field.Problem("expression", "is for HTTP APIs");
      return std::nullopt;
    case v1::ValueSource::kResponseHeader:
    case v1::ValueSource::kResponseBody:
      field.Problem("there is no response to take a value from");
      return std::nullopt;
    case v1::ValueSource::SOURCE_NOT_SET:
      field.Problem("is not set");
      return std::nullopt;
  }
  return std::nullopt;
}

void CheckIntegration(const v1::Method& method, bool http_api, const Field& field) {
  const v1::Integration& integration = method.integration();
  RefuseUnknownFields(integration, field);
  CheckTarget(integration, field);
  if (integration.has_timeout_ms()) {
    field.InRange("timeout_ms", integration.timeout_ms(), kMinTimeoutMs, kMaxTimeoutMs);
  }
  CheckMappings(integration, field);
  KnownEnum(integration.response_transfer_mode(), v1::ResponseTransferMode_IsValid, kNoneRefused,
            "response_transfer_mode", field);
  KnownEnum(integration.passthrough_behavior(), v1::PassthroughBehavior_IsValid, kNoneRefused,
            "passthrough_behavior", field);
  KnownEnum(integration.content_handling(), v1::ContentHandling_IsValid, kNoneRefused,
            "content_handling", field);
  if (IsProxy(integration.type())) {
    if (!integration.request_templates().empty() || !integration.responses().empty()) {
      field.Problem(integration.responses().empty() ? "request_templates" : "responses",
                    "a proxy integration has none");
    }
  } else {
    CheckTemplates(integration.request_templates(), field, "request_templates");
    CheckResponses(integration, field);
    if (integration.response_transfer_mode() == v1::RESPONSE_TRANSFER_MODE_STREAM) {
      field.Problem("response_transfer_mode", "only proxy integrations stream");
    }
  }
  if (!integration.status_mappings().empty()) {
    field.Problem("status_mappings", http_api ? "this gateway does not map responses of HTTP APIs"
                                              : "are for HTTP APIs");
  }
  const std::string& payload = integration.payload_format_version();
  if (!http_api) {
    if (!payload.empty()) field.Note("payload_format_version", "has no effect in a REST API");
    return;
  }
  if (!IsProxy(integration.type())) field.Problem("type", "HTTP APIs have proxy integrations only");
  if (integration.has_lambda() ? payload != "1.0" && payload != "2.0"
                               : !payload.empty() && payload != "1.0") {
    field.Problem("payload_format_version", Concat("\"", payload, "\" is none for this target"));
  }
}

std::unique_ptr<const Integration> MakeIntegration(const v1::Method& method,
                                                   std::string_view resource_path,
                                                   const IntegrationEnv& env) {
  const v1::Integration& integration = method.integration();
  if (!method.has_integration()) {
    return std::make_unique<UnavailableIntegration>("", method.unavailable_reason());
  }
  switch (integration.type()) {
    case v1::INTEGRATION_TYPE_HTTP:
    case v1::INTEGRATION_TYPE_HTTP_PROXY:
      return MakeHttp(method, env);
    case v1::INTEGRATION_TYPE_AWS:
    case v1::INTEGRATION_TYPE_AWS_PROXY:
      if (integration.has_aws_service()) return MakeAwsService(integration, env);
      return MakeLambda(method, resource_path, env);
    default:
      return std::make_unique<MockIntegration>(!integration.request_templates().empty());
  }
}

}  // namespace postern
