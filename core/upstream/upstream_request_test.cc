#include "core/upstream/upstream_request.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>

#include "core/upstream/test_support.h"

namespace postern {
namespace {

using Peer = FakeUpstream::Peer;
using Request = FakeUpstream::Request;

class UpstreamRequestTest : public testing::Test {
 protected:
  // Answers every request with its own target.
  static void Echo(Peer* peer, const Request& request) { peer->Answer(request.target()); }

  ClusterConfig Config(const FakeUpstream& server) {
    ClusterConfig config;
    config.endpoints = {server.endpoint()};
    return config;
  }

  UpstreamFixture f;
};

TEST_F(UpstreamRequestTest, PassesTheAnswerOn) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request&) {
    peer->Answer("hello", 203, "X-A: 1\r\nX-B: 2\r\n");
  });
  Cluster* cluster = f.Single(Config(server));
  TestExchange exchange(cluster);
  exchange.Get("/a?b=c").Start();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_TRUE(exchange.ok());
  EXPECT_EQ(exchange.status, 203);
  EXPECT_EQ(exchange.fields, "X-A=1;X-B=2;");
  EXPECT_EQ(exchange.body, "hello");
  ASSERT_EQ(server.seen.size(), 1u);
  EXPECT_EQ(server.seen[0].target(), "/a?b=c");
  EXPECT_NE(server.seen[0].head.find("upstream.example"), std::string::npos);
  EXPECT_EQ(cluster->stats()->requests.value(), 1u);
  EXPECT_EQ(cluster->stats()->answered.value(), 1u);
  EXPECT_EQ(cluster->stats()->status_class[2].value(), 1u);
  EXPECT_EQ(cluster->stats()->active.value(), 0);
  EXPECT_EQ(cluster->gauges()->requests.value(), 0u);
}

TEST_F(UpstreamRequestTest, KeepsConnectionsAndUsesTheLastOneFirst) {
  std::deque<Peer*> waiting;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request& request) {
    if (request.target() == "/wait") {
      waiting.push_back(peer);
    } else {
      peer->Answer("x");
    }
  });
  Cluster* cluster = f.Single(Config(server));
  TestExchange a(cluster), b(cluster);
  a.Get("/wait").Start();
  b.Get("/wait").Start();
  ASSERT_TRUE(f.Until([&] { return waiting.size() == 2; }));
  EXPECT_EQ(server.accepted, 2);
  waiting[0]->Answer("0");
  ASSERT_TRUE(f.Until([&] { return a.done() || b.done(); }));
  waiting[1]->Answer("1");
  ASSERT_TRUE(f.Until([&] { return a.done() && b.done(); }));
  EXPECT_EQ(cluster->stats()->idle.value(), 2);
  for (int i = 0; i < 5; ++i) {
    TestExchange next(cluster);
    next.Start();
    ASSERT_TRUE(f.Until([&] { return next.done(); }));
    EXPECT_TRUE(next.ok());
    EXPECT_EQ(server.seen.back().connection, server.seen[1].connection) << "last in, first out";
  }
  EXPECT_EQ(server.accepted, 2);
}

TEST_F(UpstreamRequestTest, WritesAtOnceOnAnIdleConnection) {
  FakeUpstream server(&f.dispatcher, Echo);
  Cluster* cluster = f.Single(Config(server));
  {
    TestExchange first(cluster);
    first.Start();
    ASSERT_TRUE(f.Until([&] { return first.done(); }));
  }
  TestExchange second(cluster);
  const uint64_t before = f.net.bytes_written;
  second.Start();
  EXPECT_EQ(cluster->stats()->idle.value(), 0);
  EXPECT_EQ(f.net.bytes_written, before) << "gathered until the end of the iteration";
  uv_run(f.dispatcher.loop(), UV_RUN_NOWAIT);
  EXPECT_GT(f.net.bytes_written, before);
  ASSERT_TRUE(f.Until([&] { return second.done(); }));
  EXPECT_TRUE(second.ok());
}

TEST_F(UpstreamRequestTest, ContentGoesUpAndCreditComesBack) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request& r) { peer->Answer(r.body); });
  Cluster* cluster = f.Single(Config(server));
  TestExchange exchange(cluster);
  exchange.Method("POST").StartBody(11);
  exchange.SendBody("hello ");
  EXPECT_EQ(exchange.credited, 0u) << "nothing is sent before there is a connection";
  ASSERT_TRUE(f.Until([&] { return exchange.credited == 6; }));
  exchange.SendBody("world");
  EXPECT_EQ(exchange.credited, 6u) << "never from inside SendBody()";
  exchange.SendEnd();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_TRUE(exchange.ok());
  EXPECT_EQ(exchange.body, "hello world");
  EXPECT_EQ(exchange.credited, 11u);
}

TEST_F(UpstreamRequestTest, ChunkedContentAndTrailers) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request& r) { peer->Answer(r.body); });
  Cluster* cluster = f.Single(Config(server));
  TestExchange exchange(cluster);
  exchange.Method("PUT").StartBody();
  exchange.SendBody("abc");
  exchange.SendBody("def");
  exchange.SendEnd();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_TRUE(exchange.ok());
  EXPECT_EQ(exchange.body, "abcdef");
}

