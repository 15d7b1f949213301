#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "core/credentials/credential_plan.h"
#include "core/credentials/http_fetch.h"
#include "lib/aws/endpoint.h"

namespace postern {

/// What asking for credentials works with. Outlives every run.
struct CredentialRunEnv {
  UpstreamEnv upstream;
  const CredentialSurroundings* surroundings;
  const aws::EndpointOverrides* endpoints;
  std::string region;        ///< of STS, where nothing else says so
  std::string session_name;  ///< of roles that name none
  std::shared_ptr<TlsClientContext> tls;
};

/// Carries one plan out: asks the container, the instance or STS for credentials, then assumes the
/// plan's roles with them, one after the other. Ends by its callback or its destructor. Not
/// thread-safe.
class CredentialRun final : public Deferred {
 public:
  /// PermissionDenied is final for what was asked; Unavailable may be mended by another try.
  using Callback = absl::AnyInvocable<void(absl::StatusOr<aws::Credentials>)>;

  /// `callback` is called once, from the loop or from inside Start().
  CredentialRun(const CredentialRunEnv& env, CredentialPlan plan, Callback callback)
      : env_(env), plan_(std::move(plan)), callback_(std::move(callback)) {}

  void Start();

 private:
  void AskInstanceToken();
  void AskInstanceRole();
  void AskInstanceCredentials();
  void AskContainer();
  void AskSts(std::string form, bool is_signed);
  void NextRole();

  using Next = absl::AnyInvocable<void(HttpFetch::Answer)>;
  void Fetch(HttpFetch::Request request, Next next);
  void Got(absl::StatusOr<aws::Credentials> credentials);
  void Done(absl::StatusOr<aws::Credentials> credentials);

  const CredentialRunEnv& env_;
  const CredentialPlan plan_;
  Callback callback_;
  std::unique_ptr<HttpFetch> fetch_;
  std::string instance_token_;
  std::string instance_role_;
  aws::Credentials credentials_;
  size_t role_ = 0;
};

}  // namespace postern
