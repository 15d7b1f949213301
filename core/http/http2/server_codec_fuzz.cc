// Whatever bytes arrive, and however they are cut, the server codec neither crashes nor disagrees
// with itself, keeps its promises to receivers, and lets nothing through that HTTP/1.1 could not
// carry.
//
// The first two bytes choose how bytes are cut and how receivers behave. Unless the input has a
// preface of its own, one is put before it, and SETTINGS.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/http1/test_support.h"
#include "core/http/http2/server_codec.h"
#include "lib/text/host_port.h"

namespace postern {
namespace {

// Checks the order of events, and acts as `mode` says.
struct Subject final : RequestReceiver {
  Subject(BlockPool* pool, ServerStream* to, uint8_t how)
      : arena(pool), head(&arena), stream(to), mode(how) {}

  RequestHead* request_head() override { return &head; }
  void OnHead(bool end) override {
    Require(stream != nullptr && !got_head);
    got_head = true;
    ended = end;
    for (const HeaderField& field : head.headers) {
      Require(IsToken(field.name) && IsFieldValue(field.value));
      switch (field.id) {
        case HeaderId::kConnection:
        case HeaderId::kTransferEncoding:
        case HeaderId::kContentLength:
        case HeaderId::kUpgrade:
        case HeaderId::kKeepAlive:
        case HeaderId::kTe:
        case HeaderId::kHost:
          std::abort();
        default:
          break;
      }
    }
    Require(IsToken(head.method_text) && ParseHostPort(head.authority).has_value());
    if (head.method != Method::kConnect) {
      Require(head.target.starts_with('/') || head.target == "*");
      for (char c : head.target) Require(c > ' ' && c < '\x7f' && c != '#');
    }
    if (mode % 4 == 0) Answer();
    if (mode % 16 == 3) Reset();
    if (end && mode % 4 == 1) Answer();
  }
  void OnBody(std::string_view data) override {
    Require(stream != nullptr && got_head && !ended && !data.empty());
    received += data.size();
    Require(!head.has_content_length || received <= head.content_length);
    if (mode % 8 != 2) stream->Consume(data.size());
    if (mode % 16 == 7) Reset();
  }
  void OnEnd(const HeaderMap* trailers) override {
    Require(stream != nullptr && got_head && !ended);
    Require(!head.has_content_length || received == head.content_length);
    ended = true;
    if (trailers != nullptr) Require(!trailers->empty());
    if (mode % 4 == 1) Answer();
  }
  void OnReset(ResetReason) override {
    Require(stream != nullptr);
    stream = nullptr;
  }
  void OnWritable() override {
    Require(stream != nullptr);
    if (left > 0) Push();
  }

  void Answer() {
    if (stream == nullptr) return;
    ResponseHead response(&arena);
    response.headers.Add("X-Echo", head.target);
    if (mode % 32 < 16) {
      ServerStream* to = stream;
      stream = nullptr;
      to->SendHead(response, true);
      return;
    }
    left = mode % 64 < 32 ? 100 : 100000;
    response.body = mode % 128 < 64 ? BodyKind::kLength : BodyKind::kUnknown;
    response.content_length = left;
    stream->SendHead(response, false);
    Push();
  }
  void Push() {
    static const std::string kBytes(5000, 'x');
    while (stream != nullptr && left > 0 && stream->buffered() == 0) {
      const size_t take = std::min(left, kBytes.size());
      left -= take;
      stream->SendBody(std::string_view(kBytes).substr(0, take));
    }
    if (stream != nullptr && left == 0) {
      HeaderMap trailers(&arena);
      trailers.Add("x-end", "1");
      std::exchange(stream, nullptr)->SendEnd(mode % 2 == 0 ? nullptr : &trailers);
    }
  }
  void Reset() {
    if (stream != nullptr) std::exchange(stream, nullptr)->Reset(ResetReason::kCancelled);
  }
  static void Require(bool holds) {
    if (!holds) std::abort();
  }

  Arena arena;
  RequestHead head;
  ServerStream* stream;
  uint8_t mode;
  uint64_t received = 0;
  size_t left = 0;
  bool got_head = false;
  bool ended = false;
};

struct Session final : ServerCodecEvents {
  RequestReceiver* OnNewStream(ServerStream* stream) override {
    if (mode % 64 == 33) return nullptr;
    subjects.push_back(std::make_unique<Subject>(&pool, stream, mode));
    return subjects.back().get();
  }
  void OnRejected(uint16_t status, std::string_view detail) override {
    if (detail.empty()) std::abort();
    rejected += std::to_string(status).append(detail);
  }
  BlockPool pool;
  std::vector<std::unique_ptr<Subject>> subjects;
  std::string rejected;
  uint8_t mode = 0;
};

std::string Run(std::string_view bytes, size_t piece, uint8_t mode) {
  Http2Options options;
  options.max_target = 200;
  options.max_head_fields = 600;
  options.max_field_count = 20;
  options.max_trailer_bytes = 100;
  options.max_concurrent_streams = 10;
  options.connection_window = 65535 + 1000;
  CapturingSink sink;
  Session session;
  session.mode = mode;
  Http2ServerCodec codec(&sink, &session, options);
  if (!bytes.starts_with("PRI ")) {
    codec.OnData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0);
    codec.OnData(std::string_view("\0\0\0\4\0\0\0\0\0", 9), 0);
  }
  size_t fed = 0;
  while (!bytes.empty() && !codec.Done() && codec.ReadWanted()) {
    const std::string_view part = bytes.substr(0, piece);
    codec.OnData(part, 0);
    bytes.remove_prefix(part.size());
    fed += part.size();
    if (mode >= 200) {
      sink.blocked = fed / 64 % 2 == 1;
      if (!sink.blocked) codec.OnSinkWritable();
    }
    if (sink.bytes.size() > 4 * 1024 * 1024) std::abort();
  }
  if (mode % 8 == 5) codec.Drain();
  if (mode % 8 == 6) codec.OnPeerClosed();
  std::string seen;
  for (const auto& subject : session.subjects) {
    if (!subject->got_head) continue;
    seen.append(subject->head.method_text).append(" ").append(subject->head.target);
    for (const HeaderField& field : subject->head.headers) {
      seen.append("|").append(field.name).append("=").append(field.value);
    }
    seen.append(subject->ended ? "|end|" + std::to_string(subject->received) : "|open|");
  }
  seen.append(session.rejected);
  sink.blocked = false;
  codec.OnSinkWritable();
  codec.OnConnectionLost();
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
  // Cuts may matter only where a blocked socket, a window, or the number of frames at a time does.
  const bool exact = mode < 200 && mode % 32 < 16 && whole.find("flood") == whole.npos &&
                     split.find("flood") == split.npos;
  if (exact && whole != split) std::abort();
  return 0;
}
