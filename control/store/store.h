#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/store/database.h"

namespace postern {

/// Who makes a change, and from where; goes into its audit record.
struct Actor {
  std::string who;
  std::string from;
};

/// The definition of an API, as it was put last. Times are milliseconds since 1970.
struct DefinitionRow {
  std::string api_id;
  std::string api_name;
  std::string digest;  ///< SHA-256 of `text`, hexadecimal
  std::string file_name;
  std::string text;
  std::string settings;  ///< how it is read; opaque here
  int64_t put_ms = 0;
  std::string put_by;
};

/// A deployment, without its content.
struct DeploymentRow {
  std::string api_id;
  std::string digest;  ///< SHA-256 of the content, hexadecimal
  std::string about;   ///< what belongs to it besides the content; opaque here
  std::string api_name;
  std::string definition_digest;
  std::string description;
  uint32_t methods = 0;
  uint64_t size_bytes = 0;
  int64_t created_ms = 0;
  std::string created_by;
};

/// A stage.
struct StageRow {
  std::string api_id;
  std::string name;
  std::string group;
  std::string deployment;  ///< digest
  std::string canary;      ///< digest of a second one that it points at; empty: none
  std::string settings;    ///< opaque here
  uint64_t revision = 0;
  int64_t updated_ms = 0;
  std::string updated_by;
};

/// A deployment that a stage pointed at.
struct HistoryRow {
  std::string deployment;
  int64_t at_ms = 0;
  std::string by;
  std::string action;
};

/// What sidecars of a group should have.
struct GroupRow {
  std::string name;
  uint64_t version = 0;        ///< 0: there has never been anything
  std::string content_digest;  ///< tells whether something has changed
};

/// One change of the store.
struct AuditRow {
  uint64_t sequence = 0;
  int64_t at_ms = 0;
  std::string who;
  std::string from;
  std::string action;
  std::string object;
  std::string detail;
};

/// What the control plane keeps: definitions, deployments, stages with their histories, versions of
/// groups, and an audit record of every change.
///
/// The content of a deployment is kept once under its digest, which is checked whenever it is read.
/// Order is by sequence numbers, and nothing is decided by time, so a clock that jumps only shows
/// in the times that people read. Thread-safe: one transaction at a time.
class Store {
 public:
  /// How much is kept. Whatever a stage points at stays in any case.
  struct Options {
    uint64_t max_bytes = uint64_t{4} << 30;  ///< of the file; at least 1 MiB is sensible
    uint32_t history = 50;                   ///< entries for each stage
    uint32_t deployments = 50;               ///< of an API that no stage and no history points at
    uint64_t audit_records = 100'000;
    uint32_t max_apis = 10'000;
    uint32_t max_stages = 10'000;
    std::function<int64_t()> now_ms;  ///< unset: the system's clock
  };

  /// What can be done inside a transaction.
  class Transaction {
   public:
    absl::StatusOr<DefinitionRow> Definition(std::string_view api_id);
    /// In place of the one before. RESOURCE_EXHAUSTED beyond Options::max_apis.
    absl::Status PutDefinition(const DefinitionRow& row);

    /// By its digest or the beginning of it, at least eight digits; `api_id` may be empty where
    /// that names one deployment.
    absl::StatusOr<DeploymentRow> Deployment(std::string_view api_id, std::string_view digest);
    /// Newest first.
    absl::StatusOr<std::vector<DeploymentRow>> Deployments(std::string_view api_id, size_t limit);
    /// DataLoss if it does not have its digest any more.
    absl::StatusOr<std::string> Content(std::string_view digest);
    /// Whether it was new; one that is there stays as it is.
    absl::StatusOr<bool> PutDeployment(const DeploymentRow& row, std::string_view content);
    /// FailedPrecondition if a stage points at it.
    absl::Status DeleteDeployment(std::string_view api_id, std::string_view digest);

    absl::StatusOr<StageRow> Stage(std::string_view api_id, std::string_view name);
    /// By API and name; empty arguments take all.
    absl::StatusOr<std::vector<StageRow>> Stages(std::string_view api_id, std::string_view group);
    /// Makes or changes it; revision, time and author come by themselves. `action` goes into the
    /// history if the deployment is another than before.
    absl::Status PutStage(StageRow* row, std::string_view action);
    absl::Status DeleteStage(std::string_view api_id, std::string_view name);
    /// Newest first.
    absl::StatusOr<std::vector<HistoryRow>> History(std::string_view api_id, std::string_view name);

    /// One without a row has version 0.
    absl::StatusOr<GroupRow> Group(std::string_view name);
    absl::StatusOr<std::vector<GroupRow>> Groups();
    absl::Status PutGroup(const GroupRow& row);

    absl::Status Audit(std::string_view action, std::string_view object, std::string_view detail);
    /// Newest first; `before` 0 begins with the newest.
    absl::StatusOr<std::vector<AuditRow>> AuditRecords(size_t limit, uint64_t before);

   private:
    friend class Store;
    Transaction(Database* db, const Options* options, Actor actor, int64_t now_ms)
        : db_(*db), options_(*options), actor_(std::move(actor)), now_ms_(now_ms) {}
    absl::Status Prune();
    absl::Status RequireRoom(std::string_view table, uint64_t limit);

    Database& db_;
    const Options& options_;
    const Actor actor_;
    const int64_t now_ms_;
    bool audited_ = false;
  };

  /// See Database::Open().
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path, Options options);

  /// Runs `body`; what it reads is of one moment.
  absl::Status Read(absl::FunctionRef<absl::Status(Transaction&)> body);

  /// Runs `body` and makes its changes durable, all of them, or none if it or the disk fails. A
  /// body that changes anything records it by Audit().
  absl::Status Write(const Actor& actor, absl::FunctionRef<absl::Status(Transaction&)> body);

  const std::string& path() const { return db_->path(); }

 private:
  Store(std::unique_ptr<Database> db, Options options);

  const Options options_;
  std::mutex mutex_;
  std::unique_ptr<Database> db_;
};

}  // namespace postern
