#include "control/import/import.h"
#include "control/import/cloudformation.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "control/common/strings.h"
#include "control/compile/id.h"
#include "control/import/context.h"
#include "control/import/cors.h"
#include "control/import/filters.h"
#include "control/import/gateway_response.h"
#include "control/import/model.h"
#include "control/import/operation.h"
#include "control/import/security.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/document.h"
#include "lib/text/path_template.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr size_t kMaxResources = 10000;
constexpr size_t kMaxTitleBytes = 1024;
constexpr size_t kMaxPathBytes = 8192;
constexpr int64_t kMaxCompressionBytes = 10485760;

// Members that OpenAPI gives an operation for each method.
constexpr std::pair<std::string_view, std::string_view> kMethods[] = {
    {"get", "GET"},         {"put", "PUT"},
    {"post", "POST"},       {"delete", "DELETE"},
    {"options", "OPTIONS"}, {"head", "HEAD"},
    {"patch", "PATCH"},     {"x-amazon-apigateway-any-method", "ANY"}};

// Resource paths under construction. Parents come into being with their children.
class ResourceTree {
 public:
  explicit ResourceTree(ImportContext& context) : context_(context) { resources_["/"]; }

  // The resource of a path, or nothing, with a Problem.
  std::map<std::string, v1::Method, std::less<>>* Get(Node place, const PathTemplate& path) {
    const std::string text = path.ToString();
    const auto it = resources_.find(text);
    if (it != resources_.end()) return &it->second;
    if (http_api_) return GetRoute(place, path, text);
    if (absl::Status status = set_.Add(path); !status.ok()) {
      context_.Problem(place, "path", Message(status));
      return nullptr;
    }
    // The path itself and those of its parents that are not there yet.
    std::vector<std::string> missing = {text};
    for (size_t slash = text.rfind('/'); slash != 0; slash = text.rfind('/', slash - 1)) {
      std::string parent = text.substr(0, slash);
      if (resources_.find(parent) != resources_.end()) break;
      missing.push_back(std::move(parent));
    }
    if (resources_.size() + missing.size() > kMaxResources) {
      context_.Problem(place, "path", "An API has at most 10,000 resources.");
      return nullptr;
    }
    for (const std::string& made : missing) resources_[made];
    return &resources_[text];
  }

  // Routes of HTTP APIs stand by themselves: no parents, and whatever siblings (http-api.md 2).
  void SetHttpApi(bool http_api) {
    http_api_ = http_api;
    if (http_api) resources_.clear();
  }

  // The filters of the resource `path`, which is there.
  google::protobuf::RepeatedPtrField<v1::FilterEntry>& Filters(const std::string& path) {
    return filters_[path];
  }

  void Finish(const std::string& api_id, v1::Deployment& deployment) {
    std::vector<std::string> paths;
    for (const auto& [path, methods] : resources_) paths.push_back(path);
    const std::map<std::string, std::string> ids = ResourceIds(api_id, paths);
    for (auto& [path, methods] : resources_) {
      v1::Resource& resource = *deployment.add_resources();
      resource.set_id(ids.at(path));
      resource.set_path(path);
      for (auto& [name, method] : methods) *resource.add_methods() = std::move(method);
      if (const auto filters = filters_.find(path); filters != filters_.end()) {
        *resource.mutable_filters() = std::move(filters->second);
      }
    }
  }

  size_t size() const { return resources_.size(); }

 private:
  std::map<std::string, v1::Method, std::less<>>* GetRoute(Node place, const PathTemplate& path,
                                                           const std::string& text) {
    std::string shape;
    for (const PathPart& part : path.parts()) {
      shape += part.kind == PathPart::Kind::kStatic     ? Concat("/", part.text)
               : part.kind == PathPart::Kind::kVariable ? "/{}"
                                                        : "/{+}";
    }
    const auto [known, fresh] = shapes_.emplace(shape, text);
    if (!fresh) {
      context_.Problem(place, "path",
                       Concat("It is the same route as ", known->second,
                              ": the names of parameters do not count."));
      return nullptr;
    }
    if (resources_.size() == kMaxResources) {
      context_.Problem(place, "path", "An API has at most 10,000 resources.");
      return nullptr;
    }
    return &resources_[text];
  }

