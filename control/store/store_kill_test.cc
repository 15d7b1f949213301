// A writer is killed at any moment, hundreds of times: what it was told to be durable is there, and
// what is there fits together.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>

#include "control/store/store.h"
#include "lib/crypto/digest.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr int kKills = 200;

// One change as the control plane makes it: a deployment, the pointer, the group's version, a
// record.
absl::Status Change(Store* store, uint64_t* sequence) {
  return store->Write({"writer", "test"}, [&](Store::Transaction& t) -> absl::Status {
    auto group = t.Group("default");
    if (!group.ok()) return group.status();
    group->version += 1;
    const std::string content =
        Concat("deployment ", group->version, std::string(group->version * 977 % 20'000, '.'));
    group->content_digest = Sha256Hex(content);
    DeploymentRow deployment;
    deployment.api_id = "api";
    deployment.digest = group->content_digest;
    if (auto put = t.PutDeployment(deployment, content); !put.ok()) return put.status();
    StageRow stage;
    stage.api_id = "api";
    stage.name = "prod";
    stage.group = "default";
    stage.deployment = deployment.digest;
    if (auto status = t.PutStage(&stage, "update"); !status.ok()) return status;
    if (auto status = t.PutGroup(*group); !status.ok()) return status;
    *sequence = group->version;
    return t.Audit("update", "stage api/prod", Concat(group->version));
  });
}

[[noreturn]] void Writer(const std::string& path, int pipe) {
  auto store = Store::Open(path, {.history = 5, .deployments = 2, .now_ms = {}});
  if (!store.ok()) ::_exit(1);
  const uint64_t open = 0;
  if (::write(pipe, &open, sizeof(open)) != sizeof(open)) ::_exit(3);
  while (true) {
    uint64_t sequence = 0;
    if (!Change(store->get(), &sequence).ok()) ::_exit(2);
    if (::write(pipe, &sequence, sizeof(sequence)) != sizeof(sequence)) ::_exit(3);
  }
}

// Reads everything and checks that it fits together; the version that it has.
uint64_t CheckWhole(const std::string& path) {
  auto store = Store::Open(path, {.now_ms = {}});
  EXPECT_TRUE(store.ok()) << store.status();
  if (!store.ok()) return 0;
  uint64_t version = 0;
  const absl::Status status = (*store)->Read([&](Store::Transaction& t) -> absl::Status {
    auto group = t.Group("default");
    if (!group.ok()) return group.status();
    version = group->version;
    if (version == 0) return absl::OkStatus();
    auto stage = t.Stage("api", "prod");
    if (!stage.ok()) return stage.status();
    EXPECT_EQ(stage->deployment, group->content_digest);
    EXPECT_EQ(stage->revision, version);
    auto history = t.History("api", "prod");
    if (!history.ok()) return history.status();
    EXPECT_EQ(history->front().deployment, stage->deployment);
    for (const HistoryRow& entry : *history) {
      if (auto content = t.Content(entry.deployment); !content.ok()) return content.status();
    }
    auto audit = t.AuditRecords(1, 0);
    if (!audit.ok()) return audit.status();
    EXPECT_EQ(audit->front().sequence, version);
    EXPECT_EQ(audit->front().detail, Concat(version));
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return version;
}

TEST(StoreKillTest, NothingAcknowledgedIsLostAndNothingIsTorn) {
  const std::string folder = ::testing::TempDir() + "/store-kill-" + std::to_string(::getpid());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  const std::string path = folder + "/control.db";
  std::mt19937 random(20240607);
  uint64_t before = 0;
  uint64_t unacknowledged = 0;
  // Some changes without a kill, to know how long one takes on this disk.
  useconds_t change_us = 0;
  {
    auto store = Store::Open(path, {.now_ms = {}});
    ASSERT_TRUE(store.ok()) << store.status();
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(Change(store->get(), &before).ok());
    change_us = static_cast<useconds_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                            (std::chrono::steady_clock::now() - begun) / 8)
                                            .count());
  }
  const useconds_t longest_us = std::clamp<useconds_t>(3 * change_us, 3'000, 60'000);
  // A slow machine gets less done between two kills, so it takes more of them.
  int kill = 0;
  for (; kill < kKills || (before <= 100 && kill < 5 * kKills); ++kill) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe[0]);
      Writer(path, pipe[1]);
    }
    ::close(pipe[1]);
    // One in four dies while it opens the store, and with it while it recovers from the one before.
    uint64_t sequence = 0;
    if (kill % 4 != 0) {
      ASSERT_EQ(::read(pipe[0], &sequence, sizeof(sequence)), ssize_t{sizeof(sequence)});
    }
    ::usleep(std::uniform_int_distribution<useconds_t>(0, longest_us)(random));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended with " << WEXITSTATUS(status);
    uint64_t acknowledged = before;
    while (::read(pipe[0], &sequence, sizeof(sequence)) == sizeof(sequence)) {
      acknowledged = std::max(acknowledged, sequence);
    }
    ::close(pipe[0]);
    const uint64_t version = CheckWhole(path);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "kill " << kill;
    ASSERT_GE(version, acknowledged) << "kill " << kill;
    // What was under way may have been done or not; nothing else.
    ASSERT_LE(version, acknowledged + 1) << "kill " << kill;
    unacknowledged += version - acknowledged;
    before = version;
  }
  EXPECT_GT(before, 100u) << "too few changes between the kills to tell anything";
  std::printf("%d kills, %d changes, %d of them done but not acknowledged\n", kill,
              static_cast<int>(before), static_cast<int>(unacknowledged));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace postern
