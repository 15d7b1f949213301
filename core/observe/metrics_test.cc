#include "core/observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "core/observe/exposition_check_test.h"

namespace postern {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RequestContext Exchange(uint16_t status, int64_t latency_ms, int64_t integration_ms = -1) {
  RequestContext context;
  context.status = status;
  context.response_latency_ms = latency_ms;
  context.integration_latency_ms = integration_ms;
  context.request_bytes = 10;
  context.response_bytes = 100;
  return context;
}

MetricsRegistry::Options Workers(size_t count) { return {.workers = count, .version = "1.2.3"}; }

CheckedExposition ScrapeText(MetricsRegistry* registry, int64_t now_ms = 0) {
  return CheckExposition(registry->Scrape(ExpositionFormat::kText, now_ms),
                         ExpositionFormat::kText);
}

// rest-api.md §13.8: Count, 4XXError, 5XXError, Latency, IntegrationLatency by ApiName+Stage.
TEST(MetricsTest, StageSeriesAreTheMetricsOfApiGateway) {
  MetricsRegistry registry(Workers(2));
  auto route = registry.Route("api1", "prod", "/pets/{id}", "GET", false);
  route->cells(0)->Record(Exchange(200, 7, 5));
  route->cells(0)->Record(Exchange(404, 1));
  route->cells(1)->Record(Exchange(503, 40, 29000));
  route->cells(1)->Record(Exchange(0, -1));  // cut off: counted, but it has no latency

  const CheckedExposition seen = ScrapeText(&registry);
  const std::string labels = "{api_id=\"api1\",stage=\"prod\"}";
  EXPECT_EQ(seen.Value("postern_api_requests_total" + labels), 4);
  EXPECT_EQ(seen.Value("postern_api_4xx_errors_total" + labels), 1);
  EXPECT_EQ(seen.Value("postern_api_5xx_errors_total" + labels), 1);
  EXPECT_EQ(seen.Value("postern_api_request_bytes_total" + labels), 40);
  EXPECT_EQ(seen.Value("postern_api_response_bytes_total" + labels), 400);
  EXPECT_EQ(seen.Value("postern_api_latency_seconds_count" + labels), 3);
  EXPECT_EQ(seen.Value("postern_api_latency_seconds_sum" + labels), 0.048);
  const std::string start = "postern_api_latency_seconds_bucket{api_id=\"api1\",stage=\"prod\",le=";
  EXPECT_EQ(seen.Value(start + "\"0.001\"}"), 1);
  EXPECT_EQ(seen.Value(start + "\"0.005\"}"), 1);
  EXPECT_EQ(seen.Value(start + "\"0.01\"}"), 2);
  EXPECT_EQ(seen.Value(start + "\"29\"}"), 3);
  EXPECT_EQ(seen.Value("postern_api_integration_latency_seconds_count" + labels), 2);
  EXPECT_EQ(seen.Value("postern_api_integration_latency_seconds_bucket{api_id=\"api1\",stage="
                       "\"prod\",le=\"29\"}"),
            2);  // a bound belongs to its bucket
}

// rest-api.md §13.8: without what is not ASCII; the id where nothing is left.
TEST(MetricsTest, NamesOfApis) {
  MetricsRegistry registry(Workers(1));
  auto first = registry.Stage("api1", "prod", "Caf\xC3\xA9 orders");
  auto second = registry.Stage("api2", "prod", "\xC3\xA9");
  const CheckedExposition seen = ScrapeText(&registry);
  EXPECT_EQ(
      seen.Value("postern_api_info{api_id=\"api1\",stage=\"prod\",api_name=\"Caf orders\"}"), 1);
  EXPECT_EQ(seen.Value("postern_api_info{api_id=\"api2\",stage=\"prod\",api_name=\"api2\"}"), 1);
}

TEST(MetricsTest, RoutesCountByStatusClass) {
  MetricsRegistry registry(Workers(1));
  auto route = registry.Route("api1", "prod", "/pets/{id}", "ANY", false);
  for (uint16_t status : {200, 204, 301, 418, 500, 599, 999}) {
    route->cells(0)->Record(Exchange(status, 1));
  }
  const CheckedExposition seen = ScrapeText(&registry);
  const auto value = [&](const std::string& status_class) {
    return seen.Value(
        "postern_route_responses_total{api_id=\"api1\",stage=\"prod\",resource="
        "\"/pets/{id}\",method=\"ANY\",status_class=\"" +
        status_class + "\"}");
  };
  EXPECT_EQ(value("2xx"), 2);
  EXPECT_EQ(value("3xx"), 1);
  EXPECT_EQ(value("4xx"), 1);
  EXPECT_EQ(value("5xx"), 3);  // 999 too: RFC 9110 §15
  EXPECT_FALSE(
      seen.Has("postern_route_latency_seconds_count{api_id=\"api1\",stage=\"prod\","
               "resource=\"/pets/{id}\",method=\"ANY\"}"));
}

// rest-api.md §13.2, metricsEnabled.
TEST(MetricsTest, DetailedMetricsAddTimesOfTheRoute) {
  MetricsRegistry registry(Workers(1));
  auto before = registry.Route("a", "s", "/", "GET", false);
  before->cells(0)->Record(Exchange(200, 3, 2));
  auto route = registry.Route("a", "s", "/", "GET", true);  // the next snapshot turns them on
  EXPECT_EQ(route, before);
  route->cells(0)->Record(Exchange(200, 3, 2));
  const CheckedExposition seen = ScrapeText(&registry);
  const std::string labels = "{api_id=\"a\",stage=\"s\",resource=\"/\",method=\"GET\"}";
  EXPECT_EQ(seen.Value("postern_route_latency_seconds_count" + labels), 1);
  EXPECT_EQ(seen.Value("postern_route_integration_latency_seconds_sum" + labels), 0.002);
  EXPECT_EQ(seen.Value("postern_api_latency_seconds_count{api_id=\"a\",stage=\"s\"}"), 2);
}

TEST(MetricsTest, RoutesThatWereNeverCalledHaveNoSeries) {
  MetricsRegistry registry(Workers(1));
  auto route = registry.Route("a", "s", "/quiet", "GET", true);
  EXPECT_THAT(registry.Scrape(ExpositionFormat::kText, 0), Not(HasSubstr("/quiet")));
}

TEST(MetricsTest, CellsSurviveASnapshotSwap) {
  MetricsRegistry registry(Workers(1));
  auto old_route = registry.Route("a", "s", "/", "GET", false);
  old_route->cells(0)->Record(Exchange(200, 1));
  auto new_route = registry.Route("a", "s", "/", "GET", false);
  EXPECT_EQ(old_route, new_route);
  old_route.reset();
  new_route->cells(0)->Record(Exchange(200, 1));
  EXPECT_EQ(ScrapeText(&registry).Value("postern_api_requests_total{api_id=\"a\",stage=\"s\"}"), 2);
}

TEST(MetricsTest, CellsOfRoutesThatAreGoneRetireAfterAWhile) {
  MetricsRegistry registry({.workers = 1, .retire_after_ms = 1000});
  auto route = registry.Route("a", "s", "/", "GET", false);
  route->cells(0)->Record(Exchange(200, 1));
  const std::string series = "postern_api_requests_total{api_id=\"a\",stage=\"s\"}";

  EXPECT_TRUE(ScrapeText(&registry, 0).Has(series));
  route.reset();
  EXPECT_TRUE(ScrapeText(&registry, 500).Has(series));
  EXPECT_TRUE(ScrapeText(&registry, 1400).Has(series));
  // Back before its time is up: it goes on where it was, and a new time begins.
  route = registry.Route("a", "s", "/", "GET", false);
  route->cells(0)->Record(Exchange(200, 1));
  EXPECT_EQ(ScrapeText(&registry, 9000).Value(series), 2);
  route.reset();
  EXPECT_TRUE(ScrapeText(&registry, 10000).Has(series));
  EXPECT_TRUE(ScrapeText(&registry, 10999).Has(series));
  // The route goes first; the stage, which it held, from then on has its own time.
  EXPECT_TRUE(ScrapeText(&registry, 11000).Has(series));
  EXPECT_EQ(registry.label_sets(), 1u);
  EXPECT_FALSE(ScrapeText(&registry, 12000).Has(series));
  EXPECT_EQ(registry.label_sets(), 0u);
}

TEST(MetricsTest, TooManyLabelSetsShareOne) {
  MetricsRegistry registry({.workers = 1, .max_label_sets = 3});
  auto first = registry.Route("a", "s", "/1", "GET", false);  // takes two: stage and route
  auto second = registry.Route("a", "s", "/2", "GET", false);
  auto third = registry.Route("a", "s", "/3", "GET", false);
  auto fourth = registry.Route("b", "s", "/4", "GET", true);
  EXPECT_EQ(third, fourth);
  EXPECT_NE(third, second);
  third->cells(0)->Record(Exchange(200, 1));
  CheckedExposition seen = ScrapeText(&registry);
  EXPECT_EQ(seen.Value("postern_api_requests_total{api_id=\"_overflow\",stage=\"_overflow\"}"), 1);
  EXPECT_EQ(seen.Value("postern_metrics_label_sets_refused_total"), 2);
  EXPECT_EQ(seen.Value("postern_metrics_label_sets"), 3);
  // One that nobody holds makes room at once.
  second.reset();
  auto fifth = registry.Route("a", "s", "/5", "GET", false);
  EXPECT_NE(fifth, third);
}

TEST(MetricsTest, LabelsThatDifferOnlyInWhatIsCutOffShareCells) {
  MetricsRegistry registry(Workers(1));
  const std::string longest(255, 'a');
  auto one = registry.Route("a", "s", longest + "1", "GET", false);
  auto two = registry.Route("a", "s", longest + "2", "GET", false);
  EXPECT_EQ(one, two);
  one->cells(0)->Record(Exchange(200, 1));
  two->cells(0)->Record(Exchange(200, 1));
  EXPECT_EQ(ScrapeText(&registry).Value("postern_metrics_series_left_out"), 0);
}

TEST(MetricsTest, WorkersAreSummed) {
  MetricsRegistry registry(Workers(3));
  for (size_t i = 0; i < 3; ++i) {
    registry.worker(i)->connections_accepted.Add(i + 1);
    registry.worker(i)->connections_open.Add(2);
    registry.worker(i)->rejected.Add("bare_lf");
  }
  registry.worker(0)->connections_open.Add(-5);
  registry.worker(0)->tls_handshakes_resumed.Add();
  registry.worker(1)->bytes_sent.Publish(12345);
  registry.worker(2)->rejected.Add("nul", 7);
  EXPECT_EQ(registry.OpenConnections(), 1);
  const CheckedExposition seen = ScrapeText(&registry);
  EXPECT_EQ(seen.Value("postern_connections_accepted_total"), 6);
  EXPECT_EQ(seen.Value("postern_connections_open"), 1);
  EXPECT_EQ(seen.Value("postern_tls_handshakes_total{kind=\"resumed\"}"), 1);
  EXPECT_EQ(seen.Value("postern_tls_handshakes_total{kind=\"full\"}"), 0);
  EXPECT_EQ(seen.Value("postern_sent_bytes_total"), 12345);
  EXPECT_EQ(seen.Value("postern_requests_rejected_total{detail=\"bare_lf\"}"), 3);
  EXPECT_EQ(seen.Value("postern_requests_rejected_total{detail=\"nul\"}"), 7);
  EXPECT_EQ(seen.Value("postern_workers"), 3);
  EXPECT_EQ(seen.ValueOfLine("postern_build_info{version=\"1.2.3\",compiler="), 1);
}

TEST(MetricsTest, TokensAreBounded) {
  TokenCounters tokens;
  for (int i = 0; i < 1000; ++i) tokens.Add("token" + std::to_string(i));
  tokens.Add("token3");
  std::map<std::string, uint64_t, std::less<>> totals;
  tokens.AddTo(&totals);
  EXPECT_EQ(totals.size(), TokenCounters::kMaxTokens + 1);
  EXPECT_EQ(totals["token3"], 2u);
  EXPECT_EQ(totals["other"], 1000 - TokenCounters::kMaxTokens);

  TokenCounters long_ones;
  long_ones.Add(std::string(100, 'x'));
  long_ones.Add(std::string(90, 'x'));
  long_ones.Add("");
  totals.clear();
  long_ones.AddTo(&totals);
  EXPECT_EQ(totals[std::string(TokenCounters::kMaxTokenSize, 'x')], 2u);
  EXPECT_EQ(totals[""], 1u);
}

class FakeSource final : public MetricsSource {
 public:
  void Collect(MetricsSink* sink) override {
    ++asked;
    sink->Gauge({"fake_expiry_seconds", "When.", "seconds"}, {{"cert", "a"}}, 5);
    sink->Gauge({"fake_expiry_seconds", "When.", "seconds"}, {{"cert", "a"}}, 6);   // again
    sink->Counter({"fake_expiry_seconds", "When."}, {{"cert", "b"}}, uint64_t{1});  // another kind
  }
  int asked = 0;
};

TEST(MetricsTest, SourcesAreAskedWhileRegistered) {
  MetricsRegistry registry(Workers(1));
  FakeSource source;
  MetricsRegistry::Registration registration = registry.Register(&source);
  CheckedExposition seen = ScrapeText(&registry);
  EXPECT_EQ(seen.Value("fake_expiry_seconds{cert=\"a\"}"), 5);
  // A second sample of a series, or a second kind of a family, would spoil the whole scrape.
  EXPECT_EQ(seen.Value("postern_metrics_series_left_out"), 2);
  MetricsRegistry::Registration moved = std::move(registration);
  ScrapeText(&registry);
  EXPECT_EQ(source.asked, 2);
  moved.Reset();
  EXPECT_FALSE(ScrapeText(&registry).Has("fake_expiry_seconds{cert=\"a\"}"));
  EXPECT_EQ(source.asked, 2);
}

TEST(MetricsTest, CellsStandOnCacheLinesOfTheirOwn) {
  static_assert(alignof(WorkerMetrics) == 64 && alignof(StageCells) == 64);
  static_assert(sizeof(RouteCells) == 64);
  MetricsRegistry registry(Workers(2));
  auto route = registry.Route("a", "s", "/", "GET", false);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(route->cells(0)) % 64, 0u);
  EXPECT_GE(reinterpret_cast<char*>(route->cells(1)) - reinterpret_cast<char*>(route->cells(0)),
            64);
}

