#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/context/variables.h"
#include "core/http/header_id.h"
#include "lib/text/percent.h"
#include "lib/text/query_string.h"

namespace postern {

/// Whether fields of this name are taken away while a request is parsed, so that no mapping, event
/// or backend ever sees them (rest-api.md §6.7, "Never visible").
bool IsHiddenRequestHeader(HeaderId id);

/// A right side of a parameter mapping, compiled: where in a request, its context or its stage a
/// value comes from (rest-api.md §4.4, §6.2). Made when a snapshot is built; immutable.
class ValueSource {
 public:
  enum class Kind : uint8_t {
    kLiteral,        ///< 'text'
    kVariable,       ///< context.X
    kStageVariable,  ///< stageVariables.X
    kPath,           ///< method.request.path.X: raw segment
    kQuery,          ///< method.request.querystring.X: last value, decoded
    kQueryAll,       ///< method.request.multivaluequerystring.X
    kHeader,         ///< method.request.header.X: last value
    kHeaderAll,      ///< method.request.multivalueheader.X: joined by ','
  };

  /// `text` is the literal itself, else the name.
  ValueSource(Kind kind, std::string_view text);

  Kind kind() const { return kind_; }
  const std::string& text() const { return text_; }

  /// The value, as a view of what exists (this source included) or made in `arena`. Null data if
  /// there is none, which drops the mapping (rest-api.md §6.2). Of kQueryAll the first value; use
  /// ForEachQueryValue().
  std::string_view Get(const RequestContext& context, Arena* arena) const;

 private:
  Kind kind_;
  HeaderId header_ = HeaderId::kOther;
  Variable variable_;
  std::string text_;
};

/// Last value of query parameter `name` of the raw `query`, form-decoded (rest-api.md §2.4). Null
/// data if it does not occur; empty text with non-null data if its value is empty.
std::string_view LastQueryValue(std::string_view query, std::string_view name, Arena* arena);

/// Decodes one name or value of a query; a view of it where nothing changes.
std::string_view DecodeQueryText(std::string_view text, Arena* arena);

/// Calls `visit` with every decoded value of query parameter `name`, in order.
template <typename Visit>
void ForEachQueryValue(std::string_view query, std::string_view name, Arena* arena, Visit visit) {
  QueryScanner scanner(query);
  while (const auto field = scanner.Next()) {
    if (field->name == name ||
        (NeedsFormDecoding(field->name) && DecodeQueryText(field->name, arena) == name)) {
      visit(DecodeQueryText(field->value, arena));
    }
  }
}

/// Last value of header `name`, as mappings see it: names are compared by case (rest-api.md §6.2),
/// but for HTTP/2, where every name is lower-case. Null data if there is none.
std::string_view LastHeaderValue(const RequestHead& head, HeaderId id, std::string_view name);

/// Value of a path parameter of the matched route, raw. Null data if there is none.
std::string_view PathParameter(const RequestContext& context, std::string_view name);

/// Value of a stage variable. Null data if there is none.
std::string_view StageVariable(const RequestContext& context, std::string_view name);

/// `value` as it may stand in a header field (RFC 9110 §5.5): characters that would end or break
/// the field become spaces, white space around it goes. A view where nothing changes.
std::string_view CleanFieldValue(std::string_view value, Arena* arena);

}  // namespace postern
