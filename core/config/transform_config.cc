#include "core/config/transform_config.h"

#include <algorithm>
#include <optional>

#include "lib/mapping/expression.h"
#include "lib/template/stage_variables.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"
#include "lib/text/path_template.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

using Kind = MappingSource::Kind;

/// Writes one object to a string, which is whole after End().
struct JsonObject {
  explicit JsonObject(std::string* out) : sink(out), json(&sink) { json.BeginObject(); }
  void End() {
    json.EndObject();
    sink.Finish();
  }

  StringSink sink;
  JsonWriter json;
};

MappingSource SourceOf(const v1::ValueSource& source) {
  switch (source.source_case()) {
    case v1::ValueSource::kRequest: {
      const v1::RequestValue& value = source.request();
      const bool all = value.multi_value();
      switch (value.location()) {
        case v1::RequestValue::LOCATION_PATH:
          return {Kind::kPath, value.name()};
        case v1::RequestValue::LOCATION_QUERYSTRING:
          return {all ? Kind::kQueryAll : Kind::kQuery, value.name()};
        default:
          return {all ? Kind::kHeaderAll : Kind::kHeader, value.name()};
      }
    }
    case v1::ValueSource::kRequestBody:
      return {Kind::kRequestBody, source.request_body()};
    case v1::ValueSource::kStageVariable:
      return {Kind::kStageVariable, source.stage_variable()};
    case v1::ValueSource::kContext:
      return {Kind::kContext, source.context()};
    case v1::ValueSource::kResponseHeader:
      return {
          source.response_header().multi_value() ? Kind::kResponseHeaderAll : Kind::kResponseHeader,
          source.response_header().name()};
    case v1::ValueSource::kResponseBody:
      return {Kind::kResponseBody, source.response_body()};
    default:
      return {Kind::kLiteral, source.literal()};
  }
}

MappingTarget TargetOf(const v1::RequestMapping& mapping) {
  using Place = MappingTarget::Place;
  switch (mapping.target()) {
    case v1::RequestMapping::TARGET_PATH:
      return {Place::kPath, mapping.name()};
    case v1::RequestMapping::TARGET_QUERYSTRING:
      return {Place::kQuery, mapping.name()};
    default:
      return {Place::kHeader, mapping.name()};
  }
}

std::string_view TypeOf(const v1::Integration& integration) {
  switch (integration.type()) {
    case v1::INTEGRATION_TYPE_MOCK:
      return "mock";
    case v1::INTEGRATION_TYPE_HTTP:
      return "http";
    default:
      return integration.has_lambda() ? "lambda" : "aws";
  }
}

void WriteHandling(v1::ContentHandling handling, JsonWriter& json) {
  if (handling == v1::CONTENT_HANDLING_NONE) return;
  json.PlainKey("contentHandling");
  json.String(handling == v1::CONTENT_HANDLING_CONVERT_TO_BINARY ? "CONVERT_TO_BINARY"
                                                                 : "CONVERT_TO_TEXT");
}

void WriteTemplates(std::string_view name,
                    const google::protobuf::RepeatedPtrField<v1::Template>& templates,
                    JsonWriter& json) {
  if (templates.empty()) return;
  json.PlainKey(name);
  json.BeginObject();
  for (const v1::Template& one : templates) {
    json.Key(one.content_type());
    json.String(one.body());
  }
  json.EndObject();
}

void WriteUri(const v1::Integration& integration,
              const std::map<std::string, std::string>& variables,
              const v1::UpstreamBinding* binding, JsonWriter& json) {
  std::string uri;
  if (integration.has_http()) {
    uri = integration.http().path();
    if (binding != nullptr) {
      json.PlainKey("authority");
      json.String(binding->authority());
      if (!binding->path_prefix().empty()) {
        json.PlainKey("pathPrefix");
        json.String(binding->path_prefix());
      }
    }
  } else if (integration.has_aws_service()) {
    // rest-api.md §9.1: a raw path, or an action as the query's parameter.
    const v1::AwsServiceTarget& target = integration.aws_service();
    uri = target.has_action() ? Concat("/?Action=", target.action()) : Concat("/", target.path());
  } else {
    return;
  }
  json.PlainKey("uri");
  json.String(ExpandStageVariables(
      uri, [&variables](std::string_view name) -> std::optional<std::string_view> {
        const auto found = variables.find(std::string(name));
        if (found == variables.end()) return std::nullopt;
        return found->second;
      }));
}

