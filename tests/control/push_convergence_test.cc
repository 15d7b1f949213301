// 200 sidecar streams to the real service, over real sockets: all of them take up a change.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "control/serve/control_server.h"
#include "control/serve/manager.h"
#include "control/serve/push_hub.h"
#include "control/store/store.h"
#include "core/config/control_client.h"
#include "lib/text/concat.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {
namespace {

namespace v1 = control::v1;

constexpr size_t kSidecars = 200;
constexpr auto kLimit = std::chrono::seconds(30);  // only for a test that hangs
const Actor kActor = {"tester", "test"};

class PushConvergenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/convergence-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    auto store = Store::Open(folder_ + "/control.db", {.now_ms = {}});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    hub_ = std::make_unique<PushHub>(PushHub::Options{.now_ms = {}, .wall_ms = {}, .log = {}});
    manager_ = std::make_unique<Manager>(store_.get(), hub_.get(), Manager::Options{});
    ASSERT_TRUE(manager_->Start().ok());
    Listen("127.0.0.1:0");
  }
  void TearDown() override {
    clients_.clear();
    server_.reset();
    manager_.reset();
    hub_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Listen(const std::string& address) {
    ControlServer::Options options;
    options.address = address;
    auto server = ControlServer::Start(options, manager_.get(), hub_.get());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void Join(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      ControlClient::Options options;
      options.address.target = Concat("127.0.0.1:", server_->port());
      options.address.plaintext = true;
      options.group = "default";
      options.node_id = Concat("sidecar-", i);
      options.first_backoff_ms = 50;
      ControlClient::Events events;
      events.on_push = [this, i](ControlClient::Pushed pushed) {
        if (refuse_) {
          clients_[i]->Refuse(pushed, {{"stages[0]", "not here"}, {"", "not now"}});
        } else {
          clients_[i]->Accept(pushed);
        }
      };
      clients_.push_back(std::make_unique<ControlClient>(options, std::move(events)));
    }
    for (const auto& client : clients_) ASSERT_TRUE(client->Start(nullptr).ok());
  }

  // Lets the stage point at a definition with so many methods.
  void Deploy(const std::string& path, size_t methods) {
    std::string text = R"({"openapi":"3.0.1","info":{"title":"t","version":"1"},"paths":{)";
    for (size_t i = 0; i < methods; ++i) {
      text += Concat(i > 0 ? "," : "", "\"/r", i,
                     R"(":{"get":{"responses":{},"x-amazon-apigateway-integration":{)"
                     R"("type":"http_proxy","httpMethod":"GET","uri":"http://localhost:1/)",
                     path, "\"}}}");
    }
    text += "}}";
    v1::PutDefinitionRequest put;
    put.set_text(text);
    auto definition = manager_->PutDefinition(kActor, put);
    ASSERT_TRUE(definition.ok() && definition->accepted());
    v1::CreateDeploymentRequest create;
    create.set_api_id(definition->api_id());
    auto deployment = manager_->CreateDeployment(kActor, create);
    ASSERT_TRUE(deployment.ok()) << deployment.status();
    deployment_ = *deployment;
  }
  void Point(bool create) {
    absl::Status status;
    if (create) {
      v1::CreateStageRequest request;
      request.set_api_id(deployment_.api_id());
      request.set_name("prod");
      request.set_deployment_digest(deployment_.digest());
      status = manager_->CreateStage(kActor, request).status();
    } else {
      v1::UpdateStageRequest request;
      request.set_api_id(deployment_.api_id());
      request.set_name("prod");
      request.set_deployment_digest(deployment_.digest());
      status = manager_->UpdateStage(kActor, request).status();
    }
    ASSERT_TRUE(status.ok()) << status;
  }

  // Milliseconds until `holds` does; fails the test if it never does.
  template <typename Condition>
  double WaitUntil(const Condition& holds) {
    const auto begun = std::chrono::steady_clock::now();
    while (!holds()) {
      if (std::chrono::steady_clock::now() - begun > kLimit) {
        ADD_FAILURE() << "waited in vain";
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun)
        .count();
  }

  PushHub::Counts Counts() { return hub_->CountsOf("default"); }

  std::string folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<Manager> manager_;
  std::unique_ptr<ControlServer> server_;
  v1::Deployment deployment_;
  std::vector<std::unique_ptr<ControlClient>> clients_;
  std::atomic<bool> refuse_{false};
};

TEST_F(PushConvergenceTest, TwoHundredStreamsTakeUpAChange) {
  Join(kSidecars);
  WaitUntil([&] { return Counts().pending == kSidecars; });
  Deploy("a", 100);
  Point(/*create=*/true);
  const double first = WaitUntil([&] { return Counts().applied == kSidecars; });
  Deploy("b", 100);
  Point(/*create=*/false);
  const double second = WaitUntil([&] { return Counts().applied == kSidecars; });
  EXPECT_EQ(Counts().version, 2u);
  EXPECT_EQ(hub_->stats().pushes, 2 * kSidecars);
  EXPECT_EQ(hub_->stats().refused, 0u);
  std::printf("200 streams: first snapshot after %.0f ms, a change after %.0f ms\n", first, second);
}

TEST_F(PushConvergenceTest, RefusalsComeWithEveryProblem) {
  Join(1);
  refuse_ = true;
  Deploy("a", 1);
  Point(/*create=*/true);
  WaitUntil([&] { return Counts().refused == 1; });
  v1::ListSidecarsResponse list;
  hub_->List("default", &list);
  ASSERT_EQ(list.sidecars_size(), 1);
  ASSERT_EQ(list.sidecars(0).problems_size(), 2);
  EXPECT_EQ(list.sidecars(0).problems(0), "stages[0]: not here");
  EXPECT_EQ(list.sidecars(0).problems(1), "not now");
  refuse_ = false;
  Deploy("b", 1);
  Point(/*create=*/false);
  WaitUntil([&] { return Counts().applied == 1; });
}

TEST_F(PushConvergenceTest, ALargeDeploymentComesInPieces) {
  Join(2);
  Deploy(std::string(2000, 'x'), 2000);  // some 4 MiB: above gRPC's own default for messages
  Point(/*create=*/true);
  WaitUntil([&] { return Counts().applied == 2; });
  EXPECT_GT(hub_->stats().chunk_bytes, 2u * 4'000'000);
}

}  // namespace
}  // namespace postern
