#pragma once

#include <cstddef>
#include <cstdint>

#include "api/abi/abi.h"
#include "core/base/intrusive_list.h"
#include "core/filter/filter_instance.h"

namespace postern {

class FilterWorker;
class FilterTimer;
class FilterCallout;
class FilterWaker;
struct LocalFilter;

/// What an owner has asked for and not got yet. Made when it first asks.
struct OwnedThings {
  IntrusiveList<FilterTimer> timers;
  IntrusiveList<FilterCallout> callouts;
  IntrusiveList<FilterWaker> wakers;
  size_t timer_count = 0;
  size_t callout_count = 0;
  size_t waker_count = 0;
  uint64_t last_id = 0;
};

/// What stands behind a postern_ctx: one filter's place in a stream, or one instance on a worker.
/// Belongs to its worker.
class FilterOwner {
 public:
  postern_ctx* ctx() { return reinterpret_cast<postern_ctx*>(this); }
  static FilterOwner* Of(postern_ctx* ctx) { return reinterpret_cast<FilterOwner*>(ctx); }

  FilterWorker* worker() const { return worker_; }
  /// The instance on this worker.
  LocalFilter* local() const { return local_; }
  bool is_stream() const { return is_stream_; }
  OwnedThings* things() const { return things_; }

  /// Something it has asked for has happened. From the loop, never inside a hook.
  virtual void Deliver(const postern_event& event) = 0;
  /// For messages: the request that it belongs to, if any.
  virtual const RequestContext* context() const = 0;

 protected:
  FilterOwner(FilterWorker* worker, LocalFilter* local, bool is_stream)
      : worker_(worker), local_(local), is_stream_(is_stream) {}
  ~FilterOwner() = default;

 private:
  friend class FilterWorker;
  FilterWorker* const worker_;
  LocalFilter* const local_;
  OwnedThings* things_ = nullptr;
  const bool is_stream_;
};

}  // namespace postern
