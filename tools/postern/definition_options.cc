#include "tools/postern/definition_options.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/postern/paths.h"
#include "tools/postern/run_settings.h"

namespace postern {
namespace {

std::vector<std::string> SplitLines(absl::string_view text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

void AddProblems(absl::string_view lines, Definitions* out) {
  for (std::string& line : SplitLines(lines)) out->problems.push_back(std::move(line));
}

/// Reads files and adds what is usable of them to `imported`.
void ImportFiles(const std::vector<std::string>& files, ImportOptions import, Definitions* out,
                 std::vector<Imported>* imported) {
  for (const std::string& file : files) {
    out->files.push_back(file);
    absl::StatusOr<std::string> text = ReadDefinitionFile(file);
    if (!text.ok()) {
      AddProblems(text.status().message(), out);
      continue;
    }
    import.file_name = file;
    ImportResult result = ImportDefinition(*text, import);
    const bool usable = result.ok();
    for (const auto& [filter, place] : result.filter_places) {
      out->filter_places.emplace(
          std::tuple(result.api.id(), filter.first, filter.second),
          absl::StrCat(file, ":", place.line, ":", place.column, " ", place.pointer));
    }
    out->reports.push_back(std::move(result.report));
    if (usable) {
      imported->push_back({file, *std::move(text),
                           CompileInput{std::move(result.api), std::move(result.deployment),
                                        std::nullopt, std::move(result.modules)}});
    }
  }
}

/// The settings file, with the stage of --stage in front.
absl::StatusOr<RunSettings> ReadSettings(const DefinitionOptions& options) {
  const absl::StatusOr<std::string> text = ReadDefinitionFile(options.settings_file);
  if (!text.ok()) return text.status();
  absl::StatusOr<RunSettings> settings = ReadRunSettings(*text, options.settings_file);
  if (!settings.ok() || options.stage.empty()) return settings;
  const auto first =
      std::find_if(settings->stages.begin(), settings->stages.end(),
                   [&](const RunSettings::Stage& stage) { return stage.name == options.stage; });
  if (first == settings->stages.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.settings_file, ": there is no stage \"", options.stage, "\""));
  }
  std::rotate(settings->stages.begin(), first, first + 1);
  return settings;
}

/// Gives each of `inputs` the API of the same id in the canary's file.
void AddCanaries(const RunSettings::Canary& settings, const ImportOptions& import, Definitions* out,
                 std::vector<CompileInput>* inputs) {
  std::vector<Imported> canaries;
  ImportFiles({settings.definition}, import, out, &canaries);
  for (Imported& canary : canaries) {
    const auto api = std::find_if(inputs->begin(), inputs->end(), [&](const CompileInput& input) {
      return input.api.id() == canary.input.api.id();
    });
    if (api == inputs->end()) {
      AddProblems(absl::StrCat(settings.definition, ": API \"", canary.input.api.name(),
                               "\" is the canary of none that is served; give it the title or "
                               "x-postern-api-id of one"),
                  out);
      continue;
    }
    api->canary =
        CompileInput::Canary{std::move(canary.input.deployment), std::move(canary.input.modules),
                             settings.percent_traffic, settings.variable_overrides};
  }
}

/// Compiles one stage and adds it to out->snapshot.
void CompileStage(const std::vector<CompileInput>& inputs, const CompileOptions& compile,
                  Definitions* out) {
  absl::StatusOr<snapshot::v1::Snapshot> compiled = CompileSnapshot(inputs, compile);
  if (!compiled.ok()) {
    AddProblems(compiled.status().message(), out);
  } else if (out->snapshot.stages().empty()) {
    out->snapshot = *std::move(compiled);
  } else {
    MergeStages(*std::move(compiled), &out->snapshot);
  }
}

/// Compiles what the settings file says, too.
void CompileStages(const RunSettings& settings, const std::vector<CompileInput>& inputs,
                   const ImportOptions& import, CompileOptions compile, Definitions* out) {
  // --var comes before what the file says.
  const auto command_line = compile.stage.variables;
  for (const RunSettings::Stage& stage : settings.stages) {
    compile.stage.name = stage.name;
    compile.stage.http_api_name = stage.name == "prod" ? "$default" : stage.name;
    compile.stage.variables = command_line;
    compile.stage.variables.insert(stage.variables.begin(), stage.variables.end());
    std::vector<CompileInput> own = inputs;
    if (stage.canary) AddCanaries(*stage.canary, import, out, &own);
    if (!out->ok()) return;
    CompileStage(own, compile, out);
  }
  if (!out->ok()) return;
  for (const std::string& text : ApplyRunSettings(settings, &out->snapshot)) AddProblems(text, out);
}

}  // namespace

