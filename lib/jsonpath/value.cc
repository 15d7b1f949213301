#include "lib/jsonpath/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "lib/text/json_writer.h"

namespace postern::dyn {
namespace {

constexpr size_t kFirstBlock = 32 << 10;
constexpr size_t kBlock = 128 << 10;
constexpr size_t kIndexedFrom = 9;  // entries

size_t HashOf(std::string_view text) {
  return absl::Hash<absl::string_view>()(absl::string_view(text.data(), text.size()));
}

}  // namespace

void* Arena::AllocateSlow(size_t size) {
  const size_t block = std::max(size, blocks_.empty() ? kFirstBlock : kBlock);
  if (used_ + block > max_bytes_) exhausted_ = true;
  blocks_.push_back(std::make_unique_for_overwrite<char[]>(block));
  used_ += block;
  if (blocks_.size() == 1) first_size_ = block;
  char* at = blocks_.back().get();
  cur_ = at + size;
  end_ = at + block;
  return at;
}

std::string_view Arena::Copy(std::string_view text) {
  char* at = static_cast<char*>(AllocateLarge(text.size()));
  if (at == nullptr) return {};
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  return {at, text.size()};
}

void Arena::Reset() {
  if (!blocks_.empty() && first_size_ > kFirstBlock) blocks_.clear();
  if (blocks_.size() > 1) blocks_.resize(1);
  used_ = blocks_.empty() ? 0 : first_size_;
  cur_ = blocks_.empty() ? nullptr : blocks_.front().get();
  end_ = blocks_.empty() ? nullptr : cur_ + first_size_;
  exhausted_ = false;
}

bool ArenaSink::Grow(size_t size) {
  const size_t used = static_cast<size_t>(cur_ - begin_);
  const size_t target = std::max<size_t>(128, (used + size) * 2);
  char* at = static_cast<char*>(arena_.AllocateLarge(target));
  if (at == nullptr) return false;
  if (used != 0) std::memcpy(at, begin_, used);
  begin_ = at;
  cur_ = at + used;
  end_ = at + ((target + 7) & ~size_t{7});
  return true;
}

std::string_view ArenaSink::Finish() {
  if (failed()) return {};
  if (begin_ == nullptr) return std::string_view("");
  return {begin_, static_cast<size_t>(cur_ - begin_)};
}

double Value::AsDouble() const {
  switch (kind_) {
    case Kind::kInt:
    case Kind::kLong:
      return static_cast<double>(number_);
    case Kind::kDouble:
      return double_;
    case Kind::kBig: {
      double number = 0;
      const auto [end, error] = std::from_chars(text_, text_ + size_, number);
      (void)end;
      if (error == std::errc()) return number;
      return *text_ == '-' ? -HUGE_VAL : HUGE_VAL;
    }
    default:
      return 0;
  }
}

bool List::Reserve(size_t size, Arena& arena) {
  if (size <= capacity_) return true;
  if (size > UINT32_MAX / 2) return arena.AllocateLarge(SIZE_MAX / 2) != nullptr;
  const size_t capacity = std::max<size_t>({4, size, size_t{capacity_} * 2});
  auto* items = static_cast<Value*>(arena.AllocateLarge(capacity * sizeof(Value)));
  if (items == nullptr) return false;
  std::copy(items_, items_ + size_, items);
  items_ = items;
  capacity_ = static_cast<uint32_t>(capacity);
  return true;
}

bool List::Insert(size_t index, Value value, Arena& arena) {
  if (!Reserve(size_t{size_} + 1, arena)) return false;
  std::copy_backward(items_ + index, items_ + size_, items_ + size_ + 1);
  items_[index] = value;
  ++size_;
  return true;
}

void List::Remove(size_t index) {
  std::copy(items_ + index + 1, items_ + size_, items_ + index);
  --size_;
}

Entry* Map::FindIndexed(std::string_view key) const {
  for (size_t at = HashOf(key) & index_mask_; index_[at] != 0; at = (at + 1) & index_mask_) {
    Entry& entry = entries_[index_[at] - 1];
    if (entry.key.text() == key) return &entry;
  }
  return nullptr;
}

Entry* Map::Find(std::string_view key) const {
  if (index_ != nullptr) return FindIndexed(key);
  for (Entry* entry = begin(); entry != end(); ++entry) {
    if (entry->key.is_string() && entry->key.text() == key) return entry;
  }
  return nullptr;
}

Entry* Map::Find(const Value& key) const {
  if (key.is_string()) return Find(key.text());
  for (Entry* entry = begin(); entry != end(); ++entry) {
    if (Equals(entry->key, key)) return entry;
  }
  return nullptr;
}

void Map::Index(Arena& arena) {
  size_t slots = 16;
  while (slots < size_t{capacity_} * 2) slots *= 2;
  auto* index = static_cast<uint32_t*>(arena.AllocateLarge(slots * sizeof(uint32_t)));
  index_ = index;
  if (index == nullptr) return;  // It is searched one by one.
  std::fill(index, index + slots, 0);
  index_mask_ = static_cast<uint32_t>(slots - 1);
  for (uint32_t i = 0; i < size_; ++i) {
    if (!entries_[i].key.is_string()) continue;
    size_t at = HashOf(entries_[i].key.text()) & index_mask_;
    while (index[at] != 0) at = (at + 1) & index_mask_;
    index[at] = i + 1;
  }
}

Entry* Map::Put(const Value& key, Arena& arena) {
  if (Entry* entry = Find(key)) return entry;
  if (size_ == capacity_) {
    if (capacity_ > UINT32_MAX / 4) {
      arena.AllocateLarge(SIZE_MAX / 2);
      return nullptr;
    }
    const size_t capacity = std::max<size_t>(4, size_t{capacity_} * 2);
    auto* entries = static_cast<Entry*>(arena.AllocateLarge(capacity * sizeof(Entry)));
    if (entries == nullptr) return nullptr;
    std::copy(entries_, entries_ + size_, entries);
    entries_ = entries;
    capacity_ = static_cast<uint32_t>(capacity);
    if (size_ + 1 >= kIndexedFrom) Index(arena);
  }
  Entry& entry = entries_[size_++];
  entry = Entry{key, Value(), false};
  if (index_ != nullptr && key.is_string()) {
    size_t at = HashOf(key.text()) & index_mask_;
    while (index_[at] != 0) at = (at + 1) & index_mask_;
    index_[at] = size_;
  }
  return &entry;
}

bool Map::Remove(const Value& key) {
  Entry* entry = Find(key);
  if (entry == nullptr) return false;
  std::copy(entry + 1, end(), entry);
  --size_;
  index_ = nullptr;  // Until it grows the next time.
  return true;
}

void Map::Clear() {
  size_ = 0;
  index_ = nullptr;
}

namespace {

void AppendNumber(int64_t number, CharSink& sink) {
  char* out = sink.Reserve(24);
  if (out != nullptr)
    sink.Commit(static_cast<size_t>(std::to_chars(out, out + 24, number).ptr - out));
}

// Scalars print the same in both forms, but for strings.
bool AppendScalar(const Value& value, CharSink& sink) {
  switch (value.kind()) {
    case Kind::kNull:
      sink.Append("null");
      return true;
    case Kind::kBool:
      sink.Append(value.boolean() ? std::string_view("true") : std::string_view("false"));
      return true;
    case Kind::kInt:
    case Kind::kLong:
      AppendNumber(value.integer(), sink);
      return true;
    case Kind::kDouble:
      AppendJavaDouble(value.floating(), sink);
      return true;
    case Kind::kBig:
      sink.Append(value.text());
      return true;
    default:
      return false;
  }
}

bool AppendJsonAt(const Value& value, CharSink& sink, int depth) {
  if (AppendScalar(value, sink)) return true;
  if (depth == 0 || sink.failed()) return false;
  switch (value.kind()) {
    case Kind::kString:
      AppendJsonString(value.text(), sink);
      return true;
    case Kind::kList: {
      sink.Append('[');
      bool first = true;
      for (const Value& item : value.list()) {
        if (!first) sink.Append(',');
        first = false;
        if (!AppendJsonAt(item, sink, depth - 1)) return false;
      }
      sink.Append(']');
      return true;
    }
    case Kind::kMap: {
      sink.Append('{');
      bool first = true;
      for (const Entry& entry : value.map()) {
        if (!first) sink.Append(',');
        first = false;
        if (entry.key.is_string()) {
          AppendJsonString(entry.key.text(), sink);
        } else {
          sink.Append('"');
          if (!AppendJsonAt(entry.key, sink, depth - 1)) return false;
          sink.Append('"');
        }
        sink.Append(':');
        if (!AppendJsonAt(entry.value, sink, depth - 1)) return false;
      }
      sink.Append('}');
      return true;
    }
    case Kind::kEntry:
      sink.Append('{');
      if (!AppendJsonAt(value.entry().key, sink, depth - 1)) return false;
      sink.Append(':');
      if (!AppendJsonAt(value.entry().value, sink, depth - 1)) return false;
      sink.Append('}');
      return true;
    default:
      sink.Append("null");
      return true;
  }
}

bool AppendTextAt(const Value& value, CharSink& sink, int depth) {
  if (value.is_string()) {
    sink.Append(value.text());
    return true;
  }
  if (AppendScalar(value, sink)) return true;
  if (depth == 0 || sink.failed()) return false;
  switch (value.kind()) {
    case Kind::kList: {
      if (value.list().json) return AppendJsonAt(value, sink, depth);
      sink.Append('[');
      bool first = true;
      for (const Value& item : value.list()) {
        if (!first) sink.Append(", ");
        first = false;
        if (!AppendTextAt(item, sink, depth - 1)) return false;
      }
      sink.Append(']');
      return true;
    }
    case Kind::kMap: {
      sink.Append('{');
      bool first = true;
      for (const Entry& entry : value.map()) {
        if (!first) sink.Append(", ");
        first = false;
        if (!AppendTextAt(entry.key, sink, depth - 1)) return false;
        sink.Append('=');
        if (!AppendTextAt(entry.value, sink, depth - 1)) return false;
      }
      sink.Append('}');
      return true;
    }
    case Kind::kEntry:
      if (!AppendTextAt(value.entry().key, sink, depth - 1)) return false;
      sink.Append('=');
      return AppendTextAt(value.entry().value, sink, depth - 1);
    default:
      return true;
  }
}

bool EqualsAt(const Value& a, const Value& b, int depth) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kLong:
      return a.integer() == b.integer();
    case Kind::kDouble:
      return a.floating() == b.floating();
    case Kind::kBig:
    case Kind::kString:
      return a.text() == b.text();
    case Kind::kList:
      if (&a.list() == &b.list()) return true;
      if (depth == 0 || a.list().size() != b.list().size()) return false;
      for (size_t i = 0; i < a.list().size(); ++i) {
        if (!EqualsAt(a.list()[i], b.list()[i], depth - 1)) return false;
      }
      return true;
    case Kind::kMap:
      if (&a.map() == &b.map()) return true;
      if (depth == 0 || a.map().size() != b.map().size()) return false;
      for (const Entry& entry : a.map()) {
        const Entry* other = b.map().Find(entry.key);
        if (other == nullptr || !EqualsAt(entry.value, other->value, depth - 1)) return false;
      }
      return true;
    case Kind::kEntry:
      return depth != 0 && EqualsAt(a.entry().key, b.entry().key, depth - 1) &&
             EqualsAt(a.entry().value, b.entry().value, depth - 1);
    case Kind::kHost:
      return a.number() == b.number() && a.pointer() == b.pointer();
  }
  return false;
}

}  // namespace

