#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/base/arena.h"
#include "core/base/byte_queue.h"
#include "core/base/byte_sink.h"
#include "core/event/dispatcher.h"
#include "core/event/socket_poller.h"
#include "core/net/address.h"
#include "core/net/tls_channel.h"

namespace postern {

/// Memory and counters that all connections of one worker share. Outlives them.
struct NetContext {
  explicit NetContext(Dispatcher* dispatcher);
  ~NetContext();

  Dispatcher* dispatcher;
  BlockPool blocks;
  /// Scratch of one read; valid only while that read's events run.
  static constexpr size_t kScratchSize = 64 * 1024;
  std::unique_ptr<char[]> read_scratch;
  /// Scratch of one large Reserve(); valid until its Commit().
  std::unique_ptr<char[]> write_scratch;

  /// Buffers in which connections gather what they write in one iteration.
  static constexpr size_t kCorkSize = 16 * 1024;
  char* TakeCork();
  void GiveCork(char* cork);

  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t read_calls = 0;
  uint64_t write_calls = 0;
  size_t open_connections = 0;

 private:
  std::vector<char*> corks_;
};

/// Hears of one connection. The connection may be closed, but not destroyed, from inside an event.
class ConnectionEvents {
 public:
  /// The connection can carry data: connected, TLS handshake done, ALPN known.
  virtual void OnConnected() = 0;
  /// Decrypted bytes, never empty, borrowed until return.
  virtual void OnData(std::string_view data) = 0;
  /// The peer has ended its direction (FIN, or TLS close_notify). Writing goes on.
  virtual void OnPeerClosed() = 0;
  /// The connection is gone. Called exactly once, last, unless Close() or Abort() was called by the
  /// owner. OK when both directions ended in order.
  virtual void OnClosed(const absl::Status& why) = 0;
  /// buffered() is zero again after it was not.
  virtual void OnWritable() = 0;

 protected:
  ~ConnectionEvents() = default;
};

/// A byte stream to a peer over TCP or a Unix socket, plain or TLS. Owns its descriptor and the
/// bytes that the peer has not taken yet. Writes are gathered until the end of the loop iteration,
/// then leave by one system call. Used by servers and clients alike. Not thread-safe.
class Connection final : public ByteSink, private EndOfIteration {
 public:
  /// Takes over `fd` (connected, or connecting when `connecting`), non-blocking. `tls` may be null
  /// for a plain connection. `events` outlives the connection or calls Close() first.
  Connection(NetContext* net, int fd, bool connecting, std::unique_ptr<TlsChannel> tls,
             ConnectionEvents* events);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ByteSink: gathered until the iteration ends; large writes leave at once. On a TLS connection
  // only after OnConnected().
  char* Reserve(size_t size) override;
  void Commit(size_t size) override;
  void Write(std::string_view bytes) override;
  size_t buffered() const override { return pending_.size(); }

  /// Sends `bytes` as they are before anything else, TLS included: a PROXY protocol header. Only
  /// for a connection that has just been made and is connecting.
  void SendFirst(std::string_view bytes) { pending_.Append(bytes); }

  /// Writes what is gathered now rather than at the end of the iteration.
  void Flush();

  /// Stops or resumes delivery of data. While stopped, the kernel's buffer fills and the peer
  /// waits.
  void SetReading(bool on);
  bool reading() const { return reading_; }

  /// Upper bound of one read, 1 KiB to kScratchSize. Grows by itself up to this while a peer fills
  /// whole reads; starts at 8 KiB, and again there after reading was stopped, so that what a
  /// stalled exchange holds is little.
  void set_max_read(size_t bytes) { max_read_ = bytes; }

  /// Turns an open plain connection into a TLS one, for a server that had to read a PROXY protocol
  /// header first. `received` is ciphertext read already; it is borrowed, and decrypted in place.
  /// OnConnected() follows.
  void StartTls(std::unique_ptr<TlsChannel> tls, std::string_view received);

