#include "core/upstream/cluster.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "core/upstream/test_support.h"

namespace postern {
namespace {

using Peer = FakeUpstream::Peer;
using Request = FakeUpstream::Request;

class ClusterTest : public testing::Test {
 protected:
  static void Ok(Peer* peer, const Request&) { peer->Answer("ok"); }
  static void Die(Peer* peer, const Request&) { peer->Reset(); }

  // One GET to its end.
  UpstreamFailure Get(Cluster* cluster) {
    TestExchange exchange(cluster);
    exchange.Start();
    EXPECT_TRUE(f.Until([&] { return exchange.done(); }));
    return exchange.ok() ? UpstreamFailure::kNone : exchange.failure;
  }

  UpstreamFixture f;
};

TEST_F(ClusterTest, WeightsShareRequests) {
  FakeUpstream a(&f.dispatcher, Ok);
  FakeUpstream b(&f.dispatcher, Ok);
  ClusterConfig config;
  config.endpoints = {a.endpoint(3), b.endpoint(1)};
  Cluster* cluster = f.Single(config);
  for (int i = 0; i < 12; ++i) EXPECT_EQ(Get(cluster), UpstreamFailure::kNone);
  EXPECT_EQ(a.requests, 9);
  EXPECT_EQ(b.requests, 3);
}

// cluster.proto, PassiveEjection.
TEST_F(ClusterTest, FailingEndpointIsLeftOutAndComesBack) {
  FakeUpstream good(&f.dispatcher, Ok);
  FakeUpstream bad(&f.dispatcher, Die);
  ClusterConfig config;
  config.endpoints = {good.endpoint(), bad.endpoint()};
  config.ejection.enabled = true;
  config.ejection.consecutive_failures = 3;
  config.ejection.base_ejection_ms = 120;
  Cluster* cluster = f.Single(config);
  int rounds = 0;
  while (cluster->stats()->ejections.value() == 0 && rounds < 20) {
    Get(cluster);
    ++rounds;
  }
  EXPECT_EQ(bad.requests, 3);
  EXPECT_EQ(cluster->stats()->endpoints_ejected.value(), 1);
  const int before = bad.requests;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Get(cluster), UpstreamFailure::kNone);
  EXPECT_EQ(bad.requests, before);
  bad.script = Ok;
  f.Run(150);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Get(cluster), UpstreamFailure::kNone);
  EXPECT_GT(bad.requests, before);
}

TEST_F(ClusterTest, LastEndpointIsUsedEvenIfEjected) {
  FakeUpstream bad(&f.dispatcher, Die);
  ClusterConfig config;
  config.endpoints = {bad.endpoint()};
  config.ejection.enabled = true;
  config.ejection.consecutive_failures = 2;
  config.retry.max_retries = 0;
  Cluster* cluster = f.Single(config);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Get(cluster), UpstreamFailure::kReset);
  EXPECT_EQ(cluster->stats()->ejections.value(), 1u);
  EXPECT_EQ(bad.requests, 4);
}

TEST_F(ClusterTest, ChecksThatAreSwitchedOffCountNoMore) {
  FakeUpstream bad(&f.dispatcher, [](Peer* peer, const Request& request) {
    peer->Answer("", request.target() == "/health" ? 503 : 200);
  });
  FakeUpstream good(&f.dispatcher, Ok);
  ClusterConfig config;
  config.endpoints = {bad.endpoint(), good.endpoint()};
  config.health_check.enabled = true;
  config.health_check.path = "/health";
  config.health_check.unhealthy_threshold = 1;
  Cluster* cluster = f.Single(config);
  ASSERT_TRUE(f.Until([&] { return cluster->stats()->endpoints_unhealthy.value() == 1; }));
  config.health_check.enabled = false;
  cluster = f.Single(config);
  EXPECT_EQ(cluster->stats()->endpoints_unhealthy.value(), 0);
  bad.requests = 0;
  for (int i = 0; i < 4; ++i) Get(cluster);
  EXPECT_EQ(bad.requests, 2);
}

