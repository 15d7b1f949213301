#include "lib/policy/policy.h"

#include <cstdlib>
#include <initializer_list>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/combine.h"
#include "lib/text/concat.h"

namespace {
size_t allocations = 0;
}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace postern::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kApi = "arn:aws:execute-api:us-east-1:123456789012:api";

std::string Call(std::string_view rest) { return Concat(kApi, "/", rest); }

constexpr Principal kAnonymous;
constexpr Principal kBob = {.kind = Principal::Kind::kUser,
                            .account_id = "123456789012",
                            .arn = "arn:aws:iam::123456789012:user/bob",
                            .user_arn = "arn:aws:iam::123456789012:user/bob",
                            .user_id = "AIDAEXAMPLEEXAMPLE12",
                            .user_name = "bob"};
constexpr Principal kSession = {.kind = Principal::Kind::kAssumedRole,
                                .account_id = "123456789012",
                                .arn = "arn:aws:iam::123456789012:role/team/reader",
                                .user_arn = "arn:aws:sts::123456789012:assumed-role/reader/s1",
                                .user_id = "AROAEXAMPLEEXAMPLE12:s1"};
constexpr Principal kRoot = {.kind = Principal::Kind::kAccount,
                             .account_id = "123456789012",
                             .arn = "arn:aws:iam::123456789012:root",
                             .user_arn = "arn:aws:iam::123456789012:root",
                             .user_id = "123456789012"};

Policy Compile(std::string_view json, PolicyKind kind = PolicyKind::kIdentity) {
  absl::StatusOr<Policy> policy = Policy::Compile(json, {.kind = kind, .api_arn = kApi});
  EXPECT_TRUE(policy.ok()) << policy.status() << "\n" << json;
  return policy.ok() ? *std::move(policy) : Policy();
}

// A statement of an identity policy: `rest` is "Effect": ... and so on, and Action is Invoke.
Policy Statement(std::string_view rest) {
  return Compile(
      Concat(R"({"Version":"2012-10-17","Statement":{"Action":"execute-api:Invoke",)", rest, "}}"));
}

Decision Ask(const Policy& policy, std::string_view resource, const Principal& principal = kBob,
             const ConditionContext* context = nullptr, Action action = Action::kInvoke) {
  ConditionContext of_principal;
  of_principal.SetPrincipal(principal);
  return policy.Evaluate({action, resource, principal, context ? *context : of_principal});
}

Outcome OutcomeOf(const Policy& policy, std::string_view resource,
                  const Principal& principal = kBob, const ConditionContext* context = nullptr) {
  return Ask(policy, resource, principal, context).outcome;
}

