// A gateway for unit tests of one filter module: scripted streams, a simulated clock, canned
// callouts. It runs the module's real hooks, linked with the test or from its shared object, by the
// rules of abi.h, and links nothing of the gateway.
//
//   FakeHost host;                                   // the module that is linked with the test
//   ASSERT_TRUE(host.Configure(R"({"name":"x"})")) << host.ErrorText();
//   FakeStream& stream = host.NewStream();
//   stream.Request({{":path", "/pets"}});            // what a client sends
//   stream.Respond(200, {}, {"hello"});              // what the integration answers
//   EXPECT_EQ(stream.client().Get("x"), "y");        // what the client gets
//
// To find mistakes early it is nastier than a gateway: chunks come in two slices, and borrowed
// headers die with each hook. What a module does against the contract is refused, and kept as a
// line that the test must take (TakeMisuses), else the process aborts at the end of the host.
//
// All is for one thread, the worker, but for what abi.h allows on any thread. One host at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "api/abi/abi.h"

namespace postern::testing {

class FakeHost;

// Fields in order. Names in any case, as on the wire of HTTP/1.1; they are looked up without it.
using Headers = std::vector<std::pair<std::string, std::string>>;

// What one side has got.
struct Message {
  bool started = false;   // Headers have come.
  bool complete = false;  // Nothing more will come.
  bool reset = false;     // It was cut off instead.
  Headers headers;
  std::vector<std::string> chunks;  // One for each body event, in order; empty ones are left out.
  std::string body;                 // All of them.
  Headers trailers;

  // All values of a header, joined by ", "; "" where there is none.
  std::string Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  // Of ":status"; 0 where there is none.
  int status() const;
};

// What a filter, or the gateway because of one, answered.
struct SentReply {
  uint32_t kind = 0;    // POSTERN_REPLY_*
  uint32_t status = 0;  // As rendered.
  std::string message;
  std::string detail;
  Headers headers;
  std::string body;
};

// A callout that a filter makes, and what a test lets the upstream answer.
struct CalloutRequest {
  std::string upstream;
  std::string method;
  std::string path;
  Headers headers;
  std::string body;
  uint32_t timeout_ms = 0;

  std::string Get(std::string_view name) const;
};
struct CalloutAnswer {
  uint32_t status = 200;
  Headers headers = {};
  std::string body = {};
  uint64_t delay_ms = 0;                  // Longer than the timeout: the outcome is TIMEOUT.
  uint32_t outcome = POSTERN_CALLOUT_OK;  // Else a failure, after delay_ms.
};
using UpstreamFn = std::function<std::optional<CalloutAnswer>(const CalloutRequest&)>;

struct LogLine {
  uint32_t level;
  std::string message;
};

// One exchange as one filter sees it. Made by FakeHost::NewStream.
class FakeStream {
 public:
  ~FakeStream();
  FakeStream(const FakeStream&) = delete;
  FakeStream& operator=(const FakeStream&) = delete;

  // -- What happens to it. Each runs the loop until it is idle. --

  // A whole request, or response: a body event for each chunk, the last with BODY_LAST; without
  // chunks there is no body. Pseudo-headers that are left out are those of GET https://test/.
  void Request(Headers headers = {}, std::vector<std::string> chunks = {}, Headers trailers = {});
  void Respond(int status, Headers headers = {}, std::vector<std::string> chunks = {},
               Headers trailers = {});

  // The same, piece by piece.
  void RequestHeaders(Headers headers, bool end_stream);
  void RequestBody(std::string chunk, bool last, bool trailers_follow = false);
  void RequestTrailers(Headers trailers);
  void ResponseHeaders(int status, Headers headers, bool end_stream);
  void ResponseBody(std::string chunk, bool last, bool trailers_follow = false);
  void ResponseTrailers(Headers trailers);

  // Ends it: stream_end, stream_destroy. The host does it for streams that are left over. Finish
  // says that the exchange was whole; a direction that is paused then is a misuse (nobody would
  // have resumed it). Cut is a client that leaves in the middle.
  void Finish();
  void Cut();

  // A variable that the gateway, or an earlier filter, has set. Also before the request.
  void SetVariable(std::string name, std::string text);

  // -- What came of it. --

  const Message& upstream() const { return out_[POSTERN_REQUEST]; }
  const Message& client() const { return out_[POSTERN_RESPONSE]; }
  const std::optional<SentReply>& reply() const { return reply_; }
  bool paused(uint32_t direction) const { return directions_[direction].paused; }
  // The filter failed: FAIL, an unknown verdict, or a stall.
  bool failed() const { return failed_; }
  // stream_create returned NULL.
  bool passed_by() const { return created_ && self_ == nullptr && has_create_; }
  // Message hooks that ran, e.g. "request_headers".
  const std::vector<std::string>& hooks() const { return hooks_; }
  // A variable as text: strings and JSON as they are, numbers in decimal, "true", "false"; nullopt
  // where it is not set.
  std::optional<std::string> Variable(std::string_view name) const;

