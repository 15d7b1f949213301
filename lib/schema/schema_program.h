#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <re2/re2.h>

#include "lib/jsonpath/value.h"
#include "lib/schema/json_schema.h"

// The compiled form of a schema; shared by compiler and validator only.

namespace postern {

namespace schema_internal {

// Types as bits; an integer is a number too.
enum Type : uint8_t {
  kArray = 1,
  kBoolean = 2,
  kInteger = 4,
  kNull = 8,
  kNumber = 16,
  kObject = 32,
  kString = 64,
};
inline constexpr uint8_t kAllTypes = 127;

inline constexpr uint32_t kNone = UINT32_MAX;           // no subschema
inline constexpr uint32_t kForbidden = UINT32_MAX - 1;  // `false` of additionalItems, ...Properties

struct Property {
  std::string name;
  uint32_t schema;
};

struct PatternProperty {
  const RE2* pattern;
  uint32_t schema;
};

struct Dependency {
  std::string name;
  std::vector<std::string> names;
  uint32_t schema = kNone;
};

struct Schema {
  uint32_t ref = kNone;  // then nothing else counts

  uint8_t types = kAllTypes;
  const dyn::List* values = nullptr;  // enum

  dyn::Value multiple_of;
  dyn::Value minimum;
  dyn::Value maximum;
  bool exclusive_minimum = false;
  bool exclusive_maximum = false;

  uint64_t min_length = 0;
  uint64_t max_length = UINT64_MAX;
  const RE2* pattern = nullptr;
  std::string pattern_text;

  uint64_t min_items = 0;
  uint64_t max_items = UINT64_MAX;
  bool unique_items = false;
  uint32_t items = kNone;
  bool has_tuple = false;
  std::vector<uint32_t> tuple;
  uint32_t additional_items = kNone;

  uint64_t min_properties = 0;
  uint64_t max_properties = UINT64_MAX;
  std::vector<std::string> required;  // sorted
  std::vector<Property> properties;   // sorted by name
  std::vector<PatternProperty> pattern_properties;
  uint32_t additional_properties = kNone;
  std::vector<Dependency> dependencies;

  std::vector<uint32_t> all_of;
  std::vector<uint32_t> any_of;
  std::vector<uint32_t> one_of;
  uint32_t not_schema = kNone;

  bool checks_number() const {
    return !multiple_of.is_null() || !minimum.is_null() || !maximum.is_null();
  }
};

}  // namespace schema_internal

struct JsonSchema::Program {
  std::vector<schema_internal::Schema> schemas;
  std::vector<std::unique_ptr<RE2>> patterns;       // one of each text
  std::vector<std::unique_ptr<std::string>> texts;  // of the documents; strings point into them
  dyn::Arena arena{32 << 20};
};

}  // namespace postern
