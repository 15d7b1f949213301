#include "control/compile/compile.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "control/common/strings.h"
#include "control/compile/aws_binding.h"
#include "control/compile/id.h"
#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/id.h"
#include "proto/common/deterministic.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr uint32_t kSnapshotFormat = 1;
constexpr size_t kMaxBasePathWord = 64;

template <typename Repeated, typename Key>
void SortBy(Repeated& list, const Key& key) {
  std::stable_sort(list.begin(), list.end(),
                   [&key](const auto& a, const auto& b) { return key(a) < key(b); });
}

void CanonicalizeTemplates(google::protobuf::RepeatedPtrField<v1::Template>& templates) {
  SortBy(templates, [](const v1::Template& t) -> const std::string& { return t.content_type(); });
}

void CanonicalizeIntegration(v1::Integration& integration) {
  SortBy(*integration.mutable_request_parameters(), [](const v1::RequestMapping& m) {
    return std::tuple<int, const std::string&>(m.target(), m.name());
  });
  CanonicalizeTemplates(*integration.mutable_request_templates());
  for (v1::IntegrationResponse& response : *integration.mutable_responses()) {
    SortBy(*response.mutable_parameters(),
           [](const v1::ResponseMapping& m) -> const std::string& { return m.header(); });
    CanonicalizeTemplates(*response.mutable_templates());
  }
  // Patterns keep their order; the response without one is tried last.
  std::stable_partition(
      integration.mutable_responses()->begin(), integration.mutable_responses()->end(),
      [](const v1::IntegrationResponse& r) { return !r.selection_pattern().empty(); });
}

void CanonicalizeMethod(v1::Method& method) {
  SortBy(*method.mutable_request_parameters(), [](const v1::RequestParameter& p) {
    return std::tuple<int, const std::string&>(p.location(), p.name());
  });
  SortBy(*method.mutable_request_models(),
         [](const v1::ModelReference& m) -> const std::string& { return m.content_type(); });
  SortBy(*method.mutable_responses(), [](const v1::MethodResponse& r) { return r.status_code(); });
  for (v1::MethodResponse& response : *method.mutable_responses()) {
    std::sort(response.mutable_headers()->begin(), response.mutable_headers()->end());
    SortBy(*response.mutable_models(),
           [](const v1::ModelReference& m) -> const std::string& { return m.content_type(); });
  }
  if (method.has_integration()) CanonicalizeIntegration(*method.mutable_integration());
}

// Six characters of [a-z0-9] out of a digest, as a deployment id looks (management-and-import.md
// 1.2).
std::string DeploymentId(std::string_view digest) {
  return StableId(Concat("deployment\n", digest), kResourceIdSize);
}

class Compiler {
 public:
  explicit Compiler(const CompileOptions& options) : options_(options) {}

  void Add(const CompileInput& input, bool only_one) {
    const std::string& id = input.api.id();
    if (!IsApiId(id)) {
      Problem(Concat("API id \"", id,
                     "\": 1 to 64 of a-z, 0-9 and '-' are allowed, no '-' at either end"));
    } else if (!ids_.emplace(id, input.api.name()).second) {
      Problem(Message(ApiIdTaken(id, ids_[id], input.api.name())));
      return;
    }
    v1::StoredDeployment stored = StoreDeployment(input.deployment);

    v1::Stage stage;
    stage.set_api_id(id);
    stage.set_name(StageName(options_.stage, input.api.type()));
    stage_names_[id] = stage.name();
    stage.set_deployment_digest(stored.digest());
    stage.set_deployment_id(DeploymentId(stored.digest()));
    for (const auto& [name, value] : options_.stage.variables) {
      (*stage.mutable_variables())[name] = value;
    }
    if (options_.access_log) *stage.mutable_access_log() = *options_.access_log;
    Bind(input.deployment, options_.stage, stage);

    for (const v1::Module& module : input.modules) AddModule(module, input.api.name());
    if (input.canary) AddCanary(*input.canary, input.api.name(), stage);

    *snapshot_.add_apis() = input.api;
    stages_.push_back(std::move(stage));
    deployments_.emplace(stored.digest(), std::move(stored));

    if (options_.catch_all_domain) {
      std::string base_path;
      if (input.base_path) {
        base_path = *input.base_path;
      } else if (!only_one) {
        base_path = BasePathWord(input.api.name(), id);
      }
      const auto [it, inserted] = base_paths_.emplace(base_path, id);
      if (!inserted) {
        Problem(Concat("base path \"/", base_path, "\" belongs to API ", it->second, " and to API ",
                       id));
      }
    }
  }

