// HTTP/2 and TLS towards upstreams.
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <set>
#include <string>

#include "core/net/proxy_protocol.h"
#include "core/net/test_certificates.h"
#include "core/net/tls_context.h"
#include "core/upstream/test_support.h"

namespace postern {
namespace {

using Stream = FakeHttp2Upstream::Stream;

class Http2UpstreamTest : public testing::Test {
 protected:
  ClusterConfig Config(const FakeHttp2Upstream& server) {
    ClusterConfig config;
    config.protocol = UpstreamProtocol::kHttp2;
    config.endpoints = {server.endpoint()};
    return config;
  }

  UpstreamFixture f;
};

TEST_F(Http2UpstreamTest, ManyExchangesOnOneConnection) {
  std::deque<Stream*> held;
  FakeHttp2Upstream server(&f.dispatcher, [&](Stream* stream) { held.push_back(stream); });
  Cluster* cluster = f.Single(Config(server));
  std::vector<std::unique_ptr<TestExchange>> all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(std::make_unique<TestExchange>(cluster));
    all.back()->Get("/" + std::to_string(i)).Start();
  }
  ASSERT_TRUE(f.Until([&] { return held.size() == 50; }));
  EXPECT_EQ(server.accepted, 1);
  for (Stream* stream : held) stream->Answer(stream->head.target);
  ASSERT_TRUE(f.Until([&] { return all.back()->done() && all.front()->done(); }));
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(all[i]->ok());
    EXPECT_EQ(all[i]->body, "/" + std::to_string(i));
  }
  EXPECT_EQ(cluster->stats()->idle.value(), 1);
}

TEST_F(Http2UpstreamTest, AsManyConnectionsAsNeeded) {
  std::deque<Stream*> held;
  FakeHttp2Upstream server(&f.dispatcher, [&](Stream* stream) { held.push_back(stream); });
  ClusterConfig config = Config(server);
  config.http2.max_concurrent_streams = 10;
  Cluster* cluster = f.Single(config);
  std::vector<std::unique_ptr<TestExchange>> all;
  for (int i = 0; i < 35; ++i) {
    all.push_back(std::make_unique<TestExchange>(cluster));
    all.back()->Start();
  }
  ASSERT_TRUE(f.Until([&] { return held.size() == 35; }));
  EXPECT_EQ(server.accepted, 4);
  for (Stream* stream : held) stream->Answer("x");
  ASSERT_TRUE(f.Until([&] {
    return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->ok(); });
  }));
}

TEST_F(Http2UpstreamTest, PeerThatAllowsFewStreams) {
  std::deque<Stream*> held;
  FakeHttp2Upstream server(&f.dispatcher, [&](Stream* stream) { held.push_back(stream); });
  server.options.max_concurrent_streams = 2;
  Cluster* cluster = f.Single(Config(server));
  std::vector<std::unique_ptr<TestExchange>> all;
  for (int i = 0; i < 7; ++i) {
    all.push_back(std::make_unique<TestExchange>(cluster));
    all.back()->Start();
  }
  ASSERT_TRUE(f.Until([&] {
    while (!held.empty()) {
      held.front()->Answer("x");
      held.pop_front();
    }
    return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->done(); });
  }));
  for (const auto& one : all) EXPECT_TRUE(one->ok()) << one->detail;
}

TEST_F(Http2UpstreamTest, ContentBothWaysAndCancel) {
  FakeHttp2Upstream server(&f.dispatcher, [](Stream* stream) { stream->Answer(stream->body); });
  Cluster* cluster = f.Single(Config(server));
  const std::string content(1 << 20, 'y');
  TestExchange post(cluster);
  post.Method("POST").StartContent(content);
  ASSERT_TRUE(f.Until([&] { return post.done(); }));
  EXPECT_TRUE(post.ok());
  EXPECT_EQ(post.body, content);
  server.script = [](Stream*) {};
  {
    TestExchange cancelled(cluster);
    cancelled.Start();
    ASSERT_TRUE(f.Until([&] { return server.requests == 2; }));
  }
  ASSERT_TRUE(f.Until([&] { return server.resets == 1; }));
  EXPECT_EQ(server.open, 1) << "the connection goes on";
  EXPECT_EQ(cluster->stats()->idle.value(), 1);
}

