// Refuses requests without required parameters, or with bodies that their models do not allow. See
// README.md.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sdk/sdk.h"
#include "filters/validate/parameters.h"
#include "lib/jsonpath/value.h"
#include "lib/schema/json_schema.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/media_type.h"
#include "lib/text/query_string.h"
#include "lib/text/utf8.h"

namespace {

using postern::BodyMode;
using postern::Concat;
using postern::ConfigReader;
using postern::Counter;
using postern::Direction;
using postern::Flags;
using postern::JsonSchema;
using postern::Map;
using postern::MediaType;
using postern::ParameterPlace;
using postern::ReplyKind;
using postern::RequiredParameter;
using postern::Status;
using postern::Stream;
using postern::Variable;
using postern::Verdict;

// Of a body that is being looked at. About eight times the largest body.
constexpr size_t kMaxMemory = size_t{96} << 20;

constexpr std::string_view kDefault = "$default";
constexpr std::string_view kModelUri = "postern:model/";
constexpr std::string_view kErrorText = "error.validationErrorString";
// Of a body that is empty, or no JSON.
constexpr std::string_view kNotParsed = "[Unknown error parsing request body]";

class Validate {
 public:
  // A parameter of the path is not looked for in a request but among the variables of the route.
  struct Parameter : RequiredParameter {
    Variable variable;
  };

  struct Config {
    struct Model {
      std::string name;
      JsonSchema schema;
    };
    struct Body {
      std::string content_type;  // Or kDefault.
      JsonSchema schema;
    };

    std::vector<Model> models;
    std::vector<Parameter> parameters;  // As they are listed when they are missing.
    bool has_query = false;             // One of them is in the query.
    std::vector<Body> bodies;
    Counter requests;

    static std::unique_ptr<Config> Parse(ConfigReader& in, const Config* parent);

    const JsonSchema* FindModel(std::string_view name) const {
      for (const Model& model : models) {
        if (model.name == name) return &model.schema;
      }
      return nullptr;
    }

    // For the requests of a content type; null: their bodies are not looked at.
    const JsonSchema* SchemaFor(std::optional<std::string_view> content_type) const {
      std::string_view essence = "application/json";
      if (content_type.has_value()) {
        const std::optional<MediaType> type = postern::ParseMediaType(*content_type);
        essence = type.has_value() ? type->essence : std::string_view();
      }
      const JsonSchema* fallback = nullptr;
      for (const Body& body : bodies) {
        if (postern::EqualsIgnoreCase(body.content_type, essence)) return &body.schema;
        if (body.content_type == kDefault) fallback = &body.schema;
      }
      return fallback;
    }
  };

  // What one worker uses for one request after the other.
  struct Worker {
    explicit Worker(const Config&) : arena(kMaxMemory) {}

    postern::QueryParameters query;
    postern::dyn::Arena arena;
  };

  Validate(const Config& config, Worker& worker) : config_(config), worker_(worker) {}

  Verdict OnRequestHeaders(Stream s, Flags flags) {
    if (!config_.parameters.empty()) {
      const std::string missing = MissingParameters(s);
      if (!missing.empty()) {
        return Refuse(s, ReplyKind::kBadRequestParameters,
                      Concat("Missing required request parameters: [", missing, "]"));
      }
    }
    schema_ = config_.bodies.empty()
                  ? nullptr
                  : config_.SchemaFor(s.Header(Map::kRequestHeaders, "content-type"));
    if (schema_ == nullptr) return Passed();
    if (flags.end_stream()) return RefuseBody(s, std::string(kNotParsed));
    return s.SetBodyMode(Direction::kRequest, BodyMode::kBuffer) == Status::kOk ? Verdict::kContinue
                                                                                : Verdict::kFail;
  }

  // The whole of it.
  Verdict OnRequestBody(Stream s, Flags) {
    std::string_view body;
    std::string joined;
    int slices = 0;
    s.ForEachSlice(Direction::kRequest, [&](std::string_view slice) {
      if (++slices == 1) body = slice;
    });
    if (slices > 1) body = joined = s.Body(Direction::kRequest);
    // As the gateway reads text (rest-api.md §10.2).
    if (!postern::IsValidUtf8(body)) body = joined = postern::ReplaceInvalidUtf8(body);

    std::string error(kNotParsed);
    postern::dyn::Value value;
    bool valid = postern::dyn::ParseJson(body, worker_.arena, {postern::dyn::kMaxDepth}, &value);
    if (valid) {
      const std::vector<std::string> errors = schema_->Validate(value);
      valid = errors.empty();
      if (!valid) error = JsonSchema::ErrorString(errors);
    }
    worker_.arena.Reset();
    return valid ? Passed() : RefuseBody(s, error);
  }

 private:
  // Those that are not there, or blank: "a, b".
  std::string MissingParameters(Stream s) {
    if (config_.has_query) ReadQuery(s);
    std::string missing;
    for (const Parameter& parameter : config_.parameters) {
      if (IsThere(s, parameter)) continue;
      if (!missing.empty()) missing += ", ";
      missing += parameter.name;
    }
    return missing;
  }

