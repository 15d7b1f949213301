#include "control/serve/manager.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <optional>

#include "control/import/import.h"
#include "lib/crypto/digest.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

namespace v1 = control::v1;

const Actor kActor = {"tester", "127.0.0.1:1"};

std::string Definition(const std::string& title, const std::string& url,
                       const std::string& more = "") {
  return Concat(
      R"({"openapi":"3.0.1","info":{"title":")", title,
      R"(","version":"1"},"paths":{"/":{"get":{"responses":{},)"
      R"("x-amazon-apigateway-integration":{"type":"http_proxy","httpMethod":"GET","uri":")",
      url, R"("}}})", more, "}}");
}

class ManagerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/manager-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    Open();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Open() {
    manager_.reset();
    hub_.reset();
    store_.reset();
    auto store = Store::Open(folder_ + "/control.db", {.now_ms = {}});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    hub_ = std::make_unique<PushHub>(PushHub::Options{.now_ms = {}, .wall_ms = {}, .log = {}});
    manager_ = std::make_unique<Manager>(store_.get(), hub_.get(), Manager::Options{});
    const absl::Status status = manager_->Start();
    ASSERT_TRUE(status.ok()) << status;
  }

  // Deployment of a definition.
  v1::Deployment Compile(const std::string& text) {
    v1::PutDefinitionRequest put;
    put.set_text(text);
    put.set_file_name("test.json");
    auto definition = manager_->PutDefinition(kActor, put);
    EXPECT_TRUE(definition.ok()) << definition.status();
    EXPECT_TRUE(definition->accepted()) << definition->report_text();
    v1::CreateDeploymentRequest create;
    create.set_api_id(definition->api_id());
    auto deployment = manager_->CreateDeployment(kActor, create);
    EXPECT_TRUE(deployment.ok()) << deployment.status();
    return *deployment;
  }

  absl::StatusOr<v1::Stage> Create(const v1::Deployment& deployment, const std::string& name,
                                   const v1::StageSettings& settings = {}) {
    v1::CreateStageRequest request;
    request.set_api_id(deployment.api_id());
    request.set_name(name);
    request.set_deployment_digest(deployment.digest());
    *request.mutable_settings() = settings;
    return manager_->CreateStage(kActor, request);
  }

  absl::StatusOr<v1::Stage> Point(const v1::Deployment& deployment, const std::string& name) {
    v1::UpdateStageRequest request;
    request.set_api_id(deployment.api_id());
    request.set_name(name);
    request.set_deployment_digest(deployment.digest().substr(0, 10));
    return manager_->UpdateStage(kActor, request);
  }

  // What a sidecar of the group is sent.
  snapshot::v1::Snapshot Pushed(const std::string& group = "default") {
    v1::Hello hello;
    hello.set_group(group);
    hello.mutable_node()->set_id("test");
    hello.set_format(1);
    auto session = hub_->Join(hello, "", [] {});
    EXPECT_TRUE(session.ok()) << session.status();
    snapshot::v1::Snapshot out;
    v1::ControlMessage message;
    absl::Status end;
    while (hub_->Next(session->get(), &message, &end) == PushHub::Step::kMessage) {
      if (message.has_push()) {
        EXPECT_TRUE(out.ParseFromString(message.push().snapshot()));
      }
      message.Clear();
    }
    hub_->Leave(*session);
    return out;
  }

  uint64_t Version(const std::string& group = "default") { return hub_->CountsOf(group).version; }

  std::string folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<Manager> manager_;
};

TEST_F(ManagerTest, TheSameDefinitionIsTheSameDeployment) {
  const v1::Deployment first = Compile(Definition("pets", "http://localhost:1/"));
  const v1::Deployment again = Compile(Definition("pets", "http://localhost:1/"));
  EXPECT_EQ(first.digest(), again.digest());
  EXPECT_EQ(first.methods(), 1u);
  const v1::Deployment other = Compile(Definition("pets", "http://localhost:2/"));
  EXPECT_NE(other.digest(), first.digest());
  EXPECT_EQ(manager_->ListDeployments(kActor, {})->deployments_size(), 2);
}

