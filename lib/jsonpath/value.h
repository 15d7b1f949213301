#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "lib/text/char_sink.h"

namespace postern::dyn {

/// Memory of values: given out front to back, taken back all at once. Reset() keeps the first
/// block, so that what is usual in size allocates nothing. Not thread-safe.
class Arena {
 public:
  explicit Arena(size_t max_bytes = 64 << 20) : max_bytes_(max_bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// `size` bytes, aligned to 8. Never null: for small things. Beyond the limit it still gives
  /// memory but exhausted() is set, upon which the caller gives up at its next chance.
  void* Allocate(size_t size) {
    size = (size + 7) & ~size_t{7};
    if (size > static_cast<size_t>(end_ - cur_)) [[unlikely]]
      return AllocateSlow(size);
    char* at = cur_;
    cur_ += size;
    return at;
  }

  /// The same for sizes that input decides: null, and exhausted() set, beyond the limit.
  void* AllocateLarge(size_t size) {
    if (size > max_bytes_ - used_ || used_ > max_bytes_) {
      exhausted_ = true;
      return nullptr;
    }
    return Allocate(size);
  }

  template <typename T>
  T* New() {
    return new (Allocate(sizeof(T))) T();
  }

  /// A copy of `text`; null data if it does not fit.
  std::string_view Copy(std::string_view text);

  /// Gives back the end of the last allocation: what `from` points at and all behind it.
  void ShrinkTo(char* from) {
    cur_ = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(from) + 7) & ~uintptr_t{7});
  }

  bool exhausted() const { return exhausted_; }
  void set_max_bytes(size_t max_bytes) { max_bytes_ = max_bytes; }

  /// Takes everything back.
  void Reset();

 private:
  void* AllocateSlow(size_t size);

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* cur_ = nullptr;
  char* end_ = nullptr;
  size_t max_bytes_;
  size_t used_ = 0;  // by all blocks
  size_t first_size_ = 0;
  bool exhausted_ = false;
};

/// Writes text of unknown length into an arena; whole after Finish(). Nothing else may be taken
/// from the arena meanwhile, unless the sink is larger than what it began with: then it copies.
class ArenaSink final : public CharSink {
 public:
  explicit ArenaSink(Arena* arena) : arena_(*arena) {}

  /// What was written. Null data if the arena was exhausted.
  std::string_view Finish();

 protected:
  bool Grow(size_t size) override;

 private:
  Arena& arena_;
  char* begin_ = nullptr;
};

enum class Kind : uint8_t {
  kNull,
  kBool,
  kInt,     ///< java.lang.Integer
  kLong,    ///< java.lang.Long
  kDouble,  ///< java.lang.Double
  kBig,     ///< an integer beyond 64 bits, as its digits
  kString,
  kList,
  kMap,
  kEntry,  ///< one entry of a map
  kHost,   ///< an object of the language that uses the values; number() and pointer() are its own
};

class List;
class Map;
struct Entry;

/// A value as Java has it behind a mapping template: two words, cheap to copy. Strings, lists and
/// maps lie in an Arena (or in the text that was parsed) and live as long as that; lists and maps
/// are shared by all copies, as Java's references are.
class Value {
 public:
  Value() : number_(0), kind_(Kind::kNull) {}
  static Value Bool(bool b) { return Value(Kind::kBool, b ? 1 : 0); }
  static Value Int(int32_t i) { return Value(Kind::kInt, i); }
  static Value Long(int64_t l) { return Value(Kind::kLong, l); }
  /// Integer if it fits, else Long: as Jackson reads a number.
  static Value Integer(int64_t l) {
    return l >= INT32_MIN && l <= INT32_MAX ? Int(static_cast<int32_t>(l)) : Long(l);
  }
  static Value Double(double d) {
    Value v;
    v.kind_ = Kind::kDouble;
    v.double_ = d;
    return v;
  }
  static Value String(std::string_view text) { return Value(Kind::kString, text); }
  static Value Big(std::string_view digits) { return Value(Kind::kBig, digits); }
  static Value Of(List* list) { return Value(Kind::kList, 0, list); }
  static Value Of(Map* map) { return Value(Kind::kMap, 0, map); }
  static Value Of(Entry* entry) { return Value(Kind::kEntry, 0, entry); }
  static Value Host(uint32_t number, void* pointer = nullptr) {
    return Value(Kind::kHost, number, pointer);
  }

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_list() const { return kind_ == Kind::kList; }
  bool is_map() const { return kind_ == Kind::kMap; }
  bool is_number() const { return kind_ >= Kind::kInt && kind_ <= Kind::kBig; }
  /// kInt or kLong.
  bool is_integer() const { return kind_ == Kind::kInt || kind_ == Kind::kLong; }

