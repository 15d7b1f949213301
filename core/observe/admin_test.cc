#include "core/observe/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "core/base/arena.h"
#include "core/base/log.h"
#include "core/observe/exposition_check_test.h"

namespace postern {
namespace {

using ::testing::HasSubstr;

// A byte at a time.
class Pieces final : public AdminBody {
 public:
  explicit Pieces(std::string text) : text_(std::move(text)) {}
  bool Next(std::string* out) override {
    out->push_back(text_[at_++]);
    return at_ < text_.size();
  }

 private:
  const std::string text_;
  size_t at_ = 0;
};

class AdminTest : public ::testing::Test {
 protected:
  AdminTest() : registry_({.workers = 1, .version = "1.0"}), level_(GetLogLevel()) {}
  ~AdminTest() override { SetLogLevel(level_); }

  AdminHooks Hooks() {
    AdminHooks hooks;
    hooks.metrics = &registry_;
    hooks.readiness = &readiness_;
    hooks.config = [] { return std::make_unique<Pieces>("{\"active\":1}"); };
    hooks.clusters = [] { return std::make_unique<Pieces>("[]"); };
    hooks.drain = [this] { ++drains_; };
    hooks.quit = [this] { ++quits_; };
    return hooks;
  }

  AdminReply Ask(AdminService* service, std::string_view method, std::string_view target,
                 std::initializer_list<std::pair<std::string_view, std::string_view>> fields = {}) {
    Arena arena(&pool_);
    RequestHead head(&arena);
    head.method = ParseMethod(method);
    head.method_text = method;
    head.target = target;
    for (const auto& [name, value] : fields) head.headers.Add(name, value);
    AdminReply reply = service->Handle(head, 0);
    while (reply.large != nullptr && reply.large->Next(&reply.body)) {
    }
    return reply;
  }
  AdminReply Ask(std::string_view method, std::string_view target) {
    AdminService service(Hooks());
    return Ask(&service, method, target);
  }

  static void ExpectJson(const AdminReply& reply) {
    rapidjson::Document document;
    EXPECT_FALSE(document.Parse(reply.body).HasParseError()) << reply.body;
    EXPECT_EQ(reply.content_type, "application/json");
  }

  void MakeReady() {
    for (auto condition : {Readiness::Condition::kSnapshot, Readiness::Condition::kListeners,
                           Readiness::Condition::kWarm}) {
      readiness_.Set(condition, true);
    }
  }

  BlockPool pool_;
  MetricsRegistry registry_;
  Readiness readiness_;
  LogLevel level_;
  int drains_ = 0;
  int quits_ = 0;
};

// ../design/users.md §2 row 9.
TEST_F(AdminTest, LiveOnlyAsksTheLoops) {
  EXPECT_EQ(Ask("GET", "/live").status, 200);  // though nothing is ready
  Dispatcher never_run;
  LoopWatch loops(nullptr, {.limit_ms = 10});
  loops.Add(&never_run);
  loops.Tick();
  AdminHooks hooks = Hooks();
  hooks.loops = &loops;
  AdminService service(std::move(hooks));
  EXPECT_EQ(Ask(&service, "GET", "/live").status, 200);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const AdminReply reply = Ask(&service, "GET", "/live");
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("worker 0 has not turned for"));
  ExpectJson(reply);
  loops.Clear();
}

// ../design/users.md §2 row 10: JSON with reasons.
TEST_F(AdminTest, ReadySaysWhyNot) {
  readiness_.Set(Readiness::Condition::kListeners, true);
  readiness_.Set(Readiness::Condition::kWarm, false, "waiting for \"keys\"");
  AdminReply reply = Ask("GET", "/ready");
  EXPECT_EQ(reply.status, 503);
  ExpectJson(reply);
  rapidjson::Document document;
  document.Parse(reply.body);
  EXPECT_STREQ(document["status"].GetString(), "not_ready");
  EXPECT_TRUE(document["conditions"]["listeners"].GetBool());
  EXPECT_FALSE(document["conditions"]["warm"].GetBool());
  ASSERT_EQ(document["reasons"].Size(), 2u);
  EXPECT_STREQ(document["reasons"][0].GetString(), "no snapshot is active yet");
  EXPECT_STREQ(document["reasons"][1].GetString(), "waiting for \"keys\"");

  MakeReady();
  reply = Ask("GET", "/ready");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr("\"reasons\":[]"));
  readiness_.BeginDrain("SIGTERM");
  reply = Ask("GET", "/ready");
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("SIGTERM"));
}

// ../design/users.md §2 row 8.
TEST_F(AdminTest, StartupStaysTrue) {
  EXPECT_EQ(Ask("GET", "/startup").status, 503);
  EXPECT_EQ(Ask("GET", "/ready?startup=1").status, 503);
  MakeReady();
  EXPECT_EQ(Ask("GET", "/startup").status, 200);
  readiness_.Set(Readiness::Condition::kWarm, false, "again");
  EXPECT_EQ(Ask("GET", "/startup").status, 200);
  EXPECT_EQ(Ask("GET", "/ready?startup=1").status, 200);
  EXPECT_EQ(Ask("GET", "/ready?startup=0").status, 503);
  EXPECT_EQ(Ask("GET", "/ready").status, 503);
}

