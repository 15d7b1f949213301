#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/jsonpath/value.h"

namespace postern {

/// A compiled JSONPath with the meaning of Jayway's "JSONPath for Java" (rest-api.md §7.3): dot and
/// bracket notation, negative index, unions, slices, wildcards, deep scan, filters, and the
/// functions min max avg stddev sum length size keys concat append first last index at the end.
/// Immutable; copies share; safe to use from several threads.
class JsonPath {
 public:
  /// Longest path text and deepest nesting of filters that are compiled.
  static constexpr size_t kMaxSize = 4096;
  static constexpr int kMaxNesting = 16;

  /// Compiles `text`. A path need not begin with `$.`; `@` stands for the root too.
  /// InvalidArgument "JSONPath '...', character N: what, and what to do".
  static absl::StatusOr<JsonPath> Compile(std::string_view text);

  /// Whether it can name one value at most. Then Read() gives that value, otherwise always a list.
  bool definite() const;

  /// What the path finds in `root`. Nothing if a part of the path is missing (Jayway throws
  /// PathNotFoundException, which API Gateway shows as null) or a function cannot be computed.
  /// Every value that is visited takes one of `*steps`; when they are used up the result is nothing
  /// and `*steps` is 0. New lists are made in `arena`.
  std::optional<dyn::Value> Read(const dyn::Value& root, dyn::Arena& arena, uint64_t* steps) const;

  /// As it was written.
  const std::string& text() const;

 private:
  friend class JsonPathCompiler;
  friend class JsonPathReader;
  struct Program;

  explicit JsonPath(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  std::shared_ptr<const Program> program_;
};

}  // namespace postern