// authorization.md §3.9, row by row.
TEST(PolicyMatrixTest, Rows1To3Resources) {
  const Policy pets =
      Statement(R"("Effect":"Allow","Resource":")" + Call("prod/GET/pets/*") + "\"");
  EXPECT_EQ(OutcomeOf(pets, Call("prod/GET/pets/1/toys")), Outcome::kAllow);  // 1
  EXPECT_EQ(OutcomeOf(pets, Call("prod/GET/pets")), Outcome::kImplicitDeny);  // 2
  const Policy no_delete = Compile(Concat(
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":")", kApi,
      R"(/*"},{"Effect":"Deny","Action":"*","Resource":")", kApi, R"(/*/DELETE/*"}]})"));
  const Decision decision = Ask(no_delete, Call("prod/DELETE/pets/1"));  // 3
  EXPECT_EQ(decision.outcome, Outcome::kExplicitDeny);
  EXPECT_EQ(decision.statement, 1);
  EXPECT_EQ(Ask(no_delete, Call("prod/GET/pets")).statement, 0);
  EXPECT_EQ(Ask(pets, Call("prod/GET/pets")).statement, -1);
}

TEST(PolicyMatrixTest, Rows4To9AbsentKeys) {
  const auto policy = [](std::string_view effect, std::string_view condition) {
    return Statement(
        Concat("\"Effect\":\"", effect, R"(","Resource":"*","Condition":{)", condition, "}"));
  };
  ConditionContext none;
  const auto ask = [&none](const Policy& p) {
    return OutcomeOf(p, Call("prod/GET/"), kAnonymous, &none);
  };
  EXPECT_EQ(ask(policy("Allow", R"("NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"})")),
            Outcome::kAllow);  // 4
  EXPECT_EQ(ask(policy("Allow", R"("IpAddress":{"aws:SourceIp":"10.0.0.0/8"})")),
            Outcome::kImplicitDeny);  // 5
  EXPECT_EQ(ask(policy("Deny", R"("StringNotEquals":{"aws:SourceVpc":"vpce-1"})")),
            Outcome::kExplicitDeny);  // 6
  EXPECT_EQ(ask(policy("Deny", R"("BoolIfExists":{"aws:MultiFactorAuthPresent":"false"})")),
            Outcome::kExplicitDeny);  // 7
  EXPECT_EQ(ask(policy("Deny", R"("Bool":{"aws:MultiFactorAuthPresent":false})")),
            Outcome::kImplicitDeny);  // 8
  EXPECT_EQ(ask(policy("Allow", R"("ForAllValues:StringEquals":{"aws:PrincipalOrgPaths":"x"})")),
            Outcome::kAllow);                                                            // 9
  EXPECT_EQ(ask(policy("Allow", R"("Null":{"aws:Referer":"true"})")), Outcome::kAllow);  // 15
}

TEST(PolicyMatrixTest, Rows10To12And16And17) {
  const Policy old = Compile(Concat(R"({"Statement":{"Effect":"Allow","Action":"*","Resource":")",
                                    kApi, R"(/prod/GET/${aws:username}"}})"));
  EXPECT_EQ(OutcomeOf(old, Call("prod/GET/bob")), Outcome::kImplicitDeny);  // 10
  EXPECT_EQ(OutcomeOf(old, Call("prod/GET/${aws:username}")), Outcome::kAllow);
  const Policy upper =
      Compile(R"({"Statement":{"Effect":"Allow","Action":"EXECUTE-API:invoke","Resource":"*"}})");
  EXPECT_EQ(OutcomeOf(upper, Call("prod/GET/")), Outcome::kAllow);  // 11, 17
  const Policy lower = Statement(R"("Effect":"Allow","Resource":")" + Call("prod/g?t/*") + "\"");
  EXPECT_EQ(OutcomeOf(lower, Call("prod/GET/x")), Outcome::kImplicitDeny);  // 12
  const Policy colon = Statement(R"("Effect":"Allow","Resource":")" + Call("prod/GET/a:b") + "\"");
  EXPECT_EQ(OutcomeOf(colon, Call("prod/GET/a:b")), Outcome::kAllow);  // 16
  EXPECT_EQ(OutcomeOf(colon, Call("prod/GET/a:c")), Outcome::kImplicitDeny);
}

Policy ForPrincipal(std::string_view principal, std::string_view effect = "Allow",
                    std::string_view element = "Principal") {
  return Compile(
      Concat(R"({"Version":"2012-10-17","Statement":[{"Effect":")", effect, R"(",")", element,
             "\":", principal, R"(,"Action":"execute-api:Invoke","Resource":"execute-api:/*"}]})"),
      PolicyKind::kResource);
}

// Rows 13 and 14, and §3.4.
TEST(PolicyTest, Principals) {
  const auto allows = [](std::string_view principal, const Principal& caller) {
    return OutcomeOf(ForPrincipal(principal), Call("prod/GET/"), caller) == Outcome::kAllow;
  };
  for (const char* any : {R"("*")", R"({"AWS":"*"})", R"({"AWS":["210987654321","*"]})"}) {
    EXPECT_TRUE(allows(any, kAnonymous)) << any;
    EXPECT_TRUE(allows(any, kSession)) << any;
  }
  for (const char* account :
       {R"({"AWS":"123456789012"})", R"({"AWS":"arn:aws:iam::123456789012:root"})"}) {
    EXPECT_TRUE(allows(account, kBob)) << account;
    EXPECT_TRUE(allows(account, kSession)) << account;
    EXPECT_TRUE(allows(account, kRoot)) << account;
    EXPECT_FALSE(allows(account, kAnonymous)) << account;
  }
  EXPECT_FALSE(allows(R"({"AWS":"210987654321"})", kBob));
  constexpr std::string_view kRole = R"({"AWS":"arn:aws:iam::123456789012:role/team/reader"})";
  EXPECT_TRUE(allows(kRole, kSession));                                                       // 13
  EXPECT_FALSE(allows(R"({"AWS":"arn:aws:iam::123456789012:role/team/writer"})", kSession));  // 14
  EXPECT_FALSE(allows(kRole, kBob));
  constexpr std::string_view kOne = R"({"AWS":"arn:aws:sts::123456789012:assumed-role/reader/s1"})";
  EXPECT_TRUE(allows(kOne, kSession));
  EXPECT_FALSE(allows(R"({"AWS":"arn:aws:sts::123456789012:assumed-role/reader/s2"})", kSession));
  EXPECT_TRUE(allows(R"({"AWS":"arn:aws:iam::123456789012:user/bob"})", kBob));
  EXPECT_FALSE(allows(R"({"AWS":"arn:aws:iam::123456789012:user/Bob"})", kBob));
  EXPECT_TRUE(allows(R"({"AWS":"AIDAEXAMPLEEXAMPLE12"})", kBob));
  EXPECT_TRUE(allows(R"({"AWS":"AROAEXAMPLEEXAMPLE12"})", kSession));
  EXPECT_FALSE(allows(R"({"Service":"apigateway.amazonaws.com"})", kBob));
  EXPECT_FALSE(allows(R"({"Service":"*"})", kBob));
  EXPECT_FALSE(allows(R"({"Federated":"accounts.example.com"})", kAnonymous));
  EXPECT_FALSE(allows(R"({"CanonicalUser":"79a59d"})", kBob));
  constexpr Principal kService = {.kind = Principal::Kind::kService, .service = "mesh.example"};
  EXPECT_TRUE(allows(R"({"Service":["x","mesh.example"]})", kService));
  EXPECT_TRUE(allows(R"({"Service":"*"})", kService));
  EXPECT_FALSE(allows(R"({"Federated":"*"})", kService));
}

TEST(PolicyTest, SaysHowAPrincipalWasNamed) {
  const auto grant = [](std::string_view principal, const Principal& caller) {
    return Ask(ForPrincipal(principal), Call("prod/GET/"), caller).grant;
  };
  EXPECT_EQ(grant(R"("*")", kSession), Grant::kGeneral);
  EXPECT_EQ(grant(R"({"AWS":"arn:aws:iam::123456789012:role/team/reader"})", kSession),
            Grant::kGeneral);
  EXPECT_EQ(grant(R"({"AWS":"arn:aws:sts::123456789012:assumed-role/reader/s1"})", kSession),
            Grant::kDirect);
  EXPECT_EQ(grant(R"({"AWS":"arn:aws:iam::123456789012:user/bob"})", kBob), Grant::kDirect);
  // The closest of several statements counts.
  const Policy both = Compile(R"({"Statement":[
      {"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},
      {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/bob"},"Action":"*",
       "Resource":"*"}]})",
                              PolicyKind::kResource);
  EXPECT_EQ(Ask(both, Call("prod/GET/")).grant, Grant::kDirect);
  EXPECT_EQ(Ask(both, Call("prod/GET/")).statement, 1);
  EXPECT_EQ(Ask(both, Call("prod/GET/"), kSession).statement, 0);
}

TEST(PolicyTest, NotPrincipal) {
  const auto denied = [](std::string_view list, const Principal& caller) {
    return OutcomeOf(ForPrincipal(list, "Deny", "NotPrincipal"), Call("prod/GET/"), caller) ==
           Outcome::kExplicitDeny;
  };
  constexpr std::string_view kUser =
      R"({"AWS":["123456789012","arn:aws:iam::123456789012:user/bob"]})";
  EXPECT_FALSE(denied(kUser, kBob));
  EXPECT_TRUE(denied(kUser, kSession));
  EXPECT_TRUE(denied(kUser, kAnonymous));
  EXPECT_FALSE(denied(kUser, kRoot));
  EXPECT_TRUE(denied(R"({"AWS":"arn:aws:iam::123456789012:user/bob"})", kBob));
  EXPECT_FALSE(denied(R"({"AWS":["123456789012","arn:aws:iam::123456789012:role/team/reader",
                          "arn:aws:sts::123456789012:assumed-role/reader/s1"]})",
                      kSession));
  EXPECT_TRUE(
      denied(R"({"AWS":["123456789012","arn:aws:iam::123456789012:role/team/reader"]})", kSession));
  EXPECT_FALSE(denied(R"("*")", kAnonymous));
}

// §3.2.
TEST(PolicyTest, Actions) {
  const auto allows = [](std::string_view element, std::string_view list, Action action) {
    const Policy policy = Compile(
        Concat(R"({"Statement":{"Effect":"Allow","Resource":"*",")", element, "\":", list, "}}"));
    return Ask(policy, Call("prod/GET/"), kBob, nullptr, action).outcome == Outcome::kAllow;
  };
  EXPECT_TRUE(allows("Action", R"("execute-api:*")", Action::kInvalidateCache));
  EXPECT_TRUE(allows("Action", R"("execute-api:Inv*")", Action::kInvalidateCache));
  EXPECT_FALSE(allows("Action", R"("execute-api:Inv*")", Action::kManageConnections));
  EXPECT_TRUE(allows("Action", R"("Execute-API:MANAGEconnection?")", Action::kManageConnections));
  EXPECT_FALSE(allows("Action", R"(["s3:*","execute-api:invoke"])", Action::kInvalidateCache));
  EXPECT_TRUE(allows("Action", R"(["s3:*","execute-api:invoke"])", Action::kInvoke));
  EXPECT_FALSE(allows("NotAction", R"("execute-api:Invoke")", Action::kInvoke));
  EXPECT_TRUE(allows("NotAction", R"("s3:*")", Action::kInvoke));
}

// §3.3.
TEST(PolicyTest, Resources) {
  const auto allows = [](std::string_view element, std::string_view list, std::string_view call) {
    return OutcomeOf(Statement(Concat(R"("Effect":"Allow",")", element, "\":", list)), call) ==
           Outcome::kAllow;
  };
  const std::string call = Call("prod/GET/pets/1");
  EXPECT_TRUE(allows("Resource", R"("arn:aws:execute-api:*:*:*")", call));
  EXPECT_TRUE(allows("Resource", R"("arn:*:execute-api:us-*-1:123456789012:a?i/*")", call));
  EXPECT_FALSE(allows("Resource", R"("arn:aws:execute-api:us-east-1:123456789012:api/")", call));
  EXPECT_FALSE(allows("Resource", R"("arn:aws:execute-api:us-east-1:*:*/GET/dogs/*")", call));
  EXPECT_FALSE(allows("Resource", R"("arn:aws:lambda:*:*:*")", call));
  EXPECT_FALSE(allows("NotResource", R"("arn:aws:execute-api:*:*:api/prod/*")", call));
  EXPECT_TRUE(allows("NotResource", R"("arn:aws:execute-api:*:*:api/test/*")", call));
  EXPECT_TRUE(allows("Resource", R"(["arn:aws:execute-api:*:*:x/*","*"])", call));
  // Variables: for bob, and literally.
  const std::string mine = "\"" + Call("prod/GET/${aws:username}/*") + "\"";
  EXPECT_TRUE(allows("Resource", mine, Call("prod/GET/bob/x")));
  EXPECT_FALSE(allows("Resource", mine, Call("prod/GET/eve/x")));
  // Without a value: what names it matches nothing, and what leaves it out leaves out everything.
  const std::string id = "\"" + Call("prod/GET/${aws:PrincipalOrgID}/*") + "\"";
  EXPECT_FALSE(allows("Resource", id, Call("prod/GET//x")));
  EXPECT_FALSE(allows("NotResource", id, call));
  const Policy deny = Statement(R"("Effect":"Deny","NotResource":)" + id);
  EXPECT_EQ(OutcomeOf(deny, call), Outcome::kExplicitDeny);
  EXPECT_EQ(OutcomeOf(Statement(R"("Effect":"Allow","Resource":"*")"), "no arn"),
            Outcome::kImplicitDeny);
}

TEST(PolicyTest, ShortFormOfResourcePolicies) {
  const auto policy = [](std::string_view resource) {
    return Concat(R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":")",
                  resource, "\"}}");
  };
  const Policy get = Compile(policy("execute-api:/prod/GET/pets"), PolicyKind::kResource);
  EXPECT_EQ(OutcomeOf(get, Call("prod/GET/pets")), Outcome::kAllow);
  EXPECT_EQ(OutcomeOf(get, Call("prod/POST/pets")), Outcome::kImplicitDeny);
  const Policy all = Compile(policy("execute-api:/*"), PolicyKind::kResource);
  EXPECT_EQ(OutcomeOf(all, Call("test/POST/x")), Outcome::kAllow);
  EXPECT_EQ(OutcomeOf(all, "arn:aws:execute-api:us-east-1:123456789012:other/test/POST/x"),
            Outcome::kImplicitDeny);
  EXPECT_FALSE(Policy::Compile(policy("execute-api:/*"), {.kind = PolicyKind::kResource}).ok());
}

// §3.5: several operators, and several keys in one, are an AND.
TEST(PolicyTest, ConditionsAreAllNeeded) {
  const Policy policy = Statement(R"("Effect":"Allow","Resource":"*","Condition":{
      "IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.0/24"]},
      "StringLike":{"aws:UserAgent":"curl/*","aws:Referer":"*"}})");
  const auto allows = [&policy](const char* ip, const char* agent, const char* referer) {
    ConditionContext context;
    if (ip != nullptr) context.Set(ConditionKey::kSourceIp, ip);
    if (agent != nullptr) context.Set(ConditionKey::kUserAgent, agent);
    if (referer != nullptr) context.Set(ConditionKey::kReferer, referer);
    return OutcomeOf(policy, Call("prod/GET/"), kBob, &context) == Outcome::kAllow;
  };
  EXPECT_TRUE(allows("192.0.2.1", "curl/8", ""));
  EXPECT_FALSE(allows("192.0.3.1", "curl/8", ""));
  EXPECT_FALSE(allows("192.0.2.1", "wget", ""));
  EXPECT_FALSE(allows("192.0.2.1", "curl/8", nullptr));
}

// §3.1, with the place of the mistake.
TEST(PolicyTest, RefusesWhatAwsRefuses) {
  const auto error = [](std::string_view json, PolicyKind kind = PolicyKind::kIdentity) {
    const absl::StatusOr<Policy> policy = Policy::Compile(json, {.kind = kind, .api_arn = kApi});
    return policy.ok() ? std::string("accepted: ") + std::string(json)
                       : std::string(policy.status().message());
  };
  const auto statement = [&error](std::string_view members,
                                  PolicyKind kind = PolicyKind::kIdentity) {
    return error(Concat(R"({"Version":"2012-10-17","Statement":[{)", members, "}]}"), kind);
  };
  EXPECT_EQ(error("[]"), "a policy must be an object");
  EXPECT_EQ(error("{}"), "\"Statement\" is missing");
  EXPECT_EQ(error(R"({"Statement":[]})"),
            "/Statement: must be a statement, or a list of statements");
  EXPECT_EQ(error(R"({"Statement":[1]})"), "/Statement/0: a statement must be an object");
  EXPECT_EQ(error(R"({"Version":"2013-01-01","Statement":{}})"),
            "/Version: must be \"2012-10-17\" or \"2008-10-17\"");
  EXPECT_THAT(error(R"({"Statements":{}})"), HasSubstr("/Statements: is not an element"));
  EXPECT_THAT(error(R"({"Id":1,"Statement":{}})"), HasSubstr("/Id: must be a string"));
  EXPECT_THAT(error("{"), HasSubstr("1"));
  constexpr std::string_view kRest = R"("Action":"execute-api:Invoke","Resource":"*")";
  EXPECT_EQ(statement(kRest), "/Statement/0: \"Effect\" is missing");
  EXPECT_EQ(statement(Concat(R"("Effect":"allow",)", kRest)),
            "/Statement/0/Effect: must be \"Allow\" or \"Deny\"");
  EXPECT_EQ(statement(R"("Effect":"Allow","Resource":"*")"),
            "/Statement/0: \"Action\" or \"NotAction\" is missing");
  EXPECT_EQ(statement(Concat(R"("Effect":"Allow","NotAction":"*",)", kRest)),
            "/Statement/0: \"Action\" and \"NotAction\" exclude each other");
  EXPECT_EQ(statement(R"("Effect":"Allow","Action":"*")"),
            "/Statement/0: \"Resource\" or \"NotResource\" is missing");
  EXPECT_EQ(statement(R"("Effect":"Allow","Action":[],"Resource":"*")"),
            "/Statement/0/Action: must not be an empty list");
  EXPECT_EQ(statement(R"("Effect":"Allow","Action":["*",""],"Resource":"*")"),
            "/Statement/0/Action/1: must not be empty");
  EXPECT_EQ(statement(R"("Effect":"Allow","Action":7,"Resource":"*")"),
            "/Statement/0/Action: must be a string, or a list of strings");
  EXPECT_EQ(statement(R"("Effect":"Allow","Action":"Invoke","Resource":"*")"),
            "/Statement/0/Action: \"Invoke\" is not an action: service:name");
  EXPECT_THAT(statement(R"("Effect":"Allow","Action":"*","Resource":"pets/*")"),
              HasSubstr("/Statement/0/Resource: \"pets/*\" is not an ARN"));
  EXPECT_THAT(statement(R"("Effect":"Allow","Action":"*","Resource":"arn:aws:*:a:b:c/d/e")"),
              HasSubstr("the service of an ARN has no wildcards"));
  EXPECT_THAT(
      statement(R"("Effect":"Allow","Action":"*","Resource":"arn:aws:x:${aws:userid}:b:c")"),
      HasSubstr("the last part of an ARN only"));
  EXPECT_THAT(statement(Concat(R"("Effect":"Allow","Effect":"Deny",)", kRest)),
              HasSubstr("\"Effect\" stands twice"));
  EXPECT_EQ(statement(Concat(R"("Effect":"Allow","Conditions":{},)", kRest)),
            "/Statement/0/Conditions: is not an element of a statement");
  EXPECT_EQ(
      statement(Concat(R"("Effect":"Allow","Condition":{"Like":{"aws:Referer":"x"}},)", kRest)),
      "/Statement/0/Condition/Like/aws:Referer: \"Like\" is not a condition operator");
  EXPECT_EQ(
      statement(Concat(R"("Effect":"Deny","Condition":{"IpAddress":{"aws:SourceIp":["::1","x"]}},)",
                       kRest)),
      "/Statement/0/Condition/IpAddress/aws:SourceIp/1: \"x\" is not an IP address or range "
      "(CIDR)");
  EXPECT_THAT(statement(Concat(R"("Effect":"Deny","Condition":{"Bool":{"aws:a/b":[]}},)", kRest)),
              HasSubstr("/Condition/Bool/aws:a~1b: must not be an empty list"));
  EXPECT_THAT(statement(Concat(R"("Effect":"Deny","Condition":{"Bool":{}},)", kRest)),
              HasSubstr("must be an object of condition keys"));
  EXPECT_THAT(statement(Concat(R"("Effect":"Deny","Condition":{"Bool":{"x":null}},)", kRest)),
              HasSubstr("must be a string"));
  EXPECT_THAT(statement(Concat(R"("Effect":"Allow","Principal":"*",)", kRest)),
              HasSubstr("only the policy of a resource"));
  constexpr PolicyKind kResource = PolicyKind::kResource;
  EXPECT_EQ(statement(Concat(R"("Effect":"Allow",)", kRest), kResource),
            "/Statement/0: \"Principal\" or \"NotPrincipal\" is missing");
  EXPECT_THAT(statement(Concat(R"("Effect":"Allow","NotPrincipal":"*",)", kRest), kResource),
              HasSubstr("\"NotPrincipal\" may only stand with"));
  for (const char* principal :
       {R"("123456789012")", R"({})", R"({"AWS":[]})",
        R"({"AWS":"arn:aws:iam::123456789012:user/*"})", R"({"AWS":"arn:aws:iam::*:root"})",
        R"({"AWS":"bob"})", R"({"AWS":"12345678901"})", R"({"AWS":"arn:aws:s3:::bucket"})",
        R"({"Group":"x"})", R"(["*"])", R"({"AWS":"*","AWS":"*"})"}) {
    EXPECT_THAT(
        statement(Concat(R"("Effect":"Allow","Principal":)", principal, ",", kRest), kResource),
        HasSubstr("/Statement/0/Principal"))
        << principal;
  }
}

// §3.8: everything is decided when the document is compiled.
TEST(PolicyTest, EvaluatesWithoutAllocation) {
  const Policy policy =
      Statement(R"("Effect":"Deny","Resource":["arn:aws:execute-api:*:*:a?i/*/${aws:username}",
      "arn:aws:execute-api:us-east-1:123456789012:api/prod/*"],"Condition":{
      "ForAllValues:StringLike":{"aws:PrincipalOrgPaths":"*-${aws:PrincipalTag/a-tag-with-a-long-name}-*"},
      "DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"},
      "NumericLessThan":{"aws:EpochTime":"1999999999"},
      "ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"},
      "IpAddress":{"aws:SourceIp":"2001:db8::/32","aws:VpcSourceIp":"10.0.0.0/8"}})");
  const std::string resource = Call("prod/GET/a-path-that-is-longer-than-short-strings");
  const std::string_view paths[] = {"o-a-value-that-is-long-enough-1",
                                    "p-a-value-that-is-long-enough-2"};
  const PrincipalTag tags[] = {{"a-tag-with-a-long-name", "a-value-that-is-long-enough"}};
  const size_t before = allocations;
  ConditionContext context;
  context.SetTime(1784512580000);
  context.SetPrincipal(kBob);
  context.SetOrgPaths(paths);
  context.SetTags(tags);
  context.Set(ConditionKey::kSourceIp, "2001:db8::1");
  context.Set(ConditionKey::kVpcSourceIp, "10.0.0.1");
  const Decision decision = policy.Evaluate({Action::kInvoke, resource, kBob, context});
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(decision.outcome, Outcome::kExplicitDeny);
}

