#include "core/filter/filter_worker.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/base/log.h"
#include "core/filter/filter_callout.h"
#include "core/filter/worker_filters.h"

namespace postern {
namespace {

constinit thread_local FilterWorker* t_current = nullptr;

constexpr size_t kMaxIdle = 256;
// Longer than the timer wheel reaches is never.
constexpr uint64_t kMaxDelayMs = uint64_t{7} * 24 * 3600 * 1000;

}  // namespace

// ---- LocalFilter ----

LocalFilter::LocalFilter(FilterWorker* on, const FilterInstance* of)
    : FilterOwner(on, this, /*is_stream=*/false), instance(of) {}

void LocalFilter::Deliver(const postern_event& event) {
  if (phase == Phase::kEnded || instance->module->hooks().worker_event == nullptr) return;
  worker()->ForgetStamp();
  worker()->EnterHook(this, HookName::kWorkerEvent, nullptr);
  [&]() noexcept { instance->module->hooks().worker_event(state, ctx(), &event); }();
  worker()->LeaveHook(this, HookName::kWorkerEvent);
}

bool LocalFilter::TakeLogLine(uint64_t now_ms, const FilterLimits& limits) {
  if (log_refilled_ms == 0) {
    log_tokens = limits.log_burst;
    log_refilled_ms = now_ms + 1;
  }
  if (const uint64_t more =
          now_ms > log_refilled_ms ? (now_ms - log_refilled_ms) * limits.log_per_second / 1000 : 0;
      more > 0) {
    log_tokens = static_cast<uint32_t>(std::min<uint64_t>(limits.log_burst, log_tokens + more));
    log_refilled_ms = now_ms;
  }
  if (log_tokens == 0) {
    cells->log_dropped.Add();
    return false;
  }
  --log_tokens;
  return true;
}

bool LocalFilter::CountFailure(uint64_t now_ms, const FilterLimits& limits) {
  if (now_ms < quarantined_until_ms) return false;
  if (failures == 0 || now_ms - failing_since_ms > limits.quarantine_window_ms) {
    failures = 0;
    failing_since_ms = now_ms;
  }
  if (++failures < limits.quarantine_failures) return false;
  failures = 0;
  quarantined_until_ms = now_ms + limits.quarantine_ms;
  return true;
}

// ---- Wakes ----

postern_status FilterMailbox::Fire(FilterWaker* waker, uint64_t tag) {
  std::lock_guard lock(mutex_);
  if (closed_ || waker->owner_ == nullptr) return POSTERN_E_NOT_FOUND;
  if (fired_.size() >= max_pending_) return POSTERN_E_LIMIT;
  waker->Ref();
  fired_.push_back({waker, tag});
  if (!std::exchange(rung_, true)) {
    dispatcher_->Post([self = shared_from_this()] { self->Run(); });
  }
  return POSTERN_OK;
}

void FilterMailbox::Run() {
  {
    std::lock_guard lock(mutex_);
    rung_ = false;
    running_.swap(fired_);
  }
  // One at a time: an event may end the owner of the next.
  for (const Fired& fired : running_) {
    if (FilterOwner* owner = fired.waker->owner_) {
      postern_event event{};
      event.size = sizeof(event);
      event.type = POSTERN_EVENT_WAKE;
      event.tag = fired.tag;
      owner->Deliver(event);
    }
    fired.waker->Unref();
  }
  running_.clear();
}

void FilterMailbox::Kill(FilterWaker* waker) {
  std::lock_guard lock(mutex_);
  waker->owner_ = nullptr;
}

void FilterMailbox::Close() {
  std::vector<Fired> left;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    left.swap(fired_);
  }
  for (const Fired& fired : left) fired.waker->Unref();
}

// ---- Timers ----

FilterTimer::FilterTimer(FilterWorker* worker)
    : worker_(worker),
      timer_(
          worker->dispatcher()->timers(),
          [](void* arg) {
            auto* self = static_cast<FilterTimer*>(arg);
            self->worker_->Fire(self);
          },
          this) {}

// ---- FilterWorker ----

FilterWorker::FilterWorker(const Env& env)
    : env_(env),
      clock_(HookClock::Calibrated()),
      slow_ticks_(clock_.FromNs(uint64_t{env.limits.slow_hook_ms} * 1'000'000)),
      mailbox_(std::make_shared<FilterMailbox>(env.dispatcher, env.limits.max_pending_wakes)) {}