TEST_F(ManagerTest, RefusedDefinitionsChangeNothing) {
  v1::PutDefinitionRequest put;
  put.set_text("{}");
  auto refused = manager_->PutDefinition(kActor, put);
  ASSERT_TRUE(refused.ok());
  EXPECT_FALSE(refused->accepted());
  EXPECT_FALSE(refused->report_text().empty());
  EXPECT_EQ(manager_->ListAudit(kActor, {})->records_size(), 0);
  put.set_text(Definition("pets", "http://localhost:1/"));
  put.set_validate_only(true);
  auto checked = manager_->PutDefinition(kActor, put);
  EXPECT_TRUE(checked->accepted());
  v1::CreateDeploymentRequest create;
  create.set_api_id(checked->api_id());
  EXPECT_TRUE(absl::IsNotFound(manager_->CreateDeployment(kActor, create).status()));
}

TEST_F(ManagerTest, AStageIsServedByItsGroup) {
  const v1::Deployment deployment = Compile(Definition("pets", "http://localhost:1/"));
  EXPECT_EQ(Version(), 0u);
  auto stage = Create(deployment, "prod");
  ASSERT_TRUE(stage.ok()) << stage.status();
  EXPECT_EQ(stage->settings().group(), "default");
  EXPECT_EQ(stage->settings().base_path(), "");
  EXPECT_EQ(stage->group_version(), 1u);
  const snapshot::v1::Snapshot pushed = Pushed();
  EXPECT_EQ(pushed.version(), 1u);
  ASSERT_EQ(pushed.stages_size(), 1);
  EXPECT_EQ(pushed.stages(0).name(), "prod");
  EXPECT_EQ(pushed.stages(0).deployment_digest(), deployment.digest());
  ASSERT_EQ(pushed.deployments_size(), 1);
  EXPECT_TRUE(pushed.deployments(0).content().empty());
  EXPECT_EQ(pushed.clusters_size(), 1);
  EXPECT_EQ(pushed.listeners_size(), 0);
  EXPECT_TRUE(absl::IsAlreadyExists(Create(deployment, "prod").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Create(deployment, "no spaces").status()));
}

TEST_F(ManagerTest, VersionsRiseWithChangesAndOutliveTheProcess) {
  const v1::Deployment one = Compile(Definition("pets", "http://localhost:1/"));
  const v1::Deployment two = Compile(Definition("pets", "http://localhost:2/"));
  ASSERT_TRUE(Create(one, "prod").ok());
  EXPECT_EQ(Version(), 1u);
  ASSERT_TRUE(Point(two, "prod").ok());
  EXPECT_EQ(Version(), 2u);
  // Nothing that a sidecar would see.
  ASSERT_TRUE(Point(two, "prod").ok());
  EXPECT_EQ(Version(), 2u);
  const std::string pushed = Pushed().SerializeAsString();
  Open();
  EXPECT_EQ(Version(), 2u);
  EXPECT_EQ(Pushed().SerializeAsString(), pushed);
  v1::DeleteStageRequest remove;
  remove.set_api_id(one.api_id());
  remove.set_name("prod");
  ASSERT_TRUE(manager_->DeleteStage(kActor, remove).ok());
  EXPECT_EQ(Version(), 3u);
  EXPECT_EQ(Pushed().stages_size(), 0);
  ASSERT_TRUE(Create(one, "prod").ok());
  EXPECT_EQ(Version(), 4u);
}

