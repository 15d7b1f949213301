#include "core/http/http2/field_section.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstring>
#include <optional>

#include "lib/text/ascii.h"
#include "lib/text/host_port.h"

namespace postern {
namespace {

constexpr CharSet kLowerCaseToken("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~");

// References to the decoder's buffers that are kept from one section to the next: enough for what
// clients usually send.
constexpr size_t kFirstFields = 16;
constexpr size_t kIdleFields = 32;

nghttp2_rcbuf* Hold(nghttp2_rcbuf* buffer) {
  nghttp2_rcbuf_incref(buffer);
  return buffer;
}

// Digits and nothing else; lists are refused even if their members agree (RFC 9110 §8.6).
bool ParseContentLength(std::string_view text, uint64_t* out) {
  if (text.empty() || text.size() > 18) return false;
  uint64_t value = 0;
  for (char c : text) {
    if (!IsDigit(c)) return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  *out = value;
  return true;
}

bool IsTargetByte(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u > 0x20 && u < 0x7f && c != '#';
}

// RFC 9113 §8.3.1 asks for the same entity, not for the same spelling: case does not count, nor
// does the scheme's own port.
bool SameAuthority(std::string_view a, std::string_view b, std::string_view scheme) {
  if (a == b) return true;
  const std::optional<HostPort> x = ParseHostPort(a);
  const std::optional<HostPort> y = ParseHostPort(b);
  if (!x || !y || x->kind != y->kind || !EqualsIgnoreCase(x->host, y->host)) return false;
  const uint16_t standard = scheme == "https" ? 443 : 80;
  return x->port.value_or(standard) == y->port.value_or(standard);
}

std::string_view CopyUnlessStatic(Arena* arena, nghttp2_rcbuf* buffer) {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  const std::string_view view(reinterpret_cast<const char*>(bytes.base), bytes.len);
  return nghttp2_rcbuf_is_static(buffer) != 0 ? view : arena->Copy(view);
}

}  // namespace

bool IsLowerCaseToken(std::string_view name) {
  return !name.empty() && kLowerCaseToken.HasAll(name);
}

bool IsCleanFieldValue(std::string_view value) {
  if (value.empty()) return true;
  if (value.front() == ' ' || value.back() == ' ' || value.front() == '\t' ||
      value.back() == '\t') {
    return false;
  }
  const char* at = value.data();
  const char* const end = at + value.size();
  // Most values hold no control character; only one that does is looked at byte by byte.
#if defined(__SSE2__)
  const __m128i limit = _mm_set1_epi8(0x1f);
  const __m128i del = _mm_set1_epi8(0x7f);
  for (; end - at >= 16; at += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, limit), v);
    if (_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, del))) != 0) {
      return IsFieldValue(value);
    }
  }
#endif
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = kOnes * 0x80;
  for (; end - at >= 8; at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    const uint64_t control = (word - kOnes * 0x20) & ~word;
    const uint64_t deleted = word ^ kOnes * 0x7f;
    if (((control | ((deleted - kOnes) & ~deleted)) & kHighs) != 0) return IsFieldValue(value);
  }
  for (; at < end; ++at) {
    const auto u = static_cast<unsigned char>(*at);
    if (u < 0x20 || u == 0x7f) return IsFieldValue(value);
  }
  return true;
}

