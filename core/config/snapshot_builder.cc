#include "core/config/snapshot_builder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "core/config/cluster_reader.h"
#include "core/config/listener_reader.h"
#include "core/filter/hook_watchdog.h"
#include "core/observe/access_log_format.h"
#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/id.h"
#include "lib/text/percent.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr uint32_t kFormat = 1;
constexpr int kMaxListeners = 64;
constexpr int kMaxDomains = 1000;
constexpr int kMaxApis = 10000;
constexpr int kMaxMappings = 1200;
constexpr int kMaxRules = 50;
constexpr int kMaxResources = 10000;
constexpr int kMaxVariables = 100;
constexpr size_t kMaxDeployment = size_t{64} << 20;
constexpr size_t kMaxTemplate = 300 * 1024;
constexpr uint32_t kDefaultResultBytes = 6291556;
constexpr CharSet kBasePathChars = kAlnumChars | CharSet("$-_.+!*'()/");
constexpr CharSet kVariableChars = kAlnumChars | CharSet("-._~:/?#&=,");

std::string StageKey(std::string_view api_id, std::string_view stage) {
  return Concat(api_id, "/", stage);
}

std::string Quoted(std::string_view text) { return Concat("\"", text, "\""); }

template <typename Repeated>
void AtMost(const Repeated& list, int most, std::string_view name, const Field& field) {
  if (static_cast<size_t>(list.size()) > static_cast<size_t>(most)) {
    field.Problem(name, Concat("there are more than ", most));
  }
}

std::string_view EndpointTypeName(v1::EndpointType type) {
  switch (type) {
    case v1::ENDPOINT_TYPE_EDGE:
      return "EDGE";
    case v1::ENDPOINT_TYPE_PRIVATE:
      return "PRIVATE";
    default:
      return "REGIONAL";
  }
}

std::string DeploymentId(std::string_view given, std::string_view digest) {
  return given.empty() ? StableId(Concat("deployment\n", digest), kResourceIdSize)
                       : std::string(given);
}

/// Calls `visit` with every method of a deployment that has an integration.
template <typename Visit>
void ForEachMethod(const v1::Deployment& deployment, Visit visit) {
  for (const v1::Resource& resource : deployment.resources()) {
    for (const v1::Method& method : resource.methods()) visit(resource, method);
  }
  if (deployment.has_default_route()) {
    visit(v1::Resource::default_instance(), deployment.default_route());
  }
}

/// Served by this gateway; a problem is said if not.
void CheckApiType(v1::ApiType type, const Field& field) {
  if (KnownEnum(type, v1::ApiType_IsValid, v1::API_TYPE_UNSPECIFIED, "type", field) &&
      type != v1::API_TYPE_REST && type != v1::API_TYPE_HTTP) {
    field.Problem("type", "this gateway serves REST and HTTP APIs only");
  }
}

bool IsGreedy(const PathTemplate& path) {
  return !path.parts().empty() && path.parts().back().kind == PathPart::Kind::kGreedy;
}

// What HTTP APIs do not have (http-api.md §1).
void CheckHttpApi(const v1::Deployment& deployment, const Field& field) {
  if (!deployment.gateway_responses().empty()) {
    field.Problem("gateway_responses", "are for REST APIs");
  }
  if (!deployment.binary_media_types().empty()) {
    field.Problem("binary_media_types", "are for REST APIs");
  }
  if (deployment.has_minimum_compression_bytes()) {
    field.Problem("minimum_compression_bytes", "is for REST APIs");
  }
}

ExecutionLevel ReadLevel(v1::LoggingLevel level) {
  switch (level) {
    case v1::LOGGING_LEVEL_ERROR:
      return ExecutionLevel::kError;
    case v1::LOGGING_LEVEL_INFO:
      return ExecutionLevel::kInfo;
    default:
      return ExecutionLevel::kOff;
  }
}

/// Where a log of a stage goes: an AccessLog or an ExecutionLog.
template <typename Log>
void CheckLogDestination(const Log& log, const Field& field) {
  RefuseUnknownFields(log, field);
  switch (log.destination_case()) {
    case Log::kStandardOutput:
      if (!log.standard_output()) field.Problem("standard_output", "must be true when set");
      break;
    case Log::kFile:
      if (field.Size("file", log.file(), 1, 4096) && !log.file().starts_with('/')) {
        field.Problem("file", "is not an absolute path");
      }
      break;
    case Log::DESTINATION_NOT_SET:
      field.Problem("has no destination");
      break;
  }
}

/// What a request to a cluster has for Host where nothing else says it: its first endpoint.
std::string AuthorityOf(const ClusterConfig& cluster) {
  const EndpointConfig& endpoint = cluster.endpoints.front();
  if (!endpoint.unix_path.empty()) return "localhost";
  const std::string host = endpoint.host.find(':') != std::string::npos
                               ? Concat("[", endpoint.host, "]")
                               : endpoint.host;
  return endpoint.port == (cluster.tls.context != nullptr ? 443 : 80)
             ? host
             : Concat(host, ":", endpoint.port);
}

}  // namespace

SnapshotBuilder::SnapshotBuilder(const v1::Snapshot& message,
                                 const RuntimeSnapshot::Options& options)
    : message_(message), options_(options), root_(&problems_), out_(new RuntimeSnapshot) {}

RuntimeSnapshot::Built SnapshotBuilder::Build() {
  RefuseUnknownFields(message_, root_);
  if (message_.format() == 0) {
    root_.Problem("format", "is 0: this is no snapshot");
  } else if (message_.format() > kFormat) {
    root_.Problem("format", Concat(message_.format(), " is above ", kFormat,
                                   ", the newest that this gateway knows"));
  } else {
    CheckGateway();
    secrets_ = ReadSecrets(message_.secrets(), root_);
    modules_ = ReadModules(message_.modules(), root_);
    CheckListeners();
    CheckApis();
    CheckClusters();
    CheckFunctions();
    CheckDeployments();
    CheckStages();
    CheckDomains();
    if (problems_.ok()) Make();
    out_->secret_files_ = secret_values_.files();
  }
  RuntimeSnapshot::Built built;
  if (problems_.ok()) built.snapshot = std::move(out_);
  built.problems = problems_.TakeProblems();
  built.notes = problems_.TakeNotes();
  return built;
}

// ---- Checking.

void SnapshotBuilder::CheckGateway() {
  const v1::Gateway& gateway = message_.gateway();
  const Field field = root_.Member("gateway");
  RefuseUnknownFields(gateway, field);
  gateway_.account_id = gateway.account_id().empty() ? "000000000000" : gateway.account_id();
  if (gateway_.account_id.size() != 12 ||
      !std::all_of(gateway_.account_id.begin(), gateway_.account_id.end(), IsDigit)) {
    field.Problem("account_id", Concat(Quoted(gateway_.account_id), " is not twelve digits"));
  }
  gateway_.region = gateway.region().empty() ? "us-east-1" : gateway.region();
  gateway_.partition = gateway.partition().empty() ? "aws" : gateway.partition();
  for (const auto& [name, value] :
       {std::pair("region", &gateway_.region), std::pair("partition", &gateway_.partition)}) {
    if (field.Size(name, *value, 1, 64) && !IsName(*value, "-")) {
      field.Problem(name, "may consist of letters, digits and - only");
    }
  }
  gateway_.execute_api_hosts = !gateway.has_execute_api_hosts() || gateway.execute_api_hosts();
  gateway_.path_style_urls = !gateway.has_path_style_urls() || gateway.path_style_urls();
  if (gateway.has_throttle()) field.Problem("throttle", "this gateway cannot enforce it");
}

