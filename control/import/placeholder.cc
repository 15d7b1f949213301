#include "control/import/placeholder.h"

#include <algorithm>

#include "control/common/strings.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

struct Placeholder {
  size_t begin;
  size_t end;
  std::string_view name;
};

// The next `${name}` from `from`, whatever its name.
bool Next(std::string_view text, size_t from, Placeholder& found) {
  const size_t begin = text.find("${", from);
  if (begin == std::string_view::npos) return false;
  const size_t close = text.find('}', begin);
  if (close == std::string_view::npos) return false;
  found = {begin, close + 1, TrimSpace(text.substr(begin + 2, close - begin - 2))};
  return true;
}

bool IsStageVariable(std::string_view name) { return name.starts_with("stageVariables."); }

// "PetsFunction" of "PetsFunction.Arn", "pets" of "aws_lambda_function.pets.invoke_arn".
std::string ThingOf(std::string_view name) {
  for (const std::string_view suffix :
       {".Arn", ".Alias", ".arn", ".invoke_arn", ".qualified_invoke_arn", ".qualified_arn"}) {
    if (ConsumeSuffix(name, suffix)) break;
  }
  const size_t dot = name.rfind('.');
  if (dot != std::string_view::npos) name.remove_prefix(dot + 1);
  std::string thing;
  for (const char c : name) thing.push_back(IsAlnum(c) || c == '-' || c == '_' ? c : '_');
  return thing;
}

}  // namespace

ResolvedPlaceholders ResolvePlaceholders(std::string_view text) {
  ResolvedPlaceholders result;
  size_t done = 0;
  Placeholder placeholder;
  const std::string_view trimmed = TrimSpace(text);
  const bool alone = Next(trimmed, 0, placeholder) && placeholder.begin == 0 &&
                     placeholder.end == trimmed.size() && !IsStageVariable(placeholder.name);
  if (alone) {
    const std::string thing = ThingOf(placeholder.name);
    if (!thing.empty()) {
      result.text = Concat("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/", thing,
                           "/invocations");
      result.names.emplace_back(thing);
      return result;
    }
  }
  for (size_t from = 0; Next(text, from, placeholder); from = placeholder.end) {
    if (IsStageVariable(placeholder.name)) continue;
    const std::string thing = ThingOf(placeholder.name);
    result.text += text.substr(done, placeholder.begin - done);
    result.text += thing;
    result.names.push_back(thing);
    done = placeholder.end;
  }
  result.text += text.substr(done);
  return result;
}

std::string_view ForeignPlaceholder(std::string_view text) {
  Placeholder placeholder;
  for (size_t from = 0; Next(text, from, placeholder); from = placeholder.end) {
    if (!IsStageVariable(placeholder.name)) {
      return text.substr(placeholder.begin, placeholder.end - placeholder.begin);
    }
  }
  return {};
}

}  // namespace postern
