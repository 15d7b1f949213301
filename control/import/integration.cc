#include "control/import/integration.h"
#include "control/import/cloudformation.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "control/common/strings.h"
#include "control/compile/aws_binding.h"
#include "control/compile/stage_binding.h"
#include "control/import/expression.h"
#include "control/import/integration_uri.h"
#include "control/import/mapping.h"
#include "control/import/placeholder.h"
#include "lib/aws/endpoint.h"
#include "lib/aws/service_call.h"
#include "lib/mapping/http_api_expression.h"
#include "lib/template/stage_variables.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/host_port.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr int64_t kMinTimeoutMs = 50;
constexpr int64_t kMaxTimeoutMs = 900000;
constexpr size_t kMaxUriBytes = 4096;
constexpr size_t kMaxFunctionBytes = 400;

bool IsMethodName(std::string_view method) {
  for (const std::string_view known :
       {"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"}) {
    if (method == known) return true;
  }
  return false;
}

std::string ToUpper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (IsLower(c)) c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

class IntegrationImporter {
 public:
  IntegrationImporter(ImportContext& context, const MethodScope& scope, v1::Method& method)
      : context_(context),
        scope_(scope),
        method_(method),
        mapping_(context, scope.path, method, integration_) {}

  void Import(Node node) {
    node_ = context_.Resolve(node);
    if (!node_ || !context_.IsObject(node_, "integration")) return;
    if (!ReadMembers()) return;

    switch (integration_.type()) {
      case v1::INTEGRATION_TYPE_MOCK:
        ImportMock();
        break;
      case v1::INTEGRATION_TYPE_HTTP:
      case v1::INTEGRATION_TYPE_HTTP_PROXY:
        ImportHttp();
        break;
      case v1::INTEGRATION_TYPE_AWS_PROXY:
        ImportFunction();
        break;
      default:
        ImportAws();
        break;
    }
    for (const Node member : node_.children()) {
      context_.Settle(member, "rest of an integration that is not executed");
    }
    if (mapping_.unavailable().empty()) {
      *method_.mutable_integration() = std::move(integration_);
    } else {
      method_.set_unavailable_reason(mapping_.unavailable());
    }
  }

 private:
  bool proxy() const {
    return integration_.type() == v1::INTEGRATION_TYPE_HTTP_PROXY ||
           integration_.type() == v1::INTEGRATION_TYPE_AWS_PROXY;
  }
  bool mock() const { return integration_.type() == v1::INTEGRATION_TYPE_MOCK; }

  void Unavailable(Node node, std::string_view kind, std::string_view reason) {
    mapping_.Unavailable(node, kind, reason);
  }

