#include "core/integration/http_mapped.h"

#include <utility>

#include "core/context/trace_id.h"
#include "core/event/timer.h"
#include "core/integration/body_buffer.h"
#include "core/integration/held_body.h"
#include "core/integration/upstream_failures.h"
#include "core/upstream/cluster_manager.h"
#include "core/upstream/upstream_request.h"
#include "lib/text/concat.h"

namespace postern {

class HttpMappedIntegration::MappedExchange final : public Exchange, private UpstreamEvents {
 public:
  MappedExchange(const HttpMappedIntegration* integration, const ExchangeEnv& env)
      : integration_(*integration),
        env_(env),
        head_(env.arena),
        request_body_(env.arena),
        response_body_(env.arena),
        answer_(env.sink),
        timer_(
            env.dispatcher->timers(),
            [](void* arg) { static_cast<MappedExchange*>(arg)->OnTimer(); }, this),
        upstream_(env.clusters->Get(integration->cluster_), this, env.arena) {}

  void Start(bool end) override {
    choice_ = integration_.templates_.Choose(*env_.request);
    if (choice_.unsupported) {
      env_.sink->OnResponseFailure(ResponseType::kUnsupportedMediaType, 0);
      return;
    }
    if (end) SendRequest();
  }

  void OnRequestBody(std::string_view data) override {
    env_.sink->OnRequestConsumed(data.size());
    if (!refused_ && !request_body_.Append(data)) {
      refused_ = true;
      env_.sink->OnResponseFailure(ResponseType::kRequestTooLarge, 0);
    }
  }

  void OnRequestEnd(const HeaderMap*) override {
    if (!refused_) SendRequest();
  }

  void ConsumeResponse(size_t size) override { answer_.Consume(size); }

 private:
  static std::optional<std::string_view> ValueOf(const HeaderField* field) {
    return field != nullptr ? std::optional(field->value) : std::nullopt;
  }

  void Fail(std::string_view why) {
    env_.context->integration_error =
        env_.arena->Concat("Execution failed due to configuration error: ", why);
    env_.sink->OnResponseFailure(ResponseType::kApiConfigurationError, 0);
  }

  void SendRequest() {
    const RequestHead& client = *env_.request;
    const HeaderField* type = client.headers.FindLast(HeaderId::kContentType);
    ConvertedBody body{request_body_.content()};
    if (!body.text.empty()) {
      body = ConvertRequestBody(body.text, integration_.binary_.MatchesContentType(ValueOf(type)),
                                integration_.handling_, env_.arena);
    }
    if (body.failed) {
      Fail("Unable to base64 decode the body.");
      return;
    }
    if (choice_.chosen != nullptr) {
      if (body.binary && !body.text.empty()) {
        Fail("Unable to transform request");  // rest-api.md §7.8
        return;
      }
      if (choice_.chosen->form == BodyTemplate::Form::kLiteral) {
        body.text = choice_.chosen->body;
      } else if (body.text.empty()) {
        body.text = "{}";
      }
    }
    const HeaderMapping::Values mapped = integration_.headers_.Evaluate(*env_.context, env_.arena);
    if (mapped.failed()) {
      Fail("header already present");
      return;
    }
    MakeHead(mapped, ValueOf(type), body.text);
    started_ms_ = env_.dispatcher->NowMs();
    UpstreamRequestOptions options;
    options.timeout_ms = integration_.timeout_ms_;
    options.idle_timeout_ms = 0;  // timer_ bounds the whole
    timer_.Start(integration_.timeout_ms_);
    options.has_content = !body.text.empty();
    options.content = body.text;
    options.client = env_.client;
    upstream_.Start(&head_, body.text.empty(), options);
  }

