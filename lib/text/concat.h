#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace postern {

/// One argument of Concat(): text, borrowed, or an integer, written in decimal.
class ConcatPiece {
 public:
  explicit ConcatPiece(std::string_view text) : data_(text.data()), size_(text.size()) {}
  explicit ConcatPiece(const std::string& text) : ConcatPiece(std::string_view(text)) {}
  explicit ConcatPiece(const char* text) : ConcatPiece(std::string_view(text)) {}
  explicit ConcatPiece(char c) : data_(digits_), size_(1) { digits_[0] = c; }
  template <std::integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, char>) explicit ConcatPiece(T number)
      : data_(digits_),
        size_(static_cast<size_t>(std::to_chars(digits_, digits_ + sizeof(digits_), number).ptr -
                                  digits_)) {}
  ConcatPiece(const ConcatPiece&) = delete;
  ConcatPiece& operator=(const ConcatPiece&) = delete;

  std::string_view text() const { return {data_, size_}; }

 private:
  char digits_[24];
  const char* data_;
  size_t size_;
};

/// Joins text and integers into one string with one allocation. Stands in for absl::StrCat, whose
/// string_view on Debian is not std::string_view.
template <typename... Parts>
std::string Concat(const Parts&... parts) {
  const ConcatPiece pieces[] = {ConcatPiece(parts)...};
  size_t size = 0;
  for (const ConcatPiece& piece : pieces) size += piece.text().size();
  std::string out;
  out.reserve(size);
  for (const ConcatPiece& piece : pieces) out += piece.text();
  return out;
}

}  // namespace postern
