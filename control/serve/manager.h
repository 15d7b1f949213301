#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/compile/compile.h"
#include "control/serve/group_snapshot.h"
#include "control/serve/push_hub.h"
#include "control/store/store.h"
#include "proto/control/management.pb.h"

namespace postern {

/// The management service without its sockets: every call of management.proto. What changes a stage
/// compiles its group in the same transaction, so that a change which does not fit leaves nothing
/// behind; then the group's sidecars are told. Thread-safe.
class Manager {
 public:
  struct Options {
    snapshot::v1::Gateway gateway;  ///< account and region of all APIs
    /// Hears of changes: action, object and who.
    std::function<void(const std::string& action, const std::string& object,
                       const std::string& who)>
        log;
  };

  Manager(Store* store, PushHub* hub, Options options);

  /// Compiles every group of the store and has it pushed. Fails if one does not compile, which
  /// takes a damaged store or another version of the program.
  absl::Status Start();

  /// A definition that has been read already.
  struct Published {
    DefinitionRow definition;
    CompileInput input;  ///< what it was imported to
    std::string stage;
    control::v1::StageSettings settings;  ///< with a base path
  };

  /// Makes `definitions` what `group` serves, and nothing else: a stage for each, in one
  /// transaction; stages of the group that are not among them are deleted. Records nothing if
  /// nothing is new.
  absl::Status Publish(const Actor& actor, const std::string& group,
                       std::vector<Published> definitions);

  template <typename T>
  using Result = absl::StatusOr<T>;

  Result<control::v1::PutDefinitionResponse> PutDefinition(
      const Actor& actor, const control::v1::PutDefinitionRequest& request);
  Result<control::v1::Deployment> CreateDeployment(
      const Actor& actor, const control::v1::CreateDeploymentRequest& request);
  Result<control::v1::ListDeploymentsResponse> ListDeployments(
      const Actor& actor, const control::v1::ListDeploymentsRequest& request);
  Result<control::v1::Deployment> GetDeployment(const Actor& actor,
                                                const control::v1::GetDeploymentRequest& request);
  Result<control::v1::DiffDeploymentsResponse> DiffDeployments(
      const Actor& actor, const control::v1::DiffDeploymentsRequest& request);
  Result<control::v1::DeleteDeploymentResponse> DeleteDeployment(
      const Actor& actor, const control::v1::DeleteDeploymentRequest& request);
  Result<control::v1::Stage> CreateStage(const Actor& actor,
                                         const control::v1::CreateStageRequest& request);
  Result<control::v1::Stage> UpdateStage(const Actor& actor,
                                         const control::v1::UpdateStageRequest& request);
  Result<control::v1::Stage> GetStage(const Actor& actor,
                                      const control::v1::GetStageRequest& request);
  Result<control::v1::ListStagesResponse> ListStages(const Actor& actor,
                                                     const control::v1::ListStagesRequest& request);
  Result<control::v1::Stage> Promote(const Actor& actor,
                                     const control::v1::PromoteRequest& request);
  Result<control::v1::Stage> Rollback(const Actor& actor,
                                      const control::v1::RollbackRequest& request);
  Result<control::v1::DeleteStageResponse> DeleteStage(
      const Actor& actor, const control::v1::DeleteStageRequest& request);
  Result<control::v1::ListSidecarsResponse> ListSidecars(
      const Actor& actor, const control::v1::ListSidecarsRequest& request);
  Result<control::v1::ListAuditResponse> ListAudit(const Actor& actor,
                                                   const control::v1::ListAuditRequest& request);

 private:
  /// What a change is about, for its record, and the groups it touches.
  struct Change {
    std::string action;
    std::string object;
    std::string detail;
    std::set<std::string> groups;
  };

  absl::Status Apply(const Actor& actor,
                     absl::FunctionRef<absl::Status(Store::Transaction&, Change*)> body);
  absl::Status CompileGroup(Store::Transaction& store, const std::string& group,
                            std::vector<std::shared_ptr<GroupSnapshot>>* out);
  /// Makes or changes a stage: `body` says what it shall be and what to record.
  Result<control::v1::Stage> ChangeStage(
      const Actor& actor, std::string_view action,
      absl::FunctionRef<absl::Status(Store::Transaction&, Change*, StageRow*)> body);
  static absl::StatusOr<DeploymentRow> KeepDeployment(Store::Transaction& store,
                                                      const DefinitionRow& definition,
                                                      CompileInput input,
                                                      const std::string& description,
                                                      Change* change);
  /// Lets a stage point at another deployment.
  static void Point(const std::string& digest, Change* change, StageRow* row);
  absl::StatusOr<control::v1::Stage> Describe(Store::Transaction& store, const StageRow& row);
  absl::StatusOr<control::v1::Deployment> Describe(Store::Transaction& store,
                                                   const DeploymentRow& row);

  Store& store_;
  PushHub& hub_;
  const Options options_;
  std::mutex mutex_;  // one change at a time, until it has been handed to the hub
  GroupCompiler compiler_;
};

}  // namespace postern
