#pragma once

#include <cstdint>
#include <string_view>

#include "core/http/header_map.h"

namespace postern {

/// Request methods the gateway knows by number; any other token is kOther with its text kept.
enum class Method : uint8_t {
  kOther,
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kPatch,
  kOptions,
  kConnect,
  kTrace,
};

/// Case-sensitive (RFC 9110 §9.1).
Method ParseMethod(std::string_view text);
/// Empty for kOther.
std::string_view MethodName(Method method);
/// RFC 9110 §9.2.2: may be sent again without asking. kOther is not.
bool IsIdempotent(Method method);

/// What is known of a message's content when its head has been read.
enum class BodyKind : uint8_t {
  kNone,     ///< there is no content: the head ends the message
  kLength,   ///< exactly content_length bytes, more than zero
  kUnknown,  ///< until its end is told: chunked, HTTP/2 without content-length, or until close
};

/// What the two heads share.
struct MessageHead {
  explicit MessageHead(Arena* arena) : headers(arena) {}

  HeaderMap headers;
  BodyKind body = BodyKind::kNone;
  uint64_t content_length = 0;      ///< with kLength; also what a HEAD response announces
  bool has_content_length = false;  ///< the sender wrote a content-length (0 included)
  std::string_view connection;  ///< raw Connection field as received, options joined; for display
};

/// A request as received from a client, or as it is to be sent to an upstream. Views live in the
/// arena of `headers`.
struct RequestHead : MessageHead {
  using MessageHead::MessageHead;

  Method method = Method::kGet;
  uint8_t version = 11;          ///< 10, 11 or 20: the version the peer spoke
  std::string_view method_text;  ///< exact token
  std::string_view scheme;       ///< "http" or "https"
  /// Host as received from Host or :authority, without userinfo, not lower-cased. Never empty on a
  /// received HTTP/1.1 or HTTP/2 request.
  std::string_view authority;
  /// Origin-form target: path and query as sent, percent-encoding untouched; "*" for OPTIONS *. For
  /// CONNECT it is empty and the authority names the target.
  std::string_view target;
  bool te_trailers = false;      ///< the client takes trailers (`TE: trailers`, RFC 9110 §10.1.4)
  bool expect_continue = false;  ///< `Expect: 100-continue` was sent and not yet answered
  std::string_view upgrade;      ///< protocols offered by Upgrade (HTTP/1.1) or :protocol (HTTP/2)

  /// Becomes like `other` in everything but the fields.
  void CopyAllButFields(const RequestHead& other) {
    body = other.body;
    content_length = other.content_length;
    has_content_length = other.has_content_length;
    connection = other.connection;
    method = other.method;
    version = other.version;
    method_text = other.method_text;
    scheme = other.scheme;
    authority = other.authority;
    target = other.target;
    te_trailers = other.te_trailers;
    expect_continue = other.expect_continue;
    upgrade = other.upgrade;
  }

  /// Target up to '?'.
  std::string_view path() const { return target.substr(0, target.find('?')); }
  /// Target after '?', empty when there is none.
  std::string_view query() const {
    const size_t at = target.find('?');
    return at == target.npos ? std::string_view{} : target.substr(at + 1);
  }
};

/// A response, received from an upstream or to be sent to a client.
struct ResponseHead : MessageHead {
  using MessageHead::MessageHead;

  uint16_t status = 200;     ///< 200 to 999; interim 1xx never appear as a head
  uint8_t version = 11;      ///< 10, 11 or 20
  std::string_view reason;   ///< empty: the codec writes the standard phrase
  std::string_view upgrade;  ///< with 101: the protocol switched to
};

/// The phrase of a status, "Unknown" otherwise: RFC 9110 §15, but 413 and 422 by the older names that
/// API Gateway sends.
std::string_view ReasonPhrase(uint16_t status);

/// True when a response of this status to this method has no content whatever its fields say
/// (RFC 9112 §6.3, rule 1).
bool ResponseHasNoBody(Method request_method, uint16_t status);

/// RFC 9110 §5.6.2 token.
bool IsToken(std::string_view text);
/// RFC 9110 §5.5 field value: no control characters but HTAB, no leading or trailing white space.
bool IsFieldValue(std::string_view text);

}  // namespace postern
