#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace re2 {
class RE2;
}

namespace postern {

/// The `selectionPattern` of an integration response (rest-api.md §8.1), compiled: a regular
/// expression of Java that has to match the whole text. Java's look-around, back references, atomic
/// groups and possessive quantifiers are refused, since matching is linear in the text. Immutable.
class SelectionPattern {
 public:
  static constexpr size_t kMaxSize = 4096;

  /// InvalidArgument: why it is no regular expression of Java either; Unimplemented: what of Java's
  /// it has that is refused here.
  static absl::StatusOr<SelectionPattern> Compile(std::string_view pattern);

  SelectionPattern(SelectionPattern&&) noexcept;
  SelectionPattern& operator=(SelectionPattern&&) noexcept;
  ~SelectionPattern();

  bool Matches(std::string_view text) const;

 private:
  SelectionPattern() = default;

  std::string plain_;  // of a pattern without special characters
  std::unique_ptr<re2::RE2> pattern_;
};

/// A regular expression as Java writes it in the notation of RE2, where that differs: named groups,
/// POSIX classes as \p{Alpha}, \h and \R, \Z at the end.
std::string FromJavaPattern(std::string_view pattern);

}  // namespace postern