absl::StatusOr<std::string> ReadDefinitionFile(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  }
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is a folder; name the definition file in it"));
  }
  if (info.st_size > static_cast<off_t>(kMaxDefinitionBytes)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": has ", info.st_size, " bytes; at most ",
                                                   kMaxDefinitionBytes, " are read"));
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in)
    return absl::UnavailableError(absl::StrCat(path, ": cannot be read: ", std::strerror(errno)));
  return std::move(text).str();
}

void DefinitionOptions::Bind(FlagSet* flags) {
  flags->String("stage", "NAME", "Stage to serve. Default prod, and $default for HTTP APIs.",
                &stage);
  flags->String("settings", "FILE",
                "Stages with their variables, logs, method settings and canaries, and domains "
                "(docs/operations.md). The stage of --stage, else the first, is served on every "
                "host without a domain of its own.",
                &settings_file);
  flags->Strings("var", "NAME=VALUE", "A stage variable. May be repeated.", &variables);
  flags->Strings(
      "lambda", "NAME=URL[,URL...]",
      "Where a Lambda function is: its name, name:alias, ARN, or * for every other one. "
      "http://host:port is a Runtime Interface Emulator; invoke+http://host:port an Invoke "
      "API. Several URLs share the load. May be repeated.",
      &lambdas);
  flags->Strings(
      "allow-unenforced", "GUARD[,GUARD...]",
      "Serve although this guard of the definition cannot be enforced: authorizer, iam, "
      "security, api-key, policy, validator, mutual-tls, tls-policy, "
      "private-endpoint, extension, the name of a scheme or extension, a JSON pointer, or "
      "all. May be repeated.",
      &allow_unenforced);
  flags->String("base-path", "MODE",
                "What a definition's base path does: ignore (default), prepend or split.",
                &base_path_mode);
  flags->String("account", "ID", "Account id that events and ARNs show. Default 000000000000.",
                &account);
  flags->String("region", "NAME", "Region that events and ARNs show. Default us-east-1.", &region);
  flags->String("access-log", "FORMAT",
                "Access log of the stage: one line of text with $context variables. Default none.",
                &access_log_format);
  flags->String("access-log-file", "PATH", "Where its lines go. Default standard output.",
                &access_log_file);
  flags->String(
      "upstream-ca", "FILE",
      "Roots that HTTPS upstreams of integrations are checked against, PEM. Default those "
      "of the system. Read again when it changes, like the two that follow.",
      &upstream_ca);
  flags->String("upstream-cert", "FILE",
                "Certificate chain shown to HTTPS upstreams that ask for one, PEM, leaf first.",
                &upstream_cert);
  flags->String("upstream-key", "FILE", "Its private key, PEM.", &upstream_key);
  flags->Number("upstream-idle-timeout", "MS",
                "Longest silence of an upstream in the middle of its answer, which is then broken "
                "off. Default 60000; 0: no bound.",
                0, 3'600'000, &upstream_idle_timeout_ms);
  flags->Switch("strict", "Refuse whatever would be approximated or made unavailable.", &strict);
}

bool Definitions::ok() const {
  if (!problems.empty()) return false;
  for (const ImportReport& report : reports) {
    if (report.refused()) return false;
  }
  return true;
}

