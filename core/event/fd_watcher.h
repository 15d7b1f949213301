#pragma once

#include <uv.h>

#include <cstdint>

namespace postern {

class Dispatcher;

/// What can be waited for on a descriptor.
struct FdEvents {
  bool readable = false;
  bool writable = false;
  bool hangup = false;  ///< the peer sent FIN
  bool failed = false;  ///< the descriptor is in error; nothing more is watched
};

/// Level-triggered readiness of one descriptor on a worker's loop. Does not own the descriptor,
/// which must stay open until Close() has been called. Not thread-safe.
class FdWatcher {
 public:
  using Callback = void (*)(void* arg, FdEvents events);

  FdWatcher() = default;
  ~FdWatcher() { Close(); }
  FdWatcher(const FdWatcher&) = delete;
  FdWatcher& operator=(const FdWatcher&) = delete;

  /// Binds to `fd`, which is made non-blocking; nothing is watched yet. Returns 0 or a negative
  /// errno.
  int Open(Dispatcher* dispatcher, int fd, Callback callback, void* arg);

  /// Says what to wait for; all false waits for nothing. Asking for what already is costs nothing.
  void Watch(bool readable, bool writable, bool hangup);

  /// Stops for good; no callback comes afterwards, so the owner may be destroyed at once.
  void Close();

  bool open() const { return poll_ != nullptr; }
  bool readable() const { return (events_ & UV_READABLE) != 0; }
  bool writable() const { return (events_ & UV_WRITABLE) != 0; }

 private:
  uv_poll_t* poll_ =
      nullptr;  // on its own, for libuv keeps it a little longer than the owner lives
  Callback callback_ = nullptr;
  void* arg_ = nullptr;
  int events_ = 0;
};

}  // namespace postern
