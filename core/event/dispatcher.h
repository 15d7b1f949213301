#pragma once

#include <uv.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "core/base/intrusive_list.h"
#include "core/event/socket_poller.h"
#include "core/event/timer.h"

namespace postern {

/// An object that may end inside one of its own callbacks: it is handed to
/// Dispatcher::DeferDelete() and destroyed once the stack has unwound.
class Deferred {
 public:
  virtual ~Deferred() = default;
};

/// Work to be done once at the end of the loop iteration under way, however often it was asked for.
/// Connections write what they gathered this way, so that many small writes become one system call.
class EndOfIteration : public ListNode<EndOfIteration> {
 public:
  virtual ~EndOfIteration() = default;
  virtual void OnEndOfIteration() = 0;
};

/// The event loop of one worker: libuv's loop, a timer wheel, tasks from other threads, deferred
/// deletion. Every method belongs to the loop's thread except Post() and Heartbeat().
class Dispatcher {
 public:
  Dispatcher();
  /// The loop must have ended and every watcher must be closed.
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// Runs until Stop(). Call once.
  void Run();

  /// Ends Run() after the iteration under way. Loop thread only; from elsewhere Post() it.
  void Stop();

  /// Runs `task` on the loop. Any thread. Tasks run in the order posted; none is lost before the
  /// loop ends, and those left then are destroyed unrun.
  void Post(absl::AnyInvocable<void()> task);

  /// Destroys `object` at the end of the iteration. Null is allowed.
  void DeferDelete(std::unique_ptr<Deferred> object);

  /// Has `item` called at the end of this iteration; it stays registered once.
  void AtEndOfIteration(EndOfIteration* item) {
    if (!item->linked()) end_of_iteration_.PushBack(item);
  }

  /// Has `item` called at the beginning of the next iteration, which then does not wait: for work
  /// that is cut in pieces so that others have their turn.
  void AtNextIteration(EndOfIteration* item);

  /// Monotonic milliseconds, read once an iteration: free to ask, stale by the work done since.
  uint64_t NowMs() const { return uv_now(&loop_); }

  /// Wall clock in milliseconds since 1970, read once an iteration at the most.
  int64_t WallMs();

  TimerWheel* timers() { return &timers_; }
  SocketPoller* sockets() { return sockets_.get(); }
  uv_loop_t* loop() { return &loop_; }

  /// Count of iterations; a watchdog on another thread sees by it that the loop is alive. Any
  /// thread.
  uint64_t Heartbeat() const { return heartbeat_.load(std::memory_order_relaxed); }

  /// The dispatcher whose Run() is on this thread's stack, or null.
  static Dispatcher* Current();

 private:
  friend class SocketPoller;

  void RunPosted();
  void FinishIteration();
  /// Ends an iteration within the loop's own: time moves on and what was put off to the end is
  /// done. Returns false if the loop has to go on first.
  bool FinishTurn();
  void ArmWheel();

  uv_loop_t loop_;
  uv_timer_t wheel_timer_;
  uv_prepare_t prepare_;
  uv_check_t check_;
  uv_async_t async_;
  uv_idle_t idle_;
  TimerWheel timers_;
  std::unique_ptr<SocketPoller> sockets_;
  bool advancing_ = false;
  bool stopping_ = false;
  uint64_t wall_at_ = UINT64_MAX;  // NowMs() at which wall_ms_ was read
  int64_t wall_ms_ = 0;
  std::atomic<uint64_t> heartbeat_{0};
  IntrusiveList<EndOfIteration> end_of_iteration_;
  IntrusiveList<EndOfIteration> next_iteration_;
  std::vector<std::unique_ptr<Deferred>> doomed_;
  std::vector<std::unique_ptr<Deferred>> dying_;

  std::mutex posted_mutex_;
  std::vector<absl::AnyInvocable<void()>> posted_;  // guarded by posted_mutex_
};

}  // namespace postern
