#include "core/integration/backend_call.h"

#include "core/integration/upstream_failures.h"
#include "core/upstream/cluster_manager.h"

namespace postern {

BackendCall::BackendCall(const Target& target, const ExchangeEnv& env)
    : target_(target),
      env_(env),
      head_(env.arena),
      request_body_(env.arena),
      response_body_(env.arena),
      answer_(env.sink),
      timer_(
          env.dispatcher->timers(), [](void* arg) { static_cast<BackendCall*>(arg)->OnTimer(); },
          this),
      upstream_(env.clusters->Get(target.cluster), this, env.arena) {}

void BackendCall::Start(bool end) {
  if (end) Send();
}

void BackendCall::OnRequestBody(std::string_view data) {
  env_.sink->OnRequestConsumed(data.size());
  if (!refused_ && !request_body_.Append(data)) {
    refused_ = true;
    env_.sink->OnResponseFailure(ResponseType::kRequestTooLarge, 0);
  }
}

void BackendCall::OnRequestEnd(const HeaderMap*) {
  if (!refused_) Send();
}

void BackendCall::Send() {
  const RequestHead& given = *env_.request;
  const std::string_view body = request_body_.content();
  head_.method = given.method;
  head_.method_text = given.method_text;
  head_.scheme = target_.scheme;
  head_.authority = given.authority;
  head_.target = given.target;
  head_.body = body.empty() ? BodyKind::kNone : BodyKind::kLength;
  head_.content_length = body.size();
  head_.has_content_length = !body.empty() || given.method == Method::kPost ||
                             given.method == Method::kPut || given.method == Method::kPatch;
  for (const HeaderField& field : given.headers) head_.headers.Add(field);
  if (!Prepare(&head_, body)) {
    refused_ = true;
    return;
  }
  started_ms_ = env_.dispatcher->NowMs();
  UpstreamRequestOptions options;
  options.timeout_ms = target_.timeout_ms;
  options.idle_timeout_ms = 0;  // timer_ bounds the whole
  timer_.Start(target_.timeout_ms);
  options.has_content = !body.empty();
  options.content = body;
  options.client = env_.client;
  options.trace = env_.context->execution;
  upstream_.Start(&head_, body.empty(), options);
}

void BackendCall::OnTimer() {
  upstream_.Cancel();
  Failed(UpstreamFailure::kTimeout, "timeout");
}

void BackendCall::Answer() {
  timer_.Cancel();
  RequestContext& context = *env_.context;
  context.time_to_first_content_ms = context.integration_latency_ms;
  context.response_trace_id = true;
  answer_.Send(response_, response_body_.content());
}

void BackendCall::Failed(UpstreamFailure failure, std::string_view detail) {
  timer_.Cancel();
  const FailureReply reply = DescribeHttpFailure(failure, detail, env_.context, env_.arena);
  env_.sink->OnResponseFailure(reply.type, reply.status);
}

void BackendCall::OnUpstreamHead(ResponseHead* head, bool end) {
  RequestContext& context = *env_.context;
  context.integration_latency_ms = static_cast<int64_t>(env_.dispatcher->NowMs() - started_ms_);
  context.time_to_all_headers_ms = context.integration_latency_ms;
  context.integration_status = head->status;
  context.integration_service_status = head->status;
  context.upstream_attempts = upstream_.attempts();
  response_ = head;
  if (end) Answer();
}

void BackendCall::OnUpstreamBody(std::string_view data) {
  if (refused_) return;
  if (!response_body_.Append(data)) {
    refused_ = true;
    timer_.Cancel();
    upstream_.Cancel();
    env_.context->integration_error =
        "Execution failed due to configuration error: Endpoint response is too long";
    env_.sink->OnResponseFailure(ResponseType::kApiConfigurationError, 0);
    return;
  }
  upstream_.Consume(data.size());
}

void BackendCall::OnUpstreamEnd(const HeaderMap*) { Answer(); }

void BackendCall::OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) {
  env_.context->integration_latency_ms =
      static_cast<int64_t>(env_.dispatcher->NowMs() - started_ms_);
  env_.context->upstream_attempts = upstream_.attempts();
  Failed(failure, detail);
}

void BackendCall::OnUpstreamAborted(ResetReason reason) {
  // Nothing was sent on yet, so the client can still be told.
  Failed(reason == ResetReason::kTimeout ? UpstreamFailure::kTimeout : UpstreamFailure::kMalformed,
         ResetReasonName(reason));
}

}  // namespace postern