  // Sorts the members out. False if there is no knowing what kind of integration it is.
  bool ReadMembers() {
    Node type;
    for (const Node value : node_.children()) {
      const std::string_view name = value.key();
      if (name == "type") {
        type = value;
      } else if (name == "uri") {
        uri_ = value;
      } else if (name == "httpMethod") {
        http_method_ = value;
      } else if (name == "requestParameters") {
        request_parameters_ = value;
      } else if (name == "requestTemplates") {
        request_templates_ = value;
      } else if (name == "responses") {
        responses_ = value;
      } else if (name == "passthroughBehavior") {
        passthrough_ = value;
      } else if (name == "contentHandling") {
        content_handling_ = value;
      } else if (name == "timeoutInMillis") {
        timeout_ = value;
      } else if (name == "connectionType") {
        connection_type_ = value;
      } else if (name == "connectionId") {
        connection_id_ = value;
      } else if (name == "tlsConfig") {
        tls_config_ = value;
      } else if (name == "credentials") {
        credentials_ = value;
      } else if (name == "responseTransferMode") {
        transfer_mode_ = value;
      } else if (name == "payloadFormatVersion") {
        payload_version_ = value;
      } else if (name == "integrationSubtype") {
        subtype_ = value;
      } else if (name == "responseParameters") {
        response_parameters_ = value;
      } else if (name == "cacheNamespace") {
        integration_.set_cache_namespace(context_.Text(value, "cacheNamespace").value_or(""));
        context_.Applied(value, "cacheNamespace");
      } else if (name == "cacheKeyParameters") {
        if (context_.IsArray(value, "cacheKeyParameters")) {
          for (const Node parameter : value.children()) {
            if (auto text = context_.Text(parameter, "cacheKeyParameters")) {
              integration_.add_cache_key_parameters(*std::move(text));
            }
          }
          context_.Applied(value, "cacheKeyParameters");
        }
      } else if (name == "description") {
        context_.Describes(value, "description");
      } else {
        context_.Unknown(
            value,
            {"type", "uri", "httpMethod", "requestParameters", "requestTemplates", "responses",
             "passthroughBehavior", "contentHandling", "timeoutInMillis", "connectionType",
             "connectionId", "tlsConfig", "credentials", "cacheNamespace", "cacheKeyParameters",
             "responseTransferMode", "payloadFormatVersion", "integrationSubtype"});
      }
    }
    if (!type) {
      context_.Problem(node_, "integration",
                       "An integration needs a type: mock, http, http_proxy, aws or aws_proxy.");
      return false;
    }
    const std::optional<std::string> text = context_.Text(type, "integration type");
    if (!text) return false;
    const std::string lower = AsciiToLower(*text);
    if (lower == "mock") {
      integration_.set_type(v1::INTEGRATION_TYPE_MOCK);
    } else if (lower == "http") {
      integration_.set_type(v1::INTEGRATION_TYPE_HTTP);
    } else if (lower == "http_proxy") {
      integration_.set_type(v1::INTEGRATION_TYPE_HTTP_PROXY);
    } else if (lower == "aws") {
      integration_.set_type(v1::INTEGRATION_TYPE_AWS);
    } else if (lower == "aws_proxy") {
      integration_.set_type(v1::INTEGRATION_TYPE_AWS_PROXY);
    } else {
      context_.Problem(type, "integration type",
                       Concat("Value '", *text,
                              "' at 'type' failed to satisfy constraint: Member must satisfy enum "
                              "value set: [HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS]"));
      return false;
    }
    context_.Applied(type, "integration type");
    ReadCommon();
    return true;
  }

  // What all types have in common.
  void ReadCommon() {
    if (timeout_) {
      if (const std::optional<int64_t> ms = context_.Integer(timeout_, "timeoutInMillis")) {
        if (*ms < kMinTimeoutMs || *ms > kMaxTimeoutMs) {
          context_.Problem(timeout_, "timeoutInMillis",
                           "A timeout is between 50 ms and 29,000 ms, or up to 900,000 ms where "
                           "its quota has been raised.");
        } else {
          integration_.set_timeout_ms(static_cast<uint32_t>(*ms));
          context_.Applied(timeout_, "timeoutInMillis");
        }
      }
    }
    if (credentials_ && !IsUnresolvedFunction(credentials_)) {
      integration_.set_credentials_arn(context_.Text(credentials_, "credentials").value_or(""));
    }
    ReadPassthrough();
    integration_.set_content_handling(mapping_.ImportContentHandling(content_handling_));
    if (transfer_mode_) {
      const std::string mode =
          ToUpper(context_.Text(transfer_mode_, "responseTransferMode").value_or(""));
      if (mode == "BUFFERED") {
        context_.Applied(transfer_mode_, "responseTransferMode");
      } else if (mode == "STREAM" && proxy()) {
        integration_.set_response_transfer_mode(v1::RESPONSE_TRANSFER_MODE_STREAM);
        if (integration_.type() == v1::INTEGRATION_TYPE_HTTP_PROXY ||
            context_.capabilities().response_streaming) {
          context_.Applied(transfer_mode_, "responseTransferMode");
        } else {
          Unavailable(transfer_mode_, "responseTransferMode",
                      "Streamed results of functions are not supported by this version.");
        }
      } else {
        context_.Problem(transfer_mode_, "responseTransferMode",
                         "It must be BUFFERED, or STREAM for a proxy integration.");
      }
    }
    if (payload_version_) {
      const std::string version =
          context_.Text(payload_version_, "payloadFormatVersion").value_or("");
      const bool two = version == "2" || version == "2.0";
      const bool one = version == "1" || version == "1.0";
      if (!one && !(two && integration_.type() == v1::INTEGRATION_TYPE_AWS_PROXY && !subtype_)) {
        context_.Problem(payload_version_, "payloadFormatVersion",
                         "It is 1.0, or 2.0 for a function.");
      } else {
        integration_.set_payload_format_version(two ? "2.0" : "1.0");
        context_.Applied(payload_version_, "payloadFormatVersion");
      }
    } else if (scope_.http_api && integration_.type() == v1::INTEGRATION_TYPE_AWS_PROXY &&
               !subtype_) {
      integration_.set_payload_format_version("1.0");
      context_.Approximated(node_, "payloadFormatVersion",
                            "It is missing, which API Gateway refuses; 1.0 is taken.");
    }
    if (scope_.http_api && !proxy()) {
      Unavailable(node_, "integration type",
                  "HTTP APIs have integrations of type aws_proxy and http_proxy only.");
    }
    if (response_parameters_) {
      Unavailable(response_parameters_, "responseParameters",
                  "Response parameter mapping of HTTP APIs is not supported by this version.");
    }
  }

