#pragma once

#include <sys/epoll.h>
#include <uv.h>

#include <cstddef>
#include <cstdint>

namespace postern {

class Dispatcher;
class SocketWatcher;

/// What has become of a socket since it was last told.
struct SocketEvents {
  bool readable = false;
  bool writable = false;
  bool hangup = false;  ///< the peer sent FIN: reading will come to an end
  bool failed = false;  ///< the socket is in error
};

/// Edge-triggered readiness of a worker's connections, as one descriptor on its libuv loop. libuv's
/// own polling is level-triggered: every socket that was ready is asked again on the next turn, and
/// a change of interest costs two system calls; for sockets that are read and written all the time
/// both are pure loss. Listeners and other rare descriptors use FdWatcher. Not thread-safe.
///
/// While sockets keep coming it asks again itself, some turns long, instead of going back to the
/// loop for each: that would cost two waits and a walk through libuv's phases a turn.
class SocketPoller {
 public:
  explicit SocketPoller(Dispatcher* dispatcher);
  /// Every watcher must be closed.
  ~SocketPoller();
  SocketPoller(const SocketPoller&) = delete;
  SocketPoller& operator=(const SocketPoller&) = delete;

 private:
  friend class SocketWatcher;
  static constexpr int kBatch = 256;
  // Most turns, and milliseconds, before timers, signals and other threads are heard again.
  static constexpr int kMaxTurns = 16;
  static constexpr uint64_t kMaxMs = 2;

  void OnReady();
  void TellBatch();
  void Forget(const SocketWatcher* watcher);

  Dispatcher* dispatcher_;
  int epoll_fd_;
  uv_poll_t* poll_;
  epoll_event batch_[kBatch];
  int batch_at_ = 0;  // next of the batch to be told
  int batch_size_ = 0;
};

/// One socket in a SocketPoller. Does not own the descriptor. Each event is told once, when it
/// comes about: whoever is told that a socket is readable reads until the kernel has nothing left,
/// or remembers that it has.
class SocketWatcher {
 public:
  using Callback = void (*)(void* arg, SocketEvents events);

  SocketWatcher() = default;
  ~SocketWatcher() { Close(); }
  SocketWatcher(const SocketWatcher&) = delete;
  SocketWatcher& operator=(const SocketWatcher&) = delete;

  /// Binds to `fd`, which must be non-blocking. What is ready already is told in the next turn.
  /// Returns 0 or a negative errno.
  int Open(SocketPoller* poller, int fd, Callback callback, void* arg);

  /// Stops for good; no callback comes afterwards. Before the descriptor is closed.
  void Close();

  bool open() const { return poller_ != nullptr; }

 private:
  friend class SocketPoller;

  SocketPoller* poller_ = nullptr;
  int fd_ = -1;
  Callback callback_ = nullptr;
  void* arg_ = nullptr;
};

}  // namespace postern
