#include "tools/postern/run_settings.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/text/document.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

/// Reads one settings file; keeps what is wrong with it.
class Reader {
 public:
  Reader(std::string folder, std::vector<std::string>* problems)
      : folder_(std::move(folder)), problems_(*problems) {}

  void Read(Node root, RunSettings* out) {
    if (!Object(root, {"stages", "domains"})) return;
    const Node stages = root.Find("stages");
    if (!stages.is_object() || stages.size() == 0) {
      Problem(stages ? stages : root, "say at least one stage below \"stages\"");
    }
    for (const Node stage : stages.children()) ReadStage(stage, &out->stages.emplace_back());
    const Node domains = root.Find("domains");
    if (domains && !domains.is_object()) Problem(domains, "an object is expected");
    for (const Node domain : domains.children()) ReadDomain(domain, &out->domains.emplace_back());
  }

 private:
  void Problem(Node node, absl::string_view what) {
    problems_.push_back(absl::StrCat(node.Location(), ": ", what));
  }

  /// An object without other members than these.
  bool Object(Node node, std::initializer_list<std::string_view> members) {
    if (!node.is_object()) {
      Problem(node, "an object is expected");
      return false;
    }
    for (const Node member : node.children()) {
      if (std::find(members.begin(), members.end(), member.key()) == members.end()) {
        std::vector<absl::string_view> names;
        for (const std::string_view name : members) names.push_back(View(name));
        Problem(member, absl::StrCat("there is no setting \"", View(member.key()), "\" here; there are ",
                                     absl::StrJoin(names, ", ")));
      }
    }
    return true;
  }

  /// The text of a scalar; empty and a problem for anything else.
  std::string Text(Node node) {
    if (!node.is_scalar() || node.is_null()) {
      Problem(node, "text is expected");
      return {};
    }
    return std::string(node.text());
  }
  bool Bool(Node node) {
    const absl::StatusOr<bool> value = node.AsBool();
    if (!value.ok()) Problem(node, "true or false is expected");
    return value.value_or(false);
  }
  double Number(Node node) {
    const absl::StatusOr<double> value = node.AsDouble();
    if (!value.ok()) Problem(node, "a number is expected");
    return value.value_or(0);
  }
  uint32_t Count(Node node) {
    const absl::StatusOr<int64_t> value = node.AsInt();
    if (value.ok() && *value >= 0 && *value <= UINT32_MAX) return static_cast<uint32_t>(*value);
    Problem(node, "a whole number from 0 is expected");
    return 0;
  }
  std::string Path(Node node) {
    return (std::filesystem::path(folder_) / Text(node)).lexically_normal().string();
  }

  std::map<std::string, std::string, std::less<>> Variables(Node node) {
    std::map<std::string, std::string, std::less<>> out;
    if (!node.is_object()) {
      Problem(node, "an object is expected");
      return out;
    }
    for (const Node variable : node.children()) out[std::string(variable.key())] = Text(variable);
    return out;
  }

  void ReadStage(Node node, RunSettings::Stage* out) {
    out->name = node.key();
    if (!Object(node, {"variables", "accessLogSettings", "executionLogSettings", "methodSettings",
                       "canarySettings", "tracingEnabled", "description", "tags"})) {
      return;
    }
    v1::Stage& settings = out->settings;
    if (const Node member = node.Find("variables")) out->variables = Variables(member);
    if (const Node member = node.Find("description")) settings.set_description(Text(member));
    if (const Node member = node.Find("tracingEnabled")) {
      settings.set_tracing_enabled(Bool(member));
    }
    if (const Node member = node.Find("tags")) {
      for (auto& [name, value] : Variables(member)) (*settings.mutable_tags())[name] = value;
    }
    if (const Node member = node.Find("accessLogSettings");
        member && Object(member, {"format", "destination", "destinationArn"})) {
      v1::AccessLog& log = *settings.mutable_access_log();
      log.set_format(Text(member.Find("format")));
      if (const Node arn = member.Find("destinationArn")) log.set_destination_arn(Text(arn));
      SetDestination(member.Find("destination"), &log);
    }
    if (const Node member = node.Find("executionLogSettings");
        member && Object(member, {"destination"})) {
      SetDestination(member.Find("destination"), settings.mutable_execution_log());
    }
    if (const Node member = node.Find("methodSettings")) ReadMethods(member, out);
    if (const Node member = node.Find("canarySettings");
        member && Object(member, {"definition", "percentTraffic", "stageVariableOverrides"})) {
      RunSettings::Canary& canary = out->canary.emplace();
      if (const Node definition = member.Find("definition")) {
        canary.definition = Path(definition);
      } else {
        Problem(member, "say the \"definition\" of the canary, a file");
      }
      if (const Node percent = member.Find("percentTraffic")) {
        canary.percent_traffic = Number(percent);
      }
      if (const Node overrides = member.Find("stageVariableOverrides")) {
        canary.variable_overrides = Variables(overrides);
      }
    }
  }

