#include "control/store/store.h"

#include <chrono>
#include <utility>

#include "lib/crypto/digest.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr uint32_t kApplicationId = 0x50535452;  // "PSTR"
constexpr int kSchemaVersion = 2;
constexpr size_t kMaxDetail = 4096;
constexpr size_t kShortestDigest = 8;

constexpr std::string_view kSchema = R"sql(
CREATE TABLE definitions(
  api_id TEXT PRIMARY KEY, api_name TEXT NOT NULL, digest TEXT NOT NULL, file_name TEXT NOT NULL,
  text BLOB NOT NULL, settings BLOB NOT NULL, put_ms INTEGER NOT NULL, put_by TEXT NOT NULL);
CREATE TABLE contents(digest TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE deployments(
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, api_id TEXT NOT NULL,
  digest TEXT NOT NULL REFERENCES contents(digest), about BLOB NOT NULL, api_name TEXT NOT NULL,
  definition_digest TEXT NOT NULL, description TEXT NOT NULL, methods INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL, created_ms INTEGER NOT NULL, created_by TEXT NOT NULL,
  UNIQUE(api_id, digest));
CREATE INDEX deployments_by_digest ON deployments(digest);
CREATE TABLE stages(
  api_id TEXT NOT NULL, name TEXT NOT NULL, grp TEXT NOT NULL, deployment TEXT NOT NULL,
  settings BLOB NOT NULL, revision INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  updated_by TEXT NOT NULL, canary TEXT NOT NULL DEFAULT '', PRIMARY KEY(api_id, name),
  FOREIGN KEY(api_id, deployment) REFERENCES deployments(api_id, digest));
CREATE INDEX stages_by_group ON stages(grp);
CREATE TABLE history(
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, api_id TEXT NOT NULL, stage TEXT NOT NULL,
  deployment TEXT NOT NULL, at_ms INTEGER NOT NULL, by_whom TEXT NOT NULL, action TEXT NOT NULL,
  FOREIGN KEY(api_id, deployment) REFERENCES deployments(api_id, digest),
  FOREIGN KEY(api_id, stage) REFERENCES stages(api_id, name) ON DELETE CASCADE);
CREATE INDEX history_by_stage ON history(api_id, stage, sequence);
CREATE INDEX history_by_deployment ON history(api_id, deployment);
CREATE INDEX stages_by_deployment ON stages(api_id, deployment);
CREATE TABLE groups(
  name TEXT PRIMARY KEY, version INTEGER NOT NULL, content_digest TEXT NOT NULL);
CREATE TABLE audit(
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, who TEXT NOT NULL,
  source TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL)
)sql";

// Each brings a store of the schema before up to date.
constexpr std::string_view kUpgrades[] = {
    "ALTER TABLE stages ADD COLUMN canary TEXT NOT NULL DEFAULT ''",
};

constexpr std::string_view kDeploymentColumns =
    "SELECT api_id, digest, about, api_name, definition_digest, description, methods, size_bytes, "
    "created_ms, created_by FROM deployments ";

DeploymentRow ReadDeployment(const Statement& row) {
  DeploymentRow out;
  Row(row).Read(&out.api_id, &out.digest, &out.about, &out.api_name, &out.definition_digest,
                &out.description, &out.methods, &out.size_bytes, &out.created_ms, &out.created_by);
  return out;
}

constexpr std::string_view kStageColumns =
    "SELECT api_id, name, grp, deployment, settings, revision, updated_ms, updated_by, canary "
    "FROM stages ";

StageRow ReadStage(const Statement& row) {
  StageRow out;
  Row(row).Read(&out.api_id, &out.name, &out.group, &out.deployment, &out.settings, &out.revision,
                &out.updated_ms, &out.updated_by, &out.canary);
  return out;
}

