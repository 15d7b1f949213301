// A small strict reader of JSON (RFC 8259) for configurations: no duplicate members, no trailing
// bytes, valid UTF-8, bounded depth and size. Not meant for the request path.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern {

// One JSON value, as a tree.
class Json {
 public:
  enum class Type { kNull, kBool, kInt, kDouble, kString, kArray, kObject };

  // Why a text is not JSON.
  struct Error {
    size_t offset = 0;  // Of the byte where it went wrong.
    std::string message;
  };

  static constexpr size_t kMaxDepth = 32;
  static constexpr size_t kMaxBytes = size_t{1} << 20;

  // Reads a whole text. Sets *error and returns nullopt where it is not JSON, or over a limit.
  static std::optional<Json> Parse(std::string_view text, Error* error);

  Type type() const { return type_; }
  bool is_number() const { return type_ == Type::kInt || type_ == Type::kDouble; }

  // Each is good for its own type only; of another, it is the empty value.
  bool AsBool() const { return type_ == Type::kBool && int_ != 0; }
  int64_t AsInt() const { return type_ == Type::kInt ? int_ : 0; }
  double AsDouble() const {
    return type_ == Type::kDouble ? double_ : static_cast<double>(AsInt());
  }
  const std::string& AsString() const { return string_; }
  const std::vector<Json>& items() const { return items_; }

  // Members of an object, in the order of the text; names[i] belongs to items()[i].
  const std::vector<std::string>& names() const { return names_; }

  // A member of an object, or nullptr.
  const Json* Find(std::string_view name) const {
    for (size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return &items_[i];
    }
    return nullptr;
  }

  // "a string", "an object" and so on, for messages.
  static std::string_view Describe(Type type) {
    switch (type) {
      case Type::kNull:
        return "null";
      case Type::kBool:
        return "a boolean";
      case Type::kInt:
        return "an integer";
      case Type::kDouble:
        return "a number";
      case Type::kString:
        return "a string";
      case Type::kArray:
        return "an array";
      case Type::kObject:
        return "an object";
    }
    return "";
  }

 private:
  friend class ConfigReader;
  class Parser;

  Type type_ = Type::kNull;
  // Marks of ConfigReader, which reports what nobody read.
  mutable bool read_ = false;    // Somebody asked for this value by name.
  mutable bool opened_ = false;  // An object whose members are asked for by name.
  int64_t int_ = 0;
  double double_ = 0;
  std::string string_;
  std::vector<Json> items_;
  std::vector<std::string> names_;
};

class Json::Parser {
 public:
  Parser(std::string_view text, Error* error) : text_(text), error_(error) {}

  std::optional<Json> Parse() {
    Json value;
    if (text_.size() > kMaxBytes) {
      Fail("is larger than 1 MiB");
      return std::nullopt;
    }
    if (!Value(&value, 0)) return std::nullopt;
    SkipSpace();
    if (at_ != text_.size()) {
      Fail("something follows the JSON value");
      return std::nullopt;
    }
    return value;
  }