// cluster.proto, PassiveEjection.count_server_errors.
TEST_F(ClusterTest, ServerErrorsCountWhereAsked) {
  for (bool count : {false, true}) {
    FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request&) { peer->Answer("", 500); });
    FakeUpstream other(&f.dispatcher, Ok);
    ClusterConfig config;
    config.endpoints = {server.endpoint(), other.endpoint()};
    config.ejection.enabled = true;
    config.ejection.consecutive_failures = 2;
    config.ejection.count_server_errors = count;
    Cluster* cluster = f.Single(config);
    for (int i = 0; i < 8; ++i) Get(cluster);
    EXPECT_EQ(server.requests, count ? 2 : 4);
    f.Single(ClusterConfig{});
  }
}

// cluster.proto, HealthCheck.
TEST_F(ClusterTest, ActiveChecksTakeOutAndBringBack) {
  bool healthy = true;
  int checks = 0;
  const auto script = [&](Peer* peer, const Request& request) {
    if (request.target() != "/health") return peer->Answer("ok");
    ++checks;
    EXPECT_NE(request.head.find("127.0.0.1:"), std::string::npos);
    peer->Answer("", healthy ? 204 : 503);
  };
  FakeUpstream flapping(&f.dispatcher, script);
  FakeUpstream steady(&f.dispatcher, Ok);
  ClusterConfig config;
  config.endpoints = {flapping.endpoint(), steady.endpoint()};
  config.health_check.enabled = true;
  config.health_check.path = "/health";
  config.health_check.interval_ms = 20;
  config.health_check.unhealthy_threshold = 2;
  config.health_check.healthy_threshold = 2;
  Cluster* cluster = f.Single(config);
  ASSERT_TRUE(f.Until([&] { return checks >= 2; }));
  EXPECT_EQ(cluster->stats()->endpoints_unhealthy.value(), 0);
  Get(cluster);
  Get(cluster);
  healthy = false;
  ASSERT_TRUE(f.Until([&] { return cluster->stats()->endpoints_unhealthy.value() == 1; }));
  steady.seen.clear();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Get(cluster), UpstreamFailure::kNone);
  EXPECT_EQ(std::count_if(steady.seen.begin(), steady.seen.end(),
                          [](const Request& r) { return r.target() == "/"; }),
            6);
  healthy = true;
  ASSERT_TRUE(f.Until([&] { return cluster->stats()->endpoints_unhealthy.value() == 0; }));
  EXPECT_EQ(cluster->stats()->health_changes.value(), 2u);
  flapping.seen.clear();
  for (int i = 0; i < 6; ++i) Get(cluster);
  EXPECT_EQ(std::count_if(flapping.seen.begin(), flapping.seen.end(),
                          [](const Request& r) { return r.target() == "/"; }),
            3);
}

TEST_F(ClusterTest, ChecksWithoutAPathOnlyConnectAndTimeOut) {
  FakeUpstream server(&f.dispatcher, Ok);
  ClusterConfig config;
  config.endpoints = {server.endpoint()};
  config.health_check.enabled = true;
  config.health_check.interval_ms = 20;
  config.health_check.unhealthy_threshold = 1;
  Cluster* cluster = f.Single(config);
  ASSERT_TRUE(f.Until([&] { return server.accepted >= 2; }));
  EXPECT_EQ(server.requests, 0);
  EXPECT_EQ(cluster->stats()->health_check_failures.value(), 0u);
  server.StopListening();
  ASSERT_TRUE(f.Until([&] { return cluster->stats()->endpoints_unhealthy.value() == 1; }));

  FakeUpstream silent(&f.dispatcher, [](Peer*, const Request&) {});
  config.endpoints = {silent.endpoint()};
  config.health_check.path = "/";
  config.health_check.timeout_ms = 30;
  cluster = f.Single(config);
  ASSERT_TRUE(f.Until([&] { return cluster->stats()->endpoints_unhealthy.value() == 1; }));
  ASSERT_TRUE(f.Until([&] { return silent.open == 0; })) << "no connection stays behind";
}

