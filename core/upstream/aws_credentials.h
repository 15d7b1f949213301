#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace postern {

/// Keys to sign requests to AWS with.
struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  ///< empty for long-lived keys

  bool operator==(const AwsCredentials&) const = default;
};

/// The section of `profile` in a shared credentials file ("~/.aws/credentials"): `[profile]` and
/// lines `key = value`. Nullopt if it is not there or has no key pair.
std::optional<AwsCredentials> ParseSharedCredentials(std::string_view text,
                                                     std::string_view profile);

/// The gateway's own credentials, as the standard provider chain of the AWS tools finds them: from
/// the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), else from the
/// shared file (AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials; AWS_PROFILE or "default").
/// Thread-safe.
class AwsCredentialsProvider {
 public:
  /// Loads what is there; later changes of the file are seen by Reload() only.
  AwsCredentialsProvider();
  /// Fixed ones; for tests.
  explicit AwsCredentialsProvider(AwsCredentials credentials);

  /// Null when there are none.
  std::shared_ptr<const AwsCredentials> Get() const;
  /// Reads environment and file again; keeps what it has if there is nothing better. Blocks on the
  /// file: not for the request path.
  void Reload();

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const AwsCredentials> credentials_;  // guarded by mutex_
};

}  // namespace postern