FilterWorker::~FilterWorker() {
  mailbox_->Close();
  FilterWorker::OnEndOfIteration();
  if (t_current == this) t_current = nullptr;
}

void FilterWorker::Attach() {
  t_current = this;
  crumb_ = ThreadBreadcrumb();
  UseFaultStack();
}

void FilterWorker::Detach() {
  t_current = nullptr;
  crumb_ = &own_crumb_;
}

FilterWorker* FilterWorker::Current() { return t_current; }

OwnedThings* FilterWorker::ThingsOf(FilterOwner* owner) {
  if (owner->things_ == nullptr) {
    if (idle_things_.empty()) {
      owner->things_ = new OwnedThings;
    } else {
      owner->things_ = idle_things_.back().release();
      idle_things_.pop_back();
    }
  }
  return owner->things_;
}

FilterWaker* FilterWorker::NewWaker(FilterOwner* owner) {
  OwnedThings* things = ThingsOf(owner);
  const size_t limit = owner->is_stream() ? kMaxStreamWakers : kMaxWorkerWakers;
  if (things->waker_count >= 16 && (things->waker_count & (things->waker_count - 1)) == 0) {
    // Those that the module has freed, now and then.
    for (FilterWaker* waker = things->wakers.Front(); waker != nullptr;) {
      FilterWaker* next = things->wakers.Next(waker);
      if (waker->forgotten()) {
        waker->Unlink();
        waker->Unref();
        --things->waker_count;
      }
      waker = next;
    }
  }
  if (things->waker_count >= limit) return nullptr;
  auto* waker = new FilterWaker(owner, mailbox_);
  things->wakers.PushBack(waker);
  ++things->waker_count;
  return waker;
}

postern_status FilterWorker::StartTimer(FilterOwner* owner, uint64_t delay_ms, uint64_t tag,
                                        uint64_t* id) {
  OwnedThings* things = ThingsOf(owner);
  if (things->timer_count >= (owner->is_stream() ? kMaxStreamTimers : kMaxWorkerTimers)) {
    return POSTERN_E_LIMIT;
  }
  FilterTimer* timer;
  if (idle_timers_.empty()) {
    timer = new FilterTimer(this);
  } else {
    timer = idle_timers_.back().release();
    idle_timers_.pop_back();
  }
  timer->owner_ = owner;
  timer->tag_ = tag;
  timer->id_ = ++things->last_id;
  things->timers.PushBack(timer);
  ++things->timer_count;
  timer->timer_.Start(std::min(delay_ms, kMaxDelayMs));
  if (id != nullptr) *id = timer->id_;
  return POSTERN_OK;
}

void FilterWorker::Release(FilterOwner* owner, FilterTimer* timer) {
  timer->Unlink();
  timer->timer_.Cancel();
  timer->owner_ = nullptr;
  --owner->things_->timer_count;
  std::unique_ptr<FilterTimer> owned(timer);
  if (idle_timers_.size() < kMaxIdle) idle_timers_.push_back(std::move(owned));
}

void FilterWorker::Fire(FilterTimer* timer) {
  postern_event event{};
  event.size = sizeof(event);
  event.type = POSTERN_EVENT_TIMER;
  event.tag = timer->tag_;
  event.id = timer->id_;
  FilterOwner* owner = timer->owner_;
  // A timer may be destroyed from inside its callback.
  Release(owner, timer);
  owner->Deliver(event);
}

postern_status FilterWorker::CancelTimer(FilterOwner* owner, uint64_t id) {
  if (owner->things_ == nullptr) return POSTERN_E_NOT_FOUND;
  const auto& timers = owner->things_->timers;
  for (FilterTimer* timer = timers.Front(); timer != nullptr; timer = timers.Next(timer)) {
    if (timer->id_ != id) continue;
    Release(owner, timer);
    return POSTERN_OK;
  }
  return POSTERN_E_NOT_FOUND;
}

