#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postern {

/// Times as text, always UTC, always English, without locale and without allocation. `epoch_ms` is
/// in milliseconds since 1970-01-01; times outside the years 0 to 9999 are clamped to these. Each
/// function fills the whole buffer, adds no NUL, and returns the view of it.

/// IMF-fixdate, RFC 9110 §5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
inline constexpr size_t kHttpDateSize = 29;
std::string_view FormatHttpDate(int64_t epoch_ms, char (&buffer)[kHttpDateSize]);

/// Common Log Format, as `requestTime` of events and logs (rest-api.md §9.3):
/// "20/Jul/2026:01:56:20 +0000".
inline constexpr size_t kClfTimeSize = 26;
std::string_view FormatClfTime(int64_t epoch_ms, char (&buffer)[kClfTimeSize]);

/// ISO 8601 extended with milliseconds (RFC 3339): "2026-07-20T01:56:20.253Z".
inline constexpr size_t kIsoTimeSize = 24;
std::string_view FormatIsoTime(int64_t epoch_ms, char (&buffer)[kIsoTimeSize]);

}  // namespace postern
