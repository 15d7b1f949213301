#include "tools/postern/manage_commands.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "core/base/log.h"
#include "proto/control/management.grpc.pb.h"
#include "tools/postern/command_line.h"
#include "tools/postern/control_options.h"
#include "tools/postern/definition_options.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/flags.h"
#include "tools/postern/grpc_log.h"
#include "tools/postern/secret_options.h"

namespace postern {
namespace {

namespace v1 = control::v1;

constexpr size_t kShownDigest = 12;

/// Why a command ends early; what it says has been written.
struct Ended {
  int code;
};

// One command: its options, the control plane, and how it ends.
class Command {
 public:
  Command(std::string name, std::string_view arguments, size_t min_arguments, size_t max_arguments)
      : line_(std::move(name), arguments, min_arguments, max_arguments) {
    control_.Bind(&line_.flags());
    line_.flags().Switch("json", "Write JSON.", &json_);
  }

  FlagSet& flags() { return line_.flags(); }
  const std::vector<std::string>& arguments() const { return line_.arguments(); }
  bool json() const { return json_; }

  // Reads the command line. False: `*code` is how to end.
  bool Begin(const std::vector<std::string>& args, int* code) {
    // The status of a call says why it failed.
    SetLogLevel(LogLevel::kOff);
    RouteGrpcLog();
    if (!line_.Begin(args, code)) return false;
    absl::StatusOr<ControlAddress> address = control_.ToAddress();
    absl::Status status = address.status();
    if (status.ok()) {
      target_ = address->target;
      if (absl::Status usable = CheckControlIdentity(*address); !usable.ok()) {
        *code = Fail(kExitFailed, usable.message());
        return false;
      }
      std::shared_ptr<grpc::Channel> channel;
      status = MakeControlChannel(*address, &channel);
      stub_ = v1::Management::NewStub(channel);
    }
    if (status.ok()) return true;
    *code = Usage(status.message());
    return false;
  }

  int Usage(absl::string_view problem) const { return line_.Usage(problem); }
  int Fail(int code, absl::string_view problem) const { return line_.Fail(code, problem); }

  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::Management::Stub::*method)(grpc::ClientContext*,
                                                                 const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return (stub_.get()->*method)(&context, request, response);
  }

  // The same; an error is written and ends the command.
  template <typename Request, typename Response>
  void Must(grpc::Status (v1::Management::Stub::*method)(grpc::ClientContext*, const Request&,
                                                         Response*),
            const Request& request, Response* response) {
    const grpc::Status status = Call(method, request, response);
    if (!status.ok()) throw Ended{FailedCall(status)};
  }

  int FailedCall(const grpc::Status& status) const {
    switch (status.error_code()) {
      case grpc::StatusCode::UNAVAILABLE:
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        return Fail(kExitFailed, absl::StrCat("the control plane at ", target_,
                                              " does not answer: ", status.error_message()));
      case grpc::StatusCode::INVALID_ARGUMENT:
      case grpc::StatusCode::FAILED_PRECONDITION:
        return Fail(kExitRefused, status.error_message());
      default:
        return Fail(kExitFailed, status.error_message());
    }
  }

  static std::string ToJson(const google::protobuf::Message& message) {
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    options.always_print_primitive_fields = true;
    std::string out;
    (void)google::protobuf::util::MessageToJsonString(message, &out, options);
    return out;
  }
  static void PrintJson(const google::protobuf::Message& message) {
    std::printf("%s\n", ToJson(message).c_str());
  }