  void ReadQuery(Stream s) {
    const std::string_view path = s.Header(Map::kRequestHeaders, ":path").value_or("");
    const size_t mark = path.find('?');
    const std::string_view query =
        mark == std::string_view::npos ? std::string_view() : path.substr(mark + 1);
    // A query with more fields than that has none that is found.
    (void)worker_.query.Parse(query);
  }

  // As others see it when they ask for one value: the last (rest-api.md §2.4, §6.2).
  bool IsThere(Stream s, const Parameter& parameter) {
    std::optional<std::string_view> value;
    switch (parameter.place) {
      case ParameterPlace::kPath:
        return s.Value(parameter.variable).has_value();
      case ParameterPlace::kQuery:
        value = worker_.query.Last(parameter.name);
        break;
      case ParameterPlace::kHeader:
        for (size_t i = 0; const auto next = s.Header(Map::kRequestHeaders, parameter.name, i);
             ++i) {
          value = next;
        }
        break;
    }
    return value.has_value() && !postern::IsBlank(*value);
  }

  Verdict Passed() {
    config_.requests.Add(1, {"valid"});
    return Verdict::kDetach;
  }

  Verdict RefuseBody(Stream s, const std::string& errors) {
    s.SetText(kErrorText, errors);
    config_.requests.Add(1, {"body"});
    return s.Send({.kind = ReplyKind::kBadRequestBody, .detail = "validate:body"});
  }

  Verdict Refuse(Stream s, ReplyKind kind, const std::string& message) {
    s.SetText(kErrorText, message);
    config_.requests.Add(1, {"parameters"});
    return s.Send({.kind = kind, .message = message, .detail = "validate:parameters"});
  }

  const Config& config_;
  Worker& worker_;
  const JsonSchema* schema_ = nullptr;
};

std::unique_ptr<Validate::Config> Validate::Config::Parse(ConfigReader& in, const Config* parent) {
  auto config = std::make_unique<Config>();
  bool compiled = true;
  if (const std::optional<ConfigReader> models = in.Object("models")) {
    std::vector<std::pair<std::string, std::string>> texts;
    for (const std::string& name : models->names()) {
      texts.emplace_back(name, models->String(name, {1, JsonSchema::kMaxBytes}));
    }
    std::vector<std::string> uris;
    std::vector<std::string> names;
    for (const std::string& name : in.OptionalStrings("validated", models->names())) {
      if (!models->Has(name)) in.Error("validated", Concat("there is no model \"", name, "\""));
      uris.push_back(Concat(kModelUri, name));
      names.push_back(name);
    }
    std::vector<postern::SchemaProblem> problems;
    std::vector<JsonSchema> schemas = JsonSchema::CompileAll(
        uris,
        [&](std::string_view uri) -> std::optional<std::string> {
          for (const auto& [name, text] : texts) {
            if (uri.starts_with(kModelUri) && uri.substr(kModelUri.size()) == name) return text;
          }
          return std::nullopt;
        },
        &problems);
    for (const postern::SchemaProblem& problem : problems) {
      const std::string_view uri = problem.uri;
      models->Error(
          uri.starts_with(kModelUri) ? uri.substr(kModelUri.size()) : uri,
          Concat(problem.pointer.empty() ? "the schema" : problem.pointer, ": ", problem.what));
    }
    compiled = problems.empty();
    for (size_t i = 0; i < schemas.size(); ++i) {
      config->models.push_back({names[i], std::move(schemas[i])});
    }
  }

  std::vector<RequiredParameter> parameters;
  for (const std::string& text : in.OptionalStrings("parameters")) {
    std::optional<RequiredParameter> parameter = postern::ParseRequiredParameter(text);
    if (parameter.has_value()) {
      parameters.push_back(*std::move(parameter));
    } else {
      in.Error("parameters",
               Concat("\"", text, "\" is not method.request.{header,path,querystring}.{name}"));
    }
  }
  postern::SortAsListed(&parameters);
  for (RequiredParameter& parameter : parameters) {
    Variable variable;
    if (parameter.place == ParameterPlace::kPath) {
      variable = in.VariableId("parameters", Concat("pathParameters.", parameter.name));
    }
    if (parameter.place == ParameterPlace::kQuery) config->has_query = true;
    config->parameters.push_back({std::move(parameter), variable});
  }

  if (const std::optional<ConfigReader> body = in.Object("body")) {
    for (const std::string& type : body->names()) {
      const std::string name = body->String(type, ConfigReader::kNotEmpty);
      const JsonSchema* schema = config->FindModel(name);
      if (schema == nullptr && parent != nullptr) schema = parent->FindModel(name);
      if (schema != nullptr) {
        config->bodies.push_back({type, *schema});
      } else if (compiled) {
        body->Error(type, Concat("there is no model \"", name, "\""));
      }
    }
  }
  config->requests = in.DefineCounter("requests_total", {"result"});
  return config;
}

}  // namespace

POSTERN_MODULE(Validate, "postern.validate", "1.0.0", POSTERN_CAP_BODY);
