#include "lib/policy/combine.h"

#include <cstddef>

namespace postern::policy {

Outcome CombineEither(Outcome identity, Outcome resource) {
  if (identity == Outcome::kExplicitDeny || resource == Outcome::kExplicitDeny) {
    return Outcome::kExplicitDeny;
  }
  const bool allow = identity == Outcome::kAllow || resource == Outcome::kAllow;
  return allow ? Outcome::kAllow : Outcome::kImplicitDeny;
}

Outcome CombineBoth(Outcome identity, Outcome resource) {
  if (identity == Outcome::kExplicitDeny || resource == Outcome::kExplicitDeny) {
    return Outcome::kExplicitDeny;
  }
  const bool allow = identity == Outcome::kAllow && resource == Outcome::kAllow;
  return allow ? Outcome::kAllow : Outcome::kImplicitDeny;
}

IdentityDecision EvaluateIdentity(const IdentityPolicies& policies, const Request& request) {
  IdentityDecision decision;
  for (const Policy* limit : {policies.boundary, policies.session}) {
    if (limit == nullptr) continue;
    const Decision part = limit->Evaluate(request);
    if (part.outcome == Outcome::kExplicitDeny) {
      return {Outcome::kExplicitDeny, true, -1, part.statement};
    }
    if (part.outcome != Outcome::kAllow) decision.limited = true;
  }
  for (size_t i = 0; i < policies.policies.size(); ++i) {
    const Decision part = policies.policies[i]->Evaluate(request);
    if (part.outcome == Outcome::kExplicitDeny) {
      return {Outcome::kExplicitDeny, decision.limited, static_cast<int>(i), part.statement};
    }
    if (part.outcome != Outcome::kAllow || decision.limited ||
        decision.outcome == Outcome::kAllow) {
      continue;
    }
    decision.outcome = Outcome::kAllow;
    decision.policy = static_cast<int>(i);
    decision.statement = part.statement;
  }
  return decision;
}

Outcome Authorize(const Findings& findings) {
  if (findings.private_api && !findings.resource) return Outcome::kImplicitDeny;
  const Decision resource = findings.resource.value_or(Decision{});
  switch (findings.auth) {
    case MethodAuth::kNone:
    case MethodAuth::kCognito:
      return findings.resource ? resource.outcome : Outcome::kAllow;
    case MethodAuth::kLambda:
      return CombineEither(findings.authorizer, resource.outcome);
    case MethodAuth::kIam: {
      const IdentityDecision& identity = findings.identity;
      if (!findings.same_account) return CombineBoth(identity.outcome, resource.outcome);
      const bool limited = identity.limited && resource.outcome == Outcome::kAllow &&
                           resource.grant != Grant::kDirect;
      return CombineEither(identity.outcome, limited ? Outcome::kImplicitDeny : resource.outcome);
    }
  }
  return Outcome::kImplicitDeny;
}

}  // namespace postern::policy
