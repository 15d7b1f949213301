#include "lib/text/json_reader.h"

#include <charconv>
#include <utility>
#include <vector>

#include <rapidjson/document.h>
#include <rapidjson/reader.h>

#include "lib/text/concat.h"
#include "lib/text/json_text.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

using Pool = rapidjson::MemoryPoolAllocator<rapidjson::CrtAllocator>;
using RapidDocument = rapidjson::GenericDocument<rapidjson::UTF8<char>, Pool, Pool>;
using RapidReader =
    rapidjson::GenericReader<json_text::Utf8, json_text::Utf8, rapidjson::CrtAllocator>;

// Numbers are converted here: RapidJSON 1.1.0 is either inexact or, for `0e-70` with
// kParseFullPrecisionFlag, undefined.
constexpr unsigned kParseFlags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseNumbersAsStringsFlag;

constexpr size_t kPoolBufferSize = 16 * 1024;  // values of a result of usual size
constexpr size_t kStackCapacity = 1024;
constexpr size_t kPoolChunkSize = 64 * 1024;
constexpr size_t kKeptScratch = 256 * 1024;  // of one large text, not kept for the next

// Passes events to the document until a limit is met.
class LimitingHandler {
 public:
  LimitingHandler(const json_text::Stream& stream, RapidDocument& document,
                  const JsonReader::Limits& limits)
      : stream_(stream),
        document_(document),
        depth_left_(limits.max_depth),
        values_left_(limits.max_values) {}

  bool exceeded() const { return exceeded_; }

  bool Null() { return Count() && document_.Null(); }
  bool Bool(bool value) { return Count() && document_.Bool(value); }
  bool RawNumber(const char*, rapidjson::SizeType size, bool) {
    return Count() && Number(stream_.Last(size));
  }
  bool String(const char* text, rapidjson::SizeType size, bool copy) {
    return Count() && document_.String(text, size, copy);
  }
  bool Key(const char* text, rapidjson::SizeType size, bool copy) {
    return Count() && document_.Key(text, size, copy);
  }
  bool StartObject() { return Enter() && document_.StartObject(); }
  bool StartArray() { return Enter() && document_.StartArray(); }
  bool EndObject(rapidjson::SizeType count) {
    ++depth_left_;
    return document_.EndObject(count);
  }
  bool EndArray(rapidjson::SizeType count) {
    ++depth_left_;
    return document_.EndArray(count);
  }

  // Never called: numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  // `text` is a number by RFC 8259. One that double cannot hold ends the parse.
  bool Number(std::string_view text) {
    const char* end = text.data() + text.size();
    int64_t integer = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, integer);
    if (error == std::errc() && stop == end) return document_.Int64(integer);
    double number = 0;
    return std::from_chars(text.data(), end, number).ec == std::errc() && document_.Double(number);
  }

  bool Count() {
    if (values_left_ == 0) {
      exceeded_ = true;
      return false;
    }
    --values_left_;
    return true;
  }

  bool Enter() {
    if (depth_left_ == 0) {
      exceeded_ = true;
      return false;
    }
    --depth_left_;
    return Count();
  }

  const json_text::Stream& stream_;
  RapidDocument& document_;
  size_t depth_left_;
  size_t values_left_;
  bool exceeded_ = false;
};

absl::Status SyntaxError(size_t offset, std::string_view why) {
  return absl::InvalidArgumentError(Concat("JSON, byte ", offset, ": ", why));
}

}  // namespace

struct JsonReader::Impl {
  Impl()
      : values(value_buffer, sizeof(value_buffer), kPoolChunkSize),
        stack(stack_buffer, sizeof(stack_buffer), kPoolChunkSize) {}

  alignas(16) char value_buffer[kPoolBufferSize];
  alignas(16) char stack_buffer[kPoolBufferSize];
  Pool values;
  Pool stack;
  std::vector<char> scratch;
  RapidReader reader;
  std::optional<RapidDocument> document;
};

JsonReader::JsonReader() : impl_(std::make_unique<Impl>()) {}
JsonReader::~JsonReader() = default;

absl::Status JsonReader::Parse(std::string_view text, const Limits& limits) {
  std::vector<char>& scratch = impl_->scratch;
  if (scratch.size() > kKeptScratch && text.size() <= kKeptScratch) scratch = {};
  if (scratch.size() < text.size()) scratch.resize(text.size());
  return ParseInto(text, scratch.data(), limits);
}

