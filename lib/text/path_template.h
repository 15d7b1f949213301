#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace postern {

/// One part of a resource path, between two slashes.
struct PathPart {
  enum class Kind : uint8_t {
    kStatic,    ///< matches itself
    kVariable,  ///< `{name}`: matches one segment
    kGreedy,    ///< `{name+}`: matches the rest of the path; always the last part
  };
  Kind kind = Kind::kStatic;
  std::string text;  ///< kStatic: the segment; else the name without braces and '+'

  /// As it is written in a template: `pets`, `{id}`, `{proxy+}`.
  std::string ToString() const;

  bool operator==(const PathPart&) const = default;
};

/// The path of an API Gateway resource: `/`, `/pets/{id}`, `/{proxy+}` (rest-api.md §2.6).
class PathTemplate {
 public:
  /// Checks the rules of rest-api.md §2.6 that concern one path, and that no variable comes twice
  /// (OpenAPI 3.1.1 §4.8.2). A slash at the end is dropped, since it never influences matching
  /// (rest-api.md §2.3 rule 2). InvalidArgument carries AWS's message where one is recorded.
  static absl::StatusOr<PathTemplate> Parse(std::string_view path);

  /// Empty for `/`.
  const std::vector<PathPart>& parts() const { return parts_; }

  /// Names of the variables, in order.
  std::vector<std::string_view> VariableNames() const;

  /// The template again, without a slash at the end.
  std::string ToString() const;

  bool operator==(const PathTemplate&) const = default;

 private:
  std::vector<PathPart> parts_;
};

/// The resources of one API, to check the rules that concern several of them. The parents of a path
/// come into being with it, as at import.
class PathTemplateSet {
 public:
  /// Adds `path`. InvalidArgument if a sibling of one of its parts is another variable,
  /// AlreadyExists if the path was added before; in both cases with AWS's message (rest-api.md
  /// §2.6, management-and-import.md §1.8), and the set is as it was.
  absl::Status Add(const PathTemplate& path);

 private:
  struct Resource {
    std::string variable_child;  // its part as written; empty if there is none
    bool added = false;          // not only as a parent of another
  };

  std::unordered_map<std::string, Resource> resources_;  // by path; the root is ""
};

}  // namespace postern
