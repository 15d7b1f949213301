#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/config/common_reader.h"
#include "core/config/field.h"
#include "core/config/filter_reader.h"
#include "core/config/integration_reader.h"
#include "core/config/runtime_snapshot.h"
#include "core/config/secret_values.h"
#include "core/config/standard_filters.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

/// Makes one RuntimeSnapshot of one message. First everything is checked, so that all problems come
/// out together; only of a sound message anything is made.
class SnapshotBuilder {
 public:
  SnapshotBuilder(const snapshot::v1::Snapshot& message, const RuntimeSnapshot::Options& options);

  RuntimeSnapshot::Built Build();

 private:
  /// A deployment that was parsed and found sound.
  struct Parsed {
    snapshot::v1::Resource default_resource;  // stands for `$default` of an HTTP API
    snapshot::v1::Deployment message;
    /// Its methods, as the runtime's tree numbers them.
    std::vector<std::pair<const snapshot::v1::Resource*, const snapshot::v1::Method*>> methods;
    std::shared_ptr<const Deployment> runtime;
    // Filters of the API, and by resource and method where those place any.
    std::vector<FilterSpec> api_filters;
    std::unordered_map<const void*, std::vector<FilterSpec>> filters;
    int api = -1;  // an Api of a stage that points here
    bool used = false;
    bool sound = false;
  };

  void CheckGateway();
  void CheckListeners();
  void CheckApis();
  void CheckClusters();
  void CheckFunctions();
  void CheckDeployments();
  void CheckDeployment(const snapshot::v1::StoredDeployment& stored, const Field& field,
                       Parsed* parsed);
  static void AddOwnRoutes(
      const snapshot::v1::Deployment& deployment, Deployment* runtime, Parsed* parsed,
      std::vector<uint32_t>* numbers,
      std::vector<std::pair<const snapshot::v1::Resource*, const snapshot::v1::Method*>>* methods,
      std::vector<MethodFacts>* facts);
  void CheckMethod(const snapshot::v1::Deployment& deployment, const snapshot::v1::Method& method,
                   const Field& field);
  void CheckFilters(const Field& field, Parsed* parsed);
  void CheckGatewayResponses(const snapshot::v1::Deployment& deployment, const Field& field,
                             std::vector<ReplySpec>* replies);
  void CheckStages();
  void CheckVariables(const google::protobuf::Map<std::string, std::string>& variables,
                      std::string_view name, const Field& field);
  Parsed* CheckPointer(std::string_view digest, std::string_view name, int api, const Field& field);
  template <typename Message>
  void CheckBindings(const Message& stage, const Parsed* parsed, const Field& field);
  void CheckMethodSettings(const snapshot::v1::Stage& stage, const Field& field);
  void CheckDomains();
  void CheckDomain(const snapshot::v1::Domain& domain, const Field& field);
  void CheckTarget(const std::string& api_id, const std::string& stage, const Field& field);

  void Make();
  void MakeClusters();
  void MakeFunctions();
  static std::map<std::string, std::string> MergeVariables(
      const google::protobuf::Map<std::string, std::string>& variables,
      const google::protobuf::Map<std::string, std::string>* overrides);
  void MakeStandardFilters();
  bool UsesModules() const;
  void LoadModules();
  void LoadModule(const ModuleLoader::Request& request, const Field& field);
  template <typename Message>
  void BeginFilters(const snapshot::v1::Stage& stage_message, const Message& message,
                    const Parsed& parsed, const StandardFilters& standard, bool is_canary);
  const ChainPlan* MakeChain(const Parsed& parsed, const StandardFilters& standard,
                             const snapshot::v1::Resource& resource,
                             const snapshot::v1::Method& method);
  template <typename Message>
  std::unique_ptr<const Variant> MakeVariant(
      const snapshot::v1::Stage& stage_message, const Message& message,
      const google::protobuf::Map<std::string, std::string>& variables,
      const google::protobuf::Map<std::string, std::string>* overrides, int8_t is_canary,
      const Stage* stage);
  std::unique_ptr<const Stage> MakeStage(int index, const Api* api);
  std::vector<Router::Domain> MakeDomains();
  const Stage* FindStage(const std::string& api_id, const std::string& stage) const;

  const snapshot::v1::Snapshot& message_;
  const RuntimeSnapshot::Options& options_;
  ProblemList problems_;
  Field root_;
  std::shared_ptr<RuntimeSnapshot> out_;
  Router::Gateway gateway_;
  SecretMap secrets_;
  SecretExpander secret_values_{&secrets_};
  ModuleMap modules_;
  std::unique_ptr<FilterSetBuilder> filters_;  // null: no deployment has filters
  // By stage, and whether it is for its canary.
  std::map<std::pair<const snapshot::v1::Stage*, bool>, StandardFilters> standard_;
  std::unordered_map<std::string, int> api_index_;
  std::unordered_map<std::string, int> cluster_index_;
  std::unordered_map<std::string, int> function_index_;
  std::unordered_map<std::string, int> stage_index_;  // by api id and name
  std::unordered_map<std::string, Parsed> deployments_;
  std::vector<ClusterConfig> clusters_;
  std::vector<std::shared_ptr<const AccessLogFormat>> access_logs_;  // by stage
  std::vector<std::shared_ptr<const LambdaFunction>> functions_;
  std::unordered_map<std::string, const Stage*> stages_;
};

}  // namespace postern
