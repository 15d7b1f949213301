#include "core/credentials/credential_run.h"

#include <utility>

#include "core/credentials/aws_signer.h"
#include "lib/aws/sts.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// authorization.md §12.2, row IMDSv2: a second each, one retry.
constexpr uint32_t kInstanceTimeoutMs = 1000;
constexpr uint32_t kStsTimeoutMs = 10000;
constexpr std::string_view kInstancePath = "/latest/meta-data/iam/security-credentials/";

absl::Status BadStatus(std::string_view who, int status) {
  const std::string text = Concat(who, " answers ", status);
  return status >= 500 || status == 429 ? absl::UnavailableError(text)
                                        : absl::FailedPreconditionError(text);
}

}  // namespace

void CredentialRun::Start() {
  switch (plan_.source) {
    case CredentialPlan::Source::kKeys:
      Got(plan_.keys);
      return;
    case CredentialPlan::Source::kWebIdentity:
      AskSts(aws::AssumeRoleWithWebIdentityForm(plan_.web_identity, env_.session_name, plan_.token),
             /*is_signed=*/false);
      return;
    case CredentialPlan::Source::kContainer:
      AskContainer();
      return;
    case CredentialPlan::Source::kInstance:
      AskInstanceToken();
      return;
  }
}

void CredentialRun::Fetch(HttpFetch::Request request, Next next) {
  request.tls = env_.tls;
  auto fetch = HttpFetch::Start(env_.upstream, std::move(request),
                                [this, next = std::move(next)](auto answer) mutable {
                                  // It is on the stack.
                                  env_.upstream.net->dispatcher->DeferDelete(std::move(fetch_));
                                  if (!answer.ok()) {
                                    Done(answer.status());
                                  } else {
                                    next(*std::move(answer));
                                  }
                                });
  if (fetch.ok()) {
    fetch_ = *std::move(fetch);
  } else {
    Done(absl::FailedPreconditionError(fetch.status().message()));
  }
}

void CredentialRun::AskInstanceToken() {
  HttpFetch::Request request;
  request.method = "PUT";
  request.url = Concat(plan_.url, "/latest/api/token");
  request.fields = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}};
  request.attempt_timeout_ms = kInstanceTimeoutMs;
  request.timeout_ms = 2 * kInstanceTimeoutMs + 200;
  Fetch(std::move(request), [this](HttpFetch::Answer answer) {
    if (answer.status != 200) {
      // Never on to version 1, which needs no token.
      Done(BadStatus("the instance metadata service", answer.status));
      return;
    }
    instance_token_ = std::move(answer.body);
    if (instance_token_.find_first_of("\r\n") != instance_token_.npos) {
      Done(absl::UnavailableError("the instance metadata service gives no token"));
      return;
    }
    AskInstanceRole();
  });
}

void CredentialRun::AskInstanceRole() {
  HttpFetch::Request request;
  request.url = Concat(plan_.url, kInstancePath);
  request.fields = {{"X-aws-ec2-metadata-token", instance_token_}};
  request.attempt_timeout_ms = kInstanceTimeoutMs;
  request.timeout_ms = 2 * kInstanceTimeoutMs + 200;
  Fetch(std::move(request), [this](HttpFetch::Answer answer) {
    if (answer.status != 200) {
      Done(answer.status == 404 ? absl::FailedPreconditionError("the instance has no role")
                                : BadStatus("the instance metadata service", answer.status));
      return;
    }
    instance_role_ = answer.body.substr(0, answer.body.find_first_of("\r\n"));
    AskInstanceCredentials();
  });
}

void CredentialRun::AskInstanceCredentials() {
  HttpFetch::Request request;
  request.url = Concat(plan_.url, kInstancePath, instance_role_);
  request.fields = {{"X-aws-ec2-metadata-token", instance_token_}};
  request.attempt_timeout_ms = kInstanceTimeoutMs;
  request.timeout_ms = 2 * kInstanceTimeoutMs + 200;
  Fetch(std::move(request), [this](HttpFetch::Answer answer) {
    if (answer.status != 200) {
      Done(BadStatus("the instance metadata service", answer.status));
    } else {
      Got(aws::ParseEndpointAnswer(answer.body));
    }
  });
}

void CredentialRun::AskContainer() {
  HttpFetch::Request request;
  request.url = plan_.url;
  if (!plan_.token.empty()) request.fields = {{"Authorization", plan_.token}};
  Fetch(std::move(request), [this](HttpFetch::Answer answer) {
    if (answer.status != 200) {
      Done(BadStatus("the container credential endpoint", answer.status));
    } else {
      Got(aws::ParseEndpointAnswer(answer.body));
    }
  });
}

void CredentialRun::AskSts(std::string form, bool is_signed) {
  const std::string& region = plan_.region.empty() ? env_.region : plan_.region;
  HttpFetch::Request request;
  request.method = "POST";
  const auto override_url = env_.endpoints->Find("sts");
  request.url = override_url.has_value()
                    ? std::string(*override_url)
                    : Concat("https://", aws::EndpointOf("sts", region).host, "/");
  request.fields = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = std::move(form);
  request.timeout_ms = kStsTimeoutMs;
  request.retries = 2;
  if (is_signed) {
    request.signer = std::make_shared<const AwsSigner>(
        "sts", region, std::make_shared<CredentialCell>(credentials_));
  }
  Fetch(std::move(request),
        [this](HttpFetch::Answer answer) { Got(aws::ParseStsAnswer(answer.status, answer.body)); });
}

void CredentialRun::Got(absl::StatusOr<aws::Credentials> credentials) {
  if (!credentials.ok()) {
    Done(credentials.status());
    return;
  }
  credentials_ = *std::move(credentials);
  NextRole();
}

void CredentialRun::NextRole() {
  if (role_ == plan_.roles.size()) {
    Done(std::move(credentials_));
    return;
  }
  AskSts(aws::AssumeRoleForm(plan_.roles[role_++], env_.session_name), /*is_signed=*/true);
}

void CredentialRun::Done(absl::StatusOr<aws::Credentials> credentials) {
  if (callback_ != nullptr) std::exchange(callback_, nullptr)(std::move(credentials));
}

}  // namespace postern
