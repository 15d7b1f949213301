#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/sdk/testing/fake_host.h"

namespace {

using postern::testing::FakeHost;
using postern::testing::FakeStream;

TEST(MaxBody, TellsTheIntegrationOfTheWholeBody) {
  FakeHost host;
  ASSERT_TRUE(host.Configure(R"({"limit":11})")) << host.ErrorText();
  FakeStream& stream = host.NewStream();
  stream.RequestHeaders({{":method", "POST"}}, /*end_stream=*/false);
  stream.RequestBody("foo", /*last=*/false);
  EXPECT_FALSE(stream.upstream().started);  // Headers wait for the body.
  stream.RequestBody("bar", /*last=*/true);
  EXPECT_EQ(stream.upstream().body, "foobar");
  EXPECT_EQ(stream.upstream().Get("x-body-length"), "6");
  EXPECT_EQ(stream.upstream().Get("x-body-fnv1a"), "85944171f73967e8");  // FNV-1a's own vector.
}

TEST(MaxBody, ReadsABodyOfManySlices) {
  FakeHost host;
  ASSERT_TRUE(host.Configure(R"({"limit":100})"));
  FakeStream& stream = host.NewStream();
  stream.Request({{":method", "POST"}}, std::vector<std::string>(20, "ab"));
  EXPECT_EQ(stream.upstream().Get("x-body-length"), "40");
}

TEST(MaxBody, LetsTheGatewayRefuseWhatIsLarger) {
  FakeHost host;
  ASSERT_TRUE(host.Configure(R"({"limit":5})"));
  FakeStream& stream = host.NewStream();
  stream.Request({{":method", "POST"}}, {"foo", "bar"});
  EXPECT_EQ(stream.client().status(), 413);
  EXPECT_FALSE(stream.upstream().started);
}

TEST(MaxBody, PassesARequestWithoutBody) {
  FakeHost host;
  ASSERT_TRUE(host.Configure(R"({"limit":5})"));
  FakeStream& stream = host.NewStream();
  stream.Request();
  EXPECT_TRUE(stream.upstream().complete);
  EXPECT_FALSE(stream.upstream().Has("x-body-length"));
}

TEST(MaxBody, RejectsAConfigurationThatItCannotRead) {
  for (const char* json : {"{}", R"({"limit":0})", R"({"limit":"5"})", R"({"limit":12345678901})",
                           R"({"limit":5,"x":1})"}) {
    FakeHost host;
    EXPECT_FALSE(host.Configure(json)) << json;
    EXPECT_EQ(host.errors().size(), 1u) << json;
  }
}

}  // namespace
