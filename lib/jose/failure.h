#pragma once

#include <cstdint>
#include <string_view>

namespace postern::jose {

/// Why a token is refused. The names are for logs and metrics, and never tell the token.
enum class Failure : uint8_t {
  kNone,
  kTooLarge,     ///< hazard 28
  kSegments,     ///< not three parts
  kEncoding,     ///< a part is not strict base64url
  kHeader,       ///< the header is not strict JSON, or says what nobody understands
  kAlgorithm,    ///< unknown, or not accepted here
  kUnknownKey,   ///< no key of that id
  kKeyMismatch,  ///< the key is not for this algorithm
  kSignature,    ///< does not fit
  kClaims,       ///< no strict JSON object, or a claim of the wrong type
  kIssuer,       ///< `iss`
  kAudience,     ///< `aud`, or `client_id` without it
  kExpired,      ///< `exp`
  kNotYet,       ///< `nbf`
  kIssuedLater,  ///< `iat`
  kTokenUse,     ///< `token_use` of Cognito
  kScope,        ///< none of the scopes that are needed
};

std::string_view FailureName(Failure failure);

}  // namespace postern::jose