TEST_F(UpstreamRequestTest, WholeContentWithoutCopies) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request& r) {
    peer->Answer(std::to_string(r.body.size()));
  });
  Cluster* cluster = f.Single(Config(server));
  const std::string content(5 << 20, 'x');
  TestExchange exchange(cluster);
  exchange.Method("POST").StartContent(content);
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_TRUE(exchange.ok());
  EXPECT_EQ(exchange.body, std::to_string(content.size()));
  EXPECT_LT(f.net.blocks.idle(), 300u) << "what waits for the socket is bounded";
  TestExchange empty(cluster);
  empty.Method("POST").StartContent("");
  ASSERT_TRUE(f.Until([&] { return empty.done(); }));
  EXPECT_EQ(empty.body, "0");
}

TEST_F(UpstreamRequestTest, DeafUpstreamWithholdsCredit) {
  FakeUpstream server(&f.dispatcher, [](Peer*, const Request&) {});
  server.on_accept = [](Peer* peer) { peer->connection->SetReading(false); };
  Cluster* cluster = f.Single(Config(server));
  TestExchange exchange(cluster);
  exchange.Method("POST").StartBody();
  const std::string piece(16384, 'x');
  size_t sent = 0;
  exchange.on_consumed = [&] {
    if (sent - exchange.credited > 65536) return;
    exchange.request.SendBody(piece);
    sent += piece.size();
  };
  exchange.SendBody(piece);
  sent = piece.size();
  f.Run(300);
  EXPECT_FALSE(exchange.done());
  const size_t stuck = sent;
  f.Run(100);
  EXPECT_EQ(sent, stuck) << "no credit while the upstream takes nothing";
  EXPECT_LE(sent - exchange.credited, 65536u + piece.size());
  server.peers[0]->connection->SetReading(true);
  ASSERT_TRUE(f.Until([&] { return sent > stuck + (1 << 20); })) << "OnWritable gives credit again";
  EXPECT_FALSE(exchange.reentered);
}

TEST_F(UpstreamRequestTest, SlowReaderStopsTheUpstream) {
  const std::string big(8 << 20, 'b');
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request&) { peer->Answer(big); });
  Cluster* cluster = f.Single(Config(server));
  TestExchange exchange(cluster);
  exchange.consume = false;
  exchange.Start();
  f.Run(300);
  EXPECT_LT(exchange.body.size(), 256u << 10) << "reading stops at the window";
  const size_t held = exchange.body.size();
  exchange.consume = true;
  exchange.request.Consume(held);
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_EQ(exchange.body.size(), big.size());
  EXPECT_TRUE(exchange.ok());
}

TEST_F(UpstreamRequestTest, RefusedConnection) {
  uint16_t port;
  { port = FakeUpstream(&f.dispatcher, Echo).port(); }
  ClusterConfig config;
  config.endpoints = {{.host = "127.0.0.1", .port = port, .unix_path = "", .weight = 1}};
  Cluster* cluster = f.Single(config);
  TestExchange exchange(cluster);
  exchange.Start();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_EQ(exchange.failure, UpstreamFailure::kConnectFailed);
  EXPECT_EQ(exchange.failures, 1);
  EXPECT_EQ(cluster->stats()->connects.value(), 2u) << "tried twice";
  EXPECT_EQ(cluster->stats()->connect_failures.value(), 2u);
  EXPECT_EQ(cluster->stats()->retries.value(), 1u);
  EXPECT_EQ(cluster->gauges()->connections.value(), 0u);
  EXPECT_EQ(cluster->gauges()->retries.value(), 0u);
}

TEST_F(UpstreamRequestTest, ConnectFailureIsRepeatedElsewhereWhateverTheMethod) {
  uint16_t port;
  { port = FakeUpstream(&f.dispatcher, Echo).port(); }
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request& r) { peer->Answer(r.body); });
  ClusterConfig config = Config(server);
  config.endpoints.push_back({.host = "127.0.0.1", .port = port, .unix_path = "", .weight = 1});
  Cluster* cluster = f.Single(config);
  for (int i = 0; i < 6; ++i) {
    TestExchange exchange(cluster);
    exchange.Method("POST").StartBody(4);
    exchange.SendBody("body").SendEnd();
    ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
    EXPECT_TRUE(exchange.ok());
    EXPECT_EQ(exchange.body, "body");
  }
  EXPECT_GE(cluster->stats()->connect_failures.value(), 3u);
  EXPECT_EQ(server.requests, 6);
}

// Issue "Under stress": an upstream that never answers is a timeout within 10 ms of the limit.
TEST_F(UpstreamRequestTest, TimeoutOfTheWhole) {
  FakeUpstream server(&f.dispatcher, [](Peer*, const Request&) {});
  Cluster* cluster = f.Single(Config(server));
  TestExchange exchange(cluster);
  exchange.options.timeout_ms = 80;
  const uint64_t start = f.Now();
  exchange.Start();
  uint64_t end = 0;
  exchange.on_failure = [&] { end = f.dispatcher.NowMs(); };
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_EQ(exchange.failure, UpstreamFailure::kTimeout);
  EXPECT_GE(end - start, 80u);
  EXPECT_LE(end - start, 90u);
  ASSERT_TRUE(f.Until([&] { return server.open == 0; })) << "the connection is of no use any more";
}

