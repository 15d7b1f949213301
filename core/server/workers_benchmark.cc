// How the rate grows with the number of workers. The load comes from inside, since every core is a
// worker's: each worker's loop also runs clients, which the kernel spreads over the workers'
// listening sockets. So a request costs its client's share of CPU too, and what workers share with
// each other, beginning with the kernel's loopback, is in the figure. Compare items_per_second of
// `workers:2` with that of `workers:1`.

#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/config/runtime_snapshot.h"
#include "core/config/test_snapshot.h"
#include "core/net/socket_io.h"
#include "core/server/listener_spec.h"
#include "core/server/worker.h"

namespace postern {
namespace {

constexpr int kClientsPerWorker = 32;
constexpr std::string_view kRequest =
    "GET /pets HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";

// A connection that asks again as soon as it is answered. Lives on one worker's loop.
class Client {
 public:
  Client(Dispatcher* dispatcher, const Address& server, std::atomic<uint64_t>* answers)
      : answers_(answers), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage storage;
    const socklen_t size = server.ToSockaddr(&storage);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&storage), size) != 0) std::abort();
    watcher_.Open(
        dispatcher->sockets(), fd_,
        [](void* arg, SocketEvents events) {
          if (events.readable) static_cast<Client*>(arg)->OnReadable();
        },
        this);
    Ask();
  }
  ~Client() {
    watcher_.Close();
    ::close(fd_);
  }

 private:
  void Ask() {
    if (SocketSend(fd_, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) std::abort();
  }
  void OnReadable() {
    char buffer[4096];
    const ssize_t n = SocketReceive(fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n <= 0) return;
    // The answer is the gateway's own, and one small write.
    const std::string_view answer(buffer, static_cast<size_t>(n));
    if (!answer.starts_with("HTTP/1.1 500 ") || !answer.ends_with("}")) std::abort();
    // Clients of one loop only: no other writes this counter.
    answers_->store(answers_->load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    Ask();
  }

  std::atomic<uint64_t>* answers_;
  int fd_;
  SocketWatcher watcher_;
};

struct alignas(128) Load {
  std::atomic<uint64_t> answers{0};
  std::vector<std::unique_ptr<Client>> clients;
};

void Await(const std::atomic<size_t>& count, size_t all) {
  while (count.load() < all) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void BM_Workers(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(0));
  TestSnapshot test;
  test.method(1)->clear_integration();
  test.method(1)->set_unavailable_reason("it is not there");
  RuntimeSnapshot::Options options;
  options.workers = count;
  const RuntimeSnapshot::Built built = RuntimeSnapshot::Build(test.Finish(), options);
  if (built.snapshot == nullptr) {
    state.SkipWithError("not built");
    return;
  }
  MetricsRegistry metrics({.workers = count});
  AccessLogs logs(count);
  XRayTracer tracer;
  FilterStatsRegistry filter_stats(count);
  const auto serving = MakeServingSnapshot(built.snapshot, {&metrics, &logs, &tracer}).value();
  const ListenerConfig& config = serving->runtime->listeners().front();
  const auto spec = MakeListenerSpec(config, nullptr, nullptr, nullptr).value();
  ListenSocket first = ListenSocket::Bind(Address::ParseIp("127.0.0.1", 0).value(), {}).value();
  const Address address = first.address();

  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<Load> loads(count);
  std::atomic<size_t> ready{0};
  for (size_t i = 0; i < count; ++i) {
    workers.push_back(std::make_unique<Worker>(i, &metrics, &filter_stats));
    workers[i]->Start();
    auto socket = std::make_shared<ListenSocket>(i == 0 ? std::move(first)
                                                        : first.ForAnotherWorker().value());
    if (i == 0) first = socket->ForAnotherWorker().value();
    workers[i]->Post([&, i, socket] {
      workers[i]->Prepare(serving, 1000, [&, i, socket](const absl::Status& status, bool) {
        if (!status.ok()) std::abort();
        workers[i]->Commit();
        if (!workers[i]->AddListener("http", std::move(*socket), spec).ok()) std::abort();
        ++ready;
      });
    });
  }
  Await(ready, count);
  first.Close();
  ready = 0;
  for (size_t i = 0; i < count; ++i) {
    workers[i]->Post([&, i] {
      for (int c = 0; c < kClientsPerWorker; ++c) {
        loads[i].clients.push_back(
            std::make_unique<Client>(workers[i]->dispatcher(), address, &loads[i].answers));
      }
      ++ready;
    });
  }
  Await(ready, count);

  const auto total = [&] {
    uint64_t sum = 0;
    for (const Load& load : loads) sum += load.answers.load(std::memory_order_relaxed);
    return sum;
  };
  uint64_t answered = 0;
  for (auto _ : state) {
    const uint64_t before = total();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    answered += total() - before;
  }
  state.SetItemsProcessed(static_cast<int64_t>(answered));

  ready = 0;
  for (size_t i = 0; i < count; ++i) {
    workers[i]->Post([&, i] {
      loads[i].clients.clear();
      ++ready;
    });
  }
  Await(ready, count);
  for (const auto& worker : workers) worker->StopAndJoin();
}
BENCHMARK(BM_Workers)
    ->ArgName("workers")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace postern
