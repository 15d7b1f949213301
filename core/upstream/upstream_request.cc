#include "core/upstream/upstream_request.h"

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/upstream/request_signer.h"

namespace postern {
namespace {

// Content is handed to a connection in pieces of this size, each when the one before has left.
constexpr size_t kPiece = 64 * 1024;
// Attempts of which nothing left the process cost nothing; the bound is against surprises only.
constexpr uint8_t kMaxRedispatches = 3;
// As many blocks as the largest max_replay_bytes, 1 MiB, may fill.
constexpr int kMaxReplayBlocks = (1 << 20) / BlockPool::Block::kCapacity + 2;

constexpr uint64_t After(uint64_t now_ms, uint32_t delay_ms) {
  return delay_ms == 0 ? UINT64_MAX : now_ms + delay_ms;
}

void CopyHead(const RequestHead& from, RequestHead* to) {
  for (const HeaderField& field : from.headers) to->headers.Add(field);
  to->body = from.body;
  to->content_length = from.content_length;
  to->has_content_length = from.has_content_length;
  to->connection = from.connection;
  to->method = from.method;
  to->version = from.version;
  to->method_text = from.method_text;
  to->scheme = from.scheme;
  to->authority = from.authority;
  to->target = from.target;
  to->expect_continue = from.expect_continue;
  to->upgrade = from.upgrade;
}

}  // namespace

UpstreamRequest::UpstreamRequest(Cluster* cluster, UpstreamEvents* events, Arena* arena)
    : cluster_(cluster),
      events_(events),
      arena_(arena),
      body_(arena->pool()),
      timer_(
          cluster->dispatcher()->timers(),
          [](void* arg) { static_cast<UpstreamRequest*>(arg)->OnTimer(); }, this) {
  cluster->Hold();
}

UpstreamRequest::~UpstreamRequest() {
  Cancel();
  cluster_->Release();
}

void UpstreamRequest::Start(const RequestHead* head, bool end,
                            const UpstreamRequestOptions& options) {
  head_ = head;
  options_ = options;
  ended_ = end || options.has_content;
  if (options.trace != nullptr) {
    // Shown even if it never gets as far as a connection.
    options.trace->SetEndpointRequest(*head);
    options.trace->AddEndpointRequestBody(options.content);
  }
  cluster_->stats()->requests.Add();
  cluster_->stats()->active.Add(1);
  if (!cluster_->gauges()->requests.TryAcquire(cluster_->config().circuit.max_requests)) {
    FailLater(UpstreamFailure::kOverflow, "max_requests");
    return;
  }
  holds_request_ = true;
  if (options.has_content && head->body == BodyKind::kLength &&
      head->content_length != options.content.size()) {
    FailLater(UpstreamFailure::kRequestAborted, "content_length");
    return;
  }
  deadline_ms_ = After(dispatcher()->NowMs(), options.timeout_ms);
  StartAttempt();
  ArmTimer();
}

void UpstreamRequest::StartAttempt() {
  backoff_until_ms_ = UINT64_MAX;
  Endpoint* endpoint = cluster_->Pick(avoid_, options_.pinned);
  if (endpoint == nullptr) {
    if (!cluster_->resolving()) {
      FailLater(UpstreamFailure::kNoEndpoint, "no_endpoint");
    } else if (!cluster_->TryPend()) {
      FailLater(UpstreamFailure::kOverflow, "max_pending_requests");
    } else {
      holds_pend_ = true;
      state_ = State::kResolving;
      cluster_->AddEndpointsWaiter(this);
    }
    return;
  }
  endpoint_ = endpoint;
  ++endpoint->active;
  // What must not be sent twice goes on no connection that the peer may have closed meanwhile.
  const bool repeatable = IsIdempotent(head_->method) && ended_ && body_size_ == 0;
  ClientSession* session = nullptr;
  state_ = State::kQueued;
  switch (endpoint->pool.Acquire(
      this, {.fresh = fresh_, .checked = !repeatable, .client = options_.client}, &session)) {
    case ConnectionPool::Result::kReady:
      Attach(session);
      return;
    case ConnectionPool::Result::kQueued:
      return;
    case ConnectionPool::Result::kOverflow:
      state_ = State::kBackoff;  // not in the pool's queue
      LeaveAttempt();
      FailLater(UpstreamFailure::kOverflow, "max_pending_requests");
      return;
  }
}

void UpstreamRequest::Attach(ClientSession* session) {
  const RequestHead* head = HeadToSend();
  if (head == nullptr) {
    state_ = State::kBackoff;
    LeaveAttempt();
    FailLater(UpstreamFailure::kRequestAborted, "signing");
    return;
  }
  ClientSession::Scope scope(session);
  bytes_written_ = session->bytes_written();
  ClientStream* stream = session->Begin(this);
  if (stream == nullptr) {
    session->Retire();
    AttemptFailed(Fault::kConnect, UpstreamFailure::kConnectFailed, "no_stream");
    return;
  }
  session_ = session;
  stream_ = stream;
  state_ = State::kWaiting;
  ++attempts_;
  ++endpoint_->attempts;
  last_activity_ms_ = dispatcher()->NowMs();
  attempt_deadline_ms_ = After(last_activity_ms_, retry().per_try_timeout_ms);
  if (options_.has_content) {
    content_sent_ = 0;
    stream_->SendHead(*head, options_.content.empty());
    if (stream_ == nullptr) return;  // refused while it was sent; OnReset() has seen to it
    if (options_.content.empty()) {
      RequestSent();
    } else {
      SendContent();
    }
  } else {
    const bool no_content = ended_ && body_size_ == 0 && trailers_ == nullptr;
    stream_->SendHead(*head, no_content);
    if (stream_ == nullptr) return;
    SendKept();
    if (no_content) {
      RequestSent();
    } else if (ended_ && stream_ != nullptr) {
      stream_->SendEnd(trailers_);
      RequestSent();
    }
    if (stream_ != nullptr && stream_->buffered() == 0) Credit();
  }
  ArmTimer();
}

// Sends the content that came before the connection, or went to an earlier attempt.
void UpstreamRequest::SendKept() {
  keep_ = kept_all_ && body_size_ <= retry().max_replay_bytes && options_.retry &&
          retry().max_retries > 0 && (IsIdempotent(head_->method) || session_->http2());
  if (keep_) {
    iovec parts[kMaxReplayBlocks];
    const int count = body_.Peek(parts, kMaxReplayBlocks);
    for (int i = 0; i < count && stream_ != nullptr; ++i) {
      stream_->SendBody({static_cast<const char*>(parts[i].iov_base), parts[i].iov_len});
    }
    return;
  }
  while (stream_ != nullptr && !body_.empty()) {
    const std::string_view part = body_.Front();
    stream_->SendBody(part);
    body_.Drain(part.size());
    kept_all_ = false;
  }
}

void UpstreamRequest::SendContent() {
  const std::string_view content = options_.content;
  while (stream_ != nullptr && content_sent_ < content.size()) {
    const std::string_view piece = content.substr(content_sent_, kPiece);
    content_sent_ += piece.size();
    stream_->SendBody(piece);
    if (stream_ != nullptr && stream_->buffered() != 0) break;
  }
  if (stream_ != nullptr && content_sent_ == content.size()) {
    ++content_sent_;  // the end is sent once
    stream_->SendEnd(nullptr);
    RequestSent();
  }
}

void UpstreamRequest::RequestSent() {
  const uint32_t limit = cluster_->config().response_timeout_ms;
  if (limit == 0) return;
  attempt_deadline_ms_ = std::min(attempt_deadline_ms_, After(dispatcher()->NowMs(), limit));
  ArmTimer();
}

// The cluster's signature is made anew for each attempt, on a copy: it holds for some minutes only.
const RequestHead* UpstreamRequest::HeadToSend() {
  const RequestSigner* signer = cluster_->config().signing.signer.get();
  if (signer == nullptr) return head_;
  if (!options_.has_content && !(ended_ && body_size_ == 0)) return nullptr;
  auto* copy = arena_->New<RequestHead>(arena_);
  CopyHead(*head_, copy);
  const absl::Status status = signer->Sign(copy, options_.content, dispatcher()->WallMs() / 1000);
  if (status.ok()) {
    if (options_.trace != nullptr) options_.trace->SetEndpointRequest(*copy);
    return copy;
  }
  Log(LogLevel::kWarn, "upstream_signing_failed",
      {{"cluster", cluster_->config().name}, {"why", std::string(status.message())}});
  return nullptr;
}

void UpstreamRequest::SendBody(std::string_view data) {
  if (!active() || state_ == State::kFailing || ended_ || data.empty()) return;
  body_size_ += data.size();
  if (head_->body == BodyKind::kLength && body_size_ > head_->content_length) {
    BreakOff();
    return;
  }
  uncredited_ += data.size();
  if (options_.trace != nullptr) options_.trace->AddEndpointRequestBody(data);
  if (stream_ == nullptr) {
    body_.Append(data);
    return;
  }
  if (keep_ && body_size_ <= retry().max_replay_bytes) {
    body_.Append(data);
  } else {
    keep_ = false;
    kept_all_ = false;
    body_.Clear();
  }
  last_activity_ms_ = dispatcher()->NowMs();
  ClientSession::Scope scope(session_);
  stream_->SendBody(data);
  if (stream_ != nullptr && stream_->buffered() == 0) Credit();
}

void UpstreamRequest::SendEnd(const HeaderMap* trailers) {
  if (!active() || state_ == State::kFailing || ended_) return;
  ended_ = true;
  if (head_->body == BodyKind::kLength && body_size_ != head_->content_length) {
    BreakOff();
    return;
  }
  if (trailers != nullptr && !trailers->empty()) {
    auto* copy = arena_->New<HeaderMap>(arena_);
    for (const HeaderField& field : *trailers) copy->Add(field);
    trailers_ = copy;
  }
  if (stream_ == nullptr) return;
  ClientSession::Scope scope(session_);
  stream_->SendEnd(trailers_);
  if (stream_ != nullptr) RequestSent();
}

void UpstreamRequest::Consume(size_t size) {
  unconsumed_ -= std::min<uint64_t>(size, unconsumed_);
  if (stream_ == nullptr) return;
  last_activity_ms_ = dispatcher()->NowMs();
  ClientSession::Scope scope(session_);
  stream_->Consume(size);
}

void UpstreamRequest::Cancel() {
  if (!active()) return;
  LeaveAttempt();
  cluster_->stats()->cancelled.Add();
  Finish();
}

// Out of whatever the request waits for, or away from its stream.
void UpstreamRequest::LeaveAttempt() {
  if (holds_pend_) {
    holds_pend_ = false;
    EndpointsWaiter::Unlink();
    cluster_->PendEnded();
  }
  if (state_ == State::kQueued) endpoint_->pool.Cancel(this);
  if (stream_ != nullptr) {
    ClientSession::Scope scope(session_);
    std::exchange(stream_, nullptr)->Reset(ResetReason::kCancelled);
  }
  session_ = nullptr;
  if (endpoint_ == nullptr) return;
  avoid_ = endpoint_;
  --endpoint_->active;
  cluster_->EndpointReleased(std::exchange(endpoint_, nullptr));
}

void UpstreamRequest::Finish() {
  state_ = State::kDone;
  timer_.Cancel();
  EndOfIteration::Unlink();
  body_.Clear();
  if (holds_retry_) cluster_->gauges()->retries.Release();
  if (holds_request_) cluster_->gauges()->requests.Release();
  holds_retry_ = holds_request_ = false;
  cluster_->stats()->active.Add(-1);
}

void UpstreamRequest::AttemptFailed(Fault fault, UpstreamFailure failure, std::string_view detail) {
  if (fault == Fault::kStale) {
    cluster_->stats()->stale_connections.Add();
  } else if (fault != Fault::kRefused && fault != Fault::kOwn && endpoint_ != nullptr) {
    cluster_->RecordFailure(endpoint_);
  }
  const bool again = MayRetry(fault);
  LeaveAttempt();
  if (again) {
    Retry(fault);
  } else {
    FailLater(failure, detail);
  }
}

bool UpstreamRequest::MayRetry(Fault fault) {
  if (fault == Fault::kMalformed || fault == Fault::kOwn) return false;
  if (!options_.has_content && !kept_all_) return false;
  const bool nothing_sent = session_ == nullptr || session_->bytes_written() == bytes_written_;
  if (!nothing_sent && fault != Fault::kRefused && !IsIdempotent(head_->method)) return false;
  // The connection that follows may be closing just as well: that is no failure of the request, so
  // it has a limit of its own.
  if (fault == Fault::kStale && (nothing_sent || options_.retry) &&
      redispatched_ < kMaxRedispatches) {
    return true;
  }
  if (!options_.retry || retries_ >= retry().max_retries) return false;
  if (dispatcher()->NowMs() >= deadline_ms_) return false;
  // A connection that went away under its requests, as when an upstream restarts, hits many at once
  // and says nothing about load: no budget.
  if (fault == Fault::kStale || (fault == Fault::kRefused && retries_ == 0)) return true;
  if (holds_retry_) return true;
  if (TryAcquireRetry(retry(), cluster_->gauges())) {
    holds_retry_ = true;
    return true;
  }
  cluster_->stats()->retries_denied.Add();
  return false;
}

// After MayRetry(); the attempt has been left.
void UpstreamRequest::Retry(Fault fault) {
  cluster_->stats()->retries.Add();
  response_ = nullptr;
  attempt_deadline_ms_ = UINT64_MAX;
  state_ = State::kBackoff;
  const bool at_once = fault == Fault::kStale || (fault == Fault::kRefused && retries_ == 0);
  if (fault == Fault::kStale && retries_ >= retry().max_retries) {
    ++redispatched_;
  } else {
    ++retries_;
  }
  if (at_once) {
    // The connections beside this one are most likely dead or closing as well, but the endpoint is
    // not to blame. One that refused is alive.
    fresh_ = fault == Fault::kStale;
    avoid_ = nullptr;
    retry_soon_ = true;
    Soon();
    return;
  }
  const uint32_t exponent = std::min<uint32_t>(retries_ - 1u, 16);
  const uint64_t most =
      std::min<uint64_t>(uint64_t{retry().backoff_base_ms} << exponent, retry().backoff_max_ms);
  // Full jitter: those that failed together do not come back together.
  const uint32_t pause = cluster_->random()->Below(static_cast<uint32_t>(most) + 1);
  backoff_until_ms_ = dispatcher()->NowMs() + pause;
  if (pause == 0) {
    retry_soon_ = true;
    Soon();
  } else {
    ArmTimer();
  }
}

bool UpstreamRequest::WorthRetrying(uint16_t status) const {
  const auto& list = retry().retry_on_status;
  return std::find(list.begin(), list.end(), status) != list.end();
}

void UpstreamRequest::FailLater(UpstreamFailure failure, std::string_view detail) {
  state_ = State::kFailing;
  failure_ = failure;
  detail_ = detail;
  Soon();
}

void UpstreamRequest::AbortLater(ResetReason reason) {
  state_ = State::kFailing;
  abort_ = reason;
  Soon();
}

// The request itself cannot be completed.
void UpstreamRequest::BreakOff() {
  LeaveAttempt();
  if (told_head_) {
    AbortLater(ResetReason::kInternal);
  } else {
    FailLater(UpstreamFailure::kRequestAborted, "content_length");
  }
}

void UpstreamRequest::OnEndOfIteration() {
  if (credit_ != 0) {
    events_->OnUpstreamConsumed(std::exchange(credit_, 0));
    if (!active()) return;
  }
  if (state_ == State::kFailing) {
    Finish();
    if (told_head_) {
      cluster_->stats()->aborted.Add();
      events_->OnUpstreamAborted(abort_);
    } else {
      cluster_->stats()->failures[static_cast<size_t>(failure_)].Add();
      events_->OnUpstreamFailure(failure_, detail_);
    }
    return;
  }
  if (std::exchange(retry_soon_, false) && state_ == State::kBackoff) {
    StartAttempt();
    ArmTimer();
  }
}

void UpstreamRequest::Credit() {
  if (uncredited_ == 0) return;
  credit_ += std::exchange(uncredited_, 0);
  Soon();
}

void UpstreamRequest::ArmTimer() {
  uint64_t at = UINT64_MAX;
  switch (state_) {
    case State::kStreaming:
      if (const uint32_t idle = IdleTimeout(); idle != 0) at = last_activity_ms_ + idle;
      break;
    case State::kBackoff:
      at = std::min(deadline_ms_, backoff_until_ms_);
      break;
    case State::kWaiting:
      at = std::min(deadline_ms_, attempt_deadline_ms_);
      break;
    case State::kResolving:
    case State::kQueued:
      at = deadline_ms_;
      break;
    default:
      return;
  }
  // A timer that goes off early looks again; moving it with each event would cost more.
  if (at == UINT64_MAX || (timer_.armed() && timer_at_ms_ <= at)) return;
  const uint64_t now = dispatcher()->NowMs();
  timer_at_ms_ = at;
  timer_.Start(at > now ? at - now : 0);
}

void UpstreamRequest::OnTimer() {
  const uint64_t now = dispatcher()->NowMs();
  if (state_ == State::kDone || state_ == State::kFailing) return;
  if (!told_head_ && now >= deadline_ms_) {
    if (state_ == State::kWaiting) cluster_->RecordFailure(endpoint_);
    LeaveAttempt();
    FailLater(UpstreamFailure::kTimeout, "timeout");
    return;
  }
  if (state_ == State::kBackoff && now >= backoff_until_ms_) {
    StartAttempt();
  } else if (state_ == State::kWaiting && now >= attempt_deadline_ms_) {
    AttemptFailed(Fault::kTimeout, UpstreamFailure::kTimeout, "attempt_timeout");
  } else if (state_ == State::kStreaming) {
    // While the receiver holds back, the upstream cannot be blamed.
    if (unconsumed_ > 0) last_activity_ms_ = now;
    if (const uint32_t idle = IdleTimeout(); idle != 0 && now >= last_activity_ms_ + idle) {
      cluster_->RecordFailure(endpoint_);
      LeaveAttempt();
      AbortLater(ResetReason::kTimeout);
      return;
    }
  }
  ArmTimer();
}

ResponseHead* UpstreamRequest::response_head() {
  if (response_ == nullptr) response_ = arena_->New<ResponseHead>(arena_);
  return response_;
}

void UpstreamRequest::OnInformational(uint16_t /*status*/, const HeaderMap& /*headers*/) {
  last_activity_ms_ = dispatcher()->NowMs();
}

void UpstreamRequest::OnHead(bool end) {
  const uint16_t status = response_->status;
  if (WorthRetrying(status) && MayRetry(Fault::kStatus)) {
    if (status >= 500 && cluster_->config().ejection.count_server_errors) {
      cluster_->RecordFailure(endpoint_);
    }
    if (end && ended_) stream_ = nullptr;  // the tie is cut
    LeaveAttempt();
    Retry(Fault::kStatus);
    return;
  }
  if (status >= 500 && cluster_->config().ejection.count_server_errors) {
    cluster_->RecordFailure(endpoint_);
  } else {
    cluster_->RecordSuccess(endpoint_);
  }
  ClusterStats* stats = cluster_->stats();
  stats->answered.Add();
  stats->status_class[std::min(status / 100, 5)].Add();
  told_head_ = true;
  if (options_.trace != nullptr) options_.trace->SetEndpointResponse(*response_);
  keep_ = kept_all_ = false;
  body_.Clear();
  if (end) {
    ResponseEnded();
  } else {
    state_ = State::kStreaming;
    last_activity_ms_ = dispatcher()->NowMs();
    ArmTimer();
  }
  events_->OnUpstreamHead(response_, end);
}

void UpstreamRequest::OnBody(std::string_view data) {
  if (state_ != State::kStreaming) return;
  unconsumed_ += data.size();
  last_activity_ms_ = dispatcher()->NowMs();
  if (options_.trace != nullptr) options_.trace->AddEndpointResponseBody(data);
  events_->OnUpstreamBody(data);
}

void UpstreamRequest::OnEnd(const HeaderMap* trailers) {
  if (state_ != State::kStreaming) return;
  ResponseEnded();
  events_->OnUpstreamEnd(trailers);
}

// An answer may be complete before its request is: what is left of that is not sent.
void UpstreamRequest::ResponseEnded() {
  if (ended_) stream_ = nullptr;  // both directions have ended: the tie is cut
  ClientSession* session = session_;
  LeaveAttempt();
  Finish();
  session->Offer();
}

void UpstreamRequest::OnReset(ResetReason reason) {
  stream_ = nullptr;
  if (told_head_) {
    if (state_ != State::kStreaming) return;
    cluster_->RecordFailure(endpoint_);
    LeaveAttempt();
    AbortLater(reason);
    return;
  }
  switch (reason) {
    case ResetReason::kStaleConnection:
      AttemptFailed(Fault::kStale, UpstreamFailure::kReset, "stale_connection");
      return;
    case ResetReason::kRefused:
      AttemptFailed(Fault::kRefused, UpstreamFailure::kReset, "refused");
      return;
    case ResetReason::kProtocolError:
    case ResetReason::kLimit:
      AttemptFailed(Fault::kMalformed, UpstreamFailure::kMalformed, ResetReasonName(reason));
      return;
    case ResetReason::kInternal:
      AttemptFailed(Fault::kOwn, UpstreamFailure::kRequestAborted, "internal");
      return;
    case ResetReason::kPeerReset:
    case ResetReason::kConnectionLost:
    case ResetReason::kCancelled:
    case ResetReason::kTimeout:
      AttemptFailed(Fault::kBroken, UpstreamFailure::kReset, ResetReasonName(reason));
      return;
  }
}

void UpstreamRequest::OnWritable() {
  last_activity_ms_ = dispatcher()->NowMs();
  if (stream_ == nullptr) return;
  if (options_.has_content) {
    if (content_sent_ <= options_.content.size()) SendContent();
  } else if (stream_->buffered() == 0) {
    Credit();
  }
}

void UpstreamRequest::OnSession(ClientSession* session) {
  state_ = State::kBackoff;  // no longer in the queue
  Attach(session);
}

void UpstreamRequest::OnNoSession(UpstreamFailure why, std::string_view detail) {
  state_ = State::kBackoff;
  AttemptFailed(Fault::kConnect, why, detail);
}

void UpstreamRequest::OnEndpointsKnown() {
  holds_pend_ = false;
  cluster_->PendEnded();
  state_ = State::kBackoff;
  retry_soon_ = true;
  Soon();
}

}  // namespace postern
