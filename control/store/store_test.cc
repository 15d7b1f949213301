#include "control/store/store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "lib/crypto/digest.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

const Actor kActor = {"spiffe://example/ops", "127.0.0.1:1"};

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/store-" + std::to_string(::getpid()) + "-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    path_ = folder_ + "/control.db";
    options_.now_ms = [this] { return now_ms_; };
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  absl::Status Open() {
    store_.reset();
    absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(path_, options_);
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    return absl::OkStatus();
  }

  // Lets stage `name` of API "api" point at a deployment with this content.
  absl::Status Deploy(const std::string& content, const std::string& name = "prod",
                      std::string_view action = "update") {
    return store_->Write(kActor, [&](Store::Transaction& t) -> absl::Status {
      DeploymentRow deployment;
      deployment.api_id = "api";
      deployment.digest = Sha256Hex(content);
      if (auto put = t.PutDeployment(deployment, content); !put.ok()) return put.status();
      StageRow stage;
      stage.api_id = "api";
      stage.name = name;
      stage.group = "default";
      stage.deployment = deployment.digest;
      if (auto status = t.PutStage(&stage, action); !status.ok()) return status;
      return t.Audit("deploy", Concat("stage api/", name), deployment.digest);
    });
  }

  StageRow Stage(const std::string& name = "prod") {
    StageRow out;
    EXPECT_TRUE(store_
                    ->Read([&](Store::Transaction& t) {
                      auto stage = t.Stage("api", name);
                      if (stage.ok()) out = *stage;
                      return stage.status();
                    })
                    .ok());
    return out;
  }

  std::vector<DeploymentRow> Deployments() {
    std::vector<DeploymentRow> out;
    EXPECT_TRUE(store_
                    ->Read([&](Store::Transaction& t) {
                      auto rows = t.Deployments("", 1000);
                      if (rows.ok()) out = *rows;
                      return rows.status();
                    })
                    .ok());
    return out;
  }

  std::vector<AuditRow> Audit() {
    std::vector<AuditRow> out;
    EXPECT_TRUE(store_
                    ->Read([&](Store::Transaction& t) {
                      auto rows = t.AuditRecords(1000, 0);
                      if (rows.ok()) out = *rows;
                      return rows.status();
                    })
                    .ok());
    return out;
  }

  std::string folder_;
  std::string path_;
  int64_t now_ms_ = 1'700'000'000'000;
  Store::Options options_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, KeepsWhatWasWritten) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("one", "prod", "create").ok());
  ASSERT_TRUE(Deploy("two").ok());
  ASSERT_TRUE(Open().ok());
  const StageRow stage = Stage();
  EXPECT_EQ(stage.deployment, Sha256Hex("two"));
  EXPECT_EQ(stage.revision, 2u);
  EXPECT_EQ(stage.updated_by, kActor.who);
  EXPECT_EQ(stage.updated_ms, now_ms_);
  ASSERT_TRUE(store_
                  ->Read([&](Store::Transaction& t) -> absl::Status {
                    auto content = t.Content(Sha256Hex("one"));
                    EXPECT_TRUE(content.ok());
                    EXPECT_EQ(*content, "one");
                    auto history = t.History("api", "prod");
                    EXPECT_EQ(history->size(), 2u);
                    EXPECT_EQ(history->at(0).deployment, Sha256Hex("two"));
                    EXPECT_EQ(history->at(1).action, "create");
                    return absl::OkStatus();
                  })
                  .ok());
  const std::vector<AuditRow> audit = Audit();
  ASSERT_EQ(audit.size(), 2u);
  EXPECT_EQ(audit[0].sequence, 2u);
  EXPECT_EQ(audit[0].who, kActor.who);
  EXPECT_EQ(audit[0].from, kActor.from);
  EXPECT_EQ(audit[0].object, "stage api/prod");
}

TEST_F(StoreTest, OneContentServesManyStagesAndIsNotWrittenTwice) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("one", "test").ok());
  ASSERT_TRUE(Deploy("one", "prod").ok());
  EXPECT_EQ(Deployments().size(), 1u);
}

