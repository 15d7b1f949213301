// Our client against our server, and each against nghttp2's own session with its checks on: bytes
// cut at random, windows and sockets that fill up at random, bodies of all sizes in both
// directions.

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/http/http1/test_support.h"
#include "core/http/http2/client_codec.h"
#include "core/http/http2/server_codec.h"
#include "core/http/http2/test_support.h"

namespace postern {
namespace {

// A wire that takes `room` bytes at a time and holds the rest back.
struct Wire final : ByteSink {
  char* Reserve(size_t size) override {
    scratch.resize(size);
    return scratch.data();
  }
  void Commit(size_t size) override { Write({scratch.data(), size}); }
  void Write(std::string_view data) override { bytes.append(data); }
  size_t buffered() const override { return bytes.size() > room ? bytes.size() - room : 0; }

  std::string scratch;
  std::string bytes;
  size_t room = 65536;
};

std::string Pattern(size_t size, uint32_t seed) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 7 + seed) % 26);
  return out;
}

// A source that stops when it is told to.
template <typename Stream>
struct Pusher {
  void Push() {
    while (stream != nullptr && !ended && stream->buffered() == 0) {
      if (at == body.size()) {
        ended = true;
        stream->SendEnd(nullptr);
        return;
      }
      const std::string_view piece = std::string_view(body).substr(at, step);
      at += piece.size();
      stream->SendBody(piece);
    }
  }
  Stream* stream = nullptr;
  std::string body;
  size_t at = 0;
  size_t step = 1000;
  bool ended = false;
};

// Echoes what it is sent, behind the request's target.
struct Echo final : RequestReceiver {
  Echo(BlockPool* pool, ServerStream* to) : arena(pool), head(&arena), stream(to) {}
  RequestHead* request_head() override { return &head; }
  void OnHead(bool end) override {
    if (end) Answer();
  }
  void OnBody(std::string_view data) override {
    content.append(data);
    stream->Consume(data.size());
  }
  void OnEnd(const HeaderMap*) override { Answer(); }
  void OnReset(ResetReason) override {
    pusher.stream = nullptr;
    reset = true;
  }
  void OnWritable() override { pusher.Push(); }
  void Answer() {
    ResponseHead response(&arena);
    response.status = 200;
    response.headers.Add("x-target", head.target);
    pusher.body = content;
    pusher.stream = stream;
    const bool known = content.size() % 2 == 0;
    response.body = content.empty() ? BodyKind::kNone
                    : known         ? BodyKind::kLength
                                    : BodyKind::kUnknown;
    response.content_length = known ? content.size() : 0;
    stream->SendHead(response, content.empty());
    if (content.empty()) {
      pusher.ended = true;
    } else {
      pusher.Push();
    }
  }
  Arena arena;
  RequestHead head;
  ServerStream* stream;
  std::string content;
  Pusher<ServerStream> pusher;
  bool reset = false;
};

struct EchoServer final : ServerCodecEvents {
  RequestReceiver* OnNewStream(ServerStream* stream) override {
    echoes.push_back(std::make_unique<Echo>(&pool, stream));
    return echoes.back().get();
  }
  void OnRejected(uint16_t, std::string_view detail) override {
    ADD_FAILURE() << "rejected: " << detail;
  }
  BlockPool pool;
  std::vector<std::unique_ptr<Echo>> echoes;
};

struct Caller final : ResponseReceiver {
  explicit Caller(BlockPool* pool) : arena(pool), head(&arena) {}
  ResponseHead* response_head() override { return &head; }
  void OnInformational(uint16_t, const HeaderMap&) override {}
  void OnHead(bool end) override { done = end; }
  void OnBody(std::string_view data) override {
    received.append(data);
    owed += data.size();
  }
  void OnEnd(const HeaderMap*) override {
    done = true;
    // The tie is cut unless our own end, which may be on the wire already, was not announced yet.
    if (pusher.stream != nullptr && !pusher.ended) stream->SendEnd(nullptr);
    pusher.stream = nullptr;
  }
  void OnReset(ResetReason) override {
    reset = true;
    pusher.stream = nullptr;
  }
  void OnWritable() override { pusher.Push(); }
  Arena arena;
  ResponseHead head;
  Pusher<ClientStream> pusher;
  ClientStream* stream = nullptr;
  std::string received;
  size_t owed = 0;
  bool done = false;
  bool reset = false;
};

class Pair : public testing::TestWithParam<int> {};