  template <typename Log>
  void SetDestination(Node node, Log* log) {
    if (!node || node.text() == "stdout") {
      log->set_standard_output(true);
    } else {
      log->set_file(Path(node));
    }
  }

  // rest-api.md 13.2: "*/*", or the path without its leading slash, a slash, and the method.
  void ReadMethods(Node node, RunSettings::Stage* out) {
    if (!node.is_object()) {
      Problem(node, "an object is expected");
      return;
    }
    // What a specific entry does not say is as in that of all methods.
    v1::MethodSettings common;
    if (const Node all = node.Find("*/*")) ReadMethod(all, &common);
    for (const Node entry : node.children()) {
      v1::MethodSettings& settings = *out->settings.add_method_settings();
      out->method_places.push_back(entry.Location());
      settings = common;
      if (entry.key() == "*/*") {
        settings.set_resource_path("*");
        settings.set_http_method("*");
        continue;
      }
      const std::string_view key = entry.key();
      const size_t slash = key.rfind('/');
      if (slash == key.npos) {
        Problem(entry, "write PATH/METHOD, such as pets~1{id}/GET, or */*");
        continue;
      }
      std::string path;
      for (size_t i = 0; i < slash; ++i) {
        if (key.substr(i, 2) == "~1") {
          path += '/';
          ++i;
        } else {
          path += key[i];
        }
      }
      if (!path.starts_with('/')) path.insert(0, "/");
      settings.set_resource_path(path);
      settings.set_http_method(std::string(key.substr(slash + 1)));
      ReadMethod(entry, &settings);
    }
  }

  void ReadMethod(Node node, v1::MethodSettings* out) {
    if (!Object(node, {"metricsEnabled", "loggingLevel", "dataTraceEnabled", "throttlingBurstLimit",
                       "throttlingRateLimit", "cachingEnabled", "cacheTtlInSeconds",
                       "cacheDataEncrypted", "requireAuthorizationForCacheControl",
                       "unauthorizedCacheControlHeaderStrategy"})) {
      return;
    }
    for (const Node member : node.children()) {
      const std::string_view name = member.key();
      if (name == "metricsEnabled") {
        out->set_metrics_enabled(Bool(member));
      } else if (name == "loggingLevel") {
        v1::LoggingLevel level;
        if (v1::LoggingLevel_Parse(absl::StrCat("LOGGING_LEVEL_", View(member.text())), &level)) {
          out->set_logging_level(level);
        } else {
          Problem(member, "write OFF, ERROR or INFO");
        }
      } else if (name == "dataTraceEnabled") {
        out->set_data_trace_enabled(Bool(member));
      } else if (name == "throttlingBurstLimit") {
        out->mutable_throttle()->set_burst(Count(member));
      } else if (name == "throttlingRateLimit") {
        out->mutable_throttle()->set_rate(Number(member));
      } else if (name == "cachingEnabled") {
        out->set_caching_enabled(Bool(member));
      } else if (name == "cacheTtlInSeconds") {
        out->set_cache_ttl_seconds(Count(member));
      } else if (name == "cacheDataEncrypted") {
        out->set_cache_data_encrypted(Bool(member));
      } else if (name == "requireAuthorizationForCacheControl") {
        out->set_require_authorization_for_cache_control(Bool(member));
      } else if (name == "unauthorizedCacheControlHeaderStrategy") {
        v1::UnauthorizedCacheControl strategy;
        if (v1::UnauthorizedCacheControl_Parse(
                absl::StrCat("UNAUTHORIZED_CACHE_CONTROL_", View(member.text())), &strategy)) {
          out->set_unauthorized_cache_control(strategy);
        } else {
          Problem(member,
                  "write FAIL_WITH_403, SUCCEED_WITH_RESPONSE_HEADER or "
                  "SUCCEED_WITHOUT_RESPONSE_HEADER");
        }
      }
    }
  }