  // Id of the API that `text` names by id or name. Empty: the one that has all of `stages`.
  std::string FindApi(const std::string& text, const std::vector<std::string>& stages) {
    v1::ListStagesResponse all;
    Must(&v1::Management::Stub::ListStages, v1::ListStagesRequest(), &all);
    std::map<std::string, size_t> found;
    for (const v1::Stage& stage : all.stages()) {
      if (!text.empty()) {
        if (stage.api_id() == text) return text;
        if (stage.api_name() == text) found[stage.api_id()] = stages.size();
      } else if (std::find(stages.begin(), stages.end(), stage.name()) != stages.end()) {
        ++found[stage.api_id()];
      }
    }
    std::vector<std::string> apis;
    for (const auto& [id, count] : found) {
      if (count == stages.size()) apis.push_back(id);
    }
    if (apis.size() == 1) return apis.front();
    if (apis.size() > 1) {
      throw Ended{Fail(kExitUsage, absl::StrCat("more than one API fits; name one by --api: ",
                                                absl::StrJoin(apis, ", ")))};
    }
    throw Ended{Fail(kExitFailed,
                     text.empty() ? "no API has such stages"
                                  : absl::StrCat("there is no API \"", text, "\" with a stage"))};
  }

  // Waits until every connected sidecar of the stage's group has answered to its version.
  int WaitForSidecars(const v1::Stage& stage, uint64_t timeout_ms) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    v1::ListSidecarsRequest request;
    request.set_group(stage.settings().group());
    std::string said;
    while (true) {
      v1::ListSidecarsResponse sidecars;
      Must(&v1::Management::Stub::ListSidecars, request, &sidecars);
      int applied = 0;
      int pending = 0;
      std::vector<std::string> refusals;
      for (const v1::Sidecar& sidecar : sidecars.sidecars()) {
        if (!sidecar.connected()) continue;
        if (sidecar.state() == v1::Sidecar::STATE_REFUSED) {
          for (const std::string& problem : sidecar.problems()) {
            refusals.push_back(absl::StrCat("refused by ", sidecar.id(), ": ", problem));
          }
        } else {
          ++(sidecar.state() == v1::Sidecar::STATE_APPLIED ? applied : pending);
        }
      }
      std::string now = absl::StrCat("group ", stage.settings().group(), ": ", applied,
                                     " sidecars applied, ", pending, " pending");
      if (now != said) std::fprintf(stderr, "%s\n", now.c_str());
      said = std::move(now);
      if (pending == 0) {
        for (const std::string& refusal : refusals) Fail(kExitRefused, refusal);
        return refusals.empty() ? kExitOk : kExitRefused;
      }
      if (std::chrono::steady_clock::now() >= deadline) {
        return Fail(kExitFailed, absl::StrCat(pending,
                                              " sidecars have not answered in time; "
                                              "postern stages shows them"));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

 private:
  CommandLine line_;
  ControlOptions control_;
  bool json_ = false;
  std::string target_;
  std::unique_ptr<v1::Management::Stub> stub_;
};

// Columns as wide as they need be, two spaces apart.
void PrintTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    std::printf("%s\n", line.c_str());
  }
}

std::string TimeText(int64_t ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixMillis(ms), absl::UTCTimeZone());
}

std::string Short(const std::string& digest) { return digest.substr(0, kShownDigest); }

std::string Dash(const std::string& text) { return text.empty() ? "-" : text; }

/// The options that say how long to wait for sidecars.
struct WaitOptions {
  bool no_wait = false;
  uint64_t timeout_ms = 60'000;

  void Bind(FlagSet* flags) {
    flags->Switch("no-wait", "Do not wait until the sidecars have answered.", &no_wait);
    flags->Number("timeout", "MS", "Longest time to wait for them. Default 60000.", 0, 3'600'000,
                  &timeout_ms);
  }
};

int Finish(Command* command, const v1::Stage& stage, const WaitOptions& wait) {
  if (command->json()) {
    command->PrintJson(stage);
  } else {
    std::printf(
        "stage %s of API %s (%s): deployment %s, version %llu of group %s\n", stage.name().c_str(),
        stage.api_id().c_str(), stage.api_name().c_str(), Short(stage.deployment_digest()).c_str(),
        static_cast<unsigned long long>(stage.group_version()), stage.settings().group().c_str());
  }
  std::fflush(stdout);
  return wait.no_wait ? kExitOk : command->WaitForSidecars(stage, wait.timeout_ms);
}

// ---- deploy, update ----

