#include "core/net/dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/event/fd_watcher.h"
#include "core/event/test_support.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

constexpr uint16_t kA = 1, kCname = 5, kAaaa = 28;

void Put16(std::string* out, size_t value) {
  *out += static_cast<char>(value >> 8);
  *out += static_cast<char>(value & 0xff);
}

std::string EncodeName(const std::string& name) {
  std::string out;
  size_t at = 0;
  while (at < name.size()) {
    const size_t dot = std::min(name.find('.', at), name.size());
    out += static_cast<char>(dot - at);
    out += name.substr(at, dot - at);
    at = dot + 1;
  }
  return out + '\0';
}

// A DNS server on loopback, on the test's own loop. Answers NXDOMAIN to what it was not told.
class FakeDns {
 public:
  struct Record {
    uint16_t type;
    uint32_t ttl;
    std::string data;
  };

  explicit FakeDns(Dispatcher* dispatcher) : dispatcher_(dispatcher) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof(in);
      udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      EXPECT_EQ(::bind(udp_, reinterpret_cast<sockaddr*>(&in), sizeof(in)), 0);
      ::getsockname(udp_, reinterpret_cast<sockaddr*>(&in), &size);
      port_ = ntohs(in.sin_port);
      tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      if (::bind(tcp_, reinterpret_cast<sockaddr*>(&in), sizeof(in)) == 0) break;
      ::close(udp_);
      ::close(tcp_);
    }
    ::listen(tcp_, 8);
    udp_watcher_.Open(
        dispatcher, udp_, [](void* arg, FdEvents) { static_cast<FakeDns*>(arg)->OnUdp(); }, this);
    udp_watcher_.Watch(true, false, false);
    tcp_watcher_.Open(
        dispatcher, tcp_, [](void* arg, FdEvents) { static_cast<FakeDns*>(arg)->OnTcp(); }, this);
    tcp_watcher_.Watch(true, false, false);
  }
  ~FakeDns() {
    udp_watcher_.Close();
    tcp_watcher_.Close();
    ::close(udp_);
    ::close(tcp_);
  }

  void Add(const std::string& name, const std::string& ip, uint32_t ttl = 60) {
    unsigned char bytes[16];
    const bool ipv4 = inet_pton(AF_INET, ip.c_str(), bytes) == 1;
    ASSERT_TRUE(ipv4 || inet_pton(AF_INET6, ip.c_str(), bytes) == 1);
    records[name].push_back(
        {ipv4 ? kA : kAaaa, ttl, std::string(reinterpret_cast<char*>(bytes), ipv4 ? 4 : 16)});
  }
  void AddCname(const std::string& name, const std::string& target, uint32_t ttl) {
    records[name].push_back({kCname, ttl, EncodeName(target)});
    targets[name] = target;
  }

  std::string server() const { return "127.0.0.1:" + std::to_string(port_); }
  int asked(const std::string& name) const {
    const auto found = questions.find(name);
    return found == questions.end() ? 0 : found->second;
  }

  std::map<std::string, std::vector<Record>> records;
  std::map<std::string, std::string> targets;
  std::map<std::string, int> questions;  // by name, both families counted
  bool silent = false;
  int rcode = 0;        // for every question, if not 0
  std::string garbage;  // sent in place of an answer, if not empty
  int tcp_questions = 0;

 private:
  std::string Answer(std::string_view question, bool udp) {
    std::string name;
    size_t at = 12;
    while (at < question.size() && question[at] != 0) {
      const auto size = static_cast<size_t>(question[at]);
      name += (name.empty() ? "" : ".") + std::string(question.substr(at + 1, size));
      at += 1 + size;
    }
    const size_t end = at + 5;
    const auto type = static_cast<uint16_t>(question[at + 1] << 8 | question[at + 2]);
    ++questions[name];
    std::string records_text;
    size_t count = 0;
    const bool known = records.count(name) != 0;
    const auto add = [&](const std::string& owner, const Record& record) {
      records_text += EncodeName(owner);
      Put16(&records_text, record.type);
      Put16(&records_text, 1);
      Put16(&records_text, record.ttl >> 16);
      Put16(&records_text, record.ttl & 0xffff);
      Put16(&records_text, record.data.size());
      records_text += record.data;
      ++count;
    };
    std::string owner = name;
    while (targets.count(owner) != 0) {
      add(owner, records[owner][0]);
      owner = targets[owner];
    }
    for (const Record& record : records[owner]) {
      if (record.type == type) add(owner, record);
    }
    if (!known) records.erase(name);
    const int code = rcode != 0 ? rcode : known ? 0 : 3;
    const bool truncated = udp && end + records_text.size() > 512;
    std::string out(question.substr(0, 2));
    out += static_cast<char>(0x81 | (truncated ? 2 : 0));
    out += static_cast<char>(0x80 | code);
    Put16(&out, 1);
    Put16(&out, truncated || code != 0 ? 0 : count);
    Put16(&out, 0);
    Put16(&out, 0);
    out += question.substr(12, end - 12);
    if (!truncated && code == 0) out += records_text;
    return out;
  }

  void OnUdp() {
    char buffer[512];
    sockaddr_storage from;
    socklen_t size = sizeof(from);
    ssize_t n;
    while ((n = ::recvfrom(udp_, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from),
                           &size)) > 0) {
      const std::string question(buffer, static_cast<size_t>(n));
      std::string answer = Answer(question, true);
      if (silent) continue;
      if (!garbage.empty()) answer = garbage;
      ::sendto(udp_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }

  struct Connection {
    FakeDns* server;
    int fd;
    std::string received;
    FdWatcher watcher;
    ~Connection() {
      watcher.Close();
      ::close(fd);
    }
  };

  void OnTcp() {
    const int fd = ::accept(tcp_, nullptr, nullptr);
    if (fd < 0) return;
    connections_.push_back(std::make_unique<Connection>());
    Connection* connection = connections_.back().get();
    connection->server = this;
    connection->fd = fd;
    connection->watcher.Open(
        dispatcher_, fd,
        [](void* arg, FdEvents) {
          auto* self = static_cast<Connection*>(arg);
          self->server->OnTcpData(self);
        },
        connection);
    connection->watcher.Watch(true, false, false);
  }

  void OnTcpData(Connection* connection) {
    char buffer[512];
    const ssize_t n = ::recv(connection->fd, buffer, sizeof(buffer), 0);
    if (n <= 0) {
      connection->watcher.Watch(false, false, false);
      return;
    }
    connection->received.append(buffer, static_cast<size_t>(n));
    const std::string& question = connection->received;
    if (question.size() < 2 ||
        question.size() - 2 < static_cast<size_t>(question[0] << 8 | question[1])) {
      return;
    }
    ++tcp_questions;
    const std::string answer = Answer(std::string_view(question).substr(2), false);
    std::string framed;
    Put16(&framed, answer.size());
    framed += answer;
    ::send(connection->fd, framed.data(), framed.size(), MSG_NOSIGNAL);
    connection->received.clear();
  }

  Dispatcher* dispatcher_;
  std::vector<std::unique_ptr<Connection>> connections_;
  int udp_ = -1, tcp_ = -1;
  uint16_t port_ = 0;
  FdWatcher udp_watcher_, tcp_watcher_;
};

