#include "control/serve/push_hub.h"

#include <gtest/gtest.h>

#include <set>

#include "lib/crypto/digest.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

namespace v1 = control::v1;

std::shared_ptr<const GroupSnapshot> MakeGroup(uint64_t version,
                                               const std::vector<std::string>& contents,
                                               const std::string& group = "default") {
  auto out = std::make_shared<GroupSnapshot>();
  out->group = group;
  out->version = version;
  out->bytes = Concat("snapshot ", version);
  out->digest = Sha256Hex(out->bytes);
  for (const std::string& content : contents) {
    out->deployments[Sha256Hex(content)] = std::make_shared<const std::string>(content);
  }
  return out;
}

// The other end of a stream.
struct Sidecar {
  Sidecar(PushHub* h, const std::string& id, const std::string& group = "default") : hub(h) {
    hello.set_group(group);
    hello.mutable_node()->set_id(id);
    hello.set_format(1);
  }
  ~Sidecar() { Leave(); }

  absl::Status Join() {
    auto joined = hub->Join(hello, "127.0.0.1:1", [this] { ++woken; });
    if (!joined.ok()) return joined.status();
    session = *joined;
    return absl::OkStatus();
  }
  void Leave() {
    if (session != nullptr) hub->Leave(session);
    session.reset();
  }

  // Takes messages until a push or nothing comes; false: nothing.
  bool Receive() {
    chunks = 0;
    while (true) {
      v1::ControlMessage message;
      switch (hub->Next(session.get(), &message, &end)) {
        case PushHub::Step::kNothing:
          return false;
        case PushHub::Step::kEnd:
          return false;
        case PushHub::Step::kMessage:
          break;
      }
      if (message.has_chunk()) {
        ++chunks;
        received[message.chunk().digest()] += message.chunk().content();
        continue;
      }
      if (message.has_current()) {
        current = message.current().version();
        continue;
      }
      push = message.push();
      return true;
    }
  }

  absl::Status Answer(bool accepted, uint64_t nonce = 0) {
    v1::Answer answer;
    answer.set_nonce(nonce != 0 ? nonce : push.nonce());
    answer.set_accepted(accepted);
    if (!accepted) {
      answer.add_problems()->set_message("cannot");
      answer.mutable_problems(0)->set_path("clusters[0]");
    }
    return hub->OnAnswer(session.get(), answer);
  }

  PushHub* hub;
  v1::Hello hello;
  std::shared_ptr<PushHub::Session> session;
  int woken = 0;
  int chunks = 0;
  uint64_t current = 0;
  std::map<std::string, std::string> received;
  v1::Push push;
  absl::Status end;
};

class PushHubTest : public ::testing::Test {
 protected:
  PushHub::Options MakeOptions() {
    PushHub::Options options;
    options.max_sidecars = 3;
    options.chunk_bytes = 4;
    options.now_ms = [this] { return now_ms_; };
    options.wall_ms = [this] { return wall_ms_; };
    return options;
  }

  v1::Sidecar Only() {
    v1::ListSidecarsResponse list;
    hub_.List("", &list);
    EXPECT_EQ(list.sidecars_size(), 1);
    return list.sidecars_size() > 0 ? list.sidecars(0) : v1::Sidecar();
  }

  int64_t now_ms_ = 1000;
  int64_t wall_ms_ = 1'700'000'000'000;
  PushHub hub_{MakeOptions()};
};

