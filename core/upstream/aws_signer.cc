#include "core/upstream/aws_signer.h"

#include <utility>
#include <vector>

#include "lib/crypto/sigv4.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

constexpr std::string_view kDate = "x-amz-date";
constexpr std::string_view kToken = "x-amz-security-token";

bool IsSigned(const HeaderField& field) {
  return field.id == HeaderId::kContentType ||
         (field.name.size() > 6 && EqualsIgnoreCase(field.name.substr(0, 6), "x-amz-"));
}

}  // namespace

AwsSigner::AwsSigner(std::string service, std::string region,
                     std::shared_ptr<const AwsCredentialsProvider> credentials)
    : service_(std::move(service)),
      region_(std::move(region)),
      credentials_(std::move(credentials)) {}

absl::Status AwsSigner::Sign(RequestHead* head, std::string_view content,
                             int64_t unix_seconds) const {
  const std::shared_ptr<const AwsCredentials> credentials = credentials_->Get();
  if (credentials == nullptr) {
    return absl::FailedPreconditionError(
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a shared "
        "credentials file");
  }
  Arena* arena = head->headers.arena();
  const std::string_view date = arena->Copy(sigv4::AmzDate(unix_seconds));
  head->headers.Remove(HeaderId::kAuthorization);
  head->headers.Set(kDate, date);
  head->headers.Remove(kToken);
  if (!credentials->session_token.empty()) {
    head->headers.Add(kToken, arena->Copy(credentials->session_token));
  }
  std::vector<sigv4::Field> fields = {{"host", head->authority}};
  for (const HeaderField& field : head->headers) {
    if (IsSigned(field)) fields.push_back({field.name, field.value});
  }
  const sigv4::Scope scope = {date.substr(0, 8), region_, service_};
  const std::string names = sigv4::SignedNames(fields);
  const std::string hash = Sha256Hex(content);
  const std::string canonical = sigv4::CanonicalRequest(
      {head->method_text, head->path(), head->query(), fields, hash}, names);
  const std::string signature =
      sigv4::Signature(sigv4::SigningKey(credentials->secret_access_key, scope),
                       sigv4::StringToSign(date, scope, canonical));
  head->headers.Add(
      HeaderId::kAuthorization, "authorization",
      arena->Copy(sigv4::Authorization(credentials->access_key_id, scope, names, signature)));
  return absl::OkStatus();
}

}  // namespace postern
