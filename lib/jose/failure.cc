#include "lib/jose/failure.h"

namespace postern::jose {

std::string_view FailureName(Failure failure) {
  switch (failure) {
    case Failure::kNone:
      return "none";
    case Failure::kTooLarge:
      return "too_large";
    case Failure::kSegments:
      return "segments";
    case Failure::kEncoding:
      return "encoding";
    case Failure::kHeader:
      return "header";
    case Failure::kAlgorithm:
      return "algorithm";
    case Failure::kUnknownKey:
      return "unknown_key";
    case Failure::kKeyMismatch:
      return "key_mismatch";
    case Failure::kSignature:
      return "signature";
    case Failure::kClaims:
      return "claims";
    case Failure::kIssuer:
      return "issuer";
    case Failure::kAudience:
      return "audience";
    case Failure::kExpired:
      return "expired";
    case Failure::kNotYet:
      return "not_yet";
    case Failure::kIssuedLater:
      return "issued_later";
    case Failure::kTokenUse:
      return "token_use";
    case Failure::kScope:
      return "scope";
  }
  return {};
}

}  // namespace postern::jose
