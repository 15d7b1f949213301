#include <algorithm>
#include <cmath>
#include <deque>
#include <map>

#include "absl/status/status.h"
#include "lib/schema/json_schema.h"
#include "lib/schema/schema_program.h"
#include "lib/text/concat.h"
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

}  // namespace

class SchemaCompiler {
 public:
  SchemaCompiler(JsonSchema::Program* program, const JsonSchema::Loader& loader)
      : program_(*program), loader_(loader) {}

  static absl::StatusOr<JsonSchema> Compile(std::string_view json, std::string_view uri,
                                            const JsonSchema::Loader& loader) {
    auto program = std::make_shared<JsonSchema::Program>();
    SchemaCompiler compiler(program.get(), loader);
    absl::Status status = compiler.CompileAll(json, uri);
    if (!status.ok()) return status;
    return JsonSchema(std::move(program));
  }

 private:
  struct Pending {
    uint32_t number;
    Value schema;
    std::string base;
    std::string place;  // for messages
  };

  absl::Status Error(std::string_view place, std::string_view what) const {
    return absl::InvalidArgumentError(Concat("schema ", place, ": ", what));
  }

  absl::Status CompileAll(std::string_view json, std::string_view uri) {
    Value root;
    absl::Status status = AddDocument(json, uri, "#", &root);
    if (!status.ok()) return status;
    if (!root.is_map()) return Error("#", "a schema must be an object");
    status = Schedule(root, std::string(uri), "#", nullptr);
    while (status.ok() && !pending_.empty()) {
      Pending next = std::move(pending_.front());
      pending_.pop_front();
      status = CompileOne(next);
    }
    if (!status.ok()) return status;
    return CheckReferences();
  }

  absl::Status AddDocument(std::string_view json, std::string_view uri, std::string_view place,
                           Value* root) {
    bytes_ += json.size();
    if (bytes_ > JsonSchema::kMaxBytes) {
      return Error(place, Concat("all models together must not be larger than ",
                                 JsonSchema::kMaxBytes, " bytes"));
    }
    program_.texts.push_back(std::make_unique<std::string>(json));
    size_t offset = 0;
    if (!dyn::ParseJson(*program_.texts.back(), program_.arena,
                        {.max_depth = JsonSchema::kMaxSchemaDepth}, root, &offset)) {
      return Error(place, Concat("not JSON, or nested too deeply, at byte ", offset));
    }
    documents_.emplace(std::string(WithoutFragment(uri)), *root);
    Register(*root, std::string(WithoutFragment(uri)));
    return absl::OkStatus();
  }

  // Notes the identifiers of a schema and of those inside.
  void Register(const Value& schema, std::string base) {
    if (!schema.is_map() || Member(schema, "$ref") != nullptr) return;
    const Value* id = Member(schema, "id");
    if (id != nullptr && id->is_string()) {
      const std::string uri = Resolve(base, id->text());
      if (uri.find('#') != std::string::npos && uri.back() != '#') {
        anchors_.emplace(uri, std::make_pair(schema, base));
      }
      if (id->text().front() != '#') {
        base = std::string(WithoutFragment(uri));
        documents_.emplace(base, schema);
      }
    }
    for (const char* name : {"items", "additionalItems", "additionalProperties", "not"}) {
      if (const Value* inner = Member(schema, name)) RegisterOneOrMany(*inner, base);
    }
    for (const char* name : {"allOf", "anyOf", "oneOf"}) {
      if (const Value* inner = Member(schema, name)) RegisterOneOrMany(*inner, base);
    }
    for (const char* name : {"properties", "patternProperties", "definitions", "dependencies"}) {
      const Value* inner = Member(schema, name);
      if (inner == nullptr || !inner->is_map()) continue;
      for (const dyn::Entry& entry : inner->map()) Register(entry.value, base);
    }
  }

  void RegisterOneOrMany(const Value& value, const std::string& base) {
    if (value.is_map()) Register(value, base);
    if (!value.is_list()) return;
    for (const Value& item : value.list()) Register(item, base);
  }