TEST_F(StoreTest, DeploymentsAreFoundByTheBeginningOfTheirDigest) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("one").ok());
  const std::string digest = Sha256Hex("one");
  ASSERT_TRUE(store_
                  ->Read([&](Store::Transaction& t) -> absl::Status {
                    EXPECT_EQ(t.Deployment("", digest.substr(0, 8))->digest, digest);
                    EXPECT_EQ(t.Deployment("api", digest)->digest, digest);
                    EXPECT_TRUE(absl::IsNotFound(t.Deployment("other", digest).status()));
                    EXPECT_TRUE(absl::IsNotFound(t.Deployment("", "00000000").status()));
                    for (const char* bad : {"", "1234567", "ABCDEF01", "0123456%", "zzzzzzzz"}) {
                      EXPECT_TRUE(absl::IsInvalidArgument(t.Deployment("", bad).status())) << bad;
                    }
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_F(StoreTest, AFailedTransactionLeavesNothing) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("one").ok());
  const absl::Status status = store_->Write(kActor, [&](Store::Transaction& t) -> absl::Status {
    EXPECT_TRUE(t.DeleteStage("api", "prod").ok());
    EXPECT_TRUE(t.Audit("delete", "x", "").ok());
    return absl::InvalidArgumentError("no");
  });
  EXPECT_EQ(status.message(), "no");
  EXPECT_EQ(Stage().revision, 1u);
  EXPECT_EQ(Audit().size(), 1u);
}

TEST_F(StoreTest, HistoryDeploymentsAndAuditArePrunedByCount) {
  options_.history = 3;
  options_.deployments = 1;
  options_.audit_records = 5;
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Deploy(Concat("content ", i)).ok());
  ASSERT_TRUE(store_
                  ->Read([&](Store::Transaction& t) -> absl::Status {
                    EXPECT_EQ(t.History("api", "prod")->size(), 3u);
                    EXPECT_TRUE(absl::IsNotFound(t.Content(Sha256Hex("content 3")).status()));
                    EXPECT_TRUE(t.Content(Sha256Hex("content 17")).ok());
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(Deployments().size(), 4u);  // of the history, and one more
  const std::vector<AuditRow> audit = Audit();
  ASSERT_EQ(audit.size(), 5u);
  EXPECT_EQ(audit[0].sequence, 20u);
  EXPECT_EQ(audit[4].sequence, 16u);
}

TEST_F(StoreTest, WhatAStagePointsAtStays) {
  options_.history = 1;
  options_.deployments = 0;
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("old", "prod").ok());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Deploy(Concat("content ", i), "test").ok());
  EXPECT_EQ(Deployments().size(), 2u);
  const absl::Status status = store_->Write(
      kActor, [&](Store::Transaction& t) { return t.DeleteDeployment("api", Sha256Hex("old")); });
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(Stage("prod").deployment, Sha256Hex("old"));
}

TEST_F(StoreTest, ACanarysDeploymentStays) {
  options_.deployments = 0;
  options_.history = 1;
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("canary").ok());
  const absl::Status pointed = store_->Write(kActor, [&](Store::Transaction& t) -> absl::Status {
    StageRow stage = *t.Stage("api", "prod");
    stage.name = "other";
    DeploymentRow deployment;
    deployment.api_id = "api";
    deployment.digest = Sha256Hex("main");
    if (auto put = t.PutDeployment(deployment, "main"); !put.ok()) return put.status();
    stage.deployment = deployment.digest;
    stage.canary = Sha256Hex("canary");
    return t.PutStage(&stage, "create");
  });
  ASSERT_TRUE(pointed.ok()) << pointed;
  ASSERT_TRUE(Deploy("new").ok());
  EXPECT_EQ(Deployments().size(), 3u);
  EXPECT_EQ(Stage("other").canary, Sha256Hex("canary"));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Write(kActor, [&](Store::Transaction& t) {
    return t.DeleteDeployment("api", Sha256Hex("canary"));
  })));
}

TEST_F(StoreTest, AStoreOfAnOlderProgramIsBroughtUpToDate) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("one").ok());
  store_.reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "ALTER TABLE stages DROP COLUMN canary; PRAGMA user_version=1",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  ASSERT_TRUE(Open().ok()) << Open();
  EXPECT_EQ(Stage().canary, "");
  ASSERT_TRUE(Deploy("two").ok());
  EXPECT_EQ(Stage().deployment, Sha256Hex("two"));
  EXPECT_TRUE(Open().ok());
}

