#include "core/filter/filter_chain.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/base/log.h"
#include "core/filter/message_fields.h"
#include "core/filter/worker_filters.h"

namespace postern {
namespace {

constexpr int kRequest = POSTERN_REQUEST;
constexpr int kResponse = POSTERN_RESPONSE;

constexpr uint32_t kHeadHook[] = {kHookRequestHeaders, kHookResponseHeaders};
constexpr uint32_t kBodyHook[] = {kHookRequestBody, kHookResponseBody};
constexpr uint32_t kTrailersHook[] = {kHookRequestTrailers, kHookResponseTrailers};
constexpr uint32_t kMessageHooks[] = {
    kHookRequestHeaders | kHookRequestBody | kHookRequestTrailers,
    kHookResponseHeaders | kHookResponseBody | kHookResponseTrailers};
constexpr HookName kHeadName[] = {HookName::kRequestHeaders, HookName::kResponseHeaders};
constexpr HookName kBodyName[] = {HookName::kRequestBody, HookName::kResponseBody};
constexpr HookName kTrailersName[] = {HookName::kRequestTrailers, HookName::kResponseTrailers};

ResponseType TypeOf(uint32_t kind) {
  switch (kind) {
    case POSTERN_REPLY_DEFAULT_4XX:
      return ResponseType::kDefault4xx;
    case POSTERN_REPLY_DEFAULT_5XX:
      return ResponseType::kDefault5xx;
    case POSTERN_REPLY_ACCESS_DENIED:
      return ResponseType::kAccessDenied;
    case POSTERN_REPLY_UNAUTHORIZED:
      return ResponseType::kUnauthorized;
    case POSTERN_REPLY_AUTHORIZER_FAILURE:
      return ResponseType::kAuthorizerFailure;
    case POSTERN_REPLY_AUTHORIZER_CONFIGURATION_ERROR:
      return ResponseType::kAuthorizerConfigurationError;
    case POSTERN_REPLY_EXPIRED_TOKEN:
      return ResponseType::kExpiredToken;
    case POSTERN_REPLY_INVALID_SIGNATURE:
      return ResponseType::kInvalidSignature;
    case POSTERN_REPLY_MISSING_AUTHENTICATION_TOKEN:
      return ResponseType::kMissingAuthenticationToken;
    case POSTERN_REPLY_INVALID_API_KEY:
      return ResponseType::kInvalidApiKey;
    case POSTERN_REPLY_THROTTLED:
      return ResponseType::kThrottled;
    case POSTERN_REPLY_QUOTA_EXCEEDED:
      return ResponseType::kQuotaExceeded;
    case POSTERN_REPLY_BAD_REQUEST_BODY:
      return ResponseType::kBadRequestBody;
    case POSTERN_REPLY_BAD_REQUEST_PARAMETERS:
      return ResponseType::kBadRequestParameters;
    case POSTERN_REPLY_REQUEST_TOO_LARGE:
      return ResponseType::kRequestTooLarge;
    case POSTERN_REPLY_UNSUPPORTED_MEDIA_TYPE:
      return ResponseType::kUnsupportedMediaType;
    case POSTERN_REPLY_RESOURCE_NOT_FOUND:
      return ResponseType::kResourceNotFound;
    case POSTERN_REPLY_WAF_FILTERED:
      return ResponseType::kWafFiltered;
    case POSTERN_REPLY_API_CONFIGURATION_ERROR:
      return ResponseType::kApiConfigurationError;
    case POSTERN_REPLY_INTEGRATION_FAILURE:
      return ResponseType::kIntegrationFailure;
    case POSTERN_REPLY_INTEGRATION_TIMEOUT:
      return ResponseType::kIntegrationTimeout;
    default:
      return ResponseType::kNone;
  }
}

bool IsDetail(std::string_view text) {
  return text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == ':' || c == '/' || c == '-';
         });
}

}  // namespace

// ---- StreamFilter ----

StreamFilter::StreamFilter(FilterChain* of, uint16_t at, const FilterBinding* bound,
                           LocalFilter* local)
    : FilterOwner(of->worker(), local, /*is_stream=*/true),
      chain(of),
      binding(bound),
      request(of->request()),
      index(at) {}

void StreamFilter::Deliver(const postern_event& event) { chain->DeliverEvent(this, event); }

const RequestContext* StreamFilter::context() const { return chain->context(); }

// ---- Beginning and end ----

FilterChain* FilterChain::New(const Env& env) {
  return new (env.arena->Allocate(sizeof(FilterChain), alignof(FilterChain))) FilterChain(env);
}

FilterChain::FilterChain(const Env& env)
    : env_(env),
      worker_(env.filters->worker()),
      size_(env.plan->filters().size()),
      request_(env.request),
      filters_(env.arena->NewArray<StreamFilter*>(size_)),
      at_{-1, static_cast<int>(size_)},
      store_(env.arena, worker_->env().body_blocks),
      scratch_(worker_->env().body_blocks) {
  stops_[kRequest] = env.arena->NewArray<StreamFilter*>(size_);
  stops_[kResponse] = env.arena->NewArray<StreamFilter*>(size_);
}

FilterChain::~FilterChain() {
  End();
  for (int d : {kRequest, kResponse}) store_.Clear(&sending_[d]);
}

