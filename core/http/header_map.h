#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/arena.h"
#include "core/http/header_id.h"

namespace postern {

/// One field of a message. The bytes live in the message's arena or are static.
struct HeaderField {
  std::string_view name;  ///< as the sender spelled it; HTTP/2 names are lower-case
  std::string_view value;
  HeaderId id;
  /// The sender asked that no compression remembers it, and so must whoever passes it on by HPACK
  /// (RFC 7541 §6.2.3).
  bool never_indexed = false;
};

/// The end-to-end fields of a message, in the order received. Hop-by-hop fields (RFC 9110 §7.6.1)
/// and framing fields never stand in it: codecs turn them into members of the head and write them
/// anew. Storage is the arena's, so a map is only as alive as its arena. Not thread-safe.
class HeaderMap {
 public:
  explicit HeaderMap(Arena* arena) : arena_(arena) {}
  HeaderMap(const HeaderMap&) = delete;
  HeaderMap& operator=(const HeaderMap&) = delete;

  /// Appends. Name and value must outlive the map (arena or static); they are not checked here.
  void Add(std::string_view name, std::string_view value) { Add(LookupHeader(name), name, value); }
  void Add(HeaderId id, std::string_view name, std::string_view value) {
    if (size_ == capacity_) Grow();
    fields_[size_++] = {name, value, id};
  }

  /// The same with everything that a field says of itself (never_indexed).
  void Add(const HeaderField& field) {
    if (size_ == capacity_) Grow();
    fields_[size_++] = field;
  }

  /// First field of that name, or null.
  const HeaderField* Find(HeaderId id) const;
  const HeaderField* Find(std::string_view name) const;
  /// Last field of that name, or null (API Gateway's single-value view, rest-api.md §2.4).
  const HeaderField* FindLast(HeaderId id) const;
  const HeaderField* FindLast(std::string_view name) const;

  /// Replaces all fields of that name by one, at the place of the first.
  void Set(HeaderId id, std::string_view name, std::string_view value);
  void Set(std::string_view name, std::string_view value) { Set(LookupHeader(name), name, value); }

  /// Removes every field of that name; returns how many there were.
  size_t Remove(HeaderId id);
  size_t Remove(std::string_view name);
  /// Removes those for which `predicate(field)` is true, keeping the order of the rest.
  template <typename Predicate>
  size_t RemoveIf(Predicate predicate) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < size_; ++i) {
      if (predicate(fields_[i])) continue;
      if (kept != i) fields_[kept] = fields_[i];
      ++kept;
    }
    const size_t removed = size_ - kept;
    size_ = kept;
    return removed;
  }
  void Clear() { size_ = 0; }

  const HeaderField* begin() const { return fields_; }
  const HeaderField* end() const { return fields_ + size_; }
  HeaderField* begin() { return fields_; }
  HeaderField* end() { return fields_ + size_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Arena* arena() const { return arena_; }

 private:
  void Grow();

  Arena* arena_;
  HeaderField* fields_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace postern