TEST_F(ManagerTest, PromoteAndRollBack) {
  const v1::Deployment one = Compile(Definition("pets", "http://localhost:1/"));
  const v1::Deployment two = Compile(Definition("pets", "http://localhost:2/"));
  v1::StageSettings settings;
  settings.set_group("test");
  ASSERT_TRUE(Create(two, "test", settings).ok());
  ASSERT_TRUE(Create(one, "prod").ok());
  v1::RollbackRequest rollback;
  rollback.set_api_id(one.api_id());
  rollback.set_stage("prod");
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->Rollback(kActor, rollback).status()));
  v1::PromoteRequest promote;
  promote.set_api_id(one.api_id());
  promote.set_from_stage("test");
  promote.set_to_stage("prod");
  EXPECT_EQ(manager_->Promote(kActor, promote)->deployment_digest(), two.digest());
  EXPECT_EQ(Version("test"), 1u);
  EXPECT_EQ(Version(), 2u);
  EXPECT_EQ(manager_->Rollback(kActor, rollback)->deployment_digest(), one.digest());
  EXPECT_EQ(manager_->Rollback(kActor, rollback)->deployment_digest(), two.digest());
  rollback.set_deployment_digest(one.digest().substr(0, 8));
  EXPECT_EQ(manager_->Rollback(kActor, rollback)->deployment_digest(), one.digest());
  rollback.set_deployment_digest("00000000");
  EXPECT_FALSE(manager_->Rollback(kActor, rollback).ok());
  v1::GetStageRequest get;
  get.set_api_id(one.api_id());
  get.set_name("prod");
  auto stage = manager_->GetStage(kActor, get);
  ASSERT_EQ(stage->history_size(), 5);
  EXPECT_EQ(stage->history(0).action(), "rollback");
  EXPECT_EQ(stage->history(4).action(), "create");
  auto audit = manager_->ListAudit(kActor, {});
  EXPECT_EQ(audit->records(0).who(), "tester");
  EXPECT_EQ(audit->records(0).action(), "rollback");
  EXPECT_NE(audit->records(0).detail().find(" -> "), std::string::npos);
}

// rest-api.md 13.4
TEST_F(ManagerTest, ACanaryIsTriedOutAndPromoted) {
  const v1::Deployment one = Compile(Definition("pets", "http://${stageVariables.host}:1/"));
  const v1::Deployment two = Compile(Definition("pets", "http://${stageVariables.host}:2/"));
  const v1::Deployment three = Compile(Definition("pets", "http://localhost:3/"));
  v1::StageSettings settings;
  (*settings.mutable_variables())["host"] = "old";
  ASSERT_TRUE(Create(one, "prod", settings).ok());

  v1::UpdateStageRequest update;
  update.set_api_id(one.api_id());
  update.set_name("prod");
  *update.mutable_settings() = settings;
  v1::CanarySettings& canary = *update.mutable_settings()->mutable_canary();
  canary.set_deployment_digest(two.digest().substr(0, 8));
  canary.set_percent_traffic(12.5);
  (*canary.mutable_variable_overrides())["host"] = "new";
  auto stage = manager_->UpdateStage(kActor, update);
  ASSERT_TRUE(stage.ok()) << stage.status();
  EXPECT_EQ(stage->deployment_digest(), one.digest());
  EXPECT_EQ(stage->settings().canary().deployment_digest(), two.digest());

  snapshot::v1::Snapshot pushed = Pushed();
  ASSERT_EQ(pushed.deployments_size(), 2);
  const snapshot::v1::Canary& sent = pushed.stages(0).canary();
  EXPECT_EQ(sent.deployment_digest(), two.digest());
  EXPECT_EQ(sent.percent_traffic(), 12.5);
  EXPECT_EQ(sent.variable_overrides().at("host"), "new");
  ASSERT_EQ(sent.upstreams_size(), 1);
  EXPECT_EQ(sent.upstreams(0).cluster(), "http://new:2");
  EXPECT_EQ(pushed.stages(0).upstreams(0).cluster(), "http://old:1");
  EXPECT_EQ(pushed.clusters_size(), 2);

  // While it is there, no other deployment comes, and nobody deletes it.
  EXPECT_TRUE(absl::IsFailedPrecondition(Point(three, "prod").status()));
  v1::DeleteDeploymentRequest remove;
  remove.set_digest(two.digest());
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->DeleteDeployment(kActor, remove).status()));

  v1::PromoteRequest promote;
  promote.set_api_id(one.api_id());
  promote.set_to_stage("prod");
  stage = manager_->Promote(kActor, promote);
  ASSERT_TRUE(stage.ok()) << stage.status();
  EXPECT_EQ(stage->deployment_digest(), two.digest());
  EXPECT_FALSE(stage->settings().has_canary());
  EXPECT_EQ(stage->settings().variables().at("host"), "new");
  EXPECT_EQ(Pushed().stages(0).upstreams(0).cluster(), "http://new:2");
  EXPECT_EQ(Pushed().deployments_size(), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->Promote(kActor, promote).status()));
  EXPECT_TRUE(Point(three, "prod").ok());
}

