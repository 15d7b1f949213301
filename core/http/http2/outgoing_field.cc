#include "core/http/http2/outgoing_field.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/http/http2/field_section.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

// What a byte is in a field name that is sent.
enum NameByte : uint8_t { kBad, kLower, kUpper };

constexpr std::array<NameByte, 256> MakeNameBytes() {
  std::array<NameByte, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    table[static_cast<size_t>(c)] = !kTokenChars.Has(byte) ? kBad : IsUpper(byte) ? kUpper : kLower;
  }
  return table;
}
constexpr auto kNameBytes = MakeNameBytes();

// The name as HTTP/2 has it, or nothing where there is none.
std::string_view LowerCaseName(std::string_view name, Arena* arena) {
  bool upper = false;
  for (char c : name) {
    switch (kNameBytes[static_cast<unsigned char>(c)]) {
      case kBad:
        return {};
      case kUpper:
        upper = true;
        break;
      case kLower:
        break;
    }
  }
  if (!upper) return name;
  char* lower = arena->Allocate(name.size(), 1);
  std::transform(name.begin(), name.end(), lower, ToLower);
  return {lower, name.size()};
}

}  // namespace

std::optional<OutgoingField> MakeOutgoing(const HeaderField& field, Arena* arena) {
  switch (field.id) {
    // Hop-by-hop, or the codec's to write.
    case HeaderId::kConnection:
    case HeaderId::kContentLength:
    case HeaderId::kHost:
    case HeaderId::kHttp2Settings:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTe:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return std::nullopt;
    default:
      break;
  }
  const OutgoingField outgoing{
      field.id != HeaderId::kOther ? HeaderName(field.id) : LowerCaseName(field.name, arena),
      TrimOws(field.value)};
  if (outgoing.name.empty() || !IsCleanFieldValue(outgoing.value)) return std::nullopt;
  return outgoing;
}

}  // namespace postern
