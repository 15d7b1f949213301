#include "core/http/http1/head_scanner.h"

#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace postern {
namespace {

bool IsControl(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u < 0x20 || u == 0x7f;
}

// First position at or after `at` that holds a control character; the size when there is none.
size_t NextControl(std::string_view bytes, size_t at) {
#if defined(__SSE2__)
  const __m128i limit = _mm_set1_epi8(0x1f);
  const __m128i del = _mm_set1_epi8(0x7f);
  while (at + 16 <= bytes.size()) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, limit), v);
    const auto mask =
        static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, del))));
    if (mask != 0) return at + static_cast<size_t>(std::countr_zero(mask));
    at += 16;
  }
#endif
  while (at < bytes.size() && !IsControl(bytes[at])) ++at;
  return at;
}

}  // namespace

HeadScanner::Result HeadScanner::Scan(std::string_view bytes) {
  for (;;) {
    at_ = NextControl(bytes, at_);
    if (at_ >= bytes.size()) return Result::kIncomplete;
    const char c = bytes[at_];
    const bool in_start_line = start_line_ && start_line_end_ == 0;
    if (c == '\t') {
      if (in_start_line) return Bad("start_line_whitespace");
      ++at_;
      continue;
    }
    if (c == '\n') return Bad("bare_lf");
    if (c != '\r') return Bad(c == '\0' ? "nul" : "control_character");
    if (at_ + 1 == bytes.size()) return Result::kIncomplete;  // looked at again with its successor
    if (bytes[at_ + 1] != '\n') return Bad("bare_cr");
    const size_t line_end = at_;
    const size_t next = at_ + 2;
    if (line_end == line_start_) {
      if (!in_start_line) {
        end_ = next;
        return Result::kComplete;
      }
      begin_ = next;
      if (begin_ > kMaxLeadingBytes) return Bad("empty_lines");
    } else if (in_start_line) {
      start_line_end_ = next;
    } else if (bytes[line_start_] == ' ' || bytes[line_start_] == '\t') {
      return Bad("folded_line");
    }
    line_start_ = next;
    at_ = next;
  }
}

}  // namespace postern
