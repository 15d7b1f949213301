#include <algorithm>
#include <charconv>
#include <cstring>

#include "lib/jsonpath/value.h"
#include "lib/text/utf8.h"

namespace postern::dyn {
namespace {

// Whether one of eight bytes ends the plain run of a string: quote, backslash, below 0x20.
bool HasSpecial(uint64_t bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x8080808080808080;
  const auto has_zero = [](uint64_t x) { return (x - kOnes) & ~x & kHigh; };
  return (has_zero(bytes ^ (kOnes * '"')) | has_zero(bytes ^ (kOnes * '\\')) |
          ((bytes - kOnes * 0x20) & ~bytes & kHigh)) != 0;
}

}  // namespace

/// One pass over the text; recursion as deep as the limit.
class JsonParser {
 public:
  JsonParser(std::string_view text, Arena& arena)
      : begin_(text.data()), cur_(begin_), end_(begin_ + text.size()), arena_(arena) {}

  bool Parse(int max_depth, Value* value) {
    SkipSpace();
    if (!ParseValue(max_depth, value)) return false;
    SkipSpace();
    return cur_ == end_ && !arena_.exhausted();
  }

  size_t offset() const { return static_cast<size_t>(cur_ - begin_); }

 private:
  void SkipSpace() {
    while (cur_ != end_ && (*cur_ == ' ' || *cur_ == '\n' || *cur_ == '\r' || *cur_ == '\t')) {
      ++cur_;
    }
  }

  bool Take(char c) {
    if (cur_ == end_ || *cur_ != c) return false;
    ++cur_;
    return true;
  }

  bool TakeWord(std::string_view word) {
    if (static_cast<size_t>(end_ - cur_) < word.size() ||
        std::memcmp(cur_, word.data(), word.size()) != 0) {
      return false;
    }
    cur_ += word.size();
    return true;
  }

  bool ParseValue(int depth, Value* value) {
    if (cur_ == end_) return false;
    switch (*cur_) {
      case '"': {
        std::string_view text;
        if (!ParseString(&text)) return false;
        *value = Value::String(text);
        return true;
      }
      case '{':
        return depth > 0 && ParseObject(depth - 1, value);
      case '[':
        return depth > 0 && ParseArray(depth - 1, value);
      case 't':
        *value = Value::Bool(true);
        return TakeWord("true");
      case 'f':
        *value = Value::Bool(false);
        return TakeWord("false");
      case 'n':
        *value = Value();
        return TakeWord("null");
      default:
        return ParseNumber(value);
    }
  }

  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  bool ParseNumber(Value* value) {
    const char* start = cur_;
    if (*cur_ == '-') ++cur_;
    if (cur_ == end_ || !IsDigit(*cur_)) return false;
    if (*cur_ == '0') {
      ++cur_;
    } else {
      while (cur_ != end_ && IsDigit(*cur_)) ++cur_;
    }
    bool fraction = false;
    if (cur_ != end_ && *cur_ == '.') {
      fraction = true;
      ++cur_;
      if (cur_ == end_ || !IsDigit(*cur_)) return false;
      while (cur_ != end_ && IsDigit(*cur_)) ++cur_;
    }
    if (cur_ != end_ && (*cur_ == 'e' || *cur_ == 'E')) {
      fraction = true;
      ++cur_;
      if (cur_ != end_ && (*cur_ == '+' || *cur_ == '-')) ++cur_;
      if (cur_ == end_ || !IsDigit(*cur_)) return false;
      while (cur_ != end_ && IsDigit(*cur_)) ++cur_;
    }
    if (!fraction) {
      int64_t integer = 0;
      if (std::from_chars(start, cur_, integer).ec == std::errc()) {
        *value = Value::Integer(integer);
      } else {
        *value = Value::Big({start, static_cast<size_t>(cur_ - start)});
      }
      return true;
    }
    double number = 0;
    if (std::from_chars(start, cur_, number).ec != std::errc()) return false;
    *value = Value::Double(number);
    return true;
  }

  bool ParseString(std::string_view* text) {
    const char* start = ++cur_;
    for (;;) {
      while (end_ - cur_ >= 8) {
        uint64_t bytes;
        std::memcpy(&bytes, cur_, 8);
        if (HasSpecial(bytes)) break;
        cur_ += 8;
      }
      while (cur_ != end_ && *cur_ != '"' && *cur_ != '\\' &&
             static_cast<unsigned char>(*cur_) >= 0x20) {
        ++cur_;
      }
      if (cur_ == end_) return false;
      if (*cur_ == '"') {
        *text = {start, static_cast<size_t>(cur_ - start)};
        ++cur_;
        return true;
      }
      if (*cur_ != '\\') return false;
      return ParseEscaped(start, text);
    }
  }