  // The number of a schema, which is compiled later.
  absl::Status Schedule(const Value& schema, const std::string& base, std::string place,
                        uint32_t* number) {
    if (!schema.is_map()) return Error(place, "a schema must be an object");
    const auto [known, added] = numbers_.emplace(&schema.map(), numbers_.size());
    if (number != nullptr) *number = known->second;
    if (!added) return absl::OkStatus();
    program_.schemas.emplace_back();
    pending_.push_back({known->second, schema, base, std::move(place)});
    return absl::OkStatus();
  }

  absl::Status CompileReference(const Pending& at, std::string_view reference, uint32_t* number) {
    const std::string uri = Resolve(at.base, reference);
    const std::string document_uri(WithoutFragment(uri));
    const auto anchor = anchors_.find(uri);
    if (anchor != anchors_.end()) {
      return Schedule(anchor->second.first, anchor->second.second, uri, number);
    }
    auto document = documents_.find(document_uri);
    if (document == documents_.end()) {
      const std::optional<std::string> text =
          loader_ != nullptr ? loader_(document_uri) : std::nullopt;
      if (!text.has_value()) {
        return Error(at.place, Concat("$ref '", reference,
                                      "' names no schema of this API; define it as a model"));
      }
      Value root;
      absl::Status status = AddDocument(*text, document_uri, document_uri, &root);
      if (!status.ok()) return status;
      document = documents_.find(document_uri);
      const auto found = anchors_.find(uri);
      if (found != anchors_.end()) {
        return Schedule(found->second.first, found->second.second, uri, number);
      }
    }
    // A JSON pointer (RFC 6901 §6) from there; identifiers on the way change the base.
    Value value = document->second;
    std::string base = document_uri;
    const size_t hash = uri.find('#');
    std::string_view pointer =
        hash == std::string::npos ? std::string_view() : std::string_view(uri).substr(hash + 1);
    const std::optional<std::string> decoded = PercentDecode(pointer);
    if (!decoded.has_value()) return Error(at.place, "$ref has a malformed escape");
    pointer = *decoded;
    while (!pointer.empty()) {
      if (pointer.front() != '/') {
        return Error(at.place, Concat("$ref '", reference, "' does not lead to a schema"));
      }
      pointer.remove_prefix(1);
      const size_t end = std::min(pointer.find('/'), pointer.size());
      std::string token;
      for (size_t i = 0; i < end; ++i) {
        if (pointer[i] == '~' && i + 1 < end)
          token += pointer[++i] == '1' ? '/' : '~';
        else
          token += pointer[i];
      }
      pointer.remove_prefix(end);
      const Value* id = Member(value, "id");
      if (id != nullptr && id->is_string() && &value.map() != &document->second.map()) {
        base = std::string(WithoutFragment(Resolve(base, id->text())));
      }
      const Value* next = Member(value, token);
      if (value.is_list() && !token.empty() && token.size() < 9 &&
          std::all_of(token.begin(), token.end(), [](char c) { return c >= '0' && c <= '9'; })) {
        const auto index = static_cast<size_t>(std::stoul(token));
        if (index < value.list().size()) next = &value.list()[index];
      }
      if (next == nullptr) {
        return Error(at.place, Concat("$ref '", reference, "' does not lead to a schema"));
      }
      value = Value(*next);
    }
    return Schedule(value, base, uri, number);
  }

  absl::Status CompileOne(const Pending& at) {
    Schema out;
    const Value& schema = at.schema;
    const Value* reference = Member(schema, "$ref");
    if (reference != nullptr && reference->is_string()) {
      absl::Status status = CompileReference(at, reference->text(), &out.ref);
      if (!status.ok()) return status;
      program_.schemas[at.number] = std::move(out);
      return absl::OkStatus();
    }
    Pending inside = at;
    const Value* id = Member(schema, "id");
    if (id != nullptr && id->is_string()) {
      inside.base = std::string(WithoutFragment(Resolve(at.base, id->text())));
    }
    for (const dyn::Entry& entry : schema.map()) {
      absl::Status status = CompileKeyword(inside, entry.key.text(), entry.value, &out);
      if (!status.ok()) return status;
    }
    program_.schemas[at.number] = std::move(out);
    return absl::OkStatus();
  }

  static std::string Below(const Pending& at, std::string_view name) {
    return Concat(at.place, "/", name);
  }

