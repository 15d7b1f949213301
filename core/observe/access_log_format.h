#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/context/request_context.h"
#include "core/context/variables.h"

namespace postern {

/// An access-log format (rest-api.md §13.5), compiled when a snapshot is built. Immutable.
///
/// Where it does more than API Gateway, which writes values as they are: whatever a client sends, a
/// line stays one line, and a line of a JSON format stays valid JSON.
///  - A format that is JSON once its variables are filled in
///  (`{"ip":"$context.identity.sourceIp"}`)
///    has its values escaped by JSON's rules inside quotes. Outside of quotes, numbers and booleans
///    are written as they are, other values as strings, and a missing value as `null`.
///  - In an XML format (`<request id="$context.requestId">…</request>`), what is markup becomes an
///    entity.
///  - In a CSV format, whose columns are variables or text with nothing but a comma between them, a
///    value with a comma or a quote is put in quotes, and its quotes are doubled (RFC 4180).
///  - In any other format, quotes become `\xHH`.
///  - In XML, CSV and text, backslashes and control characters become `\xHH`.
///  - Bytes that are not UTF-8 become U+FFFD in JSON and XML, `\xHH` elsewhere.
///  - Values are cut at kMaxValue bytes, and at what is left of kMaxLine.
class AccessLogFormat {
 public:
  static constexpr size_t kMaxFormat = 3072;  ///< bytes of a format (rest-api.md §13.5)
  static constexpr size_t kMaxLine = 32768;   ///< bytes of a line, line feed included
  static constexpr size_t kMaxValue = 8192;   ///< bytes of one value as written

  /// InvalidArgument, with the name and its column (bytes, from 1), for an unknown variable; also
  /// for a format that is empty, too long, not one line, or without request id. Line breaks at the
  /// end are taken away.
  static absl::StatusOr<AccessLogFormat> Compile(std::string_view format);

  /// Writes the line of one exchange, line feed included, to `out` without allocating. Returns its
  /// size, or 0 if it needs more than `room`, which never happens with kMaxLine.
  size_t Write(const RequestContext& context, char* out, size_t room) const;

  bool is_json() const { return json_; }

 private:
  enum class Place : uint8_t { kText, kJsonString, kJsonValue, kXml, kCsv, kCsvQuoted };

  struct Segment {
    size_t literal_start = 0;  // into text_; literal before the variable
    size_t literal_size = 0;
    bool has_variable = false;  // false in the last segment, if anything follows the last variable
    Variable variable;
    Place place = Place::kText;
  };

  AccessLogFormat() = default;
  void FindPlaces();
  bool FindJsonPlaces();
  bool FindCsvPlaces();
  std::string_view Literal(const Segment& segment) const {
    return std::string_view(text_).substr(segment.literal_start, segment.literal_size);
  }

  std::string text_;
  std::vector<Segment> segments_;
  size_t value_budget_ = 0;  // bytes of kMaxLine that values may take together
  bool json_ = false;
};

}  // namespace postern