TEST(PolicyTest, Limits) {
  const auto padded = [](size_t size) {
    std::string json =
        R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Sid":")";
    json.append(size - json.size() - 3, 'x');
    return json + "\"}}";
  };
  const PolicyOptions resource{.kind = PolicyKind::kResource};
  EXPECT_TRUE(Policy::Compile(padded(8192), resource).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Policy::Compile(padded(8193), resource).status()));
  const auto authorizer = [](size_t size) {
    std::string arn = "arn:aws:execute-api:us-east-1:123456789012:api/";
    arn.resize(size, 'x');
    return Policy::Compile(
               Concat(R"({"Statement":{"Effect":"Allow","Action":"*","Resource":")", arn, "\"}}"),
               {.kind = PolicyKind::kAuthorizer})
        .ok();
  };
  EXPECT_TRUE(authorizer(512));
  EXPECT_FALSE(authorizer(513));
  std::string many = R"({"Statement":{"Effect":"Allow","Action":"*","Resource":["*")";
  for (int i = 0; i < 20000; ++i) many += ",\"*\"";
  EXPECT_TRUE(absl::IsResourceExhausted(Policy::Compile(many + "]}}", {}).status()));
}

TEST(PolicyTest, WarnsOfWhatIsHardlyMeant) {
  EXPECT_THAT(Statement(R"("Effect":"Allow","Resource":"*")").warnings(), IsEmpty());
  EXPECT_THAT(Statement(Concat(R"("Effect":"Allow","Resource":")", kApi, "/\"")).warnings(),
              ElementsAre(HasSubstr("/Statement/Resource: ")));
  EXPECT_THAT(
      Statement(R"("Effect":"Allow","Resource":"*",
                           "Condition":{"StringLike":{"aws:Referer":"x","aws:Sorceip":"y"}})")
          .warnings(),
      ElementsAre("/Statement/Condition/StringLike/aws:Referer: clients choose the value of "
                  "this condition key as they like",
                  "/Statement/Condition/StringLike/aws:Sorceip: no call of an API has this "
                  "condition key"));
}