// Of two workers with the same endpoint, one makes each check.
TEST_F(ClusterTest, WorkersShareChecks) {
  int checks = 0;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request&) {
    ++checks;
    peer->Answer("");
  });
  ClusterConfig config;
  config.name = "c";
  config.endpoints = {server.endpoint()};
  config.health_check.enabled = true;
  config.health_check.path = "/";
  config.health_check.interval_ms = 50;
  auto set = ClusterSet::Build({config}, 2, nullptr);
  ClusterManager first({.net = &f.net, .resolver = &f.resolver, .worker = 0});
  ClusterManager second({.net = &f.net, .resolver = &f.resolver, .worker = 1});
  first.Activate(set);
  second.Activate(set);
  f.Run(520);
  EXPECT_GE(checks, 8);
  EXPECT_LE(checks, 13);
  // One may be under way.
  EXPECT_NEAR(static_cast<double>(set->at(0).shared->Totals().health_checks), checks, 1);
}

// cluster.proto, DnsSettings.
TEST_F(ClusterTest, NamesAreResolvedAndFollowed) {
  FakeUpstream server(&f.dispatcher, Ok);
  f.resolver.Set("svc", {"127.0.0.1"}, 30);
  f.resolver.delay_ms = 20;
  ClusterConfig config;
  config.endpoints = {{.host = "svc", .port = server.port(), .unix_path = "", .weight = 1}};
  config.dns.min_ttl_ms = 10;
  config.dns.negative_ttl_ms = 20;
  Cluster* cluster = f.Single(config);
  EXPECT_TRUE(cluster->resolving());
  TestExchange early(cluster);
  early.Start();
  EXPECT_EQ(cluster->gauges()->pending.value(), 1u) << "waits for the name";
  ASSERT_TRUE(f.Until([&] { return early.done(); }));
  EXPECT_TRUE(early.ok());
  EXPECT_EQ(cluster->gauges()->pending.value(), 0u);

  // The same set in another order changes nothing; another set does.
  f.resolver.Set("svc", {"127.0.0.2", "127.0.0.1"}, 30);
  ASSERT_TRUE(f.Until([&] { return cluster->endpoint_count() == 2; }));
  const Endpoint* kept = cluster->FindEndpoint(*Address::ParseIp("127.0.0.1", server.port()));
  ASSERT_NE(kept, nullptr);
  f.resolver.Set("svc", {"127.0.0.1", "127.0.0.2"}, 30);
  f.Run(120);
  EXPECT_EQ(cluster->FindEndpoint(kept->address()), kept);
  EXPECT_EQ(kept->pool.sessions(), 1u) << "its connection was kept";

  // A failing name keeps its last good answer.
  f.resolver.Fail("svc");
  ASSERT_TRUE(f.Until([&] { return cluster->stats()->dns_failures.value() >= 2; }));
  EXPECT_EQ(cluster->endpoint_count(), 2u);

  f.resolver.Set("svc", {"127.0.0.2"}, 30);
  ASSERT_TRUE(f.Until([&] { return cluster->endpoint_count() == 1; }));
  ASSERT_TRUE(f.Until([&] { return server.open == 0; })) << "idle connections to it close";
}

