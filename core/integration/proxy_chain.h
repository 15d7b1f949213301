#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/integration/http_proxy.h"
#include "core/integration/integration.h"
#include "core/upstream/steady_state_support.h"

namespace postern {

/// A request as a session hands it over, made anew in an arena each time.
struct ChainRequest {
  explicit ChainRequest(Arena* arena, bool post) : head(arena) {
    head.method = post ? Method::kPost : Method::kGet;
    head.method_text = post ? "POST" : "GET";
    head.scheme = "http";
    head.authority = "api.example.com";
    head.target = "/pets/4711?kind=dog&limit=10";
    head.headers.Add("Accept", "*/*");
    head.headers.Add("User-Agent", "chain/1.0");
    head.headers.Add("Accept-Encoding", "gzip, deflate, br");
    head.headers.Add("X-Request-Source", "steady-state");
    if (post) {
      head.body = BodyKind::kLength;
      head.content_length = 256;
      head.has_content_length = true;
    }
    context.request = &head;
    context.peer_ip = "203.0.113.9";
    context.forwarded_port = "8080";
    context.forwarded_proto = "http";
    context.trace_id = "Root=1-65d177a9-69642f763f4c955339553fc5";
    params[0] = {"proxy", "pets/4711"};
    context.path_params = params;
    context.path_param_count = 1;
  }

  RequestHead head;
  RequestContext context;
  NameValue params[1];
};

/// `ANY /{proxy+}` to an HTTP backend.
inline HttpProxyIntegration::Spec ChainSpec(ClusterRef cluster) {
  HttpProxyIntegration::Spec spec;
  spec.cluster = cluster;
  spec.authority = "backend.example";
  spec.target.text = "/{proxy}";
  spec.target.path = {{"proxy", ValueSource(ValueSource::Kind::kPath, "proxy")}};
  spec.target.pass_query = true;
  spec.api_id = "a1b2c3d4e5";
  return spec;
}

/// One proxied request after the other, each begun when the one before has ended.
class ProxyChain {
 public:
  ProxyChain(const Integration& integration, NetContext* net, ClusterManager* clusters, bool post)
      : integration_(integration), net_(net), clusters_(clusters), post_(post) {}

  void Run(int count) {
    left_ = count;
    Next();
    uv_run(net_->dispatcher->loop(), UV_RUN_DEFAULT);
  }
  int failures = 0;
  uint64_t bytes = 0;

 private:
  struct Slot final : ResponseSink {
    explicit Slot(ProxyChain* c) : chain(c), arena(&c->net_->blocks), request(&arena, c->post_) {
      exchange = chain->integration_.NewExchange({.arena = &arena,
                                                  .dispatcher = chain->net_->dispatcher,
                                                  .clusters = chain->clusters_,
                                                  .request = &request.head,
                                                  .context = &request.context,
                                                  .sink = this});
    }
    ~Slot() { exchange->~Exchange(); }
    void Start() {
      exchange->Start(!chain->post_);
      if (chain->post_) {
        static const std::string content(256, 'y');
        exchange->OnRequestBody(content);
        exchange->OnRequestEnd(nullptr);
      }
    }
    void OnResponseHead(ResponseHead*, bool end) override {
      if (end) chain->Next();
    }
    void OnResponseBody(std::string_view data) override {
      chain->bytes += data.size();
      exchange->ConsumeResponse(data.size());
    }
    void OnResponseEnd(const HeaderMap*) override { chain->Next(); }
    void OnResponseFailure(ResponseType, uint16_t) override {
      ++chain->failures;
      chain->Next();
    }
    void OnResponseAborted() override {
      ++chain->failures;
      chain->Next();
    }
    void OnRequestConsumed(size_t) override {}

    ProxyChain* chain;
    Arena arena;
    ChainRequest request;
    Exchange* exchange;
  };

  void Next() {
    if (left_-- == 0) {
      net_->dispatcher->Stop();
      return;
    }
    // The one that has just ended is on the stack; the one before it is not.
    at_ ^= 1;
    slots_[at_].reset();
    slots_[at_].emplace(this);
    slots_[at_]->Start();
  }

  const Integration& integration_;
  NetContext* net_;
  ClusterManager* clusters_;
  bool post_;
  int left_ = 0;
  int at_ = 0;
  std::optional<Slot> slots_[2];
};

}  // namespace postern
