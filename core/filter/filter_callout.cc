#include "core/filter/filter_callout.h"

#include "core/filter/filter_worker.h"
#include "core/filter/message_fields.h"
#include "core/upstream/cluster_manager.h"

namespace postern {
namespace {

constexpr uint32_t kDefaultTimeoutMs = 29000;  // rest-api.md §6.6
constexpr size_t kFirstBody = 1024;

uint32_t OutcomeOf(UpstreamFailure failure) {
  switch (failure) {
    case UpstreamFailure::kTimeout:
    case UpstreamFailure::kConnectTimeout:
      return POSTERN_CALLOUT_TIMEOUT;
    case UpstreamFailure::kOverflow:
    case UpstreamFailure::kNoEndpoint:
    case UpstreamFailure::kConnectFailed:
    case UpstreamFailure::kTlsFailed:
      return POSTERN_CALLOUT_CONNECT;
    default:
      return POSTERN_CALLOUT_RESET;
  }
}

}  // namespace

FilterCallout::FilterCallout(FilterWorker* worker)
    : worker_(worker),
      arena_(worker->env().callout_blocks),
      timer_(
          worker->dispatcher()->timers(),
          [](void* arg) { static_cast<FilterCallout*>(arg)->Over(POSTERN_CALLOUT_TIMEOUT); },
          this) {}

FilterCallout::~FilterCallout() { Recycle(); }

void FilterCallout::Start(FilterOwner* owner, const CalloutUpstream& upstream,
                          const postern_callout& callout, uint64_t tag, uint64_t id) {
  owner_ = owner;
  tag_ = tag;
  id_ = id;
  over_ = false;
  started_ms_ = worker_->dispatcher()->NowMs();
  max_response_ = callout.max_response_bytes != 0 ? callout.max_response_bytes
                                                  : worker_->limits().max_callout_response;
  head_.emplace(&arena_);
  head_->method_text = arena_.Copy(ViewOf(callout.method));
  head_->method = ParseMethod(head_->method_text);
  head_->scheme = upstream.https ? "https" : "http";
  head_->authority = upstream.authority;
  head_->target = arena_.Concat(upstream.path_prefix, ViewOf(callout.path));
  for (size_t i = 0; i < callout.header_count; ++i) {
    head_->headers.Add(arena_.Copy(ViewOf(callout.headers[i].name)),
                       arena_.Copy(ViewOf(callout.headers[i].value)));
  }
  const bool has_body = callout.body.len > 0;
  head_->body = has_body ? BodyKind::kLength : BodyKind::kNone;
  head_->content_length = callout.body.len;
  head_->has_content_length = has_body || head_->method == Method::kPost ||
                              head_->method == Method::kPut || head_->method == Method::kPatch;
  body_.emplace(&arena_, kFirstBody, max_response_);

  Cluster* cluster = worker_->env().clusters->Get(upstream.cluster);
  request_.emplace(cluster, static_cast<UpstreamEvents*>(this), &arena_);
  UpstreamRequestOptions options;
  const uint32_t own = cluster->config().response_timeout_ms;
  options.timeout_ms = callout.timeout_ms != 0 ? callout.timeout_ms
                       : own != 0              ? own
                                               : kDefaultTimeoutMs;
  if (has_body) {
    options.has_content = true;
    options.content = arena_.Copy(ViewOf(callout.body));
  }
  timer_.Start(options.timeout_ms);
  request_->Start(&*head_, !has_body, options);
}

void FilterCallout::OnUpstreamHead(ResponseHead* head, bool end) {
  response_ = head;
  if (end) Over(POSTERN_CALLOUT_OK);
}

void FilterCallout::OnUpstreamBody(std::string_view data) {
  if (over_) return;
  request_->Consume(data.size());
  body_->Append(data);
  if (body_->failed()) Over(POSTERN_CALLOUT_TOO_LARGE);
}

void FilterCallout::OnUpstreamEnd(const HeaderMap*) { Over(POSTERN_CALLOUT_OK); }

void FilterCallout::OnUpstreamFailure(UpstreamFailure failure, std::string_view) {
  Over(OutcomeOf(failure));
}

void FilterCallout::OnUpstreamAborted(ResetReason reason) {
  Over(reason == ResetReason::kTimeout ? POSTERN_CALLOUT_TIMEOUT : POSTERN_CALLOUT_RESET);
}

void FilterCallout::OnUpstreamConsumed(size_t) {}

// The event is sent once whoever told of the end has returned: what it leads to may end this.
void FilterCallout::Over(uint32_t outcome) {
  if (over_) return;
  over_ = true;
  outcome_ = outcome;
  timer_.Cancel();
  worker_->dispatcher()->AtEndOfIteration(this);
}

void FilterCallout::OnEndOfIteration() {
  FilterOwner* owner = owner_;
  if (owner == nullptr) return;
  owner_ = nullptr;
  static_cast<ListNode<FilterCallout>*>(this)->Unlink();
  --owner->things()->callout_count;
  request_->Cancel();

  postern_callout_result result{};
  result.size = sizeof(result);
  result.outcome = outcome_;
  result.latency_ms = static_cast<uint32_t>(worker_->dispatcher()->NowMs() - started_ms_);
  postern_str body{};
  if (outcome_ == POSTERN_CALLOUT_OK) {
    result.status = response_->status;
    auto* headers = arena_.NewArray<postern_header>(response_->headers.size() + 1);
    for (const HeaderField& field : response_->headers) {
      headers[result.header_count++] = {StrOf(LowerName(field, &arena_)), StrOf(field.value)};
    }
    result.headers = headers;
    body = StrOf(body_->written());
    if (body.len > 0) {
      result.body = &body;
      result.body_count = 1;
    }
  }
  postern_event event{};
  event.size = sizeof(event);
  event.type = POSTERN_EVENT_CALLOUT;
  event.tag = tag_;
  event.id = id_;
  event.callout = &result;
  owner->Deliver(event);
  worker_->CalloutOver(this);
}

void FilterCallout::Cancel() {
  owner_ = nullptr;
  over_ = true;
  timer_.Cancel();
  if (request_.has_value()) request_->Cancel();
}

void FilterCallout::Recycle() {
  timer_.Cancel();
  static_cast<ListNode<EndOfIteration>*>(static_cast<EndOfIteration*>(this))->Unlink();
  request_.reset();
  head_.reset();
  body_.reset();
  response_ = nullptr;
  owner_ = nullptr;
  arena_.Reset();
}

}  // namespace postern