  ImportContext& context_;
  bool http_api_ = false;
  std::map<std::string, std::string> shapes_;  // of HTTP routes, and how they were written
  PathTemplateSet set_;
  std::map<std::string, std::map<std::string, v1::Method, std::less<>>> resources_;
  std::map<std::string, google::protobuf::RepeatedPtrField<v1::FilterEntry>> filters_;
};

class Importer {
 public:
  Importer(const ImportOptions& options, const Document& document, ImportResult& result)
      : options_(options),
        result_(result),
        context_(options, document, result.report),
        root_(document.root()),
        security_(context_),
        models_(context_),
        filters_(context_),
        operations_(context_, security_, models_, filters_),
        resources_(context_) {}

  void Run() {
    if (!CheckKind()) return;
    const v1::ApiType type = http_api_ ? v1::API_TYPE_HTTP : v1::API_TYPE_REST;
    result_.api.set_type(type);
    result_.deployment.set_type(type);
    ReadInfo();
    ReadRoot();
    ReadBasePath();
    ReadPaths();
    security_.Finish(result_.api.id(), result_.deployment);
    const size_t resources = resources_.size();
    resources_.Finish(result_.api.id(), result_.deployment);
    models_.Finish(result_.deployment);
    result_.modules = filters_.TakeModules();
    result_.filter_places = context_.TakeFilterPlaces();
    context_.RefuseMisplaced();
    context_.ReportUncovered();
    context_.ReportUnusedAllowances();
    for (const std::string& line : context_.unenforced()) {
      result_.deployment.add_unenforced(line);
    }
    Summarize(resources);
  }

 private:
  // What kind of definition it is, and whether that can be imported.
  bool CheckKind() {
    if (!root_.is_object()) {
      context_.Problem(root_, "document",
                       Concat("Invalid OpenAPI input. The document is ", NodeKindName(root_.kind()),
                              ", not an object."));
      return false;
    }
    const Node swagger = root_.Find("swagger");
    const Node openapi = root_.Find("openapi");
    if (!swagger && !openapi) {
      std::string reason =
          "Invalid OpenAPI input. It has neither \"openapi\" nor \"swagger\" with its version.";
      if (root_.Find("AWSTemplateFormatVersion") || root_.Find("Resources")) {
        reason +=
            " It looks like a CloudFormation or SAM template; give the OpenAPI definition "
            "that it contains or refers to (DefinitionBody, DefinitionUri, Body).";
      } else if (root_.Find("asyncapi") || root_.Find("routeSelectionExpression") ||
                 root_.Find("RouteSelectionExpression")) {
        reason += " WebSocket APIs cannot be imported from a definition.";
      }
      context_.Problem(root_, "document", std::move(reason));
      return false;
    }
    const Node version = swagger ? swagger : openapi;
    const std::string_view text = version.text();
    if (swagger && openapi) {
      context_.Problem(openapi, "version", "It has \"swagger\" already; one version is enough.");
    }
    if (swagger && (text == "2.0" || text == "2")) {
      context_.Applied(swagger, "version");
    } else if (openapi && (text.starts_with("3.0") || text.starts_with("3.1"))) {
      version3_ = true;
      if (text.starts_with("3.1")) {
        context_.Noted(openapi, "version", "API Gateway itself imports 2.0 and 3.0 only, not 3.1.");
      } else {
        context_.Applied(openapi, "version");
      }
    } else {
      context_.Problem(version, "version",
                       Concat("Invalid OpenAPI input. The version ", text,
                              " is not known; 2.0, 3.0 and 3.1 are."));
      return false;
    }
    for (const std::string_view name :
         {"x-amazon-apigateway-route-selection-expression", "routeSelectionExpression",
          "x-amazon-apigateway-websocket"}) {
      if (const Node node = root_.Find(name)) {
        context_.Problem(node, "document", "WebSocket APIs cannot be imported from a definition.");
        return false;
      }
    }
    http_api_ = IsHttpApi();
    models_.SetHttpApi(http_api_);
    operations_.SetHttpApi(http_api_);
    resources_.SetHttpApi(http_api_);
    return true;
  }

