#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "lib/schema/json_schema.h"
#include "lib/schema/schema_program.h"
#include "lib/text/concat.h"
#include "lib/text/json_pointer.h"
#include "lib/text/percent.h"

namespace postern {

using dyn::Kind;
using dyn::Value;
using namespace schema_internal;  // NOLINT: the two belong together

namespace {

std::string_view WithoutFragment(std::string_view uri) { return uri.substr(0, uri.find('#')); }

// RFC 3986 §5.2, as far as schema identifiers need it.
std::string Resolve(std::string_view base, std::string_view reference) {
  base = WithoutFragment(base);
  if (reference.empty()) return std::string(base);
  if (reference.front() == '#') return Concat(base, reference);
  const size_t colon = reference.find(':');
  if (colon != std::string_view::npos && colon < reference.find_first_of("/?#")) {
    return std::string(reference);
  }
  const size_t authority = base.find("://");
  if (authority == std::string_view::npos) return std::string(reference);
  const size_t path_at = std::min(base.find('/', authority + 3), base.size());
  const std::string_view root = base.substr(0, path_at);
  if (reference.front() == '/') return Concat(root, reference);
  const std::string_view path = base.substr(path_at);
  const size_t slash = path.rfind('/');
  std::string joined(slash == std::string_view::npos ? std::string_view("/")
                                                     : path.substr(0, slash + 1));
  while (reference.substr(0, 2) == "./" || reference.substr(0, 3) == "../") {
    if (reference[1] == '.') {
      reference.remove_prefix(3);
      if (joined.size() > 1) joined.resize(joined.rfind('/', joined.size() - 2) + 1);
    } else {
      reference.remove_prefix(2);
    }
  }
  return Concat(root, joined, reference);
}

const Value* Member(const Value& map, std::string_view name) {
  if (!map.is_map()) return nullptr;
  const dyn::Entry* entry = map.map().Find(name);
  return entry != nullptr ? &entry->value : nullptr;
}

std::optional<uint8_t> TypeNamed(std::string_view name) {
  if (name == "array") return kArray;
  if (name == "boolean") return kBoolean;
  if (name == "integer") return kInteger;
  if (name == "null") return kNull;
  if (name == "number") return kNumber | kInteger;
  if (name == "object") return kObject;
  if (name == "string") return kString;
  return std::nullopt;
}

// What RE2 writes otherwise than ECMA 262: \uXXXX, and named groups.
std::string ToRe2(std::string_view pattern) {
  const auto hex = [&pattern](size_t at) -> std::optional<uint32_t> {
    uint32_t unit = 0;
    if (at + 4 > pattern.size()) return std::nullopt;
    const auto [end, error] =
        std::from_chars(pattern.data() + at, pattern.data() + at + 4, unit, 16);
    if (error != std::errc() || end != pattern.data() + at + 4) return std::nullopt;
    return unit;
  };
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view rest = pattern.substr(i);
    if (rest.substr(0, 3) == "(?<" && rest.size() > 3 && rest[3] != '=' && rest[3] != '!') {
      out += "(?P<";
      i += 2;
    } else if (rest[0] != '\\' || rest.size() < 2) {
      out += rest[0];
    } else if (std::optional<uint32_t> point = rest[1] == 'u' ? hex(i + 2) : std::nullopt) {
      i += 5;
      if (*point >= 0xD800 && *point < 0xDC00 && pattern.substr(i + 1, 2) == "\\u") {
        const std::optional<uint32_t> low = hex(i + 3);
        if (low.has_value() && *low >= 0xDC00 && *low < 0xE000) {
          point = 0x10000 + ((*point - 0xD800) << 10) + (*low - 0xDC00);
          i += 6;
        }
      }
      char digits[8];
      const auto end = std::to_chars(digits, digits + sizeof(digits), *point, 16).ptr;
      out += Concat("\\x{", std::string_view(digits, static_cast<size_t>(end - digits)), "}");
    } else {
      out += rest.substr(0, 2);
      ++i;
    }
  }
  return out;
}

}  // namespace

