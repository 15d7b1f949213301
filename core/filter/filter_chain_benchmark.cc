// What filters cost: issue "The filter boundary": an empty filter at most 60 ns a request, one that
// reads a header at most 100 ns, and no heap allocation.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "core/filter/filter_chain.h"
#include "core/filter/filter_host.h"
#include "core/filter/message_fields.h"
#include "core/filter/worker_filters.h"
#include "core/upstream/allocation_count.h"

namespace postern {
namespace {

postern_verdict Pass(void*, postern_ctx*, uint32_t) { return POSTERN_CONTINUE; }

postern_verdict ReadHeader(void*, postern_ctx* ctx, uint32_t) {
  postern_str value{};
  static const postern_host* const host = FilterHost();
  benchmark::DoNotOptimize(
      host->header_get(ctx, POSTERN_REQUEST_HEADERS, StrOf("x-request-source"), 0, &value));
  return POSTERN_CONTINUE;
}

postern_verdict Rewrite(void*, postern_ctx* ctx, uint32_t) {
  FilterHost()->body_mode(ctx, POSTERN_RESPONSE, POSTERN_BODY_REWRITE, 0);
  return POSTERN_CONTINUE;
}

// Puts a few bytes in front of each chunk; the rest stays as it is.
postern_verdict Prefix(void*, postern_ctx* ctx, uint32_t) {
  static const char kText[] = "data: ";
  FilterHost()->body_splice(
      ctx, POSTERN_RESPONSE, 0, 0, StrOf(kText), [](void*) {}, nullptr);
  return POSTERN_CONTINUE;
}

class Bench final : public FilterChainEnds {
 public:
  Bench(size_t count, const postern_filter& table) : stats_(1) {
    ModuleManifest manifest;
    manifest.name = "bench";
    manifest.version = "1.0.0";
    manifest.capabilities = POSTERN_CAP_BODY;
    module_ = std::make_unique<FilterModule>(manifest, "", "");
    module_->Initialize(&table, nullptr);
    worker_ = std::make_unique<FilterWorker>(FilterWorker::Env{.dispatcher = &dispatcher_,
                                                               .body_blocks = &blocks_,
                                                               .callout_blocks = &blocks_,
                                                               .stats = &stats_});
    worker_->Attach();
    std::vector<FilterBinding> bindings;
    for (size_t i = 0; i < count; ++i) {
      auto instance = std::make_unique<FilterInstance>();
      instance->id = static_cast<uint32_t>(i);
      instance->name = "f" + std::to_string(i);
      instance->module = module_.get();
      FilterBinding binding;
      binding.instance = instance.get();
      binding.hooks = module_->hook_mask();
      bindings.push_back(binding);
      instances_.push_back(std::move(instance));
    }
    plan_ = std::make_unique<ChainPlan>(std::move(bindings));
    local_ = std::make_unique<WorkerFilters>(worker_.get(), instances_, 1);
    local_->Prepare(nullptr, [](absl::Status) {});
  }
  ~Bench() {
    local_.reset();
    worker_->Detach();
  }

  /// One exchange; `filtered` false: what it costs without a chain.
  void Run(bool filtered, std::string_view body = {}) {
    Arena arena(&blocks_);
    auto* request = arena.New<RequestHead>(&arena);
    request->method_text = "GET";
    request->headers.Add("Accept", "*/*");
    request->headers.Add("User-Agent", "bench/1.0");
    request->headers.Add("Accept-Encoding", "gzip, deflate, br");
    request->headers.Add("X-Request-Source", "steady-state");
    auto* context = arena.New<RequestContext>();
    context->request = request;
    head_ = arena.New<postern::ResponseHead>(&arena);
    body_ = body;
    if (!filtered) {
      SendRequestHead(true);
      SendResponseHead(head_, true);
      return;
    }
    chain_ = FilterChain::New({.arena = &arena,
                               .plan = plan_.get(),
                               .filters = local_.get(),
                               .request = request,
                               .context = context,
                               .replies = &ApiReplies::Default(),
                               .ends = this});
    chain_->Start(true);
    if (body.empty()) {
      chain_->ResponseHead(head_, true);
    } else {
      head_->body = BodyKind::kUnknown;
      chain_->ResponseHead(head_, false);
      chain_->ResponseBody(body);
      chain_->ResponseEnd(nullptr);
    }
    chain_->~FilterChain();
  }