std::string_view FieldSection::View(nghttp2_rcbuf* buffer) {
  if (buffer == nullptr) return {};
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

void FieldSection::Clear() {
  for (const Field& field : fields_) {
    nghttp2_rcbuf_decref(field.name);
    nghttp2_rcbuf_decref(field.value);
  }
  fields_.clear();
  if (fields_.capacity() > kIdleFields) fields_.shrink_to_fit();
  for (nghttp2_rcbuf*& pseudo : pseudo_) {
    if (pseudo != nullptr) nghttp2_rcbuf_decref(pseudo);
    pseudo = nullptr;
  }
  if (host_ != nullptr) nghttp2_rcbuf_decref(host_);
  host_ = nullptr;
}

void FieldSection::Begin(Kind kind) {
  Clear();
  kind_ = kind;
  regular_seen_ = false;
  has_content_length_ = false;
  te_trailers_ = false;
  expect_continue_ = false;
  expect_unknown_ = false;
  malformed_ = {};
  over_limit_ = {};
  decoded_ = 0;
  size_ = 0;
  count_ = 0;
  content_length_ = 0;
  cookies_ = 0;
  cookie_size_ = 0;
}

size_t FieldSection::max_size() const {
  switch (kind_) {
    case Kind::kRequest:
      return options_.max_head_fields;
    case Kind::kResponse:
      return options_.max_head_fields + options_.max_target;
    case Kind::kTrailers:
      return options_.max_trailer_bytes;
  }
  return 0;
}

bool FieldSection::Add(nghttp2_rcbuf* name, nghttp2_rcbuf* value, uint8_t flags) {
  const std::string_view name_view = View(name);
  const std::string_view value_view = View(value);
  const size_t bytes = name_view.size() + value_view.size();
  decoded_ += bytes + 32;
  if (bomb()) return false;
  if (!malformed_.empty()) return true;
  // A target has a limit, and an answer, of its own.
  if (name_view != ":path") size_ += bytes + 4;
  if (size_ > max_size()) over_limit_ = "head_size";
  if (!name_view.empty() && name_view.front() == ':') {
    malformed_ = AddPseudo(name_view, value);
    return true;
  }
  if (++count_ > options_.max_field_count) over_limit_ = "field_count";
  regular_seen_ = true;
  const bool never_indexed = (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0;
  if (!IsLowerCaseToken(name_view)) {
    malformed_ = "field_name";
  } else if (!IsCleanFieldValue(value_view)) {
    malformed_ = "field_value";
  } else if (kind_ == Kind::kTrailers) {
    malformed_ = AddTrailer(name, value, never_indexed);
  } else {
    malformed_ = AddRegular(name, value, never_indexed);
  }
  return true;
}

// RFC 9113 §8.3.
std::string_view FieldSection::AddPseudo(std::string_view name, nghttp2_rcbuf* value) {
  if (kind_ == Kind::kTrailers) return "pseudo_in_trailers";
  if (regular_seen_) return "pseudo_order";
  Pseudo pseudo = kPseudoCount;
  if (kind_ == Kind::kResponse) {
    if (name == ":status") pseudo = kStatus;
  } else if (name == ":method") {
    pseudo = kMethod;
  } else if (name == ":path") {
    pseudo = kPath;
  } else if (name == ":scheme") {
    pseudo = kScheme;
  } else if (name == ":authority") {
    pseudo = kAuthority;
  }
  if (pseudo == kPseudoCount) return "pseudo_unknown";
  if (pseudo_[pseudo] != nullptr) return "pseudo_repeated";
  pseudo_[pseudo] = Hold(value);
  return {};
}

std::string_view FieldSection::AddRegular(nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                                          bool never_indexed) {
  const HeaderId id = LookupHeader(View(name));
  const bool request = kind_ == Kind::kRequest;
  switch (id) {
    // RFC 9113 §8.2.2.
    case HeaderId::kConnection:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return "connection_field";
    case HeaderId::kTe:
      if (!request || !EqualsIgnoreCase(View(value), "trailers")) return "te";
      te_trailers_ = true;
      return {};
    case HeaderId::kContentLength:
      if (has_content_length_) return "content_length_repeated";
      if (!ParseContentLength(View(value), &content_length_)) return "content_length";
      has_content_length_ = true;
      return {};
    case HeaderId::kHost:
      if (!request) break;
      if (host_ != nullptr) return "host_repeated";
      host_ = Hold(value);
      return {};
    case HeaderId::kExpect:
      if (!request) break;
      if (EqualsIgnoreCase(View(value), "100-continue")) {
        expect_continue_ = true;
      } else {
        expect_unknown_ = true;
      }
      return {};
    case HeaderId::kHttp2Settings:
    case HeaderId::kTrailer:
      return {};  // hop-by-hop, or an announcement that is made anew where it is needed
    case HeaderId::kCookie:
      if (View(value).empty()) return {};  // an empty crumb would leave a delimiter at an end
      ++cookies_;
      cookie_size_ += View(value).size();
      break;
    default:
      break;
  }
  Store(name, value, id, never_indexed);
  return {};
}

// The fields that HTTP/1 trailers may not have either (RFC 9110 §6.5.1).
std::string_view FieldSection::AddTrailer(nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                                          bool never_indexed) {
  const HeaderId id = LookupHeader(View(name));
  switch (id) {
    case HeaderId::kConnection:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
    case HeaderId::kTe:
      return "connection_field";
    case HeaderId::kContentLength:
    case HeaderId::kHost:
      return "trailer_framing_field";
    case HeaderId::kTrailer:
    case HeaderId::kExpect:
    case HeaderId::kAuthorization:
    case HeaderId::kCookie:
    case HeaderId::kSetCookie:
    case HeaderId::kContentType:
    case HeaderId::kContentEncoding:
    case HeaderId::kCacheControl:
    case HeaderId::kHttp2Settings:
    case HeaderId::kXApiKey:
    case HeaderId::kXForwardedFor:
    case HeaderId::kXForwardedHost:
    case HeaderId::kXForwardedPort:
    case HeaderId::kXForwardedProto:
      return {};  // must not be merged into the head's meaning: dropped
    default:
      Store(name, value, id, never_indexed);
      return {};
  }
}

void FieldSection::Store(nghttp2_rcbuf* name, nghttp2_rcbuf* value, HeaderId id,
                         bool never_indexed) {
  if (!over_limit_.empty()) return;
  if (fields_.capacity() == 0) fields_.reserve(kFirstFields);
  fields_.push_back({Hold(name), Hold(value), id, never_indexed});
}

FieldSection::Problem FieldSection::Check(bool end) const {
  if (!malformed_.empty()) return {.detail = malformed_};
  if (!over_limit_.empty()) return {.status = 431, .detail = over_limit_};
  const std::string_view path = View(pseudo_[kPath]);
  if (path.size() > options_.max_target) return {.status = 414, .detail = "target_size"};
  const std::string_view method = View(pseudo_[kMethod]);
  const std::string_view scheme = View(pseudo_[kScheme]);
  if (!IsToken(method)) return {.detail = "method"};
  const bool connect = method == "CONNECT";
  if (connect) {
    // RFC 9113 §8.5.
    if (pseudo_[kScheme] != nullptr || pseudo_[kPath] != nullptr ||
        pseudo_[kAuthority] == nullptr) {
      return {.detail = "connect"};
    }
    const std::optional<HostPort> target = ParseHostPort(authority());
    if (!target || !target->port) return {.detail = "connect"};
    if (has_content_length_) return {.detail = "connect_content"};
  } else {
    if (scheme != "http" && scheme != "https") return {.detail = "scheme"};
    // Origin-form, or "*" for OPTIONS; what HTTP/1.1 cannot carry stops here.
    const bool asterisk = path == "*" && method == "OPTIONS";
    if (path.empty() || (path.front() != '/' && !asterisk) ||
        !std::all_of(path.begin(), path.end(), IsTargetByte)) {
      return {.detail = "path"};
    }
    if (!ParseHostPort(authority())) return {.detail = "authority"};
  }
  if (pseudo_[kAuthority] != nullptr && host_ != nullptr &&
      !SameAuthority(View(pseudo_[kAuthority]), View(host_), scheme)) {
    return {.detail = "host_disagrees"};
  }
  if (end && has_content_length_ && content_length_ != 0) return {.detail = "content_length_short"};
  if (expect_unknown_) return {.status = 417, .detail = "expectation"};
  return {};
}

void FieldSection::Write(bool end, RequestHead* head) const {
  Arena* arena = head->headers.arena();
  head->version = 20;
  head->method = ParseMethod(View(pseudo_[kMethod]));
  head->method_text = head->method == Method::kOther ? CopyUnlessStatic(arena, pseudo_[kMethod])
                                                     : MethodName(head->method);
  head->scheme = View(pseudo_[kScheme]) == "https" ? "https" : "http";
  head->authority =
      CopyUnlessStatic(arena, pseudo_[kAuthority] != nullptr ? pseudo_[kAuthority] : host_);
  head->target =
      pseudo_[kPath] != nullptr ? CopyUnlessStatic(arena, pseudo_[kPath]) : std::string_view{};
  head->has_content_length = has_content_length_;
  head->content_length = content_length_;
  if (end || (has_content_length_ && content_length_ == 0)) {
    head->body = BodyKind::kNone;
  } else {
    head->body = has_content_length_ ? BodyKind::kLength : BodyKind::kUnknown;
  }
  head->te_trailers = te_trailers_;
  head->expect_continue = expect_continue_ && head->body != BodyKind::kNone;
  WriteFields(&head->headers);
}

FieldSection::Problem FieldSection::Finish(ResponseHead* head) const {
  if (!malformed_.empty()) return {.detail = malformed_};
  if (!over_limit_.empty()) return {.status = 431, .detail = over_limit_};
  // RFC 9113 §8.3.2.
  const std::string_view text = View(pseudo_[kStatus]);
  if (text.size() != 3 || !IsDigit(text[0]) || !IsDigit(text[1]) || !IsDigit(text[2])) {
    return {.detail = "status"};
  }
  const int status = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
  if (status < 100 || status > 599 || status == 101) return {.detail = "status"};
  head->status = static_cast<uint16_t>(status);
  head->version = 20;
  head->has_content_length = has_content_length_;
  head->content_length = content_length_;
  WriteFields(&head->headers);
  return {};
}

FieldSection::Problem FieldSection::Finish(HeaderMap* trailers) const {
  if (!malformed_.empty()) return {.detail = malformed_};
  if (!over_limit_.empty()) return {.status = 431, .detail = over_limit_};
  WriteFields(trailers);
  return {};
}

void FieldSection::WriteFields(HeaderMap* headers) const {
  Arena* arena = headers->arena();
  // RFC 9113 §8.2.3: cookies that were split for compression are one field again.
  char* cookie_end = nullptr;
  for (const Field& field : fields_) {
    if (field.id == HeaderId::kCookie && cookie_end != nullptr) {
      const std::string_view crumb = View(field.value);
      std::memcpy(cookie_end, "; ", 2);
      std::memcpy(cookie_end + 2, crumb.data(), crumb.size());
      cookie_end += 2 + crumb.size();
      continue;
    }
    std::string_view value;
    if (field.id == HeaderId::kCookie && cookies_ > 1) {
      const std::string_view crumb = View(field.value);
      const size_t joined = cookie_size_ + 2 * (cookies_ - 1);
      char* const cookie = arena->Allocate(joined, 1);
      std::memcpy(cookie, crumb.data(), crumb.size());
      cookie_end = cookie + crumb.size();
      value = {cookie, joined};
    } else {
      value = CopyUnlessStatic(arena, field.value);
    }
    const std::string_view name =
        field.id != HeaderId::kOther ? HeaderName(field.id) : CopyUnlessStatic(arena, field.name);
    headers->Add(field.id, name, value);
    if (field.never_indexed) (headers->end() - 1)->never_indexed = true;
  }
}

}  // namespace postern
