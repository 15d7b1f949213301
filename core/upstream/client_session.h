#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/base/intrusive_list.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"
#include "core/http/codec.h"
#include "core/http/http2/options.h"
#include "core/net/address.h"
#include "core/net/connection.h"
#include "core/upstream/cluster_config.h"
#include "core/upstream/upstream_failure.h"

namespace postern {

class ClientSession;
class PoolWaiter;
class Http2ClientCodec;

/// Hears of its sessions: a pool or a health check.
class SessionOwner {
 public:
  /// Connected, and TLS and the version of HTTP are settled: exchanges may begin.
  virtual void OnSessionReady(ClientSession* session) = 0;
  /// room() may have changed.
  virtual void OnSessionChanged(ClientSession* session) = 0;
  /// The session has ended and is deleted once the stack has unwound; heard once, last. `why` is
  /// not kNone if it never became ready. `detail` is static text.
  virtual void OnSessionClosed(ClientSession* session, UpstreamFailure why,
                               std::string_view detail) = 0;

 protected:
  ~SessionOwner() = default;
};

/// What the sessions of one cluster on one worker have in common. Outlives them.
struct SessionSettings {
  NetContext* net;
  const ClusterConfig* config;
  Http1Limits http1;
  Http2Options http2;
};

/// One connection to an endpoint and the codec that speaks on it. Connects by itself, keeps reading
/// while idle so that a close by the peer is noticed at once. Not thread-safe.
class ClientSession final : public ListNode<ClientSession>,
                            public Deferred,
                            private ConnectionEvents,
                            private ClientCodecEvents,
                            private EndOfIteration {
 public:
  /// The connection of a client that a session stands for, where the cluster wants to hear of it by
  /// the PROXY protocol; null for one of the gateway's own.
  struct Client {
    const Address* from = nullptr;
    const Address* to = nullptr;
  };

  /// Begins to connect; nothing is reported from inside. `server_name` is the endpoint's host, for
  /// TLS. `owner` outlives the session or calls Abandon(). `client` is read at once.
  ClientSession(const SessionSettings* settings, const Address& address,
                const std::string& server_name, SessionOwner* owner, Client client);
  ~ClientSession() override;

  /// Every call into a stream of this session happens inside a Scope: what follows from it is done
  /// when the outermost one ends.
  class Scope {
   public:
    explicit Scope(ClientSession* session) : session_(session) { ++session->depth_; }
    ~Scope() { session_->Leave(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    ClientSession* session_;
  };

  /// Begins an exchange; room() must not be zero.
  ClientStream* Begin(ResponseReceiver* receiver);

  /// An exchange has ended: offers its room to the pool before the event under way has returned, so
  /// that what follows from it can use the connection.
  void Offer() {
    if (changed_ && !closed_) TellOwner();
  }

  /// Exchanges that may be begun now.
  size_t room() const;
  size_t active() const { return codec_ != nullptr ? codec_->active_streams() : 0; }
  bool ready() const { return codec_ != nullptr && !closed_; }
  /// It has carried an exchange before, so the peer may have given it up meanwhile.
  bool reused() const { return served_ > 0; }
  bool http2() const { return http2_codec_ != nullptr; }
  /// See Connection::LooksAlive().
  bool LooksAlive() const { return connection_ != nullptr && connection_->LooksAlive(); }
  /// Bytes that the kernel has taken; see UpstreamRequest.
  uint64_t bytes_written() const { return connection_->bytes_written(); }

  /// Takes no new exchange; closes when the last one has ended.
  void Retire();
  bool retiring() const { return retiring_; }
  /// Closes at once, or when the event of this session that is on the stack has returned: exchanges
  /// under way hear kConnectionLost. The owner hears OnSessionClosed().
  void Close();
  /// Closes at once and tells nobody; the owner may be destroyed afterwards.
  void Abandon();

  uint64_t connect_ms() const { return connect_ms_; }

  /// Exchanges that the peer allows at once: 1 for HTTP/1.1. For HTTP/2 what it said, once it has;
  /// until then what AssumeLimit() said.
  size_t stream_limit() const;
  void AssumeLimit(size_t limit) { assumed_limit_ = limit; }
  /// The peer has said what it allows.
  bool settled() const { return settled_; }

  // For the pool that keeps it.
  uint64_t idle_since_ms = 0;
  uint64_t ready_number = 0;  ///< counts from 1 in the pool's order; 0 until it is ready
  uint8_t list = 0;
  PoolWaiter* waiter = nullptr;  ///< whom it is made for, where each has a connection of its own

 private:
  void Connect(Client client);
  void StartCodec(bool http2);
  void Leave() {
    if (--depth_ == 0) Update();
  }
  void Update();
  void TellOwner();
  void Finish(UpstreamFailure why, std::string_view detail);
  void OnPingTimer();

  // ConnectionEvents.
  void OnConnected() override;
  void OnData(std::string_view data) override;
  void OnPeerClosed() override;
  void OnClosed(const absl::Status& why) override;
  void OnWritable() override;
  // ClientCodecEvents.
  void OnCapacityChanged() override;
  // EndOfIteration.
  void OnEndOfIteration() override;

  const SessionSettings* settings_;
  SessionOwner* owner_;
  Address address_;
  const std::string& server_name_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<ClientCodec> codec_;
  Http2ClientCodec* http2_codec_ = nullptr;  // the same, where it is one
  Timer connect_timer_;
  Timer ping_timer_;
  uint64_t started_ms_;
  uint32_t connect_ms_ = 0;
  uint32_t served_ = 0;
  int depth_ = 0;
  bool retiring_ = false;
  bool close_asked_ = false;
  bool closed_ = false;
  bool changed_ = false;
  bool peer_closed_ = false;
  bool pinged_ = false;         // and nothing has come since
  uint64_t ping_received_ = 0;  // bytes that had come at the last look
  bool settled_ = false;        // the peer's limits are known
  size_t assumed_limit_ = SIZE_MAX;
  UpstreamFailure failure_ = UpstreamFailure::kNone;  // found before the loop could tell
  std::string_view failure_detail_;
};

}  // namespace postern
