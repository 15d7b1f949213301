#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/policy/combine.h"
#include "lib/policy/condition.h"
#include "lib/policy/pattern.h"
#include "lib/policy/policy.h"
#include "lib/text/glob.h"
#include "lib/text/utf8.h"

namespace postern::policy {

// The first line is the path of a call and the value of its keys, and what follows a document, then
// also a pattern. What is denied by a document stays denied whoever else allows, and the matcher of
// patterns with variables agrees with the other one where there are none.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  const std::string_view value = input.substr(0, end);
  const std::string_view rest = end == input.npos ? std::string_view() : input.substr(end + 1);

  constexpr std::string_view kApi = "arn:aws:execute-api:us-east-1:123456789012:api";
  const std::string resource = std::string(kApi) + "/prod/GET/" + std::string(value);
  const Principal user{.kind = Principal::Kind::kUser,
                       .account_id = "123456789012",
                       .arn = "arn:aws:iam::123456789012:user/bob",
                       .user_arn = "arn:aws:iam::123456789012:user/bob",
                       .user_id = "AIDAEXAMPLEEXAMPLE12",
                       .user_name = "bob"};
  const Principal nobody;
  ConditionContext context;
  context.SetTime(1784512580000);
  context.SetPrincipal(user);
  context.Set(ConditionKey::kSourceIp, "192.0.2.1");
  context.Set(ConditionKey::kReferer, value);
  const PrincipalTag tags[] = {{"team", value}};
  context.SetTags(tags);
  for (const PolicyKind kind :
       {PolicyKind::kResource, PolicyKind::kIdentity, PolicyKind::kAuthorizer}) {
    const absl::StatusOr<Policy> policy = Policy::Compile(rest, {.kind = kind, .api_arn = kApi});
    if (!policy.ok()) {
      if (policy.status().message().empty()) std::abort();
      continue;
    }
    for (const Principal* principal : {&user, &nobody}) {
      const Decision decision = policy->Evaluate({Action::kInvoke, resource, *principal, context});
      if ((decision.statement < 0) != (decision.outcome == Outcome::kImplicitDeny)) std::abort();
      if (decision.outcome == Outcome::kExplicitDeny &&
          CombineEither(Outcome::kAllow, decision.outcome) == Outcome::kAllow) {
        std::abort();
      }
    }
  }

  // An empty variable in front makes no difference but for the matcher.
  if (rest.find("${") == rest.npos && postern::IsValidUtf8(rest) && postern::IsValidUtf8(value)) {
    const std::string same = "${aws:none,''}" + std::string(rest);
    const absl::StatusOr<Pattern> pieces =
        Pattern::Compile(same, {.wildcards = true, .variables = true});
    if (pieces.ok() && pieces->Matches(value, context) != postern::GlobMatch(rest, value)) {
      std::abort();
    }
  }
  ParsePolicyDate(value);
  ParsePolicyNumber(value);
  return 0;
}

}  // namespace postern::policy