// The options that set something about a stage.
struct StageFlags {
  std::string group;
  std::string path;
  std::vector<std::string> variables;
  std::vector<std::string> lambdas;
  SecretOptions secrets;
  std::string canary;
  std::vector<std::string> canary_variables;
  std::string access_log;
  std::string access_log_file;
  std::string upstream_ca;
  std::string upstream_cert;
  std::string upstream_key;
  std::string upstream_idle_timeout;

  void Bind(FlagSet* flags) {
    flags->String("group", "NAME",
                  "The sidecars that serve it. Default: those it has, default for a new stage.",
                  &group);
    flags->String("path", "PREFIX",
                  "First segments of the path under which it is served, / for none. Default: what "
                  "it has; for a new stage none if it is the group's first, else the API's name.",
                  &path);
    flags->Strings("var", "NAME=VALUE",
                   "A stage variable, in place of all the stage has. May be repeated.", &variables);
    flags->Strings("lambda", "NAME=URL[,URL...]",
                   "Where a Lambda function is, in place of all the stage has; as in postern run. "
                   "May be repeated.",
                   &lambdas);
    secrets.Bind(flags);
    flags->String("canary", "PERCENT",
                  "Share of the requests that go to the stage's canary, 0 to 100; none removes it.",
                  &canary);
    flags->Strings("canary-var", "NAME=VALUE",
                   "A stage variable of the canary alone, in place of all such. May be repeated.",
                   &canary_variables);
    flags->String("access-log", "FORMAT", "Access log of the stage; none turns it off.",
                  &access_log);
    flags->String("access-log-file", "PATH",
                  "Where its lines go on the sidecar. Default standard output.", &access_log_file);
    flags->String("upstream-ca", "FILE",
                  "Roots for HTTPS upstreams: a path on the sidecar, PEM, or secret:NAME; none for "
                  "the system's.",
                  &upstream_ca);
    flags->String("upstream-cert", "FILE",
                  "Certificate chain for HTTPS upstreams: a path on the sidecar.", &upstream_cert);
    flags->String("upstream-key", "FILE", "Its private key: a path on the sidecar.", &upstream_key);
    flags->String("upstream-idle-timeout", "MS",
                  "Longest silence of an upstream in the middle of its answer; 0: no bound.",
                  &upstream_idle_timeout);
  }

  // Lays what was given over `settings`; `canary_deployment` is what a canary is to point at,
  // empty: what it does.
  absl::Status Lay(const std::string& canary_deployment, v1::StageSettings* settings) const {
    if (!group.empty()) settings->set_group(group);
    if (!path.empty()) {
      absl::string_view prefix = path;
      while (!prefix.empty() && prefix.front() == '/') prefix.remove_prefix(1);
      while (!prefix.empty() && prefix.back() == '/') prefix.remove_suffix(1);
      settings->set_base_path(std::string(prefix));
    }
    if (absl::Status status = SetVariables("--var", variables, settings->mutable_variables());
        !status.ok()) {
      return status;
    }
    if (absl::Status status = LayCanary(canary_deployment, settings); !status.ok()) return status;
    absl::StatusOr<std::vector<snapshot::v1::Secret>> given = secrets.ToSecrets();
    if (!given.ok()) return given.status();
    if (!given->empty()) settings->clear_secrets();
    for (snapshot::v1::Secret& secret : *given) *settings->add_secrets() = std::move(secret);
    if (!lambdas.empty()) settings->clear_lambdas();
    for (const std::string& mapping : lambdas) {
      // A function's name may hold an '=' no more than a URL's scheme may.
      const size_t equals = mapping.find('=');
      if (equals == mapping.npos || equals == 0) {
        return absl::InvalidArgumentError(absl::StrCat("--lambda ", mapping, ": write NAME=URL"));
      }
      v1::LambdaEndpoint& endpoint = *settings->add_lambdas();
      endpoint.set_name(mapping.substr(0, equals));
      for (absl::string_view url :
           absl::StrSplit(absl::string_view(mapping).substr(equals + 1), ',')) {
        endpoint.add_urls(std::string(url));
      }
    }
    if (access_log == "none") {
      settings->clear_access_log();
    } else if (!access_log.empty()) {
      settings->mutable_access_log()->set_format(access_log);
      settings->mutable_access_log()->set_standard_output(true);
    }
    if (!access_log_file.empty()) {
      if (!settings->has_access_log()) {
        return absl::InvalidArgumentError("--access-log-file: give --access-log too");
      }
      settings->mutable_access_log()->set_file(access_log_file);
    }
    const auto file = [](const std::string& given, std::string* out) {
      if (!given.empty()) *out = given == "none" ? "" : given;
    };
    file(upstream_ca, settings->mutable_upstream_truststore());
    file(upstream_cert, settings->mutable_upstream_certificate());
    file(upstream_key, settings->mutable_upstream_private_key());
    if (!upstream_idle_timeout.empty()) {
      uint32_t ms = 0;
      if (!absl::SimpleAtoi(upstream_idle_timeout, &ms) || ms > 3'600'000) {
        return absl::InvalidArgumentError(
            absl::StrCat("--upstream-idle-timeout takes a whole number up to 3600000, not \"",
                         upstream_idle_timeout, "\""));
      }
      settings->set_response_idle_timeout_ms(ms);
    }
    return absl::OkStatus();
  }