void SnapshotBuilder::CheckListeners() {
  if (message_.listeners().empty()) root_.Problem("listeners", "there is none");
  AtMost(message_.listeners(), kMaxListeners, "listeners", root_);
  std::set<std::string> names;
  for (int i = 0; i < message_.listeners_size(); ++i) {
    const Field field = root_.Item("listeners", i);
    ListenerConfig config = ReadListener(message_.listeners(i), secrets_, field);
    if (!names.insert(config.name).second) {
      field.Problem("name", Concat(Quoted(config.name), " is already taken"));
    }
    out_->listeners_.push_back(std::move(config));
  }
}

void SnapshotBuilder::CheckApis() {
  AtMost(message_.apis(), kMaxApis, "apis", root_);
  for (int i = 0; i < message_.apis_size(); ++i) {
    const v1::Api& api = message_.apis(i);
    const Field field = root_.Item("apis", i);
    RefuseUnknownFields(api, field);
    constexpr CharSet kIdChars = CharSet("abcdefghijklmnopqrstuvwxyz0123456789-");
    if (field.Size("id", api.id(), 1, 64) && !kIdChars.HasAll(api.id())) {
      field.Problem("id", Concat(Quoted(api.id()), " has characters other than a-z, 0-9 and -"));
    }
    if (!api_index_.emplace(api.id(), i).second) {
      field.Problem("id", Concat(Quoted(api.id()), " is already taken"));
    }
    field.Size("name", api.name(), 0, 1024);
    CheckApiType(api.type(), field);
    KnownEnum(api.endpoint_type(), v1::EndpointType_IsValid, kNoneRefused, "endpoint_type", field);
    if (!api.vpc_endpoint_ids().empty() && api.endpoint_type() != v1::ENDPOINT_TYPE_PRIVATE) {
      field.Problem("vpc_endpoint_ids", "are for private APIs");
    }
    AtMost(api.tags(), 50, "tags", field);
  }
}

void SnapshotBuilder::CheckClusters() {
  const ClusterReaderEnv env{&secrets_, gateway_.region, nullptr, nullptr};
  for (int i = 0; i < message_.clusters_size(); ++i) {
    const Field field = root_.Item("clusters", i);
    clusters_.push_back(ReadCluster(message_.clusters(i), env, field));
    if (!cluster_index_.emplace(clusters_.back().name, i).second) {
      field.Problem("name", Concat(Quoted(clusters_.back().name), " is already taken"));
    }
  }
}

void SnapshotBuilder::CheckFunctions() {
  for (int i = 0; i < message_.functions_size(); ++i) {
    const v1::Function& function = message_.functions(i);
    const Field field = root_.Item("functions", i);
    RefuseUnknownFields(function, field);
    field.Size("name", function.name(), 1, 512);
    if (!function_index_.emplace(function.name(), i).second) {
      field.Problem("name", Concat(Quoted(function.name()), " is already taken"));
    }
    if (cluster_index_.count(function.cluster()) == 0) {
      field.Problem("cluster", Concat("there is no cluster ", Quoted(function.cluster())));
    }
    KnownEnum(function.mode(), v1::InvokeMode_IsValid, v1::INVOKE_MODE_UNSPECIFIED, "mode", field);
    if (field.Size("path", function.path(), 0, 1024) && !function.path().empty() &&
        (!function.path().starts_with('/') ||
         !(kPathChars | CharSet("%")).HasAll(function.path()))) {
      field.Problem("path", "is no path in origin form");
    }
    if (function.mode() == v1::INVOKE_MODE_INVOKE_API && function.path().empty()) {
      field.Size("function_name", function.function_name(), 1, 1024);
    }
    if (function.has_max_result_bytes()) {
      field.InRange("max_result_bytes", function.max_result_bytes(), 1, 64 << 20);
    }
  }
}

void SnapshotBuilder::CheckDeployments() {
  for (int i = 0; i < message_.deployments_size(); ++i) {
    const v1::StoredDeployment& stored = message_.deployments(i);
    const Field field = root_.Item("deployments", i);
    RefuseUnknownFields(stored, field);
    const auto [at, fresh] = deployments_.try_emplace(stored.digest());
    if (!fresh) {
      field.Problem("digest", "comes twice");
      continue;
    }
    CheckDeployment(stored, field, &at->second);
  }
}

