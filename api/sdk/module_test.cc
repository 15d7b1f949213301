// From a class to a module: what module.h, config_reader.h and stream.h make of it.
#include "api/sdk/module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "api/sdk/sdk.h"
#include "api/sdk/testing/fake_host.h"

namespace postern {
namespace {

using testing::CalloutAnswer;
using testing::CalloutRequest;
using ::testing::ElementsAre;
using testing::FakeHost;
using testing::FakeStream;
using ::testing::IsEmpty;

// A filter whose hooks are functions of the test.
class Probe {
 public:
  struct Plan {
    std::function<void(ConfigReader&)> parse;
    std::function<Status(WorkerContext, bool has_previous)> start;
    std::function<void(WorkerContext, const Event&)> worker_event;
    std::function<void()> construct;
    std::function<Verdict(Stream, Flags)> request_headers;
    std::function<Verdict(Stream, Flags)> request_body;
    std::function<Verdict(Stream)> request_trailers;
    std::function<void(Stream, const Event&)> event;
    std::function<void(Stream)> end;
    std::vector<const void*> objects;
    int alive = 0;
  };
  static Plan plan;

  struct Config {
    bool has_parent = false;
    static std::unique_ptr<Config> Parse(ConfigReader& in, const Config* parent) {
      if (plan.parse) plan.parse(in);
      return std::make_unique<Config>(Config{parent != nullptr});
    }
  };

  class Worker {
   public:
    explicit Worker(const Config&) {}
    Status Start(WorkerContext context, Worker* previous) {
      return plan.start ? plan.start(context, previous != nullptr) : Status::kOk;
    }
    void OnEvent(WorkerContext context, const Event& event) { plan.worker_event(context, event); }
    int count = 0;
  };

  Probe(const Config& config, Worker& worker) : has_parent(config.has_parent), worker_(worker) {
    if (plan.construct) plan.construct();
    ++worker_.count;
    ++plan.alive;
    plan.objects.push_back(this);
  }
  ~Probe() { --plan.alive; }

  Verdict OnRequestHeaders(Stream s, Flags flags) {
    return plan.request_headers ? plan.request_headers(s, flags) : Verdict::kContinue;
  }
  Verdict OnRequestBody(Stream s, Flags flags) {
    return plan.request_body ? plan.request_body(s, flags) : Verdict::kContinue;
  }
  Verdict OnRequestTrailers(Stream s) {
    return plan.request_trailers ? plan.request_trailers(s) : Verdict::kContinue;
  }
  void OnEvent(Stream s, const Event& event) { plan.event(s, event); }
  void OnEnd(Stream s) {
    if (plan.end) plan.end(s);
  }

  const bool has_parent;

 private:
  Worker& worker_;
};

Probe::Plan Probe::plan;

class ModuleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Probe::plan = {};
    host_ = std::make_unique<FakeHost>();
    host_->AddUpstream("up", [this](const CalloutRequest&) { return answer_; });
  }
  void TearDown() override {
    host_.reset();
    EXPECT_EQ(Probe::plan.alive, 0);
  }
  FakeStream& Start() {
    EXPECT_TRUE(host_->Configure()) << host_->ErrorText();
    return host_->NewStream();
  }

  std::unique_ptr<FakeHost> host_;
  std::optional<CalloutAnswer> answer_ = CalloutAnswer{};
};

// -- Hooks --

TEST_F(ModuleTest, AbsentMethodsAreAbsentHooks) {
  FakeStream& stream = Start();
  stream.Request({}, {"a"}, {{"t", "1"}});
  stream.Respond(200, {}, {"b"}, {{"t", "1"}});
  EXPECT_THAT(stream.hooks(), ElementsAre("request_headers", "request_body", "request_trailers"));
}

TEST_F(ModuleTest, AnExceptionIsLoggedAndFails) {
  Probe::plan.request_headers = [](Stream, Flags) -> Verdict { throw std::runtime_error("oh"); };
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_TRUE(stream.failed());
  EXPECT_EQ(stream.client().status(), 500);
  EXPECT_TRUE(host_->Logged("exception in OnRequestHeaders: oh"));
}

TEST_F(ModuleTest, AnythingThrownIsCaught) {
  Probe::plan.request_trailers = [](Stream) -> Verdict { throw 7; };
  Probe::plan.end = [](Stream) { throw std::runtime_error("at the end"); };
  FakeStream& stream = Start();
  stream.Request({}, {}, {{"t", "1"}});
  EXPECT_TRUE(stream.failed());
  stream.Cut();
  EXPECT_TRUE(host_->Logged("exception of an unknown type"));
  EXPECT_TRUE(host_->Logged("exception in OnEnd: at the end"));
}

