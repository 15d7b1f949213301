#include "lib/template/methods.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>
#include <vector>

#include "lib/text/base64.h"
#include "lib/text/concat.h"
#include "lib/text/percent.h"
#include "lib/text/utf8.h"

namespace postern::vtl {

using dyn::Arena;
using dyn::Entry;
using dyn::Kind;
using dyn::List;
using dyn::Map;
using dyn::Value;

namespace {

constexpr size_t kMaxPattern = 1024;
constexpr uint64_t kPatternSteps = 2000;  // of compiling one while rendering

struct NamedMethod {
  std::string_view name;
  Method method;
};

// Sorted by name.
constexpr NamedMethod kMethods[] = {
    {"add", Method::kAdd},
    {"addAll", Method::kAddAll},
    {"base64Decode", Method::kBase64Decode},
    {"base64Encode", Method::kBase64Encode},
    {"booleanValue", Method::kBooleanValue},
    {"byteValue", Method::kByteValue},
    {"charAt", Method::kCharAt},
    {"clear", Method::kClear},
    {"compareTo", Method::kCompareTo},
    {"compareToIgnoreCase", Method::kCompareToIgnoreCase},
    {"concat", Method::kConcat},
    {"contains", Method::kContains},
    {"containsAll", Method::kContainsAll},
    {"containsKey", Method::kContainsKey},
    {"containsValue", Method::kContainsValue},
    {"count", Method::kCount},
    {"doubleValue", Method::kDoubleValue},
    {"endsWith", Method::kEndsWith},
    {"entrySet", Method::kEntrySet},
    {"equals", Method::kEquals},
    {"equalsIgnoreCase", Method::kEqualsIgnoreCase},
    {"escapeJavaScript", Method::kEscapeJavaScript},
    {"floatValue", Method::kFloatValue},
    {"get", Method::kGet},
    {"getCount", Method::kGetCount},
    {"getHasNext", Method::kGetHasNext},
    {"getIndex", Method::kGetIndex},
    {"getKey", Method::kGetKey},
    {"getOrDefault", Method::kGetOrDefault},
    {"getValue", Method::kGetValue},
    {"hasNext", Method::kHasNext},
    {"hashCode", Method::kHashCode},
    {"indexOf", Method::kIndexOf},
    {"intValue", Method::kIntValue},
    {"isBlank", Method::kIsBlank},
    {"isEmpty", Method::kIsEmpty},
    {"isFirst", Method::kIsFirst},
    {"isLast", Method::kIsLast},
    {"iterator", Method::kIterator},
    {"join", Method::kJoin},
    {"json", Method::kJson},
    {"keySet", Method::kKeySet},
    {"lastIndexOf", Method::kLastIndexOf},
    {"length", Method::kLength},
    {"longValue", Method::kLongValue},
    {"matches", Method::kMatches},
    {"params", Method::kParams},
    {"parseJson", Method::kParseJson},
    {"path", Method::kPath},
    {"put", Method::kPut},
    {"putAll", Method::kPutAll},
    {"putIfAbsent", Method::kPutIfAbsent},
    {"regionMatches", Method::kRegionMatches},
    {"remove", Method::kRemove},
    {"removeAll", Method::kRemoveAll},
    {"repeat", Method::kRepeat},
    {"replace", Method::kReplace},
    {"replaceAll", Method::kReplaceAll},
    {"replaceFirst", Method::kReplaceFirst},
    {"retainAll", Method::kRetainAll},
    {"set", Method::kSet},
    {"setValue", Method::kSetValue},
    {"shortValue", Method::kShortValue},
    {"size", Method::kSize},
    {"split", Method::kSplit},
    {"startsWith", Method::kStartsWith},
    {"strip", Method::kStrip},
    {"subList", Method::kSubList},
    {"substring", Method::kSubstring},
    {"toArray", Method::kToArray},
    {"toCharArray", Method::kToCharArray},
    {"toLowerCase", Method::kToLowerCase},
    {"toString", Method::kToString},
    {"toUpperCase", Method::kToUpperCase},
    {"trim", Method::kTrim},
    {"urlDecode", Method::kUrlDecode},
    {"urlEncode", Method::kUrlEncode},
    {"valueOf", Method::kValueOf},
    {"values", Method::kValues},
};

constexpr bool IsSorted() {
  for (size_t i = 1; i < std::size(kMethods); ++i) {
    if (kMethods[i - 1].name >= kMethods[i].name) return false;
  }
  return true;
}
static_assert(IsSorted());

// Strings as Java sees them: UTF-16 units.

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

size_t UnitsOf(std::string_view text) {
  size_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >> 6) != 2) units += byte >= 0xF0 ? 2 : 1;
  }
  return units;
}

// The byte where unit `unit` begins; in the middle of a character, where that begins.
size_t ByteOfUnit(std::string_view text, size_t unit) {
  size_t at = 0;
  while (at < text.size() && unit > 0) {
    const size_t size = NextUtf8(text.substr(at)).size;
    const size_t units = size == 4 ? 2 : 1;
    if (units > unit) break;
    unit -= units;
    at += size;
  }
  return at;
}