// RFC 9113 §8.7: REFUSED_STREAM may be sent again, whatever the method.
TEST_F(Http2UpstreamTest, RefusedStreamsAreSentAgain) {
  FakeHttp2Upstream server(&f.dispatcher, [](Stream* stream) { stream->Answer(stream->body); });
  server.refuse = 1;
  Cluster* cluster = f.Single(Config(server));
  TestExchange post(cluster);
  post.Method("POST").StartBody(3);
  post.SendBody("abc").SendEnd();
  ASSERT_TRUE(f.Until([&] { return post.done(); }));
  EXPECT_TRUE(post.ok());
  EXPECT_EQ(post.body, "abc");
  EXPECT_EQ(server.requests, 1);
  server.refuse = 10;
  TestExchange never(cluster);
  never.Start();
  ASSERT_TRUE(f.Until([&] { return never.done(); }));
  EXPECT_EQ(never.failure, UpstreamFailure::kReset);
  EXPECT_EQ(server.refuse, 8);
}

// RFC 9113 §6.8: exchanges under way end well, new ones go elsewhere.
TEST_F(Http2UpstreamTest, Goaway) {
  std::deque<Stream*> held;
  FakeHttp2Upstream server(&f.dispatcher, [&](Stream* stream) { held.push_back(stream); });
  Cluster* cluster = f.Single(Config(server));
  TestExchange first(cluster), second(cluster);
  first.Start();
  ASSERT_TRUE(f.Until([&] { return held.size() == 1; }));
  server.peers[0]->codec->Drain();
  server.peers[0]->codec->Drain();
  f.Run(10);
  second.Start();
  ASSERT_TRUE(f.Until([&] { return held.size() == 2; }));
  EXPECT_EQ(server.accepted, 2);
  for (Stream* stream : held) stream->Answer("x");
  ASSERT_TRUE(f.Until([&] { return first.done() && second.done(); }));
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(second.ok());
  ASSERT_TRUE(f.Until([&] { return server.open == 1; })) << "the drained one is closed";
}

TEST_F(Http2UpstreamTest, LostConnectionFailsAllItsExchanges) {
  FakeHttp2Upstream server(&f.dispatcher, [](Stream*) {});
  ClusterConfig config = Config(server);
  config.retry.max_retries = 0;
  Cluster* cluster = f.Single(config);
  TestExchange a(cluster), b(cluster);
  a.Start();
  b.Method("POST").Start();
  ASSERT_TRUE(f.Until([&] { return server.requests == 2; }));
  server.peers[0]->connection->Abort();
  ASSERT_TRUE(f.Until([&] { return a.done() && b.done(); }));
  EXPECT_EQ(a.failure, UpstreamFailure::kReset);
  EXPECT_EQ(b.failure, UpstreamFailure::kReset);
  EXPECT_EQ(cluster->stats()->connections.value(), 0);
}

// cluster.proto, Http2Settings.ping_interval_ms; RFC 9113 §6.7.
TEST_F(Http2UpstreamTest, PingsFindAPeerThatVanished) {
  FakeHttp2Upstream server(&f.dispatcher, [](Stream*) {});
  ClusterConfig config = Config(server);
  config.retry.max_retries = 0;
  config.http2.ping_interval_ms = 30;
  config.http2.ping_timeout_ms = 40;
  Cluster* cluster = f.Single(config);
  TestExchange get(cluster);
  get.Start();
  ASSERT_TRUE(f.Until([&] { return server.requests == 1; }));
  f.Run(300);
  EXPECT_FALSE(get.done()) << "PINGs are answered";
  server.peers[0]->connection->SetReading(false);
  const uint64_t start = f.Now();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  EXPECT_LE(f.Now() - start, 30u + 30u + 40u + 50u);
  EXPECT_EQ(get.failure, UpstreamFailure::kReset);
  EXPECT_EQ(cluster->stats()->connections.value(), 0);
}

