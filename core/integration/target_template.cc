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
    : uri_(spec.prefix, spec.text),
      path_(std::move(spec.path)),
      query_(std::move(spec.query)),
      empty_resolves_(spec.empty_resolves),
      pass_query_(spec.pass_query) {
  for (const UriTemplate::Piece& piece : uri_.pieces()) {
    const auto found = std::find_if(path_.begin(), path_.end(), [&](const NamedSource& mapping) {
      return mapping.name == piece.name;
    });
    fills_.push_back(found != path_.end() ? &*found : nullptr);
  }
}

void TargetTemplate::AppendPieces(const RequestContext& context, Arena* arena,
                                  CharSink& sink) const {
  for (size_t i = 0; i < fills_.size(); ++i) {
    const UriTemplate::Piece& piece = uri_.pieces()[i];
    sink.Append(piece.literal);
    if (piece.name.empty()) continue;
    const NamedSource* const mapping = fills_[i];
    const std::string_view value =
        mapping != nullptr ? mapping->source.Get(context, arena) : std::string_view();
    if (!value.empty()) {
      UriTemplate::AppendValue(piece, value,
                               mapping->source.kind() == ValueSource::Kind::kPath
                                   ? UriTemplate::Encoding::kRaw
                                   : UriTemplate::Encoding::kText,
                               sink);
    } else if (mapping == nullptr || !empty_resolves_) {
      // The mapping is dropped, so nothing resolves the placeholder.
      UriTemplate::AppendUnresolved(piece, sink);
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
  ArenaSink sink(arena, uri_.literal_size() + context.request->target.size() + 16);
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
  if (!uri_.has_query()) {
    sink.Append('?');
  } else if (!sink.written().ends_with('?')) {
    sink.Append('&');
  }
  sink.Append(rest.written());
  return sink.written();
}

}  // namespace postern