// §4.2, all rows of both tables.
TEST(CombineTest, Tables) {
  constexpr Outcome kAllow = Outcome::kAllow;
  constexpr Outcome kSilent = Outcome::kImplicitDeny;
  constexpr Outcome kDeny = Outcome::kExplicitDeny;
  const struct {
    Outcome identity, resource, a, b;
  } rows[] = {
      {kAllow, kAllow, kAllow, kAllow},     {kAllow, kSilent, kAllow, kSilent},
      {kAllow, kDeny, kDeny, kDeny},        {kSilent, kAllow, kAllow, kSilent},
      {kSilent, kSilent, kSilent, kSilent}, {kSilent, kDeny, kDeny, kDeny},
      {kDeny, kAllow, kDeny, kDeny},        {kDeny, kSilent, kDeny, kDeny},
      {kDeny, kDeny, kDeny, kDeny},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(CombineEither(row.identity, row.resource), row.a);
    EXPECT_EQ(CombineBoth(row.identity, row.resource), row.b);
    // §4.1: which table for whom.
    const Decision resource{row.resource, Grant::kGeneral, 0};
    const IdentityDecision identity{.outcome = row.identity};
    EXPECT_EQ(Authorize({.auth = MethodAuth::kIam,
                         .resource = resource,
                         .identity = identity,
                         .same_account = true}),
              row.a);
    EXPECT_EQ(Authorize({.auth = MethodAuth::kIam, .resource = resource, .identity = identity}),
              row.b);
    EXPECT_EQ(
        Authorize({.auth = MethodAuth::kLambda, .resource = resource, .authorizer = row.identity}),
        row.a);
    EXPECT_EQ(Authorize({.auth = MethodAuth::kCognito, .resource = resource}), row.resource);
    EXPECT_EQ(Authorize({.auth = MethodAuth::kNone, .resource = resource}), row.resource);
  }
}