  // Whether the definition uses what only HTTP APIs have (http-api.md 17).
  bool IsHttpApi() const {
    if (root_.Find("x-amazon-apigateway-cors") ||
        root_.Find("x-amazon-apigateway-importexport-version") ||
        root_.Find("components").Find("x-amazon-apigateway-integrations")) {
      return true;
    }
    for (const Node path : root_.Find("paths").children()) {
      for (const Node operation : path.children()) {
        if (operation.Find("isDefaultRoute") ||
            operation.Find("x-amazon-apigateway-integration").Find("payloadFormatVersion")) {
          return true;
        }
      }
    }
    return false;
  }

  void ReadInfo() {
    const Node info = root_.Find("info");
    std::string title;
    if (info && context_.IsObject(info, "info")) {
      for (const Node value : info.children()) {
        const std::string_view name = value.key();
        if ((name == "title" || name == "version" || name == "description") &&
            IsUnresolvedFunction(value)) {
          context_.Approximated(value, name,
                                "CloudFormation would fill this in; the API is served without it.");
        } else if (name == "title") {
          title = context_.Text(value, name).value_or("");
          context_.Applied(value, name);
        } else if (name == "version") {
          result_.api.set_version(context_.Text(value, name).value_or(""));
          context_.Applied(value, name);
        } else if (name == "description") {
          if (value.is_string()) result_.api.set_description(std::string(value.text()));
          context_.Applied(value, name);
        } else if (name == "termsOfService" || name == "contact" || name == "license" ||
                   name == "summary") {
          context_.Describes(value, name);
        } else {
          context_.Unknown(value, {"title", "version", "description", "contact", "license"});
        }
      }
    }
    if (title.empty()) {
      std::string_view name = options_.file_name;
      name = name.substr(name.rfind('/') + 1);
      title = std::string(name.substr(0, name.rfind('.')));
      if (title.empty()) title = "api";
      context_.Approximated(info ? info : root_, "title",
                            Concat("No title is known; \"", title, "\" is taken for it."));
    }
    if (title.size() > kMaxTitleBytes) {
      context_.Problem(info, "title", "A title has at most 1,024 characters.");
    }
    result_.api.set_name(title);
    result_.api.set_id(ApiIdFromName(title));
    if (const Node id = root_.Find("x-postern-api-id")) {
      const std::string text = context_.Text(id, "x-postern-api-id").value_or("");
      if (IsApiId(text)) {
        result_.api.set_id(text);
        context_.Applied(id, "x-postern-api-id");
      } else {
        context_.Problem(id, "x-postern-api-id",
                         "An API id has 1 to 64 characters of a-z, 0-9 and '-', with no '-' at "
                         "either end.");
      }
    }
  }

  void ReadRoot() {
    filters_.ReadRoot(root_.Find("x-postern-filters"), root_.Find("x-postern-modules"),
                      root_.Find("x-postern-upstreams"), result_.deployment);
    Node validators;
    Node default_validator;
    for (const Node value : root_.children()) {
      const std::string_view name = value.key();
      if (name == "swagger" || name == "openapi" || name == "info" || name == "x-postern-api-id" ||
          name == "x-postern-filters" || name == "x-postern-modules" ||
          name == "x-postern-upstreams" || name == "basePath" || name == "servers" ||
          name == "paths") {
        // In their own places.
      } else if (name == "components") {
        ReadComponents(value);
      } else if (name == "definitions" && !version3_) {
        models_.ReadSchemas(value);
      } else if (name == "securityDefinitions" && !version3_) {
        security_.ReadSchemes(value);
      } else if ((name == "parameters" || name == "responses") && !version3_) {
        ReadShared(value);
      } else if (name == "security") {
        security_.SetDefault(value);
      } else if (name == "consumes") {
        operations_.SetConsumes(value);
        context_.Applied(value, name);
      } else if (name == "host" || name == "schemes") {
        context_.Ignored(value, name,
                         "Which hosts reach the API is decided by domains and listeners, not by "
                         "the definition.");
      } else if (name == "produces" || name == "tags" || name == "externalDocs") {
        context_.Describes(value, name);
      } else if (name == "webhooks") {
        context_.Describes(value, name);
      } else if (name == "jsonSchemaDialect") {
        context_.Describes(value, name);
      } else if (name == "x-amazon-apigateway-request-validators") {
        validators = value;
      } else if (name == "x-amazon-apigateway-request-validator") {
        default_validator = value;
      } else {
        ReadExtension(value);
      }
    }
    operations_.ReadValidators(validators, default_validator);
  }