  // rest-api.md §6.3, §6.9: nothing of the client's but what is mapped, and its Content-Type.
  void MakeHead(const HeaderMapping::Values& mapped, std::optional<std::string_view> content_type,
                std::string_view body) {
    const RequestHead& client = *env_.request;
    head_.method = integration_.method_text_.empty() ? client.method : integration_.method_;
    head_.method_text = integration_.method_text_.empty()
                            ? client.method_text
                            : std::string_view(integration_.method_text_);
    head_.scheme = integration_.scheme_;
    head_.authority =
        mapped.host().data() != nullptr ? mapped.host() : std::string_view(integration_.authority_);
    head_.target = integration_.target_.Make(*env_.context, env_.arena);
    head_.body = body.empty() ? BodyKind::kNone : BodyKind::kLength;
    head_.content_length = body.size();
    head_.has_content_length = !body.empty() || head_.method == Method::kPost ||
                               head_.method == Method::kPut || head_.method == Method::kPatch;
    HeaderMap& headers = head_.headers;
    mapped.AddTo(&headers);
    if (!mapped.Overrides(HeaderId::kAccept)) {
      headers.Add(HeaderId::kAccept, "Accept", "application/json");
    }
    if (!mapped.Overrides(HeaderId::kContentType)) {
      if (choice_.chosen != nullptr) {
        if (!body.empty()) headers.Add(HeaderId::kContentType, "Content-Type", "application/json");
      } else if (content_type.has_value() && client.method != Method::kGet &&
                 client.method != Method::kHead && client.method != Method::kOptions) {
        headers.Add(HeaderId::kContentType, "Content-Type", *content_type);
      }
    }
    if (!mapped.Overrides(HeaderId::kUserAgent)) {
      headers.Add(HeaderId::kUserAgent, "User-Agent", integration_.user_agent_);
    }
    headers.Add(HeaderId::kXAmznApigatewayApiId, "X-Amzn-Apigateway-Api-Id", integration_.api_id_);
    headers.Add(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id", env_.context->trace_id);
  }

  void OnTimer() {
    upstream_.Cancel();
    OnUpstreamFailure(UpstreamFailure::kTimeout, "timeout");
  }

  void Answer() {
    timer_.Cancel();
    env_.context->time_to_first_content_ms = env_.context->integration_latency_ms;
    const std::string status = Concat(backend_->status);
    const size_t index = integration_.responses_.Select(status);
    if (index == IntegrationResponses::kNone) {
      Fail(
          Concat("No match for output mapping and no default output mapping configured. Endpoint "
                 "Response Status Code: ",
                 status));
      return;
    }
    const IntegrationResponses::Response response = integration_.responses_.Make(
        index, {backend_, response_body_.content()}, env_.context, env_.arena);
    if (response.head == nullptr) {
      env_.sink->OnResponseFailure(ResponseType::kApiConfigurationError, 0);
      return;
    }
    response.head->headers.Add(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id",
                               ResponseTraceId(*env_.context, env_.arena));
    answer_.Send(response.head, response.body);
  }

  // UpstreamEvents.
  void OnUpstreamHead(ResponseHead* head, bool end) override {
    RequestContext& context = *env_.context;
    context.integration_latency_ms = static_cast<int64_t>(env_.dispatcher->NowMs() - started_ms_);
    context.time_to_all_headers_ms = context.integration_latency_ms;
    context.integration_status = head->status;
    context.integration_service_status = head->status;
    context.upstream_attempts = upstream_.attempts();
    backend_ = head;
    if (end) Answer();
  }

  void OnUpstreamBody(std::string_view data) override {
    if (refused_) return;
    if (!response_body_.Append(data)) {
      refused_ = true;
      timer_.Cancel();
      upstream_.Cancel();
      Fail("Endpoint response is too long");
      return;
    }
    upstream_.Consume(data.size());
  }

  void OnUpstreamEnd(const HeaderMap*) override { Answer(); }

  void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) override {
    timer_.Cancel();
    env_.context->integration_latency_ms =
        static_cast<int64_t>(env_.dispatcher->NowMs() - started_ms_);
    env_.context->upstream_attempts = upstream_.attempts();
    const FailureReply reply = DescribeHttpFailure(failure, detail, env_.context, env_.arena);
    env_.sink->OnResponseFailure(reply.type, reply.status);
  }

  void OnUpstreamAborted(ResetReason reason) override {
    // Nothing was sent on yet, so the client can still be told.
    timer_.Cancel();
    const FailureReply reply = DescribeHttpFailure(
        reason == ResetReason::kTimeout ? UpstreamFailure::kTimeout : UpstreamFailure::kMalformed,
        ResetReasonName(reason), env_.context, env_.arena);
    env_.sink->OnResponseFailure(reply.type, reply.status);
  }

  void OnUpstreamConsumed(size_t) override {}

  const HttpMappedIntegration& integration_;
  const ExchangeEnv env_;
  RequestHead head_;
  RequestTemplates::Choice choice_;
  BodyBuffer request_body_;
  BodyBuffer response_body_;
  HeldBody answer_;
  const ResponseHead* backend_ = nullptr;
  bool refused_ = false;
  uint64_t started_ms_ = 0;
  Timer timer_;
  UpstreamRequest upstream_;
};

HttpMappedIntegration::HttpMappedIntegration(Spec spec)
    : cluster_(spec.cluster),
      authority_(std::move(spec.authority)),
      scheme_(spec.https ? "https" : "http"),
      method_(ParseMethod(spec.method)),
      method_text_(std::move(spec.method)),
      target_(std::move(spec.target)),
      headers_(std::move(spec.headers), HttpMappingAction),
      templates_(std::move(spec.request_templates), spec.passthrough),
      handling_(spec.handling),
      responses_(std::move(spec.responses), spec.binary_media_types),
      binary_(*spec.binary_media_types),
      timeout_ms_(spec.timeout_ms),
      api_id_(std::move(spec.api_id)),
      user_agent_(Concat("AmazonAPIGateway_", api_id_)) {}

Exchange* HttpMappedIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(MappedExchange), alignof(MappedExchange)))
      MappedExchange(this, env);
}

}  // namespace postern
