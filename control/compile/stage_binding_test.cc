#include "control/compile/stage_binding.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;
using testing::ElementsAre;
using testing::HasSubstr;

v1::HttpTarget Target(const std::string& upstream) {
  v1::HttpTarget target;
  target.set_upstream(upstream);
  return target;
}

StageOptions WithVariables(std::map<std::string, std::string, std::less<>> variables) {
  StageOptions stage;
  stage.variables = std::move(variables);
  return stage;
}

TEST(BindUpstream, TakesAnOriginAsItIs) {
  const BoundUpstream bound = BindUpstream(Target("https://API.example.com"), {});
  ASSERT_TRUE(bound.cluster);
  EXPECT_EQ(bound.binding.upstream(), "https://API.example.com");
  EXPECT_EQ(bound.binding.cluster(), "https://api.example.com:443");
  EXPECT_EQ(bound.binding.authority(), "API.example.com");
  EXPECT_EQ(bound.binding.path_prefix(), "");
  EXPECT_EQ(bound.cluster->name(), "https://api.example.com:443");
  ASSERT_EQ(bound.cluster->endpoints_size(), 1);
  EXPECT_EQ(bound.cluster->endpoints(0).address().tcp().host(), "api.example.com");
  EXPECT_EQ(bound.cluster->endpoints(0).address().tcp().port(), 443u);
  EXPECT_EQ(bound.cluster->tls().server_name(), "api.example.com");
  EXPECT_FALSE(bound.cluster->tls().accept_untrusted_roots());
}

// cluster.proto, UpstreamTls: files that belong to all HTTPS upstreams of a stage.
TEST(BindUpstream, HttpsUpstreamsGetTheStagesFiles) {
  StageOptions stage;
  stage.upstream_tls = {"/tls/ca.pem", "/tls/client.pem", "/tls/client.key"};
  ASSERT_TRUE(ValidateStageOptions(stage).ok());
  const BoundUpstream bound = BindUpstream(Target("https://api.example.com"), stage);
  ASSERT_TRUE(bound.cluster);
  EXPECT_EQ(bound.cluster->tls().truststore().file(), "/tls/ca.pem");
  EXPECT_EQ(bound.cluster->tls().client_certificate_chain().file(), "/tls/client.pem");
  EXPECT_EQ(bound.cluster->tls().client_private_key().file(), "/tls/client.key");
  EXPECT_FALSE(BindUpstream(Target("http://api.example.com"), stage).cluster->has_tls());
  stage.upstream_tls.private_key.clear();
  EXPECT_THAT(std::string(ValidateStageOptions(stage).message()),
              HasSubstr("only of use together"));
}

// rest-api.md 6.5 step 2 and 13.3: host, port and even a first part of the path by variables.
TEST(BindUpstream, PutsStageVariablesIn) {
  const BoundUpstream bound = BindUpstream(Target("http://${stageVariables.backend}"),
                                           WithVariables({{"backend", "127.0.0.1:9001/v1/"}}));
  ASSERT_TRUE(bound.cluster) << bound.binding.problem();
  EXPECT_EQ(bound.binding.cluster(), "http://127.0.0.1:9001");
  EXPECT_EQ(bound.binding.authority(), "127.0.0.1:9001");
  EXPECT_EQ(bound.binding.path_prefix(), "/v1");
  EXPECT_FALSE(bound.cluster->has_tls());
}

// rest-api.md 6.5 step 4: an invalid result is an error at run time, so it is no error here.
TEST(BindUpstream, SaysWhyNothingCanBeReached) {
  const BoundUpstream bound = BindUpstream(Target("https://${stageVariables.backend}"), {});
  EXPECT_FALSE(bound.cluster);
  EXPECT_EQ(bound.binding.cluster(), "");
  EXPECT_THAT(bound.binding.problem(), HasSubstr("no value for the stage variable backend"));
  EXPECT_THAT(BindUpstream(Target("http://${stageVariables.b}"),
                           WithVariables({{"b", "host/path?query=1"}}))
                  .binding.problem(),
              HasSubstr("query"));
  EXPECT_THAT(BindUpstream(Target("http://${stageVariables.b}"), WithVariables({{"b", "h:99999"}}))
                  .binding.problem(),
              HasSubstr("h:99999"));
  EXPECT_THAT(BindUpstream(Target("http://h:0"), {}).binding.problem(), HasSubstr("port 0"));
}