  void ReadPassthrough() {
    if (!passthrough_) return;
    const std::optional<std::string> text = context_.Text(passthrough_, "passthroughBehavior");
    if (!text) return;
    if (EqualsIgnoreCase(*text, "when_no_match")) {
      integration_.set_passthrough_behavior(v1::PASSTHROUGH_BEHAVIOR_WHEN_NO_MATCH);
    } else if (EqualsIgnoreCase(*text, "when_no_templates")) {
      integration_.set_passthrough_behavior(v1::PASSTHROUGH_BEHAVIOR_WHEN_NO_TEMPLATES);
    } else if (EqualsIgnoreCase(*text, "never")) {
      integration_.set_passthrough_behavior(v1::PASSTHROUGH_BEHAVIOR_NEVER);
    } else {
      context_.Problem(passthrough_, "passthroughBehavior",
                       "It must be when_no_match, when_no_templates or never.");
      return;
    }
    if (proxy()) {
      // Exports have it everywhere; a proxy passes through always (rest-api.md 6.1).
      integration_.clear_passthrough_behavior();
      context_.Describes(passthrough_, "passthroughBehavior of a proxy");
    } else {
      context_.Applied(passthrough_, "passthroughBehavior");
    }
  }

  // Properties that a type has no use for.
  void Unused(std::initializer_list<Node> nodes, std::string_view of) {
    for (const Node node : nodes) {
      if (node) context_.Describes(node, Concat(node.key(), " of ", of));
    }
  }

  // Templates of a proxy. Exports of the console have empty ones.
  void UnusedMapping(Node node, std::string_view what) {
    if (!node) return;
    if (node.size() == 0) {
      context_.Describes(node, Concat(node.key(), " of a proxy"));
    } else {
      context_.Ignored(node, node.key(),
                       Concat("A proxy integration has no ", what,
                              "; it has no effect, as in API "
                              "Gateway."));
    }
  }

  // The responses of a proxy. Exports have {"default": {"statusCode": "200"}}.
  void UnusedResponses() {
    if (!responses_) return;
    bool maps = false;
    for (const Node response : responses_.children()) {
      for (const Node member : response.children()) {
        maps = maps || (member.key() != "statusCode" && member.size() > 0);
      }
    }
    if (maps) {
      context_.Ignored(responses_, "responses",
                       "A proxy integration passes its response through; the mapping has no "
                       "effect, as in API Gateway.");
    } else {
      context_.Describes(responses_, "responses of a proxy");
    }
  }

