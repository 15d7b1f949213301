#include "control/serve/group_snapshot.h"

#include <utility>

#include "control/common/strings.h"
#include "control/compile/compile.h"
#include "lib/crypto/digest.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "proto/common/deterministic.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr std::string_view kDefaultStage = "$default";

// Adds what has a name to what others brought, and says who differ.
template <typename Message>
void Merge(const google::protobuf::RepeatedPtrField<Message>& from, std::string_view kind,
           const std::string& stage, std::map<std::string, std::pair<Message, std::string>>* into,
           std::vector<std::string>* problems) {
  for (const Message& message : from) {
    const auto [it, inserted] = into->emplace(message.name(), std::pair(message, stage));
    if (inserted ||
        SerializeDeterministically(it->second.first) == SerializeDeterministically(message))
      continue;
    problems->push_back(Concat("stage ", stage, " and stage ", it->second.second,
                               " of one group set ", kind, " \"", message.name(),
                               "\" differently: give both the same settings, or put them into "
                               "different groups"));
  }
}

// What a deployment is, what belongs to it, and the bytes of it.
absl::Status ReadDeployment(Store::Transaction& store, const std::string& api_id,
                            const std::string& digest, v1::Snapshot* about,
                            v1::Deployment* deployment, DeploymentContents* contents) {
  absl::StatusOr<DeploymentRow> row = store.Deployment(api_id, digest);
  if (!row.ok()) return row.status();
  absl::StatusOr<std::string> content = store.Content(digest);
  if (!content.ok()) return content.status();
  if (!about->ParseFromString(row->about) || about->apis_size() != 1 ||
      !deployment->ParseFromString(*content)) {
    return absl::DataLossError(Concat("deployment ", digest, " cannot be read"));
  }
  contents->emplace(digest, std::make_shared<const std::string>(*std::move(content)));
  return absl::OkStatus();
}

}  // namespace

