#include "core/http/http2/field_writer.h"

#include <algorithm>
#include <array>
#include <charconv>

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

void FieldWriter::Add(std::string_view name, std::string_view value, uint8_t flags) {
  fields_.push_back({
      .name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
      .value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
      .namelen = name.size(),
      .valuelen = value.size(),
      .flags = static_cast<uint8_t>(flags | NGHTTP2_NV_FLAG_NO_COPY_NAME |
                                    NGHTTP2_NV_FLAG_NO_COPY_VALUE),
  });
}

void FieldWriter::CopyBytes() {
  for (nghttp2_nv& field : fields_) {
    field.flags &=
        static_cast<uint8_t>(~(NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE));
  }
}

void FieldWriter::AddContentLength(uint64_t content_length) {
  if (content_length == kNoLength) return;
  const char* end = std::to_chars(length_, length_ + sizeof(length_), content_length).ptr;
  Add("content-length", {length_, static_cast<size_t>(end - length_)});
}

void FieldWriter::Response(uint16_t status, const HeaderMap* headers, uint64_t content_length,
                           bool introduce) {
  status_[0] = static_cast<char>('0' + status / 100 % 10);
  status_[1] = static_cast<char>('0' + status / 10 % 10);
  status_[2] = static_cast<char>('0' + status % 10);
  Add(":status", {status_, 3});
  if (headers != nullptr) AddFields(*headers, false, introduce);
  AddContentLength(content_length);
}

void FieldWriter::Request(const RequestHead& head, uint64_t content_length) {
  Add(":method", head.method == Method::kOther ? head.method_text : MethodName(head.method));
  // RFC 9113 §8.5: CONNECT has no more than an authority.
  if (head.method != Method::kConnect) {
    Add(":scheme", head.scheme.empty() ? std::string_view("http") : head.scheme);
  }
  if (!head.authority.empty()) Add(":authority", head.authority);
  if (head.method != Method::kConnect) Add(":path", head.target);
  if (head.te_trailers) Add("te", "trailers");
  AddFields(head.headers, true, false);
  AddContentLength(content_length);
}

void FieldWriter::Trailers(const HeaderMap& trailers) { AddFields(trailers, false, false); }

void FieldWriter::AddFields(const HeaderMap& headers, bool shared, bool introduce) {
  for (const HeaderField& field : headers) {
    uint8_t flags = field.never_indexed ? NGHTTP2_NV_FLAG_NO_INDEX : 0;
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
        continue;
      // Secret: compression would give them away (RFC 7541 §7.1).
      case HeaderId::kAuthorization:
      case HeaderId::kProxyAuthorization:
      case HeaderId::kXApiKey:
        flags = NGHTTP2_NV_FLAG_NO_INDEX;
        break;
      // Different each time: a place in the table would be lost on their values.
      case HeaderId::kXAmznRequestId:
      case HeaderId::kXAmznTraceId:
      case HeaderId::kXAmzApigwId:
        if (!introduce) flags = NGHTTP2_NV_FLAG_NO_INDEX;
        break;
      case HeaderId::kCookie:
      case HeaderId::kForwarded:
      case HeaderId::kReferer:
      case HeaderId::kXForwardedFor:
        if (shared) flags = NGHTTP2_NV_FLAG_NO_INDEX;
        break;
      default:
        break;
    }
    const std::string_view name = field.id != HeaderId::kOther
                                      ? HeaderName(field.id)
                                      : LowerCaseName(field.name, headers.arena());
    const std::string_view value = TrimOws(field.value);
    if (name.empty() || !IsCleanFieldValue(value)) continue;
    Add(name, value, flags);
  }
}

}  // namespace postern
