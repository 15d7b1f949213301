#pragma once

#include <memory>
#include <string>

#include "core/upstream/aws_credentials.h"
#include "core/upstream/request_signer.h"

namespace postern {

/// Signs with AWS Signature Version 4 (lib/crypto/sigv4.h), as the Lambda Invoke API asks
/// (management-and-import.md §5.1). Signed are host, content-type and every x-amz-* field, and the
/// content by its digest. Fields of an earlier signature are replaced.
class AwsSigner final : public RequestSigner {
 public:
  AwsSigner(std::string service, std::string region,
            std::shared_ptr<const AwsCredentialsProvider> credentials);

  /// FailedPrecondition without credentials.
  absl::Status Sign(RequestHead* head, std::string_view content,
                    int64_t unix_seconds) const override;

 private:
  const std::string service_;
  const std::string region_;
  const std::shared_ptr<const AwsCredentialsProvider> credentials_;
};

}  // namespace postern
