#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "lib/schema/json_schema.h"
#include "lib/schema/schema_program.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"

namespace postern {

using dyn::Kind;
using dyn::Value;
using namespace schema_internal;  // NOLINT: the two belong together

namespace {

uint8_t TypeOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
      return kBoolean;
    case Kind::kInt:
    case Kind::kLong:
    case Kind::kBig:
      return kInteger;
    case Kind::kDouble:
      return kNumber;
    case Kind::kString:
      return kString;
    case Kind::kList:
      return kArray;
    case Kind::kMap:
      return kObject;
    default:
      return kNull;
  }
}

struct NamedType {
  uint8_t type;
  std::string_view name;
};
constexpr NamedType kTypeNames[] = {
    {kArray, "array"},   {kBoolean, "boolean"}, {kInteger, "integer"}, {kNull, "null"},
    {kNumber, "number"}, {kObject, "object"},   {kString, "string"},
};

std::string_view NameOf(uint8_t type) {
  for (const NamedType& known : kTypeNames) {
    if (known.type == type) return known.name;
  }
  return "null";
}

// A decimal number: digits * 10^exponent.
struct Decimal {
  __int128 digits = 0;
  int exponent = 0;
};

std::optional<Decimal> DecimalOf(const Value& value) {
  if (value.is_integer()) return Decimal{value.integer(), 0};
  char buffer[48];
  std::string_view text;
  if (value.kind() == Kind::kDouble) {
    const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value.floating(),
                                      std::chars_format::scientific);
    text = {buffer, static_cast<size_t>(result.ptr - buffer)};
  } else {
    text = value.text();
  }
  Decimal decimal;
  const bool negative = text.front() == '-';
  if (negative) text.remove_prefix(1);
  bool fraction = false;
  size_t count = 0;
  while (!text.empty() && text.front() != 'e') {
    if (text.front() == '.') {
      fraction = true;
    } else {
      if (++count > 30) return std::nullopt;
      decimal.digits = decimal.digits * 10 + (text.front() - '0');
      if (fraction) --decimal.exponent;
    }
    text.remove_prefix(1);
  }
  if (!text.empty()) {
    text.remove_prefix(text.substr(0, 2) == "e+" ? 2 : 1);
    int exponent = 0;
    std::from_chars(text.data(), text.data() + text.size(), exponent);
    decimal.exponent += exponent;
  }
  if (negative) decimal.digits = -decimal.digits;
  return decimal;
}

int CompareNumbers(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer()) {
    return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  }
  const double x = a.AsDouble();
  const double y = b.AsDouble();
  return x < y ? -1 : x > y ? 1 : 0;
}

// Exact, as far as 38 digits go.
bool IsMultiple(const Value& value, const Value& of) {
  if (value.is_integer() && of.is_integer()) return value.integer() % of.integer() == 0;
  std::optional<Decimal> a = DecimalOf(value);
  std::optional<Decimal> b = DecimalOf(of);
  if (a.has_value() && b.has_value()) {
    if (a->digits == 0) return true;
    bool fits = true;
    const auto scale = [&fits](Decimal& decimal, int to) {
      while (fits && decimal.exponent > to) {
        fits = !__builtin_mul_overflow(decimal.digits, 10, &decimal.digits);
        --decimal.exponent;
      }
    };
    const int to = std::min(a->exponent, b->exponent);
    scale(*a, to);
    scale(*b, to);
    if (fits && b->digits != 0) return a->digits % b->digits == 0;
  }
  const double quotient = value.AsDouble() / of.AsDouble();
  return std::isfinite(quotient) && quotient == std::nearbyint(quotient);
}

// What a validation may still do. Everything that input can make long takes from it.
class Budget {
 public:
  // False once it is used up.
  bool Take(uint64_t steps) {
    if (left_ <= steps) left_ = 0;
    left_ -= std::min(left_, steps);
    return left_ != 0;
  }
  bool used_up() const { return left_ == 0; }

 private:
  uint64_t left_ = JsonSchema::kMaxSteps;
};