  void ImportMock() {
    integration_.mutable_mock();
    Unused({uri_, http_method_, connection_type_, connection_id_, tls_config_, subtype_}, "a mock");
    mapping_.ImportRequestParameters(request_parameters_);
    mapping_.ImportRequestTemplates(request_templates_);
    mapping_.ImportResponses(responses_);
  }

  void ImportHttp() {
    const bool any_template = request_templates_ || responses_;
    ImportHttpMethod();
    ImportHttpTarget();
    mapping_.ImportRequestParameters(request_parameters_);
    CheckPlaceholders();
    Unused({subtype_}, "an HTTP backend");
    if (integration_.type() == v1::INTEGRATION_TYPE_HTTP_PROXY) {
      UnusedMapping(request_templates_, "templates");
      UnusedResponses();
    } else if (any_template) {
      mapping_.ImportRequestTemplates(request_templates_);
      mapping_.ImportResponses(responses_);
    }
    if (integration_.type() == v1::INTEGRATION_TYPE_HTTP && integration_.responses().empty() &&
        mapping_.unavailable().empty()) {
      context_.Noted(node_, "integration",
                     "It has no responses, so that every request is answered 500, as by API "
                     "Gateway.");
    }
  }

  void ImportHttpMethod() {
    const std::string method =
        http_method_ ? ToUpper(context_.Text(http_method_, "httpMethod").value_or("GET"))
                     : std::string();
    // An HTTP API may leave it out and gets the client's.
    if (method.empty() && scope_.http_api) {
      integration_.set_http_method("ANY");
    } else if (method.empty()) {
      context_.Problem(http_method_ ? http_method_ : node_, "httpMethod",
                       "Enumeration value for HttpMethod must be non-empty");
    } else if (!IsMethodName(method)) {
      context_.Problem(http_method_, "httpMethod",
                       "Invalid HttpMethod specified. Valid options are "
                       "GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY");
    } else {
      integration_.set_http_method(method);
      context_.Applied(http_method_, "httpMethod");
    }
  }

