#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/arena.h"
#include "core/observe/access_log_format.h"
#include "core/observe/metrics.h"

namespace postern {
namespace {

RequestContext SomeContext(const RequestHead* request) {
  RequestContext context;
  context.request = request;
  context.request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
  context.source_ip = "192.0.2.1";
  context.user_agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)";
  context.request_time_ms = 1466698617000;
  context.resource_path = "/pets/{id}";
  context.status = 200;
  context.response_bytes = 42;
  context.response_latency_ms = 7;
  context.integration_latency_ms = 5;
  return context;
}

// What an exchange costs in metrics.
void BM_Record(benchmark::State& state) {
  MetricsRegistry registry({.workers = 1});
  auto route = registry.Route("api", "prod", "/pets/{id}", "GET", state.range(0) != 0);
  const RequestContext context = SomeContext(nullptr);
  RouteCells* cells = route->cells(0);
  for (auto _ : state) cells->Record(context);
}
BENCHMARK(BM_Record)->ArgName("detailed")->Arg(0)->Arg(1);

// What an exchange costs in its access-log line: the JSON sample of API Gateway.
void BM_AccessLogLine(benchmark::State& state) {
  const AccessLogFormat format = *AccessLogFormat::Compile(
      R"({ "requestId":"$context.requestId", "ip": "$context.identity.sourceIp", )"
      R"("caller":"$context.identity.caller", "user":"$context.identity.user",)"
      R"("requestTime":"$context.requestTime", "httpMethod":"$context.httpMethod",)"
      R"("resourcePath":"$context.resourcePath", "status":"$context.status",)"
      R"("protocol":"$context.protocol", "responseLength":"$context.responseLength" })");
  BlockPool pool;
  Arena arena(&pool);
  RequestHead request(&arena);
  request.method_text = "GET";
  const RequestContext context = SomeContext(&request);
  auto buffer = std::make_unique<char[]>(AccessLogFormat::kMaxLine);
  size_t size = 0;
  for (auto _ : state) {
    size = format.Write(context, buffer.get(), AccessLogFormat::kMaxLine);
    benchmark::DoNotOptimize(buffer.get());
  }
  state.counters["bytes"] = static_cast<double>(size);
}
BENCHMARK(BM_AccessLogLine);

// A scrape of many routes, all of them called.
void BM_Scrape(benchmark::State& state) {
  MetricsRegistry registry({.workers = 2});
  std::vector<std::shared_ptr<RouteMetrics>> routes;
  for (int64_t i = 0; i < state.range(0); ++i) {
    routes.push_back(registry.Route("api", "prod", "/r/" + std::to_string(i), "GET", false));
    routes.back()->cells(0)->Record(SomeContext(nullptr));
  }
  size_t size = 0;
  for (auto _ : state) size = registry.Scrape(ExpositionFormat::kText, 0).size();
  state.counters["bytes"] = static_cast<double>(size);
}
BENCHMARK(BM_Scrape)->Arg(10)->Arg(10000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace postern
