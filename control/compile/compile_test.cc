#include "control/compile/compile.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "lib/crypto/digest.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;
using testing::HasSubstr;

v1::Method HttpMethod(const std::string& method, const std::string& upstream) {
  v1::Method result;
  result.set_http_method(method);
  result.mutable_integration()->set_type(v1::INTEGRATION_TYPE_HTTP_PROXY);
  result.mutable_integration()->mutable_http()->set_upstream(upstream);
  return result;
}

CompileInput Input(const std::string& id, const std::string& name) {
  CompileInput input;
  input.api.set_id(id);
  input.api.set_name(name);
  input.api.set_type(v1::API_TYPE_REST);
  input.deployment.set_type(v1::API_TYPE_REST);
  v1::Resource& pets = *input.deployment.add_resources();
  pets.set_id("pets00");
  pets.set_path("/pets");
  *pets.add_methods() = HttpMethod("POST", "http://b:2");
  *pets.add_methods() = HttpMethod("GET", "http://a:1");
  v1::Resource& root = *input.deployment.add_resources();
  root.set_id("root000000");
  root.set_path("/");
  v1::Method& function = *root.add_methods();
  function.set_http_method("ANY");
  function.mutable_integration()->set_type(v1::INTEGRATION_TYPE_AWS_PROXY);
  function.mutable_integration()->mutable_lambda()->set_function("fn:${stageVariables.alias}");
  return input;
}

TEST(Compile, OneApi) {
  CompileOptions options;
  options.version = 7;
  options.stage.name = "dev";
  options.stage.variables["alias"] = "live";
  options.stage.lambda["fn:live"] = {"http://127.0.0.1:9001"};
  const absl::StatusOr<v1::Snapshot> snapshot = CompileSnapshot({Input("abc", "Pets")}, options);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->format(), 1u);
  EXPECT_EQ(snapshot->version(), 7u);
  ASSERT_EQ(snapshot->apis_size(), 1);
  ASSERT_EQ(snapshot->deployments_size(), 1);
  ASSERT_EQ(snapshot->stages_size(), 1);
  const v1::Stage& stage = snapshot->stages(0);
  EXPECT_EQ(stage.api_id(), "abc");
  EXPECT_EQ(stage.name(), "dev");
  EXPECT_EQ(stage.variables().at("alias"), "live");
  EXPECT_EQ(stage.deployment_digest(), snapshot->deployments(0).digest());
  EXPECT_EQ(stage.deployment_id().size(), 6u);
  ASSERT_EQ(stage.upstreams_size(), 2);
  EXPECT_EQ(stage.upstreams(0).upstream(), "http://a:1");
  EXPECT_EQ(stage.upstreams(0).cluster(), "http://a:1");
  ASSERT_EQ(stage.functions_size(), 1);
  EXPECT_EQ(stage.functions(0).resolved(), "fn:live");
  EXPECT_EQ(stage.functions(0).target(), "lambda:fn:live");
  ASSERT_EQ(snapshot->functions_size(), 1);
  EXPECT_EQ(snapshot->clusters_size(), 3);
  ASSERT_EQ(snapshot->domains_size(), 1);
  EXPECT_EQ(snapshot->domains(0).name(), "*");
  ASSERT_EQ(snapshot->domains(0).mappings_size(), 1);
  EXPECT_EQ(snapshot->domains(0).mappings(0).base_path(), "");
  EXPECT_EQ(snapshot->domains(0).mappings(0).stage(), "dev");
}

// api.proto: the digest is that of the bytes, and the bytes do not depend on the order in which a
// definition says things.
TEST(Compile, DeploymentsAreContentAddressed) {
  const CompileInput input = Input("abc", "Pets");
  const v1::StoredDeployment stored = StoreDeployment(input.deployment);
  EXPECT_EQ(stored.digest(), Sha256Hex(stored.content()));

  v1::Deployment turned = input.deployment;
  turned.mutable_resources()->SwapElements(0, 1);
  turned.mutable_resources(1)->mutable_methods()->SwapElements(0, 1);
  EXPECT_EQ(StoreDeployment(turned).digest(), stored.digest());

  turned.mutable_resources(0)->mutable_methods(0)->set_operation_name("x");
  EXPECT_NE(StoreDeployment(turned).digest(), stored.digest());

  v1::Deployment parsed;
  ASSERT_TRUE(parsed.ParseFromString(stored.content()));
  EXPECT_EQ(parsed.resources(0).path(), "/");
  EXPECT_EQ(parsed.resources(1).methods(0).http_method(), "GET");
}

// rest-api.md 8.1: patterns are tried in their order, the default response last.
TEST(Compile, IntegrationResponsesKeepTheirOrder) {
  v1::Deployment deployment;
  v1::Integration& integration = *deployment.add_resources()->add_methods()->mutable_integration();
  integration.add_responses()->set_status_code(200);
  integration.add_responses()->set_selection_pattern("b");
  integration.add_responses()->set_selection_pattern("a");
  Canonicalize(deployment);
  EXPECT_EQ(integration.responses(0).selection_pattern(), "b");
  EXPECT_EQ(integration.responses(1).selection_pattern(), "a");
  EXPECT_EQ(integration.responses(2).status_code(), 200u);
}

TEST(Compile, SeveralApisShareTheDomain) {
  const absl::StatusOr<v1::Snapshot> snapshot =
      CompileSnapshot({Input("zzz", "Pet Store, v2!"), Input("aaa", "Ünï")}, {});
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  const v1::Domain& domain = snapshot->domains(0);
  ASSERT_EQ(domain.mappings_size(), 2);
  EXPECT_EQ(domain.mappings(0).base_path(), "n");
  EXPECT_EQ(domain.mappings(1).base_path(), "pet-store-v2");
  EXPECT_EQ(domain.mappings(1).api_id(), "zzz");
  EXPECT_EQ(snapshot->apis(0).id(), "aaa");
  // The same content is one deployment.
  EXPECT_EQ(snapshot->deployments_size(), 1);
}

TEST(Compile, SaysEveryProblem) {
  CompileOptions options;
  options.stage.name = "";
  CompileInput odd = Input("Not An Id", "x");
  const absl::StatusOr<v1::Snapshot> snapshot =
      CompileSnapshot({Input("abc", "One"), Input("abc", "Two"), odd}, options);
  ASSERT_FALSE(snapshot.ok());
  const std::string text(snapshot.status().message());
  EXPECT_THAT(text, HasSubstr("\"abc\" belongs to \"One\" and to \"Two\""));
  EXPECT_THAT(text, HasSubstr("\"Not An Id\""));
  EXPECT_THAT(text, HasSubstr("stage name"));
}

TEST(Compile, IsDeterministic) {
  const auto compile = [] {
    CompileOptions options;
    options.stage.variables = {{"a", "1"}, {"b", "2"}};
    return CompileSnapshot({Input("abc", "Pets"), Input("abd", "Cats")}, options);
  };
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*compile(), *compile()));
}

}  // namespace
}  // namespace postern