bool IsGroupName(std::string_view name) {
  if (name.empty() || name.size() > 128) return false;
  for (const char c : name) {
    if (!IsAlnum(c) && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

absl::StatusOr<StageOptions> ToStageOptions(std::string_view name,
                                            const control::v1::StageSettings& settings) {
  StageOptions out;
  std::vector<std::string> problems;
  // Both names, for which of them counts is known with the type of the API.
  out.http_api_name = std::string(name);
  if (name != kDefaultStage) out.name = std::string(name);
  for (const auto& [key, value] : settings.variables()) out.variables[key] = value;
  if (settings.lambdas_size() > 1000) problems.emplace_back("more than 1000 lambdas");
  for (const auto& lambda : settings.lambdas()) {
    std::string text = Concat(lambda.name(), "=");
    for (int i = 0; i < lambda.urls_size() && i <= 16; ++i) {
      text += Concat(i > 0 ? "," : "", lambda.urls(i));
    }
    if (lambda.urls_size() > 16) {
      problems.push_back(Concat("lambda ", lambda.name(), ": more than 16 URLs"));
    } else if (absl::Status status = AddLambdaMapping(text, out.lambda); !status.ok()) {
      problems.push_back(Concat("lambda ", text, ": ", Message(status)));
    }
  }
  out.upstream_tls = {settings.upstream_truststore(), settings.upstream_certificate(),
                      settings.upstream_private_key()};
  for (const std::string* file : {&out.upstream_tls.truststore, &out.upstream_tls.certificate_chain,
                                  &out.upstream_tls.private_key}) {
    if (!file->empty() && file->front() != '/' && !IsSecretReference(*file)) {
      problems.push_back(Concat("\"", *file, "\": a path on the sidecar must begin with a slash"));
    }
  }
  out.secrets.assign(settings.secrets().begin(), settings.secrets().end());
  if (settings.has_response_idle_timeout_ms()) {
    out.response_idle_timeout_ms = settings.response_idle_timeout_ms();
  }
  if (!settings.group().empty() && !IsGroupName(settings.group())) {
    problems.push_back(
        Concat("group \"", settings.group(), "\": 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'"));
  }
  if (settings.description().size() > 1024) problems.emplace_back("description: over 1024 bytes");
  const std::string_view base_path = settings.base_path();
  if (base_path.starts_with('/') || base_path.ends_with('/') || base_path.size() > 300) {
    problems.push_back(
        Concat("base path \"", base_path, "\": at most 300 bytes without outer slashes"));
  }
  if (absl::Status status = ValidateStageOptions(out); !status.ok()) {
    problems.push_back(Message(status));
  }
  if (settings.has_canary() &&
      !(settings.canary().percent_traffic() >= 0 && settings.canary().percent_traffic() <= 100)) {
    problems.emplace_back("canary: its share is between 0 and 100 percent");
  }
  if (!problems.empty()) return absl::InvalidArgumentError(Join(problems, "\n"));
  return out;
}

absl::StatusOr<std::shared_ptr<const GroupCompiler::Piece>> GroupCompiler::CompileStage(
    Store::Transaction& store, const StageRow& row) {
  control::v1::StageSettings settings;
  if (!settings.ParseFromString(row.settings)) {
    return absl::DataLossError(
        Concat("settings of stage ", row.api_id, "/", row.name, " cannot be read"));
  }
  auto piece = std::make_shared<Piece>();
  v1::Snapshot about;
  CompileInput input;
  if (absl::Status status = ReadDeployment(store, row.api_id, row.deployment, &about,
                                           &input.deployment, &piece->contents);
      !status.ok()) {
    return status;
  }
  input.api = about.apis(0);
  input.modules.assign(about.modules().begin(), about.modules().end());
  if (!row.canary.empty()) {
    CompileInput::Canary& canary = input.canary.emplace();
    if (absl::Status status = ReadDeployment(store, row.api_id, row.canary, &about,
                                             &canary.deployment, &piece->contents);
        !status.ok()) {
      return status;
    }
    canary.modules.assign(about.modules().begin(), about.modules().end());
    canary.percent_traffic = settings.canary().percent_traffic();
    for (const auto& [key, value] : settings.canary().variable_overrides()) {
      canary.variable_overrides[key] = value;
    }
  }

  CompileOptions options;
  absl::StatusOr<StageOptions> stage = ToStageOptions(row.name, settings);
  if (!stage.ok()) return stage.status();
  options.stage = *std::move(stage);
  options.catch_all_domain = false;
  if (settings.has_access_log()) options.access_log = settings.access_log();
  absl::StatusOr<v1::Snapshot> compiled = CompileSnapshot({input}, options);
  if (!compiled.ok()) return compiled.status();
  if (compiled->stages(0).name() != row.name) {
    return absl::InvalidArgumentError(Concat("only HTTP APIs have a stage ", kDefaultStage));
  }

  piece->revision = row.revision;
  piece->deployment = row.deployment;
  piece->snapshot = *std::move(compiled);
  // What is in the store is what was named, whatever this version of the program would write.
  v1::Stage& named = *piece->snapshot.mutable_stages(0);
  named.set_deployment_digest(row.deployment);
  if (named.has_canary()) named.mutable_canary()->set_deployment_digest(row.canary);
  piece->snapshot.clear_deployments();
  piece->base_path = settings.base_path();
  return piece;
}

absl::StatusOr<std::shared_ptr<GroupSnapshot>> GroupCompiler::Compile(Store::Transaction& store,
                                                                      std::string_view group) {
  absl::StatusOr<std::vector<StageRow>> rows = store.Stages("", group);
  if (!rows.ok()) return rows.status();
  std::map<std::string, std::shared_ptr<const Piece>> pieces;
  std::map<std::string, std::shared_ptr<const Piece>>& before = pieces_[std::string(group)];
  std::vector<std::string> problems;
  for (const StageRow& row : *rows) {
    const std::string name = Concat(row.api_id, "/", row.name);
    if (const auto it = before.find(name); it != before.end() &&
                                           it->second->revision == row.revision &&
                                           it->second->deployment == row.deployment) {
      pieces.emplace(name, it->second);
      continue;
    }
    absl::StatusOr<std::shared_ptr<const Piece>> piece = CompileStage(store, row);
    if (!piece.ok()) {
      if (!absl::IsInvalidArgument(piece.status())) return piece.status();
      problems.push_back(Concat("stage ", name, ": ", Message(piece.status())));
      continue;
    }
    pieces.emplace(name, *std::move(piece));
  }

  auto out = std::make_shared<GroupSnapshot>();
  out->group = std::string(group);
  v1::Snapshot snapshot;
  snapshot.set_format(1);
  *snapshot.mutable_gateway() = gateway_;
  std::map<std::string, v1::Api> apis;
  std::map<std::string, std::pair<v1::Cluster, std::string>> clusters;
  std::map<std::string, std::pair<v1::Function, std::string>> functions;
  std::map<std::string, std::pair<v1::Module, std::string>> modules;
  std::map<std::string, std::pair<v1::Secret, std::string>> secrets;
  std::map<std::string, std::string> base_paths;
  v1::Domain domain;
  domain.set_name("*");
  for (const auto& [name, piece] : pieces) {
    // Where stages of one API have deployments that name it differently, the last stage's holds.
    apis[piece->snapshot.apis(0).id()] = piece->snapshot.apis(0);
    *snapshot.add_stages() = piece->snapshot.stages(0);
    out->deployments.insert(piece->contents.begin(), piece->contents.end());
    Merge(piece->snapshot.clusters(), "upstream", name, &clusters, &problems);
    Merge(piece->snapshot.functions(), "function", name, &functions, &problems);
    Merge(piece->snapshot.modules(), "module", name, &modules, &problems);
    Merge(piece->snapshot.secrets(), "secret", name, &secrets, &problems);
    if (const auto [it, inserted] = base_paths.emplace(piece->base_path, name); !inserted) {
      problems.push_back(Concat("stage ", name, " and stage ", it->second,
                                " of one group have the base path \"/", piece->base_path,
                                "\": give one of them another"));
      continue;
    }
    v1::BasePathMapping& mapping = *domain.add_mappings();
    mapping.set_base_path(piece->base_path);
    mapping.set_api_id(piece->snapshot.apis(0).id());
    mapping.set_stage(piece->snapshot.stages(0).name());
  }
  if (!problems.empty()) return absl::FailedPreconditionError(Join(problems, "\n"));
  for (auto& [id, api] : apis) *snapshot.add_apis() = std::move(api);
  for (const auto& [digest, content] : out->deployments) {
    snapshot.add_deployments()->set_digest(digest);
  }
  for (auto& [name, cluster] : clusters) *snapshot.add_clusters() = std::move(cluster.first);
  for (auto& [name, function] : functions) *snapshot.add_functions() = std::move(function.first);
  for (auto& [name, module] : modules) *snapshot.add_modules() = std::move(module.first);
  for (auto& [name, secret] : secrets) *snapshot.add_secrets() = std::move(secret.first);
  if (domain.mappings_size() > 0) *snapshot.add_domains() = std::move(domain);
  out->bytes = SerializeDeterministically(snapshot);
  if (out->bytes.size() > kMaxSnapshotBytes) {
    return absl::ResourceExhaustedError(
        Concat("group ", group, " would come to ", out->bytes.size(),
               " bytes besides its "
               "deployments; ",
               kMaxSnapshotBytes, " can be sent: put stages into another group"));
  }
  out->content_digest = Sha256Hex(out->bytes);
  out->digest = out->content_digest;
  before = std::move(pieces);
  return out;
}

void GroupCompiler::SetVersion(GroupSnapshot* snapshot, uint64_t version) {
  v1::Snapshot message;
  message.ParseFromString(snapshot->bytes);
  message.set_version(version);
  snapshot->version = version;
  snapshot->bytes = SerializeDeterministically(message);
  snapshot->digest = Sha256Hex(snapshot->bytes);
}

}  // namespace postern