  void ReadExtension(Node value) {
    const std::string_view name = value.key();
    if (http_api_ && (name == "x-amazon-apigateway-gateway-responses" ||
                      name == "x-amazon-apigateway-binary-media-types" ||
                      name == "x-amazon-apigateway-minimum-compression-size")) {
      context_.Ignored(value, name, "HTTP APIs do not have it.");
    } else if (name == "x-amazon-apigateway-gateway-responses") {
      ImportGatewayResponses(context_, value, result_.deployment);
    } else if (name == "x-amazon-apigateway-binary-media-types") {
      if (!context_.IsArray(value, name)) return;
      if (value.size() == 0) context_.Applied(value, name);
      for (const Node type : value.children()) {
        if (std::optional<std::string> text = context_.Text(type, name)) {
          // CloudFormation templates have ~1 for the slash.
          if (const size_t tilde = text->find("~1"); tilde != std::string::npos) {
            text->replace(tilde, 2, "/");
          }
          result_.deployment.add_binary_media_types(*std::move(text));
          context_.Applied(type, name);
        }
      }
    } else if (name == "x-amazon-apigateway-minimum-compression-size") {
      if (value.is_null()) {
        context_.Applied(value, name);
        return;
      }
      const std::optional<int64_t> size = context_.Integer(value, name);
      if (!size) return;
      if (*size < 0 || *size > kMaxCompressionBytes) {
        context_.Problem(value, name,
                         "Invalid minimum compression size, must be between 0 and 10485760");
      } else if (context_.capabilities().filters) {
        result_.deployment.set_minimum_compression_bytes(static_cast<uint32_t>(*size));
        context_.PlacesFilter("", "postern.compress", value);
        context_.Applied(value, name);
      } else {
        context_.Ignored(value, name, "Responses are not compressed by this version.");
      }
    } else if (name == "x-amazon-apigateway-api-key-source") {
      const std::string source = context_.Text(value, name).value_or("");
      if (EqualsIgnoreCase(source, "HEADER")) {
        context_.Applied(value, name);
      } else if (EqualsIgnoreCase(source, "AUTHORIZER")) {
        result_.deployment.set_api_key_source(v1::API_KEY_SOURCE_AUTHORIZER);
        context_.Applied(value, name);
      } else {
        context_.Problem(value, name, "It must be HEADER or AUTHORIZER.");
      }
    } else if (name == "x-amazon-apigateway-policy") {
      ImportPolicy(context_, value, result_.deployment);
    } else if (name == "x-amazon-apigateway-endpoint-configuration") {
      ReadEndpointConfiguration(value);
    } else if (name == "x-amazon-apigateway-cors") {
      ImportCors(context_, value, *result_.deployment.mutable_cors());
      context_.PlacesFilter("", "postern.cors", value);
    } else if (name == "x-amazon-apigateway-security-policy") {
      ReadSecurityPolicy(value);
    } else if (name == "x-amazon-apigateway-endpoint-access-mode") {
      if (EqualsIgnoreCase(context_.Text(value, name).value_or(""), "BASIC")) {
        context_.Applied(value, name);
      } else {
        context_.Guard(value, name, "tls-policy", {std::string(name)},
                       "That server name and host agree is a matter of the listener.");
      }
    } else if (name == "x-amazon-apigateway-documentation" ||
               name == "x-amazon-apigateway-importexport-version" ||
               name == "x-amazon-apigateway-tag-value") {
      context_.Describes(value, name);
    } else {
      context_.Unknown(value, {"info", "paths", "servers", "components", "security", "tags",
                               "definitions", "securityDefinitions", "basePath"});
    }
  }

