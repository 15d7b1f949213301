#include "core/integration/target_template.h"

#include <algorithm>
#include <utility>

#include "core/context/arena_sink.h"
#include "lib/text/ascii.h"
#include "lib/text/percent.h"
#include "lib/text/query_string.h"

namespace postern {
namespace {

constexpr CharSet kUpperHex("0123456789ABCDEF");

bool IsEscape(std::string_view text) {
  return text.size() >= 3 && text[0] == '%' && HexValue(text[1]) >= 0 && HexValue(text[2]) >= 0;
}

/// Appends `text` with every character outside `keep` encoded, but for escapes, which stay.
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

/// Appends a raw name or value of a query, decoded and encoded again.
void AppendReencoded(std::string_view text, Arena* arena, CharSink& sink) {
  if (!NeedsFormDecoding(text)) {
    PercentEncode(text, kQueryFieldChars, sink);
    return;
  }
  ArenaSink decoded(arena, text.size());
  FormDecode(text, decoded);
  PercentEncode(decoded.written(), kQueryFieldChars, sink);
}

}  // namespace

bool IsCanonicalQuery(std::string_view query) {
  if (query.empty()) return true;
  while (true) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view field = query.substr(0, end);
    const size_t equals = field.find('=');
    if (equals == field.npos || equals == 0) return false;
    for (size_t i = 0; i < field.size(); ++i) {
      if (i == equals || kQueryFieldChars.Has(field[i])) continue;
      if (!IsEscape(field.substr(i)) || !kUpperHex.HasAll(field.substr(i + 1, 2))) return false;
      const auto byte = static_cast<char>(HexValue(field[i + 1]) * 16 + HexValue(field[i + 2]));
      if (kQueryFieldChars.Has(byte)) return false;
      i += 2;
    }
    if (end == query.size()) return true;
    query.remove_prefix(end + 1);
  }
}

TargetTemplate::TargetTemplate(Spec spec)
    : path_(std::move(spec.path)),
      query_(std::move(spec.query)),
      empty_resolves_(spec.empty_resolves),
      pass_query_(spec.pass_query) {
  std::string_view text = spec.text;
  std::string literal = Encoded(spec.prefix, kPathChars);
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
    const auto found = std::find_if(path_.begin(), path_.end(), [&](const NamedSource& mapping) {
      return !name.empty() && mapping.name == name;
    });
    if (found == path_.end()) {
      literal +=
          "%7B";  // rest-api.md §6.5: an unresolved placeholder stays, as a target can say it
      text.remove_prefix(1);
      continue;
    }
    literal_size_ += literal.size();
    pieces_.push_back(
        {std::exchange(literal, {}), static_cast<int32_t>(found - path_.begin()), in_query});
    text.remove_prefix(close + 1);
  }
  literal_size_ += literal.size();
  if (!literal.empty()) pieces_.push_back({std::move(literal), -1, in_query});
}

void TargetTemplate::AppendPieces(const RequestContext& context, Arena* arena,
                                  CharSink& sink) const {
  for (const Piece& piece : pieces_) {
    sink.Append(piece.literal);
    if (piece.source < 0) continue;
    const NamedSource& mapping = path_[static_cast<size_t>(piece.source)];
    const std::string_view value = mapping.source.Get(context, arena);
    if (value.empty() && empty_resolves_) continue;
    if (value.empty()) {
      // The mapping is dropped, so nothing resolves the placeholder.
      sink.Append("%7B");
      PercentEncode(mapping.name, kUnreservedChars, sink);
      sink.Append("%7D");
    } else if (mapping.source.kind() != ValueSource::Kind::kPath) {
      PercentEncode(value, piece.in_query ? kQueryFieldChars : kPathSegmentChars, sink);
    } else if (piece.in_query) {
      AppendKeepingEscapes(value, kQueryFieldChars, sink);
    } else {
      sink.Append(value);  // raw, as the client sent it (rest-api.md §3.3)
    }
  }
}

// `mapped` holds the values of query_; parameters whose mapping has one are overridden by it.
void TargetTemplate::AppendClientQuery(std::string_view query, const std::string_view* mapped,
                                       Arena* arena, bool* first, CharSink& sink) const {
  if (query.empty()) return;
  if (query_.empty() && IsCanonicalQuery(query)) {
    *first = false;
    sink.Append(query);
    return;
  }
  QueryScanner scanner(query);
  while (const auto field = scanner.Next()) {
    if (!query_.empty()) {
      const std::string_view name = DecodeQueryText(field->name, arena);
      bool overridden = false;
      for (size_t i = 0; i < query_.size(); ++i) {
        overridden = overridden || (!mapped[i].empty() && query_[i].name == name);
      }
      if (overridden) continue;
    }
    if (!std::exchange(*first, false)) sink.Append('&');
    AppendReencoded(field->name, arena, sink);
    sink.Append('=');
    AppendReencoded(field->value, arena, sink);
  }
}

std::string_view TargetTemplate::Make(const RequestContext& context, Arena* arena) const {
  ArenaSink sink(arena, literal_size_ + context.request->target.size() + 16);
  AppendPieces(context, arena, sink);
  const std::string_view client_query = context.request->query();
  if (query_.empty() && (!pass_query_ || client_query.empty())) return sink.written();

  auto* mapped = arena->NewArray<std::string_view>(query_.size());
  for (size_t i = 0; i < query_.size(); ++i) {
    mapped[i] = query_[i].source.Get(context, arena);
  }
  // What goes before it is known only when something follows.
  ArenaSink rest(arena, client_query.size() + 64);
  bool first = true;
  if (pass_query_) AppendClientQuery(client_query, mapped, arena, &first, rest);
  for (size_t i = 0; i < query_.size(); ++i) {
    if (mapped[i].empty()) continue;
    const NamedSource& mapping = query_[i];
    if (mapping.source.kind() != ValueSource::Kind::kQueryAll) {
      AppendQueryField(mapping.name, mapped[i], &first, rest);
      continue;
    }
    ForEachQueryValue(client_query, mapping.source.text(), arena, [&](std::string_view value) {
      AppendQueryField(mapping.name, value, &first, rest);
    });
  }
  if (first) return sink.written();
  if (!has_query_) {
    sink.Append('?');
  } else if (!sink.written().ends_with('?')) {
    sink.Append('&');
  }
  sink.Append(rest.written());
  return sink.written();
}

}  // namespace postern