  uint64_t copied = 0;  // bytes of the body that went out from elsewhere

 private:
  void SendRequestHead(bool end) override { benchmark::DoNotOptimize(end); }
  void SendRequestBody(std::string_view) override {}
  void SendRequestEnd(const HeaderMap*) override {}
  void ConsumeIntegration(size_t) override {}
  void CancelIntegration() override {}
  void SendResponseHead(postern::ResponseHead* head, bool end) override {
    benchmark::DoNotOptimize(head);
    if (end && chain_ != nullptr) chain_->End();
  }
  void SendResponseBody(std::string_view data) override {
    if (data.size() > 64 &&
        (data.data() < body_.data() || data.data() + data.size() > body_.data() + body_.size())) {
      copied += data.size();
    }
    chain_->ResponseConsumed(data.size());
  }
  void SendResponseEnd(const HeaderMap*) override { chain_->End(); }
  void AbortResponse() override {}
  void RequestConsumed(size_t) override {}
  void RequestWanted() override {}
  void LocalReply() override {}

  BlockPool blocks_;
  Dispatcher dispatcher_;
  FilterStatsRegistry stats_;
  std::unique_ptr<FilterModule> module_;
  std::unique_ptr<FilterWorker> worker_;
  WorkerFilters::Instances instances_;
  std::unique_ptr<ChainPlan> plan_;
  std::unique_ptr<WorkerFilters> local_;
  FilterChain* chain_ = nullptr;
  postern::ResponseHead* head_ = nullptr;
  std::string_view body_;
};

postern_filter Table() {
  postern_filter table{};
  table.size = sizeof(table);
  return table;
}

void Measure(benchmark::State& state, const postern_filter& table, std::string_view body = {}) {
  const auto count = static_cast<size_t>(state.range(0));
  Bench bench(count == 0 ? 1 : count, table);
  for (int i = 0; i < 1000; ++i) bench.Run(count > 0, body);
  const uint64_t allocations = ThreadAllocations();
  for (auto _ : state) bench.Run(count > 0, body);
  state.counters["allocations"] = static_cast<double>(ThreadAllocations() - allocations);
  if (!body.empty()) state.counters["copied"] = static_cast<double>(bench.copied);
  if (count > 0) {
    state.counters["per_filter"] = benchmark::Counter(
        static_cast<double>(count),
        benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  }
}

void BM_Empty(benchmark::State& state) {
  postern_filter table = Table();
  table.request_headers = Pass;
  table.response_headers = Pass;
  Measure(state, table);
}
BENCHMARK(BM_Empty)->Arg(0)->Arg(1)->Arg(20);

void BM_NoHooks(benchmark::State& state) { Measure(state, Table()); }
BENCHMARK(BM_NoHooks)->Arg(20);

void BM_HeaderReader(benchmark::State& state) {
  postern_filter table = Table();
  table.request_headers = ReadHeader;
  table.response_headers = Pass;
  Measure(state, table);
}
BENCHMARK(BM_HeaderReader)->Arg(1)->Arg(20);

void BM_StreamState(benchmark::State& state) {
  postern_filter table = Table();
  table.stream_create = [](const void*, void*, postern_ctx* ctx) -> void* { return ctx; };
  table.request_headers = Pass;
  table.response_headers = Pass;
  table.stream_end = [](void*, postern_ctx*) {};
  Measure(state, table);
}
BENCHMARK(BM_StreamState)->Arg(20);

void BM_Transformer(benchmark::State& state) {
  static const std::string body(16 * 1024, 'b');
  postern_filter table = Table();
  table.response_headers = Rewrite;
  table.response_body = Prefix;
  Measure(state, table, body);
}
BENCHMARK(BM_Transformer)->Arg(1)->Arg(5);

}  // namespace
}  // namespace postern