TEST_F(PushHubTest, SendsAllToWhoHasNothing) {
  Sidecar sidecar(&hub_, "a");
  ASSERT_TRUE(sidecar.Join().ok());
  EXPECT_FALSE(sidecar.Receive());
  EXPECT_EQ(Only().state(), v1::Sidecar::STATE_PENDING);
  hub_.SetGroup(MakeGroup(1, {"0123456789", "x"}));
  EXPECT_EQ(sidecar.woken, 1);
  ASSERT_TRUE(sidecar.Receive());
  EXPECT_EQ(sidecar.chunks, 4);  // of 4, 4 and 2 bytes, and 1
  EXPECT_EQ(sidecar.received[Sha256Hex("0123456789")], "0123456789");
  EXPECT_EQ(sidecar.received[Sha256Hex("x")], "x");
  EXPECT_EQ(sidecar.push.version(), 1u);
  // One unanswered push at a time.
  EXPECT_FALSE(sidecar.Receive());
  EXPECT_EQ(Only().state(), v1::Sidecar::STATE_PENDING);
  ASSERT_TRUE(sidecar.Answer(true).ok());
  EXPECT_EQ(Only().state(), v1::Sidecar::STATE_APPLIED);
  EXPECT_EQ(Only().version(), 1u);
  EXPECT_FALSE(sidecar.Receive());
}

TEST_F(PushHubTest, SendsOnlyWhatIsMissing) {
  Sidecar sidecar(&hub_, "a");
  ASSERT_TRUE(sidecar.Join().ok());
  hub_.SetGroup(MakeGroup(1, {"one", "two"}));
  ASSERT_TRUE(sidecar.Receive());
  ASSERT_TRUE(sidecar.Answer(true).ok());
  sidecar.received.clear();
  hub_.SetGroup(MakeGroup(2, {"two", "new"}));
  ASSERT_TRUE(sidecar.Receive());
  EXPECT_EQ(sidecar.received.size(), 1u);
  EXPECT_EQ(sidecar.received[Sha256Hex("new")], "new");
  // After a refusal it holds what it held before.
  ASSERT_TRUE(sidecar.Answer(false).ok());
  sidecar.received.clear();
  hub_.SetGroup(MakeGroup(3, {"one", "two", "new"}));
  ASSERT_TRUE(sidecar.Receive());
  EXPECT_EQ(sidecar.received.size(), 1u);
  EXPECT_EQ(sidecar.received.count(Sha256Hex("new")), 1u);
}

TEST_F(PushHubTest, WhoComesBackWithWhatItShouldHaveIsSentNothing) {
  const auto group = MakeGroup(7, {"one"});
  hub_.SetGroup(group);
  Sidecar sidecar(&hub_, "a");
  sidecar.hello.set_version(7);
  sidecar.hello.set_digest(group->digest);
  sidecar.hello.add_deployments(Sha256Hex("one"));
  ASSERT_TRUE(sidecar.Join().ok());
  EXPECT_FALSE(sidecar.Receive());
  EXPECT_EQ(sidecar.current, 7u);
  EXPECT_EQ(sidecar.chunks, 0);
  EXPECT_EQ(Only().state(), v1::Sidecar::STATE_APPLIED);
  hub_.SetGroup(MakeGroup(8, {"one"}));
  ASSERT_TRUE(sidecar.Receive());
  EXPECT_EQ(sidecar.chunks, 0);
}

TEST_F(PushHubTest, ARefusedPushIsNotSentAgainUntilSomethingChanges) {
  Sidecar sidecar(&hub_, "a");
  ASSERT_TRUE(sidecar.Join().ok());
  hub_.SetGroup(MakeGroup(1, {"one"}));
  ASSERT_TRUE(sidecar.Receive());
  ASSERT_TRUE(sidecar.Answer(false).ok());
  EXPECT_FALSE(sidecar.Receive());
  const v1::Sidecar shown = Only();
  EXPECT_EQ(shown.state(), v1::Sidecar::STATE_REFUSED);
  ASSERT_EQ(shown.problems_size(), 1);
  EXPECT_EQ(shown.problems(0), "clusters[0]: cannot");
  EXPECT_EQ(hub_.CountsOf("default").refused, 1u);
  hub_.SetGroup(MakeGroup(2, {"one"}));
  EXPECT_TRUE(sidecar.Receive());
  EXPECT_EQ(Only().state(), v1::Sidecar::STATE_PENDING);
}

