#include "lib/text/path_template.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// rest-api.md §2.6 "Path part characters", braces apart.
constexpr CharSet kPartChars = kAlnumChars | CharSet("_-.,:");

absl::Status Bad(std::string_view path, std::string_view why) {
  return absl::InvalidArgumentError(Concat("resource path '", path, "': ", why));
}

absl::StatusOr<PathPart> ParsePart(std::string_view path, std::string_view text) {
  PathPart part;
  std::string_view name = text;
  if (text.size() >= 2 && text.front() == '{' && text.back() == '}') {
    name = text.substr(1, text.size() - 2);
    part.kind = PathPart::Kind::kVariable;
    if (name.ends_with('+')) {
      name.remove_suffix(1);
      part.kind = PathPart::Kind::kGreedy;
    }
    if (name.empty()) return Bad(path, Concat("the variable '", text, "' has no name"));
  }
  if (name.empty()) return Bad(path, "a path part is empty; remove the doubled slash");
  if (!kPartChars.HasAll(name)) {
    return Bad(path,
               "Resource's path part only allow a-zA-Z0-9._- and curly braces at the beginning and "
               "the end and an optional plus sign before the closing brace.");
  }
  part.text = std::string(name);
  return part;
}

}  // namespace

std::string PathPart::ToString() const {
  switch (kind) {
    case Kind::kStatic:
      return text;
    case Kind::kVariable:
      return Concat("{", text, "}");
    case Kind::kGreedy:
      return Concat("{", text, "+}");
  }
  return {};
}

absl::StatusOr<PathTemplate> PathTemplate::Parse(std::string_view path) {
  PathTemplate out;
  if (!path.starts_with('/')) return Bad(path, "it must start with a slash");
  std::string_view rest = path.substr(1);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  bool more = !rest.empty();
  if (!more && path.size() > 1) return Bad(path, "a path part is empty; remove the doubled slash");
  while (more) {
    const size_t slash = rest.find('/');
    absl::StatusOr<PathPart> part = ParsePart(path, rest.substr(0, slash));
    if (!part.ok()) return part.status();
    if (!out.parts_.empty() && out.parts_.back().kind == PathPart::Kind::kGreedy) {
      return Bad(path, Concat("Cannot create a child of a resource with a greedy path variable: ",
                              out.parts_.back().ToString()));
    }
    if (part->kind != PathPart::Kind::kStatic) {
      const std::vector<std::string_view> names = out.VariableNames();
      if (std::find(names.begin(), names.end(), part->text) != names.end()) {
        return Bad(path, Concat("the variable name '", part->text, "' is used twice; rename one"));
      }
    }
    out.parts_.push_back(*std::move(part));
    more = slash != std::string_view::npos;
    if (more) rest.remove_prefix(slash + 1);
  }
  return out;
}

std::vector<std::string_view> PathTemplate::VariableNames() const {
  std::vector<std::string_view> names;
  for (const PathPart& part : parts_) {
    if (part.kind != PathPart::Kind::kStatic) names.push_back(part.text);
  }
  return names;
}

std::string PathTemplate::ToString() const {
  if (parts_.empty()) return "/";
  std::string out;
  for (const PathPart& part : parts_) {
    out += '/';
    out += part.ToString();
  }
  return out;
}

absl::Status PathTemplateSet::Add(const PathTemplate& path) {
  struct Variable {
    std::string parent;
    std::string written;
  };
  const std::string text = path.ToString();
  std::vector<Variable> variables;
  std::string prefix;  // of text, up to the part at hand; empty for the root
  for (const PathPart& part : path.parts()) {
    std::string written = part.ToString();
    const std::string parent = prefix;
    prefix += '/';
    prefix += written;
    if (part.kind == PathPart::Kind::kStatic) continue;
    const auto found = resources_.find(parent);
    if (found != resources_.end() && !found->second.variable_child.empty() &&
        found->second.variable_child != written) {
      return Bad(text, Concat("A sibling (", found->second.variable_child,
                              ") of this resource already has a variable path part -- only one is "
                              "allowed"));
    }
    variables.push_back({parent, std::move(written)});
  }
  Resource& resource = resources_[prefix];
  if (resource.added) {
    return absl::AlreadyExistsError(Concat(
        "resource path '", text, "': Another resource with the same parent already has this name: ",
        path.parts().empty() ? "/" : path.parts().back().ToString()));
  }
  resource.added = true;
  for (Variable& variable : variables) {
    resources_[variable.parent].variable_child = std::move(variable.written);
  }
  return absl::OkStatus();
}

}  // namespace postern
