#include "core/integration/http_proxy.h"

#include <utility>

#include "core/integration/header_rules.h"
#include "core/integration/upstream_failures.h"
#include "core/upstream/cluster_manager.h"
#include "core/upstream/upstream_request.h"

namespace postern {
namespace {

constexpr uint32_t kStreamIdleTimeoutMs = 300'000;  // rest-api.md §6.10

/// The forwarded-for list with the peer at its end (rest-api.md §6.9).
std::string_view ForwardedFor(std::string_view before, std::string_view field, Arena* arena) {
  return before.empty() ? field : arena->Concat(before, ", ", field);
}

}  // namespace

class HttpProxyIntegration::ProxyExchange final : public Exchange, private UpstreamEvents {
 public:
  ProxyExchange(const HttpProxyIntegration* integration, const ExchangeEnv& env)
      : integration_(*integration),
        env_(env),
        head_(env.arena),
        upstream_(env.clusters->Get(integration->cluster_), this, env.arena) {}

  void Start(bool end) override {
    if (!MakeHead()) {
      env_.context->integration_error =
          "Execution failed due to configuration error: header already present";
      env_.sink->OnResponseFailure(ResponseType::kApiConfigurationError, 0);
      return;
    }
    started_ms_ = env_.dispatcher->NowMs();
    UpstreamRequestOptions options;
    options.timeout_ms = integration_.timeout_ms_;
    if (integration_.streamed_) options.idle_timeout_ms = kStreamIdleTimeoutMs;
    options.client = env_.client;
    options.trace = env_.context->execution;
    upstream_.Start(&head_, end, options);
  }

  void OnRequestBody(std::string_view data) override { upstream_.SendBody(data); }
  void OnRequestEnd(const HeaderMap* trailers) override { upstream_.SendEnd(trailers); }
  void ConsumeResponse(size_t size) override { upstream_.Consume(size); }