  // The TLS versions that a listener must offer, which the definition does not set here.
  void ReadSecurityPolicy(Node value) {
    const std::string policy = context_.Text(value, value.key()).value_or("");
    if (policy == "TLS_1_0" || policy == "TLS_1_2") {
      context_.Approximated(value, value.key(),
                            "The versions of TLS are those of the listener: 1.2 and 1.3.");
    } else {
      context_.Guard(value, value.key(), "tls-policy", {std::string(value.key())},
                     Concat("The versions and ciphers of ", policy,
                            " are a matter of the listener, not of the definition."));
    }
  }

  void ReadEndpointConfiguration(Node node) {
    constexpr std::string_view kKind = "x-amazon-apigateway-endpoint-configuration";
    if (!context_.IsObject(node, kKind)) return;
    for (const Node value : node.children()) {
      const std::string_view name = value.key();
      if (name == "disableExecuteApiEndpoint") {
        result_.deployment.set_disable_execute_api_endpoint(
            context_.Bool(value, kKind).value_or(true));
        context_.Applied(value, kKind);
      } else if (name == "vpcEndpointIds") {
        if (value.size() == 0) {
          context_.Applied(value, kKind);
        } else {
          context_.Guard(value, kKind, "private-endpoint", {},
                         "That the API is reached only through these VPC endpoints is not "
                         "enforced by this version.");
        }
      } else if (name == "types" || name == "type") {
        ReadEndpointType(value);
      } else if (name == "ipAddressType") {
        context_.Describes(value, kKind);
      } else {
        context_.Unknown(value, {"disableExecuteApiEndpoint", "vpcEndpointIds", "types"});
      }
    }
  }

  void ReadEndpointType(Node value) {
    constexpr std::string_view kKind = "endpoint type";
    std::vector<Node> types;
    if (value.is_array()) {
      for (const Node type : value.children()) types.push_back(type);
    } else {
      types.push_back(value);
    }
    for (const Node type : types) {
      const std::string text = context_.Text(type, kKind).value_or("");
      if (EqualsIgnoreCase(text, "REGIONAL")) {
        result_.api.set_endpoint_type(v1::ENDPOINT_TYPE_REGIONAL);
        context_.Applied(type, kKind);
      } else if (EqualsIgnoreCase(text, "EDGE")) {
        result_.api.set_endpoint_type(v1::ENDPOINT_TYPE_EDGE);
        context_.Approximated(type, kKind, "There is no edge: it is served as a regional API.");
      } else if (EqualsIgnoreCase(text, "PRIVATE")) {
        context_.Guard(type, kKind, "private-endpoint", {},
                       "That the API is reached only from inside is not enforced by this version.");
      } else {
        context_.Problem(
            type, kKind,
            "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE");
      }
    }
  }

  void ReadComponents(Node components) {
    if (!context_.IsObject(components, "components")) return;
    for (const Node value : components.children()) {
      const std::string_view name = value.key();
      if (name == "schemas") {
        models_.ReadSchemas(value);
      } else if (name == "securitySchemes") {
        security_.ReadSchemes(value);
      } else if (name == "parameters" || name == "responses" || name == "requestBodies" ||
                 name == "pathItems" || name == "x-amazon-apigateway-integrations") {
        ReadShared(value);
      } else if (name == "examples" || name == "headers" || name == "links" ||
                 name == "callbacks") {
        context_.Describes(value, name);
      } else {
        context_.Unknown(value, {"schemas", "securitySchemes", "parameters", "responses",
                                 "requestBodies", "headers", "examples"});
      }
    }
  }

  // Components that are looked at where they are referred to; what is not is said at the end.
  void ReadShared(Node components) {
    if (!context_.IsObject(components, components.key())) return;
    if (components.size() == 0) context_.Applied(components, components.key());
    shared_.push_back(components);
  }