TEST(CombineTest, WithoutResourcePolicy) {
  EXPECT_EQ(Authorize({.auth = MethodAuth::kNone}), Outcome::kAllow);
  EXPECT_EQ(Authorize({.auth = MethodAuth::kCognito}), Outcome::kAllow);
  EXPECT_EQ(Authorize({.auth = MethodAuth::kLambda, .authorizer = Outcome::kAllow}),
            Outcome::kAllow);
  EXPECT_EQ(Authorize({.auth = MethodAuth::kLambda}), Outcome::kImplicitDeny);
  const IdentityDecision allow{.outcome = Outcome::kAllow};
  EXPECT_EQ(Authorize({.auth = MethodAuth::kIam, .identity = allow, .same_account = true}),
            Outcome::kAllow);
  EXPECT_EQ(Authorize({.auth = MethodAuth::kIam, .identity = allow}), Outcome::kImplicitDeny);
  // A private API without policy is closed (§4.1).
  for (const MethodAuth auth :
       {MethodAuth::kNone, MethodAuth::kIam, MethodAuth::kLambda, MethodAuth::kCognito}) {
    EXPECT_EQ(Authorize({.auth = auth,
                         .identity = allow,
                         .authorizer = Outcome::kAllow,
                         .same_account = true,
                         .private_api = true}),
              Outcome::kImplicitDeny);
  }
  EXPECT_EQ(Authorize({.auth = MethodAuth::kNone,
                       .resource = Decision{Outcome::kAllow, Grant::kGeneral, 0},
                       .private_api = true}),
            Outcome::kAllow);
}

