#include "core/context/trace_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/context/test_request.h"

namespace postern {
namespace {

using ::testing::MatchesRegex;

constexpr int64_t kNow = 0x65d177a9;

class TraceIdTest : public testing::Test {
 protected:
  std::string Set(std::string_view from_client) {
    IdGenerator ids(3);
    SetTraceId(from_client, kNow, &ids, &request_.arena, &request_.context);
    return std::string(request_.context.trace_id);
  }
  std::string Response() { return std::string(ResponseTraceId(request_.context, &request_.arena)); }

  TestRequest request_;
};

TEST_F(TraceIdTest, NoneSentMakesRoot_RestApi9_8) {
  EXPECT_THAT(Set(""), MatchesRegex("Root=1-65d177a9-[0-9a-f]{24}"));
  EXPECT_FALSE(request_.context.trace_id_from_client);
  request_.context.request_id = "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12";
  EXPECT_THAT(Response(),
              MatchesRegex("Root=1-65d177a9-[0-9a-f]{24};Parent=8db3b4ddecd5436d;Sampled=0"));
}

TEST_F(TraceIdTest, AllSentIsKeptBehindSelf_RestApi9_8And13_9) {
  const std::string sent =
      "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
  EXPECT_THAT(Set(sent), MatchesRegex("Self=1-65d177a9-[0-9a-f]{24};" + sent));
  EXPECT_TRUE(request_.context.trace_id_from_client);
  EXPECT_EQ(Response(), sent);
}

TEST_F(TraceIdTest, RootOnlyGetsParent_RestApi9_8) {
  EXPECT_THAT(Set("Root=1-5759e988-bd862e3fe1be46a994272793"),
              MatchesRegex("Self=1-65d177a9-[0-9a-f]{24};Root=1-5759e988-bd862e3fe1be46a994272793;"
                           "Parent=[0-9a-f]{16};Sampled=0"));
}

TEST_F(TraceIdTest, FurtherPairsAreKeptAndOldSelfIsReplaced_RestApi13_9) {
  EXPECT_THAT(Set("Self=1-67891234-12456789abcdef012345678; Root=1-a-b ;Parent=53995c3f42cd8ad8;"
                  "Lineage=1:315d35d1:0;Sampled=?"),
              MatchesRegex("Self=1-65d177a9-[0-9a-f]{24};Root=1-a-b;Parent=53995c3f42cd8ad8;"
                           "Lineage=1:315d35d1:0;Sampled=\\?"));
}

TEST_F(TraceIdTest, UnusableHeadersCountAsNone) {
  EXPECT_THAT(Set("garbage"), MatchesRegex("Root=1-65d177a9-[0-9a-f]{24}"));
  EXPECT_THAT(Set("Parent=53995c3f42cd8ad8"), MatchesRegex("Root=1-65d177a9-[0-9a-f]{24}"));
  EXPECT_THAT(Set("Root=1-a-b;" + std::string(kMaxTraceHeader, 'x')),
              MatchesRegex("Root=1-65d177a9-[0-9a-f]{24}"));
}

TEST_F(TraceIdTest, OwnDecisionReplacesWhatWasThere_RestApi13_9) {
  Set("Root=1-a-b;Parent=53995c3f42cd8ad8;Mine=x;Sampled=?");
  SetSampled(true, "0123456789abcdef", &request_.arena, &request_.context);
  EXPECT_THAT(std::string(request_.context.trace_id),
              MatchesRegex("Self=1-65d177a9-[0-9a-f]{24};Root=1-a-b;Mine=x;"
                           "Parent=0123456789abcdef;Sampled=1"));
  SetSampled(false, {}, &request_.arena, &request_.context);
  EXPECT_THAT(std::string(request_.context.trace_id),
              MatchesRegex("Self=1-65d177a9-[0-9a-f]{24};Root=1-a-b;Mine=x;Sampled=0"));
}

TEST_F(TraceIdTest, TraceRootIsTheBareId_RestApi13_5) {
  Set("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8");
  EXPECT_EQ(TraceRoot(request_.context), "1-5759e988-bd862e3fe1be46a994272793");
}

}  // namespace
}  // namespace postern