TEST_F(PushHubTest, WhatChangesMeanwhileIsOnePush) {
  Sidecar sidecar(&hub_, "a");
  ASSERT_TRUE(sidecar.Join().ok());
  hub_.SetGroup(MakeGroup(1, {"one"}));
  ASSERT_TRUE(sidecar.Receive());
  for (uint64_t version = 2; version < 10; ++version) hub_.SetGroup(MakeGroup(version, {"one"}));
  EXPECT_FALSE(sidecar.Receive());
  ASSERT_TRUE(sidecar.Answer(true).ok());
  ASSERT_TRUE(sidecar.Receive());
  EXPECT_EQ(sidecar.push.version(), 9u);
  EXPECT_EQ(sidecar.push.nonce(), 2u);
}

TEST_F(PushHubTest, AnswersThatFitNothingAreIgnoredAndMalformedOnesEndTheStream) {
  Sidecar sidecar(&hub_, "a");
  ASSERT_TRUE(sidecar.Join().ok());
  EXPECT_TRUE(sidecar.Answer(true, 1).ok());
  hub_.SetGroup(MakeGroup(1, {}));
  ASSERT_TRUE(sidecar.Receive());
  EXPECT_TRUE(sidecar.Answer(true, 99).ok());
  EXPECT_EQ(Only().state(), v1::Sidecar::STATE_PENDING);
  v1::Answer answer;
  EXPECT_TRUE(absl::IsInvalidArgument(hub_.OnAnswer(sidecar.session.get(), answer)));
  answer.set_accepted(true);
  answer.add_problems();
  EXPECT_TRUE(absl::IsInvalidArgument(hub_.OnAnswer(sidecar.session.get(), answer)));
  answer.set_accepted(false);
  for (int i = 0; i < 200; ++i) answer.add_problems();
  EXPECT_TRUE(absl::IsInvalidArgument(hub_.OnAnswer(sidecar.session.get(), answer)));
}

