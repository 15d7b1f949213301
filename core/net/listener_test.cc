#include "core/net/listener.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/event/test_support.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

// A client's or an accepted socket.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

  // A connection to `address` that is perhaps not there yet.
  static Socket Connect(const Address& address) {
    sockaddr_storage storage;
    const socklen_t size = address.ToSockaddr(&storage);
    Socket socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0));
    const int result = ::connect(socket.fd_, reinterpret_cast<sockaddr*>(&storage), size);
    socket.error_ = result == 0 ? 0 : errno;
    return socket;
  }
  int error() const { return error_; }

  bool Connected(int timeout_ms = 2000) const {
    pollfd poll = {fd_, POLLOUT, 0};
    if (::poll(&poll, 1, timeout_ms) != 1) return false;
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0;
  }
  // What recv() says once there is something: 0 for an end, -errno for an error.
  ssize_t Read(char* to, size_t size, int timeout_ms = 2000) const {
    pollfd poll = {fd_, POLLIN, 0};
    if (::poll(&poll, 1, timeout_ms) != 1) return -ETIMEDOUT;
    const ssize_t n = ::recv(fd_, to, size, 0);
    return n >= 0 ? n : -errno;
  }
  Address LocalAddress() const {
    sockaddr_storage storage;
    socklen_t size = sizeof(storage);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &size);
    return Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), size);
  }
  int Option(int level, int name) const {
    int value = -1;
    socklen_t size = sizeof(value);
    ::getsockopt(fd_, level, name, &value, &size);
    return value;
  }

 private:
  int fd_;
  int error_ = 0;
};

ListenSocket MustBind(std::string_view text, const ListenSocket::Options& options = {}) {
  absl::StatusOr<ListenSocket> socket = ListenSocket::Bind(*Address::ParseListen(text), options);
  EXPECT_TRUE(socket.ok()) << socket.status();
  return std::move(*socket);
}

Address WithHost(const Address& address, std::string_view host) {
  return *Address::ParseIp(host, address.port());
}

// A listener that keeps what it accepts.
struct Accepting {
  Accepting(Dispatcher* dispatcher, ListenSocket socket, ConnectionLimit* limit = nullptr)
      : listener(dispatcher, std::move(socket), limit, [this](int fd, const Address& peer) {
          sockets.emplace_back(fd);
          peers.push_back(peer);
        }) {
    const absl::Status started = listener.Start();
    EXPECT_TRUE(started.ok()) << started;
  }
  std::vector<Socket> sockets;
  std::vector<Address> peers;
  Listener listener;
};

bool HasIpv6() { return ListenSocket::Bind(*Address::ParseListen("[::1]:0"), {}).ok(); }