void FilterChain::Create() noexcept {
  worker_->crumb()->snapshot.store(env_.filters->version(), std::memory_order_relaxed);
  const std::vector<FilterBinding>& bindings = env_.plan->filters();
  for (size_t i = 0; i < size_; ++i) {
    const FilterBinding& binding = bindings[i];
    LocalFilter* local = env_.filters->local(binding.instance->id);
    auto* filter = new (env_.arena->Allocate(sizeof(StreamFilter), alignof(StreamFilter)))
        StreamFilter(this, static_cast<uint16_t>(i), &binding, local);
    filters_[i] = filter;
    if (!binding.required && local->quarantined_until_ms != 0 &&
        worker_->dispatcher()->NowMs() < local->quarantined_until_ms) {
      continue;
    }
    if ((binding.hooks & kHookStreamCreate) == 0) {
      filter->present = true;
    } else {
      worker_->EnterHook(filter, HookName::kStreamCreate, env_.context);
      filter->self = binding.instance->module->hooks().stream_create(binding.config, local->state,
                                                                     filter->ctx());
      worker_->LeaveHook(local, HookName::kStreamCreate);
      Left();
      filter->present = filter->self != nullptr;
      // One that passes a stream by has no say in it; what it has asked for goes with it.
      if (!filter->present) worker_->EndThings(filter);
    }
    if (!filter->present) continue;
    if ((binding.hooks & kMessageHooks[kRequest]) != 0) {
      stops_[kRequest][count_[kRequest]++] = filter;
    }
    if ((binding.hooks & kMessageHooks[kResponse]) != 0) {
      stops_[kResponse][count_[kResponse]++] = filter;
    }
  }
  std::reverse(stops_[kResponse], stops_[kResponse] + count_[kResponse]);
}

void FilterChain::Start(bool end) {
  worker_->ForgetStamp();
  Create();
  phase_ = Phase::kRunning;
  At(kRequest, 0).inbox = StreamFilter::kInHead | (end ? StreamFilter::kInHeadEnd : 0);
  at_[kRequest] = count_[kRequest] > 0 ? stops_[kRequest][0]->index : static_cast<int>(size_);
  Pump(kRequest);
}

void FilterChain::End() noexcept {
  if (phase_ == Phase::kEnding || phase_ == Phase::kEnded) return;
  const bool created = phase_ == Phase::kRunning;
  phase_ = Phase::kEnding;
  static_cast<ListNode<EndOfIteration>*>(static_cast<EndOfIteration*>(this))->Unlink();
  pause_timer_.reset();
  if (!created) {
    phase_ = Phase::kEnded;
    return;
  }
  worker_->ForgetStamp();
  const uint32_t hooks = env_.plan->hooks();
  for (size_t i = 0; (hooks & kHookStreamEnd) != 0 && i < size_; ++i) {
    StreamFilter* filter = filters_[i];
    if (!filter->present || !HasHook(*filter, kHookStreamEnd)) continue;
    worker_->EnterHook(filter, HookName::kStreamEnd, env_.context);
    filter->binding->instance->module->hooks().stream_end(filter->self, filter->ctx());
    worker_->LeaveHook(filter->local(), HookName::kStreamEnd);
    Left();
  }
  phase_ = Phase::kEnded;
  for (size_t i = 0; i < size_; ++i) {
    if (filters_[i]->things() != nullptr) worker_->EndThings(filters_[i]);
  }
  for (int d : {kRequest, kResponse}) {
    for (size_t s = 0; s <= count_[d]; ++s) {
      if (Direction& at = At(d, s); at.body != nullptr) DropDirection(d, &at);
    }
  }
  store_.Clear(&reply_body_);
  for (size_t i = (hooks & kHookStreamDestroy) != 0 ? size_ : 0; i-- > 0;) {
    StreamFilter* filter = filters_[i];
    if (filter->self == nullptr || !HasHook(*filter, kHookStreamDestroy)) continue;
    worker_->EnterHook(filter, HookName::kStreamDestroy, nullptr);
    filter->binding->instance->module->hooks().stream_destroy(filter->self);
    worker_->LeaveHook(filter->local(), HookName::kStreamDestroy);
  }
}

// ---- What comes from the two ends ----

void FilterChain::RequestBody(std::string_view data) {
  if (phase_ != Phase::kRunning) return;
  if (request_over_) {
    env_.ends->RequestConsumed(data.size());
    return;
  }
  unreturned_[kRequest] += data.size();
  held_[kRequest] += data.size();
  store_.AppendBorrowed(data, &BodyOf(&At(kRequest, 0))->waiting);
  Pump(kRequest);
  KeepBorrowed(kRequest);
}

void FilterChain::RequestEnd(const HeaderMap* trailers) {
  if (phase_ != Phase::kRunning || request_over_) return;
  if (trailers != nullptr && !trailers->empty()) {
    trailers_[kRequest] = env_.arena->New<HeaderMap>(env_.arena);
    for (const HeaderField& field : *trailers) {
      trailers_[kRequest]->Add(field.id, field.name, field.value);
    }
  }
  At(kRequest, 0).inbox |= StreamFilter::kInLast;
  if (trailers_[kRequest] != nullptr) At(kRequest, 0).inbox |= StreamFilter::kInTrailers;
  Pump(kRequest);
}

void FilterChain::ResponseHead(postern::ResponseHead* head, bool end) {
  if (phase_ != Phase::kRunning || integration_over_) return;
  response_ = head;
  if (end) integration_over_ = true;
  At(kResponse, 0).inbox |= StreamFilter::kInHead | (end ? StreamFilter::kInHeadEnd : 0);
  at_[kResponse] = count_[kResponse] > 0 ? stops_[kResponse][0]->index : -1;
  Pump(kResponse);
}