class SchemaCompiler {
 public:
  SchemaCompiler(JsonSchema::Program* program, const JsonSchema::Loader& loader,
                 std::vector<SchemaProblem>* problems)
      : program_(*program), loader_(loader), problems_(*problems) {}

  static std::vector<JsonSchema> Compile(const std::vector<std::string>& uris,
                                         const JsonSchema::Loader& loader,
                                         std::vector<SchemaProblem>* problems) {
    auto program = std::make_shared<JsonSchema::Program>();
    std::vector<SchemaProblem> found;
    SchemaCompiler compiler(program.get(), loader, &found);
    const std::vector<uint32_t> roots = compiler.CompileAll(uris);
    std::vector<JsonSchema> schemas;
    if (found.empty()) {
      for (const uint32_t root : roots) schemas.push_back(JsonSchema(program, root));
    }
    problems->insert(problems->end(), found.begin(), found.end());
    return schemas;
  }

 private:
  using Uri = std::shared_ptr<const std::string>;

  // Where a schema stands, for messages: a step from the place around it. Texts are not joined
  // before they are needed, since names may be long and there may be many.
  static constexpr uint32_t kIsRoot = UINT32_MAX;
  struct Step {
    uint32_t parent;
    std::string_view token;  // of a root: its URI
    size_t index = 0;        // instead of a token without data
  };

  struct Pending {
    uint32_t number;
    Value schema;
    Uri base;
    uint32_t place;
  };

  struct Identified {
    Value schema;
    Uri base;
  };

  uint32_t Root(std::string uri) {
    steps_.push_back({kIsRoot, roots_.emplace_back(std::move(uri))});
    return static_cast<uint32_t>(steps_.size() - 1);
  }

  uint32_t Below(uint32_t place, std::string_view token) {
    steps_.push_back({place, token});
    return static_cast<uint32_t>(steps_.size() - 1);
  }

  uint32_t Below(uint32_t place, size_t index) {
    steps_.push_back({place, {}, index});
    return static_cast<uint32_t>(steps_.size() - 1);
  }

