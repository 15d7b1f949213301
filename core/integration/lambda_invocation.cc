#include "core/integration/lambda_invocation.h"

#include <algorithm>

#include "core/integration/gateway_fields.h"
#include "core/integration/upstream_failures.h"
#include "core/upstream/cluster_manager.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// A Runtime Interface Emulator that still runs an invocation which somebody gave up answers 400; it
// is asked again after these pauses, doubling from the first to the longest.
constexpr uint32_t kFirstBusyPauseMs = 20;
constexpr uint32_t kLongestBusyPauseMs = 500;

}  // namespace

LambdaInvocation::LambdaInvocation(const LambdaCaller& caller, std::string_view user_agent,
                                   const ExchangeEnv& env)
    : caller_(caller),
      function_(*caller.function),
      user_agent_(user_agent),
      env_(env),
      cluster_(env.clusters->Get(function_.cluster)),
      head_(env.arena),
      request_body_(env.arena),
      answer_(env.sink),
      lease_(function_.pool.get(), cluster_, this),
      timer_(
          env.dispatcher->timers(),
          [](void* arg) { static_cast<LambdaInvocation*>(arg)->OnTimer(); }, this) {}

void LambdaInvocation::Start(bool end) {
  if (Check() && end) Invoke();
}

void LambdaInvocation::OnRequestBody(std::string_view data) {
  env_.sink->OnRequestConsumed(data.size());
  if (!done_ && !request_body_.Append(data)) Fail(ResponseType::kRequestTooLarge, 0, {});
}

void LambdaInvocation::OnRequestEnd(const HeaderMap*) {
  if (!done_) Invoke();
}

uint32_t LambdaInvocation::TimeLeft() const {
  const uint64_t now = Now();
  return now < deadline_ms_ ? static_cast<uint32_t>(deadline_ms_ - now) : 0;
}

void LambdaInvocation::Fail(ResponseType type, uint16_t status,
                            std::string_view integration_error) {
  done_ = true;
  timer_.Cancel();
  lease_.Release();
  RequestContext& context = *env_.context;
  if (started_ms_ != 0) context.integration_latency_ms = static_cast<int64_t>(Now() - started_ms_);
  if (!integration_error.empty()) context.integration_error = integration_error;
  if (InfoOf(type).is_5xx && type != ResponseType::kIntegrationTimeout) {
    context.error_message = InfoOf(ResponseType::kDefault5xx).message;
  }
  env_.sink->OnResponseFailure(type, status);
}

// ---- The invocation.

void LambdaInvocation::Invoke() {
  payload_ = MakePayload(request_body_.content());
  MakeHead();
  started_ms_ = Now();
  deadline_ms_ = started_ms_ + caller_.timeout_ms;
  timer_.Start(caller_.timeout_ms);
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

// rest-api.md §6.9, "Lambda calls".
void LambdaInvocation::MakeHead() {
  const RequestContext& context = *env_.context;
  head_.method = Method::kPost;
  head_.method_text = "POST";
  head_.scheme = function_.https ? "https" : "http";
  head_.authority = function_.authority;
  head_.target = function_.target;
  head_.body = BodyKind::kLength;
  head_.content_length = payload_.size();
  head_.has_content_length = true;
  HeaderMap& headers = head_.headers;
  AddFields(&headers);
  if (headers.Find(HeaderId::kContentType) == nullptr) {
    headers.Add(HeaderId::kContentType, "Content-Type", "application/json");
  }
  AddGatewayFields(context, caller_.api_id, user_agent_, &headers);
  headers.Add(HeaderId::kOther, "x-amzn-lambda-integration-tag", context.request_id);
  headers.Add(HeaderId::kOther, "X-Amz-Source-Arn", caller_.source_arn);
}

void LambdaInvocation::Send() {
  UpstreamRequestOptions options;
  options.timeout_ms = std::max<uint32_t>(TimeLeft(), 1);
  options.idle_timeout_ms = 0;  // timer_ bounds the whole
  options.has_content = true;
  options.content = payload_;
  options.pinned = lease_.endpoint();
  options.trace = env_.context->execution;
  upstream_.emplace(cluster_, static_cast<UpstreamEvents*>(this), env_.arena);
  result_.emplace(env_.arena, function_.max_result_bytes);
  upstream_->Start(&head_, false, options);
}

void LambdaInvocation::Throttled() {
  env_.context->error_detail = "lambda:throttled";
  env_.context->integration_service_status = 429;
  Fail(ResponseType::kIntegrationFailure, caller_.throttled_status,
       "Execution failed due to configuration error: Rate Exceeded.");
}

void LambdaInvocation::OnTimer() {
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

void LambdaInvocation::OnUpstreamHead(ResponseHead* head, bool end) {
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

void LambdaInvocation::OnUpstreamBody(std::string_view data) {
  upstream_->Consume(data.size());
  if (done_) return;
  if (env_.context->time_to_first_content_ms < 0) {
    env_.context->time_to_first_content_ms = static_cast<int64_t>(Now() - started_ms_);
  }
  if (!result_->Append(data)) {
    upstream_->Cancel();
    FailMalformed();
  }
}

void LambdaInvocation::OnUpstreamEnd(const HeaderMap*) {
  if (!done_) Answer();
}

void LambdaInvocation::OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) {
  env_.context->upstream_attempts = upstream_->attempts();
  const FailureReply reply = DescribeLambdaFailure(failure, detail, env_.context, env_.arena);
  Fail(reply.type, reply.status, {});
}

void LambdaInvocation::OnUpstreamAborted(ResetReason) {
  if (!done_) FailMalformed();
}

void LambdaInvocation::FailMalformed() {
  env_.context->error_detail = "lambda:malformed";
  Fail(ResponseType::kDefault5xx, 502,
       "Execution failed due to configuration error: Malformed Lambda proxy response");
}

void LambdaInvocation::FailFunctionError(std::string_view message) {
  env_.context->error_detail = "lambda:function_error";
  Fail(ResponseType::kDefault5xx, 502,
       env_.arena->Concat(
           "Lambda execution failed with status 200 due to customer function error: ", message,
           ". Lambda request id: ", env_.context->integration_request_id));
}

// rest-api.md §9.6, management-and-import.md §5.1.
void LambdaInvocation::Refused(uint16_t status) {
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

void LambdaInvocation::Answer() {
  const uint16_t status = response_->status;
  const bool emulator = function_.mode == LambdaFunction::Mode::kRuntimeInterface;
  if (emulator && status == 400 && TimeLeft() > 0) {
    // Busy with an invocation that is not ours (management-and-import.md §5.2).
    busy_pause_ms_ =
        busy_pause_ms_ == 0 ? kFirstBusyPauseMs : std::min(2 * busy_pause_ms_, kLongestBusyPauseMs);
    timer_.Start(std::min(busy_pause_ms_, TimeLeft()));
    return;
  }
  if (status < 200 || status > 299) {
    Refused(status);
    return;
  }
  OnResult(result_->content(), response_->headers.Find("x-amz-function-error") != nullptr);
}

void LambdaInvocation::Deliver(ResponseHead* head, std::string_view body) {
  done_ = true;
  timer_.Cancel();
  lease_.Release();
  RequestContext& context = *env_.context;
  context.integration_latency_ms = static_cast<int64_t>(Now() - started_ms_);
  context.integration_status = head->status;
  answer_.Send(head, body);
}

}  // namespace postern
