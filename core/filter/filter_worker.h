#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"
#include "core/filter/breadcrumb.h"
#include "core/filter/filter_owner.h"
#include "core/filter/filter_stats.h"
#include "core/filter/hook_clock.h"

namespace postern {

class ClusterManager;
class FilterWorker;
class WorkerFilters;

/// Bounds of what filters may hold and take, the same for all workers of a process.
struct FilterLimits {
  uint32_t slow_hook_ms = 50;             ///< a call that takes longer is logged
  uint32_t ready_limit_ms = 5000;         ///< longest wait for a worker_create that is pending
  uint32_t quarantine_failures = 10;      ///< of one that is not required, on a worker, within
  uint32_t quarantine_window_ms = 10000;  ///< so long: it is left out there
  uint32_t quarantine_ms = 30000;         ///< for so long
  uint64_t max_buffered_body = 10 * 1024 * 1024;  ///< of BUFFER (rest-api.md §10.5)
  uint64_t max_held_body = 16 * 1024 * 1024;      ///< of one message at one filter
  size_t max_header_block = 64 * 1024;            ///< names and values of one map
  size_t max_variable_bytes = 64 * 1024;          ///< of one exchange, names and values
  uint32_t max_callout_response = 1024 * 1024;    ///< where the callout names none
  uint32_t log_burst = 50;                        ///< lines of an instance on a worker at once, and
  uint32_t log_per_second = 10;                   ///< after that
  size_t max_pending_wakes = 65536;               ///< of a worker
  /// A call that breaks a rule of the ABI ends the process, for tests of modules.
  bool abort_on_misuse = false;
};

/// One instance on one worker: the owner that worker_create gets.
struct LocalFilter final : FilterOwner {
  enum class Phase : uint8_t { kNew, kCreating, kPending, kReady, kFailed, kEnded };

  LocalFilter(FilterWorker* on, const FilterInstance* of);

  void Deliver(const postern_event& event) override;
  const RequestContext* context() const override { return nullptr; }
  /// One more log line now?
  bool TakeLogLine(uint64_t now_ms, const FilterLimits& limits);
  /// It has failed. True: so often that streams go without it from now on, until quarantined_until.
  bool CountFailure(uint64_t now_ms, const FilterLimits& limits);

  const FilterInstance* instance;
  std::shared_ptr<FilterStats> stats;
  FilterCells* cells = nullptr;
  void* state = nullptr;
  WorkerFilters* set = nullptr;
  Phase phase = Phase::kNew;
  uint64_t log_refilled_ms = 0;
  uint32_t log_tokens = 0;
  uint32_t failures = 0;  ///< since
  uint64_t failing_since_ms = 0;
  uint64_t quarantined_until_ms = 0;  ///< looked at where it is not required
};

/// The wakes of one worker: filled by any thread, emptied by the worker. Outlives the worker as
/// long as a handle refers to it.
class FilterMailbox : public std::enable_shared_from_this<FilterMailbox> {
 public:
  FilterMailbox(Dispatcher* dispatcher, size_t max_pending)
      : dispatcher_(dispatcher), max_pending_(max_pending) {}

  postern_status Fire(FilterWaker* waker, uint64_t tag);
  /// [worker] The owner's handles find nobody from here on.
  void Kill(FilterWaker* waker);
  /// [worker] Nothing comes any more.
  void Close();

 private:
  struct Fired {
    FilterWaker* waker;  // holds a reference
    uint64_t tag;
  };
  void Run();

  Dispatcher* const dispatcher_;
  const size_t max_pending_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<Fired> fired_;
  bool rung_ = false;
  bool closed_ = false;
  // The worker's.
  std::vector<Fired> running_;
};

/// What stands behind a postern_waker.
class FilterWaker final : public ListNode<FilterWaker> {
 public:
  FilterWaker(FilterOwner* owner, std::shared_ptr<FilterMailbox> mailbox)
      : owner_(owner), mailbox_(std::move(mailbox)) {}

  postern_waker* handle() { return reinterpret_cast<postern_waker*>(this); }
  static FilterWaker* Of(postern_waker* waker) { return reinterpret_cast<FilterWaker*>(waker); }

  postern_status Fire(uint64_t tag) { return mailbox_->Fire(this, tag); }
  void Ref() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  /// Only its owner still refers to it.
  bool forgotten() const { return refs_.load(std::memory_order_acquire) == 1; }

 private:
  friend class FilterMailbox;
  ~FilterWaker() = default;

  std::atomic<uint32_t> refs_{2};  // the module's and the owner's
  FilterOwner* owner_;             // written by the worker under the mailbox's lock; null: dead
  const std::shared_ptr<FilterMailbox> mailbox_;
};

/// A timer of an owner.
class FilterTimer final : public ListNode<FilterTimer> {
 public:
  explicit FilterTimer(FilterWorker* worker);