 private:
  using Variables = google::protobuf::Map<std::string, std::string>;
  static absl::Status SetVariables(absl::string_view option, const std::vector<std::string>& pairs,
                                   Variables* out) {
    if (!pairs.empty()) out->clear();
    for (const std::string& pair : pairs) {
      const size_t equals = pair.find('=');
      if (equals == pair.npos || equals == 0) {
        return absl::InvalidArgumentError(absl::StrCat(option, " ", pair, ": write NAME=VALUE"));
      }
      (*out)[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
    return absl::OkStatus();
  }

  absl::Status LayCanary(const std::string& deployment, v1::StageSettings* settings) const {
    if (canary == "none") {
      settings->clear_canary();
      return absl::OkStatus();
    }
    if (canary.empty() && deployment.empty() && canary_variables.empty()) return absl::OkStatus();
    if (!settings->has_canary() && (canary.empty() || deployment.empty())) {
      return absl::InvalidArgumentError(
          "the stage has no canary: give --canary PERCENT, to postern deploy with its definition, "
          "to postern update with --canary-deployment");
    }
    v1::CanarySettings& out = *settings->mutable_canary();
    if (!deployment.empty()) out.set_deployment_digest(deployment);
    if (!canary.empty()) {
      double percent = 0;
      if (!absl::SimpleAtod(canary, &percent) || !(percent >= 0 && percent <= 100)) {
        return absl::InvalidArgumentError(
            absl::StrCat("--canary takes a number from 0 to 100, or none, not \"", canary, "\""));
      }
      out.set_percent_traffic(percent);
    }
    return SetVariables("--canary-var", canary_variables, out.mutable_variable_overrides());
  }
};

struct DeployOptions {
  std::string stage = "prod";
  StageFlags settings;
  std::vector<std::string> allow_unenforced;
  std::string base_path_mode = "ignore";
  std::string description;
  bool strict = false;
  WaitOptions wait;

  void Bind(FlagSet* flags) {
    flags->String("stage", "NAME",
                  "The stage. Made if it is not there. Default prod. With --canary, the definition "
                  "becomes its canary, and what it serves stays.",
                  &stage);
    settings.Bind(flags);
    flags->Strings("allow-unenforced", "GUARD[,GUARD...]",
                   "Take the definition although this guard of it cannot be enforced; as in "
                   "postern run. May be repeated.",
                   &allow_unenforced);
    flags->String("base-path", "MODE",
                  "What a definition's base path does: ignore (default), prepend or split.",
                  &base_path_mode);
    flags->Switch("strict", "Refuse whatever would be approximated or made unavailable.", &strict);
    flags->String("description", "TEXT", "What to remember about the deployment.", &description);
    wait.Bind(flags);
  }

  // Whether what is deployed goes to a canary.
  bool to_canary() const { return !settings.canary.empty() && settings.canary != "none"; }
};

int DeployOne(Command* command, const DeployOptions& options, const std::string& file) {
  using Stub = v1::Management::Stub;
  v1::PutDefinitionRequest put;
  absl::StatusOr<std::string> text = ReadDefinitionFile(file);
  if (!text.ok()) return command->Fail(kExitFailed, text.status().message());
  put.set_text(*std::move(text));
  put.set_file_name(file);
  for (const std::string& list : options.allow_unenforced) {
    for (absl::string_view guard : absl::StrSplit(list, ',', absl::SkipEmpty())) {
      put.mutable_import()->add_allow_unenforced(std::string(guard));
    }
  }
  if (options.base_path_mode == "prepend") {
    put.mutable_import()->set_base_path_mode(v1::ImportSettings::BASE_PATH_MODE_PREPEND);
  } else if (options.base_path_mode == "split") {
    put.mutable_import()->set_base_path_mode(v1::ImportSettings::BASE_PATH_MODE_SPLIT);
  } else if (options.base_path_mode != "ignore") {
    return command->Usage(
        absl::StrCat("--base-path ", options.base_path_mode, ": write ignore, prepend or split"));
  }
  put.mutable_import()->set_strict(options.strict);
  // What a definition is told of the stage; its canary is not known before there is a deployment.
  StageFlags without_canary = options.settings;
  without_canary.canary.clear();
  without_canary.canary_variables.clear();
  if (absl::Status status = without_canary.Lay("", put.mutable_stage()); !status.ok()) {
    return command->Usage(status.message());
  }
  v1::PutDefinitionResponse definition;
  command->Must(&Stub::PutDefinition, put, &definition);
  if (!definition.accepted()) {
    if (command->json()) {
      std::printf("%s\n", definition.report_json().c_str());
    } else {
      std::fputs(definition.report_text().c_str(), stderr);
    }
    return kExitRefused;
  }

  v1::CreateDeploymentRequest create;
  create.set_api_id(definition.api_id());
  create.set_definition_digest(definition.digest());
  create.set_description(options.description);
  v1::Deployment deployment;
  command->Must(&Stub::CreateDeployment, create, &deployment);

  v1::GetStageRequest get;
  get.set_api_id(definition.api_id());
  get.set_name(options.stage);
  v1::Stage stage;
  const grpc::Status found = command->Call(&Stub::GetStage, get, &stage);
  if (found.ok()) {
    v1::UpdateStageRequest update;
    update.set_api_id(definition.api_id());
    update.set_name(options.stage);
    if (!options.to_canary()) update.set_deployment_digest(deployment.digest());
    *update.mutable_settings() = stage.settings();
    if (absl::Status status = options.settings.Lay(
            options.to_canary() ? deployment.digest() : std::string(), update.mutable_settings());
        !status.ok()) {
      return command->Usage(status.message());
    }
    update.set_expected_revision(stage.revision());
    stage.Clear();
    command->Must(&Stub::UpdateStage, update, &stage);
  } else if (found.error_code() == grpc::StatusCode::NOT_FOUND && options.to_canary()) {
    // rest-api.md 13.4
    return command->Fail(kExitRefused,
                         absl::StrCat("stage ", options.stage,
                                      " must be there before it gets a canary: deploy without "
                                      "--canary first"));
  } else if (found.error_code() == grpc::StatusCode::NOT_FOUND) {
    v1::CreateStageRequest make;
    make.set_api_id(definition.api_id());
    make.set_name(options.stage);
    make.set_deployment_digest(deployment.digest());
    *make.mutable_settings() = put.stage();
    stage.Clear();
    command->Must(&Stub::CreateStage, make, &stage);
  } else {
    return command->FailedCall(found);
  }
  return Finish(command, stage, options.wait);
}

int Deploy(const std::vector<std::string>& args) {
  Command command("deploy", "FILE...", 1, 1000);
  DeployOptions options;
  options.Bind(&command.flags());
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  for (const std::string& file : command.arguments()) {
    if (code = DeployOne(&command, options, file); code != kExitOk) return code;
  }
  return code;
}

int Update(const std::vector<std::string>& args) {
  Command command("update", "STAGE", 1, 1);
  std::string api;
  std::string canary_deployment;
  StageFlags settings;
  WaitOptions wait;
  command.flags().String("api", "ID", "Its API, by id or name. Default: the one that has it.",
                         &api);
  settings.Bind(&command.flags());
  command.flags().String("canary-deployment", "DEPLOYMENT",
                         "The deployment that the canary points at.", &canary_deployment);
  wait.Bind(&command.flags());
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  using Stub = v1::Management::Stub;
  v1::GetStageRequest get;
  get.set_api_id(command.FindApi(api, command.arguments()));
  get.set_name(command.arguments()[0]);
  v1::Stage stage;
  command.Must(&Stub::GetStage, get, &stage);
  v1::UpdateStageRequest update;
  update.set_api_id(get.api_id());
  update.set_name(get.name());
  *update.mutable_settings() = stage.settings();
  if (absl::Status status = settings.Lay(canary_deployment, update.mutable_settings());
      !status.ok()) {
    return command.Usage(status.message());
  }
  update.set_expected_revision(stage.revision());
  stage.Clear();
  command.Must(&Stub::UpdateStage, update, &stage);
  return Finish(&command, stage, wait);
}

// ---- what there is ----

const char* StateText(v1::Sidecar::State state) {
  switch (state) {
    case v1::Sidecar::STATE_APPLIED:
      return "applied";
    case v1::Sidecar::STATE_REFUSED:
      return "refused";
    default:
      return "pending";
  }
}

std::string CanaryText(const v1::StageSettings& settings) {
  if (!settings.has_canary()) return "-";
  return absl::StrCat(Short(settings.canary().deployment_digest()), " ",
                      settings.canary().percent_traffic(), "%");
}

int Stages(const std::vector<std::string>& args) {
  Command command("stages", "", 0, 0);
  std::string api;
  std::string group;
  command.flags().String("api", "ID", "Only those of this API, by id or name.", &api);
  command.flags().String("group", "NAME", "Only those of this group.", &group);
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  v1::ListStagesRequest request;
  if (!api.empty()) request.set_api_id(command.FindApi(api, {}));
  request.set_group(group);
  v1::ListStagesResponse stages;
  command.Must(&v1::Management::Stub::ListStages, request, &stages);
  v1::ListSidecarsRequest list;
  list.set_group(group);
  v1::ListSidecarsResponse sidecars;
  command.Must(&v1::Management::Stub::ListSidecars, list, &sidecars);
  if (command.json()) {
    // One document of the two answers.
    const std::string first = Command::ToJson(stages);
    const std::string second = Command::ToJson(sidecars);
    std::printf("%s,%s\n", first.substr(0, first.size() - 1).c_str(), second.substr(1).c_str());
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows = {{"API", "NAME", "STAGE", "DEPLOYMENT", "GROUP",
                                                 "PATH", "CANARY", "VERSION", "APPLIED", "PENDING",
                                                 "REFUSED", "CHANGED", "BY"}};
  for (const v1::Stage& stage : stages.stages()) {
    rows.push_back({stage.api_id(), Dash(stage.api_name()), stage.name(),
                    Short(stage.deployment_digest()), stage.settings().group(),
                    "/" + stage.settings().base_path(), CanaryText(stage.settings()),
                    absl::StrCat(stage.group_version()), absl::StrCat(stage.applied()),
                    absl::StrCat(stage.pending()), absl::StrCat(stage.refused()),
                    TimeText(stage.updated_ms()), Dash(stage.updated_by())});
  }
  PrintTable(rows);
  if (sidecars.sidecars_size() == 0) return kExitOk;
  std::printf("\n");
  rows = {{"GROUP", "SIDECAR", "STATE", "VERSION", "WANTED", "HOST", "ADDRESS", "SEEN"}};
  for (const v1::Sidecar& sidecar : sidecars.sidecars()) {
    rows.push_back({sidecar.group(), sidecar.id(),
                    sidecar.connected() ? StateText(sidecar.state()) : "gone",
                    absl::StrCat(sidecar.version()), absl::StrCat(sidecar.target_version()),
                    Dash(sidecar.host()), sidecar.address(), TimeText(sidecar.last_seen_ms())});
  }
  PrintTable(rows);
  for (const v1::Sidecar& sidecar : sidecars.sidecars()) {
    for (const std::string& problem : sidecar.problems()) {
      std::printf("%s/%s: %s\n", sidecar.group().c_str(), sidecar.id().c_str(), problem.c_str());
    }
  }
  return kExitOk;
}

int Deployments(const std::vector<std::string>& args) {
  Command command("deployments", "", 0, 0);
  std::string api;
  uint64_t limit = 100;
  command.flags().String("api", "ID", "Only those of this API, by id.", &api);
  command.flags().Number("limit", "N", "How many at most, newest first. Default 100.", 1, 1000,
                         &limit);
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  v1::ListDeploymentsRequest request;
  request.set_api_id(api);
  request.set_limit(static_cast<uint32_t>(limit));
  v1::ListDeploymentsResponse deployments;
  command.Must(&v1::Management::Stub::ListDeployments, request, &deployments);
  if (command.json()) {
    command.PrintJson(deployments);
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows = {
      {"DEPLOYMENT", "API", "NAME", "METHODS", "BYTES", "STAGES", "CREATED", "BY", "DESCRIPTION"}};
  for (const v1::Deployment& deployment : deployments.deployments()) {
    rows.push_back({Short(deployment.digest()), deployment.api_id(), Dash(deployment.api_name()),
                    absl::StrCat(deployment.methods()), absl::StrCat(deployment.size_bytes()),
                    Dash(absl::StrJoin(deployment.stages(), ",")),
                    TimeText(deployment.created_ms()), Dash(deployment.created_by()),
                    deployment.description()});
  }
  PrintTable(rows);
  if (deployments.more()) std::printf("...\n");
  return kExitOk;
}

int Diff(const std::vector<std::string>& args) {
  Command command("diff", "FROM TO", 2, 2);
  std::string api;
  bool exit_code = false;
  command.flags().String("api", "ID", "API of both, by id, where digests alone are ambiguous.",
                         &api);
  command.flags().Switch("exit-code", "End with 1 if they differ.", &exit_code);
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  v1::DiffDeploymentsRequest request;
  request.set_api_id(api);
  request.set_from(command.arguments()[0]);
  request.set_to(command.arguments()[1]);
  v1::DiffDeploymentsResponse response;
  command.Must(&v1::Management::Stub::DiffDeployments, request, &response);
  if (command.json()) {
    command.PrintJson(response);
  } else {
    for (const v1::Difference& difference : response.differences()) {
      switch (difference.kind()) {
        case v1::Difference::KIND_ADDED:
          std::printf("+ %s: %s\n", difference.path().c_str(), difference.to().c_str());
          break;
        case v1::Difference::KIND_REMOVED:
          std::printf("- %s: %s\n", difference.path().c_str(), difference.from().c_str());
          break;
        default:
          std::printf("~ %s: %s -> %s\n", difference.path().c_str(), difference.from().c_str(),
                      difference.to().c_str());
      }
    }
    if (response.more()) std::printf("...\n");
  }
  return exit_code && response.differences_size() > 0 ? kExitFailed : kExitOk;
}

// ---- what moves ----

int Promote(const std::vector<std::string>& args) {
  Command command("promote", "[FROM] STAGE", 1, 2);
  std::string api;
  WaitOptions wait;
  command.flags().String(
      "api", "ID", "API of both stages, by id or name. Default: the one that has them.", &api);
  wait.Bind(&command.flags());
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  v1::PromoteRequest request;
  request.set_api_id(command.FindApi(api, command.arguments()));
  // With one argument, it is the stage's own canary that becomes its deployment.
  if (command.arguments().size() == 2) request.set_from_stage(command.arguments()[0]);
  request.set_to_stage(command.arguments().back());
  v1::Stage stage;
  command.Must(&v1::Management::Stub::Promote, request, &stage);
  return Finish(&command, stage, wait);
}

int Rollback(const std::vector<std::string>& args) {
  Command command("rollback", "STAGE", 1, 1);
  std::string api;
  std::string to;
  WaitOptions wait;
  command.flags().String("api", "ID", "Its API, by id or name. Default: the one that has it.",
                         &api);
  command.flags().String("to", "DEPLOYMENT",
                         "A deployment that it has had. Default: the one before the present one.",
                         &to);
  wait.Bind(&command.flags());
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  v1::RollbackRequest request;
  request.set_api_id(command.FindApi(api, command.arguments()));
  request.set_stage(command.arguments()[0]);
  request.set_deployment_digest(to);
  v1::Stage stage;
  command.Must(&v1::Management::Stub::Rollback, request, &stage);
  return Finish(&command, stage, wait);
}

int Delete(const std::vector<std::string>& args) {
  Command command("delete", "", 0, 0);
  std::string api;
  std::string stage;
  std::string deployment;
  command.flags().String("api", "ID", "Of which API, by id or name.", &api);
  command.flags().String("stage", "NAME", "The stage to delete.", &stage);
  command.flags().String("deployment", "DIGEST", "The deployment to delete.", &deployment);
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  if (stage.empty() == deployment.empty()) return command.Usage("give --stage or --deployment");
  if (!stage.empty()) {
    v1::DeleteStageRequest request;
    request.set_api_id(command.FindApi(api, {stage}));
    request.set_name(stage);
    v1::DeleteStageResponse response;
    command.Must(&v1::Management::Stub::DeleteStage, request, &response);
    if (command.json()) command.PrintJson(response);
    return kExitOk;
  }
  v1::DeleteDeploymentRequest request;
  request.set_api_id(api);
  request.set_digest(deployment);
  v1::DeleteDeploymentResponse response;
  command.Must(&v1::Management::Stub::DeleteDeployment, request, &response);
  if (command.json()) command.PrintJson(response);
  return kExitOk;
}

int Audit(const std::vector<std::string>& args) {
  Command command("audit", "", 0, 0);
  uint64_t limit = 100;
  uint64_t before = 0;
  command.flags().Number("limit", "N", "How many at most, newest first. Default 100.", 1, 1000,
                         &limit);
  command.flags().Number("before", "N", "Only records with lower numbers.", 1, UINT64_MAX, &before);
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  v1::ListAuditRequest request;
  request.set_limit(static_cast<uint32_t>(limit));
  request.set_before(before);
  v1::ListAuditResponse audit;
  command.Must(&v1::Management::Stub::ListAudit, request, &audit);
  if (command.json()) {
    command.PrintJson(audit);
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows = {
      {"NUMBER", "TIME", "WHO", "FROM", "ACTION", "OBJECT", "DETAIL"}};
  for (const v1::AuditRecord& record : audit.records()) {
    rows.push_back({absl::StrCat(record.sequence()), TimeText(record.at_ms()), record.who(),
                    record.from(), record.action(), record.object(), record.detail()});
  }
  PrintTable(rows);
  return kExitOk;
}

template <int (*kCommand)(const std::vector<std::string>&)>
int Guarded(const std::vector<std::string>& args) {
  try {
    return kCommand(args);
  } catch (const Ended& ended) {
    return ended.code;
  }
}

}  // namespace

ManageCommand FindManageCommand(std::string_view name) {
  if (name == "deploy") return Guarded<Deploy>;
  if (name == "update") return Guarded<Update>;
  if (name == "stages") return Guarded<Stages>;
  if (name == "deployments") return Guarded<Deployments>;
  if (name == "diff") return Guarded<Diff>;
  if (name == "promote") return Guarded<Promote>;
  if (name == "rollback") return Guarded<Rollback>;
  if (name == "delete") return Guarded<Delete>;
  if (name == "audit") return Guarded<Audit>;
  return nullptr;
}

}  // namespace postern
