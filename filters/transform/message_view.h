#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/sdk/sdk.h"
#include "lib/template/mapping_template.h"
#include "lib/text/query_string.h"

namespace postern {

/// Header fields of one message as mappings and templates see them: names in the spelling of their
/// sender, fields that are never visible left out (rest-api.md §6.7). An instance can be used again
/// and again.
class FieldsView {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  /// Reads the fields of a request (with Host, from :authority) or response. What it shows is
  /// borrowed until the map changes or the hook returns.
  void Read(Stream s, Map map);

  /// Copies everything, so that it may be used in later hooks.
  void Keep();

  void Clear() { fields_.clear(); }

  const std::vector<Field>& fields() const { return fields_; }

  /// The last value of a name (§2.4). Names are compared by case (§6.2, §7.2), but where no field
  /// has an upper-case letter in its name, as in HTTP/2, without.
  std::optional<std::string_view> Last(std::string_view name) const;

  /// All values of a name, joined by ','; false if there is none. Appends.
  bool AppendAll(std::string_view name, std::string* out) const;

 private:
  bool ignores_case() const;

  std::vector<Field> fields_;
  std::string kept_;
};

/// What templates and mappings ask of a client's request: fields and query, each read when it is
/// first asked for.
class RequestView {
 public:
  /// Begins a request, of which nothing is known yet.
  void Begin(Stream s) {
    stream_.emplace(s);
    headers_read_ = query_read_ = false;
  }

  /// Nothing of the request can be read from the stream any more: copies what `needs` names.
  void Keep(const TemplateNeeds& needs);

  const FieldsView& headers();
  const QueryParameters& query();
  /// Of the request's target; not after Keep().
  std::string_view raw_query() const;

 private:
  std::optional<Stream> stream_;  // empty: what is not read is not there
  bool headers_read_ = false;
  bool query_read_ = false;
  FieldsView headers_;
  QueryParameters query_;
  std::string kept_query_;
};

}  // namespace postern
