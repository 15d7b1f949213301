// What a control plane of 10,000 sidecars and one of 10,000 routes cost: the real manager,
// compiler, push loop and encoder, without sockets. Prints the figures of docs/performance.md.
#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/serve/manager.h"
#include "control/serve/push_hub.h"
#include "control/store/store.h"
#include "lib/text/concat.h"
#include "proto/control/push.pb.h"

namespace postern {
namespace {

namespace v1 = control::v1;

// With the root, as many as an API may have.
constexpr size_t kRoutes = 9999;
const Actor kActor = {"tester", "test"};

double CpuSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double Cpu(const std::function<void()>& body) {
  const double begun = CpuSeconds();
  body();
  return CpuSeconds() - begun;
}

double ResidentMib() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

std::string Definition(size_t routes, const std::string& upstream) {
  std::string text = R"({"openapi":"3.0.1","info":{"title":"t","version":"1"},"paths":{)";
  for (size_t i = 0; i < routes; ++i) {
    text +=
        Concat(i > 0 ? "," : "", "\"/resource", i,
               R"(":{"get":{"parameters":[{"name":"q","in":"query","schema":{"type":"string"}}],)"
               R"("responses":{"200":{"description":"ok"}},"x-amazon-apigateway-integration":)"
               R"({"type":"http_proxy","httpMethod":"GET","uri":")",
               upstream, "/r", i, R"("}}})");
  }
  return text + "}}";
}

class PushScaleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/scale-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    auto store = Store::Open(folder_ + "/control.db", Store::Options());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    PushHub::Options options;
    options.max_sidecars = 10'000;
    hub_ = std::make_unique<PushHub>(options);
    manager_ = std::make_unique<Manager>(store_.get(), hub_.get(), Manager::Options{});
    ASSERT_TRUE(manager_->Start().ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  v1::Deployment Compile(const std::string& text) {
    v1::PutDefinitionRequest put;
    put.set_text(text);
    auto definition = manager_->PutDefinition(kActor, put);
    EXPECT_TRUE(definition.ok() && definition->accepted());
    v1::CreateDeploymentRequest create;
    create.set_api_id(definition->api_id());
    auto deployment = manager_->CreateDeployment(kActor, create);
    EXPECT_TRUE(deployment.ok()) << deployment.status();
    return *deployment;
  }
  void Point(const v1::Deployment& deployment, bool create) {
    absl::Status status;
    if (create) {
      v1::CreateStageRequest request;
      request.set_api_id(deployment.api_id());
      request.set_name("prod");
      request.set_deployment_digest(deployment.digest());
      status = manager_->CreateStage(kActor, request).status();
    } else {
      v1::UpdateStageRequest request;
      request.set_api_id(deployment.api_id());
      request.set_name("prod");
      request.set_deployment_digest(deployment.digest());
      status = manager_->UpdateStage(kActor, request).status();
    }
    ASSERT_TRUE(status.ok()) << status;
  }

  std::string folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<Manager> manager_;
};

