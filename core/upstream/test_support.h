#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/arena.h"
#include "core/event/dispatcher.h"
#include "core/event/fd_watcher.h"
#include "core/event/test_support.h"
#include "core/http/http2/server_codec.h"
#include "core/net/connection.h"
#include "core/upstream/cluster_manager.h"
#include "core/upstream/upstream_request.h"

/// Fakes that tests of upstreams share: scripted servers on the test's own loop, a resolver that
/// says what it is told, an exchange that remembers what it heard.
namespace postern {

/// A listening socket on the test's loop.
class FakeListener {
 public:
  FakeListener(NetContext* net, std::function<void(int fd)> on_accept, uint16_t port = 0)
      : on_accept_(std::move(on_accept)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
        ::listen(fd_, 1024) != 0) {
      std::abort();
    }
    socklen_t size = sizeof(address);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    watcher_.Open(
        net->dispatcher, fd_,
        [](void* arg, FdEvents) {
          auto* self = static_cast<FakeListener*>(arg);
          for (int fd; (fd = ::accept4(self->fd_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
            self->on_accept_(fd);
          }
        },
        this);
    watcher_.Watch(true, false, false);
  }
  ~FakeListener() { Close(); }

  /// Connections are refused from here on.
  void Close() {
    if (fd_ < 0) return;
    watcher_.Close();
    ::close(std::exchange(fd_, -1));
  }
  uint16_t port() const { return port_; }

 private:
  std::function<void(int)> on_accept_;
  FdWatcher watcher_;
  int fd_;
  uint16_t port_ = 0;
};

/// An HTTP/1.1 server that answers each request with whatever bytes its script says.
class FakeUpstream {
 public:
  class Peer;
  struct Request {
    std::string head;
    std::string body;
    int connection = 0;  ///< counts from 1
    int number = 0;      ///< on its connection, from 1
    std::string method() const { return head.substr(0, head.find(' ')); }
    std::string target() const {
      const size_t at = head.find(' ') + 1;
      return head.substr(at, head.find(' ', at) - at);
    }
  };
  using Script = std::function<void(Peer*, const Request&)>;

  /// One connection; lives as long as the server.
  class Peer final : public ConnectionEvents {
   public:
    Peer(FakeUpstream* server, int fd, int number) : server_(server), number_(number) {
      connection = std::make_unique<Connection>(&server->net_, fd, false, nullptr, this);
    }
    void Send(std::string_view bytes) { connection->Write(bytes); }
    /// A whole answer with a length.
    void Answer(std::string_view body, int status = 200, std::string_view fields = "") {
      Send("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n" + std::string(fields) + "\r\n" + std::string(body));
    }
    void SendAndClose(std::string_view bytes) {
      Send(bytes);
      connection->Flush();
      Close();
    }
    void Close() {
      if (connection->open()) --server_->open;
      connection->Close();
    }
    void Reset() {
      if (connection->open()) --server_->open;
      connection->Abort();
    }
    bool open() const { return connection->open(); }
    /// What came and is no whole request yet.
    const std::string& received() const { return received_; }

    void OnConnected() override {}
    void OnData(std::string_view data) override {
      received_ += data;
      server_->received += data.size();
      if (server_->on_data) server_->on_data(this);
      while (connection->open() && ParseOne()) {
      }
    }
    void OnPeerClosed() override { Close(); }
    void OnClosed(const absl::Status&) override { --server_->open; }
    void OnWritable() override {}

    std::unique_ptr<Connection> connection;

   private:
    bool ParseOne() {
      const size_t end = received_.find("\r\n\r\n");
      if (end == received_.npos) return false;
      Request request;
      request.head = received_.substr(0, end + 4);
      std::string lower = request.head;
      std::transform(lower.begin(), lower.end(), lower.begin(), ::tolower);
      size_t used = end + 4;
      if (const size_t at = lower.find("content-length: "); at != lower.npos) {
        const size_t length = std::strtoul(lower.c_str() + at + 16, nullptr, 10);
        if (received_.size() < used + length) return false;
        request.body = received_.substr(used, length);
        used += length;
      } else if (lower.find("transfer-encoding: chunked") != lower.npos) {
        for (;;) {
          const size_t line = received_.find("\r\n", used);
          if (line == received_.npos) return false;
          const size_t size = std::strtoul(received_.c_str() + used, nullptr, 16);
          if (size == 0) {
            const size_t last = received_.find("\r\n\r\n", line);
            if (last == received_.npos) return false;
            used = last + 4;
            break;
          }
          if (received_.size() < line + 2 + size + 2) return false;
          request.body += received_.substr(line + 2, size);
          used = line + 2 + size + 2;
        }
      }
      received_.erase(0, used);
      request.connection = number_;
      request.number = ++requests_;
      ++server_->requests;
      server_->seen.push_back(request);
      server_->script(this, request);
      return true;
    }