// cluster.proto, RetryPolicy.per_try_timeout_ms.
TEST_F(UpstreamRequestTest, TimeoutOfOneAttemptIsRepeated) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request& request) {
    if (request.connection > 1) peer->Answer("late");
  });
  ClusterConfig config = Config(server);
  config.retry.per_try_timeout_ms = 40;
  Cluster* cluster = f.Single(config);
  TestExchange exchange(cluster);
  exchange.Start();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_TRUE(exchange.ok());
  EXPECT_EQ(exchange.request.attempts(), 2);
  TestExchange post(cluster);
  server.script = [](Peer*, const Request&) {};
  post.Method("POST").Start();
  ASSERT_TRUE(f.Until([&] { return post.done(); }));
  EXPECT_EQ(post.failure, UpstreamFailure::kTimeout) << "may have been processed";
  EXPECT_EQ(post.request.attempts(), 1);
}

// cluster.proto, Cluster.response_timeout_ms: from the last byte of the request.
TEST_F(UpstreamRequestTest, TimeoutOfTheResponseCountsFromTheEndOfTheRequest) {
  FakeUpstream server(&f.dispatcher, [](Peer*, const Request&) {});
  ClusterConfig config = Config(server);
  config.response_timeout_ms = 50;
  config.retry.max_retries = 0;
  Cluster* cluster = f.Single(config);
  TestExchange exchange(cluster);
  exchange.Method("POST").StartBody(2);
  f.Run(100);
  EXPECT_FALSE(exchange.done());
  exchange.SendBody("ab");
  const uint64_t start = f.Now();
  exchange.SendEnd();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_EQ(exchange.failure, UpstreamFailure::kTimeout);
  EXPECT_GE(f.Now() - start, 50u);
}

TEST_F(UpstreamRequestTest, SilenceInsideTheResponseBreaksItOff) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request&) {
    peer->Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  });
  ClusterConfig config = Config(server);
  config.response_idle_timeout_ms = 60;  // cluster.proto, Cluster.response_idle_timeout_ms
  Cluster* cluster = f.Single(config);
  TestExchange exchange(cluster);
  exchange.Start();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_TRUE(exchange.aborted);
  EXPECT_EQ(exchange.abort_reason, ResetReason::kTimeout);
  EXPECT_EQ(exchange.body, "abc");
  // A receiver that holds back is not the upstream's fault.
  TestExchange slow(cluster);
  slow.consume = false;
  slow.Start();
  f.Run(200);
  EXPECT_EQ(slow.heads, 1);
  EXPECT_FALSE(slow.done());
  slow.request.Consume(3);
  ASSERT_TRUE(f.Until([&] { return slow.done(); }));
  EXPECT_TRUE(slow.aborted);
  // A request may have a bound of its own, or none.
  TestExchange unbounded(cluster);
  unbounded.options.idle_timeout_ms = 0;
  unbounded.Start();
  f.Run(150);
  EXPECT_EQ(unbounded.body, "abc");
  EXPECT_FALSE(unbounded.done());
}

// Issue point 2: a malformed answer becomes 502, never one that looks complete.
TEST_F(UpstreamRequestTest, MalformedAnswers) {
  const char* const kAnswers[] = {
      "HTTP/1.1 2x0 OK\r\n\r\n",
      "garbage\r\n\r\n",
      "HTTP/1.1 200 O",  // and then the end
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
  };
  for (const char* answer : kAnswers) {
    FakeUpstream server(&f.dispatcher,
                        [&](Peer* peer, const Request&) { peer->SendAndClose(answer); });
    Cluster* cluster = f.Single(Config(server));
    TestExchange exchange(cluster);
    exchange.Start();
    ASSERT_TRUE(f.Until([&] { return exchange.done(); })) << answer;
    EXPECT_EQ(exchange.failure, UpstreamFailure::kMalformed) << answer;
    EXPECT_EQ(exchange.heads, 0);
    EXPECT_EQ(server.requests, 1) << "not repeated";
  }
}

TEST_F(UpstreamRequestTest, HeadLongerThanItsLimitIsMalformed) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request&) {
    peer->Send("HTTP/1.1 200 OK\r\nX: " + std::string(3000, 'a') + "\r\n\r\n");
  });
  ClusterConfig config = Config(server);
  config.max_response_header_bytes = 2048;
  Cluster* cluster = f.Single(config);
  TestExchange exchange(cluster);
  exchange.Start();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_EQ(exchange.failure, UpstreamFailure::kMalformed);
}

TEST_F(UpstreamRequestTest, TruncatedAnswersAreBrokenOff) {
  const char* const kAnswers[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
  };
  for (const char* answer : kAnswers) {
    FakeUpstream server(&f.dispatcher,
                        [&](Peer* peer, const Request&) { peer->SendAndClose(answer); });
    Cluster* cluster = f.Single(Config(server));
    TestExchange exchange(cluster);
    exchange.Start();
    ASSERT_TRUE(f.Until([&] { return exchange.done(); })) << answer;
    EXPECT_EQ(exchange.heads, 1);
    EXPECT_TRUE(exchange.aborted) << answer;
    EXPECT_FALSE(exchange.ended);
    EXPECT_EQ(server.requests, 1) << "never repeated behind a head";
  }
  // Until close is how this one ends.
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request&) {
    peer->SendAndClose("HTTP/1.1 200 OK\r\n\r\nabc");
  });
  Cluster* cluster = f.Single(Config(server));
  TestExchange exchange(cluster);
  exchange.Start();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_TRUE(exchange.ok());
}

