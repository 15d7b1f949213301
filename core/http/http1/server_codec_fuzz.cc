// Whatever bytes arrive, and however they are cut, the server codec neither crashes nor disagrees
// with itself: the requests it reads from a connection do not depend on how the bytes were split.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/http/http1/server_codec.h"
#include "core/http/http1/test_support.h"

namespace postern {
namespace {

// Answers each request when it is complete, keeping the answer short.
void Answer(SeenRequest* request) {
  ResponseHead head(&request->arena);
  request->stream->SendHead(head, true);
}
void AnswerIfEnded(SeenRequest* request) {
  if (request->ended) Answer(request);
}

std::string Run(std::string_view bytes, size_t piece) {
  Http1Limits limits;
  limits.max_target = 200;
  limits.max_head_fields = 600;
  limits.max_field_count = 20;
  limits.max_trailer_bytes = 100;
  CapturingSink sink;
  SeenServer server;
  server.on_head = AnswerIfEnded;
  server.on_end = Answer;
  Http1ServerCodec codec(&sink, &server, &limits);
  while (!bytes.empty() && !codec.Done()) {
    const std::string_view part = bytes.substr(0, piece);
    codec.OnData(part, 0);
    bytes.remove_prefix(part.size());
  }
  std::string seen;
  for (const auto& request : server.requests) {
    if (!request->got_head) continue;
    for (const HeaderField& field : request->head.headers) {
      if (!IsToken(field.name) || !IsFieldValue(field.value)) std::abort();
    }
    if (!IsToken(request->head.method_text)) std::abort();
    seen.append(request->head.method_text).append(" ").append(request->head.target);
    seen.append("|").append(request->head.authority).append("|").append(request->fields());
    seen.append("|").append(request->trailers).append(request->ended ? "|end|" : "|open|");
    if (request->ended) seen.append(request->body);
    seen.push_back('\n');
  }
  seen.append(std::to_string(server.status));
  codec.OnPeerClosed();
  codec.OnConnectionLost();
  return seen;
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = postern::Run(bytes, bytes.size());
  const std::string split = postern::Run(bytes, 1u + data[0] % 32u);
  if (whole != split) std::abort();
  return 0;
}