// A stream whose filter could not be made must not pass it by: that would be fail open.
TEST_F(ModuleTest, AThrowingConstructorFailsTheStream) {
  Probe::plan.construct = [] { throw std::bad_alloc(); };
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_FALSE(stream.passed_by());
  EXPECT_TRUE(stream.failed());
  EXPECT_FALSE(stream.upstream().started);
  stream.Finish();
}

TEST_F(ModuleTest, AnExceptionInAnEventIsAnswered) {
  Probe::plan.request_headers = [](Stream s, Flags) {
    EXPECT_NE(s.StartTimer(1), 0u);
    return Verdict::kPause;
  };
  Probe::plan.event = [](Stream, const Event&) { throw std::runtime_error("late"); };
  FakeStream& stream = Start();
  stream.Request();
  host_->AdvanceTime(1);
  EXPECT_EQ(stream.client().status(), 500);
  EXPECT_EQ(stream.reply()->detail, "filter_exception");
}

TEST_F(ModuleTest, StreamsReuseMemory) {
  Start().Request();
  host_->NewStream().Request();
  ASSERT_EQ(Probe::plan.objects.size(), 2u);
  EXPECT_NE(Probe::plan.objects[0], Probe::plan.objects[1]);
  FakeStream& third = host_->NewStream();
  third.Request();
  third.Cut();
  if (POSTERN_SDK_ASAN) GTEST_SKIP() << "kept apart for the sanitizer";
  host_->NewStream().Request();
  EXPECT_EQ(Probe::plan.objects[2], Probe::plan.objects[3]);
}

// -- Configuration --

TEST_F(ModuleTest, ScopesGetTheirParent) {
  ASSERT_TRUE(host_->Configure("{}", {{"GET /pets", "{}"}}));
  host_->NewStream("GET /pets").Request();
  host_->NewStream().Request();
  EXPECT_TRUE(static_cast<const Probe*>(Probe::plan.objects[0])->has_parent);
  EXPECT_FALSE(static_cast<const Probe*>(Probe::plan.objects[1])->has_parent);
}

TEST_F(ModuleTest, ReadsAllTypes) {
  Probe::plan.parse = [](ConfigReader& in) {
    EXPECT_EQ(in.instance(), "test");
    EXPECT_EQ(in.scope(), "");
    EXPECT_EQ(in.String("s"), "text");
    EXPECT_EQ(in.OptionalString("none", "fallback"), "fallback");
    EXPECT_EQ(in.Int("i", 0, 10), 5);
    EXPECT_EQ(in.OptionalInt("none", -1, 0, 10), -1);
    EXPECT_TRUE(in.Bool("b"));
    EXPECT_TRUE(in.OptionalBool("none", true));
    EXPECT_EQ(in.OneOf("w", {"red", "green"}), "green");
    EXPECT_EQ(in.OptionalOneOf("none", "red", {"red", "green"}), "red");
    EXPECT_THAT(in.Strings("l"), ElementsAre("x", "y"));
    EXPECT_THAT(in.OptionalStrings("none"), IsEmpty());
    EXPECT_EQ(in.Object("o")->Int("deep", 1, 1), 1);
    EXPECT_FALSE(in.Object("none"));
    EXPECT_EQ(in.Objects("os").at(1).String("n"), "second");
    EXPECT_EQ(in.Raw("raw")->Find("anything")->items().size(), 2u);
    EXPECT_TRUE(in.Has("s"));
    EXPECT_EQ(in.names().size(), 9u);
  };
  EXPECT_TRUE(host_->Configure(R"({"s":"text","i":5,"b":true,"w":"green","l":["x","y"],
      "o":{"deep":1},"os":[{"n":"first"},{"n":"second"}],"raw":{"anything":[1,2]},"null":null})") ==
              false);
  EXPECT_THAT(host_->errors(), ElementsAre("os[0].n: is not known", "null: is not known"));
}

