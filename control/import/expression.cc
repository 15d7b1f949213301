#include "control/import/expression.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "control/common/strings.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using snapshot::v1::RequestMapping;
using snapshot::v1::RequestValue;
using snapshot::v1::Template;
using snapshot::v1::ValueSource;

absl::Status InvalidExpression(std::string_view text) {
  // The wording of AWS (management-and-import.md 1.8).
  return absl::InvalidArgumentError(
      Concat("Invalid mapping expression specified: Validation Result: warnings : [], "
             "errors : [Invalid mapping expression specified: ",
             text, "]"));
}

bool IsDottedName(std::string_view name) {
  return IsParameterName(name) && !name.starts_with(".") && !name.ends_with(".");
}

// Sources that every kind of expression has in common.
bool ParseCommon(std::string_view text, ValueSource& source) {
  if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') {
    source.set_literal(std::string(text.substr(1, text.size() - 2)));
    return true;
  }
  if (ConsumePrefix(text, "stageVariables.")) {
    if (!std::all_of(text.begin(), text.end(), [](char c) { return IsAlnum(c) || c == '_'; }) ||
        text.empty()) {
      return false;
    }
    source.set_stage_variable(std::string(text));
    return true;
  }
  if (ConsumePrefix(text, "context.")) {
    if (!IsDottedName(text)) return false;
    source.set_context(std::string(text));
    return true;
  }
  return false;
}

bool ParseMethodRequest(std::string_view text, bool multi_value_allowed, ValueSource& source) {
  if (!ConsumePrefix(text, "method.request.")) return false;
  struct Form {
    std::string_view prefix;
    RequestValue::Location location;
    bool multi_value;
  };
  static constexpr std::array<Form, 5> kForms = {{
      {"path.", RequestValue::LOCATION_PATH, false},
      {"querystring.", RequestValue::LOCATION_QUERYSTRING, false},
      {"multivaluequerystring.", RequestValue::LOCATION_QUERYSTRING, true},
      {"header.", RequestValue::LOCATION_HEADER, false},
      {"multivalueheader.", RequestValue::LOCATION_HEADER, true},
  }};
  for (const Form& form : kForms) {
    if (form.multi_value && !multi_value_allowed) continue;
    std::string_view name = text;
    if (!ConsumePrefix(name, form.prefix)) continue;
    if (!IsParameterName(name)) return false;
    RequestValue* value = source.mutable_request();
    value->set_location(form.location);
    value->set_name(std::string(name));
    value->set_multi_value(form.multi_value);
    return true;
  }
  return false;
}

// "X" or "X.{JSONPath}" after `prefix`; the path goes to `path`.
bool ParseBody(std::string_view text, std::string_view prefix, std::string& path) {
  if (!ConsumePrefix(text, prefix)) return false;
  if (text.empty()) {
    path.clear();
    return true;
  }
  if (!ConsumePrefix(text, ".") || text.empty()) return false;
  path = std::string(text);
  return true;
}

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// A cursor over the lenient notation that mock integrations accept.
class LenientObject {
 public:
  explicit LenientObject(std::string_view text) : rest_(text) {}

  std::optional<int> StatusCode() {
    SkipSpace();
    if (!Take('{')) return std::nullopt;
    std::optional<int> result;
    SkipSpace();
    if (Take('}')) return std::nullopt;
    while (true) {
      SkipSpace();
      std::string_view name;
      if (!Name(name)) return std::nullopt;
      SkipSpace();
      if (!Take(':')) return std::nullopt;
      SkipSpace();
      const std::string_view value = Value();
      if (value.empty()) return std::nullopt;
      if (name == "statusCode") {
        // A string, a fraction or an exponent is no integer.
        int number = 0;
        const char* const end = value.data() + value.size();
        const auto [stop, error] = std::from_chars(value.data(), end, number);
        result = stop == end && error == std::errc() ? std::optional<int>(number) : std::nullopt;
      }
      SkipSpace();
      if (Take(',')) continue;
      if (!Take('}')) return std::nullopt;
      SkipSpace();
      return rest_.empty() ? result : std::nullopt;
    }
  }

 private:
  void SkipSpace() {
    while (!rest_.empty() && IsSpace(rest_.front())) rest_.remove_prefix(1);
  }

  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // The text between quotes, without undoing escapes: no escape is needed in the one name we seek.
  bool Quoted(std::string_view& inner) {
    const char quote = rest_.front();
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == quote) {
        inner = rest_.substr(1, i - 1);
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }

  bool Name(std::string_view& name) {
    if (rest_.empty()) return false;
    if (rest_.front() == '"' || rest_.front() == '\'') return Quoted(name);
    size_t n = 0;
    while (n < rest_.size() && (IsAlnum(rest_[n]) || rest_[n] == '_' || rest_[n] == '$')) {
      ++n;
    }
    name = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return n > 0;
  }

  // The text of one value of any kind; empty if there is none.
  std::string_view Value() {
    if (rest_.empty()) return {};
    const std::string_view start = rest_;
    if (rest_.front() == '"' || rest_.front() == '\'') {
      std::string_view inner;
      return Quoted(inner) ? start.substr(0, start.size() - rest_.size()) : std::string_view();
    }
    if (rest_.front() == '{' || rest_.front() == '[') {
      int depth = 0;
      while (!rest_.empty()) {
        const char c = rest_.front();
        if (c == '"' || c == '\'') {
          std::string_view inner;
          if (!Quoted(inner)) return {};
          continue;
        }
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        rest_.remove_prefix(1);
        if (depth == 0) return start.substr(0, start.size() - rest_.size());
      }
      return {};
    }
    size_t n = 0;
    while (n < rest_.size() && rest_[n] != ',' && rest_[n] != '}' && rest_[n] != ']' &&
           !IsSpace(rest_[n])) {
      ++n;
    }
    rest_.remove_prefix(n);
    return start.substr(0, n);
  }