    FakeUpstream* server_;
    int number_;
    int requests_ = 0;
    std::string received_;
  };

  FakeUpstream(Dispatcher* dispatcher, Script how, uint16_t port = 0)
      : net_(dispatcher),
        script(std::move(how)),
        listener_(
            &net_,
            [this](int fd) {
              ++open;
              peers.push_back(std::make_unique<Peer>(this, fd, ++accepted));
              if (on_accept) on_accept(peers.back().get());
            },
            port) {}

  EndpointConfig endpoint(uint32_t weight = 1) const {
    return {.host = "127.0.0.1", .port = listener_.port(), .unix_path = "", .weight = weight};
  }
  uint16_t port() const { return listener_.port(); }
  void StopListening() { listener_.Close(); }
  /// Closes every connection from this side.
  void CloseAll() {
    for (const auto& peer : peers) {
      if (peer->open()) peer->Close();
    }
  }

 private:
  NetContext net_;  // the peers' memory: goes after them

 public:
  Script script;
  std::function<void(Peer*)> on_accept;
  std::function<void(Peer*)> on_data;
  std::vector<std::unique_ptr<Peer>> peers;
  std::vector<Request> seen;
  int accepted = 0;
  int open = 0;
  int requests = 0;
  size_t received = 0;

 private:
  FakeListener listener_;
};

/// An HTTP/2 server (prior knowledge) over the real codec.
class FakeHttp2Upstream {
 public:
  class Peer;
  /// One request; lives as long as its connection.
  struct Stream final : RequestReceiver {
    Stream(FakeHttp2Upstream* s, Peer* p, ServerStream* st, BlockPool* pool)
        : server(s), peer(p), stream(st), arena(pool), head(&arena) {}
    RequestHead* request_head() override { return &head; }
    void OnHead(bool end) override {
      if (end) Done();
    }
    void OnBody(std::string_view data) override {
      body += data;
      if (server->consume) stream->Consume(data.size());
    }
    void OnEnd(const HeaderMap*) override { Done(); }
    void OnReset(ResetReason) override {
      reset = true;
      ++server->resets;
    }
    void OnWritable() override {}
    void Done() {
      ++server->requests;
      server->script(this);
    }
    void Answer(std::string_view text, uint16_t status = 200) {
      ResponseHead response(&arena);
      response.status = status;
      if (!text.empty()) {
        response.body = BodyKind::kLength;
        response.content_length = text.size();
      }
      stream->SendHead(response, text.empty());
      if (!text.empty()) {
        stream->SendBody(text);
        stream->SendEnd(nullptr);
      }
    }

    FakeHttp2Upstream* server;
    Peer* peer;
    ServerStream* stream;
    Arena arena;
    RequestHead head;
    std::string body;
    bool reset = false;
  };
  using Script = std::function<void(Stream*)>;

  class Peer final : public ConnectionEvents, public ServerCodecEvents {
   public:
    Peer(FakeHttp2Upstream* server, int fd) : server_(server) {
      connection = std::make_unique<Connection>(&server->net_, fd, false, nullptr, this);
      codec = std::make_unique<Http2ServerCodec>(connection.get(), this, server->options);
    }
    RequestReceiver* OnNewStream(ServerStream* stream) override {
      if (server_->refuse > 0) {
        --server_->refuse;
        return nullptr;
      }
      streams.push_back(std::make_unique<Stream>(server_, this, stream, &server_->net_.blocks));
      return streams.back().get();
    }
    void OnRejected(uint16_t, std::string_view) override {}
    void OnConnected() override {}
    void OnData(std::string_view data) override { codec->OnData(data, 0); }
    void OnPeerClosed() override {
      codec->OnConnectionLost();
      if (connection->open()) --server_->open;
      connection->Close();
    }
    void OnClosed(const absl::Status&) override {
      --server_->open;
      codec->OnConnectionLost();
    }
    void OnWritable() override { codec->OnSinkWritable(); }

