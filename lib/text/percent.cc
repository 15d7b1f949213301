#include "lib/text/percent.h"

namespace postern {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

// The byte that `text`, which starts with '%', escapes; -1 if it is no escape.
int EscapedByte(std::string_view text) {
  if (text.size() < 3) return -1;
  const int high = HexValue(text[1]);
  const int low = HexValue(text[2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

void AppendEscape(char c, CharSink& sink) {
  const auto byte = static_cast<unsigned char>(c);
  const char escape[] = {'%', kHexDigits[byte >> 4], kHexDigits[byte & 0xF]};
  sink.Append(std::string_view(escape, sizeof(escape)));
}

}  // namespace

void PercentEncode(std::string_view text, const CharSet& keep, CharSink& sink) {
  while (!text.empty()) {
    size_t run = 0;
    while (run < text.size() && keep.Has(text[run])) ++run;
    sink.Append(text.substr(0, run));
    if (run == text.size()) return;
    AppendEscape(text[run], sink);
    text.remove_prefix(run + 1);
  }
}

std::string PercentEncode(std::string_view text, const CharSet& keep) {
  std::string out;
  out.reserve(text.size());
  StringSink sink(&out);
  PercentEncode(text, keep, sink);
  sink.Finish();
  return out;
}

void FormEncode(std::string_view text, CharSink& sink) {
  while (true) {
    const size_t space = text.find(' ');
    PercentEncode(text.substr(0, space), kFormChars, sink);
    if (space == std::string_view::npos) return;
    sink.Append('+');
    text.remove_prefix(space + 1);
  }
}

bool HasValidEscapes(std::string_view text) {
  for (size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 3)) {
    if (EscapedByte(text.substr(at)) < 0) return false;
  }
  return true;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const size_t at = text.find('%');
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    const int byte = EscapedByte(text.substr(at));
    if (byte < 0) return std::nullopt;
    out += static_cast<char>(byte);
    text.remove_prefix(at + 3);
  }
}

void FormDecode(std::string_view text, CharSink& sink) {
  while (true) {
    const size_t at = text.find_first_of("%+");
    sink.Append(text.substr(0, at));
    if (at == std::string_view::npos) return;
    if (text[at] == '+') {
      sink.Append(' ');
      text.remove_prefix(at + 1);
      continue;
    }
    const int byte = EscapedByte(text.substr(at));
    sink.Append(byte < 0 ? '%' : static_cast<char>(byte));
    text.remove_prefix(at + (byte < 0 ? 1 : 3));
  }
}

bool NeedsFormDecoding(std::string_view text) {
  return text.find_first_of("%+") != std::string_view::npos;
}

}  // namespace postern