TEST_F(ModuleTest, ReportsEveryMistakeWithItsPath) {
  Probe::plan.parse = [](ConfigReader& in) {
    in.String("missing");
    in.String("i");
    in.Int("i", 0, 4);
    in.OptionalString("empty", "", ConfigReader::kNotEmpty);
    in.OptionalString("long", "", {0, 3});
    in.OneOf("w", {"red", "green"});
    in.Strings("l");
    for (const ConfigReader& item : in.Objects("os")) item.Bool("b");
    if (const auto o = in.Object("o")) o->Error("x", "own words");
    in.Error("", "all of it");
    in.UpstreamId("up");
    in.UpstreamId("down");
    in.VariableId("v", "not a name");
    in.DefineCounter("bad-name");
    EXPECT_TRUE(in.failed());
  };
  EXPECT_FALSE(host_->Configure(R"({"i":5,"empty":"","long":"abcd","w":"blue","l":["a",1,""],
      "os":[{"b":1},2],"o":{"x":1,"extra":[{}]},"up":"up","down":"nowhere"})"));
  EXPECT_THAT(
      host_->errors(),
      ElementsAre("missing: is required", "i: must be a string, but is an integer",
                  "i: must be 0 to 4, but is 5", "empty: must not be empty",
                  "long: must have 0 to 3 bytes, but has 4", "w: must be one of \"red\", \"green\"",
                  "l[1]: must be a string, but is an integer", "l[2]: must not be empty",
                  "os[1]: must be an object, but is an integer",
                  "os[0].b: must be a boolean, but is an integer", "o.x: own words", ": all of it",
                  "down: there is no upstream \"nowhere\"",
                  "v: there is no variable \"not a name\"",
                  ": the metric \"bad-name\" cannot be defined", "o.x: is not known",
                  "o.extra: is not known"));
}

TEST_F(ModuleTest, RefusesWhatIsNotAnObject) {
  for (const char* json : {"[]", "1", "", "{", "{\"a\":1,}"}) {
    EXPECT_FALSE(host_->Configure(json)) << json;
    EXPECT_EQ(host_->errors().size(), 1u) << json;
  }
}

TEST_F(ModuleTest, AThrowingParserRejects) {
  Probe::plan.parse = [](ConfigReader&) { throw std::runtime_error("bad"); };
  EXPECT_FALSE(host_->Configure());
  EXPECT_TRUE(host_->Logged("exception in Parse: bad"));
}

// -- Workers --

TEST_F(ModuleTest, AWorkerSeesItsPredecessor) {
  std::vector<bool> previous;
  Probe::plan.start = [&](WorkerContext, bool has_previous) {
    previous.push_back(has_previous);
    return Status::kOk;
  };
  Start();
  Start();
  EXPECT_THAT(previous, ElementsAre(false, true));
}

TEST_F(ModuleTest, AWorkerMayBeReadyLaterOrNever) {
  Probe::plan.start = [](WorkerContext worker, bool) {
    EXPECT_NE(worker.StartTimer(10), 0u);
    return Status::kPending;
  };
  bool good = true;
  Probe::plan.worker_event = [&](WorkerContext worker, const Event& event) {
    EXPECT_TRUE(event.is_timer());
    EXPECT_EQ(good ? worker.Ready() : worker.NotReady("no keys"), Status::kOk);
  };
  ASSERT_TRUE(host_->Configure());
  EXPECT_FALSE(host_->ready());
  host_->AdvanceTime(10);
  EXPECT_TRUE(host_->ready());
  good = false;
  ASSERT_TRUE(host_->Configure());
  host_->AdvanceTime(10);
  EXPECT_THAT(host_->errors(), ElementsAre("worker: no keys"));
}

TEST_F(ModuleTest, AWorkerThatFailsRejects) {
  Probe::plan.start = [](WorkerContext, bool) { return Status::kLimit; };
  EXPECT_FALSE(host_->Configure());
  Probe::plan.start = [](WorkerContext, bool) -> Status { throw std::runtime_error("no"); };
  EXPECT_FALSE(host_->Configure());
}

// -- Streams --

TEST_F(ModuleTest, HeadersByValue) {
  Probe::plan.request_headers = [](Stream s, Flags flags) {
    EXPECT_TRUE(flags.end_stream());
    EXPECT_EQ(s.Header(Map::kRequestHeaders, "h39"), "v");
    EXPECT_EQ(s.Header(Map::kRequestHeaders, "h39", 1), std::nullopt);
    std::vector<std::string> names;
    s.ForEachHeader(Map::kRequestHeaders,
                    [&](std::string_view name, std::string_view) { names.emplace_back(name); });
    EXPECT_EQ(names.size(), 44u);
    EXPECT_EQ(names[0], ":method");
    EXPECT_EQ(s.SetHeader(Map::kRequestHeaders, "empty", {}), Status::kOk);
    EXPECT_EQ(s.AddHeader(Map::kRequestHeaders, "h0", "w"), Status::kOk);
    EXPECT_EQ(s.RemoveHeader(Map::kRequestHeaders, "h1"), Status::kOk);
    return Verdict::kContinue;
  };
  testing::Headers headers;
  for (int i = 0; i < 40; ++i) headers.emplace_back("h" + std::to_string(i), "v");
  FakeStream& stream = Start();
  stream.Request(headers);
  EXPECT_TRUE(stream.upstream().Has("empty"));
  EXPECT_EQ(stream.upstream().Get("h0"), "v, w");
  EXPECT_FALSE(stream.upstream().Has("h1"));
}