void SnapshotBuilder::CheckDeployment(const v1::StoredDeployment& stored, const Field& field,
                                      Parsed* parsed) {
  if (stored.content().size() > kMaxDeployment) {
    field.Problem("content", Concat("has more than ", kMaxDeployment, " bytes"));
    return;
  }
  if (Sha256Hex(stored.content()) != stored.digest()) {
    field.Problem("digest", "is not the SHA-256 of the content");
    return;
  }
  if (!parsed->message.ParseFromString(stored.content())) {
    field.Problem("content", "is no serialized Deployment");
    return;
  }
  const v1::Deployment& deployment = parsed->message;
  RefuseUnknownFields(deployment, field);
  CheckApiType(deployment.type(), field);
  const bool http_api = deployment.type() == v1::API_TYPE_HTTP;
  if (http_api) CheckHttpApi(deployment, field);
  AtMost(deployment.resources(), kMaxResources, "resources", field);

  auto runtime = std::make_shared<Deployment>();
  runtime->digest = stored.digest();
  runtime->http_api = http_api;
  RouteTree::Builder tree;
  RouteTree::Builder greedy_tree;  // of an HTTP API
  std::vector<std::pair<const v1::Resource*, const v1::Method*>> methods;
  std::vector<MethodFacts> facts;  // of `methods`
  std::set<std::string> ids;
  std::set<std::string> paths;
  for (int i = 0; i < deployment.resources_size(); ++i) {
    const v1::Resource& resource = deployment.resources(i);
    const Field item = field.Item("resources", i);
    RefuseUnknownFields(resource, item);
    if (item.Size("id", resource.id(), 1, 64) && !ids.insert(resource.id()).second) {
      item.Problem("id", Concat(Quoted(resource.id()), " is already taken"));
    }
    if (!paths.insert(resource.path()).second) {
      item.Problem("path", Concat(Quoted(resource.path()), " comes twice"));
    }
    const absl::StatusOr<PathTemplate> path = PathTemplate::Parse(resource.path());
    if (!path.ok()) {
      item.Problem("path", std::string(path.status().message()));
      continue;
    }
    if (path->ToString() != resource.path()) item.Problem("path", "ends with a slash");
    MethodMask declared = 0;
    for (int j = 0; j < resource.methods_size(); ++j) {
      const v1::Method& method = resource.methods(j);
      const Field method_field = item.Item("methods", j);
      CheckMethod(deployment, method, method_field);
      const MethodMask bit = ParseMethodBit(method.http_method());
      if (bit == 0) {
        method_field.Problem("http_method", Concat(Quoted(method.http_method()), " is no method"));
        continue;
      }
      if ((declared & bit) != 0) {
        method_field.Problem("http_method", Concat(method.http_method(), " comes twice"));
        continue;
      }
      declared |= bit;
      const absl::Status added = (http_api && IsGreedy(*path) ? greedy_tree : tree)
                                     .Add(*path, bit, static_cast<uint32_t>(methods.size()));
      if (!added.ok()) {
        item.Problem("path", std::string(added.message()));
        continue;
      }
      methods.emplace_back(&resource, &method);
      MethodFacts& made = facts.emplace_back();
      made.resource_id = runtime->text.Intern(
          http_api ? Concat(method.http_method(), " ", resource.path()) : resource.id());
      made.resource_path = runtime->text.Intern(resource.path());
      made.operation_name = runtime->text.Intern(method.operation_name());
      made.variables = runtime->text.InternList(path->VariableNames());
      made.variable_count = static_cast<uint32_t>(path->VariableNames().size());
      made.declared = bit;
    }
  }
  if (deployment.has_default_route()) {
    if (http_api) {
      CheckMethod(deployment, deployment.default_route(), field.Member("default_route"));
      if (deployment.default_route().http_method() != "ANY") {
        field.Member("default_route").Problem("http_method", "is not ANY");
      }
    } else {
      field.Problem("default_route", "is for HTTP APIs");
    }
  }
  if (!deployment.websocket_routes().empty() || deployment.has_websocket()) {
    field.Problem("websocket", "is for WebSocket APIs");
  }
  if (!deployment.resource_policy_json().empty()) {
    field.Problem("resource_policy_json", "this gateway cannot evaluate resource policies");
  }
  CheckFilters(field, parsed);
  if (deployment.has_cors()) {
    RefuseUnknownFields(deployment.cors(), field.Member("cors"));
    if (!http_api) field.Problem("cors", "is for HTTP APIs");
  }
  if (deployment.has_minimum_compression_bytes()) {
    field.InRange("minimum_compression_bytes", deployment.minimum_compression_bytes(), 0, 10485760);
  }
  KnownEnum(deployment.api_key_source(), v1::ApiKeySource_IsValid, kNoneRefused, "api_key_source",
            field);
  for (int i = 0; i < deployment.unenforced_size(); ++i) {
    field.Item("unenforced", i).Note("guard", deployment.unenforced(i));
  }
  std::vector<ReplySpec> replies;
  CheckGatewayResponses(deployment, field, &replies);

  std::vector<uint32_t> numbers;
  runtime->tree = tree.Build(&numbers);
  if (http_api) {
    runtime->greedy_base = static_cast<uint32_t>(numbers.size());
    std::vector<uint32_t> greedy;
    runtime->greedy_tree = greedy_tree.Build(&greedy);
    numbers.insert(numbers.end(), greedy.begin(), greedy.end());
    AddOwnRoutes(deployment, runtime.get(), parsed, &numbers, &methods, &facts);
  }
  runtime->methods.reserve(numbers.size());
  for (const uint32_t number : numbers) {
    parsed->methods.push_back(methods[number]);
    runtime->methods.push_back(facts[number]);
  }
  runtime->replies =
      http_api ? ApiReplies::MakeHttpApi() : std::make_unique<const ApiReplies>(std::move(replies));
  runtime->binary_media_types = BinaryMediaTypes(std::vector<std::string>(
      deployment.binary_media_types().begin(), deployment.binary_media_types().end()));
  runtime->execute_api_endpoint_disabled = deployment.disable_execute_api_endpoint();
  parsed->runtime = std::move(runtime);
  parsed->sound = true;
}

// The route of an HTTP API that is no resource: `$default`.
void SnapshotBuilder::AddOwnRoutes(
    const v1::Deployment& deployment, Deployment* runtime, Parsed* parsed,
    std::vector<uint32_t>* numbers,
    std::vector<std::pair<const v1::Resource*, const v1::Method*>>* methods,
    std::vector<MethodFacts>* facts) {
  if (!deployment.has_default_route()) return;
  // The rest of the path is what an HTTP integration of `$default` puts behind its own.
  const std::vector<std::string_view> rest = {"proxy"};
  parsed->default_resource.set_path("$default");
  runtime->default_route = static_cast<uint32_t>(numbers->size());
  numbers->push_back(static_cast<uint32_t>(methods->size()));
  methods->emplace_back(&parsed->default_resource, &deployment.default_route());
  MethodFacts& made = facts->emplace_back();
  made.resource_id = made.resource_path = runtime->text.Intern("$default");
  made.operation_name = runtime->text.Intern(deployment.default_route().operation_name());
  made.variables = runtime->text.InternList(rest);
  made.variable_count = static_cast<uint32_t>(rest.size());
  made.declared = kAnyMethodBit;
}

void SnapshotBuilder::CheckMethod(const v1::Deployment& deployment, const v1::Method& method,
                                  const Field& field) {
  RefuseUnknownFields(method, field);
  if (method.has_integration() == !method.unavailable_reason().empty()) {
    field.Problem("integration",
                  method.has_integration() ? "stands beside unavailable_reason" : "is not set");
  }
  // Guards, none of which may be skipped.
  const v1::Authorization& authorization = method.authorization();
  RefuseUnknownFields(authorization, field.Member("authorization"));
  if (authorization.type() != v1::Authorization::TYPE_NONE) {
    field.Member("authorization")
        .Problem("type", v1::Authorization::Type_IsValid(authorization.type())
                             ? Concat("this gateway cannot enforce ",
                                      v1::Authorization::Type_Name(authorization.type()))
                             : Concat("the value ", static_cast<int>(authorization.type()),
                                      " is unknown to this gateway"));
  }
  if (method.api_key_required()) {
    field.Problem("api_key_required", "this gateway cannot enforce it");
  }
  if (deployment.type() == v1::API_TYPE_HTTP &&
      (method.validate_parameters() || method.validate_body())) {
    field.Problem("validate_parameters", "HTTP APIs do not validate requests");
  }

  std::set<std::pair<int, std::string>> parameters;
  for (int i = 0; i < method.request_parameters_size(); ++i) {
    const v1::RequestParameter& parameter = method.request_parameters(i);
    const Field item = field.Item("request_parameters", i);
    KnownEnum(parameter.location(), v1::ParameterLocation_IsValid,
              v1::PARAMETER_LOCATION_UNSPECIFIED, "location", item);
    item.Size("name", parameter.name(), 1, 256);
    if (!parameters.emplace(parameter.location(), parameter.name()).second) {
      item.Problem("name", Concat(Quoted(parameter.name()), " comes twice"));
    }
  }
  for (int i = 0; i < method.request_models_size(); ++i) {
    const std::string& model = method.request_models(i).model();
    if (std::none_of(deployment.models().begin(), deployment.models().end(),
                     [&](const v1::Model& candidate) { return candidate.name() == model; })) {
      field.Item("request_models", i).Problem("model", Concat("there is no model ", Quoted(model)));
    }
  }
  for (int i = 0; i < method.responses_size(); ++i) {
    field.Item("responses", i).InRange("status_code", method.responses(i).status_code(), 100, 599);
  }
  if (method.has_integration())
    CheckIntegration(method, deployment.type() == v1::API_TYPE_HTTP, field.Member("integration"));
}

