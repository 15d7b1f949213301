#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "lib/policy/policy.h"

namespace postern::policy {

/// Table A of authorization.md §4.2: one of the two must allow. For callers of the API's own
/// account and for Lambda authorizers.
Outcome CombineEither(Outcome identity, Outcome resource);

/// Table B: both must allow. For callers of other accounts and for Cognito user pools.
Outcome CombineBoth(Outcome identity, Outcome resource);

/// The policies of a principal; any may be absent. Borrowed.
struct IdentityPolicies {
  std::span<const Policy* const> policies = {};
  const Policy* boundary = nullptr;
  const Policy* session = nullptr;
};

/// What they say together (§3.8).
struct IdentityDecision {
  /// An allow counts only where boundary and session policy allow, too.
  Outcome outcome = Outcome::kImplicitDeny;
  /// Boundary or session policy do not allow, which limits general grants of a resource policy.
  bool limited = false;
  /// Which statement of which document decided: an index of `policies`, then of its statement. Of
  /// a deny by the boundary or the session policy `policy` is -1. Both -1 where none did.
  int policy = -1;
  int statement = -1;
};
IdentityDecision EvaluateIdentity(const IdentityPolicies& policies, const Request& request);

/// How a method is protected (§4.1).
enum class MethodAuth : uint8_t { kNone, kIam, kLambda, kCognito };

/// What the steps in front of the last one found.
struct Findings {
  MethodAuth auth = MethodAuth::kNone;
  /// Of the API; nullopt where it has no resource policy.
  std::optional<Decision> resource = {};
  /// kIam: of the caller's policies.
  IdentityDecision identity = {};
  /// kLambda: of the authorizer's policy. Callers of kCognito are authenticated by now.
  Outcome authorizer = Outcome::kImplicitDeny;
  /// kIam: the caller is of the API's account (§4.5).
  bool same_account = false;
  /// The API is private (§4.4), and closed without a resource policy.
  bool private_api = false;
};

/// Whether the call may go on, by the flows of §4.1. A caller of another account needs a resource
/// policy that allows it, even where there is none.
Outcome Authorize(const Findings& findings);

/// §4.5: whether a caller is of the account. One without account id is not.
inline bool IsSameAccount(const Principal& caller, std::string_view account_id) {
  return !caller.account_id.empty() && caller.account_id == account_id;
}

}  // namespace postern::policy