TEST_F(ClusterTest, EndpointThatGoesServesWhatItHas) {
  std::deque<Peer*> held;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request&) { held.push_back(peer); });
  f.resolver.Set("svc", {"127.0.0.1"}, 20);
  ClusterConfig config;
  config.endpoints = {{.host = "svc", .port = server.port(), .unix_path = "", .weight = 1}};
  config.dns.min_ttl_ms = 10;
  config.circuit.max_connections = 1;
  Cluster* cluster = f.Single(config);
  TestExchange a(cluster), b(cluster);
  a.Start();
  ASSERT_TRUE(f.Until([&] { return held.size() == 1; }));
  b.Start();  // queued behind a
  f.resolver.Set("svc", {"127.0.0.3"}, 20);
  ASSERT_TRUE(f.Until([&] {
    return cluster->endpoint_count() == 1 &&
           cluster->endpoint(0)->address().IpString() == "127.0.0.3";
  }));
  EXPECT_EQ(cluster->Status().endpoints.size(), 2u);
  held.front()->Answer("a");
  ASSERT_TRUE(f.Until([&] { return held.size() == 2; }));
  held.back()->Answer("b");
  ASSERT_TRUE(f.Until([&] { return a.done() && b.done(); }));
  EXPECT_TRUE(a.ok());
  EXPECT_TRUE(b.ok());
  ASSERT_TRUE(f.Until([&] { return cluster->Status().endpoints.size() == 1; })) << "and then goes";
  EXPECT_EQ(server.open, 0);
}

TEST_F(ClusterTest, NameThatDoesNotResolve) {
  ClusterConfig config;
  config.endpoints = {{.host = "nowhere", .port = 80, .unix_path = "", .weight = 1}};
  Cluster* cluster = f.Single(config);
  TestExchange waiting(cluster);
  waiting.Start();
  ASSERT_TRUE(f.Until([&] { return waiting.done(); }));
  EXPECT_EQ(waiting.failure, UpstreamFailure::kNoEndpoint);
  EXPECT_EQ(Get(cluster), UpstreamFailure::kNoEndpoint) << "known already";
  EXPECT_EQ(f.resolver.lookups, 1);
  {
    f.resolver.delay_ms = 1000;
    config.name = "other";
    f.Activate({config});
    TestExchange cancelled(f.Get("other"));
    cancelled.Start();
    f.Run(5);
  }
  EXPECT_EQ(f.Get("other")->gauges()->pending.value(), 0u);
}

TEST_F(ClusterTest, WaitersForNamesAreBounded) {
  f.resolver.delay_ms = 1000;
  ClusterConfig config;
  config.endpoints = {{.host = "slow", .port = 80, .unix_path = "", .weight = 1}};
  config.circuit.max_pending_requests = 1;
  Cluster* cluster = f.Single(config);
  TestExchange a(cluster), b(cluster);
  a.options.timeout_ms = 60;
  a.Start();
  b.Start();
  ASSERT_TRUE(f.Until([&] { return b.done(); }));
  EXPECT_EQ(b.failure, UpstreamFailure::kOverflow);
  ASSERT_TRUE(f.Until([&] { return a.done(); }));
  EXPECT_EQ(a.failure, UpstreamFailure::kTimeout);
}

TEST_F(ClusterTest, AddressNamedTwiceIsOneEndpoint) {
  FakeUpstream server(&f.dispatcher, Ok);
  ClusterConfig config;
  config.endpoints = {server.endpoint(2), server.endpoint(3)};
  Cluster* cluster = f.Single(config);
  ASSERT_EQ(cluster->endpoint_count(), 1u);
  EXPECT_EQ(cluster->endpoint(0)->weight, 5u);
}

TEST_F(ClusterTest, PinnedRequestsGoWhereTheyAreTold) {
  FakeUpstream a(&f.dispatcher, Ok);
  FakeUpstream b(&f.dispatcher, Ok);
  ClusterConfig config;
  config.endpoints = {a.endpoint(), b.endpoint()};
  Cluster* cluster = f.Single(config);
  const Address to = *Address::ParseIp("127.0.0.1", b.port());
  for (int i = 0; i < 4; ++i) {
    TestExchange exchange(cluster);
    exchange.options.pinned = &to;
    exchange.Start();
    ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  }
  EXPECT_EQ(b.requests, 4);
}