// Filters of the API, its resources and methods, which may override each other.
void SnapshotBuilder::CheckFilters(const Field& field, Parsed* parsed) {
  const v1::Deployment& deployment = parsed->message;
  CheckFilterUpstreams(deployment, field);
  PlacedFilters of_api;
  parsed->api_filters =
      ReadFilters(deployment.filters(), modules_, /*is_api=*/true, &secret_values_, &of_api, field);
  for (int i = 0; i < deployment.resources_size(); ++i) {
    const v1::Resource& resource = deployment.resources(i);
    const Field item = field.Item("resources", i);
    PlacedFilters of_resource;
    if (!resource.filters().empty()) {
      of_resource = of_api;
      parsed->filters[&resource] = ReadFilters(resource.filters(), modules_, /*is_api=*/false,
                                               &secret_values_, &of_resource, item);
    }
    for (int j = 0; j < resource.methods_size(); ++j) {
      const v1::Method& method = resource.methods(j);
      if (method.filters().empty()) continue;
      PlacedFilters of_method = resource.filters().empty() ? of_api : of_resource;
      parsed->filters[&method] = ReadFilters(method.filters(), modules_, /*is_api=*/false,
                                             &secret_values_, &of_method, item.Item("methods", j));
    }
  }
  if (!deployment.default_route().filters().empty()) {
    PlacedFilters of_route = of_api;
    parsed->filters[&deployment.default_route()] =
        ReadFilters(deployment.default_route().filters(), modules_, /*is_api=*/false,
                    &secret_values_, &of_route, field.Member("default_route"));
  }
}

void SnapshotBuilder::CheckGatewayResponses(const v1::Deployment& deployment, const Field& field,
                                            std::vector<ReplySpec>* replies) {
  std::set<std::string> types;
  for (int i = 0; i < deployment.gateway_responses_size(); ++i) {
    const v1::GatewayResponse& response = deployment.gateway_responses(i);
    const Field item = field.Item("gateway_responses", i);
    RefuseUnknownFields(response, item);
    ReplySpec spec;
    spec.type = ParseResponseType(response.type());
    if (spec.type == ResponseType::kNone) {
      item.Problem("type", Concat(Quoted(response.type()), " is no response type"));
    } else if (!types.insert(response.type()).second) {
      item.Problem("type", Concat(response.type(), " comes twice"));
    }
    if (response.has_status_code() &&
        item.InRange("status_code", response.status_code(), 200, 599)) {
      spec.status = static_cast<uint16_t>(response.status_code());
    }
    std::set<std::string> names;
    for (int j = 0; j < response.headers_size(); ++j) {
      const v1::GatewayResponseHeader& header = response.headers(j);
      const Field header_field = item.Item("headers", j);
      RefuseUnknownFields(header, header_field);
      if (!IsToken(header.name())) {
        header_field.Problem("name", Concat(Quoted(header.name()), " is no field name"));
      } else if (IsFramingField(LookupHeader(header.name()))) {
        header_field.Problem("name", Concat(header.name(), " is the gateway's own to write"));
      } else if (!names.insert(AsciiToLower(header.name())).second) {
        header_field.Problem("name", Concat(header.name(), " comes twice"));
      }
      if (auto value = ReadValueSource(header.value(), header_field.Member("value"))) {
        spec.headers.push_back({header.name(), *std::move(value)});
      }
    }
    for (int j = 0; j < response.templates_size(); ++j) {
      const v1::GatewayResponseTemplate& body = response.templates(j);
      const Field template_field = item.Item("templates", j);
      RefuseUnknownFields(body, template_field);
      if (template_field.Size("content_type", body.content_type(), 1, 256) &&
          !IsFieldValue(body.content_type())) {
        template_field.Problem("content_type", "is no field value");
      }
      template_field.Size("body", body.body(), 0, kMaxTemplate);
      spec.templates.push_back({body.content_type(), body.body()});
    }
    replies->push_back(std::move(spec));
  }
}

void SnapshotBuilder::CheckStages() {
  access_logs_.resize(static_cast<size_t>(message_.stages_size()));
  for (int i = 0; i < message_.stages_size(); ++i) {
    const v1::Stage& stage = message_.stages(i);
    const Field field = root_.Item("stages", i);
    RefuseUnknownFields(stage, field);
    const auto api = api_index_.find(stage.api_id());
    if (api == api_index_.end()) {
      field.Problem("api_id", Concat("there is no API ", Quoted(stage.api_id())));
    }
    const int api_at = api == api_index_.end() ? -1 : api->second;
    const bool http_api =
        api != api_index_.end() && message_.apis(api->second).type() == v1::API_TYPE_HTTP;
    if (field.Size("name", stage.name(), 1, 128) && !IsName(stage.name(), "_-") &&
        !(http_api && stage.name() == "$default")) {
      field.Problem("name", Concat(Quoted(stage.name()),
                                   " has characters other than letters, digits, _ and -"));
    }
    if (!stage_index_.emplace(StageKey(stage.api_id(), stage.name()), i).second) {
      field.Problem("name", Concat("the API has a stage ", Quoted(stage.name()), " already"));
    }
    const Parsed* parsed =
        CheckPointer(stage.deployment_digest(), "deployment_digest", api_at, field);
    field.Size("deployment_id", stage.deployment_id(), 0, 64);
    CheckVariables(stage.variables(), "variables", field);
    CheckBindings(stage, parsed, field);
    CheckMethodSettings(stage, field);
    if (stage.has_access_log()) {
      const v1::AccessLog& log = stage.access_log();
      const Field item = field.Member("access_log");
      CheckLogDestination(log, item);
      auto format = AccessLogFormat::Compile(log.format());
      if (format.ok()) {
        access_logs_[static_cast<size_t>(i)] =
            std::make_shared<const AccessLogFormat>(*std::move(format));
      } else {
        item.Problem("format", std::string(format.status().message()));
      }
    }
    if (stage.has_execution_log()) {
      CheckLogDestination(stage.execution_log(), field.Member("execution_log"));
    }
    if (stage.has_canary()) {
      const v1::Canary& canary = stage.canary();
      const Field item = field.Member("canary");
      RefuseUnknownFields(canary, item);
      if (!(canary.percent_traffic() >= 0 && canary.percent_traffic() <= 100)) {
        item.Problem("percent_traffic", "is not between 0 and 100");
      }
      const Parsed* canary_parsed =
          CheckPointer(canary.deployment_digest(), "deployment_digest", api_at, item);
      CheckVariables(canary.variable_overrides(), "variable_overrides", item);
      CheckBindings(canary, canary_parsed, item);
    }
    if (stage.has_cache()) field.Problem("cache", "this gateway does not cache");
    if (stage.has_throttle()) field.Problem("throttle", "this gateway cannot enforce it");
    AtMost(stage.tags(), 50, "tags", field);
  }
  for (int i = 0; i < message_.deployments_size(); ++i) {
    const auto found = deployments_.find(message_.deployments(i).digest());
    if (found != deployments_.end() && !found->second.used) {
      root_.Item("deployments", i).Problem("no stage and no canary points at it");
    }
  }
}

