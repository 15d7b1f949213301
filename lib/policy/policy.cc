#include "lib/policy/policy.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "lib/policy/policy_compiler.h"
#include "lib/text/concat.h"

namespace postern::policy {

std::string_view ActionName(Action action) {
  switch (action) {
    case Action::kInvoke:
      return "execute-api:Invoke";
    case Action::kInvalidateCache:
      return "execute-api:InvalidateCache";
    case Action::kManageConnections:
      return "execute-api:ManageConnections";
  }
  return {};
}

absl::StatusOr<Policy> Policy::Compile(std::string_view json, const PolicyOptions& options) {
  if (options.kind == PolicyKind::kResource && json.size() > kMaxResourcePolicyBytes) {
    return absl::ResourceExhaustedError(
        Concat("a resource policy may have 8192 bytes, but has ", json.size()));
  }
  JsonReader reader;
  const absl::Status status = reader.Parse(json, {.max_depth = 8, .max_values = kMaxValues});
  if (!status.ok()) return status;
  return PolicyCompiler(options).Compile(reader.root());
}

absl::StatusOr<Policy> Policy::Compile(JsonValue document, const PolicyOptions& options) {
  return PolicyCompiler(options).Compile(document);
}

Policy::Matched Policy::PrincipalEntry::Matches(const Principal& principal) const {
  const auto exactly = [this](std::string_view name) { return !name.empty() && name == text; };
  switch (kind) {
    case Kind::kAny:
      return Matched::kGeneral;
    case Kind::kAccount:
      return exactly(principal.account_id) ? Matched::kGeneral : Matched::kNo;
    case Kind::kArn:
      // The ARN of a role stands for all its sessions, which have an ARN each besides (§3.4).
      if (exactly(principal.user_arn)) return Matched::kDirect;
      return exactly(principal.arn) ? Matched::kGeneral : Matched::kNo;
    case Kind::kUniqueId: {
      const std::string_view id = principal.user_id;
      if (exactly(id)) return Matched::kDirect;
      return id.size() > text.size() && id.starts_with(text) && id[text.size()] == ':'
                 ? Matched::kGeneral
                 : Matched::kNo;
    }
    case Kind::kService:
      return exactly(principal.service) || (text == "*" && !principal.service.empty())
                 ? Matched::kGeneral
                 : Matched::kNo;
    case Kind::kFederated:
      return exactly(principal.federated) || (text == "*" && !principal.federated.empty())
                 ? Matched::kGeneral
                 : Matched::kNo;
    case Kind::kNobody:
      return Matched::kNo;
  }
  return Matched::kNo;
}

Policy::Matched Policy::Statement::MatchesPrincipal(const Principal& principal) const {
  if (!has_principals) return Matched::kGeneral;
  Matched best = Matched::kNo;
  if (!not_principal) {
    for (const PrincipalEntry& entry : principals) best = std::max(best, entry.Matches(principal));
    return best;
  }
  // To be left out, a caller must be listed as each of what it is: its account, its user or role,
  // and its session (§3.4).
  using Kind = PrincipalEntry::Kind;
  bool account = false;
  bool identity = false;
  bool session = principal.arn == principal.user_arn;
  for (const PrincipalEntry& entry : principals) {
    const bool matches = entry.Matches(principal) != Matched::kNo;
    if (!matches) continue;
    if (entry.kind == Kind::kAny || entry.kind == Kind::kService ||
        entry.kind == Kind::kFederated) {
      return Matched::kNo;
    }
    if (entry.kind == Kind::kAccount) account = true;
    if (entry.kind == Kind::kUniqueId) identity = session = true;
    if (entry.kind == Kind::kArn && entry.text == principal.arn) identity = true;
    if (entry.kind == Kind::kArn && entry.text == principal.user_arn) session = true;
  }
  if (principal.kind == Principal::Kind::kAccount || principal.arn.empty()) identity = account;
  return account && identity && session ? Matched::kNo : Matched::kGeneral;
}

bool Policy::Statement::MatchesResource(const ArnPattern::Parts& arn,
                                        const ConditionContext& context) const {
  for (const ArnPattern& resource : resources) {
    // What an allow leaves out must be known.
    if (not_resource && !deny && !resource.Resolves(context)) return false;
    if (resource.Matches(arn, context)) return !not_resource;
  }
  return not_resource;
}

bool Policy::Statement::MatchesConditions(const ConditionContext& context) const {
  return std::all_of(conditions.begin(), conditions.end(),
                     [&](const Condition& c) { return c.Holds(context, deny); });
}

Decision Policy::Evaluate(const Request& request) const {
  Decision decision;
  ArnPattern::Parts arn;
  if (!ArnPattern::Split(request.resource, &arn)) return decision;
  const unsigned action = 1u << static_cast<unsigned>(request.action);
  for (const Statement& statement : statements_) {
    if ((statement.actions & action) == 0) continue;
    const Matched matched = statement.MatchesPrincipal(request.principal);
    if (matched == Matched::kNo || !statement.MatchesResource(arn, request.context) ||
        !statement.MatchesConditions(request.context)) {
      continue;
    }
    if (statement.deny) return {Outcome::kExplicitDeny, Grant::kNone, statement.index};
    const Grant grant = !statement.has_principals     ? Grant::kNone
                        : matched == Matched::kDirect ? Grant::kDirect
                                                      : Grant::kGeneral;
    if (decision.outcome != Outcome::kAllow || grant > decision.grant) {
      decision = {Outcome::kAllow, grant, statement.index};
    }
    // A later statement could but name the caller more closely.
    if (grant != Grant::kGeneral || request.principal.arn.empty()) break;
  }
  return decision;
}

}  // namespace postern::policy
