#include "core/context/value_source.h"

#include <algorithm>
#include <array>

#include "core/context/arena_sink.h"
#include "lib/mapping/header_rules.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

/// Lets an empty value be told from a missing one.
std::string_view NonNull(std::string_view value) {
  return value.data() == nullptr ? std::string_view("") : value;
}

bool NameMatches(const RequestHead& head, const HeaderField& field, HeaderId id,
                 std::string_view name) {
  if (field.id != id) return false;
  return head.version == 20 ? EqualsIgnoreCase(field.name, name) : field.name == name;
}

/// Whether mappings may use it: they see strings only (rest-api.md §6.2).
bool IsText(VariableId id) {
  switch (id) {
    case VariableId::kRequestTimeEpoch:
    case VariableId::kIntegrationLatency:
    case VariableId::kIntegrationServiceStatus:
    case VariableId::kIntegrationStatus:
    case VariableId::kIntegrationTimeToAllHeaders:
    case VariableId::kIntegrationTimeToFirstContent:
    case VariableId::kResponseLatency:
    case VariableId::kResponseLength:
      return false;
    default:
      return true;
  }
}

std::string_view AllHeaderValues(const RequestHead& head, HeaderId id, std::string_view name,
                                 Arena* arena) {
  std::string_view first;
  size_t count = 0;
  size_t size = 0;
  for (const HeaderField& field : head.headers) {
    if (!NameMatches(head, field, id, name)) continue;
    if (count++ == 0) first = NonNull(field.value);
    size += field.value.size() + 1;
  }
  if (count < 2) return first;
  char* out = arena->Allocate(size, 1);
  char* at = out;
  for (const HeaderField& field : head.headers) {
    if (!NameMatches(head, field, id, name)) continue;
    if (at != out) *at++ = ',';
    at = std::copy(field.value.begin(), field.value.end(), at);
  }
  return {out, static_cast<size_t>(at - out)};
}

}  // namespace

bool IsHiddenRequestHeader(HeaderId id) {
  static const auto kHidden = [] {
    std::array<bool, static_cast<size_t>(HeaderId::kCount)> hidden{};
    for (size_t i = 1; i < hidden.size(); ++i) {
      hidden[i] = IsHiddenRequestHeader(HeaderName(static_cast<HeaderId>(i)));
    }
    return hidden;
  }();
  return kHidden[static_cast<size_t>(id)];
}

ValueSource::ValueSource(Kind kind, std::string_view text) : kind_(kind), text_(text) {
  if (kind == Kind::kVariable) variable_ = ResolveVariable(text);
  if (kind == Kind::kHeader || kind == Kind::kHeaderAll) header_ = LookupHeader(text);
}

std::string_view ValueSource::Get(const RequestContext& context, Arena* arena) const {
  switch (kind_) {
    case Kind::kLiteral:
      return NonNull(text_);
    case Kind::kVariable:
      return IsText(variable_.id) ? VariableValue(variable_, context, arena) : std::string_view{};
    case Kind::kStageVariable:
      return StageVariable(context, text_);
    case Kind::kPath:
      return PathParameter(context, text_);
    case Kind::kQuery:
    case Kind::kQueryAll:
      return LastQueryValue(context.request->query(), text_, arena);
    case Kind::kHeader:
      return LastHeaderValue(*context.request, header_, text_);
    case Kind::kHeaderAll:
      if (IsHiddenRequestHeader(header_)) return {};
      return AllHeaderValues(*context.request, header_, text_, arena);
  }
  return {};
}

std::string_view DecodeQueryText(std::string_view text, Arena* arena) {
  if (!NeedsFormDecoding(text)) return NonNull(text);
  ArenaSink sink(arena, text.size());
  FormDecode(text, sink);
  const std::string_view decoded = sink.written();
  if (IsValidUtf8(decoded)) return NonNull(decoded);
  ArenaSink valid(arena, decoded.size() * 2);
  AppendValidUtf8(decoded, valid);
  return valid.written();
}

std::string_view LastQueryValue(std::string_view query, std::string_view name, Arena* arena) {
  std::string_view last;
  bool found = false;
  QueryScanner scanner(query);
  while (const auto field = scanner.Next()) {
    if (field->name == name ||
        (NeedsFormDecoding(field->name) && DecodeQueryText(field->name, arena) == name)) {
      last = field->value;
      found = true;
    }
  }
  return found ? DecodeQueryText(last, arena) : std::string_view{};
}

std::string_view LastHeaderValue(const RequestHead& head, HeaderId id, std::string_view name) {
  if (IsHiddenRequestHeader(id)) return {};
  std::string_view last;
  for (const HeaderField& field : head.headers) {
    if (NameMatches(head, field, id, name)) last = NonNull(field.value);
  }
  return last;
}

std::string_view PathParameter(const RequestContext& context, std::string_view name) {
  for (size_t i = 0; i < context.path_param_count; ++i) {
    if (context.path_params[i].name == name) return context.path_params[i].value;
  }
  return {};
}

std::string_view StageVariable(const RequestContext& context, std::string_view name) {
  const NameValue* begin = context.stage_variables;
  const NameValue* end = begin + context.stage_variable_count;
  const NameValue* at = std::lower_bound(
      begin, end, name,
      [](const NameValue& variable, std::string_view wanted) { return variable.name < wanted; });
  return at != end && at->name == name ? NonNull(at->value) : std::string_view{};
}

std::string_view CleanFieldValue(std::string_view value, Arena* arena) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  const auto is_bad = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  };
  if (std::any_of(value.begin(), value.end(), is_bad)) {
    char* out = arena->Allocate(value.size(), 1);
    std::replace_copy_if(value.begin(), value.end(), out, is_bad, ' ');
    value = {out, value.size()};
  }
  while (!value.empty() && is_space(value.front())) value.remove_prefix(1);
  while (!value.empty() && is_space(value.back())) value.remove_suffix(1);
  return value;
}

}  // namespace postern
