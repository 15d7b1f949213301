#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lib/crypto/digest.h"

/// AWS Signature Version 4: the canonical form of a request and its signature, for who signs and
/// who verifies alike (authorization.md §1.7, §1.8). Pure: no clock, no environment, no network.
namespace postern::sigv4 {

/// Payload hash of a request without content.
inline constexpr std::string_view kEmptyPayloadHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A field as it stands in the message; name in any case.
struct Field {
  std::string_view name;
  std::string_view value;
};

/// What a key is good for.
struct Scope {
  std::string_view date;     ///< YYYYMMDD
  std::string_view region;   ///< "eu-central-1"
  std::string_view service;  ///< "lambda", "execute-api"
};

/// The request to be put into canonical form. All views are borrowed.
struct Request {
  std::string_view method;
  std::string_view path;          ///< raw, as on the wire, without query; not decoded
  std::string_view query;         ///< raw, without '?'
  std::span<const Field> fields;  ///< in order of arrival, `host` among them
  std::string_view payload_hash;  ///< hexadecimal SHA-256 of the content, or UNSIGNED-PAYLOAD
};

/// How a service puts a path into canonical form (authorization.md §12.1).
enum class PathForm : uint8_t {
  kNormalized,  ///< dot segments and empty segments removed, then encoded: every service but S3
  kAsSent,      ///< encoded only
  kOnce,        ///< S3: decoded, then encoded, so that what was encoded already is not so twice
};

/// The path: every byte but unreserved ones and '/' percent-encoded, '%' included.
std::string CanonicalPath(std::string_view path, PathForm form = PathForm::kNormalized);

/// The query: decoded ('+' is a space), encoded, sorted by name, then value. Parameters named
/// `drop` (compared after decoding, case-sensitive) are left out.
std::string CanonicalQuery(std::string_view query, std::string_view drop = {});

/// The canonical request. `signed_names` are lower-case, sorted, joined by ';', as SignedHeaders
/// is; each stands for all fields of that name, joined by ',' in order of arrival. A name without a
/// field gives an empty value. `drop_parameter` is for presigned requests ("X-Amz-Signature").
std::string CanonicalRequest(const Request& request, std::string_view signed_names,
                             PathForm form = PathForm::kNormalized,
                             std::string_view drop_parameter = {});

/// Names of `fields` in lower case, sorted, each once, joined by ';'.
std::string SignedNames(std::span<const Field> fields);

/// `{date}/{region}/{service}/aws4_request`.
std::string ScopeText(const Scope& scope);

/// `amz_date` is YYYYMMDDTHHMMSSZ.
std::string StringToSign(std::string_view amz_date, const Scope& scope,
                         std::string_view canonical_request);

/// The key for one day, region and service. May be kept for that day.
Sha256Digest SigningKey(std::string_view secret_access_key, const Scope& scope);

/// Lower-case hexadecimal.
std::string Signature(const Sha256Digest& key, std::string_view string_to_sign);

/// The Authorization field's value.
std::string Authorization(std::string_view access_key_id, const Scope& scope,
                          std::string_view signed_names, std::string_view signature);

/// YYYYMMDDTHHMMSSZ of seconds since 1970, UTC; the first eight characters are the scope's date.
std::string AmzDate(int64_t unix_seconds);

}  // namespace postern::sigv4