  /// Closes after all gathered and pending bytes are written: FIN (with TLS: close_notify before),
  /// then reads and discards until the peer closes or `linger_ms` passed, so that a peer still
  /// sending reads the answer rather than a reset (RFC 9112 §9.6). No further events but
  /// OnClosed().
  void CloseGracefully(uint64_t linger_ms);

  /// Closes at once; pending bytes are dropped. No further events. Idempotent.
  void Close();

  /// Like Close() but the peer sees a reset (RST), so that a truncated answer cannot look complete.
  void Abort();

  /// True until Close(), Abort() or OnClosed().
  bool open() const { return fd_ >= 0; }
  bool closing() const { return state_ == State::kLingering || close_when_flushed_; }
  bool connected() const { return state_ != State::kConnecting && state_ != State::kHandshaking; }
  /// The peer, or the socket, is known to have ended; OnPeerClosed() or OnClosed() may be still to
  /// come, behind data that has not been read. Costs nothing: readiness has told.
  bool ending() const { return fd_ < 0 || peer_closed_ || hangup_ || failed_ || write_broken_; }
  /// Bytes that the kernel has taken on this connection.
  uint64_t bytes_written() const { return bytes_written_; }
  /// True when a peek at the socket shows neither data nor an end: safe to begin an exchange that
  /// must not be sent twice. One system call.
  bool LooksAlive() const;

  /// The peer's address; a PROXY protocol header may replace it by set_peer().
  const Address& peer() const { return peer_; }
  const Address& local() const { return local_; }
  void set_peer(const Address& peer) { peer_ = peer; }
  void set_local(const Address& local) { local_ = local; }

  /// Null on a plain connection.
  const TlsChannel* tls() const { return tls_.get(); }
  NetContext* net() const { return net_; }
  int fd() const { return fd_; }

 private:
  static constexpr uint32_t kFirstRead = 8 * 1024;
  enum class State : uint8_t { kConnecting, kHandshaking, kOpen, kLingering, kClosed };

  void OnReady(SocketEvents ready);
  void FinishConnect();
  void BecomeOpen();
  bool WantsRead() const;
  void ReadAvailable();
  bool ReadOnce();
  void OnEndOfIteration() override;
  void HandleTls(TlsChannel::Result result);
  bool DeliverPlaintext(std::string_view data);
  void PeerEnded();
  void Emit(std::string_view head, std::string_view bytes);
  void SendRaw(std::string_view bytes);
  void SendRaw(const iovec* parts, int count);
  void FlushCork();
  void FlushPending();
  void Fail(absl::Status why);
  void FinishGracefully();
  void CloseFd(bool reset);

  NetContext* net_;
  ConnectionEvents* events_;
  int fd_;
  State state_;
  bool reading_ = true;
  bool peer_closed_ = false;
  bool close_when_flushed_ = false;
  bool was_blocked_ = false;   // OnWritable() is owed
  bool write_broken_ = false;  // the kernel takes no more; what was to be written is dropped
  bool readable_ = false;      // the kernel may hold data, or an end, that has not been read
  bool hangup_ = false;        // FIN has arrived, behind what has not been read
  bool failed_ = false;        // the socket is in error
  bool big_reserved_ = false;  // Reserve() handed out the worker's scratch, not the cork
  uint32_t read_size_ = kFirstRead;
  uint32_t max_read_ = NetContext::kScratchSize / 2;
  uint32_t cork_used_ = 0;
  uint32_t linger_ms_ = 0;
  uint64_t bytes_written_ = 0;
  char* cork_ = nullptr;  // gathered bytes of this iteration, NetContext::kCorkSize
  absl::Status failure_;  // reported at the end of the iteration
  SocketWatcher watcher_;
  ByteQueue pending_;  // bytes (ciphertext with TLS) the kernel has refused
  Timer linger_timer_;
  Address peer_;
  Address local_;
  std::unique_ptr<TlsChannel> tls_;
};

}  // namespace postern
