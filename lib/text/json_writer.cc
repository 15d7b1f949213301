#include "lib/text/json_writer.h"

#include <charconv>
#include <cmath>
#include <cstddef>

#include "lib/text/base64.h"
#include "lib/text/json_text.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

// Enough for any int64_t, uint64_t and shortest double.
constexpr size_t kMaxNumberSize = 32;

void AppendEscape(char c, CharSink& sink) {
  switch (c) {
    case '"':
      return sink.Append("\\\"");
    case '\\':
      return sink.Append("\\\\");
    case '\b':
      return sink.Append("\\b");
    case '\f':
      return sink.Append("\\f");
    case '\n':
      return sink.Append("\\n");
    case '\r':
      return sink.Append("\\r");
    case '\t':
      return sink.Append("\\t");
    default: {
      const auto byte = static_cast<uint8_t>(c);
      const char escape[] = {'\\', 'u', '0', '0', kHexDigits[byte >> 4], kHexDigits[byte & 0xF]};
      return sink.Append(std::string_view(escape, sizeof(escape)));
    }
  }
}

template <typename Number>
void AppendNumber(Number number, CharSink& sink) {
  char digits[kMaxNumberSize];
  const char* end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  sink.Append(std::string_view(digits, static_cast<size_t>(end - digits)));
}

}  // namespace

void AppendJsonString(std::string_view text, CharSink& sink) {
  sink.Append('"');
  while (true) {
    const size_t plain = json_text::PlainPrefix(text);
    AppendValidUtf8(text.substr(0, plain), sink);
    if (plain == text.size()) break;
    AppendEscape(text[plain], sink);
    text.remove_prefix(plain + 1);
  }
  sink.Append('"');
}

void JsonWriter::Base64(std::string_view bytes) {
  Value();
  sink_.Append('"');
  // A whole number of groups at a time, so that only the last piece has padding.
  constexpr size_t kPiece = CharSink::kMaxReserve / 4 * 3;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPiece);
    const size_t size = Base64EncodedSize(piece.size());
    char* room = sink_.Reserve(size);
    if (room == nullptr) return;
    Base64EncodeTo(piece, Base64Alphabet::kStandard, room);
    sink_.Commit(size);
    bytes.remove_prefix(piece.size());
  }
  sink_.Append('"');
}

void JsonWriter::Int(int64_t number) {
  Value();
  AppendNumber(number, sink_);
}

void JsonWriter::Uint(uint64_t number) {
  Value();
  AppendNumber(number, sink_);
}

void JsonWriter::Double(double number) {
  if (!std::isfinite(number)) return Null();
  Value();
  char digits[kMaxNumberSize];
  const char* end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  sink_.Append(text);
  if (text.find_first_of(".e") == std::string_view::npos) sink_.Append(".0");
}

}  // namespace postern
