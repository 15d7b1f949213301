#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern {

/// `contentHandling` (rest-api.md §10.2, §10.3).
enum class ContentHandling : uint8_t { kNone, kToBinary, kToText };

/// Content of a non-proxy integration, in one direction.
struct ConvertedBody {
  std::string_view text;  ///< views what was given, or the room
  bool binary = false;    ///< bytes: no template may see them (rest-api.md §7.8)
  bool failed = false;    ///< was to be decoded and is not base64: 500
};

/// rest-api.md §10.2. `binary`: Content-Type matches the API's binary media types. What is not in
/// `body` already is written to `*room`.
ConvertedBody ConvertRequestBody(std::string_view body, bool binary, ContentHandling handling,
                                 std::string* room);

/// rest-api.md §10.3. `binary`: the backend's Content-Type matches; `wants_binary`: the first media
/// type of Accept does.
ConvertedBody ConvertResponseBody(std::string_view body, bool binary, bool wants_binary,
                                  ContentHandling handling, std::string* room);

}  // namespace postern
