// The sample in Rust, from its shared object: block_agent_check MODULE.so.
#include <cstdio>
#include <string>

#include "api/sdk/testing/fake_host.h"

using postern::testing::FakeHost;
using postern::testing::FakeStream;

namespace {

int failures = 0;

void Expect(bool good, const char* what) {
  if (good) return;
  ++failures;
  std::fprintf(stderr, "block_agent_check: %s\n", what);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  FakeHost host{std::string(argv[1])};
  Expect(!host.Configure(R"({"contains":""})"), "an empty word must be refused");
  Expect(host.errors().size() == 1 && host.errors()[0].starts_with("contains: "), "and named");
  Expect(host.Configure(R"({"contains":"Bot"})"), "must be accepted");

  FakeStream& good = host.NewStream();
  good.Request({{"user-agent", "Browser/1.0"}}, {"body"});
  Expect(good.upstream().body == "body", "a browser must pass");
  FakeStream& none = host.NewStream();
  none.Request();
  Expect(none.upstream().complete, "no agent must pass");
  FakeStream& bad = host.NewStream();
  bad.Request({{"user-agent", "NiceBOT/2"}});
  Expect(bad.client().status() == 403 && !bad.upstream().started, "a bot must be refused");
  Expect(bad.reply() && bad.reply()->detail == "block_agent:blocked", "with its detail");
  return failures == 0 ? 0 : 1;
}