void FilterChain::ResponseBody(std::string_view data) {
  if (phase_ != Phase::kRunning || integration_over_) return;
  unreturned_[kResponse] += data.size();
  held_[kResponse] += data.size();
  store_.AppendBorrowed(data, &BodyOf(&At(kResponse, 0))->waiting);
  Pump(kResponse);
  KeepBorrowed(kResponse);
}

void FilterChain::ResponseEnd(const HeaderMap* trailers) {
  if (phase_ != Phase::kRunning || integration_over_) return;
  integration_over_ = true;
  if (trailers != nullptr && !trailers->empty()) {
    trailers_[kResponse] = env_.arena->New<HeaderMap>(env_.arena);
    for (const HeaderField& field : *trailers) {
      trailers_[kResponse]->Add(field.id, field.name, field.value);
    }
  }
  At(kResponse, 0).inbox |= StreamFilter::kInLast;
  if (trailers_[kResponse] != nullptr) At(kResponse, 0).inbox |= StreamFilter::kInTrailers;
  Pump(kResponse);
}

void FilterChain::ResponseFailure(ResponseType type, uint16_t status) {
  if (phase_ != Phase::kRunning || integration_over_) return;
  integration_over_ = true;
  if (!Decided()) Answer(type, status, static_cast<int>(size_));
  if (phase_ == Phase::kRunning) Pump(kResponse);
}

// What was cut short is not made to look complete; while nothing of it has left, the client can
// still be told.
void FilterChain::ResponseAborted() {
  if (phase_ != Phase::kRunning || integration_over_) return;
  integration_over_ = true;
  if (!Decided()) {
    if (at_[kResponse] < 0) {
      Abort();
      return;
    }
    env_.context->integration_error =
        "Execution failed due to a malformed or truncated endpoint response";
    Answer(ResponseType::kIntegrationFailure, 502, at_[kResponse]);
  }
  if (phase_ == Phase::kRunning) Pump(kResponse);
}

void FilterChain::RequestConsumed(size_t size) {
  underway_[kRequest] -= std::min<uint64_t>(size, underway_[kRequest]);
  if (phase_ != Phase::kRunning || pumping_[kRequest]) return;
  if (held_[kRequest] > 0 || end_[kRequest].inbox != 0) {
    Pump(kRequest);
  } else {
    ReturnCredit(kRequest);
  }
}

void FilterChain::ResponseConsumed(size_t size) {
  underway_[kResponse] -= std::min<uint64_t>(size, underway_[kResponse]);
  if (phase_ != Phase::kRunning || pumping_[kResponse]) return;
  if (held_[kResponse] > 0 || end_[kResponse].inbox != 0) {
    Pump(kResponse);
  } else {
    ReturnCredit(kResponse);
  }
}

bool FilterChain::Refuse(ResponseType type, uint16_t status) {
  if (phase_ != Phase::kRunning || at_[kResponse] < 0) return false;
  if (Decided()) {
    if (phase_ == Phase::kRunning) Pump(kResponse);
    return true;
  }
  int seen = at_[kRequest];
  if (seen >= 0 && seen < static_cast<int>(size_) && filters_[seen]->dir[kRequest].head_seen)
    ++seen;
  Answer(type, status, std::min(seen, at_[kResponse]));
  Pump(kResponse);
  return true;
}

// ---- Passing on ----

StreamFilter::Body* FilterChain::BodyOf(Direction* at) {
  if (at->body == nullptr) at->body = env_.arena->New<StreamFilter::Body>();
  return at->body;
}

void FilterChain::Schedule() {
  if (phase_ == Phase::kRunning) worker_->dispatcher()->AtEndOfIteration(this);
}

void FilterChain::OnEndOfIteration() {
  if (phase_ != Phase::kRunning) return;
  Pump(kRequest);
  if (phase_ == Phase::kRunning) Pump(kResponse);
}

// Acts on what a filter has decided in an event: that comes before whatever has happened since.
bool FilterChain::Decided() {
  if (abort_) {
    Abort();
    return true;
  }
  if (reply_from_ == nullptr) return false;
  ActOnReply();
  return true;
}

void FilterChain::Pump(int d) {
  if (pumping_[d]) {
    again_[d] = true;
    return;
  }
  Decided();
  if (phase_ != Phase::kRunning) return;
  pumping_[d] = true;
  worker_->ForgetStamp();
  bool progress;
  do {
    again_[d] = gated_[d] = progress = false;
    for (size_t s = 0; s < count_[d]; ++s) {
      while (phase_ == Phase::kRunning && Step(d, s)) progress = true;
    }
    if (phase_ == Phase::kRunning && Send(d)) progress = true;
  } while (phase_ == Phase::kRunning && (again_[d] || (gated_[d] && progress)));
  pumping_[d] = false;
  if (phase_ != Phase::kRunning) return;
  ReturnCredit(d);
  if (phase_ == Phase::kRunning && again_[1 - d] && !pumping_[1 - d]) Pump(1 - d);
}

bool FilterChain::TakesBody(const StreamFilter& filter, int d) const {
  const Direction& at = filter.dir[d];
  return !at.detached && at.mode != POSTERN_BODY_SKIP && HasHook(filter, kBodyHook[d]);
}

