#pragma once

#include <cstdint>
#include <string_view>

namespace postern {

/// Gateway response types (rest-api.md §4.1). kNone: the answer came from the integration.
enum class ResponseType : uint8_t {
  kNone = 0,
  kAccessDenied,
  kApiConfigurationError,
  kAuthorizerConfigurationError,
  kAuthorizerFailure,
  kBadRequestBody,
  kBadRequestParameters,
  kDefault4xx,
  kDefault5xx,
  kExpiredToken,
  kIntegrationFailure,
  kIntegrationTimeout,
  kInvalidApiKey,
  kInvalidSignature,
  kMissingAuthenticationToken,
  kQuotaExceeded,
  kRequestTooLarge,
  kResourceNotFound,
  kThrottled,
  kUnauthorized,
  kUnsupportedMediaType,
  kWafFiltered,
  // Ours, without a name that an API could put a response for:
  kForbidden,            ///< no API, stage or way in for this request (rest-api.md §2.1, §2.2)
  kIncompleteSignature,  ///< an Authorization field that is no SigV4 (rest-api.md §1.3)
  kCount,
};

/// Facts about a type that no API can change (rest-api.md §4.1).
struct ResponseTypeInfo {
  std::string_view name;        ///< e.g. "ACCESS_DENIED"
  uint16_t status;              ///< default status; DEFAULT_4XX 400, DEFAULT_5XX 500
  std::string_view message;     ///< default message
  bool null_message;            ///< `$context.error.messageString` is null by default
  std::string_view error_type;  ///< x-amzn-ErrorType
  bool front_half;  ///< default body without a space after the colon (rest-api.md §0.3)
  bool is_5xx;      ///< falls back to DEFAULT_5XX, not DEFAULT_4XX
};

const ResponseTypeInfo& InfoOf(ResponseType type);

/// The type of that name, one of the 21 of rest-api.md §4.1; kNone when there is none.
ResponseType ParseResponseType(std::string_view name);

}  // namespace postern