  absl::Status TakeCount(const Pending& at, std::string_view name, const Value& value,
                         uint64_t* count) {
    constexpr double kLargest = 1e15;  // above that nothing is counted
    const double number = std::min(value.AsDouble(), kLargest);
    if (!value.is_number() || !(number >= 0) || number != std::floor(number)) {
      return Error(Below(at, name), "must be an integer that is not negative");
    }
    *count = static_cast<uint64_t>(number);
    return absl::OkStatus();
  }

  absl::Status TakePattern(const std::string& place, std::string_view text,
                           std::unique_ptr<RE2>* pattern) {
    RE2::Options options(RE2::Quiet);
    options.set_max_mem(1 << 20);
    *pattern = std::make_unique<RE2>(re2::StringPiece(text.data(), text.size()), options);
    if (!(*pattern)->ok()) {
      return Error(place, Concat("the pattern is refused: ", (*pattern)->error(),
                                 "; look-around and back references are not available"));
    }
    return absl::OkStatus();
  }

  absl::Status TakeNames(const Pending& at, std::string_view name, const Value& value,
                         std::vector<std::string>* names) {
    if (!value.is_list()) return Error(Below(at, name), "must be a list of names");
    for (const Value& item : value.list()) {
      if (!item.is_string()) return Error(Below(at, name), "must be a list of names");
      names->emplace_back(item.text());
    }
    std::sort(names->begin(), names->end());
    names->erase(std::unique(names->begin(), names->end()), names->end());
    return absl::OkStatus();
  }

  absl::Status TakeSchemas(const Pending& at, std::string_view name, const Value& value,
                           std::vector<uint32_t>* numbers) {
    if (!value.is_list()) return Error(Below(at, name), "must be a list of schemas");
    for (size_t i = 0; i < value.list().size(); ++i) {
      uint32_t number = kNone;
      absl::Status status =
          Schedule(value.list()[i], at.base, Concat(at.place, "/", name, "/", i), &number);
      if (!status.ok()) return status;
      numbers->push_back(number);
    }
    return absl::OkStatus();
  }

  absl::Status TakeAdditional(const Pending& at, std::string_view name, const Value& value,
                              uint32_t* number) {
    if (value.kind() == Kind::kBool) {
      *number = value.boolean() ? kNone : kForbidden;
      return absl::OkStatus();
    }
    return Schedule(value, at.base, Below(at, name), number);
  }

  absl::Status CompileKeyword(const Pending& at, std::string_view name, const Value& value,
                              Schema* out) {
    const auto boolean = [&](bool* flag) {
      if (value.kind() != Kind::kBool) return Error(Below(at, name), "must be true or false");
      *flag = value.boolean();
      return absl::OkStatus();
    };
    const auto number = [&](Value* field) {
      if (!value.is_number()) return Error(Below(at, name), "must be a number");
      *field = value;
      return absl::OkStatus();
    };
    if (name == "type") return TakeType(at, value, out);
    if (name == "enum") {
      if (!value.is_list() || value.list().empty()) {
        return Error(Below(at, name), "must be a list of at least one value");
      }
      out->values = &value.list();
      return absl::OkStatus();
    }
    if (name == "multipleOf") {
      if (!value.is_number() || value.AsDouble() <= 0) {
        return Error(Below(at, name), "must be a number above 0");
      }
      out->multiple_of = value;
      return absl::OkStatus();
    }
    if (name == "minimum") return number(&out->minimum);
    if (name == "maximum") return number(&out->maximum);
    if (name == "exclusiveMinimum") return boolean(&out->exclusive_minimum);
    if (name == "exclusiveMaximum") return boolean(&out->exclusive_maximum);
    if (name == "minLength") return TakeCount(at, name, value, &out->min_length);
    if (name == "maxLength") return TakeCount(at, name, value, &out->max_length);
    if (name == "minItems") return TakeCount(at, name, value, &out->min_items);
    if (name == "maxItems") return TakeCount(at, name, value, &out->max_items);
    if (name == "minProperties") return TakeCount(at, name, value, &out->min_properties);
    if (name == "maxProperties") return TakeCount(at, name, value, &out->max_properties);
    if (name == "uniqueItems") return boolean(&out->unique_items);
    if (name == "pattern") {
      if (!value.is_string()) return Error(Below(at, name), "must be a text");
      out->pattern_text = std::string(value.text());
      return TakePattern(Below(at, name), value.text(), &out->pattern);
    }
    if (name == "required") return TakeNames(at, name, value, &out->required);
    if (name == "items") {
      if (!value.is_list()) return Schedule(value, at.base, Below(at, name), &out->items);
      out->has_tuple = true;
      return TakeSchemas(at, name, value, &out->tuple);
    }
    if (name == "additionalItems") return TakeAdditional(at, name, value, &out->additional_items);
    if (name == "additionalProperties") {
      return TakeAdditional(at, name, value, &out->additional_properties);
    }
    if (name == "allOf") return TakeSchemas(at, name, value, &out->all_of);
    if (name == "anyOf") return TakeSchemas(at, name, value, &out->any_of);
    if (name == "oneOf") return TakeSchemas(at, name, value, &out->one_of);
    if (name == "not") return Schedule(value, at.base, Below(at, name), &out->not_schema);
    if (name == "properties" || name == "patternProperties" || name == "dependencies") {
      return TakeMembers(at, name, value, out);
    }
    return absl::OkStatus();  // definitions, title, format and whatever else
  }

