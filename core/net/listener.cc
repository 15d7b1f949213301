#include "core/net/listener.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "core/base/log.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

std::string ErrnoText(int error) { return std::generic_category().message(error); }

absl::Status BindError(const Address& address, int error, std::string_view what) {
  const std::string message =
      Concat("cannot listen on ", address.ToString(), ": ", what, ErrnoText(error));
  switch (error) {
    case EADDRINUSE:
      return absl::AlreadyExistsError(
          Concat("cannot listen on ", address.ToString(), ": the address is in use already"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          address.is_ip() && address.port() < 1024
              ? Concat(message, " (ports below 1024 may need CAP_NET_BIND_SERVICE)")
              : message);
    case EADDRNOTAVAIL:
      return absl::NotFoundError(
          Concat("cannot listen on ", address.ToString(), ": no interface has this address"));
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

void SetOption(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof(value));
}

// Drops segments with SYN and without ACK; the filter sees a TCP segment from its header on.
void DropSyn(int fd) {
  sock_filter code[] = {
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, 13},     // the flags
      {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x12},  // SYN and ACK
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x02},  // SYN alone?
      {BPF_RET | BPF_K, 0, 0, 0},               // dropped
      {BPF_RET | BPF_K, 0, 0, 0xffffffff},      // passed whole
  };
  const sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
  // Where filters are not to be had, a connection begun in this instant may be reset.
  ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

}  // namespace

// The file of a Unix socket that this process made.
class ListenSocket::UnixFile {
 public:
  explicit UnixFile(std::string path) : path_(std::move(path)) {
    struct stat info;
    if (::lstat(path_.c_str(), &info) == 0) {
      device_ = info.st_dev;
      inode_ = info.st_ino;
    }
  }
  ~UnixFile() { Remove(); }
  UnixFile(const UnixFile&) = delete;
  UnixFile& operator=(const UnixFile&) = delete;

  // Unless a successor has put its own there.
  void Remove() {
    if (removed_.exchange(true)) return;
    struct stat info;
    if (::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_) {
      ::unlink(path_.c_str());
    }
  }

 private:
  const std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::atomic<bool> removed_{false};
};

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      address_(std::move(other.address_)),
      options_(other.options_),
      file_(std::move(other.file_)) {}

ListenSocket& ListenSocket::operator=(ListenSocket&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    address_ = std::move(other.address_);
    options_ = other.options_;
    file_ = std::move(other.file_);
  }
  return *this;
}

void ListenSocket::Close() {
  if (fd_ < 0) return;
  ::close(std::exchange(fd_, -1));
  file_.reset();
}

absl::StatusOr<ListenSocket> ListenSocket::Bind(const Address& address, const Options& options) {
  switch (address.family()) {
    case Address::Family::kNone:
      return absl::InvalidArgumentError("no address to listen on");
    case Address::Family::kUnix:
      return BindUnix(address, options);
    case Address::Family::kIpv4:
    case Address::Family::kIpv6:
      return BindIp(address, options, /*join=*/false);
  }
  return absl::InternalError("unknown address family");
}

absl::StatusOr<ListenSocket> ListenSocket::BindIp(const Address& address, const Options& options,
                                                  bool join) {
  sockaddr_storage storage;
  const socklen_t size = address.ToSockaddr(&storage);
  const int fd =
      ::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  const bool no_ipv6 = fd < 0 && errno == EAFNOSUPPORT;
  if (fd < 0 && !no_ipv6) return BindError(address, errno, "");
  ListenSocket socket(fd, address, options);
  if (!no_ipv6) {
    SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);  // accepted sockets inherit it
    if (storage.ss_family == AF_INET6) {
      SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, address.dual_stack() ? 0 : 1);
    }
    // The first socket binds without SO_REUSEPORT, or a second process could share the port
    // unnoticed; later ones of this process may join since the option is set thereafter.
    if (join) SetOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  }
  if (no_ipv6 || ::bind(fd, reinterpret_cast<sockaddr*>(&storage), size) != 0) {
    const int error = no_ipv6 ? EAFNOSUPPORT : errno;
    if (address.dual_stack() && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL)) {
      constexpr uint8_t kAny[4] = {};
      return BindIp(Address::FromIpBytes(kAny, sizeof(kAny), address.port()), options, join);
    }
    return BindError(address, error, "");
  }
  SetOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (::listen(fd, options.backlog) != 0) return BindError(address, errno, "");
  socklen_t bound_size = sizeof(storage);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &bound_size) != 0) {
    return BindError(address, errno, "");
  }
  socket.address_.set_port(
      Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), bound_size).port());
  return socket;
}

