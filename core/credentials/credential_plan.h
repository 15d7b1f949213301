#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/aws/profile.h"

namespace postern {

/// What the sources of credentials read: the variables AWS_* and HOME of the process, and files.
struct CredentialSurroundings {
  std::map<std::string, std::string, std::less<>> environment;
  /// The text of a file. NotFound if there is none.
  std::function<absl::StatusOr<std::string>(const std::string& path)> read;

  /// Those of this process. Files are read at once and up to 1 MiB.
  static CredentialSurroundings OfProcess();
  /// Empty if it is not set.
  std::string_view Get(std::string_view name) const;
};

/// Where credentials come from, decided; nothing has been asked over the network yet.
struct CredentialPlan {
  enum class Source : uint8_t { kKeys, kWebIdentity, kContainer, kInstance };
  Source source = Source::kKeys;
  std::string_view name;       ///< of the source, for logs: "environment", "container", …
  aws::Credentials keys;       ///< kKeys
  aws::RoleStep web_identity;  ///< kWebIdentity
  std::string token;           ///< kWebIdentity: exchanged for the role; kContainer: sent along
  std::string url;             ///< kContainer, kInstance
  std::vector<aws::RoleStep> roles;  ///< assumed one after the other with what came before
  std::string region;                ///< where STS is asked; empty: nothing says so
};

/// Goes through the standard chain (authorization.md §12.2): environment, shared files, web
/// identity, container, instance metadata. The first that is set up counts: one that is, but cannot
/// be used, is an error rather than passed over. With `profile`, that profile of the shared files
/// and nothing else. `files` gets what was read even where the result is an error. NotFound if
/// nothing is set up.
absl::StatusOr<CredentialPlan> PlanCredentials(const CredentialSurroundings& surroundings,
                                               std::string_view profile,
                                               std::vector<std::string>* files);

/// Whether `url` may be asked for a container's credentials: https, or http to loopback and the
/// link-local addresses that AWS serves them at.
absl::Status CheckContainerUrl(std::string_view url);

}  // namespace postern
