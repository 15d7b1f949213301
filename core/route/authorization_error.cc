#include "core/route/authorization_error.h"

#include <cstddef>

#include "core/context/arena_sink.h"
#include "core/http/header_id.h"
#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/base64.h"

namespace postern {
namespace {

// SHA-256 in base64.
constexpr size_t kHashSize = 44;

std::string_view HashOf(std::string_view value, Arena* arena) {
  const Sha256Digest digest = Sha256(value);
  char* out = arena->Allocate(kHashSize, 1);
  Base64EncodeTo({reinterpret_cast<const char*>(digest.data()), digest.size()},
                 Base64Alphabet::kStandard, out);
  return {out, kHashSize};
}

}  // namespace

std::string_view IncompleteSignatureMessage(const RequestHead& head, Arena* arena) {
  const HeaderField* field = head.headers.Find(HeaderId::kAuthorization);
  if (field == nullptr) return {};
  const std::string_view value = TrimOws(field->value);
  if (value.empty()) return "Authorization header cannot be empty";
  const size_t space = value.find(' ');
  const std::string_view scheme = value.substr(0, space);
  if (scheme.find('=') != scheme.npos) {
    return "Authorization header must begin with the algorithm name, which cannot include an "
           "equal-sign";
  }
  // Elements are separated by commas; each must be `key=value`.
  bool credential = false;
  bool signature = false;
  bool signed_headers = false;
  std::string_view rest = space == value.npos ? std::string_view{} : value.substr(space + 1);
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view element = TrimOws(rest.substr(0, comma));
    rest = comma == rest.npos ? std::string_view{} : rest.substr(comma + 1);
    if (element.empty()) continue;
    const size_t equals = element.find('=');
    if (equals == element.npos) {
      return arena->Concat(
          "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with "
          "SHA-256 and encoded with Base64): '",
          HashOf(value, arena), "'.");
    }
    const std::string_view key = element.substr(0, equals);
    credential = credential || key == "Credential";
    signature = signature || key == "Signature";
    signed_headers = signed_headers || key == "SignedHeaders";
  }
  const bool date =
      head.headers.Find(HeaderId::kDate) != nullptr || head.headers.Find("x-amz-date") != nullptr;
  if (credential && signature && signed_headers && date) return {};
  ArenaSink sink(arena, 512);
  if (!credential) sink.Append("Authorization header requires 'Credential' parameter. ");
  if (!signature) sink.Append("Authorization header requires 'Signature' parameter. ");
  if (!signed_headers) sink.Append("Authorization header requires 'SignedHeaders' parameter. ");
  if (!date) {
    sink.Append(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
  }
  sink.Append("(Hashed with SHA-256 and encoded with Base64) Authorization=");
  sink.Append(HashOf(value, arena));
  return sink.written();
}

}  // namespace postern