TEST_F(UpstreamRequestTest, LostBeforeTheHead) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request&) { peer->Close(); });
  Cluster* cluster = f.Single(Config(server));
  TestExchange get(cluster);
  get.Start();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  EXPECT_EQ(get.failure, UpstreamFailure::kReset);
  EXPECT_EQ(server.requests, 2) << "GET is idempotent (RFC 9110 §9.2.2)";
  server.requests = 0;
  TestExchange post(cluster);
  post.Method("POST").Start();
  ASSERT_TRUE(f.Until([&] { return post.done(); }));
  EXPECT_EQ(post.failure, UpstreamFailure::kReset);
  EXPECT_EQ(server.requests, 1) << "POST is not";
  server.requests = 0;
  TestExchange once(cluster);
  once.options.retry = false;
  once.Start();
  ASSERT_TRUE(f.Until([&] { return once.done(); }));
  EXPECT_EQ(server.requests, 1);
}

TEST_F(UpstreamRequestTest, KeptContentIsSentAgain) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request& request) {
    if (request.connection == 1) {
      peer->Close();
    } else {
      peer->Answer(request.body);
    }
  });
  Cluster* cluster = f.Single(Config(server));
  TestExchange put(cluster);
  put.Method("PUT").StartBody(10);
  put.SendBody("01234");
  ASSERT_TRUE(f.Until([&] { return put.credited == 5; }));
  put.SendBody("56789").SendEnd();
  ASSERT_TRUE(f.Until([&] { return put.done(); }));
  EXPECT_TRUE(put.ok());
  EXPECT_EQ(put.body, "0123456789");
  EXPECT_EQ(server.requests, 2);
  EXPECT_EQ(put.credited, 10u) << "credited once";
}

// cluster.proto, RetryPolicy.max_replay_bytes.
TEST_F(UpstreamRequestTest, ContentTooLongToKeepIsSentOnce) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request&) { peer->Close(); });
  ClusterConfig config = Config(server);
  config.retry.max_replay_bytes = 9;
  Cluster* cluster = f.Single(config);
  TestExchange put(cluster);
  put.Method("PUT").StartBody(10);
  put.SendBody("0123456789").SendEnd();
  ASSERT_TRUE(f.Until([&] { return put.done(); }));
  EXPECT_EQ(put.failure, UpstreamFailure::kReset);
  EXPECT_EQ(server.requests, 1);
  // What is held whole by its source can be repeated whatever its size.
  TestExchange whole(cluster);
  whole.Method("PUT").StartContent("0123456789");
  ASSERT_TRUE(f.Until([&] { return whole.done(); }));
  EXPECT_EQ(server.requests, 3);
}

// Issue "Under stress": an upstream that drops pooled connections fails 0 of 4,000 GETs.
TEST_F(UpstreamRequestTest, DroppedPooledConnectionsFailNoGet) {
  // Each connection serves three requests; the fourth, when it has come, meets a close or a reset.
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request& request) {
    if (request.number < 4) {
      peer->Answer("ok");
    } else if (request.connection % 2 == 0) {
      peer->Close();
    } else {
      peer->Reset();
    }
  });
  Cluster* cluster = f.Single(Config(server));
  constexpr int kClients = 32;
  constexpr int kTotal = 4000;
  std::vector<std::unique_ptr<TestExchange>> clients(kClients);
  int started = 0;
  int good = 0;
  int finished = 0;
  ASSERT_TRUE(f.Until(
      [&] {
        for (auto& client : clients) {
          if (client != nullptr && !client->done()) continue;
          if (client != nullptr) {
            ++finished;
            good += client->ok() && client->body == "ok" ? 1 : 0;
            client.reset();
          }
          if (started == kTotal) continue;
          ++started;
          client = std::make_unique<TestExchange>(cluster);
          client->Start();
        }
        return finished == kTotal;
      },
      30000));
  EXPECT_EQ(good, kTotal);
  EXPECT_GT(cluster->stats()->stale_connections.value(), 100u);
}

// The same where the close follows an answer at once, so that it meets the next request on its way.
TEST_F(UpstreamRequestTest, ConnectionsThatCloseBehindAnAnswerFailNoGet) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request& request) {
    peer->Answer("ok");
    if (request.number < 3) return;
    peer->connection->Flush();
    peer->Close();
  });
  Cluster* cluster = f.Single(Config(server));
  constexpr int kClients = 16;
  constexpr int kTotal = 4000;
  std::vector<std::unique_ptr<TestExchange>> clients(kClients);
  int started = 0;
  int good = 0;
  int finished = 0;
  ASSERT_TRUE(f.Until(
      [&] {
        for (auto& client : clients) {
          if (client != nullptr && !client->done()) continue;
          if (client != nullptr) {
            ++finished;
            good += client->ok() && client->body == "ok" ? 1 : 0;
            client.reset();
          }
          if (started == kTotal) continue;
          ++started;
          client = std::make_unique<TestExchange>(cluster);
          client->Start();
        }
        return finished == kTotal;
      },
      30000));
  EXPECT_EQ(good, kTotal);
}

