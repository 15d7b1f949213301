#include "core/context/response_type.h"

#include <cstddef>

namespace postern {
namespace {

constexpr std::string_view kServerError = "InternalServerErrorException";
constexpr std::string_view kInternal = "Internal server error";

constexpr ResponseTypeInfo kInfo[] = {
    {"", 0, "", false, "", false, false},
    {"ACCESS_DENIED", 403, "User is not authorized to access this resource", false,
     "AccessDeniedException", true, false},
    {"API_CONFIGURATION_ERROR", 500, kInternal, false, kServerError, false, true},
    {"AUTHORIZER_CONFIGURATION_ERROR", 500, "", true, "AuthorizerConfigurationException", true,
     true},
    {"AUTHORIZER_FAILURE", 500, "", true, "AuthorizerFailureException", true, true},
    {"BAD_REQUEST_BODY", 400, "Invalid request body", false, "BadRequestException", false, false},
    {"BAD_REQUEST_PARAMETERS", 400, "Missing required request parameters: []", false,
     "BadRequestException", false, false},
    {"DEFAULT_4XX", 400, "Bad Request", false, "BadRequestException", true, false},
    {"DEFAULT_5XX", 500, kInternal, false, kServerError, false, true},
    {"EXPIRED_TOKEN", 403, "The security token included in the request is expired", false,
     "ExpiredTokenException", true, false},
    {"INTEGRATION_FAILURE", 504, "Network error communicating with endpoint", false, kServerError,
     false, true},
    {"INTEGRATION_TIMEOUT", 504, "Endpoint request timed out", false, kServerError, false, true},
    {"INVALID_API_KEY", 403, "Forbidden", false, "ForbiddenException", true, false},
    {"INVALID_SIGNATURE", 403,
     "The request signature we calculated does not match the signature you provided. Check your "
     "AWS "
     "Secret Access Key and signing method. Consult the service documentation for details.",
     false, "InvalidSignatureException", true, false},
    {"MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token", false,
     "MissingAuthenticationTokenException", true, false},
    {"QUOTA_EXCEEDED", 429, "Limit Exceeded", false, "LimitExceededException", true, false},
    {"REQUEST_TOO_LARGE", 413, "Request Too Long", false, "RequestTooLargeException", true, false},
    {"RESOURCE_NOT_FOUND", 404, "Not Found", false, "ResourceNotFoundException", true, false},
    {"THROTTLED", 429, "Too Many Requests", false, "TooManyRequestsException", true, false},
    {"UNAUTHORIZED", 401, "Unauthorized", false, "UnauthorizedException", true, false},
    {"UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported Media Type", false, "BadRequestException", false,
     false},
    {"WAF_FILTERED", 403, "Forbidden", false, "ForbiddenException", true, false},
    {"FORBIDDEN", 403, "Forbidden", false, "ForbiddenException", true, false},
    {"INCOMPLETE_SIGNATURE", 403, "Authorization header cannot be empty", false,
     "IncompleteSignatureException", true, false},
};
static_assert(sizeof(kInfo) / sizeof(kInfo[0]) == static_cast<size_t>(ResponseType::kCount));

}  // namespace

const ResponseTypeInfo& InfoOf(ResponseType type) { return kInfo[static_cast<size_t>(type)]; }

ResponseType ParseResponseType(std::string_view name) {
  for (size_t i = 1; i <= static_cast<size_t>(ResponseType::kWafFiltered); ++i) {
    if (kInfo[i].name == name) return static_cast<ResponseType>(i);
  }
  return ResponseType::kNone;
}

}  // namespace postern
