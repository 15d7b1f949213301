#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/policy/condition.h"
#include "lib/policy/condition_context.h"
#include "lib/policy/pattern.h"
#include "lib/text/json_reader.h"

namespace postern::policy {

/// The actions of API Gateway (authorization.md §3.2).
enum class Action : uint8_t { kInvoke, kInvalidateCache, kManageConnections };

/// As messages and policies write it: "execute-api:Invoke".
std::string_view ActionName(Action action);

enum class Outcome : uint8_t { kImplicitDeny, kAllow, kExplicitDeny };

/// How an Allow of a resource policy reached the caller; of other policies kNone. What names the
/// very user or session is limited by no boundary (§3.8 step 5).
enum class Grant : uint8_t { kNone, kGeneral, kDirect };

struct Decision {
  Outcome outcome = Outcome::kImplicitDeny;
  Grant grant = Grant::kNone;
  /// Which statement of the document decided, from 0; -1 where none did.
  int statement = -1;
};

/// What is asked.
struct Request {
  Action action = Action::kInvoke;
  std::string_view resource;  ///< the ARN of the call (§3.3)
  const Principal& principal;
  const ConditionContext& context;
};

/// Where a document comes from, which decides what it may say.
enum class PolicyKind : uint8_t {
  kResource,    ///< of an API: names principals, at most 8192 bytes
  kIdentity,    ///< of a principal, its boundary or its session
  kAuthorizer,  ///< what a Lambda authorizer gave: resources of at most 512 bytes
};

struct PolicyOptions {
  PolicyKind kind = PolicyKind::kIdentity;
  /// What the short form "execute-api:/stage/GET/path" of a resource policy stands behind:
  /// "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5". Empty: the short form is refused.
  std::string_view api_arn = {};
};

/// A policy document (authorization.md §3), compiled. Immutable; evaluated by any number of threads
/// at once, without allocation.
class Policy {
 public:
  static constexpr size_t kMaxResourcePolicyBytes = 8192;
  static constexpr size_t kMaxAuthorizerResourceBytes = 512;
  /// Of any document: JSON values that it may have.
  static constexpr size_t kMaxValues = 20000;

  /// Reads a document. InvalidArgument, with the JSON pointer of what is wrong, for what AWS
  /// refuses; ResourceExhausted for what exceeds a limit.
  static absl::StatusOr<Policy> Compile(std::string_view json, const PolicyOptions& options);

  /// The same of a document inside another, such as the result of an authorizer.
  static absl::StatusOr<Policy> Compile(JsonValue document, const PolicyOptions& options);

  /// An explicit deny comes before every allow; without either the answer is kImplicitDeny.
  Decision Evaluate(const Request& request) const;

  /// Of what is allowed and yet can hardly be meant, "/Statement/0/Resource: ..." for each (§3.3,
  /// §3.6): for whoever imports the document.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  friend class PolicyCompiler;

  enum class Matched : uint8_t { kNo, kGeneral, kDirect };

  /// One principal of a list, or with kAny all of them.
  struct PrincipalEntry {
    enum class Kind : uint8_t { kAny, kAccount, kArn, kUniqueId, kService, kFederated, kNobody };
    Kind kind;
    std::string text;  ///< account id, ARN, unique id or name

    Matched Matches(const Principal& principal) const;
  };

  struct Statement {
    int index = 0;
    bool deny = false;
    uint8_t actions = 0;  ///< a bit for each Action
    bool has_principals = false;
    bool not_principal = false;
    bool not_resource = false;
    std::vector<PrincipalEntry> principals;
    std::vector<ArnPattern> resources;
    std::vector<Condition> conditions;

    Matched MatchesPrincipal(const Principal& principal) const;
    bool MatchesResource(const ArnPattern::Parts& arn, const ConditionContext& context) const;
    bool MatchesConditions(const ConditionContext& context) const;
  };

  std::vector<Statement> statements_;  // Denying ones first.
  std::vector<std::string> warnings_;
};

}  // namespace postern::policy