// However many pooled connections close: the second attempt is made on a new one.
TEST_F(UpstreamRequestTest, SecondAttemptAfterADeadConnectionIsMadeOnANewOne) {
  bool closing = false;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request& request) {
    if (closing && request.number > 1) {
      peer->Close();
    } else {
      peer->Answer("ok");
    }
  });
  ClusterConfig config = Config(server);
  config.retry.max_retries = 0;  // a dead connection is no failure of the request
  Cluster* cluster = f.Single(config);
  std::vector<std::unique_ptr<TestExchange>> many;
  for (int i = 0; i < 10; ++i) many.push_back(std::make_unique<TestExchange>(cluster));
  for (auto& exchange : many) exchange->Start();
  ASSERT_TRUE(f.Until([&] {
    return std::all_of(many.begin(), many.end(), [](auto& exchange) { return exchange->done(); });
  }));
  ASSERT_EQ(server.accepted, 10);
  closing = true;
  TestExchange get(cluster);
  get.Start();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  EXPECT_TRUE(get.ok()) << get.detail;
  EXPECT_EQ(server.accepted, 11);
  EXPECT_EQ(cluster->stats()->stale_connections.value(), 1u);
}

// Whoever waits for a new connection leaves those that become free to the others.
TEST_F(UpstreamRequestTest, WaitingForANewConnectionHoldsNobodyUp) {
  std::vector<Peer*> held;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request& request) {
    if (request.target() == "/dies" && request.number > 1) {
      peer->Close();
    } else if (request.target() == "/held") {
      held.push_back(peer);
    } else {
      peer->Answer("ok");
    }
  });
  ClusterConfig config = Config(server);
  config.circuit.max_connections = 2;
  Cluster* cluster = f.Single(config);
  TestExchange first(cluster), second(cluster);
  first.Start();
  second.Get("/held").Start();
  ASSERT_TRUE(f.Until([&] { return first.done() && held.size() == 1; }));
  TestExchange dies(cluster), third(cluster);
  dies.Get("/dies").Start();
  third.Start();
  held[0]->Answer("late");
  ASSERT_TRUE(f.Until([&] { return dies.done() && third.done() && second.done(); }));
  EXPECT_TRUE(dies.ok()) << dies.detail;
  EXPECT_TRUE(third.ok()) << third.detail;
  EXPECT_TRUE(second.ok()) << second.detail;
  EXPECT_LE(cluster->stats()->connections.value(), 2);
}

// Nothing is begun on a connection whose end stands behind the answer just read: a request that
// may not be sent twice waits for another.
TEST_F(UpstreamRequestTest, PostIsNotBegunOnAConnectionThatIsEnding) {
  std::vector<Peer*> held;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request& request) {
    if (request.method() == "GET") {
      held.push_back(peer);
    } else {
      peer->Answer("ok");
    }
  });
  ClusterConfig config = Config(server);
  config.circuit.max_connections = 1;
  Cluster* cluster = f.Single(config);
  for (int i = 0; i < 20; ++i) {
    held.clear();
    TestExchange get(cluster);
    get.Start();
    ASSERT_TRUE(f.Until([&] { return held.size() == 1; }));
    TestExchange post(cluster);
    post.Method("POST").Start();  // behind the other, for there is one connection
    held[0]->Answer("ok");
    held[0]->connection->Flush();
    held[0]->Close();
    ASSERT_TRUE(f.Until([&] { return get.done() && post.done(); }));
    EXPECT_TRUE(get.ok());
    EXPECT_TRUE(post.ok()) << post.detail;
  }
  EXPECT_EQ(cluster->stats()->stale_connections.value(), 0u);
  EXPECT_EQ(server.requests, 40);
}

// Issue "Under stress": no POST is sent twice.
TEST_F(UpstreamRequestTest, PostIsNotRepeatedOnceItMayHaveArrived) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request& request) {
    if (request.number == 1) {
      peer->Answer("ok");
    } else {
      peer->Reset();  // it has been processed, for all we know
    }
  });
  Cluster* cluster = f.Single(Config(server));
  int failed = 0;
  for (int i = 0; i < 50; ++i) {
    TestExchange post(cluster);
    const std::string target = "/" + std::to_string(i);
    post.Method("POST", target).StartBody(2);
    post.SendBody("ab").SendEnd();
    ASSERT_TRUE(f.Until([&] { return post.done(); }));
    if (!post.ok()) {
      ++failed;
      EXPECT_EQ(post.failure, UpstreamFailure::kReset);
    }
  }
  EXPECT_EQ(failed, 25);
  std::map<std::string, int> times;
  for (const Request& request : server.seen) ++times[request.target()];
  for (const auto& [target, count] : times) EXPECT_EQ(count, 1) << target;
  EXPECT_EQ(times.size(), 50u);
}

TEST_F(UpstreamRequestTest, PostAvoidsConnectionsThatWereClosed) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request&) { peer->Answer("ok"); });
  Cluster* cluster = f.Single(Config(server));
  for (int i = 0; i < 20; ++i) {
    TestExchange post(cluster);
    post.Method("POST").Start();
    ASSERT_TRUE(f.Until([&] { return post.done(); }));
    EXPECT_TRUE(post.ok()) << post.detail;
    // Closed by the peer; the loop does not run before the next request begins.
    server.CloseAll();
  }
  EXPECT_EQ(server.requests, 20);
  EXPECT_EQ(server.accepted, 20);
}

