#include "lib/mapping/mock_status.h"

#include <charconv>
#include <cstddef>
#include <system_error>

#include "lib/text/ascii.h"

namespace postern {
namespace {

constexpr CharSet kNameChars = kAlnumChars | CharSet("_$");
constexpr CharSet kValueEnds(",}] \t\r\n\v\f");

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// A cursor over the lenient notation.
class LenientObject {
 public:
  explicit LenientObject(std::string_view text) : rest_(text) {}

  std::optional<int32_t> StatusCode() {
    SkipSpace();
    if (!Take('{')) return std::nullopt;
    std::optional<int32_t> result;
    SkipSpace();
    if (Take('}')) return std::nullopt;
    while (true) {
      SkipSpace();
      std::string_view name;
      if (!Name(&name)) return std::nullopt;
      SkipSpace();
      if (!Take(':')) return std::nullopt;
      SkipSpace();
      const std::string_view value = Value();
      if (value.empty()) return std::nullopt;
      if (name == "statusCode") {
        // A string, a fraction or an exponent is no integer.
        int32_t number = 0;
        const char* const end = value.data() + value.size();
        const auto [stop, error] = std::from_chars(value.data(), end, number);
        result = stop == end && error == std::errc() ? std::optional(number) : std::nullopt;
      }
      SkipSpace();
      if (Take(',')) continue;
      if (!Take('}')) return std::nullopt;
      SkipSpace();
      return rest_.empty() ? result : std::nullopt;
    }
  }

 private:
  void SkipSpace() {
    while (!rest_.empty() && IsSpace(rest_.front())) rest_.remove_prefix(1);
  }

  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // The text between quotes, without undoing escapes: no escape is needed in the one name we seek.
  bool Quoted(std::string_view* inner) {
    const char quote = rest_.front();
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == quote) {
        *inner = rest_.substr(1, i - 1);
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }

  bool Name(std::string_view* name) {
    if (rest_.empty()) return false;
    if (rest_.front() == '"' || rest_.front() == '\'') return Quoted(name);
    size_t n = 0;
    while (n < rest_.size() && kNameChars.Has(rest_[n])) ++n;
    *name = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return n > 0;
  }

  // The text of one value of any kind; empty if there is none.
  std::string_view Value() {
    if (rest_.empty()) return {};
    const std::string_view start = rest_;
    std::string_view inner;
    if (rest_.front() == '"' || rest_.front() == '\'') {
      return Quoted(&inner) ? start.substr(0, start.size() - rest_.size()) : std::string_view();
    }
    if (rest_.front() == '{' || rest_.front() == '[') {
      size_t depth = 0;
      while (!rest_.empty()) {
        const char c = rest_.front();
        if (c == '"' || c == '\'') {
          if (!Quoted(&inner)) return {};
          continue;
        }
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        rest_.remove_prefix(1);
        if (depth == 0) return start.substr(0, start.size() - rest_.size());
      }
      return {};
    }
    size_t n = 0;
    while (n < rest_.size() && !kValueEnds.Has(rest_[n])) ++n;
    rest_.remove_prefix(n);
    return start.substr(0, n);
  }

  std::string_view rest_;
};

}  // namespace

std::optional<int32_t> FindMockStatus(std::string_view text) {
  return LenientObject(text).StatusCode();
}

}  // namespace postern