// One step of one filter; false if it can do nothing now.
bool FilterChain::Step(int d, size_t s) {
  StreamFilter* filter = stops_[d][s];
  Direction& at = filter->dir[d];
  if (at.resumed) {
    at.resumed = at.paused = false;
    Settle(d, s);
    return true;
  }
  if (at.paused || (at.inbox == 0 && at.body == nullptr)) return false;
  if ((at.inbox & StreamFilter::kInHead) != 0) {
    CallHead(d, s);
    return true;
  }
  if (at.head_held) return CollectBody(d, s);
  const bool waits = at.body != nullptr && !at.body->waiting.empty();
  if (waits || (at.inbox & StreamFilter::kInLast) != 0) {
    if (TakesBody(*filter, d)) return CallBody(d, s);
    Direction& next = At(d, s + 1);
    if (waits) BodyOf(&next)->waiting.Take(&at.body->waiting);
    next.inbox |= at.inbox & StreamFilter::kInLast;
    at.inbox &= static_cast<uint8_t>(~StreamFilter::kInLast);
    return true;
  }
  if ((at.inbox & StreamFilter::kInTrailers) != 0) {
    CallTrailers(d, s);
    return true;
  }
  return false;
}

void FilterChain::Left() {
  if (scratch_.held() > 0) scratch_.Reset();
}

void FilterChain::CallHead(int d, size_t s) noexcept {
  StreamFilter* filter = stops_[d][s];
  Direction& at = filter->dir[d];
  at.hand_end = (at.inbox & StreamFilter::kInHeadEnd) != 0;
  at.inbox &= static_cast<uint8_t>(~(StreamFilter::kInHead | StreamFilter::kInHeadEnd));
  at.head_seen = true;
  at.stage = StreamFilter::kHead;
  if (at.detached || !HasHook(*filter, kHeadHook[d])) {
    Settle(d, s);
    return;
  }
  const postern_filter& hooks = filter->binding->instance->module->hooks();
  worker_->EnterHook(filter, kHeadName[d], env_.context);
  const postern_verdict verdict = (d == kRequest ? hooks.request_headers : hooks.response_headers)(
      filter->self, filter->ctx(), at.hand_end ? POSTERN_F_END_STREAM : 0);
  worker_->LeaveHook(filter->local(), kHeadName[d]);
  After(d, s, verdict);
}

void FilterChain::CallBodyHook(int d, size_t s) noexcept {
  StreamFilter* filter = stops_[d][s];
  Direction& at = filter->dir[d];
  at.stage = StreamFilter::kBody;
  uint32_t flags = 0;
  if (at.hand_end) {
    flags = POSTERN_F_BODY_LAST | (trailers_[d] == nullptr ? POSTERN_F_END_STREAM : 0);
  }
  const postern_filter& hooks = filter->binding->instance->module->hooks();
  worker_->EnterHook(filter, kBodyName[d], env_.context);
  const postern_verdict verdict = (d == kRequest ? hooks.request_body : hooks.response_body)(
      filter->self, filter->ctx(), flags);
  worker_->LeaveHook(filter->local(), kBodyName[d]);
  After(d, s, verdict);
}

bool FilterChain::CallBody(int d, size_t s) {
  if (Blocked(d, s + 1)) {
    gated_[d] = true;
    return false;
  }
  Direction& at = At(d, s);
  BodyOf(&at)->hand.Take(&at.body->waiting);
  at.hand_end = (at.inbox & StreamFilter::kInLast) != 0;
  at.inbox &= static_cast<uint8_t>(~StreamFilter::kInLast);
  CallBodyHook(d, s);
  return true;
}

bool FilterChain::CollectBody(int d, size_t s) {
  StreamFilter* filter = stops_[d][s];
  Direction& at = filter->dir[d];
  StreamFilter::Body* body = BodyOf(&at);
  if (at.detached) {
    // It was left out while it collected: what it has goes on as it came.
    at.head_held = false;
    held_[d] += body->hand.size();
    ForwardHead(d, s, /*end=*/false);
    BodyOf(&At(d, s + 1))->waiting.Take(&body->hand);
    return true;
  }
  held_[d] -= body->waiting.size();
  body->hand.Take(&body->waiting);
  if (body->hand.size() > body->limit) {
    Answer(d == kRequest ? ResponseType::kRequestTooLarge : ResponseType::kIntegrationFailure, 0,
           filter->index);
    return true;
  }
  if ((at.inbox & StreamFilter::kInLast) == 0) return false;
  at.inbox &= static_cast<uint8_t>(~StreamFilter::kInLast);
  at.hand_end = true;
  CallBodyHook(d, s);
  return true;
}

void FilterChain::CallTrailers(int d, size_t s) noexcept {
  StreamFilter* filter = stops_[d][s];
  Direction& at = filter->dir[d];
  at.inbox &= static_cast<uint8_t>(~StreamFilter::kInTrailers);
  at.stage = StreamFilter::kTrailers;
  at.trailers_seen = true;
  if (at.detached || !HasHook(*filter, kTrailersHook[d])) {
    Settle(d, s);
    return;
  }
  const postern_filter& hooks = filter->binding->instance->module->hooks();
  worker_->EnterHook(filter, kTrailersName[d], env_.context);
  const postern_verdict verdict =
      (d == kRequest ? hooks.request_trailers : hooks.response_trailers)(filter->self,
                                                                         filter->ctx());
  worker_->LeaveHook(filter->local(), kTrailersName[d]);
  After(d, s, verdict);
}

