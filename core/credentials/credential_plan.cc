#include "core/credentials/credential_plan.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/file_descriptor.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/uri.h"

extern char** environ;

namespace postern {
namespace {

constexpr size_t kMaxFile = 1 << 20;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    const std::string text = Concat(path, ": ", std::strerror(errno));
    return errno == ENOENT || errno == ENOTDIR ? absl::NotFoundError(text)
                                               : absl::FailedPreconditionError(text);
  }
  std::string out;
  char piece[4096];
  for (;;) {
    const ssize_t size = ::read(file.get(), piece, sizeof(piece));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      return absl::FailedPreconditionError(Concat(path, ": ", std::strerror(errno)));
    }
    if (size == 0) return out;
    out.append(piece, static_cast<size_t>(size));
    if (out.size() > kMaxFile) {
      return absl::FailedPreconditionError(Concat(path, ": has more than 1 MiB"));
    }
  }
}

class Planner {
 public:
  Planner(const CredentialSurroundings& surroundings, std::vector<std::string>* files)
      : env_(surroundings), files_(files) {}

  absl::StatusOr<CredentialPlan> Profile(std::string_view name) {
    auto found = FromProfile(name);
    if (!found.ok()) return found.status();
    if (!found->has_value()) {
      return absl::FailedPreconditionError(
          Concat("AWS profile \"", name, "\": there is no such profile with keys or a role"));
    }
    return **std::move(found);
  }