// All UTF-16 units, for what needs them one by one.
template <typename Visit>
void ForEachUnit(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const Utf8Step step = NextUtf8(text);
    uint32_t point = 0xFFFD;
    if (step.valid) {
      const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
      if (step.size == 1) point = byte(0);
      if (step.size == 2) point = (byte(0) & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
      if (step.size == 3) {
        point = (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
      }
      if (step.size == 4) {
        point = (byte(0) & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 |
                (byte(3) & 0x3Fu);
      }
    }
    text.remove_prefix(step.size);
    if (point >= 0x10000) {
      visit(static_cast<uint16_t>(0xD800 + ((point - 0x10000) >> 10)));
      visit(static_cast<uint16_t>(0xDC00 + ((point - 0x10000) & 0x3FF)));
    } else {
      visit(static_cast<uint16_t>(point));
    }
  }
}

int32_t HashCode(const Value& value, int depth) {
  uint32_t hash = 0;
  if (depth == 0) return 0;
  switch (value.kind()) {
    case Kind::kBool:
      return value.boolean() ? 1231 : 1237;
    case Kind::kInt:
      return static_cast<int32_t>(value.integer());
    case Kind::kLong: {
      const auto bits = static_cast<uint64_t>(value.integer());
      return static_cast<int32_t>(static_cast<uint32_t>(bits ^ (bits >> 32)));
    }
    case Kind::kString:
    case Kind::kBig:
      ForEachUnit(value.text(), [&](uint16_t unit) { hash = hash * 31 + unit; });
      return static_cast<int32_t>(hash);
    case Kind::kList:
      hash = 1;
      for (const Value& item : value.list()) {
        hash = hash * 31 + static_cast<uint32_t>(HashCode(item, depth - 1));
      }
      return static_cast<int32_t>(hash);
    case Kind::kMap:
      for (const Entry& entry : value.map()) {
        hash += static_cast<uint32_t>(HashCode(entry.key, depth - 1)) ^
                static_cast<uint32_t>(HashCode(entry.value, depth - 1));
      }
      return static_cast<int32_t>(hash);
    default:
      return 0;
  }
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

// Simple case mapping of Latin-1, Greek and Cyrillic; other letters stay.
char32_t MapCase(char32_t c, bool upper) {
  if (upper) {
    if (c >= U'a' && c <= U'z') return c - 32;
    if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2) ||
        (c >= 0x430 && c <= 0x44F)) {
      return c - 32;
    }
    if (c >= 0x450 && c <= 0x45F) return c - 80;
    if (c >= 0x100 && c <= 0x137 && c != 0x131 && c % 2 == 1) return c - 1;
    return c;
  }
  if (c >= U'A' && c <= U'Z') return c + 32;
  if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
      (c >= 0x410 && c <= 0x42F)) {
    return c + 32;
  }
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c >= 0x100 && c <= 0x137 && c != 0x130 && c % 2 == 0) return c + 1;
  return c;
}

class Call {
 public:
  Call(Method method, const Value& receiver, const Value* arguments, size_t count,
       CallContext& context, Value* result)
      : method_(method),
        receiver_(receiver),
        arguments_(arguments),
        count_(count),
        context_(context),
        arena_(context.arena),
        result_(*result) {}

  bool Run() {
    result_ = Value();
    switch (method_) {
      case Method::kEquals:
        if (count_ == 1) result_ = Value::Bool(dyn::Equals(receiver_, Arg(0)));
        return true;
      case Method::kToString:
        if (count_ == 0) return Text(TextOf(receiver_, context_));
        return true;
      case Method::kHashCode:
        if (count_ == 0) result_ = Value::Int(HashCode(receiver_, 64));
        return true;
      default:
        break;
    }
    switch (receiver_.kind()) {
      case Kind::kString:
        return OfString();
      case Kind::kList:
        return OfList();
      case Kind::kMap:
        return OfMap();
      case Kind::kEntry:
        return OfEntry();
      case Kind::kBool:
        if (method_ == Method::kBooleanValue) result_ = receiver_;
        if (method_ == Method::kCompareTo && count_ == 1 && Arg(0).kind() == Kind::kBool) {
          result_ = Value::Int(static_cast<int>(receiver_.boolean()) -
                               static_cast<int>(Arg(0).boolean()));
        }
        return true;
      case Kind::kInt:
      case Kind::kLong:
      case Kind::kDouble:
      case Kind::kBig:
        return OfNumber();
      default:
        return true;
    }
  }

 private:
  const Value& Arg(size_t i) const { return arguments_[i]; }
  bool Strings(size_t count) const {
    return count_ == count && std::all_of(arguments_, arguments_ + count,
                                          [](const Value& v) { return v.is_string(); });
  }

  bool Throw(std::string_view why) {
    context_.error = Concat(MethodName(method_), "(): ", why);
    return false;
  }

  bool OutOfMemory() { return Throw("the values take too much memory"); }

  bool Charge(size_t bytes) {
    const uint64_t steps = bytes / 16 + 1;
    if (context_.steps <= steps) {
      context_.steps = 0;
      return Throw("too many steps");
    }
    context_.steps -= steps;
    return true;
  }

