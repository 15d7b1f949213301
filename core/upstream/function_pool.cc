#include "core/upstream/function_pool.h"

#include <algorithm>
#include <utility>

namespace postern {
namespace {

void Observe(uint64_t ms, HistogramTotal<LatencyBuckets>* total) {
  const auto& upper = LatencyBuckets::kUpper;
  const auto at = std::lower_bound(upper.begin(), upper.end(), ms) - upper.begin();
  ++total->counts[static_cast<size_t>(at)];
  total->sum += ms;
}

}  // namespace

FunctionPool::FunctionPool(std::string name, const FunctionLimits& limits, size_t workers)
    : name_(std::move(name)), concurrency_(limits.concurrency_per_endpoint), limits_(limits) {
  for (size_t i = 0; i < workers; ++i) {
    granted_.push_back(std::make_unique<IntrusiveList<FunctionLease>>());
  }
}

void FunctionPool::SetLimits(const FunctionLimits& limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
  concurrency_.store(limits.concurrency_per_endpoint, std::memory_order_relaxed);
}

FunctionFigures FunctionPool::Figures() const {
  std::lock_guard lock(mutex_);
  FunctionFigures figures = figures_;
  figures.granted += unbounded_.load(std::memory_order_relaxed);
  for (const Slot& slot : slots_) figures.in_use += slot.in_use;
  return figures;
}

// The least busy endpoint with a free slot, as the caller's worker sees the endpoints: usable ones
// while there are any.
bool FunctionPool::Choose(Cluster* cluster, Address* address) {
  const uint32_t most = limits_.concurrency_per_endpoint;
  const uint64_t now = cluster->dispatcher()->NowMs();
  const size_t count = cluster->endpoint_count();
  bool any_usable = false;
  for (size_t i = 0; i < count; ++i) {
    any_usable = any_usable || cluster->endpoint(i)->Usable(now);
  }
  const Endpoint* best = nullptr;
  uint32_t best_in_use = 0;
  const size_t start = count > 1 ? cluster->random()->Below(static_cast<uint32_t>(count)) : 0;
  for (size_t i = 0; i < count; ++i) {
    const Endpoint* endpoint = cluster->endpoint((start + i) % count);
    if (any_usable && !endpoint->Usable(now)) continue;
    const auto slot = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& other) {
      return other.address == endpoint->address();
    });
    const uint32_t in_use = slot == slots_.end() ? 0 : slot->in_use;
    if (most != 0 && in_use >= most) continue;
    if (best != nullptr && in_use >= best_in_use) continue;
    best = endpoint;
    best_in_use = in_use;
  }
  if (best == nullptr) return false;
  *address = best->address();
  return true;
}

void FunctionPool::Take(const Address& address) {
  for (Slot& slot : slots_) {
    if (slot.address == address) {
      ++slot.in_use;
      return;
    }
  }
  slots_.push_back({address, 1});
}

void FunctionPool::GiveBack(const Address& address) {
  for (Slot& slot : slots_) {
    if (slot.address != address) continue;
    if (--slot.in_use == 0) {
      std::swap(slot, slots_.back());
      slots_.pop_back();
    }
    return;
  }
}

void FunctionPool::GrantWaiting(Cluster* cluster) {
  Address address;
  while (!waiting_.empty() && Choose(cluster, &address)) {
    FunctionLease* lease = waiting_.PopFront();
    --figures_.waiting;
    Take(address);
    lease->address_ = address;
    lease->set_state(FunctionLease::State::kGranted);
    const size_t worker = lease->cluster_->worker();
    // The lease is told on its own thread. It is in a list here, so its worker is alive.
    if (granted_[worker]->empty()) {
      lease->cluster_->dispatcher()->Post(
          [self = shared_from_this(), worker] { self->Deliver(worker); });
    }
    granted_[worker]->PushBack(lease);
  }
}

void FunctionPool::Deliver(size_t worker) {
  for (;;) {
    FunctionLease* lease;
    {
      std::lock_guard lock(mutex_);
      lease = granted_[worker]->PopFront();
      if (lease == nullptr) return;
      lease->set_state(FunctionLease::State::kHeld);
      lease->queue_ms_ =
          static_cast<uint32_t>(lease->cluster_->dispatcher()->NowMs() - lease->since_ms_);
      ++figures_.granted;
      Observe(lease->queue_ms_, &figures_.queue_ms);
    }
    lease->Told();
  }
}

