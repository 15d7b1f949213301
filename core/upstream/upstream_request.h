#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/arena.h"
#include "core/base/byte_queue.h"
#include "core/context/execution_trace.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"
#include "core/http/codec.h"
#include "core/upstream/cluster.h"
#include "core/upstream/connection_pool.h"
#include "core/upstream/upstream_failure.h"

namespace postern {

/// Hears of one upstream exchange, retries included: what is heard is final. Nothing is called from
/// inside Start(), SendBody(), SendEnd() or Consume(): all events come from the loop.
class UpstreamEvents {
 public:
  /// The final head; `head` may be changed and lives until the exchange's arena does. With `end` it
  /// is the whole answer.
  virtual void OnUpstreamHead(ResponseHead* head, bool end) = 0;
  /// Borrowed until return; give credit back by Consume().
  virtual void OnUpstreamBody(std::string_view data) = 0;
  virtual void OnUpstreamEnd(const HeaderMap* trailers) = 0;
  /// No head was delivered: the exchange failed. `detail` is static text.
  virtual void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) = 0;
  /// A head was delivered and the rest will not come: what was sent on must not look complete.
  virtual void OnUpstreamAborted(ResetReason reason) = 0;
  /// `size` bytes of the request's content have been taken; the source may be credited.
  virtual void OnUpstreamConsumed(size_t size) = 0;

 protected:
  ~UpstreamEvents() = default;
};

/// How one request is made.
struct UpstreamRequestOptions {
  /// From Start() to the end of the final response's head, waiting and retries included. 0: no
  /// bound.
  uint32_t timeout_ms = 29000;
  /// Longest silence of an upstream inside its response, while its receiver keeps up. 0: no bound.
  uint32_t idle_timeout_ms = kIdleTimeoutOfCluster;
  static constexpr uint32_t kIdleTimeoutOfCluster = UINT32_MAX;
  /// False: one attempt, whatever the cluster's policy says. A pooled connection that turned out
  /// dead before anything was sent on it is not an attempt.
  bool retry = true;
  /// The whole content, in memory that outlives the request: it is sent without being copied and
  /// can be repeated whatever its size; SendBody() and SendEnd() are then not called. Start() is
  /// called with `end` false. Clusters that sign need it, unless there is no content.
  bool has_content = false;
  std::string_view content;
  /// Not null: the endpoint of this address, as long as the cluster has it. Outlives the request.
  const Address* pinned = nullptr;
  /// The client's connection, for clusters that are told of it (PROXY protocol). Outlives the
  /// request.
  ClientSession::Client client = {};
  /// RequestContext::execution of who asks: what is sent and answered is noted there.
  ExecutionTrace* trace = nullptr;
};

