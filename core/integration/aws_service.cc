#include "core/integration/aws_service.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "core/event/timer.h"
#include "core/integration/body_buffer.h"
#include "core/integration/held_body.h"
#include "core/integration/upstream_failures.h"
#include "core/upstream/cluster_manager.h"
#include "core/upstream/request_signer.h"
#include "core/upstream/upstream_request.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// While new credentials are on their way: how often is looked, and for how long.
constexpr uint32_t kLookAgainMs = 50;
constexpr uint64_t kLongestWaitMs = 3000;

}  // namespace

class AwsServiceIntegration::CallExchange final : public Exchange, private UpstreamEvents {
 public:
  CallExchange(const AwsServiceIntegration* integration, const ExchangeEnv& env)
      : integration_(*integration),
        spec_(integration->spec_),
        env_(env),
        cluster_(env.clusters->Get(spec_.cluster)),
        head_(env.arena),
        request_body_(env.arena),
        answer_(env.sink),
        timer_(
            env.dispatcher->timers(), [](void* arg) { static_cast<CallExchange*>(arg)->OnTimer(); },
            this) {
    // A cluster may be drained while the exchange waits between two tries.
    cluster_->Hold();
  }
  ~CallExchange() override {
    upstream_.reset();
    cluster_->Release();
  }

  void Start(bool end) override {
    if (end) SendRequest();
  }

  void OnRequestBody(std::string_view data) override {
    env_.sink->OnRequestConsumed(data.size());
    if (!done_ && !request_body_.Append(data)) Fail(ResponseType::kRequestTooLarge, 0, {});
  }

  void OnRequestEnd(const HeaderMap*) override {
    if (!done_) SendRequest();
  }

  void ConsumeResponse(size_t size) override { answer_.Consume(size); }

 private:
  uint64_t Now() const { return env_.dispatcher->NowMs(); }
  uint32_t TimeLeft() const {
    const uint64_t now = Now();
    return now < deadline_ms_ ? static_cast<uint32_t>(deadline_ms_ - now) : 0;
  }
  const RequestSigner* signer() const { return cluster_->config().signing.signer.get(); }

  void Fail(ResponseType type, uint16_t status, std::string_view integration_error) {
    done_ = true;
    timer_.Cancel();
    RequestContext& context = *env_.context;
    if (started_ms_ != 0) {
      context.integration_latency_ms = static_cast<int64_t>(Now() - started_ms_);
    }
    if (!integration_error.empty()) context.integration_error = integration_error;
    env_.sink->OnResponseFailure(type, status);
  }

  // ---- The call.

  void SendRequest() {
    if (spec_.subtype != nullptr ? !MakeCall() : !TakeRequest()) return;
    AddOwnFields();
    started_ms_ = Now();
    deadline_ms_ = started_ms_ + spec_.timeout_ms;
    timer_.Start(spec_.timeout_ms);
    Send();
  }

  // The request as the filters left it.
  bool TakeRequest() {
    const RequestHead& made = *env_.request;
    head_.method = made.method;
    head_.method_text = made.method_text;
    head_.authority = spec_.authority;
    std::string_view target = made.target;
    // `path//` is the root, as `path/` is (§9.1).
    if (target.starts_with("//")) target.remove_prefix(1);
    head_.target =
        spec_.path_prefix.empty() ? target : env_.arena->Concat(spec_.path_prefix, target);
    for (const HeaderField& field : made.headers) head_.headers.Add(field);
    content_ = request_body_.content();
    if (spec_.action.has_value()) AddAction();
    return true;
  }

  void AddAction() {
    HeaderMap& headers = head_.headers;
    if (headers.Find("x-amz-target") == nullptr) headers.Add("X-Amz-Target", spec_.action->target);
    const HeaderField* type = headers.Find(HeaderId::kContentType);
    if (type == nullptr || type->value == "application/json") {
      headers.Set(HeaderId::kContentType, "Content-Type", spec_.action->content_type);
    }
  }

