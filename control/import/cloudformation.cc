#include "control/import/cloudformation.h"

#include <iterator>

#include "lib/text/concat.h"

namespace postern {
namespace {

std::optional<std::string> FunctionText(Node node, int depth) {
  constexpr int kMaxDepth = 8;
  if (depth > kMaxDepth) return std::nullopt;
  std::string_view function;
  Node argument;
  if (!node.tag().empty()) {
    function = node.tag();
    function.remove_prefix(1);  // !Ref
    argument = node;
  } else if (node.is_object() && node.size() == 1) {
    argument = *node.children().begin();
    function = argument.key();
    if (function.starts_with("Fn::")) function.remove_prefix(4);
  } else {
    return std::nullopt;
  }
  // What a list of the function's arguments holds may be functions again.
  const auto text_of = [depth](Node part) -> std::optional<std::string> {
    if (part.tag().empty() && part.is_scalar() && !part.is_null()) return std::string(part.text());
    return FunctionText(part, depth + 1);
  };
  if (function == "Ref" && argument.is_scalar()) return Concat("${", argument.text(), "}");
  if (function == "GetAtt") {
    if (argument.is_scalar()) return Concat("${", argument.text(), "}");
    if (!argument.is_array() || argument.size() != 2) return std::nullopt;
    const auto resource = text_of(*argument.children().begin());
    const auto attribute = text_of(*std::next(argument.children().begin()));
    if (!resource || !attribute) return std::nullopt;
    return Concat("${", *resource, ".", *attribute, "}");
  }
  if (function == "Sub") {
    if (argument.is_scalar()) return std::string(argument.text());
    if (!argument.is_array() || argument.size() != 2) return std::nullopt;
    std::optional<std::string> text = text_of(*argument.children().begin());
    if (!text) return std::nullopt;
    for (const Node value : (*std::next(argument.children().begin())).children()) {
      const std::optional<std::string> with = text_of(value);
      if (!with) return std::nullopt;
      const std::string name = Concat("${", value.key(), "}");
      for (size_t at = 0; (at = text->find(name, at)) != std::string::npos; at += with->size()) {
        text->replace(at, name.size(), *with);
      }
    }
    return text;
  }
  if (function == "Join" && argument.is_array() && argument.size() == 2) {
    const Node separator = *argument.children().begin();
    const Node parts = *std::next(argument.children().begin());
    if (!separator.is_scalar() || !parts.is_array()) return std::nullopt;
    std::string joined;
    bool first = true;
    for (const Node part : parts.children()) {
      const std::optional<std::string> text = text_of(part);
      if (!text) return std::nullopt;
      if (!first) joined += separator.text();
      first = false;
      joined += *text;
    }
    return joined;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> CloudFormationText(Node node) { return FunctionText(node, 0); }

bool IsUnresolvedFunction(Node node) {
  if (!node.tag().empty()) return node.tag() != "!Sub";
  if (!node.is_object() || node.size() != 1) return false;
  const Node argument = *node.children().begin();
  if (argument.key() == "Fn::Sub") return !argument.is_string();
  return argument.key() == "Ref" || argument.key().starts_with("Fn::");
}

}  // namespace postern