  absl::StatusOr<v1::Snapshot> Finish() {
    if (absl::Status status = ValidateStageOptions(options_.stage); !status.ok()) {
      Problem(Message(status));
    }
    if (!problems_.empty()) {
      return absl::InvalidArgumentError(Join(problems_, "\n"));
    }
    snapshot_.set_format(kSnapshotFormat);
    snapshot_.set_version(options_.version);
    *snapshot_.mutable_gateway() = options_.gateway;
    for (const v1::Listener& listener : options_.listeners) *snapshot_.add_listeners() = listener;
    if (!base_paths_.empty()) {
      v1::Domain& domain = *snapshot_.add_domains();
      domain.set_name("*");
      for (const auto& [base_path, api_id] : base_paths_) {
        v1::BasePathMapping& mapping = *domain.add_mappings();
        mapping.set_base_path(base_path);
        mapping.set_api_id(api_id);
        mapping.set_stage(stage_names_.at(api_id));
      }
    }
    SortBy(*snapshot_.mutable_apis(),
           [](const v1::Api& api) -> const std::string& { return api.id(); });
    std::sort(stages_.begin(), stages_.end(),
              [](const v1::Stage& a, const v1::Stage& b) { return a.api_id() < b.api_id(); });
    for (v1::Stage& stage : stages_) *snapshot_.add_stages() = std::move(stage);
    for (auto& [digest, stored] : deployments_) *snapshot_.add_deployments() = std::move(stored);
    for (auto& [name, cluster] : clusters_) *snapshot_.add_clusters() = std::move(cluster);
    for (auto& [name, function] : functions_) *snapshot_.add_functions() = std::move(function);
    for (auto& [name, module] : modules_) *snapshot_.add_modules() = std::move(module.first);
    for (const v1::Secret& secret : options_.stage.secrets) *snapshot_.add_secrets() = secret;
    return std::move(snapshot_);
  }

 private:
  void Problem(std::string problem) { problems_.push_back(std::move(problem)); }

  // A module that several APIs use is one module of the snapshot.
  void AddModule(const v1::Module& module, const std::string& api) {
    const auto [it, inserted] = modules_.emplace(module.name(), std::pair(module, api));
    if (inserted || it->second.first.SerializeAsString() == module.SerializeAsString()) return;
    Problem(Concat("module \"", module.name(), "\": \"", it->second.second, "\" and \"", api,
                   "\" pin it differently: give both the same x-postern-modules"));
  }

  void AddCanary(const CompileInput::Canary& input, const std::string& api, v1::Stage& stage) {
    v1::StoredDeployment stored = StoreDeployment(input.deployment);
    v1::Canary& canary = *stage.mutable_canary();
    canary.set_percent_traffic(input.percent_traffic);
    canary.set_deployment_digest(stored.digest());
    canary.set_deployment_id(DeploymentId(stored.digest()));
    StageOptions overlaid = options_.stage;
    for (const auto& [name, value] : input.variable_overrides) {
      (*canary.mutable_variable_overrides())[name] = value;
      overlaid.variables[name] = value;
    }
    if (absl::Status status = ValidateStageOptions(overlaid); !status.ok()) {
      Problem(Concat("canary: ", Message(status)));
      return;
    }
    Bind(input.deployment, overlaid, canary);
    for (const v1::Module& module : input.modules) {
      AddModule(module, Concat(api, " (canary)"));
    }
    deployments_.emplace(stored.digest(), std::move(stored));
  }

  // `stage` is a Stage or a Canary.
  template <typename StageMessage>
  void Bind(const v1::Deployment& deployment, const StageOptions& options, StageMessage& stage) {
    std::map<std::string, v1::UpstreamBinding> upstreams;
    std::map<std::string, v1::FunctionBinding> functions;
    const auto bind_function = [&](const v1::LambdaTarget& target) {
      if (functions.count(target.function()) > 0) return;
      BoundFunction bound = BindFunction(target.function(), options);
      functions.emplace(target.function(), std::move(bound.binding));
      if (bound.cluster) clusters_.emplace(bound.cluster->name(), *std::move(bound.cluster));
      if (bound.function) functions_.emplace(bound.function->name(), *std::move(bound.function));
    };
    const auto add_upstream = [&](BoundUpstream bound) {
      std::string key = bound.binding.upstream();
      upstreams.emplace(std::move(key), std::move(bound.binding));
      if (bound.cluster) clusters_.emplace(bound.cluster->name(), *std::move(bound.cluster));
    };
    const auto bind_upstream = [&](const v1::HttpTarget& target) {
      if (upstreams.count(target.upstream()) > 0) return;
      add_upstream(BindUpstream(target, options));
    };
    for (const v1::FilterUpstream& upstream : deployment.filter_upstreams()) {
      bind_upstream(upstream.target());
    }
    ForEachMethod(deployment, [&](const v1::Method& method) {
      const v1::Integration& integration = method.integration();
      if (integration.has_http()) bind_upstream(integration.http());
      if (integration.has_lambda()) bind_function(integration.lambda());
      if (integration.has_aws_service() &&
          upstreams.count(integration.aws_service().upstream()) == 0) {
        add_upstream(BindAwsService(integration.aws_service(), integration.credentials_arn(),
                                    options));
      }
    });
    for (const v1::Authorizer& authorizer : deployment.authorizers()) {
      if (authorizer.has_function()) bind_function(authorizer.function());
    }
    for (auto& [key, binding] : upstreams) *stage.add_upstreams() = std::move(binding);
    for (auto& [key, binding] : functions) *stage.add_functions() = std::move(binding);
  }