TEST_F(Http2UpstreamTest, PingsGoOnWhileNothingIsUnderWay) {
  FakeHttp2Upstream server(&f.dispatcher, [](Stream* stream) { stream->Answer("x"); });
  ClusterConfig config = Config(server);
  config.http2.ping_interval_ms = 20;
  config.http2.ping_timeout_ms = 40;
  Cluster* cluster = f.Single(config);
  TestExchange get(cluster);
  get.Start();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  f.Run(200);
  EXPECT_EQ(cluster->stats()->idle.value(), 1);
  server.peers[0]->connection->SetReading(false);
  ASSERT_TRUE(f.Until([&] { return cluster->stats()->connections.value() == 0; }));
}

// cluster.proto, Cluster.send_proxy_protocol: each request on a connection of its client's own.
TEST(ProxyProtocolUpstreamTest, EachConnectionSaysWhoseItIs) {
  for (uint32_t version : {1u, 2u}) {
    UpstreamFixture f;
    std::vector<std::string> sources;
    FakeUpstream server(&f.dispatcher, [](FakeUpstream::Peer*, const FakeUpstream::Request&) {});
    std::set<FakeUpstream::Peer*> told;
    server.on_data = [&](FakeUpstream::Peer* peer) {
      const std::string& bytes = peer->received();
      if (told.insert(peer).second) {
        ProxyHeader header;
        ASSERT_EQ(ParseProxyHeader(bytes, &header), ProxyParseResult::kComplete);
        sources.push_back(header.has_addresses
                              ? header.source.ToString() + ">" + header.destination.ToString()
                              : "none");
      }
      if (bytes.find("GET / HTTP/1.1\r\n") != bytes.npos) peer->Answer("ok");
    };
    ClusterConfig config;
    config.endpoints = {server.endpoint()};
    config.send_proxy_protocol = version;
    Cluster* cluster = f.Single(config);
    const Address one = *Address::ParseIp("192.0.2.1", 1000);
    const Address two = *Address::ParseIp("192.0.2.2", 2000);
    const Address to = *Address::ParseIp("198.51.100.1", 80);
    TestExchange a(cluster), b(cluster), c(cluster), gone(cluster);
    a.options.client = {&one, &to};
    b.options.client = {&two, &to};
    a.Start();
    b.Start();
    gone.Start();
    gone.request.Cancel();  // takes its connection with it
    ASSERT_TRUE(f.Until([&] { return a.done() && b.done(); }));
    c.Start();
    ASSERT_TRUE(f.Until([&] { return c.done(); }));
    EXPECT_TRUE(a.ok() && b.ok() && c.ok());
    std::sort(sources.begin(), sources.begin() + 2);
    EXPECT_EQ(sources, (std::vector<std::string>{"192.0.2.1:1000>198.51.100.1:80",
                                                 "192.0.2.2:2000>198.51.100.1:80", "none"}));
    ASSERT_TRUE(f.Until([&] { return cluster->stats()->connections.value() == 0; }));
    EXPECT_EQ(cluster->gauges()->connections.value(), 0u);
    EXPECT_EQ(cluster->gauges()->pending.value(), 0u);
    server.StopListening();
    TestExchange refused(cluster);
    refused.Start();
    ASSERT_TRUE(f.Until([&] { return refused.done(); }));
    EXPECT_EQ(refused.failure, UpstreamFailure::kConnectFailed);
  }
}

