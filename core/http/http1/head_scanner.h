#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postern {

/// Finds the end of a head (start line and fields) or of a trailer section in bytes that arrive
/// piece by piece, and refuses on the way what no field or start line may contain: CR without LF,
/// LF without CR, NUL and other control characters, folded lines (RFC 9112 §2.2, §5.2; RFC 9110
/// §5.5). Looks at each byte once.
class HeadScanner {
 public:
  enum class Result : uint8_t { kIncomplete, kComplete, kBad };

  /// `start_line` false: for a trailer section, which may be empty.
  explicit HeadScanner(bool start_line = true) : start_line_(start_line) {}

  /// `bytes` begins at the head's first byte and grows from call to call; it may move in memory.
  Result Scan(std::string_view bytes);

  /// After kComplete: length of empty lines before the start line, to be skipped.
  size_t begin() const { return begin_; }
  /// After kComplete: end of the head, its empty last line included.
  size_t end() const { return end_; }
  /// After kComplete or so far: end of the start line, its CR LF included; 0 while it is not whole.
  size_t start_line_end() const { return start_line_end_; }
  /// After kBad: static token such as "bare_cr".
  std::string_view detail() const { return detail_; }

  void Reset() { *this = HeadScanner(start_line_); }

 private:
  Result Bad(std::string_view detail) {
    detail_ = detail;
    return Result::kBad;
  }

  /// Empty lines tolerated before a start line (RFC 9112 §2.2 asks for one).
  static constexpr size_t kMaxLeadingBytes = 8;

  bool start_line_;
  size_t at_ = 0;          // next byte to look at
  size_t line_start_ = 0;  // first byte of the line at_ is in
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t start_line_end_ = 0;
  std::string_view detail_;
};

}  // namespace postern