void FilterChain::After(int d, size_t s, postern_verdict verdict) {
  Left();
  if (Decided()) return;
  StreamFilter* filter = stops_[d][s];
  Direction& at = filter->dir[d];
  switch (verdict) {
    case POSTERN_DETACH:
      at.detached = true;
      [[fallthrough]];
    case POSTERN_CONTINUE:
      Settle(d, s);
      return;
    case POSTERN_PAUSE:
      at.paused = true;
      at.paused_at_ms = worker_->dispatcher()->NowMs();
      ArmPauseTimer(filter->binding->pause_limit_ms);
      return;
    default:
      Fail(filter, "filter_failed");
      return;
  }
}

// What is in hand goes on: the hook said so, or its pause is over.
void FilterChain::Settle(int d, size_t s) {
  StreamFilter* filter = stops_[d][s];
  Direction& at = filter->dir[d];
  switch (std::exchange(at.stage, StreamFilter::kNothing)) {
    case StreamFilter::kNothing:
      return;
    case StreamFilter::kHead: {
      const bool takes_body = !at.hand_end && TakesBody(*filter, d);
      if (takes_body && at.mode == POSTERN_BODY_BUFFER) {
        const MessageHead* head = HeadOf(d);
        if (head->body == BodyKind::kLength && head->content_length > at.body->limit) {
          Answer(d == kRequest ? ResponseType::kRequestTooLarge : ResponseType::kIntegrationFailure,
                 0, filter->index);
          return;
        }
        at.head_held = true;
        if (d == kRequest) env_.ends->RequestWanted();
        return;
      }
      if (at.hand_end && at.body != nullptr && !at.body->hand.empty()) {
        SetLength(d, at.body->hand.size());
        ForwardHead(d, s, /*end=*/false);
        at.hand_end = true;
        ForwardBody(d, s);
        return;
      }
      if (takes_body && at.mode == POSTERN_BODY_REWRITE) StripLength(d);
      ForwardHead(d, s, at.hand_end);
      return;
    }
    case StreamFilter::kBody:
      if (at.head_held) {
        at.head_held = false;
        held_[d] += at.body->hand.size();
        if (at.body->hand.empty() && trailers_[d] == nullptr) {
          SetLength(d, 0);
          ForwardHead(d, s, /*end=*/true);
          return;
        }
        if (trailers_[d] != nullptr) {
          StripLength(d);
        } else {
          SetLength(d, at.body->hand.size());
        }
        ForwardHead(d, s, /*end=*/false);
      }
      ForwardBody(d, s);
      return;
    case StreamFilter::kTrailers:
      At(d, s + 1).inbox |= StreamFilter::kInTrailers;
      return;
  }
}

void FilterChain::ForwardHead(int d, size_t s, bool end) {
  At(d, s + 1).inbox |= StreamFilter::kInHead | (end ? StreamFilter::kInHeadEnd : 0);
  at_[d] = s + 1 < count_[d] ? stops_[d][s + 1]->index
           : d == kRequest   ? static_cast<int>(size_)
                             : -1;
}

void FilterChain::ForwardBody(int d, size_t s) {
  Direction& at = At(d, s);
  Direction& next = At(d, s + 1);
  if (!at.body->hand.empty()) BodyOf(&next)->waiting.Take(&at.body->hand);
  if (at.hand_end) next.inbox |= StreamFilter::kInLast;
}

// Whether content that a filter lets go now would have to wait before stop `s` or behind it.
bool FilterChain::Blocked(int d, size_t s) const {
  for (; s < count_[d]; ++s) {
    const Direction& at = stops_[d][s]->dir[d];
    if (at.paused || at.resumed || at.inbox != 0) return true;
    if (at.body != nullptr && !at.body->waiting.empty()) return true;
    if (at.head_held || TakesBody(*stops_[d][s], d)) return false;
  }
  const Direction& end = end_[d];
  return (end.inbox & StreamFilter::kInHead) != 0 ||
         (end.body != nullptr && !end.body->waiting.empty()) || underway_[d] >= kWindow;
}

// What has passed every filter leaves the chain.
bool FilterChain::Send(int d) {
  Direction& out = end_[d];
  bool progress = false;
  if ((out.inbox & StreamFilter::kInHead) != 0) {
    bool end = (out.inbox & StreamFilter::kInHeadEnd) != 0;
    out.inbox &= static_cast<uint8_t>(~(StreamFilter::kInHead | StreamFilter::kInHeadEnd));
    progress = true;
    worker_->ForgetStamp();
    if (d == kRequest) {
      env_.ends->SendRequestHead(end);
    } else {
      if (!end && ResponseHasNoBody(Method::kGet, response_->status) && response_->status != 101) {
        end = true;
        response_->body = BodyKind::kNone;
      }
      if (response_->status == 101) {
        // What follows is no HTTP: it passes unseen.
        for (size_t i = 0; i < size_; ++i) {
          filters_[i]->dir[kRequest].detached = filters_[i]->dir[kResponse].detached = true;
        }
      }
      env_.ends->SendResponseHead(response_, end);
    }
    if (phase_ != Phase::kRunning) return true;
  }
  if (d == kRequest && integration_over_) {
    // It has answered, or will not be asked: it takes nothing more.
    DropDirection(d, &out);
    underway_[d] = 0;
    return progress;
  }
  while (out.body != nullptr && !out.body->waiting.empty() && underway_[d] < kWindow) {
    const uint64_t size =
        std::min<uint64_t>(out.body->waiting.front()->bytes.size(), kWindow - underway_[d]);
    store_.MoveFront(&out.body->waiting, size, &sending_[d]);
    held_[d] -= size;
    underway_[d] += size;
    progress = true;
    worker_->ForgetStamp();
    const std::string_view bytes = sending_[d].front()->bytes;
    if (d == kRequest) {
      env_.ends->SendRequestBody(bytes);
    } else {
      env_.ends->SendResponseBody(bytes);
    }
    if (phase_ != Phase::kRunning) return true;
    store_.Clear(&sending_[d]);
    if (d == kRequest && integration_over_) return true;
  }
  const bool empty = out.body == nullptr || out.body->waiting.empty();
  const uint8_t all =
      StreamFilter::kInLast | (trailers_[d] != nullptr ? StreamFilter::kInTrailers : 0);
  if (empty && (out.inbox & StreamFilter::kInLast) != 0 && (out.inbox & all) == all) {
    out.inbox = 0;
    progress = true;
    worker_->ForgetStamp();
    if (d == kRequest) {
      env_.ends->SendRequestEnd(trailers_[d]);
    } else {
      env_.ends->SendResponseEnd(trailers_[d]);
    }
  }
  return progress;
}

