#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/aws/credentials.h"

namespace postern::aws {

/// The two shared files of the AWS tools: sections with lines `key = value`.
class Profiles {
 public:
  /// `credentials` is the text of ~/.aws/credentials (sections `[name]`), `config` that of
  /// ~/.aws/config (`[default]`, `[profile name]`; other sections are left alone). What the first
  /// says of a profile goes before what the second does. Lines that are none of the above are
  /// skipped, nested settings too: the files belong to other tools as well.
  static Profiles Parse(std::string_view credentials, std::string_view config);

  bool Has(std::string_view profile) const;
  /// Empty if it is not said.
  std::string_view Get(std::string_view profile, std::string_view key) const;

 private:
  std::map<std::string, std::map<std::string, std::string, std::less<>>, std::less<>> sections_;
};

/// A role to be assumed by STS with the credentials that came before it.
struct RoleStep {
  std::string role_arn;
  std::string session_name;  ///< empty: made up
  std::string external_id;
  uint32_t duration_s = 3600;  ///< 900 to 43,200

  bool operator==(const RoleStep&) const = default;
};

/// How a profile gets at credentials: a beginning, then roles one after the other.
struct ProfilePlan {
  enum class Base : uint8_t {
    kKeys,         ///< keys of the files
    kEnvironment,  ///< AWS_ACCESS_KEY_ID and so on
    kContainer,
    kInstance,
    kWebIdentity,  ///< a token of a file is exchanged for the role
  };
  Base base = Base::kKeys;
  Credentials keys;
  std::string token_file;       ///< kWebIdentity
  RoleStep web_identity;        ///< kWebIdentity
  std::vector<RoleStep> roles;  ///< in the order in which they are assumed
  std::string region;
};

/// Follows source_profile, credential_source and role_arn from `profile` on. Nothing if the profile
/// is not there or has neither keys nor a role; an error if what it says leads nowhere, or to
/// something that is not served here (credential_process, sso_*).
absl::StatusOr<std::optional<ProfilePlan>> PlanProfile(const Profiles& profiles,
                                                       std::string_view profile);

}  // namespace postern::aws
