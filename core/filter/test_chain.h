#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/event/test_support.h"
#include "core/filter/filter_chain.h"
#include "core/filter/filter_host.h"
#include "core/filter/message_fields.h"
#include "core/filter/worker_filters.h"
#include "core/reply/api_replies.h"
#include "core/upstream/cluster_manager.h"
#include "core/upstream/test_support.h"

/// What tests of chains share: modules made of functions in the test, and one exchange whose two
/// ends are played by the test.
namespace postern {

/// A module in this process: each hook that is set is one that the filter has.
struct TestFilter {
  using MessageHook = std::function<postern_verdict(postern_ctx*, uint32_t flags)>;

  std::string name = "f";
  MessageHook request_headers;
  MessageHook request_body;
  MessageHook request_trailers;
  MessageHook response_headers;
  MessageHook response_body;
  MessageHook response_trailers;
  std::function<bool(postern_ctx*)> create;  ///< false: NULL
  std::function<void(postern_ctx*, const postern_event&)> event;
  std::function<void(postern_ctx*)> end;
  std::function<postern_status(postern_ctx*, void* previous, void** state)> worker_create;
  std::function<void(void* state)> worker_destroy;
  std::function<void(void* state, postern_ctx*, const postern_event&)> worker_event;

  uint32_t capabilities = POSTERN_CAP_BODY | POSTERN_CAP_CALLOUT | POSTERN_CAP_SHARED;
  FilterFailurePolicy policy = FilterFailurePolicy::kDeny;
  bool required = true;
  bool is_authorizer = false;
  uint32_t pause_limit_ms = 10000;
  std::vector<CalloutUpstream> upstreams;
  std::vector<std::string> variables;  ///< their ids are 0x10000 and so on

  /// Of the worker states that tests make: whose functions they are.
  static std::map<void*, TestFilter*>& states() {
    static std::map<void*, TestFilter*> all;
    return all;
  }
  static TestFilter* OfState(void* state) {
    const auto found = states().find(state);
    return found != states().end() ? found->second : nullptr;
  }

  int created = 0;
  int ended = 0;
  int destroyed = 0;
};

inline const postern_host& H() { return *FilterHost(); }
inline postern_str S(std::string_view text) { return StrOf(text); }

/// The modules of TestFilters.
inline const postern_filter* TestHooks() {
  static const postern_filter hooks = [] {
    postern_filter table{};
    table.size = sizeof(table);
    static const auto of = [](void* self) { return static_cast<TestFilter*>(self); };
    table.worker_create = [](const void* config, postern_ctx* ctx, void* previous, void** state) {
      TestFilter* filter = of(const_cast<void*>(config));
      const postern_status status = filter->worker_create(ctx, previous, state);
      if (status >= 0 && *state != nullptr) TestFilter::states()[*state] = filter;
      return status;
    };
    table.worker_destroy = [](void* state) {
      if (TestFilter* filter = TestFilter::OfState(state)) filter->worker_destroy(state);
    };
    table.worker_event = [](void* state, postern_ctx* ctx, const postern_event* event) {
      if (TestFilter* filter = TestFilter::OfState(state)) {
        filter->worker_event(state, ctx, *event);
      }
    };
    table.stream_create = [](const void* config, void*, postern_ctx* ctx) -> void* {
      TestFilter* filter = of(const_cast<void*>(config));
      if (filter->create != nullptr && !filter->create(ctx)) return nullptr;
      ++filter->created;
      return filter;
    };
    table.request_headers = [](void* self, postern_ctx* ctx, uint32_t flags) {
      return of(self)->request_headers(ctx, flags);
    };
    table.request_body = [](void* self, postern_ctx* ctx, uint32_t flags) {
      return of(self)->request_body(ctx, flags);
    };
    table.request_trailers = [](void* self, postern_ctx* ctx) {
      return of(self)->request_trailers(ctx, 0);
    };
    table.response_headers = [](void* self, postern_ctx* ctx, uint32_t flags) {
      return of(self)->response_headers(ctx, flags);
    };
    table.response_body = [](void* self, postern_ctx* ctx, uint32_t flags) {
      return of(self)->response_body(ctx, flags);
    };
    table.response_trailers = [](void* self, postern_ctx* ctx) {
      return of(self)->response_trailers(ctx, 0);
    };
    table.stream_event = [](void* self, postern_ctx* ctx, const postern_event* event) {
      of(self)->event(ctx, *event);
    };
    table.stream_end = [](void* self, postern_ctx* ctx) {
      TestFilter* filter = of(self);
      ++filter->ended;
      if (filter->end != nullptr) filter->end(ctx);
    };
    table.stream_destroy = [](void* self) { ++of(self)->destroyed; };
    return table;
  }();
  return &hooks;
}

inline uint32_t HooksOf(const TestFilter& filter) {
  uint32_t hooks = kHookStreamCreate | kHookStreamEnd | kHookStreamDestroy;
  const auto add = [&hooks](bool has, uint32_t hook) { hooks |= has ? hook : 0; };
  add(filter.request_headers != nullptr, kHookRequestHeaders);
  add(filter.request_body != nullptr, kHookRequestBody);
  add(filter.request_trailers != nullptr, kHookRequestTrailers);
  add(filter.response_headers != nullptr, kHookResponseHeaders);
  add(filter.response_body != nullptr, kHookResponseBody);
  add(filter.response_trailers != nullptr, kHookResponseTrailers);
  add(filter.event != nullptr, kHookStreamEvent);
  return hooks;
}

/// A worker with its loop, on the thread of the test.
struct TestWorker {
  explicit TestWorker(const FilterLimits& limits = {})
      : net(&dispatcher),
        resolver(&dispatcher),
        clusters({.net = &net, .resolver = &resolver, .worker = 0}),
        stats(1),
        worker({.dispatcher = &dispatcher,
                .clusters = &clusters,
                .body_blocks = &blocks,
                .callout_blocks = &blocks,
                .stats = &stats,
                .index = 0,
                .limits = limits}) {
    worker.Attach();
  }
  ~TestWorker() { worker.Detach(); }

