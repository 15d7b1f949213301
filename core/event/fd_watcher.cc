#include "core/event/fd_watcher.h"

#include "core/event/dispatcher.h"

namespace postern {

int FdWatcher::Open(Dispatcher* dispatcher, int fd, Callback callback, void* arg) {
  poll_ = new uv_poll_t;
  if (const int error = uv_poll_init(dispatcher->loop(), poll_, fd); error != 0) {
    delete poll_;
    poll_ = nullptr;
    return error;
  }
  poll_->data = this;
  callback_ = callback;
  arg_ = arg;
  events_ = 0;
  return 0;
}

void FdWatcher::Watch(bool readable, bool writable, bool hangup) {
  const int events =
      (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0) | (hangup ? UV_DISCONNECT : 0);
  if (events == events_ || poll_ == nullptr) return;
  events_ = events;
  if (events == 0) {
    uv_poll_stop(poll_);
    return;
  }
  uv_poll_start(poll_, events, [](uv_poll_t* poll, int status, int ready) {
    auto* self = static_cast<FdWatcher*>(poll->data);
    if (self == nullptr) return;
    if (status < 0) {
      self->events_ = 0;  // libuv has stopped the handle
      self->callback_(self->arg_, {.failed = true});
      return;
    }
    self->callback_(self->arg_, {.readable = (ready & UV_READABLE) != 0,
                                 .writable = (ready & UV_WRITABLE) != 0,
                                 .hangup = (ready & UV_DISCONNECT) != 0,
                                 .failed = false});
  });
}

void FdWatcher::Close() {
  if (poll_ == nullptr) return;
  uv_poll_stop(poll_);
  poll_->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(poll_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  poll_ = nullptr;
  events_ = 0;
}

}  // namespace postern