/// One exchange with a cluster: finds an endpoint and a connection, sends the request, passes the
/// answer on; tries again where that is safe. A value, to be a member of who needs it: it allocates
/// in the exchange's arena and from the worker's block pool, not on the heap. Not thread-safe.
///
/// A request is repeated only if its method is idempotent, or if it is certain that the upstream
/// has not begun to process it (no connection, REFUSED_STREAM, nothing written yet), and never once
/// a head was passed on (RFC 9110 §9.2.2).
class UpstreamRequest final : private ResponseReceiver,
                              private PoolWaiter,
                              private EndpointsWaiter,
                              private EndOfIteration {
 public:
  /// All three outlive the request. `arena` takes the response.
  UpstreamRequest(Cluster* cluster, UpstreamEvents* events, Arena* arena);
  /// Cancels. Not from inside one of its events.
  ~UpstreamRequest() override;
  UpstreamRequest(const UpstreamRequest&) = delete;
  UpstreamRequest& operator=(const UpstreamRequest&) = delete;

  /// Sends the request, once. `head` outlives it and does not change. With `end` there is no
  /// content.
  void Start(const RequestHead* head, bool end, const UpstreamRequestOptions& options);
  /// Borrowed until return. The source should not be more than its credit ahead: what cannot be
  /// sent yet waits in memory.
  void SendBody(std::string_view data);
  /// `trailers` may be null; they are borrowed, the strings they refer to outlive the request.
  void SendEnd(const HeaderMap* trailers);
  /// `size` bytes of the response's content are done with.
  void Consume(size_t size);
  /// Gives the exchange up; no event follows. Idempotent.
  void Cancel();

  /// False before Start(), after the last event and after Cancel().
  bool active() const { return state_ != State::kNew && state_ != State::kDone; }
  /// Attempts that got as far as a connection, for the log.
  uint8_t attempts() const { return attempts_; }
  /// Where the last attempt went, or null; valid during events.
  const Endpoint* endpoint() const { return endpoint_; }

 private:
  enum class State : uint8_t {
    kNew,
    kResolving,  // waits for endpoints
    kQueued,     // waits for a connection
    kWaiting,    // on a connection, waits for a head
    kStreaming,  // the head was passed on
    kBackoff,    // waits before the next attempt
    kFailing,    // the failure is told at the end of the iteration
    kDone,
  };
  /// What went wrong with an attempt.
  enum class Fault : uint8_t {
    kConnect,    // no connection
    kStale,      // the connection was dead before the request
    kRefused,    // not processed, says the peer
    kBroken,     // cut off before the head
    kTimeout,    // of this attempt
    kMalformed,  // the answer
    kStatus,     // an answer that is worth another try
    kOwn,        // our own
  };

  // ResponseReceiver.
  ResponseHead* response_head() override;
  void OnInformational(uint16_t status, const HeaderMap& headers) override;
  void OnHead(bool end) override;
  void OnBody(std::string_view data) override;
  void OnEnd(const HeaderMap* trailers) override;
  void OnReset(ResetReason reason) override;
  void OnWritable() override;
  // PoolWaiter.
  void OnSession(ClientSession* session) override;
  void OnNoSession(UpstreamFailure why, std::string_view detail) override;
  // EndpointsWaiter.
  void OnEndpointsKnown() override;
  // EndOfIteration.
  void OnEndOfIteration() override;

  Dispatcher* dispatcher() const { return cluster_->dispatcher(); }
  const RetryConfig& retry() const { return cluster_->config().retry; }

  // One attempt: from an endpoint to a stream, and away from it.
  void StartAttempt();
  void Attach(ClientSession* session);
  const RequestHead* HeadToSend();
  void SendKept();
  void SendContent();
  void RequestSent();
  void LeaveAttempt();

  // Ways out of an attempt.
  void AttemptFailed(Fault fault, UpstreamFailure failure, std::string_view detail);
  bool MayRetry(Fault fault);
  void Retry(Fault fault);
  bool WorthRetrying(uint16_t status) const;
  void FailLater(UpstreamFailure failure, std::string_view detail);
  void AbortLater(ResetReason reason);
  void BreakOff();
  void ResponseEnded();
  void Finish();

  uint32_t IdleTimeout() const {
    return options_.idle_timeout_ms == UpstreamRequestOptions::kIdleTimeoutOfCluster
               ? cluster_->config().response_idle_timeout_ms
               : options_.idle_timeout_ms;
  }
  void Credit();
  void Soon() { dispatcher()->AtEndOfIteration(this); }
  void OnTimer();
  void ArmTimer();

  Cluster* cluster_;
  UpstreamEvents* events_;
  Arena* arena_;
  const RequestHead* head_ = nullptr;
  const HeaderMap* trailers_ = nullptr;
  UpstreamRequestOptions options_;
  State state_ = State::kNew;
  UpstreamFailure failure_ = UpstreamFailure::kNone;
  ResetReason abort_ = ResetReason::kCancelled;
  bool ended_ = false;          // the request is complete on its own side
  bool keep_ = true;            // what is sent is kept for a repetition
  bool kept_all_ = true;        // body_ begins with the first byte
  bool holds_request_ = false;  // counted in the circuit's requests
  bool holds_retry_ = false;    // counted in the budget
  bool holds_pend_ = false;     // counted as waiting for endpoints
  bool fresh_ = false;          // the next attempt avoids connections that lay idle
  bool told_head_ = false;      // a head was passed on
  bool retry_soon_ = false;     // the next attempt begins at the end of the iteration
  uint8_t attempts_ = 0;
  uint8_t retries_ = 0;
  uint8_t redispatched_ = 0;  // attempts of which nothing left this process

  Endpoint* endpoint_ = nullptr;
  const Endpoint* avoid_ = nullptr;  // compared only
  ClientSession* session_ = nullptr;
  ClientStream* stream_ = nullptr;
  ResponseHead* response_ = nullptr;
  std::string_view detail_;

  ByteQueue body_;              // content that is not sent yet, or kept
  uint64_t body_size_ = 0;      // content taken from the source
  size_t content_sent_ = 0;     // of options_.content, in this attempt
  size_t uncredited_ = 0;       // taken from the source and not credited
  size_t credit_ = 0;           // to be credited at the end of the iteration
  uint64_t unconsumed_ = 0;     // passed on and not consumed
  uint64_t bytes_written_ = 0;  // on the connection, when the attempt began

  Timer timer_;
  uint64_t deadline_ms_ = UINT64_MAX;  // of the head
  uint64_t attempt_deadline_ms_ = UINT64_MAX;
  uint64_t backoff_until_ms_ = UINT64_MAX;
  uint64_t timer_at_ms_ = UINT64_MAX;
  uint64_t last_activity_ms_ = 0;
};

}  // namespace postern
