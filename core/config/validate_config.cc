#include "core/config/validate_config.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"
#include "lib/text/path_template.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

std::string_view PlaceName(v1::ParameterLocation location) {
  switch (location) {
    case v1::PARAMETER_LOCATION_PATH:
      return "path";
    case v1::PARAMETER_LOCATION_QUERYSTRING:
      return "querystring";
    default:
      return "header";
  }
}

// A parameter of the path that the template has is in every request (rest-api.md §5.2).
std::vector<std::string> RequiredParameters(const v1::Resource& resource,
                                            const v1::Method& method) {
  std::vector<std::string> out;
  if (!method.validate_parameters()) return out;
  std::vector<std::string_view> variables;
  const absl::StatusOr<PathTemplate> path = PathTemplate::Parse(resource.path());
  if (path.ok()) variables = path->VariableNames();
  for (const v1::RequestParameter& parameter : method.request_parameters()) {
    const bool given =
        parameter.location() == v1::PARAMETER_LOCATION_PATH &&
        std::find(variables.begin(), variables.end(), parameter.name()) != variables.end();
    if (!parameter.required() || given) continue;
    out.push_back(
        Concat("method.request.", PlaceName(parameter.location()), ".", parameter.name()));
  }
  return out;
}

}  // namespace

std::string MakeSharedValidateConfig(const v1::Deployment& deployment) {
  std::set<std::string_view> used;
  for (const v1::Resource& resource : deployment.resources()) {
    for (const v1::Method& method : resource.methods()) {
      if (!method.validate_body()) continue;
      for (const v1::ModelReference& model : method.request_models()) used.insert(model.model());
    }
  }
  if (used.empty()) return "{}";
  std::string config;
  {
    StringSink sink(&config);
    JsonWriter json(&sink);
    json.BeginObject();
    json.Key("models");
    json.BeginObject();
    for (const v1::Model& model : deployment.models()) {
      json.Key(model.name());
      json.String(model.schema_json());
    }
    json.EndObject();
    json.Key("validated");
    json.BeginArray();
    for (const std::string_view name : used) json.String(name);
    json.EndArray();
    json.EndObject();
  }
  return config;
}

std::string MakeValidateConfig(const v1::Resource& resource, const v1::Method& method) {
  const std::vector<std::string> parameters = RequiredParameters(resource, method);
  const bool body = method.validate_body() && !method.request_models().empty();
  std::string config;
  if (parameters.empty() && !body) return config;
  {
    StringSink sink(&config);
    JsonWriter json(&sink);
    json.BeginObject();
    if (!parameters.empty()) {
      json.Key("parameters");
      json.BeginArray();
      for (const std::string& parameter : parameters) json.String(parameter);
      json.EndArray();
    }
    if (body) {
      json.Key("body");
      json.BeginObject();
      for (const v1::ModelReference& model : method.request_models()) {
        json.Key(model.content_type());
        json.String(model.model());
      }
      json.EndObject();
    }
    json.EndObject();
  }
  return config;
}

}  // namespace postern
