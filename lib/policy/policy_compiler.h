#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/policy/policy.h"
#include "lib/text/json_reader.h"

namespace postern::policy {

/// Turns one document into a Policy; the first mistake ends it. Part of policy.h.
class PolicyCompiler {
 public:
  explicit PolicyCompiler(const PolicyOptions& options) : options_(options) {}

  absl::StatusOr<Policy> Compile(JsonValue document);

 private:
  using Visit = std::function<absl::Status(std::string_view text)>;
  using Statement = Policy::Statement;
  using Entry = Policy::PrincipalEntry;

  /// InvalidArgument "<pointer>: <message>"; of the whole document the message alone.
  absl::Status Error(std::string_view message) const;
  /// `status` of something that knows no place.
  absl::Status At(const absl::Status& status) const;
  void Warn(std::string_view message);

  /// Calls fn() with `token` at the end of the pointer.
  template <class Fn>
  absl::Status Within(std::string_view token, Fn&& fn);
  /// The members of an object: no name twice, and none that `fn` does not know.
  template <class Fn>
  absl::Status Members(JsonValue object, Fn&& fn);
  /// A string, or an array of strings, neither empty.
  absl::Status Texts(JsonValue value, const Visit& fn);
  /// The same, where numbers and booleans stand for their texts.
  absl::Status Scalars(JsonValue value, const Visit& fn);

  absl::Status CompileDocument(JsonValue document);
  absl::Status CompileStatement(JsonValue value);
  absl::Status CompilePrincipals(JsonValue value, Statement* statement);
  absl::Status CompilePrincipal(std::string_view type, std::string_view text, Statement* statement);
  absl::Status CompileAction(std::string_view text, Statement* statement);
  absl::Status CompileResource(std::string_view text, Statement* statement);
  absl::Status CompileConditions(JsonValue value, Statement* statement);

  const PolicyOptions options_;
  Policy policy_;
  std::string pointer_;
  bool variables_ = false;
  size_t values_ = 0;
};

}  // namespace postern::policy