SnapshotBuilder::Parsed* SnapshotBuilder::CheckPointer(std::string_view digest,
                                                       std::string_view name, int api,
                                                       const Field& field) {
  const auto found = deployments_.find(std::string(digest));
  if (found == deployments_.end()) {
    field.Problem(name, Concat("there is no deployment ", Quoted(digest)));
    return nullptr;
  }
  Parsed& parsed = found->second;
  parsed.used = true;
  if (!parsed.sound) return nullptr;
  if (api >= 0 && message_.apis(api).type() != parsed.message.type()) {
    field.Problem(name, "points at a deployment of another type of API");
  }
  return &parsed;
}

void SnapshotBuilder::CheckVariables(
    const google::protobuf::Map<std::string, std::string>& variables, std::string_view name,
    const Field& field) {
  AtMost(variables, kMaxVariables, name, field);
  for (const auto& [key, value] : variables) {
    const Field item = field.Entry(name, key);
    if (key.empty() || key.size() > 64 || !IsName(key, "_")) {
      item.Problem("is no name of a stage variable: 1 to 64 letters, digits and _");
    }
    if (value.size() > 512) item.Problem("has more than 512 bytes");
    if (!kVariableChars.HasAll(value)) {
      item.Problem("has characters other than letters, digits and -._~:/?#&=,");
    }
  }
}

// `stage` is a Stage or a Canary: both bind what their deployment asks for.
template <typename Message>
void SnapshotBuilder::CheckBindings(const Message& stage, const Parsed* parsed,
                                    const Field& field) {
  std::set<std::string> upstreams;
  for (int i = 0; i < stage.upstreams_size(); ++i) {
    const v1::UpstreamBinding& binding = stage.upstreams(i);
    const Field item = field.Item("upstreams", i);
    RefuseUnknownFields(binding, item);
    if (!upstreams.insert(binding.upstream()).second) {
      item.Problem("upstream", Concat(Quoted(binding.upstream()), " is bound twice"));
    }
    if (binding.cluster().empty()) continue;
    if (cluster_index_.count(binding.cluster()) == 0) {
      item.Problem("cluster", Concat("there is no cluster ", Quoted(binding.cluster())));
    }
    if (item.Size("authority", binding.authority(), 1, 1024) &&
        !IsFieldValue(binding.authority())) {
      item.Problem("authority", "is no value of a Host field");
    }
    const std::string& prefix = binding.path_prefix();
    if (!prefix.empty() && (!prefix.starts_with('/') || prefix.ends_with('/'))) {
      item.Problem("path_prefix", "must start with a slash and not end with one");
    }
  }
  std::set<std::string> functions;
  for (int i = 0; i < stage.functions_size(); ++i) {
    const v1::FunctionBinding& binding = stage.functions(i);
    const Field item = field.Item("functions", i);
    RefuseUnknownFields(binding, item);
    if (!functions.insert(binding.function()).second) {
      item.Problem("function", Concat(Quoted(binding.function()), " is bound twice"));
    }
    if (!binding.target().empty() && function_index_.count(binding.target()) == 0) {
      item.Problem("target", Concat("there is no function ", Quoted(binding.target())));
    }
  }
  if (parsed == nullptr) return;
  std::set<std::string> missing;
  for (const v1::FilterUpstream& upstream : parsed->message.filter_upstreams()) {
    if (upstreams.count(upstream.target().upstream()) == 0 &&
        missing.insert(upstream.target().upstream()).second) {
      field.Problem("upstreams", Concat(Quoted(upstream.target().upstream()), " is not bound"));
    }
  }
  ForEachMethod(parsed->message, [&](const v1::Resource&, const v1::Method& method) {
    const v1::Integration& integration = method.integration();
    if (integration.has_http() && upstreams.count(integration.http().upstream()) == 0 &&
        missing.insert(integration.http().upstream()).second) {
      field.Problem("upstreams", Concat(Quoted(integration.http().upstream()), " is not bound"));
    }
    if (integration.has_aws_service() &&
        upstreams.count(integration.aws_service().upstream()) == 0 &&
        missing.insert(integration.aws_service().upstream()).second) {
      field.Problem("upstreams",
                    Concat(Quoted(integration.aws_service().upstream()), " is not bound"));
    }
    if (integration.has_lambda() && functions.count(integration.lambda().function()) == 0 &&
        missing.insert(integration.lambda().function()).second) {
      field.Problem("functions", Concat(Quoted(integration.lambda().function()), " is not bound"));
    }
  });
}

void SnapshotBuilder::CheckMethodSettings(const v1::Stage& stage, const Field& field) {
  for (int i = 0; i < stage.method_settings_size(); ++i) {
    const v1::MethodSettings& settings = stage.method_settings(i);
    const Field item = field.Item("method_settings", i);
    RefuseUnknownFields(settings, item);
    if ((settings.resource_path() == "*") != (settings.http_method() == "*")) {
      item.Problem("http_method", "is \"*\" exactly where the path is");
    }
    KnownEnum(settings.logging_level(), v1::LoggingLevel_IsValid, kNoneRefused, "logging_level",
              item);
    if (settings.has_throttle()) item.Problem("throttle", "this gateway cannot enforce it");
    if (settings.caching_enabled()) item.Problem("caching_enabled", "this gateway does not cache");
    if (settings.data_trace_enabled() && settings.logging_level() == v1::LOGGING_LEVEL_OFF) {
      item.Note("data_trace_enabled", "has no effect where logging_level is OFF");
    }
  }
}

void SnapshotBuilder::CheckTarget(const std::string& api_id, const std::string& stage,
                                  const Field& field) {
  if (api_index_.count(api_id) == 0) {
    field.Problem("api_id", Concat("there is no API ", Quoted(api_id)));
  } else if (stage_index_.count(StageKey(api_id, stage)) == 0) {
    field.Problem("stage", Concat("API ", api_id, " has no stage ", Quoted(stage)));
  }
}

void SnapshotBuilder::CheckDomains() {
  AtMost(message_.domains(), kMaxDomains, "domains", root_);
  std::set<std::string> names;
  for (int i = 0; i < message_.domains_size(); ++i) {
    const Field field = root_.Item("domains", i);
    CheckDomain(message_.domains(i), field);
    if (!names.insert(message_.domains(i).name()).second) {
      field.Problem("name", Concat(Quoted(message_.domains(i).name()), " is already taken"));
    }
  }
}