  // management-and-import.md 3.2.
  void ReadBasePath() {
    std::string base_path;
    Node place;
    if (!version3_) {
      place = root_.Find("basePath");
      if (place) base_path = context_.Text(place, "basePath").value_or("");
    } else {
      ReadServers(base_path, place);
    }
    while (base_path.ends_with('/')) base_path.pop_back();
    if (!base_path.empty() && !base_path.starts_with('/')) base_path.insert(0, "/");
    if (!place) return;
    if (base_path.empty()) {
      context_.Applied(place, "base path");
      return;
    }
    switch (options_.base_path_mode) {
      case BasePathMode::kIgnore:
        context_.Ignored(place, "base path",
                         Concat("The base path ", base_path,
                                " is ignored, as by API Gateway's default; see --base-path."));
        return;
      case BasePathMode::kPrepend:
        prefix_ = base_path;
        break;
      case BasePathMode::kSplit: {
        const size_t second = base_path.find('/', 1);
        prefix_ = second == std::string::npos ? "" : base_path.substr(second);
        break;
      }
    }
    context_.Applied(place, "base path");
    if (prefix_.size() > kMaxPathBytes) {
      context_.Problem(place, "base path", "A path has at most 8,192 characters.");
      prefix_.clear();
    } else if (!prefix_.empty()) {
      if (const auto parsed = PathTemplate::Parse(prefix_); !parsed.ok()) {
        context_.Problem(place, "base path", Message(parsed.status()));
        prefix_.clear();
      }
    }
  }

  void ReadServers(std::string& base_path, Node& place) {
    const Node servers = root_.Find("servers");
    if (!servers) return;
    std::vector<Node> list;
    if (servers.is_object()) {
      // Not what OpenAPI says, but imports let it pass.
      context_.Approximated(servers, "servers",
                            "A list belongs here; it is read as a list of one.");
      list.push_back(servers);
    } else {
      if (!context_.IsArray(servers, "servers")) return;
      if (servers.size() == 0) context_.Applied(servers, "servers");
      for (const Node server : servers.children()) list.push_back(server);
    }
    std::string from_url;
    Node url_place;
    for (const Node server : list) {
      if (!context_.IsObject(server, "server")) continue;
      for (const Node value : server.children()) {
        const std::string_view name = value.key();
        if (name == "url") {
          const std::string url = context_.Text(value, name).value_or("");
          const size_t scheme = url.find("://");
          const size_t slash = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
          std::string path = slash == std::string::npos ? "" : url.substr(slash);
          // A path of variables is what their defaults say.
          if (path.find('{') != std::string::npos) path = WithVariables(path, server);
          if (!url_place && path.size() > 1) {
            url_place = value;
            from_url = path;
          } else {
            context_.Describes(value, "server");
          }
        } else if (name == "variables") {
          const Node variable = value.Find("basePath").Find("default");
          if (variable && !place) {
            place = variable;
            base_path = context_.Text(variable, "basePath").value_or("");
            for (const Node other : value.children()) {
              if (other.key() != "basePath") {
                context_.Describes(other, "server");
              } else {
                for (const Node member : other.children()) {
                  if (!(member == variable)) context_.Describes(member, "server");
                }
              }
            }
          } else {
            context_.Describes(value, "server");
          }
        } else if (name == "x-amazon-apigateway-endpoint-configuration") {
          ReadEndpointConfiguration(value);
        } else if (name == "description" || name == "name") {
          context_.Describes(value, "server");
        } else {
          context_.Unknown(value, {"url", "variables", "description"});
        }
      }
    }
    if (!place) {
      place = url_place;
      base_path = from_url;
    } else if (url_place) {
      context_.Describes(url_place, "server");
    }
  }

  static std::string WithVariables(std::string_view text, Node server) {
    std::string out;
    while (true) {
      const size_t open = text.find('{');
      const size_t close = open == std::string_view::npos ? open : text.find('}', open);
      if (close == std::string_view::npos) break;
      out += text.substr(0, open);
      std::string_view value = server.Find("variables")
                                   .Find(text.substr(open + 1, close - open - 1))
                                   .Find("default")
                                   .text();
      ConsumePrefix(value, "/");
      out += value;
      text.remove_prefix(close + 1);
    }
    out += text;
    return out;
  }