    std::unique_ptr<Connection> connection;
    std::unique_ptr<Http2ServerCodec> codec;
    std::vector<std::unique_ptr<Stream>> streams;

   private:
    FakeHttp2Upstream* server_;
  };

  FakeHttp2Upstream(Dispatcher* dispatcher, Script how)
      : net_(dispatcher), script(std::move(how)), listener_(&net_, [this](int fd) {
          ++accepted;
          ++open;
          peers.push_back(std::make_unique<Peer>(this, fd));
        }) {}

  EndpointConfig endpoint() const {
    return {.host = "127.0.0.1", .port = listener_.port(), .unix_path = "", .weight = 1};
  }

 private:
  NetContext net_;  // the peers' memory: goes after them

 public:
  Script script;
  Http2Options options;
  std::vector<std::unique_ptr<Peer>> peers;
  bool consume = true;
  int refuse = 0;  ///< so many requests are refused
  int accepted = 0;
  int open = 0;
  int requests = 0;
  int resets = 0;

 private:
  FakeListener listener_;
};

/// Says what the test tells it to.
class FakeResolver final : public HostResolver {
 public:
  explicit FakeResolver(Dispatcher* dispatcher) : dispatcher_(dispatcher) {}

  void Set(const std::string& host, std::vector<std::string> ips, uint32_t ttl_ms = 1000) {
    DnsAnswer answer;
    for (const std::string& ip : ips) answer.addresses.push_back(*Address::ParseIp(ip, 0));
    answer.ttl_ms = ttl_ms;
    answers[host] = answer;
  }
  void Fail(const std::string& host) { answers[host] = absl::NotFoundError("NXDOMAIN"); }

  std::unique_ptr<Lookup> Resolve(std::string_view host, DnsFamily, Callback callback) override {
    ++lookups;
    auto lookup = std::make_unique<FakeLookup>(this, std::string(host), std::move(callback));
    lookup->timer.Start(delay_ms);
    return lookup;
  }

  std::map<std::string, absl::StatusOr<DnsAnswer>> answers;
  uint32_t delay_ms = 1;
  int lookups = 0;

 private:
  struct FakeLookup final : Lookup {
    FakeLookup(FakeResolver* r, std::string h, Callback c)
        : resolver(r),
          host(std::move(h)),
          callback(std::move(c)),
          timer(
              r->dispatcher_->timers(), [](void* arg) { static_cast<FakeLookup*>(arg)->Done(); },
              this) {}
    void Done() {
      const auto found = resolver->answers.find(host);
      callback(found == resolver->answers.end() ? absl::NotFoundError("NXDOMAIN") : found->second);
    }
    FakeResolver* resolver;
    std::string host;
    Callback callback;
    Timer timer;
  };

  Dispatcher* dispatcher_;
};

/// One request and everything that was heard of it.
class TestExchange final : public UpstreamEvents {
 public:
  explicit TestExchange(Cluster* cluster)
      : arena(&cluster->net()->blocks), head(&arena), request(cluster, this, &arena) {
    head.method_text = "GET";
    head.scheme = "http";
    head.authority = "upstream.example";
    head.target = "/";
  }