// §4.4: a private API is opened to one VPC endpoint.
TEST(CombineTest, PrivateApiByEndpoint) {
  const Policy policy = Compile(R"({"Version":"2012-10-17","Statement":[
      {"Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*",
       "Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1a2b"}}},
      {"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*"}
      ]})",
                                PolicyKind::kResource);
  const auto outcome = [&policy](const char* endpoint) {
    ConditionContext context;
    if (endpoint != nullptr) context.Set(ConditionKey::kSourceVpce, endpoint);
    return Authorize(
        {.resource = Ask(policy, Call("prod/GET/"), kAnonymous, &context), .private_api = true});
  };
  EXPECT_EQ(outcome("vpce-1a2b"), Outcome::kAllow);
  EXPECT_EQ(outcome("vpce-3c4d"), Outcome::kExplicitDeny);
  EXPECT_EQ(outcome(nullptr), Outcome::kExplicitDeny);
}

// §3.8.
TEST(CombineTest, IdentityPolicies) {
  const Policy allow = Statement(R"("Effect":"Allow","Resource":"*")");
  const Policy deny = Statement(R"("Effect":"Deny","Resource":"*")");
  const Policy silent = Statement(R"("Effect":"Allow","Resource":"arn:aws:x:::y")");
  ConditionContext context;
  const std::string resource = Call("prod/GET/");
  const Request request{Action::kInvoke, resource, kBob, context};
  const auto evaluate = [&](std::vector<const Policy*> policies, const Policy* boundary,
                            const Policy* session) {
    return EvaluateIdentity({policies, boundary, session}, request);
  };
  EXPECT_EQ(evaluate({}, nullptr, nullptr).outcome, Outcome::kImplicitDeny);
  const IdentityDecision second = evaluate({&silent, &allow}, nullptr, nullptr);
  EXPECT_EQ(second.outcome, Outcome::kAllow);
  EXPECT_EQ(second.policy, 1);
  EXPECT_EQ(second.statement, 0);
  EXPECT_EQ(evaluate({&allow, &deny}, nullptr, nullptr).outcome, Outcome::kExplicitDeny);
  EXPECT_EQ(evaluate({&allow}, &allow, &allow).outcome, Outcome::kAllow);
  EXPECT_EQ(evaluate({&allow}, &silent, nullptr).outcome, Outcome::kImplicitDeny);
  EXPECT_EQ(evaluate({&allow}, &allow, &silent).outcome, Outcome::kImplicitDeny);
  EXPECT_EQ(evaluate({&allow}, nullptr, &deny).outcome, Outcome::kExplicitDeny);
  // Step 5: only what names the caller gets past the limits.
  const IdentityDecision limited = evaluate({&allow}, &silent, nullptr);
  EXPECT_TRUE(limited.limited);
  const auto with = [&limited](Grant grant) {
    return Authorize({.auth = MethodAuth::kIam,
                      .resource = Decision{Outcome::kAllow, grant, 0},
                      .identity = limited,
                      .same_account = true});
  };
  EXPECT_EQ(with(Grant::kGeneral), Outcome::kImplicitDeny);
  EXPECT_EQ(with(Grant::kDirect), Outcome::kAllow);
}

TEST(CombineTest, SameAccount) {
  EXPECT_TRUE(IsSameAccount(kBob, "123456789012"));
  EXPECT_FALSE(IsSameAccount(kBob, "210987654321"));
  EXPECT_FALSE(IsSameAccount(kAnonymous, ""));
}

}  // namespace
}  // namespace postern::policy