  void ImportHttpTarget() {
    if (!uri_) {
      context_.Problem(node_, "integration",
                       "Invalid HTTP endpoint specified for URI: it needs a uri");
      return;
    }
    const std::optional<std::string> text = context_.TextWithPlaceholders(uri_, "uri");
    if (!text) return;
    v1::HttpTarget& target = *integration_.mutable_http();

    const std::string connection =
        connection_type_ ? ToUpper(context_.Text(connection_type_, "connectionType").value_or(""))
                         : std::string();
    const bool vpc_link = connection == "VPC_LINK";
    if (!connection.empty() && !vpc_link && connection != "INTERNET") {
      context_.Problem(connection_type_, "connectionType", "It must be INTERNET or VPC_LINK.");
    }
    if (vpc_link && text->starts_with("arn:")) {
      Unavailable(uri_, "uri",
                  "A load balancer or Cloud Map service cannot be found by its ARN here; write "
                  "the URL of the service.");
      return;
    }
    if (text->size() > kMaxUriBytes) {
      context_.Problem(uri_, "uri", "A uri has at most 4,096 characters.");
      return;
    }
    const absl::StatusOr<HttpUriTemplate> uri = ParseHttpUriTemplate(*text);
    // What stands where a scheme should is best told first.
    std::string_view foreign;
    if (uri.ok() || text->starts_with("${")) {
      foreign = ForeignPlaceholder(uri.ok() ? uri->origin : *text);
    }
    if (!foreign.empty()) {
      context_.Problem(
          uri_, "uri",
          Concat("Invalid HTTP endpoint specified for URI: nothing here replaces ", foreign,
                 "; write the host, or ${stageVariables.NAME} and --var "
                 "NAME=HOST"));
      return;
    }
    if (!uri.ok()) {
      context_.Problem(uri_, "uri", Message(uri.status()));
      return;
    }
    context_.Applied(uri_, "uri");
    std::string upstream = uri->origin;
    target.set_path(PathOf(*uri));
    if (vpc_link) {
      target.set_connection_id(
          connection_id_ ? context_.Text(connection_id_, "connectionId").value_or("") : "");
      if (target.connection_id().size() > kMaxNameBytes) {
        context_.Problem(connection_id_, "connectionId", "It has more than 256 characters.");
        return;
      }
      upstream = Concat(target.connection_id(), "|", upstream);
      context_.Approximated(connection_type_, "connectionType",
                            "There is no VPC link: the host of the uri is connected to.");
    } else {
      if (connection_type_) context_.Applied(connection_type_, "connectionType");
      Unused({connection_id_, credentials_}, "a connection over the internet");
    }
    if (tls_config_ && context_.IsObject(tls_config_, "tlsConfig")) {
      for (const Node value : tls_config_.children()) {
        if (value.key() == "insecureSkipVerification") {
          target.set_insecure_skip_verification(context_.Bool(value, "tlsConfig").value_or(false));
          context_.Applied(value, "tlsConfig");
        } else if (value.key() == "serverNameToVerify") {
          const std::string name = context_.Text(value, "tlsConfig").value_or("");
          const std::optional<HostPort> host = ParseHostPort(name);
          if (!host || host->port || host->kind != HostKind::kName || name.size() > 253) {
            context_.Problem(value, "tlsConfig", "It must be the name of a host.");
          } else {
            target.set_server_name_to_verify(name);
            context_.Applied(value, "tlsConfig");
          }
        } else {
          context_.Unknown(value, {"insecureSkipVerification", "serverNameToVerify"});
        }
      }
    }
    if (target.insecure_skip_verification()) upstream += "|insecure";
    if (!target.server_name_to_verify().empty()) {
      upstream += Concat("|", target.server_name_to_verify());
    }
    target.set_upstream(upstream);
    NoteUnknownVariables(target.path());
    const BoundUpstream bound = BindUpstream(target, context_.options().stage);
    if (!bound.cluster) {
      context_.Approximated(uri_, "uri",
                            Concat("In this stage nothing can be reached: ",
                                   bound.binding.problem(), ". Requests are answered 500."));
    }
  }

  // For the route $default of an HTTP API, the path of the request follows that of the URI
  // (http-api.md 9).
  std::string PathOf(const HttpUriTemplate& uri) const {
    if (!scope_.default_route || scope_.path_variables.empty()) return uri.path;
    const std::string& variable = scope_.path_variables.back();
    const size_t query = std::min(uri.path.find('?'), uri.path.size());
    std::string_view path = std::string_view(uri.path).substr(0, query);
    ConsumeSuffix(path, "/");
    return Concat(path, "/{", variable, "}", std::string_view(uri.path).substr(query));
  }

  // {name} in the URI is filled from a mapping only (rest-api.md 6.5).
  void CheckPlaceholders() {
    if (!integration_.has_http()) return;
    for (const std::string& name : PathPlaceholders(integration_.http().path())) {
      const bool mapped = std::any_of(
          integration_.request_parameters().begin(), integration_.request_parameters().end(),
          [&name](const v1::RequestMapping& mapping) {
            return mapping.target() == v1::RequestMapping::TARGET_PATH && mapping.name() == name;
          });
      if (mapped) continue;
      const bool variable = std::find(scope_.path_variables.begin(), scope_.path_variables.end(),
                                      name) != scope_.path_variables.end();
      if (variable && scope_.http_api) {
        v1::RequestMapping& mapping = *integration_.add_request_parameters();
        mapping.set_target(v1::RequestMapping::TARGET_PATH);
        mapping.set_name(name);
        mapping.mutable_source()->mutable_request()->set_location(v1::RequestValue::LOCATION_PATH);
        mapping.mutable_source()->mutable_request()->set_name(name);
        continue;
      }
      context_.Noted(uri_, "uri",
                     Concat("{", name,
                            "} stays as it is, since a placeholder is filled only by a "
                            "mapping: requestParameters: {integration.request.path.",
                            name, ": method.request.path.", name, "}."));
    }
  }