absl::StatusOr<ListenSocket> ListenSocket::BindUnix(const Address& address,
                                                    const Options& options) {
  const std::string& path = address.path();
  sockaddr_storage storage;
  const socklen_t size = address.ToSockaddr(&storage);
  auto* const target = reinterpret_cast<sockaddr*>(&storage);
  struct stat info;
  if (::lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return absl::AlreadyExistsError(
          Concat("cannot listen on ", address.ToString(), ": a file that is no socket is there"));
    }
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) return BindError(address, errno, "");
    const bool stale = ::connect(probe, target, size) != 0 && errno == ECONNREFUSED;
    ::close(probe);
    if (!stale) return BindError(address, EADDRINUSE, "");
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return BindError(address, errno, "the stale socket file cannot be removed: ");
    }
  }
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return BindError(address, errno, "");
  ListenSocket socket(fd, address, options);
  // The file gets the descriptor's mode less the umask, so at no time more than asked for.
  ::fchmod(fd, options.unix_mode);
  if (::bind(fd, target, size) != 0) return BindError(address, errno, "");
  socket.file_ = std::make_shared<UnixFile>(path);
  if (::chmod(path.c_str(), options.unix_mode) != 0) {
    return BindError(address, errno, "the mode of the file cannot be set: ");
  }
  if (::listen(fd, options.backlog) != 0) return BindError(address, errno, "");
  return socket;
}

absl::StatusOr<ListenSocket> ListenSocket::ForAnotherWorker() const {
  if (address_.is_ip()) {
    absl::StatusOr<ListenSocket> socket = BindIp(address_, options_, /*join=*/true);
    if (socket.ok()) return socket;
    // No SO_REUSEPORT on this kernel: the workers share one queue.
    if (socket.status().code() != absl::StatusCode::kAlreadyExists) return socket;
  }
  const int fd = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return BindError(address_, errno, "");
  ListenSocket socket(fd, address_, options_);
  socket.file_ = file_;
  return socket;
}

void ListenSocket::RefuseNew() {
  if (fd_ < 0) return;
  if (file_ != nullptr) {
    file_->Remove();
  } else {
    DropSyn(fd_);
  }
}

Listener::Listener(Dispatcher* dispatcher, ListenSocket socket, ConnectionLimit* limit,
                   OnAccept on_accept)
    : socket_(std::move(socket)),
      limit_(limit),
      on_accept_(std::move(on_accept)),
      dispatcher_(dispatcher),
      retry_(
          dispatcher->timers(), [](void* arg) { static_cast<Listener*>(arg)->Resume(); }, this) {}

absl::Status Listener::Start() {
  const int error = watcher_.Open(
      dispatcher_, socket_.fd(),
      [](void* arg, FdEvents events) {
        auto* self = static_cast<Listener*>(arg);
        // In error, and no longer watched: as good as out of resources.
        if (events.failed) {
          self->Pause(EIO);
        } else {
          self->OnReadable();
        }
      },
      this);
  if (error != 0) {
    return absl::UnavailableError(
        Concat("cannot watch ", address().ToString(), ": ", ErrnoText(-error)));
  }
  watcher_.Watch(/*readable=*/true, /*writable=*/false, /*hangup=*/false);
  return absl::OkStatus();
}

void Listener::OnReadable() {
  for (int i = 0; i < kAcceptsPerWakeup && open(); ++i) {
    const Outcome outcome = AcceptOne();
    if (outcome == Outcome::kEmpty || outcome == Outcome::kExhausted) return;
  }
}

Listener::Outcome Listener::AcceptOne() {
  sockaddr_storage storage;
  socklen_t size = sizeof(storage);
  const int fd = ::accept4(socket_.fd(), reinterpret_cast<sockaddr*>(&storage), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    switch (errno) {
      case EAGAIN:
        return Outcome::kEmpty;
      case EINTR:
        return Outcome::kSkipped;
      // Errors of the connection that was to be accepted, as accept(2) lists them.
      case ECONNABORTED:
      case EPERM:
      case EPROTO:
      case ENETDOWN:
      case ENOPROTOOPT:
      case EHOSTDOWN:
      case ENONET:
      case EHOSTUNREACH:
      case EOPNOTSUPP:
      case ENETUNREACH:
        stats_.accept_errors.Add();
        return Outcome::kSkipped;
      // EMFILE, ENFILE, ENOBUFS, ENOMEM; and whatever else would come again at once.
      default:
        Pause(errno);
        return Outcome::kExhausted;
    }
  }
  paused_ = false;
  if (limit_ != nullptr && !limit_->Take()) {
    ::close(fd);
    stats_.over_limit.Add();
    return Outcome::kSkipped;
  }
  stats_.accepted.Add();
  on_accept_(fd, Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), size));
  return Outcome::kAccepted;
}

void Listener::Pause(int error) {
  stats_.out_of_resources.Add();
  if (!std::exchange(paused_, true)) {
    Log(LogLevel::kWarn, "accept_paused",
        {{"address", address().ToString()}, {"error", ErrnoText(error)}});
  }
  if (!watcher_.open()) return;
  watcher_.Watch(false, false, false);
  retry_.Start(kRetryMs);
}

void Listener::Resume() { watcher_.Watch(/*readable=*/true, /*writable=*/false, /*hangup=*/false); }

void Listener::DrainAndClose() {
  if (!open()) return;
  RefuseNew();
  // Where new ones could not be refused the loop must end all the same.
  int most = 2 * socket_.backlog() + kAcceptsPerWakeup;
  while (most-- > 0 && open()) {
    const Outcome outcome = AcceptOne();
    if (outcome == Outcome::kEmpty || outcome == Outcome::kExhausted) break;
  }
  Close();
}

void Listener::Close() {
  retry_.Cancel();
  watcher_.Close();
  socket_.Close();
}

}  // namespace postern