// As JSON Schema compares: 1 and 1.0 are the same.
bool Same(const Value& a, const Value& b, int depth, Budget& budget) {
  if (!budget.Take(1)) return false;
  if (a.is_number() && b.is_number()) {
    if (a.kind() == Kind::kBig && b.kind() == Kind::kBig) return a.text() == b.text();
    return CompareNumbers(a, b) == 0;
  }
  if (a.kind() != b.kind() || depth == 0) return false;
  if (a.is_list()) {
    if (a.list().size() != b.list().size()) return false;
    for (size_t i = 0; i < a.list().size(); ++i) {
      if (!Same(a.list()[i], b.list()[i], depth - 1, budget)) return false;
    }
    return true;
  }
  if (a.is_map()) {
    if (a.map().size() != b.map().size()) return false;
    for (const dyn::Entry& entry : a.map()) {
      const dyn::Entry* other = b.map().Find(entry.key);
      if (other == nullptr || !Same(entry.value, other->value, depth - 1, budget)) return false;
    }
    return true;
  }
  return dyn::Equals(a, b);
}

// Equal values have equal hashes.
uint64_t Hash(const Value& value, int depth, Budget& budget) {
  constexpr uint64_t kPrime = 0x9E3779B97F4A7C15;
  const auto of_text = [](std::string_view text) {
    return static_cast<uint64_t>(std::hash<std::string_view>()(text));
  };
  if (depth == 0 || !budget.Take(1)) return 1;
  if (value.is_number()) {
    const double number = value.AsDouble() + 0.0;  // -0.0 becomes 0.0
    uint64_t bits = 0;
    std::memcpy(&bits, &number, sizeof(bits));
    return bits * kPrime;
  }
  uint64_t hash = static_cast<uint64_t>(value.kind()) * kPrime;
  if (value.is_string()) return hash ^ of_text(value.text());
  if (value.kind() == Kind::kBool) return hash + (value.boolean() ? 1 : 0);
  if (value.is_list()) {
    for (const Value& item : value.list())
      hash = (hash ^ Hash(item, depth - 1, budget)) * kPrime + 1;
  }
  if (value.is_map()) {
    for (const dyn::Entry& entry : value.map()) {
      hash += (of_text(entry.key.text()) ^ Hash(entry.value, depth - 1, budget)) * kPrime;
    }
  }
  return hash;
}

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; }));
}

constexpr size_t kMaxShown = 1024;  // bytes of a value in a message

std::string Json(const Value& value) {
  std::string out;
  {
    StringSink sink(&out, kMaxShown);
    dyn::AppendJson(value, sink);
  }
  return out;
}

std::string Names(const std::vector<std::string>& names) {
  std::string out;
  {
    StringSink sink(&out, kMaxShown);
    JsonWriter writer(&sink);
    writer.BeginArray();
    for (const std::string& name : names) writer.String(name);
    writer.EndArray();
  }
  return out;
}

std::string Quoted(std::string_view text) {
  std::string out;
  {
    StringSink sink(&out, kMaxShown);
    AppendJsonString(text, sink);
  }
  return out;
}

}  // namespace

class SchemaValidator {
 public:
  // `errors` null: only whether it is valid.
  SchemaValidator(const JsonSchema::Program& program, std::vector<std::string>* errors)
      : program_(program), errors_(errors) {}

  bool Validate(uint32_t root, const Value& instance) {
    const bool valid = Check(root, instance, 0);
    if (gave_up() && errors_ != nullptr) {
      errors_->push_back("the instance takes too many steps to validate");
    }
    return valid && !gave_up();
  }

 private:
  // Notes an error, made by `message` only if somebody wants it. Whether to go on.
  template <typename Message>
  bool Fail(Message message) {
    valid_ = false;
    if (errors_ == nullptr || errors_->size() >= JsonSchema::kMaxErrors) return false;
    errors_->push_back(message());
    return true;
  }

  bool Quiet(uint32_t schema, const Value& value, int depth) {
    std::vector<std::string>* const errors = std::exchange(errors_, nullptr);
    const bool valid = Check(schema, value, depth);
    errors_ = errors;
    return valid;
  }

  bool Check(uint32_t number, const Value& value, int depth) {
    const Schema* schema = &program_.schemas[number];
    if (schema->ref != kNone) schema = &program_.schemas[schema->ref];
    if (depth > JsonSchema::kMaxDepth) too_deep_ = true;
    if (!budget_.Take(1) || too_deep_) return false;
    const bool outer = std::exchange(valid_, true);
    Run(*schema, value, depth + 1);
    return std::exchange(valid_, outer) && !gave_up();
  }