  void ImportFunction() {
    Unused({connection_type_, connection_id_, tls_config_}, "a function");
    if (http_method_) {
      const std::string method = ToUpper(context_.Text(http_method_, "httpMethod").value_or(""));
      if (method != "POST") {
        context_.Approximated(http_method_, "httpMethod",
                              "A function is always invoked with POST, whatever stands here.");
      } else {
        context_.Applied(http_method_, "httpMethod");
      }
    }
    integration_.set_http_method("POST");
    UnusedMapping(request_templates_, "templates");
    UnusedResponses();
    if (subtype_) {
      ImportSubtype();
      return;
    }
    mapping_.ImportRequestParameters(request_parameters_);
    NoteCredentials();
    if (!uri_) {
      context_.Problem(node_, "integration",
                       "Invalid ARN specified in the request: it needs a uri");
      return;
    }
    const std::optional<std::string> text = context_.TextWithPlaceholders(uri_, "uri");
    if (!text) return;
    const ResolvedPlaceholders resolved = ResolvePlaceholders(*text);
    const absl::StatusOr<FunctionUri> function = ParseFunctionUri(resolved.text);
    if (!function.ok()) {
      const absl::StatusOr<IntegrationArn> arn = ParseIntegrationArn(resolved.text);
      if (arn.ok() && arn->service == "firehose") {
        Unavailable(uri_, "uri", "Firehose streams are not supported by this version.");
      } else {
        context_.Problem(uri_, "uri", Message(function.status()));
      }
      return;
    }
    SetFunction(*function, resolved);
    if (function->streaming && !context_.capabilities().response_streaming) {
      Unavailable(uri_, "uri", "Streamed results of functions are not supported by this version.");
    }
  }

  // http-api.md 10: parameters of the service in place of a uri.
  void ImportSubtype() {
    const std::optional<std::string> name = context_.Text(subtype_, "integrationSubtype");
    if (!name) return;
    const aws::Subtype* const subtype = aws::Subtype::Find(*name);
    if (!scope_.http_api) {
      context_.Problem(subtype_, "integrationSubtype", "Only integrations of HTTP APIs have one.");
      return;
    }
    if (subtype == nullptr) {
      context_.Problem(subtype_, "integrationSubtype", Concat("There is no subtype ", *name, "."));
      return;
    }
    Unused({uri_}, "a subtype");
    v1::AwsServiceTarget& target = *integration_.mutable_aws_service();
    target.set_subtype(*name);
    target.set_service(std::string(subtype->service()));
    const std::string& region = context_.options().gateway.region();
    target.set_region(region.empty() ? "us-east-1" : region);
    if (request_parameters_ && context_.IsSmallObject(request_parameters_, "requestParameters")) {
      for (const Node value : request_parameters_.children()) {
        ImportServiceParameter(value, *subtype, target);
      }
    }
    for (const aws::Subtype::Parameter& parameter : subtype->parameters()) {
      const auto is_it = [&parameter](const v1::RequestMapping& mapping) {
        return mapping.name() == parameter.name;
      };
      if (parameter.required && std::none_of(integration_.request_parameters().begin(),
                                             integration_.request_parameters().end(), is_it)) {
        context_.Problem(request_parameters_ ? request_parameters_ : node_, "requestParameters",
                         Concat(*name, " needs the parameter ", parameter.name, "."));
      }
    }
    context_.Applied(subtype_, "integrationSubtype");
    ImportServiceCredentials();
    FinishAwsTarget(subtype_, target);
  }