void SnapshotBuilder::CheckDomain(const v1::Domain& domain, const Field& field) {
  RefuseUnknownFields(domain, field);
  const std::string& name = domain.name();
  if (field.Size("name", name, 1, 253)) {
    std::string_view rest = name;
    if (rest.starts_with("*.")) rest.remove_prefix(2);
    if (rest != "*" && (!IsName(rest, "._-") || AsciiToLower(rest) != rest)) {
      field.Problem("name", Concat(Quoted(name), " is no domain name in lower case"));
    }
  }
  KnownEnum(domain.routing_mode(), v1::RoutingMode_IsValid, kNoneRefused, "routing_mode", field);
  AtMost(domain.mappings(), kMaxMappings, "mappings", field);
  std::set<std::string> base_paths;
  const auto check_base_path = [](const std::string& base_path, size_t most, const Field& item) {
    if (base_path.empty()) return;
    item.Size("base_path", base_path, 1, most);
    if (base_path.starts_with('/') || base_path.ends_with('/')) {
      item.Problem("base_path", "begins or ends with a slash");
    }
    if (base_path.find("//") != base_path.npos) {
      item.Problem("base_path", "has an empty segment");
    }
    if (!kBasePathChars.HasAll(base_path)) {
      item.Problem("base_path", "has characters other than letters, digits and $-_.+!*'()/");
    }
  };
  for (int i = 0; i < domain.mappings_size(); ++i) {
    const v1::BasePathMapping& mapping = domain.mappings(i);
    const Field item = field.Item("mappings", i);
    RefuseUnknownFields(mapping, item);
    check_base_path(mapping.base_path(), 300, item);
    if (!base_paths.insert(mapping.base_path()).second) {
      item.Problem("base_path", Concat(Quoted(mapping.base_path()), " comes twice"));
    }
    CheckTarget(mapping.api_id(), mapping.stage(), item);
  }
  AtMost(domain.rules(), kMaxRules, "rules", field);
  std::set<uint32_t> priorities;
  for (int i = 0; i < domain.rules_size(); ++i) {
    const v1::RoutingRule& rule = domain.rules(i);
    const Field item = field.Item("rules", i);
    RefuseUnknownFields(rule, item);
    item.InRange("priority", rule.priority(), 1, 1000000);
    if (!priorities.insert(rule.priority()).second) {
      item.Problem("priority", Concat(rule.priority(), " comes twice"));
    }
    AtMost(rule.headers(), 2, "headers", item);
    for (int j = 0; j < rule.headers_size(); ++j) {
      const v1::HeaderCondition& condition = rule.headers(j);
      const Field condition_field = item.Item("headers", j);
      RefuseUnknownFields(condition, condition_field);
      if (condition_field.Size("name", condition.name(), 1, 40) && !IsToken(condition.name())) {
        condition_field.Problem("name", Concat(Quoted(condition.name()), " is no field name"));
      }
      const std::string& glob = condition.value_glob();
      if (condition_field.Size("value_glob", glob, 1, 128) && glob.size() > 2 &&
          glob.find('*', 1) < glob.size() - 1) {
        condition_field.Problem("value_glob", "has a * that is neither its start nor its end");
      }
    }
    check_base_path(rule.base_path(), 128, item);
    CheckTarget(rule.api_id(), rule.stage(), item);
  }
}

// ---- Making.

void SnapshotBuilder::MakeClusters() {
  ClusterReaderEnv env{&secrets_, gateway_.region, options_.credentials, nullptr};
  const ClusterSet* previous =
      options_.previous != nullptr ? options_.previous->cluster_set_.get() : nullptr;
  if (previous != nullptr) {
    env.previous = [previous](const std::string& name) -> std::shared_ptr<const ClusterConfig> {
      const auto id = previous->Find(name);
      return id.has_value() ? previous->at(*id).config : nullptr;
    };
  }
  for (int i = 0; i < message_.clusters_size(); ++i) {
    const v1::Cluster& cluster = message_.clusters(i);
    MakeClusterTls(cluster, env, root_.Item("clusters", i), &clusters_[static_cast<size_t>(i)]);
  }
  out_->cluster_set_ = ClusterSet::Build(std::move(clusters_), options_.workers, previous);
}

void SnapshotBuilder::MakeFunctions() {
  for (const v1::Function& message : message_.functions()) {
    auto function = std::make_shared<LambdaFunction>();
    const bool emulator = message.mode() == v1::INVOKE_MODE_RUNTIME_INTERFACE;
    FunctionLimits limits;
    limits.concurrency_per_endpoint = message.has_concurrency_per_endpoint()
                                          ? message.concurrency_per_endpoint()
                                          : (emulator ? 1 : 0);
    if (message.has_queue_limit()) limits.queue_limit = message.queue_limit();
    limits.queue_timeout_ms = message.queue_timeout_ms();

    function->name = message.name();
    const ClusterSet& set = *out_->cluster_set_;
    function->cluster = {&set, *set.Find(message.cluster())};
    const ClusterConfig& cluster = *set.at(function->cluster.id).config;
    function->mode =
        emulator ? LambdaFunction::Mode::kRuntimeInterface : LambdaFunction::Mode::kInvokeApi;
    if (!message.path().empty()) {
      function->target = message.path();
    } else if (emulator) {
      function->target = "/2015-03-31/functions/function/invocations";
    } else {
      function->target =
          Concat("/2015-03-31/functions/", PercentEncode(message.function_name(), kUnreservedChars),
                 "/invocations");
    }
    if (!emulator && !message.qualifier().empty()) {
      function->target +=
          Concat("?Qualifier=", PercentEncode(message.qualifier(), kUnreservedChars));
    }
    function->https = cluster.tls.context != nullptr;
    function->authority = AuthorityOf(cluster);
    function->max_result_bytes =
        message.has_max_result_bytes() ? message.max_result_bytes() : kDefaultResultBytes;

    if (options_.previous != nullptr) {
      for (const auto& pool : options_.previous->functions_) {
        if (pool->name() == message.name()) function->pool = pool;
      }
    }
    if (function->pool == nullptr) {
      function->pool = std::make_shared<FunctionPool>(message.name(), limits, options_.workers);
    }
    out_->functions_.push_back(function->pool);
    out_->function_limits_.push_back(limits);
    functions_.push_back(std::move(function));
  }
}

// Variables of a stage, or with `overrides` of its canary.
std::map<std::string, std::string> SnapshotBuilder::MergeVariables(
    const google::protobuf::Map<std::string, std::string>& variables,
    const google::protobuf::Map<std::string, std::string>* overrides) {
  std::map<std::string, std::string> merged(variables.begin(), variables.end());
  if (overrides != nullptr) {
    for (const auto& [name, value] : *overrides) merged[name] = value;
  }
  return merged;
}

// What each stage and canary takes of the gateway's own filters.
void SnapshotBuilder::MakeStandardFilters() {
  for (const v1::Stage& stage : message_.stages()) {
    const auto make = [&](const std::string& digest, bool canary,
                          const std::map<std::string, std::string>& variables) {
      const Parsed& parsed = deployments_.at(digest);
      const auto& upstreams = canary ? stage.canary().upstreams() : stage.upstreams();
      standard_.emplace(
          std::pair(&stage, canary),
          StandardFilters({parsed.message, stage, variables, upstreams}, parsed.api_filters));
    };
    make(stage.deployment_digest(), false, MergeVariables(stage.variables(), nullptr));
    if (stage.has_canary()) {
      make(stage.canary().deployment_digest(), true,
           MergeVariables(stage.variables(), &stage.canary().variable_overrides()));
    }
  }
}

bool SnapshotBuilder::UsesModules() const {
  return message_.modules_size() > 0 ||
         std::any_of(standard_.begin(), standard_.end(),
                     [](const auto& one) { return !one.second.modules().empty(); });
}