// rest-api.md 6.6, tlsConfig.insecureSkipVerification: another cluster than the verified one.
TEST(BindUpstream, KeepsUnverifiedTlsApart) {
  v1::HttpTarget target = Target("https://h|insecure");
  target.set_insecure_skip_verification(true);
  const BoundUpstream bound = BindUpstream(target, {});
  ASSERT_TRUE(bound.cluster);
  EXPECT_EQ(bound.cluster->name(), "https://h:443|insecure");
  EXPECT_TRUE(bound.cluster->tls().accept_untrusted_roots());
  EXPECT_FALSE(bound.cluster->tls().accept_anything());
  EXPECT_EQ(bound.binding.authority(), "h");
}

TEST(BindUpstream, VpcLinkGoesToTheHostOfTheUri) {
  v1::HttpTarget target = Target("abc123|http://nlb.internal:8080");
  target.set_connection_id("abc123");
  const BoundUpstream bound = BindUpstream(target, {});
  ASSERT_TRUE(bound.cluster);
  EXPECT_EQ(bound.cluster->name(), "http://nlb.internal:8080");
}

TEST(BindUpstream, Ipv6) {
  const BoundUpstream bound = BindUpstream(Target("https://[::1]:8443"), {});
  ASSERT_TRUE(bound.cluster);
  EXPECT_EQ(bound.cluster->name(), "https://[::1]:8443");
  EXPECT_EQ(bound.cluster->endpoints(0).address().tcp().host(), "::1");
  EXPECT_TRUE(bound.cluster->has_tls());
  EXPECT_EQ(bound.cluster->tls().server_name(), "");
}

// management-and-import.md 5.4: the keys that are tried, in order.
TEST(FunctionKeys, GoFromTheWholeToTheName) {
  EXPECT_THAT(
      FunctionKeys("arn:aws:lambda:eu-west-1:111122223333:function:pets:live"),
      ElementsAre("arn:aws:lambda:eu-west-1:111122223333:function:pets:live",
                  "arn:aws:lambda:eu-west-1:111122223333:function:pets", "pets:live", "pets"));
  EXPECT_THAT(FunctionKeys("arn:aws:lambda:eu-west-1:111122223333:function:pets"),
              ElementsAre("arn:aws:lambda:eu-west-1:111122223333:function:pets", "pets"));
  EXPECT_THAT(FunctionKeys("111122223333:function:pets:2"),
              ElementsAre("111122223333:function:pets:2", "pets:2", "pets"));
  EXPECT_THAT(FunctionKeys("pets:live"), ElementsAre("pets:live", "pets"));
  EXPECT_THAT(FunctionKeys("pets"), ElementsAre("pets"));
}

constexpr char kPets[] = "arn:aws:lambda:eu-west-1:111122223333:function:pets";

TEST(BindFunction, RuntimeInterface) {
  StageOptions stage;
  stage.lambda["pets"] = {"http://127.0.0.1:9001", "http://127.0.0.1:9002"};
  const BoundFunction bound = BindFunction(kPets, stage);
  ASSERT_TRUE(bound.function);
  EXPECT_EQ(bound.binding.function(), kPets);
  EXPECT_EQ(bound.binding.target(), "lambda:pets");
  EXPECT_EQ(bound.function->name(), "lambda:pets");
  EXPECT_EQ(bound.function->cluster(), "lambda:pets");
  EXPECT_EQ(bound.function->mode(), v1::INVOKE_MODE_RUNTIME_INTERFACE);
  EXPECT_EQ(bound.function->path(), "/2015-03-31/functions/function/invocations");
  ASSERT_EQ(bound.cluster->endpoints_size(), 2);
  EXPECT_EQ(bound.cluster->endpoints(1).address().tcp().port(), 9002u);
  EXPECT_EQ(bound.cluster->lb_policy(), v1::LB_POLICY_LEAST_REQUEST);
  EXPECT_FALSE(bound.cluster->has_aws_signing());
}

// The more exact key wins, the star is last (management-and-import.md 5.4).
TEST(BindFunction, ChoosesTheMostExactEntry) {
  StageOptions stage;
  stage.lambda["*"] = {"http://h:1"};
  stage.lambda["pets"] = {"http://h:2"};
  stage.lambda["pets:live"] = {"http://h:3"};
  stage.lambda[kPets] = {"http://h:4"};
  const std::string live = std::string(kPets) + ":live";
  EXPECT_EQ(BindFunction(live, stage).binding.target(), std::string("lambda:") + kPets);
  stage.lambda.erase(kPets);
  EXPECT_EQ(BindFunction(live, stage).binding.target(), "lambda:pets:live");
  EXPECT_EQ(BindFunction(kPets, stage).binding.target(), "lambda:pets");
  EXPECT_EQ(BindFunction("other", stage).binding.target(), "lambda:*");
}

TEST(BindFunction, UnknownFunctionIsBoundToNothing) {
  const BoundFunction bound = BindFunction(kPets, {});
  EXPECT_FALSE(bound.function);
  EXPECT_FALSE(bound.cluster);
  EXPECT_EQ(bound.binding.target(), "");
  EXPECT_EQ(bound.binding.resolved(), kPets);
}

