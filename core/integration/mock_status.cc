#include "core/integration/mock_status.h"

#include <charconv>
#include <cstddef>

#include "lib/text/ascii.h"

namespace postern {
namespace {

/// Walks over the members of one object without caring what they hold.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::optional<int32_t> Find() {
    SkipSpace();
    if (!Take('{')) return std::nullopt;
    while (true) {
      SkipSpace();
      if (Take(',')) continue;
      if (AtEnd() || Take('}')) return std::nullopt;
      const std::string_view name = ReadWord();
      SkipSpace();
      if (!Take(':')) return std::nullopt;
      SkipSpace();
      const size_t start = at_;
      if (!SkipValue()) return std::nullopt;
      if (name == "statusCode") return Integer(text_.substr(start, at_ - start));
    }
  }

 private:
  bool AtEnd() const { return at_ == text_.size(); }

  bool Take(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void SkipSpace() {
    while (!AtEnd() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  /// A string in either kind of quotes, or bare text up to what ends it.
  std::string_view ReadWord() {
    if (text_[at_] == '"' || text_[at_] == '\'') {
      const size_t start = at_ + 1;
      SkipString();
      return text_.substr(start, at_ > start ? at_ - 1 - start : 0);
    }
    const size_t start = at_;
    while (!AtEnd() && !kEnds.Has(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  void SkipString() {
    const char quote = text_[at_++];
    while (!AtEnd() && text_[at_] != quote)
      at_ += text_[at_] == '\\' && at_ + 1 < text_.size() ? 2 : 1;
    if (!AtEnd()) ++at_;
  }

  /// Everything up to the comma or brace that ends the value, nested brackets included.
  bool SkipValue() {
    size_t depth = 0;
    while (!AtEnd()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        SkipString();
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}')) return true;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') {
        if (depth == 0) return false;
        --depth;
      }
      ++at_;
    }
    return depth == 0;
  }

  static std::optional<int32_t> Integer(std::string_view text) {
    while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
    int32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  }

  static constexpr CharSet kEnds = CharSet(" \t\r\n:,{}[]\"'");

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<int32_t> FindMockStatus(std::string_view text) { return Scanner(text).Find(); }

}  // namespace postern
