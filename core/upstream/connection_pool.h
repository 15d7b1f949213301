#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/intrusive_list.h"
#include "core/net/address.h"
#include "core/upstream/client_session.h"
#include "core/upstream/upstream_failure.h"

namespace postern {

/// Who waits for a connection. Leaves the queue by ConnectionPool::Cancel().
class PoolWaiter : public ListNode<PoolWaiter> {
 public:
  /// `session` has room for it; it begins its exchange at once or leaves the room to the next. No
  /// longer queued.
  virtual void OnSession(ClientSession* session) = 0;
  /// A connection that was made for it failed. No longer queued.
  virtual void OnNoSession(UpstreamFailure why, std::string_view detail) = 0;

 protected:
  ~PoolWaiter() = default;

 private:
  friend class ConnectionPool;
  bool fresh_ = false;
  bool checked_ = false;
  ClientSession::Client client_;
  ClientSession* own_ = nullptr;  // the connection that is made for it alone
  uint64_t asked_at_ = 0;         // by the count of connections that were ready then
};

/// What a pool asks of its cluster: bounds and counts over all pools and workers.
class PoolLimits {
 public:
  /// One more connection may be opened (and is counted).
  virtual bool TryOpenConnection() = 0;
  virtual void ConnectionClosed() = 0;
  /// One more request may wait (and is counted).
  virtual bool TryPend() = 0;
  virtual void PendEnded() = 0;
  /// Connections without an exchange, `change` more or less.
  virtual void IdleChanged(int change) = 0;
  /// A connection is usable after so long, or is not.
  virtual void Connected(uint64_t ms) = 0;
  virtual void ConnectFailed(UpstreamFailure why) = 0;
  /// The pool is empty: neither sessions nor waiters are left.
  virtual void PoolEmpty() = 0;

 protected:
  ~PoolLimits() = default;
};

/// The connections of one worker to one endpoint. Those that served last are used first, so that
/// what a lull does not need grows old and closes. HTTP/1.1 connections carry one exchange at a
/// time, HTTP/2 ones as many as they have room for. Not thread-safe.
class ConnectionPool final : private SessionOwner {
 public:
  /// `settings` and `limits` outlive the pool. `server_name` is for TLS.
  ConnectionPool(const SessionSettings* settings, PoolLimits* limits, const Address& address,
                 std::string server_name);
  /// Not from inside an event of one of its connections.
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  struct Wish {
    /// Only on a connection that becomes ready from now on, HTTP/1.1 ones unused: another has just
    /// turned out dead, and those beside it may be closing as well.
    bool fresh = false;
    /// A used connection must show at the socket that it is not closed yet, and one that has not
    /// ended an exchange just now is preferred: who closes behind an answer does it then.
    bool checked = false;
    /// Whom the request is for, if the cluster wants to hear of it. Outlives the wish.
    ClientSession::Client client = {};
  };
  enum class Result : uint8_t { kReady, kQueued, kOverflow };

  /// kReady: `*session` has room, and nothing was queued. kQueued: `waiter` hears later, from the
  /// loop. kOverflow: too many wait.
  Result Acquire(PoolWaiter* waiter, Wish wish, ClientSession** session);
  /// Takes a queued waiter out.
  void Cancel(PoolWaiter* waiter);

  /// No new requests will come: idle connections close now, the others after their exchanges.
  void Drain();
  /// Closes the connections without an exchange; those under way are left.
  void CloseIdle();
  /// Closes what has been idle since before `before_ms`. Returns since when the oldest idle
  /// connection that is left has been so, or UINT64_MAX.
  uint64_t CloseIdleSince(uint64_t before_ms);
  /// Closes the connection that has been idle longest, to make room. False if none is idle.
  bool EvictIdle();

  bool empty() const { return sessions_ == 0 && waiting_ == 0; }
  size_t sessions() const { return sessions_; }
  size_t idle() const { return idle_count_; }
  size_t waiting() const { return waiting_; }
  const Address& address() const { return address_; }
  const std::string& server_name() const { return server_name_; }

 private:
  enum List : uint8_t { kConnecting, kIdle, kPartial, kFull, kListCount };

  // SessionOwner.
  void OnSessionReady(ClientSession* session) override;
  void OnSessionChanged(ClientSession* session) override;
  void OnSessionClosed(ClientSession* session, UpstreamFailure why,
                       std::string_view detail) override;

  void Move(ClientSession* session, List to);
  void CloseIdleOne(ClientSession* session);
  List ListFor(const ClientSession* session) const;
  ClientSession* Find(Wish wish);
  ClientSession* FindIdle(bool checked);
  ClientSession* FindFor(const PoolWaiter& waiter);
  void OpenAsNeeded();
  ClientSession* Open(ClientSession::Client client);
  /// Each connection is told at its beginning whose it is, and serves one request of theirs.
  bool personal() const { return settings_->config->send_proxy_protocol != 0; }
  void ServeOwn(ClientSession* session);
  void Leave(PoolWaiter* waiter);
  void Serve();
  /// Exchanges that a connection under way is expected to carry.
  size_t ExpectedRoom() const;

  const SessionSettings* settings_;
  PoolLimits* limits_;
  Address address_;
  std::string server_name_;
  IntrusiveList<ClientSession> lists_[kListCount];
  IntrusiveList<PoolWaiter> waiters_;
  size_t sessions_ = 0;
  size_t connecting_ = 0;
  size_t idle_count_ = 0;
  size_t waiting_ = 0;
  uint64_t ready_count_ = 0;  // sessions that have become ready
  bool draining_ = false;
  bool serving_ = false;
  size_t stream_limit_;  // of one HTTP/2 connection, by the newest that has said so
  enum class Version : uint8_t { kUnknown, kHttp1, kHttp2 } version_ = Version::kUnknown;
};

}  // namespace postern