  TestExchange& Get(std::string_view target = "/") { return Method("GET", target); }
  TestExchange& Method(std::string_view method, std::string_view target = "/") {
    head.method_text = method;
    head.method = ParseMethod(method);
    head.target = arena.Copy(target);
    return *this;
  }
  /// Starts a request without content.
  TestExchange& Start() {
    calling = true;
    request.Start(&head, true, options);
    calling = false;
    return *this;
  }
  /// Starts a request with content that SendBody() will bring.
  TestExchange& StartBody(int64_t length = -1) {
    if (length >= 0) {
      head.body = BodyKind::kLength;
      head.content_length = static_cast<uint64_t>(length);
      head.has_content_length = true;
    } else {
      head.body = BodyKind::kUnknown;
    }
    calling = true;
    request.Start(&head, false, options);
    calling = false;
    return *this;
  }
  TestExchange& StartContent(std::string_view content) {
    head.body = content.empty() ? BodyKind::kNone : BodyKind::kLength;
    head.content_length = content.size();
    head.has_content_length = true;
    options.has_content = true;
    options.content = content;
    calling = true;
    request.Start(&head, false, options);
    calling = false;
    return *this;
  }
  TestExchange& SendBody(std::string_view data) {
    calling = true;
    request.SendBody(data);
    calling = false;
    return *this;
  }
  TestExchange& SendEnd(const HeaderMap* trailers = nullptr) {
    calling = true;
    request.SendEnd(trailers);
    calling = false;
    return *this;
  }

  // UpstreamEvents.
  void OnUpstreamHead(ResponseHead* response, bool end) override {
    Check();
    ++heads;
    status = response->status;
    for (const HeaderField& field : response->headers) {
      fields += std::string(field.name) + "=" + std::string(field.value) + ";";
    }
    if (end) ended = true;
    if (on_head) on_head();
  }
  void OnUpstreamBody(std::string_view data) override {
    Check();
    body += data;
    if (consume) request.Consume(data.size());
    if (on_body) on_body();
  }
  void OnUpstreamEnd(const HeaderMap* map) override {
    Check();
    ended = true;
    if (map != nullptr) {
      for (const HeaderField& field : *map) {
        trailers += std::string(field.name) + "=" + std::string(field.value) + ";";
      }
    }
    if (on_end) on_end();
  }
  void OnUpstreamFailure(UpstreamFailure why, std::string_view text) override {
    Check();
    ++failures;
    failure = why;
    detail = text;
    if (on_failure) on_failure();
  }
  void OnUpstreamAborted(ResetReason why) override {
    Check();
    aborted = true;
    abort_reason = why;
  }
  void OnUpstreamConsumed(size_t size) override {
    Check();
    credited += size;
    if (on_consumed) on_consumed();
  }

  bool done() const { return ended || failures > 0 || aborted; }
  bool ok() const { return ended && heads == 1 && failures == 0 && !aborted && !reentered; }

  Arena arena;
  RequestHead head;
  UpstreamRequestOptions options;
  UpstreamRequest request;

  int heads = 0;
  uint16_t status = 0;
  std::string fields;
  std::string body;
  std::string trailers;
  bool ended = false;
  int failures = 0;
  UpstreamFailure failure = UpstreamFailure::kNone;
  std::string detail;
  bool aborted = false;
  ResetReason abort_reason = ResetReason::kInternal;
  size_t credited = 0;
  bool consume = true;
  bool calling = false;    // Start(), SendBody() or SendEnd() is on the stack
  bool reentered = false;  // an event came from inside one of them
  std::function<void()> on_head, on_body, on_end, on_failure, on_consumed;

 private:
  void Check() {
    if (calling) reentered = true;
  }
};

/// A worker's loop with everything a cluster needs.
class UpstreamFixture {
 public:
  UpstreamFixture() = default;

  /// Makes a set of the clusters, keeping what is equal to those before, and activates it.
  void Activate(std::vector<ClusterConfig> configs) {
    set = ClusterSet::Build(std::move(configs), 1, set.get());
    manager.Activate(set);
  }
  Cluster* Get(std::string_view name) { return manager.Get({set.get(), *set->Find(name)}); }
  /// One cluster named "c".
  Cluster* Single(ClusterConfig config) {
    config.name = "c";
    Activate({std::move(config)});
    return Get("c");
  }
  bool Until(const std::function<bool()>& done, int timeout_ms = 5000) {
    return RunUntil(&dispatcher, done, timeout_ms);
  }
  void Run(int ms) { RunFor(&dispatcher, ms); }
  uint64_t Now() {
    uv_update_time(dispatcher.loop());
    return dispatcher.NowMs();
  }

  Dispatcher dispatcher;
  NetContext net{&dispatcher};
  FakeResolver resolver{&dispatcher};
  std::shared_ptr<const ClusterSet> set;
  ClusterManager manager{{.net = &net, .resolver = &resolver, .worker = 0}};
};

}  // namespace postern