TEST_F(ManagerTest, CanariesThatCannotBeAreRefused) {
  const v1::Deployment one = Compile(Definition("pets", "http://localhost:1/"));
  const v1::Deployment other = Compile(Definition("shop", "http://localhost:1/"));
  v1::StageSettings settings;
  v1::CanarySettings& canary = *settings.mutable_canary();
  canary.set_deployment_digest(one.digest());
  for (const double percent : {-0.1, 100.1, std::nan("")}) {
    canary.set_percent_traffic(percent);
    EXPECT_TRUE(absl::IsInvalidArgument(Create(one, "prod", settings).status())) << percent;
  }
  canary.set_percent_traffic(1);
  (*canary.mutable_variable_overrides())["a b"] = "x";
  EXPECT_FALSE(Create(one, "prod", settings).ok());
  canary.clear_variable_overrides();
  // Of another API.
  canary.set_deployment_digest(other.digest());
  EXPECT_TRUE(absl::IsNotFound(Create(one, "prod", settings).status()));
  canary.set_deployment_digest("");
  EXPECT_TRUE(absl::IsInvalidArgument(Create(one, "prod", settings).status()));
  EXPECT_EQ(manager_->ListStages(kActor, {})->stages_size(), 0);
}

// A variable is bound in the stage: no deployment is made for a new value.
TEST_F(ManagerTest, AStageVariableChangesWithoutADeployment) {
  const v1::Deployment one = Compile(Definition("pets", "http://${stageVariables.host}/"));
  v1::UpdateStageRequest update;
  update.set_api_id(one.api_id());
  update.set_name("prod");
  (*update.mutable_settings()->mutable_variables())["host"] = "a:1";
  ASSERT_TRUE(Create(one, "prod", update.settings()).ok());
  EXPECT_EQ(Pushed().stages(0).upstreams(0).cluster(), "http://a:1");
  (*update.mutable_settings()->mutable_variables())["host"] = "b:2";
  ASSERT_TRUE(manager_->UpdateStage(kActor, update).ok());
  EXPECT_EQ(Pushed().stages(0).upstreams(0).cluster(), "http://b:2");
  EXPECT_EQ(Pushed().stages(0).deployment_digest(), one.digest());
  EXPECT_EQ(manager_->ListDeployments(kActor, {})->deployments_size(), 1);
}

// http-api.md 4: "$default" is a stage of HTTP APIs, which may have others too.
TEST_F(ManagerTest, StagesHaveTheNamesTheyAreGiven) {
  // What only integrations of HTTP APIs have.
  const v1::Deployment one =
      Compile(Definition("pets", R"(http://localhost:1/","payloadFormatVersion":"1.0)"));
  ASSERT_TRUE(Create(one, "$default").ok());
  ASSERT_TRUE(Create(one, "test").ok());
  const snapshot::v1::Snapshot pushed = Pushed();
  ASSERT_EQ(pushed.stages_size(), 2);
  EXPECT_EQ(pushed.stages(0).name(), "$default");
  EXPECT_EQ(pushed.stages(1).name(), "test");
  const v1::Deployment rest = Compile(Definition("shop", "http://localhost:1/"));
  const absl::Status refused = Create(rest, "$default").status();
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.message().find("only HTTP APIs"), absl::string_view::npos) << refused;
}