FunctionLease::FunctionLease(FunctionPool* pool, Cluster* cluster, FunctionLeaseEvents* events)
    : pool_(pool),
      cluster_(cluster),
      events_(events),
      timer_(
          cluster->dispatcher()->timers(),
          [](void* arg) { static_cast<FunctionLease*>(arg)->OnTimeout(); }, this) {
  cluster->Hold();
}

FunctionLease::~FunctionLease() {
  Release();
  cluster_->Release();
}

FunctionLease::Result FunctionLease::Acquire() {
  if (pool_->concurrency_.load(std::memory_order_relaxed) == 0) {
    set_state(State::kFree);
    pool_->unbounded_.fetch_add(1, std::memory_order_relaxed);
    return Result::kGranted;
  }
  uint32_t timeout_ms;
  {
    std::lock_guard lock(pool_->mutex_);
    if (cluster_->endpoint_count() == 0 && !cluster_->resolving()) {
      // The request itself finds out, and says so.
      set_state(State::kFree);
      return Result::kGranted;
    }
    if (pool_->waiting_.empty() && pool_->Choose(cluster_, &address_)) {
      pool_->Take(address_);
      ++pool_->figures_.granted;
      set_state(State::kHeld);
      return Result::kGranted;
    }
    if (pool_->figures_.waiting >= pool_->limits_.queue_limit) {
      ++pool_->figures_.full;
      return Result::kFull;
    }
    ++pool_->figures_.waiting;
    ++pool_->figures_.queued;
    timeout_ms = pool_->limits_.queue_timeout_ms;
    since_ms_ = cluster_->dispatcher()->NowMs();
    set_state(State::kWaiting);
    pool_->waiting_.PushBack(this);
    // Somebody may wait although a slot has become free, as when an endpoint was added.
    pool_->GrantWaiting(cluster_);
  }
  cluster_->AddEndpointsWaiter(this);
  if (timeout_ms != 0) timer_.Start(timeout_ms);
  return Result::kQueued;
}

void FunctionLease::Release() {
  timer_.Cancel();
  EndpointsWaiter::Unlink();
  if (state() == State::kFree || state() == State::kNone) {
    set_state(State::kNone);
    return;
  }
  std::lock_guard lock(pool_->mutex_);
  ListNode<FunctionLease>::Unlink();
  switch (state_.exchange(State::kNone, std::memory_order_relaxed)) {
    case State::kWaiting:
      --pool_->figures_.waiting;
      ++pool_->figures_.left;
      return;
    case State::kGranted:
      ++pool_->figures_.left;
      [[fallthrough]];
    case State::kHeld:
      pool_->GiveBack(address_);
      pool_->GrantWaiting(cluster_);
      return;
    default:
      return;
  }
}

void FunctionLease::OnEndpointsKnown() {
  {
    std::lock_guard lock(pool_->mutex_);
    if (state() != State::kWaiting) return;
    if (cluster_->endpoint_count() > 0 || cluster_->resolving()) {
      pool_->GrantWaiting(cluster_);
      if (state() == State::kWaiting) cluster_->AddEndpointsWaiter(this);
      return;
    }
    ListNode<FunctionLease>::Unlink();
    --pool_->figures_.waiting;
    set_state(State::kFree);
  }
  timer_.Cancel();
  events_->OnFunctionSlot();
}

void FunctionLease::OnTimeout() {
  {
    std::lock_guard lock(pool_->mutex_);
    if (state() != State::kWaiting) return;  // the slot is on its way
    ListNode<FunctionLease>::Unlink();
    --pool_->figures_.waiting;
    ++pool_->figures_.timed_out;
    set_state(State::kNone);
  }
  EndpointsWaiter::Unlink();
  events_->OnFunctionQueueTimeout();
}

void FunctionLease::Told() {
  timer_.Cancel();
  EndpointsWaiter::Unlink();
  events_->OnFunctionSlot();
}

}  // namespace postern