TEST_F(PushHubTest, MalformedHellosAreRefused) {
  const auto refused = [&](auto&& change) {
    Sidecar sidecar(&hub_, "a");
    change(sidecar.hello);
    return absl::IsInvalidArgument(sidecar.Join());
  };
  EXPECT_TRUE(refused([](v1::Hello& hello) { hello.clear_group(); }));
  EXPECT_TRUE(refused([](v1::Hello& hello) { hello.set_group("a/b"); }));
  EXPECT_TRUE(refused([](v1::Hello& hello) { hello.set_group(std::string(129, 'a')); }));
  EXPECT_TRUE(refused([](v1::Hello& hello) { hello.mutable_node()->clear_id(); }));
  EXPECT_TRUE(
      refused([](v1::Hello& hello) { hello.mutable_node()->set_id(std::string(257, 'a')); }));
  EXPECT_TRUE(refused([](v1::Hello& hello) { hello.set_digest("xyz"); }));
  EXPECT_TRUE(refused([](v1::Hello& hello) { hello.add_deployments("xyz"); }));
  EXPECT_TRUE(refused([](v1::Hello& hello) {
    for (int i = 0; i < 10'001; ++i) hello.add_deployments(Sha256Hex("x"));
  }));
  Sidecar old(&hub_, "a");
  old.hello.set_format(0);
  EXPECT_TRUE(absl::IsFailedPrecondition(old.Join()));
}

TEST_F(PushHubTest, ThereAreNoMoreStreamsThanAllowed) {
  Sidecar a(&hub_, "a");
  Sidecar b(&hub_, "b");
  Sidecar c(&hub_, "c");
  Sidecar d(&hub_, "d");
  for (Sidecar* sidecar : {&a, &b, &c}) ASSERT_TRUE(sidecar->Join().ok());
  EXPECT_TRUE(absl::IsResourceExhausted(d.Join()));
  b.Leave();
  EXPECT_TRUE(d.Join().ok());
}

TEST_F(PushHubTest, TheLaterStreamOfOneSidecarCounts) {
  Sidecar first(&hub_, "a");
  ASSERT_TRUE(first.Join().ok());
  Sidecar second(&hub_, "a");
  ASSERT_TRUE(second.Join().ok());
  EXPECT_EQ(first.woken, 1);
  EXPECT_FALSE(first.Receive());
  EXPECT_TRUE(absl::IsAlreadyExists(first.end)) << first.end;
  first.Leave();
  EXPECT_TRUE(Only().connected());
  hub_.SetGroup(MakeGroup(1, {}));
  EXPECT_TRUE(second.Receive());
}

TEST_F(PushHubTest, WhoKeepsItsAnswerBackIsCutOff) {
  Sidecar sidecar(&hub_, "a");
  ASSERT_TRUE(sidecar.Join().ok());
  hub_.SetGroup(MakeGroup(1, {}));
  ASSERT_TRUE(sidecar.Receive());
  now_ms_ += 60'000;
  hub_.Tick();
  EXPECT_FALSE(sidecar.Receive());
  EXPECT_TRUE(sidecar.end.ok());
  now_ms_ += 1;
  hub_.Tick();
  EXPECT_FALSE(sidecar.Receive());
  EXPECT_TRUE(absl::IsDeadlineExceeded(sidecar.end)) << sidecar.end;
}

TEST_F(PushHubTest, WhoHasLeftIsShownForAWhile) {
  {
    Sidecar sidecar(&hub_, "a");
    ASSERT_TRUE(sidecar.Join().ok());
  }
  EXPECT_FALSE(Only().connected());
  wall_ms_ += 10 * 60'000 + 1;
  hub_.Tick();
  v1::ListSidecarsResponse list;
  hub_.List("", &list);
  EXPECT_EQ(list.sidecars_size(), 0);
}

TEST_F(PushHubTest, AClockThatJumpsBackForgetsWhoHasLeftAndNothingElse) {
  Sidecar stays(&hub_, "b");
  ASSERT_TRUE(stays.Join().ok());
  {
    Sidecar sidecar(&hub_, "a");
    ASSERT_TRUE(sidecar.Join().ok());
  }
  wall_ms_ = 5;
  hub_.Tick();
  EXPECT_EQ(Only().id(), "b");
}

TEST_F(PushHubTest, ShutdownEndsEveryStream) {
  Sidecar sidecar(&hub_, "a");
  ASSERT_TRUE(sidecar.Join().ok());
  hub_.Shutdown();
  EXPECT_FALSE(sidecar.Receive());
  EXPECT_TRUE(absl::IsUnavailable(sidecar.end));
  Sidecar late(&hub_, "b");
  EXPECT_TRUE(absl::IsUnavailable(late.Join()));
}

// Ten thousand sidecars: every one is sent the change, once, and what is sent is one copy.
TEST(PushHubScaleTest, TenThousandSidecarsConverge) {
  constexpr size_t kSidecars = 10'000;
  PushHub hub({.max_sidecars = kSidecars, .now_ms = {}, .wall_ms = {}, .log = {}});
  hub.SetGroup(MakeGroup(1, {"one"}));
  std::vector<std::unique_ptr<Sidecar>> sidecars;
  for (size_t i = 0; i < kSidecars; ++i) {
    sidecars.push_back(std::make_unique<Sidecar>(&hub, Concat("sidecar-", i)));
    ASSERT_TRUE(sidecars.back()->Join().ok());
    ASSERT_TRUE(sidecars.back()->Receive());
    ASSERT_TRUE(sidecars.back()->Answer(true).ok());
  }
  hub.SetGroup(MakeGroup(2, {"one", "two"}));
  EXPECT_EQ(hub.CountsOf("default").pending, kSidecars);
  std::string wire;
  for (const auto& sidecar : sidecars) {
    ASSERT_EQ(sidecar->woken, 1);
    ASSERT_TRUE(sidecar->Receive());
    ASSERT_EQ(sidecar->chunks, 1);
    ASSERT_TRUE(sidecar->push.SerializeToString(&wire));
    ASSERT_TRUE(sidecar->Answer(true).ok());
  }
  EXPECT_EQ(hub.CountsOf("default").applied, kSidecars);
  EXPECT_EQ(hub.stats().pushes, 2 * kSidecars);
}

}  // namespace
}  // namespace postern
