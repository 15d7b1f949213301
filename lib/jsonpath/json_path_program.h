#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <re2/re2.h>

#include "lib/jsonpath/json_path.h"
#include "lib/jsonpath/value.h"

// The compiled form of a path; shared by compiler and reader only.

namespace postern {

namespace json_path_internal {

enum class TokenKind : uint8_t {
  kProperty,    // names[0]
  kProperties,  // names
  kIndexes,     // indexes
  kSlice,       // from, to
  kWildcard,
  kScan,
  kFilter,  // expression
  kFunction,
};

enum class Function : uint8_t {
  kMin,
  kMax,
  kAvg,
  kStddev,
  kSum,
  kLength,
  kKeys,
  kConcat,
  kAppend,
  kFirst,
  kLast,
  kIndex,
};

enum class Operator : uint8_t {
  kExists,
  kEq,
  kNe,
  kTypeSafeEq,
  kTypeSafeNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kRegex,
  kIn,
  kNin,
  kSubsetOf,
  kAnyOf,
  kNoneOf,
  kSize,
  kEmpty,
  kContains,
  kAll,
};

/// One side of a comparison, or one parameter of a function.
struct Operand {
  enum class Kind : uint8_t { kLiteral, kPath, kRegex } kind = Kind::kLiteral;
  dyn::Value literal;
  std::optional<JsonPath> path;
  bool from_root = false;        // the path begins with `$`
  std::shared_ptr<RE2> pattern;  // shared only so that operands can be copied
};

struct Expression {
  enum class Kind : uint8_t { kOr, kAnd, kNot, kCompare } kind = Kind::kCompare;
  std::vector<Expression> parts;  // of kOr, kAnd, kNot
  Operator op = Operator::kExists;
  bool should_exist = true;
  Operand left;
  Operand right;
};

struct Token {
  TokenKind kind = TokenKind::kProperty;
  bool definite = true;
  bool upstream_definite = true;
  Function function = Function::kMin;
  std::vector<std::string> names;
  std::vector<int64_t> indexes;
  std::optional<int64_t> from;
  std::optional<int64_t> to;
  Expression expression;
  std::vector<Operand> parameters;
};

}  // namespace json_path_internal

struct JsonPath::Program {
  std::string text;
  std::vector<json_path_internal::Token> tokens;
  bool definite = true;
  // A function behind a scan from the root: it is applied to all that was found (`$..x.sum()`).
  bool function_of_all = false;
  std::string literal_text;  // what literals point into
  dyn::Arena literals{1 << 20};
};

}  // namespace postern
