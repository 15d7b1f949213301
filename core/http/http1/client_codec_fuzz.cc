// Whatever an upstream sends, and however it is cut, the client codec neither crashes nor disagrees
// with itself, and an answer that stops short never looks complete.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/http/http1/client_codec.h"
#include "core/http/http1/test_support.h"

namespace postern {
namespace {

std::string Run(std::string_view bytes, size_t piece, Method method) {
  Http1Limits limits;
  limits.max_head_fields = 600;
  limits.max_target = 0;
  limits.max_field_count = 20;
  limits.max_trailer_bytes = 100;
  CapturingSink sink;
  SeenClient client;
  BlockPool pool;
  SeenResponse response(&pool);
  Http1ClientCodec codec(&sink, &client, &limits);
  RequestHead head(&response.arena);
  head.method = method;
  head.target = "/";
  head.authority = "a";
  codec.NewStream(&response)->SendHead(head, true);
  while (!bytes.empty() && !codec.Done() && codec.active_streams() > 0) {
    const std::string_view part = bytes.substr(0, piece);
    codec.OnData(part, 0);
    bytes.remove_prefix(part.size());
  }
  codec.OnPeerClosed();
  if (response.ended == response.reset) std::abort();
  std::string seen = std::to_string(response.head.status);
  for (const HeaderField& field : response.head.headers) {
    if (!IsToken(field.name) || !IsFieldValue(field.value)) std::abort();
    seen.append("|").append(field.name).append("=").append(field.value);
  }
  if (response.reset) return "reset";
  return seen + "|" + response.body + "|" + response.trailers;
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto method = data[0] & 0x80 ? postern::Method::kHead : postern::Method::kGet;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = postern::Run(bytes, bytes.size(), method);
  const std::string split = postern::Run(bytes, 1u + data[0] % 32u, method);
  if (whole != split) std::abort();
  return 0;
}
