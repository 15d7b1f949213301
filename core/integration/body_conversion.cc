#include "core/integration/body_conversion.h"

#include "core/context/arena_sink.h"
#include "lib/text/base64.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

ConvertedBody AsText(std::string_view body, Arena* arena) {
  if (IsValidUtf8(body)) return {body};
  ArenaSink sink(arena, body.size() + body.size() / 8);
  AppendValidUtf8(body, sink);
  return {sink.written()};
}

ConvertedBody Decoded(std::string_view body, Arena* arena) {
  if (body.empty()) return {body, true};
  char* out = arena->Allocate(Base64DecodedBound(body.size()), 1);
  const auto size = Base64DecodeTo(body, Base64Alphabet::kStandard, Base64Mode::kLenient, out);
  if (!size.has_value()) return {{}, true, true};
  return {{out, *size}, true};
}

ConvertedBody Encoded(std::string_view body, Arena* arena) {
  const size_t size = Base64EncodedSize(body.size());
  char* out = arena->Allocate(size, 1);
  Base64EncodeTo(body, Base64Alphabet::kStandard, out);
  return {{out, size}};
}

}  // namespace

ConvertedBody ConvertRequestBody(std::string_view body, bool binary, ContentHandling handling,
                                 Arena* arena) {
  if (binary) {
    return handling == ContentHandling::kToText ? Encoded(body, arena) : ConvertedBody{body, true};
  }
  return handling == ContentHandling::kToBinary ? Decoded(body, arena) : AsText(body, arena);
}

ConvertedBody ConvertResponseBody(std::string_view body, bool binary, bool wants_binary,
                                  ContentHandling handling, Arena* arena) {
  if (binary) {
    const bool bytes = handling == ContentHandling::kToBinary ||
                       (handling == ContentHandling::kNone && wants_binary);
    return bytes ? ConvertedBody{body, true} : Encoded(body, arena);
  }
  const bool decode = handling == ContentHandling::kToBinary ||
                      (handling == ContentHandling::kNone && wants_binary);
  return decode ? Decoded(body, arena) : AsText(body, arena);
}

}  // namespace postern
