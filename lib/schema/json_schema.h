#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/jsonpath/value.h"

namespace postern {

/// What is wrong with a schema, and where.
struct SchemaProblem {
  std::string uri;       ///< of the document
  std::string pointer;   ///< RFC 6901, "/properties/a/type"; empty: the whole
  std::string what;      ///< "must be ..., and what to do"
  bool pattern = false;  ///< an expression that RE2 does not have; elsewhere it may be good
};

/// A compiled JSON Schema, draft 4 (rest-api.md §5.4): every keyword of the draft's core and
/// validation parts. `format` is an annotation and not checked. `pattern` is what RE2 has of
/// ECMA 262; look-around and back references are refused. Immutable; copies share; safe to use from
/// several threads.
class JsonSchema {
 public:
  /// Finds another schema document by its absolute URI without fragment, for `$ref`.
  using Loader = std::function<std::optional<std::string>(std::string_view uri)>;

  // Bounds of a schema and of all documents it refers to, and of one validation.
  static constexpr size_t kMaxBytes = 400 * 1024;  ///< all models of an API (rest-api.md §5.4)
  static constexpr int kMaxSchemaDepth = 100;
  static constexpr size_t kMaxUri = 2048;                 ///< bytes of an identifier, resolved
  static constexpr size_t kMaxPatternMemory = 128 << 20;  ///< that all patterns together may take
  static constexpr int kMaxDepth = 400;                   ///< of nested subschemas
  static constexpr uint64_t kMaxSteps = 5'000'000;        ///< of one validation
  static constexpr size_t kMaxErrors = 20;
  static constexpr size_t kMaxErrorString = 16 * 1024;
  static constexpr size_t kMaxProblems = 100;

  /// Compiles `json`. `uri` is the schema's own, from which relative `$ref` are resolved.
  /// InvalidArgument "schema #/place: what, and what to do" for its first problem.
  static absl::StatusOr<JsonSchema> Compile(std::string_view json, std::string_view uri = {},
                                            const Loader& loader = nullptr);

  /// Compiles the documents `uris`, which `loader` finds, and what they refer to; they share what
  /// they have in common. One result for each, or none and the problems of all of them, at most
  /// kMaxProblems.
  static std::vector<JsonSchema> CompileAll(const std::vector<std::string>& uris,
                                            const Loader& loader,
                                            std::vector<SchemaProblem>* problems);

  /// Whether `instance` is valid. One that takes more than the bounds is not.
  bool IsValid(const dyn::Value& instance) const;

  /// Why it is not, at most kMaxErrors messages, in the words of the library that API Gateway uses
  /// (rest-api.md §5.6); empty if it is valid.
  std::vector<std::string> Validate(const dyn::Value& instance) const;

  /// The form of $context.error.validationErrorString: "[first, second]", as many as
  /// kMaxErrorString bytes hold.
  static std::string ErrorString(const std::vector<std::string>& errors);

 private:
  friend class SchemaCompiler;
  friend class SchemaValidator;
  struct Program;

  JsonSchema(std::shared_ptr<const Program> program, uint32_t root)
      : program_(std::move(program)), root_(root) {}

  std::shared_ptr<const Program> program_;
  uint32_t root_;
};

}  // namespace postern
