#include "filters/jwt/claim_text.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"
#include "lib/text/time_format.h"

namespace postern::jwt {
namespace {

std::string NumberText(JsonValue value) {
  if (const std::optional<int64_t> whole = value.AsInt()) return Concat(*whole);
  char digits[32];
  const char* end =
      std::to_chars(digits, digits + sizeof(digits), value.AsDouble().value_or(0)).ptr;
  return std::string(digits, static_cast<size_t>(end - digits));
}

// As deep as claims may be nested: 16.
void WriteJson(JsonValue value, JsonWriter* writer) {
  switch (value.kind()) {
    case JsonValue::Kind::kObject:
      writer->BeginObject();
      for (size_t i = 0; i < value.size(); ++i) {
        writer->Key(value.NameAt(i));
        WriteJson(value.At(i), writer);
      }
      writer->EndObject();
      return;
    case JsonValue::Kind::kArray:
      writer->BeginArray();
      for (size_t i = 0; i < value.size(); ++i) WriteJson(value.At(i), writer);
      writer->EndArray();
      return;
    case JsonValue::Kind::kString:
      writer->String(*value.AsString());
      return;
    case JsonValue::Kind::kNumber:
      writer->Raw(NumberText(value));
      return;
    case JsonValue::Kind::kBool:
      writer->Bool(*value.AsBool());
      return;
    case JsonValue::Kind::kNull:
    case JsonValue::Kind::kAbsent:
      writer->Null();
      return;
  }
}

// "Sun, 17 Dec 2017 07:28:12 GMT" in another order.
std::string DateText(double seconds) {
  constexpr double kLast = 253402300799;
  char buffer[kHttpDateSize];
  const std::string_view date =
      FormatHttpDate(static_cast<int64_t>(std::clamp(seconds, 0.0, kLast)) * 1000, buffer);
  return Concat(date.substr(0, 3), " ", date.substr(8, 3), " ", date.substr(5, 2), " ",
                date.substr(17, 8), " UTC ", date.substr(12, 4));
}

std::string ElementText(JsonValue value) {
  switch (value.kind()) {
    case JsonValue::Kind::kString:
      return std::string(*value.AsString());
    case JsonValue::Kind::kNumber:
      return NumberText(value);
    case JsonValue::Kind::kBool:
      return *value.AsBool() ? "true" : "false";
    default: {
      std::string json;
      {
        StringSink sink(&json);
        JsonWriter writer(&sink);
        WriteJson(value, &writer);
      }
      return json;
    }
  }
}

}  // namespace

std::optional<std::string> ClaimText(Profile profile, std::string_view name, JsonValue value) {
  const bool cognito = profile == Profile::kCognito;
  if (value.is_null() || !value) return std::nullopt;
  if (cognito && (name == "exp" || name == "iat") && value.AsDouble()) {
    return DateText(*value.AsDouble());
  }
  if (!value.is_array()) return ElementText(value);
  std::string text = cognito ? "" : "[";
  for (size_t i = 0; i < value.size(); ++i) {
    if (i > 0) text += cognito ? ',' : ' ';
    text += ElementText(value.At(i));
  }
  if (!cognito) text += ']';
  return text;
}

}  // namespace postern::jwt