TEST_P(Pair, EchoesEverything) {
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  Wire up;
  Wire down;
  Http2Options server_options;
  server_options.max_resets = 100000;
  Http2Options client_options = Http2ClientOptions();
  EchoServer events;
  SeenClient client_events;
  BlockPool pool;
  Http2ServerCodec server(&down, &events, server_options);
  Http2ClientCodec client(&up, &client_events, client_options);
  std::vector<std::unique_ptr<Caller>> callers;
  size_t next = 0;
  size_t cancelled = 0;
  constexpr size_t kExchanges = 120;
  size_t rounds = 0;
  for (; rounds < 200000; ++rounds) {
    while (next < kExchanges && client.capacity() > 0 && below(3) == 0) {
      callers.push_back(std::make_unique<Caller>(&pool));
      Caller* caller = callers.back().get();
      caller->stream = client.NewStream(caller);
      ASSERT_NE(caller->stream, nullptr);
      const size_t sizes[] = {0, 1, 10, 1000, 16384, 16385, 70000, 300000};
      const size_t size = sizes[below(8)];
      RequestHead head(&caller->arena);
      head.method = Method::kPost;
      head.scheme = "http";
      head.authority = "a";
      head.target = caller->arena.Copy("/" + std::to_string(next));
      const bool known = below(2) == 0;
      head.body = size == 0 ? BodyKind::kNone : known ? BodyKind::kLength : BodyKind::kUnknown;
      head.content_length = known ? size : 0;
      caller->pusher.body = Pattern(size, static_cast<uint32_t>(next));
      caller->pusher.step = 1 + below(30000);
      caller->stream->SendHead(head, size == 0);
      if (size > 0) {
        caller->pusher.stream = caller->stream;
        caller->pusher.Push();
      } else {
        caller->pusher.ended = true;
      }
      ++next;
    }
    // Some bytes, cut anywhere; a wire moves only as it is drained.
    for (auto [wire, to_server] : {std::pair(&up, true), std::pair(&down, false)}) {
      const bool was_blocked = wire->buffered() > 0;
      const std::string piece = wire->bytes.substr(0, 1 + below(below(2) == 0 ? 50 : 40000));
      wire->bytes.erase(0, piece.size());
      if (!piece.empty()) {
        if (to_server) {
          server.OnData(piece, rounds);
        } else {
          client.OnData(piece, rounds);
        }
      }
      wire->room = below(100000);
      if (was_blocked && wire->buffered() == 0) {
        if (to_server) {
          client.OnSinkWritable();
        } else {
          server.OnSinkWritable();
        }
      }
    }
    // Readers read a little later.
    for (auto& caller : callers) {
      if (caller->owed > 0 && !caller->done && !caller->reset && below(4) != 0) {
        const size_t some = 1 + below(caller->owed);
        caller->owed -= some;
        caller->stream->Consume(some);
      }
    }
    if (next == kExchanges && client.active_streams() == 0) break;
    if (below(2000) == 0 && !callers.empty()) {
      Caller* caller = callers[below(callers.size())].get();
      if (!caller->done && !caller->reset) {
        caller->reset = true;
        caller->pusher.stream = nullptr;
        ++cancelled;
        caller->stream->Reset(ResetReason::kCancelled);
      }
    }
    // A blocked wire that nobody looks at for a while would never be reported: report it.
    up.room = down.room = 65536;
    if (up.buffered() == 0) client.OnSinkWritable();
    if (down.buffered() == 0) server.OnSinkWritable();
  }
  EXPECT_LT(rounds, 200000u);
  EXPECT_FALSE(server.Done());
  EXPECT_FALSE(client.Done());
  EXPECT_EQ(callers.size(), kExchanges);
  size_t complete = 0;
  for (size_t i = 0; i < callers.size(); ++i) {
    const Caller& caller = *callers[i];
    if (caller.reset) continue;
    ++complete;
    EXPECT_TRUE(caller.done);
    EXPECT_EQ(caller.received, caller.pusher.body) << i;
    EXPECT_EQ(caller.head.headers.Find("x-target")->value, "/" + std::to_string(i));
  }
  EXPECT_EQ(complete + cancelled, kExchanges);
}
INSTANTIATE_TEST_SUITE_P(Seeds, Pair, testing::Range(1, 21));

