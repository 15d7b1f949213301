#include <benchmark/benchmark.h>

#include <string>

#include "lib/policy/policy.h"
#include "lib/text/concat.h"

namespace postern::policy {
namespace {

constexpr std::string_view kApi = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5";

// 20 statements as people write them: methods of an API by path, some under conditions, one that
// denies. The last one allows.
std::string Document() {
  std::string json = R"({"Version":"2012-10-17","Statement":[)";
  json += Concat(R"({"Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","Resource":")",
                 kApi, R"(/*","Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8",
                 "192.0.2.0/24"]}}},)");
  for (int i = 0; i < 18; ++i) {
    json +=
        Concat(R"({"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":")",
               kApi, "/prod/", i % 2 == 0 ? "GET" : "POST", "/service", i, "/*\"");
    if (i % 3 == 0) json += R"(,"Condition":{"StringLike":{"aws:UserAgent":"client/*"}})";
    json += "},";
  }
  json += Concat(R"({"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"execute-api:*",)"
                 R"("Resource":")",
                 kApi,
                 R"(/*/GET/pets/*","Condition":)"
                 R"({"DateLessThan":{"aws:CurrentTime":"2036-01-01T00:00:00Z"}}}]})");
  return json;
}

constexpr Principal kUser = {.kind = Principal::Kind::kUser,
                             .account_id = "123456789012",
                             .arn = "arn:aws:iam::123456789012:user/bob",
                             .user_arn = "arn:aws:iam::123456789012:user/bob",
                             .user_id = "AIDAEXAMPLEEXAMPLE12",
                             .user_name = "bob"};

// With the making of the context, as each call needs it.
void BM_TwentyStatements(benchmark::State& state) {
  const Policy policy = Policy::Compile(Document(), {.kind = PolicyKind::kResource}).value();
  const std::string resource = Concat(kApi, "/prod/GET/pets/4711");
  for (auto _ : state) {
    ConditionContext context;
    context.SetTime(1784512580000);
    context.SetPrincipal(kUser);
    context.Set(ConditionKey::kSourceIp, "192.0.2.77");
    context.Set(ConditionKey::kUserAgent, "client/1.0");
    const Decision decision = policy.Evaluate({Action::kInvoke, resource, kUser, context});
    if (decision.statement != 19) state.SkipWithError("another statement decided");
  }
}
BENCHMARK(BM_TwentyStatements);

void BM_Compile(benchmark::State& state) {
  const std::string document = Document();
  for (auto _ : state) {
    benchmark::DoNotOptimize(Policy::Compile(document, {.kind = PolicyKind::kResource}));
  }
}
BENCHMARK(BM_Compile);

}  // namespace
}  // namespace postern::policy
