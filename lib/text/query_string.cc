#include "lib/text/query_string.h"

#include "lib/text/percent.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

// Decoding shortens, or keeps; replacing ill-formed UTF-8 makes three bytes of one. DecodeField()
// may leave both in its sink.
constexpr size_t kDecodedBytesPerByte = 4;

// `raw` decoded: `raw` itself if that changes nothing, else a view of what `sink` got.
std::string_view DecodeField(std::string_view raw, FixedSink& sink) {
  std::string_view field = raw;
  if (NeedsFormDecoding(raw)) {
    const size_t begin = sink.written().size();
    FormDecode(raw, sink);
    field = sink.written().substr(begin);
  }
  if (IsValidUtf8(field)) return field;
  const size_t begin = sink.written().size();
  AppendValidUtf8(field, sink);
  return sink.written().substr(begin);
}

}  // namespace

std::optional<RawQueryField> QueryScanner::Next() {
  while (!rest_.empty()) {
    const size_t end = rest_.find_first_of("&;");
    const std::string_view field = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (field.empty()) continue;
    const size_t equals = field.find('=');
    if (equals == std::string_view::npos) return RawQueryField{field, {}};
    return RawQueryField{field.substr(0, equals), field.substr(equals + 1)};
  }
  return std::nullopt;
}

absl::Status QueryParameters::Parse(std::string_view query, size_t max_fields) {
  fields_.clear();
  if (NeedsFormDecoding(query) || !IsValidUtf8(query)) {
    const size_t bound = query.size() * kDecodedBytesPerByte;
    if (decoded_.size() < bound) decoded_.resize(bound);
  }
  FixedSink sink(decoded_.data(), decoded_.size());
  QueryScanner scanner(query);
  while (const std::optional<RawQueryField> raw = scanner.Next()) {
    if (fields_.size() == max_fields) {
      fields_.clear();
      return absl::ResourceExhaustedError("the query string has too many parameters");
    }
    const std::string_view name = DecodeField(raw->name, sink);
    fields_.push_back({name, DecodeField(raw->value, sink)});
  }
  return absl::OkStatus();
}

std::optional<std::string_view> QueryParameters::Last(std::string_view name) const {
  for (size_t i = fields_.size(); i > 0; --i) {
    if (fields_[i - 1].name == name) return fields_[i - 1].value;
  }
  return std::nullopt;
}

void AppendQueryField(std::string_view name, std::string_view value, bool* first, CharSink& sink) {
  if (!*first) sink.Append('&');
  *first = false;
  PercentEncode(name, kQueryFieldChars, sink);
  sink.Append('=');
  PercentEncode(value, kQueryFieldChars, sink);
}

}  // namespace postern
