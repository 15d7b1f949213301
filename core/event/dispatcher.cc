#include "core/event/dispatcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace postern {
namespace {

thread_local Dispatcher* t_current = nullptr;

template <typename Handle>
Dispatcher* Self(Handle* handle) {
  return static_cast<Dispatcher*>(handle->data);
}

template <typename Handle>
void CloseHandle(Handle* handle) {
  uv_close(reinterpret_cast<uv_handle_t*>(handle), nullptr);
}

}  // namespace

Dispatcher::Dispatcher() : timers_(0) {
  uv_loop_init(&loop_);
  uv_timer_init(&loop_, &wheel_timer_);
  uv_prepare_init(&loop_, &prepare_);
  uv_check_init(&loop_, &check_);
  uv_idle_init(&loop_, &idle_);
  wheel_timer_.data = prepare_.data = check_.data = async_.data = idle_.data = this;
  sockets_ = std::make_unique<SocketPoller>(this);
  uv_async_init(&loop_, &async_, [](uv_async_t* async) { Self(async)->RunPosted(); });
  uv_prepare_start(&prepare_, [](uv_prepare_t* prepare) { Self(prepare)->FinishIteration(); });
  uv_check_start(&check_, [](uv_check_t* check) {
    Dispatcher* self = Self(check);
    self->heartbeat_.store(self->heartbeat_.load(std::memory_order_relaxed) + 1,
                           std::memory_order_relaxed);
    self->FinishIteration();
  });
  timers_.SetNow(uv_now(&loop_));
  timers_.Advance(uv_now(&loop_));
  // The loop's time moves when it wakes, before anybody could tell the wheel.
  timers_.set_clock([](void* arg) { return static_cast<const Dispatcher*>(arg)->NowMs(); }, this);
  timers_.set_on_earlier([](void* arg) { static_cast<Dispatcher*>(arg)->ArmWheel(); }, this);
}

Dispatcher::~Dispatcher() {
  FinishIteration();
  CloseHandle(&wheel_timer_);
  CloseHandle(&prepare_);
  CloseHandle(&check_);
  CloseHandle(&async_);
  CloseHandle(&idle_);
  sockets_.reset();
  while (uv_run(&loop_, UV_RUN_NOWAIT) != 0) {
    FinishIteration();
  }
  uv_loop_close(&loop_);
}

Dispatcher* Dispatcher::Current() { return t_current; }

void Dispatcher::Run() {
  t_current = this;
  uv_update_time(&loop_);
  timers_.SetNow(uv_now(&loop_));
  uv_run(&loop_, UV_RUN_DEFAULT);
  t_current = nullptr;
}

void Dispatcher::Stop() {
  stopping_ = true;
  uv_stop(&loop_);
}

void Dispatcher::Post(absl::AnyInvocable<void()> task) {
  {
    std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(task));
  }
  // libuv merges wake-ups; the queue above is what counts.
  uv_async_send(&async_);
}

void Dispatcher::RunPosted() {
  std::vector<absl::AnyInvocable<void()>> tasks;
  {
    std::lock_guard lock(posted_mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void Dispatcher::DeferDelete(std::unique_ptr<Deferred> object) {
  if (object != nullptr) doomed_.push_back(std::move(object));
}

int64_t Dispatcher::WallMs() {
  if (wall_at_ != NowMs()) {
    wall_at_ = NowMs();
    wall_ms_ = std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::system_clock::now().time_since_epoch())
                   .count();
  }
  return wall_ms_;
}

void Dispatcher::FinishIteration() {
  timers_.SetNow(uv_now(&loop_));
  // Ending one thing may register or doom another; both lists run until they are empty.
  do {
    while (EndOfIteration* item = end_of_iteration_.PopFront()) item->OnEndOfIteration();
    dying_.swap(doomed_);
    dying_.clear();
  } while (!end_of_iteration_.empty() || !doomed_.empty());
}

bool Dispatcher::FinishTurn() {
  FinishIteration();
  uv_update_time(&loop_);
  return !stopping_ && next_iteration_.empty();
}

void Dispatcher::AtNextIteration(EndOfIteration* item) {
  if (item->linked()) return;
  next_iteration_.PushBack(item);
  uv_idle_start(&idle_, [](uv_idle_t* idle) {
    Dispatcher* self = Self(idle);
    uv_idle_stop(idle);
    self->end_of_iteration_.TakeAll(&self->next_iteration_);
  });
}

void Dispatcher::ArmWheel() {
  if (advancing_) return;  // armed once the round is over
  const uint64_t next = timers_.NextExpiry();
  if (next == UINT64_MAX) return;
  const uint64_t now = uv_now(&loop_);
  uv_timer_start(
      &wheel_timer_,
      [](uv_timer_t* timer) {
        Dispatcher* self = Self(timer);
        self->advancing_ = true;
        self->timers_.Advance(uv_now(&self->loop_));
        self->advancing_ = false;
        self->ArmWheel();
      },
      next > now ? next - now : 0, 0);
}

}  // namespace postern
