#include "core/upstream/client_session.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/http/http1/client_codec.h"
#include "core/http/http2/client_codec.h"
#include "core/net/proxy_protocol.h"
#include "core/net/tls_context.h"

namespace postern {
namespace {

struct ConnectError {
  int error = 0;
  std::string_view detail;
};

// A non-blocking socket on its way to `address`, or -1.
int StartConnecting(const Address& address, ConnectError* error) {
  sockaddr_storage storage;
  const socklen_t size = address.ToSockaddr(&storage);
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    *error = {errno, "socket"};
    return -1;
  }
  if (address.is_ip()) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&storage), size) != 0 &&
      errno != EINPROGRESS) {
    *error = {errno, "connect"};
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

ClientSession::ClientSession(const SessionSettings* settings, const Address& address,
                             const std::string& server_name, SessionOwner* owner, Client client)
    : settings_(settings),
      owner_(owner),
      address_(address),
      server_name_(server_name),
      connect_timer_(
          settings->net->dispatcher->timers(),
          [](void* arg) {
            static_cast<ClientSession*>(arg)->Finish(UpstreamFailure::kConnectTimeout,
                                                     "connect_timeout");
          },
          this),
      ping_timer_(
          settings->net->dispatcher->timers(),
          [](void* arg) { static_cast<ClientSession*>(arg)->OnPingTimer(); }, this),
      started_ms_(settings->net->dispatcher->NowMs()) {
  Connect(client);
}

ClientSession::~ClientSession() = default;

void ClientSession::Connect(Client client) {
  std::unique_ptr<TlsChannel> tls;
  if (const TlsClientContext* context = settings_->config->tls.context.get()) {
    tls = context->MakeClientChannel(server_name_);
    if (tls == nullptr) {
      failure_ = UpstreamFailure::kTlsFailed;
      failure_detail_ = "server_name";
    }
  }
  int fd = -1;
  if (failure_ == UpstreamFailure::kNone) {
    ConnectError error;
    fd = StartConnecting(address_, &error);
    if (fd < 0) {
      failure_ = UpstreamFailure::kConnectFailed;
      failure_detail_ = error.detail;
    }
  }
  if (failure_ != UpstreamFailure::kNone) {
    settings_->net->dispatcher->AtEndOfIteration(this);
    return;
  }
  connection_ = std::make_unique<Connection>(settings_->net, fd, /*connecting=*/true,
                                             std::move(tls), static_cast<ConnectionEvents*>(this));
  if (const uint32_t version = settings_->config->send_proxy_protocol; version != 0) {
    connection_->SendFirst(MakeProxyHeader(version, client.from, client.to));
  }
  connect_timer_.Start(settings_->config->connect_timeout_ms);
}

void ClientSession::OnConnected() {
  connect_timer_.Cancel();
  connect_ms_ = static_cast<uint32_t>(settings_->net->dispatcher->NowMs() - started_ms_);
  const UpstreamProtocol protocol = settings_->config->protocol;
  const TlsChannel* tls = connection_->tls();
  const bool http2 = tls != nullptr ? tls->alpn() == "h2" : protocol == UpstreamProtocol::kHttp2;
  if (protocol == UpstreamProtocol::kHttp2 && !http2) {
    Finish(UpstreamFailure::kTlsFailed, "alpn");
    return;
  }
  Scope scope(this);
  StartCodec(http2);
  owner_->OnSessionReady(this);
}

void ClientSession::StartCodec(bool http2) {
  auto* events = static_cast<ClientCodecEvents*>(this);
  if (http2) {
    auto codec = std::make_unique<Http2ClientCodec>(connection_.get(), events, settings_->http2);
    http2_codec_ = codec.get();
    codec_ = std::move(codec);
    if (const uint32_t interval = settings_->config->http2.ping_interval_ms; interval != 0) {
      ping_timer_.Start(interval);
    }
  } else {
    codec_ = std::make_unique<Http1ClientCodec>(connection_.get(), events, &settings_->http1);
  }
}

ClientStream* ClientSession::Begin(ResponseReceiver* receiver) {
  ClientStream* stream = codec_->NewStream(receiver);
  if (stream == nullptr) return nullptr;
  ++served_;
  changed_ = true;
  const uint32_t most = settings_->config->max_requests_per_connection;
  if ((most != 0 && served_ >= most) || settings_->config->idle_timeout_ms == 0 ||
      settings_->config->send_proxy_protocol != 0) {
    retiring_ = true;
  }
  return stream;
}

size_t ClientSession::room() const {
  if (codec_ == nullptr || closed_ || retiring_ || connection_->ending()) return 0;
  size_t room = codec_->capacity();
  if (http2() && !settled_) {
    room = std::min(room, assumed_limit_ - std::min(assumed_limit_, codec_->active_streams()));
  }
  if (const uint32_t most = settings_->config->max_requests_per_connection; most != 0) {
    room = std::min<size_t>(room, most - served_);
  }
  return room;
}

size_t ClientSession::stream_limit() const {
  if (!http2()) return 1;
  return settled_ ? http2_codec_->stream_limit() : assumed_limit_;
}

void ClientSession::Retire() {
  if (closed_ || retiring_) return;
  Scope scope(this);
  retiring_ = true;
  changed_ = true;
}

void ClientSession::Close() {
  Scope scope(this);
  retiring_ = true;
  close_asked_ = true;
}

void ClientSession::Abandon() {
  closed_ = true;
  connect_timer_.Cancel();
  ping_timer_.Cancel();
  EndOfIteration::Unlink();
  if (connection_ != nullptr) connection_->Close();
}

void ClientSession::Update() {
  if (closed_) return;
  if (close_asked_) {
    Finish(UpstreamFailure::kNone, "closed");
    return;
  }
  if (codec_ != nullptr) {
    if (codec_->Done() || (retiring_ && codec_->active_streams() == 0)) {
      Finish(UpstreamFailure::kNone, "done");
      return;
    }
    connection_->SetReading(codec_->ReadWanted());
  } else if (retiring_) {
    Finish(UpstreamFailure::kConnectFailed, "retired");
    return;
  }
  if (changed_) TellOwner();
}

void ClientSession::TellOwner() {
  changed_ = false;
  owner_->OnSessionChanged(this);
}

void ClientSession::Finish(UpstreamFailure why, std::string_view detail) {
  if (closed_) return;
  closed_ = true;
  connect_timer_.Cancel();
  ping_timer_.Cancel();
  EndOfIteration::Unlink();
  if (connection_ != nullptr) {
    // A GOAWAY. To a peer that has closed nothing goes any more: a request that is still gathered
    // has been told that it was not sent, and may be repeated.
    if (!peer_closed_) connection_->Flush();
    connection_->Close();
  }
  owner_->OnSessionChanged(this);  // room() is zero: nobody takes this session any more
  if (codec_ != nullptr) codec_->OnConnectionLost();
  owner_->OnSessionClosed(this, why, detail);
}

// Looks whether anything has come since it looked last, in place of moving a timer with every read.
void ClientSession::OnPingTimer() {
  const UpstreamHttp2Config& http2 = settings_->config->http2;
  const uint64_t received = http2_codec_->received();
  // While we do not read, or the peer does not, silence says nothing; requests have time limits.
  if (received != ping_received_ || !connection_->reading() || connection_->buffered() > 0) {
    ping_received_ = received;
    pinged_ = false;
    ping_timer_.Start(http2.ping_interval_ms);
    return;
  }
  if (pinged_) {
    Log(LogLevel::kWarn, "upstream_silent",
        {{"cluster", settings_->config->name}, {"endpoint", address_.ToString()}});
    Finish(UpstreamFailure::kNone, "ping_timeout");
    return;
  }
  pinged_ = true;
  Scope scope(this);
  http2_codec_->Ping();
  ping_timer_.Start(http2.ping_timeout_ms);
}

void ClientSession::OnData(std::string_view data) {
  Scope scope(this);
  codec_->OnData(data, settings_->net->dispatcher->NowMs());
}

void ClientSession::OnPeerClosed() {
  peer_closed_ = true;
  if (codec_ == nullptr) {
    Finish(UpstreamFailure::kConnectFailed, "closed_by_peer");
    return;
  }
  Scope scope(this);
  codec_->OnPeerClosed();
}

void ClientSession::OnClosed(const absl::Status& why) {
  if (codec_ != nullptr) {
    Finish(UpstreamFailure::kNone, "closed_by_peer");
    return;
  }
  const std::string_view text(why.message().data(), why.message().size());
  // Behind a connect() that worked, only TLS stands between the socket and its use.
  const bool tls = connection_->tls() != nullptr && !text.starts_with("connect");
  if (LogEnabled(LogLevel::kDebug)) {
    Log(LogLevel::kDebug, "upstream_connect_failed",
        {{"cluster", settings_->config->name}, {"endpoint", address_.ToString()}, {"why", text}});
  }
  Finish(tls ? UpstreamFailure::kTlsFailed : UpstreamFailure::kConnectFailed,
         tls ? "tls" : "connect");
}

void ClientSession::OnWritable() {
  if (codec_ == nullptr) return;
  Scope scope(this);
  codec_->OnSinkWritable();
}

void ClientSession::OnCapacityChanged() {
  changed_ = true;
  settled_ = true;  // no answer comes before the peer's SETTINGS (RFC 9113 §3.4)
  if (depth_ == 0) settings_->net->dispatcher->AtEndOfIteration(this);
}

void ClientSession::OnEndOfIteration() {
  if (failure_ != UpstreamFailure::kNone) {
    Finish(failure_, failure_detail_);
    return;
  }
  Update();
}

}  // namespace postern