  std::string_view rest_;
};

}  // namespace

bool IsParameterName(std::string_view name) {
  constexpr CharSet kAllowed = kAlnumChars | CharSet("._$-");
  return !name.empty() && name.size() <= kMaxNameBytes && kAllowed.HasAll(name);
}

bool IsFieldName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && kTokenChars.HasAll(name);
}

absl::StatusOr<ValueSource> ParseRequestExpression(std::string_view text) {
  ValueSource source;
  if (ParseCommon(text, source)) return source;
  if (ParseMethodRequest(text, /*multi_value_allowed=*/true, source)) return source;
  std::string path;
  if (ParseBody(text, "method.request.body", path)) {
    source.set_request_body(std::move(path));
    return source;
  }
  return InvalidExpression(text);
}

absl::StatusOr<ValueSource> ParseResponseExpression(std::string_view text) {
  ValueSource source;
  if (ParseCommon(text, source)) return source;
  std::string path;
  if (ParseBody(text, "integration.response.body", path)) {
    source.set_response_body(std::move(path));
    return source;
  }
  std::string_view name = text;
  bool multi_value = false;
  if (ConsumePrefix(name, "integration.response.multivalueheader.")) {
    multi_value = true;
  } else if (!ConsumePrefix(name, "integration.response.header.")) {
    return InvalidExpression(text);
  }
  if (!IsFieldName(name)) return InvalidExpression(text);
  source.mutable_response_header()->set_name(std::string(name));
  source.mutable_response_header()->set_multi_value(multi_value);
  return source;
}

absl::StatusOr<ValueSource> ParseGatewayResponseExpression(std::string_view text) {
  ValueSource source;
  if (ParseCommon(text, source)) return source;
  if (ParseMethodRequest(text, /*multi_value_allowed=*/false, source)) return source;
  return InvalidExpression(text);
}

absl::StatusOr<RequestMapping> ParseRequestTarget(std::string_view text) {
  RequestMapping mapping;
  std::string_view name = text;
  if (ConsumePrefix(name, "integration.request.path.")) {
    mapping.set_target(RequestMapping::TARGET_PATH);
  } else if (ConsumePrefix(name, "integration.request.querystring.")) {
    mapping.set_target(RequestMapping::TARGET_QUERYSTRING);
  } else if (ConsumePrefix(name, "integration.request.header.")) {
    mapping.set_target(RequestMapping::TARGET_HEADER);
  } else {
    return InvalidExpression(text);
  }
  const bool valid =
      mapping.target() == RequestMapping::TARGET_HEADER ? IsFieldName(name) : IsParameterName(name);
  if (!valid) return InvalidExpression(text);
  mapping.set_name(std::string(name));
  return mapping;
}

absl::StatusOr<std::string> ParseResponseTarget(std::string_view text) {
  std::string_view name = text;
  if (!ConsumePrefix(name, "method.response.header.") || !IsFieldName(name)) {
    return InvalidExpression(text);
  }
  return std::string(name);
}

std::optional<uint32_t> ParseStatusCode(std::string_view text) {
  if (text.size() != 3 || text[0] < '2' || text[0] > '5' || !IsDigit(text[1]) ||
      !IsDigit(text[2])) {
    return std::nullopt;
  }
  return static_cast<uint32_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
}

std::string StatusCodeProblem(std::string_view text) {
  if (text.size() == 3 && text[0] == '1' && IsDigit(text[1]) && IsDigit(text[2])) {
    return "A status of 1xx cannot end an exchange.";
  }
  return Concat("Value '", text,
                "' at 'statusCode' failed to satisfy constraint: Member must satisfy regular "
                "expression pattern: [1-5]\\d\\d");
}

Template::Form ClassifyTemplate(std::string_view body) {
  const std::string_view trimmed = TrimSpace(body);
  for (std::string_view payload :
       {"$input.body", "${input.body}", "$!input.body", "$input.json('$')", "$input.json(\"$\")"}) {
    if (trimmed == payload) return Template::FORM_PAYLOAD;
  }
  for (size_t i = 0; i + 1 < body.size(); ++i) {
    const char next = body[i + 1];
    // References: $name, ${name}, $!name, $!{name}. "$5", "$." and "$ " are text.
    if (body[i] == '$' && (IsAlpha(next) || next == '_' || next == '{' || next == '!')) {
      return Template::FORM_VTL;
    }
    if (body[i] != '#') continue;
    // Comments, unparsed blocks, #{else}, macro calls with a body.
    if (next == '#' || next == '*' || next == '[' || next == '{' || next == '@') {
      return Template::FORM_VTL;
    }
    static constexpr std::string_view kDirectives[] = {
        "set",   "if",     "elseif", "else",  "end",     "foreach", "stop",
        "break", "define", "macro",  "parse", "include", "evaluate"};
    for (const std::string_view directive : kDirectives) {
      if (body.substr(i + 1).starts_with(directive)) return Template::FORM_VTL;
    }
  }
  // A backslash before a reference or directive is an escape; without them it is text.
  return Template::FORM_LITERAL;
}

std::optional<int> ParseMockStatusCode(std::string_view text) {
  return LenientObject(text).StatusCode();
}

}  // namespace postern