  void ImportServiceParameter(Node node, const aws::Subtype& subtype,
                              v1::AwsServiceTarget& target) {
    constexpr std::string_view kKind = "requestParameters";
    const std::optional<std::string> text = context_.Text(node, kKind);
    if (!text) return;
    const auto parts = ParseHttpApiValue(*text);
    if (!parts.ok()) {
      context_.Problem(node, kKind, Message(parts.status()));
      return;
    }
    if (node.key() == "Region") {
      const bool constant = parts->size() == 1 && (*parts)[0].kind == HttpApiValuePart::Kind::kText;
      if (!constant || !aws::IsRegionName(*text)) {
        context_.Problem(node, kKind, "Region must be the name of a region, and no variable.");
        return;
      }
      target.set_region(*text);
      context_.Applied(node, kKind);
      return;
    }
    if (subtype.FindParameter(node.key()) == nullptr) {
      context_.Problem(node, kKind, Concat(subtype.name(), " has no parameter ", node.key(), "."));
      return;
    }
    v1::RequestMapping& mapping = *integration_.add_request_parameters();
    mapping.set_target(v1::RequestMapping::TARGET_SERVICE_PARAMETER);
    mapping.set_name(std::string(node.key()));
    mapping.mutable_source()->set_expression(*text);
    context_.Applied(node, kKind);
  }

  // rest-api.md 6.6, `credentials`.
  void ImportServiceCredentials() {
    constexpr std::string_view kKind = "credentials";
    const std::string& role = integration_.credentials_arn();
    if (!credentials_) {
      context_.Noted(node_, kKind,
                     "There are none: the gateway signs with its own credentials, where API "
                     "Gateway would need a permission of the resource.");
    } else if (IsUnresolvedFunction(credentials_) || !ForeignPlaceholder(role).empty()) {
      integration_.clear_credentials_arn();
      context_.Approximated(credentials_, kKind,
                            "The role is not known here: the gateway signs with its own "
                            "credentials.");
    } else if (role == kCallerCredentials) {
      Unavailable(credentials_, kKind,
                  "The caller's own credentials cannot be passed on: a gateway never holds them.");
    } else if (!role.empty() && !IsRoleArn(role)) {
      context_.Problem(credentials_, kKind,
                       "Invalid ARN specified in the request: it must be that of a role.");
    } else {
      context_.Applied(credentials_, kKind);
    }
  }

  // The endpoint that the service has in the stage.
  void FinishAwsTarget(Node node, v1::AwsServiceTarget& target) {
    target.set_upstream(AwsUpstreamKey(target, integration_.credentials_arn()));
    const BoundUpstream bound =
        BindAwsService(target, integration_.credentials_arn(), context_.options().stage);
    if (!bound.cluster) {
      context_.Approximated(node, node.key(),
                            Concat("In this stage it cannot be called: ", bound.binding.problem(),
                                   ". Requests are answered 500."));
    }
  }

  void NoteCredentials() {
    if (!credentials_) return;
    context_.Approximated(credentials_, "credentials",
                          "The role is not assumed: functions are invoked with the credentials of "
                          "the gateway, if their endpoint asks for any.");
  }

  void SetFunction(const FunctionUri& function, const ResolvedPlaceholders& resolved) {
    if (function.function.size() > kMaxFunctionBytes) {
      context_.Problem(uri_, "uri", "The name of a function has at most 400 characters.");
      return;
    }
    v1::LambdaTarget& target = *integration_.mutable_lambda();
    target.set_function(function.function);
    target.set_streaming(function.streaming);
    NoteUnknownVariables(function.function);
    const std::string placeholder =
        resolved.names.empty()
            ? ""
            : Concat("The placeholder in it is taken for the name of the function, ",
                     function.function, ". ");
    const BoundFunction bound = BindFunction(function.function, context_.options().stage);
    if (!bound.function) {
      const std::string name = FunctionKeys(bound.binding.resolved()).back();
      context_.Approximated(
          uri_, "uri",
          Concat(placeholder, "No endpoint is known for the function ", bound.binding.resolved(),
                 ". Say --lambda ", name, "=URL, e.g. --lambda ", name,
                 "=http://127.0.0.1:9001. Until then its invocations fail."));
    } else if (!placeholder.empty()) {
      context_.Approximated(uri_, "uri", placeholder);
    } else {
      context_.Applied(uri_, "uri");
    }
  }

