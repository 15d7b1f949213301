#include "filters/transform/transform_config.h"

#include <algorithm>
#include <set>

#include "lib/mapping/mock_status.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr ConfigReader::Length kTemplateLength = {0, MappingTemplate::kMaxSize};
constexpr ConfigReader::Length kTextLength = {0, 8192};
constexpr ConfigReader::Length kNameLength = {1, kMaxNameBytes};
constexpr ConfigReader::Length kPatternLength = {0, SelectionPattern::kMaxSize};

std::string Text(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

/// Reads one configuration into `out`.
class Reader {
 public:
  Reader(const ConfigReader& in, TransformConfig* out) : in_(in), out_(*out) {}

  void ReadShared(const TransformConfig* parent) {
    if (parent != nullptr) {
      out_.stage_variables = parent->stage_variables;
      out_.binary_media_types = parent->binary_media_types;
    }
    if (const auto variables = in_.Object("stageVariables")) {
      for (const std::string& name : variables->names()) {
        out_.stage_variables[name] = variables->String(name, kTextLength);
      }
    }
    if (in_.Has("binaryMediaTypes")) {
      out_.binary_media_types = BinaryMediaTypes(in_.OptionalStrings("binaryMediaTypes"));
    }
    out_.failures = in_.DefineCounter("failures_total", {"reason"});
  }

  void ReadMethod() {
    out_.is_method = true;
    out_.variables = ContextVariables(&in_);
    out_.error_type = in_.FindVariable("error.responseType");
    const std::string type = in_.OneOf("type", {"mock", "http", "lambda", "aws"});
    out_.kind = type == "http"     ? IntegrationKind::kHttp
                : type == "lambda" ? IntegrationKind::kLambda
                : type == "aws"    ? IntegrationKind::kAws
                                   : IntegrationKind::kMock;
    out_.http_method = in_.OptionalString("httpMethod", "", {0, 32});
    out_.authority = in_.OptionalString("authority", "", kTextLength);
    if (in_.Has("uri")) {
      out_.uri.emplace(in_.OptionalString("pathPrefix", "", kTextLength),
                       in_.String("uri", kTextLength));
    }
    for (const std::string& name : in_.OptionalStrings("pathParameters", {}, kNameLength)) {
      if (const auto variable = in_.FindVariable(Concat("pathParameters.", name))) {
        out_.path_parameters.emplace_back(name, *variable);
      } else {
        in_.Error("pathParameters", Concat("\"", name, "\" is no name of a parameter"));
      }
    }
    ReadRequestParameters();
    ReadTemplates(in_, "requestTemplates", &out_.request_templates);
    const std::string passthrough = in_.OptionalOneOf(
        "passthroughBehavior", "WHEN_NO_MATCH", {"WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"});
    out_.passthrough = passthrough == "NEVER"               ? PassthroughBehavior::kNever
                       : passthrough == "WHEN_NO_TEMPLATES" ? PassthroughBehavior::kWhenNoTemplates
                                                            : PassthroughBehavior::kWhenNoMatch;
    out_.handling = ReadHandling(in_);
    for (const ConfigReader& response : in_.Objects("responses")) ReadResponse(response);
    if (out_.kind == IntegrationKind::kMock) {
      for (CompiledTemplate& one : out_.request_templates) {
        if (one.constant) one.mock_status = FindMockStatus(*one.constant);
        if (one.mock_status) one.mock_response = out_.Select(Concat(*one.mock_status));
      }
    }
    out_.variables.Finish();
  }

 private:
  static ContentHandling ReadHandling(const ConfigReader& in) {
    const std::string text =
        in.OptionalOneOf("contentHandling", "", {"CONVERT_TO_BINARY", "CONVERT_TO_TEXT"});
    return text.empty()                  ? ContentHandling::kNone
           : text == "CONVERT_TO_BINARY" ? ContentHandling::kToBinary
                                         : ContentHandling::kToText;
  }

  // The names and values of an object whose members are strings.
  template <typename Fn>
  static void ForEachText(const ConfigReader& in, std::string_view field,
                          ConfigReader::Length length, Fn fn) {
    const std::optional<ConfigReader> object = in.Object(field);
    if (!object) return;
    for (const std::string& name : object->names()) fn(*object, name, object->String(name, length));
  }

  // Nullopt: a problem was reported.
  std::optional<CompiledSource> Compile(const ConfigReader& at, const std::string& member,
                                        const absl::StatusOr<MappingSource>& parsed) {
    if (!parsed.ok()) {
      at.Error(member, Text(parsed.status()));
      return std::nullopt;
    }
    CompiledSource out;
    out.kind = parsed->kind;
    out.text = parsed->text;
    switch (parsed->kind) {
      case MappingSource::Kind::kContext:
        if (!IsNumericVariable(parsed->text)) out.variable = in_.FindVariable(parsed->text);
        break;
      case MappingSource::Kind::kPath:
        out.variable = in_.FindVariable(Concat("pathParameters.", parsed->text));
        break;
      case MappingSource::Kind::kRequestBody:
      case MappingSource::Kind::kResponseBody:
        if (!parsed->text.empty()) {
          absl::StatusOr<JsonPath> path = JsonPath::Compile(parsed->text);
          if (!path.ok()) {  // The parser has seen it.
            at.Error(member, Text(path.status()));
            return std::nullopt;
          }
          out.path = *std::move(path);
        }
        break;
      default:
        break;
    }
    return out;
  }

  void ReadRequestParameters() {
    std::set<std::string> headers;
    ForEachText(in_, "requestParameters", kTextLength,
                [&](const ConfigReader& at, const std::string& member, const std::string& text) {
                  const absl::StatusOr<MappingTarget> target = ParseRequestTarget(member);
                  if (!target.ok()) {
                    at.Error(member, Text(target.status()));
                    return;
                  }
                  auto source = Compile(at, member, ParseRequestSource(text));
                  if (!source) return;
                  TransformConfig::RequestParameter made;
                  made.name = target->name;
                  made.source = *std::move(source);
                  switch (target->place) {
                    case MappingTarget::Place::kPath:
                      out_.path.push_back(std::move(made));
                      break;
                    case MappingTarget::Place::kQuery:
                      out_.query.push_back(std::move(made));
                      break;
                    case MappingTarget::Place::kHeader:
                      if (!headers.insert(AsciiToLower(made.name)).second) {
                        at.Error(member, "the header is mapped twice");
                      }
                      made.action = out_.HeaderAction(made.name);
                      if (made.action != MappedHeaderAction::kDrop) {
                        out_.headers.push_back(std::move(made));
                      }
                      break;
                  }
                });
  }

  void ReadTemplates(const ConfigReader& in, std::string_view field,
                     std::vector<CompiledTemplate>* out) {
    ForEachText(in, field, kTemplateLength,
                [&](const ConfigReader& at, const std::string& type, const std::string& source) {
                  if (type.empty() || type.size() > kMaxNameBytes) {
                    at.Error(type, "the name must be a content type");
                    return;
                  }
                  for (const CompiledTemplate& other : *out) {
                    if (EqualsIgnoreCase(other.content_type, type)) {
                      at.Error(type, "the content type comes twice");
                    }
                  }
                  auto compiled =
                      MappingTemplate::Compile(source, out_.variables, {.name = "template"});
                  if (!compiled.ok()) {
                    at.Error(type, Text(compiled.status()));
                    return;
                  }
                  CompiledTemplate& made =
                      out->emplace_back(CompiledTemplate{type, *std::move(compiled), {}});
                  made.constant = made.program.constant();
                });
  }

  void ReadResponse(const ConfigReader& in) {
    TransformConfig::Response response;
    const std::string pattern = in.OptionalString("selectionPattern", "", kPatternLength);
    if (pattern.empty()) {
      if (out_.default_response) in.Error("selectionPattern", "a second default response");
      out_.default_response = out_.responses.size();
    } else {
      absl::StatusOr<SelectionPattern> compiled = SelectionPattern::Compile(pattern);
      if (compiled.ok()) {
        response.pattern.emplace(*std::move(compiled));
      } else {
        in.Error("selectionPattern", Text(compiled.status()));
      }
    }
    response.status = static_cast<uint16_t>(in.Int("statusCode", 200, 599));
    response.status_text = Concat(response.status);
    response.declared = in.OptionalBool("declared", true);
    ForEachText(in, "responseParameters", kTextLength,
                [&](const ConfigReader& at, const std::string& member, const std::string& text) {
                  const absl::StatusOr<std::string> header = ParseResponseTarget(member);
                  if (!header.ok()) {
                    at.Error(member, Text(header.status()));
                    return;
                  }
                  auto source = Compile(at, member, ParseResponseSource(text));
                  if (source) AddParameter(*header, *std::move(source), &response);
                });
    ReadTemplates(in, "responseTemplates", &response.templates);
    response.handling = ReadHandling(in);
    out_.chooses_by_accept = out_.chooses_by_accept || response.templates.size() > 1;
    for (const CompiledTemplate& one : response.templates) {
      const TemplateNeeds needs = one.program.needs();
      out_.response_needs.query = out_.response_needs.query || needs.query;
      out_.response_needs.headers = out_.response_needs.headers || needs.headers;
    }
    out_.responses.push_back(std::move(response));
  }

  static void AddParameter(std::string_view header, CompiledSource source,
                           TransformConfig::Response* response) {
    switch (MappedResponseAction(header)) {
      case ResponseHeaderAction::kDrop:
        return;
      case ResponseHeaderAction::kRemap:
        response->parameters.push_back({Concat(kRemappedPrefix, header), std::move(source)});
        return;
      case ResponseHeaderAction::kPass:
        response->has_content_type =
            response->has_content_type || EqualsIgnoreCase(header, "Content-Type");
        response->parameters.push_back({std::string(header), std::move(source)});
        return;
    }
  }

  const ConfigReader& in_;
  TransformConfig& out_;
};

}  // namespace

int TransformConfig::Select(std::string_view text) const {
  for (size_t i = 0; i < responses.size(); ++i) {
    if (responses[i].pattern && responses[i].pattern->Matches(text)) return static_cast<int>(i);
  }
  return Default();
}

MappedHeaderAction TransformConfig::HeaderAction(std::string_view name) const {
  return kind == IntegrationKind::kHttp || kind == IntegrationKind::kMock ? HttpMappingAction(name)
                                                                          : AwsMappingAction(name);
}

std::unique_ptr<TransformConfig> TransformConfig::Parse(ConfigReader& in,
                                                        const TransformConfig* parent) {
  auto config = std::make_unique<TransformConfig>();
  Reader reader(in, config.get());
  reader.ReadShared(parent);
  if (parent != nullptr || in.Has("type")) reader.ReadMethod();
  return config;
}

}  // namespace postern
