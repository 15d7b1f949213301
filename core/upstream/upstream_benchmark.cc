// The upstream side of a proxied request, one after the other on one connection over loopback. Most
// of it is the kernel's and the server thread's: compare with BM_SendAndReceive, which does nothing
// else.
#include <benchmark/benchmark.h>

#include "core/upstream/steady_state_support.h"

namespace postern {
namespace {

void BM_Request(benchmark::State& state) {
  ThreadedServer server;
  Dispatcher dispatcher;
  NetContext net(&dispatcher);
  NoResolver resolver;
  ClusterConfig config;
  config.name = "c";
  config.endpoints = {{.host = "127.0.0.1", .port = server.port, .unix_path = "", .weight = 1}};
  auto set = ClusterSet::Build({config}, 1, nullptr);
  ClusterManager manager({.net = &net, .resolver = &resolver, .worker = 0});
  manager.Activate(set);
  Chain chain(&dispatcher, manager.Get({set.get(), 0}), state.range(0) != 0);
  for (auto _ : state) chain.Run(100);
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(BM_Request)->Arg(0)->Arg(1)->MeasureProcessCPUTime()->UseRealTime();

// The same bytes without a loop, a codec or a pool.
void BM_SendAndReceive(benchmark::State& state) {
  ThreadedServer server;
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(server.port);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) std::abort();
  const std::string request =
      "GET /pets/1 HTTP/1.1\r\nHost: upstream.example\r\naccept: */*\r\n\r\n";
  char buffer[4096];
  for (auto _ : state) {
    for (int i = 0; i < 100; ++i) {
      if (::send(fd, request.data(), request.size(), 0) < 0) std::abort();
      if (::recv(fd, buffer, sizeof(buffer), 0) <= 0) std::abort();
    }
  }
  ::close(fd);
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(BM_SendAndReceive)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace
}  // namespace postern