class DnsTest : public testing::Test {
 protected:
  DnsTest() : server_(&dispatcher_) {
    WriteFile(dir_ / "hosts", "");
    WriteFile(dir_ / "resolv.conf", "");
    options_.servers = {server_.server()};
    options_.hosts_file = dir_ / "hosts";
    options_.resolv_conf = dir_ / "resolv.conf";
  }

  Resolver& resolver() {
    if (resolver_ == nullptr) resolver_ = std::make_unique<Resolver>(&dispatcher_, options_);
    return *resolver_;
  }

  absl::StatusOr<DnsAnswer> Resolve(const std::string& host, DnsFamily family = DnsFamily::kIpv4) {
    std::optional<absl::StatusOr<DnsAnswer>> result;
    const auto lookup = resolver().Resolve(
        host, family, [&](const absl::StatusOr<DnsAnswer>& answer) { result = answer; });
    EXPECT_FALSE(result.has_value()) << "never from inside";
    EXPECT_TRUE(RunUntil(&dispatcher_, [&] { return result.has_value(); }));
    return *result;
  }

  // "10.0.0.1 10.0.0.2", or the name of the error.
  std::string Text(const std::string& host, DnsFamily family = DnsFamily::kIpv4) {
    const absl::StatusOr<DnsAnswer> answer = Resolve(host, family);
    if (!answer.ok()) return absl::StatusCodeToString(answer.status().code());
    std::string text;
    for (const Address& address : answer->addresses) {
      text += (text.empty() ? "" : " ") + address.IpString();
    }
    return text;
  }

