#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "core/credentials/credential_cell.h"
#include "core/upstream/request_signer.h"

namespace postern {

/// Signs with AWS Signature Version 4 (lib/crypto/sigv4.h; authorization.md §12.1). Signed are
/// host, content-type and every x-amz-* field, and the content by its digest. Fields of an earlier
/// signature are replaced. Requests to S3 carry the digest in x-amz-content-sha256, and their path
/// is not encoded twice. Each thread keeps the key of the day, so that neither a lock nor its four
/// digests cost anything per request.
class AwsSigner final : public RequestSigner {
 public:
  /// `service` and `region` are those of the credential scope.
  AwsSigner(std::string service, std::string region, std::shared_ptr<CredentialCell> credentials);

  /// FailedPrecondition without credentials.
  absl::Status Sign(RequestHead* head, std::string_view content,
                    int64_t unix_seconds) const override;

  /// kAgain once it has set its clock by the answer's Date (RequestTimeTooSkewed and the like);
  /// kLater once it has asked for new credentials (ExpiredToken and the like).
  Remedy OnRefused(const ResponseHead& head, std::string_view content,
                   int64_t unix_seconds) const override;

  uint64_t version() const override { return credentials_->generation(); }

 private:
  struct Key;
  const Key* KeyOf(std::string_view date) const;

  const std::string service_;
  const std::string region_;
  const bool s3_;
  const std::shared_ptr<CredentialCell> credentials_;
  const uint64_t id_;                       // of this signer, never used again
  mutable std::atomic<int64_t> skew_s_{0};  // of the services' clock against ours
};

}  // namespace postern