  void ReadPaths() {
    const Node paths = root_.Find("paths");
    if (!paths) {
      context_.Problem(root_, "paths", "It has no paths, so there is nothing to serve.");
    } else if (context_.IsObject(paths, "paths")) {
      if (paths.size() == 0) context_.Applied(paths, "paths");
      for (const Node item : paths.children()) ReadPath(item);
    }
    for (const Node components : shared_) {
      for (const Node component : components.children()) {
        context_.Applied(component, Concat("component of ", components.key()));
      }
    }
  }

  void ReadPath(Node item) {
    std::string_view key = item.key();
    if (key.starts_with("x-")) {
      context_.Unknown(item);
      return;
    }
    const bool default_route = key == "/$default" || key == "$default";
    if (key.starts_with("$") || key.starts_with("/$")) {
      if (!default_route) {
        context_.Problem(item, "path",
                         Concat(key,
                                " is a route of a WebSocket API; these cannot be imported "
                                "from a definition."));
        return;
      }
    }
    const Node resolved = context_.Resolve(item);
    if (!resolved) return;
    if (resolved.is_null()) {
      context_.Applied(item, "path");
      return;
    }
    if (!context_.IsObject(resolved, "path")) return;
    if (default_route) {
      ReadDefaultRoute(resolved);
      return;
    }
    if (!key.starts_with('/')) {
      context_.Problem(item, "path",
                       Concat("resource path '", key, "': it must start with a slash"));
      return;
    }
    if (prefix_.size() + key.size() > kMaxPathBytes) {
      context_.Problem(item, "path", "A path has at most 8,192 characters.");
      return;
    }
    if (http_api_ && key.size() > 1 && key.ends_with('/')) {
      context_.Problem(item, "path",
                       "Routes of HTTP APIs that end in a slash are not supported by this version; "
                       "a greedy variable takes such requests.");
      return;
    }
    const absl::StatusOr<PathTemplate> path = PathTemplate::Parse(Concat(prefix_, key));
    if (!path.ok()) {
      context_.Problem(item, "path", Message(path.status()));
      return;
    }
    if (key.size() > 1 && key.ends_with('/')) {
      context_.Noted(item, "path",
                     "A slash at the end of a path makes no difference: requests with it and "
                     "without are the same.");
    }
    if (resolved.size() == 0) context_.Applied(resolved, "path");
    ReadPathItem(item, resolved, *path);
  }

  // http-api.md 2: what no other route takes, whatever its method.
  void ReadDefaultRoute(Node item) {
    for (const Node value : item.children()) {
      if (value.key() == "x-amazon-apigateway-any-method") {
        *result_.deployment.mutable_default_route() = operations_.Import(
            value, item.Find("parameters"), "ANY", "/{proxy+}", {"proxy"}, filters_.of_api());
      } else if (value.key() == "summary" || value.key() == "description") {
        context_.Describes(value, value.key());
      } else {
        context_.Problem(value, "path",
                         "The route $default has x-amazon-apigateway-any-method only.");
      }
    }
  }

