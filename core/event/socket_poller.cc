#include "core/event/socket_poller.h"

#include <errno.h>
#include <unistd.h>

#include <cstdlib>

#include "core/event/dispatcher.h"

namespace postern {

SocketPoller::SocketPoller(Dispatcher* dispatcher)
    : dispatcher_(dispatcher), epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)), poll_(new uv_poll_t) {
  // Without it no worker can do anything; it fails only before the first request.
  if (epoll_fd_ < 0 || uv_poll_init(dispatcher->loop(), poll_, epoll_fd_) != 0) std::abort();
  poll_->data = this;
  uv_poll_start(poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    static_cast<SocketPoller*>(poll->data)->OnReady();
  });
}

SocketPoller::~SocketPoller() {
  uv_poll_stop(poll_);
  uv_close(reinterpret_cast<uv_handle_t*>(poll_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  ::close(epoll_fd_);
}

void SocketPoller::OnReady() {
  const uint64_t until = dispatcher_->NowMs() + kMaxMs;
  for (int turn = 1;; ++turn) {
    batch_size_ = ::epoll_wait(epoll_fd_, batch_, kBatch, 0);
    // One socket alone says nothing of a second; to ask for it in vain would be a wait for nothing.
    const bool more = batch_size_ > 1;
    TellBatch();
    // The descriptor stays readable for the loop while there is more.
    if (!more || turn == kMaxTurns) return;
    if (!dispatcher_->FinishTurn() || dispatcher_->NowMs() >= until) return;
  }
}

void SocketPoller::TellBatch() {
  for (batch_at_ = 0; batch_at_ < batch_size_;) {
    const epoll_event& event = batch_[batch_at_++];
    const auto* watcher = static_cast<const SocketWatcher*>(event.data.ptr);
    if (watcher == nullptr) continue;  // closed by one before it
    watcher->callback_(watcher->arg_, {.readable = (event.events & EPOLLIN) != 0,
                                       .writable = (event.events & EPOLLOUT) != 0,
                                       .hangup = (event.events & (EPOLLRDHUP | EPOLLHUP)) != 0,
                                       .failed = (event.events & EPOLLERR) != 0});
  }
  batch_size_ = 0;
}

void SocketPoller::Forget(const SocketWatcher* watcher) {
  for (int i = batch_at_; i < batch_size_; ++i) {
    if (batch_[i].data.ptr == watcher) batch_[i].data.ptr = nullptr;
  }
}

int SocketWatcher::Open(SocketPoller* poller, int fd, Callback callback, void* arg) {
  callback_ = callback;
  arg_ = arg;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  if (::epoll_ctl(poller->epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) return -errno;
  poller_ = poller;
  fd_ = fd;
  return 0;
}

void SocketWatcher::Close() {
  if (poller_ == nullptr) return;
  epoll_event event{};
  ::epoll_ctl(poller_->epoll_fd_, EPOLL_CTL_DEL, fd_, &event);
  poller_->Forget(this);
  poller_ = nullptr;
}

}  // namespace postern
