#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/jsonpath/value.h"

namespace postern {

/// A compiled JSON Schema, draft 4 (rest-api.md §5.4): every keyword of the draft's core and
/// validation parts. `format` is an annotation and not checked. `pattern` is what RE2 has of
/// ECMA 262; look-around and back references are refused. Immutable; copies share; safe to use from
/// several threads.
class JsonSchema {
 public:
  /// Finds another schema document by its absolute URI without fragment, for `$ref`.
  using Loader = std::function<std::optional<std::string>(std::string_view uri)>;

  /// Bounds of a schema and of all documents it refers to, and of one validation.
  static constexpr size_t kMaxBytes = 400 * 1024;  ///< all models of an API (rest-api.md §5.4)
  static constexpr int kMaxSchemaDepth = 100;
  static constexpr int kMaxDepth = 400;             ///< of nested subschemas while validating
  static constexpr uint64_t kMaxSteps = 5'000'000;  ///< of one validation
  static constexpr size_t kMaxErrors = 20;

  /// Compiles `json`. `uri` is the schema's own, from which relative `$ref` are resolved; models
  /// have one like "https://apigateway.amazonaws.com/restapis/{id}/models/{name}". InvalidArgument
  /// "schema #/place: what, and what to do".
  static absl::StatusOr<JsonSchema> Compile(std::string_view json, std::string_view uri = {},
                                            const Loader& loader = nullptr);

  /// Whether `instance` is valid. One that takes more than the bounds is not.
  bool IsValid(const dyn::Value& instance) const;

  /// Why it is not, at most kMaxErrors messages, in the words of the library that API Gateway uses
  /// (rest-api.md §5.6); empty if it is valid.
  std::vector<std::string> Validate(const dyn::Value& instance) const;

  /// The form of $context.error.validationErrorString: "[first, second]".
  static std::string ErrorString(const std::vector<std::string>& errors);

 private:
  friend class SchemaCompiler;
  friend class SchemaValidator;
  struct Program;

  explicit JsonSchema(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  std::shared_ptr<const Program> program_;
};

}  // namespace postern