  bool Text(std::string_view text) {
    if (text.data() == nullptr) return OutOfMemory();
    result_ = Value::String(text);
    return true;
  }

  bool Void() {
    result_ = Value::String("");
    return true;
  }

  bool Checked(bool fits) { return fits ? true : OutOfMemory(); }

  // An int argument of Java; Velocity narrows no long.
  std::optional<int64_t> IntArg(size_t i) const {
    if (i < count_ && Arg(i).kind() == Kind::kInt) return Arg(i).integer();
    return std::nullopt;
  }

  // Strings.

  bool OfString() {
    const std::string_view text = receiver_.text();
    if (!Charge(text.size())) return false;
    switch (method_) {
      case Method::kLength:
        if (count_ == 0) result_ = Value::Int(static_cast<int32_t>(UnitsOf(text)));
        return true;
      case Method::kIsEmpty:
        if (count_ == 0) result_ = Value::Bool(text.empty());
        return true;
      case Method::kIsBlank:
        if (count_ == 0) result_ = Value::Bool(Trimmed(text).empty());
        return true;
      case Method::kTrim:
      case Method::kStrip:
        if (count_ == 0) result_ = Value::String(Trimmed(text));
        return true;
      case Method::kToLowerCase:
      case Method::kToUpperCase:
        if (count_ != 0) return true;
        return Cased(text, method_ == Method::kToUpperCase);
      case Method::kConcat:
        if (!Strings(1)) return true;
        return Joined(text, Arg(0).text());
      case Method::kContains:
        if (Strings(1)) result_ = Value::Bool(text.find(Arg(0).text()) != std::string_view::npos);
        return true;
      case Method::kStartsWith:
        if (Strings(1))
          result_ = Value::Bool(text.substr(0, Arg(0).text().size()) == Arg(0).text());
        return true;
      case Method::kEndsWith:
        if (Strings(1)) {
          const std::string_view end = Arg(0).text();
          result_ = Value::Bool(text.size() >= end.size() &&
                                text.substr(text.size() - end.size()) == end);
        }
        return true;
      case Method::kEqualsIgnoreCase:
        if (count_ == 1 && Arg(0).is_null()) result_ = Value::Bool(false);
        if (Strings(1)) result_ = Value::Bool(CompareText(text, Arg(0).text(), true) == 0);
        return true;
      case Method::kCompareTo:
      case Method::kCompareToIgnoreCase:
        if (Strings(1)) {
          result_ =
              Value::Int(CompareText(text, Arg(0).text(), method_ == Method::kCompareToIgnoreCase));
        }
        return true;
      case Method::kIndexOf:
      case Method::kLastIndexOf:
        return IndexOf(text);
      case Method::kCharAt: {
        const std::optional<int64_t> at = IntArg(0);
        if (count_ != 1 || !at.has_value()) return true;
        if (*at < 0 || *at >= static_cast<int64_t>(UnitsOf(text))) {
          return Throw(Concat("there is no character ", *at));
        }
        const size_t byte = ByteOfUnit(text, static_cast<size_t>(*at));
        return Text(text.substr(byte, NextUtf8(text.substr(byte)).size));
      }
      case Method::kSubstring:
        return Substring(text);
      case Method::kReplace:
        if (!Strings(2)) return true;
        return Replace(text, Arg(0).text(), Arg(1).text());
      case Method::kRepeat: {
        const std::optional<int64_t> times = IntArg(0);
        if (count_ != 1 || !times.has_value()) return true;
        if (*times < 0) return Throw("the count is negative");
        dyn::ArenaSink sink(&arena_);
        if (!Charge(static_cast<size_t>(*times) * (text.size() + 1))) return false;
        for (int64_t i = 0; i < *times && !sink.failed(); ++i) sink.Append(text);
        return Text(sink.Finish());
      }
      case Method::kMatches:
      case Method::kReplaceAll:
      case Method::kReplaceFirst:
      case Method::kSplit:
        return WithPattern(text);
      case Method::kToCharArray: {
        if (count_ != 0) return true;
        List* list = dyn::NewList(arena_, false);
        list->fixed = true;
        for (size_t at = 0; at < text.size();) {
          const size_t size = NextUtf8(text.substr(at)).size;
          if (!list->Add(Value::String(text.substr(at, size)), arena_)) return OutOfMemory();
          at += size;
        }
        result_ = Value::Of(list);
        return true;
      }
      case Method::kValueOf:
        if (count_ == 1) return Text(TextOf(Arg(0), context_));
        return true;
      case Method::kJoin: {
        // String.join(delimiter, elements), a static method that any string offers.
        if (count_ != 2 || !Arg(0).is_string() || !Arg(1).is_list()) return true;
        return Join(Arg(1).list(), Arg(0).text());
      }
      default:
        return true;
    }
  }

  static std::string_view Trimmed(std::string_view text) {
    while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
    while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
    return text;
  }

