#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/http/message.h"

namespace postern {

/// The fields of a response in HPACK, spelt out: literals that are not indexed, with names from the
/// static table where it has them (RFC 7541 §6.2.2, §6.2.3). They neither use nor change the
/// compression state of a connection, so they may stand behind whatever nghttp2 has written, and
/// cost a copy instead of a search in the tables and a Huffman code. Made on the stack, for one
/// frame.
class FieldBlock {
 public:
  static constexpr uint64_t kNoLength = UINT64_MAX;
  /// Bytes of a block at most; what is longer is not sent.
  static constexpr size_t kMaxSize = 256 * 1024;

  FieldBlock() = default;
  FieldBlock(const FieldBlock&) = delete;
  FieldBlock& operator=(const FieldBlock&) = delete;

  /// Makes the block: all of `headers`, which may be null, that HTTP/2 may send, and content-length
  /// unless kNoLength. False past kMaxSize.
  bool Make(const HeaderMap* headers, uint64_t content_length);
  /// The same of one field with a name in lower case and a clean value.
  void Make(HeaderId name, std::string_view value, uint64_t content_length);

  /// Lives as long as this.
  std::string_view bytes() const { return {begin_, size_}; }

 private:
  void Room(size_t size);
  void Append(HeaderId id, std::string_view name, std::string_view value, bool secret);
  void AppendLength(uint64_t content_length);

  char inline_[2048];
  std::unique_ptr<char[]> large_;
  char* begin_ = inline_;
  size_t size_ = 0;
};

}  // namespace postern
