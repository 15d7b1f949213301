#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "core/http/message.h"

namespace postern {

/// Makes the field list of one HEADERS frame, of a request or of trailers, for nghttp2. Nothing is
/// copied but names that have to be put into lower case (RFC 9113 §8.2), which go into the
/// message's arena: message and writer must live until the frame is serialized. Fields that HTTP/2
/// forbids (§8.2.2), and any that is no valid field at all, are left out. Made on the stack, for
/// one frame.
class FieldWriter {
 public:
  static constexpr uint64_t kNoLength = UINT64_MAX;

  FieldWriter() = default;
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;

  void Request(const RequestHead& head, uint64_t content_length);
  void Trailers(const HeaderMap& trailers);
  /// Appends a field whose name is valid and in lower case.
  void Add(std::string_view name, std::string_view value, uint8_t flags = 0);

  const nghttp2_nv* data() const { return fields_.data(); }
  size_t size() const { return fields_.size(); }
  /// Makes nghttp2 copy the bytes: the frame will be serialized at some later time.
  void CopyBytes();

 private:
  // `shared`: the connection carries many users' requests, so that what belongs to one of them does
  // not go into the compression state that they share.
  void AddFields(const HeaderMap& headers, bool shared);
  void AddContentLength(uint64_t content_length);

  char length_[20];
  absl::InlinedVector<nghttp2_nv, 40> fields_;
};

}  // namespace postern