  void ReadPathItem(Node place, Node item, const PathTemplate& path) {
    auto* const methods = resources_.Get(place, path);
    if (methods == nullptr) return;
    const std::string text = path.ToString();
    std::vector<std::string> variables;
    for (const std::string_view name : path.VariableNames()) variables.emplace_back(name);
    FiltersInForce filters = filters_.of_api();
    if (const Node placed = item.Find("x-postern-filters")) {
      auto& of_resource = resources_.Filters(text);
      if (of_resource.empty()) {
        filters_.Import(placed, text, filters, of_resource);
      } else {
        context_.Problem(placed, "filter",
                         "Another path is the same resource and has filters already.");
      }
    }
    for (const Node value : item.children()) {
      const std::string_view name = value.key();
      const auto method = std::find_if(std::begin(kMethods), std::end(kMethods),
                                       [&name](const auto& m) { return m.first == name; });
      if (method != std::end(kMethods)) {
        if (methods->find(method->second) != methods->end()) {
          context_.Problem(
              value, "operation",
              Concat("Another path is the same resource and has ", method->second, " already."));
          continue;
        }
        methods->emplace(method->second,
                         operations_.Import(value, item.Find("parameters"), method->second, text,
                                            variables, filters));
      } else if (name == "x-postern-filters") {
        // Above, before the operations that may override them.
      } else if (name == "parameters") {
        // Covered with the operations; without any there is nothing that they belong to.
        if (value.size() == 0) context_.Applied(value, name);
      } else if (name == "$ref") {
        if (item == place) context_.Describes(value, name);
      } else if (name == "trace") {
        context_.Ignored(value, "operation",
                         "TRACE is no method of API Gateway; its requests find no method.");
      } else if (name == "summary" || name == "description" || name == "servers") {
        context_.Describes(value, name);
      } else {
        context_.Unknown(
            value, {"get", "put", "post", "delete", "options", "head", "patch", "parameters"});
      }
    }
  }

  void Summarize(size_t resources) {
    size_t methods = 0;
    size_t unavailable = 0;
    for (const v1::Resource& resource : result_.deployment.resources()) {
      for (const v1::Method& method : resource.methods()) {
        ++methods;
        if (!method.has_integration()) ++unavailable;
      }
    }
    if (result_.deployment.has_default_route()) {
      ++methods;
      if (!result_.deployment.default_route().has_integration()) ++unavailable;
    }
    std::string summary =
        Concat(http_api_ ? "HTTP" : "REST", " API \"", result_.api.name(), "\" (", result_.api.id(),
               "), ", methods, methods == 1 ? " method" : " methods", " on ", resources,
               resources == 1 ? " resource" : " resources");
    if (unavailable > 0) {
      summary += Concat(", ", unavailable,
                        unavailable == 1 ? " of which answers 500" : " of which answer 500");
    }
    const size_t unenforced = context_.unenforced().size();
    if (unenforced > 0) {
      summary += Concat(", ", unenforced, unenforced == 1 ? " guard" : " guards", " NOT enforced");
    }
    result_.report.SetSummary(std::move(summary));
  }

  const ImportOptions& options_;
  ImportResult& result_;
  ImportContext context_;
  const Node root_;
  SecurityImporter security_;
  ModelImporter models_;
  FilterImporter filters_;
  OperationImporter operations_;
  ResourceTree resources_;
  std::vector<Node> shared_;  // components of 3.x, parameters and responses of 2.0
  std::string prefix_;        // from the base path
  bool version3_ = false;
  bool http_api_ = false;
};

// "file:line:column: what" of a parser, taken apart.
Finding SyntaxFinding(std::string_view message, std::string_view file_name) {
  Finding finding;
  finding.disposition = Disposition::kRefused;
  finding.blocking = true;
  finding.kind = "syntax";
  ConsumePrefix(message, file_name);
  for (int* const number : {&finding.place.line, &finding.place.column}) {
    std::string_view rest = message;
    if (!ConsumePrefix(rest, ":")) break;
    const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), *number);
    if (error != std::errc()) break;
    message = rest.substr(static_cast<size_t>(stop - rest.data()));
  }
  ConsumePrefix(message, ":");
  finding.reason = Concat("Invalid OpenAPI input. ", TrimSpace(message));
  return finding;
}

}  // namespace

ImportResult ImportDefinition(std::string_view text, const ImportOptions& options) {
  ImportResult result;
  result.report = ImportReport(options.file_name);
  DocumentLimits limits;
  limits.max_bytes = kMaxDefinitionBytes;
  const absl::StatusOr<Document> document = ParseDocument(text, options.file_name, limits);
  if (!document.ok()) {
    result.report.Add(SyntaxFinding(Message(document.status()), options.file_name));
    return result;
  }
  Importer(options, *document, result).Run();
  return result;
}

}  // namespace postern
