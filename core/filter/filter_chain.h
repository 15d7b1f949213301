#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "api/abi/abi.h"
#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"
#include "core/filter/body_list.h"
#include "core/filter/chain_plan.h"
#include "core/filter/filter_owner.h"
#include "core/filter/filter_worker.h"
#include "core/http/message.h"
#include "core/reply/api_replies.h"

namespace postern {

class FilterChain;
class WorkerFilters;

/// What lies at the two ends of a chain: the integration behind the last filter, the client in
/// front of the first. All calls come from inside the chain's own methods or from the loop, never
/// from inside a hook; any of them may end the exchange (FilterChain::End()).
class FilterChainEnds {
 public:
  /// The request's head has passed every filter: the integration begins. With `end` there is no
  /// content.
  virtual void SendRequestHead(bool end) = 0;
  /// Borrowed until return; credit comes back by FilterChain::RequestConsumed().
  virtual void SendRequestBody(std::string_view data) = 0;
  virtual void SendRequestEnd(const HeaderMap* trailers) = 0;
  /// `size` bytes of the integration's response are done with.
  virtual void ConsumeIntegration(size_t size) = 0;
  /// Another answer than the integration's goes out: nothing more of it is wanted, and nothing more
  /// is sent to it.
  virtual void CancelIntegration() = 0;

  virtual void SendResponseHead(ResponseHead* head, bool end) = 0;
  /// Borrowed until return; credit comes back by FilterChain::ResponseConsumed().
  virtual void SendResponseBody(std::string_view data) = 0;
  virtual void SendResponseEnd(const HeaderMap* trailers) = 0;
  /// The exchange is cut: what was sent must not look complete.
  virtual void AbortResponse() = 0;
  /// `size` bytes of the client's content are done with.
  virtual void RequestConsumed(size_t size) = 0;
  /// Somebody will read the content: a client that asked whether to send it may do so.
  virtual void RequestWanted() = 0;
  /// An answer that the gateway or a filter gives itself is on its way.
  virtual void LocalReply() = 0;

 protected:
  ~FilterChainEnds() = default;
};

/// One filter's place in one exchange. In the exchange's arena.
struct StreamFilter final : FilterOwner {
  enum Stage : uint8_t { kNothing, kHead, kBody, kTrailers };
  /// Bits of what waits for the filter, in order of the message.
  enum Inbox : uint8_t {
    kInHead = 1,
    kInHeadEnd = 2,  ///< with kInHead: nothing follows
    kInLast = 4,     ///< the body's end
    kInTrailers = 8,
  };
  struct Body {
    BodyList waiting;  ///< not shown to the filter yet
    BodyList hand;     ///< what body_read() shows
    uint64_t limit = 0;
  };
  /// What a filter has of one direction.
  struct Direction {
    uint8_t inbox = 0;
    Stage stage = kNothing;  ///< of what is in hand: in the hook, or paused in it
    uint8_t mode = POSTERN_BODY_OBSERVE;
    bool paused = false;
    bool resumed = false;        ///< by resume(), not acted on yet
    bool detached = false;       ///< no message hook is called any more
    bool head_held = false;      ///< BUFFER: the head waits here for the body
    bool hand_end = false;       ///< what is in hand: nothing follows (head), the last one (body)
    bool head_seen = false;      ///< the head has come to it
    bool trailers_seen = false;  ///< and the trailers
    uint64_t paused_at_ms = 0;
    Body* body = nullptr;  ///< made when content first waits here
  };

  StreamFilter(FilterChain* of, uint16_t at, const FilterBinding* bound, LocalFilter* local);

  void Deliver(const postern_event& event) override;
  const RequestContext* context() const override;
  static StreamFilter* Of(postern_ctx* ctx) {
    FilterOwner* owner = FilterOwner::Of(ctx);
    return owner->is_stream() ? static_cast<StreamFilter*>(owner) : nullptr;
  }