TEST_F(UpstreamRequestTest, CloseOfAnIdleConnectionIsNoticed) {
  FakeUpstream server(&f.dispatcher, Echo);
  Cluster* cluster = f.Single(Config(server));
  TestExchange get(cluster);
  get.Start();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  EXPECT_EQ(cluster->stats()->connections.value(), 1);
  server.CloseAll();
  ASSERT_TRUE(f.Until([&] { return cluster->stats()->connections.value() == 0; }));
  EXPECT_EQ(cluster->stats()->idle.value(), 0);
}

TEST_F(UpstreamRequestTest, UnaskedBytesEndTheConnection) {
  FakeUpstream server(&f.dispatcher, [](Peer* peer, const Request&) {
    peer->Answer("ok");
    peer->Send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  });
  Cluster* cluster = f.Single(Config(server));
  for (int i = 0; i < 3; ++i) {
    TestExchange get(cluster);
    get.Start();
    ASSERT_TRUE(f.Until([&] { return get.done(); }));
    EXPECT_EQ(get.body, "ok") << "an answer to no question answers none";
  }
  EXPECT_EQ(server.accepted, 3);
}

// cluster.proto, RetryPolicy.retry_on_status.
TEST_F(UpstreamRequestTest, StatusWorthAnotherTry) {
  int left = 1;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request&) {
    if (left-- > 0) {
      peer->Answer("busy", 503);
    } else {
      peer->Answer("ok");
    }
  });
  ClusterConfig config = Config(server);
  config.retry.retry_on_status = {503};
  config.retry.max_retries = 2;
  Cluster* cluster = f.Single(config);
  TestExchange get(cluster);
  get.Start();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  EXPECT_EQ(get.status, 200);
  EXPECT_EQ(get.body, "ok");
  EXPECT_EQ(get.heads, 1);
  left = 100;
  TestExchange all(cluster);
  all.Start();
  ASSERT_TRUE(f.Until([&] { return all.done(); }));
  EXPECT_EQ(all.status, 503) << "the last answer is passed on";
  EXPECT_EQ(all.body, "busy");
  EXPECT_EQ(all.request.attempts(), 3);
  TestExchange post(cluster);
  post.Method("POST").Start();
  ASSERT_TRUE(f.Until([&] { return post.done(); }));
  EXPECT_EQ(post.status, 503);
  EXPECT_EQ(post.request.attempts(), 1);
}

TEST_F(UpstreamRequestTest, BudgetBoundsRetries) {
  std::vector<Peer*> held;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request& request) {
    if (request.target() == "/hold") {
      held.push_back(peer);
    } else {
      peer->Answer("busy", 503);
    }
  });
  ClusterConfig config = Config(server);
  config.retry.retry_on_status = {503};
  config.retry.max_retries = 5;
  config.retry.budget_percent = 0;
  config.retry.budget_min_concurrent = 0;
  Cluster* cluster = f.Single(config);
  TestExchange get(cluster);
  get.Start();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  EXPECT_EQ(get.status, 503);
  EXPECT_EQ(get.request.attempts(), 1);
  EXPECT_EQ(cluster->stats()->retries_denied.value(), 1u);
}

TEST_F(UpstreamRequestTest, RequestMustKeepItsLength) {
  FakeUpstream server(&f.dispatcher, Echo);
  Cluster* cluster = f.Single(Config(server));
  TestExchange more(cluster);
  more.Method("PUT").StartBody(3);
  more.SendBody("abcd");
  ASSERT_TRUE(f.Until([&] { return more.done(); }));
  EXPECT_EQ(more.failure, UpstreamFailure::kRequestAborted);
  TestExchange less(cluster);
  less.Method("PUT").StartBody(3);
  less.SendBody("ab").SendEnd();
  ASSERT_TRUE(f.Until([&] { return less.done(); }));
  EXPECT_EQ(less.failure, UpstreamFailure::kRequestAborted);
  f.Run(20);
  EXPECT_EQ(server.requests, 0);
}

TEST_F(UpstreamRequestTest, AnswerBeforeTheRequestIsComplete) {
  FakeUpstream server(&f.dispatcher, Echo);
  server.on_data = [](Peer* peer) {
    peer->Send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
  };
  Cluster* cluster = f.Single(Config(server));
  TestExchange post(cluster);
  post.Method("POST").StartBody(1000000);
  ASSERT_TRUE(f.Until([&] { return post.done(); }));
  EXPECT_EQ(post.status, 413);
  EXPECT_EQ(post.body, "no");
  EXPECT_TRUE(post.ok());
  post.SendBody("ignored").SendEnd();
  f.Run(10);
  EXPECT_EQ(cluster->stats()->connections.value(), 0) << "a half-sent request leaves no connection";
}

// cluster.proto, Cluster.idle_timeout_ms.
TEST_F(UpstreamRequestTest, IdleConnectionsAge) {
  FakeUpstream server(&f.dispatcher, Echo);
  ClusterConfig config = Config(server);
  config.idle_timeout_ms = 60;
  Cluster* cluster = f.Single(config);
  TestExchange get(cluster);
  get.Start();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  const uint64_t start = f.Now();
  ASSERT_TRUE(f.Until([&] { return server.open == 0; }));
  EXPECT_GE(f.Now() - start, 55u);
  EXPECT_EQ(cluster->stats()->connections.value(), 0);
  config.idle_timeout_ms = 0;
  Cluster* never = f.Single(config);
  TestExchange once(never);
  once.Start();
  ASSERT_TRUE(f.Until([&] { return once.done(); }));
  EXPECT_TRUE(once.ok());
  EXPECT_EQ(never->stats()->connections.value(), 0) << "0: connections are not reused";
}

