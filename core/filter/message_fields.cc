#include "core/filter/message_fields.h"

#include <algorithm>

#include "core/http/message.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

bool IsVisible(char c) { return c > 0x20 && c < 0x7f; }

}  // namespace

std::string_view LowerName(const HeaderField& field, Arena* arena) {
  if (field.id != HeaderId::kOther) return HeaderName(field.id);
  const bool lower = std::none_of(field.name.begin(), field.name.end(),
                                  [](char c) { return c >= 'A' && c <= 'Z'; });
  if (lower) return field.name;
  char* copy = arena->Allocate(field.name.size(), 1);
  std::transform(field.name.begin(), field.name.end(), copy,
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return {copy, field.name.size()};
}

bool IsWritableField(std::string_view name) {
  if (!IsToken(name)) return false;
  const HeaderId id = LookupHeader(name);
  return id != HeaderId::kHost && !IsFramingField(id);
}

bool IsWritableValue(std::string_view value) { return IsFieldValue(value); }

bool IsTarget(std::string_view text) {
  return !text.empty() && text[0] == '/' && std::all_of(text.begin(), text.end(), [](char c) {
    return c != '#' && (IsVisible(c) || static_cast<unsigned char>(c) >= 0x80);
  });
}

bool IsAuthority(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return IsVisible(c) && c != '/' && c != '?' && c != '#' && c != '@' && c != '\\' && c != ',';
  });
}

}  // namespace postern