  /// Turns the loop a few times.
  void Turn() {
    for (int i = 0; i < 3; ++i) uv_run(dispatcher.loop(), UV_RUN_NOWAIT);
  }

  BlockPool blocks;
  Dispatcher dispatcher;
  NetContext net;
  FakeResolver resolver;
  ClusterManager clusters;
  FilterStatsRegistry stats;
  FilterWorker worker;
};

/// A chain of test filters, outermost first, and what streams of it need.
struct TestPlan {
  TestPlan(TestWorker* on, std::vector<TestFilter*> filters) : worker(on) {
    std::vector<FilterBinding> bindings;
    for (TestFilter* filter : filters) {
      ModuleManifest manifest;
      manifest.name = "test." + filter->name;
      manifest.version = "1.0.0";
      manifest.capabilities = filter->capabilities;
      modules.push_back(std::make_unique<FilterModule>(manifest, "", ""));
      postern_filter table = *TestHooks();
      if (filter->worker_create == nullptr) table.worker_create = nullptr;
      modules.back()->Initialize(&table, nullptr);
      auto instance = std::make_unique<FilterInstance>();
      instance->id = static_cast<uint32_t>(instances.size());
      instance->name = filter->name;
      instance->handover_key = filter->name;
      instance->api_id = "api";
      instance->stage = "prod";
      instance->module = modules.back().get();
      instance->config = filter;
      instance->upstreams = filter->upstreams;
      for (const std::string& variable : filter->variables) {
        instance->variables.push_back(ResolveFilterVariable(variable));
      }
      instance->id_tag = 1;
      FilterBinding binding;
      binding.instance = instance.get();
      binding.config = filter;
      binding.hooks = HooksOf(*filter);
      binding.pause_limit_ms = filter->pause_limit_ms;
      binding.failure_policy = filter->policy;
      binding.is_authorizer = filter->is_authorizer;
      binding.required = filter->required;
      bindings.push_back(binding);
      instances.push_back(std::move(instance));
    }
    plan = std::make_unique<ChainPlan>(std::move(bindings));
    local = std::make_unique<WorkerFilters>(&worker->worker, instances, 7);
    local->Prepare(nullptr, [](absl::Status) {});
  }

