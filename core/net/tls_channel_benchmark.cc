#include <benchmark/benchmark.h>

#include <string>

#include "core/net/test_certificates.h"
#include "core/net/test_tls_peer.h"
#include "core/net/tls_context.h"
#include "core/net/tls_ticket_keys.h"

namespace postern {
namespace {

// A client and a server in memory.
struct Session {
  Session()
      : root(MakeTestCertificate({.common_name = "root", .is_ca = true})),
        leaf(MakeTestCertificate({.subject_alt_names = {"DNS:a.example"}}, &root)),
        server_context(*TlsServerContext::Create(
            TlsServerOptions{.identities = {{.certificate_chain = {.inline_pem = leaf.chain_pem},
                                             .private_key = {.inline_pem = leaf.key_pem}}}},
            std::make_shared<TlsTicketKeys>(7200))),
        client_context(*TlsClientContext::Create(
            TlsClientOptions{.truststore = {.inline_pem = root.certificate_pem}})),
        client(client_context->MakeClientChannel("a.example")),
        server(server_context->MakeServerChannel()) {
    client.Start();
    Exchange(&client, &server);
  }
  TestIdentity root, leaf;
  std::shared_ptr<TlsServerContext> server_context;
  std::shared_ptr<TlsClientContext> client_context;
  TlsPeer client, server;
};

// The server's part of `bytes` in and as many out; the client's part is not counted.
void BM_Exchange(benchmark::State& state) {
  Session session;
  const std::string data(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    state.PauseTiming();
    session.client.Send(data);
    const std::string request = std::exchange(session.client.out, {});
    state.ResumeTiming();
    session.server.in.clear();
    session.server.Receive(request);
    session.server.Send(data);
    state.PauseTiming();
    session.client.in.clear();
    session.client.Receive(std::exchange(session.server.out, {}));
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * 2 * state.range(0));
}
BENCHMARK(BM_Exchange)->Arg(256)->Arg(16384)->Arg(65536);

// Both parts of `bytes` one way.
void BM_OneWay(benchmark::State& state) {
  Session session;
  const std::string data(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    session.client.Send(data);
    session.server.in.clear();
    session.server.Receive(session.client.out);
    session.client.out.clear();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_OneWay)->Arg(256)->Arg(16384)->Arg(65536);

// Both parts of a whole handshake, the second and later ones resumed.
void BM_Handshake(benchmark::State& state) {
  Session session;
  for (auto _ : state) {
    TlsPeer client(session.client_context->MakeClientChannel("a.example"));
    TlsPeer server(session.server_context->MakeServerChannel());
    client.Start();
    Exchange(&client, &server);
    if (!server.channel->handshake_done()) state.SkipWithError("no handshake");
  }
}
BENCHMARK(BM_Handshake);

}  // namespace
}  // namespace postern