// cluster.proto, Cluster.max_requests_per_connection.
TEST_F(UpstreamRequestTest, RequestsPerConnectionAreBounded) {
  FakeUpstream server(&f.dispatcher, Echo);
  ClusterConfig config = Config(server);
  config.max_requests_per_connection = 3;
  Cluster* cluster = f.Single(config);
  for (int i = 0; i < 7; ++i) {
    TestExchange get(cluster);
    get.Start();
    ASSERT_TRUE(f.Until([&] { return get.done(); }));
    EXPECT_TRUE(get.ok());
  }
  EXPECT_EQ(server.accepted, 3);
}

// cluster.proto, CircuitLimits.
TEST_F(UpstreamRequestTest, CircuitBoundsRequestsConnectionsAndQueue) {
  std::deque<Peer*> held;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request&) { held.push_back(peer); });
  ClusterConfig config = Config(server);
  config.circuit.max_connections = 2;
  config.circuit.max_pending_requests = 3;
  config.circuit.max_requests = 5;
  Cluster* cluster = f.Single(config);
  std::vector<std::unique_ptr<TestExchange>> all;
  const auto start = [&] {
    all.push_back(std::make_unique<TestExchange>(cluster));
    all.back()->Start();
    return all.back().get();
  };
  start();
  start();
  ASSERT_TRUE(f.Until([&] { return held.size() == 2; }));
  for (int i = 0; i < 3; ++i) start();
  f.Run(20);
  EXPECT_EQ(server.accepted, 2);
  EXPECT_EQ(cluster->gauges()->pending.value(), 3u);
  TestExchange* sixth = start();
  EXPECT_EQ(sixth->failures, 0) << "not from inside Start()";
  ASSERT_TRUE(f.Until([&] { return sixth->done(); }));
  EXPECT_EQ(sixth->failure, UpstreamFailure::kOverflow);
  EXPECT_EQ(sixth->detail, "max_requests");
  EXPECT_FALSE(sixth->reentered);
  // One less under way, and still none may wait.
  all[4]->request.Cancel();
  EXPECT_EQ(cluster->gauges()->pending.value(), 2u);
  start();
  EXPECT_EQ(cluster->gauges()->pending.value(), 3u);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(f.Until([&] { return !held.empty(); }));
    held.front()->Answer("x");
    held.pop_front();
  }
  ASSERT_TRUE(f.Until([&] {
    return all[0]->ok() && all[1]->ok() && all[2]->ok() && all[3]->ok() && all[6]->ok();
  })) << "served in turn";
  EXPECT_EQ(server.accepted, 2);
  EXPECT_EQ(cluster->gauges()->pending.value(), 0u);
  EXPECT_EQ(cluster->gauges()->requests.value(), 0u);
}

TEST_F(UpstreamRequestTest, QueueIsBounded) {
  std::deque<Peer*> held;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request&) { held.push_back(peer); });
  ClusterConfig config = Config(server);
  config.circuit.max_connections = 1;
  config.circuit.max_pending_requests = 1;
  Cluster* cluster = f.Single(config);
  TestExchange a(cluster), b(cluster), c(cluster);
  a.Start();
  ASSERT_TRUE(f.Until([&] { return held.size() == 1; }));
  b.Start();
  c.Start();
  ASSERT_TRUE(f.Until([&] { return c.done(); }));
  EXPECT_EQ(c.failure, UpstreamFailure::kOverflow);
  EXPECT_EQ(c.detail, "max_pending_requests");
  EXPECT_FALSE(b.done());
}

TEST_F(UpstreamRequestTest, IdleConnectionsElsewhereMakeRoom) {
  FakeUpstream first(&f.dispatcher, Echo);
  FakeUpstream second(&f.dispatcher, Echo);
  ClusterConfig config = Config(first);
  config.endpoints.push_back(second.endpoint());
  config.circuit.max_connections = 1;
  Cluster* cluster = f.Single(config);
  for (int i = 0; i < 6; ++i) {
    TestExchange get(cluster);
    get.Start();
    ASSERT_TRUE(f.Until([&] { return get.done(); }));
    EXPECT_TRUE(get.ok());
    EXPECT_LE(cluster->gauges()->connections.value(), 1u);
  }
  EXPECT_EQ(first.requests, 3);
  EXPECT_EQ(second.requests, 3);
}

TEST_F(UpstreamRequestTest, ConnectTimeout) {
  // A listener whose queue is full drops further connections in silence.
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(fd, 0), 0);
  socklen_t size = sizeof(address);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  }
  f.Run(20);
  ClusterConfig config;
  config.endpoints = {
      {.host = "127.0.0.1", .port = ntohs(address.sin_port), .unix_path = "", .weight = 1}};
  config.connect_timeout_ms = 50;
  config.retry.max_retries = 0;
  Cluster* cluster = f.Single(config);
  TestExchange get(cluster);
  const uint64_t start = f.Now();
  get.Start();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  EXPECT_EQ(get.failure, UpstreamFailure::kConnectTimeout);
  EXPECT_GE(f.Now() - start, 50u);
  EXPECT_LE(f.Now() - start, 90u);
  for (int filler : fillers) ::close(filler);
  ::close(fd);
}