  TestWorker* worker;
  std::vector<std::unique_ptr<FilterModule>> modules;
  WorkerFilters::Instances instances;
  std::unique_ptr<ChainPlan> plan;
  std::unique_ptr<WorkerFilters> local;
};

/// One exchange: the test plays client and integration, and reads what came out on either side.
class ChainExchange final : public FilterChainEnds {
 public:
  explicit ChainExchange(TestPlan* plan, std::string_view method = "GET",
                         const ApiReplies* replies = &ApiReplies::Default())
      : plan_(plan), arena_(&plan->worker->blocks), request(&arena_) {
    request.method_text = method;
    request.method = ParseMethod(method);
    request.scheme = "http";
    request.authority = "api.example.com";
    request.target = "/pets/7?kind=dog";
    context.request = &request;
    context.request_id = "00000000-0000-0000-0000-000000000001";
    context.resource_path = "/pets/{id}";
    context.route_method = "ANY";
    chain = FilterChain::New({.arena = &arena_,
                              .plan = plan->plan.get(),
                              .filters = plan->local.get(),
                              .request = &request,
                              .context = &context,
                              .replies = replies,
                              .ends = this});
  }
  ~ChainExchange() { chain->~FilterChain(); }

  // The client.
  void Request() { chain->Start(true); }
  /// With content, in pieces; without `end` more may follow.
  void Request(const std::vector<std::string>& pieces, bool end = true,
               const HeaderMap* trailers = nullptr) {
    request.body = BodyKind::kLength;
    for (const std::string& piece : pieces) request.content_length += piece.size();
    request.has_content_length = true;
    chain->Start(false);
    for (const std::string& piece : pieces) Body(piece);
    if (end) chain->RequestEnd(trailers);
  }
  /// The bytes are gone when this returns.
  void Body(std::string piece) {
    offered += piece.size();
    chain->RequestBody(piece);
    std::fill(piece.begin(), piece.end(), '!');
  }
  // The integration.
  postern::ResponseHead* MakeHead(uint16_t status) {
    auto* head = arena_.New<postern::ResponseHead>(&arena_);
    head->status = status;
    return head;
  }
  void Respond(uint16_t status = 200) { chain->ResponseHead(MakeHead(status), true); }
  void Respond(uint16_t status, const std::vector<std::string>& pieces, bool end = true,
               const HeaderMap* trailers = nullptr) {
    postern::ResponseHead* head = MakeHead(status);
    head->body = BodyKind::kLength;
    for (const std::string& piece : pieces) head->content_length += piece.size();
    head->has_content_length = true;
    chain->ResponseHead(head, false);
    for (const std::string& piece : pieces) Answer(piece);
    if (end) chain->ResponseEnd(trailers);
  }
  void Answer(std::string piece) {
    answered += piece.size();
    chain->ResponseBody(piece);
    std::fill(piece.begin(), piece.end(), '!');
  }
  /// All values of a field of the response that went out, joined by '|'; "(none)" without any.
  std::string Sent(std::string_view name) const {
    std::string all = "(none)";
    if (response == nullptr) return all;
    for (const HeaderField& field : response->headers) {
      if (!EqualsIgnoreCase(field.name, name)) continue;
      all = all == "(none)" ? std::string(field.value) : all + "|" + std::string(field.value);
    }
    return all;
  }
  std::string Received(std::string_view name) const {
    const HeaderField* field = request.headers.Find(name);
    return field != nullptr ? std::string(field->value) : "(none)";
  }
  void AddHeader(std::string_view name, std::string_view value) {
    request.headers.Add(arena_.Copy(name), arena_.Copy(value));
  }
  void Turn() { plan_->worker->Turn(); }
  Arena* arena() { return &arena_; }