  absl::StatusOr<CredentialPlan> Chain() {
    if (auto plan = FromEnvironment(); plan.has_value()) return *std::move(plan);
    const std::string_view profile = env_.Get("AWS_PROFILE");
    if (!profile.empty()) return Profile(profile);
    if (auto found = FromProfile("default"); !found.ok() || found->has_value()) {
      if (!found.ok()) return found.status();
      return **std::move(found);
    }
    if (!env_.Get("AWS_WEB_IDENTITY_TOKEN_FILE").empty()) {
      aws::RoleStep role;
      role.role_arn = env_.Get("AWS_ROLE_ARN");
      role.session_name = env_.Get("AWS_ROLE_SESSION_NAME");
      if (role.role_arn.empty()) {
        return absl::FailedPreconditionError(
            "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
      }
      return WebIdentity(std::string(env_.Get("AWS_WEB_IDENTITY_TOKEN_FILE")), std::move(role));
    }
    if (HasContainer()) return Container();
    if (EqualsIgnoreCase(env_.Get("AWS_EC2_METADATA_DISABLED"), "true")) {
      return absl::NotFoundError(
          "no AWS credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor a shared "
          "credentials file, nor a web identity or container endpoint is set up");
    }
    return Instance();
  }

 private:
  std::optional<CredentialPlan> FromEnvironment() const {
    CredentialPlan plan;
    plan.name = "environment";
    plan.keys = aws::Credentials(std::string(env_.Get("AWS_ACCESS_KEY_ID")),
                                 std::string(env_.Get("AWS_SECRET_ACCESS_KEY")),
                                 std::string(env_.Get("AWS_SESSION_TOKEN")));
    plan.region = Region({});
    if (!plan.keys.complete()) return std::nullopt;
    return plan;
  }

  std::string Region(std::string_view of_profile) const {
    for (const std::string_view region :
         {env_.Get("AWS_REGION"), env_.Get("AWS_DEFAULT_REGION"), of_profile}) {
      if (!region.empty()) return std::string(region);
    }
    return {};
  }

  // A file that need not be there. One that is there but cannot be read is an error.
  absl::StatusOr<std::string> ReadShared(std::string_view variable, std::string_view name) {
    std::string path(env_.Get(variable));
    if (path.empty()) {
      if (env_.Get("HOME").empty()) return std::string();
      path = Concat(env_.Get("HOME"), "/.aws/", name);
    }
    files_->push_back(path);
    absl::StatusOr<std::string> text = env_.read(path);
    if (absl::IsNotFound(text.status())) return std::string();
    return text;
  }

  absl::StatusOr<std::string> ReadToken(const std::string& path) {
    files_->push_back(path);
    absl::StatusOr<std::string> token = env_.read(path);
    if (!token.ok()) return token.status();
    while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();
    // It becomes part of a field or a form.
    if (token->empty() || token->find_first_of(std::string_view("\r\n\0", 3)) != token->npos) {
      return absl::FailedPreconditionError(Concat(path, ": does not hold a token"));
    }
    return token;
  }

  absl::StatusOr<std::optional<CredentialPlan>> FromProfile(std::string_view name) {
    absl::StatusOr<std::string> credentials =
        ReadShared("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    if (!credentials.ok()) return credentials.status();
    absl::StatusOr<std::string> config = ReadShared("AWS_CONFIG_FILE", "config");
    if (!config.ok()) return config.status();
    auto found = aws::PlanProfile(aws::Profiles::Parse(*credentials, *config), name);
    if (!found.ok()) return found.status();
    if (!found->has_value()) return std::nullopt;
    aws::ProfilePlan& profile = **found;
    absl::StatusOr<CredentialPlan> plan = CredentialPlan();
    switch (profile.base) {
      case aws::ProfilePlan::Base::kKeys:
        plan->name = "shared file";
        plan->keys = std::move(profile.keys);
        break;
      case aws::ProfilePlan::Base::kEnvironment: {
        auto of_environment = FromEnvironment();
        if (!of_environment.has_value()) {
          return absl::FailedPreconditionError(
              Concat("AWS profile \"", name,
                     "\": the environment, its credential_source, has no credentials"));
        }
        plan = *std::move(of_environment);
        break;
      }
      case aws::ProfilePlan::Base::kContainer:
        plan = Container();
        break;
      case aws::ProfilePlan::Base::kInstance:
        plan = Instance();
        break;
      case aws::ProfilePlan::Base::kWebIdentity:
        plan = WebIdentity(profile.token_file, std::move(profile.web_identity));
        break;
    }
    if (!plan.ok()) return plan.status();
    plan->roles = std::move(profile.roles);
    plan->region = Region(profile.region);
    return *std::move(plan);
  }

  absl::StatusOr<CredentialPlan> WebIdentity(const std::string& file, aws::RoleStep role) {
    absl::StatusOr<std::string> token = ReadToken(file);
    if (!token.ok()) return token.status();
    CredentialPlan plan;
    plan.source = CredentialPlan::Source::kWebIdentity;
    plan.name = "web identity";
    plan.web_identity = std::move(role);
    plan.token = *std::move(token);
    plan.region = Region({});
    return plan;
  }

  bool HasContainer() const {
    return !env_.Get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
           !env_.Get("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty();
  }

  absl::StatusOr<CredentialPlan> Container() {
    CredentialPlan plan;
    plan.source = CredentialPlan::Source::kContainer;
    plan.name = "container";
    plan.region = Region({});
    if (const auto relative = env_.Get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        !relative.empty()) {
      plan.url = Concat("http://169.254.170.2", relative);
    } else {
      plan.url = env_.Get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    }
    if (absl::Status status = CheckContainerUrl(plan.url); !status.ok()) return status;
    const std::string file(env_.Get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    if (!file.empty()) {
      absl::StatusOr<std::string> token = ReadToken(file);
      if (!token.ok()) return token.status();
      plan.token = *std::move(token);
    } else {
      plan.token = env_.Get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
      if (plan.token.find_first_of("\r\n") != plan.token.npos) {
        return absl::FailedPreconditionError(
            "AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break in it");
      }
    }
    return plan;
  }

  absl::StatusOr<CredentialPlan> Instance() const {
    CredentialPlan plan;
    plan.source = CredentialPlan::Source::kInstance;
    plan.name = "instance metadata";
    plan.region = Region({});
    plan.url = env_.Get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (plan.url.empty()) {
      plan.url = EqualsIgnoreCase(env_.Get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "IPv6")
                     ? "http://[fd00:ec2::254]"
                     : "http://169.254.169.254";
    }
    while (plan.url.ends_with('/')) plan.url.pop_back();
    if (!ParseHttpUri(plan.url).ok()) {
      return absl::FailedPreconditionError("AWS_EC2_METADATA_SERVICE_ENDPOINT is no http URL");
    }
    return plan;
  }

  const CredentialSurroundings& env_;
  std::vector<std::string>* files_;
};

}  // namespace

CredentialSurroundings CredentialSurroundings::OfProcess() {
  CredentialSurroundings out;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view pair = *at;
    const size_t equals = pair.find('=');
    if (equals == pair.npos || (!pair.starts_with("AWS_") && !pair.starts_with("HOME="))) continue;
    out.environment.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  out.read = ReadFile;
  return out;
}

std::string_view CredentialSurroundings::Get(std::string_view name) const {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string_view() : std::string_view(found->second);
}

absl::Status CheckContainerUrl(std::string_view url) {
  const absl::StatusOr<HttpUri> uri = ParseHttpUri(url);
  if (!uri.ok()) {
    return absl::FailedPreconditionError(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is no http or https URL");
  }
  if (uri->https) return absl::OkStatus();
  if (uri->host_kind == HostKind::kIpv4 && uri->host.starts_with("127.")) return absl::OkStatus();
  for (const std::string_view allowed :
       {"localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"}) {
    if (EqualsIgnoreCase(uri->host, allowed)) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "AWS_CONTAINER_CREDENTIALS_FULL_URI: http is allowed to loopback and the container "
      "endpoints of AWS only; use https");
}

absl::StatusOr<CredentialPlan> PlanCredentials(const CredentialSurroundings& surroundings,
                                               std::string_view profile,
                                               std::vector<std::string>* files) {
  Planner planner(surroundings, files);
  return profile.empty() ? planner.Chain() : planner.Profile(profile);
}

}  // namespace postern