// Loads what the stages' filters need, no more.
void SnapshotBuilder::LoadModules() {
  std::set<std::string> used;
  std::set<std::string> standard;
  for (const auto& [place, filters] : standard_) {
    standard.insert(filters.modules().begin(), filters.modules().end());
  }
  const auto add = [&used](const std::vector<FilterSpec>& filters) {
    for (const FilterSpec& filter : filters) {
      if (!filter.module.empty()) used.insert(filter.module);
    }
  };
  for (const auto& [digest, parsed] : deployments_) {
    add(parsed.api_filters);
    for (const auto& [scope, filters] : parsed.filters) add(filters);
  }
  for (int i = 0; i < message_.modules_size(); ++i) {
    const std::string& name = message_.modules(i).name();
    const Field field = root_.Item("modules", i);
    // One that the gateway wants itself may be pinned here.
    if (used.count(name) == 0 && standard.count(name) == 0) {
      field.Note("name", Concat("no filter uses ", Quoted(name), "; it is not loaded"));
      continue;
    }
    standard.erase(name);
    LoadModule(modules_.at(name), field);
  }
  for (const std::string& name : standard) {
    ModuleLoader::Request request;
    request.name = name;
    request.standard = true;
    LoadModule(request, root_.Member("modules"));
  }
}

void SnapshotBuilder::LoadModule(const ModuleLoader::Request& request, const Field& field) {
  if (options_.modules == nullptr) {
    field.Problem(Concat("this gateway loads no modules, and so not ", request.name));
    return;
  }
  if (filters_ == nullptr) {
    filters_ = std::make_unique<FilterSetBuilder>(options_.modules->retired());
  }
  const absl::StatusOr<const FilterModule*> module = options_.modules->Load(request);
  if (module.ok()) {
    const bool quarantined = options_.modules->IsQuarantined(**module);
    if (quarantined) {
      field.Note("quarantine",
                 Concat((*module)->title(), " has ended the process ", FaultRecord::kLimit,
                        " times or more in the last minutes; filters of it that are "
                        "not required are left out until the next start"));
    }
    filters_->AddModule(request.name, *module, quarantined);
  } else {
    field.Problem(std::string(module.status().message()));
  }
}

// `message` is the Stage itself or its Canary.
template <typename Message>
void SnapshotBuilder::BeginFilters(const v1::Stage& stage_message, const Message& message,
                                   const Parsed& parsed, const StandardFilters& standard,
                                   bool is_canary) {
  FilterSetBuilder::Place place;
  place.api_id = stage_message.api_id();
  place.stage = stage_message.name();
  place.canary = is_canary;
  if (message_.apis_size() > 1) {
    const v1::Api& api = message_.apis(api_index_.at(stage_message.api_id()));
    place.label = Concat("API ", Quoted(api.name().empty() ? api.id() : api.name()), ",");
  }
  // By the name that the definition gave it, else by that of a cluster.
  place.upstreams = [this, &message,
                     &parsed](std::string_view name) -> std::optional<CalloutUpstream> {
    const ClusterSet& set = *out_->cluster_set_;
    CalloutUpstream out;
    for (const v1::FilterUpstream& upstream : parsed.message.filter_upstreams()) {
      if (upstream.name() != name) continue;
      for (const v1::UpstreamBinding& binding : message.upstreams()) {
        if (binding.upstream() != upstream.target().upstream() || binding.cluster().empty()) {
          continue;
        }
        out.cluster = {&set, *set.Find(binding.cluster())};
        out.authority = binding.authority();
        out.path_prefix = Concat(binding.path_prefix(), upstream.target().path());
        while (out.path_prefix.ends_with('/')) out.path_prefix.pop_back();
        out.https = set.at(out.cluster.id).config->tls.context != nullptr;
        return out;
      }
      return std::nullopt;
    }
    const std::optional<ClusterId> id = set.Find(name);
    if (!id.has_value()) return std::nullopt;
    out.cluster = {&set, *id};
    out.authority = AuthorityOf(*set.at(*id).config);
    out.https = set.at(*id).config->tls.context != nullptr;
    return out;
  };
  std::vector<FilterSpec> of_api = standard.api();
  of_api.insert(of_api.end(), parsed.api_filters.begin(), parsed.api_filters.end());
  filters_->Begin(std::move(place), of_api);
}

const ChainPlan* SnapshotBuilder::MakeChain(const Parsed& parsed, const StandardFilters& standard,
                                            const v1::Resource& resource,
                                            const v1::Method& method) {
  std::vector<FilterScope> scopes;
  if (const auto found = parsed.filters.find(&resource); found != parsed.filters.end()) {
    scopes.push_back({resource.path(), found->second});
  }
  std::vector<FilterSpec> of_method = standard.of(method);
  if (const auto found = parsed.filters.find(&method); found != parsed.filters.end()) {
    of_method.insert(of_method.end(), found->second.begin(), found->second.end());
  }
  if (!of_method.empty()) {
    // What has no path is the route of an HTTP API that takes the rest.
    scopes.push_back({resource.path().empty() ? std::string("$default")
                                              : Concat(method.http_method(), " ", resource.path()),
                      std::move(of_method)});
  }
  return filters_->Chain(scopes);
}

// `message` is the Stage itself or its Canary.
template <typename Message>
std::unique_ptr<const Variant> SnapshotBuilder::MakeVariant(
    const v1::Stage& stage_message, const Message& message,
    const google::protobuf::Map<std::string, std::string>& variables,
    const google::protobuf::Map<std::string, std::string>* overrides, int8_t is_canary,
    const Stage* stage) {
  auto variant = std::make_unique<Variant>();
  const Parsed& parsed = deployments_.at(message.deployment_digest());
  variant->stage = stage;
  variant->deployment = parsed.runtime;
  variant->deployment_id = DeploymentId(message.deployment_id(), message.deployment_digest());
  variant->is_canary = is_canary;

  const std::map<std::string, std::string> merged = MergeVariables(variables, overrides);
  variant->variable_text.reserve(2 * merged.size());
  for (const auto& [name, value] : merged) {
    variant->variable_text.push_back(name);
    variant->variable_text.push_back(value);
    const size_t at = variant->variable_text.size() - 2;
    variant->variables.push_back({variant->variable_text[at], variant->variable_text[at + 1]});
  }

  IntegrationEnv env;
  env.account_id = gateway_.account_id;
  env.region = gateway_.region;
  env.partition = gateway_.partition;
  env.api_id = stage_message.api_id();
  env.stage = stage_message.name();
  env.binary_media_types = &parsed.runtime->binary_media_types;
  env.http_api = parsed.runtime->http_api;
  for (const auto& [name, value] : merged) env.variables.emplace(name, value);
  const ClusterSet& set = *out_->cluster_set_;
  for (const v1::UpstreamBinding& binding : message.upstreams()) {
    BoundCluster bound;
    bound.binding = &binding;
    if (!binding.cluster().empty()) {
      bound.cluster = {&set, *set.Find(binding.cluster())};
      bound.https = set.at(bound.cluster.id).config->tls.context != nullptr;
    }
    env.upstreams.emplace(binding.upstream(), bound);
  }
  for (const v1::FunctionBinding& binding : message.functions()) {
    env.functions.emplace(
        binding.function(),
        binding.target().empty()
            ? nullptr
            : functions_[static_cast<size_t>(function_index_.at(binding.target()))]);
    env.resolved_functions.emplace(binding.function(), binding.resolved());
  }

  std::map<std::pair<std::string_view, std::string_view>, const v1::MethodSettings*> settings;
  for (const v1::MethodSettings& one : stage_message.method_settings()) {
    settings[{one.resource_path(), one.http_method()}] = &one;
  }

  const StandardFilters& standard = standard_.at({&stage_message, is_canary == 1});
  if (filters_ != nullptr) {
    BeginFilters(stage_message, message, parsed, standard, is_canary == 1);
    variant->unrouted_chain = filters_->UnroutedChain();
  }
  const Deployment& deployment = *parsed.runtime;
  variant->routes.reserve(deployment.methods.size());
  variant->integrations.reserve(deployment.methods.size());
  for (size_t i = 0; i < parsed.methods.size(); ++i) {
    const v1::Resource& resource = *parsed.methods[i].first;
    const v1::Method& method = *parsed.methods[i].second;
    variant->integrations.push_back(MakeIntegration(method, resource.path(), env));
    Route& route = variant->routes.emplace_back();
    route.id = static_cast<uint32_t>(out_->routes_.size());
    route.facts = &deployment.methods[i];
    route.integration = variant->integrations.back().get();
    if (filters_ != nullptr) route.chain = MakeChain(parsed, standard, resource, method);
    // rest-api.md §13.2: the exact entry, else that of all methods; entries do not merge.
    auto entry = settings.find({resource.path(), method.http_method()});
    if (entry == settings.end()) entry = settings.find({"*", "*"});
    route.tracing = stage_message.tracing_enabled() && !deployment.http_api;
    if (entry != settings.end()) {
      route.detailed_metrics = entry->second->metrics_enabled();
      route.data_trace = entry->second->data_trace_enabled();
      // HTTP APIs have no execution log (http-api.md §1).
      if (!deployment.http_api) route.logging = ReadLevel(entry->second->logging_level());
    }
    out_->routes_.push_back(&route);
  }
  return variant;
}