  TempDir dir_;
  Dispatcher dispatcher_;
  FakeDns server_;
  DnsOptions options_;
  std::unique_ptr<Resolver> resolver_;
};

TEST_F(DnsTest, AsksForBothFamiliesAtOnce) {
  server_.Add("dual.test", "127.0.0.7");
  server_.Add("dual.test", "::1");
  server_.Add("dual.test", "127.0.0.8");
  const auto answer = Resolve("dual.test", DnsFamily::kAny);
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_GE(answer->addresses.size(), 2u);
  EXPECT_EQ(answer->addresses[0].IpString(), "127.0.0.7");
  EXPECT_EQ(answer->addresses[1].IpString(), "127.0.0.8");
  if (answer->addresses.size() > 2) {
    EXPECT_EQ(answer->addresses[2].IpString(), "::1");
  }
  EXPECT_EQ(answer->addresses[0].port(), 0);
  EXPECT_EQ(server_.asked("dual.test"), 2);
  EXPECT_EQ(Text("dual.test", DnsFamily::kIpv6), "::1");
  EXPECT_EQ(Text("dual.test", DnsFamily::kIpv4), "127.0.0.7 127.0.0.8");
}

TEST_F(DnsTest, OneFamilyIsEnough) {
  server_.Add("four.test", "192.0.2.4");
  server_.Add("six.test", "2001:db8::6");
  EXPECT_EQ(Text("four.test", DnsFamily::kAny), "192.0.2.4");
  EXPECT_EQ(Text("six.test", DnsFamily::kAny), "2001:db8::6") << "even without a route";
  EXPECT_EQ(Text("four.test", DnsFamily::kIpv6), "NOT_FOUND");
}

TEST_F(DnsTest, NamesAreComparedWithoutCase) {
  server_.Add("name.test", "192.0.2.1");
  EXPECT_EQ(Text("NAME.Test"), "192.0.2.1");
  EXPECT_EQ(Text("name.test"), "192.0.2.1");
  EXPECT_EQ(server_.asked("name.test"), 1);
}

TEST_F(DnsTest, TimeToLiveIsThatOfTheAnswerWithinBounds) {
  server_.Add("minute.test", "192.0.2.1", 60);
  server_.Add("minute.test", "192.0.2.2", 70);
  server_.Add("never.test", "192.0.2.1", 0);
  server_.Add("ever.test", "192.0.2.1", 86400);
  server_.AddCname("alias.test", "minute.test", 10);
  EXPECT_EQ(Resolve("minute.test")->ttl_ms, 60000u);
  EXPECT_EQ(Resolve("never.test")->ttl_ms, 1000u);
  EXPECT_EQ(Resolve("ever.test")->ttl_ms, 300000u);
  EXPECT_EQ(Resolve("alias.test")->ttl_ms, 10000u) << "the shortest of the chain";
  EXPECT_EQ(Text("alias.test"), "192.0.2.1 192.0.2.2");
}

TEST_F(DnsTest, AnswersAreKeptForTheirTime) {
  options_.min_ttl_ms = 100;
  server_.Add("a.test", "192.0.2.1", 0);
  EXPECT_EQ(Text("a.test"), "192.0.2.1");
  const auto kept = Resolve("a.test");
  EXPECT_LE(kept->ttl_ms, 100u);
  EXPECT_GE(kept->ttl_ms, 1u);
  EXPECT_EQ(server_.asked("a.test"), 1);
  EXPECT_EQ(resolver().stats().cache_hits.value(), 1u);
  RunFor(&dispatcher_, 120);
  EXPECT_EQ(Text("a.test"), "192.0.2.1");
  EXPECT_EQ(server_.asked("a.test"), 2);
  EXPECT_EQ(resolver().stats().queries.value(), 2u);
}