  // Each only for its own kind.
  bool boolean() const { return number_ != 0; }
  int64_t integer() const { return number_; }
  double floating() const { return double_; }
  std::string_view text() const { return {text_, size_}; }
  List& list() const { return *static_cast<List*>(pointer_); }
  Map& map() const { return *static_cast<Map*>(pointer_); }
  Entry& entry() const { return *static_cast<Entry*>(pointer_); }
  uint32_t number() const { return size_; }
  void* pointer() const { return pointer_; }

  /// Any number as a double; 0 for others.
  double AsDouble() const;

 private:
  Value(Kind kind, int64_t number) : number_(number), kind_(kind) {}
  Value(Kind kind, std::string_view text)
      : text_(text.data()), size_(static_cast<uint32_t>(text.size())), kind_(kind) {}
  Value(Kind kind, uint32_t number, void* pointer)
      : pointer_(pointer), size_(number), kind_(kind) {}

  union {
    int64_t number_;
    double double_;
    const char* text_;
    void* pointer_;
  };
  uint32_t size_ = 0;
  Kind kind_;
};

/// java.util.List. Growing may fail: the arena is then exhausted.
class List {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Value& operator[](size_t index) { return items_[index]; }
  const Value* begin() const { return items_; }
  const Value* end() const { return items_ + size_; }

  bool Add(Value value, Arena& arena) { return Insert(size_, value, arena); }
  bool Insert(size_t index, Value value, Arena& arena);
  void Remove(size_t index);
  void Clear() { size_ = 0; }
  /// Room for `size` elements in all.
  bool Reserve(size_t size, Arena& arena);

  /// Whether it prints as JSON, as lists do that come from JSON (rest-api.md §7.2), or as
  /// java.util.ArrayList does.
  bool json = false;
  /// An array, which Java cannot grow.
  bool fixed = false;

 private:
  friend class JsonParser;
  Value* items_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

struct Entry {
  Value key;
  Value value;
  bool touched = false;  ///< of the user's
};

/// java.util.LinkedHashMap: entries in the order in which they came.
class Map {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Entry* begin() const { return entries_; }
  Entry* end() const { return entries_ + size_; }

  /// Null if there is none.
  Entry* Find(std::string_view key) const;
  Entry* Find(const Value& key) const;

  /// The entry of `key`, added with a null value if there was none. Null: the arena is exhausted.
  Entry* Put(const Value& key, Arena& arena);
  /// Whether there was one.
  bool Remove(const Value& key);
  void Clear();

  /// What the owner of the language marks a map with; 0 for others.
  uint8_t tag = 0;

 private:
  friend class JsonParser;

  Entry* FindIndexed(std::string_view key) const;
  void Index(Arena& arena);

  Entry* entries_ = nullptr;
  uint32_t* index_ = nullptr;  // of string keys, open addressing; entry number + 1
  uint32_t index_mask_ = 0;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

/// Deepest nesting that is printed or compared; what nests deeper can only be hostile or a list
/// that contains itself.
inline constexpr int kMaxDepth = 512;

/// Bounds of a JSON text.
struct JsonLimits {
  int max_depth = 200;  ///< nested arrays and objects; at most kMaxDepth
};

/// Parses `text`, strictly RFC 8259, into `arena`. Strings without escapes are not copied: `text`
/// must live as long as the value. Of a name that stands twice the last value counts, at the place
/// of the first. False if it is not JSON or exceeds a limit; `*error_offset`, if given, is where.
bool ParseJson(std::string_view text, Arena& arena, const JsonLimits& limits, Value* value,
               size_t* error_offset = nullptr);

/// Appends what Java's toString() gives: `{a=b}`, `[a, b]`, `1.0E10`; lists that come from JSON as
/// compact JSON. Null is "null". False if it nests deeper than kMaxDepth.
bool AppendText(const Value& value, CharSink& sink);

/// Appends compact JSON; numbers as Java prints them. False if it nests deeper than kMaxDepth.
bool AppendJson(const Value& value, CharSink& sink);

/// Appends a double as java.lang.Double.toString() does: "1.0", "1.0E7", "NaN".
void AppendJavaDouble(double number, CharSink& sink);

/// Java's equals(): same class and same content. What nests too deeply is not equal.
bool Equals(const Value& a, const Value& b);

/// The text of a string without copying, of others what AppendText() writes, in `arena`.
std::string_view ToText(const Value& value, Arena& arena);

/// A new list or map in `arena`.
List* NewList(Arena& arena, bool json);
Map* NewMap(Arena& arena);

}  // namespace postern::dyn