  // http-api.md §10.
  bool MakeCall() {
    const std::string_view body = request_body_.content();
    // No subtype has as many parameters.
    std::array<aws::CallValue, 16> values;
    size_t count = 0;
    for (const Parameter& parameter : spec_.parameters) {
      const std::string_view value = parameter.value.Get(*env_.context, body, env_.arena);
      if (value.data() == nullptr || count == values.size()) continue;
      values[count++] = {parameter.name, value};
    }
    absl::StatusOr<aws::ServiceCall> call =
        aws::MakeServiceCall(*spec_.subtype, std::span(values.data(), count));
    if (!call.ok()) {
      env_.context->error_detail = "aws:parameter";
      Fail(ResponseType::kDefault4xx, 400,
           env_.arena->Concat(
               spec_.subtype->name(), ": ",
               std::string_view(call.status().message().data(), call.status().message().size())));
      return false;
    }
    head_.method = ParseMethod(call->method);
    head_.method_text = call->method;
    head_.authority = spec_.authority;
    head_.target = env_.arena->Concat(spec_.path_prefix, call->target);
    if (!call->content_type.empty()) {
      head_.headers.Add(HeaderId::kContentType, "Content-Type", call->content_type);
    }
    if (!call->amz_target.empty()) {
      head_.headers.Add("X-Amz-Target", env_.arena->Copy(call->amz_target));
    }
    content_ = env_.arena->Copy(call->body);
    return true;
  }

  // rest-api.md §6.9.
  void AddOwnFields() {
    head_.scheme = integration_.scheme_;
    head_.body = content_.empty() ? BodyKind::kNone : BodyKind::kLength;
    head_.content_length = content_.size();
    head_.has_content_length = !content_.empty() || head_.method == Method::kPost ||
                               head_.method == Method::kPut || head_.method == Method::kPatch;
    HeaderMap& headers = head_.headers;
    if (headers.Find(HeaderId::kAccept) == nullptr) {
      headers.Add(HeaderId::kAccept, "Accept", "application/json");
    }
    if (headers.Find(HeaderId::kUserAgent) == nullptr) {
      headers.Add(HeaderId::kUserAgent, "User-Agent", integration_.user_agent_);
    }
    headers.Set(HeaderId::kXAmznApigatewayApiId, "X-Amzn-Apigateway-Api-Id", spec_.api_id);
    headers.Set(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id", env_.context->trace_id);
  }

  void Send() {
    sent_at_s_ = env_.dispatcher->WallMs() / 1000;
    signed_with_ = signer() != nullptr ? signer()->version() : 0;
    UpstreamRequestOptions options;
    options.timeout_ms = std::max<uint32_t>(TimeLeft(), 1);
    options.idle_timeout_ms = 0;  // timer_ bounds the whole
    options.has_content = !content_.empty();
    options.content = content_;
    options.client = env_.client;
    options.trace = env_.context->execution;
    response_body_.emplace(env_.arena);
    upstream_.emplace(cluster_, static_cast<UpstreamEvents*>(this), env_.arena);
    upstream_->Start(&head_, content_.empty(), options);
  }

  void OnTimer() {
    if (wait_until_ms_ != 0 && TimeLeft() > 0) {
      LookAgain();
      return;
    }
    if (upstream_.has_value()) upstream_->Cancel();
    const FailureReply reply =
        DescribeHttpFailure(UpstreamFailure::kTimeout, "timeout", env_.context, env_.arena);
    Fail(reply.type, reply.status, {});
  }

  // ---- Its answer.

  void Answer() {
    CountAttempts();
    if (TryToMend()) return;
    Deliver();
  }

  // Those of the try before, if there was one, count too.
  void CountAttempts() {
    uint8_t& attempts = env_.context->upstream_attempts;
    attempts = static_cast<uint8_t>(std::min(255, attempts + upstream_->attempts()));
  }

  // What refused the signature may pass when it is signed anew; once.
  bool TryToMend() {
    if (mended_ || signer() == nullptr || TimeLeft() == 0) return false;
    switch (signer()->OnRefused(*response_, response_body_->content(), sent_at_s_)) {
      case RequestSigner::Remedy::kNone:
        return false;
      case RequestSigner::Remedy::kAgain:
        break;
      case RequestSigner::Remedy::kLater:
        wait_until_ms_ = std::min(Now() + kLongestWaitMs, deadline_ms_);
        break;
    }
    mended_ = true;
    // Not from inside the end of the one before.
    timer_.Start(std::min(wait_until_ms_ != 0 ? kLookAgainMs : 1, TimeLeft()));
    if (wait_until_ms_ == 0) wait_until_ms_ = Now();
    return true;
  }

  void LookAgain() {
    if (signer()->version() == signed_with_ && Now() < wait_until_ms_) {
      timer_.Start(std::min(kLookAgainMs, TimeLeft()));
      return;
    }
    wait_until_ms_ = 0;
    timer_.Start(TimeLeft());
    Send();
  }

  void Deliver() {
    done_ = true;
    timer_.Cancel();
    RequestContext& context = *env_.context;
    context.integration_latency_ms = static_cast<int64_t>(Now() - started_ms_);
    context.time_to_first_content_ms = context.integration_latency_ms;
    context.integration_status = response_->status;
    context.response_trace_id = spec_.subtype == nullptr;  // an HTTP API's responses have none
    std::string_view body = response_body_->content();
    SetContent(response_, &body);
    answer_.Send(response_, body);
  }

  // UpstreamEvents.
  void OnUpstreamHead(ResponseHead* head, bool end) override {
    RequestContext& context = *env_.context;
    response_ = head;
    context.time_to_all_headers_ms = static_cast<int64_t>(Now() - started_ms_);
    context.integration_service_status = head->status;
    if (const HeaderField* id = head->headers.Find(HeaderId::kXAmznRequestId)) {
      context.integration_request_id = id->value;
    }
    if (end) Answer();
  }

  void OnUpstreamBody(std::string_view data) override {
    if (done_) return;
    if (!response_body_->Append(data)) {
      upstream_->Cancel();
      env_.context->error_detail = "aws:too_long";
      Fail(ResponseType::kApiConfigurationError, 0,
           "Execution failed due to configuration error: Endpoint response is too long");
      return;
    }
    upstream_->Consume(data.size());
  }

  void OnUpstreamEnd(const HeaderMap*) override {
    if (!done_) Answer();
  }

  void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) override {
    RequestContext& context = *env_.context;
    CountAttempts();
    if (failure == UpstreamFailure::kRequestAborted && detail == "signing") {
      context.error_detail = "aws:credentials";
      Fail(ResponseType::kApiConfigurationError, 0,
           spec_.credentials.empty()
               ? std::string_view("Execution failed due to configuration error: There are no "
                                  "credentials to sign the request with")
               : env_.arena->Concat("Execution failed due to configuration error: API Gateway does "
                                    "not have permission to assume the provided role ",
                                    spec_.credentials));
      return;
    }
    const FailureReply reply = DescribeHttpFailure(failure, detail, env_.context, env_.arena);
    Fail(reply.type, reply.status, {});
  }

