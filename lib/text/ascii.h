#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern {

/// Character classes of the protocols' grammars. ASCII only and independent of the locale, unlike
/// <cctype>; bytes above 0x7F belong to no class.

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool IsAlpha(char c) { return IsUpper(c) || IsLower(c); }
constexpr bool IsAlnum(char c) { return IsAlpha(c) || IsDigit(c); }

constexpr char ToLower(char c) { return IsUpper(c) ? static_cast<char>(c + ('a' - 'A')) : c; }

/// 0 to 15, or -1 if `c` is no hexadecimal digit.
constexpr int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = ToLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// A set of bytes, to be made at compile time and tested in one load.
class CharSet {
 public:
  constexpr CharSet() = default;
  constexpr explicit CharSet(std::string_view members) {
    for (char c : members) member_[static_cast<uint8_t>(c)] = true;
  }

  constexpr CharSet operator|(const CharSet& other) const {
    CharSet both;
    for (size_t i = 0; i < 256; ++i) both.member_[i] = member_[i] || other.member_[i];
    return both;
  }

  constexpr bool Has(char c) const { return member_[static_cast<uint8_t>(c)]; }

  /// Whether every byte of `text` is a member; true for empty text.
  constexpr bool HasAll(std::string_view text) const {
    for (char c : text) {
      if (!Has(c)) return false;
    }
    return true;
  }

 private:
  std::array<bool, 256> member_{};
};

inline constexpr CharSet kAlnumChars(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");

/// `tchar` of RFC 9110 §5.6.2: what a token (field name, method, media type) is made of.
inline constexpr CharSet kTokenChars = kAlnumChars | CharSet("!#$%&'*+-.^_`|~");

/// RFC 3986 §2.3.
inline constexpr CharSet kUnreservedChars = kAlnumChars | CharSet("-._~");

/// RFC 3986 §2.2.
inline constexpr CharSet kSubDelimChars = CharSet("!$&'()*+,;=");

/// Whether the two are equal when A to Z are read as a to z.
constexpr bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}

inline std::string AsciiToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = ToLower(c);
  return lower;
}

/// `text` without the optional white space (space, tab; RFC 9110 §5.6.3) at both ends.
constexpr std::string_view TrimOws(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace postern