TEST_F(UpstreamRequestTest, UnixSocket) {
  TempDir folder;
  const std::string path = folder / "s";
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(fd, 8), 0);
  ClusterConfig config;
  config.endpoints = {{.host = "", .port = 0, .unix_path = path, .weight = 1}};
  Cluster* cluster = f.Single(config);
  TestExchange get(cluster);
  get.Start();
  f.Run(20);
  const int peer = ::accept(fd, nullptr, nullptr);
  ASSERT_GE(peer, 0);
  char buffer[4096];
  EXPECT_GT(::read(peer, buffer, sizeof(buffer)), 0);
  const std::string answer = "HTTP/1.1 204 No Content\r\n\r\n";
  EXPECT_EQ(::write(peer, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  EXPECT_EQ(get.status, 204);
  ::close(peer);
  ::close(fd);
  // The file is still there, but nobody listens.
  TestExchange refused(cluster);
  refused.Start();
  ASSERT_TRUE(f.Until([&] { return refused.done(); }));
  EXPECT_EQ(refused.failure, UpstreamFailure::kConnectFailed);
}

// Every state that a request can be left in; ASan and the counts tell whether anything stays
// behind.
TEST_F(UpstreamRequestTest, CancelInEveryState) {
  std::vector<Peer*> held;
  FakeUpstream server(&f.dispatcher, [&](Peer* peer, const Request& request) {
    if (request.target() == "/stream") {
      peer->Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    } else if (request.target() == "/busy") {
      peer->Answer("", 503);
    } else if (request.target() == "/ok") {
      peer->Answer("ok");
    } else {
      held.push_back(peer);
    }
  });
  ClusterConfig config = Config(server);
  config.retry.retry_on_status = {503};
  config.retry.backoff_base_ms = config.retry.backoff_max_ms = 1000;
  Cluster* cluster = f.Single(config);
  const auto clean = [&] {
    return cluster->gauges()->requests.value() == 0 && cluster->gauges()->pending.value() == 0 &&
           cluster->gauges()->retries.value() == 0 && cluster->stats()->active.value() == 0;
  };
  {
    TestExchange fresh(cluster);  // never started
  }
  {
    TestExchange queued(cluster);
    queued.Get("/").Start();
    EXPECT_TRUE(queued.request.active());
    queued.request.Cancel();
    queued.request.Cancel();
    EXPECT_FALSE(queued.request.active());
  }
  EXPECT_TRUE(clean());
  {
    TestExchange waiting(cluster);
    waiting.Start();
    ASSERT_TRUE(f.Until([&] { return !held.empty(); }));
  }
  EXPECT_TRUE(clean());
  {
    TestExchange uploading(cluster);
    uploading.Method("PUT").StartBody();
    uploading.SendBody("abc");
    ASSERT_TRUE(f.Until([&] { return uploading.credited == 3; }));
    uploading.SendBody("def");  // with a credit on its way
  }
  EXPECT_TRUE(clean());
  {
    TestExchange streaming(cluster);
    streaming.Get("/stream").Start();
    ASSERT_TRUE(f.Until([&] { return streaming.body == "abc"; }));
  }
  EXPECT_TRUE(clean());
  {
    TestExchange backoff(cluster);
    backoff.Get("/busy").Start();
    ASSERT_TRUE(f.Until([&] { return cluster->stats()->retries.value() == 1; }));
  }
  EXPECT_TRUE(clean());
  {
    TestExchange done(cluster);
    done.Get("/ok").Start();
    ASSERT_TRUE(f.Until([&] { return done.done(); }));
    done.request.Cancel();
  }
  for (auto* part : {"head", "body"}) {
    TestExchange inside(cluster);
    const bool head = part[0] == 'h';
    inside.on_head = [&] {
      if (head) inside.request.Cancel();
    };
    inside.on_body = [&] {
      if (!head) inside.request.Cancel();
    };
    inside.Get("/stream").Start();
    ASSERT_TRUE(f.Until([&] { return inside.heads == 1 && (head || !inside.body.empty()); }));
    f.Run(10);
    EXPECT_FALSE(inside.done());
    EXPECT_EQ(inside.body, head ? "" : "abc");
  }
  EXPECT_TRUE(clean());
  server.StopListening();
  {
    TestExchange failing(cluster);
    cluster->CloseIdle();
    failing.Start();  // the failure is on its way
    f.Run(3);
  }
  EXPECT_TRUE(clean());
  f.Run(20);
}

TEST_F(UpstreamRequestTest, CancelOfAnExchangeClosesItsHttp1Connection) {
  FakeUpstream server(&f.dispatcher, [](Peer*, const Request&) {});
  Cluster* cluster = f.Single(Config(server));
  {
    TestExchange get(cluster);
    get.Start();
    ASSERT_TRUE(f.Until([&] { return server.requests == 1; }));
  }
  ASSERT_TRUE(f.Until([&] { return server.open == 0; }));
  EXPECT_EQ(cluster->stats()->cancelled.value(), 1u);
}

}  // namespace
}  // namespace postern
