#include "control/import/model.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "control/common/strings.h"
#include "lib/crypto/digest.h"
#include "lib/schema/json_schema.h"
#include "lib/text/ascii.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr std::string_view kModelUri = "postern:model/";
constexpr std::string_view kAwsModels = "https://apigateway.amazonaws.com/restapis/";

bool IsOneOf(std::string_view keyword, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), keyword) != words.end();
}

// Keywords by which an author means to restrict something, and that API Gateway drops when it
// imports a schema (rest-api.md 5.5).
bool IsDroppedGuard(std::string_view keyword) {
  return IsOneOf(keyword, {"minItems", "maxItems", "exclusiveMinimum", "exclusiveMaximum"});
}

// All that it drops or does not support.
bool IsDropped(std::string_view keyword) {
  return keyword.starts_with("x-") || IsDroppedGuard(keyword) ||
         IsOneOf(keyword, {"discriminator", "example", "examples", "readOnly", "writeOnly",
                           "default", "nullable", "deprecated", "xml", "externalDocs"});
}

// Keywords whose value is an object of schemas.
bool HoldsSchemasByName(std::string_view keyword) {
  return keyword == "properties" || keyword == "patternProperties" || keyword == "definitions" ||
         keyword == "dependencies";
}

// Keywords whose value is a schema or a list of them.
bool HoldsSchemas(std::string_view keyword) {
  return keyword == "items" || keyword == "additionalItems" || keyword == "additionalProperties" ||
         keyword == "not" || keyword == "allOf" || keyword == "anyOf" || keyword == "oneOf";
}

}  // namespace

void ModelImporter::ReadSchemas(Node schemas) {
  if (!schemas || !context_.IsObject(schemas, "schemas")) return;
  for (const Node schema : schemas.children()) {
    if (schema.key().starts_with("x-")) {
      context_.Unknown(schema);
    } else if (http_api_) {
      context_.Describes(schema, "schema");
    } else if (context_.IsObject(schema, "schema")) {
      context_.Applied(schema, "model");
      named_.emplace(schema.key(), schema);
    }
  }
}

std::string ModelImporter::ModelName(std::string_view schema_name) {
  std::string name;
  for (const char c : schema_name) {
    if (IsAlnum(c)) name.push_back(c);
  }
  if (name == schema_name) return name;
  // Only alphanumeric names are models; the digest keeps Pet-1 and Pet_1 apart.
  return Concat(name, Sha256Hex(schema_name).substr(0, 6));
}

std::string ModelImporter::Referred(Node reference) {
  std::string_view text = reference.text();
  if (ConsumePrefix(text, "#/definitions/") || ConsumePrefix(text, "#/components/schemas/")) {
    if (named_.find(text) != named_.end()) return ModelName(text);
    return {};
  }
  // As models refer to each other within API Gateway (rest-api.md 5.4).
  constexpr std::string_view kModels = "/models/";
  const size_t models = text.find(kModels);
  if (!text.starts_with(kAwsModels) || models == std::string_view::npos) return {};
  text.remove_prefix(models + kModels.size());
  return Find(text) ? std::string(text) : std::string();
}

Node ModelImporter::Find(std::string_view model) {
  if (const auto found = inline_.find(model); found != inline_.end()) return found->second;
  for (const auto& [name, schema] : named_) {
    if (ModelName(name) == model) return schema;
  }
  return Node();
}

std::string ModelImporter::ModelOf(Node schema) {
  const Node reference = schema.Find("$ref");
  if (reference.is_string()) {
    std::string name = Referred(reference);
    if (name.empty()) {
      context_.Problem(reference, "$ref",
                       Concat("Invalid model identifier specified: \"", reference.text(),
                              "\" is no schema of this document"));
    } else {
      context_.Applied(reference, "$ref");
    }
    return name;
  }
  context_.Applied(schema, "schema");
  std::string name = Concat("MODEL", Sha256Hex(ToJson(schema)).substr(0, 6));
  inline_.emplace(name, schema);
  return name;
}

// The depth is that of the document, which is bounded when it is read.
void ModelImporter::WriteSchema(Node schema, JsonWriter& writer) {
  if (schema.is_array()) {
    writer.BeginArray();
    for (const Node element : schema.children()) WriteSchema(element, writer);
    writer.EndArray();
    return;
  }
  if (!schema.is_object()) {
    writer.Raw(ToJson(schema));
    return;
  }
  writer.BeginObject();
  for (const Node member : schema.children()) {
    const std::string_view keyword = member.key();
    if (keyword == "$ref" && member.is_string()) {
      const std::string model = Referred(member);
      writer.Key("$ref");
      if (!model.empty()) {
        writer.String(Concat(kModelUri, model));
      } else {
        writer.String(member.text());
        if (!member.text().starts_with("#/definitions/")) {
          context_.Problem(member, "$ref",
                           Concat("Invalid model identifier specified: \"", member.text(),
                                  "\" is no schema of this document"));
        }
      }
      continue;
    }
    if (IsDropped(keyword)) continue;
    if (!given_up_.empty() && given_up_.count(member.Pointer()) > 0) continue;
    writer.Key(keyword);
    if (HoldsSchemasByName(keyword) && member.is_object()) {
      writer.BeginObject();
      for (const Node named : member.children()) {
        writer.Key(named.key());
        WriteSchema(named, writer);
      }
      writer.EndObject();
    } else if (HoldsSchemas(keyword)) {
      WriteSchema(member, writer);
    } else {
      writer.Raw(ToJson(member));
    }
  }
  writer.EndObject();
}