// rest-api.md 9.1: function or alias from a stage variable.
TEST(BindFunction, PutsStageVariablesIn) {
  StageOptions stage = WithVariables({{"alias", "live"}});
  stage.lambda["pets:live"] = {"http://h:1"};
  const BoundFunction bound = BindFunction(std::string(kPets) + ":${stageVariables.alias}", stage);
  EXPECT_EQ(bound.binding.resolved(), std::string(kPets) + ":live");
  EXPECT_EQ(bound.binding.target(), "lambda:pets:live");
}

// management-and-import.md 5.2: an emulator takes one invocation at a time, so one queue.
TEST(BindFunction, NamesOfTheSameEndpointsAreOneFunction) {
  StageOptions stage;
  stage.lambda["a"] = {"http://h:1"};
  stage.lambda["b"] = {"http://h:1"};
  EXPECT_EQ(BindFunction("a", stage).binding.target(), "lambda:a");
  EXPECT_EQ(BindFunction("b", stage).binding.target(), "lambda:a");
}

// management-and-import.md 5.1, 5.3.
TEST(BindFunction, InvokeApiByName) {
  StageOptions stage;
  stage.lambda["*"] = {"invoke+http://127.0.0.1:3001"};
  const BoundFunction bound = BindFunction(std::string(kPets) + ":live", stage);
  ASSERT_TRUE(bound.function);
  EXPECT_EQ(bound.function->mode(), v1::INVOKE_MODE_INVOKE_API);
  EXPECT_EQ(bound.function->function_name(), kPets);
  EXPECT_EQ(bound.function->qualifier(), "live");
  EXPECT_EQ(bound.function->path(), "");
  EXPECT_EQ(bound.function->cluster(), "lambda:*");
  EXPECT_NE(bound.function->name(), BindFunction("other", stage).function->name());
}

TEST(BindFunction, InvokeApiBehindABasePath) {
  StageOptions stage;
  stage.lambda["pets"] = {"invoke+http://127.0.0.1:3001/lambda/"};
  const BoundFunction bound = BindFunction(kPets, stage);
  ASSERT_TRUE(bound.function);
  EXPECT_EQ(bound.function->path(),
            "/lambda/2015-03-31/functions/"
            "arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Apets/invocations");
}

TEST(BindFunction, AmazonsOwnInvokeApiIsSigned) {
  StageOptions stage;
  stage.lambda["*"] = {"invoke+https://lambda.eu-west-1.amazonaws.com"};
  const BoundFunction bound = BindFunction("pets", stage);
  ASSERT_TRUE(bound.cluster);
  EXPECT_EQ(bound.cluster->aws_signing().service(), "lambda");
  EXPECT_EQ(bound.cluster->aws_signing().region(), "eu-west-1");
}

// rest-api.md 13.1, 13.3.
TEST(ValidateStageOptions, NamesEveryProblem) {
  StageOptions stage = WithVariables({{"bad-name", "x"}, {"v", "with space"}, {"good", "a.b:1/c"}});
  stage.name = "not good";
  stage.lambda["pets"] = {"ftp://h"};
  stage.lambda["mixed"] = {"http://h", "invoke+http://h"};
  stage.lambda["odd"] = {"http://h/else"};
  const absl::Status status = ValidateStageOptions(stage);
  ASSERT_FALSE(status.ok());
  const std::string text(status.message());
  EXPECT_THAT(text, HasSubstr("stage name \"not good\""));
  EXPECT_THAT(text, HasSubstr("stage variable \"bad-name\""));
  EXPECT_THAT(text, HasSubstr("stage variable v:"));
  EXPECT_THAT(text, HasSubstr("--lambda pets=ftp://h"));
  EXPECT_THAT(text, HasSubstr("--lambda mixed"));
  EXPECT_THAT(text, HasSubstr("--lambda odd"));
  EXPECT_EQ(text.find("good:"), std::string::npos);
  EXPECT_TRUE(ValidateStageOptions({}).ok());
}

TEST(AddLambdaMapping, CommandLine) {
  LambdaMap map;
  EXPECT_TRUE(AddLambdaMapping("pets=http://h:1,http://h:2", map).ok());
  EXPECT_TRUE(AddLambdaMapping("pets=http://h:3", map).ok());
  EXPECT_THAT(map["pets"], ElementsAre("http://h:1", "http://h:2", "http://h:3"));
  for (const char* bad : {"pets", "pets=", "=http://h"}) {
    EXPECT_FALSE(AddLambdaMapping(bad, map).ok()) << bad;
  }
}

}  // namespace
}  // namespace postern
