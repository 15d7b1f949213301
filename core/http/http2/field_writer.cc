#include "core/http/http2/field_writer.h"

#include <charconv>
#include <optional>

#include "core/http/http2/outgoing_field.h"

namespace postern {
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

void FieldWriter::Request(const RequestHead& head, uint64_t content_length) {
  Add(":method", head.method == Method::kOther ? head.method_text : MethodName(head.method));
  // RFC 9113 §8.5: CONNECT has no more than an authority.
  if (head.method != Method::kConnect) {
    Add(":scheme", head.scheme.empty() ? std::string_view("http") : head.scheme);
  }
  if (!head.authority.empty()) Add(":authority", head.authority);
  if (head.method != Method::kConnect) Add(":path", head.target);
  if (head.te_trailers) Add("te", "trailers");
  AddFields(head.headers, true);
  AddContentLength(content_length);
}

void FieldWriter::Trailers(const HeaderMap& trailers) { AddFields(trailers, false); }

void FieldWriter::AddFields(const HeaderMap& headers, bool shared) {
  for (const HeaderField& field : headers) {
    const std::optional<OutgoingField> out = MakeOutgoing(field, headers.arena());
    if (!out.has_value()) continue;
    bool secret = IsSecretField(field);
    switch (field.id) {
      // Different each time: a place in the table would be lost on its value.
      case HeaderId::kXAmznTraceId:
        secret = true;
        break;
      case HeaderId::kCookie:
      case HeaderId::kForwarded:
      case HeaderId::kReferer:
      case HeaderId::kXForwardedFor:
        secret |= shared;
        break;
      default:
        break;
    }
    Add(out->name, out->value, secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
  }
}

}  // namespace postern