void ModelImporter::ReportDropped(Node schema) {
  for (const Node member : schema.children()) {
    const std::string_view keyword = member.key();
    if (!schema.is_object()) {
      ReportDropped(member);
    } else if (IsDroppedGuard(keyword)) {
      context_.Dropped(member, "schema keyword",
                       Concat("API Gateway drops ", keyword,
                              " from schemas that it imports; requests are not checked for it."));
    } else if (keyword == "nullable" && member.text() == "true") {
      context_.Dropped(member, "schema keyword",
                       "API Gateway drops nullable from schemas that it imports; null is refused "
                       "unless the type names it.");
    } else if (HoldsSchemasByName(keyword) && member.is_object()) {
      for (const Node named : member.children()) ReportDropped(named);
    } else if (HoldsSchemas(keyword)) {
      ReportDropped(member);
    }
  }
}

void ModelImporter::Write(v1::Deployment& deployment) {
  deployment.clear_models();
  const auto add = [&](std::string name, Node schema) {
    v1::Model& model = *deployment.add_models();
    model.set_name(std::move(name));
    model.set_content_type("application/json");
    const Node description = schema.Find("description");
    if (description.is_string()) model.set_description(std::string(description.text()));
    StringSink sink(model.mutable_schema_json());
    JsonWriter writer(&sink);
    WriteSchema(schema, writer);
    sink.Finish();
  };
  for (const auto& [name, schema] : named_) add(ModelName(name), schema);
  for (const auto& [name, schema] : inline_) add(name, schema);
}

// Compiles the models as gateways do, and reports what is wrong with them. Returns whether an
// expression was given up, so that the models must be written anew.
bool ModelImporter::Check(const v1::Deployment& deployment, const Uses& used) {
  std::map<std::string_view, const std::string*> texts;
  std::vector<std::string> first;  // those that requests are checked with
  std::vector<std::string> others;
  for (const v1::Model& model : deployment.models()) {
    texts.emplace(model.name(), &model.schema_json());
    (used.count(model.name()) > 0 ? first : others).push_back(Concat(kModelUri, model.name()));
  }
  const JsonSchema::Loader loader = [&](std::string_view uri) -> std::optional<std::string> {
    if (!ConsumePrefix(uri, kModelUri)) return std::nullopt;
    const auto found = texts.find(uri);
    return found != texts.end() ? std::optional(*found->second) : std::nullopt;
  };
  constexpr std::string_view kCannot = "Requests cannot be checked with it: ";
  const size_t before = given_up_.size();
  for (const auto& [uris, checked] : {std::pair(first, true), std::pair(others, false)}) {
    std::vector<SchemaProblem> problems;
    JsonSchema::CompileAll(uris, loader, &problems);
    for (const SchemaProblem& problem : problems) {
      std::string_view model = problem.uri;
      ConsumePrefix(model, kModelUri);
      const Node schema = Find(model);
      Node node = schema.Resolve(problem.pointer);
      if (!node) node = schema ? schema : context_.root();
      if (!problem.pattern) {
        context_.Problem(node, "schema", Concat("Invalid model schema specified: ", problem.what));
      } else if (!checked) {
        context_.Noted(node, "schema",
                       Concat("No request is checked with it. ", kCannot, problem.what, "."));
      } else if (node.key() != "pattern") {
        context_.Problem(node, "schema", Concat(kCannot, problem.what, "."));
      } else if (context_.Guard(node, "schema", "validator", {},
                                Concat(kCannot, problem.what, "."))) {
        given_up_.insert(node.Pointer());
      }
    }
  }
  return given_up_.size() > before;
}

void ModelImporter::Finish(v1::Deployment& deployment) {
  Uses used;
  for (const v1::Resource& resource : deployment.resources()) {
    for (const v1::Method& method : resource.methods()) {
      if (!method.validate_body()) continue;
      for (const v1::ModelReference& reference : method.request_models()) {
        used.insert(reference.model());
      }
    }
  }
  for (const auto& [name, schema] : named_) ReportDropped(schema);
  for (const auto& [name, schema] : inline_) ReportDropped(schema);
  Write(deployment);
  size_t total = 0;
  for (const v1::Model& model : deployment.models()) total += model.schema_json().size();
  if (total > JsonSchema::kMaxBytes) {
    context_.Problem(context_.root(), "models",
                     Concat("The models have ", total, " bytes; at most 400 KB are allowed."));
    return;
  }
  if (Check(deployment, used)) Write(deployment);
}

}  // namespace postern
