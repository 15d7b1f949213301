#include "core/net/connection.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

namespace postern {
namespace {

struct Seen final : public ConnectionEvents {
  void OnConnected() override { ++connected; }
  void OnData(std::string_view data) override {
    received.append(data);
    if (on_data) on_data();
  }
  void OnPeerClosed() override { ++peer_closed; }
  void OnClosed(const absl::Status& status) override {
    ++closed;
    why = status;
  }
  void OnWritable() override { ++writable; }

  std::string received;
  int connected = 0;
  int peer_closed = 0;
  int closed = 0;
  int writable = 0;
  absl::Status why;
  std::function<void()> on_data;
};

// Two ends of a TCP connection over loopback, both on one dispatcher.
class ConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    socklen_t size = sizeof(address);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    const int client = ::socket(AF_INET, SOCK_STREAM, 0);
    // Connecting over loopback is done at once; everything after it must not block.
    ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const int server = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
    ::fcntl(client, F_SETFL, O_NONBLOCK);
    ::close(listener);
    a = std::make_unique<Connection>(&net, client, false, nullptr, &a_seen);
    b = std::make_unique<Connection>(&net, server, false, nullptr, &b_seen);
  }

  // Turns the loop until `done`, at most five seconds of turns.
  void Until(const std::function<bool()>& done) {
    const uint64_t end = dispatcher.NowMs() + 5000;
    Timer tick(
        dispatcher.timers(), [](void* arg) { static_cast<Timer**>(arg)[0]->Start(1); }, &tick_self);
    tick_self = &tick;
    tick.Start(1);
    while (!done()) {
      uv_run(dispatcher.loop(), UV_RUN_ONCE);
      ASSERT_LT(dispatcher.NowMs(), end) << "condition did not come";
    }
  }

  Dispatcher dispatcher;
  NetContext net{&dispatcher};
  Seen a_seen;
  Seen b_seen;
  std::unique_ptr<Connection> a;
  std::unique_ptr<Connection> b;
  Timer* tick_self = nullptr;
};

TEST_F(ConnectionTest, ManyWritesOfOneIterationAreOneSystemCall) {
  for (int i = 0; i < 100; ++i) a->Write("0123456789");
  char* room = a->Reserve(5);
  std::copy_n("tail!", 5, room);
  a->Commit(5);
  EXPECT_EQ(net.write_calls, 0u);
  Until([&] { return b_seen.received.size() == 1005; });
  EXPECT_EQ(net.write_calls, 1u);
  EXPECT_TRUE(b_seen.received.ends_with("9tail!"));
  EXPECT_EQ(net.blocks.in_use(), 0u);
}

TEST_F(ConnectionTest, RefusedBytesWaitAndOrderHolds) {
  b->SetReading(false);
  std::string sent;
  int rounds = 0;
  while (a->buffered() == 0 && ++rounds < 10000) {
    const std::string piece(20000, static_cast<char>('a' + rounds % 26));
    sent += piece;
    a->Write(piece);
  }
  ASSERT_GT(a->buffered(), 0u);
  sent += "end";
  a->Write("end");
  EXPECT_EQ(a_seen.writable, 0);
  b->SetReading(true);
  Until([&] { return b_seen.received.size() == sent.size(); });
  EXPECT_EQ(b_seen.received, sent);
  EXPECT_EQ(a_seen.writable, 1);
  EXPECT_EQ(a->buffered(), 0u);
}

TEST_F(ConnectionTest, ReadingCanBeSwitchedOffInsideAnEvent) {
  b_seen.on_data = [&] { b->SetReading(false); };
  a->Write("first");
  Until([&] { return !b_seen.received.empty(); });
  a->Write("second");
  a->Flush();
  for (int i = 0; i < 20; ++i) uv_run(dispatcher.loop(), UV_RUN_NOWAIT);
  EXPECT_EQ(b_seen.received, "first");
  b_seen.on_data = nullptr;
  b->SetReading(true);
  Until([&] { return b_seen.received == "firstsecond"; });
}

TEST_F(ConnectionTest, GracefulCloseSendsAllThenEnds) {
  a->Write(std::string(500000, 'x'));
  a->CloseGracefully(1000);
  Until([&] { return b_seen.peer_closed == 1; });
  EXPECT_EQ(b_seen.received.size(), 500000u);
  EXPECT_EQ(a_seen.closed, 0);  // lingers until the peer has closed too
  b->Close();
  Until([&] { return a_seen.closed == 1; });
  EXPECT_TRUE(a_seen.why.ok());
  EXPECT_FALSE(a->open());
}

TEST_F(ConnectionTest, LingeringEndsByTime) {
  a->CloseGracefully(20);
  Until([&] { return a_seen.closed == 1; });
  EXPECT_TRUE(b->open());
}

TEST_F(ConnectionTest, AbortIsSeenAsReset) {
  a->Abort();
  Until([&] { return b_seen.closed == 1; });
  EXPECT_FALSE(b_seen.why.ok());
  EXPECT_EQ(b_seen.peer_closed, 0);
}

TEST_F(ConnectionTest, ResetIsNoticedWhileReadingIsOff) {
  b->SetReading(false);
  a->Write("x");
  a->Flush();
  for (int i = 0; i < 5; ++i) uv_run(dispatcher.loop(), UV_RUN_NOWAIT);
  a->Abort();
  Until([&] { return b_seen.closed == 1; });
}

TEST_F(ConnectionTest, HalfCloseLeavesTheOtherDirection) {
  ::shutdown(a->fd(), SHUT_WR);
  Until([&] { return b_seen.peer_closed == 1; });
  b->Write("answer");
  Until([&] { return a_seen.received == "answer"; });
  EXPECT_EQ(b_seen.closed, 0);
}

TEST_F(ConnectionTest, LooksAlive) {
  EXPECT_TRUE(a->LooksAlive());
  b->Close();
  for (int i = 0; i < 100 && a->LooksAlive(); ++i) ::usleep(1000);
  EXPECT_FALSE(a->LooksAlive());
}

TEST_F(ConnectionTest, ClosedInsideItsOwnEvent) {
  b_seen.on_data = [&] { b->Close(); };
  a->Write("x");
  Until([&] { return !b->open(); });
  EXPECT_EQ(b_seen.closed, 0);  // the owner closed it
  EXPECT_EQ(net.open_connections, 1u);
}

}  // namespace
}  // namespace postern