TEST_F(AdminTest, MetricsInBothFormats) {
  AdminService service(Hooks());
  AdminReply reply = Ask(&service, "GET", "/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
  CheckExposition(reply.body, ExpositionFormat::kText);
  reply = Ask(&service, "GET", "/metrics",
              {{"accept", "text/plain;q=0.5"}, {"accept", "application/openmetrics-text"}});
  EXPECT_EQ(reply.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  CheckExposition(reply.body, ExpositionFormat::kOpenMetrics);
}

TEST_F(AdminTest, ConfigAndClustersComeFromTheirProviders) {
  EXPECT_EQ(Ask("GET", "/config").body, "{\"active\":1}");
  EXPECT_EQ(Ask("GET", "/clusters").body, "[]");
  AdminService bare({});
  for (std::string_view path : {"/config", "/clusters", "/metrics", "/ready", "/startup"}) {
    const AdminReply reply = Ask(&bare, "GET", path);
    EXPECT_EQ(reply.status, 404) << path;
    ExpectJson(reply);
  }
  EXPECT_EQ(Ask(&bare, "POST", "/drain").status, 404);
  EXPECT_EQ(Ask(&bare, "POST", "/quit").status, 404);
}

// ../design/users.md §2 rows 3 and 5.
TEST_F(AdminTest, DrainAndQuit) {
  EXPECT_EQ(Ask("POST", "/drain").status, 200);
  EXPECT_EQ(drains_, 1);
  EXPECT_EQ(Ask("GET", "/drain").status, 405);
  EXPECT_EQ(Ask("GET", "/drain?graceful=0").status, 405);
  EXPECT_EQ(Ask("HEAD", "/drain?graceful").status, 405);
  EXPECT_EQ(drains_, 1);
  EXPECT_EQ(Ask("GET", "/drain?graceful").status, 200);
  EXPECT_EQ(Ask("GET", "/drain?graceful=1").status, 200);
  EXPECT_EQ(drains_, 3);
  EXPECT_EQ(Ask("GET", "/quit").status, 405);
  EXPECT_EQ(quits_, 0);
  EXPECT_EQ(Ask("POST", "/quit").status, 200);
  EXPECT_EQ(quits_, 1);
}

TEST_F(AdminTest, PagesInABrowserChangeNothing) {
  AdminService service(Hooks());
  EXPECT_EQ(Ask(&service, "POST", "/quit", {{"Origin", "http://evil.example"}}).status, 403);
  EXPECT_EQ(Ask(&service, "GET", "/drain?graceful", {{"Sec-Fetch-Site", "cross-site"}}).status,
            403);
  EXPECT_EQ(Ask(&service, "POST", "/log?level=off", {{"origin", "null"}}).status, 403);
  EXPECT_EQ(quits_ + drains_, 0);
  EXPECT_EQ(Ask(&service, "POST", "/drain", {{"sec-fetch-site", "none"}}).status, 200);
  EXPECT_EQ(Ask(&service, "GET", "/live", {{"Sec-Fetch-Site", "cross-site"}}).status, 200);
}

TEST_F(AdminTest, LogLevel) {
  SetLogLevel(LogLevel::kWarn);
  EXPECT_EQ(Ask("GET", "/log").body, "{\"level\":\"warn\"}\n");
  EXPECT_EQ(Ask("POST", "/log?level=error").body, "{\"level\":\"error\"}\n");
  EXPECT_EQ(GetLogLevel(), LogLevel::kError);
  EXPECT_EQ(Ask("PUT", "/log?level=off").status, 200);
  EXPECT_EQ(GetLogLevel(), LogLevel::kOff);
  for (std::string_view target : {"/log", "/log?level=", "/log?level=loud", "/log?level=debug2"}) {
    const AdminReply reply = Ask("POST", target);
    EXPECT_EQ(reply.status, 400) << target;
    ExpectJson(reply);
  }
  const AdminReply reply = Ask("GET", "/log?level=debug");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.allow, "POST, PUT");
  EXPECT_EQ(GetLogLevel(), LogLevel::kOff);
}

// RFC 9110 §15.5.5, §15.5.6.
TEST_F(AdminTest, UnknownPathsAndWrongMethods) {
  for (std::string_view target : {"/nothing", "/live/", "/Live", "", "*", "/livez"}) {
    const AdminReply reply = Ask("GET", target);
    EXPECT_EQ(reply.status, 404) << target;
    ExpectJson(reply);
  }
  for (std::string_view path : {"/", "/live", "/ready", "/startup", "/metrics", "/config"}) {
    const AdminReply reply = Ask("POST", path);
    EXPECT_EQ(reply.status, 405) << path;
    EXPECT_EQ(reply.allow, "GET, HEAD");
    ExpectJson(reply);
  }
  EXPECT_EQ(Ask("DELETE", "/log").allow, "GET, HEAD, POST, PUT");
  EXPECT_EQ(Ask("GET", "/quit").allow, "POST");
  EXPECT_EQ(Ask("BREW", "/live").status, 405);
}

TEST_F(AdminTest, TheIndexListsEverything) {
  const AdminReply reply = Ask("GET", "/");
  EXPECT_EQ(reply.status, 200);
  for (std::string_view path : {"/live", "/ready", "/startup", "/metrics", "/config", "/clusters",
                                "/drain", "/log", "/quit"}) {
    EXPECT_THAT(reply.body, HasSubstr(std::string(path) + " "));
  }
}

}  // namespace
}  // namespace postern