  const CompileOptions& options_;
  v1::Snapshot snapshot_;
  std::vector<v1::Stage> stages_;
  std::vector<std::string> problems_;
  std::map<std::string, std::string> ids_;          // API id to name
  std::map<std::string, std::string> stage_names_;  // by API id
  std::map<std::string, std::string> base_paths_;   // base path to API id
  std::map<std::string, v1::StoredDeployment> deployments_;
  std::map<std::string, v1::Cluster> clusters_;
  std::map<std::string, v1::Function> functions_;
  std::map<std::string, std::pair<v1::Module, std::string>> modules_;  // and an API that uses it
};

}  // namespace

absl::Status ApiIdTaken(std::string_view id, std::string_view one, std::string_view other) {
  return absl::InvalidArgumentError(
      Concat("API id \"", id, "\" belongs to \"", one, "\" and to \"", other,
             "\": give one of them another title or an x-postern-api-id"));
}

std::string BasePathWord(std::string_view name, std::string_view id) {
  std::string word;
  for (const char c : name) {
    if (IsAlnum(c)) {
      word.push_back(ToLower(c));
    } else if (!word.empty() && word.back() != '-') {
      word.push_back('-');
    }
  }
  word.resize(std::min(word.size(), kMaxBasePathWord));
  while (!word.empty() && word.back() == '-') word.pop_back();
  return word.empty() ? std::string(id) : word;
}

void Canonicalize(v1::Deployment& deployment) {
  SortBy(*deployment.mutable_resources(),
         [](const v1::Resource& r) -> const std::string& { return r.path(); });
  for (v1::Resource& resource : *deployment.mutable_resources()) {
    SortBy(*resource.mutable_methods(),
           [](const v1::Method& m) -> const std::string& { return m.http_method(); });
  }
  SortBy(*deployment.mutable_websocket_routes(),
         [](const v1::WebSocketRoute& r) -> const std::string& { return r.route_key(); });
  ForEachMethod(deployment, [](v1::Method& method) { CanonicalizeMethod(method); });
  SortBy(*deployment.mutable_authorizers(),
         [](const v1::Authorizer& a) -> const std::string& { return a.name(); });
  SortBy(*deployment.mutable_models(),
         [](const v1::Model& m) -> const std::string& { return m.name(); });
  SortBy(*deployment.mutable_gateway_responses(),
         [](const v1::GatewayResponse& r) -> const std::string& { return r.type(); });
  for (v1::GatewayResponse& response : *deployment.mutable_gateway_responses()) {
    SortBy(*response.mutable_headers(),
           [](const v1::GatewayResponseHeader& h) -> const std::string& { return h.name(); });
    SortBy(*response.mutable_templates(),
           [](const v1::GatewayResponseTemplate& t) -> const std::string& {
             return t.content_type();
           });
  }
  SortBy(*deployment.mutable_filter_upstreams(),
         [](const v1::FilterUpstream& u) -> const std::string& { return u.name(); });
  auto& binary = *deployment.mutable_binary_media_types();
  std::sort(binary.begin(), binary.end());
  binary.erase(std::unique(binary.begin(), binary.end()), binary.end());
  auto& unenforced = *deployment.mutable_unenforced();
  std::sort(unenforced.begin(), unenforced.end());
  unenforced.erase(std::unique(unenforced.begin(), unenforced.end()), unenforced.end());
}

v1::StoredDeployment StoreDeployment(v1::Deployment deployment) {
  Canonicalize(deployment);
  v1::StoredDeployment stored;
  stored.set_content(SerializeDeterministically(deployment));
  stored.set_digest(Sha256Hex(stored.content()));
  return stored;
}

absl::StatusOr<v1::Snapshot> CompileSnapshot(const std::vector<CompileInput>& inputs,
                                             const CompileOptions& options) {
  Compiler compiler(options);
  for (const CompileInput& input : inputs) compiler.Add(input, inputs.size() == 1);
  return compiler.Finish();
}

}  // namespace postern
