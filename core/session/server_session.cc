#include "core/session/server_session.h"

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/http/http1/server_codec.h"
#include "core/http/http2/server_codec.h"

namespace postern {
namespace {

// RFC 9113 §3.4: what a client with prior knowledge sends first.
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// How long ago a client may have come, or had its last answer, for its next request to be expected
// any moment.
constexpr uint64_t kBusyMs = 1000;

}  // namespace

ServerSession::ServerSession(const SessionEnv* env,
                             std::shared_ptr<const ServerSessionSettings> settings,
                             StreamHost* host, Owner* owner, int fd, const Address& peer,
                             const Address& local, std::unique_ptr<TlsChannel> tls,
                             std::shared_ptr<void> hold)
    : env_(env),
      settings_(std::move(settings)),
      host_(host),
      owner_(owner),
      hold_(std::move(hold)),
      timer_(
          env->dispatcher->timers(), [](void* arg) { static_cast<ServerSession*>(arg)->OnTimer(); },
          this),
      since_(env->dispatcher->NowMs()),
      born_(since_),
      proxy_pending_(settings_->expect_proxy_protocol) {
  if (proxy_pending_) pending_tls_ = std::move(tls);
  ConnectionEvents* const events = this;
  connection_ =
      std::make_unique<Connection>(env->net, fd, /*connecting=*/false, std::move(tls), events);
  connection_->set_peer(peer);
  connection_->set_local(local);
  peer_ip_ = peer.FormatIp(peer_ip_buffer_);
  env_->metrics->connections_accepted.Add();
  env_->metrics->connections_open.Add(1);
  ArmTimer();
}

ServerSession::~ServerSession() { env_->metrics->connections_open.Add(-1); }

bool ServerSession::ReadProxyHeader(std::string_view* data) {
  sniffed_.append(*data);
  ProxyHeader header;
  switch (ParseProxyHeader(sniffed_, &header)) {
    case ProxyParseResult::kIncomplete:
      *data = {};
      return false;
    case ProxyParseResult::kInvalid:
      OnRejected(0, "proxy_protocol");
      connection_->Abort();
      End();
      return false;
    case ProxyParseResult::kComplete:
      break;
  }
  proxy_pending_ = false;
  if (settings_->vpce_id_from_proxy_protocol) vpce_id_ = header.vpce_id;
  if (header.has_addresses) {
    connection_->set_peer(header.source);
    connection_->set_local(header.destination);
    peer_ip_ = header.source.FormatIp(peer_ip_buffer_);
  }
  // What follows the header was read with it; it begins the TLS handshake or the first request.
  data->remove_prefix(header.size - (sniffed_.size() - data->size()));
  sniffed_.clear();
  if (pending_tls_ != nullptr) {
    connection_->StartTls(std::move(pending_tls_), *data);
    return false;
  }
  return !data->empty();
}

bool ServerSession::ChooseCodec(std::string_view* data) {
  if (!settings_->allow_http2) {
    MakeCodec(/*http2=*/false);
    return true;
  }
  sniffed_.append(data->substr(0, kPreface.size() - sniffed_.size()));
  const bool may_be_http2 = kPreface.substr(0, sniffed_.size()) == sniffed_;
  if (may_be_http2 && sniffed_.size() < kPreface.size() && settings_->allow_http1) {
    return false;  // all of the data has been kept
  }
  MakeCodec(may_be_http2 || !settings_->allow_http1);
  return true;
}

void ServerSession::MakeCodec(bool http2) {
  is_http2_ = http2;
  ServerCodecEvents* const events = this;
  if (http2) {
    codec_ = std::make_unique<Http2ServerCodec>(connection_.get(), events, settings_->http2);
  } else {
    codec_ = std::make_unique<Http1ServerCodec>(connection_.get(), events, &settings_->http1);
  }
  if (draining_) codec_->Drain();
}

void ServerSession::OnConnected() {
  const TlsChannel* tls = connection_->tls();
  if (tls == nullptr) return;
  (tls->resumed() ? env_->metrics->tls_handshakes_resumed : env_->metrics->tls_handshakes_full)
      .Add();
  if (auto certificate = tls->peer_certificate()) {
    client_certificate_ = std::make_unique<const PeerCertificate>(*std::move(certificate));
  }
  if (tls->alpn() == "h2") {
    MakeCodec(/*http2=*/true);
  } else if (tls->alpn() == "http/1.1") {
    MakeCodec(/*http2=*/false);
  }
  since_ = env_->dispatcher->NowMs();
  ArmTimer();
}

void ServerSession::OnData(std::string_view data) {
  if (proxy_pending_ && !ReadProxyHeader(&data)) return;
  const uint64_t now = env_->dispatcher->NowMs();
  if (codec_ == nullptr) {
    const size_t kept = sniffed_.size();
    if (!ChooseCodec(&data)) return;
    if (kept > 0) {
      // The part sniffed earlier comes first; the rest of it is the beginning of `data`.
      const std::string first = std::exchange(sniffed_, {}).substr(0, kept);
      codec_->OnData(first, now);
    } else {
      sniffed_ = {};
    }
  }
  codec_->OnData(data, now);
  AfterCodec();
}

void ServerSession::AfterCodec() {
  if (ended_ || codec_ == nullptr) return;
  if (codec_->Done()) {
    if (codec_->Aborted()) {
      connection_->Abort();
      End();
    } else if (!connection_->closing()) {
      connection_->CloseGracefully(settings_->linger_ms);
      since_ = env_->dispatcher->NowMs();
      ArmTimer();
    }
    return;
  }
  connection_->SetReading(codec_->ReadWanted());
  const bool waiting = codec_->head_pending();
  if (waiting != head_waiting_) {
    head_waiting_ = waiting;
    if (waiting) {
      since_ = env_->dispatcher->NowMs();
      timer_.Start(settings_->header_timeout_ms);
    }
  }
}

RequestReceiver* ServerSession::OnNewStream(ServerStream* stream) {
  head_waiting_ = false;
  ++requests_;
  const bool used_up = settings_->max_requests != 0 && requests_ >= settings_->max_requests;
  const bool old = settings_->max_connection_age_ms != 0 &&
                   env_->dispatcher->NowMs() - born_ >= settings_->max_connection_age_ms;
  if ((used_up || old) && !draining_) BeginDrain();
  RequestReceiver* receiver = host_->NewStream(this, stream);
  if (receiver != nullptr) env_->metrics->streams_open.Add(1);
  return receiver;
}

void ServerSession::OnRejected(uint16_t /*status*/, std::string_view detail) {
  env_->metrics->rejected.Add(detail);
}

void ServerSession::Touch() {
  if (!ended_) env_->dispatcher->AtEndOfIteration(this);
}

void ServerSession::StreamEnded() {
  env_->metrics->streams_open.Add(-1);
  // The idle time counts from here; the timer that runs notices it when it fires.
  since_ = env_->dispatcher->NowMs();
  Touch();
}

void ServerSession::OnEndOfIteration() {
  if (ended_) return;
  if (codec_ != nullptr && connection_->open()) {
    codec_->OnData({}, env_->dispatcher->NowMs());
    AfterCodec();
  }
  if (ended_ || codec_ == nullptr || codec_->active_streams() > 0) return;
  // Bytes of answers that are over may still wait for a client that does not read.
  if (connection_->buffered() > 0 && blocked_since_ == 0) {
    blocked_since_ = env_->dispatcher->NowMs();
    blocked_bytes_ = connection_->buffered();
    timer_.Start(settings_->write_timeout_ms);
  }
}

void ServerSession::OnPeerClosed() {
  if (codec_ == nullptr) {
    connection_->Close();
    End();
    return;
  }
  codec_->OnPeerClosed();
  AfterCodec();
}

void ServerSession::OnClosed(const absl::Status& why) {
  if (connection_->tls() != nullptr && !connection_->tls()->handshake_done()) {
    env_->metrics->tls_handshake_failures.Add();
    Log(LogLevel::kDebug, "tls_handshake_failed",
        {{"peer", peer_ip_}, {"reason", std::string(why.message())}});
  }
  End();
}

void ServerSession::OnWritable() {
  blocked_since_ = 0;
  if (codec_ == nullptr) return;
  codec_->OnSinkWritable();
  AfterCodec();
}

void ServerSession::Drain() {
  if (ended_) return;
  if (!draining_) {
    BeginDrain();
  } else if (codec_ != nullptr) {
    codec_->Drain();
  }
  AfterCodec();
}

// Without a codec nobody knows what the client will ask, or has asked already: it is waited for
// like a request on an idle connection.
void ServerSession::BeginDrain() {
  draining_ = true;
  draining_since_ = env_->dispatcher->NowMs();
  const bool busy = draining_since_ - since_ < kBusyMs;
  drain_wait_ms_ = busy ? settings_->drain_busy_ms : settings_->drain_idle_ms;
  if (codec_ != nullptr) codec_->Drain();
  since_ = draining_since_;
  timer_.Start(drain_wait_ms_);
}

void ServerSession::Abort() {
  if (ended_) return;
  connection_->Abort();
  End();
}

void ServerSession::ArmTimer() {
  const bool handshake = !connection_->connected() || proxy_pending_;
  timer_.Start(handshake        ? settings_->handshake_timeout_ms
               : draining_      ? drain_wait_ms_
               : requests_ == 0 ? settings_->header_timeout_ms
                                : settings_->idle_timeout_ms);
}

// One timer serves all waits of a session; it is seldom moved, so what it meant is worked out here.
void ServerSession::OnTimer() {
  const uint64_t now = env_->dispatcher->NowMs();
  const auto expire = [this](std::string_view what, bool reset) {
    env_->metrics->timeouts.Add(what);
    if (reset) {
      connection_->Abort();
      End();
    } else {
      connection_->CloseGracefully(0);
    }
  };
  if (!connection_->connected() || proxy_pending_) {
    expire("handshake", true);
    return;
  }
  if (blocked_since_ != 0) {
    if (connection_->buffered() >= blocked_bytes_) {
      expire("write", true);
      return;
    }
    blocked_bytes_ = connection_->buffered();
    timer_.Start(settings_->write_timeout_ms);
    return;
  }
  if (connection_->closing()) return;
  if (codec_ != nullptr && codec_->active_streams() > 0) {
    if (draining_ && connection_->ending() &&
        now - draining_since_ >= settings_->drain_half_closed_ms) {
      expire("drain", true);
      return;
    }
    if (draining_) codec_->Drain();  // the second step, where nobody else takes it
    timer_.Start(draining_ ? drain_wait_ms_ : settings_->idle_timeout_ms);
    return;
  }
  uint64_t limit = settings_->idle_timeout_ms;
  std::string_view what = "idle";
  if (head_waiting_) {
    limit = settings_->header_timeout_ms;
    what = "head";
  } else if (draining_) {
    limit = drain_wait_ms_;
    what = "drain";
  } else if (codec_ == nullptr || requests_ == 0) {
    limit = settings_->header_timeout_ms;
    what = "head";
  }
  const uint64_t waited = now - since_;
  if (waited < limit) {
    timer_.Start(limit - waited);
    return;
  }
  if (what != "head" && !connection_->LooksAlive()) {
    timer_.Start(1);  // a request has come since the loop last looked
    return;
  }
  if (is_http2_ && codec_ != nullptr) {
    // GOAWAY tells the client that nothing was lost; the second step ends the connection.
    env_->metrics->timeouts.Add(what);
    codec_->Drain();
    codec_->Drain();
    AfterCodec();
    if (!ended_ && !connection_->closing()) connection_->CloseGracefully(settings_->linger_ms);
    return;
  }
  expire(what, false);
}

void ServerSession::End() {
  if (ended_) return;
  ended_ = true;
  timer_.Cancel();
  if (codec_ != nullptr) codec_->OnConnectionLost();
  owner_->OnSessionEnded(this);
}

}  // namespace postern
