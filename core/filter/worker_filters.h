#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "core/event/timer.h"
#include "core/filter/filter_instance.h"
#include "core/filter/filter_worker.h"

namespace postern {

/// The filter instances of one snapshot on one worker: their states, made by worker_create before
/// the snapshot takes traffic and destroyed when the last exchange of it has ended there. Belongs
/// to its worker.
class WorkerFilters {
 public:
  using Instances = std::vector<std::unique_ptr<const FilterInstance>>;

  /// Both outlive it. `instances` are those of a FilterSet, `version` is its snapshot's, for
  /// messages.
  WorkerFilters(FilterWorker* worker, const Instances& instances, uint64_t version);
  /// Runs worker_destroy. No exchange may use it any more.
  ~WorkerFilters();
  WorkerFilters(const WorkerFilters&) = delete;
  WorkerFilters& operator=(const WorkerFilters&) = delete;

  /// Runs worker_create of every instance, with the state of the same instance of the same module
  /// file in `previous` (of the snapshot in force; may be null). `done` runs once, from inside or
  /// from the loop: OK when all are ready; else what is wrong, naming the instance. Those that are
  /// pending when FilterLimits::ready_limit_ms is over are an error.
  void Prepare(const WorkerFilters* previous, absl::AnyInvocable<void(absl::Status)> done);

  /// By FilterInstance::id.
  LocalFilter* local(uint32_t id) const { return locals_[id].get(); }
  FilterWorker* worker() const { return worker_; }
  uint64_t version() const { return version_; }

  /// From worker_ready().
  postern_status Ready(LocalFilter* local, postern_status status, std::string_view reason);

 private:
  const LocalFilter* Find(const std::string& handover_key, const FilterModule* module) const;
  absl::Status Create(LocalFilter* local, void* previous) noexcept;
  void Fail(const LocalFilter& local, std::string_view why);
  void Check();
  void TimeOut();

  FilterWorker* const worker_;
  const uint64_t version_;
  std::vector<std::unique_ptr<LocalFilter>> locals_;
  Timer timer_;
  size_t pending_ = 0;
  bool creating_ = false;
  absl::Status status_;
  absl::AnyInvocable<void(absl::Status)> done_;
};

}  // namespace postern
