#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/intrusive_list.h"
#include "core/event/dispatcher.h"
#include "core/http/codec.h"
#include "core/http/http2/options.h"
#include "core/net/connection.h"
#include "core/net/proxy_protocol.h"
#include "core/observe/access_log.h"
#include "core/observe/metrics.h"

namespace postern {

class ServerSession;

/// Settings of the sessions of one listener. Immutable while any of them lives.
struct ServerSessionSettings {
  Http1Limits http1;
  Http2Options http2;
  bool allow_http1 = true;
  bool allow_http2 = true;
  bool expect_proxy_protocol = false;
  uint8_t trusted_hops = 0;     ///< of X-Forwarded-For
  uint64_t max_body_bytes = 0;  ///< 0: no limit but that of what collects it
  uint32_t handshake_timeout_ms = 10000;
  uint32_t header_timeout_ms = 10000;
  uint32_t body_timeout_ms = 30000;
  uint32_t idle_timeout_ms = 310000;  ///< rest-api.md §16
  uint32_t write_timeout_ms = 30000;
  uint32_t linger_ms = 2000;
  /// An idle HTTP/1 connection is closed this long after a drain began: a request that its client
  /// has already sent is still answered.
  uint32_t drain_idle_ms = 500;
  /// The same for one that was made, or had an answer, within the last second: its client is about
  /// to ask, and an answer is the only safe way to tell it to stop.
  uint32_t drain_busy_ms = 2000;
  /// While draining: how long the exchanges of a client that has ended its own direction may still
  /// take. Most such clients are gone, which only writing would show.
  uint32_t drain_half_closed_ms = 3000;
  uint64_t max_requests = 0;           ///< on one connection; 0: no limit
  uint32_t max_connection_age_ms = 0;  ///< after which it is drained; 0: no limit
  bool private_endpoint = false;
  std::string vpc_id;
  std::string vpce_id;
  bool vpce_id_from_proxy_protocol = false;  ///< takes the TLV of the PROXY header over `vpce_id`
};

/// Makes what answers requests: API traffic (GatewayStreams) or the admin endpoint. One per worker.
class StreamHost {
 public:
  /// As ServerCodecEvents::OnNewStream(). The receiver tells `session` by StreamEnded() when the
  /// exchange is over on its side.
  virtual RequestReceiver* NewStream(ServerSession* session, ServerStream* stream) = 0;

 protected:
  ~StreamHost() = default;
};

/// What all sessions of one worker share; outlives them.
struct SessionEnv {
  NetContext* net;
  Dispatcher* dispatcher;
  WorkerMetrics* metrics;
  AccessLogWorker* access_log;
};

/// One connection of a client: chooses the codec, owns connection and codec, keeps their time
/// limits, drains. Made by the worker for each accepted socket; ends by itself.
class ServerSession final : public Deferred,
                            public ListNode<ServerSession>,
                            private ConnectionEvents,
                            private ServerCodecEvents,
                            private EndOfIteration {
 public:
  /// Owns every session of a worker; told when one has ended, to give it to DeferDelete().
  class Owner {
   public:
    virtual void OnSessionEnded(ServerSession* session) = 0;

   protected:
    ~Owner() = default;
  };

  /// Takes over `fd`. `local` is where it was accepted. `tls` null: cleartext. `hold` is kept as
  /// long as the session, e.g. its place among the connections that a listener allows.
  ServerSession(const SessionEnv* env, std::shared_ptr<const ServerSessionSettings> settings,
                StreamHost* host, Owner* owner, int fd, const Address& peer, const Address& local,
                std::unique_ptr<TlsChannel> tls, std::shared_ptr<void> hold);
  ~ServerSession() override;

  /// Ends in order: no new exchanges, then the connection closes. Calling again takes HTTP/2's
  /// second step.
  void Drain();
  /// Ends at once; exchanges under way are cut.
  void Abort();

  /// For receivers: an exchange has ended, or credit was given back. Cheap, any number of times.
  void Touch();
  /// For receivers: the exchange is over on their side.
  void StreamEnded();

  const Connection& connection() const { return *connection_; }
  const ServerSessionSettings& settings() const { return *settings_; }
  const SessionEnv& env() const { return *env_; }
  bool draining() const { return draining_; }
  /// Texts that requests of this connection share; valid as long as the session.
  std::string_view peer_ip() const { return peer_ip_; }
  std::string_view vpce_id() const { return vpce_id_.empty() ? settings_->vpce_id : vpce_id_; }
  /// The verified certificate the client showed; null when it showed none.
  const PeerCertificate* client_certificate() const { return client_certificate_.get(); }

 private:
  // ConnectionEvents.
  void OnConnected() override;
  void OnData(std::string_view data) override;
  void OnPeerClosed() override;
  void OnClosed(const absl::Status& why) override;
  void OnWritable() override;
  // ServerCodecEvents.
  RequestReceiver* OnNewStream(ServerStream* stream) override;
  void OnRejected(uint16_t status, std::string_view detail) override;
  // EndOfIteration.
  void OnEndOfIteration() override;

  bool ReadProxyHeader(std::string_view* data);
  bool ChooseCodec(std::string_view* data);
  void MakeCodec(bool http2);
  void AfterCodec();
  void BeginDrain();
  void OnTimer();
  void ArmTimer();
  void End();

  const SessionEnv* env_;
  std::shared_ptr<const ServerSessionSettings> settings_;
  StreamHost* host_;
  Owner* owner_;
  std::shared_ptr<void> hold_;
  std::unique_ptr<TlsChannel> pending_tls_;  // waits for the PROXY header
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<ServerCodec> codec_;
  std::string sniffed_;  // first bytes, while they could still be either protocol or a PROXY header
  Timer timer_;
  uint64_t since_ = 0;  // when the present wait (handshake, head, idle) began
  uint64_t blocked_since_ =
      0;  // when bytes began to wait for a client without an exchange; 0: none do
  size_t blocked_bytes_ = 0;
  uint64_t requests_ = 0;
  const uint64_t born_;
  bool proxy_pending_;
  bool head_waiting_ = false;
  bool draining_ = false;
  uint64_t draining_since_ = 0;
  uint32_t drain_wait_ms_ = 0;  // for the next request, once it drains
  bool ended_ = false;
  bool is_http2_ = false;
  std::string vpce_id_;  // of the PROXY protocol header
  std::string_view peer_ip_;
  char peer_ip_buffer_[46];
  std::unique_ptr<const PeerCertificate> client_certificate_;
};

}  // namespace postern
