#include "lib/mapping/uri_template.h"

#include <algorithm>
#include <utility>

#include "lib/mapping/expression.h"
#include "lib/text/ascii.h"
#include "lib/text/percent.h"

namespace postern {
namespace {

bool IsEscape(std::string_view text) {
  return text.size() >= 3 && text[0] == '%' && HexValue(text[1]) >= 0 && HexValue(text[2]) >= 0;
}

// Appends `text` with every character outside `keep` encoded, but for escapes, which stay.
void AppendKeepingEscapes(std::string_view text, const CharSet& keep, CharSink& sink) {
  while (!text.empty()) {
    if (keep.Has(text[0])) {
      sink.Append(text[0]);
    } else if (IsEscape(text)) {
      sink.Append(text.substr(0, 3));
      text.remove_prefix(2);
    } else {
      PercentEncode(text.substr(0, 1), keep, sink);
    }
    text.remove_prefix(1);
  }
}

std::string Encoded(std::string_view text, const CharSet& keep) {
  std::string out;
  StringSink sink(&out);
  AppendKeepingEscapes(text, keep, sink);
  sink.Finish();
  return out;
}

}  // namespace

UriTemplate::UriTemplate(std::string_view prefix, std::string_view text) {
  std::string literal = Encoded(prefix, kPathChars);
  if (!text.starts_with('/')) literal += '/';
  bool in_query = false;
  while (!text.empty()) {
    const size_t stop = std::min(text.find_first_of(in_query ? "{" : "{?"), text.size());
    literal += Encoded(text.substr(0, stop), in_query ? kQueryChars : kPathChars);
    text.remove_prefix(stop);
    if (text.empty()) break;
    if (text[0] == '?') {
      literal += '?';
      in_query = has_query_ = true;
      text.remove_prefix(1);
      continue;
    }
    const size_t close = text.find('}');
    const std::string_view name =
        close == text.npos ? std::string_view{} : text.substr(1, close - 1);
    if (!IsParameterName(name)) {
      literal += "%7B";
      text.remove_prefix(1);
      continue;
    }
    literal_size_ += literal.size();
    pieces_.push_back({std::exchange(literal, {}), std::string(name), in_query});
    text.remove_prefix(close + 1);
  }
  literal_size_ += literal.size();
  if (!literal.empty()) pieces_.push_back({std::move(literal), {}, in_query});
}

void UriTemplate::AppendValue(const Piece& piece, std::string_view value, Encoding encoding,
                              CharSink& sink) {
  const CharSet& keep = piece.in_query ? kQueryFieldChars : kPathSegmentChars;
  if (encoding == Encoding::kText) {
    PercentEncode(value, keep, sink);
  } else if (encoding == Encoding::kRaw && !piece.in_query) {
    sink.Append(value);
  } else {
    AppendKeepingEscapes(value, keep, sink);
  }
}

void UriTemplate::AppendUnresolved(const Piece& piece, CharSink& sink) {
  sink.Append("%7B");
  sink.Append(piece.name);
  sink.Append("%7D");
}

}  // namespace postern
