#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/metric_cell.h"
#include "core/event/dispatcher.h"
#include "core/event/fd_watcher.h"
#include "core/event/timer.h"
#include "core/net/address.h"

namespace postern {

/// A bound and listening socket, not yet served by anybody. One per worker: the first by Bind(),
/// the others by ForAnotherWorker(). What is made before the workers start finds every fault of the
/// configuration early; connections wait in the kernel meanwhile. A value that owns its descriptor.
class ListenSocket {
 public:
  struct Options {
    int backlog = 1024;       ///< the kernel caps it at net.core.somaxconn
    mode_t unix_mode = 0660;  ///< of the file of a Unix socket, whatever the umask
  };

  /// Binds and listens. Port 0 takes any free port, see address(). An address on which anybody
  /// listens, this process included, is refused (ALREADY_EXISTS); PERMISSION_DENIED, NOT_FOUND (no
  /// interface has the address, no folder for the path) and so on say the address too. ":80" is
  /// IPv4 only where the machine has no IPv6. A stale socket file is replaced, any other file is
  /// not.
  static absl::StatusOr<ListenSocket> Bind(const Address& address, const Options& options);

  /// A socket for the same address: with SO_REUSEPORT, so that the kernel spreads connections over
  /// the workers; of a Unix socket a second descriptor for the one queue.
  absl::StatusOr<ListenSocket> ForAnotherWorker() const;

  ListenSocket(ListenSocket&& other) noexcept;
  ListenSocket& operator=(ListenSocket&& other) noexcept;
  ~ListenSocket() { Close(); }

  /// Connections that are queued are reset. The file of a Unix socket goes with the last
  /// descriptor. Idempotent.
  void Close();

  int fd() const { return fd_; }
  /// With the port that the kernel chose.
  const Address& address() const { return address_; }
  int backlog() const { return options_.backlog; }

  /// Lets nobody begin a connection any more, while those begun or queued can still be accepted: a
  /// TCP socket ignores SYN segments (the client tries again in a second, by then perhaps at a
  /// successor) where the kernel grants socket filters; the file of a Unix socket is removed. All
  /// workers must do it before the last one drains its queue. Idempotent.
  void RefuseNew();

 private:
  class UnixFile;

  ListenSocket(int fd, Address address, const Options& options)
      : fd_(fd), address_(std::move(address)), options_(options) {}

  static absl::StatusOr<ListenSocket> BindUnix(const Address& address, const Options& options);
  static absl::StatusOr<ListenSocket> BindIp(const Address& address, const Options& options,
                                             bool join);

  int fd_ = -1;
  Address address_;
  Options options_;
  std::shared_ptr<UnixFile> file_;
};

/// How many connections may be open at once, over all workers that share it. Any thread.
class ConnectionLimit {
 public:
  explicit ConnectionLimit(size_t max) : max_(max) {}
  /// False when `max` are open. Each success is given back once.
  bool Take() {
    if (open_.fetch_add(1, std::memory_order_relaxed) < max_) return true;
    Give();
    return false;
  }
  void Give() { open_.fetch_sub(1, std::memory_order_relaxed); }
  size_t open() const { return open_.load(std::memory_order_relaxed); }
  size_t max() const { return max_; }

 private:
  const size_t max_;
  std::atomic<size_t> open_{0};
};

/// What a Listener has done; written by its worker, read by any thread.
struct ListenerStats {
  CounterCell accepted;          ///< connections handed to the owner
  CounterCell over_limit;        ///< accepted and closed at once, for the limit was reached
  CounterCell accept_errors;     ///< connections that were gone or refused by the kernel
  CounterCell out_of_resources;  ///< times that accepting paused for lack of descriptors or memory
};

/// Accepts connections on one worker. Out of descriptors or memory it pauses rather than spin, and
/// tries again after kRetryMs. Belongs to its dispatcher's thread; must be closed before that ends.
class Listener {
 public:
  /// Takes over `fd`, a non-blocking stream socket, TCP_NODELAY set. May close the listener,
  /// not destroy it.
  using OnAccept = absl::AnyInvocable<void(int fd, const Address& peer)>;

  /// Connections taken in one go; then other work of the worker has its turn.
  static constexpr int kAcceptsPerWakeup = 64;
  /// Short, for what waits in the queue may use up freed descriptors several times over (clients
  /// that have gone meanwhile), and the rest should still be served within 100 ms.
  static constexpr uint64_t kRetryMs = 10;

  /// `limit` (may be null) outlives the connections; whoever closes one calls limit->Give().
  Listener(Dispatcher* dispatcher, ListenSocket socket, ConnectionLimit* limit, OnAccept on_accept);
  ~Listener() { Close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Begins to accept.
  absl::Status Start();

  /// See ListenSocket::RefuseNew(); accepting goes on.
  void RefuseNew() { socket_.RefuseNew(); }

  /// Accepts everything that is queued, then closes, so that no client is reset that believes
  /// itself connected. For those in the middle of a TCP handshake at this moment call RefuseNew() a
  /// round trip earlier.
  void DrainAndClose();

  /// Closes; connections that are queued are reset. Idempotent.
  void Close();

  bool open() const { return watcher_.open(); }
  const Address& address() const { return socket_.address(); }
  const ListenerStats& stats() const { return stats_; }

 private:
  enum class Outcome : uint8_t { kAccepted, kSkipped, kEmpty, kExhausted };

  void OnReadable();
  Outcome AcceptOne();
  void Pause(int error);
  void Resume();

  ListenSocket socket_;
  ConnectionLimit* limit_;
  OnAccept on_accept_;
  Dispatcher* dispatcher_;
  FdWatcher watcher_;
  Timer retry_;
  bool paused_ = false;  // told in the log
  ListenerStats stats_;
};

}  // namespace postern