TEST(ProxyProtocolUpstreamTest, WaitsForAPlaceUnderTheLimit) {
  UpstreamFixture f;
  FakeUpstream server(&f.dispatcher, [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer("ok");
  });
  ClusterConfig config;
  config.endpoints = {server.endpoint()};
  config.send_proxy_protocol = 1;
  config.circuit.max_connections = 2;
  Cluster* cluster = f.Single(config);
  std::vector<std::unique_ptr<TestExchange>> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(std::make_unique<TestExchange>(cluster));
    all.back()->Start();
  }
  ASSERT_TRUE(f.Until([&] {
    return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->done(); });
  }));
  for (const auto& one : all) EXPECT_TRUE(one->ok()) << one->detail;
  EXPECT_EQ(server.accepted, 10);
}

// A server over TLS that speaks HTTP/1.1 or, by ALPN, HTTP/2.
class TlsUpstream {
 public:
  TlsUpstream(Dispatcher* dispatcher, std::shared_ptr<TlsServerContext> context)
      : net_(dispatcher), context_(std::move(context)), listener_(&net_, [this](int fd) {
          ++accepted;
          peers_.push_back(std::make_unique<Peer>(this, fd));
        }) {}
  uint16_t port() const { return listener_.port(); }

  int accepted = 0;
  int http2 = 0;
  int resumed = 0;
  std::string server_name;

 private:
  struct Peer final : ConnectionEvents, ServerCodecEvents, RequestReceiver {
    Peer(TlsUpstream* s, int fd) : server(s), arena(&s->net_.blocks), head(&arena) {
      connection =
          std::make_unique<Connection>(&s->net_, fd, false, s->context_->MakeServerChannel(), this);
    }
    void OnConnected() override {
      server->server_name = connection->tls()->server_name();
      if (connection->tls()->resumed()) ++server->resumed;
      if (connection->tls()->alpn() == "h2") {
        ++server->http2;
        codec = std::make_unique<Http2ServerCodec>(connection.get(), this, options);
      }
    }
    void OnData(std::string_view data) override {
      if (codec != nullptr) return codec->OnData(data, 0);
      text += data;
      if (text.find("\r\n\r\n") == text.npos) return;
      text.clear();
      connection->Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh1");
    }
    void OnPeerClosed() override { connection->Close(); }
    void OnClosed(const absl::Status&) override {}
    void OnWritable() override {}
    RequestReceiver* OnNewStream(ServerStream* s) override {
      stream = s;
      head.headers.Clear();
      return this;
    }
    void OnRejected(uint16_t, std::string_view) override {}
    RequestHead* request_head() override { return &head; }
    void OnHead(bool) override {
      ResponseHead response(&arena);
      response.body = BodyKind::kLength;
      response.content_length = 2;
      stream->SendHead(response, false);
      stream->SendBody("h2");
      stream->SendEnd(nullptr);
    }
    void OnBody(std::string_view) override {}
    void OnEnd(const HeaderMap*) override {}
    void OnReset(ResetReason) override {}

    TlsUpstream* server;
    Http2Options options;
    std::unique_ptr<Connection> connection;
    std::unique_ptr<Http2ServerCodec> codec;
    Arena arena;
    RequestHead head;
    ServerStream* stream = nullptr;
    std::string text;
  };

  NetContext net_;
  std::shared_ptr<TlsServerContext> context_;
  FakeListener listener_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

class TlsUpstreamTest : public testing::Test {
 protected:
  void SetUp() override {
    TestCertificateSpec root_spec;
    root_spec.common_name = "root";
    root_spec.is_ca = true;
    root_ = MakeTestCertificate(root_spec);
  }