void FilterChain::ReturnCredit(int d) {
  if (returning_[d]) return;
  returning_[d] = true;
  while (phase_ == Phase::kRunning) {
    const uint64_t outstanding = held_[d] + underway_[d];
    if (unreturned_[d] <= outstanding) break;
    const auto credit = static_cast<size_t>(unreturned_[d] - outstanding);
    unreturned_[d] = outstanding;
    if (d == kRequest) {
      env_.ends->RequestConsumed(credit);
    } else if (!integration_over_) {
      env_.ends->ConsumeIntegration(credit);
    }
  }
  returning_[d] = false;
}

void FilterChain::KeepBorrowed(int d) {
  if (!store_.has_borrowed()) return;
  for (size_t s = 0; s <= count_[d]; ++s) {
    Direction& at = At(d, s);
    if (at.body == nullptr) continue;
    store_.KeepBorrowed(&at.body->waiting);
    store_.KeepBorrowed(&at.body->hand);
  }
}

void FilterChain::SetLength(int d, uint64_t size) {
  MessageHead* head = HeadOf(d);
  head->body = size > 0 ? BodyKind::kLength : BodyKind::kNone;
  head->content_length = size;
  head->has_content_length = true;
}

void FilterChain::StripLength(int d) {
  MessageHead* head = HeadOf(d);
  head->body = BodyKind::kUnknown;
  head->content_length = 0;
  head->has_content_length = false;
}

// ---- Ways out ----

void FilterChain::Fail(StreamFilter* filter, std::string_view what) {
  const FilterBinding& binding = *filter->binding;
  LocalFilter* local = filter->local();
  (what == "filter_stalled" ? local->cells->stalls : local->cells->failures).Add();
  const bool skip = binding.failure_policy == FilterFailurePolicy::kSkip && !binding.is_authorizer;
  if (!binding.required && local->CountFailure(worker_->dispatcher()->NowMs(), worker_->limits())) {
    local->cells->quarantines.Add();
    Log(LogLevel::kError, "filter_quarantined",
        {{"filter", binding.instance->name},
         {"module", binding.instance->module->title()},
         {"api", binding.instance->api_id},
         {"ms", uint64_t{worker_->limits().quarantine_ms}}});
  }
  if (local->TakeLogLine(worker_->dispatcher()->NowMs(), worker_->limits())) {
    Log(LogLevel::kError, what,
        {{"filter", binding.instance->name},
         {"module", binding.instance->module->title()},
         {"request_id", env_.context->request_id},
         {"policy", skip ? "skip" : "deny"}});
  }
  if (skip) {
    PassBy(filter);
    return;
  }
  if (at_[kResponse] < filter->index) {
    env_.context->error_detail = env_.arena->Concat(what, ":", binding.instance->name);
    Abort();
    return;
  }
  env_.context->error_message = {};
  env_.context->error_detail = env_.arena->Concat(what, ":", binding.instance->name);
  Answer(binding.is_authorizer ? ResponseType::kAuthorizerFailure : ResponseType::kDefault5xx, 0,
         filter->index);
}

// The exchange goes on without it.
void FilterChain::PassBy(StreamFilter* filter) {
  for (int d : {kRequest, kResponse}) {
    Direction& at = filter->dir[d];
    at.detached = true;
    if (at.stage != StreamFilter::kNothing) at.paused = at.resumed = true;
    again_[d] = true;
  }
}

void FilterChain::Answer(ResponseType type, uint16_t status, int from) {
  store_.Clear(&reply_body_);
  const postern::Reply reply = env_.replies->Render(type, status, env_.context, env_.arena);
  reply_head_ = reply.head;
  store_.AppendLasting(reply.body, &reply_body_);
  reply_from_ = nullptr;
  StartReply(from);
}

void FilterChain::ActOnReply() {
  if (reply_from_ == nullptr) return;
  const StreamFilter* from = std::exchange(reply_from_, nullptr);
  StartReply(from->index);
}

