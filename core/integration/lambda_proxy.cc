#include "core/integration/lambda_proxy.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/context/trace_id.h"
#include "core/event/timer.h"
#include "core/integration/body_buffer.h"
#include "core/integration/held_body.h"
#include "core/integration/http_api_event.h"
#include "core/integration/http_api_result.h"
#include "core/integration/lambda_event.h"
#include "core/integration/lambda_result.h"
#include "core/integration/upstream_failures.h"
#include "core/upstream/cluster_manager.h"
#include "core/upstream/upstream_request.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// A Runtime Interface Emulator that still runs an invocation which somebody gave up answers 400; it
// is asked again after these pauses, doubling from the first to the longest.
constexpr uint32_t kFirstBusyPauseMs = 20;
constexpr uint32_t kLongestBusyPauseMs = 500;

}  // namespace

class LambdaProxyIntegration::LambdaExchange final : public Exchange,
                                                     private UpstreamEvents,
                                                     private FunctionLeaseEvents {
 public:
  LambdaExchange(const LambdaProxyIntegration* integration, const ExchangeEnv& env)
      : integration_(*integration),
        function_(*integration->function_),
        env_(env),
        cluster_(env.clusters->Get(function_.cluster)),
        head_(env.arena),
        request_body_(env.arena),
        answer_(env.sink),
        lease_(function_.pool.get(), cluster_, this),
        timer_(
            env.dispatcher->timers(),
            [](void* arg) { static_cast<LambdaExchange*>(arg)->OnTimer(); }, this) {}

  void Start(bool end) override {
    if (integration_.headers_.Evaluate(*env_.context, env_.arena).failed()) {
      Fail(ResponseType::kApiConfigurationError, 500,
           "Execution failed due to configuration error: header already present");
      return;
    }
    if (end) Invoke();
  }

  void OnRequestBody(std::string_view data) override {
    env_.sink->OnRequestConsumed(data.size());
    if (!done_ && !request_body_.Append(data)) Fail(ResponseType::kRequestTooLarge, 0, {});
  }

  void OnRequestEnd(const HeaderMap*) override {
    if (!done_) Invoke();
  }

  void ConsumeResponse(size_t size) override { answer_.Consume(size); }

 private:
  uint64_t Now() const { return env_.dispatcher->NowMs(); }
  uint32_t TimeLeft() const {
    const uint64_t now = Now();
    return now < deadline_ms_ ? static_cast<uint32_t>(deadline_ms_ - now) : 0;
  }

  void Fail(ResponseType type, uint16_t status, std::string_view integration_error) {
    done_ = true;
    timer_.Cancel();
    lease_.Release();
    RequestContext& context = *env_.context;
    if (started_ms_ != 0)
      context.integration_latency_ms = static_cast<int64_t>(Now() - started_ms_);
    if (!integration_error.empty()) context.integration_error = integration_error;
    if (InfoOf(type).is_5xx && type != ResponseType::kIntegrationTimeout) {
      context.error_message = InfoOf(ResponseType::kDefault5xx).message;
    }
    env_.sink->OnResponseFailure(type, status);
  }

  // ---- The invocation.

  void Invoke() {
    event_ = MakeEvent();
    MakeHead();
    started_ms_ = Now();
    deadline_ms_ = started_ms_ + integration_.timeout_ms_;
    timer_.Start(integration_.timeout_ms_);
    switch (lease_.Acquire()) {
      case FunctionLease::Result::kGranted:
        Send();
        return;
      case FunctionLease::Result::kQueued:
        return;
      case FunctionLease::Result::kFull:
        Throttled();
        return;
    }
  }

  std::string_view MakeEvent() {
    const std::string_view body = request_body_.content();
    if (integration_.http_api_payload_ == 2)
      return MakeHttpApiEvent(*env_.context, body, env_.arena);
    if (integration_.http_api_payload_ == 1) {
      return MakeHttpApiEventV1(*env_.context, body, env_.arena);
    }
    const HeaderField* type = env_.request->headers.FindLast(HeaderId::kContentType);
    const bool binary = integration_.binary_.MatchesContentType(
        type != nullptr ? std::optional(type->value) : std::nullopt);
    return MakeLambdaEvent(*env_.context, body, binary, env_.arena);
  }

  // rest-api.md §6.9, "Lambda calls".
  void MakeHead() {
    const RequestContext& context = *env_.context;
    head_.method = Method::kPost;
    head_.method_text = "POST";
    head_.scheme = function_.https ? "https" : "http";
    head_.authority = function_.authority;
    head_.target = function_.target;
    head_.body = BodyKind::kLength;
    head_.content_length = event_.size();
    head_.has_content_length = true;
    HeaderMap& headers = head_.headers;
    headers.Add(HeaderId::kContentType, "Content-Type", "application/json");
    headers.Add(HeaderId::kAccept, "Accept", "application/json");
    headers.Add(HeaderId::kUserAgent, "User-Agent", integration_.user_agent_);
    headers.Add(HeaderId::kXAmznApigatewayApiId, "X-Amzn-Apigateway-Api-Id", integration_.api_id_);
    headers.Add(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id", context.trace_id);
    headers.Add(HeaderId::kOther, "x-amzn-lambda-integration-tag", context.request_id);
    headers.Add(HeaderId::kOther, "X-Amz-Source-Arn", integration_.source_arn_);
  }

  void Send() {
    UpstreamRequestOptions options;
    options.timeout_ms = std::max<uint32_t>(TimeLeft(), 1);
    options.idle_timeout_ms = 0;  // timer_ bounds the whole
    options.has_content = true;
    options.content = event_;
    options.pinned = lease_.endpoint();
    upstream_.emplace(cluster_, static_cast<UpstreamEvents*>(this), env_.arena);
    result_.emplace(env_.arena, function_.max_result_bytes);
    upstream_->Start(&head_, false, options);
  }

  void OnFunctionSlot() override { Send(); }
  void OnFunctionQueueTimeout() override { Throttled(); }

  void Throttled() {
    env_.context->error_detail = "lambda:throttled";
    env_.context->integration_service_status = 429;
    // http-api.md §8: 503.
    Fail(ResponseType::kIntegrationFailure, integration_.http_api_payload_ != 0 ? 503 : 500,
         "Execution failed due to configuration error: Rate Exceeded.");
  }

  void OnTimer() {
    if (busy_pause_ms_ != 0 && TimeLeft() > 0) {
      timer_.Start(TimeLeft());
      Send();
      return;
    }
    // A timeout of ours does not cancel the function (rest-api.md §9.6).
    upstream_.reset();
    env_.context->error_detail = "lambda:timeout";
    Fail(ResponseType::kIntegrationTimeout, 0, "Execution failed due to a timeout error");
  }

  // ---- Its answer.

  void OnUpstreamHead(ResponseHead* head, bool end) override {
    RequestContext& context = *env_.context;
    response_ = head;
    context.integration_service_status = head->status;
    context.upstream_attempts =
        static_cast<uint8_t>(std::min(255, context.upstream_attempts + upstream_->attempts()));
    context.time_to_all_headers_ms = static_cast<int64_t>(Now() - started_ms_);
    if (const HeaderField* id = head->headers.Find(HeaderId::kXAmznRequestId)) {
      context.integration_request_id = id->value;
    }
    if (end) Answer();
  }

  void OnUpstreamBody(std::string_view data) override {
    upstream_->Consume(data.size());
    if (done_) return;
    if (env_.context->time_to_first_content_ms < 0) {
      env_.context->time_to_first_content_ms = static_cast<int64_t>(Now() - started_ms_);
    }
    if (!result_->Append(data)) {
      upstream_->Cancel();
      Malformed();
    }
  }

  void OnUpstreamEnd(const HeaderMap*) override {
    if (!done_) Answer();
  }

  void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) override {
    env_.context->upstream_attempts = upstream_->attempts();
    const FailureReply reply = DescribeLambdaFailure(failure, detail, env_.context, env_.arena);
    Fail(reply.type, reply.status, {});
  }

  void OnUpstreamAborted(ResetReason) override {
    if (!done_) Malformed();
  }

  void OnUpstreamConsumed(size_t) override {}

  void Malformed() {
    env_.context->error_detail = "lambda:malformed";
    Fail(ResponseType::kDefault5xx, 502,
         "Execution failed due to configuration error: Malformed Lambda proxy response");
  }

  void FunctionError(std::string_view message) {
    env_.context->error_detail = "lambda:function_error";
    Fail(ResponseType::kDefault5xx, 502,
         env_.arena->Concat(
             "Lambda execution failed with status 200 due to customer function error: ", message,
             ". Lambda request id: ", env_.context->integration_request_id));
  }

  // rest-api.md §9.6, management-and-import.md §5.1.
  void Refused(uint16_t status) {
    env_.context->error_detail = "lambda:refused";
    const std::string_view id = env_.context->integration_request_id;
    if (status == 429) {
      Throttled();
    } else if (status == 403) {
      Fail(ResponseType::kIntegrationFailure, 500,
           "Execution failed due to configuration error: Invalid permissions on Lambda function");
    } else {
      const std::string_view text = env_.arena->Concat(
          "Lambda invocation failed with status: ", Concat(status), ". Lambda request id: ", id);
      // 4xx: the call was wrong, a missing function for example; else the service failed.
      if (status < 500) {
        Fail(ResponseType::kIntegrationFailure, 500, text);
      } else {
        Fail(ResponseType::kDefault5xx, 502, text);
      }
    }
  }

  void Answer() {
    const uint16_t status = response_->status;
    const bool emulator = function_.mode == LambdaFunction::Mode::kRuntimeInterface;
    if (emulator && status == 400 && TimeLeft() > 0) {
      // Busy with an invocation that is not ours (management-and-import.md §5.2).
      busy_pause_ms_ = busy_pause_ms_ == 0 ? kFirstBusyPauseMs
                                           : std::min(2 * busy_pause_ms_, kLongestBusyPauseMs);
      timer_.Start(std::min(busy_pause_ms_, TimeLeft()));
      return;
    }
    if (status < 200 || status > 299) {
      Refused(status);
      return;
    }
    const bool threw = response_->headers.Find("x-amz-function-error") != nullptr;
    const std::string_view text = result_->content();
    if (integration_.http_api_payload_ != 0) {
      AnswerHttpApi(text, threw);
      return;
    }
    LambdaResult result = ReadLambdaResult(const_cast<char*>(text.data()), text.size(),
                                           *env_.request, integration_.binary_, env_.arena);
    if (threw || result.kind == LambdaResult::Kind::kFunctionError) {
      FunctionError(result.error_message);
      return;
    }
    switch (result.kind) {
      case LambdaResult::Kind::kResponse:
        Deliver(result);
        return;
      case LambdaResult::Kind::kUndecodable:
        env_.context->error_detail = "lambda:undecodable";
        Fail(ResponseType::kDefault5xx, 500,
             "Execution failed due to configuration error: Unable to base64 decode the body.");
        return;
      default:
        Malformed();
        return;
    }
  }

  // http-api.md §8.
  void AnswerHttpApi(std::string_view text, bool threw) {
    const HttpApiResult result =
        ReadHttpApiResult(text, integration_.http_api_payload_ == 2, env_.arena);
    if (threw || result.kind == HttpApiResult::Kind::kFunctionError) {
      FunctionError(result.error_message);
    } else if (result.kind == HttpApiResult::Kind::kResponse) {
      Deliver(result.head, result.body);
    } else {
      Malformed();
    }
  }

  void Deliver(const LambdaResult& result) {
    if (result.head->headers.Find(HeaderId::kXAmznTraceId) == nullptr) {
      result.head->headers.Add(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id",
                               ResponseTraceId(*env_.context, env_.arena));
    }
    Deliver(result.head, result.body);
  }

  void Deliver(ResponseHead* head, std::string_view body) {
    done_ = true;
    timer_.Cancel();
    lease_.Release();
    RequestContext& context = *env_.context;
    context.integration_latency_ms = static_cast<int64_t>(Now() - started_ms_);
    context.integration_status = head->status;
    answer_.Send(head, body);
  }

  const LambdaProxyIntegration& integration_;
  const LambdaFunction& function_;
  const ExchangeEnv env_;
  Cluster* const cluster_;
  RequestHead head_;
  BodyBuffer request_body_;
  std::optional<BodyBuffer> result_;  // of the attempt under way
  HeldBody answer_;
  std::string_view event_;
  const ResponseHead* response_ = nullptr;
  uint64_t started_ms_ = 0;
  uint64_t deadline_ms_ = 0;
  uint32_t busy_pause_ms_ = 0;
  bool done_ = false;
  FunctionLease lease_;
  Timer timer_;
  std::optional<UpstreamRequest> upstream_;
};

LambdaProxyIntegration::LambdaProxyIntegration(Spec spec)
    : function_(std::move(spec.function)),
      headers_(std::move(spec.headers), LambdaMappingAction),
      binary_(*spec.binary_media_types),
      timeout_ms_(spec.timeout_ms),
      api_id_(std::move(spec.api_id)),
      user_agent_(Concat("AmazonAPIGateway_", api_id_)),
      source_arn_(std::move(spec.source_arn)),
      http_api_payload_(spec.http_api_payload) {}

Exchange* LambdaProxyIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(LambdaExchange), alignof(LambdaExchange)))
      LambdaExchange(this, env);
}

}  // namespace postern