 private:
  bool Fail(std::string_view message) {
    error_->offset = at_;
    error_->message = message;
    return false;
  }

  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }
  bool Take(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void SkipSpace() {
    while (!AtEnd() && (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' || Peek() == '\r')) ++at_;
  }

  bool Word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return Fail("is not JSON");
    at_ += word.size();
    return true;
  }

  bool Value(Json* out, size_t depth) {
    SkipSpace();
    switch (Peek()) {
      case '{':
        return Object(out, depth);
      case '[':
        return Array(out, depth);
      case '"':
        out->type_ = Type::kString;
        return String(&out->string_);
      case 't':
        out->type_ = Type::kBool;
        out->int_ = 1;
        return Word("true");
      case 'f':
        out->type_ = Type::kBool;
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number(out);
    }
  }

  bool Object(Json* out, size_t depth) {
    if (depth >= kMaxDepth) return Fail("is nested too deeply");
    out->type_ = Type::kObject;
    ++at_;
    SkipSpace();
    if (Take('}')) return true;
    while (true) {
      SkipSpace();
      if (Peek() != '"') return Fail("the name of a member is expected");
      std::string name;
      if (!String(&name)) return false;
      if (out->names_.size() >= kMaxMembers) return Fail("an object has too many members");
      if (out->Find(name) != nullptr) return Fail("member \"" + name + "\" comes twice");
      SkipSpace();
      if (!Take(':')) return Fail("':' is expected");
      Json value;
      if (!Value(&value, depth + 1)) return false;
      out->names_.push_back(std::move(name));
      out->items_.push_back(std::move(value));
      SkipSpace();
      if (Take('}')) return true;
      if (!Take(',')) return Fail("',' or '}' is expected");
    }
  }

  bool Array(Json* out, size_t depth) {
    if (depth >= kMaxDepth) return Fail("is nested too deeply");
    out->type_ = Type::kArray;
    ++at_;
    SkipSpace();
    if (Take(']')) return true;
    while (true) {
      Json value;
      if (!Value(&value, depth + 1)) return false;
      out->items_.push_back(std::move(value));
      SkipSpace();
      if (Take(']')) return true;
      if (!Take(',')) return Fail("',' or ']' is expected");
    }
  }

  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  bool Digits() {
    if (!IsDigit(Peek())) return Fail("is not JSON");
    while (IsDigit(Peek())) ++at_;
    return true;
  }

  bool Number(Json* out) {
    const size_t start = at_;
    Take('-');
    if (!Take('0') && !Digits()) return false;
    bool whole = true;
    if (Take('.')) {
      whole = false;
      if (!Digits()) return false;
    }
    if (Take('e') || Take('E')) {
      whole = false;
      if (!Take('+')) Take('-');
      if (!Digits()) return false;
    }
    const std::string_view digits = text_.substr(start, at_ - start);
    if (whole && Integer(digits, &out->int_)) {
      out->type_ = Type::kInt;
      return true;
    }
    out->type_ = Type::kDouble;
    out->double_ = std::strtod(std::string(digits).c_str(), nullptr);
    if (!std::isfinite(out->double_)) return Fail("a number is out of range");
    return true;
  }

  // False when the digits do not fit in 64 bits.
  static bool Integer(std::string_view digits, int64_t* out) {
    const bool negative = digits.front() == '-';
    if (negative) digits.remove_prefix(1);
    const uint64_t limit = (uint64_t{1} << 63) - (negative ? 0 : 1);
    uint64_t value = 0;
    for (const char c : digits) {
      const uint64_t digit = static_cast<uint64_t>(c - '0');
      if (value > (limit - digit) / 10) return false;
      value = value * 10 + digit;
    }
    *out = static_cast<int64_t>(negative ? ~value + 1 : value);
    return true;
  }

  bool String(std::string* out) {
    ++at_;
    while (true) {
      if (AtEnd()) return Fail("a string has no end");
      const unsigned char c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return Fail("a control character must be escaped");
      if (c == '\\') {
        if (!Escape(out)) return false;
      } else if (c < 0x80) {
        out->push_back(static_cast<char>(c));
        ++at_;
      } else if (!Utf8(out)) {
        return false;
      }
    }
  }

  bool Escape(std::string* out) {
    ++at_;
    const char c = Peek();
    if (c == 'u') return Unicode(out);
    static constexpr std::string_view kFrom = "\"\\/bfnrt";
    static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    const size_t which = AtEnd() ? std::string_view::npos : kFrom.find(c);
    if (which == std::string_view::npos) return Fail("an escape is unknown");
    out->push_back(kTo[which]);
    ++at_;
    return true;
  }

  bool Hex4(uint32_t* out) {
    *out = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = Peek();
      uint32_t digit = 0;
      if (IsDigit(c)) {
        digit = static_cast<uint32_t>(c - '0');
      } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
        digit = static_cast<uint32_t>((c | 0x20) - 'a') + 10;
      } else {
        return Fail("\\u needs four hexadecimal digits");
      }
      *out = *out * 16 + digit;
    }
    return true;
  }

  bool Unicode(std::string* out) {
    ++at_;
    uint32_t code = 0;
    if (!Hex4(&code)) return false;
    if (code >= 0xdc00 && code < 0xe000) return Fail("a surrogate stands alone");
    if (code >= 0xd800 && code < 0xdc00) {
      uint32_t low = 0;
      if (!Take('\\') || !Take('u') || !Hex4(&low) || low < 0xdc00 || low >= 0xe000) {
        return Fail("a surrogate stands alone");
      }
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    Append(code, out);
    return true;
  }

  static void Append(uint32_t code, std::string* out) {
    const auto tail = [&](int shift) {
      out->push_back(static_cast<char>(0x80 | ((code >> shift) & 0x3f)));
    };
    if (code < 0x80) {
      out->push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      out->push_back(static_cast<char>(0xc0 | (code >> 6)));
      tail(0);
    } else if (code < 0x10000) {
      out->push_back(static_cast<char>(0xe0 | (code >> 12)));
      tail(6);
      tail(0);
    } else {
      out->push_back(static_cast<char>(0xf0 | (code >> 18)));
      tail(12);
      tail(6);
      tail(0);
    }
  }

  // One character of several bytes (RFC 3629): not overlong, no surrogate, not above U+10FFFF.
  bool Utf8(std::string* out) {
    const auto byte = [&](size_t i) -> uint32_t {
      return at_ + i < text_.size() ? static_cast<unsigned char>(text_[at_ + i]) : 0;
    };
    const uint32_t first = byte(0);
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    uint32_t code = first & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; ++i) {
      if ((byte(i) & 0xc0) != 0x80) return Fail("is not UTF-8");
      code = code << 6 | (byte(i) & 0x3f);
    }
    static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (first < 0xc0 || first > 0xf4 || code < kLeast[length] || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000)) {
      return Fail("is not UTF-8");
    }
    out->append(text_.substr(at_, length));
    at_ += length;
    return true;
  }

  // Names of an object are compared one by one.
  static constexpr size_t kMaxMembers = 1000;

  std::string_view text_;
  Error* error_;
  size_t at_ = 0;
};

inline std::optional<Json> Json::Parse(std::string_view text, Error* error) {
  return Parser(text, error).Parse();
}

}  // namespace postern
