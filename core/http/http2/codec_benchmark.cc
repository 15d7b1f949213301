// What one exchange costs each codec: a request as h2load sends it, answered with a head of five
// fields and 256 bytes. Nothing but the codec: no socket, no loop.

#include <benchmark/benchmark.h>
#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/arena.h"
#include "core/http/http2/client_codec.h"
#include "core/http/http2/server_codec.h"
#include "core/http/http2/test_support.h"

namespace postern {
namespace {

// Takes what it is given into one buffer, as a connection does within an iteration.
struct CorkSink final : ByteSink {
  char* Reserve(size_t size) override {
    if (used + size > sizeof(buffer)) used = 0;
    return buffer + used;
  }
  void Commit(size_t size) override { used += size; }
  void Write(std::string_view data) override {
    char* at = Reserve(data.size());
    std::copy(data.begin(), data.end(), at);
    Commit(data.size());
  }
  size_t buffered() const override { return 0; }
  char buffer[256 * 1024];
  size_t used = 0;
};

const std::string kBody(256, 'x');

struct Answering final : RequestReceiver {
  explicit Answering(BlockPool* pool) : arena(pool), head(&arena), response(&arena) {}
  RequestHead* request_head() override { return &head; }
  void OnHead(bool) override {
    response.headers.Add(HeaderId::kContentType, "Content-Type", "application/json");
    response.headers.Add(HeaderId::kDate, "Date", "Tue, 20 May 2025 10:00:00 GMT");
    response.headers.Add(HeaderId::kServer, "Server", "nginx");
    response.headers.Add(HeaderId::kXAmznRequestId, "x-amzn-RequestId",
                         "c6af9ac6-7b61-11e6-9a41-93e8deadbeef");
    response.body = BodyKind::kLength;
    response.content_length = kBody.size();
    stream->SendHead(response, false);
    stream->SendBody(kBody);
    stream->SendEnd(nullptr);
  }
  void OnBody(std::string_view) override {}
  void OnEnd(const HeaderMap*) override {}
  void OnReset(ResetReason) override {}
  void OnWritable() override {}

