#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "lib/text/char_sink.h"

namespace postern {

/// $context variables by number (rest-api.md §7.6, §13.5).
enum class VariableId : uint8_t {
  kUnknown,  ///< a name that no section knows; never has a value
  kAccountId,
  kApiId,
  kAuthenticateError,
  kAuthenticateLatency,
  kAuthenticateStatus,
  kAuthorizeError,
  kAuthorizeLatency,
  kAuthorizeStatus,
  kAuthorizerError,
  kAuthorizerIntegrationLatency,
  kAuthorizerIntegrationStatus,
  kAuthorizerLatency,
  kAuthorizerRequestId,
  kAuthorizerStatus,
  kAuthorizerValue,  ///< authorizer.{key}, principalId and claims.{property} included
  kBasePathMatched,
  kCipherSuite,
  kClientCertIssuerDn,
  kClientCertNotAfter,
  kClientCertNotBefore,
  kClientCertPem,
  kClientCertSerialNumber,
  kClientCertSubjectDn,
  kDeploymentId,
  kDomainName,
  kDomainPrefix,
  kEndpointType,
  kErrorMessage,
  kErrorMessageString,
  kErrorResponseType,
  kErrorValidationString,
  kExtendedRequestId,
  kFilterValue,  ///< filter.{instance}.{key}
  kHttpMethod,
  kIdentityAccessKey,
  kIdentityAccountId,
  kIdentityApiKey,
  kIdentityApiKeyId,
  kIdentityCaller,
  kIdentityCognitoAuthenticationProvider,
  kIdentityCognitoAuthenticationType,
  kIdentityCognitoIdentityId,
  kIdentityCognitoIdentityPoolId,
  kIdentityPrincipalOrgId,
  kIdentitySourceIp,
  kIdentityUser,
  kIdentityUserAgent,
  kIdentityUserArn,
  kIdentityVpcId,
  kIdentityVpceId,
  kIntegrationError,
  kIntegrationLatency,
  kIntegrationRequestId,
  kIntegrationServiceStatus,  ///< integration.integrationStatus, integrationStatus
  kIntegrationStatus,         ///< integration.status
  kIntegrationTimeToAllHeaders,
  kIntegrationTimeToFirstContent,
  kIntegrationTransferMode,
  kIsCanaryRequest,
  kPath,
  kPathParameter,  ///< of a route, by its name in the template; no $context variable
  kProtocol,
  kRequestId,
  kRequestTime,
  kRequestTimeEpoch,
  kResourceId,
  kResourcePath,
  kResponseLatency,
  kResponseLength,
  kRouteKey,
  kRoutingRuleIdMatched,
  kStage,
  kStageVariable,  ///< by its name; no $context variable
  kStatus,
  kTlsVersion,
  kWafError,
  kWafLatency,
  kWafResponseCode,
  kWafStatus,
  kWebAclArn,
  kXrayTraceId,
};

/// A variable as it is asked for at run time.
struct Variable {
  VariableId id = VariableId::kUnknown;
  /// Of kAuthorizerValue and kFilterValue the whole dotted name; of kPathParameter and
  /// kStageVariable the name itself.
  std::string key;
};

/// Finds the variable of a dotted name without "$context.", e.g. "identity.sourceIp". Names are
/// case-sensitive. An unknown name gives kUnknown, except below "authorizer." and "filter.", where
/// every name may come to exist. For use when a snapshot is built.
Variable ResolveVariable(std::string_view name);

/// The same with "pathParameters.<name>" and "stageVariables.<name>", which filters may read too.
Variable ResolveFilterVariable(std::string_view name);

/// Whether `name` is one that ResolveVariable() knows.
bool IsKnownVariable(std::string_view name);

/// What a filter has set under the whole dotted name, or null.
const FilterVariable* FindFilterVariable(const RequestContext& context, std::string_view name);

/// Appends the value. Returns false, having written nothing, if there is none in this exchange;
/// templates then print nothing, access logs "-". Values are raw: who needs them quoted escapes
/// them on the way.
bool AppendVariable(const Variable& variable, const RequestContext& context, CharSink& sink);

/// The value as a view, made in `arena` where it does not exist as such. Null data if there is
/// none.
std::string_view VariableValue(const Variable& variable, const RequestContext& context,
                               Arena* arena);

/// What $context.error.message says: RequestContext::error_message, else the type's own text.
/// Empty, with `*is_null` set, where there is no message at all.
std::string_view ErrorMessage(const RequestContext& context, bool* is_null);

}  // namespace postern
