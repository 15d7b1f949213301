#include "control/import/integration.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "control/common/strings.h"
#include "control/compile/stage_binding.h"
#include "control/import/expression.h"
#include "control/import/integration_uri.h"
#include "control/import/placeholder.h"
#include "lib/template/stage_variables.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/host_port.h"
#include "re2/re2.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr size_t kMaxTemplateBytes = 300 * 1024;
constexpr int64_t kMinTimeoutMs = 50;
constexpr int64_t kMaxTimeoutMs = 900000;
constexpr size_t kMaxPatternBytes = 4096;
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

// Headers that make AWS_PROXY answer 500 when a mapping has one for its target (rest-api.md 6.8).
bool IsForbiddenForFunctions(std::string_view header) {
  for (const std::string_view forbidden :
       {"Authorization", "Connection", "Expect", "Proxy-Authenticate", "TE", "Content-Length",
        "Transfer-Encoding", "x-amzn-trace-id", "X-Amzn-Apigateway-Api-Id"}) {
    if (EqualsIgnoreCase(header, forbidden)) return true;
  }
  return false;
}

class IntegrationImporter {
 public:
  IntegrationImporter(ImportContext& context, const MethodScope& scope, v1::Method& method)
      : context_(context), scope_(scope), method_(method) {}

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
    if (unavailable_.empty()) {
      *method_.mutable_integration() = std::move(integration_);
    } else {
      method_.set_unavailable_reason(unavailable_);
    }
  }

 private:
  bool proxy() const {
    return integration_.type() == v1::INTEGRATION_TYPE_HTTP_PROXY ||
           integration_.type() == v1::INTEGRATION_TYPE_AWS_PROXY;
  }
  bool mock() const { return integration_.type() == v1::INTEGRATION_TYPE_MOCK; }

  void Unavailable(Node node, std::string_view kind, std::string reason) {
    if (unavailable_.empty()) unavailable_ = reason;
    context_.Unavailable(node, kind, Concat(reason, " The method answers 500."));
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
    if (credentials_) {
      integration_.set_credentials_arn(context_.Text(credentials_, "credentials").value_or(""));
    }
    ReadPassthrough();
    ReadContentHandling(content_handling_, [this](v1::ContentHandling handling) {
      integration_.set_content_handling(handling);
    });
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
      if (integration_.type() == v1::INTEGRATION_TYPE_AWS_PROXY && version.starts_with("2")) {
        context_.Approximated(payload_version_, "payloadFormatVersion",
                              "The function gets the event of a REST API (format 1.0) and must "
                              "answer in that form: {\"statusCode\", \"headers\", \"body\"}.");
      } else {
        context_.Applied(payload_version_, "payloadFormatVersion");
      }
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

  template <typename Set>
  void ReadContentHandling(Node node, const Set& set) {
    if (!node || node.is_null()) return;
    const std::optional<std::string> text = context_.Text(node, "contentHandling");
    if (!text) return;
    v1::ContentHandling handling = v1::CONTENT_HANDLING_NONE;
    if (EqualsIgnoreCase(*text, "CONVERT_TO_TEXT")) {
      handling = v1::CONTENT_HANDLING_CONVERT_TO_TEXT;
    } else if (EqualsIgnoreCase(*text, "CONVERT_TO_BINARY")) {
      handling = v1::CONTENT_HANDLING_CONVERT_TO_BINARY;
    } else {
      context_.Problem(node, "contentHandling", "It must be CONVERT_TO_TEXT or CONVERT_TO_BINARY.");
      return;
    }
    if (proxy()) {
      context_.Describes(node, "contentHandling of a proxy");
      return;
    }
    set(handling);
    context_.Applied(node, "contentHandling");
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
    ImportRequestParameters();
    ImportTemplates(request_templates_, /*request=*/true,
                    *integration_.mutable_request_templates());
    ImportResponses();
  }

  void ImportHttp() {
    const bool any_template = request_templates_ || responses_;
    ImportHttpMethod();
    ImportHttpTarget();
    ImportRequestParameters();
    CheckPlaceholders();
    Unused({subtype_}, "an HTTP backend");
    if (integration_.type() == v1::INTEGRATION_TYPE_HTTP_PROXY) {
      UnusedMapping(request_templates_, "templates");
      UnusedResponses();
    } else if (any_template) {
      ImportTemplates(request_templates_, /*request=*/true,
                      *integration_.mutable_request_templates());
      ImportResponses();
    }
    if (integration_.type() == v1::INTEGRATION_TYPE_HTTP && integration_.responses().empty() &&
        unavailable_.empty()) {
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
    const std::optional<std::string> text = context_.Text(uri_, "uri");
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
    if (!uri.ok()) {
      context_.Problem(uri_, "uri", Message(uri.status()));
      return;
    }
    if (const std::string_view foreign = ForeignPlaceholder(uri->origin); !foreign.empty()) {
      context_.Problem(
          uri_, "uri",
          Concat("Invalid HTTP endpoint specified for URI: nothing here replaces ", foreign,
                 "; write the host, or ${stageVariables.NAME} and --var "
                 "NAME=HOST"));
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
      Unavailable(subtype_, "integrationSubtype",
                  "Integrations with AWS services are not supported by this version.");
      return;
    }
    ImportRequestParameters();
    NoteCredentials();
    if (!uri_) {
      context_.Problem(node_, "integration",
                       "Invalid ARN specified in the request: it needs a uri");
      return;
    }
    const std::optional<std::string> text = context_.Text(uri_, "uri");
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

  void ImportAws() {
    const absl::StatusOr<IntegrationArn> arn = [this]() -> absl::StatusOr<IntegrationArn> {
      if (!uri_) return absl::InvalidArgumentError("Invalid ARN specified in the request");
      const std::optional<std::string> text = context_.Text(uri_, "uri");
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
    if (!context_.capabilities().aws_services) {
      Unavailable(node_, "integration",
                  arn->service == "lambda"
                      ? "Functions behind mapping templates (type aws) are not supported by this "
                        "version; use aws_proxy."
                      : Concat("Integrations with AWS services (here: ", arn->service,
                               ") are not supported by this version."));
      return;
    }
    Unused({connection_type_, connection_id_, tls_config_, subtype_}, "an AWS service");
    if (http_method_) ImportHttpMethod();
    const ResolvedPlaceholders resolved = ResolvePlaceholders(*context_.Text(uri_, "uri"));
    const absl::StatusOr<FunctionUri> function = ParseFunctionUri(resolved.text);
    if (function.ok()) {
      SetFunction(*function, resolved);
    } else {
      v1::AwsServiceTarget& target = *integration_.mutable_aws_service();
      target.set_uri(resolved.text);
      target.set_region(arn->region);
      target.set_service(arn->service);
      target.set_subdomain(arn->subdomain);
      if (arn->is_action) {
        target.set_action(arn->rest);
      } else {
        target.set_path(arn->rest);
      }
      context_.Applied(uri_, "uri");
    }
    NoteCredentials();
    ImportRequestParameters();
    ImportTemplates(request_templates_, /*request=*/true,
                    *integration_.mutable_request_templates());
    ImportResponses();
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

  void ImportRequestParameters() {
    if (!request_parameters_ || !context_.IsSmallObject(request_parameters_, "requestParameters")) {
      return;
    }
    for (const Node value : request_parameters_.children()) ImportRequestParameter(value);
  }

  void ImportRequestParameter(Node node) {
    constexpr std::string_view kKind = "requestParameters";
    const std::string_view key = node.key();
    if (!node.is_string()) {
      // The warning of API Gateway, word for word (management-and-import.md 3.6).
      context_.Dropped(
          node, kKind,
          Concat("Invalid format for 'requestParameters'. Expected type string for "
                 "property '",
                 key, "' of resource '", scope_.path, "' and method '", method_.http_method(),
                 "' but got '", node.is_scalar() ? node.text() : NodeKindName(node.kind()), "'"));
      return;
    }
    if (key.starts_with("append:") || key.starts_with("overwrite:") || key.starts_with("remove:") ||
        node.text().starts_with('$')) {
      Unavailable(node, kKind, "Parameter mapping of HTTP APIs is not supported by this version.");
      return;
    }
    absl::StatusOr<v1::RequestMapping> mapping = ParseRequestTarget(key);
    if (!mapping.ok()) {
      context_.Problem(node, kKind, Message(mapping.status()));
      return;
    }
    const std::string text = context_.ReplaceAwsVariables(node.text());
    absl::StatusOr<v1::ValueSource> source = ParseRequestExpression(text);
    if (!source.ok()) {
      context_.Problem(node, kKind, Message(source.status()));
      return;
    }
    if (source->has_request_body() && !context_.capabilities().body_mapping) {
      Unavailable(node, kKind,
                  "Mapping from the body of a request is not supported by this "
                  "version.");
      return;
    }
    if (integration_.type() == v1::INTEGRATION_TYPE_AWS_PROXY) {
      if (mapping->target() == v1::RequestMapping::TARGET_HEADER &&
          IsForbiddenForFunctions(mapping->name())) {
        context_.Noted(node, kKind,
                       Concat("The header ", mapping->name(),
                              " cannot be mapped: requests for which there is a value are "
                              "answered 500, as by API Gateway."));
      } else {
        context_.Ignored(node, kKind,
                         "A proxy event has all parameters; a mapping changes nothing, as in API "
                         "Gateway.");
      }
    } else if (!Declare(node, *source)) {
      context_.Applied(node, kKind);
    }
    const bool header = mapping->target() == v1::RequestMapping::TARGET_HEADER;
    if (header && !mapped_headers_.insert(AsciiToLower(mapping->name())).second) {
      context_.Problem(node, kKind, Concat("The header ", mapping->name(), " is mapped twice."));
      return;
    }
    *mapping->mutable_source() = *std::move(source);
    *integration_.add_request_parameters() = *std::move(mapping);
  }

  // A parameter must be declared on the method before it is mapped (rest-api.md 6.2). Declares it,
  // if it is not, and returns whether it did.
  bool Declare(Node node, const v1::ValueSource& source) {
    if (!source.has_request()) return false;
    const v1::RequestValue& value = source.request();
    const v1::ParameterLocation location =
        value.location() == v1::RequestValue::LOCATION_PATH ? v1::PARAMETER_LOCATION_PATH
        : value.location() == v1::RequestValue::LOCATION_QUERYSTRING
            ? v1::PARAMETER_LOCATION_QUERYSTRING
            : v1::PARAMETER_LOCATION_HEADER;
    for (const v1::RequestParameter& parameter : method_.request_parameters()) {
      if (parameter.location() == location && parameter.name() == value.name()) return false;
    }
    if (location == v1::PARAMETER_LOCATION_PATH) {
      context_.Noted(node, "requestParameters",
                     Concat("The path has no {", value.name(), "}, so nothing is mapped."));
      return true;
    }
    v1::RequestParameter& parameter = *method_.add_request_parameters();
    parameter.set_location(location);
    parameter.set_name(value.name());
    context_.Approximated(node, "requestParameters",
                          "The parameter is not declared on the method, which API Gateway would "
                          "ask for; it is taken as declared.");
    return true;
  }

  void ImportTemplates(Node templates, bool request,
                       google::protobuf::RepeatedPtrField<v1::Template>& out) {
    if (!templates) return;
    if (!context_.IsSmallObject(templates, templates.key())) return;
    if (templates.size() == 0) context_.Applied(templates, templates.key());
    for (const Node node : templates.children()) {
      if (node.is_null()) {
        context_.Ignored(node, templates.key(), "A template that is null is none.");
        continue;
      }
      const std::optional<std::string> body = TemplateText(node, templates.key());
      if (!body) continue;
      if (node.key().empty() || node.key().size() > kMaxNameBytes ||
          std::any_of(out.begin(), out.end(), [&node](const v1::Template& other) {
            return EqualsIgnoreCase(other.content_type(), node.key());
          })) {
        context_.Problem(node, templates.key(),
                         "Its name must be a content type, and none that another template has.");
        continue;
      }
      v1::Template result;
      result.set_content_type(std::string(node.key()));
      result.set_body(*body);
      result.set_form(ClassifyTemplate(*body));
      if (mock() && !request && result.form() == v1::Template::FORM_PAYLOAD) {
        // A mock's response has the payload {} (rest-api.md 7.9).
        result.set_body("{}");
        result.set_form(v1::Template::FORM_LITERAL);
      }
      const bool payload_of_mock = mock() && result.form() == v1::Template::FORM_PAYLOAD;
      if (!context_.capabilities().templates &&
          (result.form() == v1::Template::FORM_VTL || payload_of_mock)) {
        Unavailable(node, templates.key(),
                    "Mapping templates in the template language are not executed by this version; "
                    "only constant ones, and those that pass the payload on.");
        continue;
      }
      if (result.form() == v1::Template::FORM_PAYLOAD) {
        context_.Approximated(node, templates.key(),
                              "The payload is passed on as it is: an empty one stays empty, and "
                              "JSON is not written anew.");
      } else if (mock() && request && result.form() == v1::Template::FORM_LITERAL) {
        if (const std::optional<int> status = ParseMockStatusCode(*body)) {
          result.set_mock_status_code(*status);
          context_.Applied(node, templates.key());
        } else {
          context_.Noted(node, templates.key(),
                         "Unable to parse statusCode. It should be an integer that is defined in "
                         "the request template. Requests are answered 500, as by API Gateway.");
        }
      } else {
        context_.Applied(node, templates.key());
      }
      *out.Add() = std::move(result);
    }
  }

  // The text of a template. `${AWS::Region}` is no variable of a template, so nothing is replaced.
  std::optional<std::string> TemplateText(Node node, std::string_view kind) {
    if (!node.is_string()) {
      context_.Problem(node, kind,
                       Concat("A template is a string, not ", NodeKindName(node.kind()),
                              "; put quotes around it."));
      return std::nullopt;
    }
    if (node.text().size() > kMaxTemplateBytes) {
      context_.Problem(node, kind, "A mapping template has at most 300 KB.");
      return std::nullopt;
    }
    return std::string(node.text());
  }

  void ImportResponses() {
    if (!responses_ || !context_.IsSmallObject(responses_, "responses")) return;
    if (responses_.size() == 0) context_.Applied(responses_, "responses");
    for (const Node response : responses_.children()) {
      if (context_.IsObject(response, "integration response")) ImportResponse(response);
    }
  }

  void ImportResponse(Node node) {
    v1::IntegrationResponse response;
    if (node.key() != "default") {
      response.set_selection_pattern(std::string(node.key()));
      CheckPattern(node);
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
    const std::optional<std::string> code = context_.Text(status, "statusCode");
    if (!code) return;
    if (code->size() != 3 || (*code)[0] < '1' || (*code)[0] > '5' || !IsDigit((*code)[1]) ||
        !IsDigit((*code)[2])) {
      context_.Problem(status, "statusCode",
                       Concat("Value '", *code,
                              "' at 'statusCode' failed to satisfy constraint: Member must satisfy "
                              "regular expression pattern: [1-5]\\d\\d"));
      return;
    }
    if ((*code)[0] == '1') {
      context_.Problem(status, "statusCode", "A status of 1xx cannot end an exchange.");
      return;
    }
    response.set_status_code(static_cast<uint32_t>(std::stoi(*code)));
    v1::MethodResponse* declared = nullptr;
    for (v1::MethodResponse& candidate : *method_.mutable_responses()) {
      if (candidate.status_code() == response.status_code()) declared = &candidate;
    }
    if (declared == nullptr) {
      context_.Noted(status, "statusCode",
                     Concat("The method declares no response ", *code,
                            "; where this one is chosen, API Gateway answers 500, and so does "
                            "Postern. Add it to the responses of the operation."));
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
    ReadContentHandling(content_handling, [&response](v1::ContentHandling handling) {
      response.set_content_handling(handling);
    });
    *integration_.add_responses() = std::move(response);
  }

  void CheckPattern(Node node) {
    const std::string_view pattern = node.key();
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    if (pattern.size() > kMaxPatternBytes) {
      context_.Problem(node, "selection pattern", "It is longer than 4096 characters.");
      return;
    }
    const RE2 regex(re2::StringPiece(pattern.data(), pattern.size()), options);
    if (!regex.ok()) {
      Unavailable(node, "selection pattern",
                  Concat("The pattern cannot be used: ", regex.error(),
                         ". Look-around, back references and possessive quantifiers of Java are "
                         "not supported."));
    }
  }

  void ImportResponseParameter(Node node, v1::MethodResponse* declared,
                               v1::IntegrationResponse& response) {
    constexpr std::string_view kKind = "responseParameters";
    const absl::StatusOr<std::string> header = ParseResponseTarget(node.key());
    if (!header.ok()) {
      context_.Problem(node, kKind, Message(header.status()));
      return;
    }
    if (!node.is_string()) {
      context_.Dropped(node, kKind,
                       Concat("Invalid format for 'responseParameters'. Expected type string for "
                              "property '",
                              node.key(), "' of resource '", scope_.path, "' and method '",
                              method_.http_method(), "' but got '",
                              node.is_scalar() ? node.text() : NodeKindName(node.kind()), "'"));
      return;
    }
    absl::StatusOr<v1::ValueSource> source =
        ParseResponseExpression(context_.ReplaceAwsVariables(node.text()));
    if (!source.ok()) {
      context_.Problem(node, kKind, Message(source.status()));
      return;
    }
    if (!source->response_body().empty() && !context_.capabilities().body_mapping) {
      Unavailable(node, kKind,
                  "Mapping from parts of a response body is not supported by this version.");
      return;
    }
    const bool known =
        declared == nullptr ||
        std::any_of(declared->headers().begin(), declared->headers().end(),
                    [&header](const std::string& name) { return EqualsIgnoreCase(name, *header); });
    if (known) {
      context_.Applied(node, kKind);
    } else {
      declared->add_headers(*header);
      context_.Approximated(node, kKind,
                            "The header is not declared on the response of the method, which API "
                            "Gateway would ask for; it is taken as declared.");
    }
    for (const v1::ResponseMapping& other : response.parameters()) {
      if (EqualsIgnoreCase(other.header(), *header)) {
        context_.Problem(node, kKind, Concat("The header ", *header, " is mapped twice."));
        return;
      }
    }
    v1::ResponseMapping& mapping = *response.add_parameters();
    mapping.set_header(*header);
    *mapping.mutable_source() = *std::move(source);
  }

  ImportContext& context_;
  const MethodScope& scope_;
  v1::Method& method_;
  v1::Integration integration_;
  std::string unavailable_;

  std::set<std::string> mapped_headers_;  // in lower case

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
