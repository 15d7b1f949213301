#include "core/http/http2/field_block.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "core/http/http2/outgoing_field.h"

namespace postern {
namespace {

// Numbers of names in the static table (RFC 7541, Appendix A); 0 for those it lacks.
constexpr auto kStaticNames = [] {
  std::array<uint8_t, static_cast<size_t>(HeaderId::kCount)> table{};
  const auto set = [&table](HeaderId id, uint8_t index) { table[static_cast<size_t>(id)] = index; };
  set(HeaderId::kAcceptCharset, 15);
  set(HeaderId::kAcceptEncoding, 16);
  set(HeaderId::kAccept, 19);
  set(HeaderId::kAge, 21);
  set(HeaderId::kAuthorization, 23);
  set(HeaderId::kCacheControl, 24);
  set(HeaderId::kContentEncoding, 26);
  set(HeaderId::kContentLength, 28);
  set(HeaderId::kContentType, 31);
  set(HeaderId::kCookie, 32);
  set(HeaderId::kDate, 33);
  set(HeaderId::kExpect, 35);
  set(HeaderId::kLocation, 46);
  set(HeaderId::kMaxForwards, 47);
  set(HeaderId::kProxyAuthenticate, 48);
  set(HeaderId::kProxyAuthorization, 49);
  set(HeaderId::kRange, 50);
  set(HeaderId::kReferer, 51);
  set(HeaderId::kRetryAfter, 53);
  set(HeaderId::kServer, 54);
  set(HeaderId::kSetCookie, 55);
  set(HeaderId::kUserAgent, 58);
  set(HeaderId::kVary, 59);
  set(HeaderId::kVia, 60);
  set(HeaderId::kWwwAuthenticate, 61);
  return table;
}();

constexpr uint8_t kNotIndexed = 0x00;    // RFC 7541 §6.2.2
constexpr uint8_t kNeverIndexed = 0x10;  // §6.2.3

// A field's bytes beside name and value: its first one, and three numbers of up to five.
constexpr size_t kOverhead = 16;

// An integer behind the bits `first` of its byte (RFC 7541 §5.1).
char* WriteInteger(char* at, uint8_t first, uint8_t prefix_bits, size_t value) {
  const size_t most = (size_t{1} << prefix_bits) - 1;
  if (value < most) {
    *at++ = static_cast<char>(first | value);
    return at;
  }
  *at++ = static_cast<char>(first | most);
  for (value -= most; value >= 128; value >>= 7) *at++ = static_cast<char>(value % 128 | 128);
  *at++ = static_cast<char>(value);
  return at;
}

// A string without Huffman code (§5.2).
char* WriteString(char* at, std::string_view text) {
  at = WriteInteger(at, 0, 7, text.size());
  return std::copy(text.begin(), text.end(), at);
}

}  // namespace

bool FieldBlock::Make(const HeaderMap* headers, uint64_t content_length) {
  size_t bound = 64;
  if (headers != nullptr) {
    for (const HeaderField& field : *headers) {
      bound += field.name.size() + field.value.size() + kOverhead;
    }
    if (bound > kMaxSize) return false;
    Room(bound);
    for (const HeaderField& field : *headers) {
      const std::optional<OutgoingField> out = MakeOutgoing(field, headers->arena());
      if (out.has_value()) Append(field.id, out->name, out->value, IsSecretField(field));
    }
  }
  AppendLength(content_length);
  return true;
}

void FieldBlock::Make(HeaderId name, std::string_view value, uint64_t content_length) {
  Room(64 + HeaderName(name).size() + value.size());
  Append(name, HeaderName(name), value, false);
  AppendLength(content_length);
}

void FieldBlock::Room(size_t size) {
  if (size <= sizeof(inline_)) return;
  large_ = std::make_unique_for_overwrite<char[]>(size);
  begin_ = large_.get();
}

void FieldBlock::Append(HeaderId id, std::string_view name, std::string_view value, bool secret) {
  char* at = begin_ + size_;
  const uint8_t first = secret ? kNeverIndexed : kNotIndexed;
  const uint8_t index = kStaticNames[static_cast<size_t>(id)];
  at = WriteInteger(at, first, 4, index);
  if (index == 0) at = WriteString(at, name);
  at = WriteString(at, value);
  size_ = static_cast<size_t>(at - begin_);
}

void FieldBlock::AppendLength(uint64_t content_length) {
  if (content_length == kNoLength) return;
  char text[20];
  const char* end = std::to_chars(text, text + sizeof(text), content_length).ptr;
  Append(HeaderId::kContentLength, {}, {text, static_cast<size_t>(end - text)}, false);
}

}  // namespace postern