  void OnUpstreamAborted(ResetReason reason) override {
    if (done_) return;
    // Nothing was sent on yet, so the client can still be told.
    const FailureReply reply = DescribeHttpFailure(
        reason == ResetReason::kTimeout ? UpstreamFailure::kTimeout : UpstreamFailure::kMalformed,
        ResetReasonName(reason), env_.context, env_.arena);
    Fail(reply.type, reply.status, {});
  }

  void OnUpstreamConsumed(size_t) override {}

  const AwsServiceIntegration& integration_;
  const Spec& spec_;
  const ExchangeEnv env_;
  Cluster* const cluster_;
  RequestHead head_;
  BodyBuffer request_body_;
  std::optional<BodyBuffer> response_body_;  // of the attempt under way
  HeldBody answer_;
  std::string_view content_;
  ResponseHead* response_ = nullptr;
  uint64_t started_ms_ = 0;
  uint64_t deadline_ms_ = 0;
  uint64_t wait_until_ms_ = 0;  // not 0: between two tries
  uint64_t signed_with_ = 0;
  int64_t sent_at_s_ = 0;
  bool mended_ = false;
  bool done_ = false;
  Timer timer_;
  std::optional<UpstreamRequest> upstream_;
};

AwsServiceIntegration::AwsServiceIntegration(Spec spec)
    : spec_(std::move(spec)),
      scheme_(spec_.https ? "https" : "http"),
      user_agent_(Concat("AmazonAPIGateway_", spec_.api_id)) {}

Exchange* AwsServiceIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(CallExchange), alignof(CallExchange)))
      CallExchange(this, env);
}

}  // namespace postern