// What ThreadSanitizer is to look at: workers count while another thread scrapes and a third swaps
// snapshots.
TEST(MetricsTest, WorkersCountWhileOthersScrapeAndSwap) {
  constexpr size_t kWorkers = 2;
  constexpr int kRounds = 20000;
  MetricsRegistry registry({.workers = kWorkers, .retire_after_ms = 1});
  auto held = registry.Route("a", "s", "/", "GET", false);
  std::vector<std::thread> workers;
  for (size_t w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&registry, held, w] {
      for (int i = 0; i < kRounds; ++i) {
        held->cells(w)->Record(Exchange(200, 3, 2));
        registry.worker(w)->connections_accepted.Add();
        if (i % 100 == 0) registry.worker(w)->rejected.Add("token" + std::to_string(i / 100));
      }
    });
  }
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    for (int i = 0; !stop; ++i) {
      auto other = registry.Route("a", "s", "/" + std::to_string(i % 10), "GET", i % 3 == 0);
      auto same = registry.Route("a", "s", "/", "GET", i > 5);
    }
  });
  for (int i = 0; i < 20; ++i) ScrapeText(&registry, i);
  for (std::thread& worker : workers) worker.join();
  stop = true;
  swapper.join();
  const CheckedExposition seen = ScrapeText(&registry, 100);
  EXPECT_EQ(seen.Value("postern_api_requests_total{api_id=\"a\",stage=\"s\"}"), kWorkers * kRounds);
  EXPECT_EQ(seen.Value("postern_connections_accepted_total"), kWorkers * kRounds);
}

}  // namespace
}  // namespace postern