TEST_F(StoreTest, AClockThatJumpsChangesNoOrder) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("one").ok());
  now_ms_ = 4'000'000'000'000;  // 2096
  ASSERT_TRUE(Deploy("two").ok());
  now_ms_ = 0;
  ASSERT_TRUE(Deploy("three").ok());
  now_ms_ = -5;
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(store_
                  ->Read([&](Store::Transaction& t) -> absl::Status {
                    auto history = t.History("api", "prod");
                    EXPECT_EQ(history->size(), 3u);
                    EXPECT_EQ(history->at(0).deployment, Sha256Hex("three"));
                    EXPECT_EQ(history->at(1).deployment, Sha256Hex("two"));
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(Audit()[0].at_ms, 0);
}

TEST_F(StoreTest, AStoreHasOneProcess) {
  ASSERT_TRUE(Open().ok());
  const absl::Status second = Store::Open(path_, options_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second));
  EXPECT_NE(second.message().find(std::to_string(::getpid())), absl::string_view::npos) << second;
  store_.reset();
  EXPECT_TRUE(Open().ok());
}

TEST_F(StoreTest, ForeignFilesAreRefusedAndLeftAlone) {
  std::ofstream(path_) << "apiVersion: v1\nkind: ConfigMap\n" << std::string(5000, 'x');
  EXPECT_TRUE(absl::IsInvalidArgument(Open())) << Open();
  std::ifstream in(path_);
  std::string first;
  std::getline(in, first);
  EXPECT_EQ(first, "apiVersion: v1");

  path_ = folder_ + "/other.db";
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "CREATE TABLE t(x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  const absl::Status status = Open();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_NE(status.message().find("another program"), absl::string_view::npos);
}

TEST_F(StoreTest, AStoreOfANewerProgramIsRefused) {
  ASSERT_TRUE(Open().ok());
  store_.reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "PRAGMA user_version=99", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  EXPECT_TRUE(absl::IsFailedPrecondition(Open()));
}

TEST_F(StoreTest, DamageIsToldNotServed) {
  ASSERT_TRUE(Open().ok());
  const std::string big(200'000, 'a');
  ASSERT_TRUE(Deploy(big).ok());
  store_.reset();  // the last to close brings everything into the one file
  const auto size = std::filesystem::file_size(path_);
  // In the middle of the content: SQLite does not see it, the digest does.
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    std::string bytes(size, '\0');
    file.read(bytes.data(), static_cast<std::streamsize>(size));
    const size_t at = bytes.find(std::string(1000, 'a'));
    ASSERT_NE(at, std::string::npos);
    file.seekp(static_cast<std::streamoff>(at + 500));
    file.put('b');
  }
  ASSERT_TRUE(Open().ok());
  const absl::Status status =
      store_->Read([&](Store::Transaction& t) { return t.Content(Sha256Hex(big)).status(); });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  store_.reset();
  // The structure itself.
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    for (std::streamoff page = 1; page < 6; ++page) {
      file.seekp(page * 4096);
      file << std::string(64, '\xee');
    }
  }
  EXPECT_TRUE(absl::IsDataLoss(Open())) << Open();
  // Half of it.
  std::filesystem::resize_file(path_, size / 2);
  EXPECT_TRUE(absl::IsDataLoss(Open())) << Open();
}

TEST_F(StoreTest, AFullStoreRefusesAndKeepsWhatItHas) {
  options_.max_bytes = 400'000;
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("one").ok());
  const absl::Status status = Deploy(std::string(600'000, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(Stage().deployment, Sha256Hex("one"));
  EXPECT_TRUE(Deploy("two").ok());
  EXPECT_EQ(Audit().size(), 2u);
}

TEST_F(StoreTest, AFullDiskRefusesAndKeepsWhatItHas) {
  // A limit on the size of files stands in for the disk: the kernel refuses the write.
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("one").ok());
  store_.reset();
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {300'000, 300'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0 || !Open().ok()) ::_exit(2);
    const absl::Status status = Deploy(std::string(600'000, 'x'));
    if (!absl::IsResourceExhausted(status)) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      ::_exit(3);
    }
    ::_exit(Deploy("two").ok() && Stage().deployment == Sha256Hex("two") ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Stage().deployment, Sha256Hex("two"));
}

TEST_F(StoreTest, AFolderThatIsMissingOrReadOnlyIsNamed) {
  path_ = folder_ + "/none/control.db";
  const absl::Status status = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_NE(status.message().find(path_), absl::string_view::npos);
}

TEST_F(StoreTest, LimitsOfStagesHold) {
  options_.max_stages = 2;
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Deploy("one", "a").ok());
  ASSERT_TRUE(Deploy("one", "b").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Deploy("one", "c")));
  EXPECT_TRUE(Deploy("two", "b").ok());
}

}  // namespace
}  // namespace postern