TEST_F(DnsTest, FailuresAreKeptForAMoment) {
  options_.negative_ttl_ms = 100;
  EXPECT_EQ(Text("none.test"), "NOT_FOUND");
  const int asked = server_.asked("none.test");
  EXPECT_EQ(Text("none.test"), "NOT_FOUND");
  EXPECT_EQ(server_.asked("none.test"), asked);
  RunFor(&dispatcher_, 120);
  server_.Add("none.test", "192.0.2.1");
  EXPECT_EQ(Text("none.test"), "192.0.2.1");
  EXPECT_EQ(resolver().stats().failures.value(), 1u);
}

TEST_F(DnsTest, ServerFailureIsNoStatementAboutTheName) {
  server_.rcode = 2;
  EXPECT_EQ(Text("a.test"), "UNAVAILABLE");
  server_.rcode = 5;
  EXPECT_EQ(Text("b.test"), "UNAVAILABLE");
}

TEST_F(DnsTest, UnreachableServersAreUnavailable) {
  options_.servers = {"127.0.0.1:1"};
  EXPECT_EQ(Text("a.test"), "UNAVAILABLE");
}

TEST_F(DnsTest, SilentServersAreWaitedForBriefly) {
  options_.timeout_ms = 150;
  options_.attempt_timeout_ms = 1000;
  options_.negative_ttl_ms = 1;
  server_.Add("a.test", "192.0.2.1");
  server_.silent = true;
  EXPECT_EQ(Text("a.test"), "DEADLINE_EXCEEDED");
  server_.silent = false;
  RunFor(&dispatcher_, 5);
  EXPECT_EQ(Text("a.test"), "192.0.2.1");
}

TEST_F(DnsTest, LostQuestionsAreRepeated) {
  options_.attempt_timeout_ms = 300;
  server_.Add("a.test", "192.0.2.1");
  server_.silent = true;
  Timer speak(
      dispatcher_.timers(), [](void* arg) { static_cast<FakeDns*>(arg)->silent = false; },
      &server_);
  speak.Start(100);
  EXPECT_EQ(Text("a.test"), "192.0.2.1");
  EXPECT_EQ(server_.asked("a.test"), 2);
}

TEST_F(DnsTest, GarbageIsNoAnswer) {
  options_.timeout_ms = 300;
  options_.attempt_timeout_ms = 50;
  for (const std::string& garbage :
       {std::string("x"), std::string(12, '\0'), std::string(500, '\xff')}) {
    server_.garbage = garbage;
    const std::string text = Text("g" + std::to_string(garbage.size()) + ".test");
    EXPECT_TRUE(text == "DEADLINE_EXCEEDED" || text == "UNAVAILABLE") << text;
  }
}

TEST_F(DnsTest, EqualQuestionsShareOneLookup) {
  server_.Add("a.test", "192.0.2.1");
  int answered = 0;
  std::vector<std::unique_ptr<Resolver::Lookup>> lookups;
  for (int i = 0; i < 10; ++i) {
    lookups.push_back(resolver().Resolve("a.test", DnsFamily::kIpv4,
                                         [&](const auto& answer) { answered += answer.ok(); }));
  }
  EXPECT_TRUE(RunUntil(&dispatcher_, [&] { return answered == 10; }));
  EXPECT_EQ(server_.asked("a.test"), 1);
}

TEST_F(DnsTest, DestroyingALookupCancelsItAlone) {
  server_.Add("a.test", "192.0.2.1");
  int answered = 0;
  auto count = [&](const auto&) { ++answered; };
  auto cancelled = resolver().Resolve("a.test", DnsFamily::kIpv4, count);
  auto kept = resolver().Resolve("a.test", DnsFamily::kIpv4, count);
  auto literal = resolver().Resolve("192.0.2.9", DnsFamily::kIpv4, count);
  cancelled.reset();
  literal.reset();
  EXPECT_TRUE(RunUntil(&dispatcher_, [&] { return answered == 1; }));
  RunFor(&dispatcher_, 20);
  EXPECT_EQ(answered, 1);
  // What was asked is kept although the asker left.
  resolver().Resolve("a.test", DnsFamily::kIpv6, count).reset();
  RunFor(&dispatcher_, 20);
  EXPECT_EQ(answered, 1);
}

