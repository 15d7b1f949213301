#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/context/variables.h"
#include "core/http/header_id.h"
#include "lib/jsonpath/json_path.h"
#include "lib/mapping/http_api_expression.h"

namespace postern {

/// A right side of a parameter mapping of an HTTP API, compiled (http-api.md §9). Immutable.
class HttpApiValue {
 public:
  /// `parts` are of ParseHttpApiValue().
  explicit HttpApiValue(std::vector<HttpApiValuePart> parts);

  /// The value in `arena`; several of a header or query parameter are joined by ','. Null data if
  /// it is one variable alone that has no value; among other text such a one is empty. `body` is
  /// the whole content of the request; of more than 100 KB, paths see the beginning only.
  std::string_view Get(const RequestContext& context, std::string_view body, Arena* arena) const;

 private:
  struct Part {
    HttpApiValuePart::Kind kind;
    std::string text;
    HeaderId header = HeaderId::kOther;
    Variable variable;
    std::optional<JsonPath> path;
  };

  static std::string_view GetPart(const Part& part, const RequestContext& context,
                                  std::string_view body, Arena* arena);

  std::vector<Part> parts_;
};

}  // namespace postern