  std::unique_ptr<TlsUpstream> Server(std::vector<std::string> alpn) {
    TestCertificateSpec spec;
    spec.subject_alt_names = {"DNS:svc.example", "IP:127.0.0.1"};
    const TestIdentity identity = MakeTestCertificate(spec, &root_);
    TlsServerOptions options;
    options.identities.resize(1);
    options.identities[0].certificate_chain = {.inline_pem = identity.chain_pem};
    options.identities[0].private_key = {.inline_pem = identity.key_pem};
    options.alpn = std::move(alpn);
    options.session_tickets = false;
    auto context = TlsServerContext::Create(std::move(options), nullptr);
    EXPECT_TRUE(context.ok()) << context.status();
    return std::make_unique<TlsUpstream>(&f.dispatcher, *std::move(context));
  }
  ClusterConfig Config(const TlsUpstream& server, bool trusted, std::vector<std::string> alpn) {
    TlsClientOptions options;
    if (trusted) options.truststore = {.inline_pem = root_.certificate_pem};
    options.alpn = std::move(alpn);
    auto context = TlsClientContext::Create(std::move(options));
    EXPECT_TRUE(context.ok()) << context.status();
    ClusterConfig config;
    config.tls.context = *context;
    config.tls.server_name = "svc.example";
    config.endpoints = {{.host = "127.0.0.1", .port = server.port(), .unix_path = "", .weight = 1}};
    config.retry.max_retries = 0;
    return config;
  }

  UpstreamFixture f;
  TestIdentity root_;
};

TEST_F(TlsUpstreamTest, VersionByAlpn) {
  struct Case {
    std::vector<std::string> server;
    UpstreamProtocol protocol;
    std::string expected;
  };
  const Case cases[] = {
      {{"h2", "http/1.1"}, UpstreamProtocol::kAuto, "h2"},
      {{"http/1.1"}, UpstreamProtocol::kAuto, "h1"},
      {{"h2", "http/1.1"}, UpstreamProtocol::kHttp1, "h1"},
      {{"h2", "http/1.1"}, UpstreamProtocol::kHttp2, "h2"},
      {{"http/1.1"}, UpstreamProtocol::kHttp2, ""},
  };
  for (const Case& test : cases) {
    auto server = Server(test.server);
    std::vector<std::string> offered;
    if (test.protocol != UpstreamProtocol::kHttp1) offered.push_back("h2");
    if (test.protocol != UpstreamProtocol::kHttp2) offered.push_back("http/1.1");
    ClusterConfig config = Config(*server, true, offered);
    config.protocol = test.protocol;
    Cluster* cluster = f.Single(config);
    for (int i = 0; i < 2; ++i) {
      TestExchange exchange(cluster);
      exchange.Start();
      ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
      EXPECT_EQ(exchange.body, test.expected);
      if (test.expected.empty()) {
        EXPECT_EQ(exchange.failure, UpstreamFailure::kTlsFailed);
      } else {
        EXPECT_EQ(server->server_name, "svc.example");
      }
    }
    if (!test.expected.empty()) {
      EXPECT_EQ(server->accepted, 1);
    }
    f.Single(ClusterConfig{});
  }
}

// With AUTO, a burst at the start does not open a connection for each request of an HTTP/2 server.
TEST_F(TlsUpstreamTest, AutoWaitsForTheFirstAnswer) {
  for (bool h2 : {true, false}) {
    auto server = h2 ? Server({"h2", "http/1.1"}) : Server({"http/1.1"});
    ClusterConfig config = Config(*server, true, {"h2", "http/1.1"});
    config.protocol = UpstreamProtocol::kAuto;
    Cluster* cluster = f.Single(config);
    std::vector<std::unique_ptr<TestExchange>> all;
    for (int i = 0; i < 10; ++i) {
      all.push_back(std::make_unique<TestExchange>(cluster));
      all.back()->Start();
    }
    ASSERT_TRUE(f.Until([&] {
      return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->done(); });
    }));
    for (const auto& one : all) EXPECT_TRUE(one->ok());
    if (h2) {
      EXPECT_EQ(server->accepted, 1);
    }
    all.clear();
    f.Single(ClusterConfig{});
  }
}

