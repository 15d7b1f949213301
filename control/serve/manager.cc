#include "control/serve/manager.h"

#include <algorithm>
#include <utility>

#include "control/common/strings.h"
#include "control/compile/compile.h"
#include "control/import/import.h"
#include "control/serve/deployment_diff.h"
#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "proto/common/deterministic.h"

namespace postern {
namespace {

namespace v1 = control::v1;

constexpr size_t kMaxDescription = 1024;
constexpr size_t kMaxFileName = 4096;
constexpr size_t kMaxSettings = 1 << 20;
constexpr size_t kMaxDeploymentBytes = 64 << 20;
constexpr uint32_t kDefaultLimit = 100;
constexpr uint32_t kMaxLimit = 1000;

uint32_t Limit(uint32_t asked) { return asked == 0 ? kDefaultLimit : std::min(asked, kMaxLimit); }

ImportOptions ToImportOptions(const v1::ImportSettings& settings, const std::string& file_name,
                              const snapshot::v1::Gateway& gateway) {
  ImportOptions out;
  out.file_name = file_name;
  out.allow_unenforced.assign(settings.allow_unenforced().begin(),
                              settings.allow_unenforced().end());
  out.base_path_mode = settings.base_path_mode() == v1::ImportSettings::BASE_PATH_MODE_PREPEND
                           ? BasePathMode::kPrepend
                       : settings.base_path_mode() == v1::ImportSettings::BASE_PATH_MODE_SPLIT
                           ? BasePathMode::kSplit
                           : BasePathMode::kIgnore;
  out.fail_on_warnings = settings.strict();
  out.gateway = gateway;
  return out;
}

std::string ShortDigest(const std::string& digest) { return digest.substr(0, 12); }

// The base path of a stage that is created without one: everything if nothing of the group is
// there, else a word that nobody has.
absl::StatusOr<std::string> ChooseBasePath(Store::Transaction& store, const std::string& group,
                                           const std::string& api_name, const std::string& api_id,
                                           const std::string& stage) {
  absl::StatusOr<std::vector<StageRow>> rows = store.Stages("", group);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::string();
  std::set<std::string> taken;
  for (const StageRow& row : *rows) {
    v1::StageSettings settings;
    if (settings.ParseFromString(row.settings)) taken.insert(settings.base_path());
  }
  const std::string word = BasePathWord(api_name, api_id);
  for (const std::string& candidate :
       {word, Concat(word, "-", stage), Concat(api_id, "-", stage)}) {
    if (taken.count(candidate) == 0) return candidate;
  }
  return Concat(api_id, "/", stage);
}

absl::Status CheckSettings(const std::string& name, const v1::StageSettings& settings) {
  if (settings.ByteSizeLong() > kMaxSettings) {
    return absl::InvalidArgumentError(
        Concat("settings of a stage have at most ", kMaxSettings, " bytes"));
  }
  return ToStageOptions(name, settings).status();
}

// Gives a stage its settings, and the canary that they name in full.
absl::Status SetSettings(Store::Transaction& store, v1::StageSettings settings, StageRow* row) {
  row->canary.clear();
  if (settings.has_canary()) {
    absl::StatusOr<DeploymentRow> canary =
        store.Deployment(row->api_id, settings.canary().deployment_digest());
    if (!canary.ok()) {
      return absl::Status(canary.status().code(), Concat("canary: ", Message(canary.status())));
    }
    row->canary = canary->digest;
    settings.mutable_canary()->set_deployment_digest(canary->digest);
  }
  row->group = settings.group();
  row->settings = SerializeDeterministically(settings);
  return absl::OkStatus();
}

// A stage that tries a deployment out does not get a third one under its feet.
absl::Status RefuseCanary(const StageRow& row) {
  if (row.canary.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(Concat("stage ", row.api_id, "/", row.name,
                                              " has a canary (deployment ", ShortDigest(row.canary),
                                              "): promote it, or remove it, first"));
}

}  // namespace

Manager::Manager(Store* store, PushHub* hub, Options options)
    : store_(*store), hub_(*hub), options_(std::move(options)), compiler_(options_.gateway) {}

absl::Status Manager::Start() {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<GroupSnapshot>> groups;
  // A version of the program that compiles differently makes new versions of groups.
  absl::Status status =
      store_.Write({"postern control", "start"}, [&](Store::Transaction& store) -> absl::Status {
        absl::StatusOr<std::vector<GroupRow>> rows = store.Groups();
        if (!rows.ok()) return rows.status();
        for (const GroupRow& row : *rows) {
          if (absl::Status status = CompileGroup(store, row.name, &groups); !status.ok()) {
            return absl::Status(status.code(), Concat("group ", row.name, ": ", Message(status)));
          }
          if (groups.back()->version == row.version) continue;
          if (absl::Status status =
                  store.Audit("compile anew", Concat("group ", row.name),
                              Concat("version ", row.version, " -> ", groups.back()->version));
              !status.ok()) {
            return status;
          }
        }
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  for (auto& group : groups) hub_.SetGroup(std::move(group));
  return absl::OkStatus();
}

absl::Status Manager::CompileGroup(Store::Transaction& store, const std::string& group,
                                   std::vector<std::shared_ptr<GroupSnapshot>>* out) {
  absl::StatusOr<std::shared_ptr<GroupSnapshot>> snapshot = compiler_.Compile(store, group);
  if (!snapshot.ok()) return snapshot.status();
  absl::StatusOr<GroupRow> row = store.Group(group);
  if (!row.ok()) return row.status();
  if (row->content_digest != (*snapshot)->content_digest || row->version == 0) {
    row->version += 1;
    row->content_digest = (*snapshot)->content_digest;
    if (absl::Status status = store.PutGroup(*row); !status.ok()) return status;
  }
  GroupCompiler::SetVersion(snapshot->get(), row->version);
  out->push_back(*std::move(snapshot));
  return absl::OkStatus();
}

absl::Status Manager::Apply(const Actor& actor,
                            absl::FunctionRef<absl::Status(Store::Transaction&, Change*)> body) {
  std::lock_guard lock(mutex_);
  Change change;
  std::vector<std::shared_ptr<GroupSnapshot>> groups;
  absl::Status status = store_.Write(actor, [&](Store::Transaction& store) -> absl::Status {
    if (absl::Status status = body(store, &change); !status.ok()) return status;
    for (const std::string& group : change.groups) {
      if (absl::Status status = CompileGroup(store, group, &groups); !status.ok()) return status;
    }
    if (change.action.empty()) return absl::OkStatus();
    return store.Audit(change.action, change.object, change.detail);
  });
  if (!status.ok()) return status;
  for (auto& group : groups) hub_.SetGroup(std::move(group));
  if (options_.log && !change.action.empty()) {
    options_.log(change.action, change.object, actor.who);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Deployment> Manager::Describe(Store::Transaction& store,
                                                 const DeploymentRow& row) {
  v1::Deployment out;
  out.set_api_id(row.api_id);
  out.set_api_name(row.api_name);
  out.set_digest(row.digest);
  out.set_size_bytes(row.size_bytes);
  out.set_methods(row.methods);
  out.set_definition_digest(row.definition_digest);
  out.set_description(row.description);
  out.set_created_ms(row.created_ms);
  out.set_created_by(row.created_by);
  absl::StatusOr<std::vector<StageRow>> stages = store.Stages(row.api_id, "");
  if (!stages.ok()) return stages.status();
  for (const StageRow& stage : *stages) {
    if (stage.deployment == row.digest) out.add_stages(stage.name);
  }
  return out;
}

absl::StatusOr<v1::Stage> Manager::Describe(Store::Transaction& store, const StageRow& row) {
  v1::Stage out;
  out.set_api_id(row.api_id);
  out.set_name(row.name);
  out.set_deployment_digest(row.deployment);
  if (!out.mutable_settings()->ParseFromString(row.settings)) {
    return absl::DataLossError(
        Concat("settings of stage ", row.api_id, "/", row.name, " cannot be read"));
  }
  out.set_revision(row.revision);
  out.set_updated_ms(row.updated_ms);
  out.set_updated_by(row.updated_by);
  absl::StatusOr<DeploymentRow> deployment = store.Deployment(row.api_id, row.deployment);
  if (!deployment.ok()) return deployment.status();
  out.set_api_name(deployment->api_name);
  absl::StatusOr<GroupRow> group = store.Group(row.group);
  if (!group.ok()) return group.status();
  out.set_group_version(group->version);
  return out;
}

Manager::Result<v1::PutDefinitionResponse> Manager::PutDefinition(
    const Actor& actor, const v1::PutDefinitionRequest& request) {
  if (request.text().size() > kMaxDefinitionBytes) {
    return absl::InvalidArgumentError(
        Concat("text: at most ", kMaxDefinitionBytes, " bytes are read"));
  }
  if (request.file_name().size() > kMaxFileName) {
    return absl::InvalidArgumentError(Concat("file_name: at most ", kMaxFileName, " bytes"));
  }
  if (request.import().allow_unenforced_size() > 1000) {
    return absl::InvalidArgumentError("import.allow_unenforced: at most 1000");
  }
  ImportOptions import = ToImportOptions(request.import(), request.file_name(), options_.gateway);
  absl::StatusOr<StageOptions> stage = ToStageOptions("stage", request.stage());
  if (!stage.ok()) return stage.status();
  import.stage = *std::move(stage);
  const ImportResult result = ImportDefinition(request.text(), import);
  v1::PutDefinitionResponse out;
  out.set_report_text(result.report.ToText(/*color=*/false));
  out.set_report_json(result.report.ToJson());
  out.set_accepted(result.ok());
  if (!result.ok()) return out;
  out.set_api_id(result.api.id());
  out.set_api_name(result.api.name());
  out.set_digest(Sha256Hex(request.text()));
  if (request.validate_only()) return out;
  absl::Status status = Apply(actor, [&](Store::Transaction& store, Change* change) {
    DefinitionRow row;
    row.api_id = out.api_id();
    row.api_name = out.api_name();
    row.digest = out.digest();
    row.file_name = request.file_name();
    row.text = request.text();
    row.settings = request.import().SerializeAsString();
    change->action = "put definition";
    change->object = Concat("api ", row.api_id);
    change->detail = Concat(row.file_name, " ", ShortDigest(row.digest));
    return store.PutDefinition(row);
  });
  if (!status.ok()) return status;
  return out;
}

// Keeps what a definition was imported to, if it is not there already.
absl::StatusOr<DeploymentRow> Manager::KeepDeployment(Store::Transaction& store,
                                                      const DefinitionRow& definition,
                                                      CompileInput input,
                                                      const std::string& description,
                                                      Change* change) {
  DeploymentRow row;
  ForEachMethod(std::as_const(input.deployment),
                [&row](const snapshot::v1::Method&) { ++row.methods; });
  const snapshot::v1::StoredDeployment stored = StoreDeployment(std::move(input.deployment));
  if (stored.content().size() > kMaxDeploymentBytes) {
    return absl::InvalidArgumentError(Concat("the deployment would have ", stored.content().size(),
                                             " bytes; at most ", kMaxDeploymentBytes,
                                             " are allowed"));
  }
  snapshot::v1::Snapshot about;
  *about.add_apis() = std::move(input.api);
  for (auto& module : input.modules) *about.add_modules() = std::move(module);
  row.api_id = definition.api_id;
  row.digest = stored.digest();
  row.about = SerializeDeterministically(about);
  row.api_name = definition.api_name;
  row.definition_digest = definition.digest;
  row.description = description;
  absl::StatusOr<bool> inserted = store.PutDeployment(row, stored.content());
  if (!inserted.ok()) return inserted.status();
  if (*inserted) {
    change->action = "create deployment";
    change->object = Concat("deployment ", row.api_id, "/", ShortDigest(row.digest));
    change->detail = row.description;
  }
  return store.Deployment(row.api_id, row.digest);
}

Manager::Result<v1::Deployment> Manager::CreateDeployment(
    const Actor& actor, const v1::CreateDeploymentRequest& request) {
  if (request.description().size() > kMaxDescription) {
    return absl::InvalidArgumentError(Concat("description: at most ", kMaxDescription, " bytes"));
  }
  v1::Deployment out;
  absl::Status status =
      Apply(actor, [&](Store::Transaction& store, Change* change) -> absl::Status {
        absl::StatusOr<DefinitionRow> definition = store.Definition(request.api_id());
        if (!definition.ok()) return definition.status();
        if (!request.definition_digest().empty() &&
            request.definition_digest() != definition->digest) {
          return absl::AbortedError(Concat("API ", request.api_id(), " has another definition by ",
                                           "now, put by ", definition->put_by));
        }
        v1::ImportSettings settings;
        if (!settings.ParseFromString(definition->settings)) {
          return absl::DataLossError("settings of the definition cannot be read");
        }
        // It was strict enough when it was put; what a stage says is no part of it.
        settings.set_strict(false);
        ImportResult result = ImportDefinition(
            definition->text, ToImportOptions(settings, definition->file_name, options_.gateway));
        if (!result.ok()) {
          return absl::FailedPreconditionError(
              Concat("the definition is refused by this version of the control plane:\n",
                     result.report.ToText(/*color=*/false)));
        }
        absl::StatusOr<DeploymentRow> kept =
            KeepDeployment(store, *definition,
                           {std::move(result.api), std::move(result.deployment), std::nullopt,
                            std::move(result.modules)},
                           request.description(), change);
        if (!kept.ok()) return kept.status();
        absl::StatusOr<v1::Deployment> described = Describe(store, *kept);
        if (described.ok()) out = *std::move(described);
        return described.status();
      });
  if (!status.ok()) return status;
  return out;
}

Manager::Result<v1::ListDeploymentsResponse> Manager::ListDeployments(
    const Actor& /*actor*/, const v1::ListDeploymentsRequest& request) {
  v1::ListDeploymentsResponse out;
  absl::Status status = store_.Read([&](Store::Transaction& store) -> absl::Status {
    const uint32_t limit = Limit(request.limit());
    absl::StatusOr<std::vector<DeploymentRow>> rows =
        store.Deployments(request.api_id(), limit + 1);
    if (!rows.ok()) return rows.status();
    out.set_more(rows->size() > limit);
    rows->resize(std::min<size_t>(rows->size(), limit));
    for (const DeploymentRow& row : *rows) {
      absl::StatusOr<v1::Deployment> deployment = Describe(store, row);
      if (!deployment.ok()) return deployment.status();
      *out.add_deployments() = *std::move(deployment);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

Manager::Result<v1::Deployment> Manager::GetDeployment(const Actor& /*actor*/,
                                                       const v1::GetDeploymentRequest& request) {
  v1::Deployment out;
  absl::Status status = store_.Read([&](Store::Transaction& store) -> absl::Status {
    absl::StatusOr<DeploymentRow> row = store.Deployment(request.api_id(), request.digest());
    if (!row.ok()) return row.status();
    absl::StatusOr<v1::Deployment> deployment = Describe(store, *row);
    if (deployment.ok()) out = *std::move(deployment);
    return deployment.status();
  });
  if (!status.ok()) return status;
  return out;
}

Manager::Result<v1::DiffDeploymentsResponse> Manager::DiffDeployments(
    const Actor& /*actor*/, const v1::DiffDeploymentsRequest& request) {
  v1::DiffDeploymentsResponse out;
  snapshot::v1::Deployment deployments[2];
  const std::string* const digests[2] = {&request.from(), &request.to()};
  absl::Status status = store_.Read([&](Store::Transaction& store) -> absl::Status {
    for (int i = 0; i < 2; ++i) {
      absl::StatusOr<DeploymentRow> row = store.Deployment(request.api_id(), *digests[i]);
      if (!row.ok()) return row.status();
      absl::StatusOr<std::string> content = store.Content(row->digest);
      if (!content.ok()) return content.status();
      if (!deployments[i].ParseFromString(*content)) {
        return absl::DataLossError(Concat("deployment ", row->digest, " cannot be read"));
      }
      (i == 0 ? out.mutable_from() : out.mutable_to())->assign(row->digest);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  postern::DiffDeployments(deployments[0], deployments[1], &out);
  return out;
}

Manager::Result<v1::DeleteDeploymentResponse> Manager::DeleteDeployment(
    const Actor& actor, const v1::DeleteDeploymentRequest& request) {
  absl::Status status =
      Apply(actor, [&](Store::Transaction& store, Change* change) -> absl::Status {
        absl::StatusOr<DeploymentRow> row = store.Deployment(request.api_id(), request.digest());
        if (!row.ok()) return row.status();
        change->action = "delete deployment";
        change->object = Concat("deployment ", row->api_id, "/", ShortDigest(row->digest));
        return store.DeleteDeployment(row->api_id, row->digest);
      });
  if (!status.ok()) return status;
  return v1::DeleteDeploymentResponse();
}

Manager::Result<v1::Stage> Manager::ChangeStage(
    const Actor& actor, std::string_view action,
    absl::FunctionRef<absl::Status(Store::Transaction&, Change*, StageRow*)> body) {
  v1::Stage out;
  absl::Status status =
      Apply(actor, [&](Store::Transaction& store, Change* change) -> absl::Status {
        StageRow row;
        change->action = action == "create" || action == "update" ? Concat(action, " stage")
                                                                  : std::string(action);
        if (absl::Status status = body(store, change, &row); !status.ok()) return status;
        if (absl::Status status = store.PutStage(&row, action); !status.ok()) return status;
        change->object = Concat("stage ", row.api_id, "/", row.name);
        change->groups.insert(row.group);
        absl::StatusOr<v1::Stage> described = Describe(store, row);
        if (described.ok()) out = *std::move(described);
        return described.status();
      });
  if (!status.ok()) return status;
  out.set_group_version(hub_.CountsOf(out.settings().group()).version);
  return out;
}

void Manager::Point(const std::string& digest, Change* change, StageRow* row) {
  change->detail = Concat("deployment ", ShortDigest(row->deployment), " -> ", ShortDigest(digest));
  row->deployment = digest;
}

Manager::Result<v1::Stage> Manager::CreateStage(const Actor& actor,
                                                const v1::CreateStageRequest& request) {
  if (absl::Status status = CheckSettings(request.name(), request.settings()); !status.ok()) {
    return status;
  }
  return ChangeStage(
      actor, "create",
      [&](Store::Transaction& store, Change* change, StageRow* row) -> absl::Status {
        if (store.Stage(request.api_id(), request.name()).ok()) {
          return absl::AlreadyExistsError(
              Concat("API ", request.api_id(), " has a stage \"", request.name(), "\" already"));
        }
        absl::StatusOr<DeploymentRow> deployment =
            store.Deployment(request.api_id(), request.deployment_digest());
        if (!deployment.ok()) return deployment.status();
        row->api_id = deployment->api_id;
        row->name = request.name();
        row->deployment = deployment->digest;
        v1::StageSettings settings = request.settings();
        if (settings.group().empty()) settings.set_group(std::string(kDefaultGroup));
        if (!settings.has_base_path()) {
          absl::StatusOr<std::string> base_path = ChooseBasePath(
              store, settings.group(), deployment->api_name, deployment->api_id, request.name());
          if (!base_path.ok()) return base_path.status();
          settings.set_base_path(*std::move(base_path));
        }
        change->detail =
            Concat("deployment ", ShortDigest(row->deployment), ", group ", settings.group());
        return SetSettings(store, std::move(settings), row);
      });
}

Manager::Result<v1::Stage> Manager::UpdateStage(const Actor& actor,
                                                const v1::UpdateStageRequest& request) {
  if (absl::Status status = CheckSettings(request.name(), request.settings()); !status.ok()) {
    return status;
  }
  return ChangeStage(
      actor, "update",
      [&](Store::Transaction& store, Change* change, StageRow* row) -> absl::Status {
        absl::StatusOr<StageRow> before = store.Stage(request.api_id(), request.name());
        if (!before.ok()) return before.status();
        if (request.expected_revision() != 0 && request.expected_revision() != before->revision) {
          return absl::AbortedError(Concat("stage ", before->api_id, "/", before->name,
                                           " was changed by ", before->updated_by,
                                           " meanwhile; look at it again"));
        }
        *row = *before;
        change->groups.insert(before->group);
        change->detail = Concat("deployment ", ShortDigest(before->deployment));
        if (request.has_settings()) {
          v1::StageSettings known;
          known.ParseFromString(before->settings);
          v1::StageSettings settings = request.settings();
          if (settings.group().empty()) settings.set_group(std::string(kDefaultGroup));
          if (!settings.has_base_path()) settings.set_base_path(known.base_path());
          if (absl::Status status = SetSettings(store, std::move(settings), row); !status.ok()) {
            return status;
          }
          change->detail += ", settings";
        }
        if (!request.deployment_digest().empty()) {
          absl::StatusOr<DeploymentRow> deployment =
              store.Deployment(row->api_id, request.deployment_digest());
          if (!deployment.ok()) return deployment.status();
          if (before->deployment != deployment->digest) {
            if (!before->canary.empty()) {
              if (absl::Status status = RefuseCanary(*row); !status.ok()) return status;
            }
            change->detail += Concat(" -> ", ShortDigest(deployment->digest));
          }
          row->deployment = deployment->digest;
        }
        if (row->canary != before->canary) {
          change->detail += row->canary.empty() ? std::string(", no canary")
                                                : Concat(", canary ", ShortDigest(row->canary));
        }
        return absl::OkStatus();
      });
}

Manager::Result<v1::Stage> Manager::Promote(const Actor& actor, const v1::PromoteRequest& request) {
  return ChangeStage(
      actor, "promote",
      [&](Store::Transaction& store, Change* change, StageRow* row) -> absl::Status {
        absl::StatusOr<StageRow> to = store.Stage(request.api_id(), request.to_stage());
        if (!to.ok()) return to.status();
        *row = *std::move(to);
        std::string digest;
        if (!request.from_stage().empty()) {
          absl::StatusOr<StageRow> from = store.Stage(request.api_id(), request.from_stage());
          if (!from.ok()) return from.status();
          if (absl::Status status = RefuseCanary(*row); !status.ok()) return status;
          digest = from->deployment;
        } else {
          if (row->canary.empty()) {
            return absl::FailedPreconditionError(
                Concat("stage ", row->api_id, "/", row->name, " has no canary to promote"));
          }
          digest = row->canary;
          v1::StageSettings settings;
          settings.ParseFromString(row->settings);
          for (const auto& [key, value] : settings.canary().variable_overrides()) {
            (*settings.mutable_variables())[key] = value;
          }
          settings.clear_canary();
          if (absl::Status status = SetSettings(store, std::move(settings), row); !status.ok()) {
            return status;
          }
        }
        Point(digest, change, row);
        return absl::OkStatus();
      });
}

Manager::Result<v1::Stage> Manager::Rollback(const Actor& actor,
                                             const v1::RollbackRequest& request) {
  return ChangeStage(
      actor, "rollback",
      [&](Store::Transaction& store, Change* change, StageRow* row) -> absl::Status {
        absl::StatusOr<StageRow> stage = store.Stage(request.api_id(), request.stage());
        if (!stage.ok()) return stage.status();
        *row = *std::move(stage);
        absl::StatusOr<std::vector<HistoryRow>> history = store.History(row->api_id, row->name);
        if (!history.ok()) return history.status();
        std::string found;
        for (const HistoryRow& entry : *history) {
          if (request.deployment_digest().empty()
                  ? entry.deployment == row->deployment
                  : !entry.deployment.starts_with(request.deployment_digest())) {
            continue;
          }
          if (!found.empty() && entry.deployment != found) {
            return absl::InvalidArgumentError(
                Concat("more than one deployment of its history begins with ",
                       request.deployment_digest(), "; give more digits"));
          }
          found = entry.deployment;
          if (request.deployment_digest().empty()) break;
        }
        if (!found.empty()) {
          Point(found, change, row);
          return absl::OkStatus();
        }
        return absl::FailedPreconditionError(
            request.deployment_digest().empty()
                ? Concat("stage ", row->api_id, "/", row->name, " has had no other deployment")
                : Concat("stage ", row->api_id, "/", row->name, " has not had a deployment ",
                         request.deployment_digest(), "; its history shows which"));
      });
}

absl::Status Manager::Publish(const Actor& actor, const std::string& group,
                              std::vector<Published> definitions) {
  for (Published& published : definitions) {
    published.settings.set_group(group);
    if (absl::Status status = CheckSettings(published.stage, published.settings); !status.ok()) {
      return status;
    }
  }
  return Apply(actor, [&](Store::Transaction& store, Change* change) -> absl::Status {
    absl::StatusOr<std::vector<StageRow>> rows = store.Stages("", group);
    if (!rows.ok()) return rows.status();
    std::map<std::pair<std::string, std::string>, StageRow> before;
    for (StageRow& row : *rows) before.emplace(std::pair(row.api_id, row.name), std::move(row));
    std::vector<std::string> changed;
    std::map<std::string, std::string> names;  // of APIs by their ids
    for (Published& published : definitions) {
      const auto [named, is_new] =
          names.emplace(published.definition.api_id, published.definition.api_name);
      if (!is_new) return ApiIdTaken(named->first, named->second, published.definition.api_name);
      absl::StatusOr<DefinitionRow> kept = store.Definition(published.definition.api_id);
      if (!kept.ok() && !absl::IsNotFound(kept.status())) return kept.status();
      if (!kept.ok() || kept->digest != published.definition.digest ||
          kept->settings != published.definition.settings) {
        if (absl::Status status = store.PutDefinition(published.definition); !status.ok()) {
          return status;
        }
        changed.push_back(published.definition.file_name);
      }
      absl::StatusOr<DeploymentRow> deployment =
          KeepDeployment(store, published.definition, std::move(published.input), "", change);
      if (!deployment.ok()) return deployment.status();
      StageRow row;
      row.api_id = deployment->api_id;
      row.name = published.stage;
      row.deployment = deployment->digest;
      if (absl::Status status = SetSettings(store, published.settings, &row); !status.ok()) {
        return status;
      }
      const auto same = before.find({row.api_id, row.name});
      const bool is_same = same != before.end() && same->second.deployment == row.deployment &&
                           same->second.settings == row.settings;
      if (same != before.end()) before.erase(same);
      if (is_same) continue;
      if (absl::Status status = store.PutStage(&row, "update"); !status.ok()) return status;
      changed.push_back(
          Concat("stage ", row.api_id, "/", row.name, " at ", ShortDigest(row.deployment)));
    }
    for (const auto& [key, row] : before) {
      if (absl::Status status = store.DeleteStage(row.api_id, row.name); !status.ok()) {
        return status;
      }
      changed.push_back(Concat("no stage ", row.api_id, "/", row.name));
    }
    change->groups = {group};
    if (changed.empty() && change->action.empty()) return absl::OkStatus();
    change->action = "publish";
    change->object = Concat("group ", group);
    change->detail = Join(changed, ", ");
    return absl::OkStatus();
  });
}

Manager::Result<v1::Stage> Manager::GetStage(const Actor& /*actor*/,
                                             const v1::GetStageRequest& request) {
  v1::Stage out;
  absl::Status status = store_.Read([&](Store::Transaction& store) -> absl::Status {
    absl::StatusOr<StageRow> row = store.Stage(request.api_id(), request.name());
    if (!row.ok()) return row.status();
    absl::StatusOr<v1::Stage> stage = Describe(store, *row);
    if (!stage.ok()) return stage.status();
    out = *std::move(stage);
    absl::StatusOr<std::vector<HistoryRow>> history = store.History(row->api_id, row->name);
    if (!history.ok()) return history.status();
    for (const HistoryRow& entry : *history) {
      v1::HistoryEntry& shown = *out.add_history();
      shown.set_deployment_digest(entry.deployment);
      shown.set_at_ms(entry.at_ms);
      shown.set_by(entry.by);
      shown.set_action(entry.action);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  const PushHub::Counts counts = hub_.CountsOf(out.settings().group());
  out.set_applied(counts.applied);
  out.set_pending(counts.pending);
  out.set_refused(counts.refused);
  return out;
}

Manager::Result<v1::ListStagesResponse> Manager::ListStages(const Actor& /*actor*/,
                                                            const v1::ListStagesRequest& request) {
  v1::ListStagesResponse out;
  absl::Status status = store_.Read([&](Store::Transaction& store) -> absl::Status {
    absl::StatusOr<std::vector<StageRow>> rows = store.Stages(request.api_id(), request.group());
    if (!rows.ok()) return rows.status();
    for (const StageRow& row : *rows) {
      absl::StatusOr<v1::Stage> stage = Describe(store, row);
      if (!stage.ok()) return stage.status();
      *out.add_stages() = *std::move(stage);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  std::map<std::string, PushHub::Counts> counts = hub_.AllCounts();
  for (v1::Stage& stage : *out.mutable_stages()) {
    const PushHub::Counts& of = counts[stage.settings().group()];
    stage.set_applied(of.applied);
    stage.set_pending(of.pending);
    stage.set_refused(of.refused);
  }
  return out;
}

Manager::Result<v1::DeleteStageResponse> Manager::DeleteStage(
    const Actor& actor, const v1::DeleteStageRequest& request) {
  absl::Status status =
      Apply(actor, [&](Store::Transaction& store, Change* change) -> absl::Status {
        absl::StatusOr<StageRow> row = store.Stage(request.api_id(), request.name());
        if (!row.ok()) return row.status();
        change->action = "delete stage";
        change->object = Concat("stage ", row->api_id, "/", row->name);
        change->detail = Concat("deployment ", ShortDigest(row->deployment));
        change->groups = {row->group};
        return store.DeleteStage(row->api_id, row->name);
      });
  if (!status.ok()) return status;
  return v1::DeleteStageResponse();
}

Manager::Result<v1::ListSidecarsResponse> Manager::ListSidecars(
    const Actor& /*actor*/, const v1::ListSidecarsRequest& request) {
  v1::ListSidecarsResponse out;
  hub_.List(request.group(), &out);
  return out;
}

Manager::Result<v1::ListAuditResponse> Manager::ListAudit(const Actor& /*actor*/,
                                                          const v1::ListAuditRequest& request) {
  v1::ListAuditResponse out;
  absl::Status status = store_.Read([&](Store::Transaction& store) -> absl::Status {
    absl::StatusOr<std::vector<AuditRow>> rows =
        store.AuditRecords(Limit(request.limit()), request.before());
    if (!rows.ok()) return rows.status();
    for (const AuditRow& row : *rows) {
      v1::AuditRecord& record = *out.add_records();
      record.set_sequence(row.sequence);
      record.set_at_ms(row.at_ms);
      record.set_who(row.who);
      record.set_from(row.from);
      record.set_action(row.action);
      record.set_object(row.object);
      record.set_detail(row.detail);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

}  // namespace postern