TEST_F(DnsTest, CallbacksMayDestroyLookupsAndAskAgain) {
  server_.Add("a.test", "192.0.2.1");
  server_.Add("b.test", "192.0.2.2");
  std::unique_ptr<Resolver::Lookup> first, second, third;
  bool done = false;
  first = resolver().Resolve("a.test", DnsFamily::kIpv4, [&](const auto&) {
    first.reset();
    second.reset();
    third = resolver().Resolve("b.test", DnsFamily::kIpv4, [&](const auto& answer) {
      EXPECT_EQ(answer->addresses[0].IpString(), "192.0.2.2");
      done = true;
      third.reset();
    });
  });
  second = resolver().Resolve("a.test", DnsFamily::kIpv4, [](const auto&) { FAIL(); });
  EXPECT_TRUE(RunUntil(&dispatcher_, [&] { return done; }));
}

TEST_F(DnsTest, LookupsMayOutliveTheResolver) {
  server_.silent = true;
  auto lookup = resolver().Resolve("a.test", DnsFamily::kAny, [](const auto&) { FAIL(); });
  auto literal = resolver().Resolve("::1", DnsFamily::kAny, [](const auto&) { FAIL(); });
  resolver_.reset();
  RunFor(&dispatcher_, 10);
}

TEST_F(DnsTest, LiteralsNeedNoServer) {
  EXPECT_EQ(Text("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(Text("2001:DB8::1", DnsFamily::kAny), "2001:db8::1");
  EXPECT_EQ(Text("2001:db8::1", DnsFamily::kIpv4), "NOT_FOUND");
  EXPECT_EQ(resolver().stats().queries.value(), 0u);
}

TEST_F(DnsTest, LocalhostNeedsNoServer) {  // RFC 6761 section 6.3
  EXPECT_EQ(Text("localhost"), "127.0.0.1");
  EXPECT_EQ(Text("LocalHost."), "127.0.0.1");
  EXPECT_EQ(Text("api.localhost"), "127.0.0.1");
  EXPECT_EQ(Text("localhost", DnsFamily::kIpv6), "::1");
  EXPECT_TRUE(Text("localhost", DnsFamily::kAny).starts_with("127.0.0.1"));
  EXPECT_EQ(resolver().stats().queries.value(), 0u);
  WriteFile(dir_ / "hosts", "127.0.0.9 localhost\n");
  RunFor(&dispatcher_, 1050);
  EXPECT_EQ(Text("localhost"), "127.0.0.9");
}

TEST_F(DnsTest, HostsFileGoesFirstAndIsReadAgain) {
  WriteFile(dir_ / "hosts",
            "# comment\n\n 192.0.2.10\tdb.test db # the database\r\n"
            "2001:db8::10 db.test\nfe80::1%lo0 link.test\nnonsense other.test\n"
            "192.0.2.11 DB.test\n192.0.2.11 db.test\n192.0.2.12\n");
  server_.Add("db.test", "192.0.2.99");
  EXPECT_EQ(Text("db.test"), "192.0.2.10 192.0.2.11");
  EXPECT_EQ(Text("db.test."), "192.0.2.10 192.0.2.11");
  EXPECT_EQ(Text("db"), "192.0.2.10");
  EXPECT_EQ(Text("db.test", DnsFamily::kIpv6), "2001:db8::10");
  EXPECT_EQ(Text("other.test"), "NOT_FOUND");
  EXPECT_EQ(server_.asked("db.test"), 0);
  ReplaceFile(dir_ / "hosts", "");
  RunFor(&dispatcher_, 1050);
  EXPECT_EQ(Text("db.test"), "192.0.2.99");
}

TEST_F(DnsTest, WhatIsNoHostNameIsNotAsked) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("a b"),
        std::string("a/b"), std::string("a\0b", 3), std::string("\xc3\xa9.test"),
        std::string("1.2.3.4:80"), std::string("[::1]"), std::string(64, 'a') + ".test",
        std::string(300, 'a')}) {
    EXPECT_EQ(Text(name), "INVALID_ARGUMENT") << name;
  }
  server_.Add("_srv.under-score.test", "192.0.2.1");
  EXPECT_EQ(Text("_srv.under-score.test"), "192.0.2.1");
}

