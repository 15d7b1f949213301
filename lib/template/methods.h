#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <re2/re2.h>

#include "lib/jsonpath/value.h"

namespace postern::vtl {

/// Methods of Java's types that templates may call (rest-api.md §7.2).
enum class Method : uint8_t {
  kUnknown,
  kAdd,
  kAddAll,
  kBooleanValue,
  kByteValue,
  kCharAt,
  kClear,
  kCompareTo,
  kCompareToIgnoreCase,
  kConcat,
  kContains,
  kContainsAll,
  kContainsKey,
  kContainsValue,
  kCount,
  kDoubleValue,
  kEndsWith,
  kEntrySet,
  kEquals,
  kEqualsIgnoreCase,
  kFloatValue,
  kGet,
  kGetCount,
  kGetHasNext,
  kGetIndex,
  kGetKey,
  kGetOrDefault,
  kGetValue,
  kHasNext,
  kHashCode,
  kIndexOf,
  kIntValue,
  kIsBlank,
  kIsEmpty,
  kIsFirst,
  kIsLast,
  kIterator,
  kJoin,
  kJson,
  kKeySet,
  kLastIndexOf,
  kLength,
  kLongValue,
  kMatches,
  kParams,
  kParseJson,
  kPath,
  kPut,
  kPutAll,
  kPutIfAbsent,
  kRegionMatches,
  kRemove,
  kRemoveAll,
  kRepeat,
  kReplace,
  kReplaceAll,
  kReplaceFirst,
  kRetainAll,
  kSet,
  kSetValue,
  kShortValue,
  kSize,
  kSplit,
  kStartsWith,
  kStrip,
  kSubList,
  kSubstring,
  kToArray,
  kToCharArray,
  kToLowerCase,
  kToString,
  kToUpperCase,
  kTrim,
  kValueOf,
  kValues,
  // Of $util.
  kBase64Decode,
  kBase64Encode,
  kEscapeJavaScript,
  kUrlDecode,
  kUrlEncode,
};

/// kUnknown for a name that no type has.
Method FindMethod(std::string_view name);
std::string_view MethodName(Method method);

/// Whether the first argument of this method of a string is a regular expression.
bool TakesPattern(Method method);

/// How a pattern of a template is compiled: Java's syntax as far as RE2 has it.
RE2::Options PatternOptions();

/// What a call may use and what it reports.
struct CallContext {
  dyn::Arena& arena;
  uint64_t& steps;               ///< taken for what is long; 0 when used up
  const RE2* pattern = nullptr;  ///< the first argument, compiled, where it is constant
  int max_json_depth = 200;      ///< of parseJson()
  std::string error = {};        ///< why the call failed
};

/// Calls `method` of `receiver`, which is no host object. A method that the type does not have with
/// these arguments gives null, as in Velocity; void gives empty text. False if Java would throw;
/// `context.error` then says why. Positions in strings count UTF-16 units, as Java's do.
bool CallMethod(Method method, const dyn::Value& receiver, const dyn::Value* arguments,
                size_t count, CallContext& context, dyn::Value* result);

/// The same for $util (rest-api.md §7.4).
bool CallUtil(Method method, const dyn::Value* arguments, size_t count, CallContext& context,
              dyn::Value* result);

/// Text of a value as Java's toString() gives it, `{}` handled as the sheet says.
std::string_view TextOf(const dyn::Value& value, CallContext& context);

/// Appends `text` as org.apache.commons.lang's escapeJavaScript does, but '/' stays as it is
/// (rest-api.md §7.4).
void EscapeJavaScript(std::string_view text, CharSink& sink);

}  // namespace postern::vtl