  // FilterChainEnds.
  void SendRequestHead(bool end) override {
    ++request_heads;
    request_ended = end;
    if (on_request) on_request();
  }
  void SendRequestBody(std::string_view data) override {
    request_body += data;
    ++request_chunks;
    if (take_request) {
      chain->RequestConsumed(data.size());
    } else {
      request_held += data.size();
    }
  }
  void SendRequestEnd(const HeaderMap* trailers) override {
    ++request_ends;
    request_ended = true;
    request_trailers = trailers;
  }
  void ConsumeIntegration(size_t size) override { response_credit += size; }
  void CancelIntegration() override { ++cancelled; }
  void SendResponseHead(postern::ResponseHead* head, bool end) override {
    ++response_heads;
    response = head;
    status = head->status;
    if (end) Done();
  }
  void SendResponseBody(std::string_view data) override {
    response_body += data;
    last_response_data = data.data();
    if (take_response) {
      chain->ResponseConsumed(data.size());
    } else {
      response_held += data.size();
    }
  }
  void SendResponseEnd(const HeaderMap* trailers) override {
    response_trailers = trailers;
    Done();
  }
  void AbortResponse() override {
    aborted = true;
    Done();
  }
  void RequestConsumed(size_t size) override { request_credit += size; }
  void RequestWanted() override { ++wanted; }
  void LocalReply() override { ++local_replies; }

  std::string Variable(std::string_view name) {
    const std::string_view value = VariableValue(ResolveVariable(name), context, &arena_);
    return value.data() == nullptr ? "(none)" : std::string(value);
  }

 private:
  void Done() {
    ++dones;
    chain->End();
  }

  TestPlan* plan_;
  Arena arena_;

 public:
  RequestHead request;
  RequestContext context;
  FilterChain* chain = nullptr;
  std::function<void()> on_request;
  bool take_request = true;
  bool take_response = true;

  uint64_t offered = 0;
  uint64_t answered = 0;
  int request_heads = 0;
  int request_ends = 0;
  bool request_ended = false;
  int request_chunks = 0;
  std::string request_body;
  uint64_t request_held = 0;
  const HeaderMap* request_trailers = nullptr;
  uint64_t request_credit = 0;
  uint64_t response_credit = 0;
  int cancelled = 0;
  int response_heads = 0;
  const postern::ResponseHead* response = nullptr;
  uint16_t status = 0;
  std::string response_body;
  const char* last_response_data = nullptr;
  uint64_t response_held = 0;
  const HeaderMap* response_trailers = nullptr;
  bool aborted = false;
  int wanted = 0;
  int local_replies = 0;
  int dones = 0;
};

/// What the filter sees of a body.
inline std::string ReadBody(postern_ctx* ctx, uint32_t direction) {
  std::vector<postern_str> slices(64);
  uint64_t total = 0;
  const size_t count = H().body_read(ctx, direction, slices.data(), slices.size(), &total);
  if (count > slices.size()) {
    slices.resize(count);
    H().body_read(ctx, direction, slices.data(), slices.size(), &total);
  }
  std::string body;
  for (size_t i = 0; i < count; ++i) body.append(slices[i].data, slices[i].len);
  return body.size() == total ? body : "(total differs)";
}

inline std::string Get(postern_ctx* ctx, uint32_t map, std::string_view name, size_t index = 0) {
  postern_str value{};
  const postern_status status = H().header_get(ctx, map, S(name), index, &value);
  if (status != POSTERN_OK) return "(" + std::to_string(status) + ")";
  return std::string(ViewOf(value));
}
inline postern_status Set(postern_ctx* ctx, uint32_t map, std::string_view name,
                          std::string_view value) {
  return H().header_set(ctx, map, S(name), S(value));
}
inline postern_status Replace(postern_ctx* ctx, uint32_t direction, std::string_view with) {
  uint64_t total = 0;
  H().body_read(ctx, direction, nullptr, 0, &total);
  return H().body_splice(ctx, direction, 0, total, S(with), nullptr, nullptr);
}
inline postern_status ReplyWith(postern_ctx* ctx, uint32_t kind, std::string_view message = {},
                                std::string_view detail = {}) {
  postern_reply reply{};
  reply.size = sizeof(reply);
  reply.kind = kind;
  reply.message = S(message);
  reply.detail = S(detail);
  return H().reply(ctx, &reply);
}

}  // namespace postern
