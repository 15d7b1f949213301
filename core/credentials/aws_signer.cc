#include "core/credentials/aws_signer.h"

#include <array>
#include <cstdlib>
#include <utility>
#include <vector>

#include "core/base/log.h"
#include "lib/aws/sts.h"
#include "lib/crypto/sigv4.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

constexpr std::string_view kDate = "x-amz-date";
constexpr std::string_view kToken = "x-amz-security-token";
constexpr std::string_view kContentHash = "x-amz-content-sha256";
constexpr size_t kMaxSigned = 64;  // fields

// Clocks that differ by less are not why a request was refused; AWS allows five minutes, S3
// fifteen.
constexpr int64_t kMinSkewS = 60;

bool IsSigned(const HeaderField& field) {
  return field.id == HeaderId::kContentType ||
         (field.name.size() > 6 && EqualsIgnoreCase(field.name.substr(0, 6), "x-amz-"));
}

// The code of an error: of the header that JSON services have, else somewhere at the beginning of
// the content, be that JSON or XML.
bool SaysOneOf(const ResponseHead& head, std::string_view content,
               std::initializer_list<std::string_view> codes) {
  const HeaderField* type = head.headers.Find("x-amzn-errortype");
  const std::string_view start = content.substr(0, 2048);
  for (const std::string_view code : codes) {
    if (type != nullptr && type->value.find(code) != type->value.npos) return true;
    if (start.find(code) != start.npos) return true;
  }
  return false;
}

uint64_t NextId() {
  static std::atomic<uint64_t> next{0};
  return ++next;
}

}  // namespace

// What one thread has made of the credentials for one day.
struct AwsSigner::Key {
  uint64_t signer = 0;
  uint64_t generation = 0;
  std::array<char, 8> date = {};
  CredentialCell::Value credentials;
  Sha256Digest key = {};
  std::string problem;
};

AwsSigner::AwsSigner(std::string service, std::string region,
                     std::shared_ptr<CredentialCell> credentials)
    : service_(std::move(service)),
      region_(std::move(region)),
      s3_(service_ == "s3"),
      credentials_(std::move(credentials)),
      id_(NextId()) {}

const AwsSigner::Key* AwsSigner::KeyOf(std::string_view date) const {
  // Signers share places, the latest wins: that many are rarely in use at once.
  thread_local std::array<Key, 32> keys;
  Key& key = keys[id_ % keys.size()];
  if (key.signer == id_ && key.generation == credentials_->generation() &&
      std::string_view(key.date.data(), key.date.size()) == date) [[likely]] {
    return &key;
  }
  CredentialCell::Content content = credentials_->Get();
  key.signer = id_;
  key.generation = content.generation;
  date.copy(key.date.data(), key.date.size());
  key.credentials = std::move(content.value);
  key.problem = std::move(content.problem);
  key.key = key.credentials == nullptr
                ? Sha256Digest{}
                : sigv4::SigningKey(key.credentials->secret_access_key, {date, region_, service_});
  return &key;
}

absl::Status AwsSigner::Sign(RequestHead* head, std::string_view content,
                             int64_t unix_seconds) const {
  Arena* arena = head->headers.arena();
  const std::string_view date =
      arena->Copy(sigv4::AmzDate(unix_seconds + skew_s_.load(std::memory_order_relaxed)));
  const Key& key = *KeyOf(date.substr(0, 8));
  if (key.credentials == nullptr) {
    return absl::FailedPreconditionError(key.problem.empty() ? "no AWS credentials" : key.problem);
  }
  HeaderMap& headers = head->headers;
  headers.Remove(HeaderId::kAuthorization);
  headers.Set(kDate, date);
  headers.Remove(kToken);
  headers.Remove(kContentHash);
  if (!key.credentials->session_token.empty()) {
    headers.Add(kToken, arena->Copy(key.credentials->session_token));
  }
  const std::string hash =
      content.empty() ? std::string(sigv4::kEmptyPayloadHash) : Sha256Hex(content);
  if (s3_) headers.Add(kContentHash, arena->Copy(hash));
  std::array<sigv4::Field, kMaxSigned> fields;
  size_t count = 0;
  fields[count++] = {"host", head->authority};
  for (const HeaderField& field : headers) {
    if (!IsSigned(field)) continue;
    if (count == kMaxSigned) return absl::ResourceExhaustedError("too many fields to be signed");
    fields[count++] = {field.name, field.value};
  }
  const std::span<const sigv4::Field> signed_fields(fields.data(), count);
  const sigv4::Scope scope = {date.substr(0, 8), region_, service_};
  const std::string names = sigv4::SignedNames(signed_fields);
  const std::string canonical =
      sigv4::CanonicalRequest({head->method_text, head->path(), head->query(), signed_fields, hash},
                              names, s3_ ? sigv4::PathForm::kOnce : sigv4::PathForm::kNormalized);
  const std::string signature =
      sigv4::Signature(key.key, sigv4::StringToSign(date, scope, canonical));
  headers.Add(
      HeaderId::kAuthorization, "authorization",
      arena->Copy(sigv4::Authorization(key.credentials->access_key_id, scope, names, signature)));
  return absl::OkStatus();
}

RequestSigner::Remedy AwsSigner::OnRefused(const ResponseHead& head, std::string_view content,
                                           int64_t unix_seconds) const {
  if (head.status != 400 && head.status != 401 && head.status != 403) return Remedy::kNone;
  if (SaysOneOf(head, content,
                {"RequestTimeTooSkewed", "RequestExpired", "InvalidSignatureException",
                 "SignatureDoesNotMatch", "RequestInTheFuture"})) {
    const HeaderField* date = head.headers.Find("date");
    const auto theirs_ms = date != nullptr ? aws::ParseHttpDate(date->value) : std::nullopt;
    if (!theirs_ms.has_value()) return Remedy::kNone;
    const int64_t skew_s = *theirs_ms / 1000 - unix_seconds;
    if (std::abs(skew_s - skew_s_.load(std::memory_order_relaxed)) < kMinSkewS) {
      return Remedy::kNone;
    }
    skew_s_.store(skew_s, std::memory_order_relaxed);
    Log(LogLevel::kWarn, "clock_skew",
        {{"service", service_}, {"region", region_}, {"seconds", skew_s}});
    return Remedy::kAgain;
  }
  if (SaysOneOf(head, content, {"ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId"})) {
    return credentials_->Refused(credentials_->generation()) ? Remedy::kLater : Remedy::kNone;
  }
  return Remedy::kNone;
}

}  // namespace postern