  // A string with an escape at cur_: decoded into the arena. It never gets longer.
  bool ParseEscaped(const char* start, std::string_view* text) {
    const char* close = cur_;
    while (close != end_ && *close != '"') close += *close == '\\' && close + 1 != end_ ? 2 : 1;
    if (close >= end_) return false;
    char* const out = static_cast<char*>(arena_.AllocateLarge(static_cast<size_t>(close - start)));
    if (out == nullptr) return false;
    char* to = std::copy(start, cur_, out);
    while (cur_ != close) {
      const char c = *cur_;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      ++cur_;
      if (c != '\\') {
        *to++ = c;
        continue;
      }
      switch (*cur_++) {
        case '"':
          *to++ = '"';
          break;
        case '\\':
          *to++ = '\\';
          break;
        case '/':
          *to++ = '/';
          break;
        case 'b':
          *to++ = '\b';
          break;
        case 'f':
          *to++ = '\f';
          break;
        case 'n':
          *to++ = '\n';
          break;
        case 'r':
          *to++ = '\r';
          break;
        case 't':
          *to++ = '\t';
          break;
        case 'u': {
          uint32_t unit = 0;
          if (!ParseHex(close, &unit)) return false;
          char32_t point = unit;
          if (unit >= 0xD800 && unit < 0xDC00 && close - cur_ >= 6 && cur_[0] == '\\' &&
              cur_[1] == 'u') {
            const char* before = cur_;
            cur_ += 2;
            uint32_t low = 0;
            if (!ParseHex(close, &low)) return false;
            if (low >= 0xDC00 && low < 0xE000) {
              point = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            } else {
              cur_ = before;
            }
          }
          char bytes[4];
          FixedSink sink(bytes, sizeof(bytes));
          AppendCodePoint(point, sink);
          to = std::copy(sink.written().begin(), sink.written().end(), to);
          break;
        }
        default:
          --cur_;
          return false;
      }
    }
    ++cur_;
    *text = {out, static_cast<size_t>(to - out)};
    return true;
  }

  bool ParseHex(const char* limit, uint32_t* unit) {
    if (limit - cur_ < 4) return false;
    const auto [end, error] = std::from_chars(cur_, cur_ + 4, *unit, 16);
    if (error != std::errc() || end != cur_ + 4) return false;
    cur_ += 4;
    return true;
  }

  bool ParseArray(int depth, Value* value) {
    ++cur_;
    List* list = NewList(arena_, true);
    *value = Value::Of(list);
    SkipSpace();
    if (Take(']')) return true;
    Value items[4];  // Most lists are short or long; short ones are copied once.
    size_t count = 0;
    do {
      SkipSpace();
      Value item;
      if (!ParseValue(depth, &item)) return false;
      if (list->capacity_ == 0) {
        if (count < std::size(items)) {
          items[count++] = item;
        } else {
          if (!list->Reserve(16, arena_)) return false;
          std::copy(items, items + count, list->items_);
          list->size_ = static_cast<uint32_t>(count);
          if (!list->Add(item, arena_)) return false;
        }
      } else if (!list->Add(item, arena_)) {
        return false;
      }
      SkipSpace();
    } while (Take(','));
    if (list->capacity_ == 0) {
      list->items_ = static_cast<Value*>(arena_.Allocate(count * sizeof(Value)));
      std::copy(items, items + count, list->items_);
      list->size_ = list->capacity_ = static_cast<uint32_t>(count);
    }
    return Take(']');
  }

  bool ParseObject(int depth, Value* value) {
    ++cur_;
    Map* map = NewMap(arena_);
    *value = Value::Of(map);
    SkipSpace();
    if (Take('}')) return true;
    do {
      SkipSpace();
      if (cur_ == end_ || *cur_ != '"') return false;
      std::string_view name;
      if (!ParseString(&name)) return false;
      SkipSpace();
      if (!Take(':')) return false;
      SkipSpace();
      Value member;
      if (!ParseValue(depth, &member)) return false;
      Entry* entry = map->Put(Value::String(name), arena_);
      if (entry == nullptr) return false;
      entry->value = member;
      SkipSpace();
    } while (Take(','));
    return Take('}');
  }

  const char* begin_;
  const char* cur_;
  const char* end_;
  Arena& arena_;
};

bool ParseJson(std::string_view text, Arena& arena, const JsonLimits& limits, Value* value,
               size_t* error_offset) {
  JsonParser parser(text, arena);
  if (text.size() < UINT32_MAX && parser.Parse(std::min(limits.max_depth, kMaxDepth), value)) {
    return true;
  }
  *value = Value();
  if (error_offset != nullptr) *error_offset = parser.offset();
  return false;
}

}  // namespace postern::dyn