  FilterChain* const chain;
  const FilterBinding* const binding;
  RequestHead* request;  ///< as this filter and those behind it see it
  void* self = nullptr;
  const uint16_t index;
  bool present = false;  ///< it takes part: stream_create did not say NULL
  bool cut_off = false;  ///< somebody in front has answered: it hears of the end only
  Direction dir[2];
};

/// The filters of one exchange at work (plugin-abi.md §6, §7): stands between the client's stream
/// and the integration, passes head, content and trailers from filter to filter in both directions,
/// and keeps the rules that modules rely on. Lives in the exchange's arena; its owner calls End()
/// as soon as the exchange is over, and the destructor once nothing of it is on the stack.
///
/// Content is handed on uncopied while everybody keeps up; what has to wait is copied once, and its
/// credit stays with it, so that the source stops. Content that a filter collects (BUFFER) counts
/// against a limit instead.
class FilterChain final : private EndOfIteration {
 public:
  struct Env {
    Arena* arena;
    const ChainPlan* plan;   ///< not empty
    WorkerFilters* filters;  ///< of the same snapshot
    RequestHead* request;
    RequestContext* context;
    const ApiReplies* replies;
    FilterChainEnds* ends;
  };

  /// Content that may be on its way out of the chain at one end.
  static constexpr size_t kWindow = 64 * 1024;

  /// Makes the chain in `env.arena`.
  static FilterChain* New(const Env& env);
  ~FilterChain() override;

  // From the client's stream.
  /// The request's head has come, once.
  void Start(bool end);
  /// Borrowed until return.
  void RequestBody(std::string_view data);
  void RequestEnd(const HeaderMap* trailers);
  /// The client has taken `size` bytes of the response.
  void ResponseConsumed(size_t size);
  /// The gateway itself refuses the request, whose filters have seen it in part: those hear of the
  /// answer. False if a response has begun to leave, which can only be cut then.
  bool Refuse(ResponseType type, uint16_t status);
  /// The exchange is over: stream_end, then everything of the filters ends. Idempotent.
  void End() noexcept;

  // From the integration.
  void ResponseHead(postern::ResponseHead* head, bool end);
  void ResponseBody(std::string_view data);
  void ResponseEnd(const HeaderMap* trailers);
  void ResponseFailure(ResponseType type, uint16_t status);
  void ResponseAborted();
  void RequestConsumed(size_t size);

  /// A head of the response has left the chain.
  bool response_begun() const { return at_[POSTERN_RESPONSE] < 0; }
  /// How many bytes the client's stream still waits to have credited.
  uint64_t request_owed() const { return unreturned_[POSTERN_REQUEST]; }

  // For the functions of postern_host, on the stream's worker.
  enum class Phase : uint8_t { kCreating, kRunning, kEnding, kEnded };
  Phase phase() const { return phase_; }
  FilterWorker* worker() const { return worker_; }
  RequestContext* context() const { return env_.context; }
  Arena* arena() const { return env_.arena; }
  /// For what is handed out until the hook returns.
  Arena* scratch() { return &scratch_; }
  /// As the last filter sees it, and the integration gets it.
  RequestHead* request() const { return request_; }
  postern::ResponseHead* response() const { return response_; }
  /// The trailers of a direction, or null.
  HeaderMap* trailers(uint32_t direction) const { return trailers_[direction]; }
  BodyStore* store() { return &store_; }
  size_t* variable_bytes() { return &variable_bytes_; }
  size_t* header_bytes() { return &header_bytes_; }

  /// header_clear() of the request, whose head is at `filter`.
  void ClearRequest(StreamFilter* filter);
  postern_status BodyMode(StreamFilter* filter, uint32_t direction, uint32_t mode, uint64_t limit);
  size_t BodyRead(StreamFilter* filter, uint32_t direction, postern_str* out, size_t cap,
                  uint64_t* total);
  postern_status BodySplice(StreamFilter* filter, uint32_t direction, uint64_t offset,
                            uint64_t remove, postern_str insert, void (*release)(void*),
                            void* release_arg);
  postern_status Resume(StreamFilter* filter, uint32_t direction);
  /// `reply` has been checked.
  postern_status Reply(StreamFilter* filter, const postern_reply& reply);
  /// Whether a reply of `filter` could still go out.
  bool MayReply(const StreamFilter* filter) const {
    return !filter->cut_off && !replied_ && at_[POSTERN_RESPONSE] >= filter->index;
  }
  void DeliverEvent(StreamFilter* filter, const postern_event& event) noexcept;

