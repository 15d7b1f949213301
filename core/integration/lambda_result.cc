#include "core/integration/lambda_result.h"

#include <charconv>
#include <optional>

#include "core/integration/header_rules.h"
#include "core/integration/held_body.h"
#include "lib/text/ascii.h"
#include "lib/text/base64.h"
#include "lib/text/json_reader.h"

namespace postern {
namespace {

// A result is a flat object: what is deeper or larger is malformed anyway.
constexpr JsonReader::Limits kLimits{.max_depth = 64, .max_values = 65536};
constexpr int64_t kMinStatus = 200;
constexpr int64_t kMaxStatus = 999;

/// A header's value: string, boolean or number, as it goes out. Nullopt for what cannot be one.
std::optional<std::string_view> HeaderText(const JsonValue& value, Arena* arena) {
  std::string_view text;
  if (const auto string = value.AsString()) {
    text = arena->Copy(*string);
  } else if (const auto boolean = value.AsBool()) {
    text = *boolean ? "true" : "false";
  } else if (const auto integer = value.AsInt()) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof(digits), *integer).ptr;
    text = arena->Copy({digits, static_cast<size_t>(end - digits)});
  } else if (const auto number = value.AsDouble()) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof(digits), *number).ptr;
    text = arena->Copy({digits, static_cast<size_t>(end - digits)});
  } else {
    return std::nullopt;
  }
  text = TrimOws(text);
  if (!IsFieldValue(text)) return std::nullopt;
  return text;
}

bool SameName(std::string_view a, std::string_view b) { return EqualsIgnoreCase(a, b); }

/// Fills `headers` by both maps (rest-api.md §9.5 "Merging"). False if they are malformed.
bool MergeHeaders(const JsonValue& single, const JsonValue& multi, HeaderMap* headers,
                  Arena* arena) {
  if (multi && !multi.is_null()) {
    if (!multi.is_object()) return false;
    for (size_t i = 0; i < multi.size(); ++i) {
      const JsonValue list = multi.At(i);
      if (!list.is_array() || !IsToken(multi.NameAt(i))) return false;
      const std::string_view name = arena->Copy(multi.NameAt(i));
      for (size_t j = 0; j < list.size(); ++j) {
        const auto value = HeaderText(list.At(j), arena);
        if (!value.has_value()) return false;
        headers->Add(name, *value);
      }
    }
  }
  if (single && !single.is_null()) {
    if (!single.is_object()) return false;
    const size_t from_multi = headers->size();
    for (size_t i = 0; i < single.size(); ++i) {
      if (!IsToken(single.NameAt(i))) return false;
      const auto value = HeaderText(single.At(i), arena);
      if (!value.has_value()) return false;
      std::string_view name;
      bool repeated = false;
      for (size_t k = 0; k < from_multi; ++k) {
        const HeaderField& other = headers->begin()[k];
        if (!SameName(other.name, single.NameAt(i))) continue;
        name = other.name;
        repeated = repeated || other.value == *value;
      }
      if (repeated) continue;
      if (name.empty()) name = arena->Copy(single.NameAt(i));
      headers->Add(name, *value);
    }
  }
  return true;
}

/// rest-api.md §8.4, column 2.
void TreatHeaders(HeaderMap* headers, Arena* arena) {
  headers->RemoveIf([&](HeaderField& field) {
    const ResponseHeaderAction action = field.id == HeaderId::kConnection
                                            ? ResponseHeaderAction::kRemap
                                            : ProxyResponseAction(field.id);
    if (action == ResponseHeaderAction::kRemap) {
      field.name = RemappedName(field.name, arena);
      field.id = LookupHeader(field.name);
    }
    return action == ResponseHeaderAction::kDrop;
  });
  if (headers->Find(HeaderId::kContentType) == nullptr) {
    headers->Add(HeaderId::kContentType, "Content-Type", "application/json");
  }
}

std::optional<int64_t> StatusOf(const JsonValue& value) {
  if (!value || value.is_null()) return 200;
  std::optional<int64_t> status = value.AsInt();
  if (const auto text = value.AsString()) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error == std::errc() && end == text->data() + text->size()) status = number;
  }
  if (status.has_value() && (*status < kMinStatus || *status > kMaxStatus)) return std::nullopt;
  return status;
}

bool IsResultKey(std::string_view name) {
  return name == "statusCode" || name == "headers" || name == "multiValueHeaders" ||
         name == "body" || name == "isBase64Encoded";
}

}  // namespace

LambdaResult ReadLambdaResult(char* text, size_t size, const RequestHead& request,
                              const BinaryMediaTypes& binary_media_types, Arena* arena) {
  // One for each worker, used for one result after the other.
  static thread_local JsonReader reader;
  LambdaResult result;
  if (!reader.ParseInSitu(text, size, kLimits).ok()) return result;
  const JsonValue root = reader.root();
  if (!root.is_object()) return result;
  if (const auto message = root.Find("errorMessage").AsString()) {
    // A Runtime Interface Emulator tells of an error only so (management-and-import.md §5.2).
    result.kind = LambdaResult::Kind::kFunctionError;
    result.error_message = arena->Copy(*message);
    return result;
  }
  for (size_t i = 0; i < root.size(); ++i) {
    if (!IsResultKey(root.NameAt(i))) return result;
  }
  const std::optional<int64_t> status = StatusOf(root.Find("statusCode"));
  if (!status.has_value()) return result;
  auto* head = arena->New<ResponseHead>(arena);
  head->status = static_cast<uint16_t>(*status);
  if (!MergeHeaders(root.Find("headers"), root.Find("multiValueHeaders"), &head->headers, arena)) {
    return result;
  }
  const JsonValue body = root.Find("body");
  const std::optional<std::string_view> body_text = body.AsString();
  if (body && !body.is_null() && !body_text.has_value()) return result;
  const JsonValue encoded = root.Find("isBase64Encoded");
  if (encoded && !encoded.is_null() && !encoded.AsBool().has_value()) return result;

  std::string_view content = body_text.value_or(std::string_view{});
  const bool inside = content.data() >= text && content.data() + content.size() <= text + size;
  if (!inside) content = arena->Copy(content);
  if (encoded.AsBool().value_or(false) && !content.empty()) {
    const HeaderField* accept = request.headers.Find(HeaderId::kAccept);
    if (binary_media_types.MatchesAccept(accept != nullptr ? std::optional(accept->value)
                                                           : std::nullopt)) {
      char* out = arena->Allocate(Base64DecodedBound(content.size()), 1);
      const auto decoded =
          Base64DecodeTo(content, Base64Alphabet::kStandard, Base64Mode::kLenient, out);
      if (!decoded.has_value()) {
        result.kind = LambdaResult::Kind::kUndecodable;
        return result;
      }
      content = {out, *decoded};
    }
  }
  TreatHeaders(&head->headers, arena);
  SetContent(head, &content);
  result.kind = LambdaResult::Kind::kResponse;
  result.head = head;
  result.body = content;
  return result;
}

}  // namespace postern
