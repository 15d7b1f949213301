#include "core/net/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/string_view.h"
#include "core/net/socket_io.h"

namespace postern {
namespace {

constexpr size_t kMaxIdleCorks = 128;
constexpr uint32_t kMinRead = 1024;

// Reads of one connection before others have their turn.
constexpr int kReadsPerTurn = 4;

absl::Status ErrnoStatus(int error, absl::string_view during) {
  return absl::ErrnoToStatus(error, during);
}

}  // namespace

NetContext::NetContext(Dispatcher* d)
    : dispatcher(d),
      read_scratch(new char[kScratchSize]),
      write_scratch(new char[ByteSink::kMaxReserve]) {}

NetContext::~NetContext() {
  for (char* cork : corks_) delete[] cork;
}

char* NetContext::TakeCork() {
  if (corks_.empty()) return new char[kCorkSize];
  char* cork = corks_.back();
  corks_.pop_back();
  return cork;
}

void NetContext::GiveCork(char* cork) {
  if (corks_.size() < kMaxIdleCorks) {
    corks_.push_back(cork);
  } else {
    delete[] cork;
  }
}

Connection::Connection(NetContext* net, int fd, bool connecting, std::unique_ptr<TlsChannel> tls,
                       ConnectionEvents* events)
    : net_(net),
      events_(events),
      fd_(fd),
      state_(connecting       ? State::kConnecting
             : tls != nullptr ? State::kHandshaking
                              : State::kOpen),
      pending_(&net->blocks),
      linger_timer_(
          net->dispatcher->timers(),
          [](void* arg) { static_cast<Connection*>(arg)->Fail(absl::OkStatus()); }, this),
      tls_(std::move(tls)) {
  ++net_->open_connections;
  watcher_.Open(
      net->dispatcher->sockets(), fd,
      [](void* arg, SocketEvents ready) { static_cast<Connection*>(arg)->OnReady(ready); }, this);
}

Connection::~Connection() { CloseFd(/*reset=*/false); }

char* Connection::Reserve(size_t size) {
  if (size > NetContext::kCorkSize) {
    big_reserved_ = true;
    return net_->write_scratch.get();
  }
  if (cork_ != nullptr && cork_used_ + size > NetContext::kCorkSize) FlushCork();
  if (cork_ == nullptr) cork_ = net_->TakeCork();
  return cork_ + cork_used_;
}

void Connection::Commit(size_t size) {
  if (big_reserved_) {
    big_reserved_ = false;
    Write({net_->write_scratch.get(), size});
    return;
  }
  cork_used_ += static_cast<uint32_t>(size);
  net_->dispatcher->AtEndOfIteration(this);
}

void Connection::Write(std::string_view bytes) {
  if (bytes.empty() || fd_ < 0) return;
  if (cork_used_ + bytes.size() <= NetContext::kCorkSize) {
    if (cork_ == nullptr) cork_ = net_->TakeCork();
    std::memcpy(cork_ + cork_used_, bytes.data(), bytes.size());
    cork_used_ += static_cast<uint32_t>(bytes.size());
    net_->dispatcher->AtEndOfIteration(this);
    return;
  }
  const std::string_view head(cork_, cork_used_);
  cork_used_ = 0;
  Emit(head, bytes);
}

// Sends what was gathered together with `bytes`, in place of copying the one behind the other.
void Connection::Emit(std::string_view head, std::string_view bytes) {
  if (tls_ != nullptr) {
    if (!connected()) return;  // nobody may write before OnConnected(); see Write()
    HandleTls(
        tls_->Send(head, bytes, [this](std::string_view ciphertext) { SendRaw(ciphertext); }));
    return;
  }
  const iovec parts[] = {{const_cast<char*>(head.data()), head.size()},
                         {const_cast<char*>(bytes.data()), bytes.size()}};
  if (head.empty()) {
    SendRaw(parts + 1, 1);
  } else {
    SendRaw(parts, bytes.empty() ? 1 : 2);
  }
}

void Connection::SendRaw(std::string_view bytes) {
  const iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
  SendRaw(&part, 1);
}

void Connection::SendRaw(const iovec* parts, int count) {
  if (fd_ < 0 || write_broken_) return;
  size_t sent = 0;
  if (pending_.empty() && state_ != State::kConnecting) {
    ssize_t n;
    if (count == 1) {
      n = SocketSend(fd_, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(parts);
      message.msg_iovlen = static_cast<size_t>(count);
      n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    }
    ++net_->write_calls;
    if (n >= 0) {
      sent = static_cast<size_t>(n);
      net_->bytes_written += sent;
      bytes_written_ += sent;
    } else if (errno != EAGAIN && errno != EINTR) {
      // The peer may have answered before it stopped listening (an early 413, say), so reading goes
      // on until it finds the end; only a connection that is not being read fails from here.
      write_broken_ = true;
      pending_.Clear();
      if (!reading_ || peer_closed_) failure_ = ErrnoStatus(errno, "write");
      net_->dispatcher->AtEndOfIteration(this);
      return;
    }
  }
  for (int i = 0; i < count; ++i) {
    const std::string_view part(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    if (sent >= part.size()) {
      sent -= part.size();
      continue;
    }
    pending_.Append(part.substr(sent));
    sent = 0;
  }
  if (!pending_.empty()) was_blocked_ = true;
}

void Connection::FlushCork() {
  if (cork_used_ == 0) return;
  const std::string_view head(cork_, cork_used_);
  cork_used_ = 0;
  Emit(head, {});
}

void Connection::Flush() {
  if (fd_ < 0) return;
  FlushCork();
  if (cork_ != nullptr && cork_used_ == 0) {
    net_->GiveCork(cork_);
    cork_ = nullptr;
  }
}

void Connection::OnEndOfIteration() {
  if (tls_ != nullptr && state_ == State::kOpen && reading_ && tls_->has_held()) {
    HandleTls(
        tls_->Resume([this](std::string_view ciphertext) { SendRaw(ciphertext); },
                     [this](std::string_view plaintext) { return DeliverPlaintext(plaintext); }));
  }
  ReadAvailable();
  if (fd_ < 0) return;
  Flush();
  if (!failure_.ok()) {
    Fail(failure_);
    return;
  }
  if (close_when_flushed_ && (pending_.empty() || write_broken_) && connected()) FinishGracefully();
}

void Connection::FlushPending() {
  while (!pending_.empty()) {
    iovec parts[16];
    const int count = pending_.Peek(parts, 16);
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = static_cast<size_t>(count);
    size_t offered = 0;
    for (int i = 0; i < count; ++i) offered += parts[i].iov_len;
    const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    ++net_->write_calls;
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) break;
      const int error = errno;
      write_broken_ = true;
      pending_.Clear();
      if (!reading_ || peer_closed_) {
        Fail(ErrnoStatus(error, "write"));
        return;
      }
      break;
    }
    net_->bytes_written += static_cast<size_t>(n);
    bytes_written_ += static_cast<size_t>(n);
    pending_.Drain(static_cast<size_t>(n));
    if (static_cast<size_t>(n) < offered) break;
  }
  if (pending_.empty() && was_blocked_) {
    was_blocked_ = false;
    if (close_when_flushed_) {
      net_->dispatcher->AtEndOfIteration(this);
    } else if (state_ == State::kOpen && !write_broken_) {
      events_->OnWritable();
    }
  }
}

void Connection::SetReading(bool on) {
  if (reading_ == on) return;
  reading_ = on;
  if (!on) read_size_ = kFirstRead;
  if (!on || fd_ < 0 || state_ != State::kOpen) return;
  // What came meanwhile has been told already, and what TLS has taken will not be told at all.
  if (readable_ || (tls_ != nullptr && tls_->has_held())) net_->dispatcher->AtEndOfIteration(this);
}

bool Connection::WantsRead() const {
  if (fd_ < 0 || peer_closed_) return false;
  return state_ == State::kHandshaking || state_ == State::kLingering ||
         (state_ == State::kOpen && reading_);
}

void Connection::OnReady(SocketEvents ready) {
  readable_ = readable_ || ready.readable || ready.hangup || ready.failed;
  hangup_ = hangup_ || ready.hangup;
  failed_ = failed_ || ready.failed;
  if (state_ == State::kConnecting) {
    if (!ready.writable && !ready.failed) return;
    FinishConnect();
    if (fd_ < 0) return;
  }
  if (ready.writable && !pending_.empty()) {
    FlushPending();
    if (fd_ < 0) return;
  }
  ReadAvailable();
  if (fd_ < 0 || !failed_ || WantsRead()) return;
  // Nobody reads at present, so nothing else would find the error.
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  Fail(ErrnoStatus(error != 0 ? error : ECONNRESET, "connection"));
}

void Connection::ReadAvailable() {
  for (int i = 0; readable_ && WantsRead(); ++i) {
    if (i == kReadsPerTurn) {
      net_->dispatcher->AtNextIteration(this);
      return;
    }
    if (!ReadOnce()) return;
  }
}

void Connection::FinishConnect() {
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    Fail(ErrnoStatus(error, "connect"));
    return;
  }
  if (tls_ != nullptr) {
    state_ = State::kHandshaking;
    HandleTls(tls_->Start([this](std::string_view ciphertext) { SendRaw(ciphertext); }));
    if (fd_ >= 0 && !pending_.empty()) FlushPending();
    return;
  }
  BecomeOpen();
}