TEST_F(TlsUpstreamTest, VerificationFails) {
  auto server = Server({});
  Cluster* cluster = f.Single(Config(*server, false, {}));
  TestExchange untrusted(cluster);
  untrusted.Start();
  ASSERT_TRUE(f.Until([&] { return untrusted.done(); }));
  EXPECT_EQ(untrusted.failure, UpstreamFailure::kTlsFailed);
  ClusterConfig config = Config(*server, true, {});
  config.tls.server_name = "other.example";
  cluster = f.Single(config);
  TestExchange wrong_name(cluster);
  wrong_name.Start();
  ASSERT_TRUE(f.Until([&] { return wrong_name.done(); }));
  EXPECT_EQ(wrong_name.failure, UpstreamFailure::kTlsFailed);
  EXPECT_EQ(cluster->stats()->connect_failures.value(), 2u);
}

TEST_F(TlsUpstreamTest, ServerNameIsTheHostWithoutOneOfItsOwn) {
  auto server = Server({});
  ClusterConfig config = Config(*server, true, {});
  config.tls.server_name.clear();
  f.resolver.Set("svc.example", {"127.0.0.1"});
  config.endpoints[0].host = "svc.example";
  Cluster* cluster = f.Single(config);
  TestExchange by_name(cluster);
  by_name.Start();
  ASSERT_TRUE(f.Until([&] { return by_name.done(); }));
  EXPECT_TRUE(by_name.ok());
  EXPECT_EQ(server->server_name, "svc.example");
  config.endpoints[0].host = "127.0.0.1";
  cluster = f.Single(config);
  TestExchange by_address(cluster);
  by_address.Start();
  ASSERT_TRUE(f.Until([&] { return by_address.done(); }));
  EXPECT_TRUE(by_address.ok());
}

TEST_F(TlsUpstreamTest, RefusedIsNotATlsFailure) {
  ClusterConfig config;
  {
    auto server = Server({});
    config = Config(*server, true, {});
  }
  Cluster* cluster = f.Single(config);
  TestExchange exchange(cluster);
  exchange.Start();
  ASSERT_TRUE(f.Until([&] { return exchange.done(); }));
  EXPECT_EQ(exchange.failure, UpstreamFailure::kConnectFailed);
  // Something that listens but does not speak TLS.
  FakeUpstream plain(&f.dispatcher, [](FakeUpstream::Peer*, const FakeUpstream::Request&) {});
  plain.on_data = [](FakeUpstream::Peer* peer) { peer->Close(); };
  config.endpoints = {plain.endpoint()};
  cluster = f.Single(config);
  TestExchange other(cluster);
  other.Start();
  ASSERT_TRUE(f.Until([&] { return other.done(); }));
  EXPECT_EQ(other.failure, UpstreamFailure::kTlsFailed);
}

// The header goes before the TLS handshake ("The PROXY protocol", section 2).
TEST_F(TlsUpstreamTest, ProxyHeaderPrecedesTheHandshake) {
  std::string received;
  FakeUpstream server(&f.dispatcher, [](FakeUpstream::Peer*, const FakeUpstream::Request&) {});
  server.on_data = [&](FakeUpstream::Peer* peer) {
    received = peer->received();
    if (received.size() > 100) peer->Close();
  };
  auto context = TlsClientContext::Create({});
  ASSERT_TRUE(context.ok());
  ClusterConfig config;
  config.tls.context = *context;
  config.endpoints = {server.endpoint()};
  config.send_proxy_protocol = 1;
  config.retry.max_retries = 0;
  Cluster* cluster = f.Single(config);
  const Address from = *Address::ParseIp("192.0.2.1", 1000);
  const Address to = *Address::ParseIp("198.51.100.1", 80);
  TestExchange get(cluster);
  get.options.client = {&from, &to};
  get.Start();
  ASSERT_TRUE(f.Until([&] { return get.done(); }));
  const std::string header = "PROXY TCP4 192.0.2.1 198.51.100.1 1000 80\r\n";
  ASSERT_EQ(received.substr(0, header.size()), header);
  EXPECT_EQ(received.substr(header.size(), 2), "\x16\x03") << "a ClientHello";
}

}  // namespace
}  // namespace postern
