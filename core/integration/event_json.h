#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/context/client_certificate.h"
#include "lib/text/ascii.h"
#include "lib/text/json_writer.h"

namespace postern {

/// What the events of REST APIs and HTTP APIs are written with. Views throughout; nothing here
/// allocates.

/// A name with one of its values.
struct EventEntry {
  std::string_view name;
  std::string_view value;
  uint32_t place = 0;   ///< where it stood
  uint32_t leader = 0;  ///< place of the first of its name, where that decides the order
};

/// Entries of one map, those of one name next to each other.
struct EventEntries {
  EventEntry* data = nullptr;
  size_t count = 0;
  bool ignore_case = false;

  /// Calls `visit(first, last)` for each name with the range of its entries.
  template <typename Visit>
  void ForEachName(Visit visit) const {
    for (size_t i = 0; i < count;) {
      size_t end = i + 1;
      while (end < count && SameName(data[i], data[end])) ++end;
      visit(data + i, data + end);
      i = end;
    }
  }

 private:
  bool SameName(const EventEntry& a, const EventEntry& b) const {
    return ignore_case ? EqualsIgnoreCase(a.name, b.name) : a.name == b.name;
  }
};

/// Brings entries of one name together, names in the order of their bytes.
void SortByName(const EventEntries& entries);

void WriteMember(std::string_view key, std::string_view value, JsonWriter& json);
void WriteNullMember(std::string_view key, JsonWriter& json);

/// Two members: each name with its last value under `single`, and with all of them under `multi`.
/// No entries are an empty object, or with `null_if_empty` null.
void WriteMaps(std::string_view single, std::string_view multi, const EventEntries& entries,
               bool null_if_empty, JsonWriter& json);

/// The member "clientCert" of an identity (rest-api.md §9.3).
void WriteClientCertificate(const ClientCertificate& certificate, JsonWriter& json);

}  // namespace postern
