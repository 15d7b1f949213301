#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/http1/field_parser.h"
#include "core/http/http1/head_scanner.h"

namespace postern {

/// Takes the chunked transfer coding off a message's content (RFC 9112 §7.1), by the letter of the
/// grammar: what another parser might read differently is an error.
class ChunkedDecoder {
 public:
  enum class Result : uint8_t {
    kMore,   ///< all input is used
    kData,   ///< data() holds the next piece of content; call again with what is left
    kDone,   ///< the last chunk and the trailer section are complete
    kError,  ///< see detail()
  };

  /// `max_trailer_bytes` bounds the trailer section, CR LF included.
  explicit ChunkedDecoder(size_t max_trailer_bytes) : max_trailer_bytes_(max_trailer_bytes) {}

  /// Consumes from the front of `*input`. data() points into what was consumed.
  Result Decode(std::string_view* input);

  std::string_view data() const { return data_; }
  std::string_view detail() const { return detail_; }
  /// After kDone: the trailer section's lines with the empty last one, or empty when there are
  /// none. Valid until the decoder is reset.
  std::string_view trailer_block() const {
    return trailers_.size() > 2 ? std::string_view(trailers_) : std::string_view();
  }

  void Reset() { *this = ChunkedDecoder(max_trailer_bytes_); }

 private:
  enum class State : uint8_t {
    kSizeStart,
    kSize,
    kExtension,  // after white space or ';': anything the extension grammar allows
    kExtensionQuoted,
    kExtensionEscape,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailers,
    kDone,
  };
  // Where inside `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
  enum class Ext : uint8_t { kBeforeSemicolon, kNameStart, kName, kAfterName, kValueStart, kValue };

  Result Error(std::string_view detail) {
    detail_ = detail;
    return Result::kError;
  }
  bool Extension(char c);

  /// Bytes of extensions allowed for one chunk.
  static constexpr uint32_t kMaxExtension = 256;
  /// Extension bytes allowed for a whole message, over and above the size of its content.
  static constexpr uint64_t kMaxOverhead = 64 * 1024;
  static constexpr int kMaxSizeDigits = 16;

  State state_ = State::kSizeStart;
  Ext ext_ = Ext::kBeforeSemicolon;
  uint8_t digits_ = 0;
  bool quoted_end_ = false;  // a quoted value has just been closed
  uint32_t extension_ = 0;
  uint64_t overhead_ = 0;
  uint64_t content_ = 0;
  uint64_t remaining_ = 0;
  size_t max_trailer_bytes_;
  HeadScanner scanner_{/*start_line=*/false};
  std::string trailers_;
  std::string_view data_;
  std::string_view detail_;
};

}  // namespace postern