int64_t SystemNowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Store::Store(std::unique_ptr<Database> db, Options options)
    : options_(std::move(options)), db_(std::move(db)) {}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& path, Options options) {
  if (!options.now_ms) options.now_ms = SystemNowMs;
  absl::StatusOr<std::unique_ptr<Database>> db =
      Database::Open(path, {.application_id = kApplicationId,
                            .schema_version = kSchemaVersion,
                            .schema = kSchema,
                            .upgrades = {std::begin(kUpgrades), std::end(kUpgrades)},
                            .max_bytes = options.max_bytes});
  if (!db.ok()) return db.status();
  return std::unique_ptr<Store>(new Store(*std::move(db), std::move(options)));
}

absl::Status Store::Read(absl::FunctionRef<absl::Status(Transaction&)> body) {
  std::lock_guard lock(mutex_);
  if (absl::Status status = db_->Execute("BEGIN"); !status.ok()) return status;
  Transaction transaction(db_.get(), &options_, {}, options_.now_ms());
  absl::Status status = body(transaction);
  db_->Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::Status Store::Write(const Actor& actor, absl::FunctionRef<absl::Status(Transaction&)> body) {
  std::lock_guard lock(mutex_);
  if (absl::Status status = db_->Execute("BEGIN IMMEDIATE"); !status.ok()) return status;
  Transaction transaction(db_.get(), &options_, actor, options_.now_ms());
  absl::Status status = body(transaction);
  if (status.ok() && transaction.audited_) status = transaction.Prune();
  if (status.ok()) status = db_->Execute("COMMIT");
  // After some errors SQLite has rolled back by itself; then this does nothing.
  if (!status.ok()) db_->Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::Status Store::Transaction::RequireRoom(std::string_view table, uint64_t limit) {
  Statement count = db_.Prepare(Concat("SELECT count(*) FROM ", table));
  const bool full = count.Step() && count.ColumnInt(0) >= static_cast<int64_t>(limit);
  if (!count.status().ok()) return count.status();
  if (!full) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      Concat("there are ", limit, " ", table, ", which is the limit; delete some"));
}

absl::StatusOr<DefinitionRow> Store::Transaction::Definition(std::string_view api_id) {
  Statement query = db_.Prepare(
      "SELECT api_id, api_name, digest, file_name, text, settings, put_ms, put_by "
      "FROM definitions WHERE api_id=?");
  DefinitionRow out;
  if (!query.Text(api_id).Step()) {
    if (!query.status().ok()) return query.status();
    return absl::NotFoundError(Concat("API \"", api_id, "\" has no definition; put one"));
  }
  Row(query).Read(&out.api_id, &out.api_name, &out.digest, &out.file_name, &out.text, &out.settings,
                  &out.put_ms, &out.put_by);
  return out;
}

absl::Status Store::Transaction::PutDefinition(const DefinitionRow& row) {
  if (absl::IsNotFound(Definition(row.api_id).status())) {
    if (absl::Status status = RequireRoom("definitions", options_.max_apis); !status.ok()) {
      return status;
    }
  }
  return db_.Prepare("INSERT OR REPLACE INTO definitions VALUES(?,?,?,?,?,?,?,?)")
      .Text(row.api_id)
      .Text(row.api_name)
      .Text(row.digest)
      .Text(row.file_name)
      .Blob(row.text)
      .Blob(row.settings)
      .Int(now_ms_)
      .Text(actor_.who)
      .Run();
}

absl::StatusOr<DeploymentRow> Store::Transaction::Deployment(std::string_view api_id,
                                                             std::string_view digest) {
  if (digest.size() < kShortestDigest ||
      digest.find_first_not_of("0123456789abcdef") != digest.npos) {
    return absl::InvalidArgumentError(Concat("\"", digest.substr(0, 80),
                                             "\" is no digest: at least ", kShortestDigest,
                                             " hexadecimal digits in lower case are needed"));
  }
  // A range, so that the index serves it: no digit sorts behind 'g'.
  Statement query = db_.Prepare(
      Concat(kDeploymentColumns,
             "WHERE digest >= ?1 AND digest < ?1 || 'g' AND (?2 = '' OR api_id = ?2) LIMIT 2"));
  query.Text(digest).Text(api_id);
  if (!query.Step()) {
    if (!query.status().ok()) return query.status();
    return absl::NotFoundError(
        Concat("there is no deployment ", digest, api_id.empty() ? "" : " of API ", api_id));
  }
  DeploymentRow out = ReadDeployment(query);
  if (query.Step()) {
    return absl::InvalidArgumentError(
        Concat("more than one deployment begins with ", digest, "; name the API, or more digits"));
  }
  if (!query.status().ok()) return query.status();
  return out;
}

absl::StatusOr<std::vector<DeploymentRow>> Store::Transaction::Deployments(std::string_view api_id,
                                                                           size_t limit) {
  std::vector<DeploymentRow> out;
  Statement query = db_.Prepare(
      Concat(kDeploymentColumns, "WHERE ?1 = '' OR api_id = ?1 ORDER BY sequence DESC LIMIT ?2"));
  query.Text(api_id).Int(static_cast<int64_t>(limit));
  while (query.Step()) out.push_back(ReadDeployment(query));
  if (!query.status().ok()) return query.status();
  return out;
}

absl::StatusOr<std::string> Store::Transaction::Content(std::string_view digest) {
  Statement query = db_.Prepare("SELECT content FROM contents WHERE digest=?");
  if (!query.Text(digest).Step()) {
    if (!query.status().ok()) return query.status();
    return absl::NotFoundError(Concat("there is no deployment ", digest));
  }
  std::string content = query.ColumnBlob(0);
  if (Sha256Hex(content) != digest) {
    return absl::DataLossError(Concat("store ", db_.path(), ": deployment ", digest,
                                      " is damaged; restore the store from a backup, or deploy its "
                                      "definition again after deleting it"));
  }
  return content;
}

absl::StatusOr<bool> Store::Transaction::PutDeployment(const DeploymentRow& row,
                                                       std::string_view content) {
  absl::StatusOr<DeploymentRow> before = Deployment(row.api_id, row.digest);
  if (before.ok()) return false;
  if (!absl::IsNotFound(before.status())) return before.status();
  absl::Status status = db_.Prepare("INSERT OR IGNORE INTO contents VALUES(?,?)")
                            .Text(row.digest)
                            .Blob(content)
                            .Run();
  if (!status.ok()) return status;
  status = db_.Prepare(
                  "INSERT INTO deployments(api_id, digest, about, api_name, definition_digest, "
                  "description, methods, size_bytes, created_ms, created_by) "
                  "VALUES(?,?,?,?,?,?,?,?,?,?)")
               .Text(row.api_id)
               .Text(row.digest)
               .Blob(row.about)
               .Text(row.api_name)
               .Text(row.definition_digest)
               .Text(row.description)
               .Int(row.methods)
               .Int(static_cast<int64_t>(content.size()))
               .Int(now_ms_)
               .Text(actor_.who)
               .Run();
  if (!status.ok()) return status;
  return true;
}

absl::Status Store::Transaction::DeleteDeployment(std::string_view api_id,
                                                  std::string_view digest) {
  Statement used = db_.Prepare(
      "SELECT name FROM stages WHERE api_id=?1 AND (deployment=?2 OR canary=?2) LIMIT 1");
  if (used.Text(api_id).Text(digest).Step()) {
    return absl::FailedPreconditionError(Concat("stage ", used.ColumnText(0), " of API ", api_id,
                                                " points at it; let it point at another first"));
  }
  if (!used.status().ok()) return used.status();
  for (const char* sql : {"DELETE FROM history WHERE api_id=? AND deployment=?",
                          "DELETE FROM deployments WHERE api_id=? AND digest=?"}) {
    if (absl::Status status = db_.Prepare(sql).Text(api_id).Text(digest).Run(); !status.ok()) {
      return status;
    }
  }
  return db_
      .Prepare(
          "DELETE FROM contents WHERE digest=?1 AND NOT EXISTS "
          "(SELECT 1 FROM deployments WHERE digest=?1)")
      .Text(digest)
      .Run();
}

absl::StatusOr<StageRow> Store::Transaction::Stage(std::string_view api_id, std::string_view name) {
  Statement query = db_.Prepare(Concat(kStageColumns, "WHERE api_id=? AND name=?"));
  if (query.Text(api_id).Text(name).Step()) return ReadStage(query);
  if (!query.status().ok()) return query.status();
  return absl::NotFoundError(Concat("API \"", api_id, "\" has no stage \"", name, "\""));
}

absl::StatusOr<std::vector<StageRow>> Store::Transaction::Stages(std::string_view api_id,
                                                                 std::string_view group) {
  std::vector<StageRow> out;
  Statement query = db_.Prepare(
      Concat(kStageColumns,
             "WHERE (?1 = '' OR api_id = ?1) AND (?2 = '' OR grp = ?2) ORDER BY api_id, name"));
  query.Text(api_id).Text(group);
  while (query.Step()) out.push_back(ReadStage(query));
  if (!query.status().ok()) return query.status();
  return out;
}

absl::Status Store::Transaction::PutStage(StageRow* row, std::string_view action) {
  absl::StatusOr<StageRow> before = Stage(row->api_id, row->name);
  if (!before.ok()) {
    if (!absl::IsNotFound(before.status())) return before.status();
    if (absl::Status status = RequireRoom("stages", options_.max_stages); !status.ok()) {
      return status;
    }
  }
  row->revision = before.ok() ? before->revision + 1 : 1;
  row->updated_ms = now_ms_;
  row->updated_by = actor_.who;
  absl::Status status =
      db_.Prepare(
             "INSERT INTO stages(api_id, name, grp, deployment, settings, revision, updated_ms, "
             "updated_by, canary) VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(api_id, name) DO UPDATE "
             "SET grp=excluded.grp, deployment=excluded.deployment, settings=excluded.settings, "
             "revision=excluded.revision, updated_ms=excluded.updated_ms, "
             "updated_by=excluded.updated_by, canary=excluded.canary")
          .Text(row->api_id)
          .Text(row->name)
          .Text(row->group)
          .Text(row->deployment)
          .Blob(row->settings)
          .Int(static_cast<int64_t>(row->revision))
          .Int(row->updated_ms)
          .Text(row->updated_by)
          .Text(row->canary)
          .Run();
  if (!status.ok() || (before.ok() && before->deployment == row->deployment)) return status;
  status = db_.Prepare(
                  "INSERT INTO history(api_id, stage, deployment, at_ms, by_whom, action) "
                  "VALUES(?,?,?,?,?,?)")
               .Text(row->api_id)
               .Text(row->name)
               .Text(row->deployment)
               .Int(now_ms_)
               .Text(actor_.who)
               .Text(action)
               .Run();
  if (!status.ok()) return status;
  return db_
      .Prepare(
          "DELETE FROM history WHERE api_id=?1 AND stage=?2 AND sequence NOT IN (SELECT sequence "
          "FROM history WHERE api_id=?1 AND stage=?2 ORDER BY sequence DESC LIMIT ?3)")
      .Text(row->api_id)
      .Text(row->name)
      .Int(options_.history)
      .Run();
}

absl::Status Store::Transaction::DeleteStage(std::string_view api_id, std::string_view name) {
  if (absl::Status status =
          db_.Prepare("DELETE FROM stages WHERE api_id=? AND name=?").Text(api_id).Text(name).Run();
      !status.ok()) {
    return status;
  }
  if (db_.changed() > 0) return absl::OkStatus();
  return absl::NotFoundError(Concat("API \"", api_id, "\" has no stage \"", name, "\""));
}

absl::StatusOr<std::vector<HistoryRow>> Store::Transaction::History(std::string_view api_id,
                                                                    std::string_view name) {
  std::vector<HistoryRow> out;
  Statement query = db_.Prepare(
      "SELECT deployment, at_ms, by_whom, action FROM history WHERE api_id=? AND stage=? "
      "ORDER BY sequence DESC");
  query.Text(api_id).Text(name);
  while (query.Step()) {
    HistoryRow& row = out.emplace_back();
    Row(query).Read(&row.deployment, &row.at_ms, &row.by, &row.action);
  }
  if (!query.status().ok()) return query.status();
  return out;
}

absl::StatusOr<GroupRow> Store::Transaction::Group(std::string_view name) {
  Statement query = db_.Prepare("SELECT version, content_digest FROM groups WHERE name=?");
  GroupRow out;
  out.name = std::string(name);
  if (query.Text(name).Step()) Row(query).Read(&out.version, &out.content_digest);
  if (!query.status().ok()) return query.status();
  return out;
}

absl::StatusOr<std::vector<GroupRow>> Store::Transaction::Groups() {
  std::vector<GroupRow> out;
  Statement query = db_.Prepare("SELECT name, version, content_digest FROM groups ORDER BY name");
  while (query.Step()) {
    GroupRow& row = out.emplace_back();
    Row(query).Read(&row.name, &row.version, &row.content_digest);
  }
  if (!query.status().ok()) return query.status();
  return out;
}

absl::Status Store::Transaction::PutGroup(const GroupRow& row) {
  return db_.Prepare("INSERT OR REPLACE INTO groups VALUES(?,?,?)")
      .Text(row.name)
      .Int(static_cast<int64_t>(row.version))
      .Text(row.content_digest)
      .Run();
}

absl::Status Store::Transaction::Audit(std::string_view action, std::string_view object,
                                       std::string_view detail) {
  audited_ = true;
  return db_
      .Prepare("INSERT INTO audit(at_ms, who, source, action, object, detail) VALUES(?,?,?,?,?,?)")
      .Int(now_ms_)
      .Text(actor_.who)
      .Text(actor_.from)
      .Text(action)
      .Text(object)
      .Text(detail.substr(0, kMaxDetail))
      .Run();
}

absl::StatusOr<std::vector<AuditRow>> Store::Transaction::AuditRecords(size_t limit,
                                                                       uint64_t before) {
  std::vector<AuditRow> out;
  Statement query = db_.Prepare(
      "SELECT sequence, at_ms, who, source, action, object, detail FROM audit "
      "WHERE ?1 = 0 OR sequence < ?1 ORDER BY sequence DESC LIMIT ?2");
  query.Int(static_cast<int64_t>(before)).Int(static_cast<int64_t>(limit));
  while (query.Step()) {
    AuditRow& row = out.emplace_back();
    Row(query).Read(&row.sequence, &row.at_ms, &row.who, &row.from, &row.action, &row.object,
                    &row.detail);
  }
  if (!query.status().ok()) return query.status();
  return out;
}

absl::Status Store::Transaction::Prune() {
  // Deployments that nothing points at, beyond the newest of each API.
  absl::Status status =
      db_.Prepare(
             "DELETE FROM deployments WHERE sequence IN (SELECT sequence FROM (SELECT sequence, "
             "row_number() OVER (PARTITION BY api_id ORDER BY sequence DESC) AS age "
             "FROM deployments d WHERE NOT EXISTS (SELECT 1 FROM stages s WHERE s.api_id=d.api_id "
             "AND (s.deployment=d.digest OR s.canary=d.digest)) AND NOT EXISTS (SELECT 1 FROM "
             "history h WHERE "
             "h.api_id=d.api_id AND h.deployment=d.digest)) WHERE age > ?)")
          .Int(options_.deployments)
          .Run();
  if (!status.ok()) return status;
  if (db_.changed() > 0) {
    status = db_.Prepare(
                    "DELETE FROM contents WHERE NOT EXISTS "
                    "(SELECT 1 FROM deployments d WHERE d.digest=contents.digest)")
                 .Run();
    if (!status.ok()) return status;
  }
  return db_.Prepare("DELETE FROM audit WHERE sequence <= (SELECT max(sequence) FROM audit) - ?")
      .Int(static_cast<int64_t>(options_.audit_records))
      .Run();
}

}  // namespace postern