  bool Cased(std::string_view text, bool upper) {
    if (IsAscii(text)) {
      auto* out = static_cast<char*>(arena_.AllocateLarge(text.size() + 1));
      if (out == nullptr) return OutOfMemory();
      std::transform(text.begin(), text.end(), out, upper ? Upper : Lower);
      return Text({out, text.size()});
    }
    dyn::ArenaSink sink(&arena_);
    char32_t high = 0;
    ForEachUnit(text, [&](uint16_t unit) {
      if (unit >= 0xD800 && unit < 0xDC00) {
        high = unit;
        return;
      }
      char32_t point = unit;
      if (unit >= 0xDC00 && unit < 0xE000) {
        point = 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00u);
      }
      if (upper && point == 0xDF) {
        sink.Append("SS");
        return;
      }
      AppendCodePoint(MapCase(point, upper), sink);
    });
    return Text(sink.Finish());
  }

  bool Joined(std::string_view a, std::string_view b) {
    auto* out = static_cast<char*>(arena_.AllocateLarge(a.size() + b.size() + 1));
    if (out == nullptr) return OutOfMemory();
    std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), out));
    return Text({out, a.size() + b.size()});
  }

  static int CompareText(std::string_view a, std::string_view b, bool ignore_case) {
    std::vector<uint16_t> x;
    std::vector<uint16_t> y;
    ForEachUnit(a, [&](uint16_t unit) { x.push_back(unit); });
    ForEachUnit(b, [&](uint16_t unit) { y.push_back(unit); });
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      auto p = static_cast<int>(x[i]);
      auto q = static_cast<int>(y[i]);
      if (ignore_case) {
        p = static_cast<int>(MapCase(static_cast<char32_t>(p), false));
        q = static_cast<int>(MapCase(static_cast<char32_t>(q), false));
      }
      if (p != q) return p - q;
    }
    return static_cast<int>(x.size()) - static_cast<int>(y.size());
  }

  bool IndexOf(std::string_view text) {
    if (count_ == 0 || count_ > 2 || !Arg(0).is_string()) return true;
    const bool last = method_ == Method::kLastIndexOf;
    size_t from = last ? std::string_view::npos : 0;
    if (count_ == 2) {
      const std::optional<int64_t> unit = IntArg(1);
      if (!unit.has_value()) return true;
      if (*unit < 0 && last) {
        result_ = Value::Int(-1);
        return true;
      }
      from = ByteOfUnit(text, static_cast<size_t>(std::max<int64_t>(0, *unit)));
    }
    const size_t at = last ? text.rfind(Arg(0).text(), from) : text.find(Arg(0).text(), from);
    result_ = Value::Int(
        at == std::string_view::npos ? -1 : static_cast<int32_t>(UnitsOf(text.substr(0, at))));
    return true;
  }

  bool Substring(std::string_view text) {
    const std::optional<int64_t> from = IntArg(0);
    if (count_ == 0 || count_ > 2 || !from.has_value()) return true;
    const auto length = static_cast<int64_t>(UnitsOf(text));
    int64_t to = length;
    if (count_ == 2) {
      const std::optional<int64_t> end = IntArg(1);
      if (!end.has_value()) return true;
      to = *end;
    }
    if (*from < 0 || to > length || *from > to) {
      return Throw(Concat("begin ", *from, ", end ", to, ", length ", length));
    }
    const size_t begin = ByteOfUnit(text, static_cast<size_t>(*from));
    const size_t end = ByteOfUnit(text, static_cast<size_t>(to));
    return Text(text.substr(begin, end - begin));
  }

  bool Replace(std::string_view text, std::string_view what, std::string_view with) {
    dyn::ArenaSink sink(&arena_);
    size_t at = 0;
    if (what.empty()) {  // between all characters
      while (at < text.size() && !sink.failed()) {
        const size_t size = NextUtf8(text.substr(at)).size;
        sink.Append(with);
        sink.Append(text.substr(at, size));
        at += size;
      }
      sink.Append(with);
      return Text(sink.Finish());
    }
    for (;;) {
      const size_t found = text.find(what, at);
      if (found == std::string_view::npos || sink.failed()) break;
      sink.Append(text.substr(at, found - at));
      sink.Append(with);
      at = found + what.size();
    }
    if (at == 0) {
      result_ = receiver_;
      return true;
    }
    sink.Append(text.substr(at));
    return Text(sink.Finish());
  }

  bool Join(List& list, std::string_view delimiter) {
    dyn::ArenaSink sink(&arena_);
    for (size_t i = 0; i < list.size() && !sink.failed(); ++i) {
      if (i != 0) sink.Append(delimiter);
      if (!Charge(16) || !dyn::AppendText(list[i], sink)) return Throw("nested too deeply");
    }
    return Text(sink.Finish());
  }

  // Regular expressions.

  bool WithPattern(std::string_view text) {
    const size_t wanted =
        method_ == Method::kReplaceAll || method_ == Method::kReplaceFirst ? 2 : 1;
    const bool limited =
        method_ == Method::kSplit && count_ == 2 && Arg(0).is_string() && IntArg(1).has_value();
    if (!limited && !Strings(wanted)) return true;
    const std::string_view source = Arg(0).text();
    std::optional<RE2> own;
    const RE2* pattern = context_.pattern;
    if (pattern == nullptr) {
      if (source.size() > kMaxPattern) return Throw("the pattern is too long");
      if (!Charge(kPatternSteps * 16)) return false;
      own.emplace(re2::StringPiece(source.data(), source.size()), PatternOptions());
      if (!own->ok()) return Throw(Concat("the pattern is refused: ", own->error()));
      pattern = &*own;
    }
    if (!Charge(text.size() * 4)) return false;
    if (method_ == Method::kMatches) {
      result_ = Value::Bool(RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *pattern));
      return true;
    }
    if (method_ == Method::kSplit) return Split(text, *pattern, limited ? *IntArg(1) : 0);
    return ReplaceMatches(text, *pattern, Arg(1).text());
  }

  // The next match at or behind `from`; false if there is none.
  static bool Find(const RE2& pattern, std::string_view text, size_t from, re2::StringPiece* groups,
                   int count) {
    return pattern.Match(re2::StringPiece(text.data(), text.size()), from, text.size(),
                         RE2::UNANCHORED, groups, count);
  }

  bool ReplaceMatches(std::string_view text, const RE2& pattern, std::string_view with) {
    constexpr int kMaxGroups = 16;
    re2::StringPiece groups[kMaxGroups];
    const int count = std::min(kMaxGroups, pattern.NumberOfCapturingGroups() + 1);
    dyn::ArenaSink sink(&arena_);
    size_t copied = 0;
    size_t from = 0;
    while (from <= text.size() && Find(pattern, text, from, groups, count)) {
      if (!Charge(with.size() + 16)) return false;
      const auto begin = static_cast<size_t>(groups[0].data() - text.data());
      sink.Append(text.substr(copied, begin - copied));
      if (!AppendReplacement(with, groups, count, sink)) return false;
      copied = begin + groups[0].size();
      from = copied;
      if (groups[0].empty()) {
        if (from == text.size()) break;
        from += NextUtf8(text.substr(from)).size;
      }
      if (method_ == Method::kReplaceFirst || sink.failed()) break;
    }
    sink.Append(text.substr(copied));
    return Text(sink.Finish());
  }

  // java.util.regex.Matcher: $n is a group, a backslash quotes.
  bool AppendReplacement(std::string_view with, const re2::StringPiece* groups, int count,
                         CharSink& sink) {
    for (size_t i = 0; i < with.size(); ++i) {
      if (with[i] == '\\') {
        if (++i == with.size()) return Throw("a character to be escaped is missing");
        sink.Append(with[i]);
      } else if (with[i] == '$') {
        if (++i == with.size() || with[i] < '0' || with[i] > '9') {
          return Throw("illegal group reference; write \\$ for a dollar sign");
        }
        int group = with[i] - '0';
        if (group >= count) return Throw(Concat("there is no group ", group));
        while (i + 1 < with.size() && with[i + 1] >= '0' && with[i + 1] <= '9' &&
               group * 10 + (with[i + 1] - '0') < count) {
          group = group * 10 + (with[++i] - '0');
        }
        sink.Append(std::string_view(groups[group].data(), groups[group].size()));
      } else {
        sink.Append(with[i]);
      }
    }
    return true;
  }

  bool Split(std::string_view text, const RE2& pattern, int64_t limit) {
    List* list = dyn::NewList(arena_, false);
    list->fixed = true;
    re2::StringPiece match;
    size_t begin = 0;
    size_t from = 0;
    while (from <= text.size() && (limit <= 0 || static_cast<int64_t>(list->size()) < limit - 1) &&
           Find(pattern, text, from, &match, 1)) {
      const auto at = static_cast<size_t>(match.data() - text.data());
      if (match.empty()) {
        if (at >= text.size()) break;
        from = at + NextUtf8(text.substr(at)).size;
        if (at == 0) continue;  // no empty text in front
      } else {
        from = at + match.size();
      }
      if (!Charge(16) || !list->Add(Value::String(text.substr(begin, at - begin)), arena_)) {
        return OutOfMemory();
      }
      begin = at + match.size();
    }
    if (!list->Add(Value::String(text.substr(begin)), arena_)) return OutOfMemory();
    if (limit == 0 && list->size() > 1) {
      while (!list->empty() && (*list)[list->size() - 1].text().empty()) {
        list->Remove(list->size() - 1);
      }
    }
    result_ = Value::Of(list);
    return true;
  }

  // Lists.

  bool OfList() {
    List& list = receiver_.list();
    switch (method_) {
      case Method::kSize:
      case Method::kCount:
        if (count_ == 0) result_ = Value::Int(static_cast<int32_t>(list.size()));
        return true;
      case Method::kIsEmpty:
        if (count_ == 0) result_ = Value::Bool(list.empty());
        return true;
      case Method::kGet: {
        const std::optional<int64_t> at = IntArg(0);
        if (count_ != 1 || !at.has_value()) return true;
        if (!Within(*at, list.size())) return OutOfBounds(*at, list.size());
        result_ = list[static_cast<size_t>(*at)];
        return true;
      }
      case Method::kSet: {
        const std::optional<int64_t> at = IntArg(0);
        if (count_ != 2 || !at.has_value()) return true;
        if (!Within(*at, list.size())) return OutOfBounds(*at, list.size());
        result_ = list[static_cast<size_t>(*at)];
        list[static_cast<size_t>(*at)] = Arg(1);
        return true;
      }
      case Method::kContains:
        if (count_ == 1) {
          if (!Charge(list.size() * 16)) return false;
          result_ = Value::Bool(Has(list, Arg(0)));
        }
        return true;
      case Method::kContainsAll:
        if (count_ == 1 && Arg(0).is_list()) {
          if (!Charge((list.size() + 1) * (Arg(0).list().size() + 1))) return false;
          result_ = Value::Bool(std::all_of(Arg(0).list().begin(), Arg(0).list().end(),
                                            [&](const Value& v) { return Has(list, v); }));
        }
        return true;
      case Method::kIndexOf:
      case Method::kLastIndexOf: {
        if (count_ != 1) return true;
        if (!Charge(list.size() * 16)) return false;
        int32_t found = -1;
        for (size_t i = 0; i < list.size(); ++i) {
          if (!dyn::Equals(list[i], Arg(0))) continue;
          found = static_cast<int32_t>(i);
          if (method_ == Method::kIndexOf) break;
        }
        result_ = Value::Int(found);
        return true;
      }
      case Method::kIterator:
      case Method::kToArray:
      case Method::kValues:
        if (count_ == 0) result_ = receiver_;
        return true;
      case Method::kSubList: {
        const std::optional<int64_t> from = IntArg(0);
        const std::optional<int64_t> to = IntArg(1);
        if (count_ != 2 || !from.has_value() || !to.has_value()) return true;
        if (*from < 0 || *to > static_cast<int64_t>(list.size()) || *from > *to) {
          return Throw(Concat("from ", *from, ", to ", *to, ", size ", list.size()));
        }
        List* part = dyn::NewList(arena_, list.json);
        for (auto i = static_cast<size_t>(*from); i < static_cast<size_t>(*to); ++i) {
          if (!Charge(1) || !part->Add(list[i], arena_)) return OutOfMemory();
        }
        result_ = Value::Of(part);
        return true;
      }
      default:
        return list.fixed ? true : ChangeList(list);
    }
  }

  bool ChangeList(List& list) {
    switch (method_) {
      case Method::kAdd: {
        if (count_ == 1) {
          result_ = Value::Bool(true);
          return Checked(list.Add(Arg(0), arena_));
        }
        const std::optional<int64_t> at = IntArg(0);
        if (count_ != 2 || !at.has_value()) return true;
        if (!Within(*at, list.size() + 1)) return OutOfBounds(*at, list.size());
        if (!Charge(list.size())) return false;
        if (!list.Insert(static_cast<size_t>(*at), Arg(1), arena_)) return OutOfMemory();
        return Void();
      }
      case Method::kAddAll: {
        if (count_ != 1 || !Arg(0).is_list()) return true;
        List& other = Arg(0).list();
        const size_t size = other.size();
        if (!Charge(size * 16)) return false;
        for (size_t i = 0; i < size; ++i) {
          if (!list.Add(other[i], arena_)) return OutOfMemory();
        }
        result_ = Value::Bool(size != 0);
        return true;
      }
      case Method::kClear:
        if (count_ != 0) return true;
        list.Clear();
        return Void();
      case Method::kRemove: {
        if (count_ != 1) return true;
        if (!Charge(list.size() * 16)) return false;
        if (const std::optional<int64_t> at = IntArg(0)) {
          if (!Within(*at, list.size())) return OutOfBounds(*at, list.size());
          result_ = list[static_cast<size_t>(*at)];
          list.Remove(static_cast<size_t>(*at));
          return true;
        }
        result_ = Value::Bool(RemoveFrom(list, Arg(0)));
        return true;
      }
      case Method::kRemoveAll:
      case Method::kRetainAll: {
        if (count_ != 1 || !Arg(0).is_list()) return true;
        if (!Charge((list.size() + 1) * (Arg(0).list().size() + 1))) return false;
        const bool keep = method_ == Method::kRetainAll;
        const size_t before = list.size();
        // A list that loses itself: look at what it was.
        List was = Arg(0).list();
        if (&Arg(0).list() == &list) {
          if (!keep) list.Clear();
        } else {
          for (size_t i = list.size(); i > 0; --i) {
            if (Has(was, list[i - 1]) != keep) list.Remove(i - 1);
          }
        }
        result_ = Value::Bool(list.size() != before);
        return true;
      }
      default:
        return true;
    }
  }

  static bool Within(int64_t at, size_t size) { return at >= 0 && at < static_cast<int64_t>(size); }
  bool OutOfBounds(int64_t at, size_t size) {
    return Throw(Concat("index ", at, " out of bounds for length ", size));
  }
  static bool Has(List& list, const Value& value) {
    return std::any_of(list.begin(), list.end(),
                       [&](const Value& item) { return dyn::Equals(item, value); });
  }
  static bool RemoveFrom(List& list, const Value& value) {
    for (size_t i = 0; i < list.size(); ++i) {
      if (!dyn::Equals(list[i], value)) continue;
      list.Remove(i);
      return true;
    }
    return false;
  }

  // Maps.

  bool OfMap() {
    Map& map = receiver_.map();
    switch (method_) {
      case Method::kSize:
      case Method::kCount:
        if (count_ == 0) result_ = Value::Int(static_cast<int32_t>(map.size()));
        return true;
      case Method::kIsEmpty:
        if (count_ == 0) result_ = Value::Bool(map.empty());
        return true;
      case Method::kGet:
        if (count_ == 1) {
          if (const Entry* entry = map.Find(Arg(0))) result_ = entry->value;
        }
        return true;
      case Method::kGetOrDefault:
        if (count_ == 2) {
          const Entry* entry = map.Find(Arg(0));
          result_ = entry != nullptr ? entry->value : Arg(1);
        }
        return true;
      case Method::kContainsKey:
        if (count_ == 1) result_ = Value::Bool(map.Find(Arg(0)) != nullptr);
        return true;
      case Method::kContainsValue:
        if (count_ == 1) {
          if (!Charge(map.size() * 16)) return false;
          result_ = Value::Bool(std::any_of(map.begin(), map.end(), [&](const Entry& entry) {
            return dyn::Equals(entry.value, Arg(0));
          }));
        }
        return true;
      case Method::kKeySet:
      case Method::kValues:
      case Method::kEntrySet: {
        if (count_ != 0) return true;
        List* list = dyn::NewList(arena_, false);
        if (!Charge(map.size() * 16) || !list->Reserve(map.size(), arena_)) return OutOfMemory();
        for (Entry& entry : map) {
          const Value item = method_ == Method::kKeySet   ? entry.key
                             : method_ == Method::kValues ? entry.value
                                                          : Value::Of(&entry);
          if (!list->Add(item, arena_)) return OutOfMemory();
        }
        result_ = Value::Of(list);
        return true;
      }
      case Method::kPut:
      case Method::kPutIfAbsent: {
        if (count_ != 2) return true;
        const Entry* old = map.Find(Arg(0));
        if (old != nullptr) {
          result_ = old->value;
          if (method_ == Method::kPutIfAbsent) return true;
        }
        Entry* entry = map.Put(Arg(0), arena_);
        if (entry == nullptr) return OutOfMemory();
        entry->value = Arg(1);
        return true;
      }
      case Method::kPutAll:
        if (count_ != 1 || !Arg(0).is_map()) return true;
        if (!Charge(Arg(0).map().size() * 16)) return false;
        for (size_t i = 0; i < Arg(0).map().size(); ++i) {
          const Entry other = Arg(0).map().begin()[i];
          Entry* entry = map.Put(other.key, arena_);
          if (entry == nullptr) return OutOfMemory();
          entry->value = other.value;
        }
        return Void();
      case Method::kRemove: {
        if (count_ != 1) return true;
        if (!Charge(map.size())) return false;
        if (const Entry* entry = map.Find(Arg(0))) {
          result_ = entry->value;
          map.Remove(Arg(0));
        }
        return true;
      }
      case Method::kClear:
        if (count_ != 0) return true;
        map.Clear();
        return Void();
      default:
        return true;
    }
  }

  bool OfEntry() {
    Entry& entry = receiver_.entry();
    if (method_ == Method::kGetKey && count_ == 0) result_ = entry.key;
    if (method_ == Method::kGetValue && count_ == 0) result_ = entry.value;
    if (method_ == Method::kSetValue && count_ == 1) {
      result_ = entry.value;
      entry.value = Arg(0);
    }
    return true;
  }

  // Numbers.

  bool OfNumber() {
    const double number = receiver_.AsDouble();
    const auto integer = [&]() -> int64_t {
      if (receiver_.is_integer()) return receiver_.integer();
      if (std::isnan(number)) return 0;
      if (number >= 9223372036854775807.0) return INT64_MAX;
      if (number <= -9223372036854775808.0) return INT64_MIN;
      return static_cast<int64_t>(number);
    };
    if (method_ == Method::kCompareTo) {
      // Only within one class; Integer.compareTo(Long) does not exist.
      if (count_ == 1 && Arg(0).kind() == receiver_.kind()) {
        const double other = Arg(0).AsDouble();
        int order = number < other ? -1 : number > other ? 1 : 0;
        if (receiver_.is_integer()) {
          order = receiver_.integer() < Arg(0).integer()   ? -1
                  : receiver_.integer() > Arg(0).integer() ? 1
                                                           : 0;
        }
        result_ = Value::Int(order);
      }
      return true;
    }
    if (count_ != 0) return true;
    switch (method_) {
      case Method::kIntValue: {
        int64_t value = integer();
        if (receiver_.kind() == Kind::kDouble) {
          value = std::clamp<int64_t>(value, INT32_MIN, INT32_MAX);
        }
        result_ = Value::Int(static_cast<int32_t>(static_cast<uint32_t>(value)));
        return true;
      }
      case Method::kShortValue:
        result_ = Value::Int(static_cast<int16_t>(static_cast<uint16_t>(integer())));
        return true;
      case Method::kByteValue:
        result_ = Value::Int(static_cast<int8_t>(static_cast<uint8_t>(integer())));
        return true;
      case Method::kLongValue:
        result_ = Value::Long(integer());
        return true;
      case Method::kDoubleValue:
      case Method::kFloatValue:
        result_ = Value::Double(number);
        return true;
      default:
        return true;
    }
  }

  const Method method_;
  const Value& receiver_;
  const Value* arguments_;
  const size_t count_;
  CallContext& context_;
  Arena& arena_;
  Value& result_;
};

}  // namespace