  // rest-api.md 2.2.
  void ReadDomain(Node node, v1::Domain* out) {
    out->set_name(std::string(node.key()));
    if (!Object(node, {"mappings", "routingMode", "rules", "requireClientCertificate"})) return;
    if (const Node member = node.Find("requireClientCertificate")) {
      out->set_require_client_certificate(Bool(member));
    }
    if (const Node member = node.Find("routingMode")) {
      v1::RoutingMode mode;
      if (v1::RoutingMode_Parse(absl::StrCat("ROUTING_MODE_", View(member.text())), &mode)) {
        out->set_routing_mode(mode);
      } else {
        Problem(member, "write API_MAPPING_ONLY, ROUTING_RULE_ONLY or ROUTING_RULE_THEN_API_MAPPING");
      }
    }
    const Node mappings = node.Find("mappings");
    if (mappings && !mappings.is_object()) Problem(mappings, "an object is expected");
    for (const Node entry : mappings.children()) {
      if (!Object(entry, {"api", "stage"})) continue;
      v1::BasePathMapping& mapping = *out->add_mappings();
      if (entry.key() != "(none)") mapping.set_base_path(std::string(entry.key()));
      ReadTarget(entry, &mapping);
    }
    const Node rules = node.Find("rules");
    if (rules && !rules.is_array()) Problem(rules, "a list is expected");
    for (const Node entry : rules.children()) {
      if (!Object(entry, {"priority", "id", "headers", "basePath", "stripBasePath", "api",
                          "stage"})) {
        continue;
      }
      v1::RoutingRule& rule = *out->add_rules();
      if (const Node member = entry.Find("priority")) rule.set_priority(Count(member));
      if (const Node member = entry.Find("id")) rule.set_id(Text(member));
      if (const Node member = entry.Find("basePath")) rule.set_base_path(Text(member));
      if (const Node member = entry.Find("stripBasePath")) {
        rule.set_strip_base_path(Bool(member));
      }
      if (const Node member = entry.Find("headers")) {
        for (auto& [name, glob] : Variables(member)) {
          v1::HeaderCondition& condition = *rule.add_headers();
          condition.set_name(name);
          condition.set_value_glob(glob);
        }
      }
      ReadTarget(entry, &rule);
    }
  }

  template <typename Target>
  void ReadTarget(Node entry, Target* out) {
    if (const Node member = entry.Find("api")) out->set_api_id(Text(member));
    if (const Node member = entry.Find("stage")) out->set_stage(Text(member));
  }

  const std::string folder_;
  std::vector<std::string>& problems_;
};

/// Adds the elements of `from` whose keys `into` does not have.
template <typename Message, typename Key>
void AddMissing(google::protobuf::RepeatedPtrField<Message>* from,
                google::protobuf::RepeatedPtrField<Message>* into, const Key& key) {
  std::set<std::string> there;
  for (const Message& message : *into) there.insert(key(message));
  for (Message& message : *from) {
    if (there.insert(key(message)).second) *into->Add() = std::move(message);
  }
}

bool HasMethod(const v1::Deployment& deployment, const v1::MethodSettings& settings) {
  for (const v1::Resource& resource : deployment.resources()) {
    if (resource.path() != settings.resource_path()) continue;
    for (const v1::Method& method : resource.methods()) {
      if (method.http_method() == settings.http_method()) return true;
    }
  }
  return settings.resource_path() == "*";
}

