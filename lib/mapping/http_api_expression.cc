#include "lib/mapping/http_api_expression.h"

#include <utility>

#include "lib/jsonpath/json_path.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using Kind = HttpApiValuePart::Kind;

struct Prefix {
  std::string_view text;
  Kind kind;
};
constexpr Prefix kPrefixes[] = {
    {"request.header.", Kind::kHeader},        {"request.querystring.", Kind::kQuery},
    {"request.path.", Kind::kPathParameter},   {"context.", Kind::kContext},
    {"stageVariables.", Kind::kStageVariable},
};

absl::StatusOr<HttpApiValuePart> ParseVariable(std::string_view name) {
  if (name == "request.body") return HttpApiValuePart{Kind::kBody, ""};
  if (name == "request.path") return HttpApiValuePart{Kind::kPath, ""};
  constexpr std::string_view kBody = "request.body.";
  if (name.starts_with(kBody)) {
    const std::string_view path = name.substr(kBody.size());
    if (path.find("..") != path.npos || path.find("?(") != path.npos) {
      return absl::InvalidArgumentError(
          Concat("$", name, ": a path into the body may have neither .. nor ?()"));
    }
    const std::string whole = Concat("$.", path);
    if (const auto compiled = JsonPath::Compile(whole); !compiled.ok()) return compiled.status();
    return HttpApiValuePart{Kind::kBody, whole};
  }
  for (const Prefix& prefix : kPrefixes) {
    if (!name.starts_with(prefix.text) || name.size() == prefix.text.size()) continue;
    return HttpApiValuePart{prefix.kind, std::string(name.substr(prefix.text.size()))};
  }
  return absl::InvalidArgumentError(
      Concat("$", name,
             ": there is no such variable; there are $request.header.NAME, "
             "$request.querystring.NAME, $request.body[.PATH], $request.path[.NAME], "
             "$context.NAME and $stageVariables.NAME"));
}

}  // namespace

absl::StatusOr<std::vector<HttpApiValuePart>> ParseHttpApiValue(std::string_view text) {
  std::vector<HttpApiValuePart> parts;
  if (text.starts_with('$') && !text.starts_with("${")) {
    absl::StatusOr<HttpApiValuePart> part = ParseVariable(text.substr(1));
    if (!part.ok()) return part.status();
    parts.push_back(*std::move(part));
    return parts;
  }
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) parts.push_back({Kind::kText, std::exchange(literal, {})});
  };
  while (!text.empty()) {
    const size_t begin = text.find("${");
    literal += text.substr(0, begin);
    if (begin == text.npos) break;
    const size_t end = text.find('}', begin);
    if (end == text.npos) {
      return absl::InvalidArgumentError(Concat(text.substr(begin), ": a closing } is missing"));
    }
    absl::StatusOr<HttpApiValuePart> part = ParseVariable(text.substr(begin + 2, end - begin - 2));
    if (!part.ok()) return part.status();
    flush();
    parts.push_back(*std::move(part));
    text.remove_prefix(end + 1);
  }
  flush();
  return parts;
}

}  // namespace postern