Method FindMethod(std::string_view name) {
  const NamedMethod* at = std::lower_bound(
      std::begin(kMethods), std::end(kMethods), name,
      [](const NamedMethod& method, std::string_view wanted) { return method.name < wanted; });
  return at != std::end(kMethods) && at->name == name ? at->method : Method::kUnknown;
}

std::string_view MethodName(Method method) {
  for (const NamedMethod& known : kMethods) {
    if (known.method == method) return known.name;
  }
  return "method";
}

bool TakesPattern(Method method) {
  return method == Method::kMatches || method == Method::kReplaceAll ||
         method == Method::kReplaceFirst || method == Method::kSplit;
}

RE2::Options PatternOptions() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  return options;
}

bool CallMethod(Method method, const Value& receiver, const Value* arguments, size_t count,
                CallContext& context, Value* result) {
  return Call(method, receiver, arguments, count, context, result).Run();
}

std::string_view TextOf(const Value& value, CallContext& context) {
  if (value.is_string()) return value.text();
  return dyn::ToText(value, context.arena);
}

void EscapeJavaScript(std::string_view text, CharSink& sink) {
  constexpr char kHex[] = "0123456789ABCDEF";
  const auto escape = [&](uint16_t unit) {
    sink.Append("\\u");
    for (int shift = 12; shift >= 0; shift -= 4) sink.Append(kHex[(unit >> shift) & 0xF]);
  };
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size()) {
      const char c = text[plain];
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F ||
          c == '"' || c == '\'' || c == '\\') {
        break;
      }
      ++plain;
    }
    sink.Append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const char c = text.front();
    const size_t size = NextUtf8(text).size;
    switch (c) {
      case '"':
      case '\'':
      case '\\':
        sink.Append('\\');
        sink.Append(c);
        break;
      case '\b':
        sink.Append("\\b");
        break;
      case '\t':
        sink.Append("\\t");
        break;
      case '\n':
        sink.Append("\\n");
        break;
      case '\f':
        sink.Append("\\f");
        break;
      case '\r':
        sink.Append("\\r");
        break;
      case '\x7F':
        sink.Append(c);
        break;
      default:
        ForEachUnit(text.substr(0, size), escape);
    }
    text.remove_prefix(size);
  }
}

