#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/intrusive_list.h"
#include "core/base/metric_cell.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"
#include "core/net/address.h"
#include "core/upstream/cluster.h"

namespace postern {

class FunctionLease;

/// Bounds of one function (function.proto).
struct FunctionLimits {
  uint32_t concurrency_per_endpoint = 0;  ///< invocations at one endpoint at a time; 0: no bound
  uint32_t queue_limit = 100;             ///< invocations that wait, over all workers
  uint32_t queue_timeout_ms = 0;          ///< 0: as long as the invocation's own time allows

  bool operator==(const FunctionLimits&) const = default;
};

/// What became of a function's invocations.
struct FunctionFigures {
  uint64_t granted = 0;                     ///< invocations that got a slot, at once or later
  uint64_t queued = 0;                      ///< of all, those that had to wait
  uint64_t full = 0;                        ///< refused, for as many were waiting as may
  uint64_t timed_out = 0;                   ///< waited too long
  uint64_t left = 0;                        ///< given up while waiting
  HistogramTotal<LatencyBuckets> queue_ms;  ///< of those that waited and got a slot
  size_t waiting = 0;                       ///< now
  size_t in_use = 0;                        ///< slots, now
};

/// The slots of one function's endpoints, and the queue for them, first come first served over all
/// workers: a Runtime Interface Emulator serves one invocation at a time and answers a second with
/// 400 (management-and-import.md §5.2). One per function name for the life of the process, so that
/// the count holds across snapshots. Thread-safe: a lock guards a few words, and functions without
/// a bound on concurrency never take it.
class FunctionPool : public std::enable_shared_from_this<FunctionPool> {
 public:
  FunctionPool(std::string name, const FunctionLimits& limits, size_t workers);

  const std::string& name() const { return name_; }
  /// Of a new snapshot; slots in use beyond a lower bound are not taken away.
  void SetLimits(const FunctionLimits& limits);
  FunctionFigures Figures() const;

 private:
  friend class FunctionLease;

  struct Slot {
    Address address;
    uint32_t in_use = 0;
  };

  // All with mutex_ held.
  bool Choose(Cluster* cluster, Address* address);
  void Take(const Address& address);
  void GiveBack(const Address& address);
  void GrantWaiting(Cluster* cluster);

  void Deliver(size_t worker);

  const std::string name_;
  std::atomic<uint32_t> concurrency_;   // as in limits_; 0 needs no lock
  std::atomic<uint64_t> unbounded_{0};  // granted without the lock
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  FunctionLimits limits_;
  std::vector<Slot> slots_;  // with at least one in use
  IntrusiveList<FunctionLease> waiting_;
  std::vector<std::unique_ptr<IntrusiveList<FunctionLease>>> granted_;  // by worker, not told yet
  FunctionFigures figures_;
};

/// Hears of a lease that had to wait; from the loop.
class FunctionLeaseEvents {
 public:
  /// The slot is there: send the invocation, pinned to FunctionLease::endpoint().
  virtual void OnFunctionSlot() = 0;
  /// Waited longer than queue_timeout_ms.
  virtual void OnFunctionQueueTimeout() = 0;

 protected:
  ~FunctionLeaseEvents() = default;
};

/// One invocation's slot: waits for it, holds it, gives it back. A value, on the worker's thread.
class FunctionLease final : public ListNode<FunctionLease>, private EndpointsWaiter {
 public:
  /// All outlive the lease.
  FunctionLease(FunctionPool* pool, Cluster* cluster, FunctionLeaseEvents* events);
  /// Releases.
  ~FunctionLease();

  enum class Result : uint8_t {
    kGranted,  ///< go on; no event follows
    kQueued,   ///< an event follows
    kFull,     ///< too many wait: the function is throttled (rest-api.md §9.6)
  };
  /// Once.
  Result Acquire();
  /// Gives the slot back, or leaves the queue. Idempotent.
  void Release();

  bool granted() const { return state() == State::kHeld || state() == State::kFree; }
  /// For UpstreamRequestOptions::pinned; null where any endpoint may be used.
  const Address* endpoint() const { return state() == State::kHeld ? &address_ : nullptr; }
  /// How long it has waited, in milliseconds.
  uint32_t queue_ms() const { return queue_ms_; }

 private:
  friend class FunctionPool;
  enum class State : uint8_t {
    kNone,
    kWaiting,
    kGranted,  // has a slot, is not told yet
    kHeld,     // has a slot
    kFree,     // needs none
  };

  State state() const { return state_.load(std::memory_order_relaxed); }
  void set_state(State state) { state_.store(state, std::memory_order_relaxed); }
  void OnEndpointsKnown() override;
  void OnTimeout();
  void Told();

  FunctionPool* pool_;
  Cluster* cluster_;
  FunctionLeaseEvents* events_;
  Timer timer_;
  // Other workers change it, with the pool's mutex held, from kWaiting to kGranted.
  std::atomic<State> state_{State::kNone};
  Address address_;  // guarded by the pool's mutex until kHeld
  uint32_t queue_ms_ = 0;
  uint64_t since_ms_ = 0;
};

}  // namespace postern