  // Notes a problem. Always false.
  bool Fail(uint32_t place, std::string_view what, bool pattern = false) {
    if (problems_.size() >= JsonSchema::kMaxProblems) return false;
    SchemaProblem problem;
    problem.what = std::string(what);
    problem.pattern = pattern;
    std::vector<const Step*> steps;
    for (; steps_[place].parent != kIsRoot; place = steps_[place].parent) {
      steps.push_back(&steps_[place]);
    }
    const std::string_view root = steps_[place].token;
    problem.uri = std::string(WithoutFragment(root));
    if (problem.uri.size() < root.size()) problem.pointer = root.substr(problem.uri.size() + 1);
    if (!problem.pointer.starts_with('/')) problem.pointer.clear();
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      problem.pointer += (*step)->token.data() != nullptr
                             ? Concat("/", EscapePointerToken((*step)->token))
                             : Concat("/", (*step)->index);
    }
    problems_.push_back(std::move(problem));
    return false;
  }

  std::vector<uint32_t> CompileAll(const std::vector<std::string>& uris) {
    std::vector<uint32_t> roots;
    for (const std::string& uri : uris) {
      const uint32_t place = Root(uri);
      const Value* document = FindDocument(uri, place, "there is no such schema");
      if (document == nullptr) continue;
      uint32_t number = kNone;
      if (Schedule(*document, std::make_shared<const std::string>(uri), place, &number)) {
        roots.push_back(number);
      }
    }
    while (!pending_.empty() && problems_.size() < JsonSchema::kMaxProblems) {
      const Pending next = std::move(pending_.front());
      pending_.pop_front();
      CompileOne(next);
    }
    if (problems_.empty() && !uris.empty()) CheckReferences(uris.front());
    return roots;
  }

  // The document `uri`, loaded if it was not yet; null, and a problem at `place` about its absence
  // or in the document itself.
  const Value* FindDocument(const std::string& uri, uint32_t place, std::string_view absent) {
    const std::string_view document_uri = WithoutFragment(uri);
    const auto known = documents_.find(document_uri);
    if (known != documents_.end()) return &known->second;
    const std::optional<std::string> text =
        loader_ != nullptr ? loader_(document_uri) : std::nullopt;
    if (!text.has_value()) {
      Fail(place, absent);
      return nullptr;
    }
    const uint32_t own = Root(std::string(document_uri));
    bytes_ += text->size();
    if (bytes_ > JsonSchema::kMaxBytes) {
      Fail(own,
           Concat("all models together must not be larger than ", JsonSchema::kMaxBytes, " bytes"));
      return nullptr;
    }
    program_.texts.push_back(std::make_unique<std::string>(*text));
    size_t offset = 0;
    Value root;
    if (!dyn::ParseJson(*program_.texts.back(), program_.arena,
                        {.max_depth = JsonSchema::kMaxSchemaDepth}, &root, &offset)) {
      Fail(own, Concat("not JSON, or nested too deeply, at byte ", offset));
      return nullptr;
    }
    const auto added = documents_.emplace(std::string(document_uri), root).first;
    Register(root, std::make_shared<const std::string>(document_uri), own);
    return &added->second;
  }

  // What an `id` or a reference means; nullopt, and a problem, if that is too long.
  std::optional<std::string> ResolveUri(const std::string& base, std::string_view reference,
                                        uint32_t place) {
    if (base.size() + reference.size() <= JsonSchema::kMaxUri) return Resolve(base, reference);
    Fail(place, Concat("an identifier must not have more than ", JsonSchema::kMaxUri, " bytes"));
    return std::nullopt;
  }

  // Notes the identifiers of a schema and of those inside.
  void Register(const Value& schema, Uri base, uint32_t place) {
    if (!schema.is_map() || Member(schema, "$ref") != nullptr) return;
    const Value* id = Member(schema, "id");
    if (id != nullptr && id->is_string()) {
      const std::optional<std::string> uri = ResolveUri(*base, id->text(), place);
      if (!uri.has_value()) return;
      if (uri->find('#') != std::string::npos && uri->back() != '#') {
        anchors_.emplace(*uri, Identified{schema, base});
      }
      if (!id->text().starts_with('#')) {
        base = std::make_shared<const std::string>(WithoutFragment(*uri));
        documents_.emplace(*base, schema);
      }
    }
    for (const char* name :
         {"items", "additionalItems", "additionalProperties", "not", "allOf", "anyOf", "oneOf"}) {
      const Value* inner = Member(schema, name);
      if (inner == nullptr) continue;
      if (inner->is_map()) Register(*inner, base, place);
      if (!inner->is_list()) continue;
      for (const Value& item : inner->list()) Register(item, base, place);
    }
    for (const char* name : {"properties", "patternProperties", "definitions", "dependencies"}) {
      const Value* inner = Member(schema, name);
      if (inner == nullptr || !inner->is_map()) continue;
      for (const dyn::Entry& entry : inner->map()) Register(entry.value, base, place);
    }
  }

  // The number of a schema, which is compiled later.
  bool Schedule(const Value& schema, const Uri& base, uint32_t place, uint32_t* number) {
    if (!schema.is_map()) return Fail(place, "a schema must be an object");
    const auto [known, added] = numbers_.emplace(&schema.map(), numbers_.size());
    if (number != nullptr) *number = known->second;
    if (!added) return true;
    program_.schemas.emplace_back();
    pending_.push_back({known->second, schema, base, place});
    return true;
  }

  bool CompileReference(const Pending& at, const Uri& base, std::string_view reference,
                        uint32_t* number) {
    const uint32_t place = Below(at.place, "$ref");
    const std::optional<std::string> uri = ResolveUri(*base, reference, place);
    if (!uri.has_value()) return false;
    if (FindDocument(*uri, place,
                     Concat("'", reference,
                            "' names no schema of this API; define "
                            "it as a model")) == nullptr) {
      return false;
    }
    const auto anchor = anchors_.find(*uri);
    if (anchor != anchors_.end()) {
      return Schedule(anchor->second.schema, anchor->second.base, Root(*uri), number);
    }
    const std::string document_uri(WithoutFragment(*uri));
    const Value& document = documents_.find(document_uri)->second;
    // A JSON pointer (RFC 6901 §6) from there; identifiers on the way change the base.
    Value value = document;
    std::string target_base = document_uri;
    const std::string nowhere = Concat("'", reference, "' does not lead to a schema");
    const std::optional<std::string> pointer =
        uri->size() > document_uri.size() ? PercentDecode(uri->substr(document_uri.size() + 1))
                                          : std::string();
    if (!pointer.has_value()) return Fail(place, "has a malformed escape");
    std::string_view rest = *pointer;
    while (!rest.empty()) {
      if (rest.front() != '/') return Fail(place, nowhere);
      rest.remove_prefix(1);
      const std::optional<std::string> token = UnescapePointerToken(rest.substr(0, rest.find('/')));
      if (!token.has_value()) return Fail(place, nowhere);
      rest.remove_prefix(std::min(rest.find('/'), rest.size()));
      const Value* id = Member(value, "id");
      if (id != nullptr && id->is_string() && &value.map() != &document.map()) {
        std::optional<std::string> inner = ResolveUri(target_base, id->text(), place);
        if (!inner.has_value()) return false;
        target_base = std::string(WithoutFragment(*inner));
      }
      const Value* next = Member(value, *token);
      const std::optional<size_t> index = ReadPointerIndex(*token);
      if (value.is_list() && index.has_value() && *index < value.list().size()) {
        next = &value.list()[*index];
      }
      if (next == nullptr) return Fail(place, nowhere);
      value = Value(*next);
    }
    return Schedule(value, std::make_shared<const std::string>(std::move(target_base)),
                    Root(Concat(document_uri, pointer->empty() ? "" : "#", *pointer)), number);
  }

  void CompileOne(const Pending& at) {
    Schema out;
    const Value& schema = at.schema;
    const Value* reference = Member(schema, "$ref");
    if (reference != nullptr && reference->is_string()) {
      CompileReference(at, at.base, reference->text(), &out.ref);
    } else {
      Pending inside = at;
      const Value* id = Member(schema, "id");
      if (id != nullptr && id->is_string()) {
        const std::optional<std::string> uri = ResolveUri(*at.base, id->text(), at.place);
        if (!uri.has_value()) return;
        inside.base = std::make_shared<const std::string>(WithoutFragment(*uri));
      }
      for (const dyn::Entry& entry : schema.map()) {
        CompileKeyword(inside, entry.key.text(), entry.value, &out);
      }
    }
    program_.schemas[at.number] = std::move(out);
  }

  bool TakeCount(uint32_t place, const Value& value, uint64_t* count) {
    constexpr double kLargest = 1e15;  // above that nothing is counted
    const double number = std::min(value.AsDouble(), kLargest);
    if (!value.is_number() || !(number >= 0) || number != std::floor(number)) {
      return Fail(place, "must be an integer that is not negative");
    }
    *count = static_cast<uint64_t>(number);
    return true;
  }

  bool TakePattern(uint32_t place, std::string_view text, const RE2** pattern) {
    const auto [known, added] = patterns_.emplace(text, nullptr);
    if (!added) {
      *pattern = known->second;
      return known->second != nullptr;
    }
    const std::string ours = ToRe2(text);
    // Most need little; what is set is also what an expression may take while it matches.
    for (const int64_t memory : {int64_t{128} << 10, int64_t{1} << 20, int64_t{8} << 20}) {
      pattern_memory_ += static_cast<size_t>(memory);
      if (pattern_memory_ > JsonSchema::kMaxPatternMemory) {
        return Fail(place, "the patterns of all models together are too large");
      }
      RE2::Options options(RE2::Quiet);
      options.set_max_mem(memory);
      auto compiled = std::make_unique<RE2>(ours, options);
      if (compiled->ok()) {
        *pattern = known->second = compiled.get();
        program_.patterns.push_back(std::move(compiled));
        return true;
      }
      if (compiled->error_code() == RE2::ErrorPatternTooLarge && memory < (8 << 20)) continue;
      return Fail(place,
                  Concat("the pattern is refused: ", compiled->error(),
                         "; look-around and back references are not available"),
                  /*pattern=*/true);
    }
    return false;
  }

  bool TakeNames(uint32_t place, const Value& value, std::vector<std::string>* names) {
    constexpr std::string_view kWhat = "must be a list of names";
    if (!value.is_list()) return Fail(place, kWhat);
    for (const Value& item : value.list()) {
      if (!item.is_string()) return Fail(place, kWhat);
      names->emplace_back(item.text());
    }
    std::sort(names->begin(), names->end());
    names->erase(std::unique(names->begin(), names->end()), names->end());
    return true;
  }

  bool TakeSchemas(const Pending& at, uint32_t place, const Value& value,
                   std::vector<uint32_t>* numbers) {
    if (!value.is_list()) return Fail(place, "must be a list of schemas");
    for (size_t i = 0; i < value.list().size(); ++i) {
      uint32_t number = kNone;
      if (!Schedule(value.list()[i], at.base, Below(place, i), &number)) return false;
      numbers->push_back(number);
    }
    return true;
  }

  bool TakeAdditional(const Pending& at, uint32_t place, const Value& value, uint32_t* number) {
    if (value.kind() != Kind::kBool) return Schedule(value, at.base, place, number);
    *number = value.boolean() ? kNone : kForbidden;
    return true;
  }

  bool CompileKeyword(const Pending& at, std::string_view name, const Value& value, Schema* out) {
    const uint32_t place = Below(at.place, name);
    const auto boolean = [&](bool* flag) {
      if (value.kind() != Kind::kBool) return Fail(place, "must be true or false");
      *flag = value.boolean();
      return true;
    };
    const auto number = [&](Value* field) {
      if (!value.is_number()) return Fail(place, "must be a number");
      *field = value;
      return true;
    };
    if (name == "type") return TakeType(place, value, out);
    if (name == "enum") {
      if (!value.is_list() || value.list().empty()) {
        return Fail(place, "must be a list of at least one value");
      }
      out->values = &value.list();
      return true;
    }
    if (name == "multipleOf") {
      if (!value.is_number() || value.AsDouble() <= 0) {
        return Fail(place, "must be a number above 0");
      }
      out->multiple_of = value;
      return true;
    }
    if (name == "minimum") return number(&out->minimum);
    if (name == "maximum") return number(&out->maximum);
    if (name == "exclusiveMinimum") return boolean(&out->exclusive_minimum);
    if (name == "exclusiveMaximum") return boolean(&out->exclusive_maximum);
    if (name == "minLength") return TakeCount(place, value, &out->min_length);
    if (name == "maxLength") return TakeCount(place, value, &out->max_length);
    if (name == "minItems") return TakeCount(place, value, &out->min_items);
    if (name == "maxItems") return TakeCount(place, value, &out->max_items);
    if (name == "minProperties") return TakeCount(place, value, &out->min_properties);
    if (name == "maxProperties") return TakeCount(place, value, &out->max_properties);
    if (name == "uniqueItems") return boolean(&out->unique_items);
    if (name == "pattern") {
      if (!value.is_string()) return Fail(place, "must be a text");
      out->pattern_text = std::string(value.text());
      return TakePattern(place, value.text(), &out->pattern);
    }
    if (name == "required") return TakeNames(place, value, &out->required);
    if (name == "items") {
      if (!value.is_list()) return Schedule(value, at.base, place, &out->items);
      out->has_tuple = true;
      return TakeSchemas(at, place, value, &out->tuple);
    }
    if (name == "additionalItems") return TakeAdditional(at, place, value, &out->additional_items);
    if (name == "additionalProperties") {
      return TakeAdditional(at, place, value, &out->additional_properties);
    }
    if (name == "allOf") return TakeSchemas(at, place, value, &out->all_of);
    if (name == "anyOf") return TakeSchemas(at, place, value, &out->any_of);
    if (name == "oneOf") return TakeSchemas(at, place, value, &out->one_of);
    if (name == "not") return Schedule(value, at.base, place, &out->not_schema);
    if (name == "properties" || name == "patternProperties" || name == "dependencies") {
      return TakeMembers(at, place, name, value, out);
    }
    return true;  // definitions, title, format and whatever else
  }

  bool TakeType(uint32_t place, const Value& value, Schema* out) {
    out->types = 0;
    const auto take = [&](const Value& name) {
      const std::optional<uint8_t> type = name.is_string() ? TypeNamed(name.text()) : std::nullopt;
      if (!type.has_value()) return false;
      out->types |= *type;
      return true;
    };
    bool good = false;
    if (value.is_list()) {
      good = !value.list().empty() && std::all_of(value.list().begin(), value.list().end(), take);
    } else {
      good = take(value);
    }
    if (good) return true;
    return Fail(place,
                "must be array, boolean, integer, null, number, object or string, or a list of "
                "these");
  }

  bool TakeMembers(const Pending& at, uint32_t place, std::string_view name, const Value& value,
                   Schema* out) {
    if (!value.is_map()) return Fail(place, "must be an object");
    for (const dyn::Entry& entry : value.map()) {
      const std::string_view key = entry.key.text();
      const uint32_t inner = Below(place, key);
      if (name == "dependencies" && entry.value.is_list()) {
        Dependency dependency{std::string(key), {}, kNone};
        if (!TakeNames(inner, entry.value, &dependency.names)) return false;
        out->dependencies.push_back(std::move(dependency));
        continue;
      }
      uint32_t number = kNone;
      if (!Schedule(entry.value, at.base, inner, &number)) return false;
      if (name == "properties") {
        out->properties.push_back({std::string(key), number});
      } else if (name == "dependencies") {
        out->dependencies.push_back({std::string(key), {}, number});
      } else {
        PatternProperty property{nullptr, number};
        if (!TakePattern(inner, key, &property.pattern)) return false;
        out->pattern_properties.push_back(property);
      }
    }
    std::sort(out->properties.begin(), out->properties.end(),
              [](const Property& a, const Property& b) { return a.name < b.name; });
    return true;
  }

  // A $ref leads to a schema in the end, and the validator need not follow a chain.
  void CheckReferences(const std::string& uri) {
    constexpr std::string_view kCircle = "a $ref leads back to itself; remove the circle";
    for (Schema& schema : program_.schemas) {
      size_t hops = 0;
      while (schema.ref != kNone && program_.schemas[schema.ref].ref != kNone) {
        if (++hops > program_.schemas.size()) {
          Fail(Root(uri), kCircle);
          return;
        }
        schema.ref = program_.schemas[schema.ref].ref;
      }
      if (schema.ref != kNone && &program_.schemas[schema.ref] == &schema) {
        Fail(Root(uri), kCircle);
        return;
      }
    }
  }

  JsonSchema::Program& program_;
  const JsonSchema::Loader& loader_;
  std::vector<SchemaProblem>& problems_;
  std::deque<std::string> roots_;                        // what steps_ point at
  std::vector<Step> steps_;                              // places
  std::map<std::string, Value, std::less<>> documents_;  // by URI without fragment
  std::map<std::string, Identified, std::less<>> anchors_;
  std::map<const dyn::Map*, uint32_t> numbers_;
  std::map<std::string, const RE2*, std::less<>> patterns_;
  std::deque<Pending> pending_;
  size_t bytes_ = 0;
  size_t pattern_memory_ = 0;
};

absl::StatusOr<JsonSchema> JsonSchema::Compile(std::string_view json, std::string_view uri,
                                               const Loader& loader) {
  std::vector<SchemaProblem> problems;
  const std::string_view own = WithoutFragment(uri);
  std::vector<JsonSchema> schemas = SchemaCompiler::Compile(
      {std::string(own)},
      [&](std::string_view wanted) -> std::optional<std::string> {
        if (wanted == own) return std::string(json);
        return loader != nullptr ? loader(wanted) : std::nullopt;
      },
      &problems);
  if (!schemas.empty()) return std::move(schemas.front());
  const SchemaProblem& first = problems.front();
  return absl::InvalidArgumentError(
      Concat("schema ", first.uri == own ? "" : first.uri, "#", first.pointer, ": ", first.what));
}

std::vector<JsonSchema> JsonSchema::CompileAll(const std::vector<std::string>& uris,
                                               const Loader& loader,
                                               std::vector<SchemaProblem>* problems) {
  return SchemaCompiler::Compile(uris, loader, problems);
}

}  // namespace postern