bool HasSocketFilters() {
  const Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  sock_filter pass = {BPF_RET | BPF_K, 0, 0, 0xffffffff};
  const sock_fprog program = {1, &pass};
  return ::setsockopt(socket.fd(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

TEST(Listener, AcceptsWithPeerAddressAndOptions) {
  Dispatcher dispatcher;
  Accepting server(&dispatcher, MustBind("127.0.0.1:0"));
  EXPECT_NE(server.listener.address().port(), 0);
  const Socket client = Socket::Connect(server.listener.address());
  ASSERT_TRUE(RunUntil(&dispatcher, [&] { return server.sockets.size() == 1; }));
  EXPECT_EQ(server.peers[0], client.LocalAddress());
  EXPECT_EQ(server.sockets[0].Option(IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_NE(::fcntl(server.sockets[0].fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(server.sockets[0].fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(server.listener.stats().accepted.value(), 1u);
  server.listener.Close();
  EXPECT_FALSE(server.listener.open());
  EXPECT_EQ(Socket::Connect(server.listener.address()).Connected(), false);
}

TEST(Listener, DualStackTakesBothFamilies) {
  Dispatcher dispatcher;
  Accepting server(&dispatcher, MustBind(":0"));
  const Socket ipv4 = Socket::Connect(WithHost(server.listener.address(), "127.0.0.1"));
  ASSERT_TRUE(RunUntil(&dispatcher, [&] { return server.sockets.size() == 1; }));
  EXPECT_EQ(server.peers[0].family(), Address::Family::kIpv4);
  if (!HasIpv6()) return;
  const Socket ipv6 = Socket::Connect(WithHost(server.listener.address(), "::1"));
  ASSERT_TRUE(RunUntil(&dispatcher, [&] { return server.sockets.size() == 2; }));
  EXPECT_EQ(server.peers[1].IpString(), "::1");
}

TEST(Listener, Ipv6AloneTakesNoIpv4) {
  if (!HasIpv6()) GTEST_SKIP() << "no IPv6 here";
  const ListenSocket socket = MustBind("[::]:0");
  EXPECT_FALSE(Socket::Connect(WithHost(socket.address(), "127.0.0.1")).Connected());
  EXPECT_TRUE(Socket::Connect(WithHost(socket.address(), "::1")).Connected());
}

TEST(Listener, AddressInUseIsSaidClearly) {
  const ListenSocket first = MustBind("127.0.0.1:0");
  const auto second = ListenSocket::Bind(first.address(), {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(second.status().message(),
            "cannot listen on " + first.address().ToString() + ": the address is in use already");
  // Another worker's socket neither hides nor opens the port to strangers.
  const auto joined = first.ForAnotherWorker();
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_EQ(ListenSocket::Bind(first.address(), {}).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(Listener, OtherFaultsOfTheAddress) {
  EXPECT_EQ(ListenSocket::Bind(*Address::ParseListen("192.0.2.1:0"), {}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ListenSocket::Bind(*Address::ParseListen("unix:/no/such/folder/s"), {}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ListenSocket::Bind(Address(), {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Listener, PortIsFreeAgainAfterClose) {
  Dispatcher dispatcher;
  Address address;
  {
    Accepting server(&dispatcher, MustBind("127.0.0.1:0"));
    address = server.listener.address();
    const Socket client = Socket::Connect(address);
    ASSERT_TRUE(RunUntil(&dispatcher, [&] { return server.sockets.size() == 1; }));
  }  // the server closes first, which leaves TIME_WAIT behind
  EXPECT_TRUE(ListenSocket::Bind(address, {}).ok());
}

TEST(Listener, WorkersShareAPort) {
  Dispatcher dispatcher;
  ListenSocket first = MustBind("127.0.0.1:0");
  absl::StatusOr<ListenSocket> second = first.ForAnotherWorker();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->address(), first.address());
  Accepting one(&dispatcher, std::move(first));
  Accepting two(&dispatcher, std::move(*second));
  std::vector<Socket> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(Socket::Connect(one.listener.address()));
  ASSERT_TRUE(
      RunUntil(&dispatcher, [&] { return one.sockets.size() + two.sockets.size() == 100; }));
  EXPECT_GT(one.sockets.size(), 20u);
  EXPECT_GT(two.sockets.size(), 20u);
}

TEST(Listener, TakesABoundedNumberAtOnce) {
  Dispatcher dispatcher;
  Accepting server(&dispatcher, MustBind("127.0.0.1:0"));
  std::vector<Socket> clients;
  for (int i = 0; i < 150; ++i) clients.push_back(Socket::Connect(server.listener.address()));
  size_t before = 0;
  while (server.sockets.size() < 150) {
    uv_run(dispatcher.loop(), UV_RUN_ONCE);
    EXPECT_LE(server.sockets.size() - before, size_t{Listener::kAcceptsPerWakeup});
    before = server.sockets.size();
  }
}

TEST(Listener, AboveTheLimitConnectionsAreClosedAtOnce) {
  Dispatcher dispatcher;
  ConnectionLimit limit(2);
  Accepting server(&dispatcher, MustBind("127.0.0.1:0"), &limit);
  std::vector<Socket> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Socket::Connect(server.listener.address()));
  ASSERT_TRUE(
      RunUntil(&dispatcher, [&] { return server.listener.stats().over_limit.value() == 1; }));
  char byte;
  EXPECT_EQ(clients[2].Read(&byte, 1), 0);
  EXPECT_EQ(server.sockets.size(), 2u);
  EXPECT_EQ(limit.open(), 2u);
  limit.Give();
  const Socket next = Socket::Connect(server.listener.address());
  ASSERT_TRUE(RunUntil(&dispatcher, [&] { return server.sockets.size() == 3; }));
}

TEST(Listener, OutOfDescriptorsItWaitsAndComesBack) {
  Dispatcher dispatcher;
  Accepting server(&dispatcher, MustBind("127.0.0.1:0"));
  uv_run(dispatcher.loop(), UV_RUN_NOWAIT);
  std::vector<Socket> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Socket::Connect(server.listener.address()));

  rlimit saved;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &saved), 0);
  rlimit none = saved;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  RunFor(&dispatcher, 220);
  const uint64_t pauses = server.listener.stats().out_of_resources.value();
  EXPECT_GE(pauses, 1u);
  EXPECT_LE(pauses, 220 / Listener::kRetryMs + 2) << "tries again now and then, does not spin";
  EXPECT_TRUE(server.sockets.empty());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &saved), 0);
  const uint64_t freed = uv_hrtime();
  ASSERT_TRUE(RunUntil(&dispatcher, [&] { return server.sockets.size() == 3; }));
  EXPECT_LT(uv_hrtime() - freed, 1000000000u);
  EXPECT_LE(server.listener.stats().out_of_resources.value(), pauses + 1);
}

TEST(Listener, MayBeClosedFromInsideAnAccept) {
  Dispatcher dispatcher;
  int accepted = 0;
  Listener* self = nullptr;
  Listener listener(&dispatcher, MustBind("127.0.0.1:0"), nullptr, [&](int fd, const Address&) {
    ++accepted;
    ::close(fd);
    self->Close();
  });
  self = &listener;
  ASSERT_TRUE(listener.Start().ok());
  const Socket one = Socket::Connect(listener.address());
  const Socket two = Socket::Connect(listener.address());
  ASSERT_TRUE(RunUntil(&dispatcher, [&] { return accepted > 0; }));
  RunFor(&dispatcher, 20);
  EXPECT_EQ(accepted, 1);
}

TEST(Listener, DrainAcceptsWhatIsQueued) {
  Dispatcher dispatcher;
  Accepting server(&dispatcher, MustBind("127.0.0.1:0"));
  std::vector<Socket> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(Socket::Connect(server.listener.address()));
    ASSERT_TRUE(clients.back().Connected());
    ASSERT_EQ(::send(clients.back().fd(), "x", 1, MSG_NOSIGNAL), 1);
  }
  server.listener.DrainAndClose();
  EXPECT_FALSE(server.listener.open());
  ASSERT_EQ(server.sockets.size(), 200u);
  for (const Socket& socket : server.sockets) {
    char byte = 0;
    EXPECT_EQ(socket.Read(&byte, 1), 1);
    EXPECT_EQ(byte, 'x');
  }
}

TEST(Listener, RefusingNewLetsBegunOnesIn) {
  Dispatcher dispatcher;
  ListenSocket bound = MustBind("127.0.0.1:0");
  const Address address = bound.address();
  Accepting server(&dispatcher, std::move(bound));
  const Socket begun = Socket::Connect(address);
  ASSERT_TRUE(begun.Connected());
  if (!HasSocketFilters()) GTEST_SKIP() << "this kernel grants no socket filters";
  server.listener.RefuseNew();
  server.listener.RefuseNew();
  const Socket late = Socket::Connect(address);
  ASSERT_TRUE(RunUntil(&dispatcher, [&] { return server.sockets.size() == 1; }));
  EXPECT_EQ(server.peers[0], begun.LocalAddress());
  EXPECT_FALSE(late.Connected(100));
  // Data still passes on what was accepted.
  ASSERT_EQ(::send(begun.fd(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  EXPECT_EQ(server.sockets[0].Read(&byte, 1), 1);
  server.listener.DrainAndClose();
  EXPECT_EQ(server.sockets.size(), 1u);
}

TEST(Listener, UnixSocketHasItsModeWhateverTheUmask) {
  const TempDir dir;
  const std::string path = dir / "s";
  const mode_t saved = ::umask(077);
  {
    Dispatcher dispatcher;
    Accepting server(&dispatcher, MustBind("unix:" + path));
    struct stat info;
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0660u);
    const Socket client = Socket::Connect(server.listener.address());
    ASSERT_TRUE(RunUntil(&dispatcher, [&] { return server.sockets.size() == 1; }));
    EXPECT_EQ(server.peers[0].family(), Address::Family::kUnix);
    EXPECT_EQ(server.listener.address().ToString(), "unix:" + path);
  }
  ::umask(saved);
  EXPECT_NE(::access(path.c_str(), F_OK), 0) << "removed at close";
}

TEST(Listener, UnixSocketIsSharedByWorkers) {
  const TempDir dir;
  const std::string path = dir / "s";
  Dispatcher dispatcher;
  ListenSocket first = MustBind("unix:" + path);
  absl::StatusOr<ListenSocket> second = first.ForAnotherWorker();
  ASSERT_TRUE(second.ok()) << second.status();
  Accepting one(&dispatcher, std::move(first));
  {
    Accepting two(&dispatcher, std::move(*second));
    const Socket client = Socket::Connect(one.listener.address());
    ASSERT_TRUE(
        RunUntil(&dispatcher, [&] { return one.sockets.size() + two.sockets.size() == 1; }));
  }
  EXPECT_EQ(::access(path.c_str(), F_OK), 0) << "one worker still listens";
  const Socket queued = Socket::Connect(one.listener.address());
  EXPECT_EQ(queued.error(), 0);
  const size_t before = one.sockets.size();
  one.listener.DrainAndClose();
  EXPECT_EQ(one.sockets.size(), before + 1);
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(Listener, StaleUnixSocketIsReplacedALiveOneIsNot) {
  const TempDir dir;
  const std::string path = dir / "s";
  {
    // Left behind by a process that died.
    sockaddr_storage storage;
    const socklen_t size = Address::FromUnixPath(path)->ToSockaddr(&storage);
    const Socket stale(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(stale.fd(), reinterpret_cast<sockaddr*>(&storage), size), 0);
  }
  const ListenSocket live = MustBind("unix:" + path);
  const auto second = ListenSocket::Bind(live.address(), {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  EXPECT_TRUE(Socket::Connect(live.address()).Connected());
}

TEST(Listener, OtherFilesAreLeftAlone) {
  const TempDir dir;
  const std::string path = dir / "precious";
  WriteFile(path, "content");
  const auto refused = ListenSocket::Bind(*Address::FromUnixPath(path), {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(refused.status().message().find("no socket"), absl::string_view::npos);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

TEST(Listener, SuccessorsUnixSocketIsNotRemoved) {
  const TempDir dir;
  const std::string path = dir / "s";
  {
    const ListenSocket old = MustBind("unix:" + path);
    ASSERT_EQ(::rename(path.c_str(), (path + ".old").c_str()), 0);
    WriteFile(path, "somebody else's");
  }
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace postern