  // What is inside is valid, or this is not.
  bool Inside(uint32_t schema, const Value& value, int depth) {
    if (Check(schema, value, depth)) return true;
    valid_ = false;
    return errors_ != nullptr && errors_->size() < JsonSchema::kMaxErrors && !gave_up();
  }

  void Run(const Schema& schema, const Value& value, int depth) {
    const uint8_t type = TypeOf(value);
    if ((schema.types & type) == 0 && !(type == kInteger && (schema.types & kNumber) != 0)) {
      const bool go_on = Fail([&] {
        std::vector<std::string> allowed;
        for (const NamedType& known : kTypeNames) {
          if ((schema.types & known.type) != 0) allowed.emplace_back(known.name);
        }
        return Concat("instance type (", NameOf(type),
                      ") does not match any allowed primitive type (allowed: ", Names(allowed),
                      ")");
      });
      if (!go_on) return;
    }
    if (schema.values != nullptr && !IsOneOf(*schema.values, value) && !Fail([&] {
          std::string possible;
          for (const Value& item : *schema.values) {
            if (!possible.empty()) possible += ',';
            if (possible.size() < kMaxShown) possible += Json(item);
          }
          return Concat("instance value (", Json(value), ") not found in enum (possible values: [",
                        possible, "])");
        })) {
      return;
    }
    bool go_on = true;
    if (type == kInteger || type == kNumber) {
      if (schema.checks_number()) go_on = Number(schema, value);
    } else if (type == kString) {
      go_on = String(schema, value.text());
    } else if (type == kArray) {
      go_on = Array(schema, value.list(), depth);
    } else if (type == kObject) {
      go_on = Object(schema, value.map(), depth);
    }
    if (go_on) Combined(schema, value, depth);
  }

  bool IsOneOf(const dyn::List& values, const Value& value) {
    return std::any_of(values.begin(), values.end(), [&](const Value& item) {
      return Same(item, value, dyn::kMaxDepth, budget_);
    });
  }

  bool Number(const Schema& schema, const Value& value) {
    if (value.kind() == Kind::kBig && !budget_.Take(value.text().size() / 16)) return false;
    if (!schema.minimum.is_null()) {
      const int order = CompareNumbers(value, schema.minimum);
      if (order < 0 && !Fail([&] {
            return Concat("numeric instance is lower than the required minimum (minimum: ",
                          Json(schema.minimum), ", found: ", Json(value), ")");
          })) {
        return false;
      }
      if (order == 0 && schema.exclusive_minimum && !Fail([&] {
            return Concat("numeric instance is not strictly greater than the required minimum ",
                          Json(schema.minimum));
          })) {
        return false;
      }
    }
    if (!schema.maximum.is_null()) {
      const int order = CompareNumbers(value, schema.maximum);
      if (order > 0 && !Fail([&] {
            return Concat("numeric instance is greater than the required maximum (maximum: ",
                          Json(schema.maximum), ", found: ", Json(value), ")");
          })) {
        return false;
      }
      if (order == 0 && schema.exclusive_maximum && !Fail([&] {
            return Concat("numeric instance is not strictly lower than the required maximum ",
                          Json(schema.maximum));
          })) {
        return false;
      }
    }
    if (!schema.multiple_of.is_null() && !IsMultiple(value, schema.multiple_of)) {
      return Fail([&] {
        return Concat("remainder of division is not zero (", Json(value), " / ",
                      Json(schema.multiple_of), ")");
      });
    }
    return true;
  }

  bool String(const Schema& schema, std::string_view text) {
    if (schema.min_length != 0 || schema.max_length != UINT64_MAX) {
      if (!budget_.Take(text.size() / 256)) return false;
      const size_t length = CountCharacters(text);
      if (length < schema.min_length && !Fail([&] {
            return Concat("string ", Quoted(text), " is too short (length: ", length,
                          ", required minimum: ", schema.min_length, ")");
          })) {
        return false;
      }
      if (length > schema.max_length && !Fail([&] {
            return Concat("string ", Quoted(text), " is too long (length: ", length,
                          ", maximum allowed: ", schema.max_length, ")");
          })) {
        return false;
      }
    }
    if (schema.pattern != nullptr && !Matches(*schema.pattern, text)) {
      return Fail([&] {
        return Concat("ECMA 262 regex ", Quoted(schema.pattern_text),
                      " does not match input string ", Quoted(text));
      });
    }
    return true;
  }