TEST_F(ModuleTest, BodiesOfAnySizeAndShape) {
  const std::string large(100000, 'x');
  Probe::plan.request_headers = [](Stream s, Flags) {
    EXPECT_EQ(s.SetBodyMode(Direction::kRequest, BodyMode::kBuffer), Status::kOk);
    return Verdict::kContinue;
  };
  Probe::plan.request_body = [&](Stream s, Flags flags) {
    EXPECT_TRUE(flags.body_last());
    EXPECT_EQ(s.BodySize(Direction::kRequest), 60u);
    EXPECT_EQ(s.Body(Direction::kRequest).size(), 60u);
    EXPECT_EQ(s.ReplaceBody(Direction::kRequest, large), Status::kOk);
    EXPECT_EQ(s.AppendBody(Direction::kRequest, "tail"), Status::kOk);
    EXPECT_EQ(s.Splice(Direction::kRequest, 0, 1, "head"), Status::kOk);
    return Verdict::kContinue;
  };
  FakeStream& stream = Start();
  stream.Request({}, std::vector<std::string>(30, "ab"));  // 60 slices.
  EXPECT_EQ(stream.upstream().body, "head" + large.substr(1) + "tail");
}

TEST_F(ModuleTest, AFailedSpliceLeaksNothing) {
  Probe::plan.request_headers = [](Stream s, Flags) {
    EXPECT_EQ(s.Splice(Direction::kRequest, 9, 9, std::string(1000, 'x')), Status::kInvalid);
    EXPECT_EQ(s.Send({.kind = ReplyKind::kThrottled, .body = std::string(1000, 'x')}),
              Verdict::kFail);
    return Verdict::kContinue;
  };
  Start().Request();
  EXPECT_EQ(host_->TakeMisuses().size(), 2u);
}

TEST_F(ModuleTest, VariablesOfEachType) {
  Variable source;
  Probe::plan.parse = [&](ConfigReader& in) { source = in.VariableId("", "identity.sourceIp"); };
  Probe::plan.request_headers = [&](Stream s, Flags) {
    EXPECT_EQ(s.Text(source), "10.0.0.1");
    EXPECT_EQ(s.SetText("filter.test.t", "x"), Status::kOk);
    EXPECT_EQ(s.SetInt("filter.test.i", 7), Status::kOk);
    EXPECT_EQ(s.SetBool("filter.test.b", false), Status::kOk);
    EXPECT_EQ(s.SetJson("filter.test.j", "[1]"), Status::kOk);
    return Verdict::kContinue;
  };
  FakeStream& stream = Start();
  stream.SetVariable("identity.sourceIp", "10.0.0.1");
  stream.Request();
  EXPECT_EQ(stream.Variable("filter.test.t"), "x");
  EXPECT_EQ(stream.Variable("filter.test.i"), "7");
  EXPECT_EQ(stream.Variable("filter.test.b"), "false");
  EXPECT_EQ(stream.Variable("filter.test.j"), "[1]");
}

TEST_F(ModuleTest, ALargeReplyIsHandedOver) {
  const std::string body(100000, 'x');
  Probe::plan.request_headers = [&](Stream s, Flags) {
    const postern_header headers[] = {Field("x-a", "1")};
    return s.Send({.kind = ReplyKind::kRaw, .status = 404, .headers = headers, .body = body});
  };
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_EQ(stream.client().status(), 404);
  EXPECT_EQ(stream.client().Get("x-a"), "1");
  EXPECT_EQ(stream.client().body, body);
}