void WritePathParameters(std::string_view resource_path, JsonWriter& json) {
  const absl::StatusOr<PathTemplate> path = PathTemplate::Parse(resource_path);
  if (!path.ok()) return;
  const std::vector<std::string_view> names = path->VariableNames();
  if (names.empty()) return;
  json.PlainKey("pathParameters");
  json.BeginArray();
  for (const std::string_view name : names) json.String(name);
  json.EndArray();
}

void WriteResponse(const v1::Method& method, const v1::IntegrationResponse& response,
                   JsonWriter& json) {
  json.BeginObject();
  if (!response.selection_pattern().empty()) {
    json.PlainKey("selectionPattern");
    json.String(response.selection_pattern());
  }
  json.PlainKey("statusCode");
  json.Uint(response.status_code());
  if (std::none_of(method.responses().begin(), method.responses().end(),
                   [&](const v1::MethodResponse& declared) {
                     return declared.status_code() == response.status_code();
                   })) {
    json.PlainKey("declared");
    json.Bool(false);
  }
  if (!response.parameters().empty()) {
    json.PlainKey("responseParameters");
    json.BeginObject();
    for (const v1::ResponseMapping& mapping : response.parameters()) {
      json.Key(FormatResponseTarget(mapping.header()));
      json.String(FormatMappingSource(SourceOf(mapping.source())));
    }
    json.EndObject();
  }
  WriteTemplates("responseTemplates", response.templates(), json);
  WriteHandling(response.content_handling(), json);
  json.EndObject();
}

}  // namespace

bool NeedsTransform(const v1::Method& method) {
  if (!method.has_integration()) return false;
  const v1::IntegrationType type = method.integration().type();
  return type == v1::INTEGRATION_TYPE_MOCK || type == v1::INTEGRATION_TYPE_HTTP ||
         type == v1::INTEGRATION_TYPE_AWS;
}

std::string MakeSharedTransformConfig(const v1::Deployment& deployment,
                                      const std::map<std::string, std::string>& variables) {
  std::string config;
  JsonObject object(&config);
  JsonWriter& json = object.json;
  if (!variables.empty()) {
    json.PlainKey("stageVariables");
    json.BeginObject();
    for (const auto& [name, value] : variables) {
      json.Key(name);
      json.String(value);
    }
    json.EndObject();
  }
  if (!deployment.binary_media_types().empty()) {
    json.PlainKey("binaryMediaTypes");
    json.BeginArray();
    for (const std::string& type : deployment.binary_media_types()) json.String(type);
    json.EndArray();
  }
  object.End();
  return config;
}

std::string MakeTransformConfig(const v1::Method& method, std::string_view resource_path,
                                const std::map<std::string, std::string>& variables,
                                const v1::UpstreamBinding* binding) {
  const v1::Integration& integration = method.integration();
  std::string config;
  JsonObject object(&config);
  JsonWriter& json = object.json;
  json.PlainKey("type");
  json.String(TypeOf(integration));
  if (!integration.http_method().empty() && integration.http_method() != "ANY") {
    json.PlainKey("httpMethod");
    json.String(integration.http_method());
  }
  WriteUri(integration, variables, binding, json);
  WritePathParameters(resource_path, json);
  if (!integration.request_parameters().empty()) {
    json.PlainKey("requestParameters");
    json.BeginObject();
    for (const v1::RequestMapping& mapping : integration.request_parameters()) {
      json.Key(FormatRequestTarget(TargetOf(mapping)));
      json.String(FormatMappingSource(SourceOf(mapping.source())));
    }
    json.EndObject();
  }
  WriteTemplates("requestTemplates", integration.request_templates(), json);
  if (integration.passthrough_behavior() != v1::PASSTHROUGH_BEHAVIOR_WHEN_NO_MATCH) {
    json.PlainKey("passthroughBehavior");
    json.String(integration.passthrough_behavior() == v1::PASSTHROUGH_BEHAVIOR_NEVER
                    ? "NEVER"
                    : "WHEN_NO_TEMPLATES");
  }
  WriteHandling(integration.content_handling(), json);
  if (!integration.responses().empty()) {
    json.PlainKey("responses");
    json.BeginArray();
    for (const v1::IntegrationResponse& response : integration.responses()) {
      WriteResponse(method, response, json);
    }
    json.EndArray();
  }
  object.End();
  return config;
}

}  // namespace postern