 private:
  friend class FakeHost;
  friend struct HostFunctions;

  struct Slice {
    postern_str bytes;
    std::shared_ptr<void> owner;
  };
  struct Body {
    std::vector<Slice> slices;

    uint64_t size() const;
    std::string Flat() const;
  };
  enum class Part { kHeaders, kBody, kTrailers };
  struct Item {
    Part part = Part::kHeaders;
    uint32_t flags = 0;
    Body body;
    Headers fields;  // Trailers on their way.
  };
  struct DirectionState {
    std::deque<Item> queue;
    bool in_hook = false;
    bool paused = false;
    uint64_t pause = 0;        // Number of the pause, for the stall limit.
    std::optional<Item> item;  // In a hook, or held by a pause.
    bool collecting = false;   // BUFFER: headers wait in `headers`, body grows in `collected`.
    std::optional<Item> headers;
    Body collected;
    bool detached = false;
    bool closed = false;  // Nothing moves any more: replied, failed, ended.
    uint32_t mode = POSTERN_BODY_OBSERVE;
    uint64_t limit = 0;
    bool headers_arrived = false;
    bool headers_passed = false;
    bool trailers_arrived = false;
    bool trailers_passed = false;
    bool source_ended = false;
  };

  struct Snapshot;

  FakeStream(FakeHost* host, Snapshot* snapshot, const void* config);

  void Push(uint32_t direction, Item item);
  void PushBody(uint32_t direction, std::string chunk, bool last, bool trailers_follow);
  void PushTrailers(uint32_t direction, Headers trailers);
  void Pump(uint32_t direction);
  void Deliver(uint32_t direction, Item item);
  void RunHook(uint32_t direction);
  void Collect(uint32_t direction, Item item);
  void Decide(uint32_t direction, postern_verdict verdict);
  void PassHeld(uint32_t direction);
  void Forward(uint32_t direction, const Item& item);
  void Fail(std::string_view detail);
  void SendReply(SentReply reply);
  void Close(uint32_t direction);
  void End(bool finished);
  void FreshenBorrowed();
  bool HasHook(uint32_t direction, Part part) const;
  static std::string HookName(uint32_t direction, Part part);

  FakeHost* host_;
  Snapshot* snapshot_;
  const void* config_;
  postern_ctx* ctx_ = nullptr;
  void* self_ = nullptr;
  bool created_ = false;
  bool has_create_ = false;
  bool creating_ = false;
  bool ending_ = false;
  bool ended_ = false;
  bool failed_ = false;
  bool replied_ = false;
  Headers maps_[4];
  std::deque<std::string> lowered_;  // Names that a hook was shown.
  DirectionState directions_[2];
  Message out_[2];
  std::optional<SentReply> reply_;
  std::vector<std::string> hooks_;
  std::map<std::string, std::pair<uint32_t, std::string>, std::less<>> variables_;
};

class FakeHost {
 public:
  // A configuration for one scope, "METHOD /resource".
  struct Scope {
    std::string scope;
    std::string json;
  };

  // The module that is linked with the test.
  FakeHost() : FakeHost(&postern_module_manifest, &postern_module_init) {}
  // The module in a shared object; aborts where it cannot be loaded.
  explicit FakeHost(const std::string& path);
  FakeHost(const postern_manifest* manifest, decltype(&postern_module_init) init);
  ~FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // -- The world around it. --

  // Upstreams that a configuration may name. nullopt from `answer`: it never answers.
  void AddUpstream(std::string name, UpstreamFn answer);
  // Name of the instance ("test"), and whether it stands at the authorize point (no).
  void SetInstance(std::string name, bool authorizer = false);
  // POSTERN_E_* policy of a failing filter: the request is refused (default), or goes on without.
  void SetFailurePolicySkip(bool skip) { skip_ = skip; }
  void SetPauseLimit(uint64_t ms) { pause_limit_ms_ = ms; }
  void SetBodyLimit(uint64_t bytes) { body_limit_ = bytes; }
  // Whether body chunks come as one slice instead of two.
  void SetWholeSlices(bool whole) { whole_slices_ = whole; }

  // -- Configuration. --

  // Makes a snapshot: config_create for the API and for each scope (whose parent is the API's),
  // worker_create, commit. False where it is rejected; the one in force stays then. True also while
  // the worker is not ready: see ready().
  bool Configure(std::string_view json = "{}", const std::vector<Scope>& scopes = {});
  // The latest configuration is in force. Until then streams get the one before.
  bool ready() const { return next_ == nullptr; }
  // Why the last one was rejected: "field: message", with "METHOD /resource: " in front.
  const std::vector<std::string>& errors() const { return errors_; }
  std::string ErrorText() const;

  // -- Running. --

