// Which media types are worth compressing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern {

// A list of patterns: "type/subtype", "type/*", "*/*", and "type/*+suffix" for structured syntaxes
// (RFC 6838, section 4.2.8). Immutable.
class ContentTypes {
 public:
  // Text in its common forms.
  static std::vector<std::string> Default();

  // Whether a pattern is one.
  static bool IsPattern(std::string_view pattern);

  explicit ContentTypes(std::vector<std::string> patterns);

  // A content-type header's value, nullopt for none, which "*/*" alone matches. Parameters and case
  // do not matter.
  bool Match(std::optional<std::string_view> content_type) const;

  // Type and subtype alone, in lower case.
  static std::string Essence(std::string_view content_type);

 private:
  std::vector<std::string> patterns_;  // In lower case.
  bool all_ = false;                   // One is "*/*".
};

}  // namespace postern