absl::Status JsonReader::ParseInSitu(char* text, size_t size, const Limits& limits) {
  return ParseInto({text, size}, text, limits);
}

absl::Status JsonReader::ParseInto(std::string_view text, char* decoded, const Limits& limits) {
  impl_->document.reset();
  impl_->values.Clear();
  impl_->stack.Clear();
  const size_t valid = ValidUtf8Prefix(text);
  if (valid != text.size()) return SyntaxError(valid, "the text is not UTF-8");

  RapidDocument document(&impl_->values, kStackCapacity, &impl_->stack);
  json_text::Stream stream(text, decoded);
  rapidjson::ParseResult result;
  bool exceeded = false;
  const auto generate = [&](RapidDocument& target) {
    LimitingHandler handler(stream, target, limits);
    result = impl_->reader.Parse<kParseFlags>(stream, handler);
    exceeded = handler.exceeded();
    return !result.IsError();
  };
  document.Populate(generate);
  if (exceeded) {
    return absl::ResourceExhaustedError(
        Concat("JSON, byte ", stream.Tell(), ": nested too deeply or too many values"));
  }
  if (result.IsError()) return SyntaxError(result.Offset(), json_text::ErrorText(result.Code()));
  if (!stream.AtEnd()) {
    return SyntaxError(stream.Tell(),
                       json_text::ErrorText(rapidjson::kParseErrorDocumentRootNotSingular));
  }
  if (stream.lone_surrogate() != 0) {
    return SyntaxError(stream.lone_surrogate(),
                       json_text::ErrorText(rapidjson::kParseErrorStringUnicodeSurrogateInvalid));
  }
  impl_->document.emplace(std::move(document));
  return absl::OkStatus();
}

JsonValue JsonReader::root() const {
  return impl_->document.has_value() ? JsonValue(&*impl_->document) : JsonValue();
}

JsonValue::Kind JsonValue::kind() const {
  if (value_ == nullptr) return Kind::kAbsent;
  switch (value_->GetType()) {
    case rapidjson::kNullType:
      return Kind::kNull;
    case rapidjson::kFalseType:
    case rapidjson::kTrueType:
      return Kind::kBool;
    case rapidjson::kObjectType:
      return Kind::kObject;
    case rapidjson::kArrayType:
      return Kind::kArray;
    case rapidjson::kStringType:
      return Kind::kString;
    case rapidjson::kNumberType:
      return Kind::kNumber;
  }
  return Kind::kAbsent;
}

std::optional<bool> JsonValue::AsBool() const {
  if (value_ == nullptr || !value_->IsBool()) return std::nullopt;
  return value_->GetBool();
}

std::optional<int64_t> JsonValue::AsInt() const {
  if (value_ == nullptr || !value_->IsInt64()) return std::nullopt;
  return value_->GetInt64();
}

std::optional<double> JsonValue::AsDouble() const {
  if (value_ == nullptr || !value_->IsNumber()) return std::nullopt;
  return value_->GetDouble();
}

std::optional<std::string_view> JsonValue::AsString() const {
  if (value_ == nullptr || !value_->IsString()) return std::nullopt;
  return std::string_view(value_->GetString(), value_->GetStringLength());
}

size_t JsonValue::size() const {
  switch (kind()) {
    case Kind::kArray:
      return value_->Size();
    case Kind::kObject:
      return value_->MemberCount();
    default:
      return 0;
  }
}

JsonValue JsonValue::At(size_t index) const {
  if (index >= size()) return {};
  if (value_->IsArray()) return JsonValue(&value_->Begin()[index]);
  return JsonValue(&(value_->MemberBegin() + static_cast<ptrdiff_t>(index))->value);
}

std::string_view JsonValue::NameAt(size_t index) const {
  if (!is_object() || index >= size()) return {};
  const auto& name = (value_->MemberBegin() + static_cast<ptrdiff_t>(index))->name;
  return {name.GetString(), name.GetStringLength()};
}

JsonValue JsonValue::Find(std::string_view name) const {
  if (!is_object()) return {};
  for (size_t i = size(); i > 0; --i) {
    if (NameAt(i - 1) == name) return At(i - 1);
  }
  return {};
}

}  // namespace postern