// nghttp2's session as the peer, with its own view of what HTTP allows.
struct Peer {
  explicit Peer(bool server) {
    nghttp2_session_callbacks* callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks,
        [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
          static_cast<Peer*>(user)->content[id].append(reinterpret_cast<const char*>(data), size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks,
        [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
           const uint8_t* value, size_t value_size, uint8_t, void* user) {
          static_cast<Peer*>(user)
              ->fields[frame->hd.stream_id]
              .append(reinterpret_cast<const char*>(name), name_size)
              .append("=")
              .append(reinterpret_cast<const char*>(value), value_size)
              .append(";");
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session* session, const nghttp2_frame* frame, void* user) {
          auto* self = static_cast<Peer*>(user);
          const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                            (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS);
          if (ends && self->answers) {
            const nghttp2_nv nv[] = {Nv(":status", "200"), Nv("x-from", "nghttp2")};
            nghttp2_data_provider provider{};
            provider.source.ptr = &self->content[frame->hd.stream_id];
            provider.read_callback = ReadString;
            nghttp2_submit_response(session, frame->hd.stream_id, nv, 2, &provider);
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, int32_t id, uint32_t error, void* user) {
          static_cast<Peer*>(user)->closed[id] = error;
          return 0;
        });
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, int error, void*) {
          ADD_FAILURE() << "frame " << int{frame->hd.type} << ": " << nghttp2_strerror(error);
          return 0;
        });
    answers = server;
    if (server) {
      nghttp2_session_server_new(&session, callbacks, this);
    } else {
      nghttp2_session_client_new(&session, callbacks, this);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Peer() { nghttp2_session_del(session); }

  static nghttp2_nv Nv(std::string_view name, std::string_view value) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
            reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }
  static ssize_t ReadString(nghttp2_session*, int32_t, uint8_t* to, size_t size, uint32_t* flags,
                            nghttp2_data_source* source, void*) {
    auto* body = static_cast<std::string*>(source->ptr);
    const size_t take = std::min(size, body->size());
    std::copy_n(body->data(), take, to);
    body->erase(0, take);
    if (body->empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(take);
  }
  std::string Send() {
    std::string out;
    const uint8_t* data;
    ssize_t size;
    while ((size = nghttp2_session_mem_send(session, &data)) > 0) {
      out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    }
    EXPECT_EQ(size, 0);
    return out;
  }
  void Receive(std::string_view bytes) {
    EXPECT_EQ(nghttp2_session_mem_recv(session, reinterpret_cast<const uint8_t*>(bytes.data()),
                                       bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }

  nghttp2_session* session = nullptr;
  bool answers = false;
  std::map<int32_t, std::string> content;
  std::map<int32_t, std::string> fields;
  std::map<int32_t, uint32_t> closed;
};

TEST(Nghttp2, ClientAgainstOurServer) {
  Wire down;
  EchoServer events;
  Http2Options options;
  Http2ServerCodec server(&down, &events, options);
  Peer peer(/*server=*/false);
  std::vector<std::string> bodies;
  for (const size_t size : {0u, 1u, 1000u, 100000u, 400001u}) bodies.push_back(Pattern(size, 3));
  std::vector<std::string> left = bodies;
  for (std::string& body : left) {
    const nghttp2_nv nv[] = {Peer::Nv(":method", "POST"), Peer::Nv(":scheme", "https"),
                             Peer::Nv(":authority", "a"), Peer::Nv(":path", "/p"),
                             Peer::Nv("cookie", "a=b"),   Peer::Nv("cookie", "c=d")};
    nghttp2_data_provider provider{};
    provider.source.ptr = &body;
    provider.read_callback = Peer::ReadString;
    nghttp2_submit_request(peer.session, nullptr, nv, 6, body.empty() ? nullptr : &provider,
                           nullptr);
  }
  for (int i = 0; i < 2000 && peer.closed.size() < bodies.size(); ++i) {
    server.OnData(peer.Send(), 0);
    peer.Receive(std::exchange(down.bytes, {}));
    server.OnSinkWritable();
  }
  for (size_t i = 0; i < bodies.size(); ++i) {
    const int32_t id = static_cast<int32_t>(2 * i + 1);
    EXPECT_EQ(peer.content[id], bodies[i]) << i;
    EXPECT_EQ(peer.closed[id], 0u) << i;
    EXPECT_NE(peer.fields[id].find(":status=200;x-target=/p;"), std::string::npos);
    EXPECT_EQ(events.echoes[i]->head.headers.Find(HeaderId::kCookie)->value, "a=b; c=d");
  }
  EXPECT_EQ(server.active_streams(), 0u);
}

TEST(Nghttp2, ServerAgainstOurClient) {
  Wire up;
  SeenClient events;
  BlockPool pool;
  Http2Options options = Http2ClientOptions();
  Http2ClientCodec client(&up, &events, options);
  Peer peer(/*server=*/true);
  std::vector<std::unique_ptr<Caller>> callers;
  for (const size_t size : {0u, 1u, 1000u, 100000u, 400001u}) {
    callers.push_back(std::make_unique<Caller>(&pool));
    Caller* caller = callers.back().get();
    caller->stream = client.NewStream(caller);
    RequestHead head(&caller->arena);
    head.method = Method::kPost;
    head.authority = "a";
    head.target = "/";
    head.body = size == 0 ? BodyKind::kNone : BodyKind::kLength;
    head.content_length = size;
    caller->pusher.body = Pattern(size, 5);
    caller->stream->SendHead(head, size == 0);
    if (size > 0) {
      caller->pusher.stream = caller->stream;
      caller->pusher.Push();
    }
  }
  for (int i = 0; i < 2000 && client.active_streams() > 0; ++i) {
    peer.Receive(std::exchange(up.bytes, {}));
    client.OnSinkWritable();
    client.OnData(peer.Send(), 0);
    for (auto& caller : callers) {
      if (caller->owed > 0 && !caller->done)
        caller->stream->Consume(std::exchange(caller->owed, 0));
    }
  }
  for (const auto& caller : callers) {
    EXPECT_TRUE(caller->done);
    EXPECT_FALSE(caller->reset);
    EXPECT_EQ(caller->received, caller->pusher.body);
    EXPECT_EQ(caller->head.headers.Find("x-from")->value, "nghttp2");
  }
  EXPECT_EQ(client.active_streams(), 0u);
}

}  // namespace
}  // namespace postern
