#include <rapidjson/document.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/observe/access_log_format.h"
#include "lib/text/utf8.h"

// The first half of the input is a format, the second a client's values. Whatever they are: a line
// is one line of UTF-8, and JSON if the format is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using postern::AccessLogFormat;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t half = std::min(input.find('\0'), input.size());
  const std::string_view value = input.substr(std::min(half + 1, input.size()));
  const absl::StatusOr<AccessLogFormat> format = AccessLogFormat::Compile(input.substr(0, half));
  if (!format.ok()) return 0;

  postern::RequestContext context;
  context.request_id = value;
  context.user_agent = value;
  context.path = value;
  context.status = static_cast<uint16_t>(size);
  context.error_message = value;
  context.error_type = postern::ResponseType::kDefault4xx;
  static char line[AccessLogFormat::kMaxLine];
  const size_t written = format->Write(context, line, sizeof(line));
  if (written == 0 || written > sizeof(line)) std::abort();
  const std::string_view text(line, written);
  if (text.find('\n') != text.size() - 1) std::abort();
  if (!postern::IsValidUtf8(text)) std::abort();
  if (format->is_json()) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseValidateEncodingFlag | rapidjson::kParseIterativeFlag>(
        text.data(), text.size());
    if (document.HasParseError()) std::abort();
  }
  // With less room the result is the same or none.
  static char other[AccessLogFormat::kMaxLine];
  const size_t room = written + size % 64;
  const size_t again = room < sizeof(other) ? format->Write(context, other, room) : 0;
  if (again > room || (again != 0 && std::string_view(other, again) != text)) std::abort();
  return 0;
}