// `reply_head_` and `reply_body_` go out in front of filter `from`.
void FilterChain::StartReply(int from) {
  request_over_ = true;
  if (!std::exchange(integration_over_, true)) env_.ends->CancelIntegration();
  for (int d : {kRequest, kResponse}) {
    for (size_t s = 0; s <= count_[d]; ++s) DropDirection(d, &At(d, s));
    again_[d] = true;
  }
  underway_[kRequest] = 0;
  unreturned_[kResponse] = 0;
  for (int i = from; i < static_cast<int>(size_); ++i) {
    filters_[i]->dir[kRequest].detached = filters_[i]->dir[kResponse].detached = true;
    filters_[i]->cut_off = i > from;
  }
  env_.ends->LocalReply();
  response_ = std::exchange(reply_head_, nullptr);
  trailers_[kResponse] = nullptr;
  size_t s = 0;
  while (s < count_[kResponse] && stops_[kResponse][s]->index >= from) ++s;
  at_[kResponse] = s < count_[kResponse] ? stops_[kResponse][s]->index : -1;
  Direction& at = At(kResponse, s);
  if (reply_body_.empty()) {
    at.inbox = StreamFilter::kInHead | StreamFilter::kInHeadEnd;
    return;
  }
  at.inbox = StreamFilter::kInHead | StreamFilter::kInLast;
  held_[kResponse] += reply_body_.size();
  BodyOf(&at)->waiting.Take(&reply_body_);
}

void FilterChain::DropDirection(int d, Direction* at) {
  at->inbox = 0;
  at->stage = StreamFilter::kNothing;
  at->paused = at->resumed = false;
  const bool collected = std::exchange(at->head_held, false);
  if (at->body == nullptr) return;
  held_[d] -= at->body->waiting.size() + (collected ? 0 : at->body->hand.size());
  store_.Clear(&at->body->waiting);
  store_.Clear(&at->body->hand);
}

void FilterChain::Abort() {
  abort_ = false;
  request_over_ = true;
  if (!std::exchange(integration_over_, true)) env_.ends->CancelIntegration();
  env_.ends->AbortResponse();
}

void FilterChain::ArmPauseTimer(uint64_t delay_ms) {
  if (!pause_timer_.has_value()) {
    pause_timer_.emplace(
        worker_->dispatcher()->timers(),
        [](void* arg) { static_cast<FilterChain*>(arg)->PauseTimeout(); }, this);
  }
  // An earlier one finds out by itself when to look again; a later one is moved forward.
  if (!pause_timer_->armed() || delay_ms < pause_delay_ms_) {
    pause_delay_ms_ = delay_ms;
    pause_timer_->Start(delay_ms);
  }
}

void FilterChain::PauseTimeout() {
  Decided();
  if (phase_ != Phase::kRunning) return;
  const uint64_t now = worker_->dispatcher()->NowMs();
  uint64_t next = UINT64_MAX;
  for (int d : {kRequest, kResponse}) {
    for (size_t s = 0; s < count_[d]; ++s) {
      StreamFilter* filter = stops_[d][s];
      const Direction& at = filter->dir[d];
      if (!at.paused || at.resumed) continue;
      const uint64_t until = at.paused_at_ms + filter->binding->pause_limit_ms;
      if (until <= now) {
        Fail(filter, "filter_stalled");
        if (phase_ != Phase::kRunning) return;
      } else {
        next = std::min(next, until - now);
      }
    }
  }
  if (next != UINT64_MAX) ArmPauseTimer(next);
  Pump(kRequest);
  if (phase_ == Phase::kRunning) Pump(kResponse);
}

// ---- For the host's functions ----

void FilterChain::ClearRequest(StreamFilter* filter) {
  const RequestHead& old = *filter->request;
  const RequestHead* in_front =
      filter->index > 0 ? filters_[filter->index - 1]->request : env_.request;
  if (&old != in_front) {
    // Nobody else has seen it.
    filter->request->headers.Clear();
    return;
  }
  auto* head = env_.arena->New<RequestHead>(env_.arena);
  head->CopyAllButFields(old);
  request_ = head;
  for (size_t i = filter->index; i < size_; ++i) filters_[i]->request = head;
}

postern_status FilterChain::BodyMode(StreamFilter* filter, uint32_t direction, uint32_t mode,
                                     uint64_t limit) {
  if (direction > 1 || mode > POSTERN_BODY_BUFFER) return POSTERN_E_INVALID;
  if (mode != POSTERN_BODY_SKIP && !HasHook(*filter, kBodyHook[direction])) {
    return POSTERN_E_INVALID;
  }
  Direction& at = filter->dir[direction];
  if (at.stage != StreamFilter::kHead) return POSTERN_E_STATE;
  at.mode = static_cast<uint8_t>(mode);
  if (mode == POSTERN_BODY_BUFFER) {
    const uint64_t most = worker_->limits().max_buffered_body;
    BodyOf(&at)->limit = limit == 0 ? most : std::min(limit, most);
  }
  return POSTERN_OK;
}

size_t FilterChain::BodyRead(StreamFilter* filter, uint32_t direction, postern_str* out, size_t cap,
                             uint64_t* total) {
  if (total != nullptr) *total = 0;
  if (direction > 1) return 0;
  const Direction& at = filter->dir[direction];
  const bool may =
      at.stage == StreamFilter::kBody || (at.stage == StreamFilter::kHead && at.hand_end);
  if (!may || at.body == nullptr) return 0;
  size_t count = 0;
  for (const BodySlice* slice = at.body->hand.front(); slice != nullptr && count < cap;
       slice = slice->next) {
    out[count++] = StrOf(slice->bytes);
  }
  if (total != nullptr) *total = at.body->hand.size();
  return at.body->hand.slices();
}

