#include "lib/mapping/selection_pattern.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// Room for the automaton of one pattern.
constexpr int64_t kPatternMemory = 1 << 20;

constexpr std::pair<std::string_view, std::string_view> kClasses[] = {
    {"Lower", "a-z"},
    {"Upper", "A-Z"},
    {"ASCII", "\\x00-\\x7F"},
    {"Alpha", "a-zA-Z"},
    {"Digit", "0-9"},
    {"Alnum", "a-zA-Z0-9"},
    {"Punct", "!-/:-@\\[-`{-~"},
    {"Graph", "!-~"},
    {"Print", " -~"},
    {"Blank", " \\t"},
    {"Cntrl", "\\x00-\\x1F\\x7F"},
    {"XDigit", "0-9a-fA-F"},
    {"Space", " \\t\\n\\v\\f\\r"},
};

constexpr std::string_view kHorizontalSpace =
    " \\t\\x{A0}\\x{1680}\\x{180E}\\x{2000}-\\x{200A}\\x{202F}\\x{205F}\\x{3000}";

// The characters of \p{Name} where that is one of Java's POSIX classes.
std::string_view PosixClass(std::string_view name) {
  for (const auto& [known, members] : kClasses) {
    if (known == name) return members;
  }
  return {};
}

}  // namespace

std::string FromJavaPattern(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view rest = pattern.substr(i);
    if (rest.starts_with("\\Q")) {  // RE2 quotes alike, but its brackets end a class.
      const size_t end = std::min(rest.find("\\E", 2), rest.size());
      out += RE2::QuoteMeta(re2::StringPiece(rest.data() + 2, end - 2));
      i += end == rest.size() ? end - 1 : end + 1;
      continue;
    }
    if (rest[0] == '\\' && rest.size() > 1) {
      const char next = rest[1];
      if ((next == 'p' || next == 'P') && rest.size() > 2 && rest[2] == '{') {
        const size_t close = rest.find('}');
        const std::string_view members =
            close == rest.npos ? std::string_view() : PosixClass(rest.substr(3, close - 3));
        if (!members.empty() && (next == 'p' || !in_class)) {
          out += in_class ? Concat(members) : Concat(next == 'p' ? "[" : "[^", members, "]");
          i += close;
          continue;
        }
      } else if (next == 'h') {
        out += in_class ? std::string(kHorizontalSpace) : Concat("[", kHorizontalSpace, "]");
        ++i;
        continue;
      } else if (next == 'R' && !in_class) {
        out += "(?:\\r\\n|[\\n\\v\\f\\r\\x{85}\\x{2028}\\x{2029}])";
        ++i;
        continue;
      } else if (next == 'Z' && !in_class) {
        out += "(?:\\r?\\n)?\\z";
        ++i;
        continue;
      }
      out += rest.substr(0, 2);
      ++i;
      continue;
    }
    if (!in_class && rest.starts_with("(?<") && rest.size() > 3 && rest[3] != '=' &&
        rest[3] != '!') {
      out += "(?P<";
      i += 2;
      continue;
    }
    // Inside of a class a '[' opens another one in Java; RE2 takes it for a character, and so does
    // this.
    if (rest[0] == '[' && !in_class) {
      in_class = true;
      out += '[';
      // A ']' that stands first is a character.
      if (rest.size() > 1 && rest[1] == '^') {
        out += '^';
        ++i;
      }
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') {
        out += "\\]";
        ++i;
      }
      continue;
    }
    if (rest[0] == ']') in_class = false;
    out += rest[0];
  }
  return out;
}

SelectionPattern::SelectionPattern(SelectionPattern&&) noexcept = default;
SelectionPattern& SelectionPattern::operator=(SelectionPattern&&) noexcept = default;
SelectionPattern::~SelectionPattern() = default;

absl::StatusOr<SelectionPattern> SelectionPattern::Compile(std::string_view pattern) {
  constexpr CharSet kPlain = kAlnumChars | CharSet(" -_:,");
  if (pattern.empty() || pattern.size() > kMaxSize) {
    return absl::InvalidArgumentError("a pattern has 1 to 4,096 characters");
  }
  SelectionPattern out;
  if (kPlain.HasAll(pattern)) {
    out.plain_ = std::string(pattern);
    return out;
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  options.set_never_capture(true);
  out.pattern_ = std::make_unique<RE2>(FromJavaPattern(pattern), options);
  if (!out.pattern_->ok()) {
    switch (out.pattern_->error_code()) {
      case RE2::ErrorMissingBracket:
      case RE2::ErrorMissingParen:
      case RE2::ErrorTrailingBackslash:
      case RE2::ErrorRepeatArgument:
      case RE2::ErrorBadCharRange:
      case RE2::ErrorBadUTF8:
        return absl::InvalidArgumentError(
            Concat("the pattern is no regular expression: ", out.pattern_->error()));
      default:
        return absl::UnimplementedError(
            Concat("the pattern cannot be used: ", out.pattern_->error(),
                   ". Look-around, back references, atomic groups and possessive quantifiers of "
                   "Java are not supported"));
    }
  }
  return out;
}

bool SelectionPattern::Matches(std::string_view text) const {
  if (pattern_ == nullptr) return text == plain_;
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *pattern_);
}

}  // namespace postern