std::unique_ptr<const Stage> SnapshotBuilder::MakeStage(int index, const Api* api) {
  const v1::Stage& message = message_.stages(index);
  auto stage = std::make_unique<Stage>();
  stage->id = static_cast<uint32_t>(out_->stages_.size());
  stage->api = api;
  stage->name = message.name();
  const bool canary = message.has_canary();
  stage->main =
      MakeVariant(message, message, message.variables(), nullptr, canary ? 0 : -1, stage.get());
  if (canary) {
    stage->canary = MakeVariant(message, message.canary(), message.variables(),
                                &message.canary().variable_overrides(), 1, stage.get());
    stage->canary_threshold = static_cast<uint64_t>(
        std::llround(message.canary().percent_traffic() / 100 * 4294967296.0));
  }
  if (message.has_access_log()) {
    auto log = std::make_unique<AccessLog>();
    log->format = access_logs_[static_cast<size_t>(index)];
    log->file = message.access_log().file();
    stage->access_log = std::move(log);
  }
  stage->execution_log_file = message.execution_log().file();
  for (const Variant* variant : {stage->main.get(), stage->canary.get()}) {
    if (variant == nullptr) continue;
    for (const Route& route : variant->routes) {
      stage->has_execution_log =
          stage->has_execution_log || route.logging != ExecutionLevel::kOff;
    }
  }
  out_->stages_.push_back(stage.get());
  stages_[StageKey(message.api_id(), message.name())] = stage.get();
  return stage;
}

const Stage* SnapshotBuilder::FindStage(const std::string& api_id, const std::string& stage) const {
  return stages_.at(StageKey(api_id, stage));
}

std::vector<Router::Domain> SnapshotBuilder::MakeDomains() {
  std::vector<Router::Domain> domains;
  for (const v1::Domain& message : message_.domains()) {
    Router::Domain domain;
    domain.name = message.name();
    domain.require_client_certificate = message.require_client_certificate();
    if (message.routing_mode() != v1::ROUTING_MODE_API_MAPPING_ONLY) {
      std::vector<const v1::RoutingRule*> rules;
      for (const v1::RoutingRule& rule : message.rules()) rules.push_back(&rule);
      std::sort(rules.begin(), rules.end(),
                [](const auto* a, const auto* b) { return a->priority() < b->priority(); });
      for (const v1::RoutingRule* rule : rules) {
        Router::Rule made;
        for (const v1::HeaderCondition& condition : rule->headers()) {
          made.headers.push_back({condition.name(), condition.value_glob()});
        }
        made.base_path = rule->base_path();
        made.strip_base_path = rule->strip_base_path();
        made.id = rule->id().empty() ? "-" : rule->id();
        made.stage = FindStage(rule->api_id(), rule->stage());
        domain.rules.push_back(std::move(made));
      }
    }
    if (message.routing_mode() != v1::ROUTING_MODE_ROUTING_RULE_ONLY) {
      for (const v1::BasePathMapping& mapping : message.mappings()) {
        domain.mappings.push_back(
            {mapping.base_path(), FindStage(mapping.api_id(), mapping.stage())});
      }
    }
    domains.push_back(std::move(domain));
  }
  return domains;
}

void SnapshotBuilder::Make() {
  out_->version_ = message_.version();
  MakeClusters();
  MakeStandardFilters();
  std::optional<HookWatchdog> watchdog;
  if (options_.modules != nullptr && options_.stuck_filter_ms > 0 && UsesModules()) {
    watchdog.emplace(std::vector<HookWatchdog::Watched>{{ThreadBreadcrumb(), ::pthread_self()}},
                     HookWatchdog::Options{.limit_ms = options_.stuck_filter_ms});
  }
  if (problems_.ok()) LoadModules();
  if (!problems_.ok()) return;
  MakeFunctions();
  // A deployment that is in force already is shared rather than held twice.
  if (options_.previous != nullptr) {
    for (const auto& deployment : options_.previous->deployments_) {
      const auto found = deployments_.find(deployment->digest);
      if (found != deployments_.end()) found->second.runtime = deployment;
    }
  }
  for (const auto& [digest, parsed] : deployments_) out_->deployments_.push_back(parsed.runtime);

  std::vector<std::unique_ptr<Api>> apis;
  for (const v1::Api& message : message_.apis()) {
    auto api = std::make_unique<Api>();
    api->id = message.id();
    api->name = message.name().empty() ? message.id() : message.name();
    api->endpoint_type = EndpointTypeName(message.endpoint_type());
    api->http_api = message.type() == v1::API_TYPE_HTTP;
    api->is_private = message.endpoint_type() == v1::ENDPOINT_TYPE_PRIVATE;
    api->vpc_endpoint_ids.assign(message.vpc_endpoint_ids().begin(),
                                 message.vpc_endpoint_ids().end());
    apis.push_back(std::move(api));
  }
  for (int i = 0; i < message_.stages_size(); ++i) {
    Api* api = apis[static_cast<size_t>(api_index_.at(message_.stages(i).api_id()))].get();
    api->stages.push_back(MakeStage(i, api));
  }
  if (filters_ != nullptr) {
    for (const FilterSetBuilder::Problem& problem : filters_->problems()) {
      // A module may repeat what it was given.
      problems_.Problem({secret_values_.Mask(problem.where), secret_values_.Mask(problem.text),
                         problem.api_id, problem.scope, problem.filter});
    }
    out_->filters_ = filters_->Finish();
  }
  std::vector<Router::Domain> domains = MakeDomains();
  std::vector<std::unique_ptr<const Api>> kept;
  kept.reserve(apis.size());
  for (auto& api : apis) kept.push_back(std::move(api));
  out_->router_ =
      std::make_unique<const Router>(std::move(gateway_), std::move(kept), std::move(domains));
}

}  // namespace postern
