#include "lib/mapping/content_handling.h"

#include "lib/text/base64.h"
#include "lib/text/char_sink.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

ConvertedBody AsText(std::string_view body, std::string* room) {
  if (IsValidUtf8(body)) return {body};
  room->clear();
  StringSink sink(room);
  AppendValidUtf8(body, sink);
  sink.Finish();
  return {*room};
}

ConvertedBody Decoded(std::string_view body, std::string* room) {
  if (body.empty()) return {body, true};
  room->resize(Base64DecodedBound(body.size()));
  const auto size =
      Base64DecodeTo(body, Base64Alphabet::kStandard, Base64Mode::kLenient, room->data());
  if (!size.has_value()) return {{}, true, true};
  return {std::string_view(*room).substr(0, *size), true};
}

ConvertedBody Encoded(std::string_view body, std::string* room) {
  room->resize(Base64EncodedSize(body.size()));
  Base64EncodeTo(body, Base64Alphabet::kStandard, room->data());
  return {*room};
}

}  // namespace

ConvertedBody ConvertRequestBody(std::string_view body, bool binary, ContentHandling handling,
                                 std::string* room) {
  if (binary) {
    return handling == ContentHandling::kToText ? Encoded(body, room) : ConvertedBody{body, true};
  }
  return handling == ContentHandling::kToBinary ? Decoded(body, room) : AsText(body, room);
}

ConvertedBody ConvertResponseBody(std::string_view body, bool binary, bool wants_binary,
                                  ContentHandling handling, std::string* room) {
  if (binary) {
    const bool bytes = handling == ContentHandling::kToBinary ||
                       (handling == ContentHandling::kNone && wants_binary);
    return bytes ? ConvertedBody{body, true} : Encoded(body, room);
  }
  const bool decode = handling == ContentHandling::kToBinary ||
                      (handling == ContentHandling::kNone && wants_binary);
  return decode ? Decoded(body, room) : AsText(body, room);
}

}  // namespace postern
