#include "control/import/model.h"

#include <utility>

#include "control/common/strings.h"
#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"

namespace postern {
namespace {

constexpr size_t kMaxModelBytes = 400 * 1024;  // of all together (rest-api.md 5.4)

// Keywords that API Gateway drops or does not support (rest-api.md 5.5).
bool IsDropped(std::string_view keyword) {
  if (keyword.starts_with("x-")) return true;
  for (const std::string_view dropped :
       {"discriminator", "example", "examples", "readOnly", "writeOnly", "default", "nullable",
        "deprecated", "xml", "externalDocs", "minItems", "maxItems", "exclusiveMinimum",
        "exclusiveMaximum"}) {
    if (keyword == dropped) return true;
  }
  return false;
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
    } else if (!context_.capabilities().request_validation) {
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
  }
  return {};
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
        writer.String(Concat("postern:model/", model));
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

void ModelImporter::Finish(snapshot::v1::Deployment& deployment) {
  size_t total = 0;
  const auto add = [&](std::string name, Node schema) {
    snapshot::v1::Model& model = *deployment.add_models();
    model.set_name(std::move(name));
    model.set_content_type("application/json");
    const Node description = schema.Find("description");
    if (description.is_string()) model.set_description(std::string(description.text()));
    StringSink sink(model.mutable_schema_json());
    JsonWriter writer(&sink);
    WriteSchema(schema, writer);
    sink.Finish();
    total += model.schema_json().size();
  };
  for (const auto& [name, schema] : named_) add(ModelName(name), schema);
  for (const auto& [name, schema] : inline_) add(name, schema);
  if (total > kMaxModelBytes) {
    context_.Problem(context_.root(), "models",
                     Concat("The models have ", total, " bytes; at most 400 KB are allowed."));
  }
}

}  // namespace postern