// What `postern run --store` does.
TEST_F(ManagerTest, PublishMakesAGroupWhatItIsGivenAndNothingElse) {
  const auto imported = [](const std::string& title, const std::string& url) {
    Manager::Published out;
    const std::string text = Definition(title, url);
    ImportResult result = ImportDefinition(text, ImportOptions());
    EXPECT_TRUE(result.ok());
    out.definition.api_id = result.api.id();
    out.definition.api_name = title;
    out.definition.digest = Sha256Hex(text);
    out.definition.text = text;
    out.input = {std::move(result.api), std::move(result.deployment), std::nullopt,
                 std::move(result.modules)};
    out.stage = "prod";
    out.settings.set_base_path(title);
    return out;
  };
  const auto publish = [&](std::vector<std::pair<std::string, std::string>> apis) {
    std::vector<Manager::Published> all;
    for (const auto& [title, url] : apis) all.push_back(imported(title, url));
    return manager_->Publish(kActor, "run", std::move(all));
  };
  ASSERT_TRUE(publish({{"pets", "http://localhost:1/"}, {"shop", "http://localhost:2/"}}).ok());
  EXPECT_EQ(Pushed("run").stages_size(), 2);
  EXPECT_EQ(Version("run"), 1u);
  const int records = manager_->ListAudit(kActor, {})->records_size();
  ASSERT_TRUE(publish({{"pets", "http://localhost:1/"}, {"shop", "http://localhost:2/"}}).ok());
  EXPECT_EQ(manager_->ListAudit(kActor, {})->records_size(), records);
  EXPECT_EQ(Version("run"), 1u);
  ASSERT_TRUE(publish({{"shop", "http://localhost:3/"}}).ok());
  EXPECT_EQ(Pushed("run").stages_size(), 1);
  EXPECT_EQ(Version("run"), 2u);
  EXPECT_EQ(manager_->ListDeployments(kActor, {})->deployments_size(), 3);
  // All or nothing.
  EXPECT_FALSE(publish({{"pets", "http://localhost:1/"}, {"pets", "http://localhost:2/"}}).ok());
  EXPECT_EQ(Version("run"), 2u);
}

TEST_F(ManagerTest, SecretsAreKeptAsPlacesAndAreOneInAGroup) {
  const v1::Deployment pets = Compile(Definition("pets", "https://localhost:1/"));
  const v1::Deployment shop = Compile(Definition("shop", "https://localhost:2/"));
  v1::StageSettings settings;
  settings.set_upstream_certificate("/tls/tls.crt");
  settings.set_upstream_private_key("secret:key");
  snapshot::v1::Secret& secret = *settings.add_secrets();
  secret.set_name("key");
  secret.set_file("/tls/tls.key");
  ASSERT_TRUE(Create(pets, "prod", settings).ok());
  const snapshot::v1::Snapshot pushed = Pushed();
  ASSERT_EQ(pushed.secrets_size(), 1);
  EXPECT_EQ(pushed.secrets(0).file(), "/tls/tls.key");
  EXPECT_EQ(pushed.clusters(0).tls().client_private_key().secret(), "key");
  secret.set_environment("KEY");
  auto refused = Create(shop, "prod", settings);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_NE(refused.status().message().find("secret \"key\" differently"), absl::string_view::npos);
  secret.set_name("shop/key");
  settings.set_upstream_private_key("secret:shop/key");
  EXPECT_TRUE(Create(shop, "prod", settings).ok());
  for (const char* name : {"", "a b", "shop/key"}) {
    v1::StageSettings wrong = settings;
    wrong.add_secrets()->set_name(name);
    EXPECT_TRUE(absl::IsInvalidArgument(Create(shop, "test", wrong).status())) << name;
  }
}

TEST_F(ManagerTest, WhatDoesNotFitTogetherIsRefusedAsAWhole) {
  const v1::Deployment pets = Compile(Definition("pets", "https://localhost:1/"));
  const v1::Deployment shop = Compile(Definition("shop", "https://localhost:1/"));
  ASSERT_TRUE(Create(pets, "prod").ok());
  v1::StageSettings settings;
  settings.set_base_path("");
  auto refused = Create(shop, "prod", settings);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_NE(refused.status().message().find("base path"), absl::string_view::npos)
      << refused.status();
  settings.set_base_path("shop");
  settings.set_upstream_truststore("/etc/ca.pem");
  refused = Create(shop, "prod", settings);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_NE(refused.status().message().find("differently"), absl::string_view::npos)
      << refused.status();
  EXPECT_EQ(manager_->ListStages(kActor, {})->stages_size(), 1);
  EXPECT_EQ(Version(), 1u);
  settings.clear_upstream_truststore();
  EXPECT_TRUE(Create(shop, "prod", settings).ok());
  EXPECT_EQ(Pushed().stages_size(), 2);
  // Without a base path each further API gets one by its name.
  auto third = Create(Compile(Definition("My Third!", "http://localhost:3/")), "prod");
  EXPECT_EQ(third->settings().base_path(), "my-third");
}

