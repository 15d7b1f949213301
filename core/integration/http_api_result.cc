#include "core/integration/http_api_result.h"

#include <charconv>
#include <optional>

#include "core/integration/held_body.h"
#include "lib/text/ascii.h"
#include "lib/text/base64.h"
#include "lib/text/json_reader.h"

namespace postern {
namespace {

constexpr JsonReader::Limits kLimits{.max_depth = 512, .max_values = 1 << 20};
// What can be sent; http-api.md §8 says no more than that it is a number.
constexpr int64_t kMinStatus = 200;
constexpr int64_t kMaxStatus = 599;
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kText = "text/plain; charset=utf-8";

/// A header's value: strings, and numbers and booleans as text. Nullopt for what cannot be one.
std::optional<std::string_view> HeaderText(const JsonValue& value, Arena* arena) {
  std::string_view text;
  char digits[32];
  if (const auto string = value.AsString()) {
    text = *string;
  } else if (const auto boolean = value.AsBool()) {
    text = *boolean ? "true" : "false";
  } else if (const auto integer = value.AsInt()) {
    const auto end = std::to_chars(digits, digits + sizeof(digits), *integer).ptr;
    text = {digits, static_cast<size_t>(end - digits)};
  } else if (const auto number = value.AsDouble()) {
    const auto end = std::to_chars(digits, digits + sizeof(digits), *number).ptr;
    text = {digits, static_cast<size_t>(end - digits)};
  } else {
    return std::nullopt;
  }
  text = TrimOws(text);
  if (!IsFieldValue(text)) return std::nullopt;
  return arena->Copy(text);
}

/// Fields that a function has no say in: the connection's, and framing.
bool IsOurs(HeaderId id) {
  switch (id) {
    case HeaderId::kConnection:
    case HeaderId::kContentLength:
    case HeaderId::kKeepAlive:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
    case HeaderId::kTe:
    case HeaderId::kTrailer:
    case HeaderId::kDate:
      return true;
    default:
      return false;
  }
}

bool AddField(std::string_view name, const JsonValue& value, HeaderMap* headers, Arena* arena) {
  if (!IsToken(name)) return false;
  const auto text = HeaderText(value, arena);
  if (!text.has_value()) return false;
  const HeaderId id = LookupHeader(name);
  if (!IsOurs(id)) headers->Add(id, arena->Copy(name), *text);
  return true;
}

// http-api.md §8, format 1.0: both maps, the same pair once.
bool AddMultiValues(const JsonValue& multi, HeaderMap* headers, Arena* arena) {
  if (!multi || multi.is_null()) return true;
  if (!multi.is_object()) return false;
  const size_t singles = headers->size();
  for (size_t i = 0; i < multi.size(); ++i) {
    const JsonValue list = multi.At(i);
    if (!list.is_array()) return false;
    for (size_t j = 0; j < list.size(); ++j) {
      const size_t before = headers->size();
      if (!AddField(multi.NameAt(i), list.At(j), headers, arena)) return false;
      if (headers->size() == before) continue;
      const HeaderField added = headers->end()[-1];
      bool repeated = false;
      for (size_t k = 0; k < singles; ++k) {
        const HeaderField& other = headers->begin()[k];
        repeated =
            repeated || (EqualsIgnoreCase(other.name, added.name) && other.value == added.value);
      }
      if (!repeated) continue;
      size_t at = 0;
      headers->RemoveIf([&](const HeaderField&) { return at++ == before; });
    }
  }
  return true;
}

std::optional<int64_t> StatusOf(const JsonValue& value) {
  std::optional<int64_t> status = value.AsInt();
  if (const auto text = value.AsString()) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error == std::errc() && end == text->data() + text->size()) status = number;
  }
  if (status.has_value() && (*status < kMinStatus || *status > kMaxStatus)) return std::nullopt;
  return status;
}

HttpApiResult Inferred(std::string_view content, Arena* arena) {
  HttpApiResult result;
  result.kind = HttpApiResult::Kind::kResponse;
  result.head = arena->New<ResponseHead>(arena);
  result.head->status = 200;
  result.head->headers.Add(HeaderId::kContentType, "content-type", kJson);
  SetContent(result.head, &content);
  result.body = content;
  return result;
}

}  // namespace

HttpApiResult ReadHttpApiResult(std::string_view text, bool version2, Arena* arena) {
  // One for each worker, used for one result after the other.
  static thread_local JsonReader reader;
  HttpApiResult result;
  if (TrimOws(text).empty()) return version2 ? Inferred({}, arena) : result;
  if (!reader.Parse(text, kLimits).ok()) return result;
  const JsonValue root = reader.root();
  const JsonValue status_value = root.Find("statusCode");
  if (!status_value) {
    if (const auto message = root.Find("errorMessage").AsString();
        message.has_value() && root.Find("errorType")) {
      // A Runtime Interface Emulator tells of an error only so (management-and-import.md §5.2).
      result.kind = HttpApiResult::Kind::kFunctionError;
      result.error_message = arena->Copy(*message);
      return result;
    }
    if (!version2) return result;
    if (const auto string = root.AsString()) return Inferred(arena->Copy(*string), arena);
    return Inferred(text, arena);
  }
  const std::optional<int64_t> status = StatusOf(status_value);
  if (!status.has_value()) return result;
  auto* head = arena->New<ResponseHead>(arena);
  head->status = static_cast<uint16_t>(*status);
  const JsonValue cookies = root.Find("cookies");
  if (version2 && cookies && !cookies.is_null()) {
    if (!cookies.is_array()) return result;
    for (size_t i = 0; i < cookies.size(); ++i) {
      if (!AddField("set-cookie", cookies.At(i), &head->headers, arena)) return result;
    }
  }
  if (const JsonValue headers = root.Find("headers"); headers && !headers.is_null()) {
    if (!headers.is_object()) return result;
    for (size_t i = 0; i < headers.size(); ++i) {
      if (!AddField(headers.NameAt(i), headers.At(i), &head->headers, arena)) return result;
    }
  }
  if (!version2 && !AddMultiValues(root.Find("multiValueHeaders"), &head->headers, arena)) {
    return result;
  }
  const JsonValue body = root.Find("body");
  if (body && !body.is_null() && !body.AsString().has_value()) return result;
  std::string_view content = arena->Copy(body.AsString().value_or(std::string_view{}));
  const JsonValue encoded = root.Find("isBase64Encoded");
  if (encoded && !encoded.is_null() && !encoded.AsBool().has_value()) return result;
  if (encoded.AsBool().value_or(false) && !content.empty()) {
    char* out = arena->Allocate(Base64DecodedBound(content.size()), 1);
    const auto decoded =
        Base64DecodeTo(content, Base64Alphabet::kStandard, Base64Mode::kLenient, out);
    if (!decoded.has_value()) return result;
    content = {out, *decoded};
  }
  if (head->headers.Find(HeaderId::kContentType) == nullptr) {
    head->headers.Add(HeaderId::kContentType, "content-type", kText);
  }
  SetContent(head, &content);
  result.kind = HttpApiResult::Kind::kResponse;
  result.head = head;
  result.body = content;
  return result;
}

}  // namespace postern
