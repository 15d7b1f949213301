#include "core/http/header_map.h"

#include <algorithm>

namespace postern {

void HeaderMap::Grow() {
  const uint32_t capacity = capacity_ == 0 ? 24 : capacity_ * 2;
  auto* fields = arena_->NewArray<HeaderField>(capacity);
  std::copy(fields_, fields_ + size_, fields);
  fields_ = fields;
  capacity_ = capacity;
}

const HeaderField* HeaderMap::Find(HeaderId id) const {
  for (const HeaderField& field : *this) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

const HeaderField* HeaderMap::Find(std::string_view name) const {
  const HeaderId id = LookupHeader(name);
  if (id != HeaderId::kOther) return Find(id);
  for (const HeaderField& field : *this) {
    if (field.id == HeaderId::kOther && EqualsIgnoreCase(field.name, name)) return &field;
  }
  return nullptr;
}

const HeaderField* HeaderMap::FindLast(HeaderId id) const {
  for (uint32_t i = size_; i > 0; --i) {
    if (fields_[i - 1].id == id) return &fields_[i - 1];
  }
  return nullptr;
}

const HeaderField* HeaderMap::FindLast(std::string_view name) const {
  const HeaderId id = LookupHeader(name);
  if (id != HeaderId::kOther) return FindLast(id);
  for (uint32_t i = size_; i > 0; --i) {
    const HeaderField& field = fields_[i - 1];
    if (field.id == HeaderId::kOther && EqualsIgnoreCase(field.name, name)) return &field;
  }
  return nullptr;
}

void HeaderMap::Set(HeaderId id, std::string_view name, std::string_view value) {
  const HeaderField* first = id != HeaderId::kOther ? Find(id) : Find(name);
  if (first == nullptr) {
    Add(id, name, value);
    return;
  }
  const size_t at = static_cast<size_t>(first - fields_);
  fields_[at] = {name, value, id};
  size_t index = 0;
  RemoveIf([&](const HeaderField& field) {
    return index++ > at && field.id == id &&
           (id != HeaderId::kOther || EqualsIgnoreCase(field.name, name));
  });
}

size_t HeaderMap::Remove(HeaderId id) {
  return RemoveIf([id](const HeaderField& field) { return field.id == id; });
}

size_t HeaderMap::Remove(std::string_view name) {
  const HeaderId id = LookupHeader(name);
  if (id != HeaderId::kOther) return Remove(id);
  return RemoveIf([name](const HeaderField& field) {
    return field.id == HeaderId::kOther && EqualsIgnoreCase(field.name, name);
  });
}

}  // namespace postern