 private:
  bool MakeHead() {
    const RequestHead& client = *env_.request;
    const RequestContext& context = *env_.context;
    const HeaderMapping::Values mapped = integration_.headers_.Evaluate(context, env_.arena);
    if (mapped.failed()) return false;

    if (integration_.method_text_.empty()) {
      head_.method = client.method;
      head_.method_text = client.method_text;
    } else {
      head_.method = integration_.method_;
      head_.method_text = integration_.method_text_;
    }
    head_.scheme = integration_.scheme_;
    head_.authority =
        mapped.host().data() != nullptr ? mapped.host() : std::string_view(integration_.authority_);
    head_.target = integration_.target_.Make(context, env_.arena);
    head_.body = client.body;
    head_.content_length = client.content_length;
    head_.has_content_length = client.has_content_length;

    if (integration_.http_api_) {
      AddHttpApiFields(mapped);
      return true;
    }
    std::string_view forwarded_for;
    bool has_agent = mapped.Overrides(HeaderId::kUserAgent);
    bool has_accept = mapped.Overrides(HeaderId::kAccept);
    HeaderMap& headers = head_.headers;
    for (const HeaderField& field : client.headers) {
      if (IsDroppedTowardsHttpProxy(field.id)) {
        if (field.id == HeaderId::kXForwardedFor) {
          forwarded_for = ForwardedFor(forwarded_for, field.value, env_.arena);
        }
        continue;
      }
      if (mapped.Overrides(field)) continue;
      if (field.id == HeaderId::kAuthorization &&
          (integration_.iam_authorized_ || IsSigV4(field.value))) {
        continue;
      }
      has_agent = has_agent || field.id == HeaderId::kUserAgent;
      has_accept = has_accept || field.id == HeaderId::kAccept;
      headers.Add(field);
    }
    mapped.AddTo(&headers);
    if (!has_accept) headers.Add(HeaderId::kAccept, "Accept", "application/json");
    if (!has_agent) {
      headers.Add(HeaderId::kUserAgent, "User-Agent",
                  env_.arena->Concat("AmazonAPIGateway_", integration_.api_id_));
    }
    headers.Add(HeaderId::kXAmznApigatewayApiId, "X-Amzn-Apigateway-Api-Id", integration_.api_id_);
    headers.Add(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id", context.trace_id);
    if (!mapped.Overrides(HeaderId::kXForwardedFor)) {
      headers.Add(HeaderId::kXForwardedFor, "X-Forwarded-For",
                  ForwardedFor(forwarded_for, context.peer_ip, env_.arena));
    }
    if (!mapped.Overrides(HeaderId::kXForwardedPort)) {
      headers.Add(HeaderId::kXForwardedPort, "X-Forwarded-Port", context.forwarded_port);
    }
    if (!mapped.Overrides(HeaderId::kXForwardedProto)) {
      headers.Add(HeaderId::kXForwardedProto, "X-Forwarded-Proto", context.forwarded_proto);
    }
    return true;
  }

  // http-api.md §9: everything passes; how it came is told by Forwarded and Via.
  void AddHttpApiFields(const HeaderMapping::Values& mapped) {
    const RequestContext& context = *env_.context;
    HeaderMap& headers = head_.headers;
    std::string_view forwarded;
    for (const HeaderField& field : env_.request->headers) {
      if (field.id == HeaderId::kForwarded) {
        forwarded =
            forwarded.empty() ? field.value : env_.arena->Concat(forwarded, ", ", field.value);
        continue;
      }
      if (field.id == HeaderId::kXAmznTraceId || mapped.Overrides(field)) continue;
      headers.Add(field);
    }
    mapped.AddTo(&headers);
    const bool ipv6 = context.peer_ip.find(':') != context.peer_ip.npos;
    const std::string_view peer =
        ipv6 ? env_.arena->Concat("\"[", context.peer_ip, "]\"") : context.peer_ip;
    const std::string_view element =
        env_.arena->Concat("for=", peer, ";host=", QuotedHost(context.request->authority),
                           ";proto=", context.forwarded_proto);
    headers.Add(HeaderId::kForwarded, "Forwarded",
                forwarded.empty() ? element : env_.arena->Concat(forwarded, ", ", element));
    headers.Add(HeaderId::kVia, "Via", "HTTP/1.1 AmazonAPIGateway");
    headers.Add(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id", context.trace_id);
  }

  // A port makes it more than a token (RFC 7239 §4).
  std::string_view QuotedHost(std::string_view host) const {
    return host.find_first_of(":[") == host.npos ? host : env_.arena->Concat("\"", host, "\"");
  }

  int64_t Elapsed() const { return static_cast<int64_t>(env_.dispatcher->NowMs() - started_ms_); }

  // UpstreamEvents.
  void OnUpstreamHead(ResponseHead* head, bool end) override {
    RequestContext& context = *env_.context;
    context.integration_latency_ms = Elapsed();
    context.time_to_all_headers_ms = context.integration_latency_ms;
    context.integration_status = head->status;
    context.integration_service_status = head->status;
    context.response_streamed = integration_.streamed_;
    context.upstream_attempts = upstream_.attempts();
    if (!integration_.http_api_) RemapProxyResponse(head, env_.arena);
    env_.sink->OnResponseHead(head, end);
  }

  void OnUpstreamBody(std::string_view data) override {
    if (env_.context->time_to_first_content_ms < 0) {
      env_.context->time_to_first_content_ms = Elapsed();
    }
    env_.sink->OnResponseBody(data);
  }

  void OnUpstreamEnd(const HeaderMap* trailers) override { env_.sink->OnResponseEnd(trailers); }

  void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) override {
    env_.context->integration_latency_ms = Elapsed();
    env_.context->upstream_attempts = upstream_.attempts();
    const FailureReply reply = DescribeHttpFailure(failure, detail, env_.context, env_.arena);
    env_.sink->OnResponseFailure(reply.type, reply.status);
  }

  void OnUpstreamAborted(ResetReason) override { env_.sink->OnResponseAborted(); }
  void OnUpstreamConsumed(size_t size) override { env_.sink->OnRequestConsumed(size); }

  const HttpProxyIntegration& integration_;
  const ExchangeEnv env_;
  RequestHead head_;
  uint64_t started_ms_ = 0;
  UpstreamRequest upstream_;
};

HttpProxyIntegration::HttpProxyIntegration(Spec spec)
    : cluster_(spec.cluster),
      authority_(std::move(spec.authority)),
      scheme_(spec.https ? "https" : "http"),
      method_(ParseMethod(spec.method)),
      method_text_(std::move(spec.method)),
      target_(std::move(spec.target)),
      headers_(std::move(spec.headers), HttpMappingAction),
      timeout_ms_(spec.timeout_ms),
      streamed_(spec.streamed),
      iam_authorized_(spec.iam_authorized),
      api_id_(std::move(spec.api_id)),
      http_api_(spec.http_api) {}

Exchange* HttpProxyIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(ProxyExchange), alignof(ProxyExchange)))
      ProxyExchange(this, env);
}

}  // namespace postern