  Arena arena;
  RequestHead head;
  ResponseHead response;
  ServerStream* stream = nullptr;
};

struct Session final : ServerCodecEvents {
  RequestReceiver* OnNewStream(ServerStream* stream) override {
    current.reset();
    current = std::make_unique<Answering>(&pool);
    current->stream = stream;
    ++requests;
    return current.get();
  }
  void OnRejected(uint16_t, std::string_view) override { std::abort(); }
  BlockPool pool;
  std::unique_ptr<Answering> current;
  uint64_t requests = 0;
};

// Field blocks of a client that sends the same request again: the first fills the table, the others
// refer to it.
std::pair<std::string, std::string> Blocks(const h2::Fields& fields) {
  nghttp2_hd_deflater* deflater;
  nghttp2_hd_deflate_new(&deflater, 4096);
  std::vector<nghttp2_nv> nv;
  for (const auto& [name, value] : fields) {
    nv.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                  reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                  value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  std::string blocks[2];
  for (std::string& block : blocks) {
    uint8_t buffer[4096];
    const ssize_t size =
        nghttp2_hd_deflate_hd(deflater, buffer, sizeof(buffer), nv.data(), nv.size());
    block.assign(reinterpret_cast<char*>(buffer), static_cast<size_t>(size));
  }
  nghttp2_hd_deflate_del(deflater);
  return {blocks[0], blocks[1]};
}

void BM_ServerRequests(benchmark::State& state) {
  const auto batch = static_cast<uint32_t>(state.range(0));
  const auto [first, again] = Blocks({{":method", "GET"},
                                      {":scheme", "http"},
                                      {":authority", "localhost:8080"},
                                      {":path", "/bench"},
                                      {"user-agent", "h2load nghttp2/1.52.0"},
                                      {"accept", "*/*"},
                                      {"accept-encoding", "gzip, deflate"},
                                      {"x-client", "benchmark"}});
  auto sink = std::make_unique<CorkSink>();
  Session session;
  Http2Options options;
  Http2ServerCodec codec(sink.get(), &session, options);
  codec.OnData(std::string(h2::kClientPreface) + h2::Settings({{4, 0x7fffffff}}) +
                   h2::SettingsAck() + h2::WindowUpdate(0, 0x7fffffff - 65535) +
                   h2::Headers(1, first),
               0);
  std::string read;
  for (uint32_t i = 0; i < batch; ++i) read += h2::Headers(1, again);
  const size_t frame = 9 + again.size();
  uint32_t id = 3;
  uint64_t sent = 0;
  for (auto _ : state) {
    for (uint32_t i = 0; i < batch; ++i, id += 2) {
      const std::string number = h2::U32(id);
      std::copy(number.begin(), number.end(), read.begin() + static_cast<ptrdiff_t>(i * frame + 5));
    }
    codec.OnData(read, 0);
    sent += batch * kBody.size();
    if (sent > 1u << 30) {
      codec.OnData(h2::WindowUpdate(0, static_cast<uint32_t>(sent)), 0);
      sent = 0;
    }
    sink->used = 0;
    if (codec.Done()) std::abort();
  }
  state.SetItemsProcessed(static_cast<int64_t>(session.requests));
}
BENCHMARK(BM_ServerRequests)->Arg(1)->Arg(10)->Arg(100);

struct Asking final : ResponseReceiver {
  explicit Asking(BlockPool* pool) : arena(pool), head(&arena) {}
  ResponseHead* response_head() override { return &head; }
  void OnInformational(uint16_t, const HeaderMap&) override {}
  void OnHead(bool) override {}
  void OnBody(std::string_view data) override { stream->Consume(data.size()); }
  void OnEnd(const HeaderMap*) override { ended = true; }
  void OnReset(ResetReason) override { std::abort(); }
  void OnWritable() override {}
  Arena arena;
  ResponseHead head;
  ClientStream* stream = nullptr;
  bool ended = false;
};

struct ClientEvents final : ClientCodecEvents {
  void OnCapacityChanged() override {}
};

void BM_ClientExchanges(benchmark::State& state) {
  const auto [first, again] = Blocks({{":status", "200"},
                                      {"content-type", "application/json"},
                                      {"date", "Tue, 20 May 2025 10:00:00 GMT"},
                                      {"server", "nginx"},
                                      {"content-length", "256"}});
  auto sink = std::make_unique<CorkSink>();
  ClientEvents events;
  BlockPool pool;
  const Http2Options options = Http2ClientOptions();
  Http2ClientCodec codec(sink.get(), &events, options);
  codec.OnData(h2::Settings() + h2::SettingsAck(), 0);
  uint32_t id = 1;
  for (auto _ : state) {
    Asking asking(&pool);
    asking.stream = codec.NewStream(&asking);
    RequestHead head(&asking.arena);
    head.scheme = "http";
    head.authority = "localhost:8080";
    head.target = "/bench";
    head.headers.Add(HeaderId::kUserAgent, "user-agent", "h2load nghttp2/1.52.0");
    head.headers.Add(HeaderId::kAccept, "accept", "*/*");
    head.headers.Add(HeaderId::kXForwardedFor, "X-Forwarded-For", "127.0.0.1");
    head.headers.Add(HeaderId::kXAmznTraceId, "X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345");
    asking.stream->SendHead(head, true);
    codec.OnData(h2::Headers(id, id == 1 ? first : again, kFlagEndHeaders) +
                     h2::Data(id, kBody, kFlagEndStream),
                 0);
    if (!asking.ended) std::abort();
    sink->used = 0;
    id += 2;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ClientExchanges);

// Content alone, in pieces as an upstream delivers them.
void BM_ServerContent(benchmark::State& state) {
  const std::string piece(static_cast<size_t>(state.range(0)), 'x');
  auto sink = std::make_unique<CorkSink>();
  struct Keeping final : ServerCodecEvents, RequestReceiver {
    Keeping() : arena(&pool), head(&arena) {}
    RequestReceiver* OnNewStream(ServerStream* to) override {
      stream = to;
      return this;
    }
    void OnRejected(uint16_t, std::string_view) override {}
    RequestHead* request_head() override { return &head; }
    void OnHead(bool) override {}
    void OnBody(std::string_view) override {}
    void OnEnd(const HeaderMap*) override {}
    void OnReset(ResetReason) override {}
    void OnWritable() override {}
    BlockPool pool;
    Arena arena;
    RequestHead head;
    ServerStream* stream = nullptr;
  } keeping;
  Http2Options options;
  Http2ServerCodec codec(sink.get(), &keeping, options);
  codec.OnData(std::string(h2::kClientPreface) + h2::Settings({{4, 0x7fffffff}}) +
                   h2::WindowUpdate(0, 0x7fffffff - 65535) + h2::Headers(1, h2::kGet),
               0);
  ResponseHead head(&keeping.arena);
  head.body = BodyKind::kUnknown;
  keeping.stream->SendHead(head, false);
  uint64_t sent = 0;
  for (auto _ : state) {
    keeping.stream->SendBody(piece);
    sink->used = 0;
    sent += piece.size();
    if (sent > 1u << 30) {
      const auto given = static_cast<uint32_t>(sent);
      codec.OnData(h2::WindowUpdate(0, given) + h2::WindowUpdate(1, given), 0);
      sent = 0;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * piece.size()));
}
BENCHMARK(BM_ServerContent)->Arg(256)->Arg(16384)->Arg(65536);

}  // namespace
}  // namespace postern
