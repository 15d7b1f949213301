#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/config/last_good.h"
#include "core/config/snapshot_assembler.h"
#include "lib/crypto/digest.h"
#include "lib/text/concat.h"
#include "proto/control/push.pb.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {
namespace {

namespace v1 = control::v1;

snapshot::v1::Snapshot MakeSnapshot(uint64_t version, const std::vector<std::string>& contents) {
  snapshot::v1::Snapshot out;
  out.set_format(1);
  out.set_version(version);
  for (const std::string& content : contents) {
    out.add_deployments()->set_digest(Sha256Hex(content));
    out.mutable_deployments()->rbegin()->set_content(content);
  }
  return out;
}

v1::Push MakePush(const snapshot::v1::Snapshot& snapshot) {
  snapshot::v1::Snapshot stripped = snapshot;
  for (auto& deployment : *stripped.mutable_deployments()) deployment.clear_content();
  v1::Push out;
  out.set_nonce(1);
  out.set_version(snapshot.version());
  out.set_snapshot(stripped.SerializeAsString());
  out.set_digest(Sha256Hex(out.snapshot()));
  return out;
}

v1::DeploymentChunk MakeChunk(const std::string& content, const std::string& part, bool last) {
  v1::DeploymentChunk out;
  out.set_digest(Sha256Hex(content));
  out.set_content(part);
  out.set_last(last);
  return out;
}

TEST(SnapshotAssemblerTest, PutsPiecesTogether) {
  SnapshotAssembler assembler;
  const auto whole = MakeSnapshot(3, {"abcdef", "second"});
  ASSERT_TRUE(assembler.OnChunk(MakeChunk("abcdef", "abc", false)).ok());
  ASSERT_TRUE(assembler.OnChunk(MakeChunk("abcdef", "def", true)).ok());
  ASSERT_TRUE(assembler.OnChunk(MakeChunk("second", "second", true)).ok());
  const v1::Push push = MakePush(whole);
  auto got = assembler.OnPush(push);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ((*got)->SerializeAsString(), whole.SerializeAsString());
  EXPECT_EQ(PushDigest(**got), push.digest());
  // Not held before it is in force.
  EXPECT_TRUE(assembler.deployments().empty());
  assembler.Hold(**got, push.digest());
  EXPECT_EQ(assembler.deployments().size(), 2u);
  EXPECT_EQ(assembler.digest(), push.digest());
  EXPECT_EQ(assembler.version(), 3u);
}

TEST(SnapshotAssemblerTest, TakesWhatItHoldsAndForgetsWhatIsNotInForce) {
  SnapshotAssembler assembler;
  assembler.Hold(MakeSnapshot(1, {"one", "two"}), "d");
  auto got = assembler.OnPush(MakePush(MakeSnapshot(2, {"two"})));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ((*got)->deployments(0).content(), "two");
  assembler.Hold(**got, "e");
  EXPECT_FALSE(assembler.OnPush(MakePush(MakeSnapshot(3, {"one"}))).ok());
  // What was refused changes nothing.
  EXPECT_TRUE(assembler.OnPush(MakePush(MakeSnapshot(3, {"two"}))).ok());
}

TEST(SnapshotAssemblerTest, WrongDigestsAreRefused) {
  const auto whole = MakeSnapshot(1, {"content"});
  const auto refusal = [&](const v1::DeploymentChunk& chunk, const v1::Push& push) {
    SnapshotAssembler assembler;
    EXPECT_TRUE(assembler.OnChunk(chunk).ok());
    const absl::Status status = assembler.OnPush(push).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  const v1::DeploymentChunk good = MakeChunk("content", "content", true);
  v1::DeploymentChunk altered = good;
  altered.set_content("c0ntent");
  EXPECT_NE(refusal(altered, MakePush(whole)).find("digest"), std::string::npos);
  v1::DeploymentChunk open = good;
  open.set_last(false);
  EXPECT_NE(refusal(open, MakePush(whole)).find("end is missing"), std::string::npos);
  v1::Push push = MakePush(whole);
  push.set_digest(Sha256Hex("x"));
  refusal(good, push);
  push = MakePush(whole);
  push.mutable_snapshot()->back() ^= 1;
  refusal(good, push);
  push = MakePush(whole);
  push.set_snapshot("\xff\xff garbage");
  push.set_digest(Sha256Hex(push.snapshot()));
  EXPECT_NE(refusal(good, push).find("parsed"), std::string::npos);
  push = MakePush(whole);
  push.set_version(2);
  EXPECT_NE(refusal(good, push).find("version"), std::string::npos);
  auto with_listener = whole;
  with_listener.add_listeners();
  EXPECT_NE(refusal(good, MakePush(with_listener)).find("listeners"), std::string::npos);
}

TEST(SnapshotAssemblerTest, WhatASenderCanMakeItKeepIsBounded) {
  SnapshotAssembler::Limits limits;
  limits.deployment_bytes = 10;
  limits.total_bytes = 25;
  limits.deployments = 3;
  SnapshotAssembler assembler(limits);
  EXPECT_TRUE(assembler.OnChunk(MakeChunk("a", "0123456789", false)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(assembler.OnChunk(MakeChunk("a", "0", false))));
  assembler.Reset();
  EXPECT_TRUE(assembler.OnChunk(MakeChunk("a", "0123456789", true)).ok());
  EXPECT_TRUE(assembler.OnChunk(MakeChunk("b", "0123456789", true)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(assembler.OnChunk(MakeChunk("c", "0123456789", true))));
  assembler.Reset();
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_TRUE(assembler.OnChunk(MakeChunk(name, "", true)).ok());
  }
  EXPECT_TRUE(absl::IsResourceExhausted(assembler.OnChunk(MakeChunk("d", "", true))));
  assembler.Reset();
  EXPECT_TRUE(assembler.OnChunk(MakeChunk("a", "x", false)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(assembler.OnChunk(MakeChunk("b", "x", false))));
}

class LastGoodTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/last-good-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The version that is loaded; 0: none.
  uint64_t Load(size_t* problems = nullptr) {
    LastGood last_good(folder_, "default");
    snapshot::v1::Snapshot snapshot;
    std::vector<std::string> found;
    const bool ok = last_good.Load(&snapshot, &found).ok();
    if (problems != nullptr) *problems = found.size();
    return ok ? snapshot.version() : 0;
  }

  std::string folder_;
};

TEST_F(LastGoodTest, KeepsTheLastTwo) {
  EXPECT_EQ(Load(), 0u);
  LastGood last_good(folder_, "default");
  ASSERT_TRUE(last_good.Save(MakeSnapshot(1, {"a"})).ok());
  EXPECT_EQ(Load(), 1u);
  ASSERT_TRUE(last_good.Save(MakeSnapshot(2, {"b"})).ok());
  EXPECT_EQ(Load(), 2u);
  std::filesystem::resize_file(folder_ + "/default.snapshot", 60);
  size_t problems = 0;
  EXPECT_EQ(Load(&problems), 1u);
  EXPECT_EQ(problems, 1u);
  // Of another group there is nothing.
  LastGood other(folder_, "other");
  snapshot::v1::Snapshot snapshot;
  std::vector<std::string> none;
  EXPECT_TRUE(absl::IsNotFound(other.Load(&snapshot, &none)));
}

TEST_F(LastGoodTest, ADamagedFileNeverTakesThePlaceOfAGoodOne) {
  LastGood last_good(folder_, "default");
  ASSERT_TRUE(last_good.Save(MakeSnapshot(1, {"a"})).ok());
  ASSERT_TRUE(last_good.Save(MakeSnapshot(2, {"b"})).ok());
  std::ofstream(folder_ + "/default.snapshot") << "foreign";
  LastGood again(folder_, "default");
  snapshot::v1::Snapshot snapshot;
  std::vector<std::string> problems;
  ASSERT_TRUE(again.Load(&snapshot, &problems).ok());
  EXPECT_EQ(snapshot.version(), 1u);
  ASSERT_TRUE(again.Save(MakeSnapshot(3, {"c"})).ok());
  EXPECT_EQ(Load(), 3u);
  std::filesystem::remove(folder_ + "/default.snapshot");
  EXPECT_EQ(Load(), 1u);
}

TEST_F(LastGoodTest, WhateverStepItIsBrokenOffAtOneOfTheTwoIsThere) {
  LastGood last_good(folder_, "default");
  ASSERT_TRUE(last_good.Save(MakeSnapshot(1, {"a"})).ok());
  ASSERT_TRUE(last_good.Save(MakeSnapshot(2, {"b"})).ok());
  const std::string path = folder_ + "/default.snapshot";
  // Before the first rename: half of the new file.
  std::ofstream(path + ".next") << "half";
  EXPECT_EQ(Load(), 2u);
  // Between the two.
  std::filesystem::rename(path, path + ".before");
  EXPECT_EQ(Load(), 2u);
}

TEST_F(LastGoodTest, AFolderThatCannotBeWrittenIsNamed) {
  std::ofstream(folder_) << "a file";
  LastGood last_good(folder_, "default");
  const absl::Status status = last_good.Save(MakeSnapshot(1, {"a"}));
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(folder_), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace postern