namespace {

/// What the options say of how to import, and to `out` of how to compile.
ImportOptions ToImportOptions(const DefinitionOptions& options, Definitions* result) {
  Definitions& out = *result;
  const auto problem = [&out](absl::string_view text) { out.problems.emplace_back(text); };
  ImportOptions import;
  import.fail_on_warnings = options.strict;
  if (!options.stage.empty()) {
    import.stage.http_api_name = options.stage;
    if (options.stage != "$default") import.stage.name = options.stage;
  }
  import.stage.upstream_tls = {PathOrSecret(options.upstream_ca),
                               PathOrSecret(options.upstream_cert),
                               PathOrSecret(options.upstream_key)};
  if (auto secrets = options.secrets.ToSecrets(); secrets.ok()) {
    import.stage.secrets = *std::move(secrets);
  } else {
    problem(secrets.status().message());
  }
  import.stage.response_idle_timeout_ms = static_cast<uint32_t>(options.upstream_idle_timeout_ms);
  for (const std::string& pair : options.variables) {
    const size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0) {
      problem(absl::StrCat("--var ", pair, ": write NAME=VALUE"));
      continue;
    }
    import.stage.variables[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  for (const std::string& mapping : options.lambdas) {
    if (absl::Status status = AddLambdaMapping(mapping, import.stage.lambda); !status.ok()) {
      problem(absl::StrCat("--lambda ", mapping, ": ", status.message()));
    }
  }
  for (const std::string& list : options.allow_unenforced) {
    for (absl::string_view guard : absl::StrSplit(list, ',', absl::SkipEmpty())) {
      import.allow_unenforced.emplace_back(guard);
      out.settings.add_allow_unenforced(std::string(guard));
    }
  }
  out.settings.set_strict(options.strict);
  if (options.base_path_mode == "prepend") {
    import.base_path_mode = BasePathMode::kPrepend;
    out.settings.set_base_path_mode(control::v1::ImportSettings::BASE_PATH_MODE_PREPEND);
  } else if (options.base_path_mode == "split") {
    import.base_path_mode = BasePathMode::kSplit;
    out.settings.set_base_path_mode(control::v1::ImportSettings::BASE_PATH_MODE_SPLIT);
  } else if (options.base_path_mode != "ignore") {
    problem(
        absl::StrCat("--base-path ", options.base_path_mode, ": write ignore, prepend or split"));
  }
  import.gateway.set_account_id(options.account);
  import.gateway.set_region(options.region);
  if (absl::Status status = ValidateStageOptions(import.stage); !status.ok()) {
    AddProblems(status.message(), &out);
  }
  out.stage = import.stage;
  out.gateway = import.gateway;
  if (!options.access_log_format.empty()) {
    out.access_log.emplace();
    out.access_log->set_format(options.access_log_format);
    if (options.access_log_file.empty()) {
      out.access_log->set_standard_output(true);
    } else {
      out.access_log->set_file(AbsolutePath(options.access_log_file));
    }
  }
  return import;
}

}  // namespace

Definitions ImportDefinitions(const DefinitionOptions& options) {
  Definitions out;
  const ImportOptions import = ToImportOptions(options, &out);
  if (out.problems.empty()) ImportFiles(options.files, import, &out, &out.imported);
  return out;
}

Definitions LoadDefinitions(const DefinitionOptions& options,
                            const std::vector<snapshot::v1::Listener>& listeners,
                            uint64_t version) {
  Definitions out;
  ImportOptions import = ToImportOptions(options, &out);
  std::optional<RunSettings> settings;
  if (!options.settings_file.empty()) {
    out.files.push_back(options.settings_file);
    if (absl::StatusOr<RunSettings> read = ReadSettings(options); read.ok()) {
      settings = *std::move(read);
      // What the report says of variables is about the first stage.
      const RunSettings::Stage& first = settings->stages.front();
      import.stage.variables.insert(first.variables.begin(), first.variables.end());
    } else {
      AddProblems(read.status().message(), &out);
    }
  }
  if (out.problems.empty()) ImportFiles(options.files, import, &out, &out.imported);
  if (!out.ok()) return out;
  CompileOptions compile;
  compile.stage = out.stage;
  compile.version = version;
  compile.gateway = out.gateway;
  compile.listeners = listeners;
  compile.access_log = out.access_log;
  std::vector<CompileInput> inputs;
  for (Imported& imported : out.imported) inputs.push_back(std::move(imported.input));
  out.imported.clear();
  if (settings) {
    CompileStages(*settings, inputs, import, compile, &out);
  } else {
    CompileStage(inputs, compile, &out);
  }
  return out;
}

void Definitions::AddProblem(const SnapshotProblem& problem) {
  const auto place = filter_places.find({problem.api_id, problem.scope, problem.filter});
  problems.push_back(place == filter_places.end()
                         ? problem.ToString()
                         : absl::StrCat(problem.ToString(), " (", place->second, ")"));
}

void PrintReports(const Definitions& definitions) {
  const bool color = ::isatty(2) == 1;
  for (const ImportReport& report : definitions.reports) {
    std::fputs(report.ToText(color).c_str(), stderr);
  }
  for (const std::string& problem : definitions.problems) {
    std::fprintf(stderr, "postern: %s\n", problem.c_str());
  }
}

}  // namespace postern