void Connection::StartTls(std::unique_ptr<TlsChannel> tls, std::string_view received) {
  tls_ = std::move(tls);
  state_ = State::kHandshaking;
  if (received.empty()) return;
  HandleTls(tls_->Receive(
      received, [this](std::string_view ciphertext) { SendRaw(ciphertext); },
      [this](std::string_view plaintext) { return DeliverPlaintext(plaintext); }));
}

void Connection::BecomeOpen() {
  state_ = State::kOpen;
  if (tls_ == nullptr && !pending_.empty()) FlushPending();
  if (fd_ >= 0) events_->OnConnected();
}

// One read; false when the connection has nothing more to read for now, or has ended.
bool Connection::ReadOnce() {
  const ssize_t n = SocketReceive(fd_, net_->read_scratch.get(), read_size_, 0);
  ++net_->read_calls;
  if (n < 0) {
    if (errno == EINTR) return true;
    if (errno == EAGAIN && !failed_) {
      readable_ = false;
      return false;
    }
    Fail(ErrnoStatus(errno == EAGAIN ? ECONNRESET : errno, "read"));
    return false;
  }
  if (n == 0) {
    readable_ = false;
    PeerEnded();
    return false;
  }
  net_->bytes_read += static_cast<size_t>(n);
  const std::string_view data(net_->read_scratch.get(), static_cast<size_t>(n));
  if (data.size() == read_size_) {
    // A peer that fills whole reads gets larger ones.
    read_size_ = std::min(read_size_ * 2, max_read_);
  } else {
    // A short read has emptied the socket, unless an end or an error stands behind the data.
    readable_ = hangup_ || failed_;
    if (data.size() < read_size_ / 4 && read_size_ > kFirstRead) {
      read_size_ = std::max({kFirstRead, read_size_ / 2, kMinRead});
    }
  }
  if (state_ == State::kLingering) return true;  // discarded, so that the peer reads our answer
  if (tls_ == nullptr) {
    events_->OnData(data);
    return true;
  }
  HandleTls(tls_->Receive(
      data, [this](std::string_view ciphertext) { SendRaw(ciphertext); },
      [this](std::string_view plaintext) { return DeliverPlaintext(plaintext); }));
  return true;
}