  // At worst an expression looks at each of its instructions for each byte.
  bool Matches(const RE2& pattern, std::string_view text) {
    const uint64_t instructions = static_cast<uint64_t>(std::max(pattern.ProgramSize(), 1));
    if (!budget_.Take(text.size() * instructions / 64 + 1)) return false;
    return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
  }

  bool Array(const Schema& schema, dyn::List& list, int depth) {
    if (list.size() < schema.min_items && !Fail([&] {
          return Concat("array is too short: must have at least ", schema.min_items,
                        " elements but instance has ", list.size(), " elements");
        })) {
      return false;
    }
    if (list.size() > schema.max_items && !Fail([&] {
          return Concat("array is too long: must have at most ", schema.max_items,
                        " elements but instance has ", list.size(), " elements");
        })) {
      return false;
    }
    if (schema.unique_items && !AreUnique(list) &&
        !Fail([] { return std::string("array must not contain duplicate elements"); })) {
      return false;
    }
    if (schema.items != kNone) {
      for (const Value& item : list) {
        if (!Inside(schema.items, item, depth) && !valid_) return false;
      }
    }
    if (!schema.has_tuple) return true;
    for (size_t i = 0; i < std::min(list.size(), schema.tuple.size()); ++i) {
      if (!Inside(schema.tuple[i], list[i], depth) && !valid_) return false;
    }
    if (list.size() <= schema.tuple.size() || schema.additional_items == kNone) return true;
    if (schema.additional_items == kForbidden) {
      return Fail([&] {
        return Concat("array instance has elements which are not allowed by the schema (allowed: ",
                      schema.tuple.size(), ", found: ", list.size(), ")");
      });
    }
    for (size_t i = schema.tuple.size(); i < list.size(); ++i) {
      if (!Inside(schema.additional_items, list[i], depth) && !valid_) return false;
    }
    return true;
  }

  bool AreUnique(dyn::List& list) {
    if (list.size() < 2) return true;
    if (!budget_.Take(list.size())) return false;
    std::vector<std::pair<uint64_t, uint32_t>> order(list.size());
    for (uint32_t i = 0; i < list.size(); ++i) {
      order[i] = {Hash(list[i], dyn::kMaxDepth, budget_), i};
    }
    if (gave_up()) return false;
    std::sort(order.begin(), order.end());
    for (size_t i = 1; i < order.size(); ++i) {
      for (size_t j = i; j > 0 && order[j - 1].first == order[i].first; --j) {
        if (!budget_.Take(1)) return false;
        if (Same(list[order[j - 1].second], list[order[i].second], dyn::kMaxDepth, budget_)) {
          return false;
        }
      }
    }
    return true;
  }

  static const Property* FindProperty(const Schema& schema, std::string_view name) {
    const auto at = std::lower_bound(
        schema.properties.begin(), schema.properties.end(), name,
        [](const Property& property, std::string_view wanted) { return property.name < wanted; });
    return at != schema.properties.end() && at->name == name ? &*at : nullptr;
  }

  bool Object(const Schema& schema, dyn::Map& map, int depth) {
    if (map.size() < schema.min_properties && !Fail([&] {
          return Concat("object has too few properties (found ", map.size(),
                        " but schema requires at least ", schema.min_properties, ")");
        })) {
      return false;
    }
    if (map.size() > schema.max_properties && !Fail([&] {
          return Concat("object has too many properties (found ", map.size(),
                        " but schema requires at most ", schema.max_properties, ")");
        })) {
      return false;
    }
    if (!Required(schema, map)) return false;
    if (!Members(schema, map, depth)) return false;
    return Dependencies(schema, map, depth);
  }

  bool Required(const Schema& schema, dyn::Map& map) {
    std::vector<std::string> missing;
    for (const std::string& name : schema.required) {
      if (map.Find(std::string_view(name)) != nullptr) continue;
      if (errors_ == nullptr) {
        valid_ = false;
        return false;
      }
      missing.push_back(name);
    }
    return missing.empty() || Fail([&] {
             return Concat("object has missing required properties (", Names(missing), ")");
           });
  }