void AppendJavaDouble(double number, CharSink& sink) {
  if (std::isnan(number)) return sink.Append("NaN");
  if (std::isinf(number)) return sink.Append(number < 0 ? "-Infinity" : "Infinity");
  if (number == 0) return sink.Append(std::signbit(number) ? "-0.0" : "0.0");
  char digits[40];
  const char* end =
      std::to_chars(digits, digits + sizeof(digits), number, std::chars_format::scientific).ptr;
  // [-]d[.ddd]e±dd
  const char* at = digits;
  if (*at == '-') {
    sink.Append('-');
    ++at;
  }
  const char* e = std::find(at, static_cast<const char*>(end), 'e');
  char mantissa[24];
  size_t count = 0;
  for (const char* c = at; c != e; ++c) {
    if (*c != '.') mantissa[count++] = *c;
  }
  int exponent = 0;
  std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
  const auto part = [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) sink.Append(i < count ? mantissa[i] : '0');
  };
  if (exponent >= -3 && exponent < 7) {
    if (exponent >= 0) {
      const size_t whole = static_cast<size_t>(exponent) + 1;
      part(0, whole);
      sink.Append('.');
      part(whole, std::max(count, whole + 1));
    } else {
      sink.Append("0.");
      for (int i = -1; i > exponent; --i) sink.Append('0');
      part(0, count);
    }
    return;
  }
  part(0, 1);
  sink.Append('.');
  part(1, std::max<size_t>(count, 2));
  sink.Append('E');
  AppendNumber(exponent, sink);
}

bool AppendText(const Value& value, CharSink& sink) { return AppendTextAt(value, sink, kMaxDepth); }
bool AppendJson(const Value& value, CharSink& sink) { return AppendJsonAt(value, sink, kMaxDepth); }
bool Equals(const Value& a, const Value& b) { return EqualsAt(a, b, kMaxDepth); }

std::string_view ToText(const Value& value, Arena& arena) {
  if (value.is_string()) return value.text();
  ArenaSink sink(&arena);
  AppendText(value, sink);
  return sink.Finish();
}

List* NewList(Arena& arena, bool json) {
  List* list = arena.New<List>();
  list->json = json;
  return list;
}

Map* NewMap(Arena& arena) { return arena.New<Map>(); }

}  // namespace postern::dyn
