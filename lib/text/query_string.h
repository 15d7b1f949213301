#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "lib/text/char_sink.h"

namespace postern {

/// One name and value of a query as sent, not decoded.
struct RawQueryField {
  std::string_view name;
  std::string_view value;  ///< empty for both `a` and `a=` (rest-api.md §2.4)
};

/// Walks over a raw query (without its '?') from left to right without allocating. Fields are
/// separated by '&' or ';' ("`;` splits the data", rest-api.md §2.4); empty ones (`&&`) are
/// skipped.
class QueryScanner {
 public:
  explicit QueryScanner(std::string_view query) : rest_(query) {}

  /// The next field, or nullopt at the end. It views the query.
  std::optional<RawQueryField> Next();

 private:
  std::string_view rest_;
};

/// The decoded parameters of one query, in order, repeated names included. An instance can be used
/// again and again and then allocates no more. Not thread-safe.
class QueryParameters {
 public:
  QueryParameters() = default;
  QueryParameters(const QueryParameters&) = delete;
  QueryParameters& operator=(const QueryParameters&) = delete;

  struct Field {
    std::string_view name;
    std::string_view value;
  };

  /// Fields that a query may have. Above what a URL of the longest size that AWS takes (10240
  /// characters, rest-api.md §10.5) can hold.
  static constexpr size_t kDefaultMaxFields = 8192;

  /// Replaces the content by what `query` (raw, without '?') says: form-decoded (rest-api.md §2.4;
  /// a '%' that starts no escape stands for itself), ill-formed UTF-8 replaced by U+FFFD. Fields
  /// may view `query`, which must live as long as they are used. ResourceExhausted if there are
  /// more than `max_fields`; the content is then empty.
  absl::Status Parse(std::string_view query, size_t max_fields = kDefaultMaxFields);

  const std::vector<Field>& fields() const { return fields_; }

  /// The single-value view: the last occurrence of `name`, case-sensitive (rest-api.md §2.4).
  std::optional<std::string_view> Last(std::string_view name) const;

 private:
  std::vector<Field> fields_;
  std::string decoded_;  // room for what fields_ view outside the query
};

/// Appends `name=value`, percent-encoded (space as %20), behind a '&' unless `*first`, which it
/// sets to false. Used to put decoded fields into a backend URL (rest-api.md §2.4 "re-encoding").
void AppendQueryField(std::string_view name, std::string_view value, bool* first, CharSink& sink);

}  // namespace postern
