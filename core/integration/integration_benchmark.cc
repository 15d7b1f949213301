// What integrations add to an exchange. BM_Proxy is to be compared with BM_Request of
// core/upstream:upstream_benchmark, which does the same without an integration.
#include <benchmark/benchmark.h>

#include "core/integration/header_rules.h"
#include "core/integration/proxy_chain.h"

namespace postern {
namespace {

void BM_Proxy(benchmark::State& state) {
  ThreadedServer server;
  Dispatcher dispatcher;
  NetContext net(&dispatcher);
  NoResolver resolver;
  ClusterConfig config;
  config.name = "c";
  config.endpoints = {{.host = "127.0.0.1", .port = server.port, .unix_path = "", .weight = 1}};
  auto set = ClusterSet::Build({config}, 1, nullptr);
  ClusterManager manager({.net = &net, .resolver = &resolver, .worker = 0});
  manager.Activate(set);
  const HttpProxyIntegration integration(ChainSpec({set.get(), 0}));
  ProxyChain chain(integration, &net, &manager, state.range(0) != 0);
  for (auto _ : state) chain.Run(100);
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(BM_Proxy)->Arg(0)->Arg(1)->MeasureProcessCPUTime()->UseRealTime();

// The backend's target: one placeholder and a query that passes as it is.
void BM_Target(benchmark::State& state) {
  BlockPool pool;
  const TargetTemplate target(ChainSpec({}).target);
  for (auto _ : state) {
    Arena arena(&pool);
    const ChainRequest request(&arena, false);
    benchmark::DoNotOptimize(target.Make(request.context, &arena));
  }
}
BENCHMARK(BM_Target);

// A backend's head on its way to the client.
void BM_RemapResponse(benchmark::State& state) {
  BlockPool pool;
  for (auto _ : state) {
    Arena arena(&pool);
    ResponseHead head(&arena);
    head.headers.Add(HeaderId::kDate, "Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    head.headers.Add(HeaderId::kServer, "Server", "backend");
    head.headers.Add(HeaderId::kContentType, "Content-Type", "application/json");
    head.headers.Add(HeaderId::kOther, "ETag", "\"x\"");
    head.content_length = 256;
    head.has_content_length = true;
    RemapProxyResponse(&head, &arena);
    benchmark::DoNotOptimize(head.headers.begin());
  }
}
BENCHMARK(BM_RemapResponse);

}  // namespace
}  // namespace postern
