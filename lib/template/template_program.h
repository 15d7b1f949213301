#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <re2/re2.h>

#include "lib/jsonpath/json_path.h"
#include "lib/jsonpath/value.h"
#include "lib/template/mapping_template.h"
#include "lib/template/methods.h"

// The compiled form of a template; shared by parser and renderer only.

namespace postern::vtl {

enum class Op : uint8_t {
  // Statements.
  kText,       // a, b: range of `texts`
  kEmit,       // link 0: reference; a, b: range of `texts` that is its source; prefix: backslashes
  kSet,        // link 0: target, link 1: value
  kIf,         // links: condition, block, condition, block, ... [block]
  kForeach,    // a: slot; links: list, block
  kDefine,     // a: slot; link 0: block
  kMacroCall,  // a: macro; links: arguments; flag: the last one is the body of #@name()
  kBlock,      // links: statements
  kBreak,
  kStop,
  // References.
  kVariable,      // a: slot
  kParameter,     // a: index, b: slot of that name outside; prefix: macro
  kInput,         // $input
  kUtil,          // $util
  kStageMap,      // $stageVariables
  kOverrideRoot,  // flag: response
  kContext,       // a: number of the variable + 1; flag: all of $context
  kProperty,      // link 0: of what; a: constant that is the name
  kIndex,         // link 0: of what, link 1: index
  kCall,          // link 0: of what, further links: arguments; method; a: pattern + 1
  // References that are known as a whole.
  kInputBody,
  kInputJson,   // a: path
  kInputPath,   // a: path
  kInputParam,  // a: constant that is the name; b: location, or kAnyLocation
  kStageValue,  // a: constant that is the name
  // Values.
  kConstant,     // a: constant
  kInterpolate,  // link 0: block
  kList,         // links
  kMap,          // links: key, value, ...
  kRange,        // link 0: first, link 1: last
  kAnd,
  kOr,
  kNot,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
};

inline constexpr uint32_t kAnyLocation = 3;

struct Node {
  Op op = Op::kText;
  Method method = Method::kUnknown;
  bool flag = false;
  uint16_t prefix = 0;
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t first = 0;  // of `links`
  uint32_t count = 0;
  uint32_t position = 0;  // in the source, for messages
};

struct Macro {
  std::string name;
  std::vector<std::string> parameters;
  uint32_t block = 0;
};

inline constexpr uint32_t kNoSlot = UINT32_MAX;

}  // namespace postern::vtl

namespace postern {

struct MappingTemplate::Program {
  std::string name;
  std::string source;
  std::string texts;  // what text nodes print
  std::vector<vtl::Node> nodes;
  std::vector<uint32_t> links;
  std::vector<dyn::Value> constants;
  std::vector<JsonPath> paths;
  std::vector<std::unique_ptr<RE2>> patterns;
  std::vector<vtl::Macro> macros;
  std::vector<std::string> slots;  // names of variables
  uint32_t root = 0;
  // Variables that loops set; kNoSlot if the template does not use them.
  uint32_t count_slot = vtl::kNoSlot;     // $velocityCount
  uint32_t has_next_slot = vtl::kNoSlot;  // $velocityHasNext
  uint32_t foreach_slot = vtl::kNoSlot;   // $foreach
  uint32_t body_slot = vtl::kNoSlot;      // $bodyContent
  TemplateNeeds needs;
  dyn::Arena arena{4 << 20};  // of the constants

  /// "name:line:column: what".
  std::string Message(uint32_t position, std::string_view what) const;
};

struct TemplateProgramAccess {
  using Program = MappingTemplate::Program;
  static MappingTemplate Make(std::shared_ptr<const Program> program) {
    return MappingTemplate(std::move(program));
  }
};

}  // namespace postern
