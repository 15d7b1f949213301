// Whatever an upstream sends, the client codec neither crashes nor tells a receiver what is not so:
// a response that looks complete is complete.
//
// The first byte chooses how bytes are cut, the second how receivers behave. Ten requests are under
// way: GET, POST with content, HEAD.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/http1/test_support.h"
#include "core/http/http2/client_codec.h"

namespace postern {
namespace {

struct Attempt final : ResponseReceiver {
  Attempt(BlockPool* pool, uint8_t how) : arena(pool), head(&arena), mode(how) {}
  ResponseHead* response_head() override { return &head; }
  void OnInformational(uint16_t status, const HeaderMap&) override {
    Require(tied && !got_head && status > 100 && status < 200 && status != 101);
    if (mode % 16 == 1) Reset();
  }
  void OnHead(bool end) override {
    Require(tied && !got_head && head.status >= 200 && head.status < 600);
    got_head = true;
    for (const HeaderField& field : head.headers) {
      Require(IsToken(field.name) && IsFieldValue(field.value));
      Require(field.id != HeaderId::kConnection && field.id != HeaderId::kTransferEncoding &&
              field.id != HeaderId::kContentLength);
    }
    Require(!end || head.body != BodyKind::kLength);
    if (end) Ended();
    if (mode % 16 == 2) Reset();
  }
  void OnBody(std::string_view data) override {
    Require(tied && got_head && !ended && !data.empty());
    received += data.size();
    Require(head.body != BodyKind::kLength || received <= head.content_length);
    Require(!ResponseHasNoBody(method, head.status));
    if (mode % 4 != 3) stream->Consume(data.size());
    if (mode % 16 == 3) Reset();
  }
  void OnEnd(const HeaderMap*) override {
    Require(tied && got_head && !ended);
    Require(head.body != BodyKind::kLength || received == head.content_length);
    Ended();
  }
  void OnReset(ResetReason) override {
    Require(tied);  // behind the response's end, too, while the request has not ended
    tied = false;
  }
  void OnWritable() override {
    Require(tied);
    Push();
  }
  void Ended() {
    ended = true;
    if (sent) tied = false;
  }
  void Push() {
    static const std::string kBytes(3000, 'x');
    while (tied && !sent && stream->buffered() == 0) {
      if (left == 0) {
        sent = true;
        if (ended) tied = false;
        stream->SendEnd(nullptr);
        return;
      }
      const size_t take = std::min(left, kBytes.size());
      left -= take;
      stream->SendBody(std::string_view(kBytes).substr(0, take));
    }
  }
  void Reset() {
    if (!tied) return;
    tied = false;
    stream->Reset(ResetReason::kCancelled);
  }
  static void Require(bool holds) {
    if (!holds) std::abort();
  }

  Arena arena;
  ResponseHead head;
  uint8_t mode;
  Method method = Method::kGet;
  ClientStream* stream = nullptr;
  bool tied = false;
  bool got_head = false;
  bool ended = false;
  bool sent = false;
  size_t left = 0;
  uint64_t received = 0;
};

std::string Run(std::string_view bytes, size_t piece, uint8_t mode) {
  Http2Options options = Http2ClientOptions();
  options.max_head_fields = 600;
  options.max_field_count = 20;
  options.max_trailer_bytes = 100;
  CapturingSink sink;
  SeenClient events;
  BlockPool pool;
  Http2ClientCodec codec(&sink, &events, options);
  if (mode % 2 == 0) codec.OnData(std::string_view("\0\0\0\4\0\0\0\0\0", 9), 0);
  std::vector<std::unique_ptr<Attempt>> attempts;
  for (int i = 0; i < 10; ++i) {
    if (codec.capacity() == 0) break;
    attempts.push_back(std::make_unique<Attempt>(&pool, mode));
    Attempt* attempt = attempts.back().get();
    attempt->stream = codec.NewStream(attempt);
    attempt->tied = true;
    RequestHead head(&attempt->arena);
    head.target = "/";
    head.authority = "a";
    attempt->method = head.method = i % 3 == 0   ? Method::kGet
                                    : i % 3 == 1 ? Method::kPost
                                                 : Method::kHead;
    if (i % 3 == 1) {
      attempt->left = i == 1 ? 10 : mode % 8 < 4 ? 100 : 200000;
      head.body = i == 1 ? BodyKind::kLength : BodyKind::kUnknown;
      head.content_length = i == 1 ? attempt->left : 0;
    } else {
      attempt->sent = true;
    }
    attempt->stream->SendHead(head, attempt->sent);
    if (!attempt->sent && attempt->tied) attempt->Push();
  }
  size_t fed = 0;
  while (!bytes.empty() && !codec.Done()) {
    const std::string_view part = bytes.substr(0, piece);
    codec.OnData(part, 0);
    bytes.remove_prefix(part.size());
    fed += part.size();
    if (mode >= 200) {
      sink.blocked = fed / 64 % 2 == 1;
      if (!sink.blocked) codec.OnSinkWritable();
    }
  }
  std::string seen;
  for (const auto& attempt : attempts) {
    seen.append(attempt->got_head ? std::to_string(attempt->head.status) : "-");
    for (const HeaderField& field : attempt->head.headers) {
      seen.append("|").append(field.name).append("=").append(field.value);
    }
    seen.append(attempt->ended ? "|end|" + std::to_string(attempt->received) : "|open|");
  }
  codec.OnPeerClosed();
  for (const auto& attempt : attempts) {
    // Either it was told of an end, or of a reset; what it still has to send ends its own side.
    if (attempt->tied && !attempt->ended) std::abort();
  }
  if (codec.active_streams() != 0 || !codec.Done()) std::abort();
  return seen;
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const uint8_t mode = data[1];
  const std::string whole = postern::Run(bytes, bytes.size(), mode);
  const std::string split = postern::Run(bytes, 1u + data[0] % 32u, mode);
  // Cuts may matter only where a blocked socket or a window does, or the number of frames at a
  // time: what was sent meanwhile counts.
  if (mode < 200 && mode % 8 < 4 && bytes.size() < 3000 && whole != split) std::abort();
  return 0;
}