postern_status FilterChain::BodySplice(StreamFilter* filter, uint32_t direction, uint64_t offset,
                                       uint64_t remove, postern_str insert, void (*release)(void*),
                                       void* release_arg) {
  if (direction > 1) return POSTERN_E_INVALID;
  Direction& at = filter->dir[direction];
  const bool in_body = at.stage == StreamFilter::kBody &&
                       (at.mode == POSTERN_BODY_REWRITE || at.mode == POSTERN_BODY_BUFFER);
  const bool in_head = at.stage == StreamFilter::kHead && at.hand_end;
  if (!in_body && !in_head) return POSTERN_E_STATE;
  BodyList* hand = &BodyOf(&at)->hand;
  if (offset > hand->size() || remove > hand->size() - offset) return POSTERN_E_INVALID;
  if (hand->size() - remove + insert.len > worker_->limits().max_held_body) {
    return POSTERN_E_LIMIT;
  }
  BodyList added;
  if (release != nullptr) {
    store_.AppendAdopted(ViewOf(insert), release, release_arg, &added);
  } else {
    store_.AppendCopy(ViewOf(insert), &added);
  }
  if (!at.head_held) {
    held_[direction] += added.size();
    held_[direction] -= remove;
  }
  store_.Splice(hand, offset, remove, &added);
  return POSTERN_OK;
}

postern_status FilterChain::Resume(StreamFilter* filter, uint32_t direction) {
  if (direction > 1) return POSTERN_E_INVALID;
  Direction& at = filter->dir[direction];
  if (!at.paused || at.resumed) return POSTERN_E_STATE;
  at.resumed = true;
  Schedule();
  return POSTERN_OK;
}

postern_status FilterChain::Reply(StreamFilter* filter, const postern_reply& reply) {
  if (reply.kind == POSTERN_REPLY_ABORT) {
    if (!filter->cut_off) {
      abort_ = true;
      if (reply.detail.len > 0) env_.context->error_detail = env_.arena->Copy(ViewOf(reply.detail));
      filter->local()->cells->replies.Add();
      Schedule();
      return POSTERN_OK;
    }
    return POSTERN_E_STATE;
  }
  const std::string_view body = ViewOf(reply.body);
  const ResponseType type = TypeOf(reply.kind);
  if (type == ResponseType::kNone && reply.kind != POSTERN_REPLY_RAW) return POSTERN_E_INVALID;
  if (reply.kind != POSTERN_REPLY_RAW && (!body.empty() || reply.release != nullptr)) {
    return POSTERN_E_INVALID;
  }
  if (reply.status != 0 && (reply.status < 200 || reply.status > 599)) return POSTERN_E_INVALID;
  if (!IsDetail(ViewOf(reply.detail))) return POSTERN_E_INVALID;
  if (body.size() > worker_->limits().max_held_body) return POSTERN_E_LIMIT;
  size_t header_bytes = 0;
  for (size_t i = 0; i < reply.header_count; ++i) {
    const std::string_view name = ViewOf(reply.headers[i].name);
    const std::string_view value = ViewOf(reply.headers[i].value);
    if (!IsWritableField(name) || !IsWritableValue(value)) return POSTERN_E_INVALID;
    header_bytes += name.size() + value.size() + 4;
  }
  if (header_bytes > worker_->limits().max_header_block) return POSTERN_E_LIMIT;
  if (!MayReply(filter)) return POSTERN_E_STATE;

  replied_ = true;
  reply_from_ = filter;
  filter->local()->cells->replies.Add();
  RequestContext* context = env_.context;
  if (reply.detail.len > 0) context->error_detail = env_.arena->Copy(ViewOf(reply.detail));
  const auto status = static_cast<uint16_t>(reply.status);
  if (type != ResponseType::kNone) {
    context->error_message = env_.arena->Copy(ViewOf(reply.message));
    context->error_message_null = false;
    const postern::Reply made = env_.replies->Render(type, status, context, env_.arena);
    reply_head_ = made.head;
    if (status != 0) reply_head_->status = status;
    store_.AppendLasting(made.body, &reply_body_);
  } else {
    // Whatever refusal it stands in for, such as the router's.
    context->error_type = ResponseType::kNone;
    context->error_message = {};
    reply_head_ = env_.arena->New<postern::ResponseHead>(env_.arena);
    reply_head_->status = status != 0 ? status : 200;
    reply_head_->body = body.empty() ? BodyKind::kNone : BodyKind::kLength;
    reply_head_->content_length = body.size();
    reply_head_->has_content_length = true;
    if (reply.release != nullptr) {
      store_.AppendAdopted(body, reply.release, reply.release_arg, &reply_body_);
    } else {
      store_.AppendCopy(body, &reply_body_);
    }
  }
  for (size_t i = 0; i < reply.header_count; ++i) {
    reply_head_->headers.Add(env_.arena->Copy(ViewOf(reply.headers[i].name)),
                             env_.arena->Copy(ViewOf(reply.headers[i].value)));
  }
  Schedule();
  return POSTERN_OK;
}

void FilterChain::DeliverEvent(StreamFilter* filter, const postern_event& event) noexcept {
  if (phase_ != Phase::kRunning || !filter->present || filter->cut_off ||
      !HasHook(*filter, kHookStreamEvent)) {
    return;
  }
  worker_->ForgetStamp();
  worker_->EnterHook(filter, HookName::kStreamEvent, env_.context);
  filter->binding->instance->module->hooks().stream_event(filter->self, filter->ctx(), &event);
  worker_->LeaveHook(filter->local(), HookName::kStreamEvent);
  Left();
}

}  // namespace postern
