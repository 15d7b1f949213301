#include "core/context/variables.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <iterator>

#include "core/context/arena_sink.h"
#include "core/context/trace_id.h"
#include "core/context/value_source.h"
#include "lib/text/json_writer.h"
#include "lib/text/time_format.h"

namespace postern {
namespace {

struct Entry {
  std::string_view name;
  VariableId id;
};

using enum VariableId;

// Sorted by name.
constexpr Entry kEntries[] = {
    {"accountId", kAccountId},
    {"apiId", kApiId},
    {"authenticate.error", kAuthenticateError},
    {"authenticate.latency", kAuthenticateLatency},
    {"authenticate.status", kAuthenticateStatus},
    {"authorize.error", kAuthorizeError},
    {"authorize.latency", kAuthorizeLatency},
    {"authorize.status", kAuthorizeStatus},
    {"authorizer.error", kAuthorizerError},
    {"authorizer.integrationLatency", kAuthorizerIntegrationLatency},
    {"authorizer.integrationStatus", kAuthorizerIntegrationStatus},
    {"authorizer.latency", kAuthorizerLatency},
    {"authorizer.requestId", kAuthorizerRequestId},
    {"authorizer.status", kAuthorizerStatus},
    {"awsEndpointRequestId", kIntegrationRequestId},
    {"cipherSuite", kCipherSuite},
    {"customDomain.basePathMatched", kBasePathMatched},
    {"customDomain.routingRuleIdMatched", kRoutingRuleIdMatched},
    {"deploymentId", kDeploymentId},
    {"domainName", kDomainName},
    {"domainPrefix", kDomainPrefix},
    {"endpointType", kEndpointType},
    {"error.message", kErrorMessage},
    {"error.messageString", kErrorMessageString},
    {"error.responseType", kErrorResponseType},
    {"error.validationErrorString", kErrorValidationString},
    {"extendedRequestId", kExtendedRequestId},
    {"httpMethod", kHttpMethod},
    {"identity.accessKey", kIdentityAccessKey},
    {"identity.accountId", kIdentityAccountId},
    {"identity.apiKey", kIdentityApiKey},
    {"identity.apiKeyId", kIdentityApiKeyId},
    {"identity.caller", kIdentityCaller},
    {"identity.clientCert.clientCertPem", kClientCertPem},
    {"identity.clientCert.issuerDN", kClientCertIssuerDn},
    {"identity.clientCert.serialNumber", kClientCertSerialNumber},
    {"identity.clientCert.subjectDN", kClientCertSubjectDn},
    {"identity.clientCert.validity.notAfter", kClientCertNotAfter},
    {"identity.clientCert.validity.notBefore", kClientCertNotBefore},
    {"identity.cognitoAuthenticationProvider", kIdentityCognitoAuthenticationProvider},
    {"identity.cognitoAuthenticationType", kIdentityCognitoAuthenticationType},
    {"identity.cognitoIdentityId", kIdentityCognitoIdentityId},
    {"identity.cognitoIdentityPoolId", kIdentityCognitoIdentityPoolId},
    {"identity.principalOrgId", kIdentityPrincipalOrgId},
    {"identity.sourceIp", kIdentitySourceIp},
    {"identity.user", kIdentityUser},
    {"identity.userAgent", kIdentityUserAgent},
    {"identity.userArn", kIdentityUserArn},
    {"identity.vpcId", kIdentityVpcId},
    {"identity.vpceId", kIdentityVpceId},
    {"integration.error", kIntegrationError},
    {"integration.integrationStatus", kIntegrationServiceStatus},
    {"integration.latency", kIntegrationLatency},
    {"integration.requestId", kIntegrationRequestId},
    {"integration.responseTransferMode", kIntegrationTransferMode},
    {"integration.status", kIntegrationStatus},
    {"integration.timeToAllHeaders", kIntegrationTimeToAllHeaders},
    {"integration.timeToFirstContent", kIntegrationTimeToFirstContent},
    {"integrationErrorMessage", kIntegrationError},
    {"integrationLatency", kIntegrationLatency},
    {"integrationStatus", kIntegrationServiceStatus},
    {"isCanaryRequest", kIsCanaryRequest},
    {"path", kPath},
    {"protocol", kProtocol},
    {"requestId", kRequestId},
    {"requestTime", kRequestTime},
    {"requestTimeEpoch", kRequestTimeEpoch},
    {"resourceId", kResourceId},
    {"resourcePath", kResourcePath},
    {"responseLatency", kResponseLatency},
    {"responseLength", kResponseLength},
    {"routeKey", kRouteKey},
    {"stage", kStage},
    {"status", kStatus},
    {"tlsVersion", kTlsVersion},
    {"waf.error", kWafError},
    {"waf.latency", kWafLatency},
    {"waf.status", kWafStatus},
    {"wafResponseCode", kWafResponseCode},
    {"webaclArn", kWebAclArn},
    {"xrayTraceId", kXrayTraceId},
};

constexpr std::string_view kAuthorizerPrefix = "authorizer.";
constexpr std::string_view kPathPrefix = "pathParameters.";
constexpr std::string_view kStagePrefix = "stageVariables.";
constexpr std::string_view kFilterPrefix = "filter.";

/// Variables of the authorizer's own run, which the authorizer may set like any below its prefix.
std::string_view AuthorizerName(VariableId id) {
  switch (id) {
    case kAuthorizerError:
      return "authorizer.error";
    case kAuthorizerIntegrationLatency:
      return "authorizer.integrationLatency";
    case kAuthorizerIntegrationStatus:
      return "authorizer.integrationStatus";
    case kAuthorizerLatency:
      return "authorizer.latency";
    case kAuthorizerRequestId:
      return "authorizer.requestId";
    case kAuthorizerStatus:
      return "authorizer.status";
    default:
      return {};
  }
}

constexpr bool IsSorted() {
  for (size_t i = 1; i < std::size(kEntries); ++i) {
    if (kEntries[i - 1].name >= kEntries[i].name) return false;
  }
  return true;
}
static_assert(IsSorted());

const Entry* FindEntry(std::string_view name) {
  const Entry* at = std::lower_bound(
      std::begin(kEntries), std::end(kEntries), name,
      [](const Entry& entry, std::string_view wanted) { return entry.name < wanted; });
  return at != std::end(kEntries) && at->name == name ? at : nullptr;
}

template <typename Number>
bool Append(Number number, CharSink& sink) {
  char* out = sink.Reserve(24);
  if (out == nullptr) return true;
  sink.Commit(static_cast<size_t>(std::to_chars(out, out + 24, number).ptr - out));
  return true;
}

/// Milliseconds and the like, where -1 stands for none.
bool AppendIfSet(int64_t number, CharSink& sink) { return number >= 0 && Append(number, sink); }

bool AppendIfSet(std::string_view text, CharSink& sink) {
  if (text.empty()) return false;
  sink.Append(text);
  return true;
}

bool AppendCertificatePart(const RequestContext& context, std::string_view ClientCertificate::*part,
                           CharSink& sink) {
  return context.client_certificate != nullptr &&
         AppendIfSet(context.client_certificate->*part, sink);
}

std::string_view FilterText(std::string_view name, const RequestContext& context) {
  const FilterVariable* found = FindFilterVariable(context, name);
  return found != nullptr ? found->text : std::string_view{};
}

/// What is there as text already. Null data: the variable is of another kind, or has no value.
std::string_view TextOf(const Variable& variable, const RequestContext& context) {
  const VariableId id = variable.id;
  switch (id) {
    case kAuthorizerValue:
    case kFilterValue:
      return FilterText(variable.key, context);
    case kPathParameter:
      return PathParameter(context, variable.key);
    case kStageVariable:
      return StageVariable(context, variable.key);
    case kAuthorizerError:
    case kAuthorizerIntegrationLatency:
    case kAuthorizerIntegrationStatus:
    case kAuthorizerLatency:
    case kAuthorizerRequestId:
    case kAuthorizerStatus:
      return FilterText(AuthorizerName(id), context);
    case kAccountId:
      return context.account_id;
    case kApiId:
      return context.api_id;
    case kBasePathMatched:
      return context.base_path_matched;
    case kCipherSuite:
      return context.cipher_suite;
    case kClientCertPem:
      return context.client_certificate != nullptr ? context.client_certificate->pem
                                                   : std::string_view{};
    case kDeploymentId:
      return context.deployment_id;
    case kDomainName:
      return context.domain_name;
    case kDomainPrefix:
      return context.domain_prefix;
    case kEndpointType:
      return context.endpoint_type;
    case kErrorResponseType:
      return InfoOf(context.error_type).name;
    case kErrorValidationString:
      // Of missing parameters it is the message (rest-api.md §5.6).
      return context.error_validation.empty() &&
                     context.error_type == ResponseType::kBadRequestParameters
                 ? context.error_message
                 : context.error_validation;
    case kExtendedRequestId:
      return context.extended_request_id;
    case kHttpMethod:
      return context.request != nullptr ? context.request->method_text : std::string_view{};
    case kIdentitySourceIp:
      return context.source_ip;
    case kIdentityUserAgent:
      return context.user_agent;
    case kIdentityVpcId:
      return context.vpc_id;
    case kIdentityVpceId:
      return context.vpce_id;
    case kIntegrationError:
      return context.integration_error;
    case kIntegrationRequestId:
      return context.integration_request_id;
    case kIntegrationTransferMode:
      return context.integration_status == 0 ? std::string_view{}
             : context.response_streamed     ? std::string_view("STREAMED")
                                             : std::string_view("BUFFERED");
    case kIsCanaryRequest:
      return context.is_canary < 0    ? std::string_view{}
             : context.is_canary != 0 ? std::string_view("true")
                                      : std::string_view("false");
    case kPath:
      return context.path;
    case kProtocol:
      return "HTTP/1.1";  // whatever is spoken (rest-api.md §2.5)
    case kRequestId:
      return context.request_id;
    case kResourceId:
      return context.resource_id;
    case kResourcePath:
      return context.resource_path;
    case kRoutingRuleIdMatched:
      return context.routing_rule_id_matched;
    case kRouteKey:
      return context.http_api ? context.resource_id : std::string_view{};
    case kStage:
      return context.stage;
    case kTlsVersion:
      return context.tls_version;
    case kXrayTraceId:
      return TraceRoot(context);
    default:
      return {};
  }
}

}  // namespace

Variable ResolveVariable(std::string_view name) {
  if (const Entry* entry = FindEntry(name)) return {entry->id, {}};
  if (name.size() > kAuthorizerPrefix.size() && name.starts_with(kAuthorizerPrefix)) {
    return {kAuthorizerValue, std::string(name)};
  }
  if (name.size() > kFilterPrefix.size() && name.starts_with(kFilterPrefix)) {
    return {kFilterValue, std::string(name)};
  }
  return {};
}

Variable ResolveFilterVariable(std::string_view name) {
  if (name.size() > kPathPrefix.size() && name.starts_with(kPathPrefix)) {
    return {kPathParameter, std::string(name.substr(kPathPrefix.size()))};
  }
  if (name.size() > kStagePrefix.size() && name.starts_with(kStagePrefix)) {
    return {kStageVariable, std::string(name.substr(kStagePrefix.size()))};
  }
  return ResolveVariable(name);
}

bool IsKnownVariable(std::string_view name) { return ResolveVariable(name).id != kUnknown; }

std::string_view ErrorMessage(const RequestContext& context, bool* is_null) {
  *is_null = false;
  if (context.error_message_null || context.error_type == ResponseType::kNone) {
    *is_null = true;
    return {};
  }
  if (!context.error_message.empty()) return context.error_message;
  const ResponseTypeInfo& info = InfoOf(context.error_type);
  *is_null = info.null_message;
  return info.message;
}

const FilterVariable* FindFilterVariable(const RequestContext& context, std::string_view name) {
  for (const FilterVariable* at = context.filter_variables; at != nullptr; at = at->next) {
    if (at->name == name) return at->set ? at : nullptr;
  }
  return nullptr;
}

bool AppendVariable(const Variable& variable, const RequestContext& context, CharSink& sink) {
  switch (variable.id) {
    case kClientCertIssuerDn:
      return AppendCertificatePart(context, &ClientCertificate::issuer_dn, sink);
    case kClientCertNotAfter:
      return AppendCertificatePart(context, &ClientCertificate::not_after, sink);
    case kClientCertNotBefore:
      return AppendCertificatePart(context, &ClientCertificate::not_before, sink);
    case kClientCertSerialNumber:
      return AppendCertificatePart(context, &ClientCertificate::serial_number, sink);
    case kClientCertSubjectDn:
      return AppendCertificatePart(context, &ClientCertificate::subject_dn, sink);
    case kErrorMessage: {
      bool is_null;
      const std::string_view message = ErrorMessage(context, &is_null);
      return !is_null && AppendIfSet(message, sink);
    }
    case kErrorMessageString: {
      if (context.error_type == ResponseType::kNone) return false;
      bool is_null;
      const std::string_view message = ErrorMessage(context, &is_null);
      if (is_null) {
        sink.Append("null");
      } else {
        AppendJsonString(message, sink);
      }
      return true;
    }
    case kIntegrationLatency:
      return AppendIfSet(context.integration_latency_ms, sink);
    case kIntegrationServiceStatus:
      return context.integration_service_status != 0 &&
             Append(context.integration_service_status, sink);
    case kIntegrationStatus:
      return context.integration_status != 0 && Append(context.integration_status, sink);
    case kIntegrationTimeToAllHeaders:
      return AppendIfSet(context.time_to_all_headers_ms, sink);
    case kIntegrationTimeToFirstContent:
      return AppendIfSet(context.time_to_first_content_ms, sink);
    case kRequestTime: {
      char buffer[kClfTimeSize];
      sink.Append(FormatClfTime(context.request_time_ms, buffer));
      return true;
    }
    case kRequestTimeEpoch:
      return Append(context.request_time_ms, sink);
    case kResponseLatency:
      return AppendIfSet(context.response_latency_ms, sink);
    case kResponseLength:
      return Append(context.response_bytes, sink);
    case kStatus:
      return context.status != 0 && Append(context.status, sink);
    default:
      return AppendIfSet(TextOf(variable, context), sink);
  }
}

std::string_view VariableValue(const Variable& variable, const RequestContext& context,
                               Arena* arena) {
  const std::string_view text = TextOf(variable, context);
  if (!text.empty()) return text;
  ArenaSink sink(arena, 64);
  return AppendVariable(variable, context, sink) ? sink.written() : std::string_view{};
}

}  // namespace postern