TEST_F(ModuleTest, CalloutsAndTheirResults) {
  Upstream upstream;
  Probe::plan.parse = [&](ConfigReader& in) { upstream = in.UpstreamId("u"); };
  Probe::plan.request_headers = [&](Stream s, Flags) {
    uint64_t id = 0;
    EXPECT_EQ(s.StartCallout({.upstream = upstream}, 1, &id), Status::kOk);
    EXPECT_EQ(s.CancelCallout(id), Status::kOk);
    EXPECT_EQ(s.StartCallout({.upstream = upstream, .body = "q"}, 2), Status::kOk);
    return Verdict::kPause;
  };
  Probe::plan.event = [](Stream s, const Event& event) {
    ASSERT_TRUE(event.is_callout());
    EXPECT_FALSE(event.is_wake());
    EXPECT_EQ(event.tag(), 2u);
    EXPECT_TRUE(event.callout().ok());
    EXPECT_EQ(event.callout().status(), 200u);
    EXPECT_EQ(event.callout().Header("x-b"), "2");
    EXPECT_EQ(event.callout().Header("x-c"), std::nullopt);
    EXPECT_EQ(event.callout().Body(), "answer");
    EXPECT_EQ(s.Resume(Direction::kRequest), Status::kOk);
  };
  answer_->headers = {{"x-b", "2"}};
  answer_->body = "answer";
  ASSERT_TRUE(host_->Configure(R"({"u":"up"})")) << host_->ErrorText();
  FakeStream& stream = host_->NewStream();
  stream.Request();
  EXPECT_TRUE(stream.upstream().complete);
}

TEST_F(ModuleTest, WakersMoveAndFreeThemselves) {
  std::thread thread;
  Probe::plan.request_headers = [&](Stream s, Flags) {
    Waker waker = s.NewWaker();
    EXPECT_TRUE(waker);
    thread = std::thread([waker = std::move(waker)] { EXPECT_EQ(waker.Fire(3), Status::kOk); });
    const Waker none;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.Fire(), Status::kNotFound);
    return Verdict::kPause;
  };
  Probe::plan.event = [](Stream s, const Event& event) {
    EXPECT_TRUE(event.is_wake());
    EXPECT_EQ(event.tag(), 3u);
    s.Resume(Direction::kRequest);
  };
  FakeStream& stream = Start();
  stream.Request();
  EXPECT_TRUE(host_->RunUntil([&] { return stream.upstream().complete; }));
  thread.join();
}

TEST_F(ModuleTest, SharedStoreMetricsClockAndLog) {
  Counter counter;
  Gauge gauge;
  Histogram histogram;
  Probe::plan.parse = [&](ConfigReader& in) {
    counter = in.DefineCounter("n_total", {"kind"});
    gauge = in.DefineGauge("level");
    histogram = in.DefineHistogram("time");
  };
  Start();
  counter.Add(2, {"a"});
  gauge.Set(3);
  histogram.Observe(4);
  EXPECT_EQ(host_->MetricValue("n_total", {"a"}), 2);
  EXPECT_EQ(host_->MetricValue("level"), 3);
  EXPECT_EQ(host_->MetricValue("time"), 4);

  EXPECT_EQ(SharedGet("k"), std::nullopt);
  EXPECT_EQ(SharedPut("k", std::string(1000, 'x'), POSTERN_SHARED_ABSENT), Status::kOk);
  EXPECT_EQ(SharedPut("k", "", POSTERN_SHARED_ABSENT), Status::kConflict);
  const std::optional<SharedValue> value = SharedGet("k");
  EXPECT_EQ(value->bytes.size(), 1000u);
  EXPECT_EQ(SharedPut("k", "", value->version), Status::kOk);
  EXPECT_EQ(SharedGet("k")->bytes, "");
  EXPECT_EQ(SharedRemove("k"), Status::kOk);
  EXPECT_EQ(SharedGet("k"), std::nullopt);
  EXPECT_EQ(SharedAdd("n", 2), 2);
  EXPECT_EQ(SharedAdd("n", -5), -3);

  const uint64_t now = MonotonicMs();
  host_->AdvanceTime(5);
  EXPECT_EQ(MonotonicMs(), now + 5);
  EXPECT_GT(WallMs(), 1600000000000u);
  EXPECT_TRUE(LogEnabled(LogLevel::kInfo));
  Log(LogLevel::kInfo, "a line");
  EXPECT_TRUE(host_->Logged("a line"));
}

}  // namespace
}  // namespace postern

POSTERN_MODULE(postern::Probe, "test.probe", "1.0.0",
               POSTERN_CAP_BODY | POSTERN_CAP_CALLOUT | POSTERN_CAP_SHARED | POSTERN_CAP_THREADS);