  // A stream of a scope; lives as long as the host.
  FakeStream& NewStream(std::string_view scope = "");
  // Moves the clock, which stands still else, and runs what falls due, in order.
  void AdvanceTime(uint64_t ms);
  // Runs what waits: needed only after another thread has fired a waker.
  void Run();
  // Runs until `done` or until real milliseconds have passed; for wakers of other threads.
  bool RunUntil(const std::function<bool()>& done, uint64_t real_ms = 5000);
  uint64_t now_ms() const { return now_ms_; }

  // -- What came of it. --

  // A counter's sum, a gauge's last value; of a histogram the sum. 0 where nothing was recorded.
  int64_t MetricValue(const std::string& name, const std::vector<std::string>& labels = {}) const;
  // Each recorded value.
  std::vector<int64_t> Observations(const std::string& name,
                                    const std::vector<std::string>& labels = {}) const;
  const std::vector<LogLine>& logs() const { return logs_; }
  // Whether a line contains `text`.
  bool Logged(std::string_view text) const;
  const std::vector<CalloutRequest>& callouts() const { return callouts_; }
  // What the module did against the contract, and forgets it.
  std::vector<std::string> TakeMisuses();
  // The shared store, as the module sees it.
  std::optional<std::string> Shared(const std::string& key) const;
  void SetShared(const std::string& key, std::string value);
  // Configurations and workers that are alive.
  size_t snapshots() const { return snapshots_.size(); }

 private:
  friend class FakeStream;
  friend struct HostFunctions;

  struct SharedEntry {
    std::string value;
    uint64_t version = 0;
    uint64_t dies_ms = UINT64_MAX;
  };
  struct MetricDefinition {
    std::string name;
    uint32_t kind;
    std::vector<std::string> labels;
  };
  struct Task {
    uint64_t id;
    postern_ctx* owner;  // nullptr: the host's own.
    bool callout;
    std::function<void()> run;
  };

  [[noreturn]] static void Die(const std::string& message);
  void Load(const postern_manifest* manifest, decltype(&postern_module_init) init);
  void Misuse(const std::string& message);
  bool OnWorker(const char* function);
  void Post(std::function<void()> run);
  void Schedule(uint64_t delay_ms, Task task);
  bool CancelTask(postern_ctx* owner, uint64_t id, bool callout);
  bool RunOne(uint64_t until_ms);
  void EndOwner(postern_ctx* owner);
  void Notify(postern_ctx* owner, const postern_event& event);
  void FinishCallout(postern_ctx* owner, uint64_t id, uint64_t tag, uint64_t started_ms,
                     const CalloutAnswer& answer);
  void Commit(bool accepted);
  void Retire(FakeStream::Snapshot* snapshot);
  void RetireUnused();
  postern_ctx* NewContext(FakeStream* stream, FakeStream::Snapshot* worker);
  bool Alive(const SharedEntry& entry) const { return entry.dies_ms > now_ms_; }

  const std::thread::id worker_ = std::this_thread::get_id();
  void* handle_ = nullptr;
  uint32_t capabilities_ = 0;
  void* module_ = nullptr;
  postern_filter filter_{};
  std::unique_ptr<postern_self> self_;

  std::string instance_ = "test";
  bool authorizer_ = false;
  bool skip_ = false;
  bool whole_slices_ = false;
  uint64_t pause_limit_ms_ = 10000;
  uint64_t body_limit_ = uint64_t{10} << 20;
  std::map<std::string, UpstreamFn> upstreams_;

  std::vector<std::unique_ptr<FakeStream::Snapshot>> snapshots_;
  FakeStream::Snapshot* current_ = nullptr;
  FakeStream::Snapshot* next_ = nullptr;
  uint32_t generation_ = 0;
  std::vector<std::string> errors_;
  std::vector<std::string> names_;  // Of upstreams and variables, by the low bits of their ids.

  std::vector<std::unique_ptr<FakeStream>> streams_;
  std::vector<std::unique_ptr<postern_ctx>> contexts_;
  std::vector<std::unique_ptr<postern_config_ctx>> config_contexts_;
  bool in_hook_ = false;
  uint64_t now_ms_ = 1000000;
  uint64_t last_id_ = 0;
  std::multimap<uint64_t, Task> tasks_;
  std::deque<std::function<void()>> posted_;

  mutable std::mutex mutex_;  // Of all below, which any thread may touch.
  std::deque<std::pair<postern_ctx*, uint64_t>> wakes_;
  size_t wakers_ = 0;
  std::vector<std::string> misuses_;
  std::vector<LogLine> logs_;
  std::vector<MetricDefinition> metrics_;
  std::map<std::pair<std::string, std::vector<std::string>>, std::vector<int64_t>> recorded_;
  std::map<std::string, SharedEntry> shared_;
  uint64_t shared_version_ = 0;

  std::vector<CalloutRequest> callouts_;
  size_t bodies_held_ = 0;  // Bytes handed over and not released yet, as a count of them.
};

}  // namespace postern::testing
