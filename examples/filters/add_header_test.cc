#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/sdk/testing/fake_host.h"

namespace {

using postern::testing::FakeHost;
using postern::testing::FakeStream;

TEST(AddHeader, SetsItsHeaderOnTheResponse) {
  FakeHost host;
  ASSERT_TRUE(host.Configure(R"({"name":"x-hello","value":"world"})")) << host.ErrorText();
  FakeStream& stream = host.NewStream();
  stream.Request();
  stream.Respond(200, {{"x-hello", "from behind"}, {"x-hello", "twice"}}, {"body"});
  stream.Finish();
  EXPECT_EQ(stream.client().Get("x-hello"), "world");
  EXPECT_EQ(stream.client().body, "body");
  EXPECT_EQ(stream.hooks(), (std::vector<std::string>{"response_headers"}));
}

TEST(AddHeader, ReportsEachMistakeWithItsField) {
  FakeHost host;
  EXPECT_FALSE(host.Configure(R"({"name":"","color":1})"));
  EXPECT_EQ(host.errors(), (std::vector<std::string>{"name: must not be empty",
                                                     "value: is required", "color: is not known"}));
}

// A scope of its own configuration stands alone (study section 7: merging is the module's).
TEST(AddHeader, TakesTheConfigurationOfTheScope) {
  FakeHost host;
  ASSERT_TRUE(host.Configure(R"({"name":"x-a","value":"api"})",
                             {{"GET /pets", R"({"name":"x-a","value":"pets"})"}}));
  FakeStream& stream = host.NewStream("GET /pets");
  stream.Request();
  stream.Respond(204);
  EXPECT_EQ(stream.client().Get("x-a"), "pets");
}

}  // namespace