bool CallUtil(Method method, const Value* arguments, size_t count, CallContext& context,
              Value* result) {
  *result = Value();
  if (count != 1) return true;
  const Value& argument = arguments[0];
  const std::string_view text = argument.is_null() ? std::string_view() : TextOf(argument, context);
  const uint64_t steps = text.size() / 16 + 1;
  if (context.steps <= steps) {
    context.steps = 0;
    context.error = "too many steps";
    return false;
  }
  context.steps -= steps;
  dyn::ArenaSink sink(&context.arena);
  switch (method) {
    case Method::kEscapeJavaScript:
      if (argument.is_null()) {
        *result = Value::String("null");
        return true;
      }
      EscapeJavaScript(text, sink);
      break;
    case Method::kUrlEncode:
      FormEncode(text, sink);
      break;
    case Method::kUrlDecode: {
      std::string decoded;
      StringSink into(&decoded);
      FormDecode(text, into);
      into.Finish();
      AppendValidUtf8(decoded, sink);
      break;
    }
    case Method::kBase64Encode: {
      auto* out = static_cast<char*>(context.arena.AllocateLarge(Base64EncodedSize(text.size())));
      if (out == nullptr) {
        context.error = "the values take too much memory";
        return false;
      }
      const char* end = Base64EncodeTo(text, Base64Alphabet::kStandard, out);
      *result = Value::String({out, static_cast<size_t>(end - out)});
      return true;
    }
    case Method::kBase64Decode: {
      const std::optional<std::string> bytes =
          Base64Decode(text, Base64Alphabet::kStandard, Base64Mode::kLenient);
      if (!bytes.has_value()) return true;
      AppendValidUtf8(*bytes, sink);
      break;
    }
    case Method::kParseJson: {
      if (argument.is_null()) return true;
      const std::string_view kept = context.arena.Copy(text);
      size_t offset = 0;
      if (!dyn::ParseJson(kept, context.arena, {.max_depth = context.max_json_depth}, result,
                          &offset)) {
        context.error = Concat("parseJson(): not JSON, or nested too deeply, at byte ", offset);
        return false;
      }
      return true;
    }
    default:
      return true;
  }
  const std::string_view made = sink.Finish();
  if (made.data() == nullptr) {
    context.error = "the values take too much memory";
    return false;
  }
  *result = Value::String(made);
  return true;
}

}  // namespace postern::vtl
