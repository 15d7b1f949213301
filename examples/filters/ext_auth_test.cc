#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "api/sdk/testing/fake_host.h"

namespace {

using postern::testing::CalloutAnswer;
using postern::testing::CalloutRequest;
using postern::testing::FakeHost;
using postern::testing::FakeStream;

// The filter at its place, with an upstream "auth" that answers as a test says.
class ExtAuthTest : public ::testing::Test {
 protected:
  void SetUp() override {
    host_.AddUpstream("auth", [this](const CalloutRequest&) { return answer_; });
    host_.SetInstance("auth", /*authorizer=*/true);
    ASSERT_TRUE(host_.Configure(R"({"upstream":"auth","timeoutMs":200})")) << host_.ErrorText();
  }

  FakeHost host_;
  std::optional<CalloutAnswer> answer_ = CalloutAnswer{};
};

TEST_F(ExtAuthTest, LetsPassWhomTheUpstreamKnows) {
  answer_->headers = {{"x-principal", "alice"}};
  FakeStream& stream = host_.NewStream();
  stream.Request({{"authorization", "token"}}, {"body"});
  ASSERT_EQ(host_.callouts().size(), 1u);
  EXPECT_EQ(host_.callouts()[0].path, "/check");
  EXPECT_EQ(host_.callouts()[0].Get("authorization"), "token");
  EXPECT_EQ(stream.upstream().body, "body");
  EXPECT_EQ(stream.Variable("authorizer.principalId"), "alice");
  stream.Respond(200);
  stream.Finish();
  EXPECT_EQ(host_.MetricValue("decisions_total", {"allow"}), 1);
}

TEST_F(ExtAuthTest, RefusesWithoutTokenAndAsksNobody) {
  FakeStream& stream = host_.NewStream();
  stream.Request();
  EXPECT_EQ(stream.client().status(), 401);
  EXPECT_EQ(stream.reply()->kind, uint32_t{POSTERN_REPLY_UNAUTHORIZED});
  EXPECT_EQ(stream.reply()->detail, "ext_auth:no_token");
  EXPECT_TRUE(host_.callouts().empty());
  EXPECT_FALSE(stream.upstream().started);
}

TEST_F(ExtAuthTest, RefusesWhomTheUpstreamRefuses) {
  answer_->status = 403;
  FakeStream& stream = host_.NewStream();
  stream.Request({{"authorization", "token"}});
  EXPECT_EQ(stream.reply()->kind, uint32_t{POSTERN_REPLY_ACCESS_DENIED});
  EXPECT_FALSE(stream.upstream().started);
}

// Fails closed when nobody answers, at the time that the configuration says.
TEST_F(ExtAuthTest, FailsClosedOnTimeout) {
  answer_ = std::nullopt;
  FakeStream& stream = host_.NewStream();
  stream.Request({{"authorization", "token"}});
  host_.AdvanceTime(199);
  EXPECT_TRUE(stream.paused(POSTERN_REQUEST));
  host_.AdvanceTime(1);
  EXPECT_EQ(stream.client().status(), 500);
  EXPECT_EQ(stream.reply()->kind, uint32_t{POSTERN_REPLY_AUTHORIZER_FAILURE});
}

TEST_F(ExtAuthTest, AClientThatLeavesCancelsTheCallout) {
  answer_->delay_ms = 100;
  FakeStream& stream = host_.NewStream();
  stream.Request({{"authorization", "token"}});
  stream.Cut();
  host_.AdvanceTime(1000);
  EXPECT_EQ(host_.MetricValue("decisions_total", {"allow"}), 0);
}

TEST_F(ExtAuthTest, ReportsAnUpstreamThatIsNotThere) {
  EXPECT_FALSE(host_.Configure(R"({"upstream":"elsewhere","path":"check","timeoutMs":0})"));
  EXPECT_EQ(host_.errors(),
            (std::vector<std::string>{"upstream: there is no upstream \"elsewhere\"",
                                      "path: must start with \"/\"",
                                      "timeoutMs: must be 1 to 30000, but is 0"}));
}

}  // namespace