postern_status FilterWorker::StartCallout(FilterOwner* owner, const postern_callout& callout,
                                          uint64_t tag, uint64_t* id) {
  const CalloutUpstream* upstream = owner->local()->instance->FindUpstream(callout.upstream);
  if (upstream == nullptr) return POSTERN_E_INVALID;
  OwnedThings* things = ThingsOf(owner);
  if (things->callout_count >= (owner->is_stream() ? kMaxStreamCallouts : kMaxWorkerCallouts)) {
    return POSTERN_E_LIMIT;
  }
  FilterCallout* made;
  if (idle_callouts_.empty()) {
    made = new FilterCallout(this);
  } else {
    made = idle_callouts_.back().release();
    idle_callouts_.pop_back();
  }
  const uint64_t number = ++things->last_id;
  things->callouts.PushBack(made);
  ++things->callout_count;
  owner->local()->cells->callouts.Add();
  made->Start(owner, *upstream, callout, tag, number);
  if (id != nullptr) *id = number;
  return POSTERN_OK;
}

postern_status FilterWorker::CancelCallout(FilterOwner* owner, uint64_t id) {
  if (owner->things_ == nullptr) return POSTERN_E_NOT_FOUND;
  const auto& callouts = owner->things_->callouts;
  for (FilterCallout* at = callouts.Front(); at != nullptr; at = callouts.Next(at)) {
    if (at->id() != id) continue;
    static_cast<ListNode<FilterCallout>*>(at)->Unlink();
    --owner->things_->callout_count;
    at->Cancel();
    CalloutOver(at);
    return POSTERN_OK;
  }
  return POSTERN_E_NOT_FOUND;
}

void FilterWorker::CalloutOver(FilterCallout* callout) {
  over_callouts_.PushBack(callout);
  env_.dispatcher->AtEndOfIteration(this);
}

void FilterWorker::OnEndOfIteration() {
  while (FilterCallout* callout = over_callouts_.PopFront()) {
    callout->Recycle();
    std::unique_ptr<FilterCallout> owned(callout);
    if (idle_callouts_.size() < kMaxIdle) idle_callouts_.push_back(std::move(owned));
  }
}

void FilterWorker::EndThings(FilterOwner* owner) {
  OwnedThings* things = std::exchange(owner->things_, nullptr);
  if (things == nullptr) return;
  while (FilterTimer* timer = things->timers.PopFront()) {
    timer->timer_.Cancel();
    timer->owner_ = nullptr;
    std::unique_ptr<FilterTimer> owned(timer);
    if (idle_timers_.size() < kMaxIdle) idle_timers_.push_back(std::move(owned));
  }
  while (FilterCallout* callout = things->callouts.PopFront()) {
    callout->Cancel();
    CalloutOver(callout);
  }
  while (FilterWaker* waker = things->wakers.PopFront()) {
    mailbox_->Kill(waker);
    waker->Unref();
  }
  things->timer_count = things->callout_count = things->waker_count = 0;
  things->last_id = 0;
  std::unique_ptr<OwnedThings> owned(things);
  if (idle_things_.size() < kMaxIdle) idle_things_.push_back(std::move(owned));
}

void FilterWorker::Misuse(FilterOwner* owner, std::string_view function, std::string_view why) {
  LocalFilter* local = owner->local();
  const bool own_thread = OnOwnThread();
  if (env_.limits.abort_on_misuse) {
    Log(LogLevel::kError, "filter_misuse",
        {{"function", function},
         {"filter", local->instance->name},
         {"module", local->instance->module->title()},
         {"reason", why}});
    std::abort();
  }
  if (own_thread) {
    local->cells->misuses.Add();
    if (!local->TakeLogLine(env_.dispatcher->NowMs(), env_.limits)) return;
  } else {
    // The limit of lines is the worker's; here the count has to do: a line for 1, 2, 4, 8, ...
    local->cells->foreign_calls.AddShared();
    const uint64_t count = local->cells->foreign_calls.value();
    if ((count & (count - 1)) != 0) return;
  }
  Log(LogLevel::kWarn, "filter_misuse",
      {{"function", function},
       {"hook", own_thread ? HookNameText(current_hook()) : std::string_view("another thread")},
       {"filter", local->instance->name},
       {"module", local->instance->module->title()},
       {"reason", why}});
}

void FilterWorker::Slow(LocalFilter* local, HookName hook, uint64_t ticks) {
  local->cells->slow_hooks.Add();
  if (!local->TakeLogLine(env_.dispatcher->NowMs(), env_.limits)) return;
  Log(LogLevel::kWarn, "filter_slow",
      {{"filter", local->instance->name},
       {"module", local->instance->module->title()},
       {"hook", HookNameText(hook)},
       {"ms", static_cast<double>(clock_.ToNs(ticks)) / 1e6}});
}

}  // namespace postern