TEST_F(DnsTest, SearchDomainsOfResolvConf) {
  WriteFile(dir_ / "resolv.conf", "search ns.svc.test svc.test\noptions ndots:2\n");
  server_.Add("db.svc.test", "192.0.2.1");
  server_.Add("a.b.example", "192.0.2.2");
  EXPECT_EQ(Text("db"), "192.0.2.1");
  EXPECT_EQ(server_.asked("db.ns.svc.test"), 1);
  EXPECT_EQ(Text("a.b.example"), "192.0.2.2");
  EXPECT_EQ(server_.asked("a.b.example.svc.test"), 0);
  EXPECT_EQ(Text("db."), "NOT_FOUND") << "absolute";
}

TEST_F(DnsTest, ResolvConfIsReadAgain) {
  server_.Add("db.new.test", "192.0.2.1");
  WriteFile(dir_ / "resolv.conf", "search old.test\n");
  options_.negative_ttl_ms = 1;
  EXPECT_EQ(Text("db"), "NOT_FOUND");
  ReplaceFile(dir_ / "resolv.conf", "search new.test\n");
  RunFor(&dispatcher_, 1050);
  EXPECT_EQ(Text("db"), "192.0.2.1");
}

TEST_F(DnsTest, TruncatedAnswersComeByTcp) {  // RFC 1035 section 4.2.2
  for (int i = 0; i < 200; ++i) server_.Add("many.test", "192.0.2." + std::to_string(i));
  const auto answer = Resolve("many.test");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->addresses.size(), 128u) << "bounded";
  EXPECT_EQ(server_.tcp_questions, 1);
}

TEST_F(DnsTest, CacheIsBounded) {
  options_.max_cached = 2;
  for (const char* name : {"a.test", "b.test", "c.test"}) {
    server_.Add(name, "192.0.2.1");
    EXPECT_EQ(Text(name), "192.0.2.1");
  }
  EXPECT_EQ(Text("b.test"), "192.0.2.1");
  EXPECT_EQ(Text("c.test"), "192.0.2.1");
  EXPECT_EQ(server_.asked("c.test"), 1);
  EXPECT_EQ(Text("a.test"), "192.0.2.1");
  EXPECT_EQ(server_.asked("a.test"), 2) << "the oldest has gone";
}

TEST_F(DnsTest, QuestionsUnderWayAreBounded) {
  options_.max_pending = 3;
  options_.timeout_ms = 100;
  options_.attempt_timeout_ms = 100;
  options_.attempts = 1;
  server_.silent = true;
  std::vector<std::unique_ptr<Resolver::Lookup>> lookups;
  std::vector<absl::StatusCode> codes;
  for (int i = 0; i < 5; ++i) {
    lookups.push_back(
        resolver().Resolve("n" + std::to_string(i) + ".test", DnsFamily::kIpv4,
                           [&](const auto& answer) { codes.push_back(answer.status().code()); }));
  }
  EXPECT_TRUE(RunUntil(&dispatcher_, [&] { return codes.size() == 5; }));
  EXPECT_EQ(std::count(codes.begin(), codes.end(), absl::StatusCode::kResourceExhausted), 2);
  EXPECT_EQ(std::count(codes.begin(), codes.end(), absl::StatusCode::kDeadlineExceeded), 3);
  // Places are free again.
  server_.silent = false;
  server_.Add("later.test", "192.0.2.1");
  RunFor(&dispatcher_, 300);
  EXPECT_EQ(Text("later.test"), "192.0.2.1");
}

}  // namespace
}  // namespace postern
