#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <rapidjson/fwd.h>

#include "absl/status/status.h"

namespace postern {

/// A value inside a JsonReader: a view, cheap to copy, valid until the reader parses again or ends.
/// No access can fail: asking a value for what it is not gives nullopt, zero or an absent value.
class JsonValue {
 public:
  enum class Kind : uint8_t { kAbsent, kNull, kBool, kNumber, kString, kArray, kObject };

  /// Absent: what a lookup returns that found nothing.
  JsonValue() = default;

  /// Whether there is a value at all (null is one).
  explicit operator bool() const { return value_ != nullptr; }

  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_object() const { return kind() == Kind::kObject; }
  bool is_array() const { return kind() == Kind::kArray; }

  std::optional<bool> AsBool() const;
  /// Only of numbers written as an integer (`200`, not `200.0` or `2e2`) that fit.
  std::optional<int64_t> AsInt() const;
  std::optional<double> AsDouble() const;
  /// Decoded; may contain NUL. Ill-formed UTF-8 never gets this far.
  std::optional<std::string_view> AsString() const;

  /// Elements of an array, members of an object; 0 for other kinds.
  size_t size() const;

  /// Element `index` of an array, or value of member `index` of an object in the order of the text.
  JsonValue At(size_t index) const;
  /// Name of member `index` of an object; empty if there is none.
  std::string_view NameAt(size_t index) const;

  /// The member of an object; of several with one name the last, which is the one that counts for
  /// Jackson and for JavaScript. Linear in size().
  JsonValue Find(std::string_view name) const;

 private:
  friend class JsonReader;
  using Impl = rapidjson::GenericValue<rapidjson::UTF8<char>,
                                       rapidjson::MemoryPoolAllocator<rapidjson::CrtAllocator>>;

  explicit JsonValue(const Impl* value) : value_(value) {}

  const Impl* value_ = nullptr;
};

/// Reads JSON that comes from outside, above all results of functions (rest-api.md §9.5). Strict
/// RFC 8259 by RapidJSON: iterative, so that depth costs no stack; UTF-8 checked; nothing behind
/// the value; numbers only within double. One reader is used for many texts, one after the other,
/// and for short ones allocates only the first time. Not thread-safe.
class JsonReader {
 public:
  struct Limits {
    size_t max_depth = 512;       ///< nested arrays and objects
    size_t max_values = 1 << 20;  ///< and names; up to 48 bytes of memory each
  };

  JsonReader();
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  /// Parses `text` and keeps copies of its strings. InvalidArgument with place and reason if it
  /// is not JSON, ResourceExhausted if it exceeds a limit; root() is then absent.
  absl::Status Parse(std::string_view text, const Limits& limits);
  absl::Status Parse(std::string_view text) { return Parse(text, Limits()); }

  /// The same, but decodes strings where they stand: `text[0..size)` is changed, and must live
  /// unchanged as long as root() is used. No NUL is needed behind it.
  absl::Status ParseInSitu(char* text, size_t size, const Limits& limits);
  absl::Status ParseInSitu(char* text, size_t size) { return ParseInSitu(text, size, Limits()); }

  /// The value; absent before the first Parse() and after one that failed.
  JsonValue root() const;

 private:
  struct Impl;

  absl::Status ParseInto(std::string_view text, char* decoded, const Limits& limits);

  std::unique_ptr<Impl> impl_;
};

}  // namespace postern