TEST_F(ManagerTest, WhoWasSlowerIsTold) {
  const v1::Deployment one = Compile(Definition("pets", "http://localhost:1/"));
  ASSERT_TRUE(Create(one, "prod").ok());
  v1::UpdateStageRequest update;
  update.set_api_id(one.api_id());
  update.set_name("prod");
  update.mutable_settings()->set_description("mine");
  update.set_expected_revision(1);
  ASSERT_TRUE(manager_->UpdateStage(kActor, update).ok());
  EXPECT_TRUE(absl::IsAborted(manager_->UpdateStage(kActor, update).status()));
  v1::CreateDeploymentRequest create;
  create.set_api_id(one.api_id());
  create.set_definition_digest("0");
  EXPECT_TRUE(absl::IsAborted(manager_->CreateDeployment(kActor, create).status()));
}

TEST_F(ManagerTest, SettingsAreChecked) {
  const v1::Deployment one = Compile(Definition("pets", "http://localhost:1/"));
  const auto refused = [&](auto&& change) {
    v1::StageSettings settings;
    change(settings);
    const absl::Status status = Create(one, "prod", settings).status();
    return absl::IsInvalidArgument(status);
  };
  EXPECT_TRUE(refused([](v1::StageSettings& s) { s.set_group("a b"); }));
  EXPECT_TRUE(refused([](v1::StageSettings& s) { s.set_base_path("/a"); }));
  EXPECT_TRUE(refused([](v1::StageSettings& s) { s.set_upstream_truststore("ca.pem"); }));
  EXPECT_TRUE(refused([](v1::StageSettings& s) { (*s.mutable_variables())["a b"] = "c"; }));
  EXPECT_TRUE(refused([](v1::StageSettings& s) { s.add_lambdas()->set_name("f"); }));
  EXPECT_TRUE(refused([](v1::StageSettings& s) { s.set_description(std::string(2000, 'x')); }));
  EXPECT_EQ(manager_->ListStages(kActor, {})->stages_size(), 0);
}

TEST_F(ManagerTest, DeploymentsInUseStay) {
  const v1::Deployment one = Compile(Definition("pets", "http://localhost:1/"));
  ASSERT_TRUE(Create(one, "prod").ok());
  v1::DeleteDeploymentRequest remove;
  remove.set_digest(one.digest());
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->DeleteDeployment(kActor, remove).status()));
  const v1::Deployment two = Compile(Definition("pets", "http://localhost:2/"));
  ASSERT_TRUE(Point(two, "prod").ok());
  EXPECT_TRUE(manager_->DeleteDeployment(kActor, remove).ok());
  EXPECT_TRUE(absl::IsNotFound(manager_->DeleteDeployment(kActor, remove).status()));
}

TEST_F(ManagerTest, DifferencesAreNamedByResourceAndMethod) {
  const v1::Deployment one = Compile(Definition("pets", "http://localhost:1/a"));
  const v1::Deployment two = Compile(Definition(
      "pets", "http://localhost:1/b",
      R"(,"/pets":{"post":{"responses":{},"x-amazon-apigateway-integration":{"type":"mock"}}})"));
  v1::DiffDeploymentsRequest request;
  request.set_from(one.digest());
  request.set_to(two.digest());
  auto diff = manager_->DiffDeployments(kActor, request);
  ASSERT_TRUE(diff.ok()) << diff.status();
  std::string text;
  for (const v1::Difference& difference : diff->differences()) {
    text += Concat(static_cast<int>(difference.kind()), " ", difference.path(), "\n");
  }
  EXPECT_NE(text.find("1 /pets"), std::string::npos) << text;
  EXPECT_NE(text.find("3 / GET integration.http.path"), std::string::npos) << text;
  request.set_to(one.digest());
  EXPECT_EQ(manager_->DiffDeployments(kActor, request)->differences_size(), 0);
}

}  // namespace
}  // namespace postern
