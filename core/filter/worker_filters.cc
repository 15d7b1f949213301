#include "core/filter/worker_filters.h"

#include <utility>

#include "core/base/log.h"
#include "lib/text/concat.h"

namespace postern {

WorkerFilters::WorkerFilters(FilterWorker* worker, const Instances& instances, uint64_t version)
    : worker_(worker),
      version_(version),
      timer_(
          worker->dispatcher()->timers(),
          [](void* arg) { static_cast<WorkerFilters*>(arg)->TimeOut(); }, this) {
  locals_.reserve(instances.size());
  for (const auto& instance : instances) {
    auto local = std::make_unique<LocalFilter>(worker, instance.get());
    local->set = this;
    local->stats = worker->env().stats->Get(*instance);
    local->cells = local->stats->cells(worker->env().index);
    locals_.push_back(std::move(local));
  }
}

WorkerFilters::~WorkerFilters() {
  timer_.Cancel();
  for (auto at = locals_.rbegin(); at != locals_.rend(); ++at) {
    LocalFilter* local = at->get();
    const bool created =
        local->phase == LocalFilter::Phase::kReady || local->phase == LocalFilter::Phase::kPending;
    local->phase = LocalFilter::Phase::kEnded;
    worker_->EndThings(local);
    if (!created || local->instance->module->hooks().worker_destroy == nullptr) continue;
    worker_->ForgetStamp();
    worker_->EnterHook(local, HookName::kWorkerDestroy, nullptr);
    local->instance->module->hooks().worker_destroy(local->state);
    worker_->LeaveHook(local, HookName::kWorkerDestroy);
  }
}

const LocalFilter* WorkerFilters::Find(const std::string& handover_key,
                                       const FilterModule* module) const {
  for (const auto& local : locals_) {
    if (local->instance->module == module && local->instance->handover_key == handover_key &&
        local->phase == LocalFilter::Phase::kReady) {
      return local.get();
    }
  }
  return nullptr;
}

void WorkerFilters::Prepare(const WorkerFilters* previous,
                            absl::AnyInvocable<void(absl::Status)> done) {
  done_ = std::move(done);
  creating_ = true;
  for (const auto& local : locals_) {
    const LocalFilter* before =
        previous != nullptr ? previous->Find(local->instance->handover_key, local->instance->module)
                            : nullptr;
    status_.Update(Create(local.get(), before != nullptr ? before->state : nullptr));
    if (!status_.ok()) break;
  }
  creating_ = false;
  if (status_.ok() && pending_ > 0) timer_.Start(worker_->limits().ready_limit_ms);
  Check();
}

absl::Status WorkerFilters::Create(LocalFilter* local, void* previous) noexcept {
  const postern_filter& hooks = local->instance->module->hooks();
  if (hooks.worker_create == nullptr) {
    local->phase = LocalFilter::Phase::kReady;
    return absl::OkStatus();
  }
  local->phase = LocalFilter::Phase::kCreating;
  worker_->ForgetStamp();
  worker_->EnterHook(local, HookName::kWorkerCreate, nullptr);
  const postern_status status =
      hooks.worker_create(local->instance->config, local->ctx(), previous, &local->state);
  worker_->LeaveHook(local, HookName::kWorkerCreate);
  if (status == POSTERN_OK) {
    local->phase = LocalFilter::Phase::kReady;
  } else if (status == POSTERN_PENDING) {
    local->phase = LocalFilter::Phase::kPending;
    ++pending_;
  } else {
    local->phase = LocalFilter::Phase::kFailed;
    Fail(*local, Concat("worker_create returned ", status));
  }
  return status_;
}

void WorkerFilters::Fail(const LocalFilter& local, std::string_view why) {
  if (!status_.ok()) return;
  status_ = absl::FailedPreconditionError(Concat("filter \"", local.instance->name, "\" (",
                                                 local.instance->module->title(), "): ", why));
}

postern_status WorkerFilters::Ready(LocalFilter* local, postern_status status,
                                    std::string_view reason) {
  if (local->phase != LocalFilter::Phase::kPending || done_ == nullptr) return POSTERN_E_STATE;
  --pending_;
  // Its state was made either way, so that worker_destroy will come.
  local->phase = LocalFilter::Phase::kReady;
  if (status != POSTERN_OK) {
    Fail(*local, reason.empty() ? Concat("not ready: ", status) : Concat("not ready: ", reason));
  }
  if (!status_.ok() || pending_ == 0) timer_.Start(0);  // not from inside the hook
  return POSTERN_OK;
}

void WorkerFilters::TimeOut() {
  if (status_.ok() && pending_ > 0) {
    for (const auto& local : locals_) {
      if (local->phase != LocalFilter::Phase::kPending) continue;
      Fail(*local, Concat("not ready within ", worker_->limits().ready_limit_ms, " ms"));
    }
  }
  Check();
}

void WorkerFilters::Check() {
  if (creating_ || done_ == nullptr || (status_.ok() && pending_ > 0)) return;
  timer_.Cancel();
  std::exchange(done_, nullptr)(status_);
}

}  // namespace postern