// Issue point 2: IPv4, IPv6, Unix sockets; names by the worker's own DNS.
TEST_F(ClusterTest, RealResolverAndIpv6) {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(fd);
    GTEST_SKIP() << "no IPv6 here";
  }
  ASSERT_EQ(::listen(fd, 8), 0);
  socklen_t size = sizeof(address);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  Resolver dns(&f.dispatcher);
  DnsHostResolver resolver(&dns);
  ClusterManager manager({.net = &f.net, .resolver = &resolver, .worker = 0});
  ClusterConfig config;
  config.name = "v6";
  config.endpoints = {
      {.host = "localhost", .port = ntohs(address.sin6_port), .unix_path = "", .weight = 1}};
  config.dns.family = DnsFamily::kIpv6;
  auto set = ClusterSet::Build({config}, 1, nullptr);
  manager.Activate(set);
  {
    TestExchange get(manager.Get({set.get(), 0}));
    get.Start();
    int peer = -1;
    ASSERT_TRUE(f.Until([&] {
      if (peer < 0) peer = ::accept(fd, nullptr, nullptr);
      return peer >= 0 || get.done();
    }));
    ASSERT_FALSE(get.done()) << get.detail;
    const std::string answer = "HTTP/1.1 204 No Content\r\n\r\n";
    EXPECT_EQ(::write(peer, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
    ASSERT_TRUE(f.Until([&] { return get.done(); }));
    EXPECT_EQ(get.status, 204) << get.detail;
    ::close(peer);
  }
  ::close(fd);
}

// Bounds hold over all workers, and a worker without a connection may have one (CircuitConfig).
TEST_F(ClusterTest, ConnectionLimitOverWorkers) {
  std::deque<Peer*> held;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request&) { held.push_back(peer); });
  ClusterConfig config;
  config.name = "c";
  config.endpoints = {server.endpoint()};
  config.circuit.max_connections = 2;
  auto set = ClusterSet::Build({config}, 2, nullptr);
  ClusterManager first({.net = &f.net, .resolver = &f.resolver, .worker = 0});
  ClusterManager second({.net = &f.net, .resolver = &f.resolver, .worker = 1});
  first.Activate(set);
  second.Activate(set);
  {
    Cluster* one = first.Get({set.get(), 0});
    Cluster* two = second.Get({set.get(), 0});
    TestExchange a(one), b(one), c(one), d(two), e(two);
    a.Start();
    b.Start();
    c.Start();
    d.Start();
    e.Start();
    f.Run(50);
    EXPECT_EQ(server.accepted, 3) << "two of the first worker, one of the second";
    EXPECT_EQ(one->gauges()->pending.value(), 2u);
    while (!held.empty()) {
      held.front()->Answer("x");
      held.pop_front();
      f.Run(5);
    }
    EXPECT_TRUE(a.ok() && b.ok() && c.ok() && d.ok() && e.ok());
  }
}

TEST_F(ClusterTest, StatusAndTotals) {
  FakeUpstream server(&f.dispatcher, Ok);
  ClusterConfig config;
  config.endpoints = {server.endpoint(7)};
  Cluster* cluster = f.Single(config);
  EXPECT_EQ(Get(cluster), UpstreamFailure::kNone);
  const std::vector<ClusterStatus> status = f.manager.Status(0, SIZE_MAX);
  ASSERT_EQ(status.size(), 1u);
  EXPECT_EQ(status[0].name, "c");
  ASSERT_EQ(status[0].endpoints.size(), 1u);
  const EndpointStatus& endpoint = status[0].endpoints[0];
  EXPECT_EQ(endpoint.address, "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(endpoint.weight, 7u);
  EXPECT_EQ(endpoint.connections, 1u);
  EXPECT_EQ(endpoint.idle, 1u);
  EXPECT_EQ(endpoint.attempts, 1u);
  EXPECT_TRUE(endpoint.healthy);
  ClusterTotals totals;
  std::thread([&] { totals = f.set->at(0).shared->Totals(); }).join();
  EXPECT_EQ(totals.requests, 1u);
  EXPECT_EQ(totals.connections, 1);
  EXPECT_EQ(totals.endpoints, 1);
}

}  // namespace
}  // namespace postern
