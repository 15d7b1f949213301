#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/jsonpath/value.h"

namespace postern {

/// Where a parameter of the request comes from, in the order in which `$input.params('x')` looks
/// (rest-api.md §7.2).
enum class ParamLocation : uint8_t { kPath, kQueryString, kHeader };

/// What a template has put into `$context.requestOverride` or `.responseOverride`.
struct TemplateOverride {
  bool response = false;            ///< responseOverride
  std::string group;                ///< "header", "path", "querystring"; empty: beside these
  std::string name;                 ///< as written: "X-Id"; "status" beside the groups
  std::vector<std::string> values;  ///< one, but for a list
  bool integer = false;             ///< the value was an integer, as a status must be

  bool operator==(const TemplateOverride&) const = default;
};

/// Gives `$context` variables numbers when a template is compiled.
class TemplateResolver {
 public:
  virtual ~TemplateResolver() = default;

  /// The number by which the variable is asked for at run time, e.g. for "identity.sourceIp";
  /// nothing if there is no such variable. Also asked for prefixes, "identity" and "" (all of
  /// `$context`), which have a number if their value is a map.
  virtual std::optional<uint32_t> ContextVariable(std::string_view dotted_name) const = 0;
};

/// The exchange for which a template is rendered. Text must live until the end of Render(); it
/// should be well-formed UTF-8.
class TemplateEnvironment {
 public:
  using Visitor = std::function<void(std::string_view name, std::string_view value)>;

  virtual ~TemplateEnvironment() = default;

  /// The payload; empty if there is none, which then reads as `{}` (rest-api.md §7.2).
  virtual std::string_view Body() = 0;

  /// The single (last) value of a parameter; names are case-sensitive.
  virtual std::optional<std::string_view> Param(ParamLocation location, std::string_view name) = 0;
  virtual void ForEachParam(ParamLocation location, const Visitor& visit) = 0;

  /// A variable by the number of TemplateResolver: text (String), a number, or a map made in
  /// `arena`; null if it has no value. Maps print as empty text (rest-api.md §7.6). In the map of
  /// all of `$context`, the values under requestOverride and responseOverride are put in by the
  /// engine.
  virtual dyn::Value ContextVariable(uint32_t number, dyn::Arena& arena) = 0;

  virtual std::optional<std::string_view> StageVariable(std::string_view name) = 0;
  virtual void ForEachStageVariable(const Visitor& visit) = 0;

  /// What an earlier template of the same exchange has put into the overrides; it can be read again
  /// (rest-api.md §7.7). Asked only if the template uses them.
  virtual const std::vector<TemplateOverride>* EarlierOverrides() { return nullptr; }

  /// What this template has put there, in order; called once after the whole template, if it has
  /// put anything.
  virtual void TakeOverrides(std::vector<TemplateOverride>&& /*overrides*/) {}
};

/// What of an exchange a template may ask for.
struct TemplateNeeds {
  bool body = false;
  bool query = false;    ///< ParamLocation::kQueryString
  bool headers = false;  ///< ParamLocation::kHeader

  bool operator==(const TemplateNeeds&) const = default;
};

struct TemplateOptions {
  /// Names the template in messages: "template.vtl:3:14: ...".
  std::string_view name = "template";
  /// Leaves out white space at both ends of the template.
  bool trim = true;
};

/// Bounds of one rendering. What exceeds one ends with ResourceExhausted.
struct RenderLimits {
  uint32_t max_steps = 1'000'000;  ///< operations; long texts and lists count by their length
  size_t max_output = 10 << 20;    ///< bytes
  size_t max_memory = 64 << 20;    ///< bytes of values
  int max_depth = 1000;            ///< nested blocks, expressions, macros, defines together
  int max_macro_depth = 20;        ///< velocimacro.max.depth of Velocity
  uint32_t max_loop_count = 1000;  ///< rounds of one #foreach, which then simply ends (§16)
  int max_json_depth = 200;        ///< of the body and of $util.parseJson()
};

/// Memory that one rendering after the other uses. One for each thread.
class TemplateScratch {
 public:
  TemplateScratch();
  ~TemplateScratch();
  TemplateScratch(const TemplateScratch&) = delete;
  TemplateScratch& operator=(const TemplateScratch&) = delete;

 private:
  friend class MappingTemplate;
  dyn::Arena arena_;
};

/// A mapping template (rest-api.md §7), compiled: the Velocity Template Language with the meaning
/// of Velocity 1.7, and $input, $util, $context and $stageVariables of API Gateway. Immutable;
/// copies share; safe to use from several threads.
///
/// Different from Velocity 1.7, as §7.1 records it: what is missing prints nothing, and null equals
/// the empty text. Not available: #include, #parse, #evaluate.
class MappingTemplate {
 public:
  /// Largest template (rest-api.md §16).
  static constexpr size_t kMaxSize = 300 * 1024;

  /// InvalidArgument "name:line:column: what, and what to do".
  static absl::StatusOr<MappingTemplate> Compile(std::string_view source,
                                                 const TemplateResolver& resolver,
                                                 const TemplateOptions& options = {});

  /// Appends the result to `*out`. Where the template fails, as a Java method would throw, the
  /// error is InvalidArgument (ResourceExhausted for a limit) "name:line:column: why", `*out` holds
  /// a part that must not be used, and no override is handed over.
  absl::Status Render(TemplateEnvironment& environment, TemplateScratch& scratch, std::string* out,
                      const RenderLimits& limits = {}) const;

  /// The text, if the template is nothing but text.
  std::optional<std::string_view> constant() const;

  /// What Render() may ask of its environment. Path parameters, variables and overrides can be had
  /// at any time and are not told.
  TemplateNeeds needs() const;

 private:
  struct Program;
  friend struct TemplateProgramAccess;

  explicit MappingTemplate(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  std::shared_ptr<const Program> program_;
};

}  // namespace postern