 private:
  using Direction = StreamFilter::Direction;

  explicit FilterChain(const Env& env);
  void OnEndOfIteration() override;

  // Passing on. `s` counts the filters that have to do with a direction, in order of travel; the
  // end of the chain comes behind the last.
  void Pump(int d);
  bool Step(int d, size_t s);
  bool Send(int d);
  // Whatever calls a module is noexcept: an exception that one lets out ends the process where it
  // is, so that the breadcrumb still tells whose it was (plugin-abi.md §9).
  void CallHead(int d, size_t s) noexcept;
  bool CallBody(int d, size_t s);
  void CallBodyHook(int d, size_t s) noexcept;
  void CallTrailers(int d, size_t s) noexcept;
  bool CollectBody(int d, size_t s);
  void Left();
  void After(int d, size_t s, postern_verdict verdict);
  void Settle(int d, size_t s);
  void ForwardHead(int d, size_t s, bool end);
  void ForwardBody(int d, size_t s);
  bool Blocked(int d, size_t s) const;
  bool TakesBody(const StreamFilter& filter, int d) const;
  bool HasHook(const StreamFilter& filter, uint32_t hook) const {
    return (filter.binding->hooks & hook) != 0;
  }
  Direction& At(int d, size_t s) { return s == count_[d] ? end_[d] : stops_[d][s]->dir[d]; }
  const Direction& At(int d, size_t s) const {
    return s == count_[d] ? end_[d] : stops_[d][s]->dir[d];
  }
  StreamFilter::Body* BodyOf(Direction* at);
  void ReturnCredit(int d);
  void KeepBorrowed(int d);
  void Schedule();

  // Ways out.
  void Fail(StreamFilter* filter, std::string_view what);
  void PassBy(StreamFilter* filter);
  void Answer(ResponseType type, uint16_t status, int from);
  void ActOnReply();
  bool Decided();
  void StartReply(int from);
  void DropDirection(int d, Direction* at);
  void Abort();
  void ArmPauseTimer(uint64_t delay_ms);
  void PauseTimeout();

  void SetLength(int d, uint64_t size);
  void StripLength(int d);
  MessageHead* HeadOf(int d) const {
    return d == POSTERN_REQUEST ? static_cast<MessageHead*>(request_)
                                : static_cast<MessageHead*>(response_);
  }
  void Create() noexcept;

  const Env env_;
  FilterWorker* const worker_;
  const size_t size_;
  RequestHead* request_;
  StreamFilter** filters_;   // by index
  StreamFilter** stops_[2];  // those with hooks of a direction, in order of travel
  size_t count_[2] = {0, 0};
  Direction end_[2];  // what waits to leave the chain
  /// Where the head of a direction is: a filter's index; size_ and more: at the integration's side;
  /// -1: at the client's.
  int at_[2];
  BodyStore store_;
  Arena scratch_;
  BodyList sending_[2];  // what one of the ends is being shown
  postern::ResponseHead* response_ = nullptr;
  HeaderMap* trailers_[2] = {nullptr, nullptr};
  uint64_t unreturned_[2] = {0, 0};  // bytes taken from the source and not credited
  uint64_t held_[2] = {0, 0};        // bytes in the chain that are not being collected
  uint64_t underway_[2] = {0, 0};    // bytes that left the chain and are not consumed
  size_t variable_bytes_ = 0;
  size_t header_bytes_ = 0;
  Phase phase_ = Phase::kCreating;
  bool pumping_[2] = {false, false};
  bool again_[2] = {false, false};
  bool gated_[2] = {false, false};  // a body hook was put off: its output could not move on
  bool returning_[2] = {false, false};
  bool integration_over_ = false;  // it wants, or gives, nothing more
  bool request_over_ = false;      // what comes of the request is dropped
  bool replied_ = false;           // some filter has called reply()
  bool abort_ = false;
  StreamFilter* reply_from_ = nullptr;  // whose reply() is to be acted on
  postern::ResponseHead* reply_head_ = nullptr;
  BodyList reply_body_;
  std::optional<Timer> pause_timer_;  // made with the first pause
  uint64_t pause_delay_ms_ = 0;
};

}  // namespace postern