bool Connection::DeliverPlaintext(std::string_view data) {
  if (state_ == State::kHandshaking) BecomeOpen();
  if (fd_ < 0) return false;
  if (state_ == State::kOpen) events_->OnData(data);
  return fd_ >= 0 && (reading_ || state_ != State::kOpen);
}

void Connection::HandleTls(TlsChannel::Result result) {
  if (fd_ < 0) return;
  switch (result) {
    case TlsChannel::Result::kFailed:
      failure_ = tls_->error();
      net_->dispatcher->AtEndOfIteration(this);
      return;
    case TlsChannel::Result::kPeerClosed:
    case TlsChannel::Result::kOk:
      break;
  }
  if (state_ == State::kHandshaking && tls_->handshake_done()) BecomeOpen();
  if (fd_ >= 0 && result == TlsChannel::Result::kPeerClosed && !peer_closed_) PeerEnded();
}

void Connection::PeerEnded() {
  if (tls_ != nullptr && !tls_->clean_close() && state_ != State::kLingering) {
    // Without close_notify nobody knows whether the peer meant to stop here.
    Fail(state_ == State::kHandshaking
             ? absl::UnavailableError("peer closed during the TLS handshake")
             : absl::DataLossError("TLS connection ended without close_notify"));
    return;
  }
  peer_closed_ = true;
  if (state_ == State::kLingering || write_broken_) {
    Fail(absl::OkStatus());
    return;
  }
  events_->OnPeerClosed();
}

void Connection::CloseGracefully(uint64_t linger_ms) {
  if (fd_ < 0 || closing()) return;
  linger_ms_ = static_cast<uint32_t>(linger_ms);
  close_when_flushed_ = true;
  net_->dispatcher->AtEndOfIteration(this);
}

void Connection::FinishGracefully() {
  close_when_flushed_ = false;
  if (tls_ != nullptr && !write_broken_) {
    tls_->SendCloseNotify([this](std::string_view ciphertext) { SendRaw(ciphertext); });
  }
  if (peer_closed_ || write_broken_ || linger_ms_ == 0) {
    Fail(absl::OkStatus());
    return;
  }
  ::shutdown(fd_, SHUT_WR);
  state_ = State::kLingering;
  linger_timer_.Start(linger_ms_);
  ReadAvailable();
}

bool Connection::LooksAlive() const {
  if (ending()) return false;
  char byte;
  const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && errno == EAGAIN;
}

void Connection::Fail(absl::Status why) {
  if (fd_ < 0) return;
  CloseFd(/*reset=*/false);
  events_->OnClosed(why);
}

void Connection::Close() { CloseFd(/*reset=*/false); }

void Connection::Abort() { CloseFd(/*reset=*/true); }

void Connection::CloseFd(bool reset) {
  if (fd_ < 0) return;
  Unlink();
  linger_timer_.Cancel();
  watcher_.Close();
  if (reset) {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  }
  ::close(fd_);
  fd_ = -1;
  state_ = State::kClosed;
  pending_.Clear();
  if (cork_ != nullptr) {
    net_->GiveCork(cork_);
    cork_ = nullptr;
    cork_used_ = 0;
  }
  --net_->open_connections;
}

}  // namespace postern
