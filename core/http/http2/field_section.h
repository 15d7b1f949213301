#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/http/http2/options.h"
#include "core/http/message.h"

namespace postern {

/// One field section while it is decoded: takes the fields one by one as HPACK yields them, checks
/// each against RFC 9113 §8.2 and §8.3, and in the end writes a head or trailers into a message's
/// arena: each byte is copied once. Until then it holds references to the decoder's buffers, not
/// more of them than the limits allow; beyond, it keeps checking but keeps nothing.
class FieldSection {
 public:
  enum class Kind : uint8_t { kRequest, kResponse, kTrailers };

  /// What is wrong with a section.
  struct Problem {
    /// The answer to a request: 0 means that it is malformed (RFC 9113 §8.1.1).
    uint16_t status = 0;
    std::string_view detail;  ///< short stable token; static. Empty: nothing is wrong.

    explicit operator bool() const { return !detail.empty(); }
  };

  /// `options` outlives the section.
  explicit FieldSection(const Http2Options& options) : options_(options) {}
  ~FieldSection() { Clear(); }
  FieldSection(const FieldSection&) = delete;
  FieldSection& operator=(const FieldSection&) = delete;

  /// Forgets what there was and begins.
  void Begin(Kind kind);
  /// The next field. `flags` are those of nghttp2_on_header_callback2. False: the section has
  /// become larger than anybody may make us decode (Http2Options::max_decoded_section).
  bool Add(nghttp2_rcbuf* name, nghttp2_rcbuf* value, uint8_t flags);
  void Clear();

  Kind kind() const { return kind_; }
  /// Add() has returned false.
  bool bomb() const { return decoded_ > options_.max_decoded_section; }
  /// Of a request that is refused: whether it was HEAD.
  bool is_head_request() const { return View(pseudo_[kMethod]) == "HEAD"; }

  /// Checks a request whose head ends the stream if `end`.
  Problem Check(bool end) const;
  /// Writes the head of a request that has passed Check().
  void Write(bool end, RequestHead* head) const;
  /// Writes the head of a response, final or interim, but leaves `body` to the caller, who knows
  /// the request.
  Problem Finish(ResponseHead* head) const;
  Problem Finish(HeaderMap* trailers) const;

 private:
  enum Pseudo { kMethod, kScheme, kAuthority, kPath, kStatus, kPseudoCount };
  struct Field {
    nghttp2_rcbuf* name;
    nghttp2_rcbuf* value;
    HeaderId id;
    bool never_indexed;
  };

  static std::string_view View(nghttp2_rcbuf* buffer);
  size_t max_size() const;

  // Each returns what is wrong with the field, or nothing.
  std::string_view AddPseudo(std::string_view name, nghttp2_rcbuf* value);
  std::string_view AddRegular(nghttp2_rcbuf* name, nghttp2_rcbuf* value, bool never_indexed);
  std::string_view AddTrailer(nghttp2_rcbuf* name, nghttp2_rcbuf* value, bool never_indexed);
  void Store(nghttp2_rcbuf* name, nghttp2_rcbuf* value, HeaderId id, bool never_indexed);
  void WriteFields(HeaderMap* headers) const;
  std::string_view authority() const {
    return View(pseudo_[kAuthority] != nullptr ? pseudo_[kAuthority] : host_);
  }

  const Http2Options& options_;
  Kind kind_ = Kind::kRequest;
  bool regular_seen_ = false;
  bool has_content_length_ = false;
  bool te_trailers_ = false;
  bool expect_continue_ = false;
  bool expect_unknown_ = false;
  std::string_view malformed_;  // first error of a field
  std::string_view over_limit_;
  size_t decoded_ = 0;  // as RFC 9113 §6.5.2 counts
  size_t size_ = 0;     // as HTTP/1.1 would have it, :path left out
  size_t count_ = 0;
  uint64_t content_length_ = 0;
  uint32_t cookies_ = 0;
  size_t cookie_size_ = 0;
  nghttp2_rcbuf* pseudo_[kPseudoCount] = {};
  nghttp2_rcbuf* host_ = nullptr;
  std::vector<Field> fields_;
};

/// A field name as HTTP/2 may carry it: a token without upper-case letters (RFC 9113 §8.2.1, and
/// RFC 9110 §5.1, since it may have to go on as HTTP/1.1).
bool IsLowerCaseToken(std::string_view name);

/// IsFieldValue() at the speed of eight bytes a step.
bool IsCleanFieldValue(std::string_view value);

}  // namespace postern