 private:
  friend class FilterWorker;
  FilterWorker* const worker_;
  Timer timer_;
  FilterOwner* owner_ = nullptr;
  uint64_t tag_ = 0;
  uint64_t id_ = 0;
};

/// What running filters takes on one worker, whatever the snapshot. Outlives its exchanges and
/// WorkerFilters. Not thread-safe but for what its parts say.
class FilterWorker final : private EndOfIteration {
 public:
  static constexpr size_t kMaxStreamTimers = 64;
  static constexpr size_t kMaxWorkerTimers = 4096;
  static constexpr size_t kMaxStreamCallouts = 16;
  static constexpr size_t kMaxWorkerCallouts = 256;
  static constexpr size_t kMaxStreamWakers = 64;
  static constexpr size_t kMaxWorkerWakers = 4096;

  struct Env {
    Dispatcher* dispatcher = nullptr;
    ClusterManager* clusters = nullptr;
    BlockPool* body_blocks = nullptr;     ///< for content that is held
    BlockPool* callout_blocks = nullptr;  ///< for callouts
    FilterStatsRegistry* stats = nullptr;
    size_t index = 0;
    FilterLimits limits = {};
  };

  explicit FilterWorker(const Env& env);
  ~FilterWorker() override;
  FilterWorker(const FilterWorker&) = delete;
  FilterWorker& operator=(const FilterWorker&) = delete;

  /// The calling thread is this worker's from here on.
  void Attach();
  void Detach();
  /// The worker whose thread this is, or null.
  static FilterWorker* Current();
  bool OnOwnThread() const { return Current() == this; }

  const Env& env() const { return env_; }
  const FilterLimits& limits() const { return env_.limits; }
  Dispatcher* dispatcher() const { return env_.dispatcher; }
  Breadcrumb* crumb() const { return crumb_; }
  const HookClock& clock() const { return clock_; }
  /// The owner whose hook is on the stack, or null.
  FilterOwner* current() const { return current_; }
  HookName current_hook() const { return crumb_->hook.load(std::memory_order_relaxed); }

  /// Around each call into a module. `request` is for messages; may be null.
  void EnterHook(FilterOwner* owner, HookName hook, const RequestContext* request) {
    current_ = owner;
    crumb_->Enter(hook, owner->local()->instance, request);
    if (!stamped_) stamp_ = HookClock::Now();
  }
  void LeaveHook(LocalFilter* local, HookName hook) {
    const uint64_t now = HookClock::Now();
    // Ticks of two processors may differ by a few.
    const uint64_t ticks = now > stamp_ ? now - stamp_ : 0;
    stamp_ = now;
    stamped_ = true;
    current_ = nullptr;
    crumb_->Leave();
    local->cells->hook_times.Observe(clock_.ToNs(ticks));
    if (ticks > slow_ticks_) Slow(local, hook, ticks);
  }
  /// Work that is no filter's has been done since the last hook.
  void ForgetStamp() { stamped_ = false; }

  // For owners of this worker.
  FilterWaker* NewWaker(FilterOwner* owner);
  postern_status StartTimer(FilterOwner* owner, uint64_t delay_ms, uint64_t tag, uint64_t* id);
  postern_status CancelTimer(FilterOwner* owner, uint64_t id);
  postern_status StartCallout(FilterOwner* owner, const postern_callout& callout, uint64_t tag,
                              uint64_t* id);
  postern_status CancelCallout(FilterOwner* owner, uint64_t id);
  /// Cancels all of the above without events; its wakers are dead.
  void EndThings(FilterOwner* owner);

  /// A callout is over and out of its owner's list: it is used again from the next turn on.
  void CalloutOver(FilterCallout* callout);

  /// A host function was called where it must not be: counts and says so.
  void Misuse(FilterOwner* owner, std::string_view function, std::string_view why);

 private:
  friend class FilterTimer;

  void OnEndOfIteration() override;
  OwnedThings* ThingsOf(FilterOwner* owner);
  void Fire(FilterTimer* timer);
  void Release(FilterOwner* owner, FilterTimer* timer);
  void Slow(LocalFilter* local, HookName hook, uint64_t ticks);

  const Env env_;
  const HookClock clock_;
  const uint64_t slow_ticks_;
  Breadcrumb own_crumb_;
  Breadcrumb* crumb_ = &own_crumb_;
  FilterOwner* current_ = nullptr;
  uint64_t stamp_ = 0;
  bool stamped_ = false;
  const std::shared_ptr<FilterMailbox> mailbox_;
  std::vector<std::unique_ptr<OwnedThings>> idle_things_;
  std::vector<std::unique_ptr<FilterTimer>> idle_timers_;
  std::vector<std::unique_ptr<FilterCallout>> idle_callouts_;
  IntrusiveList<FilterCallout> over_callouts_;
};

}  // namespace postern