  bool Members(const Schema& schema, dyn::Map& map, int depth) {
    if (schema.properties.empty() && schema.pattern_properties.empty() &&
        schema.additional_properties == kNone) {
      return true;
    }
    std::vector<std::string> forbidden;
    for (const dyn::Entry& entry : map) {
      bool known = false;
      const std::string_view name = entry.key.text();
      if (const Property* property = FindProperty(schema, name)) {
        known = true;
        if (!Inside(property->schema, entry.value, depth) && !valid_) return false;
      }
      for (const PatternProperty& property : schema.pattern_properties) {
        if (!Matches(*property.pattern, name)) continue;
        known = true;
        if (!Inside(property.schema, entry.value, depth) && !valid_) return false;
      }
      if (known || schema.additional_properties == kNone) continue;
      if (schema.additional_properties == kForbidden) {
        if (errors_ == nullptr) {
          valid_ = false;
          return false;
        }
        if (forbidden.size() < 100) forbidden.emplace_back(name);
      } else if (!Inside(schema.additional_properties, entry.value, depth) && !valid_) {
        return false;
      }
    }
    if (forbidden.empty()) return true;
    std::sort(forbidden.begin(), forbidden.end());
    return Fail([&] {
      return Concat("object instance has properties which are not allowed by the schema: ",
                    Names(forbidden));
    });
  }

  bool Dependencies(const Schema& schema, dyn::Map& map, int depth) {
    for (const Dependency& dependency : schema.dependencies) {
      if (map.Find(std::string_view(dependency.name)) == nullptr) continue;
      if (dependency.schema != kNone) {
        if (!Inside(dependency.schema, Value::Of(&map), depth) && !valid_) return false;
        continue;
      }
      std::vector<std::string> missing;
      for (const std::string& name : dependency.names) {
        if (map.Find(std::string_view(name)) == nullptr) missing.push_back(name);
      }
      if (!missing.empty() && !Fail([&] {
            return Concat("property ", Quoted(dependency.name),
                          " of object has missing property dependencies (schema requires ",
                          Names(dependency.names), "; missing: ", Names(missing), ")");
          })) {
        return false;
      }
    }
    return true;
  }

  void Combined(const Schema& schema, const Value& value, int depth) {
    if (!schema.all_of.empty()) {
      size_t matched = 0;
      for (const uint32_t part : schema.all_of) matched += Quiet(part, value, depth) ? 1 : 0;
      if (matched != schema.all_of.size() && !Fail([&] {
            return Concat("instance failed to match all required schemas (matched only ", matched,
                          " out of ", schema.all_of.size(), ")");
          })) {
        return;
      }
    }
    if (!schema.any_of.empty() &&
        std::none_of(schema.any_of.begin(), schema.any_of.end(),
                     [&](uint32_t part) { return Quiet(part, value, depth); }) &&
        !Fail([&] {
          return Concat("instance failed to match at least one required schema among ",
                        schema.any_of.size());
        })) {
      return;
    }
    if (!schema.one_of.empty()) {
      size_t matched = 0;
      for (const uint32_t part : schema.one_of) matched += Quiet(part, value, depth) ? 1 : 0;
      if (matched != 1 && !Fail([&] {
            return Concat("instance failed to match exactly one schema (matched ", matched,
                          " out of ", schema.one_of.size(), ")");
          })) {
        return;
      }
    }
    if (schema.not_schema != kNone && Quiet(schema.not_schema, value, depth)) {
      Fail([] { return std::string("instance matched a schema which it should not have"); });
    }
  }

  const JsonSchema::Program& program_;
  std::vector<std::string>* errors_;
  bool gave_up() const { return too_deep_ || budget_.used_up(); }

  Budget budget_;
  bool valid_ = true;
  bool too_deep_ = false;
};

bool JsonSchema::IsValid(const Value& instance) const {
  return SchemaValidator(*program_, nullptr).Validate(root_, instance);
}

std::vector<std::string> JsonSchema::Validate(const Value& instance) const {
  std::vector<std::string> errors;
  SchemaValidator(*program_, &errors).Validate(root_, instance);
  return errors;
}

std::string JsonSchema::ErrorString(const std::vector<std::string>& errors) {
  std::string out = "[";
  for (const std::string& error : errors) {
    if (out.size() + error.size() > kMaxErrorString) break;
    if (out.size() > 1) out += ", ";
    out += error;
  }
  out += "]";
  return out;
}

}  // namespace postern