  absl::Status TakeType(const Pending& at, const Value& value, Schema* out) {
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
    if (good) return absl::OkStatus();
    return Error(Below(at, "type"),
                 "must be array, boolean, integer, null, number, object or string, or a list of "
                 "these");
  }

  absl::Status TakeMembers(const Pending& at, std::string_view name, const Value& value,
                           Schema* out) {
    if (!value.is_map()) return Error(Below(at, name), "must be an object");
    for (const dyn::Entry& entry : value.map()) {
      const std::string_view key = entry.key.text();
      const std::string place = Concat(at.place, "/", name, "/", key);
      uint32_t number = kNone;
      absl::Status status;
      if (name == "dependencies" && entry.value.is_list()) {
        Dependency dependency{std::string(key), {}, kNone};
        status = TakeNames(at, name, entry.value, &dependency.names);
        out->dependencies.push_back(std::move(dependency));
        if (!status.ok()) return status;
        continue;
      }
      status = Schedule(entry.value, at.base, place, &number);
      if (!status.ok()) return status;
      if (name == "properties") {
        out->properties.push_back({std::string(key), number});
      } else if (name == "dependencies") {
        out->dependencies.push_back({std::string(key), {}, number});
      } else {
        PatternProperty property{nullptr, number};
        status = TakePattern(place, key, &property.pattern);
        if (!status.ok()) return status;
        out->pattern_properties.push_back(std::move(property));
      }
    }
    std::sort(out->properties.begin(), out->properties.end(),
              [](const Property& a, const Property& b) { return a.name < b.name; });
    return absl::OkStatus();
  }

  // A $ref leads to a schema in the end, and the validator need not follow a chain.
  absl::Status CheckReferences() {
    for (Schema& schema : program_.schemas) {
      size_t hops = 0;
      while (schema.ref != kNone && program_.schemas[schema.ref].ref != kNone) {
        if (++hops > program_.schemas.size()) {
          return Error("#", "a $ref leads back to itself; remove the circle");
        }
        schema.ref = program_.schemas[schema.ref].ref;
      }
      if (schema.ref != kNone && &program_.schemas[schema.ref] == &schema) {
        return Error("#", "a $ref leads back to itself; remove the circle");
      }
    }
    return absl::OkStatus();
  }

  JsonSchema::Program& program_;
  const JsonSchema::Loader& loader_;
  std::map<std::string, Value, std::less<>> documents_;  // by URI without fragment
  std::map<std::string, std::pair<Value, std::string>, std::less<>> anchors_;  // schema and base
  std::map<const dyn::Map*, uint32_t> numbers_;
  std::deque<Pending> pending_;
  size_t bytes_ = 0;
};

absl::StatusOr<JsonSchema> JsonSchema::Compile(std::string_view json, std::string_view uri,
                                               const Loader& loader) {
  return SchemaCompiler::Compile(json, uri, loader);
}

}  // namespace postern