TEST_F(PushScaleTest, TenThousandSidecars) {
  constexpr size_t kSidecars = 10'000;
  const v1::Deployment one = Compile(Definition(100, "http://localhost:1"));
  const v1::Deployment two = Compile(Definition(100, "http://localhost:2"));
  Point(one, /*create=*/true);

  struct Sidecar {
    std::shared_ptr<PushHub::Session> session;
    size_t woken = 0;
  };
  std::vector<Sidecar> sidecars(kSidecars);
  const double before_mib = ResidentMib();
  const double joining = Cpu([&] {
    for (size_t i = 0; i < kSidecars; ++i) {
      v1::Hello hello;
      hello.set_group("default");
      hello.mutable_node()->set_id(Concat("shop-7f9c6d5b8-", i));
      hello.mutable_node()->set_namespace_("shop");
      hello.mutable_node()->set_host("node-1.cluster.internal");
      hello.mutable_node()->set_program_version("0.1.0");
      hello.set_format(1);
      auto session = hub_->Join(hello, "10.0.0.1:40000", [&sidecars, i] { ++sidecars[i].woken; });
      ASSERT_TRUE(session.ok()) << session.status();
      sidecars[i].session = *std::move(session);
    }
  });
  // What a stream does: takes what there is for it, encodes it, and answers.
  std::string wire;
  size_t bytes = 0;
  const auto serve_all = [&] {
    v1::ControlMessage message;
    absl::Status end;
    for (const Sidecar& sidecar : sidecars) {
      while (hub_->Next(sidecar.session.get(), &message, &end) == PushHub::Step::kMessage) {
        ASSERT_TRUE(message.SerializeToString(&wire));
        bytes += wire.size();
        if (message.has_push()) {
          v1::Answer answer;
          answer.set_nonce(message.push().nonce());
          answer.set_accepted(true);
          ASSERT_TRUE(hub_->OnAnswer(sidecar.session.get(), answer).ok());
        }
        message.Clear();
      }
    }
  };
  const double first = Cpu(serve_all);
  EXPECT_EQ(hub_->CountsOf("default").applied, kSidecars);
  const size_t first_bytes = std::exchange(bytes, 0);
  const double changing = Cpu([&] { Point(two, /*create=*/false); });
  EXPECT_EQ(hub_->CountsOf("default").pending, kSidecars);
  for (const Sidecar& sidecar : sidecars) ASSERT_EQ(sidecar.woken, 1u);
  const double second = Cpu(serve_all);
  EXPECT_EQ(hub_->CountsOf("default").applied, kSidecars);
  EXPECT_EQ(hub_->stats().pushes, 2 * kSidecars);
  const double used_mib = ResidentMib() - before_mib;
  std::printf(
      "10,000 sidecars: joined in %.2f s CPU; first push %.2f s CPU, %zu bytes each; a change %.2f "
      "ms to wake all, %.2f s CPU to send, %zu bytes each; %.1f MiB, %.1f KiB each\n",
      joining, first, first_bytes / kSidecars, changing * 1e3, second, bytes / kSidecars, used_mib,
      used_mib * 1024 / kSidecars);
  EXPECT_LT(used_mib, 200);
  for (const Sidecar& sidecar : sidecars) hub_->Leave(sidecar.session);
}

TEST_F(PushScaleTest, TenThousandRoutes) {
  const std::string text = Definition(kRoutes, "http://localhost:1");
  v1::PutDefinitionRequest put;
  put.set_text(text);
  absl::StatusOr<v1::PutDefinitionResponse> definition;
  const double putting = Cpu([&] { definition = manager_->PutDefinition(kActor, put); });
  ASSERT_TRUE(definition.ok() && definition->accepted());
  v1::CreateDeploymentRequest create;
  create.set_api_id(definition->api_id());
  absl::StatusOr<v1::Deployment> deployment;
  const double compiling = Cpu([&] { deployment = manager_->CreateDeployment(kActor, create); });
  ASSERT_TRUE(deployment.ok()) << deployment.status();
  EXPECT_EQ(deployment->methods(), kRoutes);
  const double pointing = Cpu([&] { Point(*deployment, /*create=*/true); });
  // Compiled once, it stays: another stage of it, or a variable, compiles that stage alone.
  v1::UpdateStageRequest update;
  update.set_api_id(deployment->api_id());
  update.set_name("prod");
  (*update.mutable_settings()->mutable_variables())["a"] = "b";
  const double updating = Cpu([&] { ASSERT_TRUE(manager_->UpdateStage(kActor, update).ok()); });
  std::printf(
      "9,999 routes (%.1f MiB of JSON): definition put in %.2f s CPU; deployment of %.1f MiB in "
      "%.2f s; snapshot of the group in %.2f s, anew in %.2f s\n",
      static_cast<double>(text.size()) / (1 << 20), putting,
      static_cast<double>(deployment->size_bytes()) / (1 << 20), compiling, pointing, updating);
}

}  // namespace
}  // namespace postern