  // Whether region and service can be parts of a host name.
  static bool IsCallable(const IntegrationArn& arn) {
    const auto good = [](std::string_view text, bool (*is_name)(std::string_view)) {
      return HasStageVariables(text) || is_name(text);
    };
    return good(arn.region, aws::IsRegionName) && good(arn.service, aws::IsServiceName) &&
           (arn.subdomain.empty() || good(arn.subdomain, aws::IsServiceName));
  }

  void ImportAws() {
    const absl::StatusOr<IntegrationArn> arn = [this]() -> absl::StatusOr<IntegrationArn> {
      if (!uri_) return absl::InvalidArgumentError("Invalid ARN specified in the request");
      const std::optional<std::string> text = context_.TextWithPlaceholders(uri_, "uri");
      if (!text) return absl::CancelledError();
      return ParseIntegrationArn(ResolvePlaceholders(*text).text);
    }();
    if (!http_method_) {
      context_.Problem(node_, "integration", "Enumeration value for HttpMethod must be non-empty");
    }
    if (absl::IsCancelled(arn.status())) return;
    if (!arn.ok()) {
      context_.Problem(uri_ ? uri_ : node_, "uri", Message(arn.status()));
      return;
    }
    if (!IsCallable(*arn)) {
      context_.Problem(uri_, "uri", "Invalid ARN specified in the request");
      return;
    }
    Unused({connection_type_, connection_id_, tls_config_, subtype_}, "an AWS service");
    if (http_method_) ImportHttpMethod();
    const ResolvedPlaceholders resolved =
        ResolvePlaceholders(*context_.TextWithPlaceholders(uri_, "uri"));
    const absl::StatusOr<FunctionUri> function = ParseFunctionUri(resolved.text);
    if (function.ok()) {
      SetFunction(*function, resolved);
    } else {
      v1::AwsServiceTarget& target = *integration_.mutable_aws_service();
      target.set_uri(resolved.text);
      target.set_region(arn->region);
      // This one action has a host of its own.
      target.set_service(arn->service == "states" && arn->is_action &&
                                 arn->rest.starts_with("StartSyncExecution")
                             ? "sync-states"
                             : arn->service);
      target.set_subdomain(arn->subdomain);
      if (arn->is_action) {
        target.set_action(arn->rest);
      } else {
        target.set_path(arn->rest);
      }
      context_.Applied(uri_, "uri");
      NoteUnknownVariables(resolved.text);
      FinishAwsTarget(uri_, target);
    }
    if (function.ok()) {
      NoteCredentials();
    } else {
      ImportServiceCredentials();
    }
    mapping_.ImportRequestParameters(request_parameters_);
    mapping_.ImportRequestTemplates(request_templates_);
    mapping_.ImportResponses(responses_);
  }

  void NoteUnknownVariables(std::string_view text) {
    ForEachStageVariable(text, [this](std::string_view name) {
      const auto& variables = context_.options().stage.variables;
      if (variables.find(name) != variables.end()) return;
      context_.Noted(
          uri_, "uri",
          Concat("The stage variable ", name, " has no value; say --var ", name, "=VALUE."));
    });
  }

  ImportContext& context_;
  const MethodScope& scope_;
  v1::Method& method_;
  v1::Integration integration_;
  MappingImporter mapping_;  // into integration_

  Node node_;
  Node uri_;
  Node http_method_;
  Node request_parameters_;
  Node request_templates_;
  Node responses_;
  Node passthrough_;
  Node content_handling_;
  Node timeout_;
  Node connection_type_;
  Node connection_id_;
  Node tls_config_;
  Node credentials_;
  Node transfer_mode_;
  Node payload_version_;
  Node subtype_;
  Node response_parameters_;
};

}  // namespace

void ImportIntegration(ImportContext& context, Node integration, const MethodScope& scope,
                       v1::Method& method) {
  IntegrationImporter(context, scope, method).Import(integration);
}

}  // namespace postern