/// Lets a domain's target name an API of the snapshot and one of its stages.
template <typename Target>
void Resolve(const v1::Snapshot& snapshot, const std::string& first_stage,
             const std::string& domain, Target* target, std::vector<std::string>* problems) {
  const v1::Api* found = nullptr;
  for (const v1::Api& api : snapshot.apis()) {
    if (target->api_id().empty() ? snapshot.apis_size() == 1
                                 : api.id() == target->api_id() || api.name() == target->api_id()) {
      found = &api;
    }
  }
  if (found == nullptr) {
    problems->push_back(
        absl::StrCat("domain ", domain, ": ",
                     target->api_id().empty()
                         ? std::string("say which \"api\", there are several")
                         : absl::StrCat("there is no API \"", target->api_id(), "\"")));
    return;
  }
  target->set_api_id(found->id());
  if (!target->stage().empty()) return;
  target->set_stage(found->type() == v1::API_TYPE_HTTP && first_stage == "prod" ? "$default"
                                                                                : first_stage);
}

}  // namespace

absl::StatusOr<RunSettings> ReadRunSettings(std::string_view text, const std::string& file) {
  const absl::StatusOr<Document> document = ParseDocument(text, file, DocumentLimits{});
  if (!document.ok()) return document.status();
  RunSettings out;
  std::vector<std::string> problems;
  Reader(std::filesystem::absolute(file).parent_path().string(), &problems)
      .Read(document->root(), &out);
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  return out;
}

void MergeStages(v1::Snapshot from, v1::Snapshot* into) {
  for (v1::Stage& stage : *from.mutable_stages()) *into->add_stages() = std::move(stage);
  AddMissing(from.mutable_deployments(), into->mutable_deployments(),
             [](const v1::StoredDeployment& stored) { return stored.digest(); });
  AddMissing(from.mutable_clusters(), into->mutable_clusters(),
             [](const v1::Cluster& cluster) { return cluster.name(); });
  AddMissing(from.mutable_functions(), into->mutable_functions(),
             [](const v1::Function& function) { return function.name(); });
  AddMissing(from.mutable_modules(), into->mutable_modules(),
             [](const v1::Module& module) { return module.name(); });
}

std::vector<std::string> ApplyRunSettings(const RunSettings& settings, v1::Snapshot* snapshot) {
  std::vector<std::string> problems;
  std::map<std::string, v1::Deployment> deployments;
  for (const v1::StoredDeployment& stored : snapshot->deployments()) {
    deployments[stored.digest()].ParseFromString(stored.content());
  }
  for (const RunSettings::Stage& said : settings.stages) {
    std::vector<bool> met(static_cast<size_t>(said.settings.method_settings_size()));
    for (v1::Stage& stage : *snapshot->mutable_stages()) {
      if (stage.name() != said.name && !(stage.name() == "$default" && said.name == "prod")) {
        continue;
      }
      const v1::AccessLog before = stage.access_log();
      const bool had_log = stage.has_access_log();
      stage.MergeFrom(said.settings);
      // One of the command line stays.
      if (had_log) *stage.mutable_access_log() = before;
      stage.clear_method_settings();
      for (int i = 0; i < said.settings.method_settings_size(); ++i) {
        const v1::MethodSettings& method = said.settings.method_settings(i);
        const bool here = HasMethod(deployments[stage.deployment_digest()], method) ||
                          (stage.has_canary() &&
                           HasMethod(deployments[stage.canary().deployment_digest()], method));
        if (here) *stage.add_method_settings() = method;
        met[static_cast<size_t>(i)] = met[static_cast<size_t>(i)] || here;
      }
    }
    for (size_t i = 0; i < met.size(); ++i) {
      const v1::MethodSettings& method = said.settings.method_settings(static_cast<int>(i));
      if (met[i]) continue;
      problems.push_back(absl::StrCat(said.method_places[i], ": no API has a method ",
                                      method.http_method(), " ", method.resource_path()));
    }
  }
  for (v1::Domain domain : settings.domains) {
    const std::string& first = settings.stages.front().name;
    for (v1::BasePathMapping& mapping : *domain.mutable_mappings()) {
      Resolve(*snapshot, first, domain.name(), &mapping, &problems);
    }
    for (v1::RoutingRule& rule : *domain.mutable_rules()) {
      Resolve(*snapshot, first, domain.name(), &rule, &problems);
    }
    // One called "*" takes the place of the one that is made without settings.
    auto& domains = *snapshot->mutable_domains();
    domains.erase(std::remove_if(
                      domains.begin(), domains.end(),
                      [&](const v1::Domain& other) { return other.name() == domain.name(); }),
                  domains.end());
    *domains.Add() = std::move(domain);
  }
  return problems;
}

}  // namespace postern
